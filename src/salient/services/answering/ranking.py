"""Answers without a language model: which found sentence answers, with what words, how surely.

Pure: passages come in, ranked sentences go out; it searches nothing and stores nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt, Misconfigured
from salient.model import Annotations, columns
from salient.services.answering import question as asking
from salient.services.answering import short
from salient.services.answering.features import (
    FEATURES,
    INDEX,
    SPAN_FEATURES,
    Candidate,
    Sentence,
    describe,
    sentences_of,
)
from salient.services.answering.forest import Forest, Linear, sigmoid
from salient.services.answering.question import AnswerType, Question
from salient.services.answering.terms import Idf, Rarity
from salient.services.answering.words import NUMBER_WORDS

FORMAT = 1
WEIGHTS = "weights.columns"
CONFIDENCE_FEATURES = ("score", "best", "second", "gap", "row", "share", *FEATURES)
_VALUES = frozenset(
    {AnswerType.DATE, AnswerType.MONEY, AnswerType.NUMBER, AnswerType.PERCENT, AnswerType.DURATION}
)
SHORTLIST = 12
"""So many sentences get a short answer looked for; the rest cannot come far."""


class Vectors(Protocol):
    """What ranking needs of an encoder: unit rows, (n, dimensions) float32."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True)
class Ranked:
    """A sentence that may answer. Spans are offsets in the document's canonical text."""

    candidate: int
    """Row in the candidates that were given."""
    sentence: tuple[int, int]
    answer: tuple[int, int] | None
    """The short answer within the sentence, where one stands out."""
    score: float
    """Log-odds that orders sentences of one question; compare no others."""
    confidence: float
    """Probability that this sentence answers, calibrated over questions with and without answer."""


@dataclass(frozen=True, slots=True)
class Model:
    """Trained weights and what they were trained with."""

    version: str
    threshold: float
    """`found` says yes from this confidence on."""
    rarity: Rarity
    sentence: Forest
    confidence: Forest
    span: Linear
    span_threshold: float

    def dump(self) -> bytes:
        """As one column file; equal models give equal bytes."""
        stems = sorted(self.rarity.background)
        arrays: dict[str, NDArray[Any]] = {
            "stems": np.frombuffer("\n".join(stems).encode(), np.uint8),
            # tenths are finer than any of it matters
            "rarity": np.array([round(10 * self.rarity.background[s]) for s in stems], np.uint8),
            **self.sentence.arrays("sentence"),
            **self.confidence.arrays("confidence"),
            **self.span.arrays("span"),
        }
        header = {
            "format": FORMAT,
            "version": self.version,
            "features": list(FEATURES),
            "span_features": list(SPAN_FEATURES),
            "threshold": self.threshold,
            "span_threshold": self.span_threshold,
            "unseen": self.rarity.unseen,
        }
        return columns.dump(arrays, header)

    @classmethod
    def read(cls, data: bytes | memoryview) -> Model:
        """Read what `dump` gave; the arrays are views into it.

        Raises:
            Corrupt: `data` is not a model for these features.
        """
        header, arrays = columns.load(data)
        if (
            header.get("format") != FORMAT
            or header.get("features") != list(FEATURES)
            or header.get("span_features") != list(SPAN_FEATURES)
        ):
            raise Corrupt("answering weights belong to other features", format=header.get("format"))
        try:
            stems = arrays["stems"].tobytes().decode().split("\n")
            background = dict(zip(stems, (arrays["rarity"] / 10.0).tolist(), strict=True))
            return cls(
                version=str(header["version"]),
                threshold=float(header["threshold"]),
                rarity=Rarity(background, float(header["unseen"])),
                sentence=Forest.read(arrays, "sentence", len(FEATURES)),
                confidence=Forest.read(arrays, "confidence", len(CONFIDENCE_FEATURES)),
                span=Linear.read(arrays, "span", len(SPAN_FEATURES)),
                span_threshold=float(header["span_threshold"]),
            )
        except (KeyError, ValueError) as exc:
            raise Corrupt("answering weights are damaged") from exc


@lru_cache(maxsize=1)
def load() -> Model:
    """The weights that ship with salient, read once a process.

    Raises:
        Misconfigured: the installation lacks the file.
        Corrupt: the file does not fit this code.
    """
    file = resources.files("salient.services.answering").joinpath(WEIGHTS)
    try:
        data = file.read_bytes()
    except FileNotFoundError as exc:
        raise Misconfigured(
            f"installation lacks answering/{WEIGHTS}; python bench/train_answering.py makes it"
        ) from exc
    return Model.read(data)


def analyse(
    question: str,
    annotations: Annotations | None = None,
    *,
    idf: Idf = None,
    model: Model | None = None,
) -> Question:
    """Read a question: kinds of answer, words that count and how much, names that must be there.

    Args:
        annotations: of exactly `question`; its mentions become names. None: capitals tell.
        idf: rarity of a lower-case word in the searched documents, as a function or a table.
            None: how rare it is in English.

    Raises:
        InvalidInput: no words in it, or more than 2000 characters.
    """
    rarity = (model or load()).rarity
    return asking.analyse(question, annotations, rarity=rarity, idf=idf)


def rank(
    question: Question,
    candidates: Sequence[Candidate],
    *,
    encoder: Vectors | None = None,
    limit: int = 10,
    model: Model | None = None,
) -> list[Ranked]:
    """The sentences that best answer, best first.

    Args:
        candidates: best first, as search returned them; 10 to 30 is a good number. Passages may
            overlap: a sentence is ranked once.
        encoder: adds the likeness of meaning; it is trained to do without.

    Cost: O(words of the candidates); about a millisecond a passage on first sight.
    """
    model = model or load()
    sentences, table = features(question, candidates, encoder=encoder, model=model)
    if not sentences:
        return []
    score = model.sentence.score(table)
    order = np.argsort(-score, kind="stable")[: max(limit, 1)]
    confidence = sigmoid(model.confidence.score(confidence_rows(score, order, table)))
    ranked = []
    for row, sure in zip(order, confidence, strict=True):
        sentence = sentences[row]
        candidate = candidates[sentence.candidate]
        answer = _short_answer(question, sentence, candidate, model)
        ranked.append(
            Ranked(
                candidate=sentence.candidate,
                sentence=(candidate.start + sentence.start, candidate.start + sentence.end),
                answer=answer,
                score=float(score[row]),
                confidence=float(sure),
            )
        )
    return ranked


def found(ranked: Sequence[Ranked], *, model: Model | None = None) -> bool:
    """Whether any sentence is sure enough to be shown as an answer."""
    threshold = (model or load()).threshold
    return any(r.confidence >= threshold for r in ranked)


def features(
    question: Question,
    candidates: Sequence[Candidate],
    *,
    encoder: Vectors | None,
    model: Model,
) -> tuple[list[Sentence], NDArray[np.float32]]:
    """Every sentence with its (n, len(FEATURES)) row; training and ranking both start here."""
    similarity = None
    if encoder is not None:
        texts = [candidates[at].text[a:b] for at, a, b in sentences_of(candidates)]
        if texts:
            vectors = encoder.encode([question.text, *texts])
            similarity = np.asarray(vectors[1:] @ vectors[0], np.float32)
    sentences, table = describe(question, candidates, similarity)
    if not sentences:
        return sentences, table
    table[:, INDEX["answer"]] = -8.0
    hopeful = np.argsort(-table[:, INDEX["coverage_context"]], kind="stable")[:SHORTLIST]
    for row in hopeful:
        sentence = sentences[row]
        text = candidates[sentence.candidate].text
        spans = short.possible(question, sentence, text)
        if spans:
            rows = short.describe_spans(question, sentence, spans, text)
            table[row, INDEX["answer"]] = float(model.span.score(rows).max())
    return sentences, table


def confidence_rows(
    score: NDArray[np.float64], order: NDArray[np.intp], table: NDArray[np.float32]
) -> NDArray[np.float32]:
    """What confidence is judged from, for the sentences of `order` (best first).

    Shape (len(order), len(CONFIDENCE_FEATURES)): the sentence's score among the others', then its
    own features.
    """
    ordered = score[order]
    best = ordered[0]
    second = ordered[1] if len(ordered) > 1 else -20.0
    share = np.exp(ordered - best)
    share /= share.sum()
    head = np.column_stack(
        [
            ordered,
            np.full_like(ordered, best),
            np.full_like(ordered, second),
            ordered - best,
            np.arange(len(ordered)),
            share,
        ]
    )
    return np.hstack([head, table[order]]).astype(np.float32)


def _short_answer(
    question: Question, sentence: Sentence, candidate: Candidate, model: Model
) -> tuple[int, int] | None:
    if question.types[0] is AnswerType.YESNO:
        return None
    spans = short.possible(question, sentence, candidate.text)
    if not spans:
        return None
    rows = short.describe_spans(question, sentence, spans, candidate.text)
    score = model.span.score(rows)
    best = int(np.argmax(score))
    if score[best] < model.span_threshold:
        return None
    first, last = spans[best]
    tokens = sentence.view.tokens
    forms = [t.form for t in tokens[first:last]]
    is_value = any(f in NUMBER_WORDS or any(map(str.isdigit, f)) for f in forms)
    if question.types[0] in _VALUES and not is_value:
        return None  # no number is better than a word that is none
    start, end = tokens[first].start, tokens[last - 1].end
    for typed in sentence.view.typed:  # "$12" and "4.5%": symbols are no words
        if typed.start <= start and end <= typed.end and typed.end - typed.start <= end - start + 4:
            start, end = typed.start, typed.end
            break
    return candidate.start + start, candidate.start + end
