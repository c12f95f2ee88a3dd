"""The end of a log file, and what is added to it later, also when it is turned over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import final

_BLOCK = 64 * 1024


@final
class Tail:
    """A log file that is read from its end on. A file that is not there yet may come."""

    def __init__(self, file: Path) -> None:
        self._path = file
        self._file = file.open("rb") if file.exists() else None
        self._rest = b""

    def last(self, n: int) -> list[str]:
        """The last `n` whole lines; what comes after them is read by `more`."""
        if self._file is None:
            return []
        at = self._file.seek(0, os.SEEK_END)
        found = b""
        while at and found.count(b"\n") <= n:
            size = min(_BLOCK, at)
            at = self._file.seek(at - size)
            found = self._file.read(size) + found
        self._file.seek(0, os.SEEK_END)
        *lines, self._rest = found.split(b"\n")
        return [_text(line) for line in lines[-n:]] if n else []

    def more(self) -> list[str]:
        """Whole lines that were added since."""
        lines = self._read()
        if self._is_turned_over():
            self.close()
            self._file = self._path.open("rb")
            lines += self._read()
        return lines

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _read(self) -> list[str]:
        if self._file is None:
            return []
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [_text(line) for line in lines]

    def _is_turned_over(self) -> bool:
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        if self._file is None:
            return True
        here = os.fstat(self._file.fileno())
        return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "replace")
