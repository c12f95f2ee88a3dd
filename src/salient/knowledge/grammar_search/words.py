"""Which tokens of a block pass a test of one node."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import numpy as np

from salient.knowledge.grammar_search import regexes, relations
from salient.knowledge.grammar_search.language import (
    All,
    Anything,
    Is,
    Not,
    OneOf,
    Test,
)
from salient.knowledge.grammar_search.trees import Block, Bools, Ints, Mentions, Spans

_RANK: Final = {
    "entity": 0,
    "form": 1,
    "lemma": 1,
    "label": 2,
    "xpos": 4,
    "dep": 5,
    "feats": 6,
    "upos": 6,
}
COMMON = 4
"""From this rank on a test is passed by so many tokens that counting them does not pay."""
_FOLDED = frozenset({"lemma", "form", "label"})


def rank(test: Test) -> int:
    """How rare tokens are that pass, by the kind of test alone: 0 is rarest."""
    match test:
        case Is(attribute, _, regex):
            return _RANK[attribute] + (2 if regex else 0)
        case All(tests):
            return min(map(rank, tests))
        case OneOf(tests):
            return max(map(rank, tests))
        case _:
            return 9


class Tester:
    """Answers for one block. What was worked out of a test is kept for the next question."""

    def __init__(self, block: Block, entities: Mapping[str, Spans]) -> None:
        self._block = block
        self._spans = entities
        self._tables: dict[Is, Bools] = {}
        self._entities: dict[str, Mentions] = {}

    def entity(self, name: str) -> Mentions:
        if name not in self._entities:
            self._entities[name] = self._block.entity(self._spans.get(name, ()))
        return self._entities[name]

    def rows(self, test: Test) -> Ints:
        """All tokens that pass, rising."""
        match test:
            case Is("label"):
                rows, which = self._block.mentions.rows
                passed = self._table(test)[self._block.mentions.label[which]]
                return rows[passed]
            case Is("entity", value):
                return self.entity(value).rows[0]
            case Is("lemma" | "xpos" | "upos" | "feats" as attribute):
                codes = self._block.column(attribute)
                table = self._table(test)
                wanted = np.flatnonzero(table)
                if not len(wanted):
                    return np.zeros(0, np.int32)
                if len(wanted) == 1:
                    return np.flatnonzero(codes == wanted[0]).astype(np.int32)
                return np.flatnonzero(table[codes]).astype(np.int32)
            case All(tests):
                ordered = sorted(tests, key=rank)
                rows = self.rows(ordered[0])
                for one in ordered[1:]:
                    rows = rows[self.passes(one, rows)]
                return rows
            case OneOf(tests):
                return np.unique(np.concatenate([self.rows(t) for t in tests]))
            case Anything():
                return np.arange(self._block.n, dtype=np.int32)
            case _:
                every = np.arange(self._block.n, dtype=np.int32)
                return every[self.passes(test, every)]

    def passes(self, test: Test, rows: Ints) -> Bools:
        """For each of these tokens whether it passes."""
        match test:
            case Anything():
                return np.ones(len(rows), np.bool_)
            case Not(inner):
                return ~self.passes(inner, rows)
            case All(tests):
                both: Bools = np.logical_and.reduce([self.passes(t, rows) for t in tests])
                return both
            case OneOf(tests):
                some: Bools = np.logical_or.reduce([self.passes(t, rows) for t in tests])
                return some
            case Is("form", value, regex):
                return self._like(test, rows) if regex else self._spelt(value, rows)
            case Is("entity", value):
                return self.entity(value).at[rows] >= 0
            case Is("label"):
                mentions = self._block.mentions
                which = mentions.at[rows]
                found: Bools = which >= 0
                found[found] = self._table(test)[mentions.label[which[found]]]
                return found
            case Is("dep"):
                dep: Bools = self._table(test)[self._block.relation[rows]]
                return dep
            case Is(attribute):
                said: Bools = self._table(test)[self._block.column(attribute)[rows]]
                return said

    def _table(self, test: Is) -> Bools:
        """(n_strings,) or for `dep` (n_relations,): which codes pass."""
        if test not in self._tables:
            self._tables[test] = self._made(test)
        return self._tables[test]

    def _made(self, test: Is) -> Bools:
        if test.attribute == "dep":
            return np.array(relations.covered(test.value, self._block.relation_names), np.bool_)
        strings = self._block.strings
        if test.attribute == "feats":
            bare = (test.value in s and test.value in s.split("|") for s in strings)
            return np.fromiter(bare, np.bool_, len(strings))
        if test.regex:
            fits = _fits(test.value, ignore_case=test.attribute in _FOLDED)
            return np.fromiter(map(fits, strings), np.bool_, len(strings))
        table = np.zeros(len(strings), np.bool_)
        for code in self._block.codes_of(test.value):
            table[code] = test.attribute in _FOLDED or strings[code] == test.value
        return table

    def _spelt(self, form: str, rows: Ints) -> Bools:
        """Whether tokens are spelt so, case aside: character by character over all of them."""
        block = self._block
        found: Bools = block.end[rows] - block.start[rows] == len(form)
        left = np.flatnonzero(found)
        for place, char in enumerate(form):
            if not len(left):
                break
            said = block.characters[block.start[rows[left]] + place]
            same = np.isin(said, [ord(c) for c in _cases(char)])
            found[left[~same]] = False
            left = left[same]
        return found

    def _like(self, test: Is, rows: Ints) -> Bools:
        fits, text = _fits(test.value, ignore_case=True), self._block.text
        spans = zip(self._block.start[rows].tolist(), self._block.end[rows].tolist(), strict=True)
        return np.fromiter((fits(text[a:b]) for a, b in spans), np.bool_, len(rows))


def _cases(char: str) -> set[str]:
    return {c for c in (char, char.lower(), char.upper()) if len(c) == 1}


class _Fits:
    """Remembers of each word whether an expression fits it."""

    MOST = 200_000

    def __init__(self, expression: re.Pattern[str]) -> None:
        self._expression = expression
        self._known: dict[str, bool] = {}

    def __call__(self, word: str) -> bool:
        found = self._known.get(word)
        if found is None:
            if len(self._known) >= self.MOST:
                self._known.clear()
            short = 0 < len(word) <= regexes.MAX_WORD
            found = short and self._expression.fullmatch(word) is not None
            self._known[word] = found
        return found


@lru_cache(maxsize=64)
def _fits(source: str, *, ignore_case: bool) -> _Fits:
    return _Fits(regexes.compiled(source, ignore_case=ignore_case))
