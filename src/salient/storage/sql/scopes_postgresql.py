"""A workspace's part of a Postgres schema: a role of its own, and row-level security.

Opening, the database's user makes a role that can log in, owns nothing, belongs to no other role,
and may read, add and delete rows of our tables and change all their columns but keys and workspace.
Policies then show that role its workspace's rows only. The store is connected as that role, so there
is nobody to go back to: RESET ROLE, SET SESSION AUTHORIZATION and SET row_security gain nothing.

Why not views: the same rule would hold for `schema.table`, but views stand in the way of every
migration, and policies do not. Postgres keeps a statement's own conditions from rows that a policy
hides, unless their functions are known to tell nothing, so that errors are no way to learn of them.
Why not FORCE: it would bind the owner, which is how the unscoped store and migrations see all; a
workspace's role is no owner. Roles of others, such as a reporting user's, see no rows once there are
policies, until they get one of their own.

A document whose rows elsewhere are still there is not deleted, as these would be nobody's.
"""

# ruff: noqa: S608 # SQL is made of the schema's names and of literals that are quoted here

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import psycopg
import sqlalchemy
from sqlalchemy import event

from salient.errors import Misconfigured
from salient.storage import sql
from salient.storage.sql import Tables, TablesDriver, addresses, scopes
from salient.storage.sql.scopes import Table, literal, quoted

# What a statement may have left behind in its session.
_CLEAN = "RESET SESSION AUTHORIZATION; RESET ALL; DISCARD TEMP; UNLISTEN *; SELECT pg_advisory_unlock_all()"


def prepared(
    url: str, workspace: str, secret: str | None
) -> tuple[str, Callable[[TablesDriver], None]]:
    """Set up a workspace's role; the URL to open as it, and what to do with the driver then.

    Raises:
        Misconfigured: the schema is not this release's, or the URL's user may not do that.
    """
    with Tables(sql.driver(url)) as tables, tables.transaction() as tx:
        connection = tx._connection
        scopes.look(connection)
        info: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment] # psycopg's
        address, _ = addresses.parse(url.partition(":")[2], what="postgresql", port=5432)
        schema = str(connection.exec_driver_sql("SELECT current_schema()").scalar())
        role = scopes.account(address.database, schema, workspace)
        password = scopes.password(secret or info.info.password, role)
        hashed = info.pgconn.encrypt_password(
            password.encode(), role.encode(), b"scram-sha-256"
        ).decode()
        try:
            _make(connection, schema, role, hashed, workspace)
        except sqlalchemy.exc.ProgrammingError as exc:
            if refused(exc.orig):
                raise Misconfigured(
                    f"the database's user cannot set up workspaces: {exc.orig}"
                ) from exc
            raise
    return scopes.as_user(url, role, password), _install


def check(sql: str) -> None:
    """Nothing: the server knows what its user may do."""


def refused(exc: BaseException | None) -> bool:
    """Whether an exception of psycopg says that the role may not do that."""
    return getattr(exc, "sqlstate", None) == "42501"


def forget(connection: sqlalchemy.Connection) -> None:
    """Drop all policies of workspaces: before a migration, as tables cannot be changed under them.

    Their stores see nothing until they are opened again, by the new release.
    """
    found = connection.exec_driver_sql(
        "SELECT polname, relname FROM pg_policy JOIN pg_class AS c ON c.oid = polrelid"
        " WHERE relnamespace = current_schema()::regnamespace AND starts_with(polname, %s)",
        (scopes.ACCOUNTS,),
    )
    for policy, table in found.all():
        connection.exec_driver_sql(f"DROP POLICY {quoted(policy)} ON {quoted(table)}")


def _install(driver: TablesDriver) -> None:
    def clean(db: Any, record: Any, _: Any) -> None:
        if record is not None and not db.closed:
            db.rollback()
            db.execute(_CLEAN)

    event.listen(driver.engine, "reset", clean)


def _make(
    connection: sqlalchemy.Connection, schema: str, role: str, hashed: str, workspace: str
) -> None:
    def run(statement: str) -> sqlalchemy.CursorResult[Any]:
        return connection.exec_driver_sql(statement.replace("%", "%%"))

    name = literal(role)
    found = run(
        "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls OR rolinherit"
        " OR EXISTS (SELECT 1 FROM pg_auth_members AS m WHERE m.member = r.oid)"
        f" FROM pg_roles AS r WHERE rolname = {name}"
    ).scalar()
    if found is None:
        run(
            f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION"
            " NOBYPASSRLS"
        )
    elif found:
        raise Misconfigured(f"the role {role} has been given more than a workspace's", role=role)
    # It may have changed what is its own: these.
    run(f"ALTER ROLE {role} RESET ALL")
    run(f"ALTER ROLE {role} PASSWORD {literal(hashed)}")
    run(f"GRANT USAGE ON SCHEMA {quoted(schema)} TO {role}")
    run(f"GRANT SELECT ON {quoted(schema)}.{quoted(scopes.VERSION)} TO {role}")
    for table in scopes.tables():
        place = f"{quoted(schema)}.{quoted(table.name)}"
        run(f"REVOKE ALL ON {place} FROM {role}")
        changes = f", UPDATE ({quoted(*table.values)})" if table.values else ""
        run(f"GRANT SELECT, INSERT, DELETE{changes} ON {place} TO {role}")
        _police(run, schema, table, role, workspace)
    if run(f"SELECT has_database_privilege({name}, current_database(), 'CREATE')").scalar():
        raise Misconfigured("anybody may make schemas in the database: REVOKE CREATE ON DATABASE … FROM PUBLIC")  # fmt: skip
    # Functions made there could be called by the owner's queries in the place of the server's.
    open_to_all = run(
        f"SELECT nspname FROM pg_namespace WHERE has_schema_privilege({name}, oid, 'CREATE')"
        " AND nspname NOT LIKE 'pg\\_temp\\_%' AND nspname NOT LIKE 'pg\\_toast\\_temp\\_%'"
    ).scalars()
    for one in open_to_all:
        raise Misconfigured(
            f"anybody may make functions in the schema {one}: REVOKE CREATE ON SCHEMA {one} FROM PUBLIC",
            schema=one,
        )


def _police(
    run: Callable[[str], sqlalchemy.CursorResult[Any]],
    schema: str,
    table: Table,
    role: str,
    workspace: str,
) -> None:
    """Make the table's policies for a role, unless they are there: that needs the table alone."""
    place = f"{quoted(schema)}.{quoted(table.name)}"
    wanted: dict[str, str] = {}
    rule = scopes.condition(
        table, workspace, row=quoted(table.name), document=f"{quoted(schema)}.document"
    )
    _add(wanted, role, f"PERMISSIVE FOR ALL TO {role} USING ({rule}) WITH CHECK ({rule})")
    if table.name == "document":
        for other in (t for t in scopes.tables() if t.linked):
            kept = f'SELECT 1 FROM {quoted(schema)}.{quoted(other.name)} AS o WHERE o.document_id = "document".id'
            _add(wanted, role, f"RESTRICTIVE FOR DELETE TO {role} USING (NOT EXISTS ({kept}))")
    regclass = f"{literal(place)}::regclass"
    there = set(
        run(
            f"SELECT polname FROM pg_policy WHERE polrelid = {regclass}"
            f" AND polroles = ARRAY[{literal(role)}::regrole::oid]"
        ).scalars()
    )
    for policy in there - set(wanted):
        run(f"DROP POLICY {quoted(policy)} ON {place}")
    for policy in set(wanted) - there:
        run(f"CREATE POLICY {quoted(policy)} ON {place} AS {wanted[policy]}")
    if not run(f"SELECT relrowsecurity FROM pg_class WHERE oid = {regclass}").scalar():
        run(f"ALTER TABLE {place} ENABLE ROW LEVEL SECURITY")


def _add(wanted: dict[str, str], role: str, definition: str) -> None:
    """Name a policy after what it says, so that another release's is seen to be another."""
    digest = blake2b(definition.encode(), digest_size=6).hexdigest()
    wanted[f"{role}_{digest}"] = definition
