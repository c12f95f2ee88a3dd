"""Where sentences begin, and what a rule makes of a word."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.nlp.native import decode
from salient.nlp.training import lemmas


def bounds(start, must=(0,), may=None):
    n = len(start)
    forced = np.isin(np.arange(n), must)
    allowed = np.ones(n, bool) if may is None else np.isin(np.arange(n), may)
    made = decode.sentence_bounds(np.array(start, np.float32), forced, allowed)
    return [b.tolist() for b in made]


class TestSentences:
    def test_how_likely_is_enough_can_be_said(self):
        start = np.array([-1, -0.4, 2], np.float32)
        may, must = np.ones(3, bool), np.array([True, False, False])
        assert decode.sentence_bounds(start, must, may)[0].tolist() == [0, 2, 3]
        assert decode.sentence_bounds(start, must, may, -0.5)[0].tolist() == [0, 1, 2, 3]

    def test_they_begin_where_they_must_and_where_they_may_and_likely_do(self):
        start = [-1, -1, 2, 2, -3, 0]
        assert bounds(start, must=[0, 4], may=[2])[0] == [0, 2, 4, 6]

    def test_one_token_is_one(self):
        assert bounds([-5]) == [[0, 1], [0, 1]]

    def test_a_long_one_is_cut_at_the_likeliest_place(self):
        start = np.full(300, -9.0)
        start[[120, 150, 250]] = [-5, -3, -2]
        assert bounds(start) == [[0, 150, 300]] * 2

    def test_where_none_may_begin_it_stays_one_and_is_parsed_in_stretches(self):
        start = np.full(500, -9.0)
        start[[120, 199, 390]] = -3
        sentences, stretches = bounds(start, may=[])
        assert sentences == [0, 500]
        assert stretches == [0, 120, 199, 390, 500]

    @given(
        st.integers(1, 900).flatmap(
            lambda n: st.tuples(
                st.just(n),
                st.integers(0, 99),
                st.floats(0, 1),
                st.sampled_from([0.0, 0.01, 0.5, 1.0]),
            )
        )
    )
    def test_no_stretch_is_longer_and_no_sentence_begins_where_it_may_not(self, drawn):
        n, seed, force, allow = drawn
        rng = np.random.default_rng(seed)
        must, may = rng.random(n) < force * 0.1, rng.random(n) < allow
        must[0] = True
        sentences, stretches = decode.sentence_bounds(
            rng.standard_normal(n).astype(np.float32) - 3, must, may
        )
        assert sentences[0] == stretches[0] == 0
        assert sentences[-1] == stretches[-1] == n
        assert set(sentences) <= set(stretches)
        assert (np.diff(stretches) >= 1).all()
        assert np.diff(stretches).max() <= decode.LONGEST
        assert (must | may)[sentences[:-1]].all()
        assert set(np.flatnonzero(must)) <= set(sentences[:-1])


def test_later_stretches_hang_from_the_root_of_the_first():
    heads = np.array([1, 1, 2, 2, 4, 4, 6], np.int32)  # roots 1, 2, 4 and 6
    loose = decode.joined(heads, np.array([0, 6, 7], np.int32), np.array([0, 2, 4, 6, 7], np.int32))
    assert loose.tolist() == [2, 4]
    assert heads.tolist() == [1, 1, 1, 2, 1, 4, 6]


def test_stretches_that_are_sentences_are_left_alone():
    heads = np.array([0, 1], np.int32)
    edges = np.array([0, 1, 2], np.int32)
    assert decode.joined(heads, edges, edges).tolist() == []
    assert heads.tolist() == [0, 1]


class TestLemmas:
    @pytest.mark.parametrize(
        ("rule", "form", "lemma"),
        [
            ((0, (0, 0, None, None)), "Ships", "ships"),
            ((0, (0, 1, None, ("s", ""))), "Ships", "ship"),
            ((0, (0, 1, None, ("s", ""))), "ship", None),
            ((0, ("was", "be")), "Was", "be"),
            ((1, (0, 0, None, None)), "NATO", "NATO"),
            ((2, (0, 0, None, None)), "BERGEN", "Bergen"),
            ((3, (0, 0, None, None)), "ibm", "IBM"),
            ((0, (2, 1, (1, 0, None, ("r", "x")), ("t", ""))), "arcat", None),
            ((0, None), "", ""),
            ((0, None), "x", None),
            ((0, (3, 3, None, None)), "short", None),
        ],
    )
    def test_rules(self, rule, form, lemma):
        assert decode.lemma_by(rule, form) == lemma

    @given(st.text("abcXYé", max_size=7), st.text("abcXYé", max_size=7))
    def test_a_rule_that_training_made_does_what_it_was_made_for(self, form, lemma):
        rule = lemmas.rule_of(form, lemma)
        assert decode.lemma_by(rule, form) == lemma
