"""Linear models over hashed features: compiled and defined alike, and what training does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salient.kernels import _linear, _terms, linear, terms
from salient.kernels.linear import State, stride_of

BITS = 8
TEXTS = st.lists(st.text("ab cdé北", max_size=30), min_size=1, max_size=5)
TWINS = pytest.mark.parametrize("twin", [linear, _linear], ids=["defined", "compiled"])


def state(n_outputs, seed=1, prior=False, average_from=0):
    rng = np.random.default_rng(seed)
    stride = stride_of(n_outputs)
    rows = np.zeros((1 << BITS, stride), np.float32)
    rows[:, : 1 + n_outputs] = rng.normal(0, 0.3, (1 << BITS, 1 + n_outputs))
    rows[:, 0] = rng.uniform(0.5, 3, 1 << BITS)
    return State(
        rows, np.zeros_like(rows), np.zeros(1 << BITS, np.int64), np.zeros(stride, np.float32),
        np.zeros(stride, np.float32), average_from=average_from,
        prior=np.abs(rows) if prior else None,
    )  # fmt: skip


def features(texts, words=2):
    return terms.hashed_features(texts, BITS, words, 0, 0)


@settings(deadline=None)
@given(
    TEXTS, st.sampled_from([1, 2, 3, 4, 7, 8]), st.sampled_from([(1, 0, 0), (3, 0, 0), (0, 2, 4)])
)
def test_scores_agree_hashed_at_once_or_before(texts, n_outputs, spec):
    rows = state(n_outputs).rows
    wanted = linear.linear_scores(texts, BITS, *spec, rows, n_outputs)
    got = _linear.linear_scores(texts, BITS, *spec, rows, n_outputs)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
    sparse = terms.hashed_features(texts, BITS, *spec)
    for twin in (linear, _linear):
        np.testing.assert_allclose(
            twin.sparse_scores(*sparse, rows, n_outputs), wanted, rtol=1e-4, atol=1e-5
        )


@settings(deadline=None)
@given(TEXTS, st.sets(st.integers(0, (1 << BITS) - 1)), st.sampled_from([1, 4]))
def test_rows_of_the_columns_held_alone_score_the_same(texts, held, n_outputs):
    """Columns without rows weigh nothing: neither in the score nor in the length of a text."""
    rows = state(n_outputs).rows
    columns = np.array(sorted(held), np.int64)
    rows[np.setdiff1d(np.arange(1 << BITS), columns)] = 0
    index = linear.Index.of(columns, BITS)
    few = np.concatenate([rows[columns], np.zeros_like(rows[:1])])
    assert index.n == len(columns)
    assert index.places(columns).tolist() == list(range(index.n))
    wanted = linear.linear_scores(texts, BITS, 2, 0, 0, rows, n_outputs)
    for twin in (linear, _linear):
        got = twin.linear_scores(texts, BITS, 2, 0, 0, few, n_outputs, index)
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)
        with pytest.raises(ValueError, match="rows"):
            twin.linear_scores(texts, BITS, 2, 0, 0, few[:0], n_outputs, index)
        with pytest.raises(ValueError, match="index"):
            twin.linear_scores(
                texts, BITS, 2, 0, 0, few, n_outputs, index._replace(before=index.before + 1)
            )


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 62, 63, 64, 65, 127, 128, 129, 200])
@pytest.mark.parametrize("sign", [" ", "x", "x ", "ab, ", "é"])
def test_terms_at_the_edges_of_blocks(size, sign):
    """Compiled code cuts 64 bytes at a time."""
    for text in ((sign * size)[:size], "Q" * size + sign, sign + "_9" * size):
        data = text.encode()
        for got, wanted in zip(_terms.term_hashes(data), terms.term_hashes(data), strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_strings_bytes_and_packed_texts_are_the_same():
    texts = ["Ships sank.", "Größe 北京", "", "a b a"]
    encoded = [t.encode() for t in texts]
    data = np.frombuffer(b"".join(encoded), np.uint8)
    offsets = np.cumsum([0, *map(len, encoded)]).astype(np.int64)
    rows = state(2).rows
    wanted = _linear.linear_scores(texts, BITS, 2, 0, 0, rows, 2)
    for given_ in (encoded, (data, offsets)):
        assert _linear.linear_scores(given_, BITS, 2, 0, 0, rows, 2).tobytes() == wanted.tobytes()
    assert (wanted[2] == 0).all()


def trained(twin, loss, n_outputs, *, many=False, prior=False, l1=0.0, l2=0.0, average_from=0):
    texts = ["a b c", "b c d é", "d d d a", "北 é", "", "a a b"] * 3
    sparse = features(texts)
    n = len(texts)
    rng = np.random.default_rng(3)
    targets = rng.integers(0, max(n_outputs, 2), n).astype(np.int32)
    labels = rng.integers(0, 2, (n, n_outputs)).astype(np.uint8) if many else None
    model = state(n_outputs, prior=prior, average_from=average_from)
    weights = rng.uniform(0.5, 2, n).astype(np.float32)
    order = rng.permutation(n).astype(np.int64)
    lost = [
        twin.linear_pass(
            *sparse, targets, labels, weights, order, model, n_outputs, loss, 0.5, 1e-3, l1, l2, 0.7
        )
        for _ in range(2)
    ]
    twin.linear_settled(model, n_outputs, 0.5, l1, l2)
    return model, lost


@pytest.mark.parametrize("loss", linear.LOSSES)
@pytest.mark.parametrize(
    "more",
    [{}, {"many": True}, {"prior": True}, {"l1": 1e-3}, {"l2": 1e-2}, {"average_from": 7}],
    ids=str,
)
@pytest.mark.parametrize("n_outputs", [1, 3, 5])
def test_training_agrees(loss, more, n_outputs):
    slow, fast = (trained(twin, loss, n_outputs, **more) for twin in (linear, _linear))
    np.testing.assert_allclose(fast[1], slow[1], rtol=1e-3)
    outputs = slice(1, 1 + n_outputs)
    for name in ("rows", "sums"):
        got, wanted = (getattr(model, name)[:, outputs] for model, _ in (fast, slow))
        np.testing.assert_allclose(got, wanted, rtol=2e-3, atol=2e-3)
    for name in ("bias", "bias_sums"):
        got, wanted = (getattr(model, name)[outputs] for model, _ in (fast, slow))
        np.testing.assert_allclose(got, wanted, rtol=2e-3, atol=2e-3)
    assert (fast[0].last == slow[0].last).all()
    assert fast[0].step == slow[0].step == 36


@TWINS
def test_it_learns_what_tells_texts_apart(twin):
    texts = ["ship sea", "sea ship sail", "court law", "law judge court"] * 5
    sparse = features(texts)
    targets = np.array([0, 0, 1, 1] * 5, np.int32)
    model = state(2)
    model.rows[:, 1:] = 0
    order, weights = np.arange(20), np.ones(20, np.float32)
    for _ in range(3):
        twin.linear_pass(*sparse, targets, None, weights, order, model, 2, "log", 1.0, 0, 0, 0, 1)
    scores = twin.sparse_scores(*features(["the sea", "a judge"]), model.rows, 2)
    assert scores.argmax(1).tolist() == [0, 1]


@TWINS
def test_sums_are_those_of_each_step(twin):
    """Rows are seen to when they change; what is added up is as if it were done at every step."""
    sparse = features(["a", "b", "c", "a b"])
    model = state(1, average_from=1)
    total, before = np.zeros_like(model.rows), None
    for step in range(4):
        twin.linear_pass(
            *sparse, np.ones(4, np.int32), None, np.ones(4, np.float32), np.array([step]), model, 1,
            "log", 0.5, 0, 0, 0, 1,
        )  # fmt: skip
        if before is not None:
            total += before
        before = model.rows.copy()
    twin.linear_settled(model, 1, 0.5, 0, 0)
    np.testing.assert_allclose(model.sums[:, 1], total[:, 1], rtol=1e-5, atol=1e-6)


class TestWhatCannotBe:
    @TWINS
    def test_rows_of_other_outputs(self, twin):
        with pytest.raises(ValueError, match="rows of 4 outputs"):
            twin.linear_scores(["a"], BITS, 2, 0, 0, state(2).rows, 4)
        with pytest.raises(ValueError, match="rows of 2 outputs"):
            twin.linear_scores(["a"], BITS + 1, 2, 0, 0, state(2).rows, 2)

    @TWINS
    def test_features_past_the_rows(self, twin):
        begins, counts = np.array([0, 1]), np.ones(1, np.int32)
        for column in (-1, 1 << BITS):
            with pytest.raises(IndexError):
                twin.sparse_scores(begins, np.array([column], np.int32), counts, state(2).rows, 2)

    @TWINS
    @pytest.mark.parametrize("begins", [[0], [0, 2], [1, 1], [0, 1, 0, 1]])
    def test_features_that_are_none(self, twin, begins):
        one = np.zeros(1, np.int32)
        with pytest.raises(ValueError, match="features"):
            twin.sparse_scores(np.array(begins), one, one + 1, state(2).rows, 2)

    @TWINS
    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"targets": np.array([2, 0], np.int32)}, IndexError),
            ({"targets": np.array([-1, 0], np.int32)}, IndexError),
            ({"targets": np.zeros(1, np.int32)}, ValueError),
            ({"weights": np.zeros(3, np.float32)}, ValueError),
            ({"order": np.array([2])}, IndexError),
            ({"labels": np.zeros((2, 3), np.uint8)}, ValueError),
            ({"loss": "other"}, ValueError),
        ],
        ids=lambda c: next(iter(c)) if isinstance(c, dict) else c.__name__,
    )
    def test_training_of_what_does_not_fit(self, twin, change, error):
        asked = {
            "targets": np.zeros(2, np.int32), "labels": None, "weights": np.ones(2, np.float32),
            "order": np.arange(2), "state": state(2), "n_outputs": 2, "loss": "log", "rate": 1.0, "decay": 0.0,
            "l1": 0.0, "l2": 0.0, "most": 1.0,
        } | change  # fmt: skip
        with pytest.raises(error):
            twin.linear_pass(*features(["a", "b"]), *asked.values())
