"""Document store: JSON records by collection and id, found by their fields."""

from __future__ import annotations

import base64
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import TracebackType
from typing import Any, Literal, TypeAlias, final

from salient.errors import InvalidInput, LimitExceeded
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

__all__ = [
    "MAX_NAME_BYTES", "MAX_RECORD_BYTES", "SCHEMES", "Order", "Page", "Path", "Record", "Records",
    "RecordsDriver", "Test", "at", "matches", "rank",
]  # fmt: skip

MAX_NAME_BYTES = 512  # of a collection or an id
MAX_RECORD_BYTES = 8 * 1024 * 1024

SCHEMES = {"memory": "salient.storage.docs.sqlite", "sqlite": "salient.storage.docs.sqlite"}

Record: TypeAlias = dict[str, Any]
Where: TypeAlias = Mapping[str | Path, Any]
OrderBy: TypeAlias = str | tuple[str | Path, Literal["rising", "falling"]]
Position: TypeAlias = tuple[Rank, str]


class RecordsDriver(ABC):
    """What a backend must do. Names, records and conditions are already checked by `Records`.

    Records come and go as JSON text, so that no backend changes a number or drops a field.
    """

    @abstractmethod
    def get(self, collection: str, ident: str) -> str | None: ...

    @abstractmethod
    def put(
        self,
        collection: str,
        rows: Sequence[tuple[str, str]],
        *,
        ttl_s: float | None,
        only_if_absent: bool,
    ) -> int:
        """Write (id, JSON) rows, all or none, ids not twice; return how many were written.

        With `only_if_absent`, rows whose id is taken are left as they are.
        """

    @abstractmethod
    def delete(self, collection: str, ident: str) -> bool: ...

    @abstractmethod
    def find(
        self,
        collection: str,
        tests: Sequence[Test],
        order: Order | None,
        after: Position | None,
        limit: int | None,
    ) -> Iterator[tuple[str, Record]]:
        """Records that pass, by order and then id, from just past `after`.

        The order of ids is that of their UTF-8 bytes; without `order`, ranks are (0, 0).
        """

    @abstractmethod
    def count(self, collection: str, tests: Sequence[Test]) -> int: ...

    @abstractmethod
    def ensure_index(self, collection: str, path: Path) -> None:
        """Make equality on the field quick, if the backend can."""

    @abstractmethod
    def close(self) -> None: ...


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
    - Threads may share an instance; other processes open their own.

    Raises from any method: InvalidInput (names, conditions), Unavailable (unreachable or closed).
    """

    def __init__(self, driver: RecordsDriver) -> None:
        self._driver = driver

    @classmethod
    def open(cls, url: str) -> Records:
        """Open the backend that `url`'s scheme names, e.g. `memory:` or `sqlite:/path/records.db`.

        Raises:
            Misconfigured: no backend has that scheme, or its driver is not installed.
        """
        module, rest = backends.find("document", SCHEMES, url)
        return cls(module.Driver(rest))

    def get(self, collection: str, ident: str) -> Record | None:
        text = self._driver.get(_name(collection), _name(ident))
        return None if text is None else _read(text)

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
            _name(collection), rows, ttl_s=_time(ttl_s), only_if_absent=only_if_absent
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
        """
        rows = {_name(ident): _write(record) for ident, record in records}
        return self._driver.put(
            _name(collection), list(rows.items()), ttl_s=_time(ttl_s), only_if_absent=False
        )

    def delete(self, collection: str, ident: str) -> bool:
        """Remove a record; return whether it was there."""
        return self._driver.delete(_name(collection), _name(ident))

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

    def count(self, collection: str, where: Where | None = None) -> int:
        return self._driver.count(_name(collection), read(where))

    def ensure_index(self, collection: str, field: str | Path) -> None:
        """Make queries by a field quick where the backend can; changes no result."""
        self._driver.ensure_index(_name(collection), path_of(field))

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
        return self._driver.find(_name(collection), read(where), order_of(order), after, limit)


def _name(name: str) -> str:
    try:
        size = len(name.encode())
    except UnicodeEncodeError as exc:
        raise InvalidInput("a name is valid Unicode", name=ascii(name)[:40]) from exc
    if not 0 < size <= MAX_NAME_BYTES or "\0" in name:
        raise InvalidInput("collections and ids are 1 to 512 bytes without NUL", name=name[:40])
    return name


def _time(ttl_s: float | None) -> float | None:
    if ttl_s is not None and not (ttl_s > 0 and math.isfinite(ttl_s)):
        raise InvalidInput("a time to live is a positive number of seconds", ttl_s=str(ttl_s))
    return ttl_s


def _write(record: Mapping[str, Any]) -> str:
    whole = dict(record)
    check(whole)
    text = json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if len(text) > MAX_RECORD_BYTES // 4 and len(text.encode()) > MAX_RECORD_BYTES:
        raise LimitExceeded("record too large", size_bytes=len(text.encode()))
    return text


def _read(text: str) -> Record:
    record: Record = json.loads(text)
    return record


def _position(after: str) -> Position:
    try:
        kind, value, ident = json.loads(base64.urlsafe_b64decode(after.encode()))
        wanted: tuple[type, ...] = {2: (int, float), 3: (str,)}.get(kind, (int, bool))
        if not isinstance(ident, str) or not isinstance(value, wanted) or kind not in range(5):
            raise InvalidInput("this cursor is not from a page", after=after[:80])
    except (ValueError, TypeError) as exc:
        raise InvalidInput("this cursor is not from a page", after=after[:80]) from exc
    return (kind, value), ident
