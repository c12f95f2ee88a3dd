"""Connections to a Postgres server: a small pool, bounded waits, and its errors as ours."""

from __future__ import annotations

import contextlib
import struct
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, LiteralString, TypeVar, final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from salient.errors import Corrupt, Error, Misconfigured, TimedOut, Unavailable
from salient.storage import urls
from salient.storage.retrying import Retry

T = TypeVar("T")

_MOST_IDLE = 8  # kept for the next; more are closed after use
_SET_UP = """
    select set_config('statement_timeout', %s, false), set_config('tcp_keepalives_idle', '15', false),
        set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false),
        set_config('enable_hashjoin', 'off', false), set_config('enable_mergejoin', 'off', false),
        set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false)
"""  # Every query is a few look-ups; tables that were just filled have no statistics to say so.

_CONNECTING = (  # the server has no code for a refused connection, only text
    "password authentication failed", "no password supplied", "does not exist", "pg_hba.conf",
    "invalid connection option", "invalid sslmode", "server does not support SSL", "certificate", "is not permitted to log in", "could not translate host name",
)  # fmt: skip


class Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that does not wait for ever for a server that hangs."""

    within_s = 10.0

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:  # psycopg's generators
        return super().wait(self._bounded(gen), *args, **kwargs)

    def _bounded(self, gen: Any) -> Any:
        give_up_at = time.monotonic() + self.within_s
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > give_up_at:
                    self.pgconn.finish()
                    raise TimedOut("the Postgres server does not answer", waited_s=self.within_s)
                wanted = gen.send(ready)
        except StopIteration as stop:
            return stop.value


@final
class Connections:
    """A server's connections, each used by one caller at a time.

    Raises from any method: Unavailable (the server is away, or `close` was called).
    """

    def __init__(
        self, url: str, ssl: Mapping[str, str | None], *, timeout_s: float, most: int
    ) -> None:
        host, database = urls.location(url.partition(":")[2])
        self.server = f"the Postgres server at {host}/{database}"
        self.timeout_s = timeout_s
        self._url, self._ssl = url, ssl
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._closed = False
        self._free = threading.BoundedSemaphore(most)

    def take(self, begin: LiteralString) -> Connection:
        """A connection in a transaction that `begin` began; tried again if the server went away."""
        self.check_open()
        if not self._free.acquire(timeout=self.timeout_s):
            raise TimedOut(
                "all connections to the search index are in use", waited_s=self.timeout_s
            )
        try:
            return Retry(within_s=self.timeout_s)(lambda: self._begun(begin))
        except BaseException:
            self._free.release()
            raise

    def give(self, connection: Connection) -> None:
        """Take a connection back; what is not committed is undone."""
        self._free.release()
        try:
            if connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
                connection.execute("rollback")
        except (psycopg.Error, TimedOut):
            connection.close()
        with self._lock:
            if not connection.closed and not self._closed and len(self._idle) < _MOST_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def check_open(self) -> None:
        if self._closed:
            raise Unavailable("the search index is closed")

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """The one place where psycopg's exceptions become ours."""
        try:
            yield
        except Error as exc:
            exc.context.setdefault("server", self.server)
            raise
        except psycopg.errors.LockNotAvailable as exc:
            raise Unavailable(
                f"another process is writing to the search index on {self.server}"
            ) from exc
        except psycopg.errors.QueryCanceled as exc:
            raise TimedOut(f"{self.server} took too long", waited_s=self.timeout_s) from exc
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedFunction) as exc:
            raise Misconfigured(f"{self.server} refuses: {exc}") from exc
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn,
                psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted) as exc:  # fmt: skip
            raise Corrupt(f"the search index on {self.server} cannot be read: {exc}") from exc
        except (psycopg.OperationalError, psycopg.InterfaceError,
                psycopg.errors.ReadOnlySqlTransaction) as exc:  # fmt: skip
            raise Unavailable(f"{self.server} cannot be used: {exc}", tried="search index") from exc

    def _begun(self, begin: LiteralString) -> Connection:
        connection = self._idle_one() or self._new()
        with self.translated():
            try:
                connection.execute(begin)
            except (psycopg.OperationalError, psycopg.InterfaceError, TimedOut):
                # The server went away since: the others that are idle are as dead.
                connection.close()
                with self._lock:
                    idle, self._idle = self._idle, []
                for one in idle:
                    one.close()
                raise
        return connection

    def _idle_one(self) -> Connection | None:
        self.check_open()
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _new(self) -> Connection:
        try:
            connection = Connection.connect(
                make_conninfo(self._url, **self._ssl),
                autocommit=True,
                connect_timeout=max(2, round(self.timeout_s)),
                application_name="salient",
                client_encoding="utf8",
            )
        except psycopg.errors.ConnectionTimeout as exc:
            raise TimedOut(f"{self.server} does not answer", waited_s=self.timeout_s) from exc
        except psycopg.OperationalError as exc:
            if any(sign in str(exc) for sign in _CONNECTING):
                raise Misconfigured(f"{self.server} cannot be used: {exc}") from exc
            raise Unavailable(
                f"{self.server} cannot be reached: {exc}", tried="connecting"
            ) from exc
        except psycopg.ProgrammingError as exc:
            raise Misconfigured(f"the URL of {self.server} has a fault") from exc
        connection.within_s = self.timeout_s
        try:
            with self.translated():
                connection.execute(_SET_UP, [str(round(self.timeout_s * 1000))])
        except BaseException:
            connection.close()
            raise
        return connection


def copy(
    connection: Connection, into: sql.Composed, rows: Iterable[Sequence[bytes | None]]
) -> None:
    """Add rows, whose values are as Postgres sends them, to the table and columns `into`."""
    waiting = [b"PGCOPY\n\xff\r\n\0" + bytes(8)]
    size = 0
    with connection.cursor() as cursor, cursor.copy(
        sql.SQL("copy {} from stdin (format binary)").format(into)
    ) as copying:  # fmt: skip
        for row in rows:
            waiting.append(struct.pack("!h", len(row)))
            for value in row:
                if value is None:
                    waiting.append(b"\xff\xff\xff\xff")
                else:
                    waiting += (struct.pack("!i", len(value)), value)
                    size += len(value)
            if size > 256 * 1024:
                copying.write(b"".join(waiting))
                waiting, size = [], 0
        copying.write(b"".join([*waiting, b"\xff\xff"]))
