"""Page headers and footers: what stands at the edges of neighbouring pages alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from salient.model import Kind
from salient.readers.pdf_order import Line

REACH = 2
"""Pages looked at on each side: left and right pages may differ."""

_EDGE = 0.16
_LINES = 4
_NUMBER = re.compile(r"\d+|\b[ivxlc]+\b", re.IGNORECASE)
_PAGE_NUMBER = re.compile(
    r"^[\s\-–—|\[(]*(?:page|p\.|pg\.?|seite|página)?\s*#(?:\s*(?:of|/|von|de)\s*#)?[\s\-–—|\])]*$"
)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A line near a page's edge."""

    line: Line
    kind: Kind
    shape: str
    """Its text with all numbers alike."""
    at: float
    """Height on the page, 0..1."""
    rank: int
    """Lines between it and the edge."""


def candidates(lines: Sequence[Line], height: float) -> list[Candidate]:
    """Lines that could be furniture: the outermost few, near the edges."""
    if not lines or height <= 0:
        return []
    ordered = sorted(lines, key=lambda line: line.y0)
    found: list[Candidate] = []
    for rank, line in enumerate(ordered[:_LINES]):
        if line.y1 <= _EDGE * height:
            found.append(_candidate(line, Kind.PAGE_HEADER, height, rank))
    taken = {id(c.line) for c in found}
    for rank, line in enumerate(reversed(ordered[-_LINES:])):
        if line.y0 >= (1 - _EDGE) * height and id(line) not in taken:
            found.append(_candidate(line, Kind.PAGE_FOOTER, height, rank))
    return found


def _candidate(line: Line, kind: Kind, height: float, rank: int) -> Candidate:
    text = " ".join(line.text.split()).casefold()
    return Candidate(line, kind, _NUMBER.sub("#", text), (line.y0 + line.y1) / 2 / height, rank)


def furniture(
    own: Sequence[Candidate], neighbours: Mapping[int, Sequence[Candidate]]
) -> dict[int, Kind]:
    """Which of a page's candidates are furniture, by `id` of the line.

    Args:
        neighbours: candidates of the pages around, by distance in pages.
    """
    found: dict[int, Kind] = {}
    others = [c for held in neighbours.values() for c in held]
    for candidate in own:
        same = any(
            other.kind is candidate.kind
            and other.shape == candidate.shape
            and abs(other.at - candidate.at) < 0.03
            for other in others
        )
        if not same and _PAGE_NUMBER.match(candidate.shape):
            # The only page, or the last of a chapter: a lone number at the very edge.
            same = candidate.rank == 0 and (candidate.at < 0.09 or candidate.at > 0.91)
        if same:
            found[id(candidate.line)] = candidate.kind
    # What is outside of furniture is furniture too only if it matched itself; but body text must
    # not be cut out from between furniture lines, so a match must be reached from the edge.
    for kind in (Kind.PAGE_HEADER, Kind.PAGE_FOOTER):
        reached = -1
        for candidate in sorted((c for c in own if c.kind is kind), key=lambda c: c.rank):
            if id(candidate.line) not in found:
                continue
            if candidate.rank > reached + 2:
                del found[id(candidate.line)]
            else:
                reached = candidate.rank
    return found
