"""Ctrl-C stops long work at a place where it may be stopped."""

import os
import signal

import pytest

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
