"""Connections to PostgreSQL: a bounded pool, time limits, and what the client's exceptions mean."""

from __future__ import annotations

import random
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow

from salient.errors import (
    Conflict,
    Corrupt,
    LimitExceeded,
    Misconfigured,
    TimedOut,
    Unavailable,
)
from salient.storage import urls
from salient.storage.retrying import Retry

T = TypeVar("T")

# Refusals that pass by themselves; any other at opening is a wrong URL or a missing right.
_PASSING = ("starting up", "shutting down", "recovery", "too many", "connection slots", "not yet")


class Connection(psycopg.Connection[TupleRow]):
    """A connection on which no answer is waited for longer than `limit_s`."""

    limit_s: float | None = None

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        limit_s = self.limit_s if timeout is None else timeout
        return super().wait(gen, interval=interval, timeout=limit_s)

    @contextmanager
    def patiently(self) -> Iterator[None]:
        """Wait as long as it takes."""
        limit_s, self.limit_s = self.limit_s, None
        try:
            yield
        finally:
            self.limit_s = limit_s


class Pool:
    """Up to `size` connections; threads share it.

    Args:
        url: without options.
        ssl: options of libpq.
    """

    def __init__(self, url: str, *, size: int, timeout_s: float, **ssl: str | None) -> None:
        self.server = "PostgreSQL at " + urls.location(url.partition(":")[2])[0]
        self._url, self._timeout_s = url, timeout_s
        self._ssl: dict[str, Any] = {name: value for name, value in ssl.items() if value}
        self._turns = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._closed = False

    @contextmanager
    def connection(self, *, opening: bool = False, once: bool = False) -> Iterator[Connection]:
        """A connection in autocommit mode, for the block; `once`, it is closed after it.

        Raises:
            Unavailable, TimedOut: the server is away, or does not answer in time.
        """
        if not self._turns.acquire(timeout=self._timeout_s):
            raise TimedOut(f"all connections to {self.server} are in use")
        try:
            with self._translated():
                db = self._take(opening=opening)
                try:
                    yield db
                except psycopg.Error as exc:
                    lost = isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError)
                    if lost and (db.closed or exc.sqlstate is None):
                        self._forget()
                    raise
                finally:
                    self._give(db, once=once)
        finally:
            self._turns.release()

    def undisturbed(self, run: Callable[[], T]) -> T:
        """Run a transaction again that the server gave up for the sake of another one."""
        give_up_at = time.monotonic() + self._timeout_s
        while True:
            try:
                return run()
            except Conflict:
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(random.uniform(0.0, 0.05))  # noqa: S311 # no secret

    def close(self) -> None:
        with self._lock:
            self._closed = True
        self._forget()

    def _take(self, *, opening: bool) -> Connection:
        while True:
            with self._lock:
                if self._closed:
                    raise Unavailable("the document store is closed")
                db = self._idle.pop() if self._idle else None
            if db is None:
                return self._connect(opening=opening)
            # Something to read without having asked: the server has ended the connection.
            if not select.select([db.fileno()], [], [], 0)[0]:
                return db
            db.close()

    def _connect(self, *, opening: bool) -> Connection:
        def run() -> Connection:
            try:
                return Connection.connect(
                    self._url, autocommit=True, connect_timeout=max(1, round(self._timeout_s)),
                    application_name="salient", keepalives_idle=30, client_encoding="utf8",
                    options=f"-c statement_timeout={round(self._timeout_s * 1000)}", **self._ssl,
                )  # fmt: skip
            except psycopg.ProgrammingError as exc:  # a URL that libpq cannot read
                shown = urls.shown(self._url)
                raise Misconfigured(f"no URL of PostgreSQL: {shown}") from exc
            except psycopg.OperationalError as exc:
                text = str(exc).strip().splitlines()[-1]
                refused = "FATAL" in text and not any(part in text for part in _PASSING)
                if opening and refused:
                    raise Misconfigured(f"{self.server} refuses: {text}") from exc
                kind = TimedOut if isinstance(exc, pg.ConnectionTimeout) else Unavailable
                raise kind(f"{self.server} cannot be reached: {text}") from exc

        # Nothing was sent yet, so that this may be tried again whatever the call.
        db = Retry(within_s=self._timeout_s)(run)
        db.limit_s = self._timeout_s
        return db

    def _give(self, db: Connection, *, once: bool) -> None:
        with self._lock:
            fit = not db.closed and db.info.transaction_status == TransactionStatus.IDLE
            if fit and not once and not self._closed:
                self._idle.append(db)
                return
        db.close()

    def _forget(self) -> None:
        """Close idle connections: when one is lost, so are usually the others."""
        with self._lock:
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The one place where psycopg's exceptions become ours."""
        try:
            yield
        except (pg.QueryCanceled, pg._WaitTimeout) as exc:
            raise TimedOut(f"{self.server} did not answer within {self._timeout_s:g} s") from exc
        except (pg.DeadlockDetected, pg.SerializationFailure) as exc:
            raise Conflict(f"{self.server} gave way to another transaction") from exc
        except (pg.InsufficientPrivilege, pg.UndefinedTable, pg.InvalidSchemaName) as exc:
            raise Misconfigured(f"{self.server} refuses: {exc}") from exc
        except pg.ReadOnlySqlTransaction as exc:
            raise Unavailable(f"{self.server} takes no writes") from exc
        except (pg.DataCorrupted, pg.IndexCorrupted) as exc:
            raise Corrupt(f"{self.server}: {exc}") from exc
        except psycopg.OperationalError as exc:
            if (exc.sqlstate or "").startswith("54"):
                raise LimitExceeded(f"too large for {self.server}: {exc}") from exc
            text = str(exc).strip()
            raise Unavailable(f"{self.server} was lost: {text}") from exc
        except psycopg.InterfaceError as exc:
            raise Unavailable(f"the connection to {self.server} is closed") from exc
