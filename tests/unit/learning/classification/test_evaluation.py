"""Figures of a classifier, held against hand-made ones."""

import numpy as np
import pytest

from salient.errors import InvalidInput
from salient.learning.classification import (
    TextClassifier,
    cross_validate,
    held_out,
    measured,
    thresholds,
    together,
    tune,
)
from tests.unit.learning.classification.test_model import corpus, small


def test_figures_by_class():
    report = measured(["a", "a", "b", "c"], ["a", "b", "b", "b"])
    assert report.classes == ("a", "b", "c")
    assert report.accuracy == report.micro_f1 == 0.5
    a, b, c = report.by_class
    assert (a.precision, a.recall, a.f1, a.support) == (1.0, 0.5, pytest.approx(2 / 3), 2)
    assert (b.precision, b.recall, c.f1) == (pytest.approx(1 / 3), 1.0, 0.0)
    assert report.confusion == ((1, 1, 0), (0, 1, 0), (0, 1, 0))
    assert report.macro_f1 == pytest.approx((2 / 3 + 0.5 + 0) / 3)


def test_figures_of_several_labels():
    report = measured([{"a", "b"}, {"a"}, set()], [("a",), ("a",), ("b",)])
    assert report.accuracy == pytest.approx(1 / 3)
    assert report.micro_f1 == pytest.approx(2 * (2 / 3) * (2 / 3) / (4 / 3))
    assert report.confusion == ()


def test_how_sure_and_how_right():
    shares = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    report = measured(["a", "a", "b", "b"], ["a", "a", "b", "a"], shares, ["a", "b"])
    assert report.log_loss == pytest.approx(-np.log([0.9, 0.8, 0.7, 0.4]).mean())
    assert report.calibration_error == pytest.approx((0.1 + 0.2 + 0.3 + 0.6) / 4)
    assert sum(n for _, _, n in report.bins) == 4


def test_figures_of_nothing_are_refused():
    for true, said in (([], []), (["a"], ["a", "b"])):
        with pytest.raises(InvalidInput):
            measured(true, said)
    with pytest.raises(InvalidInput, match="not among"):
        measured(["a"], ["z"], classes=["a"])


def test_every_text_is_measured_once_by_a_model_that_never_saw_it():
    texts, labels = corpus(120)
    reports = list(cross_validate(small(), texts, labels, folds=4))
    assert [sum(m.support for m in r.by_class) for r in reports] == [30] * 4
    assert [m.support for m in reports[0].by_class] == [10, 10, 10]
    assert all(r.accuracy > 0.8 for r in reports)
    wrong = [f"x{at}" for at in range(60)]
    nothing = list(cross_validate(small(), wrong, ["a", "b"] * 30, folds=3))
    assert np.mean([r.accuracy for r in nothing]) < 0.75
    with pytest.raises(InvalidInput):
        list(cross_validate(small(), texts[:3], labels[:3], folds=4))


def test_a_class_of_one_text_does_not_stop_it():
    texts, labels = corpus(60)
    labels[7] = "once"
    reports = list(cross_validate(small(), texts, labels, folds=3))
    assert {"once"} == {c for r in reports for c in r.classes} - {"sea", "law", "food"}


def test_thresholds_give_the_best_f():
    scores = np.array([[0.9, 1], [0.8, 1], [0.4, 1], [0.1, 1]])
    true = np.array([[1, 0], [0, 0], [1, 0], [0, 0]])
    found = thresholds(scores, true)
    assert 0.1 < found[0] < 0.4
    assert found[1] == np.inf
    strict = thresholds(scores, true, beta=0.1)
    assert 0.8 < strict[0] < 0.9
    with pytest.raises(InvalidInput):
        thresholds(scores, true[:2])


def test_the_least_sureness_that_is_right_often_enough():
    texts, labels = corpus(200)
    labels = ["law" if at % 5 == 0 else label for at, label in enumerate(labels)]
    model = TextClassifier(n_bits=14).fit(texts, labels)
    found = tune(model, texts, labels, precision=0.85, folds=4)
    assert found.accuracy >= 0.85
    assert 0 < found.answered < 1
    assert model.reject_ == found.thresholds[0]
    said, shares = model.predicted(texts)
    assert ((said == -1) == (shares.max(1) < model.reject_)).all()
    surer = tune(model, texts, labels, precision=0.9, folds=4)
    assert surer.answered <= found.answered
    assert len(set(model.predict(texts))) == 3  # never without a class, as scikit-learn has it
    with pytest.raises(InvalidInput, match="say how precise"):
        tune(model, texts, labels)
    with pytest.raises(InvalidInput, match="at best"):
        tune(model, ["the a of"] * 4, ["sea", "law", "food", "sea"], precision=0.9, folds=0)
    with pytest.raises(InvalidInput, match="several folds"):
        tune(model, [*texts, "x"], [*labels, "once"], precision=0.5)


def test_what_is_held_out_is_measured_once():
    texts, labels = corpus(100)
    report = held_out(TextClassifier(n_bits=14), texts, labels, share=0.25)
    assert report.n_texts == 25
    with pytest.raises(InvalidInput, match="held out"):
        held_out(TextClassifier(n_bits=14), texts, labels, share=0.9)
    whole = together(list(cross_validate(TextClassifier(n_bits=14), texts, labels, folds=4)))
    assert whole.n_texts == sum(map(sum, whole.confusion)) == 100
    assert whole.accuracy == pytest.approx(sum(whole.confusion[c][c] for c in range(3)) / 100)
