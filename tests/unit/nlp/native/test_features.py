"""What the network is given of a word."""

import os
import string
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salient.kernels import _types, types
from salient.kernels.hashing import hash_bytes
from salient.nlp.native import features

FORMS = st.lists(
    st.one_of(
        st.text(string.printable, max_size=40),
        st.text(max_size=30),
        st.text("aZ9-.'/’“\u2011éßİǅ北\U00020000\U0001f600\ud800$§ ", max_size=30),
        st.text("aA", max_size=80),
    ),
    max_size=5,
)
SIZES = st.lists(st.sampled_from([2, 3, 64, 8192, 2**31 - 1]), min_size=7, max_size=7)


@settings(deadline=None)
@given(FORMS, SIZES)
def test_twins_agree(forms, sizes):
    expected, got = types.type_rows(forms, sizes), _types.type_rows(forms, sizes)
    assert expected.dtype == got.dtype
    np.testing.assert_array_equal(got, expected)


def test_twins_agree_on_every_character_by_itself_and_at_both_ends_of_a_word():
    characters = [chr(c) for c in range(0x3000)]
    forms = [f for c in characters for f in (c, c + "a", "A" + c)]
    np.testing.assert_array_equal(
        types.type_rows(forms, features.SIZES), _types.type_rows(forms, features.SIZES)
    )


@pytest.mark.parametrize("sizes", [[], [8] * 6, [8] * 8, [8] * 6 + [1]])
def test_both_twins_refuse_tables_that_are_not_seven(sizes):
    for twin in (types.type_rows, _types.type_rows):
        with pytest.raises(ValueError, match="seven tables"):
            twin(["a"], sizes)


@given(FORMS)
def test_rows_are_rows_of_the_tables_and_never_the_first(forms):
    made = features.rows(forms)
    assert len(made) == len(forms)
    assert made.hashed.shape == (len(forms), 6)
    assert (made.hashed >= 1).all()
    assert (made.hashed < [size for size, _ in features.TABLES]).all()
    assert made.offsets[0] == 0
    assert made.offsets[-1] == len(made.grams)
    assert (np.diff(made.offsets) <= types.MOST_GRAMS).all()
    assert ((made.grams >= 1) & (made.grams < features.GRAM_TABLE[0])).all()
    assert (made.flags < 1 << features.N_FLAGS).all()


def test_a_word_has_the_features_that_are_written_down():
    made = features.rows(["McDonald's-23"])
    wanted = ["mcdonald's-00", "-00", "mcd", "00", "s-00", "XxXxxx'x-dd"]
    for kind, text in enumerate(wanted):
        size = features.TABLES[kind][0]
        assert made.hashed[0, kind] == 1 + hash_bytes(bytes([kind]) + text.encode()) % (size - 1)


def test_grams_are_those_of_the_marked_norm():
    made = features.rows(["Ab", "a"])
    size = features.GRAM_TABLE[0] - 1
    wanted = [1 + hash_bytes(b"\x06" + g) % size for g in (b"<ab", b"ab>", b"<ab>", b"<a>")]
    assert made.grams.tolist() == wanted
    assert made.offsets.tolist() == [0, 3, 4]


@pytest.mark.parametrize(
    ("form", "norm", "shape"),
    [
        ("Halden", "halden", "Xxxx"),
        ("U.S.", "u.s.", "X.X."),
        ("1,234.50", "0,000.00", "d,ddd.dd"),
        ("STRASSE", "strasse", "XXX"),
        ("Straße", "strasse", "Xxxx"),
        ("Don’t", "don't", "Xxx'x"),
        ("٣", "0", "d"),
        ("北京", "北京", "xx"),
        ("x" * 90, "x" * 24, "xxx"),
        ("a1" * 90, "a0" * 12, "xd" * 12),
        ("", "", ""),
    ],
)
def test_norm_and_shape(form, norm, shape):
    assert types.norm_of(form) == norm
    assert types.shape_of(form) == shape


@pytest.mark.parametrize(
    ("form", "flags"),
    [
        ("IBM", types.ALL_CAPS),
        ("I", types.ALL_CAPS | types.SINGLE),
        ("Halden", types.TITLE),
        ("sea", types.ALL_LOWER),
        ("eBay", types.MIXED),
        ("B2B", types.ALL_CAPS | types.HAS_DIGIT),
        ("23", types.HAS_DIGIT | types.ALL_DIGITS),
        ("n't", types.ALL_LOWER | types.APOSTROPHE),
        ("and/or", types.ALL_LOWER | types.SLASH),
        ("-", types.HYPHEN | types.PUNCTUATION | types.SINGLE),
        ("...", types.DOT | types.PUNCTUATION),
        ("$", types.SYMBOL | types.SINGLE),
        ("€5", types.SYMBOL | types.HAS_DIGIT | types.NOT_ASCII),
        ("é", types.ALL_LOWER | types.NOT_ASCII | types.SINGLE),
        ("北", types.NOT_ASCII | types.NOT_LATIN | types.SINGLE),
        ("a" * 13, types.ALL_LOWER | types.LONG),
        ("", 0),
    ],
)
def test_flags(form, flags):
    for twin in (types.type_rows, _types.type_rows):
        assert twin([form], features.SIZES)[0, types.GRAM] == flags


def test_flags_of_ascii_follow_unicode():
    for c in map(chr, range(128)):
        flags = types.flags_of(c)
        assert bool(flags & types.PUNCTUATION) == (unicodedata.category(c)[0] == "P")
        assert bool(flags & types.SYMBOL) == (unicodedata.category(c)[0] == "S")


def test_flag_columns_are_the_bits():
    columns = features.flag_columns(np.array([0, 5, 1 << 15], np.uint32))
    assert columns.dtype == np.float32
    assert columns.tolist() == [
        [0.0] * 16,
        [1.0, 0.0, 1.0] + [0.0] * 13,
        [0.0] * 15 + [1.0],
    ]


def test_norms_are_the_keys_of_the_vocabulary():
    assert features.norms(["The", "2021"]) == ["the", "0000"]


@given(st.text(max_size=40))
def test_plain_text_keeps_its_offsets_and_has_a_utf8_form(text):
    plain = features.plain(text)
    assert len(plain) == len(text)
    plain.encode()


def test_the_definition_runs_when_asked_for():
    code = "from salient.nlp.native import features as f; print(f.type_rows.__module__, *f.rows(['ab']).hashed[0])"
    environment = os.environ | {
        "SALIENT_PURE_PYTHON": "1",
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    module, *rows = shown.stdout.split()
    assert module == "salient.kernels.types"
    assert list(map(int, rows)) == features.rows(["ab"]).hashed[0].tolist()
