"""The most telling noun phrases of a text."""

import pytest

from salient.model import Block, Builder, Kind, Part
from salient.nlp import keyphrases, open_engine

LEASE = (
    "The lease of the cargo terminal ends in May. A cargo terminal needs a dredged harbour basin. "
    "The harbour basin was dredged, and the cargo terminal is insured by the port authority. "
    "An important result is that the port authority pays. Thing after thing was said."
)


def text_of(*blocks):
    builder = Builder()
    builder.add(Part([Block(k, t) for k, t in blocks]))
    return builder.build()


@pytest.fixture(scope="module")
def phrases():
    engine = open_engine("spacy")

    def read(*blocks):
        text = text_of(*blocks)
        (made,) = engine.annotate([text])
        rows = sorted(made.labelled(made.keyphrases), key=lambda r: (-r[3], r[0]))
        return [(text.text[a:b], round(score, 4)) for a, b, _, score in rows]

    return read


def test_what_comes_often_and_early_is_first(phrases):
    found = phrases((Kind.PARAGRAPH, LEASE))
    assert found[0] == ("cargo terminal", 1.0)
    assert {"harbour basin", "port authority"} <= {p for p, _ in found[:4]}


def test_empty_words_are_no_phrases(phrases):
    found = {p for p, _ in phrases((Kind.PARAGRAPH, LEASE))}
    assert not found & {"important result", "result", "Thing", "thing"}


def test_a_phrase_is_told_once_whatever_its_number_and_case(phrases):
    written = "Cargo terminals are old. The cargo terminal is new. CARGO terminals burn."
    found = [p.lower() for p, _ in phrases((Kind.PARAGRAPH, written))]
    assert sum(p.startswith("cargo terminal") for p in found) == 1


def test_a_heading_counts_more(phrases):
    body = (Kind.PARAGRAPH, "The port authority meets the harbour pilots. They discuss a crane.")
    ours = (Kind.PARAGRAPH, "The harbour pilots")
    above = (Kind.HEADING, "The harbour pilots")
    plain, headed = dict(phrases(body, ours)), dict(phrases(body, above))
    ratio = plain["harbour pilots"] / plain["port authority"]
    assert headed["harbour pilots"] / headed["port authority"] > 1.4 * ratio


def test_furniture_and_code_say_nothing(phrases):
    assert phrases((Kind.PAGE_FOOTER, LEASE)) == []
    assert phrases((Kind.CODE, LEASE)) == []


def test_no_more_than_twenty(phrases):
    animals = "cat dog fox hen cow pig owl bat ant bee elk yak emu eel ape ram doe hare wolf seal bear lynx".split()
    written = " ".join(f"The {a} keeper fed a {b}." for a in animals for b in animals[:3])
    assert len(phrases((Kind.PARAGRAPH, written))) == keyphrases.KEPT


def test_a_text_without_syntax_has_none():
    (made,) = open_engine("rules").annotate([text_of((Kind.PARAGRAPH, LEASE))])
    assert len(made.keyphrases) == 0


def test_scores_are_shares_of_the_best(phrases):
    found = [score for _, score in phrases((Kind.PARAGRAPH, LEASE))]
    assert found[0] == 1.0
    assert found == sorted(found, reverse=True)
    assert all(0 < score == round(score, 4) for score in found)


def test_of_equal_phrases_the_earlier_is_first(phrases):
    shouted = [(Kind.PARAGRAPH, "A crane."), (Kind.PARAGRAPH, "A crane and a barge.")]
    assert [p for p, _ in phrases(*shouted)] == ["crane", "barge"]
