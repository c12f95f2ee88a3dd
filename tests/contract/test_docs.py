"""Every document-store backend keeps the same promises."""

import os
import time

import pytest

from salient.errors import Misconfigured

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage import docs as module  # noqa: E402
from salient.storage.docs import Records  # noqa: E402
from salient.storage.testing import RecordsContract  # noqa: E402
from salient.storage.testing.docs_changes import BulkContract, ChangesContract  # noqa: E402

URLS = {"memory": "memory:", "sqlite": "sqlite:{tmp}/a folder/records.db"}


@pytest.fixture(params=URLS)
def records(request, tmp_path):
    url = URLS[request.param]
    if url is None:  # skipped on a laptop, failed in CI
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {request.param} server given")
    store = Records.open(url.format(tmp=tmp_path))
    yield store
    store.close()


@pytest.fixture
def pass_time(records):
    if getattr(records._driver, "_clock", None) is None:
        return time.sleep  # a server's own clock cannot be moved

    def move(seconds):
        before = records._driver._clock
        records._driver._clock = lambda: before() + seconds

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
