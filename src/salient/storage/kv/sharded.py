"""Keys spread over several stores by consistent hashing: `sharded:[URL][URL]?names=a,b`.

A key's shard depends on the shards' names, by default 0, 1, 2 and so on, not on their URLs or order:
a store that moves to another machine keeps its name and its keys. When shards come or go, `rebalance`
moves the keys that then belong elsewhere, about 1/N of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from salient.errors import Conflict
from salient.storage.kv import KeyValueDriver, Subscription, driver, open_drivers
from salient.storage.rings import Shards


class Driver(KeyValueDriver):
    def __init__(self, rest: str) -> None:
        shards = Shards(rest)
        self.ring = shards.ring
        self.inner = open_drivers(shards.places.values())
        self.features = frozenset.intersection(*(one.features for one in self.inner))

    def get(self, key: str) -> bytes | None:
        return self._of(key).get(key)

    def get_expiring(self, key: str) -> tuple[bytes, float | None] | None:
        return self._of(key).get_expiring(key)

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for one, part in self._parts(keys):
            found |= one.get_many(part)
        return found

    def put_many(self, values: Mapping[str, bytes], *, ttl_s: float | None) -> None:
        for one, part in self._parts(values):
            one.put_many({key: values[key] for key in part}, ttl_s=ttl_s)

    def delete_many(self, keys: Sequence[str]) -> int:
        return sum(one.delete_many(part) for one, part in self._parts(keys))

    def put(self, key: str, value: bytes, *, ttl_s: float | None, only_if_absent: bool) -> bool:
        return self._of(key).put(key, value, ttl_s=ttl_s, only_if_absent=only_if_absent)

    def delete(self, key: str) -> bool:
        return self._of(key).delete(key)

    def swap(
        self, key: str, expected: bytes | None, value: bytes | None, *, ttl_s: float | None
    ) -> bool:
        return self._of(key).swap(key, expected, value, ttl_s=ttl_s)

    def increment(self, key: str, by: int, *, ttl_s: float | None) -> int | None:
        return self._of(key).increment(key, by, ttl_s=ttl_s)

    def scan(self, prefix: str) -> Iterator[str]:
        for at, one in enumerate(self.inner):
            # A copy that a broken-off rebalancing left elsewhere is nobody's key.
            yield from (key for key in one.scan(prefix) if self.ring.at(key) == at)

    def publish(self, channel: str, message: bytes) -> None:
        self._of(channel).publish(channel, message)

    def subscribe(self, channel: str) -> Subscription:
        return self._of(channel).subscribe(channel)

    def close(self) -> None:
        for one in self.inner:
            one.close()

    def _parts(self, keys: Iterable[str]) -> list[tuple[KeyValueDriver, list[str]]]:
        parts: dict[int, list[str]] = {}
        for key in keys:
            parts.setdefault(self.ring.at(key), []).append(key)
        return [(self.inner[at], part) for at, part in parts.items()]

    def _of(self, key: str) -> KeyValueDriver:
        return self.inner[self.ring.at(key)]


@dataclass(slots=True)
class Balance:
    """How many keys there are, and how many of them belong elsewhere: (from, to) -> count."""

    keys: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def moved(self) -> int:
        """How many keys move."""
        return self.moves.total()


def plan(old: str, new: str) -> Balance:
    """Count what `rebalance` would move; nothing is changed.

    Args:
        old: the sharded: URL that the keys were written with.
        new: the one that shall find them; shards of one name are the same store.

    Raises:
        Misconfigured: a URL that is not of shards, or one name for two stores.
        Unavailable: a shard cannot be reached.
    """
    return _balance(old, new, lambda *_: None)


def rebalance(old: str, new: str) -> Balance:
    """Move what `new` looks for elsewhere, with its remaining time to live; return what was moved.

    A key is copied before it is deleted, so none is lost when this is killed: calling it again does
    the rest. Nobody writes by `old` meanwhile. Who uses `new` already misses the keys that have not
    come yet; what it wrote itself stays.

    Raises:
        Misconfigured: a URL that is not of shards, or one name for two stores.
        Unavailable: a shard cannot be reached.
    """
    planned = plan(old, new)  # counted first: a key that has moved is met again at its new place
    return Balance(planned.keys, _balance(old, new, _move).moves)


def _balance(
    old: str, new: str, move: Callable[[str, KeyValueDriver, KeyValueDriver], None]
) -> Balance:
    before, after = Shards.of(old), Shards.of(new)
    places = before.with_those_of(after)
    balance = Balance()
    stores: dict[str, KeyValueDriver] = {}
    try:
        for name, place in places.items():
            stores[name] = driver(place)
        for name, store in stores.items():
            # Also what is in a place of neither: a broken-off earlier run may have left it.
            for key in store.scan(""):
                balance.keys += 1
                target = after.ring.name_of(key)
                if target != name:
                    move(key, store, stores[target])
                    balance.moves[name, target] += 1
    finally:
        for store in stores.values():
            store.close()
    return balance


def _move(key: str, source: KeyValueDriver, target: KeyValueDriver) -> None:
    copied: bytes | None = None
    for _ in range(100):
        found = source.get_expiring(key)
        if found is None:
            return
        value, ttl_s = found
        # Something there that is not our copy was written by the new shards: it is newer.
        if copied is None:
            target.put(key, value, ttl_s=ttl_s, only_if_absent=True)
        else:
            target.swap(key, copied, value, ttl_s=ttl_s)
        copied = value
        if source.swap(key, value, None, ttl_s=None):
            return
    raise Conflict("a key changes while it is moved: nobody may write by the old shards", key=key)
