"""Joins names that are one thing into clusters, given which pairs could be.

A function of its arguments alone: edges are taken in one order, strongest first, and a join that
breaks a constraint is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from salient.knowledge.candidates import FULLER, SAME, SHORT, Edge, rest_is_generic
from salient.knowledge.names import Name, parse
from salient.knowledge.similarity import legal_forms_agree

_DOMINANT = 3
"""A bare name goes to one of several companies only if that one stands in so many times as many documents."""


@dataclass(frozen=True, slots=True)
class Node:
    """A name, or one alias of an entity of the knowledge base (`kb` names it)."""

    ref: str
    name: Name
    n_documents: int
    kb: str | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a node went: its cluster, and why.

    `own` says that it is of the names that make the cluster what it is, not one that came to them
    as a shorter form.
    """

    root: int
    score: float
    method: str
    own: bool


@dataclass(frozen=True, slots=True)
class Beside:
    """What documents say of two names that could be one.

    `known(short, long)`: a document uses the short form for the longer name. `shared(a, b)`: how
    many names stand beside both. `locative(row)`: something is said to be in or near it.
    """

    known: Callable[[int, int], bool]
    shared: Callable[[int, int], int]
    locative: Callable[[int], bool]


class Clusters:
    """Union of nodes under constraints."""

    def __init__(self, nodes: Sequence[Node], cannot: Iterable[tuple[int, int]]) -> None:
        self.nodes = nodes
        self._parent = list(range(len(nodes)))
        self.members: dict[int, list[int]] = {i: [i] for i in range(len(nodes))}
        self._kb: dict[int, str] = {i: n.kb for i, n in enumerate(nodes) if n.kb}
        self._legal = {i: {n.name.legal} - {""} for i, n in enumerate(nodes)}
        self._apart: dict[int, set[int]] = {}
        for a, b in cannot:
            self._apart.setdefault(a, set()).add(b)
            self._apart.setdefault(b, set()).add(a)

    def root(self, row: int) -> int:
        while self._parent[row] != row:
            self._parent[row] = self._parent[self._parent[row]]
            row = self._parent[row]
        return row

    def kb(self, row: int) -> str | None:
        return self._kb.get(self.root(row))

    def legal(self, row: int) -> set[str]:
        return self._legal[self.root(row)]

    def documents(self, row: int) -> int:
        return sum(self.nodes[m].n_documents for m in self.members[self.root(row)])

    def first(self, row: int) -> str:
        """What orders clusters, whatever union-find made their root."""
        return min(self.nodes[m].ref for m in self.members[self.root(row)])

    def may_join(self, left: int, right: int) -> bool:
        a, b = self.root(left), self.root(right)
        if a == b:
            return True
        kb_a, kb_b = self._kb.get(a), self._kb.get(b)
        if kb_a and kb_b and kb_a != kb_b:
            return False
        apart = self._apart.get(a, set())
        return not any(self.root(other) == b for other in apart)

    def forms_agree(self, left: int, right: int) -> bool:
        return all(legal_forms_agree(x, y) for x in self.legal(left) for y in self.legal(right))

    def join(self, left: int, right: int) -> None:
        a, b = self.root(left), self.root(right)
        if a == b:
            return
        if len(self.members[a]) < len(self.members[b]):
            a, b = b, a
        self._parent[b] = a
        self.members[a].extend(self.members.pop(b))
        if b in self._kb:
            self._kb[a] = self._kb.pop(b)
        self._legal[a] |= self._legal.pop(b)
        self._apart[a] = self._apart.get(a, set()) | self._apart.pop(b, set())


def cluster(
    nodes: Sequence[Node],
    edges: Sequence[Edge],
    must: Sequence[tuple[int, int]],
    cannot: Sequence[tuple[int, int]],
    beside: Beside,
    nearer: Callable[[int, Sequence[int]], int | None],
) -> list[Placed]:
    """Place every node.

    Args:
        nodes: in an order that depends on the set alone.
        must, cannot: people's decisions; they do not contradict each other.
        nearer: of several knowledge base nodes with one name, the one that fits a name's surroundings.
    """
    joined = Clusters(nodes, cannot)
    why: dict[int, tuple[float, str]] = {}
    for a, b in must:
        if joined.may_join(a, b):
            joined.join(a, b)
            for row in (a, b):
                why.setdefault(row, (1.0, "decision"))
    by_kb: dict[str, int] = {}
    for row, node in enumerate(nodes):
        if node.kb:
            joined.join(by_kb.setdefault(node.kb, row), row)
    same = _unambiguous(nodes, [e for e in edges if e.level == SAME], joined, nearer, why)
    order = [
        (-e.score, nodes[min(e.left, e.right)].ref, nodes[max(e.left, e.right)].ref, e)
        for e in same
    ]
    for *_, edge in sorted(order, key=lambda o: o[:3]):
        if joined.may_join(edge.left, edge.right) and joined.forms_agree(edge.left, edge.right):
            joined.join(edge.left, edge.right)
            for row in (edge.left, edge.right):
                if nodes[row].kb is None:
                    why.setdefault(row, (edge.score, edge.method))
    of = {row: joined.root(row) for row in range(len(nodes))}
    rows: dict[int, list[int]] = {}
    for row, root in of.items():
        rows.setdefault(root, []).append(row)
    cores = _Cores(of, rows)
    for level in (FULLER, SHORT):
        _attach(level, edges, joined, beside, why, cores)
    placed: list[Placed] = []
    for row in range(len(nodes)):
        root = cores.final(row)
        score, method = why.get(row, (1.0, "exact"))
        placed.append(Placed(root, score, method, own=of[row] == root))
    return placed


def _unambiguous(
    nodes: Sequence[Node],
    edges: Sequence[Edge],
    joined: Clusters,
    nearer: Callable[[int, Sequence[int]], int | None],
    why: dict[int, tuple[float, str]],
) -> list[Edge]:
    """Edges less those from a name to several entities of the knowledge base alike."""
    to_kb: dict[int, list[tuple[float, int]]] = {}
    for e in edges:
        for row, other in ((e.left, e.right), (e.right, e.left)):
            if nodes[row].kb is None and nodes[other].kb is not None:
                to_kb.setdefault(row, []).append((e.score, other))
    chosen: dict[int, str | None] = {}
    for row, targets in to_kb.items():
        best = max(score for score, _ in targets)
        top = sorted({nodes[t].kb or "" for score, t in targets if score >= best - 0.02})
        if len(top) > 1 and joined.kb(row) is None:
            rows = sorted(t for _, t in targets if nodes[t].kb in top)
            pick = nearer(row, rows)
            chosen[row] = nodes[pick].kb if pick is not None else None
            if pick is not None:
                why[row] = (0.75, "context")

    def stays(e: Edge) -> bool:
        for row, other in ((e.left, e.right), (e.right, e.left)):
            if row in chosen and nodes[other].kb is not None and nodes[other].kb != chosen[row]:
                return False
        return True

    return [e for e in edges if stays(e)]


@dataclass(slots=True)
class _Cores:
    """The clusters as they were before any joined another, and which of them joined which."""

    of: Mapping[int, int]
    rows: Mapping[int, list[int]]
    joined: dict[int, int] = field(default_factory=dict)

    def final(self, row: int) -> int:
        core = self.of[row]
        while core in self.joined:
            core = self.joined[core]
        return core


@dataclass(frozen=True, slots=True)
class _Move:
    """A cluster (`left`) that could join another (`right`), by their roots."""

    left: int
    right: int
    score: float
    method: str


def _attach(
    level: int,
    edges: Sequence[Edge],
    joined: Clusters,
    beside: Beside,
    why: dict[int, tuple[float, str]],
    cores: _Cores,
) -> None:
    """Let whole clusters that say less join the one that says more, if there is but one."""
    options: dict[int, dict[int, _Move]] = {}
    for e in sorted(
        (e for e in edges if e.level == level), key=lambda e: (-e.score, e.left, e.right)
    ):
        move = _possible(e, joined, beside)
        if move is not None:
            options.setdefault(move.left, {}).setdefault(move.right, move)
    chosen = [_only(options[left], joined, level) for left in sorted(options, key=joined.first)]
    for move in chosen:
        if move is None or not joined.may_join(move.left, move.right):
            continue
        if not joined.forms_agree(move.left, move.right):
            continue
        moved, stays = cores.final(move.left), cores.final(move.right)
        if moved == stays:
            continue
        for row in cores.rows[moved]:
            if why.get(row, (0.0, ""))[1] != "decision":
                why[row] = (move.score, move.method)
        cores.joined[moved] = stays
        joined.join(move.left, move.right)


def _possible(e: Edge, joined: Clusters, beside: Beside) -> _Move | None:
    left, right = joined.root(e.left), joined.root(e.right)
    if left == right:
        return None
    if joined.kb(left) and not joined.kb(right):
        # The knowledge base stands fast; what says more comes to it.
        if e.level == SHORT and e.method != "other type" and not beside.known(e.left, e.right):
            return None
        left, right = right, left
    if joined.kb(left) or not joined.may_join(left, right):
        return None
    score = _evidence(e, joined, beside) if e.level == SHORT else e.score
    return None if score is None else _Move(left, right, score, e.method)


def _evidence(e: Edge, joined: Clusters, beside: Beside) -> float | None:
    """How sure a short form is of its longer one; None when only the words speak for it."""
    short, long = joined.nodes[e.left], joined.nodes[e.right]
    if e.method == "other type":
        return _of_other_type(e, joined, beside)
    if joined.legal(e.left):
        return None
    if beside.known(e.left, e.right):
        return 0.85
    if beside.shared(e.left, e.right):
        return e.score
    if e.method == "short form" and rest_is_generic(short.name, long.name):
        return e.score - 0.05
    return None


def _of_other_type(e: Edge, joined: Clusters, beside: Beside) -> float | None:
    """How sure a name is of a company though the engine gave it another type."""
    short, long = joined.nodes[e.left], joined.nodes[e.right]
    if short.name.norm == long.name.norm:
        # A single word that is all there is: to the knowledge base alone.
        return 0.6 if (short.kb is None) != (long.kb is None) else None
    if short.kb is not None or beside.locative(e.left):
        return None
    bare = parse(short.name.norm, "ORG")
    said = beside.known(e.left, e.right) or beside.shared(e.left, e.right)
    return e.score if said or rest_is_generic(bare, long.name) else None


def _only(options: Mapping[int, _Move], joined: Clusters, level: int) -> _Move | None:
    """The one cluster to join: the only one, the only known one, or one that outweighs the rest."""
    if len(options) == 1:
        return next(iter(options.values()))
    known = [r for r in options if joined.kb(r)]
    if len(known) == 1:
        return options[known[0]]
    if level == FULLER and not known and all(m.method == "legal form" for m in options.values()):
        ranked = sorted(options, key=lambda r: (-joined.documents(r), joined.first(r)))
        first, second = (joined.documents(r) for r in ranked[:2])
        if first >= _DOMINANT * max(second, 1):
            return options[ranked[0]]
    return None
