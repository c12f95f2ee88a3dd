"""Every SQL backend keeps the same promises."""

import time
from urllib.parse import quote

import pytest

from salient.errors import Misconfigured, TimedOut, Unavailable

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage import sql as module  # noqa: E402
from salient.storage.sql import Query, Tables  # noqa: E402
from salient.storage.testing import TablesContract  # noqa: E402
from tests.sql_spaces import DIALECTS, space  # noqa: E402


@pytest.fixture(params=DIALECTS)
def opened(request, tmp_path, servers):
    stores = []
    with space(request.param, tmp_path, servers) as url:

        def open_again():
            stores.append(Tables.open(url))
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
    served = {name: path.rpartition(".")[2] for name, path in module.SCHEMES.items()}
    assert set(served.values()) == set(DIALECTS)


def test_unknown_scheme_names_the_known_ones():
    with pytest.raises(Misconfigured) as info:
        Tables.open("punchcard:")
    assert "sqlite" in info.value.context["known"]


# --- servers


SERVERS = ("postgresql", "mysql")


@pytest.fixture(params=SERVERS)
def server_url(request, tmp_path, servers):
    with space(request.param, tmp_path, servers) as url:
        yield url


def _joined(url, options):
    return f"{url}{'&' if '?' in url else '?'}{options}"


def _with_user(url, user):
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{user}@{rest.rpartition('@')[2]}"


def test_a_missing_database_is_a_misconfiguration_with_the_remedy(servers):
    for kind in SERVERS:
        with Tables.open(servers(kind).at("not_there")) as tables:
            with pytest.raises(Misconfigured, match=r"CREATE DATABASE .not_there.") as info:
                tables.migrate()
            assert "pw" not in str(info.value)


def test_wrong_credentials_are_a_misconfiguration_and_not_shown(server_url):
    with Tables.open(_with_user(server_url, "nobody:s3cret")) as tables:
        with pytest.raises(Misconfigured) as info:
            tables.revision()
        assert "s3cret" not in str(info.value) + str(info.value.context)


@pytest.mark.parametrize(
    "rest", ["//h", "//h/", "h/db", "//h:port/db", "//h/a/b", "//h/db?timeout_s=0", "//h/db?colour=red", "//h/db?connections=1"]
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["postgresql", "mysql", "mariadb"])
def test_wrong_urls_are_a_misconfiguration_at_opening(scheme, rest):
    with pytest.raises(Misconfigured):
        Tables.open(f"{scheme}:{rest}")


@pytest.mark.parametrize("schema", ["", "a b", "a;b", "-c", 'x"y', "X", "1a", "a" * 64])
def test_a_schema_that_is_no_plain_name_is_refused(schema):
    with pytest.raises(Misconfigured):
        Tables.open(f"postgresql://h/db?schema={quote(schema)}")


def test_a_writer_that_waits_too_long_times_out_and_harms_nobody(server_url):
    add = Query("INSERT INTO name (id, workspace, type, norm) VALUES (:id, 'w', 'ORG', '')")
    with Tables.open(server_url) as first, Tables.open(_joined(server_url, "timeout_s=1")) as other:
        first.migrate()
        with first.transaction() as tx:
            tx.run(add, {"id": "1"})
            with pytest.raises(TimedOut), other.transaction():
                pass
            with other.read() as reading:
                assert reading.rows(Query("SELECT id FROM name")) == []
        with other.transaction() as tx:
            tx.run(add, {"id": "2"})
        with first.read() as reading:
            assert reading.value(Query("SELECT COUNT(*) FROM name")) == 2


def test_a_statement_that_takes_too_long_times_out(server_url):
    sleep = Query("SELECT pg_sleep(30)" if "postgres" in server_url else "SELECT SLEEP(30)")
    with Tables.open(_joined(server_url, "statement_timeout_s=0.5")) as tables:
        with pytest.raises(TimedOut), tables.read() as reading:
            reading.value(sleep)
        tables.migrate()


def test_a_free_connection_is_waited_for_and_then_given_up(server_url):
    with Tables.open(_joined(server_url, "connections=2&timeout_s=1")) as tables:
        with tables.read(), tables.read(), pytest.raises(TimedOut), tables.read():
            pass
        with tables.read():
            pass


def test_a_connection_that_the_server_ended_is_replaced_unseen(server_url):
    with Tables.open(server_url) as tables, Tables.open(server_url) as admin:
        tables.migrate()
        with tables.read() as one, tables.read() as other:
            pool = [_session(one), _session(other)]
        _end(admin, pool)
        with tables.read() as reading:
            assert reading.value(Query("SELECT COUNT(*) FROM name")) == 0
            pool = [_session(reading)]
        _end(admin, pool)
        with tables.transaction() as tx:
            assert tx.run(Query("DELETE FROM name")) == 0


def test_a_transaction_whose_connection_ends_is_undone_and_unavailable(server_url):
    add = Query("INSERT INTO name (id, workspace, type, norm) VALUES (:id, 'w', 'ORG', '')")
    with Tables.open(server_url) as tables, Tables.open(server_url) as admin:
        tables.migrate()
        with pytest.raises(Unavailable), tables.transaction() as tx:  # noqa: PT012 # what comes in between is the point
            tx.run(add, {"id": "1"})
            _end(admin, [_session(tx)])
            tx.run(add, {"id": "2"})
        with pytest.raises(Unavailable), tables.transaction() as tx:  # noqa: PT012
            tx.run(add, {"id": "3"})
            _end(admin, [_session(tx)])
        with tables.transaction() as tx:
            tx.run(add, {"id": "4"})
        with tables.read() as reading:
            assert [r.id for r in reading.rows(Query("SELECT id FROM name"))] == ["4"]


def test_closing_while_others_read_leaves_no_connection(server_url):
    with Tables.open(server_url) as admin:
        tables = Tables.open(server_url)
        with tables.read() as reading, tables.transaction() as tx:
            left = [_session(reading), _session(tx)]
            tables.close()
        until = time.monotonic() + 10
        while (alive := set(left) & _sessions(admin)) and time.monotonic() < until:
            time.sleep(0.05)
        assert not alive


def _session(reading):
    own = "pg_backend_pid()" if reading._driver.dialect == "postgresql" else "CONNECTION_ID()"
    return reading.value(Query(f"SELECT {own}"))


def _sessions(admin):
    where = (
        "pid FROM pg_stat_activity"
        if admin.dialect == "postgresql"
        else "id FROM information_schema.processlist"
    )
    with admin.read() as reading:
        return {row[0] for row in reading.rows(Query(f"SELECT {where}"))}


def _end(admin, sessions):
    """End connections as an operator would."""
    for session in sessions:
        end = "SELECT pg_terminate_backend({})" if admin.dialect == "postgresql" else "KILL {}"
        with admin.read() as reading:
            reading._execute(Query(end.format(session)), None)
    until = time.monotonic() + 10
    while set(sessions) & _sessions(admin) and time.monotonic() < until:
        time.sleep(0.02)
