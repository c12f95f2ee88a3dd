"""The SQLite file of records: a feed that tells of many puts in one row."""

import sqlite3

import pytest

from salient.errors import NotFound
from salient.storage.docs import Records

MANY = [f"{i:05}" for i in range(2500)]


@pytest.fixture
def records(tmp_path):
    with Records.open(f"sqlite:{tmp_path}/r.db") as opened:
        yield opened


def followed(records, after, limit, collection="c"):
    """All changes since a cursor, so many at a time; each cursor of a change is one to go on from."""
    found = []
    while True:
        feed = records.changes(collection, after=after, limit=limit)
        found += [(c.ident, c.kind) for c in feed.items]
        if not feed.items:
            return found
        assert len(feed.items) <= limit
        after = feed.items[-1].cursor if len(found) % 2 else feed.after


def put(records, idents, collection="c", **how):
    return records.put_many(collection, [(i, {"n": 1}) for i in idents], **how)


@pytest.mark.parametrize("limit", [1, 7, 999, 1000, 1001, 5000])
def test_many_puts_are_followed_one_by_one(records, limit):
    start = records.changes("c").after
    some = MANY if limit > 1 else MANY[:40]
    put(records, some[:30])
    put(records, some, collection="other")
    records.delete("c", some[3])
    put(records, some[30:])
    put(records, some[:5])
    wanted = [
        *((i, "put") for i in some[:30]), (some[3], "deleted"), *((i, "put") for i in some[30:]),
        *((i, "put") for i in some[:5]),
    ]  # fmt: skip
    assert followed(records, start, limit) == wanted
    assert followed(records, start, limit, "other") == [(i, "put") for i in some]


@pytest.mark.parametrize("n", [2, 15, 16, 40])
def test_only_what_was_written_is_told(records, n):
    put(records, MANY[: n // 2])
    start = records.changes("c").after
    driver = records._driver  # what stores made of stores call
    rows = [(i, '{"n":2}') for i in MANY[:n]]
    assert driver.put("c", rows, ttl_s=None, only_if="absent") == n - n // 2
    assert followed(records, start, 9) == [(i, "put") for i in MANY[n // 2 : n]]


def test_a_feed_that_is_pruned_says_so_and_gives_whole_what_it_gives(tmp_path):
    with Records.open(f"sqlite:{tmp_path}/r.db?changes=100") as records:
        start = records.changes("c").after
        put(records, MANY[:600])
        with pytest.raises(NotFound):
            records.changes("c", after=start)
        late = records.changes("c").after
        put(records, MANY[:60])
        late = records.changes("c", after=late, limit=25).after
        put(records, MANY[60:90])
        assert [i for i, _ in followed(records, late, 30)] == MANY[25:90]


def test_a_file_of_an_earlier_release_tells_of_each_put_once(tmp_path):
    with Records.open(f"sqlite:{tmp_path}/r.db") as records:
        put(records, MANY[:3])
    with sqlite3.connect(tmp_path / "r.db") as db:
        for event in ("insert", "update"):
            db.execute(
                f"create trigger record_{event} after {event} on record begin"
                " insert into change(collection, id, deleted) values(new.collection, new.id, 0); end"
            )
    db.close()
    with Records.open(f"sqlite:{tmp_path}/r.db") as records:
        start = records.changes("c").after
        put(records, MANY[:20])
        records.put("c", MANY[0], {"n": 2})
        assert [i for i, _ in followed(records, start, 4)] == [*MANY[:20], MANY[0]]
