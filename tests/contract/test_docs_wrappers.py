"""What document stores that are made of others promise beyond the suite."""

import time

import pytest

from salient.errors import Corrupt, Misconfigured, NotFound, Unavailable
from salient.storage.docs import Records, sharded
from tests.docs_places import Places


@pytest.fixture
def places(servers, tmp_path):
    found = Places(servers, tmp_path)
    yield found
    found.close()


@pytest.fixture
def three():
    """A store in three stores, each of which can be made to fail."""
    flaky = "[flaky:[memory:]]"
    with Records.open(f"replicated:{flaky * 3}?write=quorum&timeout_s=2") as store:
        yield store


def fail(store, *away):
    """Have these of its stores be away, and the others be back."""
    for at, one in enumerate(store._driver.inner):
        one.faults.errors = float(at in away)
    store._driver._away.clear()


# --- replicated


def test_quorum_goes_on_without_a_store_and_reads_the_newest_when_it_is_back(three):
    three.put_many("c", [("a", {"n": 1}), ("b", {"n": 1}), ("gone", {"n": 1})])
    fail(three, 0)
    three.put("c", "a", {"n": 2})
    three.put("c", "new", {"n": 2})
    assert three.delete("c", "gone")
    assert three.put("c", "claimed", {}, only_if_absent=True)
    fail(three, 1)  # the one that missed all this is back, and one that had it is away
    assert three.get("c", "a") == {"n": 2}
    assert three.get("c", "gone") is None
    assert not three.put("c", "claimed", {}, only_if_absent=True)
    assert three.get_many("c", ["a", "b", "new", "gone"]) == {
        "a": {"n": 2}, "b": {"n": 1}, "new": {"n": 2},
    }  # fmt: skip


@pytest.mark.parametrize("order", [None, "n", "-n"])
def test_queries_see_the_newest_though_a_store_missed_it(three, order):
    three.put_many("c", ((f"{n:03}", {"n": n, "old": True}) for n in range(50)))
    fail(three, 0)
    three.put_many("c", ((f"{n:03}", {"n": n, "old": False}) for n in range(0, 50, 2)))
    three.delete("c", "001")
    three.put("c", "100", {"n": 100, "old": False})
    fail(three, 1)
    odd = set(range(3, 50, 2))
    even = {100, *range(0, 50, 2)}
    assert {r["n"] for r in three.query("c", {"old": True}, order=order)} == odd
    assert {r["n"] for r in three.query("c", {"old": False}, order=order)} == even
    assert three.count("c") == 50
    assert sum(batch.num_rows for batch in three.batches("c")) == 50


def test_store_that_missed_a_change_is_repaired_by_a_read(three):
    three.put("c", "a", {"n": 1})
    fail(three, 0)
    three.put("c", "a", {"n": 2}, ttl_s=1000)
    three.delete("c", "nothing")
    fail(three)
    assert three.get("c", "a") == {"n": 2}
    texts = [one.read("c", ["a"])["a"] for one in three._driver.inner]
    assert len({text for text, _ in texts}) == 1
    assert all(990 < left_s <= 1000 for _, left_s in texts)


def test_write_after_one_by_a_clock_that_is_ahead_counts(three, monkeypatch):
    from salient.storage.docs import replicated

    now = replicated.time.time_ns
    monkeypatch.setattr(replicated.time, "time_ns", lambda: now() + 3600 * 10**9)
    three.put_many("c", [("a", {"n": 1}), ("b", {"n": 1})])
    monkeypatch.undo()
    three.put("c", "a", {"n": 2})
    assert three.delete("c", "b")
    assert three.get_many("c", ["a", "b"]) == {"a": {"n": 2}}
    assert three.put("c", "b", {"n": 3}, only_if_absent=True)
    assert three.get("c", "b") == {"n": 3}


def test_too_few_stores_are_unavailable(three):
    three.put("c", "a", {"n": 1})
    fail(three, 0, 2)
    for call in (
        lambda: three.get("c", "a"),
        lambda: three.put("c", "a", {"n": 2}),
        lambda: three.put("c", "b", {}, only_if_absent=True),
        lambda: three.delete("c", "a"),
        lambda: list(three.query("c")),
        lambda: three.count("c"),
        lambda: list(three.collections()),
    ):
        with pytest.raises(Unavailable):
            call()
    fail(three)
    assert three.get("c", "b") is None
    assert three.put("c", "b", {}, only_if_absent=True)


def test_all_stores_must_take_a_change_and_one_is_read():
    with Records.open("replicated:[flaky:[memory:]][flaky:[memory:]]") as store:
        store.put_many("c", ((f"{n:04}", {"n": n}) for n in range(2000)))
        fail(store, 0)
        with pytest.raises(Unavailable):
            store.put("c", "a", {})
        assert store.get("c", "0007") == {"n": 7}
        assert store.count("c") in (2000, 2001)  # what failed may have been done


def test_query_goes_on_with_another_store_when_one_is_lost():
    with Records.open("replicated:[flaky:[memory:]][flaky:[memory:]]") as store:
        store.put_many("c", ((f"{n:04}", {"n": n}) for n in range(3000)))
        seen = []
        for record in store.query("c"):
            if record["n"] == 500:
                store._driver.inner[0].faults.errors = 1.0
            seen.append(record["n"])
        assert seen == list(range(3000))


def test_records_that_no_replica_wrote_are_not_taken_for_such(tmp_path):
    place = f"sqlite:{tmp_path}/a.db"
    with Records.open(place) as plain:
        plain.put("c", "a", {"n": 1})
    with Records.open(f"replicated:[{place}][memory:]") as store, pytest.raises(Corrupt):
        store.get("c", "a")


# --- sharded


def test_rebalancing_moves_what_belongs_elsewhere_and_nothing_is_lost_midway(tmp_path):
    places = [f"sqlite:{tmp_path}/{name}.db" for name in "abc"]
    old = f"sharded:[{places[0]}][{places[1]}]?names=a,b"
    new = f"sharded:[{places[0]}][{places[1]}][{places[2]}]?names=a,b,c"
    given = {f"c{n}": {f"{i:03}": {"n": n, "i": i} for i in range(40)} for n in range(30)}
    with Records.open(old) as store:
        for name, records in given.items():
            store.put_many(name, records.items())
        store.put_many("fading", [("a", {}), ("b", {})], ttl_s=1000)
    planned = sharded.plan(old, new)
    assert 3 <= len(planned.moves) <= 20  # about a third of 31
    assert {move.target for move in planned.moves} == {"c"}
    broken = new.replace(f"[{places[2]}]", f"[flaky:[{places[2]}]?errors=0.02]")
    with pytest.raises(Unavailable):
        sharded.rebalance(old, broken)
    with Records.open(new) as store:
        store.put(planned.moves[-1].key, "000", {"newer": True})  # by who uses the new shards
    sharded.rebalance(old, new)
    assert sharded.plan(old, new).moves == []
    with Records.open(new) as store:
        assert set(store.collections()) == {*given, "fading"}
        for name, records in given.items():
            found = {f"{r['i']:03}": r for r in store.query(name) if "i" in r}
            assert found == {i: r for i, r in records.items() if i in found}
            assert len(found) == 40 - (name == planned.moves[-1].key)
        assert store.get(planned.moves[-1].key, "000") == {"newer": True}
        left_s = store._driver.read("fading", ["a", "b"])
        assert all(900 < left <= 1000 for _, left in left_s.values())
        assert len(left_s) == 2


def test_shards_and_names_must_fit():
    for url in ("sharded:[memory:][memory:]?names=a", "sharded:[memory:][memory:]?names=a,a"):
        with pytest.raises(Misconfigured):
            Records.open(url)
    with pytest.raises(Misconfigured):
        sharded.plan("memory:", "sharded:[memory:]")
    with pytest.raises(Misconfigured):
        sharded.plan("sharded:[memory:]", "sharded:[sqlite:/x]")


# --- layered


def test_change_in_one_process_reaches_the_layers_of_another(places):
    url = places("layered:[memory:][{redis}][sqlite:{tmp}/records.db]?ttl_s=600&negative_s=600")
    with Records.open(url) as one, Records.open(url) as other:
        assert other.get("c", "a") is None
        for n in range(5):
            one.put("c", "a", {"n": n})
            within(lambda n=n: other.get("c", "a") == {"n": n})
        one.put_many("c", [("a", {"n": 7}), ("b", {"n": 7})])
        within(lambda: other.get("c", "a") == other.get("c", "b") == {"n": 7})
        one.delete("c", "a")
        within(lambda: other.get("c", "a") is None)


def test_hot_record_is_read_without_its_store():
    with Records.open("layered:[memory:][flaky:[memory:]]") as store:
        store.put("c", "a", {"n": 1})
        assert store.get("c", "a") == {"n": 1}
        assert store.get("c", "nothing") is None
        [below] = store._driver.inner
        below.faults.errors = 1.0
        assert store.get("c", "a") == {"n": 1}
        assert store.get("c", "nothing") is None
        with pytest.raises(Unavailable):
            store.get("c", "other")


def test_write_whose_answer_was_lost_leaves_no_stale_copy():
    with Records.open("layered:[memory:][flaky:[memory:]]") as store:
        [below] = store._driver.inner
        store.put("c", "a", {"n": 1})
        below.faults.lost = 1.0
        with pytest.raises(Unavailable):
            store.put("c", "a", {"n": 2})
        with pytest.raises(Unavailable):
            store.put_many("c", [("a", {"n": 3}), ("b", {"n": 3})])
        below.faults.lost = 0.0
        assert store.get("c", "a") == {"n": 3}


# --- flaky


def test_torn_write_of_many_leaves_all_or_none():
    with Records.open("flaky:[memory:]?torn=0.3&lost=0.2&errors=0.1&seed=5") as store:
        faults = store._driver.faults
        outcomes = set()
        for n in range(60):
            try:
                store.put_many(f"c{n}", ((str(i), {"n": i}) for i in range(50)))
                acknowledged = True
            except Unavailable:
                acknowledged = False
            rates, faults.errors = faults.errors, 0.0
            size = store.count(f"c{n}")
            faults.errors = rates
            assert size == 50 if acknowledged else size in (0, 50)
            outcomes.add((acknowledged, size))
        assert outcomes == {(True, 50), (False, 0), (False, 50)}


# --- scoped and instrumented


def test_scopes_see_nothing_of_each_other(tmp_path):
    place = f"sqlite:{tmp_path}/records.db"
    with (
        Records.open(f"scoped:[{place}]?scope=a") as one,
        Records.open(f"scoped:[{place}]?scope=b") as other,
        Records.open(f"scoped:[scoped:[{place}]?scope=a]?scope=b") as inner,
        Records.open(place) as whole,
    ):
        start = other.changes("c").after
        one.put("c", "x", {"n": 1})
        for store in (other, inner, whole):
            assert store.get("c", "x") is None
            assert list(store.query("c")) == list(store.collections()) == []
            assert not store.delete("c", "x")
        assert other.changes("c", after=start).items == ()
        assert list(one.collections()) == ["c"]


@pytest.mark.parametrize("scope", ["", "a%01b", "a%0Ab", "x" * 201])
def test_scope_that_could_be_mistaken_is_refused(scope):
    with pytest.raises(Misconfigured):
        Records.open(f"scoped:[memory:]?scope={scope}")


def test_calls_are_measured():
    from prometheus_client import REGISTRY

    def value(name, **labels):
        found = REGISTRY.get_sample_value(name, {"store": "docs", "name": "measured", **labels})
        return found or 0.0

    with Records.open("instrumented:[flaky:[memory:]]?name=measured") as store:
        store.put("c", "a", {"n": 1})
        store.get("c", "a")
        list(store.query("c"))
        store._driver.inner[0].faults.errors = 1.0
        with pytest.raises(Unavailable):
            store.get("c", "a")
    assert value("salient_store_seconds_count", operation="put") == 1
    assert value("salient_store_seconds_count", operation="get") == 2
    assert value("salient_store_bytes_sum", operation="put", way="in") == len('{"n":1}')
    assert value("salient_store_bytes_sum", operation="query", way="out") == len('{"n":1}')
    assert value("salient_store_errors_total", operation="get", code="unavailable") == 1


# --- the feed's reach


@pytest.mark.parametrize(
    "place", ["sqlite:{tmp}/records.db?changes=100", "{postgresql}&changes=100"]
)
def test_cursor_that_is_too_old_says_what_to_do(places, place):
    with Records.open(places(place)) as store:
        start = store.changes("c").after
        for n in range(4):
            store.put_many("c", ((f"{n}-{i}", {}) for i in range(500)))
        with pytest.raises(NotFound, match="read the collection anew"):
            store.changes("c", after=start)
        start = store.changes("c").after
        store.put("c", "a", {})
        found = store.changes("c", after=start, wait_s=30)
        assert [item.ident for item in found.items] == ["a"]


def test_cursor_of_another_store_leads_nowhere(tmp_path):
    with Records.open("memory:") as one, Records.open("memory:") as other:
        one.put("c", "a", {})
        with pytest.raises(NotFound):
            other.changes("c", after=one.changes("c").after)


def within(holds, seconds=20):
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)
