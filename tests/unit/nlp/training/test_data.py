"""Columns, pieces and batches keep what the corpora say."""

import dataclasses

import numpy as np
import pytest

from salient.errors import NotFound
from salient.nlp.native import features
from salient.nlp.training import data, pieces
from salient.nlp.training.data import UNKNOWN, Types
from salient.nlp.training.pieces import Changes
from tests.unit.nlp.training.made_up import gold


@pytest.fixture
def made(tmp_path):
    return gold(tmp_path, copies=3)


def drawn(columns, changes, seed=1):
    return list(pieces.pieces(columns, np.random.default_rng(seed), changes))


def only(**shares):
    return dataclasses.replace(
        Changes(alone=0.3, upper=0, lower=0, title=0, no_stop=0, unit=0, newlines=0, gazetteer=0),
        **shares,
    )


def texts(columns, piece):
    return [columns.types.forms[number] for number in piece.form]


def test_columns_hold_words_labels_and_names(made):
    columns, labels = made.train, made.labels
    assert columns.forms[:4] == ["Anna", "sees", "Halden", "."]
    assert columns.label["head"][:4].tolist() == [2, 0, 2, 2]
    assert [labels.relations[i] for i in columns.label["relation"][:4]] == [
        "nsubj",
        "root",
        "obj",
        "punct",
    ]
    assert columns.known[:4].tolist() == [1, 0, 5, 0]
    assert columns.space[:4].tolist() == [False, True, True, False]
    assert columns.documents.tolist() == [0, 5, 10, 15]


def test_pieces_cover_every_word_once_and_never_two_documents(made):
    columns = made.train
    found = drawn(columns, only())
    assert np.concatenate([p.rows for p in found]).tolist() == list(range(columns.n_words))
    ends = columns.sentences[columns.documents[1:]]
    for piece in found:
        assert np.searchsorted(ends, piece.rows[0], "right") == np.searchsorted(
            ends, piece.rows[-1], "right"
        )


def test_the_same_seed_draws_the_same_and_another_one_something_else(made):
    one, two, three = (drawn(made.train, Changes(), seed) for seed in (1, 1, 2))
    assert [texts(made.train, p) for p in one] == [texts(made.train, p) for p in two]
    assert [p.rows.tolist() for p in one] != [p.rows.tolist() for p in three]


def test_sentences_without_their_stop_keep_their_trees(made):
    columns = made.train
    found = drawn(columns, only(no_stop=1.0, alone=1.0))
    assert all(len(p.rows) > 1 for p in found)
    lost = columns.n_words - sum(len(p.rows) for p in found)
    assert lost == len(columns.sentences) - 1
    for piece in found:
        heads = columns.label["head"][piece.rows]
        assert heads.max() <= len(piece.rows)
        assert (columns.label["upos"][piece.rows] != data.UPOS.index("PUNCT")).all()


@pytest.mark.parametrize(
    ("change", "made_of"), [({"upper": 1.0, "calmed": 0.0}, str.upper), ({"lower": 1.0}, str.lower)]
)
def test_case_is_changed_of_whole_pieces(made, change, made_of):
    for piece in drawn(made.train, only(**change)):
        original = [made.train.types.forms[made.train.form[row]] for row in piece.rows]
        assert texts(made.train, piece) == [made_of(form) for form in original]


def test_calmed_words_are_marked(made):
    for piece in drawn(made.train, only(upper=1.0, calmed=1.0)):
        assert (piece.bits & features.CALMED).all()


def test_a_unit_s_first_word_needs_no_guess_and_other_starts_do(made):
    for piece in drawn(made.train, only(unit=0.5)):
        first = piece.bits[piece.starts] & features.FIRST_OF_UNIT > 0
        assert (piece.start[piece.starts[first]] == UNKNOWN).all()
        assert (piece.start[piece.starts[1:]][~first[1:]] == 1).all()


def test_gazetteer_bits_are_of_the_names_kind_mostly(made):
    found = drawn(made.train, only(gazetteer=1.0))
    bits = np.concatenate([p.bits for p in found]) >> 4
    known = made.train.known
    right = (bits > 0) & (known > 0) & (bits == 1 << np.maximum(known - 1, 0))
    assert right.sum() > 5
    assert (bits == 0).sum() > len(bits) / 2


def test_a_batch_is_the_pieces_side_by_side(made):
    columns = made.train
    found = drawn(columns, only())
    groups = pieces.groups(found, 40, np.random.default_rng(1))
    assert sum(map(len, groups)) == len(found)
    for group in groups:
        batch = pieces.batch(columns, group)
        assert batch.mask.size <= 40 or batch.mask.shape[1] == 1
        assert (batch.mask == (batch.rows >= 0)).all()
        upos = columns.label["upos"][batch.rows[batch.mask]]
        assert batch.label["upos"][batch.mask].tolist() == upos.tolist()
        assert (batch.label["upos"][~batch.mask] == UNKNOWN).all()
        hashed = features.rows([columns.forms[row] for row in batch.rows[batch.mask]]).hashed
        assert (batch.hashed[batch.type[batch.mask]] == hashed).all()
        assert (batch.type[~batch.mask] == len(batch.hashed)).all()
        inside = batch.sentences >= 0
        rows = batch.rows.reshape(-1)[batch.sentences[inside]]
        assert batch.head[inside].tolist() == columns.label["head"][rows].tolist()
        assert (batch.head <= inside.sum(1, keepdims=True)).all()


def test_word_dropout_hides_the_norm_and_nothing_else(made):
    columns = made.train
    rng = np.random.default_rng(1)
    batch = pieces.batch(columns, drawn(columns, only()), rng, dropped=1.0)
    assert (batch.hashed[:, 0] == 0).all()
    assert (batch.hashed[:, 1:] > 0).all()


def test_types_are_numbered_once_and_know_their_other_cases():
    types = Types({"anna": 7})
    anna = np.array([types.number("Anna"), types.number("ANNA")], np.int32)
    assert types.cased(anna, "upper").tolist() == [1, 1]
    lower = types.cased(anna, "lower")
    assert types.forms[lower[0]] == "anna"
    assert types.rows(lower)[3].tolist() == [7, 7]
    assert types.rows(anna)[0][0, 0] == types.rows(lower)[0][0, 0]


def test_a_folder_without_treebanks_is_refused(tmp_path):
    with pytest.raises(NotFound):
        data.load(tmp_path)
