"""A part of a key-value store that sees nothing of the rest: `scoped:[URL]?scope=NAME`.

Its keys, locks and channels are kept under a name that no key of a caller can reach, since keys of
callers hold no NUL; the store itself, opened without a scope, does not list them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from salient.errors import Misconfigured
from salient.storage import urls
from salient.storage.kv import KeyValueDriver, Subscription, driver

_MOST_BYTES = 200


class Driver(KeyValueDriver):
    def __init__(self, rest: str) -> None:
        [url], options = urls.inner(rest, "scoped", most=1)
        scope = options.text("scope", "") or ""
        options.done()
        size = len(scope.encode("utf-8", "replace"))
        if not 0 < size <= _MOST_BYTES or "\0" in scope or not scope.isprintable():
            raise Misconfigured(
                f"scoped: takes a scope of 1 to {_MOST_BYTES} bytes of text, as in scope=NAME"
            )
        self._prefix = f"\0scope/{scope}\0"
        self._store = driver(url)
        self.inner = (self._store,)
        self.features = self._store.features

    def get(self, key: str) -> bytes | None:
        return self._store.get(self._prefix + key)

    def get_expiring(self, key: str) -> tuple[bytes, float | None] | None:
        return self._store.get_expiring(self._prefix + key)

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        found = self._store.get_many([self._prefix + key for key in keys])
        return {key[len(self._prefix) :]: value for key, value in found.items()}

    def put(self, key: str, value: bytes, *, ttl_s: float | None, only_if_absent: bool) -> bool:
        return self._store.put(
            self._prefix + key, value, ttl_s=ttl_s, only_if_absent=only_if_absent
        )

    def put_many(self, values: Mapping[str, bytes], *, ttl_s: float | None) -> None:
        scoped = {self._prefix + key: value for key, value in values.items()}
        self._store.put_many(scoped, ttl_s=ttl_s)

    def delete_many(self, keys: Sequence[str]) -> int:
        return self._store.delete_many([self._prefix + key for key in keys])

    def delete(self, key: str) -> bool:
        return self._store.delete(self._prefix + key)

    def swap(
        self, key: str, expected: bytes | None, value: bytes | None, *, ttl_s: float | None
    ) -> bool:
        return self._store.swap(self._prefix + key, expected, value, ttl_s=ttl_s)

    def increment(self, key: str, by: int, *, ttl_s: float | None) -> int | None:
        return self._store.increment(self._prefix + key, by, ttl_s=ttl_s)

    def scan(self, prefix: str) -> Iterator[str]:
        for key in self._store.scan(self._prefix + prefix):
            yield key[len(self._prefix) :]

    def publish(self, channel: str, message: bytes) -> None:
        self._store.publish(self._prefix + channel, message)

    def subscribe(self, channel: str) -> Subscription:
        return self._store.subscribe(self._prefix + channel)

    def close(self) -> None:
        self._store.close()
