"""Rows of cells to a table block whose cells know their offsets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from salient.model import Block, Cell, Kind

_SPACE = re.compile(r"\s+")
MAX_SPAN = 1000
"""Wider spans are an author's slip or an attack; a browser cuts at the same number."""

_MAX_COLUMNS = 2000
"""Past these, cells that span rows do not push those below aside: each row costs what is covered."""


@dataclass(slots=True)
class Entry:
    """A cell as the format gives it; `text` may hold any white space."""

    text: str
    row_span: int = 1
    column_span: int = 1
    header: bool = False


def table(rows: Iterable[Sequence[Entry]]) -> Block | None:
    """Lay rows out on a grid, with spans, as HTML does; None when no cell has text.

    Rows without text are left out of the text, and cells without text have no offsets of their
    own but keep their place in row and column numbers.

    Cost: linear in cells, plus the rows that a row span covers.
    """
    pieces: list[str] = []
    cells: list[Cell] = []
    length = 0
    taken: dict[int, int] = {}  # column -> rows that a span from above still covers
    any_text = False
    for number, row in enumerate(rows):
        texts = [_SPACE.sub(" ", entry.text).strip() for entry in row]
        written = any(texts)
        if written and any_text:
            pieces.append("\n")
            length += 1
        any_text |= written
        column = 0
        fresh: dict[int, int] = {}
        for place, (entry, text) in enumerate(zip(row, texts, strict=True)):
            while taken.get(column, 0) > 0:
                column += 1
            if written and place:
                pieces.append("\t")
                length += 1
            across = min(max(entry.column_span, 1), MAX_SPAN)
            down = min(max(entry.row_span, 1), MAX_SPAN)
            if text:
                cells.append(
                    Cell(number, column, length, length + len(text), down, across, entry.header)
                )
                pieces.append(text)
                length += len(text)
            if down > 1 and column + across <= _MAX_COLUMNS:
                fresh.update(dict.fromkeys(range(column, column + across), down))
            column += across
        taken = {c: n - 1 for c, n in taken.items() if n > 1}
        taken.update({c: n - 1 for c, n in fresh.items()})
    if not cells:
        return None
    text = "".join(pieces)
    # `Builder` drops newlines at the end; no cell reaches into them, for only written rows add one.
    return Block(Kind.TABLE, text, cells=cells)
