"""Every blob backend keeps the same promises, and so does everything made of them."""

import uuid

import pytest

from salient.errors import Misconfigured

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage import blob as module  # noqa: E402
from salient.storage.blob import Blobs  # noqa: E402
from salient.storage.testing import BlobContract  # noqa: E402

DRIVERS = {"memory": "memory:", "file": "file:{tmp}/a folder/blobs?sync=no", "s3": "{s3}"}
STORES = {**DRIVERS}


class Places(dict):
    """What URLs are filled with: a folder, and servers that are asked for when a URL names them."""

    def __init__(self, servers, tmp_path):
        super().__init__(tmp=tmp_path)
        self._servers = servers

    def __missing__(self, name):
        return self._servers(name.partition("_")[0]).at(f"t{uuid.uuid4().hex[:12]}")


@pytest.fixture
def places(servers, tmp_path):
    return Places(servers, tmp_path)


@pytest.fixture(params=STORES)
def blobs(request, places):
    with Blobs.open(STORES[request.param].format_map(places)) as store:
        yield store


class TestBlobs(BlobContract):
    pass


def test_no_backend_ships_without_the_suite():
    assert set(DRIVERS) == set(module.SCHEMES)


def test_no_wrapper_ships_without_the_suite():
    assert {url.partition(":")[0] for url in STORES.values()} >= set(module.WRAPPERS)


def test_unknown_scheme_names_the_known_ones():
    with pytest.raises(Misconfigured) as info:
        Blobs.open("punchcard:")
    assert "file" in info.value.context["known"]
