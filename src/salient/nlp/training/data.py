"""Training data as columns: treebanks and entity corpora, parted and numbered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salient.errors import NotFound
from salient.kernels.types import MOST_GRAMS
from salient.nlp.casing import is_shouted
from salient.nlp.native import features
from salient.nlp.training import conllu, entities, lemmas
from salient.nlp.training.entities import Tagged
from salient.nlp.training.lemmas import Lemmas

UPOS: Final = ("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN",
               "PUNCT", "SCONJ", "SYM", "VERB", "X")  # fmt: skip
UNKNOWN: Final = -1
"""No label: the word does not count for this head."""

HELD_OUT: Final = 20
"""Every so many documents of a training file, one is kept for choosing."""

TAGGERS: Final = ("upos", "xpos", "feats", "lemma")
HEADS: Final = (*TAGGERS, "relation", "head")

Ints = NDArray[np.int32]
Soft = tuple[NDArray[np.int16], NDArray[np.float16]]
"""(n, k) labels and (n, k) their probabilities, the rest of which is spread over the others."""


@dataclass(frozen=True, slots=True)
class Labels:
    """What each head of the network can say, in the order of its outputs."""

    xpos: tuple[str, ...]
    feats: tuple[str, ...]
    relations: tuple[str, ...]
    lemmas: Lemmas
    upos: tuple[str, ...] = UPOS

    @classmethod
    def learn(cls, documents: Iterable[conllu.Document]) -> Labels:
        """The labels that these documents use, sorted."""
        sentences = [s for document in documents for s in document.sentences]
        words = (
            (f, u, m) for s in sentences for f, u, m in zip(s.forms, s.upos, s.lemmas, strict=True)
        )
        return cls(
            xpos=tuple(sorted({tag for s in sentences for tag in s.xpos})),
            feats=tuple(sorted({tag for s in sentences for tag in s.feats})),
            relations=tuple(sorted({tag for s in sentences for tag in s.relations})),
            lemmas=lemmas.learn(words),
        )


@dataclass(slots=True)
class Types:
    """Every form that was met, its number, and what the network is given of it."""

    vectors: Mapping[str, int] = field(default_factory=dict)
    """Rows of the table of word vectors by norm, from 1; others have row 0."""
    forms: list[str] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)
    _tables: tuple[Ints, Ints, NDArray[np.float32], Ints] | None = None

    def number(self, form: str) -> int:
        """The number of a form; a new one gets the next."""
        found = self._numbers.setdefault(form, len(self.forms))
        if found == len(self.forms):
            self.forms.append(form)
        return found

    def cased(self, numbers: Ints, change: str) -> Ints:
        """The numbers of the same words in other case: `upper`, `lower` or `capitalize`."""
        made = [self.number(getattr(self.forms[number], change)()) for number in numbers.tolist()]
        return np.array(made, np.int32)

    def rows(self, numbers: Ints) -> tuple[Ints, Ints, NDArray[np.float32], Ints]:
        """Features of types: hashed rows (n, 6), rows of grams (n, MOST_GRAMS), flags (n, 16), vectors (n,).

        Grams are filled up with 0.
        """
        if self._tables is None or len(self._tables[0]) < len(self.forms):
            self._tables = self._made()
        hashed, grams, flags, vectors = self._tables
        return hashed[numbers], grams[numbers], flags[numbers], vectors[numbers]

    def _made(self) -> tuple[Ints, Ints, NDArray[np.float32], Ints]:
        done = len(self._tables[0]) if self._tables else 0
        forms = self.forms[done:]
        made = features.rows(forms)
        grams = np.zeros((len(forms), MOST_GRAMS), np.int32)
        counts = np.diff(made.offsets)
        grams[np.arange(MOST_GRAMS) < counts[:, None]] = made.grams
        vectors = np.array([self.vectors.get(norm, 0) for norm in features.norms(forms)], np.int32)
        new = (made.hashed, grams, features.flag_columns(made.flags), vectors)
        if self._tables is None:
            return new
        old = self._tables
        return (
            np.concatenate([old[0], new[0]]), np.concatenate([old[1], new[1]]),
            np.concatenate([old[2], new[2]]), np.concatenate([old[3], new[3]]),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """Documents as arrays, one row a word, a sentence or a document."""

    form: Ints
    """Numbers of `Types`."""
    types: Types
    space: NDArray[np.bool_]
    """Whether white space stands before the word."""
    label: dict[str, Ints]
    """By head: UNKNOWN, or the number of a label; for "head" 0 is the root and i the sentence's i-th word."""
    lemmas: list[str]
    """As annotated; "" where nothing is known."""
    allowed: Ints
    """Numbers of `sets`; 0 allows every tag."""
    known: NDArray[np.int8]
    """What a perfect gazetteer would say: 0, or 1 + 2 k at the first word of a name of kind k, then 2 + 2 k."""
    sets: list[int]
    """Sets of entity tags, as `entities` writes them."""
    sentences: NDArray[np.int64]
    """(n_sentences + 1,): where the words of each begin."""
    paragraph: NDArray[np.bool_]
    """Whether the sentence begins a paragraph."""
    bounded: NDArray[np.bool_]
    """Whether the sentence's bounds are true ones, which the network may learn."""
    shouted: NDArray[np.bool_]
    documents: NDArray[np.int64]
    """(n_documents + 1,): where the sentences of each begin."""
    soft: dict[str, Soft] = field(default_factory=dict)
    """By head, and "entity": what a teacher thinks; it goes before `label`."""

    @property
    def n_words(self) -> int:
        return len(self.form)

    @property
    def forms(self) -> list[str]:
        """The words as they are written."""
        return [self.types.forms[number] for number in self.form]


class Builder:
    """Collects documents and makes columns of them."""

    def __init__(self, types: Types, labels: Labels) -> None:
        self._types, self._labels = types, labels
        self._numbers = {
            "upos": {tag: i for i, tag in enumerate(labels.upos)},
            "xpos": {tag: i for i, tag in enumerate(labels.xpos)},
            "feats": {tag: i for i, tag in enumerate(labels.feats)},
            "relation": {tag: i for i, tag in enumerate(labels.relations)},
        }
        self._lemma: dict[tuple[str, str], int] = {}
        self._sets: dict[int, int] = {entities.ANYTHING: 0}
        self._words: dict[str, list[int]] = {
            name: [] for name in ("form", "space", "allowed", "known", *HEADS)
        }
        self._lemmas: list[str] = []
        self._sentences, self._documents = [0], [0]
        self._flags: dict[str, list[bool]] = {n: [] for n in ("paragraph", "bounded", "shouted")}

    def treebank(
        self,
        document: conllu.Document,
        tagged: Mapping[str, Tagged] | None = None,
        named: entities.Scheme | None = None,
    ) -> None:
        """Add a document with syntax, and its names: of `tagged`, or of GUM's own column.

        Args:
            named: what the labels of `tagged` mean; those of Universal NER, if None.
        """
        for sentence in document.sentences:
            allowed: Sequence[int] = ()
            spans: Sequence[entities.Span] = ()
            if tagged is None:
                scheme = entities.GUM
                if document.mentions:
                    allowed, spans = entities.gum_allowed(sentence)
            else:
                layer, scheme = entities.joined(sentence, tagged), named or entities.UNER
                if layer is not None:
                    allowed, spans = layer.allowed, layer.spans
            self._sentence(sentence.forms, allowed, spans, scheme)
            self._words["space"] += _spaces(document.text, sentence.spans)
            self._syntax(sentence)
            self._flag(sentence.forms, paragraph=sentence.paragraph, bounded=True)
        self._documents.append(len(self._sentences) - 1)

    def names(self, document: Sequence[Tagged], scheme: entities.Scheme) -> None:
        """Add a document of which only the names are known."""
        for at, sentence in enumerate(document):
            self._sentence(sentence.forms, sentence.allowed, sentence.spans, scheme)
            self._words["space"] += entities.spaces(sentence.forms)
            for head in HEADS:
                self._words[head] += [UNKNOWN] * len(sentence.forms)
            self._lemmas += [""] * len(sentence.forms)
            self._flag(sentence.forms, paragraph=at == 0, bounded=False)
        self._documents.append(len(self._sentences) - 1)

    def _sentence(
        self,
        forms: Sequence[str],
        allowed: Sequence[int],
        spans: Sequence[entities.Span],
        scheme: entities.Scheme,
    ) -> None:
        self._words["form"] += [self._types.number(form) for form in forms]
        sets = allowed or [entities.ANYTHING] * len(forms)
        self._words["allowed"] += [self._sets.setdefault(s, len(self._sets)) for s in sets]
        self._words["known"] += _known(len(forms), spans, scheme)
        self._sentences.append(len(self._words["form"]))

    def _syntax(self, sentence: conllu.Sentence) -> None:
        columns = {
            "upos": sentence.upos, "xpos": sentence.xpos, "feats": sentence.feats,
            "relation": sentence.relations,
        }  # fmt: skip
        for head, column in columns.items():
            numbers = self._numbers[head]
            self._words[head] += [numbers.get(tag, UNKNOWN) for tag in column]
        self._words["head"] += sentence.heads
        self._lemmas += sentence.lemmas
        for pair in zip(sentence.forms, sentence.lemmas, strict=True):
            if pair not in self._lemma:
                self._lemma[pair] = self._labels.lemmas.choice(*pair)
            self._words["lemma"].append(self._lemma[pair])

    def _flag(self, forms: Sequence[str], *, paragraph: bool, bounded: bool) -> None:
        self._flags["paragraph"].append(paragraph)
        self._flags["bounded"].append(bounded)
        self._flags["shouted"].append(is_shouted(" ".join(forms)))

    def columns(self) -> Columns:
        """What was added so far."""
        return Columns(
            form=np.array(self._words["form"], np.int32),
            types=self._types,
            space=np.array(self._words["space"], bool),
            label={head: np.array(self._words[head], np.int32) for head in HEADS},
            lemmas=self._lemmas,
            allowed=np.array(self._words["allowed"], np.int32),
            known=np.array(self._words["known"], np.int8),
            sets=list(self._sets),
            sentences=np.array(self._sentences, np.int64),
            paragraph=np.array(self._flags["paragraph"], bool),
            bounded=np.array(self._flags["bounded"], bool),
            shouted=np.array(self._flags["shouted"], bool),
            documents=np.array(self._documents, np.int64),
        )


def _spaces(text: str, spans: Sequence[tuple[int, int]]) -> list[bool]:
    return [start > 0 and text[start - 1].isspace() for start, _ in spans]


def _known(size: int, spans: Sequence[entities.Span], scheme: entities.Scheme) -> list[int]:
    known = [0] * size
    for start, end, label in spans:
        names = scheme.types[label]
        if "DATE" in names or "QUANTITY" in names or "MONEY" in names:
            continue
        kind = 0 if "PERSON" in names else 2 if "LOC" in names else 1 if "ORG" in names else 3
        known[start:end] = [2 + 2 * kind] * (end - start)
        known[start] = 1 + 2 * kind
    return known


# Source -> (file, how to read it). Treebanks are read apart.
NAMES: Final = {
    "btc-a": ("ner/btc/btc-a.conll", entities.BTC),
    "btc-b": ("ner/btc/btc-b.conll.xz", entities.BTC),
    "btc-e": ("ner/btc/btc-e.conll", entities.BTC),
    "btc-g": ("ner/btc/btc-g.conll.xz", entities.BTC),
    "re3d": ("ner/re3d/re3d-train.conll", entities.RE3D_REPORTS),
    "sec-loans": ("ner/sec_loans/FIN5.conll.xz", entities.SEC_LOANS),
    "wikigold": ("ner/wikigold/wikigold.conll.xz", entities.WIKIGOLD),
    "wnut17": ("ner/wnut17/wnut17-train.conll.xz", entities.WNUT17),
}
FOLD: Final = (5, 10)
"""Of sets without a development part, the documents that are 5 modulo 10 are only reported on."""


@dataclass(frozen=True, slots=True)
class Gold:
    """The data made by hand, parted: to train on, to choose by, and to report on."""

    labels: Labels
    types: Types
    train: Columns
    tune: dict[str, Columns]
    shown: dict[str, Columns]


def load(
    root: Path,
    vectors: Mapping[str, int] | None = None,
    labels: Labels | None = None,
    *,
    fold: tuple[int, int] = FOLD,
) -> Gold:
    """Read every corpus under the data folder.

    Args:
        labels: of a model that was trained before; else they are learnt from the training parts.
        fold: which documents of the sets without a development part are only reported on: those that
            are the first number modulo the second. For cross-validation.

    Raises:
        NotFound: the folder has no treebanks.
    """
    if not (root / "ud").is_dir():
        raise NotFound("the data folder has no treebanks", folder=str(root))
    parts = {
        "ewt": conllu.read(root / "ud/ewt/en_ewt-ud-train.conllu.xz"),
        "gum": conllu.read(root / "ud/gum/gum-train.conllu.xz"),
    }
    kept = [d for documents in parts.values() for at, d in enumerate(documents) if not _held(at)]
    labels = labels or Labels.learn(kept)
    types = Types(vectors or {})
    train, tune, shown = Builder(types, labels), dict[str, Builder](), dict[str, Builder]()
    uner = {part: _uner(root, part) for part in ("train", "dev")}

    for source, documents in parts.items():
        tune[source] = Builder(types, labels)
        for at, document in enumerate(documents):
            (tune[source] if _held(at) else train).treebank(
                document, uner["train"] if source == "ewt" else None
            )
    for source, file in (("ewt", "ud/ewt/en_ewt-ud-dev"), ("gum", "ud/gum/gum-dev")):
        shown[source] = Builder(types, labels)
        for document in conllu.read(root / f"{file}.conllu.xz"):
            shown[source].treebank(document, uner["dev"] if source == "ewt" else None)
    for source, (name, corpus) in NAMES.items():
        tune[source], shown[source] = Builder(types, labels), Builder(types, labels)
        for at, tagged in enumerate(entities.read(root / name, corpus)):
            aside = source != "wnut17" and at % fold[1] == fold[0]
            chosen = tune[source] if _held(at) else shown[source] if aside else train
            chosen.names(tagged, corpus.scheme)
    for tagged in entities.read(root / "ner/wnut17/wnut17-dev.conll", entities.WNUT17):
        shown["wnut17"].names(tagged, entities.WNUT)
    return Gold(
        labels, types, train.columns(),
        {source: builder.columns() for source, builder in tune.items()},
        {source: builder.columns() for source, builder in shown.items()},
    )  # fmt: skip


def _held(at: int) -> bool:
    return at % HELD_OUT == HELD_OUT - 1


def _uner(root: Path, part: str) -> dict[str, Tagged]:
    file = root / f"ner/uner_ewt/en_ewt-ud-{part}.iob2.xz"
    return {t.name: t for document in entities.read(file, entities.UNER_EWT) for t in document}
