"""Scores, against examples that were worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.errors import InvalidInput
from salient.nlp.training.scores import (
    Score,
    Sentence,
    entities,
    entity_scores,
    parsing_scores,
)


def plain(*texts):
    return [Sentence(forms=text.split()) for text in texts]


def counts(score):
    return score.correct, score.predicted, score.gold


# "I don't." — "don't" is one token of two words.
DONT = Sentence(
    forms=["I", "do", "n't", "."],
    lemmas=["I", "do", "not", "."],
    upos=["PRON", "AUX", "PART", "PUNCT"],
    xpos=["PRP", "VBP", "RB", "."],
    feats=["Case=Nom|Number=Sing", "Mood=Ind", "_", "_"],
    heads=[2, 0, 2, 2],
    relations=["nsubj", "root", "advmod", "punct"],
    multiword=[(1, 3, "don't")],
)


def test_equal_predictions_are_right_in_everything():
    scores = parsing_scores([DONT], [DONT])
    assert {name: counts(score) for name, score in scores.items()} == {
        "Tokens": (3, 3, 3),
        "Sentences": (1, 1, 1),
        **dict.fromkeys(["Words", "UPOS", "XPOS", "UFeats", "Lemmas", "UAS", "LAS"], (4, 4, 4)),
    }
    assert {score.f1 for score in scores.values()} == {1.0}


def test_f1_is_of_precision_and_recall():
    score = Score(correct=6, predicted=8, gold=12)
    assert (score.precision, score.recall, score.f1) == (0.75, 0.5, pytest.approx(0.6))
    assert Score(0, 0, 0).f1 == Score(0, 0, 0).precision == Score(0, 0, 0).recall == 0.0


def test_words_are_found_by_their_characters():
    scores = parsing_scores(plain("the so - called man"), plain("the so-called man"))
    assert counts(scores["Words"]) == counts(scores["Tokens"]) == (2, 3, 5)
    assert set(scores) == {"Tokens", "Words", "Sentences"}  # neither side has the other columns


def test_white_space_inside_a_form_counts_for_nothing():
    gold = [Sentence(forms=["10 000", "m"])]
    assert counts(parsing_scores(gold, plain("10000 m"))["Words"]) == (2, 2, 2)


def test_sentences_must_end_where_the_gold_ends_them():
    # Gold: "a b ." "c ." "d"; predicted: "a b ." "c . d". Only the first is found.
    scores = parsing_scores(plain("a b .", "c .", "d"), plain("a b .", "c . d"))
    assert counts(scores["Sentences"]) == (1, 2, 3)
    assert counts(scores["Words"]) == (6, 6, 6)


def test_plain_words_meet_the_words_of_a_multiword_token():
    scores = parsing_scores([DONT], plain("I do n't ."))
    assert counts(scores["Words"]) == (4, 4, 4)
    assert counts(scores["Tokens"]) == (2, 4, 3)  # "I" and "."


def test_words_that_do_not_spell_their_token_are_paired_by_form():
    # German "zum" = "zu" + "dem"; the prediction has it as one word, "Zum" itself.
    gold = [Sentence(forms=["Zu", "dem", "Haus"], multiword=[(0, 2, "Zum")])]
    assert counts(parsing_scores(gold, plain("Zum Haus"))["Words"]) == (1, 2, 3)
    both = [Sentence(forms=["zu", "m", "Haus"], multiword=[(0, 2, "Zum")])]
    assert counts(parsing_scores(gold, both)["Words"]) == (2, 3, 3)  # "zu" in lower case, "Haus"


def test_the_longest_common_subsequence_decides():
    # One token "xyz": gold reads a b c d, the prediction b x c d b; b, c, d are common in order.
    gold = [Sentence(forms=list("abcd"), multiword=[(0, 4, "xyz")])]
    found = [Sentence(forms=list("bxcdb"), multiword=[(0, 5, "xyz")])]
    assert counts(parsing_scores(gold, found)["Words"]) == (3, 5, 4)


def test_multiword_tokens_that_overlap_are_one_stretch():
    # Text "abcd e". Gold: "ab" "cd" as tokens of two words each; predicted: "a", "bcd" = b + cd, "e".
    gold = [Sentence(forms=["a", "b", "c", "d", "e"], multiword=[(0, 2, "ab"), (2, 4, "cd")])]
    found = [Sentence(forms=["a", "b", "cd", "e"], multiword=[(1, 3, "bcd")])]
    scores = parsing_scores(gold, found)
    assert counts(scores["Words"]) == (3, 4, 5)  # a, b, e
    assert counts(scores["Tokens"]) == (1, 3, 3)  # e


def test_a_stretch_grows_by_each_token_that_reaches_out_of_it():
    # Text "abcd". Gold "ab" = x y, "cd" = z w; predicted "a", "bc" = z q, "d". The two z
    # meet only because "bc" joins "ab" and "cd" to one stretch.
    gold = [Sentence(forms=list("xyzw"), multiword=[(0, 2, "ab"), (2, 4, "cd")])]
    found = [Sentence(forms=list("azqd"), multiword=[(1, 3, "bc")])]
    assert counts(parsing_scores(gold, found)["Words"]) == (1, 4, 4)


def test_columns_are_compared_at_aligned_words():
    found = Sentence(
        forms=["I", "do", "n't", "."],
        lemmas=["I", "do", "n't", "."],
        upos=["PRON", "VERB", "PART", "PUNCT"],
        xpos=["PRP", "VBP", "RB", ":"],
        feats=["Number=Sing|Case=Nom", "Mood=Ind|Style=Coll", "_", "Case=Nom"],
        heads=[2, 0, 4, 2],
        relations=["nsubj:outer", "root", "advmod", "dep"],
    )
    scores = parsing_scores([DONT], [found])
    assert {name: scores[name].correct for name in ("UPOS", "XPOS", "Lemmas", "UFeats")} == {
        "UPOS": 3,  # not "do"
        "XPOS": 3,  # not "."
        "Lemmas": 3,  # not "n't"
        "UFeats": 3,  # in any order, and Style is not universal; not "."
    }
    assert scores["UAS"].correct == 3  # not "n't"
    assert scores["LAS"].correct == 2  # nor ".", whose relation is wrong; a subtype is nothing


def test_any_lemma_is_right_where_the_gold_has_none():
    gold = [Sentence(forms=["a", "b"], lemmas=["_", "b"])]
    found = [Sentence(forms=["a", "b"], lemmas=["x", "_"])]
    assert parsing_scores(gold, found)["Lemmas"].correct == 1


def test_heads_are_right_if_they_are_aligned():
    # Gold "so - called men", all under "men"; the prediction does not part "so-called".
    gold = [
        Sentence(
            forms=["so", "-", "called", "men", "ran"],
            heads=[3, 1, 4, 5, 0],
            relations=["advmod", "punct", "amod", "nsubj", "root"],
        )
    ]
    found = [
        Sentence(
            forms=["so-called", "men", "ran"], heads=[2, 3, 0], relations=["amod", "nsubj", "root"]
        )
    ]
    scores = parsing_scores(gold, found)
    assert counts(scores["Words"]) == counts(scores["UAS"]) == counts(scores["LAS"]) == (2, 3, 5)
    # A word whose predicted head is no word of the gold is wrong.
    astray = [Sentence(forms=["so-called", "men", "ran"], heads=[2, 1, 0], relations=["dep"] * 3)]
    assert parsing_scores(gold, astray)["UAS"].correct == 1
    # The last sentence's root is a root whatever word it is.
    assert parsing_scores(gold, astray)["LAS"].correct == 0


def test_heads_in_later_sentences_are_of_those():
    two = [Sentence(forms=["a", "b"], heads=[0, 1]), Sentence(forms=["c", "d"], heads=[2, 0])]
    one = [Sentence(forms=["a", "b", "c", "d"], heads=[0, 1, 4, 1])]
    # a: root; b under a; c under d; d is a root in the gold, here it is under a.
    assert parsing_scores(two, one)["UAS"].correct == 3
    assert parsing_scores(two, two)["UAS"].correct == 4


@pytest.mark.parametrize(
    "found",
    [
        plain("a c"),
        plain("a"),
        plain("a b c"),
        [Sentence(forms=["a", "b"], upos=["X"])],
        [Sentence(forms=["a", "b"], heads=[0, 3])],
        [Sentence(forms=["a", "b"], heads=[-1, 0])],
        [Sentence(forms=["a", "b", " "])],
        [Sentence(forms=["a", "", "b"])],
        [Sentence(forms=["a", "b"], multiword=[(1, 3, "b")])],
        [Sentence(forms=["a", "b"], multiword=[(1, 2, "b"), (0, 1, "a")])],
    ],
)
def test_what_cannot_be_scored_is_refused(found):
    with pytest.raises(InvalidInput):
        parsing_scores(plain("a b"), found)


def test_where_the_texts_part_is_said():
    with pytest.raises(InvalidInput) as info:
        parsing_scores(plain("the cat sat"), plain("the", "cot sat"))
    assert info.value.context == {"at": 4, "gold": "atsat", "predicted": "otsat"}


def test_nothing_against_nothing_is_nothing():
    assert counts(parsing_scores([], [])["Words"]) == (0, 0, 0)


CUTS = st.lists(st.integers(1, 3), min_size=1, max_size=8)


@given(CUTS, CUTS)
def test_without_multiword_tokens_words_are_equal_spans(one, other):
    """Brute force: the words that both cuts of the same characters have."""
    text = "abcdefghijklmnopqrstuvwxyz"[: min(sum(one), sum(other))]

    def cut(sizes):
        spans, at = [], 0
        for size in sizes:
            end = min(at + size, len(text))
            spans += [(at, end)] if end > at else []
            at = end
        return spans

    gold, found = cut(one), cut(other)
    scores = parsing_scores(
        [Sentence(forms=[text[a:b] for a, b in gold])],
        [Sentence(forms=[text[a:b] for a, b in found])],
    )
    assert counts(scores["Words"]) == (len({*gold} & {*found}), len(found), len(gold))


# Entities


def test_entities_are_right_if_start_end_and_type_are():
    gold = [[(0, 2, "PER"), (5, 6, "ORG"), (8, 9, "LOC")], [(0, 1, "PER")]]
    found = [[(0, 2, "PER"), (5, 6, "LOC"), (8, 10, "LOC"), (12, 13, "ORG")], []]
    scores = entity_scores(gold, found)
    assert counts(scores.micro) == (1, 4, 4)
    assert {kind: counts(score) for kind, score in scores.by_type.items()} == {
        "LOC": (0, 2, 1),
        "ORG": (0, 1, 1),
        "PER": (1, 1, 2),
    }
    assert list(scores.by_type) == ["LOC", "ORG", "PER"]
    assert scores.by_type["PER"].f1 == pytest.approx(2 / 3)


def test_an_entity_given_twice_counts_once():
    scores = entity_scores([[(0, 1, "PER")]], [[(0, 1, "PER"), (0, 1, "PER")]])
    assert counts(scores.micro) == (1, 1, 1)


def test_no_entities_are_no_score():
    assert counts(entity_scores([[]], [[]]).micro) == (0, 0, 0)


def test_as_many_texts_are_needed():
    with pytest.raises(InvalidInput):
        entity_scores([[]], [])


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ("O O", []),
        ("B-PER I-PER O B-LOC", [(0, 2, "PER"), (3, 4, "LOC")]),
        ("B-PER B-PER", [(0, 1, "PER"), (1, 2, "PER")]),
        ("I-PER I-PER I-LOC O", [(0, 2, "PER"), (2, 3, "LOC")]),  # IOB1
        ("O I-PER B-PER I-PER", [(1, 2, "PER"), (2, 4, "PER")]),
        ("B-ORG I-PER", [(0, 1, "ORG"), (1, 2, "PER")]),
        ("B-ORG I-ORG L-ORG U-LOC U-LOC", [(0, 3, "ORG"), (3, 4, "LOC"), (4, 5, "LOC")]),
        ("B-ORG E-ORG S-LOC", [(0, 2, "ORG"), (2, 3, "LOC")]),
        ("L-ORG I-ORG", [(0, 1, "ORG"), (1, 2, "ORG")]),
        ("B-ORG L-PER", [(0, 1, "ORG"), (1, 2, "PER")]),
        ("B-WORK_OF_ART I-WORK_OF_ART", [(0, 2, "WORK_OF_ART")]),
    ],
)
def test_tags_spell_entities(tags, found):
    assert entities(tags.split()) == found


@pytest.mark.parametrize("tag", ["PER", "X-PER", "B", "B-", "", "OB-PER", "O-PER", "O-"])
def test_other_tags_are_refused(tag):
    with pytest.raises(InvalidInput):
        entities(["O", tag])


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 3), st.sampled_from(["PER", "LOC"])), max_size=5
    )
)
def test_tags_of_entities_spell_them_again(gaps):
    spans, tags, at = [], [], 0
    for gap, size, kind in gaps:
        at += gap
        tags += ["O"] * (at - len(tags)) + [f"B-{kind}"] + [f"I-{kind}"] * (size - 1)
        spans.append((at, at + size, kind))
        at += size
    assert entities(tags) == spans
