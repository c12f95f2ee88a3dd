"""The scores of coreference, against cases computed by hand and by their papers."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

BENCH = Path(__file__).resolve().parents[3] / "bench"


@pytest.fixture(scope="module")
def scores():
    spec = importlib.util.spec_from_file_location("coreference_data", BENCH / "coreference_data.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["coreference_data"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["coreference_data"]


def chains(*mentions):
    return [frozenset(m) for m in mentions]


KEY = chains(range(1, 6), (6, 7), (8, 9, 10, 11, 12))
ONE = chains(range(1, 6), range(6, 13))  # the key's last two chains as one
TWO = chains((1, 2, 3, 4, 5, 8, 9, 10, 11, 12), (6, 7))  # its two long ones


def ratio(score):
    right, of_key, found, of_response = score
    return right / of_key, found / of_response


def test_muc_counts_missing_links(scores):
    assert ratio(scores.muc(KEY, ONE)) == (1, pytest.approx(9 / 10))
    assert ratio(scores.muc(KEY, TWO)) == (1, pytest.approx(9 / 10))


def test_b_cubed_tells_a_large_mistake_from_a_small_one(scores):
    """Bagga and Baldwin 1998, figures 1 to 3: 76 % and 58 %."""
    assert ratio(scores.b_cubed(KEY, ONE)) == (1, pytest.approx(0.762, abs=0.001))
    assert ratio(scores.b_cubed(KEY, TWO)) == (1, pytest.approx(0.583, abs=0.001))


def test_ceaf_matches_chains_one_to_one(scores):
    # ONE: 2*5/10 for the first, 2*5/(5+7) for the third with both; the second is left over.
    recall, precision = ratio(scores.ceaf_e(KEY, ONE))
    assert recall == pytest.approx((1 + 10 / 12) / 3)
    assert precision == pytest.approx((1 + 10 / 12) / 2)


def test_perfect_is_a_hundred_and_nothing_is_zero(scores):
    assert scores.conll([(KEY, KEY)])["conll"] == 100
    assert scores.conll([(KEY, [])])["conll"] == 0


def test_b_cubed_counts_a_mention_that_was_not_found_as_missed(scores):
    assert ratio(scores.b_cubed(chains((1, 2, 3)), chains((1, 2)))) == (pytest.approx(4 / 9), 1)


@given(arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(0, 9).map(float)))  # fmt: skip
def test_the_best_match_is_the_best_of_all(scores, table):
    small = table if table.shape[0] <= table.shape[1] else table.T
    ways = itertools.permutations(range(small.shape[1]), small.shape[0])
    assert scores.assignment(table) == max(sum(small[i, j] for i, j in enumerate(w)) for w in ways)
