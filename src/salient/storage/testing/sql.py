"""What every SQL backend promises."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from salient.errors import Conflict, InvalidInput, Misconfigured, Unavailable
from salient.storage.sql import Query, Tables, like

ADD = Query("INSERT INTO name (id, workspace, type, norm) VALUES (:id, 'w', 'ORG', :norm)")
ALL = Query("SELECT id, norm FROM name ORDER BY id")
COUNT = Query("SELECT COUNT(*) AS n FROM name")
BUMP = Query("UPDATE name SET norm = :norm WHERE id = :id")

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
