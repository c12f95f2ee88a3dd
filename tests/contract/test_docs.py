"""Every document-store backend keeps the same promises."""

import time

import pytest

from salient.errors import Misconfigured

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage import docs as module  # noqa: E402
from salient.storage.docs import Records  # noqa: E402
from salient.storage.testing import RecordsContract  # noqa: E402
from salient.storage.testing.docs_changes import BulkContract, ChangesContract  # noqa: E402
from tests.docs_places import Places, leaves  # noqa: E402

URLS = {
    "memory": "memory:",
    "sqlite": "sqlite:{tmp}/a folder/records.db",
    "postgresql": "{postgresql}",
}


@pytest.fixture
def places(servers, tmp_path):
    found = Places(servers, tmp_path)
    yield found
    found.close()


@pytest.fixture(params=URLS)
def records(request, places):
    with Records.open(places(URLS[request.param])) as store:
        yield store


@pytest.fixture
def pass_time(records):
    """Moves the clocks of embedded stores; a server's own clock cannot be moved, so it sleeps."""
    stores = list(leaves(records._driver))
    if not all(hasattr(store, "_clock") for store in stores):
        return time.sleep

    def move(seconds):
        for store in stores:
            before = store._clock
            store._clock = lambda before=before: before() + seconds

    return move


class TestRecords(RecordsContract):
    pass


class TestChanges(ChangesContract):
    pass


class TestBulk(BulkContract):
    pass


def test_no_backend_ships_without_the_suite():
    assert set(URLS) == set(module.SCHEMES)


def test_unknown_scheme_names_the_known_ones():
    with pytest.raises(Misconfigured) as info:
        Records.open("punchcard:")
    assert "sqlite" in info.value.context["known"]
