import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra `train` is not installed")

from salient.nlp.training import minilm, reading, teacher  # noqa: E402 -- only where PyTorch is
from tests.unit.nlp.training.small_teacher import (  # noqa: E402 -- the same
    NAMES,
    SIZES,
    tokenizer,
)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    torch.manual_seed(4)
    words = minilm.Words(tokenizer(tmp_path_factory.mktemp("words") / "tokenizer.json"))
    return reading.Teacher(teacher.Network(SIZES, NAMES), NAMES, words)


def is_tree(heads):
    """Whether every word hangs, in the end, from the one root."""
    for word in range(1, len(heads) + 1):
        seen = set()
        while word and word not in seen:
            seen.add(word)
            word = heads[word - 1]
        if word:
            return False
    return list(heads).count(0) == 1


@pytest.mark.parametrize("seed", range(10))
def test_windows_cover_a_document_and_none_is_too_long(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 3000))
    breaks = (rng.random(n) < rng.choice([0.001, 0.02, 0.3])).tolist()
    forms = [";" if rng.random() < 0.01 else "x" for _ in range(n)]
    windows = reading.windows_of(breaks, forms)
    assert [a for a, _ in windows] == [0, *(b for _, b in windows[:-1])]
    assert windows[-1][1] == n
    assert all(0 < b - a <= reading.LONGEST_WINDOW for a, b in windows)


def test_a_short_unit_is_not_cut():
    breaks = [i % 50 == 0 for i in range(500)]
    assert all(breaks[a] for a, _ in reading.windows_of(breaks, ["x"] * 500))


def test_readings_have_trees_in_their_sentences_and_shares_in_order(small):
    rng = np.random.default_rng(0)
    documents = []
    for size in (1, 7, 400, 30):
        breaks = [i == 0 or bool(rng.random() < 0.1) for i in range(size)]
        documents.append((["cats", "sleep", ".", "Q7"] * size, breaks * 4))
    documents = [(forms[: len(b) // 4], b[: len(b) // 4]) for forms, b in documents]
    for (forms, breaks), got in zip(documents, small.read(documents, room=300), strict=True):
        n = len(forms)
        assert got.sentences[0] == 0
        assert set(np.flatnonzero(breaks)) <= set(got.sentences.tolist())
        for a, b in itertools.pairwise([*got.sentences.tolist(), n]):
            assert is_tree(got.heads[a:b].tolist())
            assert (got.labels["head"][a:b] <= b - a).all()
        for name, k in reading.KEPT.items():
            assert got.labels[name].shape == got.shares[name].shape == (n, k)
            assert (np.diff(got.shares[name], axis=1) <= 0).all() or name == "head"
            assert (got.shares[name].sum(1) <= 1.01).all()


def test_a_document_reads_the_same_alone_and_among_others(small):
    documents = [
        (["cats", "sleep", "."], [True, False, False]),
        (["naps"] * 9, [True] + [False] * 8),
    ]
    together = small.read(documents)
    for one, got in zip(documents, together, strict=True):
        (alone,) = small.read([one])
        np.testing.assert_allclose(alone.start, got.start, atol=0.02)
        np.testing.assert_allclose(alone.shares["upos"], got.shares["upos"], atol=0.02)


def test_a_saved_teacher_is_read_back(small, tmp_path):
    training = teacher.Training(SIZES, NAMES, teacher.Recipe())
    training.save(tmp_path / "teacher.pt")
    file = tokenizer(tmp_path / "tokenizer.json")
    loaded = reading.Teacher.load(tmp_path / "teacher.pt", file, SIZES)
    assert loaded.names == NAMES
    (states,) = loaded.states([["cats", "sleep"]])
    assert states.shape == (2, SIZES.width)


def test_given_sentences_are_kept(small):
    document = (["cats", "sleep", "."] * 3, [True, False, False] * 3)
    (got,) = small.read([document], given=True)
    assert got.sentences.tolist() == [0, 3, 6]
    assert all(is_tree(got.heads[at : at + 3].tolist()) for at in (0, 3, 6))


def test_names_are_spelled_out_by_tags_that_fit_together():
    names = NAMES.entities[::-1]  # the teacher's order is its own
    tags = [["B-ORG", "O"], ["I-PERSON", "L-ORG"], ["O", "U-GPE"], ["U-GPE", "O"]]
    shares = [[0.9, 0.1], [0.5, 0.4], [0.6, 0.4], [0.8, 0.2]]
    made = reading.Reading(
        {"entity": np.array([[names.index(t) for t in row] for row in tags], np.int32)},
        {"entity": np.array(shares, np.float32)},
        np.zeros(4, np.float32), np.array([0, 3]), np.zeros(4, np.int32),
    )  # fmt: skip
    assert reading.names_of(made, names) == [(0, 2, "ORG"), (3, 4, "GPE")]
