"""A workspace's part of a SQLite file: temporary views in the tables' place, and a guard.

SQLite has no users. Each connection therefore gets, before anybody else uses it:

- A temporary view with the name of each table: names resolve there first, so queries need no change.
  It shows a second view of a name drawn at random for the connection, which alone reads the table.
- Triggers that put what is written through a view into a staging table. When the statement ends, the
  connection checks the staged rows and writes them to the table, all in the transaction; that gives
  true counts too, which triggers do not.
- An authorizer, which SQLite asks about each object that a statement touches. It lets the views be
  used, the tables be read from within the secret views, and refuses the rest: `main.document`,
  ATTACH, PRAGMA, anything that makes, alters or drops, the schema's tables. A common table
  expression can pose as a view of the same name, which is why that name must be a secret.

What the authorizer is not asked about is refused by the statement's first word: only SELECT, INSERT,
UPDATE, DELETE and their relatives pass (EXPLAIN could tell the secret names). Limits of views: no
`ON CONFLICT`; keys and the workspace of a row cannot be changed; a document whose rows elsewhere
are still there cannot be deleted, as they would be nobody's.

A view's own condition comes before a statement's, so that errors tell nothing of hidden rows in all
that was tried; SQLite does not promise it, though, and what takes long can be timed.
"""

# ruff: noqa: S608 # SQL is made of the schema's names and of literals that are quoted here

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any, final

import sqlalchemy
from sqlalchemy import event

from salient.errors import Conflict, InvalidInput, Misconfigured
from salient.storage.sql import TablesDriver, scopes
from salient.storage.sql.scopes import Table, quoted

_FIRST = re.compile(
    r"(?:[\s;\ufeff]|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
    r"(?:(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|VALUES|WITH)\b"
    # SQLAlchemy looks for the table of the revision so.
    r'|PRAGMA (?:main|temp)\.table_x?info\("alembic_version"\)$)',
    re.IGNORECASE | re.DOTALL,
)
_PLAIN_INSERT = re.compile(r"\s*INSERT\b(?!.*\bSELECT\b)", re.IGNORECASE | re.DOTALL)
_SYSTEM = re.compile(r"sqlite_|pragma_|dbstat|bytecode|tables_used", re.IGNORECASE)
_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer", "sqlite_log"})  # refused
_VIRTUAL = frozenset({"json_each", "json_tree"})  # of no file
_PRAGMAS = frozenset({"table_info", "table_xinfo"})

_PURE = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE})
_CHANGE = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})


def prepared(
    url: str, workspace: str, secret: str | None
) -> tuple[str, Callable[[TablesDriver], None]]:
    """The URL to open in the database's place, and what to do with the driver then.

    It is the same URL, and there is no password to make, as SQLite has no users.
    """
    return url, lambda driver: _install(driver, workspace)


def _install(driver: TablesDriver, workspace: str) -> None:
    """Make all connections of a driver see the workspace only."""
    engine = driver.engine

    def make(_: Any, __: Any, ___: Any, parameters: dict[str, Any]) -> None:
        parameters["factory"] = _Connection

    def set_up(db: _Connection, _: Any) -> None:
        try:
            db.guard = _Guard(db, workspace)
        except BaseException:
            db.close()
            raise

    def begun(connection: sqlalchemy.Connection) -> None:
        _of(connection.connection.driver_connection).begin()

    def ended(connection: sqlalchemy.Connection) -> None:
        _of(connection.connection.driver_connection).on = False

    def back(db: Any, _: Any, __: Any) -> None:
        _of(db).on = False

    event.listen(engine, "do_connect", make)
    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", begun)  # after the driver's own
    event.listen(engine, "commit", ended)
    event.listen(engine, "rollback", ended)
    event.listen(engine, "reset", back, insert=True)  # before the driver's own


def check(sql: str) -> None:
    """See whether a workspace may run a statement at all.

    Raises:
        InvalidInput: it does not read or change rows.
    """
    if not _FIRST.match(sql):
        raise InvalidInput("a workspace's statements read and change rows, nothing else")


def refused(exc: BaseException) -> bool:
    """Whether an exception of sqlite3 says that the guard stopped a statement."""
    return getattr(exc, "sqlite_errorcode", None) == sqlite3.SQLITE_AUTH or str(exc).startswith(
        # Where a table of SQLite's own making is refused, it says so without a code.
        ("not authorized", "vtable constructor failed")
    )


def _of(db: Any) -> _Guard:
    guard: _Guard = db.guard
    return guard


class _Connection(sqlite3.Connection):
    guard: _Guard | None = None

    def cursor(self, factory: Any = None) -> Any:
        return super().cursor(factory or _Cursor)


class _Cursor(sqlite3.Cursor):
    """A cursor that brings what a statement staged into the tables, and counts that."""

    _touched: int | None = None

    def execute(self, sql: str, parameters: Any = (), /) -> _Cursor:
        self._touched = None
        guard = self.connection.guard  # type: ignore[attr-defined] # it is a _Connection
        if guard is None or not guard.on:
            super().execute(sql, parameters)
        else:
            with guard.statement(sql) as done:
                super().execute(sql, parameters)
            self._touched = done.touched
        return self

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> _Cursor:
        self._touched = None
        guard = self.connection.guard  # type: ignore[attr-defined] # it is a _Connection
        if guard is None or not guard.on:
            super().executemany(sql, parameters)
        elif _PLAIN_INSERT.match(sql):
            with guard.statement(sql) as done:
                super().executemany(sql, parameters)
            self._touched = done.touched
        else:  # each must see what the one before it changed
            total = 0
            for one in parameters:
                total += max(0, self.execute(sql, one).rowcount)
            self._touched = total
        return self

    @property
    def rowcount(self) -> int:
        if self._touched is not None:
            return self._touched
        counted: int = sqlite3.Cursor.rowcount.__get__(self)
        return counted


class _Statement:
    """A statement of the workspace's, from its start to the moment when its rows are written."""

    touched: int | None = None

    def __init__(self, guard: _Guard) -> None:
        self._guard = guard
        self._before = guard.db.total_changes

    def __enter__(self) -> _Statement:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._guard.db.total_changes != self._before:
            self.touched = self._guard.settle(write=kind is None)


@final
class _Guard:
    """The views, triggers and staging tables of one connection, and who may touch what."""

    def __init__(self, db: _Connection, workspace: str) -> None:
        self.db, self.workspace = db, workspace
        self.on = False
        self._secret = secrets.token_hex(16)
        self._mine = f"mine_{self._secret}"
        self._documents: dict[str, bool] = {}
        """Whether a document is the workspace's, as far as this transaction has asked."""
        self._tables = {t.name: t for t in scopes.tables()}
        self._shown = {self._name("v", t) for t in scopes.tables()}
        self._triggers = {self._name(op, t) for t in scopes.tables() for op in "iud"}
        self._staging = {self._name("s", t) for t in scopes.tables()}
        self._known = {row[0] for row in db.execute("SELECT name FROM main.sqlite_master")}
        for table in scopes.tables():
            for statement in self._statements(table):
                db.execute(statement)
        some = (
            f"SELECT {scopes.literal(t.name)} WHERE EXISTS (SELECT 1 FROM {self._staged(t)})"
            for t in scopes.tables()
        )
        for virtual in sorted(_VIRTUAL):
            # They are made at their first use, as a table is, which the guard would refuse.
            db.execute(f"SELECT 1 FROM {virtual}('[]')")
        db.create_function(self._mine, 1, self._is_mine, deterministic=True)
        self._which = " UNION ALL ".join(some)
        db.set_authorizer(self._authorize)

    def begin(self) -> None:
        """Let the workspace's statements come."""
        self._documents.clear()
        self.on = True

    def statement(self, sql: str) -> _Statement:
        """The frame of one statement; raises as `check` does."""
        check(sql)
        return _Statement(self)

    def settle(self, *, write: bool) -> int:
        """Write what was staged to the tables, or forget it; how many rows were touched.

        Raises:
            InvalidInput: a row would be another workspace's.
            Conflict: a constraint refuses a row, or a document still has rows elsewhere.
        """
        touched = 0
        self.on = False
        try:
            for (name,) in self.db.execute(self._which).fetchall():
                table = self._tables[name]
                if name == "document":
                    self._documents.clear()
                try:
                    if write:
                        self._check(table)
                        touched += sum(self.db.execute(s).rowcount for s in self._writes(table))
                finally:
                    self.db.execute(f"DELETE FROM {self._staged(table)}")
        finally:
            self.on = True
        return touched

    # ---- who may touch what

    def _authorize(
        self, action: int, what: str | None, more: str | None, place: str | None, within: str | None
    ) -> int:
        if not self.on or action in _PURE:
            return sqlite3.SQLITE_OK
        allowed = False
        if action == sqlite3.SQLITE_READ:
            allowed = self._may_read(what, more, place, within)
        elif action in _CHANGE:
            allowed = place == "temp" and (
                what in self._tables or (what in self._staging and within in self._triggers)
            )
        elif action == sqlite3.SQLITE_FUNCTION:
            allowed = more not in _FUNCTIONS
        elif action == sqlite3.SQLITE_PRAGMA:
            allowed = what in _PRAGMAS and more == scopes.VERSION
        return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY

    def _may_read(
        self, what: str | None, column: str | None, place: str | None, within: str | None
    ) -> bool:
        if place == "temp":
            return what in self._tables or what in self._shown
        if what in self._tables and place == "main":
            return within in self._shown
        if not column and place is None:
            # No column of it is used, and it stands without a schema: a common table expression,
            # or one of the views. Whatever else is in the file is none of theirs.
            return what in self._tables or not (what in self._known or _SYSTEM.match(what or ""))
        return what == scopes.VERSION or what in _VIRTUAL

    # ---- the objects of a connection

    def _name(self, kind: str, table: Table) -> str:
        return f"{kind}_{self._secret}_{table.name}"

    def _staged(self, table: Table) -> str:
        return f"temp.{quoted(self._name('s', table))}"

    def _statements(self, table: Table) -> Iterator[str]:
        found = self.db.execute(f"PRAGMA main.table_info({table.name})").fetchall()
        kinds = {name: kind for _, name, kind, *_ in found}
        if tuple(kinds) != table.columns:
            raise Misconfigured(
                f"the table {table.name} is not as this release makes it: migrate the database",
                table=table.name,
            )
        columns, inner = quoted(*table.columns), quoted(self._name("v", table))
        yield (
            f"CREATE TEMP VIEW {inner} AS SELECT {columns} FROM main.{quoted(table.name)} AS here"
            f" WHERE {self._seen(table)}"
        )
        yield f"CREATE TEMP VIEW {quoted(table.name)} AS SELECT {columns} FROM temp.{inner}"
        old = [f"old_{column}" for column in table.key]
        typed = ", ".join(f'"{column}" {kinds[column]}' for column in table.columns)
        yield f"CREATE TEMP TABLE {quoted(self._name('s', table))} (op, {quoted(*old)}, {typed})"
        before = ", ".join(f'OLD."{column}"' for column in table.key)
        after = ", ".join(f'NEW."{column}"' for column in table.columns)
        nothing = ", ".join(["NULL"] * len(table.key))
        for op, event_name, values in (
            ("i", "INSERT", f"'i', {nothing}, {after}"),
            ("u", "UPDATE", f"'u', {before}, {after}"),
            ("d", "DELETE", f"'d', {before}{', NULL' * len(table.columns)}"),
        ):
            yield (
                f"CREATE TEMP TRIGGER {quoted(self._name(op, table))} INSTEAD OF {event_name}"
                f" ON {quoted(table.name)} BEGIN"
                f" INSERT INTO {quoted(self._name('s', table))} VALUES ({values}); END"
            )

    def _seen(self, table: Table) -> str:
        """What is true of rows that a view shows.

        SQLite evaluates it before a statement's own conditions, so that these cannot tell of other
        rows by failing. That does not hold for subqueries in the row: hence a function.
        """
        return f"{self._mine}(here.document_id)" if table.linked else self._belongs(table, "here")

    def _is_mine(self, document: str) -> bool:
        if document not in self._documents:
            was, self.on = self.on, False
            try:
                found = self.db.execute(
                    'SELECT 1 FROM main."document" WHERE id = ? AND workspace = ?',
                    (document, self.workspace),
                ).fetchone()
            finally:
                self.on = was
            self._documents[document] = found is not None
        return self._documents[document]

    def _belongs(self, table: Table, row: str) -> str:
        return scopes.condition(table, self.workspace, row=row, document='main."document"')

    # ---- from the staging tables to the tables

    def _check(self, table: Table) -> None:
        staged = self._staged(table)
        foreign = (
            f"SELECT 1 FROM {staged} AS new WHERE op <> 'd' AND NOT {self._belongs(table, 'new')}"
        )
        changed = " OR ".join(f'"{c}" IS NOT "old_{c}"' for c in table.key)
        moved = f"SELECT 1 FROM {staged} WHERE op = 'u' AND ({changed})"
        if self.db.execute(foreign).fetchone():
            raise InvalidInput(f"a row of {table.name} would be another workspace's")
        if self.db.execute(moved).fetchone():
            raise InvalidInput(f"the key of a row of {table.name} cannot be changed")
        if table.name != "document":
            return
        for other in self._tables.values():
            if (
                other.linked
                and self.db.execute(
                    f"SELECT 1 FROM main.{quoted(other.name)} WHERE document_id IN"
                    f" (SELECT old_id FROM {staged} WHERE op = 'd')"
                ).fetchone()
            ):
                raise Conflict(f"a document still has rows in {other.name}: delete them first")

    def _writes(self, table: Table) -> Iterator[str]:
        main, staged = f"main.{quoted(table.name)}", self._staged(table)
        columns, old = quoted(*table.columns), quoted(*(f"old_{c}" for c in table.key))
        yield f"DELETE FROM {main} WHERE ({quoted(*table.key)}) IN (SELECT {old} FROM {staged} WHERE op = 'd')"
        yield f"INSERT INTO {main} ({columns}) SELECT {columns} FROM {staged} WHERE op = 'i' ORDER BY rowid"
        if table.values:
            same = " AND ".join(f'here."{c}" = new."old_{c}"' for c in table.key)
            values = ", ".join(f'"{c}" = new."{c}"' for c in table.values)
            yield (
                f"UPDATE {main} AS here SET {values} FROM {staged} AS new"
                f" WHERE new.op = 'u' AND {same}"
            )
