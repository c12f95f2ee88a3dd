"""One SQLite file, or memory: JSON text by collection and id."""

from __future__ import annotations

import hashlib
import heapq
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from salient.storage import sqlitefile
from salient.storage.docs import Order, Path, Record, RecordsDriver, Test, at, matches, rank

_PAGE = 500
_SWEEP_EVERY = 500  # writes
_WHAT = "records file"
# Names that JSON paths of every SQLite release read as they are. Others are compared in Python only.
_PLAIN = re.compile(r"[A-Za-z0-9_ -]+")


class Driver(RecordsDriver):
    def __init__(self, path: str, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._writes = 0
        self._db = sqlitefile.connect(path or ":memory:")
        with sqlitefile.translated(_WHAT):
            self._db.execute(
                "create table if not exists record (collection text not null, id text not null,"
                " body text not null, t real, primary key (collection, id))"
            )
            self._db.execute(
                "create index if not exists record_t on record (t) where t is not null"
            )

    def get(self, collection: str, ident: str) -> str | None:
        rows = self._all(
            "select body from record where collection=? and id=? and (t is null or t>?)",
            collection, ident, self._clock(),
        )  # fmt: skip
        return rows[0][0] if rows else None

    def put(
        self,
        collection: str,
        rows: Sequence[tuple[str, str]],
        *,
        ttl_s: float | None,
        only_if_absent: bool,
    ) -> int:
        now = self._clock()
        expires_at = None if ttl_s is None else now + ttl_s
        sql = (
            "insert into record values(?,?,?,?) on conflict(collection, id)"
            " do update set body=excluded.body, t=excluded.t where ? or t<=?"
        )
        with self._lock, sqlitefile.translated(_WHAT):
            self._db.execute("begin immediate")
            try:
                before = self._db.total_changes
                self._db.executemany(
                    sql,
                    [
                        (collection, i, body, expires_at, not only_if_absent, now)
                        for i, body in rows
                    ],
                )
                written = self._db.total_changes - before
                self._writes += len(rows)
                if self._writes >= _SWEEP_EVERY:
                    self._writes = 0
                    self._db.execute("delete from record where t<=?", (now,))
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise
        return written

    def delete(self, collection: str, ident: str) -> bool:
        rows = self._all(
            "delete from record where collection=? and id=? and (t is null or t>?) returning 1",
            collection, ident, self._clock(),
        )  # fmt: skip
        return bool(rows)

    def find(
        self,
        collection: str,
        tests: Sequence[Test],
        order: Order | None,
        after: tuple[tuple[int, Any], str] | None,
        limit: int | None,
    ) -> Iterator[tuple[str, Record]]:
        self._all("select 1")  # raises here, not at the first item, if it is closed
        if order is None:
            start = None if after is None else after[1]
            return islice(self._scan(collection, tests, start), limit)
        return self._ordered(collection, tests, order, after, limit)

    def count(self, collection: str, tests: Sequence[Test]) -> int:
        if tests:
            return sum(1 for _ in self._scan(collection, tests, None))
        rows = self._all(
            "select count(*) from record where collection=? and (t is null or t>?)",
            collection, self._clock(),
        )  # fmt: skip
        return int(rows[0][0])

    def ensure_index(self, collection: str, path: Path) -> None:
        del collection  # one index serves all
        field = _json_path(path)
        if field is not None:
            name = "record_by_" + hashlib.sha256(field.encode()).hexdigest()[:16]
            self._all(
                f"create index if not exists {name}"
                f" on record (collection, json_extract(body, '{field}'), id)"
            )

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _scan(
        self, collection: str, tests: Sequence[Test], after: str | None
    ) -> Iterator[tuple[str, Record]]:
        """By id. SQL finds a superset, `matches` decides."""
        sql, values = _superset(tests)
        sign, start = (">=", "") if after is None else (">", after)
        while True:
            rows = self._all(
                f"select id, body from record where collection=? and id{sign}?"  # noqa: S608 # only placeholders and plain paths
                f" and (t is null or t>?) {sql} order by id limit {_PAGE}",
                collection, start, self._clock(), *values,
            )  # fmt: skip
            for ident, body in rows:
                record = json.loads(body)
                if matches(record, tests):
                    yield ident, record
            if len(rows) < _PAGE:
                return
            sign, start = ">", rows[-1][0]

    def _ordered(
        self,
        collection: str,
        tests: Sequence[Test],
        order: Order,
        after: tuple[tuple[int, Any], str] | None,
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
        places = sorted(keys) if limit is None else heapq.nsmallest(limit, keys)
        for place in places:
            body = self.get(collection, place.ident)
            record = None if body is None else json.loads(body)
            if record is not None and matches(record, tests):
                yield place.ident, record

    def _all(self, sql: str, *args: object) -> list[Any]:
        with self._lock, sqlitefile.translated(_WHAT):
            return self._db.execute(sql, args).fetchall()


class _Place:
    """Where a record stands in an order; ids rise also where ranks fall."""

    __slots__ = ("falling", "ident", "rank")

    def __init__(self, place: tuple[int, Any], ident: str, *, falling: bool) -> None:
        self.rank, self.ident, self.falling = place, ident, falling

    def __lt__(self, other: _Place) -> bool:
        if self.rank != other.rank:
            return (self.rank < other.rank) != self.falling
        return self.ident < other.ident


def _json_path(path: Path) -> str | None:
    if path and all(_PLAIN.fullmatch(name) for name in path):
        return "$" + "".join(f'."{name}"' for name in path)
    return None


def _superset(tests: Sequence[Test]) -> tuple[str, list[Any]]:
    """Conditions that an index may serve and that surely hold for whatever passes the tests.

    Only equality with text and whole numbers: SQLite reads some floats otherwise than Python.
    """
    parts: list[str] = []
    values: list[Any] = []
    for test in tests:
        field = _json_path(test.path)
        wanted = test.value if test.op == "in" else [test.value]
        if field is None or test.op not in ("=", "in") or not 0 < len(wanted) <= _PAGE:
            continue
        if all(type(v) in (str, int) and "\0" not in str(v) for v in wanted):
            marks = ",".join("?" * len(wanted))
            parts.append(f"and json_extract(body, '{field}') in ({marks})")
            values += wanted
    return " ".join(parts), values
