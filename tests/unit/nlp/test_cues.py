"""Signs of what a name names, and that it names nothing."""

import pytest

from salient.model import Kind
from salient.nlp.cues import Common, relabelled
from salient.nlp.units import Unit


def label_of(text, name, label):
    start = text.index(name)
    return relabelled(text, start, start + len(name), label)


@pytest.mark.parametrize(
    ("text", "name", "label", "told"),
    [
        ("then Ms. Maya Okafor left", "Maya Okafor", "GPE", "PERSON"),
        ("then Dr Okafor left", "Okafor", "ORG", "PERSON"),
        ("the city of Halden burned", "Halden", "ORG", "GPE"),
        ("the city of Halden burned", "Halden", "LOC", "LOC"),
        ("by Aurora Partners today", "Aurora Partners", "PERSON", "ORG"),
        ("by Aurora Partners today", "Aurora Partners", "GPE", "GPE"),
        ("over Kestrel Bay today", "Kestrel Bay", "PERSON", "LOC"),
        ("over Kestrel Bay today", "Kestrel Bay", "ORG", "ORG"),
        ("on Kestrel Street.", "Kestrel Street", "PERSON", "FAC"),
        ("the Partners met", "Partners", "PERSON", "PERSON"),
        ("Maya Okafor", "Maya Okafor", "PERSON", "PERSON"),
    ],
)
def test_labels(text, name, label, told):
    assert label_of(text, name, label) == told


BODY = (
    "An event that is a default, see a.purchase or the e-order; a trust for the harbour. The stem of a "
    "flower, a stem, one stem. No purchase."
)


@pytest.mark.parametrize(
    ("name", "label", "nothing"),
    [
        ("Event of Default", "ORG", True),
        ("Default Event", "PERSON", True),
        ("EVENT OF DEFAULT", "ORG", True),
        ("Purchase", "ORG", False),  # seen once, and for a name of one word that is too little
        ("Stem", "PERSON", True),
        ("Purchase Order", "ORG", False),  # "order" is only a piece of "e-order"
        ("Harbour Trust", "ORG", False),  # ends as organisations do
        ("Harbour Flower", "ORG", True),
        ("Halden Event", "ORG", False),
        ("STEM", "ORG", False),  # may be an acronym
        ("stem", "GPE", False),
        ("Of The", "ORG", False),
        ("北京", "GPE", False),
    ],
)
def test_common_words(name, label, nothing):
    unit = Unit(0, len(BODY), Kind.PARAGRAPH, prose=True)
    assert Common(BODY, [unit]).names_nothing(name, label) is nothing


def test_only_prose_is_a_witness():
    unit = Unit(0, len(BODY), Kind.CODE, prose=False)
    assert not Common(BODY, [unit]).names_nothing("Event of Default", "ORG")
