"""Consistent hashing: which of several stores a key is kept in, and what moves when they change."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import final

from salient.errors import Misconfigured

POINTS = 256  # places a shard has on the ring: shares differ by some 6 %


@dataclass(frozen=True, slots=True)
class Move:
    """A key and the names of the shards that have it now and shall have it."""

    key: str
    source: str
    target: str


@final
class Ring:
    """Shards by name. A key's shard depends on the set of names alone, not on their order.

    Source: Karger et al. 1997, "Consistent hashing and random trees", with virtual points.
    """

    def __init__(self, names: Sequence[str]) -> None:
        if not names or len(set(names)) < len(names):
            raise Misconfigured("shards have different names, and there is at least one")
        self.names = tuple(names)
        places = sorted(
            (_place(f"{name}\0{point}"), index)
            for index, name in enumerate(names)
            for point in range(POINTS)
        )
        self._places = [place for place, _ in places]
        self._indexes = [index for _, index in places]

    def at(self, key: str) -> int:
        """The number of the shard that `key` is kept in."""
        found = bisect_right(self._places, _place(key))
        return self._indexes[found % len(self._indexes)]

    def name_of(self, key: str) -> str:
        """The name of the shard that `key` is kept in."""
        return self.names[self.at(key)]


def plan(old: Ring, new: Ring, keys: Iterable[str]) -> Iterator[Move]:
    """What has to move so that `new` finds all that `old` holds; about 1/N of it for one of N."""
    for key in keys:
        source, target = old.name_of(key), new.name_of(key)
        if source != target:
            yield Move(key, source, target)


def _place(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
