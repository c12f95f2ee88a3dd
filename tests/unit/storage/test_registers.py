"""Values in several stores: nothing acknowledged is lost or made twice, whatever fails between."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from salient.errors import Corrupt, TimedOut, Unavailable
from salient.storage.kv import KeyValue
from salient.storage.kv.flaky import Driver as Flaky
from salient.storage.kv.replicated import Driver as Replicated
from salient.storage.registers import Registers, State


class Replica(Flaky):
    """A store that may be away, or answer from the past."""

    def __init__(self, seed=0):
        super().__init__(f"[memory:]?seed={seed}")

    @property
    def away(self):
        return self.faults.errors == 1

    @away.setter
    def away(self, value):
        self.faults.errors = float(value)


@pytest.fixture
def replicas():
    return [Replica(seed) for seed in range(3)]


@pytest.fixture
def open_quorum(replicas):
    """Opens the store anew, as another process does."""
    return lambda: opened(replicas, "quorum")


@pytest.fixture
def open_all(replicas):
    return lambda: opened(replicas, "all")


def opened(replicas, write):
    driver = Replicated(f"[memory:][memory:][memory:]?write={write}")
    driver.inner = tuple(replicas)
    quorum = 2 if write == "quorum" else 3
    driver._registers = Registers(replicas, quorum=quorum, tombstone_s=86_400)
    return KeyValue(driver)


def ask_all_again(kv):
    """Forget which stores were away."""
    kv.driver._registers._away_until = [0.0] * 3


# --- quorum


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_quorum_goes_on_without_one_store(open_quorum, replicas, lost):
    kv = open_quorum()
    kv.put("k", b"old")
    replicas[lost].away = True
    assert kv.get("k") == b"old"
    kv.put("k", b"new")
    assert kv.increment("n") == 1
    assert not kv.put("k", b"no", only_if_absent=True)
    assert kv.swap("k", b"new", b"newer")
    assert sorted(kv.scan()) == ["k", "n"]
    assert kv.get_many(["k", "n", "m"]) == {"k": b"newer", "n": b"1"}
    with kv.lock("l"), pytest.raises(TimedOut), kv.lock("l"):
        pass


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_store_that_comes_back_is_behind_for_nobody(open_quorum, replicas, lost):
    kv = open_quorum()
    for key in ("k", "gone"):
        kv.put(key, b"old")
    replicas[lost].away = True
    kv.put("k", b"new")
    kv.delete("gone")
    replicas[lost].away = False
    for other in {0, 1, 2} - {lost}:
        # Only the one that was away, and one of those that were not.
        replicas[other].away = True
        late = open_quorum()
        assert (late.get("k"), late.get("gone")) == (b"new", None)
        assert late.get_many(["k", "gone"]) == {"k": b"new"}
        assert list(late.scan()) == ["k"]
        replicas[other].away = False


def test_read_repairs_what_is_behind(open_quorum, replicas):
    kv = open_quorum()
    kv.put("k", b"old")
    replicas[0].away = True
    kv.put("k", b"new", ttl_s=100)
    replicas[0].away = False
    assert open_quorum().get("k") == b"new"
    replicas[1].away = True
    replicas[2].away = True
    alone = Registers([replicas[0]], quorum=1, tombstone_s=60)
    value, left_s = alone.read("k")
    assert value == b"new"
    assert 90 < left_s <= 100


def test_two_lost_of_three_are_too_many(open_quorum, replicas):
    kv = open_quorum()
    kv.put("k", b"v")
    replicas[0].away = replicas[2].away = True
    for call in (
        lambda: kv.get("k"), lambda: kv.put("k", b""), lambda: kv.delete("k"),
        lambda: kv.increment("n"), lambda: list(kv.scan()), lambda: kv.get_many(["k"]),
    ):  # fmt: skip
        with pytest.raises(Unavailable) as info:
            call()
        assert "1 of 3" in str(info.value)
    replicas[0].away = False
    assert kv.get("k") == b"v"


def test_value_that_one_store_has_is_agreed_on_before_it_is_read(open_quorum, replicas):
    kv = open_quorum()
    kv.put("k", b"old")
    replicas[1].faults.errors = replicas[2].faults.errors = 0
    real = [replica.swap for replica in replicas]
    calls = []

    def dies(at):
        def swap(*args, **options):
            calls.append(at)
            if calls.count(at) == 2:  # promised, and away when it was to accept
                raise Unavailable("away")
            return real[at](*args, **options)

        return swap

    replicas[1].swap, replicas[2].swap = dies(1), dies(2)
    with pytest.raises(Unavailable):
        kv.put("k", b"torn")
    replicas[1].swap, replicas[2].swap = real[1], real[2]
    first = open_quorum().get("k")
    assert first in (b"old", b"torn")
    replicas[0].away = True
    for _ in range(3):
        assert open_quorum().get("k") == first


@pytest.mark.parametrize("beaten", [(0, 1), (1, 2), (0, 2), (0, 1, 2)])
def test_change_that_was_half_accepted_is_not_made_twice(open_quorum, replicas, beaten):
    """Somebody gets a higher promise from some stores just before they accept."""
    kv = open_quorum()
    assert kv.increment("n") == 1
    somebody = Registers(replicas, quorum=2, tombstone_s=60)
    asked = []

    def interferes(at, real):
        def swap(*args, **options):
            asked.append(at)
            if asked.count(at) == 2:
                somebody._promise(at, "n", (99, b"somebody"), somebody._record(at, "n"))
            return real(*args, **options)

        return swap

    for at in beaten:
        replicas[at].swap = interferes(at, replicas[at].swap)
    assert kv.increment("n") == 2
    assert kv.increment("n") == 3
    assert kv.get("n") == open_quorum().get("n") == b"3"


# --- all


def test_all_reads_on_without_two_stores_and_stops_writing(open_all, replicas):
    kv = open_all()
    kv.put("k", b"v")
    replicas[0].away = replicas[1].away = True
    assert kv.get("k") == b"v"
    assert kv.get_many(["k"]) == {"k": b"v"}
    assert list(kv.scan()) == ["k"]
    for call in (lambda: kv.put("k", b"w"), lambda: kv.increment("n")):
        with pytest.raises(Unavailable):
            call()
    assert kv.get("k") == b"v"
    replicas[0].away = replicas[1].away = False
    assert kv.put("k", b"w")
    for i in range(3):
        assert Registers([replicas[i]], quorum=1, tombstone_s=60).read("k").value == b"w"


def test_all_fills_a_store_that_lost_everything(open_all, replicas):
    kv = open_all()
    kv.put("k", b"v")
    for key in list(replicas[0].scan("")):
        replicas[0].delete(key)
    replicas[2].away = True
    assert kv.get("k") == b"v"
    replicas[2].away = False
    ask_all_again(kv)
    assert kv.get("k") == b"v"
    assert Registers([replicas[0]], quorum=1, tombstone_s=60).read("k").value == b"v"


# --- times


def test_counter_that_is_written_all_the_time_expires_when_it_should(open_quorum):
    kv = open_quorum()
    began = time.monotonic()
    kv.increment("n", ttl_s=0.6)
    while kv.increment("n") > 1:
        assert time.monotonic() - began < 1.2
    assert time.monotonic() - began > 0.45


def test_ballots_outlive_a_value(open_quorum, replicas):
    kv = open_quorum()
    kv.put("k", b"v", ttl_s=0.05)
    time.sleep(0.1)
    assert kv.get("k") is None
    assert list(kv.scan()) == []
    _, left_s = replicas[0].get_expiring("k")
    assert 50 < left_s < 60


def test_what_is_no_record_is_corrupt(open_quorum, replicas):
    for junk in (b"", b"plain", bytes(100)):
        replicas[1].put("k", junk, ttl_s=None, only_if_absent=False)
        with pytest.raises(Corrupt):
            open_quorum().get("k")


# --- many at once


def test_processes_lose_no_count_while_stores_come_and_go(open_quorum, replicas):
    done = threading.Event()

    def trouble():
        draw = random.Random(5)
        while not done.is_set():
            one = replicas[draw.randrange(3)]
            one.away = True
            time.sleep(0.01)
            one.away = False
            time.sleep(0.002)

    def count(_):
        kv, sure, unsure = open_quorum(), 0, 0
        for _ in range(60):
            try:
                kv.increment("n")
                sure += 1
            except Unavailable:
                unsure += 1
        return sure, unsure

    with ThreadPoolExecutor(7) as pool:
        breaking = pool.submit(trouble)
        counts = list(pool.map(count, range(6)))
        done.set()
        breaking.result()
    sure, unsure = (sum(c) for c in zip(*counts, strict=True))
    total = int(open_quorum().get("n"))
    assert sure <= total <= sure + unsure
    assert sure > 0


def test_processes_make_no_change_twice_when_answers_are_lost(open_quorum, replicas):
    for replica in replicas:
        replica.faults.lost = 0.05

    def append(worker):
        kv, sure = open_quorum(), []
        for i in range(40):
            item = f"{worker}.{i}"
            while True:
                try:
                    held = kv.get("log")
                    if item in (held or b"").decode().split():
                        break
                    if kv.swap("log", held, (held or b"") + f" {item}".encode()):
                        break
                except Unavailable:
                    continue
            sure.append(item)
        return sure

    with ThreadPoolExecutor(4) as pool:
        items = [item for part in pool.map(append, range(4)) for item in part]
    for replica in replicas:
        replica.faults.lost = 0
    log = open_quorum().get("log").decode().split()
    assert sorted(log) == sorted(items)
    for worker in range(4):
        own = [item for item in log if item.startswith(f"{worker}.")]
        assert own == [f"{worker}.{i}" for i in range(40)]


@pytest.mark.parametrize("write", ["quorum", "all"])
def test_counts_of_processes_at_once_are_each_different(replicas, write):
    def count(_):
        kv = opened(replicas, write)
        return [kv.increment("n") for _ in range(50)]

    with ThreadPoolExecutor(6) as pool:
        drawn = [n for part in pool.map(count, range(6)) for n in part]
    assert sorted(drawn) == list(range(1, 301))


def test_reader_never_goes_back(open_quorum, replicas):
    done = threading.Event()
    kv = open_quorum()
    kv.put("n", b"0")

    def write():
        for i in range(1, 150):
            replicas[i % 3].away = True
            kv.put("n", b"%d" % i)
            replicas[i % 3].away = False
        done.set()

    def read(_):
        last, own = 0, open_quorum()
        while not done.is_set():
            try:
                now = int(own.get("n"))
            except Unavailable:
                continue
            assert now >= last
            last = now

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read, i) for i in range(3)]
        write()
        for reader in readers:
            reader.result()


def test_change_that_others_always_beat_ends(replicas, monkeypatch):
    monkeypatch.setattr("salient.storage.registers._CALL_S", 0.3)
    registers = Registers(replicas, quorum=2, tombstone_s=60)
    real = replicas[0].swap

    def beaten(key, expected, value, *, ttl_s):
        # Somebody promised a higher ballot just before.
        other = Registers(replicas, quorum=2, tombstone_s=60)
        if value is not None and not busy:
            busy.append(1)
            other.change(key, lambda state: (None, State(b"theirs")))
            busy.clear()
        return real(key, expected, value, ttl_s=ttl_s)

    busy = []
    replicas[0].swap = beaten
    with pytest.raises((TimedOut, Unavailable)):
        registers.change("k", lambda state: (None, State(b"mine")))
