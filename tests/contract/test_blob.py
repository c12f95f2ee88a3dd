"""Every blob backend keeps the same promises."""

import os

import pytest

from salient.errors import Misconfigured

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage import blob as module  # noqa: E402
from salient.storage.blob import Blobs  # noqa: E402
from salient.storage.testing import BlobContract  # noqa: E402

URLS = {"memory": "memory:", "file": "file:{tmp}/a folder/blobs?sync=no"}


@pytest.fixture(params=URLS)
def blobs(request, tmp_path):
    url = URLS[request.param]
    if url is None:  # skipped on a laptop, failed in CI
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"no {request.param} server given")
    store = Blobs.open(url.format(tmp=tmp_path))
    yield store
    store.close()


class TestBlobs(BlobContract):
    pass


def test_no_backend_ships_without_the_suite():
    assert set(URLS) == set(module.SCHEMES)


def test_unknown_scheme_names_the_known_ones():
    with pytest.raises(Misconfigured) as info:
        Blobs.open("punchcard:")
    assert "file" in info.value.context["known"]
