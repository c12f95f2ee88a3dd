"""What can be said of a question beside a sentence, in numbers that mean the same in any corpus.

Every feature is a share, a distance or a flag; raw retrieval scores enter only relative to the best
one, since their scale belongs to the index that made them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.services.answering.question import AnswerType, Question
from salient.services.answering.spans import Typed, typed_spans
from salient.services.answering.terms import (
    Token,
    derived,
    groups_of,
    initials,
    is_number,
    tokenise,
)
from salient.services.answering.words import STOPWORDS

FEATURES = (
    "coverage",  # share of the question's weight that the sentence has
    "coverage_context",  # the same with neighbours, heading and title counting less
    "coverage_passage",  # with all of the passage, heading and title
    "coverage_best",  # the best coverage_passage of all candidates
    "coverage_gap",  # coverage minus the best other sentence's
    "coverage_place",  # 1 / (1 + sentences that cover more)
    "exact",  # share matched by the same stem, not by a relative
    "missing_sentence",  # weight of the weightiest word that the sentence lacks, over the mean
    "missing_passage",  # the same for passage, heading and title
    "names",  # share of names that the sentence has; 1 without names
    "names_passage",
    "names_worst",  # share of the worst-matched name that passage and title have
    "numbers_missing",  # share of the question's numbers that the passage lacks
    "numbers_missing_sentence",
    "relation",  # coverage of words that are neither names, numbers nor focus
    "relation_passage",
    "focus",  # the asked-for kind stands in the sentence
    "pairs",  # neighbouring words of the question that are neighbours in the sentence
    "run",  # longest run in the question's order, by weight
    "density",  # how close together the matched words stand
    "title",  # coverage by heading and title
    "previous",
    "next",
    "opens_with_pronoun",
    "length",  # log of words
    "novel",  # log of content words that the question lacks
    "negation",  # one of the two is negated, not both
    "type_asked",  # the question tells the kind of answer
    "type_here",  # something of that kind, not from the question, stands in the sentence
    "type_distance",  # 1 / (1 + words between it and matched words)
    "answer",  # log-odds of the best short answer
    "cue",  # words that introduce a reason, manner or definition
    "retrieval",  # passage score over the best one
    "place",  # 1 / (1 + rank of the passage)
    "passage_similarity",  # cosine of passage and question, -1 unknown
    "similarity",  # cosine of sentence and question, -1 unknown
    "similarity_gap",  # minus the best other sentence's
    "kind",  # code of the first answer type
    "words",  # log of the question's words that count
    "rarest",  # weight of the question's weightiest word
    "names_document",  # share of names that passage, title or the rest of the document has
    "coverage_document",  # coverage with title and names of the rest of the document
)
INDEX = {name: i for i, name in enumerate(FEATURES)}
SPAN_FEATURES = (
    "type", "first_type", "other_type", "named", "value", "overlap", "distance", "nearest", "tokens",
    "long", "after", "before_verb", "beside_focus", "capital", "first", "parenthesis", "untyped_run",
    "reaches_end", "run_untyped_question", "number",
)  # fmt: skip

_PRONOUNS = frozenset("he she it they this these that those his her its their such".split())
_NEGATIVE = frozenset(
    "not no never neither nor without cannot none n't isn't wasn't didn't doesn't".split()
)
_CUES: dict[AnswerType, frozenset[str]] = {
    AnswerType.REASON: frozenset(
        "because due since so order purpose reason result caused cause therefore thus owing given as to for".split()
    ),
    AnswerType.MANNER: frozenset("by through using via means with without method process".split()),
    AnswerType.DEFINITION: frozenset("is are means mean refers defined called term was".split()),
}
_STRONG_CUES = frozenset(
    "because due since order reason result caused cause therefore owing by through using via means refers defined".split()
)
_KIND_CODE = {kind: float(i) for i, kind in enumerate(AnswerType)}
MAX_SENTENCE_TOKENS = 400


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that search has found.

    `text` is the document's canonical text from `start` on; `sentences` (n, 2) and `mentions`
    (start, end, label, surface) are offsets in the canonical text, as annotations have them.
    Sentences that leave the passage are cut to it, or passed over when wholly outside.
    `heading` and `title` may be empty. Scores are as the search gave them; a missing one is None.
    """

    document_id: str
    key: str
    text: str
    start: int
    sentences: NDArray[np.int32]
    mentions: Sequence[tuple[int, int, str, str]] = ()
    heading: str = ""
    title: str = ""
    elsewhere: str = ""
    """Names of which the rest of the document speaks; those of the question will do."""
    bm25: float | None = None
    vector: float | None = None
    hybrid: float | None = None


@dataclass(frozen=True, slots=True)
class View:
    """A passage read once; offsets are of the passage's own text."""

    tokens: list[Token]
    by_stem: dict[str, list[int]]
    by_prefix: dict[str, list[str]]  # first three letters -> stems
    initials: frozenset[str]
    typed: list[Typed]
    rows: list[tuple[int, int, int, int]]  # sentence: start, end, first token, one past the last


@dataclass(slots=True)
class Sentence:
    """A sentence beside the question: what the features and the short answer are made from."""

    candidate: int
    view: View
    start: int
    end: int
    first: int
    last: int
    matched: dict[int, tuple[int, float]]  # question term -> (token row, strength)
    question_rows: frozenset[int]  # token rows that some term matches


def view_of(candidate: Candidate) -> View:
    """Read a passage; what was read is kept for the next question."""
    n = len(candidate.text)
    spans = np.clip(
        np.asarray(candidate.sentences, np.int64).reshape(-1, 2) - candidate.start, 0, n
    )
    mentions = tuple(
        (a - candidate.start, b - candidate.start, label) for a, b, label, _ in candidate.mentions
    )
    return _view(candidate.text, tuple((int(a), int(b)) for a, b in spans if b > a), mentions)


@lru_cache(maxsize=512)
def _stems(text: str) -> frozenset[str]:
    return frozenset(t.stem for t in tokenise(text))


@lru_cache(maxsize=512)
def _view(
    text: str, spans: tuple[tuple[int, int], ...], mentions: tuple[tuple[int, int, str], ...]
) -> View:
    tokens = tokenise(text)
    by_stem: dict[str, list[int]] = defaultdict(list)
    by_prefix: dict[str, list[str]] = defaultdict(list)
    for row, token in enumerate(tokens):
        if token.stem not in by_stem:
            by_prefix[token.form[:3]].append(token.stem)
        by_stem[token.stem].append(row)
    starts = np.array([t.start for t in tokens], np.int64)
    rows = []
    for start, end in spans:
        first, last = (int(v) for v in np.searchsorted(starts, (start, end)))
        if last > first:
            rows.append((start, end, first, min(last, first + MAX_SENTENCE_TOKENS)))
    return View(
        tokens,
        dict(by_stem),
        dict(by_prefix),
        frozenset(initials(tokens)),
        typed_spans(text, mentions),
        rows,
    )


class _Weights:
    """The question's weights by use, made once."""

    def __init__(self, question: Question) -> None:
        self.each = np.array([t.weight * (0.4 if t.focus else 1.0) for t in question.terms])
        self.total = float(self.each.sum())
        self.mean = self.total / len(self.each)
        numbers = [is_number(t.token.form) for t in question.terms]
        self.numbers = [i for i, n in enumerate(numbers) if n]
        self.relation = [
            i for i, t in enumerate(question.terms) if t.name < 0 and not t.focus and not numbers[i]
        ]
        self.names: list[list[int]] = [
            [i for i, t in enumerate(question.terms) if t.name == n]
            for n in range(len(question.names))
        ]
        self.focus = next((i for i, t in enumerate(question.terms) if t.focus), -1)

    def share(self, strength: NDArray[Any], members: Sequence[int] | None = None) -> float:
        if members is None:
            return float(self.each @ strength) / self.total
        if not members:
            return 1.0
        chosen = self.each[list(members)]
        return float(chosen @ strength[list(members)] / chosen.sum())


def _matches(question: Question, view: View) -> list[list[tuple[int, float]]]:
    """For each term the rows of the passage's tokens that it matches, with strength."""
    found = []
    for term in question.terms:
        token = term.token
        rows = [(row, 1.0) for row in view.by_stem.get(token.stem, ())]
        if term.name < 0 and token.form.isalpha():
            for stem in view.by_prefix.get(token.form[:3], ()):
                if stem != token.stem:
                    rows += [
                        (row, 0.8)
                        for row in view.by_stem[stem]
                        if derived(token.form, view.tokens[row].form) or derived(token.stem, stem)
                    ]
            groups = groups_of(token.stem)
            if groups:
                known = {row for row, _ in rows}
                for stem, where in view.by_stem.items():
                    if stem != token.stem and groups & groups_of(stem):
                        rows += [(row, 0.5) for row in where if row not in known]
        found.append(rows)
    return found


def _name_shares(
    question: Question, weights: _Weights, strength: NDArray[Any], known: frozenset[str]
) -> list[float]:
    shares = []
    for name, members in zip(question.names, weights.names, strict=True):
        share = weights.share(strength, members)
        letters = "".join(w[0] for w in name.text.split() if w[0].isupper()).casefold()
        if share < 0.9 and (
            (len(letters) > 1 and letters in known) or name.text.casefold() in known
        ):
            share = 0.9
        elif len(members) > 1 and strength[members[-1]] >= 1.0:
            share = max(share, 0.6)  # a surname, or "the Bank" after its full name
        shares.append(share)
    return shares


def describe(
    question: Question,
    candidates: Sequence[Candidate],
    similarity: NDArray[np.float32] | None = None,
) -> tuple[list[Sentence], NDArray[np.float32]]:
    """Every sentence of the candidates, once each, and its features.

    Args:
        candidates: best first.
        similarity: (n_sentences,) cosine of each sentence and the question in the order of
            `sentences_of`; None without an encoder.

    Returns:
        Sentences in the order of `sentences_of`, and (n_sentences, len(FEATURES)). The column
        "answer" is still 0: it takes the span model.
    """
    weights = _Weights(question)
    sentences: list[Sentence] = []
    rows: list[NDArray[np.float32]] = []
    scores = [_score(c) for c in candidates]
    top = max([s for s in scores if s is not None and s > 0], default=0.0)
    passage_best = 0.0
    for at, candidate, keep in _unique(candidates):
        view = view_of(candidate)
        matches = _matches(question, view)
        heading = tuple(tokenise(f"{candidate.heading} {candidate.title}"))
        heading_stems = {t.stem for t in heading}
        title = np.array([float(t.token.stem in heading_stems) for t in question.terms])
        by_sentence = [
            {
                i: max(((row, s) for row, s in found if first <= row < last), key=lambda m: m[1])
                for i, found in enumerate(matches)
                if any(first <= row < last for row, _ in found)
            }
            for _, _, first, last in view.rows
        ]
        strengths = np.zeros((len(view.rows), len(question.terms)))
        for i, matched in enumerate(by_sentence):
            for term, (_, strength) in matched.items():
                strengths[i, term] = strength
        whole = np.maximum(strengths.max(axis=0, initial=0.0), title)
        beyond = _stems(candidate.elsewhere)
        about = np.array([float(t.name >= 0 and t.token.stem in beyond) for t in question.terms])
        known = view.initials | initials(heading) | {t.form for t in view.tokens if t.capital}
        shared = np.zeros(len(FEATURES), np.float32)
        shared[INDEX["coverage_passage"]] = weights.share(whole)
        passage_best = max(passage_best, weights.share(whole))
        shared[INDEX["missing_passage"]] = float((weights.each * (1 - whole)).max()) / weights.mean
        names = _name_shares(question, weights, whole, known)
        shared[INDEX["names_passage"]] = float(np.mean(names)) if names else 1.0
        shared[INDEX["names_worst"]] = min(names, default=1.0)
        wide = _name_shares(question, weights, np.maximum(whole, about), known)
        shared[INDEX["names_document"]] = float(np.mean(wide)) if wide else 1.0
        shared[INDEX["numbers_missing"]] = 1.0 - weights.share(whole, weights.numbers)
        shared[INDEX["relation_passage"]] = weights.share(whole, weights.relation)
        shared[INDEX["title"]] = weights.share(title)
        score = scores[at]
        shared[INDEX["retrieval"]] = score / top if top and score is not None else 0.0
        shared[INDEX["place"]] = 1.0 / (1.0 + at)
        shared[INDEX["passage_similarity"]] = -1.0 if candidate.vector is None else candidate.vector
        for i, (start, end, first, last) in enumerate(view.rows):
            if i not in keep:
                continue
            question_rows = frozenset(
                r for found in matches for r, s in found if first <= r < last and s >= 0.8
            )
            sentence = Sentence(at, view, start, end, first, last, by_sentence[i], question_rows)
            row = shared.copy()
            _fill(row, question, weights, sentence, matches, strengths, i, title, about)
            sentences.append(sentence)
            rows.append(row)
    if not rows:
        return [], np.zeros((0, len(FEATURES)), np.float32)
    table = np.stack(rows)
    table[:, INDEX["coverage_best"]] = passage_best
    _compare(table, similarity)
    table[:, INDEX["kind"]] = _KIND_CODE[question.types[0]]
    table[:, INDEX["type_asked"]] = question.types[0] not in {AnswerType.OTHER, AnswerType.YESNO}
    table[:, INDEX["words"]] = np.log1p(len(question.terms))
    table[:, INDEX["rarest"]] = weights.each.max()
    return sentences, table


def sentences_of(candidates: Sequence[Candidate]) -> list[tuple[int, int, int]]:
    """(candidate, start, end) of every sentence, once each; offsets are of the passage's text."""
    found = []
    for at, candidate, keep in _unique(candidates):
        rows = view_of(candidate).rows
        found += [(at, rows[i][0], rows[i][1]) for i in sorted(keep)]
    return found


def _unique(candidates: Sequence[Candidate]) -> list[tuple[int, Candidate, set[int]]]:
    """Each sentence counts in the best passage that has it.

    Passages overlap, and documents repeat each other; a sentence must not compete with itself.
    """
    seen: set[str] = set()
    kept = []
    for at, candidate in enumerate(candidates):
        keep = set()
        for i, (start, end, _, _) in enumerate(view_of(candidate).rows):
            said = " ".join(candidate.text[start:end].casefold().split())
            if said not in seen:
                seen.add(said)
                keep.add(i)
        kept.append((at, candidate, keep))
    return kept


def _score(candidate: Candidate) -> float | None:
    return candidate.hybrid if candidate.hybrid is not None else candidate.bm25


def _compare(table: NDArray[np.float32], similarity: NDArray[np.float32] | None) -> None:
    """Fill the columns that set a sentence against the others."""
    table[:, INDEX["coverage_gap"]] = _gap(table[:, INDEX["coverage_context"]])
    coverage = table[:, INDEX["coverage_context"]]
    more = (coverage[None, :] > coverage[:, None] + 1e-6).sum(axis=1)
    table[:, INDEX["coverage_place"]] = 1.0 / (1.0 + more)
    if similarity is None:
        table[:, INDEX["similarity"]] = -1.0
        return
    table[:, INDEX["similarity"]] = similarity
    table[:, INDEX["similarity_gap"]] = _gap(similarity)


def _gap(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each value minus the best of the others."""
    if len(values) < 2:
        return np.zeros_like(values)
    order = np.argsort(values)
    best, second = values[order[-1]], values[order[-2]]
    gap: NDArray[np.float32] = values - best
    gap[order[-1]] = best - second
    return gap


def _fill(
    row: NDArray[np.float32],
    question: Question,
    weights: _Weights,
    sentence: Sentence,
    matches: list[list[tuple[int, float]]],
    strengths: NDArray[Any],
    i: int,
    title: NDArray[Any],
    about: NDArray[Any],
) -> None:
    """Fill the columns of one sentence."""
    own = strengths[i]
    zero = np.zeros(len(question.terms))
    before = strengths[i - 1] if i > 0 else zero
    after = strengths[i + 1] if i + 1 < len(strengths) else zero
    context = np.maximum.reduce([own, 0.6 * before, 0.3 * after, 0.7 * title, 0.4 * about])
    row[INDEX["coverage"]] = weights.share(own)
    row[INDEX["coverage_context"]] = weights.share(context)
    row[INDEX["coverage_document"]] = weights.share(np.maximum.reduce([own, title, about]))
    row[INDEX["exact"]] = weights.share((own >= 1.0).astype(float))
    row[INDEX["missing_sentence"]] = float((weights.each * (1 - own)).max()) / weights.mean
    row[INDEX["previous"]] = weights.share(before)
    row[INDEX["next"]] = weights.share(after)
    names = _name_shares(question, weights, own, frozenset())
    row[INDEX["names"]] = float(np.mean(names)) if names else 1.0
    row[INDEX["numbers_missing_sentence"]] = 1.0 - weights.share(own, weights.numbers)
    row[INDEX["relation"]] = weights.share(own, weights.relation)
    row[INDEX["focus"]] = own[weights.focus] if weights.focus >= 0 else 0.5
    row[INDEX["pairs"]], row[INDEX["run"]] = _order(question, weights, sentence, matches)
    row[INDEX["density"]] = _density(weights, sentence)
    tokens = sentence.view.tokens[sentence.first : sentence.last]
    forms = {t.form for t in tokens}
    row[INDEX["opens_with_pronoun"]] = tokens[0].form in _PRONOUNS
    row[INDEX["length"]] = np.log1p(len(tokens))
    row[INDEX["novel"]] = np.log1p(
        sum(t.form not in STOPWORDS for t in tokens)
        - sum(sentence.view.tokens[r].form not in STOPWORDS for r in sentence.question_rows)
    )
    row[INDEX["negation"]] = bool(forms & _NEGATIVE) != question.negated
    row[INDEX["cue"]] = _cue(question.types[0], forms)
    row[INDEX["type_here"]], row[INDEX["type_distance"]] = _type_match(question, sentence)


def _cue(kind: AnswerType, forms: set[str]) -> float:
    cues = _CUES.get(kind)
    if cues is None:
        return 0.0
    hits = forms & cues
    return 1.0 if hits & _STRONG_CUES else 0.5 if hits else 0.0


def _order(
    question: Question,
    weights: _Weights,
    sentence: Sentence,
    matches: list[list[tuple[int, float]]],
) -> tuple[float, float]:
    """Share of neighbouring pairs kept, and weight of the longest run in order."""
    pairs = kept = 0.0
    best = run = 0.0
    reach: list[int] = []
    for i in range(len(question.terms)):
        rows = [r for r, s in matches[i] if sentence.first <= r < sentence.last and s >= 0.8]
        follows = [r for r in rows if any(0 < r - q <= 3 for q in reach)]
        if i:
            weight = float(min(weights.each[i - 1], weights.each[i]))
            pairs += weight
            kept += weight * bool(follows)
        run = (run if follows else 0.0) + (float(weights.each[i]) if rows else 0.0)
        best = max(best, run)
        reach = follows or rows
    return (kept / pairs if pairs else 0.5), best / weights.total


def _density(weights: _Weights, sentence: Sentence) -> float:
    """Coverage, the less the wider its words are strewn about the weightiest of them."""
    if not sentence.matched:
        return 0.0
    anchor = max(sentence.matched, key=lambda t: float(weights.each[t]))
    at = sentence.matched[anchor][0]
    total = sum(
        float(weights.each[t]) * s / (1.0 + abs(r - at) / 10.0)
        for t, (r, s) in sentence.matched.items()
    )
    return total / weights.total


def _type_match(question: Question, sentence: Sentence) -> tuple[float, float]:
    wanted = set(question.types)
    free = wanted == {AnswerType.OTHER}
    best = 0.0
    here = 0.0
    matched = [r for r, _ in sentence.matched.values()]
    for span in sentence.view.typed:
        if span.start < sentence.start or span.end > sentence.end:
            continue
        if not (wanted & span.types or (free and span.named)):
            continue
        first, last = _rows(sentence, span.start, span.end)
        if any(r in sentence.question_rows for r in range(first, last)):
            continue
        here = 1.0
        if matched:
            gaps = sorted(max(first - r, r - last + 1, 0) for r in matched)[:3]
            best = max(best, 1.0 / (1.0 + sum(gaps) / len(gaps)))
    return here, best


def _rows(sentence: Sentence, start: int, end: int) -> tuple[int, int]:
    """Token rows that overlap a span of the passage's text."""
    tokens = sentence.view.tokens
    first = sentence.first
    while first < sentence.last and tokens[first].end <= start:
        first += 1
    last = first
    while last < sentence.last and tokens[last].start < end:
        last += 1
    return first, last
