"""A passage is found where it stands, with the words that were changed in it."""

import pytest

from salient.knowledge.copies.quoting import Passage
from tests.unit.knowledge.copies import stories

SAID = "we use too many tools that we do not own, and that will end in July"


def test_a_passage_is_found_word_by_word():
    text = f"{stories.story(1)} “Ärger”: {SAID}. {stories.story(2)}"
    place = Passage(SAID).within(text)
    assert text[place.start : place.end] == SAID
    assert place.share == 1.0


def test_a_changed_word_costs_what_it_should():
    place = Passage(SAID).within(f"{stories.story(1)} {SAID.replace('tools', 'things')}")
    assert 0.6 < place.share < 0.9


def test_of_two_places_the_fuller_one_is_told():
    half = " ".join(SAID.split()[:7])
    text = f"{half} {stories.story(3)} {SAID.upper()} {stories.story(4)} {half}"
    place = Passage(SAID).within(text)
    assert text[place.start : place.end] == SAID.upper()


@pytest.mark.parametrize("text", ["", "tools own", stories.story(5), "\ud800 \udfff"])
def test_nothing_is_found_where_nothing_stands(text):
    assert Passage(SAID).within(text) is None
    assert Passage(text if text.isascii() and len(text) < 20 else "one two").within(SAID) is None
