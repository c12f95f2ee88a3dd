"""Killed at any moment, the same command finishes with nothing lost or doubled."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import salient

TEXTS = 24


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    for n in range(TEXTS):
        words = f"Company Number {n} Ltd, led by Anna Berg, sold {n + 2} pumps to Halden Maritime AS in Oslo. "
        (made / f"{n:02}.txt").write_text(words * 20)
    return made


def exported(data):
    """Everything a workspace says of its documents, but times and run details."""
    out = {}
    with salient.open(data, pipeline={"processes": 1}) as workspace:
        context = workspace.app.context
        from salient.services import exports

        for what in ("mentions", "entities", "facts", "annotations"):
            request = exports.request_of(what, "jsonl", {})
            out[what] = hashlib.sha256(b"".join(exports.stream(request, context))).hexdigest()
        out["states"] = workspace.status().states
        out["passages"] = workspace.status().n_passages
        out["found"] = workspace.search("pumps", limit=100).total
    return out


def add(data, folder, *more):
    return subprocess.Popen(
        [sys.executable, "-m", "salient", "add", str(folder), "--data-dir", str(data), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={**os.environ, "SALIENT_PIPELINE__BATCH": "4"},
    )


def progress(data):
    """Documents that are done, read beside the running process."""
    import sqlite3

    try:
        with sqlite3.connect(f"file:{data}/salient.db?mode=ro", uri=True) as tables:
            return tables.execute("SELECT COUNT(*) FROM document WHERE state = 'done'").fetchone()[
                0
            ]
    except sqlite3.OperationalError:
        return 0


def kill_group(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["1", "2"])
def test_kill_minus_nine_in_the_middle_loses_and_doubles_nothing(tmp_path, folder, processes):
    process = add(tmp_path / "killed", folder, "--processes", processes)
    deadline = time.monotonic() + 120
    while progress(tmp_path / "killed") < 4 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    kill_group(process)
    assert progress(tmp_path / "killed") >= 4
    again = add(tmp_path / "killed", folder, "--processes", processes)
    _, err = again.communicate(timeout=200)
    assert again.returncode == 0, err.decode()
    with salient.open(tmp_path / "calm", pipeline={"processes": 1}) as workspace:
        workspace.add(folder)
    killed, calm = exported(tmp_path / "killed"), exported(tmp_path / "calm")
    assert killed == calm
    assert killed["states"]["done"] == TEXTS
    assert json.dumps(killed["states"]).count("running") == 1
    assert killed["states"]["running"] == 0


def test_an_interrupt_ends_cleanly_and_says_how_to_go_on(tmp_path, folder):
    process = add(tmp_path / "data", folder)
    deadline = time.monotonic() + 120
    while progress(tmp_path / "data") < 1 and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    if process.returncode != 0:  # it may have finished just before
        assert process.returncode == 130
        assert b"goes on from here" in err
    with salient.open(tmp_path / "data", pipeline={"processes": 1}) as workspace:
        assert workspace.add().states["done"] == TEXTS
