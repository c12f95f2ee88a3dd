"""Housekeeping: one leads, another takes over, and what dead processes left is finished."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack, contextmanager

import pytest

import salient
from salient import errors
from salient.interfaces.beat import Beat, until_told
from salient.model import JobState

SETTINGS = {
    "SALIENT_WORK__BEAT_S": "0.6",
    "SALIENT_NLP__ENCODER": "hashing",
    "SALIENT_PIPELINE__PROCESSES": "1",
    "SALIENT_PIPELINE__BATCH": "2",
}
GIVEN = {"work": {"beat_s": 0.6}, "nlp": {"encoder": "hashing"}, "pipeline": {"processes": 1}}


@pytest.fixture
def folder(tmp_path):
    """Where documents are; the workspace's own folder is not in it."""
    made = tmp_path / "in"
    made.mkdir()
    return made


@pytest.fixture
def workspace(tmp_path):
    with salient.open(tmp_path / "data", **GIVEN) as opened:
        yield opened


def until(true):
    deadline = time.monotonic() + 90
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@contextmanager
def beating(workspace):
    beat, stop = Beat(workspace.app), threading.Event()
    thread = threading.Thread(target=beat.run, args=(stop,))
    thread.start()
    try:
        yield beat
    finally:
        stop.set()
        thread.join()


def command(workspace, *words):
    return subprocess.Popen(
        [sys.executable, "-m", "salient", *words, "--data-dir", str(workspace.app.settings.data)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, **SETTINGS},
    )  # fmt: skip


def ended(process):
    out, err = process.communicate(timeout=90)
    return process.returncode, out, err


def led(workspace):
    """Whether somebody leads."""
    context = workspace.app.context
    try:
        with context.cache.lock(f"beat/{context.workspace}", ttl_s=5):
            return False
    except errors.TimedOut:
        return True


def free_port():
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def test_of_two_one_leads_and_the_other_takes_over(workspace):
    with ExitStack() as heirs:
        with beating(workspace) as first:
            until(first.leading.is_set)
            heir = heirs.enter_context(beating(workspace))
            time.sleep(0.5)
            assert first.leading.is_set()
            assert not heir.leading.is_set()
        until(heir.leading.is_set)
    assert not led(workspace)


def test_when_the_leader_is_killed_another_leads(workspace):
    process = command(workspace, "beat")
    try:
        until(lambda: led(workspace) or process.poll() is not None)
        with beating(workspace) as heir:
            time.sleep(0.5)
            assert not heir.leading.is_set()
            process.kill()
            until(heir.leading.is_set)
    finally:
        process.kill()
        ended(process)


def test_it_says_how_it_is_and_ends_when_told(workspace):
    port = free_port()
    process = command(workspace, "beat", "--probes", f"127.0.0.1:{port}")

    def asked(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as reply:
                return reply.status
        except OSError:
            return None

    try:
        until(lambda: asked("/health") == 200 or process.poll() is not None)
        assert asked("/ready") == 200
        until(lambda: led(workspace))
        process.send_signal(signal.SIGTERM)
        code, _, err = ended(process)
    finally:
        process.kill()
    assert (code, err) == (0, "")
    assert not led(workspace)


def test_documents_that_a_dead_process_held_are_finished(workspace, folder):
    from salient.pipeline.intake import sources, take

    for n in range(3):
        (folder / f"{n}.txt").write_text(f"Anna Berg leads Halden Maritime AS, number {n}.")
    context = workspace.app.context
    paths = [str(folder / f"{n}.txt") for n in range(3)]
    context.ledger.take_in([take(s, context.blobs, 10**6) for s in sources(paths)])

    class Dead:
        name = f"{socket.gethostname()}:999999999:1.00"

    context.ledger.claim(Dead(), 2, 600)
    with beating(workspace):
        until(lambda: context.ledger.counts().states["done"] == 3)
    (job,) = workspace.call("jobs.list").jobs
    assert job.service == "documents.add"


def test_a_document_that_killed_its_workers_is_quarantined(workspace, folder):
    from salient.pipeline.intake import sources, take

    (folder / "bad.txt").write_text("Anna Berg leads Halden Maritime AS.")
    context = workspace.app.context
    context.ledger.take_in(
        [take(s, context.blobs, 10**6) for s in sources([str(folder / "bad.txt")])]
    )

    class Dead:
        name = f"{socket.gethostname()}:999999999:1.00"

    for _ in range(2):
        (row,) = context.ledger.claim(Dead(), 1, 600)
        context.ledger.release([row.id])
    context.ledger.claim(Dead(), 1, 600)
    with beating(workspace):
        until(lambda: context.ledger.counts().states["quarantined"] == 1)
    assert workspace.call("dead.list").n_documents == 1


def test_a_job_whose_process_was_killed_is_finished_once(workspace, folder):
    for n in range(30):
        text = f"Company {n} Ltd, led by Anna Berg, sold {n} pumps to Halden Maritime AS in Oslo. "
        (folder / f"{n:02}.txt").write_text(text * 40)
    process = command(workspace, "add", str(folder))
    ledger = workspace.app.context.ledger
    try:
        until(lambda: ledger.counts().states["done"] >= 2 or process.poll() is not None)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        ended(process)
    (job,) = workspace.call("jobs.list").jobs
    assert (job.state, job.owner) == (JobState.RUNNING, None)
    assert ledger.counts().open
    with beating(workspace), beating(workspace):
        until(lambda: workspace.call("jobs.show", id=job.id).state is JobState.DONE)
    (again,) = workspace.call("jobs.list").jobs
    assert (again.id, again.attempts) == (job.id, 2)
    assert ledger.counts().states["done"] == 30
    assert ledger.counts().total == 30


def test_it_sweeps_when_it_begins_to_lead(workspace):
    blobs = workspace.app.context.blobs
    blobs.put("run/old/1.items", b"x")
    then = time.time() - 7200
    os.utime(blobs.path("run/old/1.items"), (then, then))
    with beating(workspace):
        until(lambda: not list(blobs.list("run/")))


def test_a_store_that_is_away_for_a_while_does_not_end_it(workspace, monkeypatch):
    cache = workspace.app.context.cache
    away = threading.Event()
    swap = type(cache.driver).swap

    def failing(self, *given, **more):
        if away.is_set():
            raise errors.Unavailable("away")
        return swap(self, *given, **more)

    monkeypatch.setattr(type(cache.driver), "swap", failing)
    with beating(workspace) as beat:
        until(beat.leading.is_set)
        away.set()
        until(lambda: not beat.leading.is_set())
        away.clear()
        until(beat.leading.is_set)


def test_signals_are_put_back():
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with until_told() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.wait(10)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_status_is_watched_while_another_process_works(workspace, folder):
    for n in range(20):
        (folder / f"{n:02}.txt").write_text(f"Anna Berg leads Halden Maritime AS, {n}. " * 200)
    watch = command(workspace, "status", "--watch", "--json")
    try:
        first = json.loads(watch.stdout.readline())
        assert first["total"] == 0
        adding = command(workspace, "add", str(folder))
        seen = []
        while not seen or seen[-1]["states"]["done"] < 20:
            seen.append(json.loads(watch.stdout.readline()))
        code, _, err = ended(adding)
        assert code == 0, err
        assert any(s["jobs"] and s["jobs"][0]["state"] == "running" for s in seen)
        assert any(s["rate_per_s"] for s in seen)
        watch.send_signal(signal.SIGINT)
        code, _, err = ended(watch)
    finally:
        watch.kill()
    assert (code, err) == (0, "")
