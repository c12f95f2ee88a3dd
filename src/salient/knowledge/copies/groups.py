"""Which documents belong together, by pairs that are copies and by what people said of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple


class Pair(NamedTuple):
    """Two documents that are copies; the lesser id first."""

    one: str
    other: str
    similarity: float


def grouped(
    documents: Collection[str],
    pairs: Iterable[Pair],
    *,
    together: Sequence[tuple[str, str]] = (),
    apart: Sequence[tuple[str, str]] = (),
) -> dict[str, str]:
    """The group of each document that has copies, called by its least member.

    A function of the sets alone. What people keep apart is in no group together, however many others lie between:
    the most alike are joined first, and a pair that would bring two together that are apart joins nothing.
    """
    group = {d: d for d in documents}
    members = {d: [d] for d in documents}
    barred: dict[str, set[str]] = {d: set() for d in documents}
    for one, other in apart:
        if one in group and other in group:
            barred[one].add(other)
            barred[other].add(one)

    def join(one: str, other: str) -> None:
        a, b = group[one], group[other]
        if a == b or not barred[a].isdisjoint(members[b]):
            return
        if len(members[a]) < len(members[b]):
            a, b = b, a
        for member in members[b]:
            group[member] = a
        members[a] += members.pop(b)
        barred[a] |= barred.pop(b)

    for one, other in together:  # in the order of decisions: a later one does not undo an earlier
        if one in group and other in group:
            join(one, other)
    for pair in sorted(pairs, key=lambda p: (-p.similarity, p.one, p.other)):
        if pair.one in group and pair.other in group:
            join(pair.one, pair.other)
    return {
        member: first
        for some in members.values()
        if len(some) > 1
        for first in (min(some),)
        for member in some
    }
