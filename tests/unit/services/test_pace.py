"""How fast a count grows, and how long the rest takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.services.pace import Pace


def paced(*seen):
    pace = Pace()
    for done, at in seen:
        pace.observe(done, at)
    return pace


def test_nobody_can_say_at_first():
    assert paced().rate_per_s(5.0) is None
    assert paced((0, 0.0)).rate_per_s(0.5) is None
    assert paced((0, 0.0), (1, 30.0)).rate_per_s(30.0) is None  # one document is no speed
    assert paced((0, 0.0), (90, 0.5)).rate_per_s(0.5) is None  # nor is half a second a time


@given(
    st.integers(2, 50), st.floats(0.1, 100.0), st.lists(st.integers(1, 9), min_size=3, max_size=60)
)
def test_an_even_speed_is_found_however_it_is_looked_at(start, rate, steps):
    pace, done, at = Pace(), start, 0.0
    for step in [0, *steps]:
        done, at = done + step, at + step / rate
        pace.observe(done, at)
    if pace.rate_per_s(at) is not None:
        assert pace.rate_per_s(at) == pytest.approx(rate)
        assert pace.left_s(10, at) == pytest.approx(10 / rate)


def test_what_was_long_ago_counts_little():
    seen = [(n * 10, float(n)) for n in range(60)] + [(600 + n, 60.0 + n) for n in range(300)]
    assert paced(*seen).rate_per_s(359.0) == pytest.approx(1.0, rel=0.1)


def test_it_falls_while_nothing_comes():
    pace = paced(*((n, float(n)) for n in range(60)))
    speeds = [pace.rate_per_s(60.0 + wait) for wait in (0, 30, 300)]
    assert speeds == sorted(speeds, reverse=True)
    assert speeds[-1] < 0.01


def test_the_time_of_a_pause_is_left_out():
    pace = paced(*((n, float(n)) for n in range(60)))
    pace.rest()
    assert pace.rate_per_s(5000.0) == pytest.approx(1.0)
    pace.observe(59, 5000.0)
    pace.observe(60, 5001.0)
    assert pace.rate_per_s(5001.0) == pytest.approx(1.0)


def test_a_count_that_was_a_little_too_high_is_no_other_one():
    seen = [(n + (3 if n % 10 == 9 else 0), float(n)) for n in range(100)]
    assert paced(*seen).rate_per_s(99.0) == pytest.approx(1.0, rel=0.1)


def test_a_count_that_falls_by_half_is_another_one():
    pace = paced(*((n * 100, float(n)) for n in range(60)))
    pace.observe(3, 60.0)
    assert pace.rate_per_s(60.0) is None
    pace.observe(5, 62.0)
    assert pace.rate_per_s(62.0) == pytest.approx(1.0)


def test_at_a_stand_nobody_knows_when_it_ends():
    assert paced((0, 0.0), (0, 99.0)).left_s(5, 99.0) is None
