"""Which rows are a workspace's: one rule for every table, read from the schema that ships.

A table with a column `workspace` belongs by it; one without belongs by the document that its
column `document_id` names. A table that has neither cannot be scoped, and a test says so.
"""

# ruff: noqa: S608 # SQL is made of the schema's names and of literals that are quoted here

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources

import sqlalchemy

from salient.errors import Misconfigured
from salient.storage.sql import revisions

_TABLE = re.compile(r"^CREATE TABLE (\w+) \(\n(.*?)\n\);", re.M | re.S)
_COLUMN = re.compile(r"\s+([a-z_]+)\s+[A-Z]")
_KEY = re.compile(r"\s+PRIMARY KEY \(([^)]*)\)")
_WORKSPACE = re.compile(r"[^\x00-\x1f\x7f]{1,64}")

ACCOUNTS = "salient_"
"""How the names of workspaces' users begin."""

VERSION = "alembic_version"
"""The table with the schema's revision: a workspace may read it, and is not in it."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table that workspaces share.

    Attributes:
        key: the columns of its primary key.
        linked: it has no column `workspace`, and its rows are their document's.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    linked: bool

    @property
    def fixed(self) -> tuple[str, ...]:
        """Columns that say whose a row is and which: no workspace may change them."""
        return tuple(dict.fromkeys((*self.key, "document_id" if self.linked else "workspace")))

    @property
    def values(self) -> tuple[str, ...]:
        """The columns that may change."""
        return tuple(c for c in self.columns if c not in self.fixed)


@cache
def tables() -> tuple[Table, ...]:
    """Every table with rows of workspaces; `schema.sql` is the sum of the migrations.

    Raises:
        Misconfigured: a table says of no row whose it is.
    """
    text = resources.files("salient.storage.sql").joinpath("schema.sql").read_text("utf-8")
    return parse(text)


def parse(text: str) -> tuple[Table, ...]:
    """The tables of a script like `schema.sql`."""
    found = []
    for name, body in _TABLE.findall(text):
        lines = [line.partition("--")[0] for line in body.splitlines()]
        columns = tuple(m[1] for line in lines if (m := _COLUMN.match(line)))
        key = [m[1].split(", ") for line in lines if (m := _KEY.match(line))]
        key += [[m[1]] for line in lines if (m := _COLUMN.match(line)) and "PRIMARY KEY" in line]
        if "workspace" not in columns and "document_id" not in columns:
            raise Misconfigured(f"rows of {name} belong to no workspace", table=name)
        found.append(Table(name, columns, tuple(key[0]), "workspace" not in columns))
    return tuple(found)


def checked(workspace: str | None) -> str:
    """The name of a workspace.

    Raises:
        Misconfigured: there is none, or it cannot be one.
    """
    if workspace is None or not _WORKSPACE.fullmatch(workspace):
        raise Misconfigured(
            "scoped: takes the workspace's name, as in scoped:[URL]?workspace=main", given=workspace
        )
    return workspace


def literal(text: str) -> str:
    """Text as standard SQL has it; names come from settings and are checked all the same."""
    return "'" + text.replace("'", "''") + "'"


def quoted(*names: str) -> str:
    """Names of columns or tables as standard SQL has them."""
    return ", ".join(f'"{name}"' for name in names)


def condition(table: Table, workspace: str, *, row: str, document: str) -> str:
    """What is true of the rows that are the workspace's.

    Args:
        row: what stands for the row: an alias, or `NEW`.
        document: the table of documents, as it is to be written.
    """
    if not table.linked:
        return f'{row}."workspace" = {literal(workspace)}'
    return (
        f"EXISTS (SELECT 1 FROM {document} AS whose"
        f' WHERE whose."id" = {row}."document_id" AND whose."workspace" = {literal(workspace)})'
    )


def look(connection: sqlalchemy.Connection) -> None:
    """See whether a database's schema is this release's.

    Raises:
        Misconfigured: it is not.
    """
    found = revisions.current(connection)
    if found != revisions.newest():
        raise Misconfigured(
            f"the database's schema is {found or 'missing'} and not {revisions.newest()}:"
            " migrate it by a store that is not scoped",
            schema=found,
        )


def account(database: str, schema: str, workspace: str) -> str:
    """The name of a workspace's user on a server: others on the server do not learn the workspace's."""
    digest = hashlib.blake2b("\0".join((database, schema, workspace)).encode(), digest_size=8)
    return f"{ACCOUNTS}{digest.hexdigest()}"


def password(secret: str | None, name: str) -> str:
    """A user's password, the same in every process that has the secret.

    Without a secret the server has let us in without a password, and will let anybody.
    """
    return hmac.new((secret or "").encode(), name.encode(), hashlib.sha256).hexdigest()


def as_user(url: str, user: str, given: str) -> str:
    """A database's URL with other credentials."""
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}://{user}:{given}@{place.rpartition('@')[2]}{slash}{path}"
