"""The compiled training loop and its definition say the same, in every mode."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salient.kernels import _embedding, embedding
from salient.kernels.embedding import (
    LEARN_DOCS,
    LEARN_OUTPUTS,
    LEARN_WORDS,
    MEAN,
    SENTENCE,
    WORDS,
)

LEARN = LEARN_WORDS | LEARN_OUTPUTS | LEARN_DOCS
V, DOCS, GRAMS = 12, 3, 7
CORPORA = st.lists(st.one_of(st.integers(0, V - 1), st.integers(-1 - DOCS, -1)), max_size=80).map(
    lambda c: np.array(c, np.int32)
)
MODES = [
    WORDS, WORDS | MEAN,  # skip-gram, CBOW
    0, MEAN | WORDS,  # PV-DBOW, PV-DM
]  # fmt: skip


def tables(seed, dim, *, pieces):
    random = np.random.default_rng(seed)
    rows = V + GRAMS if pieces else V
    starts, of = np.zeros(0, np.int64), np.zeros(0, np.int32)
    if pieces:
        lists = [[w, *(V + random.integers(0, GRAMS, random.integers(0, 5)))] for w in range(V)]
        starts = np.cumsum([0, *map(len, lists)], dtype=np.int64)
        of = np.array([p for one in lists for p in one], np.int32)
    floats = [random.normal(0, 0.3, (n, dim)).astype(np.float32) for n in (rows, V, DOCS)]
    keep = random.uniform(0.3, 1.5, V).astype(np.float32)
    return floats, keep, random.integers(0, V, 32).astype(np.int32), starts, of


def run(twin, case, corpus, *, k, window, flags, rate=0.05, seed=3):
    (inputs, outputs, docs), keep, negatives, starts, of = case
    copies = [a.copy() for a in (inputs, outputs, docs)]
    end = twin.train_embeddings(
        corpus, *copies, keep, negatives, starts, of, window, k, flags, rate, rate / 2, seed
    )
    return copies, end


@pytest.mark.parametrize("pieces", [False, True], ids=["words", "grams"])
@pytest.mark.parametrize("level", [0, -1], ids=["baseline", "best"])
@pytest.mark.parametrize("mode", MODES)
@settings(deadline=None, max_examples=25)
@given(
    corpus=CORPORA,
    seed=st.integers(0, 99),
    k=st.sampled_from([0, 1, 5, 9]),
    window=st.integers(1, 4),
)
def test_twins_agree(mode, level, pieces, corpus, seed, k, window):
    case = tables(seed, 16, pieces=pieces)
    _embedding.set_level(level)
    try:
        fast, told = run(_embedding, case, corpus, k=k, window=window, flags=mode | LEARN)
    finally:
        _embedding.set_level(-1)
    slow, expected = run(embedding, case, corpus, k=k, window=window, flags=mode | LEARN)
    for a, b in zip(slow, fast, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-4, atol=2e-5)
    assert (told[0], told[2]) == (expected[0], expected[2])
    np.testing.assert_allclose(told[1], expected[1], rtol=1e-3, atol=1e-4)


def test_sentences_longer_than_the_buffer_are_cut():
    case = tables(1, 8, pieces=True)
    corpus = np.random.default_rng(0).integers(0, V, 2 * SENTENCE + 5).astype(np.int32)
    fast, told = run(_embedding, case, corpus, k=5, window=2, flags=WORDS | LEARN, rate=1e-4)
    slow, _ = run(embedding, case, corpus, k=5, window=2, flags=WORDS | LEARN, rate=1e-4)
    assert told[0] == len(corpus)
    np.testing.assert_allclose(fast[0], slow[0], rtol=1e-3, atol=1e-4)


def test_equal_seeds_give_equal_bits_and_others_others():
    case = tables(5, 24, pieces=False)
    corpus = np.random.default_rng(0).integers(0, V, 500).astype(np.int32)
    one, again, other = (
        run(_embedding, case, corpus, k=5, window=3, flags=WORDS | LEARN, seed=s)[0][0]
        for s in (1, 1, 2)
    )
    assert one.tobytes() == again.tobytes() != other.tobytes()


@pytest.mark.parametrize(("flag", "table"), [(LEARN_WORDS, 0), (LEARN_OUTPUTS, 1), (LEARN_DOCS, 2)])
@pytest.mark.parametrize("mode", MODES)
def test_what_is_not_learned_stays(flag, table, mode):
    case = tables(5, 16, pieces=False)
    corpus = np.array([-2, 1, 2, 3, -3, 4, 5, 6, 1], np.int32)
    after, _ = run(_embedding, case, corpus, k=5, window=3, flags=mode | (LEARN & ~flag))
    np.testing.assert_array_equal(after[table], case[0][table])


def test_a_step_raises_what_was_seen_and_lowers_what_was_not():
    """The meaning: a step goes up the gradient of log-likelihood."""
    inputs, outputs = np.full((2, 8), 0.1, np.float32), np.full((2, 8), 0.1, np.float32)
    before = float(inputs[0] @ outputs[1])
    _embedding.train_embeddings(
        np.array([0, 1], np.int32), inputs, outputs, np.zeros((0, 8), np.float32), np.ones(2, np.float32),
        np.zeros(2, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int32), 1, 1, WORDS | LEARN, 0.1, 0.1, 1,
    )  # fmt: skip
    assert float(inputs[0] @ outputs[1]) > before


@pytest.mark.parametrize("twin", [embedding, _embedding])
@pytest.mark.parametrize(
    ("dim", "window", "k", "draws"),
    [(12, 2, 5, 32), (8, 0, 5, 32), (8, 33, 5, 32), (8, 2, 24, 32), (8, 2, 5, 31)],
)
def test_sizes_the_loops_do_not_have_are_refused(twin, dim, window, k, draws):
    case = tables(1, dim, pieces=False)
    with pytest.raises(ValueError, match=r"multiple of 8|window|power of two"):
        run(
            twin,
            (*case[:2], case[2][:draws], *case[3:]),
            np.zeros(1, np.int32),
            k=k,
            window=window,
            flags=WORDS,
        )
