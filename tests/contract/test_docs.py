"""Every document-store backend keeps the same promises."""

import pytest

from salient.errors import Misconfigured

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage import docs as module  # noqa: E402
from salient.storage.docs import Records  # noqa: E402
from salient.storage.testing import RecordsContract  # noqa: E402
from salient.storage.testing.docs_changes import BulkContract, ChangesContract  # noqa: E402
from tests import docs_places  # noqa: E402

URLS = {
    "memory": "memory:",
    "sqlite": "sqlite:{tmp}/a folder/records.db",
    "postgresql": "{postgresql}",
    "mongodb": "{mongodb}",
    "mongodb alone": "{standalone}",
    "layered memory sqlite": "layered:[memory:][sqlite:{tmp}/records.db]",
    "layered memory redis postgresql": "layered:[memory:][{redis}][{postgresql}]?negative_s=600",
    "sharded memory": "sharded:[memory:][memory:][memory:]",
    "sharded sqlite postgresql": "sharded:[sqlite:{tmp}/records.db][{postgresql}]?names=a,b",
    "replicated memory": "replicated:[memory:][memory:][memory:]?write=quorum",
    "replicated all sqlite memory": "replicated:[sqlite:{tmp}/records.db][memory:]",
    "replicated sqlite postgresql": "replicated:[sqlite:{tmp}/a.db][{postgresql}][memory:]?write=quorum",
    "instrumented sqlite": "instrumented:[sqlite:{tmp}/records.db]?name=test",
    "scoped memory": "scoped:[memory:]?scope=tenant",
    "scoped scoped postgresql": "scoped:[scoped:[{postgresql}]?scope=outer]?scope=inner",
    "scoped layered sharded": "scoped:[layered:[memory:][sharded:[memory:][memory:]]]?scope=tenant",
    "flaky memory": "flaky:[memory:]?latency_ms=0.01",
}


@pytest.fixture
def places(servers, tmp_path):
    found = docs_places.Places(servers, tmp_path)
    yield found
    found.close()


@pytest.fixture(params=URLS)
def records(request, places):
    with Records.open(places(URLS[request.param])) as store:
        yield store


@pytest.fixture
def pass_time(records):
    return lambda seconds: docs_places.pass_time(records, seconds)


class TestRecords(RecordsContract):
    pass


class TestChanges(ChangesContract):
    pass


class TestBulk(BulkContract):
    pass


def test_no_backend_ships_without_the_suite():
    served = {*module.SCHEMES.values(), *module.WRAPPERS.values()}
    assert {path.rpartition(".")[2] for path in served} <= set(" ".join(URLS).split())


def test_unknown_scheme_names_the_known_ones():
    with pytest.raises(Misconfigured) as info:
        Records.open("punchcard:")
    assert "sqlite" in info.value.context["known"]
