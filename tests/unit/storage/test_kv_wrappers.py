"""What each wrapper of key-value stores adds to the store it is made of."""

import time

import pytest
from prometheus_client import REGISTRY

from salient.errors import Conflict, Misconfigured, Unavailable, Unsupported
from salient.storage import kv as module
from salient.storage.kv import KeyValue
from salient.storage.kv.sharded import plan, rebalance

# --- opening


@pytest.mark.parametrize(
    "url",
    [
        "layered:[memory:]", "layered:[memory:][memory:]?ttl=3", "layered:[sqlite:{tmp}/a][memory:][memory:]",
        "layered:[memory:][punchcard:]", "sharded:[memory:][memory:]?names=a",
        "sharded:[memory:][memory:]?names=a,a", "replicated:[memory:]", "scoped:[memory:]",
        "replicated:[memory:][memory:]?write=some", "scoped:[memory:]?scope=a%00b",
        "scoped:[memory:][memory:]?scope=a", "flaky:[memory:]?error=1", "instrumented:memory:",
        "sqlite:{tmp}/kv.db?timeout=3", "replicated:[memory:][redis:?]",
    ],
)  # fmt: skip
def test_wrong_url_is_refused(url, tmp_path):
    with pytest.raises(Misconfigured):
        KeyValue.open(url.format(tmp=tmp_path))


def test_wrappers_can_be_walked(tmp_path):
    url = f"instrumented:[sharded:[memory:][scoped:[sqlite:{tmp_path}/kv.db]?scope=a]]"
    with KeyValue.open(url) as kv:
        [sharded] = kv.driver.inner
        assert [type(one).__module__.rpartition(".")[2] for one in sharded.inner] == ["memory", "scoped"]  # fmt: skip
        assert [len(one.inner) for one in sharded.inner] == [0, 1]


# --- scoped


def test_scopes_do_not_see_each_other_nor_the_rest(tmp_path):
    place = f"sqlite:{tmp_path}/kv.db"
    with (
        KeyValue.open(place) as whole,
        KeyValue.open(f"scoped:[{place}]?scope=a") as a,
        KeyValue.open(f"scoped:[{place}]?scope=a/b") as ab,
        KeyValue.open(f"scoped:[scoped:[{place}]?scope=a]?scope=b") as inner,
    ):
        stores = [whole, a, ab, inner]
        listening = [store.subscribe("c") for store in stores]
        for i, store in enumerate(stores):
            for key in ("k", "b/k", "scope/a/k"):
                assert store.put(key, b"%d" % i, only_if_absent=True)
            store.publish("c", b"%d" % i)
            with store.lock("l"):
                pass
        for i, store in enumerate(stores):
            assert sorted(store.scan()) == ["b/k", "k", "scope/a/k"]
            assert store.get("k") == b"%d" % i
            assert listening[i].get(10) == b"%d" % i
            assert listening[i].get() is None
        a.delete("k")
        assert [store.get("k") for store in stores] == [b"0", None, b"2", b"3"]


# --- instrumented


def test_calls_sizes_and_errors_are_counted():
    with KeyValue.open("instrumented:[memory:]?name=counted") as kv:
        kv.put("k", b"12345")
        kv.get("k")
        kv.get("missing")
        list(kv.scan())
    with pytest.raises(Unavailable):
        kv.get("k")
    with pytest.raises(Unavailable):
        list(kv.scan())

    def value(name, **labels):
        return REGISTRY.get_sample_value(name, {"store": "kv", "name": "counted", **labels})

    assert value("salient_store_seconds_count", operation="get") == 3
    assert value("salient_store_seconds_count", operation="scan") == 2
    assert value("salient_store_bytes_sum", operation="put", way="in") == 5
    assert value("salient_store_bytes_count", operation="get", way="out") == 1
    assert value("salient_store_errors_total", operation="get", code="unavailable") == 1
    assert value("salient_store_errors_total", operation="scan", code="unavailable") == 1


def test_slow_calls_are_logged(caplog):
    with KeyValue.open("instrumented:[flaky:[memory:]?latency_ms=20&seed=1]?slow_ms=1") as kv:
        for _ in range(5):
            kv.get("k")
    assert "store.slow_call" in caplog.messages


# --- flaky


def test_faults_can_be_turned_on_and_off():
    with KeyValue.open("flaky:[memory:]?seed=3") as kv:
        faults = kv.driver.faults
        faults.lost = 1.0
        with pytest.raises(Unavailable):
            kv.increment("n")
        assert kv.get("n") == b"1"  # it was done
        faults.lost, faults.errors = 0.0, 1.0
        for call in (lambda: kv.increment("n"), lambda: kv.get("n"), lambda: kv.get_many(["n"])):
            with pytest.raises(Unavailable):
                call()
        faults.errors = 0.0
        assert kv.get("n") == b"1"


# --- layered


def test_layers_carry_what_is_read_and_nothing_of_locks(tmp_path):
    url = f"layered:[memory:][sqlite:{tmp_path}/near.db][sqlite:{tmp_path}/far.db]?space=here"
    with KeyValue.open(url) as kv, KeyValue.open(f"sqlite:{tmp_path}/near.db") as near:
        kv.put("k", b"v")
        assert kv.get("k") == b"v"
        with kv.lock("l"):
            kv.increment("n")
        kv.get("n")
        kv.get("missing")
        assert sorted(near.scan()) == ["kv-here:k", "kv-here:missing", "kv-here:n"]
        assert list(near.driver.scan("\0")) == []
        assert kv.driver.hot["k"][0] == b"v"


@pytest.fixture
def mute(monkeypatch):
    """A scheme of a store that carries no messages: `mute:[URL]`."""
    from salient.storage.kv.flaky import Driver

    class Mute(Driver):
        def __init__(self, rest):
            super().__init__(rest)
            self.features = frozenset()

    monkeypatch.setattr("salient.storage.kv.flaky.Driver", Mute)
    monkeypatch.setitem(module.WRAPPERS, "mute", "salient.storage.kv.flaky")


def test_bottom_without_messages_is_reached_by_those_of_a_layer_above(tmp_path, mute):
    url = f"layered:[memory:][sqlite:{tmp_path}/near.db][mute:[sqlite:{tmp_path}/far.db]]"
    with KeyValue.open(url) as one, KeyValue.open(url) as other:
        one.put("k", b"1")
        assert other.get("k") == b"1"
        one.put("k", b"2")
        give_up_at = time.monotonic() + 10
        while other.get("k") != b"2":
            assert time.monotonic() < give_up_at


def test_failing_bottom_never_leaves_layers_that_disagree_with_it(tmp_path):
    """Writes fail before or after they were made; what is read is what the bottom has."""
    bottom = "flaky:[memory:]?errors=0.2&lost=0.3&seed=11"
    with KeyValue.open(f"layered:[memory:][sqlite:{tmp_path}/near.db][{bottom}]") as kv:
        truth = kv.driver.inner[-1].inner[0]
        for i in range(400):
            key = f"{i % 7}"
            try:
                if i % 3 == 0:
                    kv.delete(key)
                elif i % 5 == 0:
                    kv.swap(key, truth.get(key), b"swapped %d" % i)
                else:
                    kv.put(key, b"%d" % i)
            except Unavailable:
                pass  # done or not
            for _ in range(2):
                try:
                    assert kv.get(key) == truth.get(key)
                except Unavailable:
                    continue


def test_hot_keys_are_given_out_by_the_front_itself():
    with KeyValue.open("layered:[memory:][memory:]") as kv:
        kv.put("k", b"v")
        kv.driver.get = None  # not asked
        assert kv.get("k") == b"v"
    with pytest.raises((Unavailable, TypeError)):
        kv.get("k")


# --- sharded


def files(tmp_path, names):
    return "sharded:" + "".join(f"[sqlite:{tmp_path}/{n}.db]" for n in names) + "?names=" + ",".join(names)  # fmt: skip


def filled(url, count=300):
    with KeyValue.open(url) as kv:
        for i in range(count):
            kv.put(f"{i}", b"v%d" % i, ttl_s=1000 if i % 2 else None)
        kv.increment("n", 7)
        tokens = []
        for _ in range(3):
            with kv.lock("l") as lease:
                tokens.append(lease.token)
    return tokens


def contents(url):
    with KeyValue.open(url) as kv:
        return {key: kv.get(key) for key in kv.scan()}


def test_shards_each_have_a_share(tmp_path):
    url = files(tmp_path, "abc")
    filled(url)
    for name in "abc":
        assert 50 < len(contents(f"sqlite:{tmp_path}/{name}.db")) < 150


def test_order_of_shards_does_not_matter(tmp_path):
    filled(files(tmp_path, "abc"))
    assert contents(files(tmp_path, "abc")) == contents(files(tmp_path, "cab"))


@pytest.mark.parametrize(("before", "after"), [("abc", "abcd"), ("abcd", "abc"), ("ab", "cd"), ("a", "ab")])  # fmt: skip
def test_rebalancing_moves_what_belongs_elsewhere_and_nothing_else(tmp_path, before, after):
    old, new = files(tmp_path, before), files(tmp_path, after)
    tokens = filled(old)
    was = contents(old)
    planned = plan(old, new)
    assert contents(old) == was
    moved = rebalance(old, new)
    assert moved == planned
    assert moved.keys == len(was) + 1  # and the fence of the lock
    if (before, after) == ("abc", "abcd"):
        assert 40 < moved.moved < 120
        assert {target for _, target in moved.moves} == {"d"}
    assert contents(new) == was
    assert plan(old, new).moved == 0
    with KeyValue.open(new) as kv:
        value, left_s = kv.get_expiring("7")
        assert (value, 990 < left_s <= 1000) == (b"v7", True)
        assert kv.get_expiring("8") == (b"v8", None)
        with kv.lock("l") as lease:
            assert lease.token > max(tokens)
    for name in set(before) - set(after):
        assert contents(f"sqlite:{tmp_path}/{name}.db") == {}


@pytest.mark.parametrize("step", ["put", "swap"])
def test_rebalancing_that_is_killed_loses_nothing_and_goes_on(tmp_path, step, monkeypatch):
    old, new = files(tmp_path, "abc"), files(tmp_path, "abcd")
    filled(old)
    was = contents(old)
    from salient.storage.kv.sqlite import Driver

    real, calls = getattr(Driver, step), []

    class KilledError(BaseException):
        """Nothing catches it."""

    def killed(self, *args, **options):
        calls.append(1)
        if len(calls) % 20 == 0:
            raise KilledError
        return real(self, *args, **options)

    monkeypatch.setattr(Driver, step, killed)
    deaths = 0
    while True:
        try:
            rebalance(old, new)
        except KilledError:
            deaths += 1
            everywhere = {}
            for name in "abcd":
                everywhere |= contents(f"sqlite:{tmp_path}/{name}.db")
            assert everywhere == was
        else:
            break
    assert deaths > 1
    monkeypatch.undo()
    assert contents(new) == was


def test_what_new_shards_were_given_already_stays(tmp_path):
    old, new = files(tmp_path, "abc"), files(tmp_path, "abcd")
    filled(old)
    with KeyValue.open(new) as kv:
        for i in range(300):
            kv.put(f"{i}", b"newer")
    rebalance(old, new)
    with KeyValue.open(new) as kv:
        assert {kv.get(f"{i}") for i in range(300)} == {b"newer"}


def test_only_shards_are_balanced(tmp_path):
    good = files(tmp_path, "ab")
    for other in ("memory:", good.replace("/b.db", "/x.db")):
        with pytest.raises(Misconfigured):
            plan(good, other)


def test_key_that_never_rests_is_a_conflict(monkeypatch, tmp_path):
    from salient.storage.kv.sqlite import Driver

    filled(files(tmp_path, "a"))
    monkeypatch.setattr(Driver, "swap", lambda *_, **__: False)
    with pytest.raises(Conflict):
        rebalance(files(tmp_path, "a"), files(tmp_path, "b"))


# --- stores without messages


def test_store_without_messages_says_so(mute):
    with KeyValue.open("sharded:[memory:][mute:[memory:]]") as kv:
        assert module.PUBSUB in kv.driver.inner[0].features
        assert module.PUBSUB not in kv.features
        with pytest.raises(Unsupported):
            kv.subscribe("c")
        with pytest.raises(Unsupported):
            kv.publish("c", b"")


# --- messages of replicas


def test_messages_go_on_without_a_store_and_losses_are_told():
    url = "replicated:[flaky:[memory:]][flaky:[memory:]][flaky:[memory:]]?write=quorum"
    with KeyValue.open(url) as kv, kv.subscribe("c") as subscription:
        stores = kv.driver.inner
        for at in range(3):
            stores[at].faults.errors = 1.0
            kv.publish("c", b"%d" % at)
            stores[at].faults.errors = 0.0
            assert subscription.get(10) == b"%d" % at
        assert subscription.gaps == 0
        for store in stores:
            store.faults.lost = 1.0  # it arrives, and the publisher is not sure
        with pytest.raises(Unavailable):
            kv.publish("c", b"perhaps")
        for store in stores:
            store.faults.lost = 0.0
        assert subscription.get(10) == b"perhaps"
        for store in stores:
            store.faults.errors = 1.0
        with pytest.raises(Unavailable):
            kv.publish("c", b"lost")
        with pytest.raises(Unavailable):
            kv.subscribe("c")
        for store in stores:
            store.faults.errors = 0.0
        kv.publish("c", b"next")
        assert subscription.get(10) is None
        assert subscription.gaps == 1
        assert subscription.get(10) == b"next"
        assert subscription.get() is None


def test_subscriber_that_joins_late_and_closing_of_one_store():
    url = "replicated:[flaky:[memory:]][flaky:[memory:]][memory:]?write=quorum"
    with KeyValue.open(url) as kv:
        first, _, third = kv.driver.inner
        first.faults.errors = 1.0
        with kv.subscribe("c") as subscription:
            kv.publish("c", b"1")
            assert subscription.get(10) == b"1"
            first.faults.errors = 0.0
            third.close()
            assert subscription.get(10) is None
            assert subscription.gaps > 0
            give_up_at = time.monotonic() + 10
            while not subscription.live:
                assert subscription.get(0.1) is None
                assert time.monotonic() < give_up_at
            kv.publish("c", b"2")
            assert subscription.get(10) == b"2"
