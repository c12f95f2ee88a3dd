"""PostgreSQL, through psycopg. Readers see snapshots, writers of one schema take turns."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Mapping, Sequence
from hashlib import blake2b
from typing import Any, TypeVar

import psycopg
import psycopg.rows
import sqlalchemy
from psycopg.adapt import Loader
from psycopg.client_cursor import ClientCursorMixin
from sqlalchemy import event
from sqlalchemy import exc as sa_exc
from sqlalchemy.sql.elements import TextClause

from salient.errors import (
    Conflict,
    Corrupt,
    Error,
    InvalidInput,
    LimitExceeded,
    Misconfigured,
    TimedOut,
    Unavailable,
)
from salient.storage.retrying import Retry
from salient.storage.sql import TablesDriver, addresses, bulk, bulk_postgresql
from salient.storage.sql.bulk import Source

RV = TypeVar("RV")

_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SSL = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_INSERT = re.compile(
    r"(\s*INSERT\s.+?\sVALUES\s*)(\([^()]*(?:\([^()]*\)[^()]*)*\))\s*", re.I | re.S
)
_BATCH = 500  # rows sent together
_GRACE_S = 2.0  # the server's own time-outs come first

# What the server says when it does not let us in, where there is no SQLSTATE to go by.
_NOT_LET_IN = re.compile(
    r"authentication failed|no password supplied|no pg_hba.conf entry|role \".*\" does not exist"
    r"|not permitted to log in|invalid (?:sslmode|connection option|port)|does not support SSL"
    r"|certificate"
)
_NO_DATABASE = re.compile(r"database \".*\" does not exist")


class Driver(TablesDriver):
    """`postgresql://user:password@host:5432/database?schema=name`.

    Options: `schema` (made by the first migration; default: the server's search path), `timeout_s`
    (10; to connect, to wait for other writers, for a free connection), `statement_timeout_s` (six
    times that; one statement), `connections` (64 at most), `sslmode` and `sslrootcert` as libpq has
    them. Tenants, replicas and poolers of connections see plain SQL: no prepared statements.
    """

    retry = Retry()

    def __init__(self, rest: str) -> None:
        address, options = addresses.parse(rest, what="postgresql", port=5432)
        self.address = address
        self.schema = options.text("schema")
        if self.schema is not None and not _SCHEMA.fullmatch(self.schema):
            raise Misconfigured(
                "a schema is a lower-case letter, then letters, digits and _", given=self.schema
            )
        self._timeout_s = options.number("timeout_s", 10.0, least=0.1)
        self._statement_s = options.number("statement_timeout_s", 6 * self._timeout_s, least=0.1)
        most = options.count("connections", 64, least=2)
        ssl = {"sslmode": options.choice("sslmode", _SSL, "prefer")}
        if root := options.text("sslrootcert"):
            ssl["sslrootcert"] = root
        options.done()
        settings = {
            "statement_timeout": f"{self._statement_s * 1000:.0f}",
            "lock_timeout": f"{self._timeout_s * 1000:.0f}",
            "extra_float_digits": "1",
            "client_encoding": "UTF8",
            # A client that is gone without a word must not hold the writers' lock for hours.
            "tcp_keepalives_idle": "30",
            "tcp_keepalives_interval": "10",
            "tcp_keepalives_count": "3",
        }
        if self.schema:
            settings["search_path"] = self.schema
        self._arguments: dict[str, Any] = ssl | {
            "host": address.host,
            "port": address.port,
            "dbname": address.database,
            "user": address.user,
            "password": address.password,
            "connect_timeout": max(2, round(self._timeout_s)),
            "tcp_user_timeout": int((self._statement_s + _GRACE_S) * 1000),
            "application_name": "salient",
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            "autocommit": True,  # transactions are begun in our words, in one round trip
        }
        # One lock a schema; the server keeps those of its databases apart.
        digest = blake2b(f"salient\0{self.schema or 'public'}".encode(), digest_size=8).digest()
        lock = int.from_bytes(digest, "big", signed=True)
        self._begin_writing = (
            f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock({lock})"
        )
        self.engine = sqlalchemy.create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            poolclass=sqlalchemy.QueuePool,
            pool_size=min(8, most),
            max_overflow=most - min(8, most),
            pool_timeout=self._timeout_s,
            pool_use_lifo=True,
            use_native_hstore=False,
        )
        event.listen(self.engine, "begin", self._begin)

    def connect(self, *, write: bool) -> sqlalchemy.Connection:
        return self.engine.connect().execution_options(salient_write=write)

    def prepare(self, connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        _server(connection).patience_s = None
        if self.schema:
            found = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
            if connection.exec_driver_sql(found, (self.schema,)).first() is None:
                connection.exec_driver_sql(f"CREATE SCHEMA {self.schema}")
        from salient.storage.sql import scopes_postgresql

        scopes_postgresql.forget(connection)

    def source(
        self, connection: sqlalchemy.Connection, statement: TextClause, bound: Mapping[str, Any]
    ) -> Source:
        sql, values, _ = bulk.compiled(connection, statement, bound)
        server = _server(connection)
        return bulk_postgresql.Copy(server, bulk_postgresql.mogrified(server, sql, values))

    def fault(self, exc: sa_exc.DBAPIError) -> Error | None:
        return fault(exc.orig, f"Postgres at {self.address.place}", self.address)

    def close(self) -> None:
        self.engine.dispose()

    def _connect(self) -> _Connection:
        connection = _Connection.connect(**self._arguments)
        # SUM of integers is NUMERIC here; numbers are int or float, as on the other databases.
        connection.adapters.register_loader("numeric", _Number)
        return connection

    def _begin(self, connection: sqlalchemy.Connection) -> None:
        """Begin, and find out whether the connection still lives, in one round trip."""
        server = _server(connection)
        server.patience_s = self._timeout_s + _GRACE_S
        if connection.get_execution_options()["salient_write"]:
            connection.exec_driver_sql(self._begin_writing)
        else:
            # The snapshot is taken by the first query: make that now.
            connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1")
        server.patience_s = self._statement_s + _GRACE_S


class _Hung(psycopg.OperationalError):
    """The server took longer than its own time-outs allow."""


class _Number(Loader):
    def load(self, data: Any) -> int | float:
        text = bytes(data).decode("ascii")
        return int(text) if text.lstrip("-").isdigit() else float(text)


class _Cursor(psycopg.ClientCursor[Any]):
    """Parameters are put in by the client: NULL needs no type, lists no limit, poolers no state."""

    def executemany(self, query: Any, params_seq: Any, *, returning: bool = False) -> None:
        """Run it once for each in a few round trips; `rowcount` is the sum."""
        total, rows = 0, list(params_seq)
        insert = _INSERT.fullmatch(query)
        for first in range(0, len(rows), _BATCH):
            some = rows[first : first + _BATCH]
            if insert:
                # The head has no parameters: mogrified alone, its %% become what they stand for.
                head = self.mogrify(insert[1], {})
                sql = head + ", ".join(self.mogrify(insert[2], row) for row in some)
            else:
                sql = ";\n".join(self.mogrify(query, row) for row in some)
            self.execute(sql)
            total += max(0, self.rowcount)
            while self.nextset():
                total += max(0, self.rowcount)
        self._rowcount = total


class _ServerCursor(ClientCursorMixin["psycopg.Connection[Any]", Any], psycopg.ServerCursor[Any]):
    """The same for what is streamed."""


class _Connection(psycopg.Connection[Any]):
    """A connection that does not wait for ever for a server that hangs."""

    patience_s: float | None = None

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.cursor_factory = _Cursor
        self.server_cursor_factory = _ServerCursor

    def wait(self, gen: Generator[Any, Any, RV], *args: Any, **more: Any) -> RV:
        return super().wait(self._watched(gen), *args, **more)

    def _watched(self, gen: Generator[Any, Any, RV]) -> Generator[Any, Any, RV]:
        patience_s = self.patience_s
        give_up_at = None if patience_s is None else time.monotonic() + patience_s
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and give_up_at is not None and time.monotonic() > give_up_at:
                    self.close()
                    raise _Hung("the server did not answer in time")
                wanted = gen.send(ready)
        except StopIteration as done:
            value: RV = done.value
            return value


def _server(connection: sqlalchemy.Connection) -> _Connection:
    found: Any = connection.connection.driver_connection
    return found  # type: ignore[no-any-return]


def fault(
    exc: BaseException | None, what: str, address: addresses.Address | None = None
) -> Error | None:
    """What an exception of psycopg means to a caller; None if it is a bug of ours."""
    reason = str(exc).strip().partition("\n")[0]
    state = getattr(exc, "sqlstate", None)
    if state is None:
        return _without_state(exc, what, reason, address)
    context = {"server": what.rpartition(" ")[2], "sqlstate": state}
    for states, kind, words in _STATES:
        if state.startswith(states):
            return kind(f"{what} {words}: {reason}", context)
    return None


# SQLSTATE, or its first characters; the first that fits counts.
_STATES: Sequence[tuple[tuple[str, ...], type[Error], str]] = (
    (("55P03", "57014", "25P03", "25P04"), TimedOut, "took too long"),
    (("08", "57", "53", "40", "58030", "55006", "25P02"), Unavailable, "cannot be used now"),
    (("23",), Conflict, "refuses the row"),
    (("22001", "22003", "54"), LimitExceeded, "cannot take so large a value"),
    (("22021", "22P05"), InvalidInput, "cannot keep that text"),
    (("25006",), InvalidInput, "is open for reading only"),
    (("28", "3D", "3F", "42501"), Misconfigured, "does not let us"),
    (("XX001", "XX002", "58P01"), Corrupt, "cannot read its data"),
)


def _without_state(
    exc: BaseException | None, what: str, reason: str, address: addresses.Address | None
) -> Error | None:
    """Connecting failed, or the connection broke: the server's codes do not reach us."""
    context: Mapping[str, Any] = {"server": what.rpartition(" ")[2]}
    text = str(exc)
    if isinstance(exc, psycopg.errors.ConnectionTimeout | _Hung):
        return TimedOut(f"{what} did not answer in time", context)
    if not isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError):
        if isinstance(exc, psycopg.DataError) and "NUL" in text:
            return InvalidInput(f"{what} cannot keep that text: {reason}", context)
        return None
    if _NO_DATABASE.search(text) and address is not None:
        return Misconfigured(
            f'{what} has no such database: CREATE DATABASE "{address.database}"', context
        )
    if _NOT_LET_IN.search(text):
        return Misconfigured(f"{what} does not let us in: {reason}", context)
    return Unavailable(f"{what} cannot be reached: {reason}", context)
