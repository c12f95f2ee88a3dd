"""What wrappers of databases promise beyond what every database does."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from salient.errors import Conflict, Unavailable
from salient.storage.sql import Query, Tables
from salient.storage.sql.flaky import Driver as Flaky

ADD = Query("INSERT INTO name (id, workspace, type, norm) VALUES (:id, 'w', 'ORG', '')", name="add")
COUNT = Query("SELECT COUNT(*) AS n FROM name", name="count")


class FlakyTablesContract:
    """Supply `flaky()`, which opens the same migrated database with `flaky:` outermost, without faults."""

    def test_without_faults_nothing_is_injected(self, flaky: Callable[[], Tables]) -> None:
        tables = flaky()
        _add(tables, "1")
        assert (_count(tables), faults(tables).faults.injected) == (1, 0)

    def test_an_error_undoes_the_transaction(self, flaky: Callable[[], Tables]) -> None:
        tables, healthy = flaky(), flaky()
        faults(tables).faults.errors = 0.5
        seen = {"done": 0, "failed": 0}
        for i in range(60):
            try:
                with tables.transaction() as tx:
                    for part in range(2):
                        tx.run(ADD, {"id": f"{i}-{part}"})
                seen["done"] += 1
            except Unavailable:
                seen["failed"] += 1
        faults(tables).faults.errors = 0.0
        assert seen["done"]
        assert seen["failed"]
        assert _count(healthy) == 2 * seen["done"] == _count(tables)

    def test_a_torn_commit_is_undone(self, flaky: Callable[[], Tables]) -> None:
        tables = flaky()
        faults(tables).faults.torn = 1.0
        with pytest.raises(Unavailable):
            _add(tables, "1")
        faults(tables).faults.torn = 0.0
        assert _count(tables) == 0

    def test_a_lost_acknowledgement_has_been_committed(self, flaky: Callable[[], Tables]) -> None:
        tables, healthy = flaky(), flaky()
        faults(tables).faults.lost = 1.0
        with pytest.raises(Unavailable):
            _add(tables, "1")
        assert _count(tables) == 1 == _count(healthy)  # reading has no acknowledgement to lose
        faults(tables).faults.lost = 0.0
        with pytest.raises(Conflict):
            _add(tables, "1")
        _add(tables, "2")

    def test_the_same_seed_gives_the_same_faults(self, flaky: Callable[[], Tables]) -> None:
        def pattern(tables: Tables) -> list[bool]:
            tables._driver.retry = type(tables._driver.retry)(attempts=1)
            faults(tables).faults.errors = 0.3
            return [_fails(lambda: _count(tables)) for _ in range(40)]

        first, second = pattern(flaky()), pattern(flaky())
        assert first == second
        assert set(first) == {True, False}


def faults(tables: Tables) -> Flaky:
    """The driver that injects them."""
    driver = tables._driver
    while not isinstance(driver, Flaky):
        (driver,) = driver.inner
    return driver


def _fails(run: Callable[[], object]) -> bool:
    try:
        run()
    except Unavailable:
        return True
    return False


def _add(tables: Tables, ident: str) -> None:
    with tables.transaction() as tx:
        tx.run(ADD, {"id": ident})


def _count(tables: Tables) -> int:
    with tables.read() as reading:
        return int(reading.value(COUNT))
