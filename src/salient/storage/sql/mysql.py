"""MySQL and MariaDB, through PyMySQL. Readers see snapshots, writers of one database take turns."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import pymysql
import sqlalchemy
from pymysql.constants import CLIENT, FIELD_TYPE, SERVER_STATUS
from pymysql.converters import conversions
from pymysql.cursors import Cursor, SSCursor
from sqlalchemy import event
from sqlalchemy import exc as sa_exc
from sqlalchemy.pool import ConnectionPoolEntry
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
from salient.storage.sql import TablesDriver, addresses, bulk, columns
from salient.storage.sql.bulk import Source

_GRACE_S = 2.0  # the server's own time-outs come first
_HELD = "salient_lock"

# Standard SQL: "names" in double quotes, no escapes in literals, || joins, no silent cutting off.
_MODE = (
    "ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES,ONLY_FULL_GROUP_BY,"
    "NO_ENGINE_SUBSTITUTION"
)


def _number(text: Any) -> int | float:
    """A DECIMAL, which SUM of integers is here: numbers are int or float, as elsewhere."""
    return int(text) if str(text).lstrip("-").isdigit() else float(text)


_KINDS = {
    **dict.fromkeys((FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24), columns.INT),
    **dict.fromkeys((FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG, FIELD_TYPE.YEAR), columns.INT),
    **dict.fromkeys((FIELD_TYPE.FLOAT, FIELD_TYPE.DOUBLE), columns.FLOAT),
}
_CONVERSIONS = conversions | {FIELD_TYPE.DECIMAL: _number, FIELD_TYPE.NEWDECIMAL: _number}


class Driver(TablesDriver):
    """`mysql://user:password@host:3306/database`; `mariadb:` is the same.

    Options: `timeout_s` (10; to connect, to wait for other writers, for a free connection),
    `statement_timeout_s` (six times that; one statement), `connections` (64 at most), `ssl=yes`,
    `ssl_ca` (a file).

    MySQL commits at each change of the schema: a migration that is killed midway stays half done
    until the next one goes on with it.
    """

    retry = Retry()

    def __init__(self, rest: str) -> None:
        address, options = addresses.parse(rest, what="mysql", port=3306)
        self.address = address
        self._timeout_s = options.number("timeout_s", 10.0, least=0.1)
        self._statement_s = options.number("statement_timeout_s", 6 * self._timeout_s, least=0.1)
        most = options.count("connections", 64, least=2)
        certificate = options.text("ssl_ca")
        self._arguments: dict[str, Any] = {
            "host": address.host,
            "port": address.port,
            "database": address.database,
            "user": address.user,
            "password": address.password or "",
            "charset": "utf8mb4",
            "connect_timeout": max(1, round(self._timeout_s)),
            "read_timeout": self._timeout_s + _GRACE_S,
            "write_timeout": self._statement_s + _GRACE_S,
            "client_flag": CLIENT.FOUND_ROWS,  # an UPDATE counts what it finds, as elsewhere
            "conv": _CONVERSIONS,
        }
        if certificate:
            self._arguments["ssl"] = {"ca": certificate}
        elif options.flag("ssl"):
            self._arguments["ssl"] = {"check_hostname": False}
        options.done()
        # One lock a database. Its name holds for the whole server, and is 64 characters at most.
        digest = blake2b(address.database.encode(), digest_size=12).hexdigest()
        self._lock = f"salient:{digest}"
        self.engine = sqlalchemy.create_engine(
            "mysql+pymysql://",
            creator=self._connect,
            poolclass=sqlalchemy.QueuePool,
            pool_size=min(8, most),
            max_overflow=most - min(8, most),
            pool_timeout=self._timeout_s,
            pool_use_lifo=True,
            pool_reset_on_return=None,  # `_reset` does it
        )
        event.listen(self.engine, "begin", self._begin)
        event.listen(self.engine, "reset", self._reset)

    def connect(self, *, write: bool) -> sqlalchemy.Connection:
        return self.engine.connect().execution_options(salient_write=write)

    def prepare(self, connection: sqlalchemy.Connection) -> None:
        server = _server(connection)
        connection.exec_driver_sql(f"SET SESSION {server.time_limit} = 0")
        # Whatever happens, nobody else gets a connection without its limit.
        connection.detach()
        server.patience(None)

    def source(
        self, connection: sqlalchemy.Connection, statement: TextClause, bound: Mapping[str, Any]
    ) -> Source:
        return bulk.Rows(connection, statement, bound, _KINDS)

    def fault(self, exc: sa_exc.DBAPIError) -> Error | None:
        return fault(exc.orig, f"MySQL at {self.address.place}", self.address)

    def close(self) -> None:
        self.engine.dispose()

    def _connect(self) -> _Connection:
        connection = _Connection(**self._arguments)
        try:
            connection.set_up(self._timeout_s, self._statement_s)
        except BaseException:
            connection.close()
            raise
        return connection

    def _begin(self, connection: sqlalchemy.Connection) -> None:
        """Begin, which finds out whether the connection still lives."""
        server = _server(connection)
        server.patience(self._timeout_s + _GRACE_S)
        if connection.get_execution_options()["salient_write"]:
            wait_s = math.ceil(self._timeout_s)
            got = connection.exec_driver_sql("SELECT GET_LOCK(%s, %s)", (self._lock, wait_s))
            if got.scalar() != 1:
                raise TimedOut(
                    f"another writer of MySQL at {self.address.place} did not end in time",
                    server=self.address.place,
                )
            connection.connection.info[_HELD] = True
            connection.exec_driver_sql("START TRANSACTION READ WRITE")
        else:
            connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        server.patience(self._statement_s + _GRACE_S)

    def _reset(self, db: Any, record: ConnectionPoolEntry | None, _: Any) -> None:
        """Leave a connection as the next user expects it, and let the next writer in."""
        if record is None:  # it is closed now, which does all that
            return
        if db.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS:
            db.rollback()
        if record.info.pop(_HELD, False):
            with db.cursor() as cursor:
                cursor.execute("DO RELEASE_LOCK(%s)", (self._lock,))


if TYPE_CHECKING:
    _Plain = pymysql.connections.Connection[Cursor]
else:
    _Plain = pymysql.connections.Connection


class _Connection(_Plain):
    """A connection whose streamed rows do not stand in the way of other queries."""

    def __init__(self, **arguments: Any) -> None:
        self.streaming: _Stream | None = None
        super().__init__(**arguments)

    def cursor(self, cursor: Any = None) -> Any:
        return super().cursor(_Stream if cursor is SSCursor else cursor)

    @property
    def time_limit(self) -> str:
        """The variable that bounds a statement."""
        maria = "MariaDB" in str(vars(self)["server_version"])
        return "max_statement_time" if maria else "max_execution_time"

    def set_up(self, timeout_s: float, statement_s: float) -> None:
        maria = self.time_limit == "max_statement_time"
        limit = f"{statement_s:g}" if maria else f"{statement_s * 1000:.0f}"
        collation = "utf8mb4_nopad_bin" if maria else "utf8mb4_0900_bin"
        lock_s = max(1, math.ceil(timeout_s))
        with self.cursor() as cursor:
            cursor.execute(
                f"SET SESSION sql_mode = '{_MODE}', {self.time_limit} = {limit},"
                f" innodb_lock_wait_timeout = {lock_s}, lock_wait_timeout = {lock_s},"
                f" collation_connection = {collation}"
            )
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")

    def patience(self, seconds: float | None) -> None:
        """How long to wait for each answer."""
        self._read_timeout = seconds

    def _execute_command(self, command: int, sql: Any) -> None:
        if self.streaming is not None:
            self.streaming.keep_rest()
        super()._execute_command(command, sql)  # type: ignore[misc] # not in the stubs


class _Stream(SSCursor):
    """Rows as the server sends them.

    A connection has one answer at a time: when another query comes in between, the rest of the rows
    is read into memory first.
    """

    def __init__(self, connection: Any) -> None:
        super().__init__(connection)
        self._kept: deque[Any] | None = None

    def _query(self, q: Any) -> int:
        self._kept = None
        found: int = super()._query(q)  # type: ignore[misc] # not in the stubs
        self._stream_of(self)
        return found

    def read_next(self) -> Any:
        if self._kept is not None:
            return self._kept.popleft() if self._kept else None
        row = super().read_next()
        if row is None:
            self._done()
        return row

    def keep_rest(self) -> None:
        rest: deque[Any] = deque()
        while (row := super().read_next()) is not None:
            rest.append(row)
        self._kept = rest
        self._done()

    def close(self) -> None:
        super().close()
        self._done()

    def _done(self) -> None:
        if self.connection is not None:
            self._stream_of(None)

    def _stream_of(self, stream: _Stream | None) -> None:
        connection: Any = self.connection
        if stream is not None or connection.streaming is self:
            connection.streaming = stream


def _server(connection: sqlalchemy.Connection) -> _Connection:
    found: Any = connection.connection.driver_connection
    return found  # type: ignore[no-any-return]


_NUMBERS: Sequence[tuple[frozenset[int], type[Error], str]] = (
    (frozenset({1205, 1969, 3024, 1907, 4031}), TimedOut, "took too long"),
    (
        frozenset({
            0, 1020, 1021, 1030, 1040, 1053, 1077, 1078, 1079, 1080, 1114, 1158, 1159, 1160, 1161,
            1180, 1184, 1203, 1213, 1226, 1290, 1412, 1317, 1836, 1927, 2000, 2001, 2002, 2003, 2005,
            2006, 2012, 2013, 2014, 2055, 4032,
        }),
        Unavailable,
        "cannot be used now",
    ),
    (frozenset(range(1, 60)), Unavailable, "has trouble with its files"),
    (frozenset({1022, 1048, 1062, 1169, 1364, 1451, 1452, 1557, 1586, 3819, 4025}), Conflict, "refuses the row"),
    (frozenset({1153, 1264, 1301, 1390, 1406, 1436, 1690, 3170}), LimitExceeded, "cannot take so large a value"),
    (frozenset({1300, 1366}), InvalidInput, "cannot keep that text"),
    (frozenset({1792}), InvalidInput, "is open for reading only"),
    (frozenset({1044, 1045, 1130, 1142, 1143, 1227, 1251, 1698, 1820, 1862, 2026, 2054, 2059}), Misconfigured, "does not let us"),
    (frozenset({126, 127, 145, 1034, 1035, 1194, 1195, 1712}), Corrupt, "cannot read its data"),
)  # fmt: skip


def fault(
    exc: BaseException | None, what: str, address: addresses.Address | None = None
) -> Error | None:
    """What an exception of PyMySQL means to a caller; None if it is a bug of ours."""
    if not isinstance(exc, pymysql.err.Error):
        return None
    number = exc.args[0] if exc.args and isinstance(exc.args[0], int) else None
    reason = str(exc.args[-1] if exc.args else exc)
    context = {"server": what.rpartition(" ")[2], "mysql_code": number}
    if number == 1049 and address is not None:
        return Misconfigured(
            f"{what} has no such database: CREATE DATABASE `{address.database}` CHARACTER SET utf8mb4",
            context,
        )
    if number in (2003, 2013) and "timed out" in reason:
        return TimedOut(f"{what} did not answer in time", context)
    for numbers, kind, words in _NUMBERS:
        if number in numbers:
            return kind(f"{what} {words}: {reason}", context)
    if isinstance(exc, pymysql.err.InterfaceError) or "closed" in reason.lower():
        return Unavailable(f"{what} cannot be reached: {reason}", context)
    return None
