"""Every search backend keeps the same promises."""

import uuid

import pytest

from salient.errors import Misconfigured

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage import search as module  # noqa: E402
from salient.storage.search import SearchIndex  # noqa: E402
from salient.storage.testing import RankingContract, SearchContract  # noqa: E402
from salient.storage.testing.search import SCHEMA  # noqa: E402
from salient.storage.testing.search_ranking import filled  # noqa: E402, F401 # a fixture
from tests.contract.test_search_servers import KINDS  # noqa: E402 # the other servers

# {wait} is for how long a writer waits for another, {server} the URL of a Postgres namespace.
URLS = {
    "embedded": "embedded:{tmp}/a folder/index?timeout_s={wait}",
    "postgresql": "{server}&wait_s={wait}",
    # Neighbours of a vector looked up in an index, which small indexes do not have.
    "postgresql neighbours": "{server}&wait_s={wait}&exact_up_to=0",
}


@pytest.fixture
def space(tmp_path, servers):
    """Fills in what a URL needs, and takes away at the end what is kept on servers."""
    used = []

    def fill(template, wait=30):
        server = ""
        if "{server}" in template:
            server = servers("postgresql").at("postgres", schema=name, index="things")
            used.append(servers("postgresql").at("postgres"))
        return template.format(tmp=tmp_path, wait=wait, server=server)

    name = f"t {uuid.uuid4().hex[:16]}"
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


class TestSearch(SearchContract):
    pass


class TestRanking(RankingContract):
    pass


def test_no_backend_ships_without_the_suite():
    assert {name.split()[0] for name in URLS} | set(KINDS) >= set(module.SCHEMES)


def test_unknown_scheme_names_the_known_ones():
    with pytest.raises(Misconfigured) as info:
        SearchIndex.open("punchcard:", SCHEMA)
    assert "embedded" in info.value.context["known"]
