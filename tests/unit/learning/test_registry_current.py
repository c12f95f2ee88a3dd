"""A running process takes over new versions, and loses no call by it."""

import logging
import threading

import pytest

from salient.errors import Corrupt, NotFound
from salient.learning.registry import Current, Registry
from salient.learning.registry.files import FILES
from salient.storage.blob import Blobs
from salient.storage.kv import KeyValue

NEVER = 3600.0


@pytest.fixture
def blobs():
    with Blobs.open("memory:") as opened:
        yield opened


@pytest.fixture
def registry(blobs, tmp_path):
    with KeyValue.open("memory:") as kv, Registry(blobs, kv, tmp_path / "cache") as opened:
        yield opened


@pytest.fixture
def publish(registry, tmp_path):
    def act(content):
        folder = tmp_path / f"made-{content}"
        folder.mkdir(exist_ok=True)
        (folder / "a").write_text(content)
        return registry.publish("one", folder)

    return act


class Built:
    """What is made of a model, and told of."""

    def __init__(self):
        self.wanted = threading.Condition()
        self.seen = []

    def __call__(self, model):
        content = model.file("a").read_text()
        if content == "bad":
            raise Corrupt("no such weights")
        with self.wanted:
            self.seen.append(content)
            self.wanted.notify_all()
        return content

    def wait_for(self, content):
        with self.wanted:
            assert self.wanted.wait_for(lambda: content in self.seen, timeout=60)


def read(current):
    with current.use() as value:
        return value


def test_a_name_without_versions_cannot_be_opened(registry):
    with pytest.raises(NotFound):
        Current(registry, "one", Built())


def test_a_message_brings_the_new_version_at_once(registry, publish):
    built = Built()
    publish("A")
    with Current(registry, "one", built, check_s=NEVER) as current:
        assert read(current) == "A"
        publish("B")
        built.wait_for("B")
        current.check()
        assert read(current) == "B"


def test_without_messages_it_is_looked_for_now_and_then(blobs, registry, publish, tmp_path):
    built = Built()
    publish("A")
    with (
        Registry(blobs, None, tmp_path / "other") as silent,
        Current(silent, "one", built, check_s=0.01) as current,
    ):
        publish("B")
        built.wait_for("B")
        current.check()
        assert read(current) == "B"


def test_a_pin_and_a_roll_back_reach_running_processes(registry, publish):
    first = publish("A")
    with Current(registry, "one", Built(), check_s=NEVER) as current:
        publish("B")
        registry.rollback("one")
        current.check()
        assert read(current) == "A"
        publish("C")
        registry.pin("one", first)
        current.check()
        assert current.version == first


def test_calls_under_way_keep_what_they_began_with(registry, publish):
    built = Built()
    first = publish("A")
    with Current(registry, "one", built, check_s=NEVER) as current:
        with current.use() as value:
            publish("B")
            built.wait_for("B")
            current.check()
            assert value == "A"
            assert read(current) == "B"
            assert registry._cache.in_use(first)
        assert not registry._cache.in_use(first)


def test_a_version_that_cannot_be_used_leaves_the_old_one(blobs, registry, publish, tmp_path):
    publish("A")
    with (
        Registry(blobs, None, tmp_path / "other") as silent,
        Current(silent, "one", Built(), check_s=NEVER) as current,
    ):
        bad = publish("bad")
        with pytest.raises(Corrupt, match="no such weights"):
            current.check()
        assert read(current) == "A"
        assert not silent._cache.in_use(bad)
        publish("C")
        current.check()
        assert read(current) == "C"


def test_the_log_says_once_that_a_version_was_refused(blobs, registry, publish, tmp_path):
    told = threading.Event()
    records = []

    class Handler(logging.Handler):
        def emit(self, record):
            if record.getMessage() == "model.not_swapped":
                records.append(record)
                told.set()

    handler = Handler()
    logger = logging.getLogger("salient.learning.registry.current")
    logger.addHandler(handler)
    try:
        first = publish("A")
        tries = threading.Semaphore(0)

        def build(model):
            if model.version != first:
                tries.release()
            return Built()(model)

        with (
            Registry(blobs, None, tmp_path / "other") as silent,
            Current(silent, "one", build, check_s=0.01) as current,
        ):
            publish("bad")
            for _ in range(3):
                assert tries.acquire(timeout=60)
            assert told.wait(60)
            assert current.version == first
        assert len(records) == 1
        assert (records[0].model, records[0].kept) == ("one", first)
    finally:
        logger.removeHandler(handler)


def test_a_version_whose_files_are_lost_leaves_the_old_one(blobs, registry, publish, tmp_path):
    publish("A")
    kept = set(blobs.list(FILES))
    with (
        Registry(blobs, None, tmp_path / "other") as silent,
        Current(silent, "one", Built(), check_s=NEVER) as current,
    ):
        publish("B")
        for key in set(blobs.list(FILES)) - kept:
            blobs.delete(key)
        with pytest.raises(Corrupt, match="lacks"):
            current.check()
        assert read(current) == "A"


def test_no_call_fails_while_versions_change(registry, publish):
    publish("0")
    ended, wrong, calls = threading.Event(), [], []

    def call(current):
        n = 0
        while not ended.is_set():
            with current.use() as model:
                a = model.file("a").read_text()
                b = model.file("a").read_text()
                if a != b:
                    wrong.append((a, b))
            n += 1
        calls.append(n)

    with Current(registry, "one", lambda model: model, check_s=NEVER) as current:
        threads = [threading.Thread(target=call, args=(current,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for content in map(str, range(1, 15)):
            version = publish(content)
            current.check()
            assert current.version == version
        ended.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert len(calls) == 4
    assert all(calls)


def test_closing_while_calls_are_under_way_closes_when_they_end(registry, publish):
    version = publish("A")
    current = Current(registry, "one", Built(), check_s=NEVER)
    with current.use():
        current.close()
        assert registry._cache.in_use(version)
    assert not registry._cache.in_use(version)
