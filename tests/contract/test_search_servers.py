"""Search on OpenSearch, Elasticsearch and Sphinx keeps the promises of every search backend."""

import uuid

import pytest

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage.search import SearchIndex  # noqa: E402
from salient.storage.testing import RankingContract, SearchContract  # noqa: E402
from salient.storage.testing.search import SCHEMA  # noqa: E402
from salient.storage.testing.search_ranking import filled  # noqa: E402, F401 # a fixture

KINDS = {
    "opensearch": ("opensearch", {}),
    "elasticsearch": ("elasticsearch", {}),
    "elasticsearch-approximate": ("elasticsearch", {"exact": 0}),
}


@pytest.fixture(params=KINDS)
def opened(request, servers):
    name, options = KINDS[request.param]
    server = servers(name)
    prefix = f"test{uuid.uuid4().hex[:12]}"
    stores = []
    if "too_long" in request.node.name:
        options = options | {"wait_s": 0.2}

    def open_again(schema=SCHEMA):
        stores.append(SearchIndex.open(server.at(prefix, **options), schema))
        return stores[-1]

    yield open_again
    for store in stores:
        store.close()
    delete(server, prefix)


def delete(server, prefix):
    import opensearchpy

    with opensearchpy.OpenSearch(
        [server.at("").partition("?")[0].replace("opensearch", "http", 1)]
    ) as client:
        client.indices.delete(index=f"{prefix}-search", ignore_unavailable=True)


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
