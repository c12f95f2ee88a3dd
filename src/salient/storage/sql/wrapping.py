"""What wrappers of databases share: all but what each adds is the driver's that it is around."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import exc as sa_exc
from sqlalchemy.sql.elements import TextClause

from salient.errors import Error
from salient.storage.sql import TablesDriver
from salient.storage.sql.bulk import Source

T = TypeVar("T")


class Wrapping(TablesDriver):
    """A driver around one other."""

    def __init__(self, inside: TablesDriver) -> None:
        self.inner = (inside,)
        self.engine = inside.engine
        self.features = inside.features
        self.retry = inside.retry

    @property
    def inside(self) -> TablesDriver:
        return self.inner[0]

    @property
    def dialect(self) -> str:
        return self.inside.dialect

    def connect(self, *, write: bool) -> sqlalchemy.Connection:
        return self.inside.connect(write=write)

    def fault(self, exc: sa_exc.DBAPIError) -> Error | None:
        return self.inside.fault(exc)

    def migration_lock(self, connection: sqlalchemy.Connection) -> AbstractContextManager[None]:
        return self.inside.migration_lock(connection)

    def prepare(self, connection: sqlalchemy.Connection) -> None:
        self.inside.prepare(connection)

    def source(
        self, connection: sqlalchemy.Connection, statement: TextClause, bound: Mapping[str, Any]
    ) -> Source:
        return self.inside.source(connection, statement, bound)

    def around(self, step: str, run: Callable[[], T], *, commits: bool = False) -> T:
        return self.inside.around(step, run, commits=commits)

    def close(self) -> None:
        self.inside.close()
