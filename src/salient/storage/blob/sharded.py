"""Blobs spread over several stores by consistent hashing, and moved while they are in use."""

from __future__ import annotations

import heapq
import io
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Literal, TypeVar, final

from salient.errors import Misconfigured
from salient.storage import blob, urls
from salient.storage.blob import BlobDriver, Entry, Pieces
from salient.storage.rings import Move, Ring

T = TypeVar("T")

# Keys of callers hold no NUL, so what starts with one is ours.
_MOVING = "\0moving/"
_PATIENCE_S = 60.0  # a move is taken to be somebody's for that long, and longer if it is large
_SLOWEST_BYTES_S = 1e6


@final
class Driver(BlobDriver):
    """`sharded:[URL][URL]…?names=a,b`: a blob is in the store that the ring of names says.

    - `names`: by which the ring knows the stores, in their order; by default 0, 1, 2 and so on. A
      store that moves to another machine keeps its name and its blobs.
    - `ring`: the names that take blobs, by default all; one left out is being emptied.
    - `before`: the names that the ring had. Until `rebalance` is through, what is not where it
      belongs is read, deleted and listed where it was.

    To change the stores: give all processes the new URL with `before`, run `rebalance` to its end,
    then drop `before` (and the stores that are empty).
    """

    def __init__(self, rest: str) -> None:
        inside, options = urls.inner(rest, "sharded")
        names = _names(options.text("names"), [str(n) for n in range(len(inside))])
        ring = _names(options.text("ring"), names)
        before = _names(options.text("before"), [])
        options.done()
        if len(names) != len(inside) or not {*ring, *before} <= set(names):
            raise Misconfigured(
                "sharded: has a name for each store, and rings of these names",
                names=names, stores=len(inside),
            )  # fmt: skip
        self._ring = Ring(ring)
        self._before = Ring(before) if before else None
        Ring(names)  # refuses the same name twice
        self.inner = blob.open_drivers(inside)
        self._stores = dict(zip(names, self.inner, strict=True))
        common = frozenset.intersection(*(one.features for one in self.inner))
        self.features = common & {"presigned"} | {"rebalance"}

    def put(
        self, key: str, source: BinaryIO, *, only_if_absent: bool, if_version: str | None
    ) -> int | None:
        here, there = self._places(key)
        if there is not None and only_if_absent and self._stores[there].head(key) is not None:
            return None
        if there is not None and if_version is not None:
            # Its version there means nothing here: the caller asks for it again after a Conflict.
            self.move(Move(key, there, here))
        return self._stores[here].put(
            key, source, only_if_absent=only_if_absent, if_version=if_version
        )

    def open(self, key: str) -> BinaryIO | None:
        return self._first(key, lambda store: store.open(key))

    def view(self, key: str) -> memoryview | None:
        return self._first(key, lambda store: store.view(key))

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Pieces | None:
        return self._first(key, lambda store: store.read_ranges(key, ranges))

    def head(self, key: str) -> Entry | None:
        return self._first(key, lambda store: store.head(key))

    def delete(self, key: str) -> bool:
        here, there = self._places(key)
        # First where it was: it must not come back when the deleting is interrupted.
        was_there = there is not None and self._stores[there].delete(key)
        return self._stores[here].delete(key) or was_there

    def delete_many(self, keys: Sequence[str]) -> int:
        if self._before is not None:
            return super().delete_many(keys)
        groups: dict[str, list[str]] = {}
        for key in keys:
            groups.setdefault(self._ring.name_of(key), []).append(key)
        return sum(self._stores[name].delete_many(group) for name, group in groups.items())

    def list(self, prefix: str) -> Iterator[str]:
        listed = [
            self._belonging(name, ((key, key) for key in store.list(prefix)))
            for name, store in self._stores.items()
        ]
        return self._merged(listed)

    def entries(self, prefix: str) -> Iterator[Entry]:
        listed = [
            self._belonging(name, ((entry.key, entry) for entry in store.entries(prefix)))
            for name, store in self._stores.items()
        ]
        return self._merged(listed)

    def path(self, key: str) -> Path | None:
        return self._first(key, lambda store: store.path(key) if store.head(key) else None)

    def presigned(self, key: str, *, expires_s: float, method: Literal["GET", "PUT"]) -> str:
        here, there = self._places(key)
        if method == "GET" and there is not None and self._stores[here].head(key) is None:
            here = there
        return self._stores[here].presigned(key, expires_s=expires_s, method=method)

    def misplaced(self) -> Iterator[Move]:
        for name, store in self._stores.items():
            for key in store.list(""):
                if key.startswith(_MOVING):
                    continue
                place = self._ring.name_of(key)
                if place != name:
                    yield Move(key, name, place)

    def move(self, move: Move) -> bool:
        source, target = self._stores[move.source], self._stores[move.target]
        before = source.head(move.key)
        if before is None:
            return False
        # Of two movers, one might take the other's deleting of the original for a caller's.
        claim = self._claim(target, move.key, before.size_bytes)
        if claim is None:
            return False
        try:
            return self._move(move.key, source, target, before.version, claim)
        finally:
            if target.head(claim.key) == claim:
                target.delete(claim.key)

    def _move(
        self, key: str, source: BlobDriver, target: BlobDriver, version: str, claim: Entry
    ) -> bool:
        stream = source.open(key)
        if stream is None:
            return False
        with stream:
            # What is there already is newer: writers go to the target.
            copied = target.put(key, stream, only_if_absent=True, if_version=None)
        after = source.head(key)
        if after is None:
            # Deleted by a caller, who may have looked at the target before the copy was there.
            if copied is not None and target.head(claim.key) == claim:
                target.delete(key)
            return False
        if after.version != version:
            return False
        return source.delete(key)

    def _claim(self, target: BlobDriver, key: str, size_bytes: int) -> Entry | None:
        """A mark that this mover moves `key`, or None if another one does; a killed one's runs out."""
        name, mine = _MOVING + key, os.urandom(8)
        if target.put(name, io.BytesIO(mine), only_if_absent=True, if_version=None) is None:
            old = target.head(name)
            patience = timedelta(seconds=_PATIENCE_S + size_bytes / _SLOWEST_BYTES_S)
            if old is None or datetime.now(UTC) - old.modified < patience:
                return None
            body = io.BytesIO(mine)
            if target.put(name, body, only_if_absent=False, if_version=old.version) is None:
                return None
        return target.head(name)

    def close(self) -> None:
        with ExitStack() as stack:
            for one in self.inner:
                stack.callback(one.close)

    def _places(self, key: str) -> tuple[str, str | None]:
        """Where a key belongs, and where else it may be."""
        here = self._ring.name_of(key)
        there = here if self._before is None else self._before.name_of(key)
        return here, (None if there == here else there)

    def _first(self, key: str, read: Callable[[BlobDriver], T | None]) -> T | None:
        here, there = self._places(key)
        found = read(self._stores[here])
        if found is None and there is not None:
            found = read(self._stores[there])
            if found is None:
                found = read(self._stores[here])  # it may have been moved in between
        return found

    def _belonging(
        self, name: str, listed: Iterator[tuple[str, T]]
    ) -> Iterator[tuple[bytes, int, T]]:
        """Of what a store lists, what is looked for there."""
        for key, item in listed:
            if key.startswith(_MOVING):
                continue
            here, there = self._places(key)
            if name in (here, there):
                yield key.encode(), int(name != here), item

    def _merged(self, listed: Sequence[Iterator[tuple[bytes, int, T]]]) -> Iterator[T]:
        """All in order of their keys, each once: where it belongs comes first."""
        merged = heapq.merge(*listed, key=itemgetter(0, 1))
        for _, same in groupby(merged, key=itemgetter(0)):
            yield next(same)[2]


def _names(given: str | None, default: Sequence[str]) -> Sequence[str]:
    return default if given is None else [name.strip() for name in given.split(",")]
