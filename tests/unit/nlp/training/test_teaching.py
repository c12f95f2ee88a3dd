import pytest

from salient.nlp.training import entities, teaching
from salient.nlp.training.entities import TAGS, UNER


def bits(*tags):
    return sum(1 << TAGS.index(tag) for tag in tags)


def test_a_finder_settles_which_place_gold_means_and_leaves_its_bounds():
    sets = UNER.allowed(3, [(1, 3, "LOC")])
    got = teaching.refine(sets, [(0, 3, "GPE")])
    assert got[1:] == [bits("B-GPE"), bits("L-GPE")]


def test_gold_holds_against_a_finder():
    sets = UNER.allowed(2, [(0, 1, "PER")])
    got = teaching.refine(sets, [(0, 1, "ORG"), (1, 2, "PERSON")])
    assert got[0] == bits("U-PERSON")
    # UNER would have marked a person; what it does not mark stays open there.
    assert got[1] & bits("O")
    assert not got[1] & bits("U-PERSON")
    assert got[1] & bits("U-WORK_OF_ART")


@pytest.mark.parametrize(
    ("name", "expected"), [("DATE", ["U-DATE"]), ("NORP", ["U-NORP"]), ("LAW", ["O", "U-LAW"])]
)
def test_values_are_believed_and_other_types_are_heard(name, expected):
    assert teaching.refine(UNER.allowed(1, []), [(0, 1, name)]) == [bits(*expected)]


def test_where_all_are_silent_there_is_nothing():
    assert teaching.refine(UNER.allowed(2, []), []) == [bits("O")] * 2
    assert teaching.refine([entities.ANYTHING], []) == [entities.ANYTHING]


def test_a_span_that_runs_into_a_name_of_golds_changes_nothing_outside_it():
    sets = UNER.allowed(2, [(1, 2, "PER")])
    assert teaching.refine(sets, [(0, 2, "DATE")])[0] == sets[0]


def test_without_minilm_the_commands_say_what_is_missing(tmp_path, capsys):
    assert teaching.main(["learn", "--work", str(tmp_path)]) == 1
    assert "--minilm" in capsys.readouterr().err
