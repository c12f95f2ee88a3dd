"""Boolean matching and BM25 over postings: what the embedded index does within its files.

For backends that keep postings but cannot rank by them themselves.

Source: Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", with Lucene's idf, which
is never negative; a word in several fields counts as its best one and a fifth of the others.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from salient.errors import InvalidInput
from salient.storage.search import Among, Asked, Between, Either, Prefix, Restriction, Words
from salient.storage.search.postings import LENGTHS, Codes, Key, keyword
from salient.storage.search.query import Condition, Node

_K1, _B, _TIE = 1.2, 0.75, 0.2
_FEW = 100  # values of a condition up to which each one's hits are kept for others

Mask = NDArray[np.bool_]
Scores = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """The terms of a field that are within bounds, in order, with all their hits end to end, as in HIT."""

    values: list[bytes]
    entries: NDArray[np.uint32]
    counts: NDArray[np.uint16]
    ends: NDArray[np.int64]
    """Of each value, where its hits end."""


class Lists(ABC):
    """The postings of one commit. Its entries are numbered from 0, in order of their adding."""

    codes: Codes
    count: int
    """How many entries there are."""
    tokens: dict[int, int]
    """Terms of all entries, by code of text field."""

    @abstractmethod
    def terms(self, keys: Iterable[Key]) -> dict[Key, NDArray[np.void]]:
        """HITs, of every key."""

    @abstractmethod
    def having(self, code: int, terms: Sequence[bytes]) -> NDArray[np.uint32]:
        """Entries that have one of many terms of a code, in no order, some perhaps twice."""

    @abstractmethod
    def places(self, keys: Iterable[Key]) -> dict[Key, NDArray[np.uint64]]:
        """PLACEs, of every key."""

    @abstractmethod
    def within(self, code: int, low: bytes, high: bytes | None) -> Values:
        """Values of a code from `low` to `high`, both within."""

    @abstractmethod
    def column(self, code: int) -> NDArray[np.void]:
        """NUMBERs of a code."""


@final
class Matcher:
    """Answers questions about one commit. Scores are 0 for what does not match."""

    def __init__(self, lists: Lists) -> None:
        self._lists, self._codes = lists, lists.codes
        self._asked: dict[Asked, Scores] = {}
        self._many: dict[Among, Mask] = {}

    def mask(self, asked: Asked | None, restriction: Restriction, also: Sequence[int] = ()) -> Mask:
        """Which entries match the words (None: all do) or are in `also`, and are let through."""
        if asked is None:
            out = np.ones(self._lists.count, np.bool_)
        else:
            out = self.scores(asked) > 0
            out[np.array(also, np.int64)] = True
        for either in restriction.required:
            out &= reduce(np.logical_or, (self._condition(c) for c in either), self._none())
        for condition in restriction.excluded:
            out &= ~self._condition(condition)
        return out

    def scores(self, asked: Asked) -> Scores:
        """BM25 scores of all entries."""
        if asked not in self._asked:
            self._lists.terms(self._keys(asked))  # all at once, rather than one by one
            self._asked[asked] = self._scored(asked)
        return self._asked[asked]

    def best(self, mask: Mask, scores: Scores | None, limit: int) -> list[tuple[int, float]]:
        """The first of those in the mask by score, and of one score by number."""
        found = np.flatnonzero(mask)
        if scores is None:
            return [(ident, 0.0) for ident in found[:limit].tolist()]
        of = scores[found]
        if len(found) > limit:
            last = np.partition(of, len(of) - limit)[len(of) - limit]
            found, of = found[of >= last], of[of >= last]
        order = np.lexsort((found, -of))[:limit]
        return list(zip(found[order].tolist(), of[order].tolist(), strict=True))

    def sorted(self, mask: Mask, field: str, limit: int, *, falling: bool) -> list[int]:
        """Those in the mask by their first value of a field, then by number; without one last."""
        values = np.full(len(mask), np.nan)
        code = self._codes.own[field]
        if self._codes.kinds[field] == "keyword":
            found = self._lists.within(code, b"", None)
            ranks = np.repeat(np.arange(len(found.values)), np.diff(found.ends, prepend=0))
            first = found.counts == 0
            values[found.entries[first]] = ranks[first]
        else:
            column = self._lists.column(code)
            values[column["entry"]] = column["value"]
        among = np.flatnonzero(mask)
        of = -values[among] if falling else values[among]
        return [int(i) for i in among[np.argsort(of, kind="stable")[:limit]]]  # NaN comes last

    def facet(self, mask: Mask, field: str, limit: int) -> tuple[tuple[str, int], ...]:
        """The most frequent values of those in the mask, ties in order of the value's text."""
        kind = self._codes.kinds[field]
        counted: list[tuple[str, int]]
        if kind == "number":
            column = self._lists.column(self._codes.own[field])
            numbers, n = np.unique(column["value"][mask[column["entry"]]], return_counts=True)
            counted = list(zip(map(_shown, numbers.tolist()), n.tolist(), strict=True))
        else:
            code = self._codes.beside[field] if kind == "date" else self._codes.own[field]
            found = self._lists.within(code, b"", None)
            matching = np.flatnonzero(mask[found.entries])
            owners = np.searchsorted(found.ends, matching, "right")
            counts = np.bincount(owners, minlength=len(found.values))
            there = np.flatnonzero(counts)
            if len(there) > limit:  # of a tie at the end, the first values stay
                least = np.partition(counts[there], len(there) - limit)[len(there) - limit]
                there = there[counts[there] >= least]
            counted = [(found.values[i].decode(), int(counts[i])) for i in there.tolist()]
        counted.sort(key=lambda item: (-item[1], item[0]))
        return tuple(counted[:limit])

    def _none(self) -> Mask:
        return np.zeros(self._lists.count, np.bool_)

    def _scored(self, asked: Asked) -> Scores:
        out = np.zeros(self._lists.count, np.float32)
        if not asked.clauses:
            return out
        barred = self._none()
        for clause in asked.clauses:
            scores = self._node(clause.node)
            if clause.occur == "not":
                barred |= scores > 0
                continue
            out += scores
            if clause.occur == "must":
                barred |= scores <= 0
        if all(clause.occur == "not" for clause in asked.clauses):
            out[:] = 1.0
        out[barred] = 0
        return out

    def _node(self, node: Node) -> Scores:
        match node:
            case Words(field, terms):
                if len(terms) == 1:
                    return self._in_fields(field, lambda name: self._term(name, terms[0]))
                return self._in_fields(field, lambda name: self._row(name, terms))
            case Prefix(field, start, term):
                return self._in_fields(field, lambda name: self._prefix(name, start, term))
            case Either(nodes):
                none = np.zeros(self._lists.count, np.float32)
                return reduce(np.add, (self._node(n) for n in nodes), none)
            case Among() | Between():
                return self._condition(node).astype(np.float32)
        raise InvalidInput(f"no such part of a query: {node!r}")

    def _in_fields(self, field: str | None, scored: Any) -> Scores:  # (name) -> scores by entry
        names = self._codes.boosts if field is None else [field]
        parts = []
        for name in names:
            found = scored(name)
            if len(found[0]):
                parts.append((found[0], found[1] * np.float32(self._codes.boosts[name])))
        return self._one_of(parts)

    def _one_of(self, parts: Sequence[tuple[NDArray[np.uint32], Scores]]) -> Scores:
        """Of several scores the best, and a fifth of the others."""
        best = np.zeros(self._lists.count, np.float32)
        if len(parts) == 1:
            best[parts[0][0]] = parts[0][1]
            return best
        whole = np.zeros_like(best)
        for entries, scores in parts:
            whole[entries] += scores
            best[entries] = np.maximum(best[entries], scores)
        return best + np.float32(_TIE) * (whole - best)

    def _term(self, name: str, term: str) -> tuple[NDArray[np.uint32], Scores]:
        key = self._codes.own[name], term.encode()
        hits = self._lists.terms([key])[key]
        weights = self._bm25(key[0], hits["count"], hits["norm"], self._idf(len(hits)))
        return hits["entry"], weights

    def _row(self, name: str, terms: Sequence[str]) -> tuple[NDArray[np.uint32], Scores]:
        """Terms in a row: how often they are so counts as a term's frequency."""
        code = self._codes.own[name]
        keys = [(code, term.encode()) for term in terms]
        hits = self._lists.terms(keys)
        none = np.zeros(0, np.uint32), np.zeros(0, np.float32)
        if not all(len(hits[key]) for key in keys):
            return none
        places = self._lists.places(keys)
        # The rarest first: the others are looked up from it.
        order = sorted(range(len(keys)), key=lambda i: len(places[keys[i]]))
        starts = places[keys[order[0]]].astype(np.int64) - order[0]
        for i in order[1:]:
            there = places[keys[i]].view(np.int64)
            at = np.minimum(np.searchsorted(there, starts + i), len(there) - 1)
            starts = starts[there[at] == starts + i]
        entries, counts = np.unique(starts >> 32, return_counts=True)
        if not len(entries):
            return none
        of = hits[keys[0]]
        norms = of["norm"][np.searchsorted(of["entry"], entries)]
        idf = sum(self._idf(len(hits[key])) for key in keys)
        return entries.astype(np.uint32), self._bm25(code, counts, norms, idf)

    def _prefix(self, name: str, start: str, term: str) -> tuple[NDArray[np.uint32], Scores]:
        low = start.encode()
        found = self._lists.within(self._codes.beside[name], low, low + b"\xff")
        entries = np.unique(found.entries)
        parts = [(entries, np.ones(len(entries), np.float32)), self._term(name, term)]
        scores = self._one_of(parts)
        matching = np.flatnonzero(scores).astype(np.uint32)
        return matching, scores[matching]

    def _idf(self, n: int) -> float:
        return math.log(1 + (self._lists.count - n + 0.5) / (n + 0.5))

    def _bm25(
        self,
        code: int,
        counts: NDArray[np.integer[Any]],
        norms: NDArray[np.uint8],
        idf: float,
    ) -> Scores:
        mean = self._lists.tokens[code] / max(1, self._lists.count)
        lengths = (_K1 * (1 - _B + _B * LENGTHS / max(mean, 1e-9))).astype(np.float32)
        frequent = counts.astype(np.float32)
        weights: Scores = np.float32(idf * (1 + _K1)) * (frequent / (frequent + lengths[norms]))
        return weights

    def _condition(self, condition: Condition) -> Mask:
        out = self._none()
        code, kind = self._codes.own[condition.field], self._codes.kinds[condition.field]
        match condition:
            case Among(_, values) if len(values) > _FEW:
                if condition not in self._many:
                    out[self._lists.having(code, [keyword(v) for v in values])] = True
                    self._many[condition] = out
                out = self._many[condition]
            case Among(_, values):
                for hits in self._lists.terms([(code, keyword(v)) for v in values]).values():
                    out[hits["entry"]] = True
            case Between(_, low, high) if kind == "keyword":
                last = None if high is None else str(high).encode("utf-8", "surrogatepass")
                first = str(low or "").encode("utf-8", "surrogatepass")
                out[self._lists.within(code, first, last).entries] = True
            case Between(_, low, high):
                column = self._lists.column(code)
                inside = np.ones(len(column), np.bool_)
                if low is not None:
                    inside &= column["value"] >= low
                if high is not None:
                    inside &= column["value"] <= high
                out[column["entry"][inside]] = True
        return out

    def _keys(self, asked: Asked) -> set[Key]:
        """Terms whose hits a query needs."""
        keys: set[Key] = set()
        waiting: list[Node] = [clause.node for clause in asked.clauses]
        while waiting:
            match waiting.pop():
                case Words(field, terms):
                    keys |= self._spread(field, terms)
                case Prefix(field, _, term):
                    keys |= self._spread(field, [term])
                case Either(nodes):
                    waiting += nodes
                case Among(field, values) if len(values) <= _FEW:
                    keys |= {(self._codes.own[field], keyword(value)) for value in values}
        return keys

    def _spread(self, field: str | None, terms: Sequence[str]) -> set[Key]:
        names = self._codes.boosts if field is None else [field]
        return {(self._codes.own[name], term.encode()) for name in names for term in terms}


def _shown(number: float) -> str:
    return str(int(number)) if number.is_integer() else str(number)
