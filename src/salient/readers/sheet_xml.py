"""Sheets of an XLSX file cell by cell, for those whose rectangle is too large to lay out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from salient.errors import InvalidInput
from salient.model import Block, Kind, Note, Part, Piece
from salient.readers import Limits
from salient.readers.ooxml import Package, chart_rows
from salient.readers.safe_xml import local
from salient.readers.tables import Entry, table

_MAX_CELLS = 200_000
_REFERENCE = re.compile(rb"<(?:\w+:)?c\s[^>]*?\br=[\"']([A-Z]{1,3})([0-9]{1,7})[\"']")
_CELL = re.compile(rb"<(?:\w+:)?c\s([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.S)
_VALUE = re.compile(rb"<(?:\w+:)?(?:v|t)(?:\s[^>]*)?>(.*?)</(?:\w+:)?(?:v|t)>", re.S)
_TYPE = re.compile(rb"\bt=[\"'](\w+)[\"']")
_AT = re.compile(rb"\br=[\"']([A-Z]{1,3})([0-9]{1,7})[\"']")


def shapes(package: Package) -> dict[str, tuple[str, int]]:
    """Sheet name -> its part, and the cells in the rectangle from its first to its last cell.

    Inflates every sheet once, in pieces.
    """
    if not package.has("xl/workbook.xml"):
        return {}
    relations = package.relations("xl/workbook.xml")
    found = {}
    for node in package.xml("xl/workbook.xml").iter():
        if local(node) != "sheet":
            continue
        identifier = next((str(v) for k, v in node.attrib.items() if str(k).endswith("}id")), "")
        relation = relations.get(identifier)
        if relation is None or not package.has(relation.target):
            continue
        found[node.get("name", "")] = (relation.target, _area(package, relation.target))
    return found


def _area(package: Package, part: str) -> int:
    low_row = low_column = 1 << 30
    high_row = high_column = -1
    tail = b""
    for chunk in package.container.chunks(part):
        data = tail + chunk
        for match in _REFERENCE.finditer(data):
            column, row = column_number(match.group(1)), int(match.group(2))
            low_row, high_row = min(low_row, row), max(high_row, row)
            low_column, high_column = min(low_column, column), max(high_column, column)
        tail = data[-200:]
    if high_row < 0:
        return 0
    return (high_row - low_row + 1) * (high_column - low_column + 1)


def charts(package: Package, part: str) -> list[Block]:
    """What the charts on a sheet say that no cell does: titles, and numbers from outside the file.

    Raises:
        InvalidInput: a chart or drawing is damaged.
    """
    blocks: list[Block] = []
    for drawing in package.relations(part).values():
        if drawing.kind != "drawing" or not package.has(drawing.target):
            continue
        for chart in package.relations(drawing.target).values():
            if chart.kind != "chart" or not package.has(chart.target):
                continue
            root = package.xml(chart.target)
            title, rows = chart_rows(root)
            if title:
                blocks.append(Block(Kind.CAPTION, " ".join(title.split())))
            sources = [n.text or "" for n in root.iter() if local(n) == "f"]
            if sources and not any("[" in source for source in sources):
                continue  # drawn from cells, which are read where they stand
            block = table([Entry(c, header=i == 0) for c in row] for i, row in enumerate(rows))
            if block:
                blocks.append(block)
    return blocks


def column_number(letters: bytes) -> int:
    """`A` is 0, `Z` 25, `AA` 26."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1


def read_sparse(file: Path, name: str, part: str, limits: Limits) -> Iterator[Piece]:
    """Read a sheet row by row as lines of its cells; formats are not applied to numbers."""
    with Package(file, limits) as package:
        shared = _shared(package)
        content = package.content(part)
        yield Note(
            "sparse_sheet",
            f"sheet {name!r} spreads few cells over a huge range: read as lines, not as a table",
        )
        rows: dict[int, list[tuple[int, str]]] = {}
        n = 0
        for match in _CELL.finditer(content):
            at = _AT.search(match.group(1))
            value = _shown(match.group(1), match.group(2) or b"", shared)
            if not at or not value:
                continue
            n += 1
            if n > _MAX_CELLS:
                yield Note(
                    "cells_left_out",
                    f"sheet {name!r}: only the first {_MAX_CELLS:,} cells were read",
                )
                break
            rows.setdefault(int(at.group(2)), []).append((column_number(at.group(1)), value))
        lines = ["\t".join(v for _, v in sorted(rows[row])) for row in sorted(rows)]
        yield Part(
            [Block(Kind.HEADING, name, 1), *(Block(Kind.PARAGRAPH, x) for x in lines)], label=name
        )


def _shared(package: Package) -> list[str]:
    if not package.has("xl/sharedStrings.xml"):
        return []
    try:
        root = package.xml("xl/sharedStrings.xml")
    except InvalidInput:
        return []  # its cells read as empty then, the others are kept
    return [
        "".join(t.text or "" for t in item.iter() if local(t) == "t")
        for item in root
        if local(item) == "si"
    ]


def _shown(attributes: bytes, inner: bytes, shared: list[str]) -> str:
    kind = _TYPE.search(attributes)
    values = [v.decode("utf-8", "replace") for v in _VALUE.findall(inner)]
    if not values:
        return ""
    text = "".join(values)
    if kind and kind.group(1) == b"s":
        index = int(text) if text.strip().isdigit() else -1
        text = shared[index] if 0 <= index < len(shared) else ""
    for entity, sign in (
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", '"'),
        ("&apos;", "'"),
        ("&amp;", "&"),
    ):
        text = text.replace(entity, sign)
    return " ".join(text.split())
