"""Blobs through layers, scopes, meters and faults: what each adds to the promises of the suite."""

import io
import logging
import time

import pytest
from prometheus_client import REGISTRY

from salient.errors import Conflict, InvalidInput, Misconfigured, NotFound, Unavailable
from salient.storage import urls
from salient.storage.blob import Blobs

# --- layered


@pytest.fixture
def layered(tmp_path):
    made = []

    def open_one(layers="[memory:]", **options):
        query = "&".join(f"{k}={v}" for k, v in options.items())
        made.append(Blobs.open(f"layered:{layers}[file:{tmp_path}/blobs?sync=no]?{query}"))
        return made[-1]

    yield open_one
    for one in made:
        one.close()


def calls_below(store, monkeypatch):
    """Which calls reach the bottom from now on."""
    seen = []
    inside = store._driver.inside
    for name in ("open", "view", "read_ranges", "head"):
        call = getattr(inside, name)
        monkeypatch.setattr(
            inside, name, lambda *a, call=call, name=name: seen.append(name) or call(*a)
        )
    return seen


def test_small_blob_is_read_below_once(layered, monkeypatch):
    store = layered()
    store.put("k", b"content")
    seen = calls_below(store, monkeypatch)
    assert store.get("k") == b"content"
    first = len(seen)
    for _ in range(3):
        assert store.get("k") == b"content"
        assert bytes(store.view("k")) == b"content"
        assert store.read_range("k", 3, 5) == b"te"
        assert store.size("k") == 7
    assert len(seen) == first
    store.put("k", b"other")
    assert store.get("k") == b"other"


def test_absence_is_remembered_until_the_key_is_put(layered, monkeypatch):
    store = layered()
    seen = calls_below(store, monkeypatch)
    for _ in range(5):
        with pytest.raises(NotFound):
            store.get("k")
    assert seen == ["head"]
    store.put("k", b"v")
    assert store.get("k") == b"v"


def test_large_blob_is_read_below_and_only_its_size_kept(layered, monkeypatch):
    store = layered(max_bytes=1000)
    store.put("k", bytes(1001))
    store.put("small", bytes(1000))
    seen = calls_below(store, monkeypatch)
    assert store.size("k") == 1001
    assert store.size("k") == 1001
    assert store.read_range("k", 5, 10) == bytes(5)
    assert len(store.get("k")) == 1001
    assert (seen.count("head"), seen.count("read_ranges")) == (1, 1)
    store.get("small")
    del seen[:]
    store.get("small")
    assert seen == []


def test_other_process_sees_a_change_through_the_shared_layer(layered, tmp_path):
    shared = f"[memory:][sqlite:{tmp_path}/kv.db]"
    one, other = layered(shared), layered(shared)
    one.put("k", b"first")
    assert other.get("k") == b"first"
    one.put("k", b"second")
    _soon(lambda: other.get("k") == b"second")
    other.delete("k")
    _soon(lambda: not one.exists("k"))
    one.put("k", b"third")
    _soon(lambda: other.exists("k") and other.get("k") == b"third")


def test_other_process_sees_a_change_through_redis(servers, layered):
    import uuid

    url = servers("redis").at("0", prefix=f"t{uuid.uuid4().hex[:12]}")
    one, other = layered(f"[memory:][{url}]"), layered(f"[memory:][{url}]")
    for i in range(20):
        one.put("k", b"%d" % i)
        _soon(lambda i=i: other.get("k") == b"%d" % i)


def test_stale_version_is_refused_and_then_renewed(layered, tmp_path):
    store = layered()
    store.put("k", b"v")
    version = store.version("k")
    with Blobs.open(f"file:{tmp_path}/blobs?sync=no") as below:
        below.put("k", b"behind its back")
    with pytest.raises(Conflict):
        store.put("k", b"new", if_version=version)
    assert store.get("k") == b"behind its back"  # the refusal made it look again
    store.put("k", b"new", if_version=store.version("k"))


def test_source_that_breaks_leaves_no_stale_content(layered):
    class Broken:
        def read(self, size=-1):
            raise ConnectionResetError("gone")

    store = layered()
    store.put("k", b"v")
    assert store.get("k") == b"v"
    with pytest.raises(ConnectionResetError):
        store.put("k", Broken())
    assert store.get("k") == b"v"


@pytest.mark.parametrize(
    "bad", ["layered:[memory:]", "layered:[memory:][memory:]?max_bytes=-1", "layered:[memory:][memory:]?max_bytes=9000000",
            "layered:[memory:][memory:]?nosuch=1", "layered:[punchcard:][memory:]", "layered:[file:x][memory:]"]
)  # fmt: skip
def test_senseless_layers_are_a_misconfiguration(bad):
    with pytest.raises(Misconfigured):
        Blobs.open(bad)


def _soon(true):
    until = time.monotonic() + 10
    while not true():
        assert time.monotonic() < until
        time.sleep(0.002)


# --- scoped


def test_scopes_do_not_see_each_other(tmp_path):
    place = f"file:{tmp_path}/blobs?sync=no"
    mine, yours = (Blobs.open(f"scoped:[{place}]?scope={s}") for s in ("mine", "yours"))
    whole = Blobs.open(place)
    mine.put("k", b"mine")
    mine.put("yours/k", b"mine too")
    assert not yours.exists("k")
    yours.put("k", b"yours")
    assert mine.get("k") == b"mine"
    assert list(mine.list()) == ["k", "yours/k"]
    assert [e.key for e in yours.entries()] == ["k"]
    assert list(whole.list()) == ["mine/k", "mine/yours/k", "yours/k"]
    for key in ("../yours/k", "/yours/k", "a/../../yours/k", "./../yours/k"):
        for call in (mine.get, mine.delete, mine.path, lambda k: mine.put(k, b"")):
            with pytest.raises(InvalidInput):
                call(key)
    assert list(mine.list("../")) == list(mine.list("../yours/")) == []
    assert mine.delete_prefix("../yours/") == 0
    assert yours.delete_prefix("") == 1
    assert list(whole.list()) == ["mine/k", "mine/yours/k"]
    for one in (mine, yours, whole):
        one.close()


def test_scope_that_begins_like_another_is_apart():
    with Blobs.open("scoped:[memory:]?scope=a") as one:
        inside = one._driver._inside
        inside.put("ab/k", io.BytesIO(b""), only_if_absent=False, if_version=None)
        assert list(one.list()) == []


@pytest.mark.parametrize("scope", ["", ".", "..", "a/b", "%00", "x" * 65])
def test_senseless_scope_is_a_misconfiguration(scope):
    with pytest.raises(Misconfigured):
        Blobs.open(f"scoped:[memory:]?scope={scope}")


# --- instrumented


def test_calls_are_counted_with_sizes_and_errors():
    def sample(name, operation, **labels):
        given = {"store": "blob", "name": "metered", "operation": operation, **labels}
        return REGISTRY.get_sample_value(name, given) or 0

    with Blobs.open("instrumented:[flaky:[memory:]]?name=metered") as store:
        store.put("k", bytes(1000))
        with store.stream("k") as stream:
            stream.read(10)
            stream.seek(0)
            stream.read()
        store.view("k")
        store.read_range("k", 0, 10)
        list(store.list())
        assert sample("salient_store_seconds_count", "put") == 1
        assert sample("salient_store_bytes_sum", "put", way="in") == 1000
        assert sample("salient_store_bytes_sum", "view", way="out") == 1000
        assert sample("salient_store_bytes_sum", "read_ranges", way="out") == 10
        assert sample("salient_store_bytes_sum", "read", way="out") >= 1000
        assert sample("salient_store_seconds_count", "list") == 1
        store._driver.inside.faults.errors = 1.0
        with pytest.raises(Unavailable):
            store.get("k")
        with pytest.raises(Unavailable):
            store.put("k", b"")
        assert sample("salient_store_errors_total", "open", code="unavailable") == 1
        assert sample("salient_store_errors_total", "put", code="unavailable") == 1


def test_slow_call_is_logged_without_its_key(caplog):
    with (
        caplog.at_level(logging.WARNING),
        Blobs.open("instrumented:[flaky:[memory:]?latency_ms=20&seed=3]?slow_ms=0.01") as store,
    ):
        store.put("a private name", b"x")
    (record,) = [r for r in caplog.records if r.getMessage() == "store.slow_call"]
    assert record.operation == "put"
    assert "private" not in str(vars(record))


# --- flaky


def test_torn_put_is_seen_nowhere(tmp_path):
    with Blobs.open(f"flaky:[file:{tmp_path}/blobs?sync=no]") as store:
        store.put("k", b"whole")
        store._driver.faults.torn = 1.0
        for content in (b"", b"x", b"half of it", bytes(3_000_000)):
            for key in ("k", "new"):
                with pytest.raises(Unavailable, match="broke"):
                    store.put(key, content)
        assert store.get("k") == b"whole"
        assert list(store.list()) == ["k"]


def test_lost_answer_means_that_it_was_done():
    with Blobs.open("flaky:[memory:]") as store:
        store._driver.faults.lost = 1.0
        with pytest.raises(Unavailable):
            store.put("k", b"v", only_if_absent=True)
        assert store.get("k") == b"v"
        with pytest.raises(Unavailable):
            store.delete("k")
        assert not store.exists("k")


def test_stream_breaks_while_it_is_read():
    with Blobs.open("flaky:[memory:]") as store:
        store.put("k", bytes(5_000_000))
        with store.stream("k") as stream:
            assert stream.read(10) == bytes(10)
            store._driver.faults.errors = 1.0
            with pytest.raises(Unavailable):
                stream.read()
            store._driver.faults.errors = 0.0


def test_faults_at_a_rate_only_ever_raise_unavailable():
    with Blobs.open("flaky:[memory:]?errors=0.2&lost=0.1&torn=0.1&seed=5") as store:
        raised = 0
        for i in range(300):
            for call in (
                lambda i=i: store.put(f"{i % 9}", b"%d" % i),
                lambda i=i: store.get(f"{i % 9}"),
            ):
                try:
                    call()
                except Unavailable:
                    raised += 1
                except NotFound:
                    continue
        assert 50 < raised <= store._driver.faults.injected


# --- together


def test_tree_of_a_stack_is_shown_without_secrets():
    url = f"instrumented:[layered:[memory:][encrypted:[s3://b/p?secret_key=hush]?key={'ab' * 32}]]?slow_ms=9"
    lines = urls.tree(url).lines()
    assert [line.strip().partition(" ")[0].partition(":")[0] for line in lines] == [
        "instrumented", "layered", "memory", "encrypted", "s3",
    ]  # fmt: skip
    assert "hush" not in str(lines)
    assert "abab" not in str(lines)
