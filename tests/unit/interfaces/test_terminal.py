"""Ctrl-C stops long work at a place where it may be stopped."""

import os
import signal
import subprocess
import sys

import pytest

from salient.interfaces.tables import counting
from salient.interfaces.terminal import watched
from salient.pipeline.run import Cancelled, Progress


@pytest.fixture(autouse=True)
def python_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_ctrl_c_is_seen_by_the_next_report(capfd):
    with watched("working") as report:
        report(Progress("work", 1, 9))
        signal.raise_signal(signal.SIGINT)
        assert "Ctrl-C again" in capfd.readouterr().err
        with pytest.raises(Cancelled):
            report(Progress("work", 2, 9))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_is_heard_where_nobody_reads_what_is_told():
    read, write = os.pipe()
    os.close(read)
    kept = os.dup(2)
    try:
        with watched("working") as report:
            os.dup2(write, 2)
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(Cancelled):
                report(Progress("work", 1, 9))
    finally:
        os.dup2(kept, 2)
        for number in (kept, write):
            os.close(number)


def test_the_second_ctrl_c_stops_at_once():
    with watched("working"):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_what_is_counted_stops_too_and_says_what_is_kept():
    with counting("reading", stopped="stopped; the rest comes later") as advance:
        advance(1)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(Cancelled, match="the rest comes later"):
            advance(1)


def test_work_that_ended_meanwhile_is_done():
    with watched("working"):
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_host_that_handles_ctrl_c_itself_goes_on_doing_so():
    seen = []
    signal.signal(signal.SIGINT, lambda *given: seen.append(given))
    with watched("working") as report:
        signal.raise_signal(signal.SIGINT)
        report(Progress("work", 1, 1))
    assert len(seen) == 1


def test_ctrl_c_while_modules_load_is_no_traceback():
    code = """
import os, sys, signal
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == "salient.app":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
signal.signal(signal.SIGINT, signal.default_int_handler)
from salient.__main__ import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
