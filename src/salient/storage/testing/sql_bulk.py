"""What reading many rows at a time promises: Arrow batches and dictionaries."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest

from salient.errors import InvalidInput, LimitExceeded
from salient.storage.sql import Query, Reading, Tables

ADD = Query("INSERT INTO entity (id, workspace, type, name, origin, aliases, identifiers, properties, n_mentions, n_documents) VALUES (:id, 'w', :type, :name, 'kb', '', '', '', :n, 1)")  # fmt: skip
LINK = Query("INSERT INTO name_entity (name_id, workspace, entity_id, score, method) VALUES (:id, 'w', :id, :score, '')")  # fmt: skip
DOCUMENT = Query(
    "INSERT INTO document (id, workspace, source_key, name, version, size_bytes, metadata, title, n_pages, lease_until,"
    " state, notes, depth, attempts, added_at, updated_at)"
    " VALUES (:id, 'w', '', :name, :version, :size, '{}', :title, :pages, :lease, 'done', '[]', 0, 0, '', '')"
)
NAMES = Query("SELECT id, name, n_mentions AS n FROM entity ORDER BY id")
TEXTS = ["", " ", "'", '"', "\\", "%", ":id", "?", "%s", "ключ", "🜚", "\n\t", "e\u0301", "x" * 5000, "\\N", "NULL"]  # fmt: skip


class BulkContract:
    """Supply `tables`, an empty migrated database."""

    def test_rows_come_as_they_do_one_by_one(self, tables: Tables) -> None:
        fill(tables, 2503)
        with tables.read() as reading:
            rows = [dict(r._mapping) for r in reading.rows(NAMES)]
            assert list(reading.dicts(NAMES)) == rows
            batches = list(reading.batches(NAMES, rows=1000))
        assert [b.num_rows for b in batches] == [1000, 1000, 503]
        assert {str(b.schema) for b in batches} == {str(batches[0].schema)}
        assert [row for b in batches for row in b.to_pylist()] == rows
        assert all(b.validate(full=True) is None for b in batches)

    @pytest.mark.parametrize("value", TEXTS)
    def test_text_comes_back_as_it_went_in(self, tables: Tables, value: str) -> None:
        with tables.transaction() as tx:
            tx.run(ADD, {"id": "1", "type": "", "name": value, "n": 1})
        find = Query("SELECT name FROM entity WHERE name = :name AND id IN :ids")
        values = {"name": value, "ids": ["1", "2"]}
        with tables.read() as reading:
            assert list(reading.dicts(find, values)) == [{"name": value}]
            assert _rows(reading, find, values) == [{"name": value}]

    @pytest.mark.parametrize("value", [0, 1, -1, 2**31, -(2**31) - 1, 2**63 - 1, -(2**63)])
    def test_integers_are_64_bits(self, tables: Tables, value: int) -> None:
        _document(tables, "1", size=value)
        sizes = Query("SELECT size_bytes FROM document")
        with tables.read() as reading:
            assert list(reading.dicts(sizes)) == [{"size_bytes": value}]
            (batch,) = reading.batches(sizes)
        assert (str(batch.schema.types[0]), batch.to_pylist()) == ("int64", [{"size_bytes": value}])

    @pytest.mark.parametrize("value", [0.0, 0.1, -2.5e-300, 1.7976931348623157e308, 1 / 3, 5.0])
    def test_numbers_keep_every_bit(self, tables: Tables, value: float) -> None:
        with tables.transaction() as tx:
            tx.run(LINK, {"id": "1", "score": value})
        scores = Query("SELECT score FROM name_entity")
        with tables.read() as reading:
            assert list(reading.dicts(scores)) == [{"score": value}]
            (batch,) = reading.batches(scores)
        assert (str(batch.schema.types[0]), batch.to_pylist()) == ("double", [{"score": value}])

    def test_nothing_is_known_from_nothing(self, tables: Tables) -> None:
        """NULLs, also where a column's first thousands are, and no rows at all."""
        late = Query("SELECT id, title, n_pages, lease_until FROM document ORDER BY id")
        with tables.read() as reading:
            (empty,) = reading.batches(late)
            assert list(reading.dicts(late)) == []
        assert empty.num_rows == 0
        assert empty.schema.names == ["id", "title", "n_pages", "lease_until"]
        for i in range(20):
            _document(tables, f"{i:02}")
        _document(tables, "20", title="late", pages=7, lease=0.5)
        last = {"id": "20", "title": "late", "n_pages": 7, "lease_until": 0.5}
        with tables.read() as reading:
            batches = list(reading.batches(late, rows=10))
            dicts = list(reading.dicts(late))
        assert [b.num_rows for b in batches] == [10, 10, 1]
        assert [str(t) for t in batches[0].schema.types] == ["string", "string", "int64", "double"]
        assert {str(b.schema) for b in batches} == {str(batches[0].schema)}
        assert batches[-1].to_pylist() == [last] == dicts[-1:]
        assert batches[0].to_pylist()[0] == last | {"id": "00"} | dict.fromkeys(("title", "n_pages", "lease_until"))  # fmt: skip

    def test_what_is_computed_has_a_kind_too(self, tables: Tables) -> None:
        fill(tables, 30)
        computed = Query(
            "SELECT MIN(CASE WHEN id > '00019' THEN n_mentions END) AS late, COUNT(*) AS n, SUM(n_mentions * 10000000000) AS total,"
            " SUM(n_mentions * 0.5) AS halves, MAX(name) AS longest, MAX(CASE WHEN id = '' THEN id END) AS missing"
            " FROM entity GROUP BY id ORDER BY id"
        )
        with tables.read() as reading:
            batches = list(reading.batches(computed, rows=10))
            rows = [dict(r._mapping) for r in reading.rows(computed)]
            assert list(reading.dicts(computed)) == rows
        types = [str(t) for t in batches[0].schema.types]
        assert types == ["int64", "int64", "int64", "double", "string", "string"]
        assert [row for b in batches for row in b.to_pylist()] == rows

    def test_kinds_that_are_mixed_are_the_callers_fault(self, tables: Tables) -> None:
        fill(tables, 3)
        mixed = Query("SELECT 1 + n_mentions * 10000000000000000000 AS n FROM entity")
        with tables.read() as reading:
            try:
                rows = list(reading.dicts(mixed))
            except (InvalidInput, LimitExceeded):
                rows = []
            for row in rows:
                assert isinstance(row["n"], int | float)
            assert reading.value(Query("SELECT COUNT(*) AS n FROM entity")) == 3

    # --- transactions

    def test_batches_are_of_the_readings_snapshot(self, tables: Tables) -> None:
        fill(tables, 10)
        with tables.read() as reading:
            fill(tables, 10, first=10)
            assert len(_rows(reading, NAMES)) == 10 == len(list(reading.dicts(NAMES)))
            batches = reading.batches(NAMES, rows=4)
            assert next(batches).num_rows == 4
            fill(tables, 10, first=20)
            assert [b.num_rows for b in batches] == [4, 2]
        with tables.read() as reading:
            assert len(_rows(reading, NAMES)) == 30

    def test_a_transaction_sees_its_own_changes(self, tables: Tables) -> None:
        with tables.transaction() as tx:
            tx.run(ADD, {"id": "1", "type": "", "name": "new", "n": 1})
            assert [r["name"] for r in _rows(tx, NAMES)] == ["new"]
            assert [r["name"] for r in tx.dicts(NAMES)] == ["new"]
            tx.run(ADD, {"id": "2", "type": "", "name": "newer", "n": 1})
        with tables.read() as reading:
            assert len(_rows(reading, NAMES)) == 2

    def test_a_reader_may_stop_early(self, tables: Tables) -> None:
        fill(tables, 5000)
        count = Query("SELECT COUNT(*) AS n FROM entity")
        with tables.transaction() as tx:
            for _ in range(3):
                for batch in tx.batches(NAMES, rows=100):
                    assert batch.num_rows == 100
                    break
                for row in tx.dicts(NAMES):
                    assert row["id"] == "00000"
                    break
                assert tx.value(count) == 5000
            # More than fits between here and the server.
            many = Query(
                "SELECT a.id, b.name FROM entity a CROSS JOIN entity b WHERE b.id < '00030'"
            )
            for batch in tx.batches(many, rows=100):
                assert batch.num_rows == 100
                break
            assert tx.value(count) == 5000
            tx.run(ADD, {"id": "x", "type": "", "name": "", "n": 1})
        with tables.read() as reading:
            batches = reading.batches(NAMES, rows=100)
            next(batches)
        with pytest.raises(InvalidInput):
            next(batches)
        with tables.read() as reading:
            assert reading.value(count) == 5001

    def test_nothing_else_runs_while_batches_are_read(self, tables: Tables) -> None:
        fill(tables, 50)
        with tables.transaction() as tx:
            batches = tx.batches(NAMES, rows=10)
            next(batches)
            with pytest.raises(InvalidInput):
                tx.rows(NAMES)
            with pytest.raises(InvalidInput):
                next(tx.dicts(NAMES))
            with pytest.raises(InvalidInput):
                tx.run(ADD, {"id": "x", "type": "", "name": "", "n": 1})
            assert [b.num_rows for b in batches] == [10] * 4
            tx.run(ADD, {"id": "x", "type": "", "name": "", "n": 1})

    def test_only_queries_are_read(self, tables: Tables) -> None:
        fill(tables, 3)
        with pytest.raises(Exception), tables.read() as reading:  # noqa: B017, PT011 # a bug of the caller
            list(reading.batches(Query("DELETE FROM entity")))
        with tables.read() as reading:
            assert len(_rows(reading, NAMES)) == 3

    def test_memory_does_not_grow_with_the_rows(self, tables: Tables) -> None:
        fill(tables, 150)
        big = Query(
            "SELECT a.id AS id, b.name AS name, a.n_mentions AS n FROM entity a CROSS JOIN entity b"
        )

        def peak(n: int) -> int:
            tracemalloc.start()
            rows = 0
            with tables.read() as reading:
                for batch in reading.batches(big, rows=1000):
                    rows += batch.num_rows
                    if rows >= n:
                        break
                    del batch
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return most

        peak(2000)
        assert peak(20_000) < 2 * peak(4000)


def fill(tables: Tables, n: int, first: int = 0) -> None:
    rows = [
        {"id": f"{i:05}", "type": "ORG", "name": f"name {i} " + "ж" * (i % 7), "n": i}
        for i in range(first, first + n)
    ]
    with tables.transaction() as tx:
        tx.run(ADD, rows)


def _document(tables: Tables, ident: str, **more: Any) -> None:
    values = {"name": "", "version": "0" * 64, "size": 1, "title": None, "pages": None, "lease": None}  # fmt: skip
    with tables.transaction() as tx:
        tx.run(DOCUMENT, values | {"id": ident} | more)


def _rows(
    reading: Reading, query: Query, params: dict[str, Any] | None = None
) -> Sequence[dict[str, Any]]:
    return [row for b in reading.batches(query, params) for row in b.to_pylist()]
