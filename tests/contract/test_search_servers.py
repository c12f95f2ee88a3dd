"""Search on OpenSearch, Elasticsearch and Sphinx keeps the promises of every search backend."""

import contextlib
import uuid
from urllib.parse import urlsplit

import opensearchpy
import pymysql
import pytest

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage.search import SearchIndex, sphinx  # noqa: E402
from salient.storage.testing import RankingContract, SearchContract  # noqa: E402
from salient.storage.testing.search import SCHEMA  # noqa: E402
from salient.storage.testing.search_ranking import filled  # noqa: E402, F401 # a fixture

KINDS = {
    "opensearch": ("opensearch", {}),
    "elasticsearch": ("elasticsearch", {}),
    "elasticsearch-approximate": ("elasticsearch", {"exact": 0}),
    "sphinx": ("sphinx", {}),
}


@pytest.fixture(params=KINDS)
def opened(request, servers):
    name, options = KINDS[request.param]
    if name == "sphinx":
        server, prefix = servers(name, extra=sphinx.definition(SCHEMA, "suite", "{data}")), "suite"
        empty_sphinx(server, prefix)
    else:
        server, prefix = servers(name), f"test{uuid.uuid4().hex[:12]}"
    stores = []
    if "too_long" in request.node.name:
        options = options | {"wait_s": 0.2}

    def open_again(schema=SCHEMA):
        stores.append(SearchIndex.open(server.at(prefix, **options), schema))
        return stores[-1]

    yield open_again
    for store in stores:
        store.close()
    if name != "sphinx":
        delete(server, prefix)


def delete(server, prefix):
    """Sphinx apart, each test has an index of its own."""
    place = server.at("").partition("?")[0].replace("opensearch", "http", 1)
    with opensearchpy.OpenSearch([place]) as client:
        client.indices.delete(index=f"{prefix}-search", ignore_unavailable=True)


def empty_sphinx(server, prefix):
    """Sphinx has the indexes of its configuration and makes no others."""
    url = urlsplit(server.at(""))
    client = pymysql.connect(host=url.hostname, port=url.port, autocommit=None)
    with client, client.cursor() as cursor:
        for table in ("entries", "values", "state"):
            with contextlib.suppress(pymysql.err.ProgrammingError):  # Manticore has none yet
                cursor.execute(f"TRUNCATE RTINDEX {prefix}_{table}")


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
