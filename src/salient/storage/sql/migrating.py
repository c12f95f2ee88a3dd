"""Alembic over the revisions in `migrations/`, without its command line or its `env.py`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from typing import Any

import sqlalchemy
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import RevisionStep
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from salient.errors import Misconfigured
from salient.storage.sql.revisions import current, is_at


def scripts() -> ScriptDirectory:
    """The revisions that ship with this release."""
    folder = str(resources.files("salient.storage.sql").joinpath("migrations"))
    return ScriptDirectory(folder, version_locations=[folder])


def move(connection: sqlalchemy.Connection, to: str) -> None:
    """Migrate up or down to `to` within the connection's transaction.

    Raises:
        Misconfigured: the database is at a revision that this release does not know.
    """
    script = scripts()
    now = current(connection)
    if now is not None and now not in {r.revision for r in script.walk_revisions()}:
        raise Misconfigured(
            f"the database was made by a newer release (schema {now})",
            schema=now,
            newest_known=script.get_current_head(),
        )
    if is_at(connection, to):
        return  # somebody else did it while we waited
    steps: Callable[[Any, Any], list[RevisionStep]]
    if to == "base" or _is_below(script, to, now):
        steps = lambda rev, _: script._downgrade_revs(to, rev)  # noqa: E731
    else:
        steps = lambda rev, _: script._upgrade_revs(to, rev)  # noqa: E731
    context = EnvironmentContext(Config(), script, fn=steps, destination_rev=to)
    try:
        with context:
            context.configure(connection=connection, fn=steps, target_metadata=None)
            context.run_migrations()
    except CommandError as exc:
        raise Misconfigured(f"no way to schema {to!r}: {exc}") from exc


def _is_below(script: ScriptDirectory, to: str, now: str | None) -> bool:
    if now is None or to == "head":
        return False
    older = {r.revision for r in script.iterate_revisions(now, "base")} - {now}
    return to in older
