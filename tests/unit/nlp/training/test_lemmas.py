"""Edit rules give back what they were learnt from."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.nlp.native.decode import lemma_by
from salient.nlp.training import lemmas

WORDS = st.text("aAbBcç'-1É", min_size=1, max_size=8)


@given(WORDS, WORDS)
def test_a_rule_makes_the_lemma_it_was_made_for(form, lemma):
    assert lemma_by(lemmas.rule_of(form, lemma), form) == lemma


@pytest.mark.parametrize(
    ("form", "lemma", "other", "made"),
    [
        ("walked", "walk", "Talked", "talk"),
        ("Cats", "cat", "dogs", "dog"),
        ("running", "run", "running", "run"),
        ("Anna", "Anna", "Halden", "Halden"),
        ("ANNA", "Anna", "HALDEN", "Halden"),
        ("was", "be", "WAS", "be"),
    ],
)
def test_a_rule_serves_other_words(form, lemma, other, made):
    assert lemma_by(lemmas.rule_of(form, lemma), other) == made


def test_a_rule_that_does_not_fit_says_so():
    assert lemma_by(lemmas.rule_of("walked", "walk"), "ran") is None
    assert lemma_by(lemmas.rule_of("walked", "walk"), "d") is None


@given(WORDS, WORDS)
def test_rules_survive_json(form, lemma):
    rule = lemmas.rule_of(form, lemma)
    again = json.loads(json.dumps(rule))
    assert lemma_by((again[0], again[1]), form) == lemma


def learnt():
    seen = [("cats", "NOUN", "cat"), ("dogs", "NOUN", "dog"), ("ships", "NOUN", "ship")]
    return lemmas.learn(
        [*seen * 3, ("was", "AUX", "be"), ("saw", "VERB", "see"), ("saw", "VERB", "saw")]
    )


def test_rules_that_are_seen_often_are_the_network_s_to_choose():
    made = learnt()
    assert made.n_choices == 1
    assert made.choice("hats", "hat") == 0
    assert made.choice("was", "be") == lemmas.NONE


def test_the_lexicon_knows_words_that_have_one_rule():
    made = learnt()
    assert made.lemma("Was", "AUX", 0) == "be"
    assert lemmas.key("saw", "VERB") not in made.lexicon
    assert made.lemma("hats", "NOUN", 0) == "hat"
    assert made.lemma("Sheep", "NOUN", lemmas.NONE) == "sheep"
