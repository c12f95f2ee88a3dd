"""Finds a pattern in blocks: candidates of the rarest node first, then one join of columns a step."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from salient.errors import LimitExceeded, TimedOut
from salient.knowledge.grammar_search import relations
from salient.knowledge.grammar_search.language import (
    All,
    Arc,
    Chain,
    Gap,
    Is,
    Need,
    Node,
    Not,
    OneOf,
    Step,
    Test,
    atoms,
)
from salient.knowledge.grammar_search.trees import (
    Block,
    Bools,
    Ints,
    Mentions,
    Spans,
    ranges,
)
from salient.knowledge.grammar_search.words import COMMON, Tester, rank
from salient.model import columns

NO_ENTITIES: Mapping[str, Spans] = MappingProxyType({})
MAX_COMBINATIONS = 2_000_000
"""Rows of one join; a block has some 50,000 tokens."""

Table = NDArray[np.int32]
"""(n_combinations, n_nodes): the token of each node, -1 where there is none yet."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A step from the node `source` to the node `target`."""

    source: int
    target: int
    step: Step


@dataclass(frozen=True, slots=True)
class Part:
    """Nodes that stand or fall together. `edges` lead from one to the next."""

    need: Need
    root: int
    """The node it hangs on; of the whole pattern, its first."""
    edges: tuple[Edge, ...]
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Matches:
    """What was found in a block, by document and place.

    `first`, `last` are token rows of the block, `start`, `end` offsets in the text of `document`:
    (n_matches, n_nodes) each, nodes as they are written, -1 where an optional one is not there.
    `rows` has the token of each node, `sentence` (n_matches, 2) offsets.
    """

    document: Ints
    rows: Table
    first: Table
    last: Table
    start: Table
    end: Table
    sentence: Ints

    def __len__(self) -> int:
        return len(self.rows)


class Matcher:
    """A pattern, compiled. For threads.

    Cost: linear in the tokens for patterns of words and relations; gaps and long ways add what they
    pair. Tokens of a block are passed some five to thirty times, vectorised.
    """

    def __init__(self, pattern: Chain) -> None:
        self.pattern = pattern
        self.nodes: list[Node] = []
        self.whole = self._part(pattern, "with", None)
        self.slots = {n.name: i for i, n in enumerate(self.nodes) if n.name}
        self.tests = [n.test for n in self.nodes]
        self.wide = [_is_wide(t) for t in self.tests]
        self.entities = {a.value for t in self.tests for a in atoms(t) if a.attribute == "entity"}
        needed = {self.whole.root, *(e.target for e in self.whole.edges)}
        words = [needs(self.tests[node]) for node in sorted(needed)]
        self._needed = [w for w in words if w is not None]
        self._named = [sorted({a.value for a in atoms(t) if a.attribute == "entity"}) for t in self.tests]  # fmt: skip

    def _part(self, chain: Chain, need: Need, hung: tuple[int, Step] | None) -> Part:
        edges: list[Edge] = []
        parts: list[Part] = []
        root = len(self.nodes) if hung is None else hung[0]
        self._walk(chain, hung, edges, parts)
        return Part(need, root, tuple(edges), tuple(parts))

    def _walk(
        self, chain: Chain, hung: tuple[int, Step] | None, edges: list[Edge], parts: list[Part]
    ) -> None:
        before, reach = hung if hung is not None else (-1, None)
        for step, node in ((reach, chain.node), *chain.rest):
            number = len(self.nodes)
            self.nodes.append(node)
            if step is not None:
                edges.append(Edge(before, number, step))
            before = number
            for branch in node.branches:
                if branch.need == "with":
                    self._walk(branch.chain, (number, branch.step), edges, parts)
                else:
                    parts.append(self._part(branch.chain, branch.need, (number, branch.step)))

    def must_name(self, entity: str) -> bool:
        """Whether every match has a node that is this entity."""
        named = Is("entity", entity)
        needed = {self.whole.root, *(e.target for e in self.whole.edges)}
        tests = [self.tests[node] for node in needed]
        return any(t == named or (isinstance(t, All) and named in t.tests) for t in tests)

    def may_fit(self, annotations: bytes | memoryview) -> bool:
        """Whether stored annotations can hold a match, from their strings alone. Cost: some 5 µs."""
        header = columns.header(annotations).lower()
        return all(any(word in header for word in words) for words in self._needed)

    def find(
        self,
        block: Block,
        *,
        entities: Mapping[str, Spans] = NO_ENTITIES,
        deadline: float | None = None,
    ) -> Matches:
        """All matches in a block, in text order; those with the same spans count once.

        Args:
            entities: mentions by the name that the pattern calls the entity.
            deadline: on the monotonic clock.

        Raises:
            LimitExceeded: too many combinations of tokens would have to be looked at.
            TimedOut: the deadline passed.
        """
        return _Search(self, block, entities, deadline).run()


def needs(test: Test) -> frozenset[bytes] | None:
    """Strings, one of which the strings of annotations hold where a token passes; None: not known."""
    match test:
        case Is("lemma" | "label" | "upos" | "xpos", value, regex=False) if value.isascii():
            return frozenset({json.dumps(value).lower().encode()})
        case All(tests):
            known = [n for n in map(needs, tests) if n is not None]
            return min(known, key=len, default=None)
        case OneOf(tests):
            every = [needs(t) for t in tests]
            return None if None in every else frozenset().union(*filter(None, every))
        case _:
            return None


def _is_wide(test: Test) -> bool:
    """Whether a node stands for all of the mention it heads."""
    match test:
        case Not():
            return False
        case _:
            return any(a.attribute in {"label", "entity"} for a in atoms(test))


class _Search:
    def __init__(
        self,
        matcher: Matcher,
        block: Block,
        entities: Mapping[str, Spans],
        deadline: float | None,
    ) -> None:
        self.matcher, self.block, self.deadline = matcher, block, deadline
        self.tester = Tester(block, entities)
        self._candidates: dict[int, Ints] = {}
        self._arcs: dict[Arc, Callable[[Ints], Bools]] = {}

    def run(self) -> Matches:
        whole = self.matcher.whole
        table = self._anchored(whole) if self.block.n else self._empty()
        if len(table):
            table = self._joined(table, whole)
        return self._matches(table)

    def _empty(self) -> Table:
        return np.zeros((0, len(self.matcher.nodes)), np.int32)

    # ---- candidates

    def candidates(self, node: int) -> Ints:
        if node not in self._candidates:
            self._candidates[node] = self.tester.rows(self.matcher.tests[node])
        return self._candidates[node]

    def _anchored(self, whole: Part) -> Table:
        """The tokens of the rarest node; none at once where some node has none."""
        needed = {whole.root, *(e.target for e in whole.edges)}
        tests = self.matcher.tests
        ordered = sorted(needed, key=lambda n: (rank(tests[n]), n))
        best = ordered[0]
        for node in ordered:
            if rank(tests[node]) >= COMMON and node != best:
                break
            rows = self.candidates(node)
            if not len(rows):
                return self._empty()
            if len(rows) < len(self.candidates(best)):
                best = node
        table = np.full((len(self.candidates(best)), len(tests)), -1, np.int32)
        table[:, best] = self.candidates(best)
        return table

    # ---- joins

    def _joined(self, table: Table, part: Part) -> Table:
        """Fill in a part's nodes edge by edge, then what hangs on them."""
        left = list(part.edges)
        while left and len(table):
            bound = table[0] >= 0
            ready = [e for e in left if bound[e.source] or bound[e.target]]
            edge = min(ready, key=lambda e: self._cost(e, forward=bool(bound[e.source])))
            table = self._extend(table, edge, forward=bool(bound[edge.source]))
            left.remove(edge)
        for inner in part.parts:
            if len(table):
                table = self._hung(table, inner)
        return table

    def _cost(self, edge: Edge, *, forward: bool) -> tuple[int, int]:
        test = self.matcher.tests[edge.target if forward else edge.source]
        climbs = isinstance(edge.step, Arc) and edge.step.down != forward
        return (0 if climbs else 1, rank(test))

    def _hung(self, table: Table, part: Part) -> Table:
        """Join what may be there, or leave out rows with what must not be there."""
        roots = np.unique(table[:, part.root])
        inner = np.full((len(roots), table.shape[1]), -1, np.int32)
        inner[:, part.root] = roots
        inner = self._joined(inner, part)
        if part.need == "without":
            return table[~np.isin(table[:, part.root], inner[:, part.root])]
        if not len(inner):
            return table
        inner = inner[np.argsort(inner[:, part.root], kind="stable")]
        at, place = self._paired(
            np.searchsorted(inner[:, part.root], table[:, part.root], side="left"),
            np.searchsorted(inner[:, part.root], table[:, part.root], side="right"),
        )
        mine = np.flatnonzero((inner >= 0).any(axis=0))
        mine = mine[mine != part.root]
        # Of the node it hangs on the branch knows already which may be equal.
        others = np.delete(table, part.root, axis=1)
        good = self._differ(others[at], inner[place][:, mine])
        at, place = at[good], place[good]
        joined = table[at]
        joined[:, mine] = inner[place][:, mine]
        alone = np.ones(len(table), np.bool_)
        alone[at] = False
        return np.concatenate([joined, table[alone]])

    @staticmethod
    def _differ(table: Table, columns: Table) -> Bools:
        """Rows in which no new token is one that the row has already."""
        kept = np.ones(len(table), np.bool_)
        for column in columns.T:
            kept &= ~((table == column[:, None]) & (column >= 0)[:, None]).any(axis=1)
        return kept

    def _paired(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> tuple[Ints, Ints]:
        """Numbers of rows, and of what each is joined with: the range `low .. high` of each."""
        self._check_time()
        sizes = np.maximum(high - low, 0)
        if int(sizes.sum()) > MAX_COMBINATIONS:
            raise LimitExceeded(
                "the pattern fits too many combinations of words: make its steps or words narrower",
                limit=MAX_COMBINATIONS,
            )
        return ranges(low.astype(np.int32), sizes.astype(np.int32))

    def _check_time(self) -> None:
        if self.deadline is not None and time.monotonic() > self.deadline:
            raise TimedOut("the search took too long: make the pattern narrower, or give it more time")  # fmt: skip

    def _extend(self, table: Table, edge: Edge, *, forward: bool) -> Table:
        """Bind the unbound end of an edge."""
        known, new = (edge.source, edge.target) if forward else (edge.target, edge.source)
        if isinstance(edge.step, Gap):
            at, rows = self._over_gap(table[:, known], known, new, edge.step, forward=forward)
        else:
            at, rows = self._along(table[:, known], new, edge.step, up=edge.step.down != forward)
        table = table[at]
        others = table
        if isinstance(edge.step, Arc) and edge.step.least == 0:
            others = np.delete(table, known, axis=1)  # no step at all ends where it began
        kept = ~(others == rows[:, None]).any(axis=1)
        table = table[kept]
        table[:, new] = rows[kept]
        return table

    # ---- ways in the tree

    def _along(self, start: Ints, new: int, arc: Arc, *, up: bool) -> tuple[Ints, Ints]:
        """Numbers of `start` and the tokens that an arc leads to from there and that pass."""
        begun, number = np.unique(start, return_inverse=True)
        at = np.arange(len(begun), dtype=np.int32)
        rows = begun.astype(np.int32)
        found_at, found = [], []
        for length in range(arc.most + 1):
            if length:
                only = new if length == arc.most else None
                at, rows = self._up(at, rows, arc) if up else self._down(at, rows, arc, only)
            if length >= arc.least:
                found_at.append(at)
                found.append(rows)
            if not len(rows):
                break
        at, rows = np.concatenate(found_at or [at[:0]]), np.concatenate(found or [rows[:0]])
        passed = self.tester.passes(self.matcher.tests[new], rows)
        at, rows = at[passed], rows[passed]
        order = np.argsort(at, kind="stable")
        at, rows = at[order], rows[order]
        low = np.searchsorted(at, number.ravel(), side="left")
        high = np.searchsorted(at, number.ravel(), side="right")
        back, place = self._paired(low, high)
        return back, rows[place]

    def _up(self, at: Ints, rows: Ints, arc: Arc) -> tuple[Ints, Ints]:
        head = self.block.head[rows]
        good = (head != rows) & self._arc(arc)(rows)
        return at[good], head[good]

    def _down(self, at: Ints, rows: Ints, arc: Arc, only: int | None) -> tuple[Ints, Ints]:
        """Every dependent; where `only` is a node with known candidates, just those."""
        block = self.block
        if only is not None and only in self._candidates:
            below = self._candidates[only]
        else:
            below = self._below(rows)
        heads = block.head[below]
        marked = np.zeros(block.n, np.bool_)
        marked[rows] = True
        good = marked[heads] & (heads != below)
        below, heads = below[good], heads[good]
        good = self._arc(arc)(below)
        below, heads = below[good], heads[good]
        order = np.argsort(heads, kind="stable")
        below, heads = below[order], heads[order]
        low = np.searchsorted(heads, rows, side="left")
        high = np.searchsorted(heads, rows, side="right")
        back, place = self._paired(low, high)
        return at[back], below[place]

    def _below(self, rows: Ints) -> Ints:
        """The tokens of the sentences of `rows`; all of them where that is no less work."""
        block = self.block
        if len(rows) * 64 >= block.n:
            return np.arange(block.n, dtype=np.int32)
        sentences = np.unique(block.sentence_of(rows))
        first = block.sentence_first[sentences]
        return ranges(first, block.sentence_last[sentences] - first + 1)[1]

    def _arc(self, arc: Arc) -> Callable[[Ints], Bools]:
        """Says of dependents whether their relation is one of the arc's."""
        if arc not in self._arcs:
            self._arcs[arc] = self._made_arc(arc)
        return self._arcs[arc]

    def _made_arc(self, arc: Arc) -> Callable[[Ints], Bools]:
        block, names = self.block, self.block.relation_names
        if not arc.relations:
            return lambda rows: np.ones(len(rows), np.bool_)
        plain = np.zeros(len(names), np.bool_)
        cased: list[tuple[Bools, Bools]] = []
        for wanted in arc.relations:
            covered = np.array(relations.covered(wanted.name, names), np.bool_)
            if wanted.cases:
                cased.append((covered, block.by_case(wanted.cases)))
            else:
                plain |= covered

        def passes(rows: Ints) -> Bools:
            relation = block.relation[rows]
            found = plain[relation]
            for covered, by_case in cased:
                found = found | (covered[relation] & by_case[rows])
            return found

        return passes

    # ---- what follows

    def _over_gap(
        self, rows: Ints, known: int, new: int, gap: Gap, *, forward: bool
    ) -> tuple[Ints, Ints]:
        """Numbers of `rows` and tokens of `new` behind (`forward`) or before them."""
        block = self.block
        sentence = block.sentence_of(rows)
        reach = block.n if gap.most is None else gap.most
        there = self.candidates(new)
        first, last = self._extent(there, new)
        keys = first if forward else last
        order = np.argsort(keys, kind="stable")
        there, keys = there[order], keys[order]
        mine_first, mine_last = self._extent(rows, known)
        if forward:
            edge = np.minimum(mine_last + 1 + reach, block.sentence_last[sentence])
            low, high = mine_last + 1, edge
        else:
            low = np.maximum(mine_first - 1 - reach, block.sentence_first[sentence])
            high = mine_first - 1
        back, place = self._paired(
            np.searchsorted(keys, low, side="left"), np.searchsorted(keys, high, side="right")
        )
        return back, there[place]

    def _extent(self, rows: Ints, node: int) -> tuple[Ints, Ints]:
        """First and last token of what a node stands for at each row; -1 stays."""
        first, last = rows.copy(), rows.copy()
        if not self.matcher.wide[node]:
            return first, last
        spans: list[Mentions] = [self.block.mentions]
        spans += [self.tester.entity(name) for name in self.matcher._named[node]]
        for mentions in spans:
            which = np.where(rows >= 0, mentions.at[rows], -1)
            here = which >= 0
            first[here], last[here] = mentions.first[which[here]], mentions.last[which[here]]
        return first, last

    # ---- what is found

    def _matches(self, table: Table) -> Matches:
        block = self.block
        first, last = np.empty_like(table), np.empty_like(table)
        for node in range(table.shape[1]):
            first[:, node], last[:, node] = self._extent(table[:, node], node)
        if len(table):
            # Text order is the order of the first node, and so on; equal spans fall together.
            both = np.concatenate([first, last], axis=1)
            _, once = np.unique(both, axis=0, return_index=True)
            table, first, last = table[once], first[once], last[once]
        anchor = table.max(axis=1) if len(table) else np.zeros(0, np.int32)
        document = (np.searchsorted(block.first_row, anchor, side="right") - 1).astype(np.int32)
        shift = block.first_character[document].astype(np.int32)
        there = table >= 0
        sentences = block.sentence_of(anchor)
        if len(table):
            begun = block.start[block.sentence_first[sentences]]
            ended = block.end[block.sentence_last[sentences]]
            start = np.where(there, block.start[first] - shift[:, None], -1)
            end = np.where(there, block.end[last] - shift[:, None], -1)
        else:
            begun = ended = anchor
            start, end = first, last
        sentence = np.stack([begun - shift, ended - shift], axis=1)
        order = np.lexsort((np.arange(len(table)), np.where(there, first, block.n).min(axis=1) if len(table) else anchor, document))  # fmt: skip
        return Matches(
            document[order], table[order], first[order], last[order], start[order].astype(np.int32),
            end[order].astype(np.int32), sentence[order].astype(np.int32),
        )  # fmt: skip
