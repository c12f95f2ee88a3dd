"""What says when, and what only how long or where."""

import pytest

from salient.knowledge.dates import is_absolute, is_date


@pytest.mark.parametrize(
    "surface",
    [
        "May 2020",
        "5th day of February, 2020",
        "09/24/2018",
        "2017",
        "in 2017",
        "the 1990s",
        "31 December",
        "2019-04-01",
    ],
)
def test_dates_of_the_calendar(surface):
    assert is_absolute(surface)
    assert is_date(surface)


@pytest.mark.parametrize(
    "surface", ["last year", "Monday", "today", "three years ago", "this week"]
)
def test_relative_dates_are_dates_but_no_value_of_a_fact(surface):
    assert is_date(surface)
    assert not is_absolute(surface)


@pytest.mark.parametrize(
    "surface",
    [
        "weekly",
        "30 days",
        "thirty (30) days",
        "the past two years",
        "CA 94065",
        "Suite 1600",
        "2521",
        "52",
        "2521 CC",
        "quarterly",
    ],
)
def test_lengths_frequencies_and_postcodes_are_none(surface):
    assert not is_date(surface)
