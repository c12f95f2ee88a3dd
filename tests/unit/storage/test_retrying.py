"""Retries: of what is unavailable for the moment only, within bounds of number and time."""

import pytest

from salient.errors import Conflict, TimedOut, Unavailable
from salient.storage import retrying
from salient.storage.retrying import Retry


class Clock:
    def __init__(self):
        self.now, self.slept = 0.0, []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(retrying, "time", clock)
    return clock


def failing(times, error=Unavailable, took_s=0.0, clock=None):
    calls = []

    def call():
        calls.append(1)
        if clock is not None:
            clock.now += took_s
        if len(calls) <= times:
            raise error("away")
        return "done"

    return call, calls


def test_what_works_is_run_once(clock):
    call, calls = failing(0)
    assert Retry()(call) == "done"
    assert (len(calls), clock.slept) == (1, [])


def test_what_comes_back_is_tried_until_then(clock):
    call, calls = failing(3)
    assert Retry(attempts=4)(call) == "done"
    assert (len(calls), len(clock.slept)) == (4, 3)


def test_the_last_error_says_how_often_it_was_tried(clock):
    call, calls = failing(99)
    with pytest.raises(Unavailable) as info:
        Retry(attempts=3)(call)
    assert len(calls) == info.value.context["attempts"] == 3


@pytest.mark.parametrize("error", [Conflict, ValueError, KeyboardInterrupt])
def test_other_errors_are_not_tried_again(clock, error):
    call, calls = failing(99, error)
    with pytest.raises(error):
        Retry()(call)
    assert len(calls) == 1


def test_a_time_out_is_not_tried_again(clock):
    """The caller's time is spent, and what timed out may have been done."""
    call, calls = failing(99, TimedOut)
    with pytest.raises(TimedOut) as info:
        Retry()(call)
    assert len(calls) == info.value.context["attempts"] == 1


def test_pauses_grow_to_a_bound_and_differ(clock):
    call, _ = failing(999)
    retry = Retry(attempts=200, first_pause_s=0.1, longest_pause_s=0.4, within_s=1e9)
    with pytest.raises(Unavailable):
        retry(call)
    assert max(clock.slept[:1]) <= 0.1
    assert max(clock.slept[:2]) <= 0.2
    assert 0.3 < max(clock.slept) <= 0.4
    assert len(set(clock.slept)) == len(clock.slept)


def test_no_attempt_starts_after_the_bound(clock):
    call, calls = failing(99, took_s=3.0, clock=clock)
    with pytest.raises(Unavailable):
        Retry(attempts=50, within_s=5.0)(call)
    assert len(calls) == 2
