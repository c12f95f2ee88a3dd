"""A key-value store that is measured: `instrumented:[URL]?name=NAME&slow_ms=200`.

Timings, sizes and errors of its calls become metrics, and slow calls are logged. `name` tells it
from others; by default it is the URL, without secrets.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NoReturn

from salient.errors import Error
from salient.storage import urls
from salient.storage.kv import KeyValueDriver, Subscription, driver
from salient.storage.meters import Meter


class Driver(KeyValueDriver):
    def __init__(self, rest: str) -> None:
        [url], options = urls.inner(rest, "instrumented", most=1)
        name = options.text("name") or url
        self._meter = Meter("kv", name, slow_ms=options.number("slow_ms", 200.0))
        options.done()
        self._store = driver(url)
        self.inner = (self._store,)
        self.features = self._store.features

    def get(self, key: str) -> bytes | None:
        found = self._meter.measure("get", lambda: self._store.get(key))
        if found is not None:
            self._meter.read("get", len(found))
        return found

    def get_expiring(self, key: str) -> tuple[bytes, float | None] | None:
        found = self._meter.measure("get", lambda: self._store.get_expiring(key))
        if found is not None:
            self._meter.read("get", len(found[0]))
        return found

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = self._meter.measure("get_many", lambda: self._store.get_many(keys))
        self._meter.read("get_many", sum(map(len, found.values())))
        return found

    def put(self, key: str, value: bytes, *, ttl_s: float | None, only_if_absent: bool) -> bool:
        self._meter.wrote("put", len(value))
        return self._meter.measure(
            "put",
            lambda: self._store.put(key, value, ttl_s=ttl_s, only_if_absent=only_if_absent),
        )

    def put_many(self, values: Mapping[str, bytes], *, ttl_s: float | None) -> None:
        self._meter.wrote("put_many", sum(map(len, values.values())))
        self._meter.measure("put_many", lambda: self._store.put_many(values, ttl_s=ttl_s))

    def delete_many(self, keys: Sequence[str]) -> int:
        return self._meter.measure("delete_many", lambda: self._store.delete_many(keys))

    def delete(self, key: str) -> bool:
        return self._meter.measure("delete", lambda: self._store.delete(key))

    def swap(
        self, key: str, expected: bytes | None, value: bytes | None, *, ttl_s: float | None
    ) -> bool:
        self._meter.wrote("swap", len(value or b""))
        return self._meter.measure(
            "swap", lambda: self._store.swap(key, expected, value, ttl_s=ttl_s)
        )

    def increment(self, key: str, by: int, *, ttl_s: float | None) -> int | None:
        return self._meter.measure("increment", lambda: self._store.increment(key, by, ttl_s=ttl_s))

    def scan(self, prefix: str) -> Iterator[str]:
        keys: Iterator[str] | None = None
        spent_s = 0.0
        while True:
            began = time.perf_counter()
            try:
                keys = self._store.scan(prefix) if keys is None else keys
                key = next(keys, None)
            except Error as exc:
                self._meter.measure("scan", partial(_raise, exc))
            spent_s += time.perf_counter() - began
            if key is None:
                break
            yield key
        # The time of whoever reads the keys is not the store's.
        self._meter.note("scan", spent_s)

    def publish(self, channel: str, message: bytes) -> None:
        self._meter.wrote("publish", len(message))
        self._meter.measure("publish", lambda: self._store.publish(channel, message))

    def subscribe(self, channel: str) -> Subscription:
        return self._meter.measure("subscribe", lambda: self._store.subscribe(channel))

    def close(self) -> None:
        self._store.close()


def _raise(exc: Error) -> NoReturn:
    raise exc
