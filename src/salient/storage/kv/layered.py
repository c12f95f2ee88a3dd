"""Nearer layers over a key-value store: in this process, and in other key-value stores.

    layered:[memory:][redis://cache:6379/0][sqlite:/path/kv.db]?ttl_s=300&negative_s=5

The last store has the truth: changes, counters, locks and scans go to it. Those above it hold copies
for reading, as `salient.storage.caching` says, which names the options too. `memory:` as the first
is the layer in this process, which other processes reach by messages of the last store that has
them; without such a store a change is seen elsewhere after `ttl_s`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from salient.errors import Error, Unsupported
from salient.storage import urls
from salient.storage.caching import Cache, Loaded, Loader, space_of
from salient.storage.kv import PUBSUB, KeyValue, KeyValueDriver, Subscription, driver, is_lock


class Driver(KeyValueDriver):
    def __init__(self, rest: str) -> None:
        layers, options = urls.inner(rest, "layered", least=2)
        self._bottom = driver(layers[-1])
        bus = KeyValue(self._bottom) if PUBSUB in self._bottom.features else None
        try:
            self._cache = Cache.open(
                layers[:-1], options, space=space_of("kv", layers[-1]), bus=bus
            )
        except Error:
            self._bottom.close()
            raise
        self.inner = (*(layer.driver for layer in self._cache.layers), self._bottom)
        carriers = [one for one in self.inner if PUBSUB in one.features]
        self._carrier = carriers[-1] if carriers else None
        self.features = self._bottom.features | ({PUBSUB} if carriers else set())

    @property
    def hot(self) -> Mapping[str, tuple[bytes | None, float]]:
        return self._cache.hot

    def get(self, key: str) -> bytes | None:
        if is_lock(key):
            return self._bottom.get(key)
        return self._cache.get(key, self._loader(key))

    def get_expiring(self, key: str) -> tuple[bytes, float | None] | None:
        # What is cached does not know how long the bottom keeps it.
        return self._bottom.get_expiring(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        # Many keys are read past the cache, and do not push out of it what is read often.
        known = self._cache.known(keys)
        found = {key: value for key, value in known.items() if value is not None}
        missing = [key for key in keys if key not in known]
        return found | (self._bottom.get_many(missing) if missing else {})

    def put(self, key: str, value: bytes, *, ttl_s: float | None, only_if_absent: bool) -> bool:
        if is_lock(key):
            return self._bottom.put(key, value, ttl_s=ttl_s, only_if_absent=only_if_absent)
        with self._cache.writing(key) as write:
            done = self._bottom.put(key, value, ttl_s=ttl_s, only_if_absent=only_if_absent)
            if done:
                write.wrote(bytes(value), ttl_s)
        return done

    def put_many(self, values: Mapping[str, bytes], *, ttl_s: float | None) -> None:
        with self._cache.writing(*values):
            self._bottom.put_many(values, ttl_s=ttl_s)

    def delete_many(self, keys: Sequence[str]) -> int:
        with self._cache.writing(*keys):
            return self._bottom.delete_many(keys)

    def delete(self, key: str) -> bool:
        with self._cache.writing(key) as write:
            was_there = self._bottom.delete(key)
            write.wrote(None)
        return was_there

    def swap(
        self, key: str, expected: bytes | None, value: bytes | None, *, ttl_s: float | None
    ) -> bool:
        if is_lock(key) or (expected is None and value is None):
            return self._bottom.swap(key, expected, value, ttl_s=ttl_s)
        with self._cache.writing(key) as write:
            done = self._bottom.swap(key, expected, value, ttl_s=ttl_s)
            if done:
                write.wrote(None if value is None else bytes(value), ttl_s)
        return done

    def increment(self, key: str, by: int, *, ttl_s: float | None) -> int | None:
        if is_lock(key):
            return self._bottom.increment(key, by, ttl_s=ttl_s)
        with self._cache.writing(key):
            return self._bottom.increment(key, by, ttl_s=ttl_s)

    def scan(self, prefix: str) -> Iterator[str]:
        return self._bottom.scan(prefix)

    def publish(self, channel: str, message: bytes) -> None:
        self._carries().publish(channel, message)

    def subscribe(self, channel: str) -> Subscription:
        return self._carries().subscribe(channel)

    def close(self) -> None:
        self._cache.close()
        self._bottom.close()

    def _carries(self) -> KeyValueDriver:
        if self._carrier is None:
            raise Unsupported("this key-value store carries no messages")
        return self._carrier

    def _loader(self, key: str) -> Loader:
        def load() -> Loaded | None:
            found = self._bottom.get_expiring(key)
            return None if found is None else Loaded(*found)

        return load
