"""Terms, queries and highlights, on any text."""

import re
import unicodedata

import pytest
import tantivy
from hypothesis import example, given, settings
from hypothesis import strategies as st

from salient.storage.search import analysis
from salient.storage.search.analysis import MAX_TERM, fold, terms, tokens
from salient.storage.search.highlights import marks
from salient.storage.search.query import Asked, Clause, Either, Prefix, Value, Words, parse
from salient.storage.search.stemming import stem

KINDS = {"text": "text", "kind": "keyword", "page": "number"}
ANY_TEXT = st.text(st.characters(), max_size=60) | st.text(
    "ab c\"*+-:OR'é東\u0301\u00ad", max_size=40
)


def test_stems_are_those_of_another_implementation():
    analyzer = (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.raw())
        .filter(tantivy.Filter.stemmer("english"))
        .build()
    )
    beginnings = ["gener", "commun", "organ", "agre", "pa", "la", "sto", "hop", "fizz", "try", "universit", "b", "ski",
                  "cry", "yell", "say", "rel", "condition", "vietnam", "hopeful", "adopt", "contract", "licen", "ad"]  # fmt: skip
    ends = ["", "s", "es", "ed", "ing", "ly", "ation", "ational", "izer", "fulness", "ogy", "ies", "ied", "y", "edly",
            "ingly", "eed", "ement", "ion", "e", "ative", "ous", "ously", "ably", "'s", "ness", "ical", "ity"]  # fmt: skip
    words = [a + b for a in beginnings for b in ends]
    differing = [w for w in words if stem(w) != analyzer.analyze(w)[0]]
    assert len(differing) <= len(words) // 100, differing


@pytest.mark.parametrize(
    ("one", "other"),
    [("companies", "company"), ("licences", "licence"), ("agreed", "agree"), ("obligations", "obligation")],
)  # fmt: skip
def test_forms_of_a_word_share_a_stem(one, other):
    assert stem(one) == stem(other)


@pytest.mark.parametrize(
    ("one", "other"), [("university", "universal"), ("organic", "organization"), ("news", "new")]
)
def test_different_words_keep_their_stems(one, other):
    assert stem(one) != stem(other)


@given(ANY_TEXT)
@example("e\u0301te\u0301 Straße")
def test_tokens_cover_whole_words_and_agree_with_the_terms(text):
    found = list(tokens(text))
    assert [t.stem for t in found] == terms(text)[0]
    assert {t.word for t in found} == terms(text)[1]
    end = 0
    for token in found:
        assert end <= token.start < token.end <= len(text)
        end = token.end
        assert 0 < len(token.word) <= MAX_TERM
        assert token.stem
        assert not re.search(r"\s", token.word + token.stem)
        # No mark is left behind, which would be shown without the letter it stands on.
        after = text[token.end : token.end + 1]
        assert not (after and unicodedata.category(after) == "Mn" and after < "\u1e00")


@given(ANY_TEXT)
def test_every_letter_and_digit_is_in_a_token(text):
    inside = {i for token in tokens(text) for i in range(token.start, token.end)}
    assert all(i in inside for i, char in enumerate(text) if char.isalnum())


def test_new_words_without_end_are_kept_in_bounded_memory_and_stay_right(monkeypatch):
    kept = analysis._Terms()
    monkeypatch.setattr(analysis, "_terms", kept)
    monkeypatch.setattr(analysis, "_CACHED", 50)
    for n in range(500):
        assert terms(f"companies name{n}s Ärger")[0] == ["compani", f"name{n}", "arger"]
        assert len(kept) <= 50
        assert len(kept._before) <= 50
    assert "companies" in kept or "companies" in kept._before


@given(ANY_TEXT)
def test_folding_twice_is_folding_once(text):
    assert fold(fold(text)) == fold(text)


@settings(max_examples=300)
@given(ANY_TEXT, st.sampled_from(["any", "all"]))
def test_any_text_is_a_query(text, mode):
    asked = parse(text, KINDS, mode)
    for clause in asked.clauses:
        assert clause.occur in ("must", "should", "not")
        for node in clause.node.nodes if isinstance(clause.node, Either) else (clause.node,):
            assert isinstance(node, Words | Prefix | Value)
            if isinstance(node, Words):
                assert node.terms


@given(ANY_TEXT, ANY_TEXT)
@example("aa", "a OR aa*")
def test_highlights_lie_on_word_boundaries_in_order(text, query):
    asked = parse(query, KINDS, "any")
    starts = {t.start for t in tokens(text)}
    ends = {t.end for t in tokens(text)}
    last = 0
    for start, end in marks(text, "text", asked):
        assert start in starts
        assert end in ends
        assert last <= start < end
        last = end


@given(
    st.lists(st.sampled_from(["alpha", "Beta", "gammas", "déltà", "東"]), min_size=1, max_size=6)
)
def test_a_text_that_is_asked_for_as_a_phrase_is_marked_whole(words):
    text = " ".join(words)
    asked = parse(f'"{text}"', KINDS, "any")
    assert marks(text, "text", asked) == ((0, len(text)),)


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("red car", [("should", Words(None, ("red",))), ("should", Words(None, ("car",)))]),
        ("the car", [("should", Words(None, ("car",)))]),
        ("+the car", [("must", Words(None, ("the",))), ("should", Words(None, ("car",)))]),
        ('"the car"', [("should", Words(None, ("the", "car")))]),
        ("-car +red", [("not", Words(None, ("car",))), ("must", Words(None, ("red",)))]),
        ("e-mail", [("should", Words(None, ("e", "mail")))]),
        ("text:car", [("should", Words("text", ("car",)))]),
        ('text:"red car"', [("should", Words("text", ("red", "car")))]),
        ('kind:"a b"', [("must", Value("kind", "a b"))]),
        ("-kind:a", [("not", Value("kind", "a"))]),
        ("12:30", [("should", Words(None, ("12", "30")))]),
        ("a:b:c", [("should", Words(None, ("a", "b", "c")))]),
        ("red OR blue car", [("should", Either((Words(None, ("red",)), Words(None, ("blue",))))),
                             ("should", Words(None, ("car",)))]),
        ("kind:a OR kind:b", [("must", Either((Value("kind", "a"), Value("kind", "b"))))]),
        ("car*", [("should", Prefix(None, "car", "car"))]),
        ("c*", [("should", Words(None, ("c",)))]),
        ("or OR", [("should", Words(None, ("or",)))]),
    ],
)  # fmt: skip
def test_syntax_means(text, clauses):
    assert parse(text, KINDS, "any") == Asked(tuple(Clause(o, n) for o, n in clauses))


def test_what_is_excluded_is_not_marked():
    asked = parse("red -blue -gr*", KINDS, "any")
    assert marks("blue red green", "text", asked) == ((5, 8),)
