"""Collections spread over several stores by consistent hashing: `sharded:[URL][URL]?names=a,b`.

A collection is in one store as a whole, so that several of its records are written at once and its
queries keep their order. Its shard depends on the shards' names, by default 0, 1, 2 and so on, not
on their URLs or order. When shards come or go, `rebalance` moves the collections that then belong
elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from typing import TYPE_CHECKING

from salient.storage.docs import Chunk, Feed, Only, Path, RecordsDriver, Test, driver, open_drivers
from salient.storage.rings import Move, Shards
from salient.storage.rings import plan as moves_of

if TYPE_CHECKING:
    import pyarrow

_MOVED = 500  # records that are moved at a time


class Driver(RecordsDriver):
    def __init__(self, rest: str) -> None:
        shards = Shards(rest)
        self.ring = shards.ring
        self.inner = open_drivers(shards.places.values())
        self.features = frozenset.intersection(*(one.features for one in self.inner))

    def read(self, collection: str, idents: Sequence[str]) -> dict[str, tuple[str, float | None]]:
        return self._of(collection).read(collection, idents)

    def get(self, collection: str, ident: str) -> str | None:
        return self._of(collection).get(collection, ident)

    def put(
        self,
        collection: str,
        rows: Sequence[tuple[str, str]],
        *,
        ttl_s: float | None,
        only_if: Only = "any",
    ) -> int:
        return self._of(collection).put(collection, rows, ttl_s=ttl_s, only_if=only_if)

    def delete(self, collection: str, idents: Sequence[str]) -> int:
        return self._of(collection).delete(collection, idents)

    def chunks(self, collection: str, tests: Sequence[Test], after: str | None) -> Iterator[Chunk]:
        return self._of(collection).chunks(collection, tests, after)

    def batches(
        self, collection: str, tests: Sequence[Test], rows: int, after: str | None = None
    ) -> Iterator[pyarrow.RecordBatch]:
        return self._of(collection).batches(collection, tests, rows, after)

    def collections(self, after: str) -> Iterator[str]:
        # Without what a broken-off rebalancing left elsewhere.
        return merge(*(self._own(at, after) for at in range(len(self.inner))), key=str.encode)

    def size(self, collection: str) -> int:
        return self._of(collection).size(collection)

    def ensure_index(self, collection: str, path: Path) -> None:
        self._of(collection).ensure_index(collection, path)

    def changes(self, collection: str, after: str | None, wait_s: float, limit: int) -> Feed:
        return self._of(collection).changes(collection, after, wait_s, limit)

    def close(self) -> None:
        for one in self.inner:
            one.close()

    def _own(self, at: int, after: str) -> Iterator[str]:
        return (name for name in self.inner[at].collections(after) if self.ring.at(name) == at)

    def _of(self, collection: str) -> RecordsDriver:
        return self.inner[self.ring.at(collection)]


@dataclass(slots=True)
class Balance:
    """Which collections belong elsewhere, and how many records these have."""

    moves: list[Move] = field(default_factory=list)
    records: int = 0


def plan(old: str, new: str) -> Balance:
    """Say what `rebalance` would move; nothing is changed.

    Args:
        old: the sharded: URL that the records were written with.
        new: the one that shall find them; shards of one name are the same store.

    Raises:
        Misconfigured: a URL that is not of shards, or one name for two stores.
        Unavailable: a shard cannot be reached.
    """
    return _balance(old, new, move=False)


def rebalance(old: str, new: str) -> Balance:
    """Move what `new` looks for elsewhere, with its remaining time to live; return what was moved.

    Records are copied before they are deleted, so none is lost when this is killed: calling it again
    does the rest. Nobody writes by `old` meanwhile. Who uses `new` already misses what has not come
    yet; what it wrote itself stays. Cursors of a moved collection's feed end.

    Raises:
        Misconfigured: a URL that is not of shards, or one name for two stores.
        Unavailable: a shard cannot be reached.
    """
    return _balance(old, new, move=True)


def _balance(old: str, new: str, *, move: bool) -> Balance:
    before, after = Shards.of(old), Shards.of(new)
    places = before.with_those_of(after)
    balance = Balance()
    stores: dict[str, RecordsDriver] = {}
    try:
        for name, place in places.items():
            stores[name] = driver(place)
        for one in moves_of(before.ring, after.ring, _all(stores.values())):
            source, target = stores[one.source], stores[one.target]
            size = _move(one.key, source, target) if move else source.size(one.key)
            if size:
                balance.moves.append(one)
                balance.records += size
    finally:
        for store in stores.values():
            store.close()
    return balance


def _all(stores: Iterable[RecordsDriver]) -> list[str]:
    return sorted({name for store in stores for name in store.collections("")})


def _move(collection: str, source: RecordsDriver, target: RecordsDriver) -> int:
    moved = 0
    # What was moved is gone from the source, so that each turn starts at its first record.
    while chunk := next(source.chunks(collection, (), None), None):
        idents = chunk[0][:_MOVED]
        for ident, (text, left_s) in source.read(collection, idents).items():
            # Something there already was written by the new shards, or copied before: it stays.
            target.put(collection, [(ident, text)], ttl_s=left_s, only_if="absent")
        moved += source.delete(collection, idents)
    return moved
