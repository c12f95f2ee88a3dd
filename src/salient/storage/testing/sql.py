"""What every SQL backend promises."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from salient.errors import Conflict, InvalidInput, LimitExceeded, Misconfigured, Unavailable
from salient.storage.sql import Query, Tables, like
from salient.storage.sql.queries import MAX_LIST

ADD = Query("INSERT INTO name (id, workspace, type, norm) VALUES (:id, 'w', 'ORG', :norm)")
ALL = Query("SELECT id, norm FROM name ORDER BY id")
COUNT = Query("SELECT COUNT(*) AS n FROM name")
BUMP = Query("UPDATE name SET norm = :norm WHERE id = :id")
# Rows are of a workspace 'w' and its documents, so that they can be written through `scoped:` too.
DOCUMENT = Query(
    "INSERT INTO document (id, workspace, source_key, name, version, size_bytes, metadata, state, notes, depth, attempts, added_at, updated_at)"
    " VALUES (:id, 'w', '', '', '', 0, '{}', 'done', '[]', 0, 0, '', '')"
)

HOSTILE = ["", " ", "'", "''; DROP TABLE name; --", '"', "\\", "%", "_", ":id", "?", "%s", "ключ", "🜚", "\n", "e\u0301"]  # fmt: skip


class TablesContract:
    """Supply `tables`, an empty open database, and `reopen()`, which opens the same one again."""

    def test_migrating_makes_the_tables_and_again_does_nothing(self, tables: Tables) -> None:
        assert tables.revision() is None
        tables.migrate()
        first = tables.revision()
        assert first is not None
        tables.migrate()
        assert tables.revision() == first
        with tables.read() as reading:
            assert reading.value(COUNT) == 0

    def test_migrating_goes_down_and_up(self, tables: Tables) -> None:
        tables.migrate()
        tables.migrate("base")
        assert tables.revision() is None
        tables.migrate()
        with tables.read() as reading:
            assert reading.rows(ALL) == []

    def test_unknown_revision_is_a_misconfiguration(self, tables: Tables) -> None:
        tables.migrate()
        with pytest.raises(Misconfigured):
            tables.migrate("9999")
        with tables.transaction() as tx:
            tx.run(Query("UPDATE alembic_version SET version_num = 'from the future'"))
        with pytest.raises(Misconfigured):
            tables.migrate()

    def test_many_may_migrate_at_once(self, tables: Tables, reopen: Callable[[], Tables]) -> None:
        others = [reopen() for _ in range(4)]
        with ThreadPoolExecutor(5) as pool:
            list(pool.map(lambda t: t.migrate(), [tables, *others]))
        assert len({t.revision() for t in [tables, *others]}) == 1

    # --- rows

    def test_rows_have_names_and_are_tuples(self, tables: Tables) -> None:
        tables.migrate()
        with tables.transaction() as tx:
            assert tx.run(ADD, {"id": "1", "norm": "acme"}) == 1
            assert tx.run(ADD, [{"id": str(i), "norm": "n"} for i in range(2, 5)]) == 3
            assert tx.run(ADD, []) == 0
        with tables.read() as reading:
            (first, *_), one = reading.rows(ALL), reading.one(ALL)
            assert (first.id, first.norm) == ("1", "acme") == tuple(first)
            assert one == first
            assert reading.one(Query("SELECT id FROM name WHERE id = 'x'")) is None
            assert reading.value(Query("SELECT id FROM name WHERE id = 'x'")) is None

    @pytest.mark.parametrize("value", HOSTILE)
    def test_values_come_back_as_they_went_in(self, tables: Tables, value: str) -> None:
        tables.migrate()
        with tables.transaction() as tx:
            tx.run(ADD, {"id": "1", "norm": value})
        find = Query("SELECT norm FROM name WHERE norm = :norm")
        inside = Query("SELECT norm FROM name WHERE norm LIKE :pattern ESCAPE '!'")
        with tables.read() as reading:
            assert [r.norm for r in reading.rows(find, {"norm": value})] == [value]
            assert reading.value(inside, {"pattern": like(value)}) == value

    def test_like_takes_text_literally(self, tables: Tables) -> None:
        tables.migrate()
        with tables.transaction() as tx:
            tx.run(ADD, [{"id": n, "norm": n} for n in ("a%b", "a_b", "axb", "a!b")])
        inside = Query("SELECT norm FROM name WHERE norm LIKE :pattern ESCAPE '!' ORDER BY norm")
        with tables.read() as reading:
            for text in ("a%b", "a_b", "a!b"):
                assert [r.norm for r in reading.rows(inside, {"pattern": like(text)})] == [text]

    def test_a_list_stands_for_the_list_of_an_in(self, tables: Tables) -> None:
        tables.migrate()
        with tables.transaction() as tx:
            tx.run(ADD, [{"id": str(i), "norm": ""} for i in range(9)])
        some = Query("SELECT id FROM name WHERE id IN :ids AND norm = :norm ORDER BY id")
        with tables.read() as reading:
            for ids in (["2", "7"], ("2", "7"), {"2", "7"}):
                rows = reading.rows(some, {"ids": ids, "norm": ""})
                assert [r.id for r in rows] == ["2", "7"]
            assert reading.rows(some, {"ids": [], "norm": ""}) == []
            assert reading.rows(some, {"ids": [f"x{i}" for i in range(5000)], "norm": ""}) == []

    def test_an_in_holds_long_lists_and_says_where_they_end(self, tables: Tables) -> None:
        tables.migrate()
        with tables.transaction() as tx:
            tx.run(ADD, [{"id": str(i), "norm": ""} for i in range(3)])
        some = Query("SELECT id FROM name WHERE id IN :ids ORDER BY id")
        without = Query("SELECT id FROM name WHERE id NOT IN :ids ORDER BY id")
        ids = [str(i) for i in range(2, MAX_LIST + 2)]
        with tables.read() as reading:
            assert [r.id for r in reading.rows(some, {"ids": ids})] == ["2"]
            assert [r.id for r in reading.rows(without, {"ids": ids})] == ["0", "1"]
            assert [r.id for r in reading.rows(without, {"ids": []})] == ["0", "1", "2"]
            with pytest.raises(LimitExceeded):
                reading.rows(some, {"ids": [*ids, "x"]})

    def test_a_value_may_be_null_anywhere(self, tables: Tables) -> None:
        tables.migrate()
        with tables.transaction() as tx:
            tx.run(ADD, [{"id": n, "norm": n} for n in "ab"])
        maybe = Query("SELECT id FROM name WHERE (:norm IS NULL OR norm = :norm) ORDER BY id")
        for given, found in ((None, ["a", "b"]), ("b", ["b"]), ("c", [])):
            with tables.read() as reading:
                assert [r.id for r in reading.rows(maybe, {"norm": given})] == found
                assert [r.id for r in reading.stream(maybe, {"norm": given})] == found

    def test_text_is_compared_by_code_point(self, tables: Tables) -> None:
        tables.migrate()
        given = ["a", "A", "B", "b", "a ", "", "ä", "Ä", "a\u0308", "Z", "ß", "\uffee", "🜚", "_"]
        with tables.transaction() as tx:
            tx.run(ADD, [{"id": f"{i:02}", "norm": n} for i, n in enumerate(given)])
        ordered = Query("SELECT norm FROM name ORDER BY norm")
        grouped = Query("SELECT norm, COUNT(*) AS n FROM name GROUP BY norm")
        equal = Query("SELECT norm FROM name WHERE norm = :norm")
        alike = Query("SELECT norm FROM name WHERE norm LIKE 'a%' ESCAPE '!' ORDER BY norm")
        with tables.read() as reading:
            assert [r.norm for r in reading.rows(ordered)] == sorted(given)
            assert {r.n for r in reading.rows(grouped)} == {1}
            for norm in given:
                assert [r.norm for r in reading.rows(equal, {"norm": norm})] == [norm]
            assert [r.norm for r in reading.rows(alike)] == ["a", "a ", "a\u0308"]

    @pytest.mark.parametrize("value", ["a\0b", "\0", "x\ud83d", "\udcff.txt", "ä\0\udfffz"])
    def test_what_no_database_keeps_becomes_a_replacement_character(
        self, tables: Tables, value: str
    ) -> None:
        tables.migrate()
        kept = re.sub("[\0\ud800-\udfff]", "\ufffd", value)
        find = Query("SELECT norm FROM name WHERE norm = :norm")
        among = Query("SELECT norm FROM name WHERE norm IN :norms")
        with tables.transaction() as tx:
            tx.run(ADD, {"id": "1", "norm": value})
            tx.run(ADD, [{"id": "2", "norm": value}])
            for sought in (value, kept):
                assert [r.norm for r in tx.rows(find, {"norm": sought})] == [kept, kept]
                assert [r.norm for r in tx.rows(among, {"norms": [sought]})] == [kept, kept]
        with tables.read() as reading:
            assert [r.norm for r in reading.stream(find, {"norm": value})] == [kept, kept]

    def test_numbers_are_whole_or_floating_and_exact(self, tables: Tables) -> None:
        tables.migrate()
        put = Query(
            "INSERT INTO stage_run (document_id, stage, component, artifact, seconds, finished_at)"
            " VALUES (:id, 's', 'c', NULL, :seconds, 't')"
        )
        version = Query(
            "INSERT INTO document_version (document_id, version, size_bytes, added_at)"
            " VALUES (:id, 'v', :size, 't')"
        )
        floats = [0.1 + 0.2, 1e-300, -1.7976931348623157e308, 0.0, 123456789.123456789]
        sizes = [2**63 - 1, -(2**63), 0, 2**53 + 1]
        with tables.transaction() as tx:
            tx.run(DOCUMENT, [{"id": str(i)} for i in range(len(floats))])
            tx.run(put, [{"id": str(i), "seconds": s} for i, s in enumerate(floats)])
            tx.run(version, [{"id": str(i), "size": s} for i, s in enumerate(sizes)])
        with tables.read() as reading:
            of = Query("SELECT seconds, artifact FROM stage_run ORDER BY document_id")
            assert [tuple(r) for r in reading.rows(of)] == [(s, None) for s in floats]
            of = Query("SELECT size_bytes FROM document_version ORDER BY document_id")
            assert [r.size_bytes for r in reading.rows(of)] == sizes
            small = Query("SELECT SUM(size_bytes) AS n, COUNT(*) AS k, MAX(added_at) AS latest FROM document_version WHERE size_bytes IN (0, :size)")  # fmt: skip
            row = reading.one(small, {"size": 2**53 + 1})
            assert row is not None
            assert (row.n, row.k, row.latest, type(row.n), type(row.k)) == (
                2**53 + 1,
                2,
                "t",
                int,
                int,
            )
            none = Query("SELECT SUM(size_bytes) AS n FROM document_version WHERE size_bytes = 7")
            assert reading.value(none) is None
        with pytest.raises(LimitExceeded), tables.transaction() as tx:
            tx.run(version, {"id": "x", "size": 2**63})

    def test_long_text_is_kept(self, tables: Tables) -> None:
        tables.migrate()
        long = "Ä'\\\n%s:x " * 400_000  # 4.4 MB
        put = Query(
            "INSERT INTO name_document (name_id, document_id, n_mentions, surface, context)"
            " VALUES ('n', :id, 1, :surface, '')"
        )
        with tables.transaction() as tx:
            tx.run(DOCUMENT, [{"id": str(i)} for i in range(1, 4)])
            tx.run(put, {"id": "1", "surface": long})
            tx.run(put, [{"id": str(i), "surface": long} for i in range(2, 4)])
        find = Query("SELECT surface FROM name_document ORDER BY document_id")
        with tables.read() as reading:
            assert [r.surface == long for r in reading.rows(find)] == [True] * 3

    def test_a_change_counts_the_rows_it_finds(self, tables: Tables) -> None:
        tables.migrate()
        with tables.transaction() as tx:
            tx.run(ADD, [{"id": str(i), "norm": "same"} for i in range(3)])
            again = Query("UPDATE name SET norm = :norm WHERE norm = :norm")
            assert tx.run(again, {"norm": "same"}) == 3
            assert tx.run(BUMP, [{"id": i, "norm": "same"} for i in ("1", "2", "x")]) == 2
            many = [{"id": f"m{i}", "norm": ""} for i in range(1203)]
            assert tx.run(ADD, many) == tx.run(BUMP, many) == 1203
            gone = Query("DELETE FROM name WHERE id = :id")
            assert tx.run(gone, [{"id": "1"}, {"id": "x"}]) == 1
            assert tx.run(gone, {"id": "x"}) == 0

    def test_values_are_never_sql_or_patterns_of_the_driver(self, tables: Tables) -> None:
        tables.migrate()
        rows = [{"id": str(i), "norm": n} for i, n in enumerate(HOSTILE * 3)]
        literal = Query(
            r"INSERT INTO name (id, workspace, type, norm) VALUES (:id, 'w', '100%s (\:x) a''b\', :norm)"
        )
        with tables.transaction() as tx:
            assert tx.run(literal, rows) == len(rows)
            assert tx.run(Query("UPDATE name SET norm = :norm WHERE id = :id"), rows) == len(rows)
        every = Query("SELECT id, norm, type FROM name")
        with tables.read() as reading:
            found = {r.id: (r.norm, r.type) for r in reading.rows(every)}
        assert found == {r["id"]: (r["norm"], "100%s (:x) a'b\\") for r in rows}

    def test_a_stream_is_in_nobodys_way(self, tables: Tables) -> None:
        tables.migrate()
        with tables.transaction() as tx:
            tx.run(ADD, [{"id": f"{i:04}", "norm": str(i)} for i in range(700)])
        with tables.read() as reading:
            seen = []
            for row in reading.stream(ALL, batch=50):
                seen.append(row.id)
                if len(seen) % 100 == 1:
                    assert reading.value(COUNT) == 700
                    inner = reading.stream(ALL, batch=30)
                    assert next(inner).id == "0000"
            assert seen == [f"{i:04}" for i in range(700)]

    def test_stream_gives_all_rows_in_order(self, tables: Tables) -> None:
        tables.migrate()
        with tables.transaction() as tx:
            tx.run(ADD, [{"id": f"{i:05}", "norm": ""} for i in range(2503)])
        with tables.read() as reading:
            assert [r.id for r in reading.stream(ALL, batch=100)] == [
                f"{i:05}" for i in range(2503)
            ]
            for row in reading.stream(ALL, batch=100):
                assert row.id == "00000"
                break
        with tables.transaction() as tx:
            assert tx.run(Query("DELETE FROM name")) == 2503

    # --- transactions

    def test_a_failing_block_undoes_everything(self, tables: Tables) -> None:
        tables.migrate()
        with pytest.raises(ZeroDivisionError), tables.transaction() as tx:  # noqa: PT012 # the block is the point
            tx.run(ADD, {"id": "1", "norm": ""})
            1 / 0  # noqa: B018
        with tables.read() as reading:
            assert reading.value(COUNT) == 0

    def test_taken_key_is_a_conflict_and_undoes_the_batch(self, tables: Tables) -> None:
        tables.migrate()
        with tables.transaction() as tx:
            tx.run(ADD, {"id": "2", "norm": ""})
        with pytest.raises(Conflict), tables.transaction() as tx:
            tx.run(ADD, [{"id": str(i), "norm": ""} for i in range(4)])
        with tables.read() as reading:
            assert [r.id for r in reading.rows(ALL)] == ["2"]

    def test_missing_value_is_a_conflict(self, tables: Tables) -> None:
        tables.migrate()
        with pytest.raises(Conflict), tables.transaction() as tx:
            tx.run(ADD, {"id": "1", "norm": None})

    def test_reading_sees_one_state_throughout(self, tables: Tables) -> None:
        tables.migrate()
        with tables.read() as reading:
            with tables.transaction() as tx:
                tx.run(ADD, {"id": "1", "norm": ""})
            assert reading.value(COUNT) == 0
        with tables.read() as reading:
            assert reading.value(COUNT) == 1

    def test_reading_does_not_see_what_is_not_committed(self, tables: Tables) -> None:
        tables.migrate()
        with tables.transaction() as tx:
            tx.run(ADD, {"id": "1", "norm": ""})
            with tables.read() as reading:
                assert reading.value(COUNT) == 0
            assert tx.value(COUNT) == 1

    def test_reading_refuses_to_write_and_the_next_writer_may(self, tables: Tables) -> None:
        tables.migrate()
        with pytest.raises(InvalidInput), tables.read() as reading:
            reading.rows(Query("DELETE FROM name"))
        with tables.transaction() as tx:
            tx.run(ADD, {"id": "1", "norm": ""})

    def test_a_transaction_within_a_transaction_is_refused(self, tables: Tables) -> None:
        tables.migrate()
        with tables.transaction(), pytest.raises(InvalidInput), tables.transaction():
            pass
        with tables.transaction() as tx:
            tx.run(ADD, {"id": "1", "norm": ""})

    # --- concurrency

    def test_writers_lose_no_update(self, tables: Tables, reopen: Callable[[], Tables]) -> None:
        tables.migrate()
        with tables.transaction() as tx:
            tx.run(ADD, {"id": "1", "norm": "0"})
        stores = [tables, reopen(), tables, reopen()]

        def count(store: Tables) -> None:
            for _ in range(15):
                with store.transaction() as tx:
                    now = int(tx.value(Query("SELECT norm FROM name WHERE id = '1'")))
                    time.sleep(0.0005)
                    tx.run(BUMP, {"id": "1", "norm": str(now + 1)})

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(count, stores))
        with tables.read() as reading:
            assert reading.value(Query("SELECT norm FROM name")) == "60"

    def test_readers_do_not_wait_for_a_writer(
        self, tables: Tables, reopen: Callable[[], Tables]
    ) -> None:
        tables.migrate()
        other = reopen()
        with tables.transaction() as tx:
            tx.run(ADD, {"id": "1", "norm": ""})
            started = time.monotonic()
            with other.read() as reading:
                assert reading.value(COUNT) == 0
            assert time.monotonic() - started < 2

    def test_threads_share_an_instance(self, tables: Tables) -> None:
        tables.migrate()
        stop = threading.Event()
        seen: list[int] = []

        def look() -> None:
            while not stop.is_set():
                with tables.read() as reading:
                    seen.append(int(reading.value(COUNT)) % 10)

        readers = [threading.Thread(target=look) for _ in range(3)]
        for reader in readers:
            reader.start()
        for i in range(20):
            with tables.transaction() as tx:
                tx.run(ADD, [{"id": f"{i}-{j}", "norm": ""} for j in range(10)])
        stop.set()
        for reader in readers:
            reader.join()
        assert set(seen) == {0}  # only whole transactions of ten

    # --- gone

    def test_closed_database_is_unavailable(self, tables: Tables) -> None:
        tables.migrate()
        tables.close()
        with pytest.raises(Unavailable), tables.read():
            pass
        with pytest.raises(Unavailable), tables.transaction():
            pass
        with pytest.raises(Unavailable):
            tables.migrate()
        tables.close()
