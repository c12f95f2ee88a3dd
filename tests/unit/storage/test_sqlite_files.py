"""The stores in SQLite files: damage, locks, other processes, and files of named queries."""

import sqlite3
import subprocess
import sys

import pytest

from salient.errors import Corrupt, InvalidInput, Misconfigured, Unavailable
from salient.storage.docs import Records
from salient.storage.kv import KeyValue
from salient.storage.sql import Query, Tables
from salient.storage.sql.queries import parse

OPENERS = {
    "kv": lambda path: KeyValue.open(f"sqlite:{path}"),
    "docs": lambda path: Records.open(f"sqlite:{path}"),
    "sql": lambda path: _migrated(f"sqlite:{path}"),
}


def _migrated(url):
    tables = Tables.open(url)
    try:
        tables.migrate()
    except BaseException:
        tables.close()
        raise
    return tables


@pytest.mark.parametrize("kind", OPENERS)
def test_file_that_is_no_database_is_corrupt(tmp_path, kind):
    (tmp_path / "x.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(Corrupt):
        OPENERS[kind](tmp_path / "x.db")


@pytest.mark.parametrize("kind", OPENERS)
def test_place_that_cannot_be_is_unavailable(tmp_path, kind):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        OPENERS[kind](tmp_path / "file" / "x.db")
    with pytest.raises(Unavailable):
        OPENERS[kind](tmp_path)


def test_damage_in_the_middle_is_corrupt(tmp_path):
    path = tmp_path / "x.db"
    add = Query("INSERT INTO name VALUES (:id, 'w', 't', :norm)")
    with _migrated(f"sqlite:{path}") as tables, tables.transaction() as tx:
        tx.run(add, [{"id": str(i), "norm": "x" * 200} for i in range(3000)])
    with path.open("r+b") as file:
        file.seek(4096 * 20)
        file.write(b"\xff" * (path.stat().st_size - 4096 * 20))
    with Tables.open(f"sqlite:{path}") as tables, pytest.raises(Corrupt), tables.read() as reading:
        reading.rows(Query("SELECT * FROM name ORDER BY norm"))


def test_writer_that_waits_too_long_is_told_so(tmp_path):
    path = tmp_path / "x.db"
    with _migrated(f"sqlite:{path}?timeout_s=0.2") as tables:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("begin immediate")
        with pytest.raises(Unavailable), tables.transaction():
            pass
        other.execute("commit")
        other.close()
        with tables.transaction() as tx:
            assert tx.value(Query("SELECT 1")) == 1


def test_mistake_in_sql_is_not_disguised(tmp_path):
    with Tables.open("sqlite::memory:") as tables, tables.read() as reading:
        with pytest.raises(Exception, match="no such table") as info:
            reading.rows(Query("SELECT * FROM nowhere"))
        assert not isinstance(info.value, Unavailable)


def test_processes_share_a_database(tmp_path):
    code = (
        "import sys\nfrom salient.storage.sql import Query, Tables\n"
        "t = Tables.open(sys.argv[1]); t.migrate()\n"
        "for i in range(20):\n"
        "    with t.transaction() as tx:\n"
        "        tx.run(Query(\"INSERT INTO name VALUES (:id, 'w', 't', '')\"), {'id': sys.argv[2] + str(i)})\n"
        "t.close()\n"
    )
    url = f"sqlite:{tmp_path}/x.db"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, url, name], env={"PYTHONPATH": ":".join(sys.path)})
        for name in ("a", "b", "c")
    ]  # fmt: skip
    assert [p.wait(60) for p in processes] == [0, 0, 0]
    with Tables.open(url) as tables, tables.read() as reading:
        assert reading.value(Query("SELECT COUNT(*) FROM name")) == 60


def test_processes_share_a_key_value_file(tmp_path):
    code = (
        "import sys\nfrom salient.storage.kv import KeyValue\n"
        "kv = KeyValue.open(sys.argv[1])\n"
        "for i in range(100): kv.increment('n')\n"
        "kv.close()\n"
    )
    url = f"sqlite:{tmp_path}/kv.db"
    processes = [
        subprocess.Popen([sys.executable, "-c", code, url], env={"PYTHONPATH": ":".join(sys.path)})
        for _ in range(3)
    ]
    assert [p.wait(60) for p in processes] == [0, 0, 0]
    with KeyValue.open(url) as kv:
        assert kv.get("n") == b"300"


@pytest.mark.parametrize("store", [KeyValue, Records])
def test_memory_and_file_keep_what_they_were_given_after_reopening(tmp_path, store):
    url = f"sqlite:{tmp_path}/x.db"
    with store.open(url) as first:
        first.put("a", b"b") if store is KeyValue else first.put("a", "b", {"c": 1})
    with store.open(url) as again:
        assert (again.get("a") if store is KeyValue else again.get("a", "b")["c"]) in (b"b", 1)


@pytest.mark.parametrize("url", ["sqlite:", "sqlite:x?nosuch=1", "sqlite:x?timeout_s=long"])
def test_senseless_database_url_is_a_misconfiguration(url):
    with pytest.raises(Misconfigured):
        Tables.open(url)


TEXT = """
-- Queries about things.

-- name: find
-- With a comment that stays.
SELECT 1 WHERE :a = :a;
-- dialect: mysql, postgresql
SELECT 2
-- name: other
SELECT 'a\\:b', '
-- not a mark: a literal';
"""


def test_named_queries_are_read_by_dialect():
    assert parse(TEXT, dialect="sqlite").find.text.endswith("SELECT 1 WHERE :a = :a")
    assert parse(TEXT, dialect="mysql").find.text == "SELECT 2"
    assert [q.name for q in parse(TEXT, dialect="postgresql")] == ["find", "other"]
    with Tables.open("sqlite::memory:") as tables, tables.read() as reading:
        queries = parse(TEXT, dialect=tables.dialect)
        assert reading.value(queries.find, {"a": 1}) == 1
        assert tuple(reading.one(queries.other)) == ("a:b", "\n-- not a mark: a literal")
    with pytest.raises(AttributeError, match="nosuch"):
        _ = queries.nosuch


@pytest.mark.parametrize(
    "text",
    ["SELECT 1", "-- name: A\nSELECT 1", "-- name: a b\nSELECT 1", "-- name: a\n-- only a comment\n", "-- name: a\n;",
     "-- name: a\nSELECT 1\n-- name: a\nSELECT 2", "-- name: a\n-- dialect: oracle\nSELECT 1", "-- dialect: mysql\nSELECT 1",
     "-- name: a\n-- dialect: mysql\nSELECT 1"],
)  # fmt: skip
def test_senseless_query_file_is_refused(text):
    with pytest.raises(InvalidInput):
        parse(text, dialect="sqlite")
