"""A key-value store with injected faults, for tests: `flaky:[URL]?errors=0.1&lost=0.05&seed=7`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from salient.storage import urls
from salient.storage.faults import Faults
from salient.storage.kv import KeyValueDriver, Subscription, driver

_PAGE = 100


class Driver(KeyValueDriver):
    """`faults` says what goes wrong, and may be changed at any time."""

    def __init__(self, rest: str) -> None:
        [url], options = urls.inner(rest, "flaky", most=1)
        self.faults = Faults(options)
        self._store = driver(url)
        self.inner = (self._store,)
        self.features = self._store.features

    def get(self, key: str) -> bytes | None:
        return self.faults.read(lambda: self._store.get(key))

    def get_expiring(self, key: str) -> tuple[bytes, float | None] | None:
        return self.faults.read(lambda: self._store.get_expiring(key))

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        return self.faults.read(lambda: self._store.get_many(keys))

    def put(self, key: str, value: bytes, *, ttl_s: float | None, only_if_absent: bool) -> bool:
        return self.faults.write(
            lambda: self._store.put(key, value, ttl_s=ttl_s, only_if_absent=only_if_absent)
        )

    def put_many(self, values: Mapping[str, bytes], *, ttl_s: float | None) -> None:
        if self.faults.tears():
            for key in list(values)[: len(values) // 2]:
                self._store.put(key, values[key], ttl_s=ttl_s, only_if_absent=False)
            raise self.faults.tear()
        self.faults.write(lambda: self._store.put_many(values, ttl_s=ttl_s))

    def delete_many(self, keys: Sequence[str]) -> int:
        if self.faults.tears():
            self._store.delete_many(keys[: len(keys) // 2])
            raise self.faults.tear()
        return self.faults.write(lambda: self._store.delete_many(keys))

    def delete(self, key: str) -> bool:
        return self.faults.write(lambda: self._store.delete(key))

    def swap(
        self, key: str, expected: bytes | None, value: bytes | None, *, ttl_s: float | None
    ) -> bool:
        return self.faults.write(lambda: self._store.swap(key, expected, value, ttl_s=ttl_s))

    def increment(self, key: str, by: int, *, ttl_s: float | None) -> int | None:
        return self.faults.write(lambda: self._store.increment(key, by, ttl_s=ttl_s))

    def scan(self, prefix: str) -> Iterator[str]:
        for number, key in enumerate(self._store.scan(prefix)):
            if number % _PAGE == 0:
                self.faults.read(lambda: None)  # a listing may break in its middle
            yield key

    def publish(self, channel: str, message: bytes) -> None:
        self.faults.write(lambda: self._store.publish(channel, message))

    def subscribe(self, channel: str) -> Subscription:
        return self.faults.read(lambda: self._store.subscribe(channel))

    def close(self) -> None:
        self._store.close()
