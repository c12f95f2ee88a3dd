"""`salient worker`: it waits for its broker, ends softly, and leaves nothing behind."""

import json
import os
import signal
import uuid

import psutil
import pytest

from salient.errors import Misconfigured
from salient.interfaces import worker as working
from salient.settings import load
from salient.work import Done, Item, Place, Recipe, WorkConfig, open_pool
from salient.work.queued import presences
from tests.cluster.roles import cast, until, variables
from tests.contract.pool_tasks import ALLOWED, deeds

DEEDS = Recipe.of(deeds)
BEAT_S = 3


class Site:
    """A queue on Redis, with stores of its own and no worker yet."""

    def __init__(self, folder, servers, roles):
        self.roles = roles
        self.redis = servers("redis")
        own = f"t{uuid.uuid4().hex[:10]}"
        self.urls = f"file:{folder}/blobs", self.redis.at("0", prefix=own)
        self.broker = self.redis.at("4")
        self.folder = folder
        self._place = Place(*self.urls)

    def env(self, **work):
        blobs, cache = self.urls
        given = {"on": f"celery:{self.broker}", "beat_s": BEAT_S, "modules": f'["{ALLOWED}"]'} | work  # fmt: skip
        settings = {"storage": {"blobs": blobs, "cache": cache}, "work": given, "log": {"form": "json", "level": "INFO"}}  # fmt: skip
        return variables(settings) | {"SALIENT_DATA_DIR": str(self.folder / "data")}

    def start(self, *arguments, **work):
        return self.roles.start("worker", *arguments, **self.env(**work))

    def present(self):
        return presences(self._place)

    def ready(self, *arguments):
        role = self.start(*arguments)
        until(lambda: "ready" in role.tail(20_000), "it is ready", role)
        return role

    def pool(self):
        config = WorkConfig(beat_s=BEAT_S, batch_s=1.0, modules=(ALLOWED,))
        return open_pool(f"celery:{self.broker}", Place(*self.urls), config)

    def close(self):
        self._place.close()


@pytest.fixture
def site(tmp_path, servers):
    with cast(tmp_path / "logs", {}, servers("redis").take_along) as roles:
        made = Site(tmp_path, servers, roles)
        yield made
        made.close()


@pytest.fixture
def held(site, tmp_path):
    """A worker in mid-batch, and what lets it go on."""
    role = site.ready("-c", 1)
    file, gate = tmp_path / "file", tmp_path / "gate"
    with site.pool() as pool:
        value = {"do": "wait", "x": 1, "file": str(file), "gate": str(gate)}
        ends = pool.run(DEEDS, [Item(value)])
        import threading

        found = []
        thread = threading.Thread(target=lambda: found.extend(ends))
        thread.start()
        try:
            until(file.exists, "a batch is under way", role)
            yield role, gate, found
        finally:
            gate.touch()
            thread.join()


@pytest.mark.parametrize("on", ["auto", "inline:", "processes:2", "dask:tcp://127.0.0.1:8786"])
def test_without_a_queue_it_refuses(tmp_path, on):
    settings = load(data_dir=tmp_path, work={"on": on})
    with pytest.raises(Misconfigured, match="needs no workers: set it to celery:"):
        working.run(settings, 1, ["salient"])


def test_a_url_of_no_broker_is_refused(tmp_path):
    with pytest.raises(Misconfigured, match="names no broker"):
        working.run(load(data_dir=tmp_path, work={"on": "celery:sqs://x"}), 1, ["salient"])


def test_the_command_says_so_and_ends(site):
    role = site.start(on="processes:2")
    assert role.wait() != 0
    assert "needs no workers" in role.tail()


def test_sigterm_lets_it_finish_and_it_is_listed_no_more(site, held):
    role, gate, found = held
    assert [p.pid for p in site.present()] == [role.pid]
    family = role.family()
    os.kill(role.pid, signal.SIGTERM)
    until(lambda: not site.present(), "it is listed no more", role)
    assert found == []
    gate.touch()
    assert role.wait() == 0
    until(lambda: found, "its result is there")
    assert [type(end) for end in found] == [Done]
    psutil.wait_procs(family, timeout=10)
    assert not any(p.is_running() for p in family)


def test_ctrl_c_of_the_whole_group_lets_it_finish_too(site, held):
    role, gate, found = held
    for process in role.family():
        process.send_signal(signal.SIGINT)
    until(lambda: not site.present(), "it is listed no more", role)
    gate.touch()
    assert role.wait() == 0
    until(lambda: found, "its result is there")
    assert [type(end) for end in found] == [Done]


def test_a_second_sigterm_ends_it_at_once(site, held):
    role, gate, found = held
    family = role.family()
    os.kill(role.pid, signal.SIGTERM)
    until(lambda: not site.present(), "it is listed no more", role)
    os.kill(role.pid, signal.SIGTERM)
    role.wait()
    psutil.wait_procs(family, timeout=10)
    assert not any(p.is_running() for p in family)
    assert found == []
    gate.touch()
    site.ready("-c", 1)  # who takes it up
    until(lambda: found, "it came to an end")


def test_a_broker_that_is_away_is_waited_for(site, servers):
    with servers("redis", durable=True) as broker:
        url = broker.at("0")
        broker.stop()
        role = site.start("-c", 1, on=f"celery:{url}")
        until(lambda: "annot connect" in role.tail(20_000), "it says that it waits", role)
        broker.start()
        site.broker = url
        with site.pool() as pool:
            (end,) = pool.run(DEEDS, [Item({"do": "echo", "x": 5})])
        assert end.result == 5
        assert role.stop() == 0


def test_children_work_over_connections_of_their_own(site):
    role = site.ready("-c", 2)
    with site.pool() as pool:
        ends = pool.run(DEEDS, [Item({"do": "echo", "x": n}, cost_s=1.0) for n in range(20)])
        assert len(list(ends)) == 20
    parent, *children = role.family()
    assert len(children) == 2
    ends = [{c.laddr for c in p.net_connections("tcp")} for p in (parent, *children)]
    own = [found - ends[0] for found in ends[1:]]
    assert all(own)
    assert not own[0] & own[1]
    assert role.stop() == 0


def test_log_lines_say_who_they_are(site):
    role = site.ready("-c", 1)
    with site.pool() as pool:
        list(
            pool.run(
                DEEDS, [Item({"do": "refuse", "code": "corrupt", "message": "x", "context": {}})]
            )
        )
        list(pool.run(DEEDS, [Item({"do": "die", "x": 1})]))
    assert role.stop() == 0
    lines = [json.loads(line) for line in role.tail(50_000).splitlines() if line.startswith("{")]
    assert lines
    assert all("logger" in line and "level" in line for line in lines)
