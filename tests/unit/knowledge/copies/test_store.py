"""Copies in the tables are what they would be if all documents had come at once."""

import random

import pytest

from salient.knowledge.copies import store as module
from salient.knowledge.copies.sketch import Why, sketch_of
from salient.knowledge.copies.store import Copies
from salient.knowledge.decisions import Log
from salient.model import Verb
from salient.storage.sql import Query, Tables
from tests.unit.knowledge.copies import stories

VERSION = "0" * 64


class Desk:
    def __init__(self, tables, workspace="w"):
        self.tables, self.workspace = tables, workspace
        self.copies = Copies(tables, workspace)

    def put(self, *documents, gather=True):
        for ident, text, who in documents:
            with self.tables.transaction() as tx:
                self.copies.remove(tx, [ident])
                self.copies.put(tx, ident, VERSION, sketch_of(text, "", stories.ids_of(who)))
        return self.copies.gather() if gather else 0

    def drop(self, *ids):
        with self.tables.transaction() as tx:
            self.copies.remove(tx, ids)

    def groups(self):
        _, _, found = self.copies.largest(0, 100)
        return {min(members): sorted(members) for _, members in found}

    def count(self, table):
        with self.tables.read() as tx:
            return tx.value(Query(f"SELECT COUNT(*) FROM {table}"))


@pytest.fixture
def desk(tmp_path):
    with Tables.open(f"sqlite:{tmp_path}/t.db") as tables:
        tables.migrate()
        yield Desk(tables)


def site(seed, n, start=0):
    """A story as it stands on some sites."""
    text, who = stories.story(seed), stories.names(seed)
    return [(f"s{seed:02}x{i:02}", stories.edited(text, 0.03, i), who) for i in range(start, start + n)]  # fmt: skip


def test_a_story_from_forty_sites_is_one_group(desk):
    assert desk.put(*site(1, 40), *site(2, 1), *site(3, 2)) == 43
    groups = desk.groups()
    assert {first: len(members) for first, members in groups.items()} == {"s01x00": 40, "s03x00": 2}
    assert desk.copies.others(["s01x05", "s02x00", "nobody"]) == {"s01x05": 39}
    assert [c.why for c in desk.copies.of("s03x00")] == [Why.SAME]
    assert desk.put() == 0, "nothing waits"


def test_the_order_in_which_documents_come_makes_no_difference(tmp_path):
    documents = [*site(1, 9), *site(2, 5), *site(3, 1), *site(4, 3)]
    seen = []
    for turn in range(4):
        random.Random(turn).shuffle(documents)
        with Tables.open(f"sqlite:{tmp_path}/{turn}.db") as tables:
            tables.migrate()
            desk = Desk(tables)
            size = 1 + 5 * turn
            for first in range(0, len(documents), size):
                desk.put(*documents[first : first + size])
            seen.append((desk.groups(), {t: desk.count(t) for t in ("sketch_band", "copy_pair", "copy_group")}))  # fmt: skip
    assert seen[0] == seen[1] == seen[2] == seen[3]
    assert len(seen[0][0]) == 3


def test_putting_again_changes_nothing_and_a_new_text_leaves_the_group(desk):
    desk.put(*site(1, 4))
    before = desk.groups(), desk.count("sketch_band"), desk.count("copy_pair")
    desk.put(*site(1, 4))
    assert (desk.groups(), desk.count("sketch_band"), desk.count("copy_pair")) == before
    desk.put(("s01x00", stories.story(9), stories.names(9)))
    assert desk.groups() == {"s01x01": ["s01x01", "s01x02", "s01x03"]}


def test_what_only_a_removed_document_held_together_parts(desk):
    text, who = stories.story(1), stories.names(1)
    words = text.split()
    left, right = " ".join(words[:80]), " ".join(words[-80:])
    desk.put(("a", left, who), ("b", text, who), ("c", right, who))
    # The end alone does not begin as the whole does: it is found by its runs of words.
    desk.copies.decided(["a", "b", "c"])
    if "c" not in desk.groups()["a"]:
        Log(desk.tables, "w").of_copies(["b", "c"], "Ada", copies=True)
        desk.copies.decided(["b", "c"])
    assert desk.groups() == {"a": ["a", "b", "c"]}
    desk.drop("b")
    assert desk.groups() == {}
    assert desk.count("copy_pair") == 0


def test_nothing_is_left_of_what_was_removed(desk):
    documents = [*site(1, 6), *site(2, 3)]
    desk.put(*documents)
    desk.drop(*(d[0] for d in documents), "nobody")
    assert [desk.count(t) for t in ("sketch", "sketch_band", "copy_pair", "copy_group")] == [0] * 4


def test_people_have_the_last_word_and_may_take_it_back(desk):
    desk.put(*site(1, 3), *site(2, 1))
    log = Log(desk.tables, "w")
    first = log.of_copies(["s01x00", "s01x01"], "Ada", copies=False)
    assert first.verb is Verb.NOT_COPIES
    desk.copies.decided(first.subjects)
    assert len(desk.groups()) == 1
    assert not any({"s01x00", "s01x01"} <= set(m) for m in desk.groups().values())
    desk.put(*site(1, 5, start=3))
    assert not any({"s01x00", "s01x01"} <= set(m) for m in desk.groups().values()), "new copies"
    second = log.of_copies(["s02x00", "s01x00"], "Ada", copies=True)
    desk.copies.decided(second.subjects)
    assert any({"s01x00", "s02x00"} <= set(m) for m in desk.groups().values())
    for decision in (second, first):
        log.undo(decision.id, "Ada")
        desk.copies.decided(decision.subjects)
    assert {first: len(m) for first, m in desk.groups().items()} == {"s01x00": 8}


def test_workspaces_do_not_see_each_other(desk):
    other = Desk(desk.tables, "other")
    desk.put(*site(1, 2))
    other.put(*((f"o{i}", t, w) for i, t, w in site(1, 1)))
    assert other.groups() == {}
    assert desk.copies.are_there()
    assert not other.copies.are_there()


def test_a_kill_between_two_transactions_costs_nothing(desk, monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 3)

    class Killed(Exception):
        pass

    def kill():
        raise Killed

    desk.put(*site(1, 8), gather=False)
    with pytest.raises(Killed):
        desk.copies.gather(kill)
    again = Desk(desk.tables)
    assert again.copies.gather() == 5
    assert {first: len(m) for first, m in again.groups().items()} == {"s01x00": 8}


def test_what_is_printed_on_every_page_makes_no_long_lists(desk, monkeypatch):
    monkeypatch.setattr(module, "_MOST", 5)
    notice = stories.story(50, 70)  # the same beginning of very many documents
    made = [(f"d{i:03}", f"{notice} {stories.story(i)}", stories.names(i)) for i in range(30)]
    desk.put(*made, *[(f"e{i:03}", f"{notice} {stories.edited(stories.story(i), 0.02)}", stories.names(i)) for i in range(30)])  # fmt: skip
    with desk.tables.read() as tx:
        longest = tx.value(Query("SELECT MAX(n) FROM (SELECT COUNT(*) AS n FROM sketch_band GROUP BY band) AS b"))  # fmt: skip
    assert longest <= 5
    found = {tuple(m) for m in desk.groups().values()}
    assert found == {(f"d{i:03}", f"e{i:03}") for i in range(30)}


@pytest.mark.parametrize("seed", range(3))
def test_copies_among_letters_that_are_mostly_one_pattern(desk, monkeypatch, seed):
    """All but a few of their least values are everybody's; by the others each copy is found, whenever it comes."""
    monkeypatch.setattr(module, "_MOST", 6)
    pattern = stories.story(60 + seed, 300)
    letters = [
        (f"d{i:03}", f"{pattern} {stories.story(1000 * seed + i, 60)}", stories.names(i))
        for i in range(40)
    ]
    copies = [
        (f"e{ident[1:]}", stories.edited(text, 0.01, seed), who) for ident, text, who in letters
    ]
    desk.put(*letters)
    desk.put(*copies)
    assert desk.copies.of("d039")
    found = sum(
        any(c.document_id == f"e{i:03}" for c in desk.copies.of(f"d{i:03}")) for i in range(40)
    )
    assert found >= 38
