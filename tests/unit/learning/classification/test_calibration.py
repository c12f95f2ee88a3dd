"""Probabilities after one pass follow from texts that were scored before they were learnt from."""

import numpy as np
import pytest

from salient.learning.classification.calibration import SCORED, Ahead, scored


@pytest.mark.parametrize(("n_outputs", "n"), [(1, SCORED), (4, SCORED), (100_000, 10), (10**9, 1)])
def test_with_very_many_classes_fewer_texts_are_scored(n_outputs, n):
    assert scored(n_outputs) == n


def some(n, seed, sure):
    """Scores of three classes that are right as often as `sure` says."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n).astype(np.int32)
    said = np.where(rng.random(n) < sure, truth, rng.integers(0, 3, n))
    scores = np.zeros((n, 3), np.float32)
    scores[np.arange(n), said] = 1
    return scores, truth


def test_what_an_early_model_said_does_not_count():
    """It was wrong as often as right; the last one is right always."""
    ahead = Ahead()
    ahead.add(100, *some(400, 1, 0.0))
    for n_texts in (6000, 9000):
        ahead.add(n_texts, *some(400, n_texts, 1.0))
    shares = ahead.learnt(10_000).shares(np.array([[1, 0, 0]], np.float32))
    assert shares[0, 0] > 0.95
    # Of a stream that ended early it is all there is.
    early = Ahead()
    early.add(100, *some(400, 1, 0.0))
    assert early.learnt(10_000).shares(np.array([[1, 0, 0]], np.float32))[0, 0] < 0.5


def test_too_little_is_not_learnt_from():
    ahead = Ahead()
    assert ahead.learnt(10) is None
    ahead.add(100, *some(20, 1, 1.0))
    assert ahead.learnt(120) is None


def test_it_is_due_at_once_and_then_ever_more_seldom():
    ahead, at = Ahead(), []
    assert not ahead.due(0)
    for n_texts in range(SCORED, 200 * SCORED, SCORED):
        if ahead.due(n_texts):
            ahead.add(n_texts, *some(2, n_texts, 1.0))
            at.append(n_texts // SCORED)
    assert at[:3] == [1, 2, 3]
    assert len(at) < 40
    assert at[-1] - at[-2] > 15


def test_a_checkpoint_keeps_it():
    ahead = Ahead()
    for n_texts in range(100, 2000, 150):
        ahead.add(n_texts, *some(60, n_texts, 0.8))
    again = Ahead.of(ahead.arrays())
    assert again.due(1999) == ahead.due(1999)
    one, other = ahead.learnt(2000), again.learnt(2000)
    assert one.slope.tobytes() == other.slope.tobytes()
    assert one.offset.tobytes() == other.offset.tobytes()
    assert Ahead.of({}).arrays() == {}
