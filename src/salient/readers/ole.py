"""Compound files (OLE2), as much as telling them apart and reading their streams needs.

Source: [MS-CFB] Compound File Binary File Format, sections 2.2 to 2.6.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from salient.errors import InvalidInput

MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_FREE = 0xFFFFFFFA  # this and above are marks, not sectors
_NONE = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Entry:
    """A storage or stream; `path` holds the storages above it, root apart."""

    path: tuple[str, ...]
    start: int
    size: int
    is_stream: bool


class Compound:
    """A compound file in memory.

    Raises:
        InvalidInput: `truncated` or `malformed`; from the constructor and `read`.
    """

    def __init__(self, content: bytes) -> None:
        if not content.startswith(MAGIC) or len(content) < 512:
            raise _damaged()
        self._content = content
        shift, mini_shift = struct.unpack_from("<HH", content, 30)
        if shift not in (9, 12) or mini_shift != 6:
            raise _damaged()
        self._sector = 1 << shift
        directory, cutoff, mini_start = (
            struct.unpack_from("<I", content, at)[0] for at in (48, 56, 60)
        )
        self._cutoff = cutoff
        self._fat = self._read_fat()
        self._mini_fat = self._integers(self._chain(mini_start))
        self.entries = self._read_directory(self._chain(directory))

    def _at(self, sector: int) -> bytes:
        start = (sector + 1) * self._sector
        return self._content[start : start + self._sector]

    @staticmethod
    def _integers(data: bytes) -> list[int]:
        n = len(data) // 4
        return list(struct.unpack(f"<{n}I", data[: 4 * n]))

    def _read_fat(self) -> list[int]:
        sectors = list(struct.unpack_from("<109I", self._content, 76))
        following = struct.unpack_from("<I", self._content, 68)[0]
        seen: set[int] = set()
        while following < _FREE and following not in seen:
            seen.add(following)
            numbers = self._integers(self._at(following))
            if not numbers:
                break
            sectors += numbers[:-1]
            following = numbers[-1]
        most = len(self._content) // self._sector + 1
        used = [s for s in sectors if s < _FREE][:most]
        return [n for s in used for n in self._integers(self._at(s))]

    def _chain(self, start: int) -> bytes:
        pieces = []
        seen: set[int] = set()
        while start < _FREE and start < len(self._fat):
            if start in seen:
                raise _damaged()
            seen.add(start)
            pieces.append(self._at(start))
            start = self._fat[start]
        return b"".join(pieces)

    def _read_directory(self, data: bytes) -> list[Entry]:
        rows = [data[i : i + 128] for i in range(0, len(data) - 127, 128)]
        if not rows:
            raise _damaged()
        entries: list[Entry] = []
        seen: set[int] = set()
        todo: list[tuple[int, tuple[str, ...]]] = [(0, ())]
        self._mini = b""
        while todo:
            index, above = todo.pop()
            if index >= len(rows) or index in seen:
                continue
            seen.add(index)
            row = rows[index]
            n_name = min(struct.unpack_from("<H", row, 64)[0], 64)
            name = row[: max(n_name - 2, 0)].decode("utf-16-le", "replace")
            kind = row[66]
            left, right, child = struct.unpack_from("<III", row, 68)
            start, size = struct.unpack_from("<IQ", row, 116)
            size &= 0xFFFFFFFF if self._sector == 512 else (1 << 63) - 1
            if kind == 5:
                self._mini = self._chain(start)
                todo.append((child, ()))
                continue
            path = (*above, name)
            todo += [(left, above), (right, above)]
            if kind == 1:
                todo.append((child, path))
            if kind in (1, 2):
                entries.append(Entry(path, start, size, kind == 2))
        return entries

    def find(self, *path: str) -> Entry | None:
        """The entry at a path, names compared without case."""
        wanted = tuple(p.lower() for p in path)
        for entry in self.entries:
            if tuple(p.lower() for p in entry.path) == wanted:
                return entry
        return None

    def read(self, entry: Entry) -> bytes:
        """A stream's bytes; shorter than its size when the file is cut off."""
        if entry.size >= self._cutoff:
            return self._chain(entry.start)[: entry.size]
        pieces = []
        sector = entry.start
        seen: set[int] = set()
        while sector < _FREE and sector < len(self._mini_fat) and sector not in seen:
            seen.add(sector)
            pieces.append(self._mini[sector * 64 : sector * 64 + 64])
            sector = self._mini_fat[sector]
        return b"".join(pieces)[: entry.size]


def _damaged() -> InvalidInput:
    return InvalidInput(
        "the file is cut off or damaged: open it in its own program, save it anew and add it again",
        code="truncated",
    )
