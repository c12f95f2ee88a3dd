"""What a workspace's part of a database promises: all that databases do, and nothing of others."""

# ruff: noqa: S608 # SQL is made of the schema's names

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import exc as sa_exc

from salient.errors import Error, InvalidInput, Unsupported
from salient.storage.sql import Query, Tables, Transaction, scopes
from salient.storage.testing.sql import TablesContract

MARK = "SECRET"  # in every text of the other workspace that is no key
THEIRS = "theirs"  # in every key of it
_TYPES: dict[str, Any] = {
    "ordinal": 1, "start_at": 0, "end_at": 4, "page": 1, "score": 0.5, "sentence_start": 0,
    "sentence_end": 4, "n_mentions": 1, "n_documents": 1, "confidence": 0.5, "size_bytes": 5,
    "n_pages": 1, "n_characters": 4, "depth": 0, "attempts": 0, "lease_until": 1.5, "seconds": 0.25,
    "sequence": 1, "waiting": 1, "band": 7, "similarity": 0.5, "containment": 0.5,
}  # fmt: skip


class ScopedTablesContract(TablesContract):
    """The suite of databases, for a workspace 'w'.

    Supply `tables`, the scoped store over an empty migrated database, and `reopen()`.
    """

    def test_migrating_makes_the_tables_and_again_does_nothing(self, tables: Tables) -> None:
        """Of a scoped store: there is nothing to do, as it was opened at all."""
        first = tables.revision()
        assert first is not None
        tables.migrate()
        assert tables.revision() == first

    def test_migrating_goes_down_and_up(self, tables: Tables) -> None:
        """Of a scoped store: it does not."""
        for to in ("base", "0001"):
            with pytest.raises(Unsupported):
                tables.migrate(to)
        tables.migrate()

    def test_unknown_revision_is_a_misconfiguration(self, tables: Tables) -> None:
        """Of a scoped store: the schema's revision cannot be changed at all."""
        with pytest.raises(Unsupported):
            tables.migrate("9999")
        with pytest.raises(InvalidInput), tables.transaction() as tx:
            tx.run(Query("UPDATE alembic_version SET version_num = 'from the future'"))


class WorkspacesContract:
    """What workspaces may do, and may not.

    Supply `owner`, the unscoped store of an empty migrated database; `scoped(workspace)`, which
    opens a store of one; and `places`, names that may stand before a table's to reach the real one.
    """

    # --- what a workspace may do

    def test_every_table_is_read_and_written_as_always(
        self, owner: Tables, scoped: Callable[[str], Tables]
    ) -> None:
        fill(owner, "other")
        mine = scoped("w")
        fill(mine, "w")
        seen = contents(owner)
        assert contents(mine) == {
            t: [r for r in rows if THEIRS not in str(r)] for t, rows in seen.items()
        }
        assert all(len(rows) == 1 for rows in contents(mine).values())
        for table in scopes.tables():
            if not table.values:
                continue  # keys stay as they are
            column = table.values[-1]
            changed = {"value": _TYPES.get(column, "new")}
            with mine.transaction() as tx:
                assert tx.run(Query(f"UPDATE {table.name} SET {column} = :value"), changed) == 1
        for table in reversed(scopes.tables()):
            with mine.transaction() as tx:
                assert tx.run(Query(f"DELETE FROM {table.name}")) == 1
        assert contents(owner) == {
            t: [r for r in rows if THEIRS in str(r)] for t, rows in seen.items()
        }

    def test_counts_are_of_the_workspace(
        self, owner: Tables, scoped: Callable[[str], Tables]
    ) -> None:
        fill(owner, "other")
        with scoped("w").transaction() as tx:
            for table in scopes.tables():
                assert tx.value(Query(f"SELECT COUNT(*) AS n FROM {table.name}")) == 0
                assert tx.run(Query(f"DELETE FROM {table.name}")) == 0

    def test_each_change_of_a_batch_sees_the_one_before(
        self, owner: Tables, scoped: Callable[[str], Tables]
    ) -> None:
        mine = scoped("w")
        fill(mine, "w")
        more = Query("UPDATE entity SET n_mentions = n_mentions + :more WHERE workspace = :of")
        with mine.transaction() as tx:
            assert tx.run(more, [{"more": n, "of": "w"} for n in (1, 10, 100)]) == 3
            assert tx.value(Query("SELECT n_mentions FROM entity")) == 112
            assert tx.run(more, {"more": 1, "of": "w"}) == 1
            assert tx.run(more, {"more": 1, "of": "other"}) == 0
        with owner.read() as reading:
            assert reading.value(Query("SELECT n_mentions FROM entity")) == 113

    def test_rows_are_copied_within_the_workspace(
        self, owner: Tables, scoped: Callable[[str], Tables]
    ) -> None:
        fill(owner, "other")
        mine = scoped("w")
        fill(mine, "w")
        copy = "INSERT INTO name (id, workspace, type, norm) SELECT CONCAT('c', id), workspace, type, norm FROM name"
        joined = copy.replace("CONCAT('c', id)", "'c' || id")
        with mine.transaction() as tx:
            assert tx.run(Query(joined)) == 1
        with owner.read() as reading:
            assert reading.value(Query("SELECT COUNT(*) AS n FROM name")) == 3

    def test_workspaces_work_side_by_side(
        self, owner: Tables, scoped: Callable[[str], Tables]
    ) -> None:
        names = ["w", "other", "o'hara", "w%", "ключ"]
        stores = {name: scoped(name) for name in names}
        add = Query("INSERT INTO name (id, workspace, type, norm) VALUES (:id, :of, 'ORG', '')")

        def work(name: str) -> None:
            for i in range(10):
                with stores[name].transaction() as tx:
                    tx.run(add, {"id": f"{names.index(name)}-{i}", "of": name})

        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(work, names))
        for name, store in stores.items():
            with store.read() as reading:
                rows = reading.rows(Query("SELECT workspace FROM name"))
            assert [r.workspace for r in rows] == [name] * 10
        with owner.read() as reading:
            assert reading.value(Query("SELECT COUNT(*) AS n FROM name")) == 50

    def test_opening_again_changes_nothing(
        self, owner: Tables, scoped: Callable[[str], Tables]
    ) -> None:
        first = scoped("w")
        fill(first, "w")
        with ThreadPoolExecutor(4) as pool:
            others = list(pool.map(scoped, ["w", "other", "w", "third"]))
        assert contents(others[0]) == contents(first) == contents(others[2]) == contents(owner)
        assert not any(contents(others[1]).values())

    # --- what it may not

    def test_a_row_of_another_workspace_cannot_be_made(
        self, owner: Tables, scoped: Callable[[str], Tables]
    ) -> None:
        fill(owner, "other")
        mine, before = scoped("w"), contents(owner)
        for table in scopes.tables():
            for suffix in ("", "-new"):
                with pytest.raises(Error), mine.transaction() as tx:
                    tx.run(insert(table), row(table, "other", key=suffix, document="other"))
        assert contents(owner) == before

    def test_a_row_cannot_be_given_away(
        self, owner: Tables, scoped: Callable[[str], Tables]
    ) -> None:
        fill(owner, "other")
        mine = scoped("w")
        fill(mine, "w")
        before = contents(owner)
        for table in scopes.tables():
            column, value = (
                ("document_id", f"{THEIRS}-doc") if table.linked else ("workspace", "other")
            )
            change = Query(f"UPDATE {table.name} SET {column} = :value")
            with pytest.raises(InvalidInput), mine.transaction() as tx:
                tx.run(change, {"value": value})
        assert contents(owner) == before

    def test_rows_of_others_cannot_be_changed(
        self, owner: Tables, scoped: Callable[[str], Tables]
    ) -> None:
        fill(owner, "other")
        mine, before = scoped("w"), contents(owner)
        for table in scopes.tables():
            key = " AND ".join(f"{c} IS NOT NULL" for c in table.key)
            with mine.transaction() as tx:
                for column in table.values[-1:]:
                    changed = {"value": _TYPES.get(column, "new")}
                    change = Query(f"UPDATE {table.name} SET {column} = :value")
                    assert tx.run(change, changed) == 0
                assert tx.run(Query(f"DELETE FROM {table.name} WHERE {key}")) == 0
        assert contents(owner) == before

    def test_a_document_with_rows_elsewhere_stays(
        self, owner: Tables, scoped: Callable[[str], Tables]
    ) -> None:
        """They would be nobody's, and then whoever's next gives a document that id."""
        mine = scoped("w")
        fill(mine, "w")
        before = contents(owner)
        try:
            with mine.transaction() as tx:
                assert tx.run(Query("DELETE FROM document")) == 0
        except Error:
            pass
        assert contents(owner) == before

    def test_statements_of_a_tenant_show_nothing_of_others(
        self, owner: Tables, scoped: Callable[[str], Tables], places: Sequence[str], hostile: Sequence[str]
    ) -> None:  # fmt: skip
        fill(owner, "other")
        mine = scoped("w")
        fill(mine, "w")
        before, own = contents(owner), contents(mine)
        for template in hostile:
            for statement in expanded(template, places):
                assert MARK not in attempt(mine, statement), statement
            assert contents(owner) == before, template
            assert contents(mine) == own, template
        assert contents(scoped("w")) == own

    def test_what_one_statement_leaves_helps_no_other(
        self, owner: Tables, scoped: Callable[[str], Tables], places: Sequence[str], sequences: Sequence[Sequence[str]]
    ) -> None:  # fmt: skip
        fill(owner, "other")
        mine = scoped("w")
        fill(mine, "w")
        before, own = contents(owner), contents(mine)
        for sequence in sequences:
            for place in places:
                statements = [s.replace("{place}", place) for s in sequence]
                assert MARK not in attempt(mine, *statements), statements
                for statement in statements:  # and one transaction each
                    assert MARK not in attempt(mine, statement), statements
                assert MARK not in attempt(mine, *statements, undo=False), statements
                assert contents(owner) == before, statements
                assert contents(mine) == own, statements

    def test_failing_for_some_rows_tells_nothing_of_others(
        self, owner: Tables, scoped: Callable[[str], Tables]
    ) -> None:
        fill(owner, "other")
        mine = scoped("w")
        fill(mine, "w")
        for statement in TELLING:
            hidden, nowhere = (
                attempt(mine, statement.replace("{text}", text)) for text in (MARK[:4], "NOWH")
            )
            assert hidden.replace(MARK[:4], "") == nowhere.replace("NOWH", ""), statement

    @pytest.fixture
    def hostile(self) -> Sequence[str]:
        return HOSTILE

    @pytest.fixture
    def sequences(self) -> Sequence[Sequence[str]]:
        return SEQUENCES


def attempt(tables: Tables, *statements: str, undo: bool = True) -> str:
    """All that a tenant sees of running statements in one transaction: rows or errors."""
    seen: list[object] = []
    try:
        with tables.transaction() as tx:
            seen.extend(_shown(tx, statement) for statement in statements)
            if undo:
                _undo()
    except _Undone:
        pass
    except (Error, sa_exc.SQLAlchemyError) as exc:
        # Our message may repeat the statement; what the server says counts.
        seen.append(getattr(exc, "orig", None) or getattr(exc.__cause__, "orig", None) or exc)
    return " ".join(str(s) for s in seen)


class _Undone(Exception):
    pass


def _undo() -> None:
    raise _Undone


def _shown(tx: Transaction, statement: str) -> object:
    result = tx._execute(Query(statement.replace(":", "\\:")), None)
    return [tuple(r) for r in result.all()] if result.returns_rows else "done"


def expanded(template: str, places: Sequence[str]) -> Iterator[str]:
    """A statement with each table, and each name that may stand before it, put in."""
    for table in ("name", "mention", "document") if "{table}" in template else ("",):
        for place in places if "{place}" in template else ("",):
            yield template.replace("{table}", table).replace("{place}", place)


def insert(table: scopes.Table) -> Query:
    names = ", ".join(table.columns)
    return Query(
        f"INSERT INTO {table.name} ({names}) VALUES ({', '.join(f':{c}' for c in table.columns)})"
    )


def row(
    table: scopes.Table, workspace: str, *, key: str = "", document: str | None = None
) -> dict[str, Any]:
    """A row of a workspace's; all its text has the mark when it is another's than 'w'."""
    text, start = ("own", "own") if workspace == "w" else (MARK, THEIRS)
    whose = start if document in (None, workspace) else "own"
    values = {c: _TYPES.get(c, f"{text}-{c}"[:8]) for c in table.columns}
    named: Any = f"{start}-{table.name}"[:16] + key
    keys = dict.fromkeys(("id", "name_id", "stage", "norm"), named)
    keys |= {"document_id": f"{whose}-doc", "entity_id": f"{start}-entity{key}"}
    keys |= {"one": f"{start}-one{key}", "other": f"{start}-other{key}"}
    keys |= {"version": (f"{start}{key}" + "0" * 64)[:64], "ordinal": 1 + len(key)}
    if table.name == "document":
        keys["id"] = f"{start}-doc{key}"
    values |= {c: keys[c] for c in table.key if c in keys}
    values |= {c: v for c, v in keys.items() if c in ("version", "document_id") and c in values}
    values |= {"sequence": 1 + len(key)} if "sequence" in values else {}
    values |= {"workspace": workspace} if "workspace" in values else {}
    return values


def fill(tables: Tables, workspace: str) -> None:
    """Put a row into each table."""
    with tables.transaction() as tx:
        for table in scopes.tables():
            assert tx.run(insert(table), row(table, workspace)) == 1


def contents(tables: Tables) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables that a store shows."""
    with tables.read() as reading:
        return {
            t.name: sorted(
                (tuple(r) for r in reading.rows(Query(f"SELECT {', '.join(t.columns)} FROM {t.name}"))),
                key=str,
            )
            for t in scopes.tables()
        }  # fmt: skip


# What a tenant may try, on any database: elsewhere it is no SQL at all, which is as good.
HOSTILE = (
    "SELECT * FROM {place}.{table}",
    'SELECT * FROM "{place}"."{table}"',
    "SELECT * FROM `{place}`.`{table}`",
    "TABLE {place}.{table}",
    "SELECT * FROM {table}",
    "SELECT * FROM {table} WHERE 1 = 1 OR 1 = 1",
    "SELECT * FROM {table} UNION ALL SELECT * FROM {place}.{table}",
    "SELECT (SELECT MAX(id) FROM {place}.document) AS stolen",
    "SELECT (SELECT MAX(surface) FROM {place}.mention) AS stolen FROM {table}",
    "SELECT CASE WHEN EXISTS (SELECT 1 FROM {place}.name WHERE norm LIKE '%SECR%') THEN 'SEC' || 'RET' ELSE '' END",
    "SELECT CASE WHEN COUNT(*) > 1 THEN 'SEC' || 'RET' ELSE '' END FROM {place}.{table}",
    "SELECT CASE WHEN COUNT(*) > 1 THEN 'SEC' || 'RET' ELSE '' END FROM {table}",
    "WITH stolen AS (SELECT * FROM {place}.{table}) SELECT * FROM stolen",
    "WITH {table} AS (SELECT * FROM {place}.{table}) SELECT * FROM {table}",
    'WITH "{table}" AS MATERIALIZED (SELECT * FROM "{place}"."{table}") SELECT * FROM "{table}"',
    "WITH RECURSIVE {table} AS (SELECT * FROM {place}.{table}) SELECT * FROM {table}",
    "SELECT * FROM (SELECT * FROM {place}.{table}) AS {table}",
    "SELECT o.* FROM {table} AS m JOIN {place}.{table} AS o ON 1 = 1",
    "SELECT o.* FROM {table} AS m LEFT JOIN {place}.{table} AS o ON 1 = 1",
    "SELECT * FROM {table} WHERE id IN (SELECT id FROM {place}.{table})",
    "INSERT INTO name SELECT 'stolen', 'w', type, norm FROM {place}.name",
    "UPDATE {place}.name SET norm = 'gone'",
    "UPDATE name SET norm = (SELECT MAX(norm) FROM {place}.name)",
    "UPDATE name SET norm = o.norm FROM {place}.name AS o",
    "UPDATE name AS m, {place}.name AS o SET m.norm = o.norm",
    "DELETE FROM {place}.{table}",
    "DELETE FROM name USING {place}.name AS o WHERE o.norm IS NOT NULL RETURNING o.*",
    "UPDATE name SET workspace = 'other'",
    "INSERT INTO name (id, workspace, type, norm) VALUES ('forged', 'other', '', '')",
    "INSERT INTO {place}.name (id, workspace, type, norm) VALUES ('forged', 'w', '', '')",
    "INSERT INTO {place}.name (id, workspace, type, norm) VALUES ('forged', 'other', '', '')",
    "REPLACE INTO name (id, workspace, type, norm) VALUES ('theirs-name', 'w', '', '')",
    "REPLACE INTO {place}.name (id, workspace, type, norm) VALUES ('theirs-name', 'w', '', '')",
    "INSERT INTO name VALUES ('theirs-name', 'w', '', '') ON CONFLICT (id) DO UPDATE SET norm = name.norm RETURNING norm",
    "INSERT INTO name VALUES ('theirs-name', 'w', '', '') ON DUPLICATE KEY UPDATE workspace = 'w'",
    "INSERT INTO mention (document_id, ordinal, start_at, end_at, label, surface, score, name_id, sentence_start, sentence_end, component) VALUES ('theirs-doc', 9, 0, 0, '', '', 0, '', 0, 0, '')",
    # errors that tell
    "SELECT * FROM {table} WHERE id LIKE 'their%' AND abs(-9223372036854775807 - 1) > 0",
    "SELECT * FROM name WHERE CAST(norm AS INTEGER) > 0 OR norm\\:\\:int > 0",
    "SELECT * FROM name WHERE EXTRACTVALUE(1, CONCAT('~', norm)) = 1",
    "SELECT * FROM document WHERE EXTRACTVALUE(1, CONCAT('~', name)) = 1",
    "SELECT * FROM name WHERE json(norm) = ''",
    # looking through the database's own eyes
    "EXPLAIN SELECT * FROM {place}.{table}",
    "EXPLAIN QUERY PLAN SELECT * FROM {table}",
    "EXPLAIN ANALYZE SELECT * FROM {place}.{table}",
    "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM {table}",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM information_schema.columns",
    "SELECT * FROM information_schema.views",
    "SELECT * FROM information_schema.statistics",
    "SELECT * FROM information_schema.column_statistics",
    "SELECT * FROM information_schema.processlist",
    "SELECT * FROM performance_schema.events_statements_history",
    "SELECT * FROM mysql.user",
    "SELECT * FROM mysql.column_stats",
    "SELECT * FROM mysql.innodb_table_stats",
    "HANDLER {place}.{table} OPEN",
    "SHOW CREATE VIEW name",
    "SELECT * FROM pg_stats",
    "SELECT * FROM pg_statistic",
    "SELECT * FROM pg_authid",
    "SELECT * FROM pg_stat_activity",
    "SELECT query_to_xml('SELECT * FROM {place}.{table}', true, false, '')",
    "SELECT table_to_xml('{place}.{table}', true, false, '')",
    "SELECT database_to_xml(true, false, '')",
    "SELECT * FROM ts_stat('SELECT to_tsvector(norm) FROM {place}.name')",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM sqlite_temp_master",
    "SELECT CASE WHEN COUNT(*) > 0 THEN 'SEC' || 'RET' ELSE '' END FROM sqlite_master",
    "SELECT * FROM sqlite_stat1",
    "SELECT * FROM sqlite_stmt",
    "SELECT * FROM sqlite_dbpage",
    "SELECT * FROM dbstat",
    "SELECT * FROM pragma_database_list",
    "SELECT * FROM pragma_table_list",
    "PRAGMA database_list",
    "PRAGMA writable_schema = ON",
    "PRAGMA query_only = OFF",
    # files and programs
    "COPY {place}.{table} TO STDOUT",
    "COPY (SELECT * FROM {place}.{table}) TO '/dev/shm/stolen'",
    "COPY {place}.{table} TO PROGRAM 'cat'",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT lo_import('/etc/passwd')",
    "SELECT * FROM {place}.{table} INTO OUTFILE '/dev/shm/stolen'",
    "SELECT CASE WHEN LOAD_FILE('/etc/passwd') IS NOT NULL THEN 'SECRET' END",
    "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE name",
    "SELECT load_extension('x')",
    "SELECT readfile('/etc/passwd')",
    "ATTACH DATABASE '/dev/shm/stolen' AS stolen",
    "ATTACH DATABASE ':memory:' AS stolen",
    "VACUUM INTO '/dev/shm/stolen'",
    # being somebody else
    "SET ROLE app", "SET ROLE postgres", "SET ROLE NONE", "RESET ROLE",
    "SET SESSION AUTHORIZATION app", "SET SESSION AUTHORIZATION DEFAULT", "RESET SESSION AUTHORIZATION",
    "SET LOCAL row_security = off", "ALTER ROLE CURRENT_USER SUPERUSER", "ALTER ROLE CURRENT_USER BYPASSRLS",
    "CREATE ROLE stolen", "CREATE USER stolen", "GRANT app TO CURRENT_USER", "GRANT ALL ON {place}.{table} TO CURRENT_USER",
    "GRANT ALL ON {place}.* TO CURRENT_USER", "SET PASSWORD FOR root = 'x'", "USE {place}",
    # changing what is there
    "DROP TABLE {table}", "DROP VIEW {table}", "DROP TABLE {place}.{table}", "DROP VIEW temp.{table}",
    "DROP SCHEMA {place} CASCADE", "DROP DATABASE {place}",
    "ALTER TABLE {table} ADD COLUMN x TEXT", "ALTER TABLE {place}.{table} DISABLE ROW LEVEL SECURITY",
    "ALTER TABLE {table} RENAME TO gone", "ALTER VIEW {table} AS SELECT * FROM {place}.{table}",
    "DROP POLICY IF EXISTS w ON {table}", "CREATE POLICY mine ON {table} USING (true)",
    "TRUNCATE {table}", "TRUNCATE TABLE {place}.{table}", "LOCK TABLES {place}.{table} WRITE", "REINDEX", "ANALYZE",
    "CREATE INDEX stolen ON {table} (id)",
    "CREATE OR REPLACE VIEW {table} AS SELECT * FROM {place}.{table}",
    "CREATE VIEW stolen AS SELECT * FROM {place}.{table}",
    "CREATE TABLE stolen AS SELECT * FROM {place}.{table}",
    "CREATE TEMP TABLE stolen AS SELECT * FROM {place}.{table}",
    "CREATE TEMPORARY TABLE stolen AS SELECT * FROM {place}.{table}",
    "CREATE TEMP TABLE {table} AS SELECT * FROM {place}.{table}",
    "CREATE TRIGGER stolen BEFORE INSERT ON {table} BEGIN SELECT 1; END",
    "CREATE TEMP TRIGGER stolen BEFORE INSERT ON main.name BEGIN SELECT RAISE(IGNORE); END",
    "DELETE FROM sqlite_master", "UPDATE sqlite_temp_master SET sql = ''",
    "UPDATE alembic_version SET version_num = 'x'", "DELETE FROM alembic_version",
)  # fmt: skip

# Statements that fail, or would, if a row with the text were looked at.
TELLING = (
    "SELECT 1 FROM name WHERE norm LIKE '{text}%' AND abs(-9223372036854775807 - 1) > 0",
    "SELECT 1 FROM mention WHERE surface LIKE '{text}%' AND abs(-9223372036854775807 - 1) > 0",
    "SELECT 1 FROM mention WHERE CASE WHEN surface LIKE '{text}%' THEN abs(-9223372036854775807 - 1) ELSE 1 END > 0",
    "SELECT 1 FROM name_document WHERE CASE WHEN surface LIKE '{text}%' THEN json('x') ELSE '' END = ''",
    "SELECT 1 FROM document WHERE CASE WHEN name LIKE '{text}%' THEN 1 / 0 ELSE 1 END = 1 AND json(CASE WHEN name LIKE '{text}%' THEN 'x' ELSE '1' END) = '1'",
    "SELECT 1 FROM mention WHERE EXTRACTVALUE(1, CASE WHEN surface LIKE '{text}%' THEN '~' ELSE '/a' END) = 1",
    "SELECT 1 FROM name WHERE EXTRACTVALUE(1, CASE WHEN norm LIKE '{text}%' THEN '~' ELSE '/a' END) = 1",
    "SELECT 1 FROM document WHERE EXTRACTVALUE(1, CASE WHEN name LIKE '{text}%' THEN '~' ELSE '/a' END) = 1",
    "SELECT 1 FROM mention WHERE CASE WHEN surface LIKE '{text}%' THEN (SELECT 1 UNION SELECT 2) ELSE 1 END = 1",
    "SELECT 1 FROM mention WHERE CASE WHEN surface LIKE '{text}%' THEN CAST(surface AS INTEGER) ELSE 1 END = 1",
    "SELECT 1 FROM mention WHERE CASE WHEN surface LIKE '{text}%' THEN 1 / (LENGTH(surface) - LENGTH(surface)) ELSE 1 END = 1",
)

SEQUENCES = (
    ("COMMIT", "SELECT * FROM {place}.name"),
    ("ROLLBACK", "SELECT * FROM {place}.name"),
    ("SAVEPOINT a", "SELECT * FROM {place}.name"),
    ("COMMIT; SET ROLE app", "SELECT * FROM name"),
    ("SELECT 1; SELECT * FROM {place}.name",),
    ("SET SESSION AUTHORIZATION DEFAULT", "SELECT * FROM name"),
    ("SET SESSION search_path = public", "CREATE TEMP TABLE name (id text)", "SELECT * FROM {place}.name"),
    ("CREATE TEMP TABLE mention AS SELECT * FROM mention", "INSERT INTO mention SELECT * FROM {place}.mention"),
    (
        "CREATE FUNCTION pg_temp.peek(text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS"
        " 'BEGIN IF $1 LIKE ''SECR%'' THEN RAISE EXCEPTION ''%'', $1; END IF; RETURN true; END'",
        "SELECT * FROM name WHERE pg_temp.peek(norm)",
    ),
    (
        "CREATE FUNCTION pg_temp.stolen() RETURNS SETOF {place}.name LANGUAGE sql SECURITY DEFINER AS"
        " 'SELECT * FROM {place}.name'",
        "SELECT * FROM pg_temp.stolen()",
    ),
    ("DO 'BEGIN EXECUTE ''SET ROLE app''; END'", "SELECT * FROM name"),
    ("PREPARE stolen FROM 'SELECT * FROM {place}.name'", "EXECUTE stolen"),
    ("PREPARE stolen AS SELECT * FROM {place}.name", "EXECUTE stolen"),
    ("DECLARE stolen CURSOR FOR SELECT * FROM {place}.name", "FETCH ALL FROM stolen"),
    ("SET SESSION sql_mode = ''", "SELECT * FROM {place}.name"),
    ("PRAGMA writable_schema = ON", "UPDATE sqlite_master SET sql = 'x'"),
)  # fmt: skip
