"""From spans to what people see: pieces, pages, quotes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.model import Box, Evidence, Text
from salient.services.context import Context
from salient.services.views import Piece, Quote

VIEW_PAGE = 5000  # characters of a view page where the format has no pages

Span = tuple[int, int]
Mark = tuple[int, int, int]
"""Start, end, ordinal of a mention."""


def pieces(
    text: str, start: int, end: int, hits: Sequence[Span] = (), marks: Sequence[Mark] = ()
) -> tuple[Piece, ...]:
    """`text[start:end]` cut wherever a hit or a mark begins or ends. Offsets are of `text`."""
    cuts = {start, end}
    for a, b, *_ in (*hits, *marks):
        cuts |= {min(max(a, start), end), min(max(b, start), end)}
    bounds = sorted(cuts)
    return tuple(
        Piece(
            text=text[a:b],
            start=a,
            marks=tuple(m for x, y, m in marks if x <= a and b <= y),
            hit=any(x <= a and b <= y for x, y in hits),
        )
        for a, b in pairwise(bounds)
    )


def view_pages(text: Text) -> NDArray[np.int32]:
    """(n_view_pages, 2): first block and one past the last of each page people turn.

    A page of a paged format; elsewhere, whole blocks of together about VIEW_PAGE characters.
    """
    n = len(text.block_start)
    if text.n_pages:
        of_block = np.searchsorted(text.page_start, text.block_start, side="right") - 1
        first = np.searchsorted(of_block, np.arange(len(text.page_start)), side="left")
        last = np.searchsorted(of_block, np.arange(len(text.page_start)), side="right")
        return np.stack([first, last], axis=1).astype(np.int32)
    bounds = [0]
    # A slide or sheet begins a page of its own even where pages are not numbered.
    parts = set(text.page_start.tolist()) if len(text.page_start) > 1 else set()
    length = 0
    for row in range(n):
        size = int(text.block_end[row] - text.block_start[row])
        new_part = int(text.block_start[row]) in parts and row > 0
        if row > bounds[-1] and (length + size > VIEW_PAGE or new_part):
            bounds.append(row)
            length = 0
        length += size
    bounds.append(n)
    return np.array(list(pairwise(bounds)), np.int32).reshape(-1, 2)


def view_page_at(text: Text, offset: int, pages: NDArray[np.int32] | None = None) -> int:
    """The 1-based view page that holds `offset`. For many offsets, give `view_pages(text)` as `pages`."""
    block = int(np.searchsorted(text.block_start, offset, side="right")) - 1
    pages = view_pages(text) if pages is None else pages
    row = int(np.searchsorted(pages[:, 1], max(block, 0), side="right"))
    return min(row, len(pages) - 1) + 1


def boxes(text: Text, start: int, end: int) -> tuple[Box, ...]:
    """Boxes over a span; none for formats without geometry."""
    return tuple(Box(page=p, x0=a, y0=b, x1=c, y1=d) for p, a, b, c, d in text.boxes(start, end))


def quote(
    context: Context,
    row: Any,
    start: int,
    end: int,
    hits: Iterable[Span] = (),
    *,
    with_boxes: bool = True,
) -> Quote:
    """A quote from the document of a ledger row. `hits` are offsets in the canonical text."""
    text = context.texts.text(row.id)
    return Quote(
        document_id=row.id,
        document_name=row.name,
        title=row.title,
        version=row.version,
        start=start,
        end=end,
        page=text.page_at(start),
        view_page=view_page_at(text, start),
        pieces=pieces(text.text, start, end, tuple(hits)),
        boxes=boxes(text, start, end) if with_boxes else (),
    )


def of_evidence(context: Context, evidence: Evidence) -> Quote:
    """The quote that a piece of evidence names."""
    row = context.ledger.row(evidence.document_id)
    return quote(context, row, evidence.start, evidence.end)
