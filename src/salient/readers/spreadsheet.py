"""Workbooks (XLSX, XLSB, XLS, ODS) to a part a sheet: tables, and the lines of text around them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import python_calamine

from salient.errors import InvalidInput
from salient.model import Block, Kind, Metadata, Note, Part, Piece
from salient.readers import Limits, sheet_xml
from salient.readers.ooxml import Package
from salient.readers.tables import Entry, table

VERSION = 1

_ROWS_A_BLOCK = 500
_MAX_ROWS = 200_000
_LAST_ROW = 1_048_576
_MAX_CELLS = 4_000_000
"""Of the rectangle that a sheet spans: what is wider is read cell by cell."""
_WITH_CELLS = (
    python_calamine.SheetTypeEnum.WorkSheet,
    python_calamine.SheetTypeEnum.DialogSheet,
)


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read all sheets, hidden ones too; a note says how many rows are left out of large ones."""
    with file.open("rb") as stream:
        zipped = stream.read(4) == b"PK\x03\x04"
    book = _checked(file, limits) if zipped else _Book()
    if zipped:
        yield Metadata(book.fields)
    sparse = {name: part for name, (part, area) in book.shapes.items() if area > _MAX_CELLS}
    try:
        workbook = python_calamine.CalamineWorkbook.from_path(str(file))
    except python_calamine.PasswordError as exc:
        raise InvalidInput(
            "the file is protected by a password: remove it and add the file again",
            code="encrypted",
        ) from exc
    except (python_calamine.CalamineError, OSError) as exc:
        raise InvalidInput(
            "the workbook is cut off or damaged: open it in its own program, save it anew and add "
            "it again",
            code="malformed",
            detail=str(exc)[:300],
        ) from exc
    for meta in workbook.sheets_metadata:
        name = meta.name
        charts = book.charts.get(name, [])
        if meta.typ not in _WITH_CELLS:
            if charts:
                yield Part([Block(Kind.HEADING, name, 1), *charts], label=name)
            continue
        if name in sparse:
            yield from sheet_xml.read_sparse(file, name, sparse[name], limits)
        else:
            try:
                sheet = workbook.get_sheet_by_name(name)
                yield from _sheet(name, sheet)
            except (python_calamine.CalamineError, ValueError) as exc:
                yield Note("sheet_unreadable", f"sheet {name!r} is damaged: {exc}"[:300])
        if charts:
            yield Part(charts, label=name)
    yield from book.notes
    if book.n_comments:
        yield Note("comments_left_out", f"{book.n_comments} comments are not part of the text")


@dataclass(slots=True)
class _Book:
    """What the package says of a workbook beside its cells."""

    shapes: dict[str, tuple[str, int]] = field(default_factory=dict)
    charts: dict[str, list[Block]] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    n_comments: int = 0


def _checked(file: Path, limits: Limits) -> _Book:
    """Sheets by name (member, area), charts, properties and number of comments; looks for bombs.

    The library inflates without limits, so everything is inflated here once before.
    """
    with Package(file, limits) as package:
        names = package.container.names()
        for name in names:
            if not name.endswith("/") and not package.container.encrypted(name):
                if name.startswith("xl/worksheets/"):
                    continue
                for _ in package.container.chunks(name):
                    pass
        book = _Book(sheet_xml.shapes(package), fields=package.properties())
        for name, (part, _) in book.shapes.items():
            try:
                book.charts[name] = sheet_xml.charts(package, part)
            except InvalidInput as exc:
                book.notes.append(
                    Note("chart_unreadable", f"a chart on sheet {name!r} is damaged: {exc.message}")
                )
        book.n_comments = sum(
            len(list(package.xml(n).iter("{*}comment")))
            for n in names
            if n.startswith("xl/comments") and n.endswith(".xml")
        )
        book.notes += package.notes()
        return book


def _sheet(name: str, sheet: python_calamine.CalamineSheet) -> Iterator[Piece]:
    merged = _merged(sheet)
    group: list[tuple[int, list[str]]] = []
    blocks: list[Block] = []
    blocks.append(Block(Kind.HEADING, name, 1))
    first = sheet.start[0] if sheet.start else 0
    if first >= _LAST_ROW:
        yield Note("sheet_unreadable", f"sheet {name!r} is damaged: its rows have absurd numbers")
        return
    for number, values in enumerate(sheet.iter_rows()):
        if number < first:
            continue  # the library fills up with blank rows above
        if number - first >= _MAX_ROWS:
            yield Note(
                "rows_left_out",
                f"sheet {name!r}: {sheet.height - _MAX_ROWS:,} rows were left out; the limit is "
                f"{_MAX_ROWS:,}",
            )
            break
        cells = [show(v) for v in values]
        if any(cells):
            group.append((number, cells))
        if group and (not any(cells) or len(group) >= _ROWS_A_BLOCK):
            blocks += island(group, merged)
            group = []
        if len(blocks) > 200:
            yield Part(blocks, label=name)
            blocks = []
    blocks += island(group, merged)
    yield Part(blocks, label=name)


def _merged(sheet: python_calamine.CalamineSheet) -> dict[tuple[int, int], tuple[int, int]]:
    """(row, column) of a merged range's first cell -> (rows, columns) it spans."""
    start = sheet.start or (0, 0)
    ranges = sheet.merged_cell_ranges or []
    return {(r0, c0 - start[1]): (r1 - r0 + 1, c1 - c0 + 1) for (r0, c0), (r1, c1) in ranges}


def island(
    rows: list[tuple[int, list[str]]], merged: dict[tuple[int, int], tuple[int, int]]
) -> Iterator[Block]:
    """Rows between blank ones to blocks: leading single cells are captions, the rest a table."""
    if not rows:
        return
    width = max(sum(bool(c) for c in cells) for _, cells in rows)
    while rows and width > 1 and sum(bool(c) for c in rows[0][1]) == 1 and len(rows) > 1:
        yield Block(Kind.CAPTION, next(c for c in rows[0][1] if c))
        rows = rows[1:]
    used = [i for i in range(len(rows[0][1])) if any(i < len(c) and c[i] for _, c in rows)]
    if not used:
        return
    first, last = used[0], used[-1]
    if width == 1 and len(used) == 1:
        # One column of text is a list of lines.
        for _, cells in rows:
            yield Block(Kind.PARAGRAPH, cells[first])
        return
    header = _is_header([cells[first : last + 1] for _, cells in rows])
    grid: list[list[Entry]] = []
    covered: set[tuple[int, int]] = set()
    for place, (number, cells) in enumerate(rows):
        entries = []
        for column in range(first, last + 1):
            if (number, column) in covered:
                continue
            down, across = merged.get((number, column), (1, 1))
            down, across = min(down, len(rows) - place), min(across, last + 1 - column)
            if down * across > 1:
                covered.update((number + i, column + j) for i in range(down) for j in range(across))
            entries.append(Entry(cells[column], down, across, header and place == 0))
        grid.append(entries)
    block = table(grid)
    if block:
        yield block


def _is_header(rows: list[list[str]]) -> bool:
    filled = [c for c in rows[0] if c]
    if len(rows) < 2 or len(filled) < max(2, 0.6 * len(rows[0])):
        return False
    return not any(_numeric(c) for c in filled) and len(set(filled)) == len(filled)


def _numeric(text: str) -> bool:
    return text.replace(",", "").replace(".", "", 1).lstrip("-").isdigit()


def show(value: Any) -> str:
    """A cell's value as a person would write it: no `.0`, dates in ISO form."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.15g}"
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time(0)
        return value.date().isoformat() if midnight else value.isoformat(" ", "seconds")
    if isinstance(value, dt.timedelta):
        return str(value)
    return " ".join(str(value).split())
