from types import SimpleNamespace

import numpy as np
import pytest

from salient.nlp.training import conllu, entities, teaching
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


class Copyist:
    """A teacher that says what the treebank says, but for the words that it is to get wrong."""

    def __init__(self, document, wrong):
        self.sentences, self.wrong = document.sentences, wrong

        def column(name):
            return tuple(sorted({v for s in self.sentences for v in getattr(s, name)}))

        self.names = SimpleNamespace(
            upos=(*column("upos"), "WRONG"), xpos=column("xpos"), feats=column("feats"),
            relations=column("relations"), entities=TAGS,
        )  # fmt: skip

    def read(self, texts, *, given):
        assert given
        words = [
            w
            for s in self.sentences
            for w in zip(s.upos, s.xpos, s.feats, s.relations, strict=True)
        ]
        assert len(texts[0][0]) == len(words)
        tables = (self.names.upos, self.names.xpos, self.names.feats, self.names.relations)
        rows = np.array([[t.index(v) for t, v in zip(tables, word, strict=True)] for word in words])
        rows[self.wrong, 0] = len(self.names.upos) - 1
        heads = ("upos", "xpos", "feats", "relation")
        labels = {h: rows[:, [i]] for i, h in enumerate(heads)}
        labels["entity"] = np.array(
            [[TAGS.index("U-PERSON" if f == "Anna" else "O")] for f in texts[0][0]]
        )
        shares = {h: np.ones_like(v, np.float32) for h, v in labels.items()}
        return [SimpleNamespace(
            labels=labels, shares=shares, heads=np.array([h for s in self.sentences for h in s.heads]),
            sentences=np.flatnonzero(texts[0][1]),
        )]  # fmt: skip


def test_scores_count_what_is_right(tmp_path):
    pytest.importorskip("torch", reason="the extra `train` is not installed")
    from tests.unit.nlp.training.made_up import names, treebank

    file = tmp_path / "made_up.conllu"
    file.write_text(treebank(), encoding="utf-8")
    (document,) = conllu.read(file)
    n = sum(len(s.forms) for s in document.sentences)
    found = teaching.scored(Copyist(document, [0, 4]), [document], names())
    assert found["LAS"] == found["UAS"] == found["XPOS"] == 100
    assert found["UPOS"] == pytest.approx(100 * (n - 2) / n)
    # Of four names the two Annas are found, and nothing else is said.
    assert found["Names"] == pytest.approx(100 * 2 * 2 / (2 + 4))
