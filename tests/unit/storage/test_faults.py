"""Injected faults: the same for the same seed, at the rate that was asked for."""

import time

import pytest

from salient.errors import Misconfigured, Unavailable
from salient.storage.faults import Faults
from salient.storage.urls import Options


def run(query, calls=1000, kind="write"):
    """For each call: was it done, and did the caller see it done?"""
    faults = Faults(Options(query))
    seen = []
    for _ in range(calls):
        done = []
        try:
            getattr(faults, kind)(lambda done=done: done.append(1))
        except Unavailable:
            seen.append((bool(done), False))
        else:
            seen.append((bool(done), True))
    return seen, faults


def test_without_options_nothing_goes_wrong():
    seen, faults = run("")
    assert set(seen) == {(True, True)}
    assert faults.injected == 0
    assert not faults.tears()


def test_equal_seeds_give_equal_faults():
    assert run("errors=0.3&lost=0.3&seed=4")[0] == run("errors=0.3&lost=0.3&seed=4")[0]
    assert run("errors=0.3&lost=0.3&seed=4")[0] != run("errors=0.3&lost=0.3&seed=5")[0]


def test_a_call_that_fails_was_not_done():
    seen, faults = run("errors=0.2&seed=1")
    assert set(seen) == {(True, True), (False, False)}
    assert seen.count((False, False)) == faults.injected == pytest.approx(200, rel=0.2)


def test_a_lost_answer_is_of_a_write_that_was_done():
    seen, faults = run("lost=0.2&seed=1")
    assert set(seen) == {(True, True), (True, False)}
    assert seen.count((True, False)) == faults.injected == pytest.approx(200, rel=0.2)


def test_reads_lose_no_answers():
    assert set(run("lost=1", kind="read")[0]) == {(True, True)}
    assert set(run("errors=1", kind="read")[0]) == {(False, False)}


def test_writes_tear_at_their_rate():
    faults = Faults(Options("torn=0.5&seed=2"))
    torn = [faults.tears() for _ in range(1000)]
    assert sum(torn) == faults.injected == pytest.approx(500, rel=0.15)
    assert isinstance(faults.tear(), Unavailable)


def test_rates_may_change_while_it_runs():
    faults = Faults(Options("errors=1"))
    with pytest.raises(Unavailable):
        faults.read(int)
    faults.errors = 0.0
    assert faults.read(int) == 0


def test_latency_is_waited_for_and_is_no_fault(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    _, faults = run("latency_ms=10&seed=3", calls=500)
    assert len(slept) == 500
    assert min(slept) >= 0
    assert max(slept) <= 0.020
    assert sum(slept) / 500 == pytest.approx(0.010, rel=0.1)
    assert faults.injected == 0


def test_an_error_of_the_call_itself_passes_through():
    def refuse():
        raise KeyError("x")

    with pytest.raises(KeyError):
        Faults(Options("")).write(refuse)


@pytest.mark.parametrize("query", ["errors=-1", "errors=x", "seed=1.5", "eror=0.1"])
def test_options_that_make_no_sense_are_refused(query):
    with pytest.raises(Misconfigured):
        Faults(Options(query))
