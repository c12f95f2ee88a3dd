"""Texts of files, one after another: lines, JSON lines, tables; packed or not."""

from __future__ import annotations

import csv
import gzip
import io
import json
import lzma
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from salient.errors import InvalidInput, NotFound

FORMS = {".txt": "text", ".text": "text", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv"}  # fmt: skip
_LONGEST_FIELD = 1 << 30


def texts(paths: Iterable[Path], *, field: str = "text", form: str | None = None) -> Iterator[str]:
    """Texts of all files, in order; of a text file each line is one.

    Args:
        field: of a JSON line or a table, which has the text; several are joined by commas.
        form: `text`, `jsonl` or `csv`; None by the name, where also `.gz` and `.xz` are known.

    Raises:
        NotFound: there is no such file.
        InvalidInput: a line is not UTF-8, no JSON, or has no such field: the message says where.
    """
    for path in paths:
        if not path.is_file():
            raise NotFound(f"no file {path}", path=str(path))
        inner = path.with_suffix("") if path.suffix in (".gz", ".xz") else path
        kind = form or FORMS.get(inner.suffix.lower(), "text")
        readers = {"text": _lines, "jsonl": _json, "csv": _csv}
        if kind not in readers:
            raise InvalidInput(f"no form {kind!r} of files", known=sorted(readers))
        with _opened(path) as file:
            try:
                yield from readers[kind](path, file, field.split(","))
            except (EOFError, lzma.LZMAError, gzip.BadGzipFile) as exc:
                raise InvalidInput(
                    f"{path} cannot be unpacked: it is damaged or cut short"
                ) from exc


def _opened(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rb")  # type: ignore[return-value] # as good as one
    if path.suffix == ".xz":
        return lzma.open(path, "rb")  # type: ignore[return-value] # as good as one
    return path.open("rb")


def _lines(path: Path, file: BinaryIO, _: list[str]) -> Iterator[str]:
    for number, line in enumerate(file, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as exc:
            raise InvalidInput(f"{path}, line {number}: not UTF-8; convert the file first") from exc


def _json(path: Path, file: BinaryIO, fields: list[str]) -> Iterator[str]:
    for number, line in enumerate(_lines(path, file, fields), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as exc:
            raise InvalidInput(f"{path}, line {number}: not JSON") from exc
        if not isinstance(row, dict) or not all(isinstance(row.get(f), str) for f in fields):
            known = ", ".join(row) if isinstance(row, dict) else type(row).__name__
            raise InvalidInput(f"{path}, line {number}: no text {' or '.join(map(repr, fields))}; there are: {known}")  # fmt: skip
        yield "\n".join(row[f] for f in fields)


def _csv(path: Path, file: BinaryIO, fields: list[str]) -> Iterator[str]:
    csv.field_size_limit(_LONGEST_FIELD)
    lines = io.TextIOWrapper(file, "utf-8-sig", newline="")
    tabs = ".tsv" in path.suffixes
    try:
        rows = csv.DictReader(lines, delimiter="\t" if tabs else ",")
        if missing := [f for f in fields if f not in (rows.fieldnames or ())]:
            raise InvalidInput(f"{path}: no column {missing[0]!r}; there are: {', '.join(rows.fieldnames or ())}")  # fmt: skip
        for row in rows:
            yield "\n".join(row[f] or "" for f in fields)
    except UnicodeDecodeError as exc:
        raise InvalidInput(f"{path}: not UTF-8; convert the file first") from exc
    except csv.Error as exc:
        raise InvalidInput(f"{path}: no table: {exc}") from exc
    finally:
        lines.detach()
