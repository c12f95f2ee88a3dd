"""A model's directory says what was written, or says why not."""

import json
import os
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file

from salient.errors import Corrupt, InvalidInput, Misconfigured
from salient.nlp.native import model
from tests.unit.nlp.native import random_models as random


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return random.write(tmp_path_factory.mktemp("model"))


def test_a_model_comes_back_as_it_was_written(directory):
    read, given = model.load(directory), random.arrays(random.description())
    assert read.description == random.description()
    assert set(read.arrays) == set(given) | {f"{n}.scale" for n in given if model.is_table(n)}
    for name, array in given.items():
        if name == "vectors":
            array = array[[0, 2, 4, 1, 3]]  # rows in the order of the words
        if model.is_table(name):
            rows = read.arrays[name] * read.arrays[f"{name}.scale"][:, None]
            step = np.abs(array).max(axis=1, keepdims=True) / 127
            assert (np.abs(rows - array) <= 0.51 * step).all()
        else:
            assert read.arrays[name].dtype == np.float32
            np.testing.assert_allclose(read.arrays[name], array, rtol=1e-3, atol=1e-6)


def test_its_words_are_found_and_others_are_not(directory):
    read = model.load(directory)
    asked = ["0000", "größe", "ship", "the", "", "she", "ž"]
    assert read.vocabulary.rows(asked).tolist() == [0, 1, 2, 3, -1, -1, -1]
    found = read.lexicon_rules[read.lexicon.rows(list(random.LEXICON))].tolist()
    assert dict(zip(random.LEXICON, found, strict=True)) == random.LEXICON
    assert read.lexicon.rows(["ships"]).tolist() == [-1]


def test_the_vector_of_a_word_is_its_own(directory):
    read = model.load(directory)
    drawn = random.arrays(random.description())["vectors"]
    for word, row in random.WORDS.items():
        at = 1 + read.vocabulary.rows([word])[0]
        found = read.arrays["vectors"][at] * read.arrays["vectors.scale"][at]
        np.testing.assert_allclose(found, drawn[row], atol=0.02)


def test_other_libraries_read_the_weights(directory):
    theirs = load_file(directory / model.WEIGHTS)
    read = model.load(directory)
    np.testing.assert_array_equal(theirs["table.0"], read.arrays["table.0"])
    np.testing.assert_array_equal(theirs["root"].astype(np.float32), read.arrays["root"])


def test_tables_are_mapped_not_copied(directory):
    tables = [a for n, a in model.load(directory).arrays.items() if model.is_table(n)]
    assert not any(table.flags.owndata or table.flags.writeable for table in tables)


def test_equal_models_are_equal_bytes_and_others_have_another_digest(directory, tmp_path):
    again = random.write(tmp_path / "again")
    for name in (model.WEIGHTS, model.DESCRIPTION):
        assert (again / name).read_bytes() == (directory / name).read_bytes()
    digests = {
        model.load(d).digest
        for d in (
            directory,
            again,
            random.write(tmp_path / "seed", seed=6),
            random.write(tmp_path / "name", random.description(name="other")),
            random.write(tmp_path / "lexicon", lexicon={"ships\tNOUN": 2}),
        )
    }
    assert len(digests) == 4


def test_a_model_may_have_no_vectors_and_no_lexicon(tmp_path):
    read = model.load(random.write(tmp_path, words={}, lexicon={}))
    assert "vectors" not in read.arrays
    assert (len(read.vocabulary), read.vocabulary.rows(["the"]).tolist()) == (0, [-1])
    assert read.lexicon.rows(["ships\tNOUN"]).tolist() == [-1]


def test_temperatures_are_one_where_none_is_given(tmp_path):
    about = model.load(
        random.write(tmp_path, random.description(temperatures={"arc": 1.5}))
    ).description
    assert (about.temperature("arc"), about.temperature("ner")) == (1.5, 1.0)


@pytest.mark.parametrize(
    ("change", "array"),
    [
        (lambda a: a.pop("arc.u"), "arc.u"),
        (lambda a: a.update({"more": a["root"]}), "more"),
        (lambda a: a.update({"root": a["root"][:-1]}), "root"),
    ],
)
def test_arrays_that_are_not_the_models_are_refused(tmp_path, change, array):
    about = random.description()
    given = random.arrays(about)
    change(given)
    with pytest.raises(InvalidInput) as info:
        model.save(tmp_path, about, given, words=random.WORDS)
    assert info.value.context["arrays"] == [array]


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_numbers_that_cannot_be_stored_are_refused(tmp_path, value):
    about = random.description()
    given = random.arrays(about)
    given["tags.bias"][3] = value
    with pytest.raises(InvalidInput) as info:
        model.save(tmp_path, about, given, words=random.WORDS)
    assert info.value.context["array"] == "tags.bias"


def test_vectors_without_words_are_refused(tmp_path):
    about = random.description()
    with pytest.raises(InvalidInput, match="vectors"):
        model.save(tmp_path, about, random.arrays(about))


def test_no_model_is_a_matter_of_set_up(tmp_path):
    with pytest.raises(Misconfigured):
        model.load(tmp_path)


def described(directory, **more):
    file = directory / model.DESCRIPTION
    told = json.loads(file.read_bytes())
    file.write_text(json.dumps(told | more))
    return directory


@pytest.mark.parametrize("more", [{"format": 2}, {"features": "other"}])
def test_a_model_of_another_release_is_a_matter_of_set_up(tmp_path, more):
    with pytest.raises(Misconfigured):
        model.load(described(random.write(tmp_path), **more))


@pytest.mark.parametrize(
    "more", [{"width": 32}, {"upos": ["X"]}, {"weights": {}}, {"rules": 3, "weights": 1}]
)
def test_a_description_that_does_not_fit_is_corrupt(tmp_path, more):
    with pytest.raises(Corrupt):
        model.load(described(random.write(tmp_path), **more))


def test_weights_cut_short_are_corrupt(tmp_path):
    file = random.write(tmp_path) / model.WEIGHTS
    os.truncate(file, file.stat().st_size - 1)
    with pytest.raises(Corrupt):
        model.load(tmp_path)


def test_weights_without_a_header_are_corrupt(tmp_path):
    file = random.write(tmp_path) / model.WEIGHTS
    data = file.read_bytes()
    file.write_bytes(struct.pack("<Q", 1 << 40) + data[8:])
    with pytest.raises(Corrupt):
        model.load(tmp_path)


@given(st.sets(st.text(max_size=6), max_size=30), st.text(max_size=6))
def test_a_vocabulary_finds_just_its_words(known, other):
    encoded = sorted(w.encode() for w in known if w.isprintable())
    words = model.Words(
        np.frombuffer(b"".join(encoded), np.uint8),
        np.cumsum([0, *map(len, encoded)], dtype=np.uint32),
    )
    found = words.rows([*(w.decode() for w in encoded), other]).tolist()
    assert found[:-1] == list(range(len(encoded)))
    assert (found[-1] >= 0) == (other.encode() in encoded)


def test_every_tag_has_a_name():
    about = random.description()
    names = model.tag_names(about.entities)
    assert names[:6] == ["O", "B-PERSON", "I-PERSON", "L-PERSON", "U-PERSON", "B-NORP"]
    assert len(names) == len(set(names)) == model.shapes(about, 0)["ner.out.bias"][0] == 73


def test_a_larger_network_has_larger_arrays_of_the_same_names():
    small, large = random.description(), random.description(width=192, hidden=128)
    assert model.shapes(small, 5).keys() == model.shapes(large, 5).keys()
    assert model.shapes(large, 5)["gru4.fwd.weight"] == (256, 256)
