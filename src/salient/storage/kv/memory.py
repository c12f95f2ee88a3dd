"""In-process dictionary: the default in tests and notebooks."""

from __future__ import annotations

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import final

from salient.errors import Unavailable
from salient.storage.kv import KeyValueDriver, Subscription, counted

_WAITING = 10_000  # messages kept for a subscriber that does not read; then it has a gap


class Driver(KeyValueDriver):
    def __init__(self, _: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._rows: dict[str, tuple[bytes, float | None]] | None = {}
        self._expiries: list[tuple[float, str]] = []
        self._listeners: dict[str, list[_Queue]] = {}

    def get(self, key: str) -> bytes | None:
        with self._lock:
            return self._live(key)

    def get_expiring(self, key: str) -> tuple[bytes, float | None] | None:
        with self._lock:
            value = self._live(key)
            expires_at = None if value is None else self._open()[key][1]
            left_s = None if expires_at is None else expires_at - self._clock()
        if value is None or (left_s is not None and left_s <= 0):
            return None
        return value, left_s

    def put(self, key: str, value: bytes, *, ttl_s: float | None, only_if_absent: bool) -> bool:
        with self._lock:
            if only_if_absent and self._live(key) is not None:
                return False
            self._write(key, value, ttl_s)
            return True

    def put_many(self, values: Mapping[str, bytes], *, ttl_s: float | None) -> None:
        with self._lock:
            for key, value in values.items():
                self._write(key, value, ttl_s)

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
            total = counted(held, by)
            if total is not None:
                self._open()[key] = b"%d" % total, self._open()[key][1]
            return total

    def scan(self, prefix: str) -> Iterator[str]:
        with self._lock:
            rows = self._open()
            keys = [k for k in rows if k.startswith(prefix) and self._live(k) is not None]
        return iter(keys)

    def publish(self, channel: str, message: bytes) -> None:
        with self._lock:
            self._open()
            for queue in self._listeners.get(channel, ()):
                queue.add(bytes(message))

    def subscribe(self, channel: str) -> Subscription:
        with self._lock:
            self._open()
            queue = _Queue(lambda: self._forget(channel, queue))
            self._listeners.setdefault(channel, []).append(queue)
        return queue

    def close(self) -> None:
        with self._lock:
            self._rows = None
            left = [queue for queues in self._listeners.values() for queue in queues]
        for queue in left:
            queue.close()

    def _forget(self, channel: str, queue: _Queue) -> None:
        with self._lock:
            queues = self._listeners.get(channel, [])
            if queue in queues:
                queues.remove(queue)
            if not queues:
                self._listeners.pop(channel, None)

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


@final
class _Queue(Subscription):
    def __init__(self, on_close: Callable[[], None]) -> None:
        self._on_close = on_close
        self._ready = threading.Condition()
        self._messages: deque[bytes] = deque()
        self._closed = False

    def add(self, message: bytes) -> None:
        with self._ready:
            if len(self._messages) >= _WAITING:
                self._messages.clear()
                self.gaps += 1
            self._messages.append(message)
            self._ready.notify()

    def get(self, timeout_s: float = 0.0) -> bytes | None:
        with self._ready:
            self._ready.wait_for(lambda: self._closed or self._messages, timeout_s)
            if self._closed:
                raise Unavailable("the subscription is closed")
            return self._messages.popleft() if self._messages else None

    def close(self) -> None:
        self._on_close()
        with self._ready:
            self._closed = True
            self._messages.clear()
            self._ready.notify_all()
