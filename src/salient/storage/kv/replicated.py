"""The same keys in several stores: `replicated:[URL][URL][URL]?write=quorum`.

- `write=all`, the default: a change is acknowledged when all stores have it; reads ask the first one
  that answers. One store that is away stops changes, and reads go on.
- `write=quorum`: a change is acknowledged when more than half of the stores have it, and reads ask
  as many: both go on while more than half are there.

Either way changes are atomic for all threads and processes, and reads repair what is behind: see
`salient.storage.registers`. `tombstone_s` is for how long a store may be away before keys that were
deleted meanwhile could come back with it. Processes open the same stores with the same `write`.

Messages go by as many stores as changes do; a subscriber listens to all of them, and takes each
message from where it comes first.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar, final

from salient.errors import Unavailable
from salient.storage import urls
from salient.storage.kv import KeyValueDriver, Subscription, counted, open_drivers
from salient.storage.registers import Registers, State

_HEADER = struct.Struct(">8sQ")  # of a message: which stream it is of, and its number in it
_STREAMS = 1000  # remembered by publisher or subscriber
K = TypeVar("K")
V = TypeVar("V")

_AGAIN_S = 0.5  # after which a store that was away is subscribed to again
_LOOK_S = 0.02


class Driver(KeyValueDriver):
    def __init__(self, rest: str) -> None:
        found, options = urls.inner(rest, "replicated", least=2)
        write = options.choice("write", ("all", "quorum"), "all")
        tombstone_s = options.number("tombstone_s", 86_400.0, least=60.0)
        options.done()
        self.inner = open_drivers(found)
        self.features = frozenset.intersection(*(one.features for one in self.inner))
        self._quorum = len(self.inner) if write == "all" else len(self.inner) // 2 + 1
        self._registers = Registers(self.inner, quorum=self._quorum, tombstone_s=tombstone_s)
        self._streams: dict[str, tuple[bytes, int]] = {}  # by channel
        self._publishing = threading.Lock()
        self._closed = False

    def get(self, key: str) -> bytes | None:
        return self._registers.read(key).value

    def get_expiring(self, key: str) -> tuple[bytes, float | None] | None:
        value, ttl_s = self._registers.read(key)
        return None if value is None else (value, ttl_s)

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = self._registers.read_many(keys)
        return {key: state.value for key, state in found.items() if state.value is not None}

    def put(self, key: str, value: bytes, *, ttl_s: float | None, only_if_absent: bool) -> bool:
        def step(state: State) -> tuple[bool, State | None]:
            if only_if_absent and state.value is not None:
                return False, None
            return True, State(bytes(value), ttl_s)

        return self._registers.change(key, step)

    def delete(self, key: str) -> bool:
        def step(state: State) -> tuple[bool, State | None]:
            return (False, None) if state.value is None else (True, State())

        return self._registers.change(key, step)

    def swap(
        self, key: str, expected: bytes | None, value: bytes | None, *, ttl_s: float | None
    ) -> bool:
        def step(state: State) -> tuple[bool, State | None]:
            if state.value != expected:
                return False, None
            if expected is None and value is None:
                return True, None
            return True, State(None if value is None else bytes(value), ttl_s)

        return self._registers.change(key, step)

    def increment(self, key: str, by: int, *, ttl_s: float | None) -> int | None:
        def step(state: State) -> tuple[int | None, State | None]:
            total = counted(state.value, by)
            if total is None:
                return None, None
            return total, State(b"%d" % total, ttl_s if state.value is None else state.ttl_s)

        return self._registers.change(key, step)

    def scan(self, prefix: str) -> Iterator[str]:
        return self._registers.keys(prefix)

    def publish(self, channel: str, message: bytes) -> None:
        done = 0
        with self._publishing:  # every store gets them in the same order
            stream, number = self._streams.pop(channel, (os.urandom(8), 0))
            _remember(self._streams, channel, (stream, number + 1))
            whole = _HEADER.pack(stream, number + 1) + message
            for one in self.inner:
                try:
                    one.publish(channel, whole)
                    done += 1
                except Unavailable:
                    continue
        if done < self._quorum:
            raise Unavailable(f"{done} of {len(self.inner)} stores took the message")

    def subscribe(self, channel: str) -> Subscription:
        def opened(at: int) -> Subscription:
            if self._closed:
                raise Unavailable("the key-value store is closed")
            return self.inner[at].subscribe(channel)

        # With this many, one at least has what is acknowledged.
        return _Merged(opened, len(self.inner), len(self.inner) - self._quorum + 1)

    def close(self) -> None:
        self._closed = True
        for one in self.inner:
            one.close()


@final
class _Merged(Subscription):
    """The messages of several subscriptions to the same channel, each once and in order."""

    def __init__(self, opened: Callable[[int], Subscription], count: int, least: int) -> None:
        self._opened, self._least = opened, least
        self._feeds: list[Subscription | None] = [None] * count
        self._gaps = [0] * count
        self._again_at = [0.0] * count
        self._numbers: dict[bytes, tuple[int, int]] = {}  # by stream: first and last
        self._ready: deque[bytes] = deque()
        self._lock = threading.Lock()
        self._closed = False
        self._reopen()
        if not self._live():
            self.close()
            raise Unavailable("too few stores can be reached")

    def get(self, timeout_s: float = 0.0) -> bytes | None:
        give_up_at = time.monotonic() + timeout_s
        while True:
            with self._lock:
                if self._closed:
                    raise Unavailable("the subscription is closed")
                if self._ready:
                    return self._ready.popleft()
                gaps = self.gaps
                self._reopen()
                left_s = give_up_at - time.monotonic()
                self._listen(max(0.0, min(left_s, _LOOK_S)))
                live = self._live()
                self.gaps += live != self.live
                self.live = live
                if self.gaps != gaps:
                    return None
                if self._ready:
                    continue
            if left_s <= 0:
                return None

    def close(self) -> None:
        self._closed = True
        with self._lock:
            for feed in self._feeds:
                if feed is not None:
                    feed.close()

    def _live(self) -> bool:
        return sum(feed is not None and feed.live for feed in self._feeds) >= self._least

    def _reopen(self) -> None:
        now = time.monotonic()
        for at, feed in enumerate(self._feeds):
            if feed is not None or now < self._again_at[at]:
                continue
            try:
                self._feeds[at], self._gaps[at] = self._opened(at), 0
            except Unavailable:
                self._again_at[at] = now + _AGAIN_S
        self._any()

    def _any(self) -> None:
        if all(feed is None for feed in self._feeds):
            raise Unavailable("no store can be reached, or all are closed")

    def _listen(self, wait_s: float) -> None:
        for at, feed in enumerate(self._feeds):
            while feed is not None:
                try:
                    # Only one is waited for: the others have the message at about the same time.
                    message = feed.get(wait_s)
                except Unavailable:
                    feed.close()
                    self._feeds[at] = None
                    self.gaps += 1
                    self._any()
                    break
                wait_s = 0.0
                if feed.gaps != self._gaps[at]:
                    self._gaps[at] = feed.gaps
                    # It may have been the only one that had a message.
                    self.gaps += 1
                if message is None:
                    break
                self._take(message)

    def _take(self, whole: bytes) -> None:
        if len(whole) < _HEADER.size:
            return  # not of a publisher of this kind
        stream, number = _HEADER.unpack_from(whole)
        first, last = self._numbers.pop(stream, (number, number - 1))
        if number > last:
            self.gaps += number > last + 1
            self._ready.append(whole[_HEADER.size :])
        elif number < first:
            self.gaps += 1  # too late: one after it was given out
        _remember(self._numbers, stream, (min(first, number), max(last, number)))


def _remember(known: dict[K, V], key: K, value: V) -> None:
    """Put it last, and forget what was first where there are many."""
    known[key] = value
    if len(known) > _STREAMS:
        del known[next(iter(known))]
