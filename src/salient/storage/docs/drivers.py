"""What a document-store backend must do, and what all of them do alike: ordering, filtering, columns."""

from __future__ import annotations

import heapq
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import msgspec

from salient.errors import Corrupt
from salient.storage.docs.conditions import Order, Path, Rank, Test, at, matches, rank

if TYPE_CHECKING:
    import pyarrow

Record: TypeAlias = dict[str, Any]
Position: TypeAlias = tuple[Rank, str]
Chunk: TypeAlias = tuple[Sequence[str], Sequence[str]]
"""Ids and, in the same order, records as JSON text."""

Only: TypeAlias = Literal["any", "absent", "greater"]

FEATURES = frozenset({"changes", "put_many"})
BATCH_BYTES = 64 * 1024 * 1024
"""A batch of columns is given out when its text has grown to this."""

_AGAIN = 64  # records read again by id at a time, when they were sorted
_CHUNK_BYTES = 4 * 1024 * 1024

# Half again as quick as the standard library's parser, and the same values.
_decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True, slots=True)
class Change:
    """A record was put or deleted; `cursor` is where a reader that knows of it goes on."""

    cursor: str
    ident: str
    kind: Literal["put", "deleted"]


@dataclass(frozen=True, slots=True)
class Feed:
    """Some changes, oldest first, and where the next ones start."""

    items: tuple[Change, ...]
    after: str


class RecordsDriver(ABC):
    """What a backend must do. Names, records and conditions are already checked by `Records`.

    Records come and go as JSON text, which comes back as it went in, so that no backend changes a
    number or drops a field. It holds no line break.
    """

    features: frozenset[str] = FEATURES
    """`changes`: has a change feed. `put_many`: writes several records, all or none."""
    inner: tuple[RecordsDriver, ...] = ()
    """The stores that a wrapper is made of."""
    chunk_rows: ClassVar[int] = 512
    """How many records are read at a time, at most."""

    @abstractmethod
    def read(self, collection: str, idents: Sequence[str]) -> dict[str, tuple[str, float | None]]:
        """Those of the records that are there: JSON, and seconds left to live."""

    def get(self, collection: str, ident: str) -> str | None:
        """One record, for backends that are quicker with it."""
        found = self.read(collection, (ident,)).get(ident)
        return None if found is None else found[0]

    @abstractmethod
    def put(
        self,
        collection: str,
        rows: Sequence[tuple[str, str]],
        *,
        ttl_s: float | None,
        only_if: Only = "any",
    ) -> int:
        """Write (id, JSON) rows, all or none, ids not twice; return how many were written.

        Rows whose id is taken are replaced, or left as they are: with `absent` all, with `greater`
        those whose text is not less than the new one, by code points. Without the feature
        `put_many` there is at most one row.
        """

    @abstractmethod
    def delete(self, collection: str, idents: Sequence[str]) -> int:
        """Remove records, ids not twice; return how many were there."""

    @abstractmethod
    def chunks(self, collection: str, tests: Sequence[Test], after: str | None) -> Iterator[Chunk]:
        """Records by id from just past `after`, among them all that pass.

        The order of ids is that of their UTF-8 bytes. A chunk is not empty.
        """

    @abstractmethod
    def collections(self, after: str) -> Iterator[str]:
        """Names of collections that hold records, past `after`, by their UTF-8 bytes."""

    @abstractmethod
    def size(self, collection: str) -> int:
        """How many records there are."""

    @abstractmethod
    def ensure_index(self, collection: str, path: Path) -> None:
        """Make equality on the field quick, if the backend can."""

    @abstractmethod
    def changes(self, collection: str, after: str | None, wait_s: float, limit: int) -> Feed:
        """As `Records.changes`; never called without the feature `changes`."""

    @abstractmethod
    def close(self) -> None: ...

    def find(
        self,
        collection: str,
        tests: Sequence[Test],
        order: Order | None,
        after: Position | None,
        limit: int | None,
    ) -> Iterator[tuple[str, Record]]:
        """Records that pass, by order and then id, from just past `after`.

        Without `order`, ranks are (0, 0).
        """
        if order is None:
            start = None if after is None else after[1]
            return islice(self._scan(collection, tests, start), limit)
        return self._ordered(collection, tests, order, after, limit)

    def count(self, collection: str, tests: Sequence[Test]) -> int:
        if not tests:
            return self.size(collection)
        return sum(1 for _ in self._scan(collection, tests, None))

    def batches(
        self, collection: str, tests: Sequence[Test], rows: int, after: str | None = None
    ) -> Iterator[pyarrow.RecordBatch]:
        """Columns `id` and `record` of the records that pass, by id, up to `rows` a batch."""
        from salient.storage.docs.columns import batch

        ids: list[str] = []
        texts: list[str] = []
        size = 0
        for found in self.chunks(collection, tests, after):
            some_ids, some_texts = _passing(found, tests) if tests else found
            ids += some_ids
            texts += some_texts
            size += sum(map(len, some_texts))
            while len(ids) >= rows or (ids and size > BATCH_BYTES):
                yield batch(ids[:rows], texts[:rows])
                ids, texts = ids[rows:], texts[rows:]
                size = sum(map(len, texts))
        if ids:
            yield batch(ids, texts)

    def _scan(
        self, collection: str, tests: Sequence[Test], after: str | None
    ) -> Iterator[tuple[str, Record]]:
        """By id. The backend finds a superset, `matches` decides."""
        chunks = self.chunks(collection, tests, after)
        # Read here, not at the first item, so that a store which is gone says so at once.
        first = list(islice(chunks, 1))
        return _records(chain(first, chunks), tests)

    def _ordered(
        self,
        collection: str,
        tests: Sequence[Test],
        order: Order,
        after: Position | None,
        limit: int | None,
    ) -> Iterator[tuple[str, Record]]:
        # Only ranks and ids are kept while sorting, and of those no more than are wanted.
        keys = (
            _Place(rank(at(record, order.path)[1]), ident, falling=order.falling)
            for ident, record in self._scan(collection, tests, None)
        )
        if after is not None:
            start = _Place(*after, falling=order.falling)
            keys = (key for key in keys if start < key)
        places = iter(sorted(keys) if limit is None else heapq.nsmallest(limit, keys))
        while idents := [place.ident for place in islice(places, _AGAIN)]:
            found = self.read(collection, idents)
            for ident in idents:
                if ident in found:
                    record = parse(found[ident][0])
                    if matches(record, tests):
                        yield ident, record


def parse(text: str) -> Record:
    """A record from its JSON.

    Raises:
        Corrupt: it is none; something else wrote to the store.
    """
    try:
        return _decode(text)
    except msgspec.DecodeError as exc:
        raise Corrupt("a stored record is no JSON object") from exc


def rows_for(size_bytes: int, rows: int, most: int) -> int:
    """How many records to read next, when `rows` of them had this size."""
    return max(1, min(most, 4 * rows, _CHUNK_BYTES * rows // (size_bytes + 1)))


def _records(chunks: Iterable[Chunk], tests: Sequence[Test]) -> Iterator[tuple[str, Record]]:
    decode = _decode
    try:
        for ids, texts in chunks:
            if not tests:
                for ident, text in zip(ids, texts, strict=True):
                    yield ident, decode(text)
                continue
            for ident, text in zip(ids, texts, strict=True):
                record = decode(text)
                if matches(record, tests):
                    yield ident, record
    except msgspec.DecodeError as exc:
        raise Corrupt("a stored record is no JSON object") from exc


def _passing(found: Chunk, tests: Sequence[Test]) -> Chunk:
    kept = [
        (ident, text) for ident, text in zip(*found, strict=True) if matches(parse(text), tests)
    ]
    return [ident for ident, _ in kept], [text for _, text in kept]


class _Place:
    """Where a record stands in an order; ids rise also where ranks fall."""

    __slots__ = ("falling", "ident", "rank")

    def __init__(self, place: Rank, ident: str, *, falling: bool) -> None:
        self.rank, self.ident, self.falling = place, ident, falling

    def __lt__(self, other: _Place) -> bool:
        if self.rank != other.rank:
            return (self.rank < other.rank) != self.falling
        return self.ident < other.ident
