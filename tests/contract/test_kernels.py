"""A compiled kernel and its definition are the same function, and that function is right."""

import dataclasses
import importlib
import inspect
import itertools
import json
import os
import pkgutil
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salient import kernels
from salient.kernels.candidates import BRIEF, HYPHEN, TELLING, VAGUE, VERBAL
from salient.kernels.hashing import WORD_WEIGHT, hash_bytes
from salient.kernels.phrases import hash_key
from salient.kernels.segments import SPACE, classes
from salient.nlp.native.tokenizer import read_exceptions

MODULES = [m.name for m in pkgutil.iter_modules(kernels.__path__) if not m.name.startswith("_")]
PAIRS = {}  # "token_spans" -> (definition, compiled)
for module in MODULES:
    slow = importlib.import_module(f"salient.kernels.{module}")
    fast = importlib.import_module(f"salient.kernels._{module}")
    PAIRS |= {name: (getattr(slow, name), getattr(fast, name)) for name in slow.__all__}

# Twins that agree to rounding only, or are classes: tests/unit/nlp/native compares them.
NETWORK = {"Encoder", "entity_spans", "spanning_tree", "trees"}
# Of floats as well: tests/unit/kernels and tests/unit/learning.
LINEAR = {"linear_pass", "linear_scores", "linear_settled", "sparse_scores", "train_embeddings"}
KERNELS = set(PAIRS)
PAIRS = {name: twins for name, twins in PAIRS.items() if name not in NETWORK | LINEAR}

# Any code point, and a thick soup of those where the rules change.
EDGES = "aZ_9 \t\n\x1c\x85\u00a0\u2003'’.,-<>é\u0301\u093f\u200d\u00ad北のカ한ไ\U00020000\U0001f600\ufe0f\U000e0101"
TEXTS = st.one_of(st.text(max_size=60), st.text(st.sampled_from(EDGES), max_size=60))
HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=5).map(
    lambda v: np.array(sorted(v), np.uint64)
)


def utf8(text):
    return text.encode("utf-8", "surrogatepass")


def packed(texts):
    """Texts in one array of bytes, and where each begins."""
    encoded = [utf8(text) for text in texts]
    return np.frombuffer(b"".join(encoded), np.uint8), np.cumsum(
        [0, *map(len, encoded)], dtype=np.int64
    )


FIELDS = ["text", 't"x', "é\\", "", "label"]
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS,
        st.text(st.sampled_from('"\\/{}[],: \n\b\f\t\r\ud83d\ude00'), max_size=9),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3)),
    max_leaves=6,
)  # fmt: skip
WORDS = st.lists(st.sampled_from(["a", "b", "ab", "é", "北", "", "\U0001f600"]), max_size=8)
CODES = st.lists(st.integers(-1, 3), max_size=20)


def bucketed(entries, hash_of):
    """The entries by their hash, and where each bucket begins."""
    bits = max(1, len(entries).bit_length())
    entries = sorted(entries, key=hash_of)
    buckets = [hash_of(e) >> (64 - bits) for e in entries]
    starts = [sum(b < bucket for b in buckets) for bucket in range((1 << bits) + 1)]
    return entries, np.array(starts, np.int32)


def vocabulary_of(words):
    words, starts = bucketed(sorted(set(words)), lambda w: hash_bytes(w.encode()))
    encoded = [w.encode() for w in words]
    ends = np.cumsum([len(e) for e in encoded], dtype=np.int64)
    return starts, ends, np.frombuffer(b"".join(encoded), np.uint8)


def trie_of(phrases):
    """Edges of a trie whose phrases are numbered as given."""
    nodes, ends = {(): 0}, {}
    for number, phrase in enumerate(dict.fromkeys(phrases)):
        for size in range(1, len(phrase) + 1):
            nodes.setdefault(phrase[:size], len(nodes))
        ends[phrase] = number
    edges = {nodes[p[:-1]] << 32 | p[-1]: p for p in nodes if p}
    keys, starts = bucketed(list(edges), hash_key)
    return (
        starts,
        np.array(keys, np.uint64),
        np.array([nodes[edges[k]] for k in keys], np.int32),
        np.array([ends.get(edges[k], -1) for k in keys], np.int32),
    )


KNOWN = st.text("abé北 ", max_size=3)


def sorted_words(words):
    encoded = sorted(word.encode() for word in words)
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.uint32)
    return np.frombuffer(b"".join(encoded), np.uint8), offsets


PHRASES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple), max_size=8)


def stretches(text, cuts):
    """Stretches in order, which may touch."""
    at = sorted(min(cut, len(text)) for cut in cuts)
    return np.array(list(zip(at[::2], at[1::2], strict=False)), np.int32).reshape(-1, 2)


CASED = "aBcÉßǅ１²Ⅷ_ .'’@&/-9\n\ud800"
CUT = st.tuples(
    st.one_of(TEXTS, st.text(st.sampled_from(CASED), max_size=60)),
    st.lists(st.integers(0, 60), max_size=8),
).map(lambda t: (t[0], stretches(*t)))
SPANS = st.tuples(
    st.one_of(TEXTS, st.text("ab\u0101", max_size=60)),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=30),
).map(
    lambda t: (
        t[0],
        np.array([min(a, len(t[0])) for a, _ in t[1]], np.int32),
        np.array([min(a + n, len(t[0])) for a, n in t[1]], np.int32),
    )
)
# The last word is a hyphen, which alone has no other trait.
TRAITS = np.array([TELLING, TELLING | VERBAL, VAGUE, BRIEF, VERBAL, BRIEF | HYPHEN], np.uint8)


def tagged(letters, draw):
    """Tokens of those kinds, their words, and units over some of them."""
    n = len(letters)
    numbers = st.lists(st.integers(0, len(TRAITS) - 1), min_size=n, max_size=n)
    words, lasts = (np.array(draw(numbers), np.int32) for _ in range(2))
    cuts = draw(st.lists(st.integers(0, n), max_size=6))
    rows = [(a, b, draw(st.integers(0, 1))) for a, b in stretches(letters, cuts).tolist()]
    kinds = np.frombuffer(letters.encode(), np.uint8)
    return kinds, words, lasts, TRAITS, np.array(rows, np.int32).reshape(-1, 3)


@st.composite
def noun_phrase_cases(draw):
    return tagged(draw(st.text("NNNPPAAGHDx", max_size=40)), draw)


@st.composite
def phrase_worth_cases(draw):
    case = draw(noun_phrase_cases())
    found = kernels.noun_phrases(*case)
    return found, *case[1:4], len(case[0]) + draw(st.integers(0, 9))


def tables_that_changed(seed):
    random = np.random.default_rng(seed)
    base = random.normal(0, 1, (12, 8)).astype(np.float32)
    after = base.copy()
    rows = random.random(12) < 0.6
    after[rows] += random.normal(0, 10.0 ** random.integers(-7, 3), (rows.sum(), 8)).astype(
        np.float32
    )
    if seed % 5 == 0:
        after[seed % 12, 3] = random.choice([np.nan, np.inf])
    return base, after


# As `minhash` has them: least values in order, and nothing behind them.
LEAST = st.lists(
    st.sets(st.one_of(st.integers(0, 12), st.integers(0, 2**32 - 2)), max_size=8), min_size=1, max_size=4
).map(
    lambda rows: np.array([sorted(row) + [2**32 - 1] * (8 - len(row)) for row in rows], np.uint32)
)  # fmt: skip
MANY_WORDS = st.tuples(st.integers(60, 300), st.integers(1, 300)).map(
    lambda t: " ".join(str(at % t[1]) for at in range(t[0]))
)

CASES = {
    "noun_phrases": noun_phrase_cases(),
    "phrase_worth": phrase_worth_cases(),
    "case_counts": CUT,
    "letter_words": CUT,
    "lone_words": CUT,
    "name_spans": CUT,
    "span_types": SPANS,
    "first_uses": st.tuples(
        st.lists(st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 3)), max_size=40).map(
            lambda keys: np.array(keys, np.int64)
        )
    ),
    "unit_words": CUT.map(lambda c: (*c, *dataclasses.astuple(read_exceptions()))),
    "chunk_spans": st.tuples(TEXTS),
    "token_spans": st.tuples(TEXTS),
    "utf8_offsets": st.tuples(TEXTS),
    "hashed_sums": st.tuples(
        st.lists(st.one_of(st.binary(max_size=40), TEXTS.map(lambda t: t.encode())), max_size=4),
        HASHES,
        st.sampled_from([1, 2, 64, 256]),
    ),
    "word_hashes": st.tuples(WORDS),
    "word_codes": st.tuples(WORDS, WORDS).map(lambda w: (w[0], *vocabulary_of(w[1]))),
    "longest_phrases": st.tuples(CODES, PHRASES).map(
        lambda c: (np.array(c[0], np.int32), *trie_of(c[1]))
    ),
    "type_rows": st.tuples(
        st.lists(TEXTS, max_size=4), st.lists(st.integers(2, 99_999), min_size=7, max_size=7)
    ),
    "term_hashes": st.tuples(st.one_of(st.binary(max_size=40), TEXTS.map(utf8))),
    "row_changes": st.integers(0, 99).map(tables_that_changed),
    "changes_summed": st.integers(0, 99).map(
        lambda seed: (
            2,
            9,
            8,
            [
                (*kernels.row_changes(*tables_that_changed(seed + i)), w)
                for i, w in ((0, 1.0), (1, 0.5))
            ],
        )
    ),
    "term_sentences": st.tuples(
        st.one_of(
            TEXTS, st.binary(max_size=40), st.text("ab.!? \n\t\u2028\x85。！é北", max_size=60)
        )
    ),
    "term_numbers": st.tuples(
        st.lists(WORDS, max_size=5),
        st.dictionaries(st.sampled_from(["a", "ab", "é", "北"]), st.integers(0, 9)),
    ),
    "hashed_features": st.tuples(
        st.lists(
            st.one_of(st.binary(max_size=40), TEXTS, st.text("ab c", max_size=40)), max_size=4
        ),
        st.sampled_from([8, 20]),
        st.integers(0, 3),
    ).flatmap(
        lambda t: st.sampled_from([(*t, 1, 3), (*t, 3, 3), *([(*t, 0, 0)] if t[-1] else [])])
    ),
    "field_texts": st.tuples(
        st.lists(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4), max_size=4),
        st.booleans(),
        st.sampled_from(FIELDS),
    ).map(lambda t: (*packed([json.dumps(o, ensure_ascii=t[1]) for o in t[0]]), t[2])),
    "minhash": st.tuples(
        st.lists(
            st.one_of(st.binary(max_size=40), TEXTS, st.text("ab c", max_size=60), MANY_WORDS),
            max_size=4,
        ),
        st.sampled_from([1, 3, 5]),
        st.sampled_from([4, 7]),
    ),
    "jaccard": st.tuples(LEAST, LEAST).flatmap(
        lambda both: st.lists(
            st.tuples(st.integers(0, len(both[0]) - 1), st.integers(0, len(both[1]) - 1)),
            max_size=5,
        ).map(
            lambda pairs: (
                both[0],
                np.array([a for a, _ in pairs], np.int64),
                both[1],
                np.array([b for _, b in pairs], np.int64),
            )
        )
    ),
    "band_keys": st.tuples(
        st.lists(
            st.lists(st.sampled_from([0, 1, 7, 2**32 - 1]), min_size=8, max_size=8), max_size=4
        ).map(lambda rows: np.array(rows, np.uint32).reshape(-1, 8)),
        st.integers(1, 8),
    ),
    "norms_of": st.tuples(st.lists(TEXTS, max_size=4)),
    "vocabulary_rows": st.tuples(
        st.lists(KNOWN, max_size=6),
        st.sets(KNOWN, max_size=9),
    ).map(lambda w: (w[0], *sorted_words(w[1]))),
    "word_spans": st.tuples(TEXTS).map(lambda t: (t[0], *dataclasses.astuple(read_exceptions()))),
}


def test_every_kernel_has_cases_and_is_public():
    assert set(CASES) | NETWORK | LINEAR == KERNELS == set(kernels.__all__)


@pytest.mark.parametrize("name", PAIRS)
def test_signatures_agree(name):
    slow, fast = map(inspect.signature, PAIRS[name])
    assert list(slow.parameters) == list(fast.parameters)


@pytest.mark.parametrize("name", PAIRS)
@settings(deadline=None)
@given(data=st.data())
def test_twins_agree(name, data):
    slow, fast = PAIRS[name]
    args = data.draw(CASES[name])
    for expected, got in zip(several(slow(*args)), several(fast(*args)), strict=True):
        if isinstance(expected, list):
            assert got == expected
            continue
        assert expected.dtype == got.dtype
        np.testing.assert_array_equal(got, expected)


def several(made):
    return made if isinstance(made, tuple) else (made,)


@pytest.mark.parametrize("dimensions", [0, -4, 3, 255])
def test_both_twins_refuse_dimensions_that_are_no_power_of_two(dimensions):
    for twin in PAIRS["hashed_sums"]:
        with pytest.raises(ValueError, match="power of two"):
            twin([b"a"], np.zeros(0, np.uint64), dimensions)


@given(TEXTS)
def test_chunks_are_what_split_gives(text):
    assert [text[a:b] for a, b in kernels.chunk_spans(text)] == text.split()


@given(TEXTS)
def test_tokens_cover_everything_but_white_space(text):
    covered = "".join(text[a:b] for a, b, _ in kernels.token_spans(text))
    assert covered == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't pay 1,234.5.", ["Don't", "pay", "1,234.5", "."]),
        ("O’Brien—B2B", ["O’Brien", "—", "B2B"]),
        ("dogs' 3. ,5", ["dogs", "'", "3", ".", ",", "5"]),
        ("北京 カナ", ["北", "京", "カ", "ナ"]),
        ("नमस्ते e\u0301t\u00adé", ["नमस्ते", "e\u0301t\u00adé"]),
        ("👍🏽 x_1", ["👍", "🏽", "x_1"]),
    ],
)
def test_tokens_follow_the_rules_of_the_script(text, tokens):
    assert [text[a:b] for a, b, _ in kernels.token_spans(text)] == tokens


@given(TEXTS)
def test_utf8_offsets_cut_the_bytes_where_the_text_is_cut(text):
    offsets = kernels.utf8_offsets(text)
    encoded = text.encode("utf-8", "surrogatepass")
    for at in range(len(text) + 1):
        assert len(text[:at].encode("utf-8", "surrogatepass")) == offsets[at]
    assert offsets[-1] == len(encoded)


def test_white_space_is_just_what_python_calls_so():
    assert [c for c in range(0x110000) if chr(c).isspace()] == np.flatnonzero(
        classes() == SPACE
    ).tolist()


@given(st.text("abc d", max_size=30))
def test_hashed_sums_add_up_over_the_words(text):
    skip = np.zeros(0, np.uint64)
    whole = kernels.hashed_sums([text.encode()], skip, 64)
    parts = kernels.hashed_sums([w.encode() for w in text.split()], skip, 64)
    np.testing.assert_array_equal(whole[0], parts.sum(axis=0))


def test_a_short_word_has_one_word_feature_and_its_grams():
    sums = kernels.hashed_sums([b"ab"], np.zeros(0, np.uint64), 1024)[0]
    expected = np.zeros(1024, int)
    for feature, weight in [(b"ab", WORD_WEIGHT), (b"<ab", 1), (b"ab>", 1), (b"<ab>", 1)]:
        value = hash_bytes(feature)
        expected[value % 1024] += -weight if value >> 63 else weight
    np.testing.assert_array_equal(sums, expected)


def test_skipped_words_count_for_nothing():
    skip = np.array([hash_bytes(b"the")], np.uint64)
    with_word = kernels.hashed_sums([b"the cat"], skip, 256)
    np.testing.assert_array_equal(with_word, kernels.hashed_sums([b"cat"], skip, 256))


def test_the_hash_is_the_published_one():
    """FNV-1a of "foobar" is 0x85944171f73967e8; the mixing of it is undone here step by step."""
    value = hash_bytes(b"foobar")
    value ^= value >> 33
    for factor in (0xC4CEB9FE1A85EC53, 0xFF51AFD7ED558CCD):
        value = value * pow(factor, -1, 1 << 64) % (1 << 64)
        value ^= value >> 33
    assert value == 0x85944171F73967E8


@given(words=WORDS, known=WORDS)
def test_a_word_has_the_code_of_the_same_word(words, known):
    starts, ends, letters = vocabulary_of(known)
    cuts = [0, *ends.tolist()]
    spelled = [letters[a:b].tobytes().decode() for a, b in itertools.pairwise(cuts)]
    codes = kernels.word_codes(words, starts, ends, letters)
    assert [spelled[c] if c >= 0 else None for c in codes] == [
        w if w in known else None for w in words
    ]


@given(codes=CODES, phrases=PHRASES)
def test_phrases_are_those_that_a_plain_search_finds(codes, phrases):
    phrases = list(dict.fromkeys(phrases))
    wanted, at = [], 0
    while at < len(codes):
        fits = [p for p in phrases if tuple(codes[at : at + len(p)]) == p]
        best = max(fits, key=len, default=None)
        if best:
            wanted.append([at, at + len(best), phrases.index(best)])
        at += len(best or "x")
    found = kernels.longest_phrases(np.array(codes, np.int32), *trie_of(phrases))
    assert found.tolist() == wanted


@pytest.mark.parametrize("n_buckets", [0, 1, 3, 6])
def test_both_twins_refuse_buckets_that_are_no_power_of_two(n_buckets):
    starts, none = np.zeros(n_buckets + 1, np.int32), np.zeros(0, np.int32)
    for twin in PAIRS["word_codes"]:
        with pytest.raises(ValueError, match="power of two"):
            twin(["a"], starts, np.zeros(0, np.int64), np.zeros(0, np.uint8))
    for twin in PAIRS["longest_phrases"]:
        with pytest.raises(ValueError, match="power of two"):
            twin(none, starts, np.zeros(0, np.uint64), none, none)


def test_both_twins_refuse_half_of_a_surrogate_pair():
    for twin in PAIRS["word_hashes"]:
        with pytest.raises(UnicodeEncodeError):
            twin(["\ud800"])


@given(SPANS)
def test_spans_have_the_number_of_the_same_string(case):
    text, starts, ends = case
    numbers, firsts = kernels.span_types(text, starts, ends)
    strings = [text[a:b] for a, b in zip(starts, ends, strict=True)]
    spelled = [strings[first] for first in firsts]
    assert spelled == list(dict.fromkeys(strings))
    assert [spelled[number] for number in numbers] == strings


@given(st.lists(st.integers(-3, 3)))
def test_keys_are_numbered_in_the_order_of_first_uses(keys):
    numbers, firsts = kernels.first_uses(np.array(keys, np.int64))
    assert [keys[first] for first in firsts] == list(dict.fromkeys(keys))
    assert [keys[firsts[number]] for number in numbers] == keys


def whole(text):
    return np.array([[0, len(text)]], np.int32)


def test_words_of_letters_may_have_apostrophes_inside():
    text = "Don’t 'quote' x2 A_b İ²"
    rows = kernels.letter_words(text, whole(text)).tolist()
    assert [text[a:b] for a, b, _ in rows] == ["Don’t", "quote", "x", "A", "b", "İ²"]
    assert [place for *_, place in rows] == list(range(6))


def test_capitals_are_counted_in_words_of_two_characters_or_more():
    text = "THE Ship A ÉTÉ don't"
    assert kernels.case_counts(text, whole(text)).tolist() == [[3 + 4 + 3 + 5, 4, 2]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the Ship sank, and éa sank.", ["the", "sank", "and", "éa", "sank"]),
        ("a.b c@d e/f g-h i&j k_l m1 o'clock o’er U.s", []),
        ("so. it's end.", ["so", "end"]),
    ],
)
def test_lone_words_are_no_pieces_of_others(text, words):
    rows = kernels.lone_words(text, whole(text))
    assert [text[a:b] for a, b in rows] == words


@given(CUT)
def test_stretches_are_cut_as_if_each_stood_alone(case):
    text, bounds = case
    table = dataclasses.astuple(read_exceptions())
    wanted = [
        (a + first, a + end, number)
        for number, (a, b) in enumerate(bounds.tolist())
        for first, end in kernels.word_spans(text[a:b], *table).tolist()
    ]
    assert list(map(tuple, kernels.unit_words(text, bounds, *table).tolist())) == wanted


def test_names_are_cut_before_a_possessive_and_stretches_end_with_nothing():
    text = "Ada's dogs' don't |O’Neil’S"
    rows = kernels.name_spans(text, np.array([[0, 19], [19, len(text)]], np.int32))
    words = "Ada 's dogs ' don't |".split()
    assert [text[a:b] for a, b in rows] == [*words, "", "O’Neil", "’S", ""]


@pytest.mark.parametrize("bounds", [[[0, 9]], [[-1, 2]], [[2, 1]], [[0, 1, 2]]])
@pytest.mark.parametrize("name", ["case_counts", "letter_words", "lone_words", "name_spans"])
def test_both_twins_refuse_stretches_outside_of_the_text(name, bounds):
    for twin in PAIRS[name]:
        with pytest.raises(ValueError, match=r"stretch|pairs"):
            twin("a ship", np.array(bounds, np.int32))


@pytest.mark.parametrize(("starts", "ends"), [([0], [9]), ([-1], [2]), ([2], [1]), ([0], [1, 2])])
def test_both_twins_refuse_spans_outside_of_the_text(starts, ends):
    for twin in PAIRS["span_types"]:
        with pytest.raises(ValueError, match=r"span|starts"):
            twin("a ship", np.array(starts, np.int32), np.array(ends, np.int32))


def phrases_in(letters, words, *, heading=0):
    """The phrases of one unit by their words, and their counts."""
    tokens = words.split()
    names = list(dict.fromkeys(tokens))
    numbers = np.array([names.index(w) for w in tokens], np.int32)
    traits = np.full(len(names), TELLING, np.uint8)
    unit = np.array([[0, len(tokens), heading]], np.int32)
    kinds = np.frombuffer(letters.encode(), np.uint8)
    found = kernels.noun_phrases(kinds, numbers, numbers, traits, unit)
    return {" ".join(tokens[a:b]): tuple(rest) for a, b, *rest in found.tolist()}


@pytest.mark.parametrize(
    ("letters", "words", "found"),
    [
        ("ANx", "old ship sank", {"old ship": (1, 0, 0), "ship": (1, 1, 0)}),
        ("NxN", "ship and ship", {"ship": (2, 0, 0)}),
        ("AHNxN", "deep - sea is sea", {"sea": (2, 0, 0)}),
        (
            "NHNN",
            "sea - bed oil",
            {"sea - bed oil": (1, 0, 0), "sea - bed": (1, 1, 0), "oil": (1, 1, 0)},
        ),
        ("xAx", "is old now", {}),
        ("NG", "ship owning", {"ship": (1, 1, 0), "ship owning": (1, 0, 0)}),
        ("xG", "is owning", {}),
        ("DN", "two ships", {"ships": (1, 0, 0)}),
    ],
)
def test_phrases_are_nouns_with_what_stands_before_them(letters, words, found):
    assert phrases_in(letters, words) == found


def test_phrases_have_no_more_than_five_words():
    found = phrases_in("NNNNNN", "a b c d e f")
    assert max(len(phrase.split()) for phrase in found) == 5
    assert len(found) == 5 + 5 + 4 + 3 + 2 + 1


def test_a_very_long_compound_is_no_phrase_and_takes_no_longer_for_each_word():
    assert phrases_in("NH" * 20_000 + "N", "sea - " * 20_000 + "sea") == {}


def worth(*rows, words=(0, 1, 2), n_tokens=100):
    """Of phrases as (first, end, count, inside, heading)."""
    words = np.array(words, np.int32)
    phrases = np.array(rows, np.int32).reshape(-1, 5)
    return kernels.phrase_worth(phrases, words, words, TRAITS, n_tokens).tolist()


def test_what_comes_often_early_alone_and_in_headings_is_worth_more():
    assert worth() == []
    often, once = worth((0, 1, 5, 0, 0), (1, 2, 1, 0, 0))
    assert often > once > 0
    early, late = worth((0, 1, 1, 0, 0), (90, 91, 1, 0, 0), words=[0] * 91)
    assert early > late > 0
    free, inside = worth((0, 1, 1, 0, 0), (0, 1, 1, 1, 0))
    assert free > inside > 0
    headed, plain = worth((0, 1, 1, 0, 1), (0, 1, 1, 0, 0))
    assert headed > plain > 0


def test_phrases_that_begin_with_a_vague_or_verbal_word_are_worth_less():
    telling, verbal, vague = worth((0, 1, 1, 0, 0), (1, 2, 1, 0, 0), (2, 3, 1, 0, 0))
    first = 1.5 - np.log1p([0, 1, 2]) / np.log1p(
        100
    )  # all else being equal, it is the place that counts
    np.testing.assert_allclose(
        [verbal / telling, vague / telling], first[1:] / first[0] * [0.7, 0.5]
    )


def test_both_twins_refuse_columns_that_do_not_fit_together():
    one, two = np.zeros(1, np.int32), np.zeros(2, np.int32)
    kinds, unit = np.frombuffer(b"N", np.uint8), np.array([[0, 1, 0]], np.int32)
    bad = [
        (kinds, two, two, unit),
        (kinds, one, two, unit),
        (kinds, one + 9, one, unit),
        (kinds, one, one, unit * 2),
    ]
    for twin in PAIRS["noun_phrases"]:
        for letters, words, lasts, units in bad:
            with pytest.raises(ValueError, match=r"length|traits|lie"):
                twin(letters, words, lasts, TRAITS, units)
    for twin in PAIRS["phrase_worth"]:
        with pytest.raises(ValueError, match="lie"):
            twin(np.array([[0, 5, 1, 0, 0]], np.int32), one, one, TRAITS, 5)


def lets_others_run(function, *args):
    """Whether another thread ever gets its turn while the function runs."""
    turns, done = [0], threading.Event()

    def count():
        while not done.is_set():
            turns[0] += 1
            time.sleep(0)

    thread = threading.Thread(target=count)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)  # nobody is interrupted: a turn is only had where one is given
    try:
        thread.start()
        before = turns[0]
        # A turn that is given may not be taken on a busy machine, but one that is not never is.
        return any((function(*args), turns[0] > before)[1] for _ in range(500))
    finally:
        done.set()
        sys.setswitchinterval(interval)
        thread.join()


LONG = "The owner's deep-sea ship sank, IT did so in v2.1. " * 40_000
HEAVY = {
    "case_counts": lambda: (LONG, whole(LONG)),
    "chunk_spans": lambda: (LONG,),
    "letter_words": lambda: (LONG, whole(LONG)),
    "lone_words": lambda: (LONG, whole(LONG)),
    "name_spans": lambda: (LONG, whole(LONG)),
    "token_spans": lambda: (LONG,),
    "unit_words": lambda: (LONG, whole(LONG), *dataclasses.astuple(read_exceptions())),
    "utf8_offsets": lambda: (LONG,),
    "word_spans": lambda: (LONG, *dataclasses.astuple(read_exceptions())),
    "first_uses": lambda: (np.arange(1_000_000) % 999,),
    "span_types": lambda: (
        LONG,
        np.arange(1_000_000, dtype=np.int32),
        np.arange(1, 1_000_001, dtype=np.int32),
    ),
    "noun_phrases": lambda: many_phrases(),
    "phrase_worth": lambda: (kernels.noun_phrases(*many_phrases()), *many_phrases()[1:4], 9),
}


def many_phrases():
    n = 200_000
    words = np.random.default_rng(1).integers(0, 999, n, np.int32)
    kinds = np.frombuffer(b"ANNx" * (n // 4), np.uint8)
    return kinds, words, words, np.full(999, TELLING, np.uint8), np.array([[0, n, 0]], np.int32)


@pytest.mark.parametrize("name", HEAVY)
def test_other_threads_run_while_a_kernel_does(name):
    assert lets_others_run(PAIRS[name][1], *HEAVY[name]())


def test_a_kernel_that_keeps_the_lock_would_be_noticed():
    assert not lets_others_run(lambda: sum(range(1000)))


def test_the_definitions_run_when_asked_for():
    code = "from salient.kernels import token_spans as t; print(t.__module__, t('a b').tolist())"
    environment = os.environ | {
        "SALIENT_PURE_PYTHON": "1",
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
    }
    shown = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "salient.kernels.segments [[0, 1, 2], [2, 3, 2]]"
