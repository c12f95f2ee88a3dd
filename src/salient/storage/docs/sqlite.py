"""One SQLite file, or memory: JSON text by collection and id."""

from __future__ import annotations

import hashlib
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy.exc import DBAPIError

from salient import log
from salient.storage import sqlitefile, urls
from salient.storage.docs import Change, Chunk, Feed, Only, Path, RecordsDriver, Test
from salient.storage.docs.drivers import rows_for
from salient.storage.docs.feeds import KEPT_CHANGES, gone, pack, unpack

if TYPE_CHECKING:
    import pyarrow

_log = log.get(__name__)

_MOST = 500  # values of one condition, ids of one read
_SWEEP_EVERY = 500  # writes
_TOGETHER = 16  # rows are written by one statement, if there are as many
_TOGETHER_LONGEST = (
    4096  # and their records no longer than this in the mean: it makes copies of them
)
_TOGETHER_MOST = 20_000
_TOLD_TOGETHER = 1000  # ids of one row of the feed
_SEVERAL = 2  # `deleted` of such a row
_WHAT = "records file"
# Names that JSON paths of every SQLite release read as they are. Others are compared in Python only.
_PLAIN = re.compile(r"[A-Za-z0-9_ -]+")

_REPLACES: dict[Only, str] = {
    "any": "true",
    "absent": "false",
    "greater": "excluded.body > record.body",
}

_SCHEMA = (
    "create table if not exists record (collection text not null, id text not null,"
    " body text not null, t real, primary key (collection, id))",
    "create index if not exists record_t on record (t) where t is not null",
    # Writers take turns, so that numbers rise in the order of commits. `deleted` is 0 or 1, or `_SEVERAL`: then `id` is a
    # JSON list of what was put together, and `number` that of the last of them.
    "create table if not exists change (number integer primary key autoincrement,"
    " collection text not null, id text not null, deleted integer not null)",
    # Earlier releases had it. Who follows a feed looks at what came since, whatever the collection; writers paid for it.
    "drop index if exists change_by_collection",
    "create table if not exists feed (name text not null)",
    # Earlier releases had these two. `put` tells of what it wrote itself: that a trigger runs for each row, were it to do
    # nothing, costs a third of the writing.
    "drop trigger if exists record_insert",
    "drop trigger if exists record_update",
    "create trigger if not exists record_delete after delete on record begin"
    " insert into change(collection, id, deleted) values(old.collection, old.id, 1); end",
)


class Driver(RecordsDriver):
    """`sqlite:/path/records.db`; `?changes=` is how many changes are kept.

    Time is this machine's: who opens a file is on it.
    """

    def __init__(self, rest: str, clock: Callable[[], float] = time.time) -> None:
        path, options = urls.file(rest, _WHAT)
        self._kept = options.count("changes", KEPT_CHANGES, least=1)
        options.done()
        self._clock = clock
        self._lock = threading.Lock()
        self._writes = 0
        self._path = None if path in ("", ":memory:") else path
        self._db = sqlitefile.connect(self._path or ":memory:")
        with self._writing():
            for statement in _SCHEMA:
                self._db.execute(statement)
            named = "insert into feed select ? where not exists (select 1 from feed)"
            self._db.execute(named, (secrets.token_hex(8),))
        self._feed = str(self._all("select name from feed")[0][0])

    def read(self, collection: str, idents: Sequence[str]) -> dict[str, tuple[str, float | None]]:
        found: dict[str, tuple[str, float | None]] = {}
        now = self._clock()
        for start in range(0, len(idents), _MOST):
            some = idents[start : start + _MOST]
            rows = self._all(
                f"select id, body, t-? from record where collection=? and (t is null or t>?)"  # noqa: S608 # only placeholders
                f" and id in ({_marks(some)})",
                now, collection, now, *some,
            )  # fmt: skip
            found |= {ident: (body, left_s) for ident, body, left_s in rows}
        return found

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
        only_if: Only = "any",
    ) -> int:
        now = self._clock()
        expires_at = None if ttl_s is None else now + ttl_s
        replaces = (
            " on conflict(collection, id) do update set body=excluded.body, t=excluded.t"
            f" where {_REPLACES[only_if]} or record.t<=?"
        )
        bodies = dict(rows)
        size = sum(map(len, bodies.values()))
        written: list[str] = []
        with self._writing():
            if len(rows) < _TOGETHER or size > _TOGETHER_LONGEST * len(rows):
                sql = f"insert into record values(?,?,?,?){replaces}"
                for ident, body in rows:
                    if self._db.execute(sql, (collection, ident, body, expires_at, now)).rowcount:
                        written.append(ident)
            else:
                # One statement for all: a statement for each costs four times as much.
                # "where true" since SQLite would take "on" for that of a join.
                sql = f"insert into record select ?, key, value, ? from json_each(?) where true{replaces}"  # noqa: S608 # only placeholders
                if only_if == "any":
                    written = list(bodies)  # without fetching what is known
                else:
                    sql += " returning id"
                for part in _objects(bodies):
                    found = self._db.execute(sql, (collection, expires_at, part, now)).fetchall()
                    written += [ident for (ident,) in found]
            self._put_told(collection, written)
            self._written(len(rows), now)
        return len(written)

    def delete(self, collection: str, idents: Sequence[str]) -> int:
        now = self._clock()
        sql = "delete from record where collection=? and id=? and (t is null or t>?)"
        with self._writing():
            removed = self._db.executemany(sql, ((collection, i, now) for i in idents)).rowcount
            self._written(len(idents), now)
        return removed

    def chunks(self, collection: str, tests: Sequence[Test], after: str | None) -> Iterator[Chunk]:
        sql, values = _superset(tests)
        sign, start = (">=", "") if after is None else (">", after)
        limit = 64
        while True:
            rows = self._all(
                f"select id, body from record where collection=? and id{sign}?"  # noqa: S608 # only placeholders and plain paths
                f" and (t is null or t>?) {sql} order by id limit {limit}",
                collection, start, self._clock(), *values,
            )  # fmt: skip
            if not rows:
                return
            ids, texts = zip(*rows, strict=True)
            yield ids, texts
            if len(rows) < limit:
                return
            sign, start = ">", ids[-1]
            limit = rows_for(sum(map(len, texts)), limit, self.chunk_rows)

    def collections(self, after: str) -> Iterator[str]:
        # One look into the index for each, however many records they have.
        next_one = "select min(collection) from record where collection>?"
        while (name := self._all(next_one, after)[0][0]) is not None:
            yield name
            after = name

    def size(self, collection: str) -> int:
        rows = self._all(
            "select count(*) from record where collection=? and (t is null or t>?)",
            collection, self._clock(),
        )  # fmt: skip
        return int(rows[0][0])

    def batches(
        self, collection: str, tests: Sequence[Test], rows: int, after: str | None = None
    ) -> Iterator[pyarrow.RecordBatch]:
        if tests or self._path is None:
            yield from super().batches(collection, tests, rows, after)
            return
        self._all("select 1")  # raises here if it is closed
        for found in self._columns(collection, rows, after or ""):
            yield found
            after = found.column(0)[-1].as_py()
        # Usually nothing, but all where records are so big that columns of them cannot be made.
        yield from super().batches(collection, tests, rows, after)

    def ensure_index(self, collection: str, path: Path) -> None:
        del collection  # one index serves all
        field = _json_path(path)
        if field is not None:
            name = "record_by_" + hashlib.sha256(field.encode()).hexdigest()[:16]
            self._all(
                f"create index if not exists {name}"
                f" on record (collection, json_extract(body, '{field}'), id)"
            )

    def changes(self, collection: str, after: str | None, wait_s: float, limit: int) -> Feed:
        number = -1
        if after is not None:
            feed, given = unpack(after, str, int)
            if feed != self._feed:
                raise gone(after)
            number = int(given)
        give_up_at = time.monotonic() + wait_s
        pause_s = 0.005
        while True:
            found = self._changes(collection, number, after, limit)
            left_s = give_up_at - time.monotonic()
            if after is None or found.items or left_s <= 0:
                return found
            time.sleep(min(left_s, pause_s))
            pause_s = min(0.1, pause_s * 1.5)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _changes(self, collection: str, number: int, after: str | None, limit: int) -> Feed:
        if self._all("select 1 from record where t<=? limit 1", self._clock()):
            with self._writing():
                self._db.execute("delete from record where t<=?", (self._clock(),))
        # What commits between the two statements has a higher number than `top`.
        rows = self._all(
            "select (select seq from sqlite_sequence where name='change'),"
            " (select number - case deleted when 2 then json_array_length(id) - 1 else 0 end from change order by number limit 1)"
        )
        top, lowest = rows[0][0] or 0, rows[0][1] or 0
        if after is None:
            return Feed((), pack(self._feed, top))
        if number > top or number < lowest - 1:
            raise gone(after)
        items: list[Change] = []
        sql = "select number, id, deleted from change where collection=? and number>? and number<=? order by number"
        with self._lock, sqlitefile.translated(_WHAT):
            for last, told, deleted in self._db.execute(sql, (collection, number, top)):
                ids = msgspec.json.decode(told) if deleted == _SEVERAL else [told]
                kind: Literal["put", "deleted"] = "deleted" if deleted == 1 else "put"
                first = last - len(ids) + 1
                start = max(0, number + 1 - first)  # the earlier ones were given before
                some = ids[start : start + limit - len(items)]
                items += [
                    Change(pack(self._feed, at), ident, kind)
                    for at, ident in enumerate(some, first + start)
                ]
                if len(items) == limit:
                    break
        cursor = items[-1].cursor if len(items) == limit else pack(self._feed, top)
        return Feed(tuple(items), cursor)

    def _columns(self, collection: str, rows: int, after: str) -> Iterator[pyarrow.RecordBatch]:
        """By compiled code on a connection of its own, which is more than twice as quick.

        It is one of the SQLite that this process has already: a second copy of the library, as other
        makers of columns bring, would drop this one's locks on the file when it closes it.
        """
        from salient.storage.docs import columns
        from salient.storage.sql import bulk, bulk_sqlite

        sql = (
            "select id, body from record where collection=? and id>? and (t is null or t>?)"
            " order by id"
        )
        with closing(sqlitefile.connect(self._path or "")) as db:
            way = bulk_sqlite.handle(db)
            if way is None:
                return
            try:
                with closing(
                    bulk_sqlite.Steps(way, sql, (collection, after, self._clock()))
                ) as steps:
                    while steps.read(min(rows, 8192)):
                        yield columns.same(bulk.record_batch(steps.names, steps.columns.take()))
            except DBAPIError as exc:
                # Who called reads on in the plain way, which says what is wrong if it is still so.
                _log.info("records.columns_failed", error=str(exc)[:200])

    def _put_told(self, collection: str, idents: Sequence[str]) -> None:
        """Tell the feed what was put: of several, in one row for a thousand, which costs next to nothing."""
        together = min(_TOLD_TOGETHER, self._kept)
        sql = "insert into change select coalesce((select seq from sqlite_sequence where name='change'), 0) + ?, ?, ?, ?"
        for start in range(0, len(idents), together):
            some = idents[start : start + together]
            told = some[0] if len(some) == 1 else msgspec.json.encode(some).decode()
            kind = 0 if len(some) == 1 else _SEVERAL
            self._db.execute(sql, (len(some), collection, told, kind))

    def _written(self, rows: int, now: float) -> None:
        self._writes += rows
        if self._writes >= _SWEEP_EVERY:
            self._writes = 0
            self._db.execute("delete from record where t<=?", (now,))
            prune = "delete from change where number <= (select max(number) from change) - ?"
            self._db.execute(prune, (self._kept,))

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """A transaction: all of the block or nothing."""
        with self._lock, sqlitefile.translated(_WHAT):
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                raise

    def _all(self, sql: str, *args: object) -> list[Any]:
        with self._lock, sqlitefile.translated(_WHAT):
            return self._db.execute(sql, args).fetchall()


def _objects(bodies: dict[str, str]) -> Iterator[str]:
    """JSON objects of ids and records, which json_each takes apart again."""
    if len(bodies) <= _TOGETHER_MOST:
        yield msgspec.json.encode(bodies).decode()
        return
    rows = list(bodies.items())
    for start in range(0, len(rows), _TOGETHER_MOST):
        yield from _objects(dict(rows[start : start + _TOGETHER_MOST]))


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" * len(values))


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
        if field is None or test.op not in ("=", "in") or not 0 < len(wanted) <= _MOST:
            continue
        if all(type(v) in (str, int) and "\0" not in str(v) for v in wanted):
            parts.append(f"and json_extract(body, '{field}') in ({_marks(wanted)})")
            values += wanted
    return " ".join(parts), values
