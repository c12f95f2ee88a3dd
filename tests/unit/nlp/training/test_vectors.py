import numpy as np
import pytest

from salient.errors import Corrupt, InvalidInput
from salient.nlp.training import vectors


def test_the_vocabulary_counts_norms_and_is_sorted_by_bytes():
    texts = [["The", "the", "Ärger", "2021"], ["THE", "1999", "ärger", "once"]]
    assert vectors.vocabulary(texts) == {"0000": 2, "the": 3, "ärger": 2}
    assert list(vectors.vocabulary(texts, fewest=1, most=2)) == ["0000", "the"]


class CountingTeacher:
    """Says of each word of a text how many words came before it in all texts."""

    def __init__(self):
        self.read = 0

    def states(self, texts):
        out = []
        for text in texts:
            out.append(np.arange(self.read, self.read + len(text), dtype=np.float32)[:, None])
            self.read += len(text)
        return out


def test_a_words_states_are_averaged_over_its_first_occurrences():
    texts = [["rare", *["often"] * 50, "unknown"]] * 2
    teacher = CountingTeacher()
    rows = vectors.contextual_rows(["never", "often", "rare"], texts, teacher)
    assert rows[:, 0].tolist() == [0.0, np.arange(1, 1 + vectors.OCCURRENCES).mean(), (0 + 52) / 2]


def test_texts_that_have_nothing_new_are_not_read():
    teacher = CountingTeacher()
    vectors.contextual_rows(["often"], [["often"] * 100] * 40, teacher)
    assert teacher.read <= 1600
    with pytest.raises(InvalidInput):
        vectors.contextual_rows(["a"], [], teacher)


def test_narrow_rows_keep_what_tells_words_apart():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(300, 4)) @ rng.normal(size=(4, 30))
    rows = (plane + rng.normal(scale=1e-3, size=(300, 30))).astype(np.float32)
    rows[7] = 0
    made = vectors.narrowed(rows, np.arange(1, 301), width=4)
    assert not made[7].any()
    kept = np.delete(np.arange(300), 7)
    # The rows are a linear function of four columns, up to a constant.
    inputs = np.c_[made[kept], np.ones(299)]
    fitted = inputs @ np.linalg.lstsq(inputs, rows[kept], rcond=None)[0]
    assert np.abs(fitted - rows[kept]).max() < 0.01
    np.testing.assert_array_equal(made, vectors.narrowed(rows, np.arange(1, 301), width=4))
    with pytest.raises(InvalidInput):
        vectors.narrowed(rows, np.arange(1, 301), width=31)


def test_a_table_is_read_as_it_was_written(tmp_path):
    rows = np.random.default_rng(1).normal(size=(3, 8)).astype(np.float32)
    rows[1] = 0
    words = ["a", "ß", "日本"]
    vectors.write(tmp_path / "v.npz", words, rows)
    found, table = vectors.read(tmp_path / "v.npz")
    assert found == words
    assert not table[0].any()
    np.testing.assert_allclose(table[1:], rows, atol=np.abs(rows).max() / 127)
    first = (tmp_path / "v.npz").read_bytes()
    vectors.write(tmp_path / "v.npz", words, rows)
    assert (tmp_path / "v.npz").read_bytes() == first


def test_words_out_of_order_and_broken_files_are_refused(tmp_path):
    with pytest.raises(InvalidInput):
        vectors.write(tmp_path / "v.npz", ["b", "a"], np.zeros((2, 4), np.float32))
    (tmp_path / "v.npz").write_bytes(b"PK no")
    with pytest.raises(Corrupt):
        vectors.read(tmp_path / "v.npz")


def test_tables_joined_weigh_the_same_and_what_one_does_not_know_is_its_mean() -> None:
    rng = np.random.default_rng(3)
    wide = (rng.normal(size=(200, 8)) * 50 + 9).astype(np.float32)
    narrow = rng.normal(size=(200, 3)).astype(np.float32)
    narrow[7] = 0
    made = vectors.joined([wide, narrow])
    assert made.shape == (200, 11)
    first, second = (made[:, :8] ** 2).sum(1).mean(), (made[:, 8:] ** 2).sum(1).mean()
    np.testing.assert_allclose([first, second], 1, rtol=1e-4)
    np.testing.assert_allclose(made.mean(0), 0, atol=1e-5)
    np.testing.assert_array_equal(made[7, 8:], 0)
