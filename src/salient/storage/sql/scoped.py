"""A database of which one workspace is seen, whatever SQL is written: rows of others are not there.

How depends on the database; see `scopes_sqlite`, `scopes_postgresql` and `scopes_mysql`. What holds
on all: every query that keeps to rows runs unchanged; a row of another workspace is neither read,
counted, changed nor made; the schema cannot be changed. That a key is taken is told whoever has it
(a Conflict), so keys must not be guessable where that matters; ours are hashes.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any, final

import sqlalchemy
from sqlalchemy import exc as sa_exc
from sqlalchemy.sql.elements import TextClause

from salient.errors import Error, InvalidInput, Misconfigured, Unsupported
from salient.storage import sql, urls
from salient.storage.sql import Tables, scopes
from salient.storage.sql.bulk import Source
from salient.storage.sql.wrapping import Wrapping

_WAYS = ("mysql", "postgresql", "sqlite")


@final
class Driver(Wrapping):
    """`scoped:[URL]?workspace=name`; `secret=` on servers that know their users by certificates.

    On a server the workspace's user has a password that is made from the secret, or else from the
    password in the URL.

    The database is migrated by a store that is not scoped; whether it is, is looked at once, here.

    Raises:
        Misconfigured: the schema is missing or not this release's, or the database's user may not
            set up what keeps workspaces apart.
    """

    def __init__(self, rest: str) -> None:
        (url,), options = urls.inner(rest, "scoped", most=1)
        self.workspace = scopes.checked(options.text("workspace"))
        secret = options.text("secret")
        options.done()
        place = _innermost(url)
        self._way = _way(place)
        # Only its own part of the whole is exchanged, so that wrappers within stay where they are.
        own, install = self._way.prepared(place, self.workspace, secret)
        inside = sql.driver(url.replace(place, own))
        super().__init__(inside)
        try:
            while inside.inner:
                (inside,) = inside.inner
            install(inside)
            with Tables(self).read() as reading:
                scopes.look(reading._connection)
        except BaseException:
            self.close()
            raise

    def fault(self, exc: sa_exc.DBAPIError) -> Error | None:
        if exc.orig is not None and self._way.refused(exc.orig):
            return InvalidInput(f"workspace {self.workspace!r} may not do that", workspace=self.workspace)  # fmt: skip
        return self.inside.fault(exc)

    def source(
        self, connection: sqlalchemy.Connection, statement: TextClause, bound: Mapping[str, Any]
    ) -> Source:
        self._way.check(statement.text)
        return super().source(connection, statement, bound)

    def prepare(self, connection: sqlalchemy.Connection) -> None:
        raise Unsupported("a workspace cannot change the schema: migrate the database itself")


def _innermost(url: str) -> str:
    """The URL of the database within wrappers.

    Raises:
        Misconfigured: one of them is `scoped:` already.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "scoped":
        raise Misconfigured("a scoped database cannot be scoped again")
    if scheme not in sql.WRAPPERS:
        return url
    (inside,), _ = urls.inner(rest, scheme, most=1)
    return _innermost(inside)


def _way(url: str) -> ModuleType:
    """The module that scopes the databases of a URL's scheme."""
    scheme = url.partition(":")[0]
    name = sql.SCHEMES.get(scheme, "").rpartition(".")[2]
    if name not in _WAYS:
        raise Misconfigured(f"no SQL backend for {scheme[:40]!r}", known=sorted(sql.SCHEMES))
    return importlib.import_module(f"salient.storage.sql.scopes_{name}")
