"""Rows into columns as Arrow keeps them: bits of what is not NULL, ends of texts, and the values.

`_columns.pyx` is the same, compiled. Without pyarrow: what comes out is bytes. Two ways of reading a
server's rows without making Python objects of them are here too, as they are half of the cost.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

__all__ = ["AUTO", "BINARY", "FLOAT", "INT", "NUMBER", "TEXT", "Column", "Columns"]

AUTO, INT, FLOAT, TEXT, BINARY, NUMBER = range(6)
"""What a column holds. AUTO: what its first value is. NUMBER: numbers in decimal writing, with the
first of which the column becomes INT or FLOAT."""

Column: TypeAlias = tuple[int, int, int, bytes, bytes, bytes]
"""Kind, rows, NULLs, and three buffers: a bit a row (1: not NULL), the end of each text (int32, from
a first 0), the values (8 bytes a number, or the texts one after the other)."""

_START = b"PGCOPY\n\xff\r\n\0"
MOST_BYTES = 1 << 30
"""Values of a column in one batch: their ends are 32 bits."""


class Columns:
    """Collects rows until they are taken as columns.

    A column that is AUTO at its first `take` stays so if it had NULLs only; `fix` decides for it. One
    that turned INT by itself becomes FLOAT when a FLOAT comes, until it has been taken once.

    Raises from `add` and `add_copied`:
        TypeError: a value is not of its column's kind.
        OverflowError: an integer has more than 64 bits, or a column more than MOST_BYTES.
    """

    def __init__(self, kinds: Sequence[int]) -> None:
        self._kinds, self._wire = list(kinds), tuple(kinds)
        self._free = [kind in (AUTO, NUMBER) for kind in kinds]
        self._values: list[list[Any]] = [[] for _ in kinds]
        self._rest = b""
        self._started = False

    @property
    def kinds(self) -> list[int]:
        return list(self._kinds)

    @property
    def rows(self) -> int:
        """How many are collected."""
        return len(self._values[0]) if self._values else 0

    @property
    def size_bytes(self) -> int:
        """About how much is collected."""
        return sum(
            sum(len(v) if isinstance(v, bytes) else 8 for v in values) for values in self._values
        )

    def fix(self, column: int, kind: int) -> None:
        self._kinds[column] = kind
        self._free[column] = False

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Rows as Python has them: None, int, float, str or bytes."""
        for row in rows:
            fitted = [self._fitted(i, value) for i, value in enumerate(row)]
            for values, value in zip(self._values, fitted, strict=True):
                values.append(value)

    def add_copied(self, piece: bytes | memoryview) -> None:
        """A piece of what Postgres sends for COPY … (FORMAT BINARY); a row is in one piece."""
        data = bytes(piece)
        if not self._started:
            if data[:11] != _START:
                raise TypeError("that is no binary COPY")
            data = data[19 + int.from_bytes(data[15:19], "big") :]
            self._started = True
        at = 0
        while at < len(data):
            (fields,) = struct.unpack_from(">h", data, at)
            at += 2
            if fields == -1:
                return
            if fields != len(self._kinds):
                raise TypeError("a row has another number of columns")
            row: list[Any] = []
            for kind in self._wire:
                (size,) = struct.unpack_from(">i", data, at)
                at += 4
                row.append(None if size < 0 else _field(kind, data[at : at + size]))
                at += max(size, 0)
            self.add([row])

    def take(self) -> list[Column]:
        """The rows so far as columns; then there are none."""
        out = []
        for i, values in enumerate(self._values):
            n, kind = len(values), self._kinds[i]
            bits = bytearray((n + 7) // 8)
            for at, value in enumerate(values):
                bits[at >> 3] |= (value is not None) << (at & 7)
            ends, body = bytearray(), bytearray()
            if kind in (TEXT, BINARY, AUTO):
                ends += struct.pack("<i", 0)
                for value in values:
                    body += value or b""
                    ends += struct.pack("<i", len(body))
            else:
                code = "<d" if kind == FLOAT else "<q"
                for value in values:
                    body += struct.pack(code, 0 if value is None else value)
            out.append((kind, n, values.count(None), bytes(bits), bytes(ends), bytes(body)))
            self._values[i] = []
            if kind != AUTO:
                self._free[i] = False
        return out

    def take_dicts(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """The rows so far as dictionaries; then there are none."""
        texts = [i for i, kind in enumerate(self._kinds) if kind == TEXT]
        for i in texts:
            self._values[i] = [v if v is None else v.decode() for v in self._values[i]]
        out = [dict(zip(names, row, strict=True)) for row in zip(*self._values, strict=True)]
        self._values = [[] for _ in self._values]
        self._free = [f and k == AUTO for f, k in zip(self._free, self._kinds, strict=True)]
        return out

    def _fitted(self, i: int, value: Any) -> Any:
        if value is None:
            return None
        kind, own = self._kinds[i], _kind_of(value)
        if kind in (AUTO, NUMBER):
            self._kinds[i] = kind = own
        elif kind == INT and own == FLOAT and self._free[i]:
            self._kinds[i] = kind = FLOAT
            self._values[i] = [v if v is None else float(v) for v in self._values[i]]
        if kind == FLOAT and own == INT:
            return float(value)
        if kind != own:
            raise TypeError("values of a column are of different kinds")
        if kind == INT and not -(2**63) <= value < 2**63:
            raise OverflowError("an integer has more than 64 bits")
        return value.encode() if kind == TEXT else value


def _kind_of(value: Any) -> int:
    for types, kind in ((int, INT), (float, FLOAT), (str, TEXT), (bytes, BINARY)):
        if isinstance(value, types):
            return kind
    raise TypeError(f"a column cannot hold {type(value).__name__}")


def _field(kind: int, data: bytes) -> Any:
    if kind == INT:
        return int.from_bytes(data, "big", signed=True)
    if kind == FLOAT:
        return struct.unpack(">d" if len(data) == 8 else ">f", data)[0]
    if kind == NUMBER:
        text = data.decode()
        return int(text) if text.lstrip("-").isdigit() else float(text)
    return data.decode() if kind in (TEXT, AUTO) else data
