"""Base noun phrases from either kind of tree: whole, in order, apart, each around its noun."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.model import Strings, Tokens
from salient.nlp.noun_phrases import noun_phrases
from tests.unit.knowledge.trees import annotated

UD = """
The the DET DT 4 det
very very ADV RB 3 advmod
large large ADJ JJ 4 amod
company company NOUN NN 11 nsubj
of of ADP IN 9 case
the the DET DT 7 det
year year NOUN NN 9 nmod:poss
's 's PART POS 7 case
boom boom NOUN NN 4 nmod
is be AUX VBZ 11 cop
partner partner NOUN NN 0 root
of of ADP IN 13 case
Ann Ann PROPN NNP 11 nmod
Lee Lee PROPN NNP 13 flat
"""
SPACY = """
oil oil NOUN NN 4 compound
and and CCONJ CC 1 cc
gas gas NOUN NN 1 conj
firms firm NOUN NNS 5 nsubj
bought buy VERB VBD 0 ROOT
a a DET DT 12 det
3 3 NUM CD 10 nummod
- - PUNCT HYPH 10 punct
year year NOUN NN 10 npadvmod
old old ADJ JJ 12 amod
Danish danish ADJ JJ 12 amod
ship ship NOUN NN 5 dobj
in in ADP IN 5 prep
Oslo Oslo PROPN NNP 13 pobj
"""


def found(rows):
    text, made = annotated(rows)
    phrases = noun_phrases(made.tokens, made.strings)
    return [
        (text[made.tokens.start[a] : made.tokens.end[b - 1]], text[made.tokens.start[h] : made.tokens.end[h]])
        for a, b, h in zip(phrases.start, phrases.end, phrases.head, strict=True)
    ]  # fmt: skip


def test_possessors_and_prepositions_are_phrases_of_their_own():
    assert found(UD) == [
        ("The very large company", "company"),
        ("the year", "year"),
        ("boom", "boom"),
        ("partner", "partner"),
        ("Ann Lee", "Ann"),
    ]


def test_joined_and_hyphened_modifiers_belong_to_the_noun():
    assert found(SPACY) == [
        ("oil and gas firms", "firms"),
        ("a 3 - year old Danish ship", "ship"),
        ("Oslo", "Oslo"),
    ]


def test_an_adverb_of_the_clause_is_not_part_of_a_noun_that_is_its_predicate():
    rows = "It it PRON PRP 5 nsubj\nis be AUX VBZ 5 cop\nnot not PART RB 5 advmod\na a DET DT 5 det\nbank bank NOUN NN 0 root"
    assert found(rows) == [("a bank", "bank")]


def test_no_tokens_and_no_syntax_give_no_phrases():
    strings = Strings()
    empty = np.zeros(0, np.int32)
    none = Tokens(*([empty] * 8), np.zeros(0, np.bool_))
    assert len(noun_phrases(none, strings.table())) == 0
    nouns = strings.codes(["NOUN"] * 3)
    row, zero = np.arange(3, dtype=np.int32), np.zeros(3, np.int32)
    plain = Tokens(row * 2, row * 2 + 1, zero, nouns, zero, zero, row, zero, row == 0)
    assert len(noun_phrases(plain, strings.table())) == 0


LABELS = ["det", "amod", "compound", "conj", "cc", "flat", "nmod", "obj", "punct", "advmod", "root"]


@given(st.data(), st.integers(1, 30))
def test_phrases_do_not_overlap_and_hold_their_noun(data, n):
    draw, strings = data.draw, Strings()
    head = draw(st.lists(st.integers(0, n - 1), min_size=n, max_size=n))
    upos = draw(st.lists(st.sampled_from(["NOUN", "PROPN", "ADJ", "VERB"]), min_size=n, max_size=n))
    label = draw(st.lists(st.sampled_from(LABELS), min_size=n, max_size=n))
    row, zero = np.arange(n, dtype=np.int32), np.zeros(n, np.int32)
    tokens = Tokens(
        row * 2, row * 2 + 1, zero, strings.codes(upos), zero, zero, np.array(head, np.int32), strings.codes(label), row == 0,
    )  # fmt: skip
    made = noun_phrases(tokens, strings.table())
    assert (made.start <= made.head).all()
    assert (made.head < made.end).all()
    assert (made.start[1:] >= made.end[:-1]).all()
    assert {upos[h] for h in made.head} <= {"NOUN", "PROPN"}


@pytest.mark.parametrize("n", [10, 100_000])
def test_a_chain_of_modifiers_as_long_as_the_text_is_no_harm(n):
    strings, row = Strings(), np.arange(n, dtype=np.int32)
    zero = np.zeros(n, np.int32)
    head = np.minimum(row + 1, n - 1)
    tokens = Tokens(
        row * 2, row * 2 + 1, zero, strings.codes(["NOUN"] * n), zero, zero, head, strings.codes(["compound"] * n), row == 0,
    )  # fmt: skip
    made = noun_phrases(tokens, strings.table())
    assert made.end[-1] == n
    assert made.head[-1] == n - 1
