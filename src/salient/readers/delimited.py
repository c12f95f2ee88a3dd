"""CSV and its kin: delimiter, quoting and encoding found by looking, not asked for."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from salient.model import Block, Kind, Note, Part, Piece
from salient.readers import Limits, plain
from salient.readers.decoding import decode
from salient.readers.tables import Entry, table

VERSION = 1

_ROWS_A_BLOCK = 500
_SAMPLE_LINES = 200
_DELIMITERS = ",;\t|:"


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read a delimited file as tables of at most 500 rows; the header row heads the first."""
    content, notes = plain.content_of(file, limits)
    decoded = decode(content)
    yield from notes
    yield from decoded.notes()
    text = decoded.text
    delimiter = find_delimiter(text)
    csv.field_size_limit(min(limits.max_characters, 1 << 30))
    rows: list[list[str]] = []
    n_rows = 0
    first = True
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            rows.append(row)
            n_rows += 1
            if len(rows) == _ROWS_A_BLOCK:
                yield _part(rows, header=first)
                rows, first = [], False
    except csv.Error as exc:
        # What came before the bad row is kept; the rest follows as it stands.
        if rows:
            yield _part(rows, header=first)
            rows = []
        rest = text.split("\n")[reader.line_num :]
        yield Note(
            "bad_row", f"row {n_rows + 1} is not delimited text ({exc}): read as plain lines"
        )
        yield Part([Block(Kind.PARAGRAPH, line) for line in rest if line.strip()])
    if rows:
        yield _part(rows, header=first)


def _part(rows: list[list[str]], *, header: bool) -> Part:
    marked = header and has_header(rows)
    block = table(
        [Entry(cell, header=marked and i == 0) for cell in row] for i, row in enumerate(rows)
    )
    return Part([block] if block else [])


def find_delimiter(text: str) -> str:
    """The mark that cuts the first rows most evenly; a comma when none does."""
    sample = "\n".join(text.split("\n", _SAMPLE_LINES)[:_SAMPLE_LINES])[:200_000]
    best, best_score = ",", 0.0
    for mark in _DELIMITERS:
        try:
            counts = [
                len(row)
                for row in csv.reader(io.StringIO(sample, newline=""), delimiter=mark)
                if any(cell.strip() for cell in row)
            ]
        except csv.Error:
            continue
        if not counts:
            continue
        usual = max(set(counts), key=lambda n: (counts.count(n), n))
        if usual < 2:
            continue
        # Even rows count most; more columns break a tie; a colon is rarely meant.
        score = counts.count(usual) / len(counts) + min(usual, 20) / 100
        score -= 0.5 if mark == ":" else 0.0
        if score > best_score:
            best, best_score = mark, score
    return best


def has_header(rows: list[list[str]]) -> bool:
    """Whether the first row names the columns: all words, over rows that are not, or no repeats."""
    if len(rows) < 2:
        return False
    first = [cell.strip() for cell in rows[0]]
    filled = [cell for cell in first if cell]
    if not filled or len(filled) < 0.5 * len(first) or any(map(is_number, filled)):
        return False
    return len(set(filled)) == len(filled)


def is_number(cell: str) -> bool:
    """Whether a cell reads as an amount: digits with separators, sign, currency or per cent."""
    bare = cell.strip().strip("$€£%+-()").replace(",", "").replace(" ", "").replace(".", "", 1)
    return bare.isdigit()
