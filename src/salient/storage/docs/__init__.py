"""Document store: JSON records by collection and id, found by their fields."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, final

from salient.errors import Corrupt, InvalidInput, LimitExceeded, Unsupported
from salient.storage import backends
from salient.storage.docs.conditions import (
    Order,
    Path,
    Rank,
    Test,
    at,
    check,
    matches,
    order_of,
    path_of,
    rank,
    read,
)
from salient.storage.docs.drivers import (
    FEATURES,
    Change,
    Chunk,
    Feed,
    Only,
    Position,
    Record,
    RecordsDriver,
    parse,
)

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "FEATURES", "MAX_NAME_BYTES", "MAX_RECORD_BYTES", "RESERVED", "SCHEMES", "WRAPPERS", "Change", "Chunk", "Feed", "Only", "Order",
    "Page", "Path", "Position", "Record", "Records", "RecordsDriver", "Test", "at", "driver", "matches", "parse",
    "rank",
]  # fmt: skip

MAX_NAME_BYTES = 512  # of a collection or an id
MAX_RECORD_BYTES = 8 * 1024 * 1024
_SHORT = 200
RESERVED = "\1"
"""What the names of collections start with that wrappers keep for themselves."""

SCHEMES = {
    "memory": "salient.storage.docs.sqlite",
    "sqlite": "salient.storage.docs.sqlite",
    "postgresql": "salient.storage.docs.postgresql",
    "mongodb": "salient.storage.docs.mongodb",
}
WRAPPERS = {
    name: f"salient.storage.docs.{name}"
    for name in ("flaky", "instrumented", "layered", "replicated", "scoped", "sharded")
}

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode

Where: TypeAlias = Mapping[str | Path, Any]
OrderBy: TypeAlias = str | tuple[str | Path, Literal["rising", "falling"]]


def driver(url: str) -> RecordsDriver:
    """The driver that `url`'s scheme names, of a backend or of a wrapper.

    Raises:
        Misconfigured: no backend has that scheme, its driver is not installed, or its URL is wrong.
        Unavailable: its server is away.
    """
    module, rest = backends.find("document", {**SCHEMES, **WRAPPERS}, url)
    opened: RecordsDriver = module.Driver(rest)
    return opened


def open_drivers(urls: Iterable[str]) -> tuple[RecordsDriver, ...]:
    """Open all of these, or none."""
    return backends.all_or_none(driver, urls)


@dataclass(frozen=True, slots=True)
class Page:
    """Some records with their ids, and where the next page starts; None at the end."""

    items: tuple[tuple[str, Record], ...]
    after: str | None


@final
class Records:
    """JSON records.

    - A record comes back equal to what was put; `get` of a missing or expired one is None.
    - `put` replaces the whole record; `put_many` writes all or none.
    - Any text is a field name; a tuple of names reaches into nested records.
    - Queries give the same records in the same order on every backend (see
      `salient.storage.docs.conditions`).
    - Who follows `changes` learns of every record that was put or deleted, also by other processes.
    - Threads may share an instance; other processes open their own.
    - `features` says what a backend has: `put_many` (several records at once), `changes`.

    Raises from any method: InvalidInput (names, conditions), Unavailable (unreachable or closed),
    Unsupported (a feature that the backend lacks).
    """

    def __init__(self, driver: RecordsDriver) -> None:
        self._driver = driver

    @classmethod
    def open(cls, url: str) -> Records:
        """Open the backend that `url`'s scheme names, e.g. `memory:` or `sqlite:/path/records.db`.

        Raises:
            Misconfigured: no backend has that scheme, or its driver is not installed.
        """
        return cls(driver(url))

    @property
    def features(self) -> frozenset[str]:
        """What this backend has of `FEATURES`."""
        return self._driver.features

    def get(self, collection: str, ident: str) -> Record | None:
        text = self._driver.get(_collection(collection), _name(ident))
        return None if text is None else parse(text)

    def get_many(self, collection: str, idents: Iterable[str]) -> dict[str, Record]:
        """Those of the records that are there, by id, in the order asked for."""
        wanted = list(dict.fromkeys(map(_name, idents)))
        found = self._driver.read(_collection(collection), wanted) if wanted else {}
        return {ident: parse(found[ident][0]) for ident in wanted if ident in found}

    def put(
        self,
        collection: str,
        ident: str,
        record: Mapping[str, Any],
        *,
        ttl_s: float | None = None,
        only_if_absent: bool = False,
    ) -> bool:
        """Store a record; return whether it was written.

        Args:
            ttl_s: seconds until it reads as absent; None keeps it for ever, also if the record it
                replaces was to expire.

        Raises:
            InvalidInput: something in it is not JSON, or not such that every backend keeps it.
            LimitExceeded: it is over MAX_RECORD_BYTES.
        """
        rows = [(_name(ident), _write(record))]
        written = self._driver.put(
            _collection(collection),
            rows,
            ttl_s=_time(ttl_s),
            only_if="absent" if only_if_absent else "any",
        )
        return written == 1

    def put_many(
        self,
        collection: str,
        records: Iterable[tuple[str, Mapping[str, Any]]],
        *,
        ttl_s: float | None = None,
    ) -> int:
        """Store (id, record) pairs, all or none; of one id, the last. Return how many.

        Raises:
            InvalidInput, LimitExceeded: as `put`; then nothing was written.
            Unsupported: there is more than one, and the backend has no `put_many`.
        """
        rows = {_name(ident): _write(record) for ident, record in records}
        if len(rows) > 1:
            self._need("put_many")
        if not rows:
            return 0
        return self._driver.put(_collection(collection), list(rows.items()), ttl_s=_time(ttl_s))

    def put_texts(
        self,
        collection: str,
        idents: Sequence[str],
        texts: Sequence[str],
        *,
        ttl_s: float | None = None,
    ) -> int:
        """As `put_many`, of records that are JSON text already, as `batches` gives them.

        What comes many times is checked once: that is what makes it quick to give one label to many.

        Raises:
            InvalidInput: as `put_many`; or a text is no JSON object, or there are more of one than of the other.
        """
        if len(idents) != len(texts):
            raise InvalidInput(f"{len(idents)} ids and {len(texts)} records")
        try:
            written = {
                text: _short(text) if len(text) < _SHORT else _write(parse(text))
                for text in set(texts)
            }
        except Corrupt as exc:
            raise InvalidInput("a record is a JSON object") from exc
        rows = dict(zip(_names(idents), map(written.__getitem__, texts), strict=True))
        if len(rows) > 1:
            self._need("put_many")
        if not rows:
            return 0
        return self._driver.put(_collection(collection), list(rows.items()), ttl_s=_time(ttl_s))

    def delete(self, collection: str, ident: str) -> bool:
        """Remove a record; return whether it was there."""
        return self._driver.delete(_collection(collection), (_name(ident),)) == 1

    def delete_many(self, collection: str, idents: Iterable[str]) -> int:
        """Remove records; return how many were there. If it fails, some may have been removed."""
        wanted = list(dict.fromkeys(map(_name, idents)))
        return self._driver.delete(_collection(collection), wanted) if wanted else 0

    def query(
        self,
        collection: str,
        where: Where | None = None,
        *,
        order: OrderBy | None = None,
        limit: int | None = None,
    ) -> Iterator[Record]:
        """Yield records that fit, in order.

        Args:
            where: field -> value, or (comparison, value), all of which must hold. Comparisons are
                = != < <= > >= in prefix has (a list has the value) exists (value true or false).
            order: a field, `-field` for falling; or (field, "rising" | "falling") for any name.
                Equal ones, and all without `order`, come by id.

        Records written or deleted while it runs may or may not be seen; all others are, once.

        Cost: reads the collection, unless an `ensure_index` field is compared with `=` or `in`.
        """
        found = self._find(collection, where, order, None, limit)
        return (record for _, record in found)

    def page(
        self,
        collection: str,
        where: Where | None = None,
        *,
        order: OrderBy | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> Page:
        """As `query`, a page at a time.

        Args:
            limit: 1 or more.
            after: a page's `after`, with the same `where` and `order`. It still holds if records,
                even the page's last one, were deleted or added since.
        """
        if limit < 1:
            raise InvalidInput("a page has at least one record", limit=limit)
        position = None if after is None else _position(after)
        items = tuple(islice(self._find(collection, where, order, position, limit + 1), limit + 1))
        if len(items) <= limit:
            return Page(items, None)
        ident, record = items[limit - 1]
        by = order_of(order)
        place: Rank = (0, 0) if by is None else rank(at(record, by.path)[1])
        raw = json.dumps([*place, ident]).encode()
        return Page(items[:limit], base64.urlsafe_b64encode(raw).decode())

    def batches(
        self, collection: str, where: Where | None = None, *, rows: int = 8192
    ) -> Iterator[pyarrow.RecordBatch]:
        """Records that fit, by id, as Arrow batches: columns `id` and `record`, JSON as text.

        Args:
            rows: a batch has no more than these.

        Raises:
            Misconfigured: the extra `arrow` is not installed.
        """
        from salient.storage.docs import columns  # raises here if it cannot

        del columns
        if rows < 1:
            raise InvalidInput("a batch has at least one row", rows=rows)
        return self._driver.batches(_collection(collection), read(where), rows)

    def changes(
        self,
        collection: str,
        *,
        after: str | None = None,
        wait_s: float = 0.0,
        limit: int = 1000,
    ) -> Feed:
        """What was put and deleted in a collection since a cursor, oldest first.

        To follow a collection, first ask without `after`, then read the collection, then ask with
        the `after` of the last feed, for ever. What follows is complete, also over a restart of
        reader or server: each change is given at least once, those of one record in their order. A
        record that expired counts as deleted when that is noticed, at the latest by this call.

        Args:
            after: a cursor of this collection's feed; None gives no changes, only where the feed
                stands now.
            wait_s: how long to wait for a change if there is none.
            limit: how many changes to give at most.

        Raises:
            NotFound: the feed does not reach back that far. The last 100,000 changes of a store are
                kept (see a backend's option `changes`; MongoDB keeps what its oplog holds).
            InvalidInput: `after` is no cursor of a feed.
            Unsupported: the backend has no `changes`.
        """
        self._need("changes")
        if limit < 1:
            raise InvalidInput("a feed gives at least one change", limit=limit)
        if not (wait_s >= 0 and math.isfinite(wait_s)):
            raise InvalidInput("a wait is a number of seconds", wait_s=str(wait_s))
        return self._driver.changes(_collection(collection), after, wait_s, limit)

    def count(self, collection: str, where: Where | None = None) -> int:
        return self._driver.count(_collection(collection), read(where))

    def collections(self) -> Iterator[str]:
        """Names of the collections that hold records, by their UTF-8 bytes.

        One whose records have all expired is named until that is noticed.
        """
        names = self._driver.collections("")
        return (name for name in names if not name.startswith(RESERVED))

    def ensure_index(self, collection: str, field: str | Path) -> None:
        """Make queries by a field quick where the backend can; changes no result."""
        self._driver.ensure_index(_collection(collection), path_of(field))

    def close(self) -> None:
        self._driver.close()

    def __enter__(self) -> Records:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _need(self, feature: str) -> None:
        if feature not in self._driver.features:
            raise Unsupported(f"this document store has no {feature}", feature=feature)

    def _find(
        self,
        collection: str,
        where: Where | None,
        order: OrderBy | None,
        after: Position | None,
        limit: int | None,
    ) -> Iterator[tuple[str, Record]]:
        if limit is not None and limit < 0:
            raise InvalidInput("a limit is 0 or more", limit=limit)
        return self._driver.find(
            _collection(collection), read(where), order_of(order), after, limit
        )


def _collection(name: str) -> str:
    if name.startswith(RESERVED):
        raise InvalidInput("a collection's name does not start with U+0001", name=ascii(name)[:40])
    return _name(name)


def _name(name: str) -> str:
    try:
        size = len(name.encode())
    except UnicodeEncodeError as exc:
        raise InvalidInput("a name is valid Unicode", name=ascii(name)[:40]) from exc
    if not 0 < size <= MAX_NAME_BYTES or "\0" in name:
        raise InvalidInput("collections and ids are 1 to 512 bytes without NUL", name=name[:40])
    return name


def _names(names: Sequence[str]) -> Sequence[str]:
    """As `_name`, of many; almost always they are good, and that is seen of all at once."""
    together = "".join(names)
    plain = together.isascii() and "\0" not in together
    sizes = set(map(len, names)) or {1}
    if plain and min(sizes) > 0 and max(sizes) <= MAX_NAME_BYTES:
        return names
    return [_name(name) for name in names]


def _time(ttl_s: float | None) -> float | None:
    if ttl_s is not None and not (ttl_s > 0 and math.isfinite(ttl_s)):
        raise InvalidInput("a time to live is a positive number of seconds", ttl_s=str(ttl_s))
    return ttl_s


def _write(record: Mapping[str, Any]) -> str:
    whole = dict(record)
    check(whole)
    text = _encode(whole)
    if len(text) > MAX_RECORD_BYTES // 4 and len(text.encode()) > MAX_RECORD_BYTES:
        raise LimitExceeded("record too large", size_bytes=len(text.encode()))
    return text


@lru_cache(maxsize=10_000)
def _short(text: str) -> str:
    """A record that is JSON text already, checked; short ones are often the same from batch to batch."""
    return _write(parse(text))


def _position(after: str) -> Position:
    try:
        kind, value, ident = json.loads(base64.urlsafe_b64decode(after.encode()))
        wanted: tuple[type, ...] = {2: (int, float), 3: (str,)}.get(kind, (int, bool))
        if not isinstance(ident, str) or not isinstance(value, wanted) or kind not in range(5):
            raise InvalidInput("this cursor is not from a page", after=after[:80])
    except (ValueError, TypeError) as exc:
        raise InvalidInput("this cursor is not from a page", after=after[:80]) from exc
    return (kind, value), ident
