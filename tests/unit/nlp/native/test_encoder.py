"""The network: its compiled twin computes what numpy does, and the same bytes however it is asked."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from salient.kernels._types import type_rows

from salient.kernels import _encoder, encoder
from salient.nlp.native import SHIPPED, features, model
from tests.unit.nlp.native import random_models as random

FORMS = [
    "The",
    "old",
    "ship",
    "carried",
    "2,000",
    "U.S.",
    "größe",
    "Bergen's",
    "IBM",
    "北",
    ".",
    "",
    "x" * 40,
]
LEVELS = range(_encoder.levels())
LENGTHS = [1, 2, 63, 64, 65, 129]


def loaded(directory, **more):
    return model.load(random.write(directory, **more))


@pytest.fixture(scope="module")
def with_vectors(tmp_path_factory):
    return loaded(tmp_path_factory.mktemp("with"))


@pytest.fixture(scope="module")
def without_vectors(tmp_path_factory):
    return loaded(tmp_path_factory.mktemp("without"), words={})


@pytest.fixture(scope="module", params=["with_vectors", "without_vectors"])
def read(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def slow(read):
    return encoder.Encoder(read.arrays)


@pytest.fixture(scope="module", params=LEVELS)
def fast(request, read):
    return _encoder.Encoder(read.arrays, request.param)


def rows_of(read, forms):
    words = read.vocabulary.rows(features.norms(forms)) + np.int32(1)
    return type_rows(forms, features.SIZES), words


def sequence(n, seed=1):
    rng = np.random.default_rng(seed)
    slots = rng.integers(0, len(FORMS), n).astype(np.int32)
    bits = rng.integers(0, 1 << 16, n).astype(np.uint16)
    bits[: n // 2] &= 0b1011  # as in texts without known names
    return slots, bits


def same(one, two):
    return all(a.tobytes() == b.tobytes() for a, b in zip(one, two, strict=True))


def close(got, expected):
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    # What lies between two steps may be rounded to either, some thousandth of a layer's greatest value, and
    # recurrences hand it on.
    np.testing.assert_allclose(got, expected, rtol=2e-3, atol=2e-3)


def test_types_agree(read, slow, fast):
    rows, words = rows_of(read, FORMS * 12)
    got, expected = fast.types(rows, words), slow.types(rows, words)
    close(got, expected)
    # Two layers deep hardly any value lies so.
    assert np.isclose(got, expected, rtol=1e-4, atol=1e-4).mean() > 0.99


@pytest.mark.parametrize("n", LENGTHS)
def test_readings_agree(read, slow, fast, n):
    types = slow.types(*rows_of(read, FORMS))
    slots, bits = sequence(n)
    close(fast.encode(types, slots, bits), slow.encode(types, slots, bits))
    got, expected = fast.read(types, slots, bits), slow.read(types, slots, bits)
    for one, two in zip(got, expected, strict=True):
        close(one, two)
    heads = np.random.default_rng(2).integers(0, n, n).astype(np.int32)
    for one, two in zip(fast.relations(got, heads), slow.relations(expected, heads), strict=True):
        close(one, two)
    close(fast.root, slow.root)


def test_rounding_changes_little_of_what_the_shipped_model_says(monkeypatch):
    text = (
        "The old ship carried two passengers from Bergen to the Faroe Islands, said Mr. Olsen, who had sold "
        "it to Acme Corp. in 1999. Nobody knew why she sank; a court in Oslo will hear the case next week. "
    )
    read = model.load(SHIPPED)
    forms = text.replace(",", " ,").replace(". ", " . ").replace(";", " ;").split()
    slots = np.arange(len(forms), dtype=np.int32)
    bits = np.ones(len(forms), np.uint16)
    rounded = encoder.Encoder(read.arrays)
    got = rounded.read(rounded.types(*rows_of(read, forms)), slots, bits)
    monkeypatch.setattr(encoder, "_product", lambda x, weight: x @ weight.T)
    exact = encoder.Encoder(read.arrays)
    wanted = exact.read(exact.types(*rows_of(read, forms)), slots, bits)
    np.testing.assert_array_equal(got.tags, wanted.tags)
    assert np.abs(got.shares - wanted.shares).mean() < 0.01
    assert (got.entities.argmax(1) == wanted.entities.argmax(1)).all()


def test_sizes_come_from_the_weights(tmp_path):
    about = random.description(width=32, hidden=16, tags=48, arc=32, label=16, ner=80, n_choices=2)
    arrays = loaded(tmp_path, about=about).arrays
    slow, fast = encoder.Encoder(arrays), _encoder.Encoder(arrays)
    rows = type_rows(FORMS, features.SIZES)
    words = np.zeros(len(FORMS), np.int32)
    types = slow.types(rows, words)
    close(fast.types(rows, words), types)
    slots, bits = sequence(100)
    for one, two in zip(fast.read(types, slots, bits), slow.read(types, slots, bits), strict=True):
        close(one, two)


def test_wider_vectors_of_the_machine_change_no_bit(with_vectors):
    # Of its own accord it takes the widest there are, which on some machines are AVX2's already.
    narrow = _encoder.Encoder(with_vectors.arrays, min(1, _encoder.levels() - 1))
    wide = _encoder.Encoder(with_vectors.arrays)
    rows = rows_of(with_vectors, FORMS)
    types = narrow.types(*rows)
    assert types.tobytes() == wide.types(*rows).tobytes()
    slots, bits = sequence(300)
    got = narrow.read(types, slots, bits)
    assert same(got, wide.read(types, slots, bits))
    heads = np.zeros(300, np.int32)
    assert same(narrow.relations(got, heads), wide.relations(got, heads))


def test_a_type_is_the_same_bytes_alone_and_among_others(read, fast):
    rows, words = rows_of(read, FORMS * 12)
    together = fast.types(rows, words)
    for at in range(len(FORMS)):
        alone = fast.types(rows[at : at + 1], words[at : at + 1])
        assert alone.tobytes() == together[at].tobytes() == together[at + len(FORMS)].tobytes()


def test_a_sequence_is_the_same_bytes_wherever_its_types_lie(read, fast):
    types = fast.types(*rows_of(read, FORMS))
    slots, bits = sequence(129)
    order = np.random.default_rng(3).permutation(len(FORMS)).astype(np.int32)
    moved = np.concatenate([types[order], types])
    wanted = fast.read(types, slots, bits)
    assert same(fast.read(moved, np.argsort(order).astype(np.int32)[slots], bits), wanted)


def test_sequences_do_not_see_each_other(read, slow, fast):
    types = fast.types(*rows_of(read, FORMS))
    parts = [sequence(n, seed=n + 1) for n in (40, 0, 1, 130, 64)]
    slots, bits = (np.concatenate(column) for column in zip(*parts, strict=True))
    begins = np.cumsum([0, *(len(s) for s, _ in parts)], dtype=np.int32)
    together = fast.read(types, slots, bits, begins)
    alone = [fast.read(types, *part) for part in parts]
    assert same(together, [np.concatenate(column) for column in zip(*alone, strict=True)])
    for one, two in zip(together, slow.read(types, slots, bits, begins), strict=True):
        close(one, two)


def test_what_follows_a_chunk_of_rows_is_the_same_bytes(read, fast):
    """Products of rows: equal rows have equal results, in whatever tile of a chunk they lie."""
    types = fast.types(*rows_of(read, FORMS))
    read_ = fast.read(types, np.zeros(200, np.int32), np.zeros(200, np.uint16))
    alike = np.full((200, read_.heads.shape[1]), 0.5, np.float32)
    same_rows = read_._replace(label_heads=alike, label_deps=alike)
    which, share = fast.relations(same_rows, np.full(200, 1, np.int32))
    kept = np.arange(200) != 1
    assert len({*zip(which[kept].tolist(), share[kept].tolist(), strict=True)}) == 1


def test_threads_may_share_one(read, fast):
    types = fast.types(*rows_of(read, FORMS))
    sequences = [sequence(n, seed=n) for n in range(1, 120, 7)]
    alone = [fast.read(types, *s) for s in sequences]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda s: fast.read(types, *s), sequences * 3))
    assert all(same(a, b) for a, b in zip(alone * 3, together, strict=True))


def test_huge_weights_give_no_nonsense(tmp_path):
    read = loaded(tmp_path, scale=60.0)
    fast = _encoder.Encoder(read.arrays)
    types = fast.types(*rows_of(read, FORMS))
    reading = fast.read(types, *sequence(150))
    assert all(np.isfinite(part).all() for part in reading)
    assert ((reading.shares > 0) & (reading.shares <= 1 + 1e-6)).all()


def test_no_tokens_are_no_numbers(read, fast):
    types = fast.types(*rows_of(read, FORMS))
    none, bits = np.zeros(0, np.int32), np.zeros(0, np.uint16)
    reading = fast.read(types, none, bits)
    assert [len(part) for part in reading] == [0] * 8
    assert fast.encode(types, none, bits).shape == (0, 192)
    assert [len(part) for part in fast.relations(reading, none)] == [0, 0]
    assert fast.types(*rows_of(read, [])).shape == (0, fast.type_width)


@pytest.fixture(scope="module")
def one(with_vectors):
    return _encoder.Encoder(with_vectors.arrays)


class TestWhatCannotBe:
    @pytest.mark.parametrize("slot", [-1, len(FORMS), 2**31 - 1])
    def test_a_slot_past_the_types(self, one, with_vectors, slot):
        types = one.types(*rows_of(with_vectors, FORMS))
        with pytest.raises(IndexError):
            one.read(types, np.array([0, slot], np.int32), np.zeros(2, np.uint16))

    @pytest.mark.parametrize("column", [0, 5, 7, 38])
    @pytest.mark.parametrize("row", [-1, 2**31 - 1])
    def test_a_row_past_its_table(self, one, column, row):
        rows = type_rows(["ship"], features.SIZES)
        rows[0, column] = row
        with pytest.raises(IndexError):
            one.types(rows, np.zeros(1, np.int32))

    def test_a_word_past_the_vectors(self, one):
        with pytest.raises(IndexError):
            one.types(type_rows(["ship"], features.SIZES), np.full(1, 99, np.int32))

    def test_a_head_past_the_tokens(self, one, with_vectors):
        types = one.types(*rows_of(with_vectors, FORMS))
        reading = one.read(types, *sequence(3))
        with pytest.raises(IndexError):
            one.relations(reading, np.array([0, 1, 3], np.int32))

    def test_arguments_of_different_tokens(self, one, with_vectors):
        types = one.types(*rows_of(with_vectors, FORMS))
        with pytest.raises(ValueError, match="same tokens"):
            one.read(types, np.zeros(2, np.int32), np.zeros(3, np.uint16))
        with pytest.raises(ValueError, match="same tokens"):
            one.read(types[:, :-1].copy(), np.zeros(2, np.int32), np.zeros(2, np.uint16))

    @pytest.mark.parametrize("begins", [[], [0], [0, 1], [1, 2], [0, 3, 2], [0, 2, 1, 2]])
    @pytest.mark.parametrize("twin", [encoder, _encoder])
    def test_sequences_that_are_not_the_tokens(self, with_vectors, begins, twin):
        one = twin.Encoder(with_vectors.arrays)
        types = one.types(*rows_of(with_vectors, FORMS))
        with pytest.raises(ValueError, match="sequences"):
            one.encode(types, *sequence(2), np.array(begins, np.int32))

    def test_a_level_that_the_machine_lacks(self, with_vectors):
        with pytest.raises(ValueError, match="level"):
            _encoder.Encoder(with_vectors.arrays, 9)

    def test_a_width_that_fills_no_lanes(self, tmp_path):
        arrays = loaded(tmp_path, about=random.description(hidden=40)).arrays
        with pytest.raises(ValueError, match="multiple"):
            _encoder.Encoder(arrays)

    def test_weights_for_other_features(self, with_vectors):
        arrays = dict(with_vectors.arrays)
        del arrays["vectors"]
        with pytest.raises(ValueError, match="features"):
            _encoder.Encoder(arrays)
