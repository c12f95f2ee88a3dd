"""Near-duplicates: what is found, what is not, and what comes back from disk."""

import json
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from salient.errors import Conflict, Corrupt, InvalidInput, Misconfigured
from salient.learning.duplicates import Clusters, NearDuplicates

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def vocabulary(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    return ["".join(LETTERS[i] for i in rng.integers(0, 26, rng.integers(3, 9))) for _ in range(n)]


WORDS = vocabulary()


def text_of(seed, n=200):
    rng = np.random.default_rng(seed)
    return [WORDS[i] for i in rng.integers(0, len(WORDS), n)]


def edited(words, share, seed):
    rng = np.random.default_rng(seed)
    changed = list(words)
    for at in rng.permutation(len(words))[: round(share * len(words))]:
        changed[at] = WORDS[rng.integers(0, len(WORDS))]
    return changed


def joined(words):
    return " ".join(words)


def test_copies_with_edits_are_one_cluster_and_others_are_not():
    originals = [text_of(seed) for seed in range(60)]
    texts = [joined(w) for w in originals] + [
        joined(edited(w, 0.05, at)) for at, w in enumerate(originals)
    ]
    labels = NearDuplicates().fit_predict(texts)
    assert labels.tolist() == [*range(60), *range(60)]


def test_case_signs_and_spaces_do_not_matter():
    words = text_of(1)
    texts = [joined(words), "\n".join(w.upper() for w in words), "... ".join(words) + "!"]
    index = NearDuplicates().fit(texts)
    assert index.labels_.tolist() == [0, 0, 0]
    assert index.pairs()[:, 2].tolist() == [1.0, 1.0, 1.0]


def test_likeness_is_the_share_of_runs_in_common():
    words = text_of(2, 400)
    index = NearDuplicates(threshold=0.2, n_bits=10).fit([joined(words), joined(words[:240])])
    ((one, other, alike),) = index.pairs().tolist()
    assert (one, other) == (0, 1)
    assert alike == pytest.approx(236 / 396, abs=0.06)
    part = index.query([joined(words[:240])])[0]
    assert [m.text for m in part] == [1, 0]
    assert part[0].similarity == 1.0
    whole = index.query([joined(words)])[0]
    assert [m.text for m in whole] == [0, 1]
    assert whole[1].containment == pytest.approx(1.0, abs=0.1)


def test_batches_give_the_clusters_of_all_at_once():
    rng = np.random.default_rng(5)
    texts = [
        joined(edited(text_of(seed), 0.01, seed * 31 + at)) for at in range(4) for seed in range(40)
    ]
    texts = [texts[i] for i in rng.permutation(len(texts))]
    whole = NearDuplicates().fit(texts)
    parts = NearDuplicates()
    for at in range(0, len(texts), 23):
        parts.partial_fit(texts[at : at + 23])
    assert parts.n_texts_ == 160
    assert parts.labels_.tolist() == whole.labels_.tolist()
    assert len(np.unique(whole.labels_)) == 40
    np.testing.assert_array_equal(parts.pairs(), whole.pairs())


def runs(words):
    return {tuple(words[at : at + 5]) for at in range(len(words) - 4)}


@pytest.mark.parametrize("n", [5, 30, 130])
def test_short_texts_are_compared_exactly(n):
    """Both have no more runs together than a sketch has values."""
    one = text_of(1, n)
    for other in (edited(one, 0.05, 2), one[n // 3 :], one + one, one[n // 2 :] + one[: n // 2]):
        a, b = runs(one), runs(other)
        index = NearDuplicates(threshold=0.05).fit([joined(one)])
        (found,) = index.query([joined(other)])
        alike = len(a & b) / len(a | b)
        if alike >= 0.05:
            assert found[0].similarity == pytest.approx(alike)
            assert found[0].containment == pytest.approx(len(a & b) / min(len(a), len(b)))
        else:
            assert not found


def test_long_texts_are_compared_closely():
    one, other = text_of(1, 5000), edited(text_of(1, 5000), 0.05, 2)
    a, b = runs(one), runs(other)
    (found,) = NearDuplicates(n_bits=12).fit([joined(one)]).query([joined(other)])
    assert found[0].similarity == pytest.approx(len(a & b) / len(a | b), abs=0.03)


def test_a_long_text_of_few_runs_is_compared_exactly():
    """Of so many runs few are different: none of the least is missed."""
    one = text_of(1, 40) * 100
    index = NearDuplicates().fit([joined(one)])
    assert index.query([joined(text_of(1, 40) * 2)])[0][0].similarity == 1.0


def test_a_text_that_comes_late_joins_two_clusters():
    words = text_of(3, 300)
    first, last, both = joined(words[:200]), joined(words[100:]), joined(words)
    index = NearDuplicates(threshold=0.5).fit([first, last])
    assert index.labels_.tolist() == [0, 1]
    assert index.partial_fit([both]).labels_.tolist() == [0, 0, 0]


def test_all_texts_alike_make_few_pairs():
    texts = [joined(text_of(1))] * 30_000
    index = NearDuplicates().fit(texts)
    assert (index.labels_ == 0).all()
    assert len(index.pairs()) < 20 * len(texts)


def test_asking_takes_nothing_in():
    index = NearDuplicates().fit([joined(text_of(1)), joined(text_of(2))])
    found = index.query([joined(edited(text_of(2), 0.03, 1)), "something else altogether and more"])
    assert [[m.text for m in part] for part in found] == [[1], []]
    assert index.n_texts_ == 2
    assert NearDuplicates().query(["a"]) == [[]]


def test_what_is_saved_comes_back_and_goes_on(tmp_path):
    texts = [joined(edited(text_of(seed), 0.03, at)) for at in range(3) for seed in range(20)]
    index = NearDuplicates().fit(texts[:45])
    index.save(tmp_path / "i")
    again = NearDuplicates.load(tmp_path / "i")
    assert again.labels_.tolist() == index.labels_.tolist()
    np.testing.assert_array_equal(again.pairs(), index.pairs())
    assert again.query(texts[45:50]) == index.query(texts[45:50])
    assert (
        again.partial_fit(texts[45:]).labels_.tolist()
        == index.partial_fit(texts[45:]).labels_.tolist()
    )
    again.save(tmp_path / "i")
    assert NearDuplicates.load(tmp_path / "i").n_texts_ == 60


def test_texts_of_any_form_and_threads_are_the_same():
    texts = [joined(text_of(seed)) for seed in range(9)] + [
        "Größe 北京 " + joined(text_of(1)[:180])
    ]
    wanted = NearDuplicates().fit_predict(texts).tolist()
    for form in ([t.encode() for t in texts], np.array(texts), pa.array(texts), (t for t in texts)):
        assert NearDuplicates().fit_predict(form).tolist() == wanted
    assert NearDuplicates(threads=3).fit_predict(texts).tolist() == wanted
    assert wanted[9] == 1


class TestHostile:
    def test_texts_without_words_are_like_nothing(self):
        assert NearDuplicates().fit_predict(["", " ", "!!!", "", "word"]).tolist() == [
            0,
            1,
            2,
            3,
            4,
        ]

    def test_one_word_is_like_the_same_word(self):
        assert NearDuplicates().fit_predict(["ship", "boat", "Ship!", "ship ship"]).tolist() == [
            0,
            1,
            0,
            3,
        ]

    def test_bytes_that_are_no_utf8(self):
        words = joined(text_of(1)).encode()
        assert NearDuplicates().fit_predict(
            [words, b"\xff\xfe " + words, b"\xff" * 99]
        ).tolist() == [0, 0, 2]

    def test_ten_million_characters(self):
        long = joined(text_of(1, 100) * 15_000)
        assert len(long) > 9_000_000
        assert NearDuplicates().fit_predict([long, long + " more", "a" * 10_000_000]).tolist() == [
            0,
            0,
            2,
        ]

    def test_memory_grows_with_sketches_not_with_texts(self):
        index = NearDuplicates()
        tracemalloc.start()
        for batch in range(4):
            index.partial_fit([joined(text_of(batch * 100 + at, 2000)) for at in range(100)])
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert size < 400 * 3000  # of 400 texts of 13,000 bytes each

    @pytest.mark.parametrize(
        "wrong",
        [{"threshold": 0}, {"threshold": 1.5}, {"threshold": float("nan")}, {"run": 0}, {"run": 99}, {"n_bits": 2},
         {"n_bits": 20}, {"run": "five"}],
        ids=str,
    )  # fmt: skip
    def test_parameters_that_cannot_be(self, wrong):
        with pytest.raises(InvalidInput):
            NearDuplicates(**wrong).fit(["a"])

    @pytest.mark.parametrize("texts", ["a text", [1], [None], pa.array([1])], ids=str)
    def test_what_is_no_list_of_texts(self, texts):
        with pytest.raises(InvalidInput):
            NearDuplicates().fit(texts)

    def test_folders_that_hold_no_index(self, tmp_path):
        with pytest.raises(Misconfigured):
            NearDuplicates.load(tmp_path)
        (tmp_path / "x").write_text("a")
        with pytest.raises(Conflict):
            NearDuplicates().fit(["a"]).save(tmp_path)
        NearDuplicates().fit(["a b c", "d e f"]).save(tmp_path / "i")
        about = json.loads((tmp_path / "i/duplicates.json").read_text())
        for change in ({"texts": 3}, {"segments": 4}, {"params": {"n_bits": 9}}, {"params": 3}):
            (tmp_path / "i/duplicates.json").write_text(json.dumps(about | change))
            with pytest.raises(Corrupt):
                NearDuplicates.load(tmp_path / "i")
        (tmp_path / "i/duplicates.json").write_text('{"format": 1, "params": {}, "texts": 2}')
        with pytest.raises(Misconfigured, match="release"):
            NearDuplicates.load(tmp_path / "i")
        (tmp_path / "i/duplicates.json").write_text(json.dumps(about))
        (tmp_path / "i/1-sketches.npy").write_bytes(b"short")
        with pytest.raises(Corrupt):
            NearDuplicates.load(tmp_path / "i")


def test_clusters_are_called_by_their_least():
    clusters = Clusters()
    clusters.grow(6)
    assert clusters.join(4, 2)
    assert clusters.join(5, 4)
    assert not clusters.join(2, 5)
    assert clusters.join(1, 0)
    assert clusters.labels().tolist() == [0, 0, 2, 3, 2, 2]
    clusters.grow(1)
    clusters.join(6, 0)
    assert clusters.find(6) == 0


def test_parameters_are_those_of_scikit_learn():
    index = NearDuplicates(threshold=0.7)
    assert NearDuplicates(**index.get_params()).get_params() == index.get_params()
    assert index.set_params(run=3).run == 3
    with pytest.raises(InvalidInput):
        index.set_params(depth=1)


def test_what_is_removed_is_not_found_and_others_stay():
    words = text_of(1)
    texts = [joined(w) for w in (words, edited(words, 0.02, 1), text_of(2), edited(words, 0.02, 3))]
    index = NearDuplicates().fit(texts)
    assert index.labels_.tolist() == [0, 0, 2, 0]
    index.remove([0])
    assert index.labels_.tolist() == [-1, 1, 2, 1]
    assert index.n_texts_ == 3
    assert 0 not in index.pairs()[:, :2]
    assert {m.text for m in index.query([texts[0]])[0]} == {1, 3}
    index.partial_fit([texts[0]])
    assert index.labels_.tolist() == [-1, 1, 2, 1, 1]
    index.remove([0, 1, 3, 4])
    assert index.labels_.tolist() == [-1, -1, 2, -1, -1]
    assert index.query([texts[0]]) == [[]]


def test_a_cluster_parts_without_the_text_that_held_it_together():
    words = text_of(4, 400)
    texts = [joined(words[:250]), joined(words), joined(words[150:])]
    index = NearDuplicates(threshold=0.5).fit(texts)
    assert index.labels_.tolist() == [0, 0, 0]
    assert index.remove([1]).labels_.tolist() == [0, -1, 2]


def test_many_equal_texts_stay_together_when_some_go():
    index = NearDuplicates().fit([joined(text_of(5))] * 100)
    gone = list(range(0, 100, 3))
    labels = index.remove(gone).labels_
    assert set(labels.tolist()) == {-1, 1}
    assert (labels == -1).sum() == len(gone)


def test_numbers_that_no_text_had_remove_nothing():
    index = NearDuplicates().fit([joined(text_of(1))])
    for wrong in ([0, 1], [-1]):
        with pytest.raises(InvalidInput, match="no text"):
            index.remove(wrong)
    assert index.n_texts_ == 1
    assert NearDuplicates().fit([]).remove([]).n_texts_ == 0


def test_what_was_removed_stays_so_on_disk(tmp_path):
    texts = [joined(text_of(1))] * 4
    NearDuplicates().fit(texts).remove([0, 2]).save(tmp_path)
    index = NearDuplicates.load(tmp_path)
    assert index.labels_.tolist() == [-1, 1, -1, 1]
    assert index.remove([0, 1]).labels_.tolist() == [-1, -1, -1, 3]
    index.save(tmp_path)
    assert NearDuplicates.load(tmp_path).partial_fit(texts[:1]).labels_.tolist()[3:] == [3, 3]


@pytest.mark.parametrize("broken_at", range(7))
def test_a_save_that_is_broken_off_leaves_the_older_index(tmp_path, monkeypatch, broken_at):
    texts = [joined(text_of(seed % 3)) for seed in range(6)]
    index = NearDuplicates().fit(texts)
    index.save(tmp_path)
    index.partial_fit([joined(text_of(7))])
    real, calls = np.save, []

    def save(file, array):
        calls.append(file)
        if len(calls) > broken_at:
            raise OSError("no space left")
        real(file, array)

    monkeypatch.setattr(np, "save", save)
    if broken_at < 6:
        with pytest.raises(OSError, match="no space"):
            index.save(tmp_path)
        assert NearDuplicates.load(tmp_path).labels_.tolist() == [0, 1, 2, 0, 1, 2]
    monkeypatch.undo()
    index.save(tmp_path)
    assert NearDuplicates.load(tmp_path).labels_.tolist() == [0, 1, 2, 0, 1, 2, 6]
    # What was broken off is cleared away as well.
    assert len({f.name.split("-")[0] for f in tmp_path.glob("*.npy")}) == 1
