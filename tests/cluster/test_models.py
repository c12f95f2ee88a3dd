"""Models over a real Redis and S3: machines that start at once, are told, are killed, and lose stores."""

import signal
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path

import pytest

from salient.learning.registry import Current, Registry
from salient.storage.blob import Blobs
from salient.storage.kv import KeyValue

ROOT = Path(__file__).resolve().parents[2]
NEVER = 3600.0

# A process of another machine: its folder, its stores, and what it is to do.
CHILD = textwrap.dedent(
    """
    import sys, threading
    from pathlib import Path
    from salient.learning.registry import Current, Registry
    from salient.storage.blob import Blobs
    from salient.storage.kv import KeyValue

    blobs_url, cache_url, folder, act, *rest = sys.argv[1:]

    def built(model):
        content = model.file("a").read_text()
        print("loaded", content[:1], model.file("a").stat().st_ino, flush=True)
        return content

    with Blobs.open(blobs_url) as blobs, KeyValue.open(cache_url) as cache:
        if act == "publish":
            put, n = blobs.put, 0

            def stalling(key, source, **options):
                size = put(key, source, **options)
                print("put", flush=True)
                sys.stdin.readline()
                return size

            blobs.put = stalling
        with Registry(blobs, cache, Path(folder)) as registry:
            print("ready", flush=True)
            sys.stdin.readline()
            if act == "publish":
                registry.publish("one", Path(rest[0]))
            else:
                with Current(registry, "one", built, check_s=3600.0):
                    sys.stdin.readline()
    """
)


@pytest.fixture
def urls(servers):
    own = f"t{uuid.uuid4().hex[:10]}"
    return servers("s3").at(own), servers("redis").at("0", prefix=own)


@pytest.fixture
def stores(urls):
    with Blobs.open(urls[0]) as blobs, KeyValue.open(urls[1]) as cache:
        yield blobs, cache


@pytest.fixture
def registry(stores, tmp_path):
    with Registry(*stores, tmp_path / "here") as opened:
        yield opened


@pytest.fixture
def publish(registry, tmp_path):
    def act(content):
        folder = tmp_path / f"made-{content}"
        folder.mkdir(exist_ok=True)
        (folder / "a").write_text(content * 100_000)
        return registry.publish("one", folder)

    return act


@pytest.fixture
def child(urls):
    """Starts processes; kills what is left of them."""
    started = []

    def start(folder, act="use", *rest):
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, *urls, str(folder), act, *map(str, rest)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT / "src",
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


def heard(process):
    return process.stdout.readline().split()


def test_processes_of_two_machines_start_at_once_and_are_told_of_the_next_version(
    publish, child, tmp_path
):
    publish("A")
    machines = [tmp_path / "one", tmp_path / "one", tmp_path / "two"]
    children = [child(folder) for folder in machines]
    for each in children:
        assert heard(each) == ["ready"]
    for each in children:
        go(each)
    first = [heard(each) for each in children]
    assert [content for _, content, _ in first] == ["A"] * 3
    assert first[0] == first[1] != first[2]  # the same file on one machine
    # None of them looks by itself within the hour: messages must do it.
    publish("B")
    second = [heard(each) for each in children]
    assert [content for _, content, _ in second] == ["B"] * 3
    assert second[0] == second[1] != second[2]


def test_what_a_process_elsewhere_uses_is_not_collected(publish, registry, stores, child, tmp_path):
    first = publish("A")
    user = child(tmp_path / "elsewhere")
    assert heard(user) == ["ready"]
    go(user)
    assert heard(user)[:2] == ["loaded", "A"]
    registry.pin("one", first)  # so that it stays with that version
    publish("B")
    publish("C")
    user.send_signal(signal.SIGSTOP)  # before it hears that it shall use another
    try:
        registry.unpin("one")
        assert first not in registry.gc(keep=1, min_age_s=0).versions
    finally:
        user.send_signal(signal.SIGCONT)
    # Of a process that was killed the hold ends by itself.
    (key,) = (k for k in stores[1].scan(f"model/held/{first}/"))
    assert stores[1].get_expiring(key)[1] <= 90


def test_a_publisher_that_is_killed_leaves_nothing_that_is_seen(
    publish, registry, stores, child, tmp_path
):
    before = publish("A")
    made = tmp_path / "large"
    made.mkdir()
    for name in "ab":
        (made / name).write_text(name * 200_000)
    publisher = child(tmp_path / "elsewhere", "publish", made)
    assert heard(publisher) == ["ready"]
    go(publisher)
    assert heard(publisher) == ["put"]
    publisher.send_signal(signal.SIGKILL)
    publisher.wait()
    assert registry.state("one", sure=True).served == before
    assert registry.gc(keep=1, min_age_s=0).files == 1
    after = registry.publish("one", made)
    assert registry.verify("one") == ([], [])
    assert registry.state("one").served == after


def test_an_emptied_redis_costs_nothing(publish, registry, stores):
    publish("A")
    second = publish("B")
    stores[1].delete_many(list(stores[1].scan("model/")))
    assert registry.state("one").served == second
    registry.rollback("one")
    with registry.open("one") as model:
        assert model.file("a").read_text()[0] == "A"


def test_while_redis_is_down_models_are_opened_and_used(publish, stores, servers, tmp_path):
    publish("A")
    with (
        servers("redis", durable=True) as server,
        KeyValue.open(server.at("0", timeout_s="0.5")) as cache,
        Registry(stores[0], cache, tmp_path / "there") as registry,
        Current(registry, "one", lambda m: m.file("a"), check_s=NEVER) as current,
    ):
        server.kill()
        with current.use() as file:
            assert file.read_text()[0] == "A"
        with registry.open("one") as model:
            assert model.file("a").read_text()[0] == "A"
