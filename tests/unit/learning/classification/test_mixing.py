"""One pass wants its rows mixed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.learning.classification import Mixed

ROWS = [(f"text {n}", "abc"[n // 100]) for n in range(300)]


@given(st.lists(st.text(max_size=5)), st.integers(1, 9), st.integers(1, 30))
def test_every_row_comes_once_and_near_its_place(texts, n_rows, characters):
    rows = list(zip(texts, range(len(texts)), strict=True))
    mixed = list(Mixed(rows, rows=n_rows, characters=characters))
    assert sorted(mixed, key=lambda row: row[1]) == rows
    assert all(abs(at - row[1]) < n_rows for at, row in enumerate(mixed))
    assert mixed == list(Mixed(rows, rows=n_rows, characters=characters))


def test_seeds_differ():
    assert list(Mixed(ROWS)) != ROWS
    assert list(Mixed(ROWS)) != list(Mixed(ROWS, seed=1))


@pytest.mark.parametrize(
    ("rows", "in_order"),
    [
        (ROWS, False),
        ([], False),
        (ROWS[:1], False),
        ([(t, ["x"]) for t, _ in ROWS], False),  # one class alone is in no order
    ],
)
def test_what_fits_into_a_block_is_in_no_order(rows, in_order):
    mixed = Mixed(rows)
    assert len(list(mixed)) == len(rows)
    assert mixed.in_order is in_order


def test_what_is_sorted_over_more_than_a_block_is_known():
    mixed = Mixed(ROWS, rows=50)
    assert [told for _, told in mixed] == [told for _, told in ROWS]
    assert mixed.in_order


def test_of_a_block_in_which_rows_fail_nothing_comes():
    def broken():
        yield from ROWS[:45]
        raise OSError("the disk is gone")

    seen = []
    with pytest.raises(OSError, match="gone"):
        seen.extend(Mixed(broken(), rows=30))
    assert sorted(seen) == sorted(ROWS[:30])
