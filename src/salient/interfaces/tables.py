"""Files of rows that commands read: CSV, TSV and JSON lines, also packed; and a bar that counts them."""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

from salient.errors import InvalidInput, NotFound
from salient.interfaces.terminal import STOPPED, drawn, err
from salient.storage.blob import Blobs

TextField = Annotated[str, typer.Option("--text", help="The column or key of the text.")]

BATCH = 8192
PACKED = {".gz": gzip.open, ".xz": lzma.open}


def form_of(file: Path) -> str:
    """By the file's name: "csv", "tsv" or "jsonl".

    Raises:
        InvalidInput: it names none.
    """
    endings = [s for s in file.suffixes if s not in PACKED]
    form = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}.get(
        endings[-1] if endings else ""
    )
    if form is None:
        raise InvalidInput(f"{file.name} is no .csv, .tsv or .jsonl file")
    return form


@contextmanager
def opened(file: Path) -> Iterator[IO[str]]:
    """A file of text, unpacked. Bytes that are no UTF-8 become signs that part words."""
    if not file.is_file():
        raise NotFound(f"there is no file {file}")
    opener: Any = PACKED.get(file.suffix, open)
    with opener(file, "rt", encoding="utf-8-sig", errors="replace", newline="") as lines:
        try:
            yield lines
        except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
            raise InvalidInput(f"{file.name} is cut off or damaged: {error}") from error


def rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row with its line.

    Raises:
        InvalidInput: a row cannot be read; the message names the line.
    """
    form = form_of(file)
    with opened(file) as given:
        lines = _watched(given, file)
        if form == "jsonl":
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise InvalidInput(
                        f"line {number} of {file.name} is no JSON: {error}"
                    ) from error
                if not isinstance(row, dict):
                    raise InvalidInput(f"line {number} of {file.name} is no JSON object")
                yield number, row
            return
        csv.field_size_limit(sys.maxsize)
        table = csv.DictReader(lines, dialect="excel-tab" if form == "tsv" else "excel")
        try:
            for row in table:
                yield table.line_num, row
        except csv.Error as error:
            raise InvalidInput(
                f"line {table.line_num} of {file.name} cannot be read: {error}"
            ) from error


def _watched(lines: Iterable[str], file: Path) -> Iterator[str]:
    """The lines; those in which something could not be read are told of in the end."""
    n = 0
    for line in lines:
        n += "\ufffd" in line
        yield line
    if n:
        _warn(file.name, n)


@lru_cache(100)  # once, however often the file is read
def _warn(name: str, n: int) -> None:
    err.print(
        f"warning: {escape(name)} has bytes that are no UTF-8, which part words, in this many lines: {n:,}; convert the file",
        soft_wrap=True,
    )


def field(row: dict[str, Any], name: str, number: int, file: Path) -> Any:
    """Raises InvalidInput: the row lacks it."""
    if row.get(name) is None:
        if name in row:
            raise InvalidInput(f"line {number} of {file.name} has no value for {name!r}")
        raise InvalidInput(
            f"line {number} of {file.name} has no {name!r}: it has {', '.join(map(str, row))}"
        )
    return row[name]


def pairs(file: Path, text: str, label: str) -> Iterator[tuple[str, Any]]:
    """Text and class of each row; a class that is a list is a tuple."""
    for number, row in rows(file):
        given, told = field(row, text, number, file), field(row, label, number, file)
        if not isinstance(given, str):
            raise InvalidInput(
                f"the text of line {number} of {file.name} is {type(given).__name__}, not a string"
            )
        yield given, tuple(map(str, told)) if isinstance(told, list) else str(told)


def batched(stream: Iterator[Any]) -> Iterator[list[Any]]:
    while part := list(islice(stream, BATCH)):
        yield part


def swept(folder: Path) -> None:
    """Remove a folder of what long work kept if nothing is in it any more."""
    if folder.is_dir() and not any(Blobs.open(f"file:{folder}").list()):
        for inner in sorted(folder.rglob("*"), reverse=True):
            inner.rmdir() if inner.is_dir() else inner.unlink()
        folder.rmdir()


@contextmanager
def counting(verb: str, total: int | None = None, stopped: str = STOPPED) -> Iterator[Any]:
    """A bar; call it with how many more are done. Ctrl-C is heard then, and `stopped` said."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with drawn(*columns, stopped=stopped) as (bar, check):
        task = bar.add_task(verb, total=total)

        def advance(n: int, total: int | None = None) -> None:
            if total is not None:
                bar.update(task, total=total)
            bar.advance(task, n)
            check()

        yield advance
