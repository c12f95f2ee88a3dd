"""A worker of a cluster can be watched: its spans, its metrics and its probes."""

import json
import logging
import signal
import socket
import urllib.error
import urllib.request

import psutil
import pytest

import salient
from salient import log
from tests.cluster.roles import until
from tests.cluster.sites import QUICK, site
from tests.collector import collecting, family, fields

pytestmark = pytest.mark.slow

N = 12


@pytest.fixture
def traced():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    with collecting() as collector:
        log.configure("json", "WARNING", ["stderr:"], collector.url)
        yield collector
        log.configure("json", "WARNING", ["stderr:"])
    logging.basicConfig(handlers=handlers, level=level, force=True)


@pytest.fixture
def address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def documents(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(N):
        (folder / f"{n}.txt").write_text(f"Anna Berg leads Halden Maritime AS. Number {n}.")
    return folder


def probe(address, path):
    """Status and body; 0 while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()
    except OSError:
        return 0, ""


def sums(address):
    """Samples without labels' order mattering: text of the name and labels to a number."""
    lines = probe(address, "/metrics")[1].splitlines()
    return {k: float(v) for k, _, v in (line.rpartition(" ") for line in lines if line[:1] != "#")}


def test_a_worker_is_watched_from_its_start_to_its_end(
    tmp_path, servers, documents, traced, address
):
    work = {"on": f"celery:{servers('redis').at('1')}", "batch_s": 0.1}
    watched = {"SALIENT_LOG__TRACES": traced.url, "SALIENT_WORK__PROBES": address}
    with site(tmp_path, servers, work, QUICK) as cluster:
        worker = cluster.worker(2, **watched)
        until(lambda: probe(address, "/ready")[0] == 200, "ready", worker)
        assert json.loads(probe(address, "/ready")[1])["parts"] == {
            "broker": "ok", "cache": "ok",
        }  # fmt: skip
        assert probe(address, "/health") == (200, '{"alive": true}')
        with (
            salient.open(tmp_path / "data", work=work, nlp=QUICK, storage=dict(cluster.storage)) as workspace,
            log.span("test"),
        ):  # fmt: skip
            workspace.add(documents)
            assert workspace.status().states["done"] == N
        log.flush()
        found = traced.wait_for("document", N)
        stages = traced.wait_for("stage", 4 * N)

        trace, ident, _ = family(traced.one("test"))
        assert {family(s)[0] for s in [*found, *stages]} == {trace}
        # A batch ends after its documents do, and its span comes after theirs.
        until(lambda: {s.parent_span_id for s in found} <= set(traced.spans), "batches")
        batches = [traced.spans[s.parent_span_id] for s in found]
        assert {s.name for s in batches} == {"batch"}
        (adding,) = {s.parent_span_id for s in batches}
        assert fields(traced.spans[adding])["service"] == "documents.add"
        assert traced.spans[adding].parent_span_id.hex() == ident
        children = {p.pid for p in worker.family()} - {worker.pid}
        assert {fields(s)["process.pid"] for s in found} <= children

        counted = sums(address)
        assert counted['salient_busy_seconds_total{role="worker"}'] > 0
        assert counted['salient_queue_depth{queue="salient"}'] == 0
        for child in psutil.Process(worker.pid).children():
            child.send_signal(signal.SIGKILL)
        until(lambda: len(worker.family()) == 3, "new children", worker)
        assert sums(address)['salient_busy_seconds_total{role="worker"}'] == counted['salient_busy_seconds_total{role="worker"}']  # fmt: skip
        assert worker.stop() == 0, worker.tail()
        assert probe(address, "/health")[0] == 0
        assert not any((tmp_path / "data" / "metrics").glob("*/*.db"))
