"""Capitals are calmed, character for character."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.model import Kind
from salient.nlp.casing import Casing, is_shouted
from salient.nlp.units import Unit


def calm(piece, elsewhere=""):
    unit = Unit(0, len(elsewhere), Kind.PARAGRAPH, prose=True)
    return Casing(elsewhere, [unit]).calm(piece)


@pytest.mark.parametrize(
    ("piece", "shouted"),
    [
        ("THE SALE OF KESTREL", True),
        ("ARTICLE 4 — FEES", True),
        ("NO WARRANTY of any", False),
        ("The IBM sale", False),
        ("IBM", False),
        ("A B C D E", False),
        ("12 34", False),
        ("", False),
        ("北京 公司", False),
    ],
)
def test_what_is_shouted(piece, shouted):
    assert is_shouted(piece) is shouted


def test_a_short_stretch_gets_capitals_but_for_small_words():
    assert calm("THE SALE OF KESTREL") == "The Sale of Kestrel"


def test_a_long_stretch_is_prose():
    long = "THE COMPANY SHALL NOT BE LIABLE TO ANY PARTY FOR THE LOSS OF DATA"
    assert calm(long) == "The company shall not be liable to any party for the loss of data"


def test_a_word_is_written_as_the_document_writes_it():
    seen = "Here the Company sells to IBM, and the Company gives no warranty to IBM."
    assert calm("COMPANY WARRANTY IBM", seen) == "Company warranty IBM"


def test_the_first_word_of_a_stretch_is_no_witness():
    assert calm("OUR DATA WARRANTY", "Warranty is void.") == "Our Data Warranty"


@given(
    st.text(max_size=40) | st.text(st.sampled_from("AbßŉİǅΣ'’ 1\n"), max_size=40),
    st.text(max_size=30),
)
def test_offsets_stay_true(piece, elsewhere):
    calmed = calm(piece, elsewhere)
    assert len(calmed) == len(piece)
    for before, after in zip(piece, calmed, strict=True):
        assert (
            before == after
            or before.casefold() == after.casefold()
            or before.upper() == after.upper()
        )
