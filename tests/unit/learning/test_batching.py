"""Texts in parts: in order, whatever they come in, and some for each thread."""

import threading

import numpy as np
import pyarrow as pa
import pytest

from salient.errors import InvalidInput
from salient.kernels.terms import bytes_of
from salient.learning.batching import BATCH, batches, parallel
from salient.learning.classification import TextClassifier

TEXTS = [f"text {at} é" for at in range(300)]
FORMS = [
    list, tuple, np.array, iter,
    lambda t: [one.encode() for one in t],
    pa.array,
    lambda t: pa.chunked_array([t[:7], t[7:]]),
]  # fmt: skip


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("form", FORMS)
def test_parts_are_all_of_it_in_order(form, threads):
    parts = [bytes_of(part) for part in batches(form(TEXTS), threads=threads)]
    assert [one.decode() for part in parts for one in part] == TEXTS


@pytest.mark.parametrize("form", [list, pa.array])
def test_few_texts_are_shared_by_threads_too(form):
    assert [len(bytes_of(part)) for part in batches(form(TEXTS), threads=2)] == [38] * 7 + [34]
    assert len(list(batches(form(TEXTS[:40]), threads=2))) == 2
    assert len(list(batches(form(TEXTS)))) == 1
    many = [TEXTS[0]] * (20 * BATCH + 1)
    assert len(list(batches(form(many), threads=2))) == 21


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("wrong", ["a", b"a", np.array("a"), np.array([["a"]]), [1], [None]])
def test_what_is_no_texts_is_refused(wrong, threads):
    with pytest.raises(InvalidInput):
        list(batches(wrong, threads=threads))


def test_threads_work_at_once_and_answer_in_order():
    meeting = threading.Barrier(2, timeout=30)

    def work(part):
        meeting.wait()
        return part

    assert parallel(work, iter(range(4)), 2) == [0, 1, 2, 3]


def test_scores_do_not_depend_on_threads():
    labels = [("odd", "even")[at % 2] for at in range(300)]
    model = TextClassifier(characters=(3, 5)).fit(TEXTS, labels)
    alone = model.predict_proba(TEXTS)
    model.threads = 3
    np.testing.assert_array_equal(model.predict_proba(TEXTS), alone)
