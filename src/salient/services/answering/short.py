"""The short answer inside a sentence: which stretches could be it, and how each looks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salient.services.answering.features import SPAN_FEATURES, Sentence
from salient.services.answering.question import AnswerType, Question
from salient.services.answering.words import STOPWORDS

_BREAKS = frozenset('.,;:!?()[]{}"“”«»—–\n\t')
_JOINS = frozenset({"of", "and", "the", "in", "for", "to", "or", "with", "a", "an"})
_CLAUSE_CUES: dict[AnswerType, frozenset[str]] = {
    AnswerType.REASON: frozenset("because due since so to for from after as".split()),
    AnswerType.MANNER: frozenset("by through using via with".split()),
    AnswerType.DEFINITION: frozenset("is are means mean was were refers".split()),
}
_VERBS = frozenset("is are was were has have had will shall became made did does".split())
_CLOSED_TYPES = frozenset(
    {AnswerType.PERSON, AnswerType.ORG, AnswerType.PLACE, AnswerType.DATE, AnswerType.MONEY,
     AnswerType.NUMBER, AnswerType.PERCENT, AnswerType.DURATION}
)  # fmt: skip
MAX_SPANS = 80
MAX_SPAN_TOKENS = 25


def possible(question: Question, sentence: Sentence, text: str) -> list[tuple[int, int]]:
    """Token spans (first, one past the last) that could be the short answer, at most MAX_SPANS."""
    tokens = sentence.view.tokens
    spans: dict[tuple[int, int], None] = {}
    for typed in sentence.view.typed:
        if typed.start >= sentence.start and typed.end <= sentence.end:
            rows = [
                r
                for r in range(sentence.first, sentence.last)
                if tokens[r].start < typed.end and tokens[r].end > typed.start
            ]
            if rows:
                spans[rows[0], rows[-1] + 1] = None
    runs = _runs(sentence, text)
    for at, (first, last) in enumerate(runs):
        spans[first, last] = None
        if first > sentence.first and tokens[first - 1].form in {"the", "a", "an"}:
            spans[first - 1, last] = None
        end = last
        for further in range(at + 1, min(at + 4, len(runs))):
            start, stop = runs[further]
            between = range(end, start)
            if len(between) > 2 or any(tokens[r].form not in _JOINS for r in between):
                break
            if _broken(text, tokens[end - 1].end, tokens[start].start) and between:
                break
            spans[first, stop] = None
            end = stop
    cues = _CLAUSE_CUES.get(question.types[0], frozenset())
    for row in range(sentence.first, sentence.last - 1):
        if tokens[row].form in cues:
            spans[row + 1, _clause_end(sentence, text, row + 1)] = None
            spans[row, _clause_end(sentence, text, row + 1)] = None
    if sentence.matched and question.types[0] not in _CLOSED_TYPES:
        after = max(r for r, _ in sentence.matched.values()) + 1
        if after < sentence.last:
            spans[after, _clause_end(sentence, text, after)] = None
    kept = [s for s in spans if 0 < s[1] - s[0] <= MAX_SPAN_TOKENS]
    return kept[:MAX_SPANS]


def _runs(sentence: Sentence, text: str) -> list[tuple[int, int]]:
    """Stretches of content words that the question does not have, unbroken by punctuation."""
    tokens = sentence.view.tokens
    runs: list[tuple[int, int]] = []
    first = -1
    for row in range(sentence.first, sentence.last + 1):
        inside = (
            row < sentence.last
            and tokens[row].form not in STOPWORDS
            and row not in sentence.question_rows
        )
        if first >= 0 and (not inside or _broken(text, tokens[row - 1].end, tokens[row].start)):
            runs.append((first, row))
            first = -1
        if inside and first < 0:
            first = row
    return runs


def _broken(text: str, start: int, end: int) -> bool:
    return any(c in _BREAKS for c in text[start:end])


def _clause_end(sentence: Sentence, text: str, row: int) -> int:
    tokens = sentence.view.tokens
    for at in range(row + 1, sentence.last):
        if _broken(text, tokens[at - 1].end, tokens[at].start):
            return at
    return sentence.last


def describe_spans(
    question: Question, sentence: Sentence, spans: list[tuple[int, int]], text: str
) -> NDArray[np.float32]:
    """(n_spans, len(SPAN_FEATURES))."""
    tokens = sentence.view.tokens
    wanted = set(question.types)
    typed = {(t.start, t.end): t for t in sentence.view.typed}
    matched = sorted(r for r, _ in sentence.matched.values())
    focus = next((i for i, t in enumerate(question.terms) if t.focus), -1)
    focus_row = sentence.matched[focus][0] if focus in sentence.matched else -100
    closed = question.types[0] in _CLOSED_TYPES
    table = np.zeros((len(spans), len(SPAN_FEATURES)), np.float32)
    for i, (first, last) in enumerate(spans):
        start, end = tokens[first].start, tokens[last - 1].end
        found = typed.get((start, end)) or next(
            (
                t
                for t in sentence.view.typed
                if t.start >= start - 1
                and t.end >= end
                and t.start <= start + 4
                and t.end <= end + 1
            ),
            None,
        )
        types = found.types if found else frozenset()
        gaps = sorted(max(first - r, r - last + 1, 0) for r in matched) or [20]
        overlap = sum(r in sentence.question_rows for r in range(first, last)) / (last - first)
        if overlap < 1 and found and found.named and wanted & types:
            overlap = 0.0  # "Who makes pumps?" "Brightwater Pumps": a name is new as a whole
        number = any(c.isdigit() for c in text[start:end])
        table[i] = (
            bool(wanted & types),
            question.types[0] in types,
            bool(types) and closed and not wanted & types,
            bool(found and found.named),
            bool(found and not found.named),
            overlap,
            1.0 / (1.0 + sum(gaps[:3]) / len(gaps[:3])),
            1.0 / (1.0 + gaps[0]),
            np.log1p(last - first),
            max(last - first - 6, 0),
            bool(matched) and first > matched[-1],
            last < sentence.last and tokens[last].form in _VERBS,
            min(abs(focus_row - last), abs(first - 1 - focus_row)) <= 1,
            tokens[first].capital,
            first == sentence.first,
            start > 0 and text[start - 1] == "(",
            not types and closed,
            last == sentence.last,
            not types and not closed,
            number and not closed,
        )
    return table
