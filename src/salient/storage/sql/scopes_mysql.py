"""A workspace's part of a MySQL or MariaDB database: views in a database of its own, and a user.

Opening, the database's user makes a database with a view of each table's name, which shows the
workspace's rows and takes no others (WITH CHECK OPTION), and an account that may use these views and
nothing else on the server. The store is connected as that account. Columns that are keys or the
workspace cannot be changed.

What MySQL cannot do: where a view has to look into the document to know whose a row is (mentions, and
the other tables without a workspace), it tries a statement's own conditions first. One that fails for
some text, or takes long, tells whether a hidden row has it; rows themselves are never shown. Where
tenants write SQL themselves, use Postgres.
"""

# ruff: noqa: S608 # SQL is made of the schema's names and of literals that are quoted here

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any

import sqlalchemy
from sqlalchemy import exc as sa_exc

from salient.errors import Misconfigured
from salient.storage import sql
from salient.storage.sql import Tables, TablesDriver, addresses, mysql, scopes
from salient.storage.sql.scopes import Table, literal, quoted

_TRIGGER = "salient_scoped"

# No right to a database, table, column, view's row or command.
_REFUSED = frozenset({1044, 1142, 1143, 1227, 1288, 1348, 1369, 1370, 1471})


def prepared(
    url: str, workspace: str, secret: str | None
) -> tuple[str, Callable[[TablesDriver], None]]:
    """Set up a workspace's views and user; the URL to open as it, and what to do with the driver.

    Raises:
        Misconfigured: the schema is not this release's, or the URL's user may not do that.
    """
    address, _ = addresses.parse(url.partition(":")[2], what="mysql", port=3306)
    account = scopes.account(address.database, "", workspace)
    password = scopes.password(secret or address.password, account)
    driver = sql.driver(url)
    if not isinstance(driver, mysql.Driver):
        raise Misconfigured("it is no MySQL database")
    with Tables(driver) as tables, tables.transaction() as tx:
        connection = tx._connection
        scopes.look(connection)
        try:
            _make(connection, address.database, account, password, workspace)
        except sa_exc.DBAPIError as exc:
            if refused(exc.orig):
                raise Misconfigured(
                    f"the database's user cannot set up workspaces: {exc.orig}"
                ) from exc
            raise

    def install(opened: TablesDriver) -> None:
        # The views have a database of their own; writers still take turns with all others.
        if isinstance(opened, mysql.Driver):
            opened._lock = driver._lock

    inside = scopes.as_user(url, account, password)
    return inside.replace(f"/{address.database}", f"/{account}", 1), install


def check(sql: str) -> None:
    """Nothing: the server knows what its user may do."""


def refused(exc: BaseException | None) -> bool:
    """Whether an exception of PyMySQL says that the account may not do that."""
    return bool(exc is not None and exc.args and exc.args[0] in _REFUSED)


def _make(
    connection: sqlalchemy.Connection, database: str, account: str, password: str, workspace: str
) -> None:
    def run(statement: str) -> sqlalchemy.CursorResult[Any]:
        return connection.exec_driver_sql(statement.replace("%", "%%"))

    user = f"{literal(account)}@'%'"
    run(f"CREATE DATABASE IF NOT EXISTS {quoted(account)} CHARACTER SET utf8mb4")
    run(f"CREATE USER IF NOT EXISTS {user} IDENTIFIED BY {literal(password)}")
    run(f"ALTER USER {user} IDENTIFIED BY {literal(password)}")  # it may have changed its own
    trigger = _trigger(database)
    found = f"SELECT 1 FROM information_schema.triggers WHERE trigger_schema = {literal(database)} AND trigger_name = {literal(_TRIGGER)}"
    if run(found).first() is None:
        run(trigger)
    # A view of a name that says what has been made: making it again would wait for its users.
    statements = list(_statements(database, account, user, workspace))
    made = f"made_{blake2b(repr(statements).encode(), digest_size=8).hexdigest()}"
    views = (
        f"SELECT table_name FROM information_schema.views WHERE table_schema = {literal(account)}"
    )
    there = {str(row[0]) for row in run(views)}
    if made in there:
        return
    for name in there:
        run(f"DROP VIEW {quoted(account)}.{quoted(name)}")
    for statement in statements:
        run(statement)
    run(f"CREATE VIEW {quoted(account)}.{quoted(made)} AS SELECT 1 AS made")


def _trigger(database: str) -> str:
    """What keeps a workspace's user from deleting a document before the rows that are its by it."""
    rows = " OR ".join(
        f"EXISTS (SELECT 1 FROM {quoted(database)}.{quoted(t.name)} WHERE document_id = OLD.id)"
        for t in scopes.tables()
        if t.linked
    )
    return (
        f"CREATE TRIGGER {quoted(database)}.{quoted(_TRIGGER)} BEFORE DELETE"
        f" ON {quoted(database)}.document FOR EACH ROW"
        f" IF LEFT(USER(), {len(scopes.ACCOUNTS)}) = {literal(scopes.ACCOUNTS)} AND ({rows}) THEN"
        " SIGNAL SQLSTATE '23000' SET MYSQL_ERRNO = 1451,"
        " MESSAGE_TEXT = 'a document still has rows elsewhere: delete them first'; END IF"
    )


def _statements(database: str, account: str, user: str, workspace: str) -> Iterator[str]:
    for table in scopes.tables():
        view = f"{quoted(account)}.{quoted(table.name)}"
        rule = scopes.condition(
            table, workspace, row="here", document=f"{quoted(database)}.document"
        )
        yield (
            f"CREATE ALGORITHM = MERGE SQL SECURITY DEFINER VIEW {view}"
            f" AS SELECT {_columns(table)} FROM {quoted(database)}.{quoted(table.name)} AS here"
            f" WHERE {rule} WITH CASCADED CHECK OPTION"
        )
        changes = f", UPDATE ({quoted(*table.values)})" if table.values else ""
        yield f"GRANT SELECT, INSERT, DELETE{changes} ON {view} TO {user}"
    version = f"{quoted(account)}.{quoted(scopes.VERSION)}"
    yield (
        f"CREATE SQL SECURITY DEFINER VIEW {version}"
        f" AS SELECT version_num FROM {quoted(database)}.{quoted(scopes.VERSION)}"
    )
    yield f"GRANT SELECT ON {version} TO {user}"


def _columns(table: Table) -> str:
    return ", ".join(f"here.{quoted(c)} AS {quoted(c)}" for c in table.columns)
