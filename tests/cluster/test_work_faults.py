"""Workers, brokers, disks and networks that fail in mid-run: the job ends as if nothing had happened."""

import os
import signal
import time
import uuid

import psutil
import pytest

import salient
from tests.cluster import brokers, stories
from tests.cluster.disks import small_disk
from tests.cluster.hooked import Gate
from tests.cluster.networks import network
from tests.cluster.roles import until
from tests.cluster.sites import BEAT_S
from tests.cluster.sites import site as site_on

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

GATED = {"engine": "gated", "encoder": "hashing"}
PARTED_S, ROUND_TRIP_S = 20, 0.2


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return stories.corpus(tmp_path_factory.mktemp("texts") / "in")


@pytest.fixture(scope="module")
def calm(tmp_path_factory, texts):
    return stories.calm(tmp_path_factory.mktemp("calm"), texts)


@pytest.fixture(scope="module")
def broker_of(servers):
    """Brokers by kind, each started when first asked for."""
    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = brokers.Broker(servers(kind, durable=True))
        made[kind].empty()
        return made[kind]

    yield get
    for broker in made.values():
        broker.server.close()


@pytest.fixture
def broker(request, broker_of):
    return broker_of(getattr(request, "param", "redis"))


on_both = pytest.mark.parametrize("broker", brokers.KINDS, indirect=True)
on_rabbitmq = pytest.mark.parametrize("broker", ["rabbitmq"], indirect=True)


@pytest.fixture
def gate(tmp_path):
    folder = tmp_path / "gate"
    folder.mkdir()
    return Gate(folder)


@pytest.fixture
def site(tmp_path, servers, broker, gate):
    with gated_site(tmp_path, servers, broker.url) as made:
        yield made


def gated_site(folder, servers, broker_url, **storage):
    work = {"on": f"celery:{broker_url}", "batch_s": 2}
    return site_on(folder, servers, work, GATED, **storage)


def unique():
    return f"t{uuid.uuid4().hex[:10]}"


def holder(workers, child):
    """The worker that a child process belongs to."""
    return next(w for w in workers if child in {process.pid for process in w.family()})


@on_both
def test_a_killed_child_costs_nothing(site, texts, gate, calm):
    worker = site.worker()
    adding = site.add(texts)
    os.kill(until(gate.held, "a document is under way", adding), signal.SIGKILL)
    adding.finish()
    assert site.told() == calm
    assert worker.running


@on_both
def test_a_killed_worker_s_work_is_taken_up_by_another(site, texts, gate, calm):
    workers = site.worker(), site.worker()
    adding = site.add(texts)
    holder(workers, until(gate.held, "a document is under way", adding)).kill()
    adding.finish()
    assert site.told() == calm


@on_rabbitmq
def test_when_all_workers_are_killed_new_ones_go_on(site, texts, gate, calm):
    old = [site.worker(), site.worker()]
    adding = site.add(texts)
    until(gate.held, "a document is under way", adding)
    for one in old:
        one.kill()
    site.worker()
    adding.finish()
    assert site.told() == calm


@on_both
def test_every_message_delivered_twice_does_everything_once(site, texts, gate, calm, tmp_path):
    gate.open()
    site.worker(2)
    site.add(texts, SALIENT_TEST_DOUBLED=str(tmp_path / "doubled")).finish()
    assert (tmp_path / "doubled").read_text()
    assert gate.n_read == stories.TEXTS
    assert site.told() == calm


@on_both
def test_a_broker_that_restarts_loses_nothing(site, broker, texts, gate, calm):
    site.worker()
    adding = site.add(texts)
    until(gate.held, "a document is under way", adding)
    broker.restart()
    gate.open()
    adding.finish()
    assert site.told() == calm


@on_both
def test_a_broker_that_lost_all_it_held_is_told_again(site, broker, texts, gate, calm):
    site.worker()
    adding = site.add(texts)
    until(gate.held, "a document is under way", adding)
    broker.lose()
    gate.open()
    adding.finish()
    assert site.told() == calm


def test_results_that_vanish_are_made_again(site, texts, gate, calm, tmp_path):
    gate.open()
    site.worker(SALIENT_TEST_LOSES=f"{tmp_path}:2")
    site.add(texts).finish()
    assert (tmp_path / "lost-1").exists()
    assert site.told() == calm


def test_a_child_that_hangs_is_given_up(site, texts, gate, calm):
    site.worker(SALIENT_WORK__HANG_S="8")
    adding = site.add(texts, SALIENT_WORK__HANG_S="8")
    held = until(gate.held, "a document is under way", adding)
    adding.finish()  # though the gate never opens
    assert not psutil.pid_exists(held)
    assert site.told() == calm


@on_rabbitmq
def test_a_worker_that_stood_still_comes_too_late(site, texts, gate, calm):
    workers = site.worker(), site.worker()
    adding = site.add(texts)
    late = holder(workers, until(gate.held, "a document is under way", adding))
    late.pause()
    adding.finish()
    assert site.told() == calm
    gate.open()
    late.resume()
    assert late.stop() == 0  # once it has done what it was at
    assert site.told() == calm
    site.add(texts).finish()
    assert site.told() == calm


def test_a_full_disk_is_waited_for(servers, broker, gate, texts, calm, tmp_path):
    with (
        small_disk(tmp_path / "disk", 8) as disk,
        gated_site(tmp_path, servers, broker.url, blobs=f"file:{disk.folder}/blobs") as site,
    ):
        worker = site.worker()
        adding = site.add(texts)
        until(gate.held, "a document is under way", adding)
        disk.fill()
        gate.open()
        until(lambda: "blob folder cannot be used" in worker.tail(), "the disk is full", worker)
        time.sleep(2 * BEAT_S)  # for longer than a silent worker is waited for
        disk.empty()
        adding.finish()
        assert site.told() == calm


@on_rabbitmq
def test_a_slow_network_costs_time_only(servers, broker, gate, texts, calm, tmp_path):
    gate.open()
    cache = servers("redis")
    with network() as net:
        url = net.through(broker.url, broker.server.port)
        shared = net.through(cache.at("0", prefix=unique()), cache.port)
        net.slow(ROUND_TRIP_S / 2)
        with gated_site(tmp_path, servers, url, cache=shared) as site:
            site.worker(within=net.command)
            site.add(texts).finish()
            assert site.told() == calm


@on_both
def test_a_network_that_goes_away_is_waited_for(servers, broker, gate, texts, calm, tmp_path):
    cache, s3 = servers("redis"), servers("s3")
    with network() as net:
        # The same addresses on both sides; what is cut is the worker's way to them.
        url = net.through(broker.url, broker.server.port)
        storage = {
            "cache": net.through(cache.at("0", prefix=unique()), cache.port),
            "blobs": net.through(s3.at(unique()), s3.port),
        }
        with gated_site(tmp_path, servers, url, **storage) as site:
            site.worker(within=net.command)
            adding = site.add(texts)
            until(gate.held, "a document is under way", adding)
            net.cut()
            gate.open()
            time.sleep(PARTED_S)
            assert adding.running
            net.heal()
            adding.finish()
            assert site.told() == calm


def test_a_killed_coordinator_s_run_is_finished_by_the_next(site, texts, gate, calm):
    site.worker()
    adding = site.add(texts)
    until(gate.held, "a document is under way", adding)
    adding.kill()
    gate.open()
    site.add(texts).finish()
    assert site.told() == calm


@pytest.mark.parametrize("ears", [{}, {"SALIENT_TEST_DEAF": "1"}], ids=["told", "looks"])
def test_a_document_that_kills_its_worker_is_set_aside(site, tmp_path, gate, calm, texts, ears):
    gate.open()
    gate.arm()
    deadly = stories.deadly(tmp_path / "deadly")
    worker = site.worker(**ears)
    site.add(texts, deadly).finish()
    found = site.told()
    assert found["states"].pop("quarantined") == 1
    assert found == calm | {"states": {k: v for k, v in calm["states"].items() if k != "quarantined"}}  # fmt: skip
    assert worker.running
    with salient.open(site.folder / "data", storage=site.storage) as workspace:
        (document,) = workspace.documents(states=["quarantined"]).documents
    assert document.name == deadly.name
    assert document.code == "worker_killed"
    assert "died 3 times" in document.reason
    assert "SIGKILL" in document.reason, "the last error"
    assert document.attempts == 3
