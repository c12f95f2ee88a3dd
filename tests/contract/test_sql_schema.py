"""The schema is what `schema.sql` says, however a database came to it: anew, or by way of a release."""

import sqlite3
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import event

from salient.storage.sql import Query, Tables, migrating
from tests.sql_spaces import DIALECTS, space

# What each released revision made, statement by statement, as written on its day by
# `python -m tests.contract.test_sql_schema REVISION`; never to be changed.
RELEASED = Path(__file__).parent / "schemas"
REVISIONS = [r.revision for r in reversed(list(migrating.scripts().walk_revisions()))]


@pytest.fixture(params=DIALECTS)
def url(request, tmp_path, servers):
    with space(request.param, tmp_path, servers) as made:
        yield made


def shape(tables):
    """Tables with their columns, keys and indexes."""
    with tables.read() as reading:
        inspect = sqlalchemy.inspect(reading._connection)
        dialect = reading._connection.dialect
        found = {}
        for name in inspect.get_table_names():
            if name == "alembic_version":
                continue
            columns = [
                (c["name"], c["type"].compile(dialect=dialect), getattr(c["type"], "collation", None), c["nullable"], c["default"])
                for c in inspect.get_columns(name)
            ]  # fmt: skip
            indexes = {
                i["name"]: (bool(i["unique"]), i["column_names"]) for i in inspect.get_indexes(name)
            }
            key = inspect.get_pk_constraint(name)["constrained_columns"]
            options = inspect.get_table_options(name)
            found[name] = columns, key, indexes, options
    return found


def statements(url, revision):
    """What brings an empty database to a revision."""
    said = []
    with Tables.open(url) as tables:
        listen = lambda _, __, statement, params, ___, ____: said.append((statement, params))  # noqa: E731
        event.listen(tables._driver.engine, "before_cursor_execute", listen)
        tables.migrate(revision)
    kept = [
        (" ".join(text.split()).partition(" RETURNING ")[0], params)
        for text, params in said
        if text.split()[0] in {"CREATE", "ALTER", "INSERT", "UPDATE", "DROP"}
        and "CREATE SCHEMA" not in text
    ]
    assert not any(params for _, params in kept)
    return [text for text, _ in kept]


def released(revision, dialect):
    return (RELEASED / f"{revision}.{dialect}.sql").read_text().split(";\n")[:-1]


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_database_of_a_release_becomes_what_a_new_one_is(url, revision, tmp_path, servers):
    with Tables.open(url) as old:
        with old.transaction() as tx:
            old._driver.prepare(tx._connection)
            for statement in released(revision, old.dialect):
                tx.run(Query(statement.replace(":", r"\:")))
        assert old.revision() == revision
        old.migrate()
        with space(old.dialect, tmp_path / "new", servers) as other, Tables.open(other) as new:
            new.migrate()
            assert shape(old) == shape(new)
            assert old.revision() == new.revision() == REVISIONS[-1]


def test_down_and_up_again_leaves_no_difference(url):
    with Tables.open(url) as tables:
        tables.migrate()
        first = shape(tables)
        for revision in [*REVISIONS[-2::-1], "base"]:
            tables.migrate(revision)
        assert shape(tables) == {}
        for revision in REVISIONS:
            tables.migrate(revision)
        assert shape(tables) == first


def test_schema_file_is_the_sum_of_the_migrations(tmp_path):
    script = resources.files("salient.storage.sql").joinpath("schema.sql").read_text()
    said = sqlite3.connect(tmp_path / "said.db")
    said.executescript(script)
    said.close()
    with (
        Tables.open(f"sqlite:{tmp_path}/made.db") as made,
        Tables.open(f"sqlite:{tmp_path}/said.db") as read,
    ):
        made.migrate()
        assert shape(made) == shape(read)
        assert len(shape(made)) == script.count("CREATE TABLE")


KILLED = """
import os, sys
from sqlalchemy import event
from salient.storage.sql import Tables
tables, left = Tables.open(sys.argv[1]), [int(sys.argv[2])]
def count(_, __, statement, *___):
    left[0] -= statement.split()[0] in ("CREATE", "ALTER", "INSERT", "UPDATE", "DROP", "DELETE")
    if left[0] < 0:
        os._exit(9)
event.listen(tables._driver.engine, "before_cursor_execute", count)
tables.migrate(sys.argv[3])
"""


@pytest.mark.parametrize("after", [1, 2, 7, 20, 26])
def test_a_migration_that_was_killed_is_finished_by_the_next(url, after, tmp_path, servers):
    def killed(to):
        done = subprocess.run([sys.executable, "-c", KILLED, url, str(after), to], check=False)
        return done.returncode == 9

    with Tables.open(url) as tables:
        assert killed("head")
        tables.migrate()
        with space(tables.dialect, tmp_path / "new", servers) as other, Tables.open(other) as new:
            new.migrate()
            assert shape(tables) == shape(new)
        killed("base")  # may have fewer steps than that
        tables.migrate("base")
        assert shape(tables) == {}
        tables.migrate()


if __name__ == "__main__":
    import tempfile

    from tests.servers import Servers

    every = Servers()
    for kind in DIALECTS:
        with tempfile.TemporaryDirectory() as folder, space(kind, folder, every) as where:
            lines = statements(where, sys.argv[1])
        (RELEASED / f"{sys.argv[1]}.{kind}.sql").write_text("".join(f"{s};\n" for s in lines))
    every.close()
