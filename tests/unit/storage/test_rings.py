"""The ring: even shares, and few keys that move when shards come and go."""

import random

import pytest

from salient.errors import Misconfigured
from salient.storage.rings import Ring, plan

KEYS = [f"document/{n}" for n in range(20_000)]


def counts(ring):
    found = dict.fromkeys(ring.names, 0)
    for key in KEYS:
        found[ring.name_of(key)] += 1
    return found


@pytest.mark.parametrize("shards", [1, 2, 3, 5, 16])
def test_shares_are_nearly_even(shards):
    even = len(KEYS) / shards
    for share in counts(Ring([f"s{n}" for n in range(shards)])).values():
        assert share == pytest.approx(even, rel=0.25)


def test_the_order_of_names_decides_nothing():
    names = [f"s{n}" for n in range(7)]
    ring = Ring(names)
    random.Random(1).shuffle(names)
    other = Ring(names)
    assert all(ring.name_of(key) == other.name_of(key) for key in KEYS)
    assert all(other.names[other.at(key)] == other.name_of(key) for key in KEYS[:100])


@pytest.mark.parametrize("shards", [1, 2, 4, 9])
def test_a_new_shard_takes_its_share_and_nothing_else_moves(shards):
    names = [f"s{n}" for n in range(shards)]
    moves = list(plan(Ring(names), Ring([*names, "new"]), KEYS))
    assert {m.target for m in moves} == {"new"}
    assert len(moves) == pytest.approx(len(KEYS) / (shards + 1), rel=0.25)


def test_a_lost_shard_gives_its_keys_to_all_others():
    names = ["a", "b", "c", "d"]
    old = Ring(names)
    moves = list(plan(old, Ring(["a", "b", "c"]), KEYS))
    assert {m.source for m in moves} == {"d"}
    assert {m.target for m in moves} == {"a", "b", "c"}
    assert {m.key for m in moves} == {key for key in KEYS if old.name_of(key) == "d"}


def test_a_plan_done_leaves_nothing_to_move():
    old, new = Ring(["a", "b"]), Ring(["b", "c"])
    at = {key: old.name_of(key) for key in KEYS}
    for move in plan(old, new, KEYS):
        assert at[move.key] == move.source
        at[move.key] = move.target
    assert all(new.name_of(key) == place for key, place in at.items())
    assert list(plan(new, new, KEYS)) == []


def test_where_keys_are_never_changes():
    """Data were written by this: another hash or another number of points loses them."""
    ring = Ring(["a", "b", "c"])
    assert [ring.name_of(k) for k in ("", "a", "ключ", "\udcff", "document/1")] == GOLDEN


GOLDEN = ["a", "b", "a", "c", "a"]


@pytest.mark.parametrize("names", [[], ["a", "a"]])
def test_shards_have_different_names(names):
    with pytest.raises(Misconfigured):
        Ring(names)
