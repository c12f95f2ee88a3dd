"""Every SQL backend keeps the same promises, and the schema is what it says it is."""

import os
import sqlite3
from importlib import resources

import pytest

from salient.errors import Misconfigured

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage import sql as module  # noqa: E402
from salient.storage.sql import Tables  # noqa: E402
from salient.storage.testing import TablesContract  # noqa: E402

URLS = {"sqlite": "sqlite:{tmp}/a folder/salient.db"}


@pytest.fixture(params=URLS)
def opened(request, tmp_path):
    url = URLS[request.param]
    if url is None:  # skipped on a laptop, failed in CI
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {request.param} server given")
    stores = []

    def open_again():
        stores.append(Tables.open(url.format(tmp=tmp_path)))
        return stores[-1]

    yield open_again
    for store in stores:
        store.close()


@pytest.fixture
def tables(opened):
    return opened()


@pytest.fixture
def reopen(opened):
    return opened


class TestTables(TablesContract):
    pass


def test_no_backend_ships_without_the_suite():
    assert set(URLS) == set(module.SCHEMES)


def test_unknown_scheme_names_the_known_ones():
    with pytest.raises(Misconfigured) as info:
        Tables.open("punchcard:")
    assert "sqlite" in info.value.context["known"]


def _shape(db):
    """Tables with their columns, keys and indexes."""
    tables = {}
    for (name,) in db.execute("select name from sqlite_master where type='table'"):
        if name == "alembic_version":
            continue
        columns = [
            (column, kind.upper(), bool(required), default, key)
            for _, column, kind, required, default, key in db.execute(f"pragma table_info({name})")
        ]
        indexes = {}
        for _, index, unique, origin, partial in db.execute(f"pragma index_list({name})"):
            fields = [row[2] for row in db.execute(f"pragma index_info({index})")]
            indexes[index if origin == "c" else origin] = (unique, partial, fields)
        tables[name] = columns, indexes
    return tables


def test_schema_file_is_the_sum_of_the_migrations(tmp_path):
    with Tables.open(f"sqlite:{tmp_path}/made.db") as tables:
        tables.migrate()
    script = resources.files("salient.storage.sql").joinpath("schema.sql").read_text()
    said, made = sqlite3.connect(":memory:"), sqlite3.connect(tmp_path / "made.db")
    said.executescript(script)
    try:
        assert _shape(made) == _shape(said)
        assert len(_shape(said)) == script.count("CREATE TABLE")
    finally:
        said.close()
        made.close()
