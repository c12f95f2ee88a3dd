"""One SQLite file: the embedded database. Readers see snapshots, writers take turns."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy import exc as sa_exc
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.elements import TextClause

from salient.errors import Error, Misconfigured
from salient.storage import sqlitefile, urls
from salient.storage.sql import TablesDriver, bulk, bulk_sqlite
from salient.storage.sql.bulk import Source

_WHAT = "database file"
_WAY = "salient_way"


class Driver(TablesDriver):
    """`sqlite:/path/to.db`, `?timeout_s=` to wait for other writers.

    `sqlite::memory:` is a file too, in a temporary folder that goes with the store: then threads,
    snapshots and locks are the same as in the real thing.
    """

    def __init__(self, rest: str) -> None:
        path, options = urls.file(rest, _WHAT)
        timeout_s = options.number("timeout_s", sqlitefile.BUSY_TIMEOUT_S)
        options.done()
        if not path:
            raise Misconfigured("a database is given as sqlite:/path?timeout_s=30")
        self._folder: weakref.finalize[[str, bool], Driver] | None = None
        if path == ":memory:":
            folder = tempfile.mkdtemp(prefix="salient-")
            self._folder = weakref.finalize(self, shutil.rmtree, folder, True)  # noqa: FBT003
            path = str(Path(folder) / "memory.db")
        sqlitefile.make_folder(path)
        self._timeout_s = timeout_s
        self._turn = threading.Lock()
        self.engine = sqlalchemy.create_engine(
            sqlalchemy.URL.create("sqlite", database=path),
            connect_args={"check_same_thread": False, "timeout": timeout_s},
            poolclass=sqlalchemy.QueuePool,
            pool_size=4,
            max_overflow=60,
            pool_timeout=timeout_s,
        )
        event.listen(self.engine, "connect", self._configure)
        event.listen(self.engine, "begin", self._begin)
        event.listen(self.engine, "reset", _reset)

    def connect(self, *, write: bool) -> sqlalchemy.Connection:
        return self.engine.connect().execution_options(salient_write=write)

    def fault(self, exc: sa_exc.DBAPIError) -> Error | None:
        return None if exc.orig is None else sqlitefile.fault(exc.orig, _WHAT)

    def close(self) -> None:
        self.engine.dispose()
        if self._folder is not None:
            self._folder()

    def source(
        self, connection: sqlalchemy.Connection, statement: TextClause, bound: Mapping[str, Any]
    ) -> Source:
        way = connection.connection.info.get(_WAY)
        if way is None:
            return super().source(connection, statement, bound)
        sql, _, values = bulk.compiled(connection, statement, bound)
        return bulk_sqlite.Steps(way, sql, values)

    def _configure(self, db: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
        record.info[_WAY] = bulk_sqlite.handle(db)
        sqlitefile.configure(db, timeout_s=self._timeout_s)
        db.execute("PRAGMA cache_size = -16000")  # 16 MB a connection
        db.execute("PRAGMA case_sensitive_like = ON")  # as on the other databases
        db.execute("PRAGMA mmap_size = 268435456")

    def _begin(self, connection: sqlalchemy.Connection) -> None:
        if connection.get_execution_options()["salient_write"]:
            self._begin_writing(connection)
            return
        connection.exec_driver_sql("PRAGMA query_only = ON")
        connection.exec_driver_sql("BEGIN")
        # A deferred BEGIN takes its snapshot at the first read: make that now.
        connection.exec_driver_sql("SELECT 1 FROM sqlite_master LIMIT 1").close()

    def _begin_writing(self, connection: sqlalchemy.Connection) -> None:
        """Wait for the file's write lock.

        SQLite's own waiting sleeps for ever longer and is fair to nobody, so that under load one
        writer may starve; short even pauses share better.
        """
        give_up_at = time.monotonic() + self._timeout_s
        connection.exec_driver_sql("PRAGMA busy_timeout = 5")
        try:
            while True:
                try:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                except sa_exc.OperationalError as exc:
                    busy = getattr(exc.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
                    if not busy or time.monotonic() > give_up_at:
                        raise
                    time.sleep(0.002)
                else:
                    return
        finally:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(self._timeout_s * 1000)}")


def _reset(db: Any, _: ConnectionPoolEntry, __: Any) -> None:
    """Leave a connection as the next user expects it."""
    if isinstance(db, sqlite3.Connection):
        if db.in_transaction:
            db.rollback()
        db.execute("PRAGMA query_only = OFF")
