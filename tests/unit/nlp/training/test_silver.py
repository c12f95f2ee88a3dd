import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from salient.errors import Corrupt, NotFound
from salient.nlp.native.features import CALMED, FIRST_OF_UNIT, SPACE_BEFORE
from salient.nlp.training import entities, silver
from salient.nlp.training.corpora import Excerpt, Words, words_of
from salient.nlp.training.entities import TAGS

_K = {"upos": 2, "xpos": 2, "feats": 2, "relation": 2, "entity": 4, "head": 4}


def bits(*tags):
    return sum(1 << TAGS.index(tag) for tag in tags)


def reading(*words):
    """Of (tag, probability) pairs for each word."""
    labels = np.array([[TAGS.index(t) for t, _ in w] + [0] * (4 - len(w)) for w in words])
    shares = np.array([[p for _, p in w] + [0.0] * (4 - len(w)) for w in words], np.float32)
    return SimpleNamespace(labels={"entity": labels}, shares={"entity": shares})


@pytest.mark.parametrize(
    ("teacher", "spacy", "grammar", "expected"),
    [
        # All agree, or the others are silent and so is the teacher.
        ([("U-PERSON", 0.7)], [(0, 1, "PERSON")], [], ["U-PERSON"]),
        ([("O", 0.99)], [], [], ["O"]),
        # A sure name holds against another kind; an unsure one does not.
        ([("U-ORG", 0.95)], [(0, 1, "PERSON")], [], ["U-ORG"]),
        ([("U-ORG", 0.6)], [(0, 1, "PERSON")], [], ["U-ORG", "U-PERSON"]),
        ([("U-ORG", 0.6)], [], [], ["U-ORG", "O"]),
        # A place is sure if all kinds of places together are; spaCy settles which.
        ([("U-GPE", 0.6), ("U-LOC", 0.35)], [], [], ["U-GPE", "U-LOC"]),
        ([("U-GPE", 0.6), ("U-LOC", 0.35)], [(0, 1, "LOC")], [], ["U-LOC"]),
        ([("U-GPE", 0.9), ("U-LOC", 0.05)], [], [], ["U-GPE"]),
        # Sure that there is no name is not sure that there is no value.
        ([("O", 0.95)], [(0, 1, "ORG")], [], ["O"]),
        ([("O", 0.95)], [(0, 1, "LAW")], [], ["O", "U-LAW"]),
        ([("O", 0.95)], [], [(0, 1, "MONEY")], ["O", "U-MONEY"]),
        ([("U-DATE", 0.95)], [(0, 1, "DATE")], [(0, 1, "DATE")], ["U-DATE"]),
        ([("U-CARDINAL", 0.95)], [(0, 1, "MONEY")], [], ["U-CARDINAL", "U-MONEY"]),
    ],
)
def test_what_readers_agree_on_is_the_label_and_else_all_they_say(
    teacher, spacy, grammar, expected
):
    got = silver.allowed_tags(reading(teacher), TAGS, [[*spacy], [*grammar]])
    assert got == [bits(*expected)]


def test_longer_spans_allow_tags_by_position():
    words = [[("B-ORG", 0.6)], [("L-ORG", 0.6)], [("O", 0.5)]]
    got = silver.allowed_tags(reading(*words), TAGS, [[(0, 3, "WORK_OF_ART")]])
    assert got == [
        bits("B-ORG", "B-WORK_OF_ART"), bits("L-ORG", "I-WORK_OF_ART"), bits("O", "L-WORK_OF_ART"),
    ]  # fmt: skip


def test_an_amount_is_the_longest_that_somebody_sees():
    forms = ["more", "than", "$", "5", "million", "or", "7", "%"]
    sets = [bits("O", "U-CARDINAL")] * 8
    spacy, grammar = [(0, 5, "MONEY")], [(2, 5, "MONEY"), (6, 8, "PERCENT")]
    silver.settle(sets, forms, [spacy, grammar])
    money = ["B-MONEY", "I-MONEY", "I-MONEY", "I-MONEY", "L-MONEY"]
    assert sets[:5] == [bits(tag) for tag in money]
    assert sets[5:] == [bits("O", "U-CARDINAL"), bits("B-PERCENT"), bits("L-PERCENT")]


def test_a_contracts_word_for_a_party_is_no_name_unless_it_is_part_of_one():
    forms = ["Licensee", "Anna", "Bank", "Bank"]
    sets = [bits("U-PERSON"), bits("U-PERSON"), bits("L-ORG"), bits("U-ORG", "O")]
    silver.settle(sets, forms, [])
    assert sets == [bits("O"), bits("U-PERSON"), bits("L-ORG"), bits("O")]


def test_the_grammar_finds_values_between_words():
    text = "It paid $5 million on 3 March 2021.\n\nHalden Maritime Ltd. lost 4.5% of it."
    (found,) = silver.grammar_finder([document := words_of(Excerpt("x", "x", text))])
    named = {(" ".join(document.forms[a:b]), name) for a, b, name in found}
    assert named >= {("$ 5 million", "MONEY"), ("3 March 2021", "DATE"), ("4.5 %", "PERCENT")}


class FixedTeacher:
    """Calls every first word of a unit a sentence's root and a person, and hangs the rest from it."""

    names = SimpleNamespace(
        upos=("NOUN", "VERB"), xpos=("NN", "ZZ"), feats=("_", "Number=Sing"),
        relations=("root", "dep"), entities=TAGS,
    )  # fmt: skip

    def __init__(self):
        self.asked = 0

    def read(self, documents):
        self.asked += 1
        return [self._one(forms, breaks) for forms, breaks in documents]

    def _one(self, forms, breaks):
        n, first = len(forms), np.array(breaks)
        labels = {name: np.tile(np.arange(k, dtype=np.int32), (n, 1)) for name, k in _K.items()}
        shares = {
            name: np.tile(np.float32([0.6, 0.3, 0.0, 0.0][:k]), (n, 1)) for name, k in _K.items()
        }
        labels["entity"] = np.tile(
            np.int32([TAGS.index("O"), TAGS.index("U-PERSON"), 3, 5]), (n, 1)
        )
        labels["entity"][first, :2] = labels["entity"][first, 1::-1]
        labels["head"] = np.tile(np.int32([2, 1, 0, 0]), (n, 1))
        heads = np.where(first, 0, 1).astype(np.int32)
        return SimpleNamespace(
            labels=labels, shares=shares, start=np.where(first, 0.9, 0.1).astype(np.float32),
            sentences=np.flatnonzero(first), heads=heads,
        )  # fmt: skip


def documents(n=5):
    made = []
    for i in range(n):
        marks = np.array([SPACE_BEFORE | FIRST_OF_UNIT, SPACE_BEFORE] * (i + 2), np.uint16)
        marks[0] |= CALMED
        made.append(Words("cuad", f"d{i}", ("Anna", f"näps{i}") * (i + 2), marks))
    return made


def test_a_shard_is_read_as_it_was_written_and_equal_ones_have_equal_bytes(tmp_path):
    shard = silver.label(documents(), FixedTeacher())
    silver.write(tmp_path / "a.npz", shard)
    silver.write(tmp_path / "b.npz", silver.label(documents(), FixedTeacher()))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    got = silver.read(tmp_path / "a.npz")
    assert (got.names, got.sources, got.forms, got.sets) == (
        shard.names, shard.sources, shard.forms, shard.sets,
    )  # fmt: skip
    for name in ("bits", "documents", "sentences", "tree", "start", "allowed"):
        np.testing.assert_array_equal(getattr(got, name), getattr(shard, name))
    for name in silver.HEADS:
        np.testing.assert_array_equal(got.labels[name], shard.labels[name])
        np.testing.assert_array_equal(got.shares[name], shard.shares[name])


def test_a_broken_shard_is_refused(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(Corrupt):
        silver.read(tmp_path / "a.npz")


def test_documents_without_words_leave_nothing():
    empty = Words("cuad", "none", (), np.zeros(0, np.uint16))
    shard = silver.label([empty, *documents(1)], FixedTeacher())
    assert shard.sources == (("cuad", "d0"),)
    assert shard.documents.tolist() == [0, 4]


def test_a_run_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(silver, "SHARD_WORDS", 10)
    first = FixedTeacher()
    paths = list(silver.label_all(documents(), tmp_path, first))
    assert first.asked == len(paths) > 2
    again = FixedTeacher()
    lost = paths[1].read_bytes()
    paths[1].unlink()
    assert list(silver.label_all(documents(), tmp_path, again)) == [paths[1]]
    assert again.asked == 1
    assert paths[1].read_bytes() == lost
    forms = [f for path in paths for f in silver.read(path).forms]
    assert forms == [f for d in documents() for f in d.forms]


def gold():
    labels = SimpleNamespace(
        upos=("VERB", "NOUN"), xpos=("NN",), feats=("Number=Sing", "_"), relations=("dep", "root")
    )
    numbers = {}
    types = SimpleNamespace(
        number=lambda form: numbers.setdefault(form, len(numbers)), forms=numbers
    )
    return SimpleNamespace(
        labels=labels, types=types, train=SimpleNamespace(sets=[entities.ANYTHING])
    )


def test_columns_have_the_students_numbers():
    shard = silver.label(documents(2), FixedTeacher())
    columns = silver.columns(shard, gold())
    assert columns.documents.tolist() == [0, 2, 5]
    assert columns.sentences.tolist() == [0, 2, 4, 6, 8, 10]
    assert columns.paragraph.all()
    assert columns.bounded.all()
    assert columns.shouted.tolist() == [True, False, True, False, False]
    labels, shares = columns.soft["upos"]
    assert labels[0].tolist() == [1, 0]
    assert shares[0].tolist() == [np.float16(0.6), np.float16(0.3)]
    labels, shares = columns.soft["xpos"]
    assert labels[0].tolist() == [0, 0]  # the student has no "ZZ"
    assert shares[0].tolist() == [np.float16(0.6), 0]


def test_relations_are_those_of_the_trees_head_which_comes_first():
    columns = silver.columns(silver.label(documents(1), FixedTeacher()), gold())
    labels, shares = columns.soft["head"]
    assert labels[:, 0].tolist() == [0, 1, 0, 1]
    assert shares[1, :2].tolist() == [np.float16(0.3), np.float16(0.6)]
    assert labels[1, :2].tolist() == [1, 2]
    assert shares[0, 0] == 0  # the tree's, though the teacher did not think of it


def test_tags_that_are_ruled_out_have_no_share():
    def finder(some):
        return [[(0, 1, "PERSON")] for _ in some]

    shard = silver.label(documents(1), FixedTeacher(), [finder])
    columns = silver.columns(shard, gold())
    labels, shares = columns.soft["entity"]
    assert TAGS[labels[0, 0]] == "U-PERSON"
    assert shares[0].tolist() == [1, 0, 0, 0]
    assert columns.known.tolist() == [1, 0, 1, 0]


def test_the_only_tag_left_is_the_label_though_the_teacher_did_not_think_of_it():
    shard = silver.label(documents(1), FixedTeacher())
    money = len(shard.sets)
    shard = dataclasses.replace(
        shard, sets=(*shard.sets, bits("U-MONEY")), allowed=np.full(4, money, np.uint16)
    )
    labels, shares = silver.columns(shard, gold()).soft["entity"]
    assert [TAGS[i] for i in labels[:, 0]] == ["U-MONEY"] * 4
    assert shares[:, 0].tolist() == [1] * 4


def test_the_stream_begins_again_behind_the_last_document(tmp_path, monkeypatch):
    monkeypatch.setattr(silver, "SHARD_WORDS", 10)
    list(silver.label_all(documents(), tmp_path, FixedTeacher()))
    made = gold()
    serve = silver.stream(tmp_path, made)
    whole = serve(0, 40)
    names = [next(f for f, i in made.types.forms.items() if i == n) for n in whole.form]
    assert names == [f for d in documents() for f in d.forms]
    assert whole.documents[-1] == len(whole.sentences) - 1 == 20
    twice = serve(0, 80)
    np.testing.assert_array_equal(twice.form, np.tile(whole.form, 2))
    later = serve(40, 40)
    np.testing.assert_array_equal(later.form, whole.form)


def test_an_empty_folder_is_no_silver_data(tmp_path):
    with pytest.raises(NotFound):
        silver.stream(tmp_path, gold())
