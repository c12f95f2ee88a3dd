"""In-process dictionary: the default in tests and notebooks."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Iterator

from salient.errors import Unavailable
from salient.storage.kv import MAX_COUNT, KeyValueDriver


class Driver(KeyValueDriver):
    def __init__(self, _: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: dict[str, tuple[bytes, float | None]] | None = {}
        self._expiries: list[tuple[float, str]] = []

    def get(self, key: str) -> bytes | None:
        with self._lock:
            return self._live(key)

    def put(self, key: str, value: bytes, *, ttl_s: float | None, only_if_absent: bool) -> bool:
        with self._lock:
            if only_if_absent and self._live(key) is not None:
                return False
            self._write(key, value, ttl_s)
            return True

    def delete(self, key: str) -> bool:
        with self._lock:
            was_live = self._live(key) is not None
            self._open().pop(key, None)
            return was_live

    def swap(
        self, key: str, expected: bytes | None, value: bytes | None, *, ttl_s: float | None
    ) -> bool:
        with self._lock:
            if self._live(key) != expected:
                return False
            if value is None:
                self._open().pop(key, None)
            else:
                self._write(key, value, ttl_s)
            return True

    def increment(self, key: str, by: int, *, ttl_s: float | None) -> int | None:
        with self._lock:
            held = self._live(key)
            if held is None:
                self._write(key, b"%d" % by, ttl_s)
                return by
            try:
                total = int(held) + by
            except ValueError:
                return None
            if b"%d" % int(held) != held or not -MAX_COUNT - 1 <= total <= MAX_COUNT:
                return None
            self._open()[key] = b"%d" % total, self._open()[key][1]
            return total

    def scan(self, prefix: str) -> Iterator[str]:
        with self._lock:
            rows = self._open()
            keys = [k for k in rows if k.startswith(prefix) and self._live(k) is not None]
        return iter(keys)

    def close(self) -> None:
        with self._lock:
            self._rows = None

    def _open(self) -> dict[str, tuple[bytes, float | None]]:
        if self._rows is None:
            raise Unavailable("the key-value store is closed")
        return self._rows

    def _write(self, key: str, value: bytes, ttl_s: float | None) -> None:
        rows, now = self._open(), self._clock()
        rows[key] = bytes(value), None if ttl_s is None else now + ttl_s
        if ttl_s is not None:
            heapq.heappush(self._expiries, (now + ttl_s, key))
        # Expired keys that nobody asks for again must not fill the memory.
        while self._expiries and self._expiries[0][0] <= now:
            _, old = heapq.heappop(self._expiries)
            if old in rows and self._live(old) is None:
                del rows[old]

    def _live(self, key: str) -> bytes | None:
        value, expires_at = self._open().get(key, (None, None))
        return None if expires_at is not None and expires_at <= self._clock() else value
