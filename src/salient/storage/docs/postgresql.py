"""PostgreSQL 13 or later: records as text, and as JSONB beside it for indexes and for other people's SQL.

What is kept, in a schema of its own: `record` (collection, id, body, doc, t), `change`, and `feed`.
`doc` is what `body` says, but that JSONB has no NUL in text; numbers are taken from `body`.

The change feed is read in the order of transaction ids, up to the oldest transaction that still
runs, so that none is passed over; a transaction takes the locks of its records before it gets its
id, so that the changes of one record have the order in which they were made. A long transaction of
others, in any database of the server, holds the feed up; it loses nothing.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg.rows import TupleRow

from salient import log
from salient.errors import LimitExceeded, Misconfigured, Unavailable
from salient.storage import urls
from salient.storage.docs import Change, Chunk, Feed, Only, Path, RecordsDriver, Test
from salient.storage.docs.drivers import rows_for
from salient.storage.docs.feeds import KEPT_CHANGES, gone, pack, unpack
from salient.storage.docs.postgresqlpool import Pool
from salient.storage.retrying import Retry

T = TypeVar("T")

_log = log.get(__name__)

_MOST = 500  # values of one condition
_STATEMENT_ROWS, _STATEMENT_BYTES = 1000, 16 * 1024 * 1024
_SWEEP_EVERY = 500  # writes
_LONGEST_S = 100 * 365.25 * 86400  # a longer time to live is this: dates of the server end
_EXACT = 2**53  # below it, whole numbers and floats that are equal have the same digits
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_SCHEMA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,40}")
_JOINT = ",\n"  # not within JSON that has no line breaks

_TABLES = """
create table {s}.record (
    collection text collate "C" not null, id text collate "C" not null,
    body text not null, doc jsonb not null, t timestamptz,
    primary key (collection, id));
create index record_t on {s}.record (t) where t is not null;
create table {s}.change (
    xid xid8 not null default pg_current_xact_id(),
    seq bigint generated always as identity primary key,
    collection text collate "C" not null, id text not null, deleted boolean not null);
create index change_by_collection on {s}.change (collection, xid, seq);
create table {s}.feed (name text not null, floor xid8 not null);
"""

_REPLACES: dict[Only, str] = {
    "any": "true",
    "absent": "false",
    "greater": 'excluded.body collate "C" > record.body collate "C"',
}
_ALIVE = "(t is null or t > statement_timestamp())"


class Driver(RecordsDriver):
    """`postgresql://user:password@host:5432/database?schema=salient&timeout_s=10&connections=16`.

    `changes` is how many changes are kept; `sslmode` and `sslrootcert` are as PostgreSQL has them.
    """

    chunk_rows = 2048

    def __init__(self, rest: str) -> None:
        place, options = urls.split(rest, "PostgreSQL document store")
        timeout_s = options.number("timeout_s", 10.0, least=0.1)
        size = options.count("connections", 16, least=2)
        schema = options.text("schema", "salient") or ""
        self._kept = options.count("changes", KEPT_CHANGES, least=1)
        ssl = {name: options.text(name) for name in ("sslmode", "sslrootcert")}
        options.done()
        if not _SCHEMA_NAME.fullmatch(schema):
            raise Misconfigured("a schema's name has up to 41 letters, digits and _", given=schema)
        self._schema = f'"{schema}"'
        self._channel = f"salient_{schema}"
        self._writes = 0
        self._retry = Retry(within_s=timeout_s)
        self._pool = Pool("postgresql:" + place, size=size, timeout_s=timeout_s, **ssl)
        try:
            with self._pool.connection(opening=True) as db, db.transaction():
                self._feed = self._prepare(db)
        except BaseException:
            self._pool.close()
            raise

    def read(self, collection: str, idents: Sequence[str]) -> dict[str, tuple[str, float | None]]:
        rows = self._rows(
            "select id, body, extract(epoch from t - statement_timestamp())::float8"
            " from {s}.record where collection = %s and id = any(%s) and {alive}",
            collection, list(idents),
        )  # fmt: skip
        return {ident: (body, left_s) for ident, body, left_s in rows}

    def put(
        self,
        collection: str,
        rows: Sequence[tuple[str, str]],
        *,
        ttl_s: float | None,
        only_if: Only = "any",
    ) -> int:
        sql = self._sql(
            "with w as (insert into {s}.record (collection, id, body, doc, t)"
            " select %s, i, b, coalesce(d, b)::jsonb, clock_timestamp() + make_interval(secs => %s)"
            " from unnest(%s::text[], %s::text[], %s::text[]) as given(i, b, d)"
            " on conflict (collection, id) do update"
            " set body = excluded.body, doc = excluded.doc, t = excluded.t"
            " where {c} or record.t <= clock_timestamp() returning id), "
        ).replace("{c}", _REPLACES[only_if])
        left_s = None if ttl_s is None else min(ttl_s, _LONGEST_S)
        calls = []
        for some in _portions(rows):
            ids, bodies = (list(column) for column in zip(*some, strict=True))
            docs = [_NUL.sub(r"\1", b) if "\\u0000" in b else None for b in bodies]
            calls.append((collection, left_s, ids, bodies, docs))
        return self._write(collection, [ident for ident, _ in rows], sql, calls, deleted=False)

    def delete(self, collection: str, idents: Sequence[str]) -> int:
        sql = self._sql(
            "with w as (delete from {s}.record where collection = %s and id = any(%s)"
            " and (t is null or t > clock_timestamp()) returning id), "
        )
        return self._write(collection, idents, sql, [(collection, list(idents))], deleted=True)

    def chunks(self, collection: str, tests: Sequence[Test], after: str | None) -> Iterator[Chunk]:
        # The server joins a chunk's texts: one big value is several times quicker to receive.
        condition, values = _superset(tests)
        sql = (
            "select array_agg(id), string_agg(body, E',\\n') from (select id, body"
            " from {s}.record where collection = %s and id > %s and {alive} {where}"
            " order by id limit %s) as found"
        ).replace("{where}", condition)
        limit, last = 64, after or ""
        while True:
            try:
                ids, text = self._rows(sql, collection, last, *values, limit)[0]
            except LimitExceeded:
                if limit == 1:
                    raise
                limit = max(1, limit // 32)  # together they are over a server's largest value
                continue
            if ids is None:
                return
            yield ids, text.split(_JOINT)
            if len(ids) < limit:
                return
            last, limit = ids[-1], rows_for(len(text), limit, self.chunk_rows)

    def collections(self, after: str) -> Iterator[str]:
        # One look into the index for each, however many records they have.
        next_one = "select min(collection) from {s}.record where collection > %s"
        while (name := self._rows(next_one, after)[0][0]) is not None:
            yield name
            after = name

    def size(self, collection: str) -> int:
        sql = "select count(*) from {s}.record where collection = %s and {alive}"
        return int(self._rows(sql, collection)[0][0])

    def ensure_index(self, collection: str, path: Path) -> None:
        del collection  # one index serves all
        field = _field(path)
        if field is None:
            return
        name = "record_by_" + hashlib.sha256(field.encode()).hexdigest()[:16]
        with self._pool.connection() as db, db.transaction():
            db.execute("set local statement_timeout = 0")
            db.execute("select pg_advisory_xact_lock(%s)", (_key(self._schema, name),))
            create = self._sql("create index if not exists {n} on {s}.record (collection, {f}, id)")
            with db.patiently():
                db.execute(create.replace("{n}", name).replace("{f}", field))

    def changes(self, collection: str, after: str | None, wait_s: float, limit: int) -> Feed:
        give_up_at = time.monotonic() + wait_s
        xid = seq = 0
        if after is not None:
            name, given, number = unpack(after, str, int, int)
            if name != self._feed:
                raise gone(after)
            xid, seq = int(given), int(number)
        self._sweep(collection)
        found = self._retry(lambda: self._changes(None, collection, (xid, seq), after, limit))
        if after is None or found.items or wait_s == 0:
            return found
        with self._pool.connection(once=True) as db:
            db.execute(f'listen "{self._channel}"')
            while True:
                # Writers notify only if this lock is held: notices make commits wait in line.
                db.execute("select pg_try_advisory_lock(%s)", (_key(self._schema, "listening"),))
                found = self._changes(db, collection, (xid, seq), after, limit)
                left_s = give_up_at - time.monotonic()
                if found.items or left_s <= 0:
                    return found
                for _ in db.notifies(timeout=min(left_s, 0.25), stop_after=1):
                    break
                self._sweep(collection)

    def close(self) -> None:
        self._pool.close()

    # --- writing

    def _write(
        self,
        collection: str,
        idents: Sequence[str],
        sql: str,
        calls: Sequence[tuple[object, ...]],
        *,
        deleted: bool,
    ) -> int:
        """Run statements that return ids `w` in one transaction, with their changes."""
        sql += self._sql(
            "c as (insert into {s}.change (collection, id, deleted) select %s, id, %s from w)"
            " select count(*) from w"
        )
        lock, keys = self._locks(collection, idents)
        tell = (
            "select case when not pg_try_advisory_xact_lock_shared(%s) then pg_notify(%s, '') end"
        )
        self._writes += len(idents)
        full = self._writes >= _SWEEP_EVERY

        def run() -> int:
            with self._pool.connection() as db:
                with db.pipeline(), db.transaction():
                    db.execute(lock, keys)
                    cursors = [db.execute(sql, (*call, collection, deleted)) for call in calls]
                    if full:
                        db.execute(self._sql(_PRUNE), (self._kept,))
                    db.execute(tell, (_key(self._schema, "listening"), self._channel))
                return sum(int(_first(cursor)) for cursor in cursors)

        written = self._pool.undisturbed(run)
        if full:
            self._writes = 0
            try:
                self._sweep(None)
            except Unavailable as exc:
                _log.info("records.sweep_failed", error=str(exc))  # the write itself is done
        return written

    def _locks(self, collection: str, idents: Sequence[str]) -> tuple[str, tuple[int, ...]]:
        """One record is locked by itself, several by their collection."""
        whole = _key(self._schema, collection)
        if len(idents) > 1:
            return "select pg_advisory_xact_lock(%s)", (whole,)
        one = _key(self._schema, collection, *idents)
        return "select pg_advisory_xact_lock_shared(%s), pg_advisory_xact_lock(%s)", (whole, one)

    def _sweep(self, collection: str | None) -> None:
        """Remove what has expired."""
        sql = (
            "select collection, array_agg(id) from (select collection, id from {s}.record"
            " where t <= statement_timestamp() and (%s::text is null or collection = %s) limit 5000)"
            " as expired group by collection"
        )
        remove = self._sql(
            "with w as (delete from {s}.record where collection = %s and id = any(%s)"
            " and t <= clock_timestamp() returning id), "
        )
        for found, ids in self._rows(sql, collection, collection):
            # As if they were several: their ids were found before the lock was taken.
            self._write(found, [*ids, ""], remove, [(found, ids)], deleted=True)

    # --- reading

    def _changes(
        self,
        db: psycopg.Connection[TupleRow] | None,
        collection: str,
        at: tuple[int, int],
        after: str | None,
        limit: int,
    ) -> Feed:
        sql = self._sql(
            "with s as (select pg_snapshot_xmin(pg_current_snapshot()) as x)"
            " select s.x::text::bigint, f.floor::text::bigint, c.xid::text::bigint, c.seq, c.id,"
            " c.deleted from s cross join {s}.feed f left join lateral (select * from {s}.change"
            " where collection = %s and (xid, seq) > (%s::text::xid8, %s) and xid < s.x"
            " order by xid, seq limit %s) c on true order by c.xid, c.seq"
        )
        arguments = (collection, str(at[0]), at[1], 0 if after is None else limit)
        if db is None:
            with self._pool.connection() as db:
                rows = db.execute(sql, arguments, binary=True).fetchall()
        else:
            rows = db.execute(sql, arguments, binary=True).fetchall()
        top, floor = rows[0][:2]
        if after is not None and not floor < at[0] <= top:
            raise gone(after)
        items = tuple(
            Change(pack(self._feed, xid, seq), ident, "deleted" if deleted else "put")
            for _, _, xid, seq, ident, deleted in rows
            if seq is not None
        )
        return Feed(items, items[-1].cursor if len(items) == limit else pack(self._feed, top, 0))

    def _rows(self, sql: str, *arguments: object) -> list[TupleRow]:
        def run() -> list[TupleRow]:
            with self._pool.connection() as db:
                return db.execute(self._sql(sql), arguments, binary=True).fetchall()

        return self._retry(run)

    def _sql(self, text: str) -> str:
        return text.replace("{s}", self._schema).replace("{alive}", _ALIVE)

    def _prepare(self, db: psycopg.Connection[TupleRow]) -> str:
        """Make the tables if they are not there; the name of the feed."""
        db.execute("select pg_advisory_xact_lock(%s)", (_key(self._schema),))
        there = db.execute("select to_regclass(%s)", (f"{self._schema}.feed",)).fetchone()
        if there is None or there[0] is None:
            db.execute(f"create schema if not exists {self._schema}")
            for statement in self._sql(_TABLES).split(";"):
                if statement.strip():
                    db.execute(statement)
            named = self._sql("insert into {s}.feed values (%s, '0')")
            db.execute(named, (secrets.token_hex(8),))
        row = db.execute(self._sql("select name from {s}.feed")).fetchone()
        if row is None:
            raise Misconfigured("the schema holds no document store", schema=self._schema)
        return str(row[0])


_PRUNE = (
    "with d as (delete from {s}.change where seq <= (select max(seq) from {s}.change) - %s"
    " returning xid) update {s}.feed set floor = greatest(floor, d.xid)"
    " from (select xid from d order by xid desc limit 1) as d"
)


def _first(cursor: psycopg.Cursor[TupleRow]) -> Any:
    row = cursor.fetchone()
    return None if row is None else row[0]


def _key(*parts: str) -> int:
    """The number of an advisory lock."""
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _portions(rows: Sequence[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    some: list[tuple[str, str]] = []
    size = 0
    for row in rows:
        if some and (len(some) >= _STATEMENT_ROWS or size + len(row[1]) > _STATEMENT_BYTES):
            yield some
            some, size = [], 0
        some.append(row)
        size += len(row[1])
    if some:
        yield some


def _field(path: Path) -> str | None:
    """SQL of a field's hash, which is alike for equal values, however long they are."""
    if not path or not all(name.isprintable() for name in path):
        return None
    names = ",".join('"' + n.replace("\\", "\\\\").replace('"', '\\"') + '"' for n in path)
    literal = "'{" + names.replace("'", "''") + "}'"
    return f"jsonb_hash_extended(doc #> {literal}::text[], 0)"


def _superset(tests: Sequence[Test]) -> tuple[str, list[str]]:
    """Conditions that an index may serve and that surely hold for whatever passes the tests."""
    parts: list[str] = []
    values: list[str] = []
    for test in tests:
        field = _field(test.path)
        wanted = test.value if test.op == "in" else [test.value]
        if field is None or test.op not in ("=", "in") or not 0 < len(wanted) <= _MOST:
            continue
        if all(map(_hashable, wanted)):
            marks = ", ".join(["jsonb_hash_extended(%s::jsonb, 0)"] * len(wanted))
            parts.append(f" and {field.replace('%', '%%')} in ({marks})")
            values += [json.dumps(value) for value in wanted]
    return "".join(parts), values


def _hashable(value: object) -> bool:
    if type(value) is int:
        return -_EXACT < value < _EXACT
    return isinstance(value, str) and "\0" not in value and value.isprintable()
