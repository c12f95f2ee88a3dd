"""Annotations come back from the store, also those that an older release put there."""

import numpy as np
import pytest

from salient.errors import Corrupt
from salient.model import Annotations, Strings, Tokens, columns, spans_from


def made():
    strings = Strings()
    empty = np.zeros(2, np.int32)
    tokens = Tokens(
        start=np.array([0, 4], np.int32),
        end=np.array([3, 8], np.int32),
        lemma=strings.codes(["the", "ship"]),
        upos=strings.codes(["DET", "NOUN"]),
        xpos=empty,
        feats=strings.codes(["", "Number=Sing"]),
        head=np.array([1, 1], np.int32),
        deprel=empty,
        sent_start=np.array([True, False]),
    )
    none = spans_from([], strings)
    return Annotations("test@1", "en", 1.0, strings.table(), tokens, none, none)


def stored(form, *, without=()):
    header, arrays = columns.load(made().dump())
    kept = {name: array for name, array in arrays.items() if name not in without}
    return columns.dump(kept, {**header, "format": form})


def test_what_is_stored_comes_back():
    again = Annotations.load(made().dump())
    assert again.dump() == made().dump()
    assert again.words(again.tokens.feats) == ["", "Number=Sing"]


def test_format_1_is_read_with_features_empty():
    old = Annotations.load(stored(1, without=["token_feats"]))
    assert old.words(old.tokens.feats) == ["", ""]
    assert old.words(old.tokens.lemma) == ["the", "ship"]
    # What is stored of it from now on is of the present format.
    assert Annotations.load(old.dump()).words(old.tokens.feats) == ["", ""]


@pytest.mark.parametrize("form", [0, 3, None, "2"])
def test_other_formats_are_refused(form):
    with pytest.raises(Corrupt):
        Annotations.load(stored(form))
