"""Jobs and what was given up, from the command line."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import salient
from salient import errors
from salient.work import Recipe, deadletters

ENV = {"COLUMNS": "200", "NO_COLOR": "1", "SALIENT_NLP__ENCODER": "hashing"}


def command(data, *arguments):
    return [sys.executable, "-m", "salient", *map(str, arguments), "--data-dir", str(data)]


def run(data, *arguments):
    return subprocess.run(
        command(data, *arguments), capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, **ENV},
    )  # fmt: skip


def listed(data):
    return json.loads(run(data, "jobs", "list", "--json").stdout)["jobs"]


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "in"
    made.mkdir()
    for n in range(40):
        text = f"Company {n} Ltd, led by Anna Berg, sold {n} pumps to Halden Maritime AS in Oslo. "
        (made / f"{n:02}.txt").write_text(text * 60)
    return made


def test_another_terminal_pauses_an_add_lets_it_go_on_and_stops_it(tmp_path, folder):
    data = tmp_path / "data"
    with subprocess.Popen(
        command(data, "add", folder, "-p", 1), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **ENV, "SALIENT_PIPELINE__BATCH": "4"},
    ) as adding:  # fmt: skip
        with salient.open(data, nlp={"encoder": "hashing"}) as workspace:

            def reaches(state):
                deadline = time.monotonic() + 240
                while not (jobs := workspace.call("jobs.list").jobs) or jobs[0].state != state:
                    assert time.monotonic() < deadline, jobs
                    assert adding.poll() is None
                    time.sleep(0.02)
                return jobs[0]

            # Held from here first: a command takes a while to start, and the documents go on.
            job = reaches("running")
            workspace.call("jobs.pause", id=job.id)
            reaches("paused")
            assert run(data, "jobs", "pause", job.id[:8]).stdout == "paused\n"
            assert "documents.add paused" in run(data, "status").stdout
            assert "goes on" in run(data, "jobs", "resume", job.id).stdout
            reaches("running")
            workspace.call("jobs.pause", id=job.id)
            reaches("paused")
        stopped = run(data, "jobs", "cancel", job.id)
        out, err = adding.communicate(timeout=120)
    assert stopped.returncode == 0, stopped.stderr
    assert (adding.returncode, "what is done stays done" in err) == (130, True), (out, err)
    (job,) = listed(data)
    assert job["state"] == "cancelled"
    assert run(data, "jobs", "pause", job["id"]).returncode == 1
    again = run(data, "jobs", "retry", job["id"])
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["states"]["done"] == 40
    newest, _ = listed(data)
    assert (newest["state"], newest["retry_of"]) == ("done", job["id"])
    shown = run(data, "jobs", "show", newest["id"]).stdout
    assert "documents.add" in shown
    assert job["id"] in shown


def test_ctrl_c_is_a_job_that_was_stopped(tmp_path, folder):
    data = tmp_path / "data"
    with subprocess.Popen(
        command(data, "add", folder, "-p", 1), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **ENV},
    ) as adding:  # fmt: skip
        with salient.open(data, nlp={"encoder": "hashing"}) as workspace:
            deadline = time.monotonic() + 240
            while not any(j.done for j in workspace.call("jobs.list").jobs):
                assert time.monotonic() < deadline
                time.sleep(0.02)
        adding.send_signal(signal.SIGINT)
        adding.communicate(timeout=120)
    assert adding.returncode == 130
    assert [j["state"] for j in listed(data)] == ["cancelled"]


def test_a_job_that_failed_says_why(tmp_path):
    data = tmp_path / "data"
    assert run(data, "add", tmp_path / "nowhere").returncode == 1
    (job,) = listed(data)
    assert "there is no file or folder" in run(data, "jobs", "show", job["id"][:6]).stdout
    queued = run(data, "jobs", "retry", job["id"], "--queue")
    assert "salient serve" in queued.stdout
    assert "waits for" in run(data, "status").stdout
    newest, _ = listed(data)
    assert run(data, "jobs", "cancel", newest["id"]).stdout == "cancelled\n"
    assert run(data, "jobs", "show", "no-such").returncode == 1


def test_calls_that_were_given_up_are_listed_and_forgotten(tmp_path):
    data = tmp_path / "data"
    with salient.open(data, nlp={"encoder": "hashing"}) as workspace:
        letter = deadletters.put(
            workspace.app.context.records, Recipe("salient.nowhere:make"), {"n": 1}, errors.Corrupt("it is torn"),
            keep=10, workspace="default",
        )  # fmt: skip
    said = run(data, "dead", "list").stdout
    assert "1 calls given up" in said
    assert "it is torn" in said
    refused = run(data, "dead", "retry", letter.id)
    assert refused.returncode == 1
    assert "salient.nowhere" in refused.stderr
    assert run(data, "dead", "clear", letter.id).stdout == "1 calls forgotten\n"
    assert "0 calls given up" in run(data, "dead", "list").stdout


def test_a_watch_without_a_terminal_tells_what_changed_in_lines(tmp_path):
    data = tmp_path / "data"
    with subprocess.Popen(
        command(data, "status", "--watch"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **ENV},
    ) as watching:  # fmt: skip
        assert watching.stdout.readline() == "0 documents: none yet\n"
        (tmp_path / "a.txt").write_text("Anna Berg leads Halden Maritime AS.")
        run(data, "add", tmp_path / "a.txt")
        while "1 documents: done 1" not in (line := watching.stdout.readline()):
            assert line
        watching.send_signal(signal.SIGINT)
        _, err = watching.communicate(timeout=60)
    assert (watching.returncode, err) == (0, "")
