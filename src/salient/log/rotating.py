"""A log file that several processes write to and that is turned over when it is full."""

from __future__ import annotations

import fcntl
import logging
import os
from pathlib import Path


class SharedFile(logging.Handler):
    """Appends lines; past `max_bytes` the file becomes `.1`, `.1` becomes `.2`, up to `keep`.

    Each line is one `write` to a file opened for appending, so lines of several processes do not
    mix; whoever finds the file full turns it over under a lock, and the others follow to the new one.
    (The standard library's rotating file loses lines when two processes turn it over.)

    Raises:
        OSError: when made, the file cannot be opened. Later faults go to `logging.raiseExceptions`.
    """

    def __init__(self, path: str, *, max_bytes: int, keep: int) -> None:
        super().__init__()
        if max_bytes < 1000 or keep < 0:
            raise ValueError("max_bytes is 1000 or more, and keep 0 or more")
        self._path = Path(path).expanduser().absolute()
        self._max_bytes, self._keep = max_bytes, keep
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file: int | None = self._opened()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = (self.format(record) + "\n").encode("utf-8", "backslashreplace")
            if self._file is None or not self._is_current():
                self._reopen()
            if self._file is not None:
                if os.fstat(self._file).st_size + len(line) > self._max_bytes:
                    self._turn_over()
                os.write(self._file, line)
        except Exception:  # the way logging has for faults of its own
            self.handleError(record)

    def close(self) -> None:
        self.acquire()
        try:
            if self._file is not None:
                os.close(self._file)
                self._file = None
        finally:
            self.release()
        super().close()

    def _opened(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.open(self._path, flags, 0o640)

    def _is_current(self) -> bool:
        """Whether the open file is still the one of that name."""
        try:
            there = self._path.stat()
        except FileNotFoundError:
            return False
        here = os.fstat(self._file or 0)
        return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)

    def _reopen(self) -> None:
        if self._file is not None:
            os.close(self._file)
        self._file = self._opened()

    def _turn_over(self) -> None:
        lock = os.open(f"{self._path}.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self._is_current():  # else somebody else did while we waited
                for n in range(self._keep, 0, -1):
                    older = (
                        self._path if n == 1 else self._path.with_name(f"{self._path.name}.{n - 1}")
                    )
                    if older.exists():
                        older.replace(self._path.with_name(f"{self._path.name}.{n}"))
                if not self._keep:
                    self._path.unlink()
            self._reopen()
        finally:
            os.close(lock)
