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


def test_scores_are_shares_of_the_best():
    def candidate(words, first=0, count=1, contained=0, *, heading=False):
        return keyphrases.Candidate(0, 1, tuple(words.split()), first, count, contained, heading)

    assert keyphrases.scores([], 0) == []
    often, once = keyphrases.scores([candidate("port fee", count=5), candidate("sea wall")], 100)
    assert often == 1.0 > once > 0
    early, late = keyphrases.scores([candidate("port fee", 1), candidate("sea wall", 90)], 100)
    assert early == 1.0 > late
    free, inside = keyphrases.scores([candidate("port fee"), candidate("sea wall", contained=1)], 9)
    assert free == 1.0 > inside > 0
    plain, headed = keyphrases.scores(
        [candidate("port fee"), candidate("sea wall", heading=True)], 100
    )
    assert headed == 1.0 > plain
