"""A bounded dictionary of what is read often: two generations, so that a hit costs one look-up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import final

_ENTRY_BYTES = 200  # what Python needs for an entry, about


@final
class Generations:
    """Values by key with a time when they stop being good, in at most `max_bytes`.

    What is kept or found goes to the young generation. When that has half of the bytes, it becomes
    the old one, and what the old one still had was not asked for in all that time and is dropped.

    - None is a value too: the absence of one.
    - Threads may share it; `hot`, the young generation, may be read without anything else.
    """

    def __init__(self, max_bytes: int, clock: Callable[[], float]) -> None:
        self.hot: dict[str, tuple[bytes | None, float]] = {}
        """Always the same dictionary. Entries may be past their time: compare it."""
        self._old: dict[str, tuple[bytes | None, float]] = {}
        self._lock = threading.Lock()
        self._half_bytes = max_bytes // 2
        self._hot_bytes = 0
        self._clock = clock
        self._closed = False

    def find(self, key: str) -> tuple[bytes | None, float] | None:
        """The entry, if it is still good."""
        entry = self.hot.get(key)
        if entry is None:
            if key not in self._old:
                return None
            with self._lock:
                entry = self._old.pop(key, None)
                if entry is None:
                    entry = self.hot.get(key)
                elif entry[1] > self._clock():
                    self._add(key, entry)
        return entry if entry is not None and entry[1] > self._clock() else None

    def keep(self, key: str, value: bytes | None, good_until: float) -> None:
        """Keep it, if it fits."""
        with self._lock:
            self._remove(key)
            if not self._closed and _size(key, value) <= self._half_bytes:
                self._add(key, (value, good_until))

    def drop(self, key: str) -> None:
        with self._lock:
            self._remove(key)

    def clear(self) -> None:
        with self._lock:
            self._old.clear()
            self.hot.clear()
            self._hot_bytes = 0

    def close(self) -> None:
        """Empty it and keep nothing more."""
        self._closed = True
        self.clear()

    def _remove(self, key: str) -> None:
        self._old.pop(key, None)
        entry = self.hot.pop(key, None)
        if entry is not None:
            self._hot_bytes -= _size(key, entry[0])

    def _add(self, key: str, entry: tuple[bytes | None, float]) -> None:
        size = _size(key, entry[0])
        if self._hot_bytes + size > self._half_bytes:
            self._old = self.hot.copy()
            self.hot.clear()
            self._hot_bytes = 0
        self.hot[key] = entry
        self._hot_bytes += size


def _size(key: str, value: bytes | None) -> int:
    return _ENTRY_BYTES + len(key) + (0 if value is None else len(value))
