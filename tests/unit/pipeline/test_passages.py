"""Passages are whole sentences of a few blocks, and nothing but furniture is left out."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.errors import Corrupt
from salient.model import (
    Annotations,
    Block,
    Builder,
    Kind,
    Part,
    Spans,
    Strings,
    Tokens,
    spans_from,
)
from salient.pipeline.passages import LONGEST, TARGET, Passages, split


def text_of(*blocks):
    builder = Builder()
    builder.add(Part([Block(kind, words) for kind, words in blocks]))
    return builder.build()


def one_sentence_a_block(text):
    """Annotations whose sentences are the blocks, as one token each."""
    n = len(text.block_start)
    zeros = np.zeros(n, np.int32)
    tokens = Tokens(
        start=text.block_start,
        end=text.block_end,
        lemma=zeros,
        upos=zeros,
        xpos=zeros,
        feats=zeros,
        head=np.arange(n, dtype=np.int32),
        deprel=zeros,
        sent_start=np.ones(n, np.bool_),
    )
    none: Spans = spans_from([], Strings())
    return Annotations("test@1", "en", 1.0, ("",), tokens, none, none)


def passages_of(*blocks):
    text = text_of(*blocks)
    spans, headings = split(text, one_sentence_a_block(text))
    return text.text, spans, headings


def test_short_paragraphs_are_joined():
    text, spans, _ = passages_of((Kind.PARAGRAPH, "One."), (Kind.PARAGRAPH, "Two."))
    assert [text[a:b] for a, b in spans] == ["One.\n\nTwo."]


def test_a_heading_begins_a_passage_and_stands_above_those_that_follow():
    long = "word " * 150
    text, spans, headings = passages_of(
        (Kind.PARAGRAPH, "Before."),
        (Kind.HEADING, "Fees"),
        (Kind.PARAGRAPH, long),
        (Kind.PARAGRAPH, long),
    )
    assert text[slice(*spans[0])] == "Before."
    assert text[slice(*spans[1])].startswith("Fees\n\nword")
    assert [text[a:b] for a, b in headings] == ["", "Fees", "Fees"]


def test_furniture_is_in_no_passage():
    text, spans, _ = passages_of((Kind.PAGE_HEADER, "Confidential"), (Kind.PARAGRAPH, "Body."))
    assert [text[a:b] for a, b in spans] == ["Body."]


def test_a_sentence_without_end_is_cut_between_words():
    text, spans, _ = passages_of((Kind.PARAGRAPH, "word " * 2000))
    assert all(b - a <= LONGEST for a, b in spans)
    assert all(text[a:b].startswith("word") for a, b in spans)


def test_an_empty_text_has_no_passages():
    assert passages_of()[1] == []


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Kind.PARAGRAPH, Kind.HEADING, Kind.LIST_ITEM, Kind.TABLE]),
            st.text(min_size=1, max_size=2500).filter(str.strip),
        ),
        max_size=12,
    )
)
def test_passages_are_in_order_bounded_and_lose_no_words(blocks):
    text, spans, headings = passages_of(*blocks)
    assert len(spans) == len(headings)
    for (a, b), (c, _) in itertools.pairwise(spans):
        assert a < b <= c
    assert all(b - a <= LONGEST + TARGET for a, b in spans)
    inside = "".join(text[a:b] for a, b in spans)
    assert sorted("".join(text.split())) == sorted("".join(inside.split()))


def test_passages_come_back_from_the_store_as_they_went_in():
    made = Passages(
        np.array([0, 5], np.int32),
        np.array([4, 9], np.int32),
        np.zeros((2, 2), np.int32),
        np.ones((2, 8), np.float16),
    )
    back = Passages.load(made.dump())
    np.testing.assert_array_equal(back.vectors, made.vectors)
    assert made.dump() == back.dump()


@pytest.mark.parametrize("data", [b"", b"SALCOL1\n", b"x" * 100])
def test_damaged_passages_say_so(data):
    with pytest.raises(Corrupt):
        Passages.load(data)
