"""Postings as arrays: what becomes of entries, and of batches that are merged."""

import numpy as np
import pytest

from salient.storage.search import Entry, Field, IndexSchema
from salient.storage.search.entries import prepare
from salient.storage.search.postings import (
    EVERY,
    HIT,
    LENGTHS,
    NUMBER,
    PLACE,
    Batch,
    Codes,
    Merge,
    bounds,
    keyword,
    norm,
)

SCHEMA = IndexSchema((Field("text", "text"), Field("kind", "keyword"), Field("page", "number")))
CODES = Codes(SCHEMA)


def batch(texts):
    made = Batch(CODES)
    for ident, text in texts.items():
        fields = {"text": text, "kind": ["k", text[:1]], "page": ident / 2}
        made.add(ident, prepare(Entry(str(ident), "g", fields), SCHEMA))
    return {(row.code, row.term): row for row in made.rows()}


def test_a_norm_is_the_longest_length_that_is_not_over():
    assert LENGTHS[:42].tolist() == [*range(41), 42]
    assert len(LENGTHS) == 256
    assert all(np.diff(LENGTHS) > 0)
    for length in (0, 1, 40, 41, 42, 43, 1000, 5_000_000):
        code = norm(length)
        assert LENGTHS[code] <= length < LENGTHS[code + 1]


def test_rows_say_which_how_often_and_where():
    rows = batch({3: "red blue red", 7: "red"})
    row = rows[CODES.own["text"], b"red"]
    hits = np.frombuffer(row.hits, HIT)
    assert hits["entry"].tolist() == [3, 7]
    assert hits["count"].tolist() == [2, 1]
    assert LENGTHS[hits["norm"]].tolist() == [3, 1]
    places = np.frombuffer(row.more, PLACE).tolist()
    assert places == [3 << 32, (3 << 32) + 2, 7 << 32]
    assert np.frombuffer(rows[EVERY, b""].hits, "<u4").tolist() == [3, 7]
    column = np.frombuffer(rows[CODES.own["page"], b""].hits, NUMBER)
    assert column["value"].tolist() == [1.5, 3.5]
    kinds = np.frombuffer(rows[CODES.own["kind"], b"r"].hits, HIT)
    assert kinds["count"].tolist() == [1, 1]  # the second of each entry's values


def test_merging_puts_in_order_and_drops_the_dead():
    # The batch of the later entries comes first, as one does that was merged before.
    later, earlier = batch({8: "red", 9: "red blue"}), batch({1: "red red", 2: "green red"})
    merge = Merge(CODES, np.array([1, 9], np.uint32))
    key = CODES.own["text"], b"red"
    row = merge.row([later[key], earlier[key]])
    assert np.frombuffer(row.hits, HIT)["entry"].tolist() == [2, 8]
    assert np.frombuffer(row.more, PLACE).tolist() == [(2 << 32) + 1, 8 << 32]
    assert merge.row([later[CODES.own["text"], b"blue"]]) is None
    every = merge.row([later[EVERY, b""], earlier[EVERY, b""]])
    assert np.frombuffer(every.hits, "<u4").tolist() == [2, 8]
    pages = merge.row([later[CODES.own["page"], b""], earlier[CODES.own["page"], b""]])
    assert np.frombuffer(pages.hits, NUMBER)["value"].tolist() == [1.0, 4.0]


@pytest.mark.parametrize("value", ["short", "x" * 5000, "é" * 3000])
def test_keywords_fit_an_index_and_lie_within_their_bounds(value):
    raw = value.encode()
    term = keyword(value)
    assert len(term) <= 1024
    assert (term == raw) == (len(raw) <= 1024)
    assert keyword(value + "y") != term
    low, high = bounds(raw, raw)
    assert low <= term <= high
