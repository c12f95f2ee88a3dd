"""The cache under all layered stores: no stale value is kept, whatever comes between."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from salient.errors import Corrupt, Misconfigured, Unavailable
from salient.storage.caching import Cache, Limits, Loaded, space_of
from salient.storage.generations import Generations
from salient.storage.kv import KeyValue
from salient.storage.kv.memory import Driver
from salient.storage.urls import Options


class Shared(Driver):
    """A server that several caches, as if in several processes, use; it may be away."""

    away = False

    def get_expiring(self, key):
        return self._served(super().get_expiring, key)

    def put(self, key, value, **options):
        return self._served(super().put, key, value, **options)

    def put_many(self, values, **options):
        return self._served(super().put_many, values, **options)

    def swap(self, key, expected, value, **options):
        return self._served(super().swap, key, expected, value, **options)

    def delete(self, key):
        return self._served(super().delete, key)

    def publish(self, channel, message):
        return self._served(super().publish, channel, message)

    def _served(self, run, *args, **options):
        if self.away:
            raise Unavailable("the server is away")
        return run(*args, **options)

    def close(self):
        pass  # a process that closes its connection leaves the server alone


class Bottom(dict):
    """A slow store that counts its reads and can be stopped in the middle of one."""

    def __init__(self, **values):
        super().__init__(values)
        self.reads = 0
        self.pause = lambda: None

    def load(self, key):
        def read():
            self.reads += 1
            found = self.get(key)
            self.pause()
            return found if found is None or isinstance(found, Loaded) else Loaded(found)

        return read


@pytest.fixture
def server():
    return Shared()


@pytest.fixture
def bottom():
    return Bottom(k=b"old")


@pytest.fixture
def make(server):
    made = []

    def cache(*, shared=True, in_process=True, bus=True, **limits):
        layers = [KeyValue(server)] if shared else []
        carrier = KeyValue(server) if bus else None
        one = Cache(layers, Limits(**limits), space="test", in_process=in_process, bus=carrier)
        made.append(one)
        return one

    yield cache
    for one in made:
        one.close()


SHAPES = [
    {"shared": True, "in_process": True},
    {"shared": True, "in_process": False},
    {"shared": False, "in_process": True},
    {"shared": False, "in_process": True, "bus": False},
]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "-".join(k for k in s if s[k]))


def eventually(holds):
    give_up_at = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < give_up_at
        time.sleep(0.001)


def put(cache, bottom, key, value, *, known=True):
    with cache.writing(key) as write:
        bottom[key] = value
        if known:
            write.wrote(value)


@shapes
def test_value_is_loaded_once(make, bottom, shape):
    cache = make(**shape)
    assert [cache.get("k", bottom.load("k")) for _ in range(3)] == [b"old"] * 3
    assert bottom.reads == 1


@shapes
def test_absence_is_remembered_for_its_own_time(make, bottom, shape, server):
    cache = make(**shape, negative_s=5)
    assert [cache.get("no", bottom.load("no")) for _ in range(3)] == [None] * 3
    assert bottom.reads == 1
    cache._clock = server._clock = lambda: time.monotonic() + 6
    cache.get("no", bottom.load("no"))
    assert bottom.reads == 2


@shapes
def test_absence_is_not_remembered_where_that_is_switched_off(make, bottom, shape):
    cache = make(**shape, negative_s=0)
    assert [cache.get("no", bottom.load("no")) for _ in range(3)] == [None] * 3
    assert bottom.reads == 3


@shapes
@pytest.mark.parametrize("known", [True, False])
def test_writer_reads_what_it_wrote(make, bottom, shape, known):
    cache = make(**shape)
    cache.get("k", bottom.load("k"))
    for value in (b"new", b"newer"):
        put(cache, bottom, "k", value, known=known)
        assert cache.get("k", bottom.load("k")) == value
    assert bottom.reads == (1 if known else 3)


@shapes
def test_failed_write_leaves_nothing_behind(make, bottom, shape):
    cache = make(**shape)
    cache.get("k", bottom.load("k"))
    with pytest.raises(Corrupt):
        put(cache, Failing(bottom), "k", b"whole")
    assert cache.get("k", bottom.load("k")) == b"half"


class Failing:
    """Fails after half of a write."""

    def __init__(self, bottom):
        self.bottom = bottom

    def __setitem__(self, key, value):
        self.bottom[key] = b"half"
        raise Corrupt("the disk is gone")


@shapes
def test_nothing_outlives_the_bottom(make, bottom, shape, server):
    bottom["k"] = Loaded(b"short", 2.0)
    cache = make(**shape, ttl_s=300)
    cache.get("k", bottom.load("k"))
    cache._clock = server._clock = lambda: time.monotonic() + 1.5
    cache.get("k", bottom.load("k"))
    assert bottom.reads == 1
    del bottom["k"]
    cache._clock = server._clock = lambda: time.monotonic() + 2.5
    assert cache.get("k", bottom.load("k")) is None


@shapes
def test_what_was_written_with_a_time_to_live_is_not_kept_longer(make, bottom, shape, server):
    cache = make(**shape, ttl_s=300)
    with cache.writing("k") as write:
        write.wrote(b"short", 2.0)
    del bottom["k"]
    assert cache.get("k", bottom.load("k")) == b"short"
    cache._clock = server._clock = lambda: time.monotonic() + 2.5
    assert cache.get("k", bottom.load("k")) is None


@shapes
def test_load_that_a_writer_overtook_is_not_kept(make, bottom, shape):
    cache = make(**shape)
    bottom.pause = lambda: overtake()

    def overtake():
        bottom.pause = lambda: None
        put(cache, bottom, "k", b"new")

    assert cache.get("k", bottom.load("k")) == b"old"  # it was so when it was read
    assert cache.get("k", bottom.load("k")) == b"new"


@shapes
def test_load_amid_a_write_is_not_kept(make, bottom, shape):
    cache = make(**shape)
    with cache.writing("k"):
        assert cache.get("k", bottom.load("k")) == b"old"
        bottom["k"] = b"new"
    assert cache.get("k", bottom.load("k")) == b"new"


@shapes
def test_of_two_writers_at_once_the_bottom_decides(make, bottom, shape):
    cache = make(**shape)
    with cache.writing("k") as first:
        with cache.writing("k") as second:
            second.wrote(b"second")
        bottom["k"] = b"first"  # it was slower
        first.wrote(b"first")
    assert cache.get("k", bottom.load("k")) == b"first"
    with cache.writing("k") as first:
        with cache.writing("k") as second:
            bottom["k"] = b"first"
            bottom["k"] = b"second"
            second.wrote(b"second")
        first.wrote(b"first")
    assert cache.get("k", bottom.load("k")) == b"second"


@pytest.mark.parametrize("at", ["put_many", "swap"])
def test_writer_that_another_one_overtakes_as_it_ends_keeps_nothing(make, bottom, server, at):
    cache = make()
    real = getattr(server, at)

    def overtaken(*args, **options):
        setattr(server, at, real)
        done = real(*args, **options)
        put(cache, bottom, "k", b"newest")
        return done

    setattr(server, at, overtaken)
    with cache.writing("k") as write:
        if at == "swap":
            bottom["k"] = b"new"
            write.wrote(b"new")
    assert cache.get("k", bottom.load("k")) == b"newest"


def test_layer_without_messages_still_tells_a_reader_that_it_was_overtaken(make, bottom, server):
    server.features = frozenset()
    one, other = make(bus=False), make(bus=False)

    def overtake():
        bottom.pause = lambda: None
        put(other, bottom, "k", b"new")

    bottom.pause = overtake
    assert one.get("k", bottom.load("k")) == b"old"
    assert one.get("k", bottom.load("k")) == b"new"


@shapes
def test_one_of_many_loads(make, bottom, shape):
    cache = make(**shape)
    bottom.pause = lambda: time.sleep(0.05)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: cache.get("k", bottom.load("k")), range(64)))
    assert found == [b"old"] * 64
    assert bottom.reads == 1


@shapes
def test_what_a_load_raises_reaches_all_that_wait(make, bottom, shape):
    cache = make(**shape)

    def fail():
        time.sleep(0.02)
        raise Corrupt("unreadable", at=3)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(cache.get, "k", fail) for _ in range(8)]:
            assert isinstance(done.exception(), Corrupt)
            assert done.exception().context == {"at": 3}
    assert cache.get("k", bottom.load("k")) == b"old"


@pytest.mark.parametrize("shape", SHAPES[:2], ids=["in_process", "shared only"])
def test_one_process_of_many_loads(make, bottom, shape):
    caches = [make(**shape) for _ in range(8)]
    bottom.pause = lambda: time.sleep(0.05)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda cache: cache.get("k", bottom.load("k")), caches))
    assert found == [b"old"] * 8
    assert bottom.reads == 1


def test_loader_that_died_holds_others_up_for_a_moment_only(make, bottom, server):
    cache = make(lease_s=0.2)
    KeyValue(server).put("test:k", b"?somebody", ttl_s=100)
    assert cache.get("k", bottom.load("k")) == b"old"
    KeyValue(server).delete("test:k")
    assert cache.get("k", bottom.load("k")) == b"old"


def test_writer_that_died_leaves_no_old_value(make, bottom, server):
    one, other = make(in_process=False), make(lease_s=5.0)
    one.get("k", bottom.load("k"))
    stuck = other.writing("k")
    stuck.__enter__()
    bottom["k"] = b"new"  # and it never came back
    assert [one.get("k", bottom.load("k")) for _ in range(2)] == [b"new"] * 2
    one._clock = server._clock = lambda: time.monotonic() + 6
    reads = bottom.reads
    assert [one.get("k", bottom.load("k")) for _ in range(2)] == [b"new"] * 2
    assert bottom.reads == reads + 1


@pytest.mark.parametrize("shape", SHAPES[:3], ids=["both", "shared", "in process"])
@pytest.mark.parametrize("known", [True, False])
def test_other_process_sees_a_change_once_told(make, bottom, shape, known):
    one, other = make(**shape), make(**shape)
    for value in (b"1", b"2", b"3"):
        put(one, bottom, "k", value, known=known)
        eventually(lambda value=value: other.get("k", bottom.load("k")) == value)
        assert other.get("k", bottom.load("k")) == value


@pytest.mark.parametrize("shape", SHAPES[:3], ids=["both", "shared", "in process"])
def test_load_that_another_process_overtook_is_not_kept(make, bottom, shape):
    one, other = make(**shape), make(**shape)
    heard = threading.Event()
    drop = one.changed_elsewhere
    one.changed_elsewhere = lambda keys: (drop(keys), heard.set())

    def overtake():
        bottom.pause = lambda: None
        put(other, bottom, "k", b"new")
        if shape["in_process"]:
            assert heard.wait(10)

    bottom.pause = overtake
    assert one.get("k", bottom.load("k")) == b"old"
    assert one.get("k", bottom.load("k")) == b"new"


def test_lost_messages_empty_the_layer_in_the_process(make, bottom, server):
    cache = make(shared=False)
    cache.get("k", bottom.load("k"))
    [[queue]] = server._listeners.values()
    bottom["k"] = b"new"
    queue.live, queue.gaps = False, 1
    queue.add(b"")
    eventually(lambda: cache.get("k", bottom.load("k")) == b"new")
    reads = bottom.reads
    assert [cache.get("k", bottom.load("k")) for _ in range(3)] == [b"new"] * 3
    assert bottom.reads == reads + 3  # nothing is kept while nobody could tell of a change
    queue.live, queue.gaps = True, 2
    queue.add(b"")
    eventually(lambda: cache.get("k", bottom.load("k")) and cache.peek("k"))


@pytest.mark.parametrize("fault", [Corrupt("the file"), Unavailable("closed")])
def test_listener_that_fails_empties_the_layer_and_listens_anew(make, bottom, server, fault):
    cache = make(shared=False)
    cache.get("k", bottom.load("k"))
    [[queue]] = server._listeners.values()

    def fails(_):
        raise fault

    queue.get = fails
    with queue._ready:
        queue._ready.notify_all()
    eventually(lambda: cache.peek("k") is None)
    eventually(lambda: [queue] not in server._listeners.values() and server._listeners)
    eventually(lambda: cache.get("k", bottom.load("k")) and cache.peek("k"))


def test_faulty_layer_leaves_a_write_done_and_readable(make, bottom, server):
    cache = make()
    real = server.delete

    def corrupt(key):
        raise Corrupt("the shared file")

    server.delete = corrupt
    put(cache, bottom, "k", b"new", known=False)
    server.delete = real
    assert cache.get("k", bottom.load("k")) == b"new"
    put(cache, bottom, "k", b"newer")
    assert cache.get("k", bottom.load("k")) == b"newer"
    assert cache.peek("k")


def test_lost_server_is_passed_over_by_readers_and_stops_writers(make, bottom, server):
    cache = make(in_process=False)
    cache.get("k", bottom.load("k"))
    server.away = True
    bottom["k"] = b"changed"
    assert cache.get("k", bottom.load("k")) == b"changed"
    with pytest.raises(Unavailable), cache.writing("k"):
        pytest.fail("nothing may be changed")
    server.away = False
    cache.forget("k")
    assert cache.get("k", bottom.load("k")) == b"changed"


def test_server_lost_amid_a_write_is_told_later(make, bottom, server):
    one, other = make(shared=False), make(shared=False)
    other.get("k", bottom.load("k"))
    server.away = True
    put(one, bottom, "k", b"new")
    assert one.get("k", bottom.load("k")) == b"new"
    server.away = False
    eventually(lambda: other.get("k", bottom.load("k")) == b"new")


def test_more_untold_changes_than_are_kept_are_told_as_one(make, bottom, server):
    one, other = make(shared=False), make(shared=False)
    other.get("k", bottom.load("k"))
    server.away = True
    bottom["k"] = b"new"
    for i in range(1500):
        one.forget(f"{i}")
    server.away = False
    one.forget("k")
    eventually(lambda: other.get("k", bottom.load("k")) == b"new")


def test_many_keys_are_forgotten_at_once(make, bottom):
    one, other = make(shared=False), make(shared=False)
    keys = [f"{i}/" + "é" * 500 for i in range(200)]
    for key in keys:
        bottom[key] = b"old"
        other.get(key, bottom.load(key))
    with one.writing(*keys):
        bottom.update(dict.fromkeys(keys, b"new"))
    eventually(lambda: all(other.get(k, bottom.load(k)) == b"new" for k in keys))


@pytest.mark.parametrize("key", ["", "a\0b", "x" * 5000, "\ud800", "ключ"])
def test_any_text_is_a_key(make, bottom, key):
    one, other = make(), make(in_process=False)
    bottom[key] = b"1"
    assert one.get(key, bottom.load(key)) == b"1"
    assert other.get(key, bottom.load(key)) == b"1"
    put(one, bottom, key, b"2")
    assert other.get(key, bottom.load(key)) == b"2"
    assert bottom.reads == 1


def test_value_over_the_limit_is_not_kept(make, bottom):
    cache = make(max_value_bytes=10)
    bottom["k"] = b"x" * 11
    assert [cache.get("k", bottom.load("k")) for _ in range(2)] == [b"x" * 11] * 2
    assert bottom.reads == 2
    put(cache, bottom, "k", b"y" * 11)
    assert cache.get("k", bottom.load("k")) == b"y" * 11
    assert bottom.reads == 3


def test_threads_never_read_an_older_value_than_before(make, bottom):
    cache = make(negative_s=0)
    bottom["n"] = b"0"
    done = threading.Event()

    def write():
        for i in range(1, 400):
            put(cache, bottom, "n", b"%d" % i, known=i % 2 == 0)
            assert cache.get("n", bottom.load("n")) == b"%d" % i
        done.set()

    def read():
        last = 0
        while not done.is_set():
            value = int(cache.get("n", bottom.load("n")))
            assert value >= last
            last = value
        return int(cache.get("n", bottom.load("n")))

    with ThreadPoolExecutor(5) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        pool.submit(write).result()
        assert [one.result() for one in readers] == [399] * 4


def test_closed_cache_is_unavailable_and_leaves_no_thread(make, bottom):
    before = threading.active_count()
    cache = make()
    cache.get("k", bottom.load("k"))
    cache.close()
    assert threading.active_count() == before
    with pytest.raises(Unavailable):
        cache.get("k", bottom.load("k"))
    with pytest.raises(Unavailable), cache.writing("k"):
        pass
    cache.close()


# --- by URL


def test_layers_are_opened_by_url(tmp_path, bottom):
    options = Options("ttl_s=60&negative_s=1&max_mb=1&space=mine")
    url = f"sqlite:{tmp_path}/kv.db"
    with pytest.raises(Misconfigured):
        Cache.open([url, "memory:"], Options(""), space="x")
    with pytest.raises(Misconfigured):
        Cache.open([url], Options("tll_s=3"), space="x")
    cache = Cache.open(["memory:", url], options, space=space_of("kv", "s3://bucket"))
    try:
        assert cache.limits == Limits(ttl_s=60, negative_s=1, max_bytes=1024 * 1024)
        assert cache.get("k", bottom.load("k")) == b"old"
        assert list(cache.layers[0].scan()) == ["kv-mine:k"]
    finally:
        cache.close()


def test_space_is_that_of_the_place_not_of_the_login():
    places = ["s3://a:b@h/p?region=x", "s3://c:d@h/p", "s3://h/p?secret_key=2"]
    assert len({space_of("blob", url) for url in places}) == 1
    others = ["s3://h/q", "s3://g/p", "sharded:[s3://h/p][s3://g/p]", "file:/p"]
    assert len({space_of("blob", url) for url in [*places, *others]}) == 5
    assert space_of("blob", "s3://h/p") != space_of("docs", "s3://h/p")


# --- the bounded dictionary


def test_generations_stay_within_their_bytes_and_keep_what_is_used():
    kept = Generations(100_000, time.monotonic)
    far = time.monotonic() + 100
    for i in range(10_000):
        kept.keep(f"{i}", b"x" * 50, far)
        assert kept.find("0") is not None
        assert len(kept.hot) + len(kept._old) <= 400
    assert kept.find("1") is None
    kept.keep("big", b"x" * 60_000, far)
    assert kept.find("big") is None


def test_generations_count_what_they_drop():
    kept = Generations(10_000, time.monotonic)
    far = time.monotonic() + 100
    for i in range(1000):
        kept.keep("same", b"x" * i, far)
        kept.drop("same")
    assert kept._hot_bytes == 0
    kept.keep("past", b"", time.monotonic() - 1)
    assert kept.find("past") is None
