"""The same records in several stores: `replicated:[URL][URL][URL]?write=quorum`.

- `write=all`, the default: a change is acknowledged when all stores have it; reads ask the first one
  that answers. One store that is away stops changes, and reads go on.
- `write=quorum`: a change is acknowledged when more than half of the stores have it, and reads and
  queries ask as many: both go on while more than half are there. Records that a store missed are
  repaired when they are read.

A record is kept with a stamp in front; of two, the one with the greater stamp counts, on every
store, in whatever order they arrive. What was deleted leaves a stamp behind, for `tombstone_s`: so
long may a store be away before records that were deleted meanwhile could come back with it.

`put_many` is all or none on each store. If it fails, and then a store is lost that had it, some of
its records may be seen and others not, until it is done again. There is no change feed.

Processes open the same stores with the same `write`.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from heapq import merge
from itertools import groupby
from typing import TypeVar

from salient.errors import Corrupt, TimedOut, Unavailable, Unsupported
from salient.storage import urls
from salient.storage.docs import (
    RESERVED,
    Chunk,
    Feed,
    Only,
    Path,
    RecordsDriver,
    Test,
    open_drivers,
)

T = TypeVar("T")
Stored = tuple[str, float | None]
"""A record as stores have it, with its stamp, and seconds left to live."""

_HEAD = '{"s":"'
_STAMP = 16 + 8  # microseconds and random digits, both hexadecimal
_FIELD = '","v":'
_START = len(_HEAD) + _STAMP + len(_FIELD)
_LOCKS = f"{RESERVED}locks"
_LEASE_S, _AWAY_S = 60.0, 2.0


class Driver(RecordsDriver):
    def __init__(self, rest: str) -> None:
        found, options = urls.inner(rest, "replicated", least=2)
        quorum = options.choice("write", ("all", "quorum"), "all") == "quorum"
        self._tombstone_s = options.number("tombstone_s", 86_400.0, least=60.0)
        self._patience_s = options.number("timeout_s", 10.0, least=0.1)
        options.done()
        self.inner = open_drivers(found)
        common = frozenset.intersection(*(one.features for one in self.inner))
        self.features = common - {"changes"}
        self._writes = len(self.inner) // 2 + 1 if quorum else len(self.inner)
        self._reads = len(self.inner) - self._writes + 1
        self._lock = threading.Lock()
        self._claims: dict[tuple[str, str], threading.Lock] = {}
        self._away: dict[int, float] = {}

    def read(self, collection: str, idents: Sequence[str]) -> dict[str, Stored]:
        newest = self._newest(collection, idents)
        return {
            ident: (found[0][_START:-1], found[1])
            for ident, found in newest.items()
            if not _is_tombstone(found[0])
        }

    def put(
        self,
        collection: str,
        rows: Sequence[tuple[str, str]],
        *,
        ttl_s: float | None,
        only_if: Only = "any",
    ) -> int:
        if only_if == "any":
            known = self._newest(collection, [ident for ident, _ in rows])
            self._write(collection, rows, _after(known), ttl_s)
            return len(rows)
        with self._claimed(collection, [ident for ident, _ in rows]):
            known = self._newest(collection, [ident for ident, _ in rows])
            free = [
                (ident, text)
                for ident, text in rows
                if ident not in known
                or _is_tombstone(known[ident][0])
                or (only_if == "greater" and text > known[ident][0][_START:-1])
            ]
            if free:
                # Just past what was seen: whoever puts meanwhile, without a claim, comes after.
                self._write(collection, free, _just_after(known), ttl_s)
            return len(free)

    def delete(self, collection: str, idents: Sequence[str]) -> int:
        with self._claimed(collection, idents):
            known = self._newest(collection, idents)
            there = [i for i in idents if i in known and not _is_tombstone(known[i][0])]
            if there:
                rows = [(ident, "") for ident in there]
                self._write(collection, rows, _just_after(known), self._tombstone_s)
            return len(there)

    def chunks(self, collection: str, tests: Sequence[Test], after: str | None) -> Iterator[Chunk]:
        within = [Test(("v", *test.path), test.op, test.value) for test in tests]
        while True:
            some = _Several(self, collection, within, after)
            try:
                for found in some:
                    after = found[0][-1]
                    living = [
                        (ident, text[_START:-1])
                        for ident, text in zip(*found, strict=True)
                        if not _is_tombstone(text)
                    ]
                    if living:
                        yield [ident for ident, _ in living], [text for _, text in living]
            except Unavailable:
                # Go on with another store from where this one broke off, if there are enough.
                if some.lost is None or len(self._healthy()) < self._reads:
                    raise
                continue
            return

    def collections(self, after: str) -> Iterator[str]:
        names = self._from_some(lambda one: list(one.collections(after)))
        for name, _ in groupby(merge(*names.values(), key=str.encode)):
            if name != _LOCKS and next(self.chunks(name, (), None), None) is not None:
                yield name

    def size(self, collection: str) -> int:
        return sum(len(ids) for ids, _ in self.chunks(collection, (), None))

    def ensure_index(self, collection: str, path: Path) -> None:
        for one in self.inner:
            one.ensure_index(collection, ("v", *path))

    def changes(self, collection: str, after: str | None, wait_s: float, limit: int) -> Feed:
        raise Unsupported("replicated document stores have no change feed")

    def close(self) -> None:
        for one in self.inner:
            one.close()

    # --- several stores

    def _healthy(self) -> list[int]:
        """Stores that did not fail a moment ago."""
        now = time.monotonic()
        return [at for at in range(len(self.inner)) if self._away.get(at, 0.0) <= now]

    def _turn(self) -> list[int]:
        """All stores, in the order in which they are asked."""
        healthy = self._healthy()
        return healthy + [at for at in range(len(self.inner)) if at not in healthy]

    def _try(self, at: int, run: Callable[[RecordsDriver], T]) -> T:
        try:
            done = run(self.inner[at])
        except Unavailable:
            self._away[at] = time.monotonic() + _AWAY_S
            raise
        self._away.pop(at, None)
        return done

    def _from_some(self, run: Callable[[RecordsDriver], T]) -> dict[int, T]:
        """Ask as many stores as a read needs."""
        found: dict[int, T] = {}
        failed: Unavailable | None = None
        for at in self._turn():
            try:
                found[at] = self._try(at, run)
            except Unavailable as exc:
                failed = exc
            if len(found) == self._reads:
                return found
        raise Unavailable(
            f"{len(found)} of {len(self.inner)} stores answer, and {self._reads} are needed"
        ) from failed

    def _to_most(self, run: Callable[[RecordsDriver], T]) -> dict[int, T]:
        """Have all stores do it that are there, and as many as a change needs at least."""
        done: dict[int, T] = {}
        failed: Unavailable | None = None
        healthy = self._healthy()
        for at in self._turn():
            if at not in healthy and len(done) >= self._writes:
                break  # it is repaired when it is back
            try:
                done[at] = self._try(at, run)
            except Unavailable as exc:
                failed = exc
        if len(done) < self._writes:
            raise Unavailable(
                f"{len(done)} of {len(self.inner)} stores took a change, and {self._writes} must"
            ) from failed
        return done

    def _newest(self, collection: str, idents: Sequence[str]) -> dict[str, Stored]:
        """What counts, tombstones too; stores that were asked and are behind are repaired."""
        if not idents:
            return {}
        found = self._from_some(lambda one: one.read(collection, idents))
        newest: dict[str, Stored] = {}
        for stored in found.values():
            for ident, one in stored.items():
                if ident not in newest or one[0] > newest[ident][0]:
                    newest[ident] = one
        for at, stored in found.items():
            for ident, one in newest.items():
                if ident not in stored or stored[ident][0] < one[0]:
                    self._repair(at, collection, ident, one)
        return newest

    def _repair(self, at: int, collection: str, ident: str, one: Stored) -> None:
        text, left_s = one
        if left_s is not None and left_s <= 0:
            return
        try:
            self._try(
                at,
                lambda store: store.put(
                    collection, [(ident, text)], ttl_s=left_s, only_if="greater"
                ),
            )
        except Unavailable:
            return  # it is away again, and is repaired another time

    def _write(
        self,
        collection: str,
        rows: Sequence[tuple[str, str]],
        stamp: str,
        ttl_s: float | None,
    ) -> None:
        stamped = [
            (ident, f"{_HEAD}{stamp}{_FIELD}{text}}}" if text else f'{_HEAD}{stamp}"}}')
            for ident, text in rows
        ]
        self._to_most(lambda one: one.put(collection, stamped, ttl_s=ttl_s, only_if="greater"))

    @contextmanager
    def _claimed(self, collection: str, idents: Sequence[str]) -> Iterator[None]:
        """Let one caller of all processes at a time see whether a record is there, and change that.

        A claim is a record on more than half of the stores. It ends by itself a minute after its
        holder died.
        """
        name = idents[0] if len(idents) == 1 else ""
        key = blake2b(f"{collection}\0{name}".encode()).hexdigest()
        with self._lock:
            own = self._claims.setdefault((collection, name), threading.Lock())
        if not own.acquire(timeout=self._patience_s):
            raise TimedOut("a record is being changed by others all the time")
        try:
            mine = self._claim(key)
            try:
                yield
            finally:
                for at in mine:
                    self._release(at, key)
        finally:
            own.release()
            with self._lock:
                if not own.locked():
                    self._claims.pop((collection, name), None)

    def _claim(self, key: str) -> list[int]:
        give_up_at = time.monotonic() + self._patience_s
        pause_s = 0.002
        most = len(self.inner) // 2 + 1
        row = [(key, "{}")]
        while True:
            taken, answered = [], 0
            for at in self._turn():
                try:
                    took = self._try(
                        at,
                        lambda one: one.put(_LOCKS, row, ttl_s=_LEASE_S, only_if="absent"),
                    )
                except Unavailable:
                    continue
                answered += 1
                if took:
                    taken.append(at)
            if len(taken) >= most:
                return taken
            for at in taken:
                self._release(at, key)
            if answered < most:
                raise Unavailable(f"{answered} of {len(self.inner)} stores answer")
            if time.monotonic() > give_up_at:
                raise TimedOut("a record is being changed by others all the time")
            time.sleep(pause_s * (1 + secrets.randbelow(1000) / 1000))
            pause_s = min(0.1, pause_s * 1.5)

    def _release(self, at: int, key: str) -> None:
        try:
            self._try(at, lambda one: one.delete(_LOCKS, [key]))
        except Unavailable:
            return  # it ends by itself


class _Several:
    """Chunks of what counts, from as many stores as a read needs.

    Where these do not all have the same of a record, it is read again.
    """

    def __init__(
        self, stores: Driver, collection: str, tests: Sequence[Test], after: str | None
    ) -> None:
        self._stores, self._collection = stores, collection
        self.lost: int | None = None
        turn = stores._turn()[: stores._reads]
        self._chunks = [self._of(at, tests, after) for at in turn]

    def __iter__(self) -> Iterator[Chunk]:
        if len(self._chunks) == 1:
            yield from self._chunks[0]
            return
        rows = merge(*map(_rows, self._chunks), key=lambda row: row[0])
        ids: list[str] = []
        texts: list[str] = []
        size = 0
        for ident, same in groupby(rows, key=lambda row: row[0]):
            versions = [text for _, text in same]
            ids.append(ident)
            size += len(versions[0])
            agreed = len(versions) == len(self._chunks) and len(set(versions)) == 1
            texts.append(versions[0] if agreed else "")
            if len(ids) >= self._stores.chunk_rows or size > 4_000_000:
                yield self._settled(ids, texts)
                ids, texts, size = [], [], 0
        if ids:
            yield self._settled(ids, texts)

    def _settled(self, ids: list[str], texts: list[str]) -> Chunk:
        doubtful = [ident for ident, text in zip(ids, texts, strict=True) if not text]
        newest = self._stores._newest(self._collection, doubtful)
        for at, ident in enumerate(ids):
            if not texts[at]:
                texts[at] = newest[ident][0] if ident in newest else _GONE
        return ids, texts

    def _of(self, at: int, tests: Sequence[Test], after: str | None) -> Iterator[Chunk]:
        chunks = self._stores.inner[at].chunks(self._collection, tests, after)
        while True:
            try:
                chunk = self._stores._try(at, lambda _: next(chunks, None))
            except Unavailable:
                self.lost = at
                raise
            if chunk is None:
                return
            yield chunk


def _rows(chunks: Iterator[Chunk]) -> Iterator[tuple[str, str]]:
    for ids, texts in chunks:
        yield from zip(ids, texts, strict=True)


def _is_tombstone(text: str) -> bool:
    if not text.startswith(_HEAD):
        raise Corrupt("a store has records that were not put by replicated:")
    return len(text) < _START


def _after(known: Mapping[str, Stored]) -> str:
    """A stamp for now, past all that is known, also if another machine's clock is ahead."""
    return _stamp(max(time.time_ns() // 1000, _last(known) + 1))


def _just_after(known: Mapping[str, Stored]) -> str:
    return _stamp(_last(known) + 1)


def _last(known: Mapping[str, Stored]) -> int:
    start = len(_HEAD)
    return max((int(text[start : start + 16], 16) for text, _ in known.values()), default=0)


def _stamp(microseconds: int) -> str:
    return f"{microseconds:016x}{secrets.token_hex(4)}"


_GONE = f'{_HEAD}{"0" * _STAMP}"}}'
