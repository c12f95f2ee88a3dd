"""Every blob backend keeps the same promises, and so does everything made of them."""

import uuid

import pytest

from salient.errors import Misconfigured

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage import blob as module  # noqa: E402
from salient.storage.blob import Blobs  # noqa: E402
from salient.storage.testing import BlobContract  # noqa: E402

DRIVERS = {"memory": "memory:", "file": "file:{tmp}/a folder/blobs?sync=no", "s3": "{s3}"}
KEY = "key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
FILE = "file:{tmp}/blobs?sync=no"
STORES = {
    **DRIVERS,
    "encrypted-memory": f"encrypted:[memory:]?{KEY}",
    "encrypted-file": f"encrypted:[{FILE}]?{KEY}",
    "encrypted-s3": f"encrypted:[{{s3}}]?{KEY}",
    "scoped-memory": "scoped:[memory:]?scope=mine",
    "scoped-file": f"scoped:[{FILE}]?scope=Größe %26 Co",
    "scoped-s3": "scoped:[{s3}]?scope=mine.of-%5Bus%5D",
    "instrumented-file": f"instrumented:[{FILE}]",
    "instrumented-s3": "instrumented:[{s3}]?name=suite",
    "flaky-file": f"flaky:[{FILE}]?latency_ms=0.1",
    "flaky-s3": "flaky:[{s3}]",
    "sharded-memory": "sharded:[memory:][memory:][memory:]?names=a,b,c",
    "sharded-file": "sharded:[file:{tmp}/a?sync=no][file:{tmp}/b?sync=no]",
    "sharded-s3": "sharded:[{s3}][{s3_2}]",
    "sharded-moving": "sharded:[{s3}][file:{tmp}/b?sync=no][memory:]?names=a,b,c&ring=b,c&before=a,b",
    "replicated-memory": "replicated:[memory:][memory:]",
    "replicated-file": "replicated:[file:{tmp}/a?sync=no][file:{tmp}/b?sync=no][file:{tmp}/c?sync=no]?write=quorum",
    "replicated-s3": "replicated:[{s3}][{s3_2}]",
    "replicated-mixed": "replicated:[file:{tmp}/a?sync=no][{s3}][memory:]?write=quorum",
    "layered-memory-file": f"layered:[memory:][{FILE}]",
    "layered-memory-s3": "layered:[memory:][{s3}]?max_bytes=1000000",
    "layered-redis-s3": "layered:[memory:][{redis}][{s3}]?ttl_s=60",
    "layered-redis-file": f"layered:[{{redis}}][{FILE}]",
    "layered-sqlite-sharded": "layered:[sqlite:{tmp}/kv.db][sharded:[file:{tmp}/a?sync=no][memory:]?names=a,b]",
    "stack-s3": f"instrumented:[scoped:[encrypted:[flaky:[{{s3}}]]?{KEY}]?scope=mine]",
}


class Places(dict):
    """What URLs are filled with: a folder, and servers that are asked for when a URL names them."""

    def __init__(self, servers, tmp_path):
        super().__init__(tmp=tmp_path)
        self._servers = servers

    def __missing__(self, name):
        server, mine = self._servers(name.partition("_")[0]), f"t{uuid.uuid4().hex[:12]}"
        return server.at("0", prefix=mine) if server.name == "redis" else server.at(mine)


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
