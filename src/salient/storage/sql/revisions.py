"""Which revision a schema is at, told without loading what can change it: every start asks."""

from __future__ import annotations

from functools import cache
from importlib import resources

import sqlalchemy

_VERSION = sqlalchemy.text("SELECT version_num FROM alembic_version")


@cache
def newest() -> str:
    """The newest revision that ships with this release; files are called `v<revision>_<what>.py`."""
    files = resources.files("salient.storage.sql").joinpath("migrations").iterdir()
    return max(f.name for f in files if f.name.startswith("v"))[1:].partition("_")[0]


def current(connection: sqlalchemy.Connection) -> str | None:
    """The revision a database is at; None for an empty one."""
    if not sqlalchemy.inspect(connection).has_table("alembic_version"):
        return None
    value = connection.execute(_VERSION).scalar()
    return None if value is None else str(value)


def is_at(connection: sqlalchemy.Connection, to: str) -> bool:
    """Whether there is nothing to do to get to `to`."""
    target = newest() if to == "head" else to
    return current(connection) == (None if target == "base" else target)
