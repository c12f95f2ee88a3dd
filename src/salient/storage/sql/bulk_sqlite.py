"""SQLite's rows as columns, stepped through by compiled code on the transaction's own connection."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import exc as sa_exc

from salient.storage.sql import bulk, columns

if TYPE_CHECKING or os.environ.get("SALIENT_PURE_PYTHON") == "1":
    Handle: Any = None
    Statement: Any = None
    IS_SHARED = False
else:
    from salient.storage.sql._columns import Handle, Statement
    from salient.storage.sql._columns import sqlite_is_shared as IS_SHARED  # noqa: N812

# Parts of a declared type that say what a column holds, in SQLite's order.
_DECLARED = (
    ("INT", columns.INT),
    ("CHAR", columns.TEXT),
    ("CLOB", columns.TEXT),
    ("TEXT", columns.TEXT),
    ("BLOB", columns.BINARY),
    ("REAL", columns.FLOAT),
    ("FLOA", columns.FLOAT),
    ("DOUB", columns.FLOAT),
)
_STORED = {
    "integer": columns.INT,
    "real": columns.FLOAT,
    "text": columns.TEXT,
    "blob": columns.BINARY,
}


def handle(db: sqlite3.Connection) -> object | None:
    """The way to a connection that this thread has just opened; None if rows must come by Python."""
    return Handle(db) if IS_SHARED else None


class Steps(bulk.Source):
    """A query that is stepped through; see `_columns.Statement`."""

    def __init__(self, way: object, sql: str, values: Sequence[Any]) -> None:
        self._way, self._sql, self._values = way, sql, values
        self._statement = self._run(lambda: Statement(way, sql, values))
        self.names = self._statement.names
        self.columns = bulk.Columns([_kind(declared) for declared in self._statement.declared])

    def read(self, rows: int) -> int:
        self._run(lambda: self._statement.read(self.columns, rows, bulk.MOST_BYTES))
        return self.columns.rows

    def kind(self, column: int) -> int:
        named = ", ".join(f"c{i}" for i in range(len(self.names)))
        first = f"WITH q({named}) AS ({self._sql}\n) SELECT typeof(c{column}) FROM q WHERE c{column} IS NOT NULL LIMIT 1"  # noqa: S608 # the query itself
        found = bulk.Columns([columns.TEXT])
        statement = self._run(lambda: Statement(self._way, first, self._values))
        self._run(lambda: statement.read(found, 1, 1 << 10))
        statement.close()
        stored = found.take_dicts(["stored"])
        return _STORED[stored[0]["stored"]] if stored else columns.TEXT

    def close(self) -> None:
        self._statement.close()

    def _run(self, step: Any) -> Any:
        try:
            return step()
        except sqlite3.Error as exc:
            raise sa_exc.DBAPIError(self._sql, None, exc) from exc


def _kind(declared: str) -> int:
    upper = declared.upper()
    return next((kind for part, kind in _DECLARED if part in upper), columns.AUTO)
