"""Every search backend keeps the same promises."""

import contextlib
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from prometheus_client import REGISTRY

from salient.errors import Corrupt, Misconfigured, Unavailable

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage import search as module  # noqa: E402
from salient.storage.search import Query, SearchIndex  # noqa: E402
from salient.storage.testing import RankingContract, SearchContract  # noqa: E402
from salient.storage.testing.search import SCHEMA, add, direction, entry, keys  # noqa: E402
from salient.storage.testing.search_ranking import filled  # noqa: E402, F401 # a fixture
from salient.storage.testing.search_wrappers import (  # noqa: E402
    FlakySearchContract,
    SameRankingContract,
    ScopedSearchContract,
)
from tests.contract.test_search_servers import KINDS  # noqa: E402 # the other servers

EMBEDDED = "embedded:{tmp}/a folder/index?timeout_s={wait}"
POSTGRES = "{server}&wait_s={wait}"

# {wait} is for how long a writer waits for another, {server} the URL of a Postgres namespace.
URLS = {
    "embedded": EMBEDDED,
    "postgresql": POSTGRES,
    # Neighbours of a vector looked up in an index, which small indexes do not have.
    "postgresql-neighbours": POSTGRES + "&exact_up_to=0",
    "instrumented-embedded": f"instrumented:[{EMBEDDED}]",
    "flaky-embedded": f"flaky:[{EMBEDDED}]?latency_ms=0.1",
    "scoped-embedded": f"scoped:[{EMBEDDED}]?scope=own",
    "scoped-postgresql": f"scoped:[{POSTGRES}]?scope=own",
    "all-postgresql": f"instrumented:[scoped:[flaky:[{POSTGRES}]?latency_ms=0.1]?scope=own]?slow_ms=9000",
}


@pytest.fixture
def space(tmp_path, servers):
    """Fills in what a URL needs, and takes away at the end what is kept on servers."""
    used = []

    def fill(template, wait=30):
        server = ""
        if "{server}" in template:
            server = servers("postgresql").at("postgres", schema=name, index="things")
            used.append(fill.admin())
        return template.format(tmp=tmp_path, wait=wait, server=server)

    fill.name = name = f"t {uuid.uuid4().hex[:16]}"
    fill.admin = lambda: servers("postgresql").at("postgres")
    yield fill
    if used:
        import psycopg

        with psycopg.connect(used[0]) as connection:
            connection.execute(f'drop schema if exists "{name}" cascade')


@pytest.fixture(params=URLS)
def opened(request, space):
    short = "too_long" in request.node.name
    url = space(URLS[request.param], 0.2 if short else 30)
    stores = []

    def open_again(schema=SCHEMA):
        stores.append(SearchIndex.open(url, schema))
        return stores[-1]

    yield open_again
    for store in stores:
        store.close()


@pytest.fixture
def index(opened):
    return opened()


@pytest.fixture
def reopen(opened):
    return opened


@pytest.mark.parametrize("template", [EMBEDDED, POSTGRES])
def test_many_may_open_a_new_index_at_once(space, template):
    url, together = space(template), threading.Barrier(4)

    def opens():
        together.wait()
        with contextlib.closing(SearchIndex.open(url, SCHEMA)) as index:
            return index.count()

    with ThreadPoolExecutor(4) as threads:
        assert [f.result() for f in [threads.submit(opens) for _ in range(4)]] == [0] * 4


class TestSearch(SearchContract):
    pass


class TestRanking(RankingContract):
    pass


class TestSameRanking(SameRankingContract):
    pass


def test_long_keywords_are_told_apart_and_keep_their_order(index):
    start = "é" * 2000
    values = [start, start + "a", start + "b", start + "b" * 900, "東"]
    add(index, [entry(f"{i}", kind=value) for i, value in enumerate(reversed(values))])
    index.commit()
    assert keys(index, sort="kind") == ["4", "3", "2", "1", "0"]
    assert keys(index, filters={"kind": [start + "b"]}) == ["2"]
    assert set(keys(index, ranges={"kind": (start + "a", start + "b")})) == {"3", "2"}
    assert set(keys(index, ranges={"kind": (None, start)})) == {"4"}
    facet = index.search(Query(facets=("kind",))).facets["kind"]
    assert facet == tuple((value, 1) for value in values)


@pytest.fixture
def postgres(space):
    """An index on Postgres, and a connection of its operator."""
    import psycopg

    index = SearchIndex.open(space(POSTGRES), SCHEMA)
    with psycopg.connect(space.admin(), autocommit=True) as operator:
        yield index, operator
    index.close()


def test_lost_connections_cost_only_what_was_not_committed(postgres, space):
    index, operator = postgres
    add(index, [entry("a", "word")])
    index.commit()
    add(index, [entry("b", "word")])
    driver = index._driver
    connections = [*driver._connections._idle, driver._session._connection]
    for connection in connections:
        operator.execute("select pg_terminate_backend(%s)", [connection.info.backend_pid])
    assert keys(index, "word") == ["a"]  # by a new connection
    with pytest.raises(Unavailable) as info:
        index.commit()
    assert "@" not in str(info.value)
    index.commit()
    assert keys(index, "word") == ["a"]
    add(index, [entry("c", "word")])
    index.commit()
    assert keys(index, "word") == ["a", "c"]


def test_what_was_replaced_does_not_pile_up(postgres, space):
    index, operator = postgres
    for _ in range(30):
        for group in range(4):
            index.delete_group(f"g{group}")
            add(index, [entry(f"{group}:{i}", "word " * 30, group=f"g{group}") for i in range(10)])
            index.commit()
    kept, dead = operator.execute(
        f'select (select sum(entries) from "{space.name}".things_batches),'
        f' (select sum(length(ids)) / 4 from "{space.name}".things_dead)'
    ).fetchone()
    assert index.count() == 40 == kept - (dead or 0)
    assert kept <= 80


def test_dropped_tables_are_said_to_be_damaged(postgres, space):
    index, operator = postgres
    add(index, [entry("a", "word")])
    index.rollback()
    operator.execute(f'drop schema "{space.name}" cascade')
    for _ in range(2):
        with pytest.raises(Corrupt):
            add(index, [entry("a", "word")])
        with pytest.raises(Corrupt):
            index.count()
    index.rollback()


def test_what_is_told_apart_in_a_url_is_told_apart_on_the_server(space):
    url = space(POSTGRES).replace("index=things", "index={}")
    names = ["a", "A", "a%25b", "a%25%25b", "x" * 50, "x" * 51, "é" * 30, 'a"b', "a_state"]
    indexes = [SearchIndex.open(url.format(quote(name, safe="%")), SCHEMA) for name in names]
    for i, index in enumerate(indexes):
        add(index, [entry(f"{i}", "word")])
        index.commit()
    assert [keys(index, "word") for index in indexes] == [[f"{i}"] for i in range(len(names))]
    for index in indexes:
        index.close()


@pytest.fixture(params=[EMBEDDED, POSTGRES], ids=["embedded", "postgresql"])
def inside(request, space):
    """The URL of an empty index to put wrappers over, and what was opened of it."""
    opened = []

    def open_one(template):
        opened.append(SearchIndex.open(template.format(space(request.param)), SCHEMA))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def flaky(inside):
    return lambda: inside("flaky:[{}]")


@pytest.fixture
def scoped(inside):
    return lambda name: inside("scoped:[{}]?scope=" + quote(name))


class TestFlaky(FlakySearchContract):
    pass


class TestScoped(ScopedSearchContract):
    pass


def test_every_step_of_a_search_is_measured(inside):
    name = uuid.uuid4().hex
    index = inside("instrumented:[{}]?name=" + name)
    vectors = "vectors" in index.features
    add(index, [entry("a", "word", kind="x")])
    index.commit()
    index.search(Query("word", vector=direction("q") if vectors else None, facets=("kind",)))
    index.close()
    with pytest.raises(Unavailable):
        index.count()
    labels = ("search", name)

    def calls(step):
        return REGISTRY.get_sample_value("salient_store_seconds_count", dict(zip(("store", "name", "operation"), (*labels, step), strict=True)))  # fmt: skip

    assert all(calls(step) for step in ("put", "commit", "snapshot", "summary", "matching", "fetch"))  # fmt: skip
    assert bool(calls("nearest")) == vectors
    named = dict(zip(("store", "name", "operation", "code"), (*labels, "snapshot", "unavailable"), strict=True))  # fmt: skip
    assert REGISTRY.get_sample_value("salient_store_errors_total", named)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:", "postgresql://h/db?schema=", "postgresql://h/db?index=", "postgresql://h/db?nosuch=1",
        "postgresql://h/db?timeout_s=x", "scoped:[embedded::memory:]", "flaky:[embedded::memory:]?errors=x",
        "instrumented:", "instrumented:[embedded::memory:][embedded::memory:]", "scoped:[nosuch:]?scope=a",
    ],
)  # fmt: skip
def test_wrong_url_is_a_misconfiguration(url):
    with pytest.raises(Misconfigured):
        SearchIndex.open(url, SCHEMA)


def test_no_backend_ships_without_the_suite():
    assert {*"-".join(URLS).split("-"), *KINDS} >= {*module.SCHEMES, *module.WRAPPERS}


def test_unknown_scheme_names_the_known_ones():
    with pytest.raises(Misconfigured) as info:
        SearchIndex.open("punchcard:", SCHEMA)
    assert "embedded" in info.value.context["known"]
