"""A compiled kernel and its definition are the same function, and that function is right."""

import dataclasses
import importlib
import inspect
import itertools
import os
import pkgutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salient import kernels
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

# Twins that agree to rounding only, or give several arrays: tests/unit/nlp/native compares them.
NETWORK = {"Encoder", "entity_spans", "spanning_tree", "trees"}
KERNELS = set(PAIRS)
PAIRS = {name: twins for name, twins in PAIRS.items() if name not in NETWORK}

# Any code point, and a thick soup of those where the rules change.
EDGES = "aZ_9 \t\n\x1c\x85\u00a0\u2003'’.,-<>é\u0301\u093f\u200d\u00ad北のカ한ไ\U00020000\U0001f600\ufe0f\U000e0101"
TEXTS = st.one_of(st.text(max_size=60), st.text(st.sampled_from(EDGES), max_size=60))
HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=5).map(
    lambda v: np.array(sorted(v), np.uint64)
)

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


PHRASES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple), max_size=8)

CASES = {
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
    "word_spans": st.tuples(TEXTS).map(lambda t: (t[0], *dataclasses.astuple(read_exceptions()))),
}


def test_every_kernel_has_cases_and_is_public():
    assert set(CASES) | NETWORK == KERNELS == set(kernels.__all__)


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
    expected, got = slow(*args), fast(*args)
    assert expected.dtype == got.dtype
    np.testing.assert_array_equal(got, expected)


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
