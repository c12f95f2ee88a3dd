"""Wrappers of databases keep the promises of databases, over each of them and over each other."""

import pytest

from salient.errors import Conflict, Misconfigured

pytest.register_assert_rewrite("salient.storage.testing")

from prometheus_client import REGISTRY  # noqa: E402

from salient.storage import sql as module  # noqa: E402
from salient.storage.sql import Query, Tables  # noqa: E402
from salient.storage.testing import TablesContract  # noqa: E402
from salient.storage.testing.sql_wrappers import FlakyTablesContract  # noqa: E402
from tests.sql_spaces import DIALECTS, space  # noqa: E402

AROUND = {
    "instrumented": "instrumented:[{}]?slow_ms=60000",
    "flaky": "flaky:[{}]?seed=1",
    "both": "instrumented:[flaky:[{}]?latency_ms=0.1]?name=both",
}


@pytest.fixture(params=DIALECTS)
def database(request, tmp_path, servers):
    """The URL of an empty database."""
    with space(request.param, tmp_path, servers) as url:
        yield url


@pytest.fixture
def opens():
    """Opens stores that are closed at the end."""
    stores = []

    def open_url(url):
        stores.append(Tables.open(url))
        return stores[-1]

    yield open_url
    for store in stores:
        store.close()


@pytest.fixture(params=AROUND)
def reopen(request, database, opens):
    return lambda: opens(AROUND[request.param].format(database))


@pytest.fixture
def tables(reopen):
    return reopen()


class TestWrappedTables(TablesContract):
    pass


class TestFlakyTables(FlakyTablesContract):
    @pytest.fixture(params=["flaky:[{}]?seed=7", "flaky:[instrumented:[{}]]?seed=7"])
    def flaky(self, request, database, opens):
        opens(database).migrate()
        return lambda: opens(request.param.format(database))


def _measured(name, step, metric="salient_store_seconds_count", **more):
    labels = {"store": "sql", "name": name, "operation": step} | more
    return REGISTRY.get_sample_value(metric, labels) or 0


def test_queries_are_measured_by_name(tmp_path, opens):
    name = f"measured {tmp_path}"
    tables = opens(f"instrumented:[sqlite:{tmp_path}/a.db]?name={name}")
    tables.migrate()
    add = Query(
        "INSERT INTO name (id, workspace, type, norm) VALUES (:id, 'w', '', '')", name="put"
    )
    every = Query("SELECT id FROM name", name="every")
    begun = _measured(name, "begin")
    with tables.transaction() as tx:
        tx.run(add, [{"id": str(i)} for i in range(7)])
    with tables.read() as reading:
        assert len(reading.rows(every)) == 7 == len(list(reading.stream(every, batch=100)))
    assert _measured(name, "begin") == begun + 2
    assert _measured(name, "put") == 1
    assert _measured(name, "put", "salient_store_rows_sum") == 7
    assert _measured(name, "every") == 1 + 3  # all at once; a stream's start, its rows, its end
    assert _measured(name, "every", "salient_store_rows_sum") == 7 + 7
    with pytest.raises(Conflict), tables.transaction() as tx:
        tx.run(add, {"id": "1"})
    assert _measured(name, "put", "salient_store_errors_total", code="conflict") == 1


def test_slow_queries_are_logged_by_name_without_values(tmp_path, opens, caplog):
    tables = opens(f"instrumented:[sqlite:{tmp_path}/a.db]?slow_ms=0&name=slow")
    tables.migrate()
    caplog.clear()
    with tables.read() as reading:
        reading.rows(Query("SELECT id FROM name WHERE id = :id", name="secretive"), {"id": "hush"})
    said = " ".join(str(r.__dict__) for r in caplog.records)
    assert "store.slow_call" in said
    assert "secretive" in said
    assert "hush" not in said
    assert "SELECT" not in said


@pytest.mark.parametrize(
    "url",
    [
        "instrumented:",
        "instrumented:[sqlite::memory:][sqlite::memory:]",
        "instrumented:[sqlite::memory:]?slow=1",
        "flaky:[sqlite::memory:]?errors=often",
        "flaky:[punchcard:]",
    ],
)
def test_wrong_urls_are_misconfigured(url):
    with pytest.raises(Misconfigured):
        Tables.open(url)


def test_wrappers_say_what_they_are_around(tmp_path, opens):
    tables = opens(f"instrumented:[flaky:[sqlite:{tmp_path}/a.db]]")
    (flaky,) = tables._driver.inner
    (inside,) = flaky.inner
    assert inside.inner == ()
    assert tables.dialect == "sqlite"


def test_no_wrapper_ships_without_the_suite():
    assert set(module.WRAPPERS) == {"flaky", "instrumented", "scoped"}
