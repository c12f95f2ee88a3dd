"""Files of named queries: fragments, variants, lists and what text becomes."""

import pytest

from salient.errors import InvalidInput, LimitExceeded
from salient.storage.sql import Query, fold, storable
from salient.storage.sql.queries import MAX_LIST, parse

TEXT = """
-- What this file is about.

-- fragment: waiting
-- why it is so
state = 'queued' AND owner IS NULL

-- fragment: length
LENGTH(name)
-- dialect: mysql
CHAR_LENGTH(name)

-- fragment: order
{length}, name

-- name: n_waiting
SELECT COUNT(*) AS n FROM document WHERE {waiting}

-- name: sorted
SELECT id FROM document WHERE {waiting} AND id > :id ORDER BY {order}
"""


def test_a_fragment_stands_in_queries_in_the_variant_of_the_database():
    queries = parse(TEXT, dialect="sqlite")
    assert [q.name for q in queries] == ["n_waiting", "sorted"]
    waiting = "state = 'queued' AND owner IS NULL"
    assert queries.n_waiting.text == f"SELECT COUNT(*) AS n FROM document WHERE {waiting}"
    start = f"SELECT id FROM document WHERE {waiting} AND id > :id ORDER BY"
    assert queries.sorted.text == f"{start} LENGTH(name), name"
    assert parse(TEXT, dialect="mysql").sorted.text == f"{start} CHAR_LENGTH(name), name"


def test_a_fragment_is_no_query():
    with pytest.raises(AttributeError):
        parse(TEXT, dialect="sqlite").waiting  # noqa: B018


@pytest.mark.parametrize(
    "text",
    [
        "-- name: a\nSELECT {unknown}",
        "-- name: a\nSELECT {later}\n-- fragment: later\n1",
        "-- fragment: a\n1\n-- fragment: a\n2",
        "-- fragment: a\n1\n-- name: a\nSELECT 2",
        "-- fragment: a\n-- name: b\nSELECT 1",
        "-- fragment: Loud\n1",
        "-- fragment: a\n1\n-- dialect: oracle\n2",
    ],
)
def test_fragments_that_make_no_sense_are_refused(text):
    with pytest.raises(InvalidInput):
        parse(text, dialect="sqlite")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("plain", "plain"),
        ("a\0b", "a\ufffdb"),
        ("é\0", "é\ufffd"),
        ("\ud83d\ude00", "\ufffd\ufffd"),
        ("caf\udce9.txt", "caf\ufffd.txt"),
        ("\U0001f600", "\U0001f600"),
    ],
)
def test_text_is_made_storable_without_moving_a_character(given, kept):
    assert storable(given) == kept
    query = Query("SELECT :a WHERE 1 IN :b")
    assert query.bound({"a": given, "b": [given, 1]})[1] == {"a": kept, "b": [kept, 1]}
    assert query.batch([{"a": given, "b": None}]) == [{"a": kept, "b": None}]


def test_lists_are_bounded():
    query = Query("SELECT 1 WHERE 1 IN :ids")
    query.bound({"ids": ["x"] * MAX_LIST})
    with pytest.raises(LimitExceeded):
        query.bound({"ids": ["x"] * (MAX_LIST + 1)})


def test_folded_text_is_equal_whatever_its_case():
    assert fold("STRASSE Ärger ΟΔΟΣ") == fold("straße ÄRGER οδος")
