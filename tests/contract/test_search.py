"""Every search backend keeps the same promises."""

import os

import pytest

from salient.errors import Misconfigured

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage import search as module  # noqa: E402
from salient.storage.search import SearchIndex  # noqa: E402
from salient.storage.testing import RankingContract, SearchContract  # noqa: E402
from salient.storage.testing.search import SCHEMA  # noqa: E402
from salient.storage.testing.search_ranking import filled  # noqa: E402, F401 # a fixture

URLS = {"embedded": "embedded:{tmp}/a folder/index?timeout_s={timeout_s}"}


@pytest.fixture(params=URLS)
def opened(request, tmp_path):
    url = URLS[request.param]
    if url is None:  # skipped on a laptop, failed in CI
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {request.param} server given")
    stores = []
    short = "too_long" in request.node.name

    def open_again(schema=SCHEMA):
        stores.append(
            SearchIndex.open(url.format(tmp=tmp_path, timeout_s=0.2 if short else 30), schema)
        )
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
    elsewhere = {"opensearch", "sphinx"}  # test_search_servers.py
    assert set(URLS) == set(module.SCHEMES) - elsewhere


def test_unknown_scheme_names_the_known_ones():
    with pytest.raises(Misconfigured) as info:
        SearchIndex.open("punchcard:", SCHEMA)
    assert "embedded" in info.value.context["known"]
