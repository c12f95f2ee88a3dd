"""Vectors of words and documents: what they promise about input, files, resuming and streams."""

import json

import numpy as np
import pytest

from salient.errors import Conflict, Corrupt, InvalidInput, NotFound, Unsupported
from salient.kernels.sentences import LONGEST
from salient.kernels.terms import terms
from salient.learning.embeddings import (
    KeyedVectors,
    Phrases,
    TextVectors,
    Vocabulary,
    VocabularyCounter,
    WordVectors,
    corpus,
)
from salient.learning.embeddings.training import _cut
from salient.learning.embeddings.vocabulary import gram_buckets

GROUPS = [
    ["cat", "dog", "mouse", "bird"],
    ["law", "court", "judge", "appeal"],
    ["bread", "butter", "milk", "cheese"],
]


def texts(n=400, seed=0):
    """Each of words of one group: words of a group are alike, others not."""
    random = np.random.default_rng(seed)
    for i in range(n):
        yield " ".join(random.choice(GROUPS[i % 3], 12)) + "."


def small(**more):
    return WordVectors(
        **{
            "dimensions": 20,
            "min_count": 1,
            "epochs": 8,
            "sample": 0,
            "shard_words": 1000,
            "rate": 0.05,
        }
        | more
    )


@pytest.fixture(scope="module")
def trained():
    return small().fit(texts())


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"mode": "cbow"},
        {"min_n": 2, "max_n": 3, "buckets": 500},
        {"threads": 2},
        {"documents": "dbow-words"},
        {"documents": "dm"},
        {"negatives": 9},
    ],
)
def test_words_used_alike_are_neighbours(how):
    keyed = small(**how, epochs=20).fit(texts()).keyed_
    for group in GROUPS:
        assert {w for w, _ in keyed.neighbours(group[0], 3)} == set(group[1:])


def test_equal_seeds_give_equal_bits(trained):
    assert small().fit(texts()).keyed_.vectors.tobytes() == trained.keyed_.vectors.tobytes()
    assert small(seed=2).fit(texts()).keyed_.vectors.tobytes() != trained.keyed_.vectors.tobytes()


def test_stopped_training_goes_on_to_the_same_bits(trained, tmp_path):
    class Stop(Exception):
        pass

    def stop(stage, done, total):
        if stage == "train" and done > total / 3:
            raise Stop

    with pytest.raises(Stop):
        small().fit(texts(), told=stop, checkpoint=tmp_path, every_s=0)

    def unread():
        raise AssertionError("the text is there")
        yield

    model = small().fit(unread(), checkpoint=tmp_path)
    assert model.keyed_.vectors.tobytes() == trained.keyed_.vectors.tobytes()
    with pytest.raises(Conflict, match="window"):
        small(window=3).fit(texts(), checkpoint=tmp_path)
    (tmp_path / "state" / "state.json").write_text("{")
    with pytest.raises(Corrupt):
        small().fit(texts(), checkpoint=tmp_path)


def test_a_stream_that_fails_leaves_the_old_model_and_is_read_anew(trained, tmp_path):
    def failing():
        yield from texts(200)
        raise OSError("gone")

    before = trained.keyed_
    with pytest.raises(OSError, match="gone"):
        trained.fit(failing(), checkpoint=tmp_path)
    assert trained.keyed_ is before
    assert (
        small().fit(texts(), checkpoint=tmp_path).keyed_.vectors.tobytes()
        == before.vectors.tobytes()
    )


@pytest.mark.parametrize("bad", ["one text", [3], [b"\xff"], [None], [], ["", " ", "!"]])
def test_what_is_no_text_is_refused(bad):
    with pytest.raises(InvalidInput):
        small().fit(bad)


def test_odd_texts_do_no_harm():
    odd = ["", "\ud800 lone", "x" * 5000, "a\x00b", "é" * 10, "1 2 3", "\n\n\t"]
    model = small().fit([*texts(), *odd, b"bread bread"])
    assert np.isfinite(model.keyed_.vectors).all()
    assert "x" * 5000 not in model.keyed_


def test_a_document_of_ten_megabytes_is_cut():
    model = small(epochs=1).fit(["bread butter milk. " * 550_000])
    assert model.vocabulary_.counts.sum() == 3 * 550_000


def test_words_are_the_terms_that_all_learning_has():
    text = "Cafe\u0301 re-opened. It sold 東京 tea!\tYes" + " z" * 3 + " " + "q" * 300
    found = list(corpus.sentences(text))
    assert found == [
        ["cafe\u0301", "re", "opened"],
        ["it", "sold", "東", "京", "tea"],
        ["yes", "z", "z", "z"],
    ]
    assert [w.encode() for s in found for w in s] == [
        folded for _, _, folded in terms(text.encode()) if len(folded) <= LONGEST
    ]


def test_numbers_that_are_none_are_no_model(trained):
    model = small().fit(texts(100))
    model.tables_.inputs[3, 2] = np.nan
    with pytest.raises(InvalidInput, match="rate"):
        model._take(model.parameters, model.vocabulary_, model.tables_, None)


def test_a_long_text_is_cut_between_words(monkeypatch):
    text = "one two. three four five " * 50
    whole = [w for s in corpus.sentences(text) for w in s]
    monkeypatch.setattr(corpus, "_LONGEST", 64)
    assert [w for s in corpus.sentences(text) for w in s] == whole


def test_vectors_of_words_that_were_cut_otherwise_are_refused(trained, tmp_path):
    trained.save(tmp_path / "v")
    about = json.loads((tmp_path / "v" / "vectors.json").read_bytes())
    for change in ({"form": "salient.vectors.v1"}, {"cut": "other"}):
        (tmp_path / "v" / "vectors.json").write_text(json.dumps(about | change))
        with pytest.raises(Corrupt, match="train them again"):
            KeyedVectors.open(tmp_path / "v")


@pytest.mark.parametrize(
    "wrong",
    [
        {"dimensions": 0},
        {"mode": "x"},
        {"documents": "x"},
        {"window": 99},
        {"rate": float("nan")},
        {"min_n": 3},
        {"min_n": 4, "max_n": 3},
        {"threads": 0},
        {"epochs": True},
    ],
)
def test_wrong_parameters_are_named(wrong):
    with pytest.raises(InvalidInput):
        small(**wrong).fit(texts())


def test_it_follows_scikit_learns_interface(trained):
    model = WordVectors(**trained.get_params())
    assert model.get_params() == trained.get_params()
    assert model.set_params(window=2) is model
    assert model.window == 2
    with pytest.raises(InvalidInput):
        model.set_params(colour=1)
    with pytest.raises(InvalidInput, match="fit"):
        model.transform(["x"])


def test_sklearn_clones_it(trained):
    base = pytest.importorskip("sklearn.base")
    assert base.clone(trained).get_params() == trained.get_params()


def test_partial_fit_adds_words_and_keeps_numbers():
    model = small(min_n=2, max_n=3, buckets=100).fit(texts())
    grams = model.keyed_.grams.copy()
    before = model.vocabulary_.words
    model.partial_fit(["zebra dog zebra cat"] * 30)
    assert model.vocabulary_.words[: len(before)] == before
    assert "zebra" in model.keyed_
    assert model.keyed_.grams.shape == grams.shape
    fresh = small().partial_fit(texts())
    assert len(fresh.vocabulary_) == 12


def test_saved_vectors_are_mapped_and_train_on(trained, tmp_path):
    trained.save(str(tmp_path / "v"))  # a path or its name
    keyed = KeyedVectors.open(str(tmp_path / "v"))
    assert not keyed.vectors.flags.writeable
    np.testing.assert_array_equal(keyed.vectors, trained.keyed_.vectors)
    again = WordVectors.open(tmp_path / "v")
    assert again.get_params() == trained.get_params()
    again.partial_fit(texts(50))
    again.save(tmp_path / "v")
    with pytest.raises(NotFound):
        KeyedVectors.open(tmp_path / "none")
    (tmp_path / "v" / "vectors.npy").write_bytes(b"x")
    with pytest.raises(Corrupt):
        KeyedVectors.open(tmp_path / "v")
    (tmp_path / "v" / "vectors.json").write_text("[]")
    with pytest.raises(Corrupt):
        WordVectors.open(tmp_path / "v")


def test_neighbours_and_analogy_by_hand():
    words = ("man", "king", "woman", "queen", "apple")
    rows = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1], [-1, -1, -1]], np.float32)
    keyed = KeyedVectors(Vocabulary(words, np.array([5, 4, 3, 2, 1])), rows)
    assert keyed.analogy("man", "king", "woman", 1)[0][0] == "queen"
    assert keyed.neighbours("Man", 1)[0] == ("king", pytest.approx(0.5**0.5))
    assert keyed.neighbours("man", 99)[-1][0] == "apple"
    assert keyed.neighbours("man", 0) == []
    assert keyed.similarity("man", "man") == pytest.approx(1)
    for bad in (np.ones(2, np.float32), np.array([1, np.nan, 0], np.float32)):
        with pytest.raises(InvalidInput):
            keyed.neighbours(bad)
    with pytest.raises(NotFound, match="n-grams"):
        keyed.vector("pear")


def test_words_never_seen_are_near_those_of_their_letters():
    model = small(min_n=3, max_n=5, buckets=5000, epochs=10).fit(texts())
    assert model.keyed_.neighbours("judges", 1)[0][0] == "judge"


def test_gram_buckets_are_fasttexts():
    # <ab> of 3: "<ab", "ab>"; hashes computed by fastText's own definition.
    assert len(gram_buckets("ab", 3, 3, 2**31)) == 2
    assert gram_buckets("a", 1, 1, 2**31) == [gram_buckets("ba", 1, 1, 2**31)[1]]
    assert all(0 <= b < 7 for b in gram_buckets("naïve北", 1, 4, 7))


@pytest.mark.parametrize("form", ["text", "binary", "fasttext"])
def test_exports_are_read_by_gensim(form, tmp_path):
    keyedvectors = pytest.importorskip("gensim.models.keyedvectors")
    fasttext = pytest.importorskip("gensim.models.fasttext")
    how = {"min_n": 2, "max_n": 4, "buckets": 300} if form == "fasttext" else {}
    keyed = small(**how).fit(texts()).keyed_
    path = tmp_path / "v"
    keyed.export(path, form)
    if form == "fasttext":
        read = fasttext.load_facebook_vectors(str(path))
        np.testing.assert_allclose(read["judges"], keyed.vector("judges"), atol=2e-2)
    else:
        read = keyedvectors.KeyedVectors.load_word2vec_format(str(path), binary=form == "binary")
    for word in ("cat", "judge"):
        np.testing.assert_allclose(read[word], keyed.vector(word), rtol=1e-4, atol=1e-4)
    with pytest.raises(InvalidInput):
        keyed.export(path, "csv")


@pytest.mark.parametrize("how", ["dbow", "dbow-words", "dm"])
def test_documents_of_a_kind_are_alike_and_inferred_ones_too(how):
    model = small(documents=how, epochs=30).fit(list(texts(150)))
    rows = model.documents_ / np.linalg.norm(model.documents_, axis=1, keepdims=True)
    if how == "dm":  # here words say all, and documents' rows get what they leave
        assert np.isfinite(rows).all()
        return
    assert (rows[::3] @ rows[::3].T).mean() > (rows[::3] @ rows[1::3].T).mean() + 0.2
    new = model.infer(
        ["dog cat bird mouse dog cat", "court judge law appeal law", "unknownword", ""]
    )
    assert not new[2:].any()
    likeness = new[:2] @ rows.T
    assert likeness[0, ::3].mean() > likeness[0, 1::3].mean()
    assert likeness[1, 1::3].mean() > likeness[1, ::3].mean()
    np.testing.assert_array_equal(
        model.infer(["court judge law"]), model.infer(["x", "court judge law"])[1:]
    )


def test_documents_are_asked_of_models_that_have_them(trained):
    with pytest.raises(Unsupported):
        trained.infer(["x"])
    with pytest.raises(Unsupported):
        small(documents="dm").fit(texts()).partial_fit(texts())


def test_text_vectors_say_what_texts_are_about(trained):
    rows = TextVectors(trained.keyed_).transform(["cat dog", "mouse bird", "law court", "?"])
    assert rows[0] @ rows[1] > rows[0] @ rows[2]
    assert not rows[3].any()
    np.testing.assert_array_equal(rows[2], TextVectors(trained.keyed_).transform(["law court"])[0])


def test_phrases_join_what_stands_together(tmp_path):
    random = np.random.default_rng(0)
    words = [f"w{i}" for i in range(50)]
    lines = [
        [*random.choice(words, 5), "new", "york", *random.choice(words, 5)] for _ in range(200)
    ]
    phrases = Phrases(min_count=5, threshold=5).fit(lines)
    assert list(phrases.pairs_) == [("new", "york")]
    assert phrases.join(["in", "new", "york", "new"]) == ["in", "new_york", "new"]
    model = small(phrases=True).fit(" ".join(line) for line in lines)
    assert "new_york" in model.keyed_
    model.save(tmp_path / "v")
    assert WordVectors.open(tmp_path / "v").phrases_.pairs_.keys() == model.phrases_.pairs_.keys()
    with pytest.raises(InvalidInput):
        phrases.set_params(x=1)


def test_counts_are_bounded_merge_and_say_what_they_missed():
    one, two, both = VocabularyCounter(100), VocabularyCounter(100), VocabularyCounter(100)
    for counter, lines in (
        (one, [["a", "b"]]),
        (two, [["b", "c"]]),
        (both, [["a", "b"], ["b", "c"]]),
    ):
        counter.add(lines)
    one.merge(VocabularyCounter.load(two.dump()))
    assert dict(one.items()) == dict(both.items()) == {"a": 1, "b": 2, "c": 1}
    stream = VocabularyCounter(10)
    for i in range(500):
        stream.add([[f"rare{i}", "often"]])
    assert len(stream) <= 21
    assert stream["often"] + stream.missed >= 500
    with pytest.raises(InvalidInput, match="min_count"):
        stream.vocabulary(10**6)
    assert len(VocabularyCounter.load(VocabularyCounter(3).dump())) == 0


def test_draws_are_as_the_powers_of_counts():
    vocabulary = Vocabulary(tuple("abc"), np.array([1000, 100, 0]))
    draws = np.bincount(vocabulary.draws(), minlength=3)
    assert draws.sum() & (draws.sum() - 1) == 0
    assert draws[0] / draws[1] == pytest.approx(10**0.75, rel=0.01)
    assert draws[2] > 0


def test_shards_are_bounded_and_whole():
    documents = [[["w"] * 10] * n for n in (1, 300, 2, 1)]
    made = list(corpus.shards(documents, 100))
    assert sum(n for _, n in made) == 3040
    assert max(n for _, n in made) < 310
    for shard, _ in made:
        assert corpus.read(corpus.written(shard)) == [[list(s) for s in d] for d in shard]


def test_threads_get_whole_sentences():
    shard = np.array([1, 2, -1, 3, -1, 4, 5, 6, -1], np.int32)
    for n in (1, 2, 3, 9):
        parts = _cut(shard, n)
        assert np.concatenate(parts).tolist() == shard.tolist()
        assert all(p[-1] == -1 for p in parts)
    marked = np.array([-2, 1, -1, -3, 2, -1, -4, 3, -1], np.int32)
    assert all(p[0] < -1 for p in _cut(marked, 3))


def test_progress_is_told(tmp_path):
    seen = []
    small().fit(texts(), told=lambda *a: seen.append(a), checkpoint=tmp_path)
    assert list(dict.fromkeys(s for s, _, _ in seen)) == [
        "read",
        "counted",
        "encoded",
        "train",
    ]
    assert seen[-1][1] == seen[-1][2]
    assert json.loads((tmp_path / "parameters.json").read_bytes())["window"] == 5
