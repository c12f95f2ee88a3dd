"""Processes that share a key-value store: locks, counters, messages, and layers that must not go stale."""

import json
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from salient.errors import TimedOut
from salient.storage.kv import KeyValue

# What another process does with a store: a line of JSON with a call comes in, one with its result
# goes out.
WORKER = """
import json, sys
from salient.errors import Error
from salient.storage.kv import KeyValue

held = []
for line in sys.stdin:
    name, *args = json.loads(line)
    try:
        if name == "open":
            kv = KeyValue.open(args[0])
            out = None
        elif name == "close":
            out = kv.close()
        elif name == "count":
            out = [kv.increment(args[0]) for _ in range(args[1])]
        elif name == "swaps":
            out = 0
            for i in range(args[1]):
                while True:
                    old = kv.get_expiring(args[0])
                    new = b"%d" % (int(old[0]) + 1 if old else 1)
                    if kv.swap(args[0], old[0] if old else None, new):
                        break
            out = args[1]
        elif name == "under_lock":
            out = []
            for i in range(args[1]):
                with kv.lock("l", wait_s=60) as lease:
                    # Not atomic by itself: it counts right only if nobody else is inside.
                    old = kv.get_expiring(args[0])
                    kv.put(args[0], b"%d" % (int(old[0]) + 1 if old else 1))
                    out.append(lease.token)
        elif name == "hold":
            lock = kv.lock(args[0], ttl_s=args[1])
            held.append(lock)
            out = lock.__enter__().token
        elif name == "publish":
            out = kv.publish(args[0], args[1].encode())
        elif name == "reads":
            # Every value must be at least as new as the one before.
            out, last = [], -1
            while last < args[1]:
                now = int(kv.get(args[0]) or b"0")
                if now < last:
                    out.append([last, now])
                last = now
        elif name == "get":
            found = kv.get(args[0])
            out = None if found is None else found.decode()
        elif name == "put":
            out = kv.put(args[0], args[1].encode())
        elif name == "delete":
            out = kv.delete(args[0])
    except Error as exc:
        out = exc.code
    print(json.dumps(out), flush=True)
"""


class Process:
    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def ask(self, *call):
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def kill(self):
        for stream in (self._process.stdin, self._process.stdout):
            stream.close()
        self._process.kill()
        self._process.wait()

    def close(self):
        self._process.stdin.close()
        try:
            assert self._process.wait(20) == 0  # it ends by itself: no thread holds it
        finally:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()


PLAIN = {
    "sqlite": "sqlite:{tmp}/kv.db",
    "redis": "{redis}",
    "sharded": "sharded:[{redis}][sqlite:{tmp}/kv.db]",
    "replicated": "replicated:[{redis}][sqlite:{tmp}/a.db][sqlite:{tmp}/b.db]?write=quorum",
    "layered": "layered:[memory:][{redis}][sqlite:{tmp}/kv.db]",
}
LAYERED = {
    "over sqlite": "layered:[memory:][sqlite:{tmp}/kv.db]",
    "over redis": "layered:[memory:][{redis}]",
    "shared over sqlite": "layered:[memory:][{redis}][sqlite:{tmp}/kv.db]",
}


@pytest.fixture
def url(request, tmp_path, servers):
    template = request.param
    redis = ""
    if "{redis}" in template:
        redis = servers("redis").at("0", prefix=uuid.uuid4().hex[:12])
    return template.format(tmp=tmp_path, redis=redis)


@pytest.fixture(scope="module")
def workers():
    """Two processes for all tests, which open a store for each."""
    made = [Process(), Process()]
    yield made
    for one in made:
        one.close()


@pytest.fixture
def processes(workers, url):
    for one in workers:
        assert one.ask("open", url) is None
    yield workers
    for one in workers:
        assert one.ask("close") is None


@pytest.fixture
def kv(url):
    with KeyValue.open(url) as store:
        yield store


plain = pytest.mark.parametrize("url", PLAIN.values(), ids=PLAIN, indirect=True)
layered = pytest.mark.parametrize("url", LAYERED.values(), ids=LAYERED, indirect=True)


def at_once(processes, *call):
    with ThreadPoolExecutor(len(processes)) as pool:
        return list(pool.map(lambda one: one.ask(*call), processes))


@plain
def test_counts_are_drawn_once(processes, kv):
    drawn = at_once(processes, "count", "n", 100)
    assert sorted(drawn[0] + drawn[1]) == list(range(1, 201))
    assert kv.get("n") == b"200"


@plain
def test_swaps_lose_no_change(processes, kv):
    assert at_once(processes, "swaps", "n", 40) == [40, 40]
    assert kv.get("n") == b"80"


@plain
def test_lock_lets_in_one_process_at_a_time(processes, kv):
    tokens = at_once(processes, "under_lock", "n", 25)
    assert kv.get_expiring("n")[0] == b"50"
    assert len(set(tokens[0] + tokens[1])) == 50
    assert all(one == sorted(one) for one in tokens)


@plain
def test_lock_of_a_killed_process_runs_out(url, kv):
    process = Process()
    process.ask("open", url)
    token = process.ask("hold", "l", 2.0)
    with pytest.raises(TimedOut), kv.lock("l"):
        pass
    process.kill()
    with kv.lock("l", wait_s=30) as lease:
        assert lease.token > token


@pytest.mark.parametrize("url", [PLAIN["sqlite"], PLAIN["redis"]], ids=["sqlite", "redis"], indirect=True)  # fmt: skip
def test_messages_of_processes_reach_each_other_in_order(processes, kv):
    with kv.subscribe("c") as subscription:
        for i in range(50):
            processes[i % 2].ask("publish", "c", f"{i}")
        assert [subscription.get(20) for _ in range(50)] == [b"%d" % i for i in range(50)]
        assert subscription.gaps == 0


@layered
def test_layers_of_another_process_follow_a_change(processes, kv):
    one, other = processes
    assert one.ask("get", "k") is None
    for value in ("1", "2", "3"):
        other.ask("put", "k", value)
        assert other.ask("get", "k") == value
        give_up_at = time.monotonic() + 10
        while one.ask("get", "k") != value:
            assert time.monotonic() < give_up_at
        assert kv.get_expiring("k")[0] == value.encode()
    other.ask("delete", "k")
    give_up_at = time.monotonic() + 10
    while one.ask("get", "k") is not None:
        assert time.monotonic() < give_up_at


@layered
def test_no_process_goes_back_to_an_older_value(processes, kv):
    """Readers of two processes, each filling its layers, while a third writes."""
    with ThreadPoolExecutor(2) as pool:
        reading = [pool.submit(one.ask, "reads", "n", 300) for one in processes]
        for i in range(301):
            kv.put("n", b"%d" % i)
        assert [one.result() for one in reading] == [[], []]
    assert at_once(processes, "get", "n") == ["300", "300"]


@layered
def test_counter_in_layers_is_read_as_it_was_drawn(processes, kv):
    for i in range(1, 31):
        drawn = processes[i % 2].ask("count", "n", 1)
        assert drawn == [i]
        assert processes[i % 2].ask("get", "n") == f"{i}"
