"""The tables of a search index in Postgres, by name, and how they are made."""

from __future__ import annotations

import json
import re
import time
from hashlib import blake2b
from typing import Any, LiteralString, final

import psycopg
from psycopg import sql

from salient.errors import Corrupt, Misconfigured
from salient.storage.search import FEATURES, IndexSchema
from salient.storage.search.analysis import VERSION
from salient.storage.search.pg_connections import Connection, Connections

_FORMAT = 1
_MOST_NEIGHBOURED = 4000  # numbers of a vector that pgvector's index takes
_HALF_VECTORS = (0, 7)  # the first version that has them
_LONGEST_NAME = 40  # bytes; Postgres has 63, with what is added here

_MADE: LiteralString = """
create table {state} (
    one boolean primary key check (one), made_of text not null, generation bigint not null,
    next_entry bigint not null, next_batch integer not null, entries bigint not null, tokens bigint[] not null
);
create table {entries} (
    id bigint primary key, key text collate "C" not null unique, "group" text collate "C" not null,
    lengths bytea not null, stored bytea not null
);
create index on {entries} ("group");
create table {batches} (
    batch integer primary key, first bigint not null, last bigint not null, size bigint not null,
    entries bigint not null
);
create table {postings} (
    code smallint not null, term bytea not null, batch integer not null, hits bytea not null, more bytea,
    primary key (code, term, batch)
);
create index on {postings} (batch);
alter table {postings} alter hits set storage external, alter more set storage external;
create table {dead} (at bigint primary key, ids bytea not null);
"""

_VECTORS: LiteralString = """
create table {vectors} (id bigint primary key, vector halfvec({dim}) not null)
"""


@final
class Tables:
    """One index's tables, made when they are missing.

    Raises:
        Misconfigured: they were made with other fields, or may not be made.
    """

    def __init__(self, connections: Connections, schema: str, index: str, fields: IndexSchema) -> None:  # fmt: skip
        self.name = schema, index
        self._fields = fields
        short = _short(index)
        parts = ("state", "entries", "batches", "postings", "dead", "vectors")
        self._names: dict[str, sql.Composable] = {
            part: sql.Identifier(_short(schema), f"{short}_{part}") for part in parts
        }
        self._state = _short(schema), f"{short}_state"
        self._names["schema"] = sql.Identifier(_short(schema))
        self._names["dim"] = sql.Literal(fields.vector_dim or 1)
        self._names["near"] = sql.Identifier(f"{short}_near")
        connection = connections.take("begin")
        try:
            with connections.translated():
                self.vectors = self._open(connection)
        finally:
            connections.give(connection)
        has = self.vectors or fields.vector_dim is None
        self.features = FEATURES if has else FEATURES - {"vectors"}

    @property
    def neighboured(self) -> bool:
        """Whether pgvector can index vectors as long as these."""
        return self.vectors and (self._fields.vector_dim or 0) <= _MOST_NEIGHBOURED

    def sql(self, text: LiteralString) -> sql.Composed:
        """A statement with the tables' names in it."""
        return sql.SQL(text).format(**self._names)

    def _open(self, connection: Connection) -> bool:
        """Whether there are vectors."""
        (encoding,) = only_row(connection, "select current_setting('server_encoding')")
        if encoding != "UTF8":
            raise Misconfigured("the database of a search index is one of UTF8", encoding=encoding)
        if not self._there(connection):
            # Names of tables that are being made are not locked by Postgres itself.
            connection.execute(
                "select pg_advisory_xact_lock(hashtextextended('salient search', 0))"
            )
            if not self._there(connection):
                self._make(connection)
        there = json.loads(only_row(connection, self.sql("select made_of from {state}"))[0])
        vectors = bool(there.pop("vectors"))
        wanted = self._made_of()
        if there != wanted:
            raise Misconfigured(
                "the search index was made with other fields: drop its tables and index again",
                tables=self.sql("{state}").as_string(connection), there=there, wanted=wanted,
            )  # fmt: skip
        connection.execute("commit")
        return vectors

    def _there(self, connection: Connection) -> bool:
        # From the catalogue's rows: `to_regclass` remembers what was not there a moment ago.
        (there,) = only_row(
            connection,
            "select exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
            " where n.nspname = %s and c.relname = %s)",
            list(self._state),
        )
        return there is True

    def _make(self, connection: Connection) -> None:
        known = "select exists (select from pg_catalog.pg_namespace where nspname = %s)"
        if not only_row(connection, known, [self._state[0]])[0]:
            connection.execute(self.sql("create schema {schema}"))
        connection.execute(self.sql(_MADE))
        vectors = self._fields.vector_dim is not None and _has_vectors(connection)
        if vectors:
            connection.execute(self.sql(_VECTORS))
        connection.execute(
            self.sql("insert into {state} values (true, %s, %s, 0, 0, 0, %s)"),
            [json.dumps({**self._made_of(), "vectors": vectors}),
             # What another process keeps of an index that was dropped is never taken for this one's.
             time.time_ns() // 1000,
             [0] * sum(f.kind == "text" for f in self._fields.fields)],
        )  # fmt: skip

    def _made_of(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "analysis": VERSION,
            "fields": [[f.name, f.kind, f.stored] for f in self._fields.fields],
            "vector_dim": self._fields.vector_dim,
        }


def _has_vectors(connection: Connection) -> bool:
    """Whether pgvector is there, or can be put there."""
    try:
        with connection.transaction():
            connection.execute("create extension if not exists vector")
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported,
            psycopg.errors.UndefinedFile):  # fmt: skip
        return False  # neither there nor to be had
    (version,) = only_row(
        connection, "select extversion from pg_extension where extname = 'vector'"
    )
    major, minor = re.findall(r"\d+", version)[:2]
    return (int(major), int(minor)) >= _HALF_VECTORS


def only_row(connection: Connection, text: Any, values: list[Any] | None = None) -> tuple[Any, ...]:
    """The one row that a statement finds."""
    row = connection.execute(text, values).fetchone()
    if row is None:
        raise Corrupt("the search index's tables are incomplete: drop them and index again")
    return row


def _short(name: str) -> str:
    """The name, or, if Postgres would cut it or psycopg read a parameter in it, a part and a digest."""
    if len(name.encode()) <= _LONGEST_NAME and "%" not in name:
        return name
    digest = blake2b(name.encode(), digest_size=8).hexdigest()
    plain = name.replace("%", "").encode()[: _LONGEST_NAME - 17]
    return plain.decode("utf-8", "ignore") + "_" + digest
