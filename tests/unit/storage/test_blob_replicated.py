"""Replicas: one may be away, lost or behind, and no acknowledged write is."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from salient.errors import Conflict, Misconfigured, NotFound, Unavailable
from salient.storage.blob import Blobs


class Replicated:
    """A store of `count` folders, each of which can be made unreachable."""

    def __init__(self, folder, count, write):
        inside = "".join(f"[flaky:[file:{folder}/{i}?sync=no]]" for i in range(count))
        self.url = f"replicated:{inside}?write={write}&retry_s=0"
        self.blobs = Blobs.open(self.url)
        self.driver = self.blobs._driver
        self.folder = folder

    def away(self, *numbers):
        for i, one in enumerate(self.driver.inner):
            one.faults.errors = float(i in numbers)

    def raw(self, number):
        return Blobs.open(f"file:{self.folder}/{number}?sync=no")

    def has(self, number, key):
        """What one replica has, without its header; None for nothing or a tombstone."""
        with self.raw(number) as raw:
            if not raw.exists(key) or raw.size(key) == 24:
                return None
            return raw.get(key)[32:]


@pytest.fixture
def store(request, tmp_path):
    count, write = request.param
    made = Replicated(tmp_path, count, write)
    yield made
    made.away()
    made.blobs.close()


ALL = pytest.mark.parametrize(
    "store", [(2, "all"), (3, "all"), (3, "quorum"), (5, "quorum")], indirect=True
)
QUORUM = pytest.mark.parametrize("store", [(3, "quorum")], indirect=True)
BOTH = pytest.mark.parametrize("store", [(2, "all"), (3, "all")], indirect=True)


@ALL
def test_every_replica_has_what_was_put(store):
    store.blobs.put("k", b"content")
    for i in range(len(store.driver.inner)):
        assert store.has(i, "k") == b"content"
    store.blobs.delete("k")
    for i in range(len(store.driver.inner)):
        assert store.has(i, "k") is None


@ALL
def test_first_healthy_replica_is_read(store):
    store.blobs.put("k", b"content")
    for i in range(len(store.driver.inner)):
        if i <= len(store.driver.inner) - store.driver._asked:
            store.away(*range(i))
            assert store.blobs.get("k") == b"content"
            assert store.blobs.read_range("k", 1, 4) == b"ont"
            assert bytes(store.blobs.view("k")) == b"content"
            assert list(store.blobs.list()) == ["k"]
    store.away(*range(len(store.driver.inner)))
    for call in (
        lambda: store.blobs.get("k"),
        lambda: list(store.blobs.list()),
        lambda: store.blobs.put("k", b""),
    ):
        with pytest.raises(Unavailable, match="0 of"):
            call()


@BOTH
def test_write_to_all_takes_all(store):
    store.blobs.put("k", b"old")
    last = len(store.driver.inner) - 1
    store.away(last)
    with pytest.raises(Unavailable):
        store.blobs.put("k", b"new")
    with pytest.raises(Unavailable):
        store.blobs.delete("k")
    store.away()
    store.blobs.put("k", b"newer")
    assert store.has(last, "k") == b"newer"


@QUORUM
@pytest.mark.parametrize("gone", [0, 1, 2])
def test_write_to_most_is_seen_whichever_was_away(store, gone):
    store.blobs.put("k", b"old")
    store.blobs.put("deleted", b"old")
    store.away(gone)
    store.blobs.put("k", b"new")
    store.blobs.put("only", b"new")
    assert store.blobs.delete("deleted")
    for other in range(3):
        store.away(other)
        assert store.blobs.get("k") == b"new"
        assert store.blobs.get("only") == b"new"
        assert not store.blobs.exists("deleted")
        assert list(store.blobs.list()) == ["k", "only"]
        assert [e.size_bytes for e in store.blobs.entries()] == [3, 3]


@QUORUM
@pytest.mark.parametrize("gone", [0, 1])
def test_reading_repairs_who_was_away(store, gone):
    store.blobs.put("k", b"old")
    store.away(gone)
    store.blobs.put("k", b"new")
    store.blobs.put("only", b"new")
    assert store.has(gone, "k") == b"old"
    store.away()
    assert store.blobs.get("k") == b"new"
    assert store.blobs.get("only") == b"new"
    assert store.has(gone, "k") == b"new"
    assert store.has(gone, "only") == b"new"


@BOTH
def test_replica_that_lost_its_disk_is_filled_again(store):
    import shutil

    for i in range(5):
        store.blobs.put(f"k/{i}", b"x" * i)
    for entry in (store.folder / "0").iterdir():
        if entry.name != ".partial":
            shutil.rmtree(entry)
    assert store.blobs.get("k/3") == b"xxx"
    assert store.has(0, "k/3") == b"xxx"
    assert store.blobs.repair("k/") == 4
    assert store.blobs.repair() == 0
    assert list(store.blobs.list()) == [f"k/{i}" for i in range(5)]
    assert [store.has(0, f"k/{i}") for i in range(5)] == [b"x" * i for i in range(5)]


@BOTH
def test_list_finds_what_the_first_replica_lost(store):
    for i in range(5):
        store.blobs.put(f"k/{i}", b"x" * i)
    with store.raw(0) as raw:
        assert raw.delete_prefix("k/") == 5
    assert list(store.blobs.list()) == [f"k/{i}" for i in range(5)]
    assert store.blobs.repair() == 0  # looking at them has repaired them


@QUORUM
def test_repair_spreads_deletions_too(store):
    for key in ("a", "b", "c"):
        store.blobs.put(key, b"x")
    store.away(2)
    store.blobs.delete("a")
    store.blobs.put("b", b"y")
    with pytest.raises(Unavailable):
        store.blobs.repair()
    store.away()
    assert store.blobs.repair() == 2
    assert [store.has(2, key) for key in "abc"] == [None, b"y", b"x"]
    assert store.blobs.repair() == 0


@QUORUM
def test_tombstones_are_forgotten_after_a_day(store, monkeypatch):
    store.blobs.put("k", b"x")
    store.blobs.delete("k")
    with store.raw(0) as raw:
        assert store.blobs.repair() == 0
        assert raw.exists("k")
        now = time.time_ns()
        monkeypatch.setattr(time, "time_ns", lambda: now + 25 * 3600 * 10**9)
        assert store.blobs.repair() == 0
        assert not raw.exists("k")
    assert not store.blobs.exists("k")


@QUORUM
def test_clock_that_goes_back_does_not_lose_a_write(store, monkeypatch):
    store.blobs.put("k", b"first")
    past = time.time_ns() - 3600 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: past)
    store.blobs.put("k", b"second")
    assert store.blobs.get("k") == b"second"
    store.blobs.delete("k")
    assert not store.blobs.exists("k")
    store.blobs.put("k", b"third")
    assert store.blobs.get("k") == b"third"


@ALL
def test_put_with_a_condition_is_decided_by_the_first_replica_alone(store):
    store.blobs.put("k", b"old")
    version = store.blobs.version("k")
    store.away(0)
    for call in (
        lambda: store.blobs.put("k", b"new", if_version=version),
        lambda: store.blobs.put("other", b"new", only_if_absent=True),
    ):
        with pytest.raises(Unavailable):
            call()
    store.away()
    assert store.blobs.get("k") == b"old"
    assert not store.blobs.exists("other")
    assert store.blobs.put("k", b"new", if_version=version) == 3


@QUORUM
def test_decider_that_missed_a_write_is_told_before_it_decides(store):
    store.blobs.put("k", b"old")
    old = store.blobs.version("k")
    store.away(0)
    store.blobs.put("k", b"new")
    store.blobs.put("made", b"x")
    new = store.blobs.version("k")
    store.away()
    with pytest.raises(Conflict):
        store.blobs.put("k", b"never", if_version=old)
    with pytest.raises(Conflict):
        store.blobs.put("made", b"never", only_if_absent=True)
    assert store.blobs.put("k", b"newer", if_version=new) == 5
    assert store.blobs.get("k") == b"newer"


@QUORUM
def test_replica_that_does_not_answer_is_left_alone_for_a_while(store):
    store.driver._retry_s = 60.0
    store.blobs.put("k", b"x")
    store.away(1)
    store.blobs.put("k", b"y")
    faults = store.driver.inner[1].faults
    asked = faults.injected
    for _ in range(5):
        store.blobs.put("k", b"z")
        assert store.blobs.get("k") == b"z"
    assert faults.injected == asked
    store.away()
    store.driver._replicas[1].away_until = 0.0
    assert store.blobs.repair() == 1


@QUORUM
def test_source_that_breaks_in_the_middle_reaches_no_replica(store):
    class Broken:
        begun = False

        def read(self, size=-1):
            if self.begun:
                raise ConnectionResetError("gone")
            self.begun = True
            return b"half"

    with pytest.raises(ConnectionResetError):
        store.blobs.put("k", Broken())
    for i in range(3):
        with store.raw(i) as raw:
            assert list(raw.list()) == []


@QUORUM
def test_no_acknowledged_write_is_lost_while_replicas_come_and_go(store):
    done = threading.Event()

    def trouble():
        rng = random.Random(7)
        while not done.is_set():
            store.away(rng.randrange(4))  # at times none
            time.sleep(0.005)

    acknowledged = {}

    def write(worker):
        for i in range(60):
            key, content = f"{worker}/{i % 7}", b"%d" % i
            try:
                if i % 5 == 4:
                    store.blobs.delete(key)
                    acknowledged[key] = {None}
                else:
                    store.blobs.put(key, content)
                    acknowledged[key] = {content}
            except Unavailable:
                # It may have been done or not.
                acknowledged[key] = acknowledged.get(key, {None}) | {
                    None if i % 5 == 4 else content
                }
            try:
                found = store.blobs.get(key)
            except NotFound:
                found = None
            except Unavailable:
                continue
            assert found in acknowledged[key]
            acknowledged[key] = {found} if len(acknowledged[key]) == 1 else acknowledged[key]

    breaking = threading.Thread(target=trouble)
    breaking.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(4)))
    finally:
        done.set()
        breaking.join()
    store.away()
    store.blobs.repair()
    for key, contents in acknowledged.items():
        found = store.blobs.get(key) if store.blobs.exists(key) else None
        assert found in contents
        assert {store.has(i, key) for i in range(3)} == {found}


@ALL
def test_older_write_that_comes_late_does_not_replace_a_newer_one(store, monkeypatch):
    spread = store.driver._spread

    def late(*arguments):
        monkeypatch.undo()
        store.blobs.put("k", b"newer")  # decided after, and everywhere before
        spread(*arguments)

    monkeypatch.setattr(store.driver, "_spread", late)
    store.blobs.put("k", b"older")
    for i in range(len(store.driver.inner)):
        assert store.has(i, "k") == b"newer"


@QUORUM
def test_writers_of_one_key_leave_all_replicas_alike(store):
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda i: store.blobs.put("k", b"%d" % i), range(40)))
    assert len({store.has(i, "k") for i in range(3)}) == 1
    assert store.blobs.repair() == 0


@pytest.mark.parametrize(
    "bad",
    [
        "replicated:[memory:]",
        "replicated:[memory:][memory:]?write=some",
        "replicated:[memory:][memory:]?x=1",
    ],
)
def test_senseless_url_is_a_misconfiguration(bad):
    with pytest.raises(Misconfigured):
        Blobs.open(bad)
