"""Abbreviations that a text explains (Schwartz and Hearst 2003), and texts that are out to do harm."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.knowledge.abbreviations import abbreviations


def found(text):
    return [(text[slice(*short)], text[slice(*long)]) for short, long in abbreviations(text)]


@pytest.mark.parametrize(
    ("text", "short", "long"),
    [
        ("The International Monetary Fund (IMF) met.", "IMF", "International Monetary Fund"),
        ("the Securities and Exchange Commission (the “SEC”)", "SEC", "Securities and Exchange Commission"),
        ("of heat shock protein (HSP) genes", "HSP", "heat shock protein"),
        ("of HSP (heat shock protein) genes", "HSP", "heat shock protein"),
        ("NATO (the North Atlantic Treaty Organization; see below)", "NATO", "North Atlantic Treaty Organization"),
        ("U.S. Food and Drug Administration (FDA, or agency)", "FDA", "Food and Drug Administration"),
        ("the World Wide Web\n(W3) and the Web. World Wide Web (WWW)", "WWW", "World Wide Web"),
        ("adenosine triphosphate (ATP)", "ATP", "adenosine triphosphate"),
    ],
)  # fmt: skip
def test_both_orders_are_found(text, short, long):
    assert (short, long) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "Prices rose (CPI).",
        "Oslo (Norway)",
        "Smith (2003) and others (et al.)",
        "Acme (formerly Beta Ltd)",
        "see the table (A)",
        "It ended. Fund was (IMF)",
        "International. Monetary. Fund (IMF)",
        "the IMF fund (IMF)",
        "a big nice thing (abnt)",
        "",
    ],
)
def test_other_parentheses_are_left_alone(text):
    assert found(text) == []


def test_the_long_form_is_the_shortest_that_fits():
    assert found("Big Fans of the Big Friendly Giant (BFG)") == [("BFG", "Big Friendly Giant")]


@given(st.text(alphabet='ABab (),;.\n"“é٣İ-', max_size=200))
def test_a_pair_is_in_the_text_and_has_the_letters_in_order(text):
    for short, long in abbreviations(text):
        assert min(short[0], long[0]) >= 0
        assert max(short[1], long[1]) <= len(text)
        assert short[1] <= long[0] or long[1] <= short[0]
        within = iter(text[slice(*long)].lower())
        assert all(c.lower() in within for c in text[slice(*short)] if c.isalnum())


@pytest.mark.parametrize(
    "text",
    ["(" * 100_000, "(A" * 50_000, "a" * 100_000 + " (AB)", "AB (" + "a " * 50_000, "(AB)" * 20_000, "x \n(AB" * 20_000],
)  # fmt: skip
def test_texts_out_to_do_harm_yield_nothing(text):
    assert abbreviations(text) == []
