"""The classifier of texts: what it learns, what it refuses, what comes back from disk."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from salient.errors import Conflict, Corrupt, InvalidInput, Misconfigured
from salient.kernels.terms import Spec
from salient.learning.classification import HashedTexts, TextClassifier, measured, running
from salient.storage.blob import Blobs

SUBJECTS = {
    "sea": "ship sail harbour captain wave anchor crew port",
    "law": "court judge claim party statute appeal clause verdict",
    "food": "bread oven salt butter flour soup kitchen knife",
}


def corpus(n, seed=1, classes=("sea", "law", "food"), noise=4):
    rng = np.random.default_rng(seed)
    common = "the a of and to in was it on that".split()
    texts, labels = [], []
    for at in range(n):
        label = classes[at % len(classes)]
        own = SUBJECTS[label].split()
        words = [own[i] for i in rng.integers(0, len(own), 4)]
        words += [common[i] for i in rng.integers(0, len(common), noise)]
        other = SUBJECTS[classes[rng.integers(0, len(classes))]].split()
        words.append(other[rng.integers(0, len(other))])
        texts.append(" ".join(words[i] for i in rng.permutation(len(words))))
        labels.append(label)
    return texts, labels


def small(**more):
    return TextClassifier(**{"n_bits": 14, **more})


@pytest.mark.parametrize("loss", ["hinge", "log", "passive"])
@pytest.mark.parametrize(
    "more", [{}, {"naive_bayes": True}, {"characters": (2, 4)}, {"early_stopping": True}, {"words": 3}], ids=str
)  # fmt: skip
@pytest.mark.parametrize("classes", [("sea", "law"), ("sea", "law", "food")], ids=len)
def test_it_tells_texts_apart_that_it_has_not_seen(loss, more, classes):
    model = small(loss=loss, **more).fit(*corpus(400, classes=classes))
    texts, labels = corpus(200, seed=2, classes=classes)
    assert model.score(texts, labels) > 0.95
    shares = model.predict_proba(texts)
    assert shares.shape == (200, len(classes))
    np.testing.assert_allclose(shares.sum(1), 1, rtol=1e-5)
    assert (model.classes_[shares.argmax(1)] == model.predict(texts)).mean() > 0.95


def test_several_labels_a_text():
    texts, labels = corpus(600)
    pairs = [f"{a} {b}" for a, b in zip(texts[:300], texts[301:] + texts[300:301], strict=True)]
    both = [{a, b} for a, b in zip(labels[:300], labels[301:] + labels[300:301], strict=True)]
    given = texts[:100] + pairs
    wanted = [{label} for label in labels[:100]] + both
    model = small(loss="log", rate=3.0, epochs=20, multi_label=True).fit(given, wanted)
    said = model.predict(given)
    assert all(isinstance(labels_, tuple) for labels_ in said)
    assert measured(wanted, said).micro_f1 > 0.95
    assert model.predict_proba(given).shape == (400, 3)
    assert model.fit(["a ship", "nothing", "a court"], [["sea"], [], ["law"]]).predict(["ship"])


def test_texts_come_as_lists_bytes_arrays_and_arrow():
    texts, labels = corpus(90)
    texts[3] = "größe 北京 ship sail"
    wanted = small().fit(texts, labels).decision_function(texts)
    forms = [
        [t.encode() for t in texts], np.array(texts), np.array(texts, object), pa.array(texts),
        pa.array(texts, pa.large_string()), pa.chunked_array([texts[:40], texts[40:]]), (t for t in texts),
        pa.array(["x", *texts])[1:], HashedTexts.of(texts, small().spec),
    ]  # fmt: skip
    for form in forms:
        again = small().fit(form, labels)
        assert again.decision_function(texts).tobytes() == wanted.tobytes()
    assert (
        small(threads=3).fit(texts, labels).decision_function(texts).tobytes() == wanted.tobytes()
    )


def test_the_same_texts_and_seed_give_the_same_bytes_and_another_seed_others():
    texts, labels = corpus(100)
    one, two, other = (small(random_state=s).fit(texts, labels) for s in (1, 1, 2))
    assert one.decision_function(texts).tobytes() == two.decision_function(texts).tobytes()
    assert one.decision_function(texts).tobytes() != other.decision_function(texts).tobytes()


@pytest.mark.parametrize("batch", [None, 100, 700])
@pytest.mark.parametrize("more", [{}, {"l2": 1e-6}])
def test_probabilities_are_as_sure_as_it_is_right(batch, more):
    texts, labels = corpus(4500, noise=30)
    half = 3000
    rng = np.random.default_rng(1)
    flipped = [rng.choice(["sea", "law", "food"]) if rng.random() < 0.3 else y for y in labels]
    model = small(**more)
    if batch is None:
        model.fit(texts[:half], flipped[:half])
    else:
        parts = ((texts[at : at + batch], flipped[at : at + batch]) for at in range(0, half, batch))
        model.fit_stream(parts, ["food", "law", "sea"])
    report = measured(
        flipped[half:], model.predict(texts[half:]).tolist(), model.predict_proba(texts[half:]),
        model.classes_.tolist(),
    )  # fmt: skip
    assert report.accuracy > 0.7
    assert report.calibration_error < 0.1
    uncalibrated = small(calibrate=False).fit(texts[:half], flipped[:half])
    assert (uncalibrated.predict_proba(texts) != model.predict_proba(texts)).any()


def test_labels_of_one_pass_are_given_by_calibrated_bounds():
    texts, labels = corpus(3000)
    several = [(y,) if at % 3 else (y, "third") for at, y in enumerate(labels)]
    model = small(multi_label=True)
    model.fit_stream(
        ((texts[at : at + 500], several[at : at + 500]) for at in range(0, 3000, 500)),
        ["food", "law", "sea", "third"],
    )
    shares = model.predict_proba(texts)
    assert abs(shares[:, 3].mean() - 1 / 3) < 0.1
    assert (model._calibration.slope != 1).all()


def test_in_one_pass_it_learns_too_and_classes_may_come_late():
    texts, labels = corpus(600)
    order = np.argsort(labels, kind="stable")[::2]
    first = small().partial_fit(texts[:10], labels[:10], classes=["food", "law", "sea"])
    for at in range(10, 600, 59):
        first.partial_fit(texts[at : at + 59], labels[at : at + 59])
    assert first.score(*corpus(200, seed=2)) > 0.9
    assert first.n_texts_ == 600
    assert len(order) == 300


def test_a_stream_that_fails_leaves_what_was_learnt():
    texts, labels = corpus(300)

    def stream():
        yield texts[:150], labels[:150]
        yield texts[150:], labels[150:]
        raise OSError("the disk is gone")

    seen = []
    model = small()
    with pytest.raises(OSError, match="gone"):
        model.fit_stream(stream(), classes=["food", "law", "sea"], report=seen.append)
    assert seen == [150, 300]
    assert model.score(*corpus(100, seed=2)) > 0.9
    model.partial_fit(texts, labels)
    with pytest.raises(InvalidInput, match="no texts"):
        small().fit_stream([], classes=["a", "b"])


def test_a_warm_start_goes_on():
    texts, labels = corpus(60, noise=20)
    model = small(epochs=1, warm_start=True, calibrate=False).fit(texts, labels)
    before = np.abs(model.decision_function(texts)).mean()
    model.fit(texts, labels)
    assert np.abs(model.decision_function(texts)).mean() > before
    with pytest.raises(InvalidInput, match="warm_start"):
        model.fit(["a", "b"], ["x", "y"])


def test_weights_of_classes_and_texts_count():
    texts, labels = corpus(200)
    rare = [i for i, label in enumerate(labels) if label != "sea" or i < 12]
    texts, labels = [texts[i] for i in rare], [labels[i] for i in rare]
    plain, balanced = (
        small(class_weight=w, calibrate=False, epochs=1, rate=0.05)
        .fit(texts, labels)
        .predict(texts)
        .tolist()
        for w in (None, "balanced")
    )
    assert balanced.count("sea") >= plain.count("sea")
    none = small(class_weight={"sea": 0.0}, calibrate=False).fit(texts, labels)
    assert "sea" not in none.predict(texts).tolist()
    ignored = [0.0 if label == "law" else 1.0 for label in labels]
    model = small(calibrate=False).fit(texts, labels, sample_weight=ignored)
    assert "law" not in model.predict(texts).tolist()


def test_l1_makes_most_weights_nothing():
    texts, labels = corpus(300)
    dense, sparse = (small(l1=l1, calibrate=False).fit(texts, labels) for l1 in (0.0, 3e-3))
    assert (sparse._rows[:, 1:4] != 0).sum() < 0.5 * (dense._rows[:, 1:4] != 0).sum()
    assert sparse.score(*corpus(100, seed=2)) > 0.9


def test_reasons_point_at_words():
    model = small().fit(*corpus(400))
    text = "The größte SHIP of the port, said the judge: ship"
    reasons = model.explain(text, "sea", n=3)
    assert reasons[0].text == "SHIP"
    assert [text[a:b] for a, b in reasons[0].spans] == ["SHIP", "ship"]
    assert [abs(r.weight) for r in reasons] == sorted(
        (abs(r.weight) for r in reasons), reverse=True
    )
    assert any(r.text == "judge" and r.weight < 0 for r in reasons)
    two = small().fit(*corpus(200, classes=("sea", "law")))
    assert two.explain("a ship", "sea")[0].weight > 0 > two.explain("a ship", "law")[0].weight
    assert model.explain("") == []
    with pytest.raises(InvalidInput, match="no class"):
        model.explain(text, "war")


def test_reasons_add_up_to_the_score():
    model = small(characters=(3, 4)).fit(*corpus(200))
    text = corpus(1, seed=9)[0][0]
    for at, label in enumerate(model.classes_.tolist()):
        found = sum(r.weight for r in model.explain(text, label, n=10_000))
        wanted = model.decision_function([text])[0, at] - model._bias[1 + at]
        assert found == pytest.approx(wanted, abs=1e-4)


def test_what_is_saved_comes_back_the_same(tmp_path):
    texts, labels = corpus(200)
    for model in (
        small(characters=(2, 3)).fit(texts, labels),
        small(multi_label=True).fit(texts, [[label] for label in labels]),
        small().partial_fit(texts, labels, classes=["food", "law", "sea"]),
        small().fit(texts, [len(label) for label in labels]),
    ):
        model.save(tmp_path / "m")
        again = TextClassifier.load(tmp_path / "m")
        assert again.get_params() == model.get_params()
        assert list(again.predict(texts)) == list(model.predict(texts))
        assert again.predict_proba(texts).tobytes() == model.predict_proba(texts).tobytes()
        assert not again._rows.flags.owndata


def test_a_save_that_is_broken_off_leaves_the_older_one(tmp_path, monkeypatch):
    old, new = small().fit(*corpus(60)), small().fit(*corpus(90, seed=4))
    texts = corpus(20, seed=5)[0]
    whole = Path.replace
    for allowed in range(2):
        left = [allowed]

        def replace(part, to, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise OSError("killed")
            return whole(part, to)

        old.save(tmp_path / "m")
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace)
            with pytest.raises(OSError, match="killed"):
                new.save(tmp_path / "m")
        again = TextClassifier.load(tmp_path / "m")
        assert again.predict_proba(texts).tobytes() == old.predict_proba(texts).tobytes()
    new.save(tmp_path / "m")
    assert len(list((tmp_path / "m").glob("*.safetensors"))) == 1


def test_what_was_fitted_whole_is_not_forgotten_in_silence(tmp_path):
    model = small().fit(*corpus(60))
    model.save(tmp_path / "m")
    for one in (model, TextClassifier.load(tmp_path / "m")):
        with pytest.raises(Conflict, match="partial_fit"):
            one.partial_fit(["a"], ["sea"], classes=["food", "law", "sea"])
    going = small().partial_fit(["a", "b"], ["x", "y"])
    going.predict(["a"])
    going.partial_fit(["c"], ["x"])
    with pytest.raises(Conflict):
        going.fit(*corpus(60)).partial_fit(["c"], ["sea"])


def test_features_are_hashed_once_and_found_again(tmp_path, monkeypatch):
    texts, _ = corpus(50)
    spec = small().spec
    first = HashedTexts.cached(texts, spec, tmp_path)
    monkeypatch.setattr("salient.learning.classification.features.hashed_features", None)
    again = HashedTexts.cached(texts, spec, tmp_path)
    assert again.columns.tobytes() == first.columns.tobytes()
    with pytest.raises(TypeError):
        HashedTexts.cached([*texts[:-1], "other"], spec, tmp_path)
    blobs = Blobs.open(f"file:{tmp_path}")
    for bad in (b"", b"cut short", blobs.get(next(blobs.list()))[:-9]):
        blobs.put(next(blobs.list()), bad)
        with pytest.raises(TypeError):  # hashed again
            HashedTexts.cached(texts, spec, tmp_path)
    monkeypatch.undo()
    memory = Blobs.open("memory:")
    assert (
        len(HashedTexts.cached([], spec, memory)) == len(HashedTexts.cached([], spec, memory)) == 0
    )
    assert HashedTexts.cached(texts, spec, memory).counts.tobytes() == first.counts.tobytes()
    assert len(list(memory.list())) == 2


class TestHostile:
    def test_a_label_that_comes_once_is_learnt_all_the_same(self):
        texts, labels = corpus(99)
        model = small().fit([*texts, "zebra zebra savannah"], [*labels, "animals"])
        assert model.predict(["zebra savannah"]).tolist() == ["animals"]

    def test_empty_texts_are_texts(self):
        texts, labels = corpus(60)
        model = small().fit([*texts, "", "  \n", "!!!"], [*labels, "law", "law", "law"])
        assert set(model.predict(["", "…"]).tolist()) <= set(labels)
        assert np.isfinite(model.predict_proba(["", "…"])).all()

    def test_bytes_that_are_no_utf8_part_words(self):
        model = small().fit(*corpus(200))
        said = model.predict(
            [b"ship\xff\xfeharbour \xed\xa0\x80 captain", b"\xff" * 50, "half \ud800 ship"]
        )
        assert said[0] == "sea"

    def test_a_text_of_ten_million_characters(self):
        model = small().fit(*corpus(200))
        long = "ship harbour of the captain " * 357_143
        assert len(long) > 10_000_000
        assert model.predict([long, "court judge"]).tolist() == ["sea", "law"]
        one_word = "a" * 10_000_000
        assert len(model.predict([one_word])) == 1

    @pytest.mark.parametrize(
        "weight", [[1, float("nan")], [1, float("inf")], [1, -1], [1], [[1, 1]]]
    )
    def test_weights_that_are_none(self, weight):
        with pytest.raises(InvalidInput, match="weight"):
            small().fit(["a", "b"], ["x", "y"], sample_weight=weight)

    @pytest.mark.parametrize(
        ("texts", "labels", "told"),
        [
            (["a", "b"], ["x"], "2 texts and 1 classes"),
            ([], [], "no texts"),
            (["a", "b"], ["x", "x"], "one class"),
            (["a", None], ["x", "y"], "text 1 is missing"),
            (["a", 3], ["x", "y"], "text 1 is int"),
            ("ab", ["x", "y"], "one text"),
            (["a", "b"], ["x", None], "missing"),
            (["a", "b"], ["x", 1], "several kinds"),
            (["a", "b"], [1.0, float("nan")], "missing"),
            (["a", "b"], [["x"], ["y"]], "multi_label"),
            (np.array([["a"], ["b"]]), ["x", "y"], "one dimension"),
            (pa.array([1, 2]), ["x", "y"], "no texts"),
            (pa.array(["a", None]), ["x", "y"], "missing"),
        ],
    )
    def test_what_cannot_be_learnt_from(self, texts, labels, told):
        if told == "several kinds":
            labels = np.array(labels, object)
        with pytest.raises(InvalidInput, match=told):
            small().fit(texts, labels)

    @pytest.mark.parametrize(
        "wrong",
        [{"loss": "other"}, {"epochs": 0}, {"rate": float("nan")}, {"l1": -1.0}, {"n_bits": 60}, {"words": 4},
         {"words": 0}, {"characters": (3, 2)}, {"class_weight": "even"}, {"class_weight": {"z": 1.0}}],
        ids=str,
    )  # fmt: skip
    def test_parameters_that_cannot_be(self, wrong):
        with pytest.raises(InvalidInput):
            small(**wrong).fit(*corpus(30))

    def test_classes_that_were_not_announced(self):
        model = small().partial_fit(["a", "b"], ["x", "y"], classes=["x", "y"])
        with pytest.raises(InvalidInput, match="announced"):
            model.partial_fit(["c"], ["z"])
        with pytest.raises(InvalidInput, match="first call"):
            model.partial_fit(["c"], ["x"], classes=["x", "z"])
        assert model.score(["a", "b"], ["x", "y"]) == 1.0
        with pytest.raises(InvalidInput, match="first call"):
            small().partial_fit(["a"], ["x"])

    def test_nothing_is_said_before_anything_is_learnt(self, tmp_path):
        for use in (
            lambda m: m.predict(["a"]),
            lambda m: m.explain("a"),
            lambda m: m.save(tmp_path),
        ):
            with pytest.raises(Misconfigured, match="fit"):
                use(small())

    def test_folders_that_hold_no_classifier(self, tmp_path):
        with pytest.raises(Misconfigured, match="no classifier"):
            TextClassifier.load(tmp_path)
        (tmp_path / "letter.txt").write_text("dear")
        model = small().fit(*corpus(60))
        with pytest.raises(Conflict):
            model.save(tmp_path)
        model.save(tmp_path / "m")
        about = json.loads((tmp_path / "m/model.json").read_text())
        for change in ({"n_outputs": 9}, {"spec": [14]}, {"params": {"loss": 1, "extra": 2}}):
            (tmp_path / "m/model.json").write_text(json.dumps(about | change))
            with pytest.raises(Corrupt):
                TextClassifier.load(tmp_path / "m")
        (tmp_path / "m/model.json").write_text(json.dumps(about | {"format": 9}))
        with pytest.raises(Misconfigured, match="release"):
            TextClassifier.load(tmp_path / "m")
        (tmp_path / "m/model.json").write_text(json.dumps(about))
        next((tmp_path / "m").glob("*.safetensors")).write_bytes(b"short")
        with pytest.raises(Corrupt):
            TextClassifier.load(tmp_path / "m")


def test_parameters_are_those_of_scikit_learn():
    model = small(epochs=7)
    assert TextClassifier(**model.get_params()).get_params() == model.get_params()
    assert model.set_params(epochs=3, loss="log").epochs == 3
    assert repr(small(loss="log")) == "TextClassifier(loss='log', n_bits=14)"
    with pytest.raises(InvalidInput, match="no parameter"):
        model.set_params(depth=3)


def test_a_model_on_disk_holds_rows_of_what_it_met_alone(tmp_path):
    texts, labels = corpus(100)
    model = TextClassifier(n_bits=20).fit(texts, labels)
    model.save(tmp_path / "m")
    assert next((tmp_path / "m").glob("*.safetensors")).stat().st_size < 2_000_000
    again = TextClassifier.load(tmp_path / "m")
    assert again.predict(texts).tolist() == model.predict(texts).tolist()
    streamed = TextClassifier(n_bits=20).partial_fit(texts, labels, classes=sorted(set(labels)))
    streamed.predict(texts)
    assert len(streamed._rows) == len(model._rows)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_give_no_classes(value):
    texts, labels = corpus(60)
    model = TextClassifier(n_bits=12).fit(texts, labels)
    model._rows[:, 1] = value
    with pytest.raises(Corrupt, match="no numbers"):
        model.predict(texts)


def test_one_text_of_ten_megabytes_among_others():
    texts, labels = corpus(60)
    model = TextClassifier(n_bits=14).fit(texts, labels)
    long = " ".join(texts) * (10_000_000 // len(" ".join(texts)))
    said = model.predict([texts[0], long, long + " é", b"\xff" + texts[0].encode()])
    assert said[0] == said[3] == labels[0]
    assert said[1] == said[2]


def test_parts_do_not_drown_words(monkeypatch):
    """Two words of a text tell its class by their order, which no part of a word has."""
    rng = np.random.default_rng(5)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    texts, labels = [], []
    for at in range(900):
        label = ("sea", "law")[at % 2]
        words = ["".join(rng.choice(letters, 8)) for _ in range(20)]
        words.insert(int(rng.integers(0, 21)), {"sea": "over under", "law": "under over"}[label])
        texts.append(" ".join(words))
        labels.append(label)

    def score():
        model = TextClassifier(n_bits=18, characters=(3, 5), calibrate=False)
        return model.fit(texts[:300], labels[:300]).score(texts[300:], labels[300:])

    own = score()
    monkeypatch.setattr(running, "PARTS", 1.0)
    assert own > score() + 0.1


def test_features_that_another_release_hashed_are_refused(tmp_path):
    made = HashedTexts.of(["a ship", "a court"], Spec(14))
    made.save(tmp_path)
    np.save(tmp_path / "spec.npy", np.array(made.spec, np.int64))
    with pytest.raises(Corrupt, match="hash the texts again"):
        HashedTexts.load(tmp_path)
