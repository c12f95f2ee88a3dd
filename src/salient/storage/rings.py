"""Consistent hashing: which of several stores a key is kept in, and what moves when they change."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import final

from salient.errors import Misconfigured
from salient.storage import urls

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


@final
class Shards:
    """What `sharded:[URL][URL]?names=a,b` says: a ring of names, by default 0, 1, 2 …, and their stores.

    Raises:
        Misconfigured: another number of names than of stores, or a name twice.
    """

    def __init__(self, rest: str) -> None:
        found, options = urls.inner(rest, "sharded")
        names = options.text("names")
        options.done()
        self.ring = Ring([str(n) for n in range(len(found))] if names is None else names.split(","))
        if len(self.ring.names) != len(found):
            raise Misconfigured("sharded: takes as many names as stores", names=self.ring.names)
        self.places = dict(zip(self.ring.names, found, strict=True))
        """URL by name."""

    @classmethod
    def of(cls, url: str) -> Shards:
        """Those of a whole URL.

        Raises:
            Misconfigured: it is not of shards.
        """
        scheme, _, rest = url.partition(":")
        if scheme != "sharded":
            raise Misconfigured("only shards are balanced: give sharded: URLs")
        return cls(rest)

    def with_those_of(self, other: Shards) -> dict[str, str]:
        """URL by name of both.

        Raises:
            Misconfigured: one name is two different stores.
        """
        both = {**self.places, **other.places}
        for name, place in self.places.items():
            if both[name] != place:
                raise Misconfigured(f"the shard {name} is two different stores")
        return both


def plan(old: Ring, new: Ring, keys: Iterable[str]) -> Iterator[Move]:
    """What has to move so that `new` finds all that `old` holds; about 1/N of it for one of N."""
    for key in keys:
        source, target = old.name_of(key), new.name_of(key)
        if source != target:
            yield Move(key, source, target)


def _place(text: str) -> int:
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")
