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
_CLOSE = 0.35  # line heights: the white between lines of one paragraph is less
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
    room: float
    """White between it and the next line inwards, in line heights."""


def candidates(lines: Sequence[Line], height: float) -> list[Candidate]:
    """Lines that could be furniture: the outermost few, near the edges."""
    if not lines or height <= 0:
        return []
    ordered = sorted(lines, key=lambda line: line.y0)
    found: list[Candidate] = []
    taken: set[int] = set()
    for kind, outermost in (
        (Kind.PAGE_HEADER, ordered[: _LINES + 1]),
        (Kind.PAGE_FOOTER, ordered[: -_LINES - 2 : -1]),
    ):
        for rank, line in enumerate(outermost[:_LINES]):
            near = (
                line.y1 <= _EDGE * height
                if kind is Kind.PAGE_HEADER
                else line.y0 >= (1 - _EDGE) * height
            )
            if not near or id(line) in taken:
                continue
            inner = outermost[rank + 1] if rank + 1 < len(outermost) else None
            taken.add(id(line))
            found.append(_candidate(line, inner, kind, height, rank))
    return found


def _candidate(line: Line, inner: Line | None, kind: Kind, height: float, rank: int) -> Candidate:
    text = " ".join(line.text.split()).casefold()
    white = height
    if inner is not None:
        white = max(inner.y0 - line.y1, line.y0 - inner.y1, 0.0)
    return Candidate(
        line,
        kind,
        _NUMBER.sub("#", text),
        (line.y0 + line.y1) / 2 / height,
        rank,
        white / max(line.y1 - line.y0, 1.0),
    )


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
    for kind in (Kind.PAGE_HEADER, Kind.PAGE_FOOTER):
        ranked = sorted((c for c in own if c.kind is kind), key=lambda c: c.rank)
        # Text that is set like the body below it is body, though every page begins with it.
        inner_is_furniture = False
        for candidate in reversed(ranked):
            marked = id(candidate.line) in found
            if marked and not inner_is_furniture and candidate.room < _CLOSE:
                del found[id(candidate.line)]
                marked = False
            inner_is_furniture = marked
        # And nothing is taken from behind body text.
        reached = -1
        for candidate in ranked:
            if id(candidate.line) not in found:
                continue
            if candidate.rank > reached + 2:
                del found[id(candidate.line)]
            else:
                reached = candidate.rank
    return found
