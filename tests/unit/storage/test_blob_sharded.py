"""Shards: blobs are spread, and moved while they are used, also when the moving is interrupted."""

import itertools
import threading

import pytest

from salient.errors import Misconfigured, Unavailable
from salient.storage import blob
from salient.storage.blob import Blobs, sharded

KEYS = [f"k/{i}" for i in range(300)]


def url(tmp_path, shards, **options):
    inside = "".join(f"[file:{tmp_path}/{name}?sync=no]" for name in shards)
    query = "&".join(f"{k}={v}" for k, v in {"names": ",".join(shards), **options}.items())
    return f"sharded:{inside}?{query}"


def counts(tmp_path, shards):
    found = []
    for name in shards:
        with Blobs.open(f"file:{tmp_path}/{name}?sync=no") as store:
            found.append(len(list(store.list())))
    return found


def filled(tmp_path, shards):
    with Blobs.open(url(tmp_path, shards)) as blobs:
        for key in KEYS:
            blobs.put(key, key.encode())


def check_all(blobs):
    assert sorted(blobs.list()) == sorted(KEYS)
    assert [e.size_bytes for e in blobs.entries()] == [len(k) for k in blobs.list()]
    for key in KEYS:
        assert blobs.get(key) == key.encode()


def test_blobs_are_spread(tmp_path):
    filled(tmp_path, "abc")
    assert sum(counts(tmp_path, "abc")) == 300
    assert min(counts(tmp_path, "abc")) > 60


def test_order_of_the_stores_does_not_matter_but_names_do(tmp_path):
    filled(tmp_path, "abc")
    with Blobs.open(url(tmp_path, "cab")) as blobs:
        check_all(blobs)
        assert list(blobs.misplaced()) == []


def test_new_shard_takes_its_share_and_no_more(tmp_path):
    filled(tmp_path, "abc")
    with Blobs.open(url(tmp_path, "abcd", before="a,b,c")) as blobs:
        check_all(blobs)  # before anything was moved
        wanted = list(blobs.misplaced())
        assert 30 < len(wanted) < 130
        assert {move.target for move in wanted} == {"d"}
        assert sorted(map(str, blobs.rebalance())) == sorted(map(str, wanted))
        assert list(blobs.misplaced()) == []
        check_all(blobs)
    with Blobs.open(url(tmp_path, "abcd")) as blobs:
        check_all(blobs)
    assert counts(tmp_path, "d") == [len(wanted)]


def test_shard_that_leaves_is_emptied(tmp_path):
    filled(tmp_path, "abc")
    with Blobs.open(url(tmp_path, "abc", ring="a,b", before="a,b,c")) as blobs:
        assert {move.source for move in blobs.rebalance()} == {"c"}
        check_all(blobs)
    assert counts(tmp_path, "c") == [0]
    with Blobs.open(url(tmp_path, "ab")) as blobs:
        check_all(blobs)


def test_interrupted_moving_goes_on_where_it_stopped(tmp_path):
    filled(tmp_path, "abc")
    moving = url(tmp_path, "abcd", before="a,b,c")
    with Blobs.open(moving) as blobs:
        total = len(list(blobs.misplaced()))
        done = len(list(itertools.islice(blobs.rebalance(), 10)))
        # One was copied, and the mover was killed before it deleted the original.
        move = next(blobs.misplaced())
        driver = blobs._driver
        with driver._stores[move.source].open(move.key) as stream:
            driver._stores["d"].put(move.key, stream, only_if_absent=True, if_version=None)
        check_all(blobs)
    with Blobs.open(moving) as blobs:
        check_all(blobs)
        assert done + len(list(blobs.rebalance())) == total
        check_all(blobs)
    with Blobs.open(url(tmp_path, "abcd")) as blobs:
        check_all(blobs)


def test_what_changes_amid_the_moving_is_kept(tmp_path):
    filled(tmp_path, "abc")
    with Blobs.open(url(tmp_path, "abcd", before="a,b,c")) as blobs:
        moves = list(blobs.misplaced())
        changed, deleted, conditional, taken = (move.key for move in moves[:4])
        blobs.put(changed, b"changed")
        assert blobs.delete(deleted)
        while True:
            try:
                blobs.put(conditional, b"conditional", if_version=blobs.version(conditional))
            except blob.Conflict:
                continue
            break
        with pytest.raises(blob.Conflict):
            blobs.put(taken, b"second", only_if_absent=True)
        list(blobs.rebalance())
        assert blobs.get(changed) == b"changed"
        assert not blobs.exists(deleted)
        assert blobs.get(conditional) == b"conditional"
        assert blobs.get(taken) == taken.encode()
        assert len(list(blobs.list())) == 299


def test_store_is_used_while_it_is_moved(tmp_path):
    filled(tmp_path, "ab")
    with Blobs.open(url(tmp_path, "abcd", before="a,b")) as blobs:
        done = threading.Event()
        failed = []

        def use():
            for key in itertools.cycle(KEYS):
                if done.is_set():
                    return
                try:
                    assert blobs.get(key) == key.encode()
                except Exception as exc:
                    failed.append(exc)
                    return

        users = [threading.Thread(target=use) for _ in range(3)]
        for user in users:
            user.start()
        movers = [threading.Thread(target=lambda: list(blobs.rebalance())) for _ in range(2)]
        for mover in movers:
            mover.start()
        for mover in movers:
            mover.join()
        done.set()
        for user in users:
            user.join()
        assert failed == []
        assert list(blobs.misplaced()) == []
        check_all(blobs)


def test_blob_deleted_while_it_is_copied_stays_deleted(tmp_path, monkeypatch):
    filled(tmp_path, "ab")
    with Blobs.open(url(tmp_path, "abc", before="a,b")) as blobs:
        move = next(blobs.misplaced())
        target = blobs._driver._stores[move.target]
        put = target.put

        def put_late(key, source, **conditions):
            if key == move.key:
                assert blobs.delete(key)
            return put(key, source, **conditions)

        monkeypatch.setattr(target, "put", put_late)
        assert not blobs._driver.move(move)
        assert not blobs.exists(move.key)
        assert len(list(blobs.list())) == 299


def test_claim_of_a_killed_mover_runs_out(tmp_path, monkeypatch):
    filled(tmp_path, "ab")
    with Blobs.open(url(tmp_path, "abc", before="a,b")) as blobs:
        driver = blobs._driver
        move = next(blobs.misplaced())
        assert driver._claim(driver._stores[move.target], move.key, 5) is not None
        assert not driver.move(move)
        check_all(blobs)
        monkeypatch.setattr(sharded, "_PATIENCE_S", 0.0)
        assert driver.move(move)
        assert len(list(blobs.rebalance())) > 0
        check_all(blobs)
    assert sum(counts(tmp_path, "abc")) == 300  # no claim is left


@pytest.mark.parametrize(
    "bad",
    [
        "sharded:", "sharded:[memory:][memory:]?names=a,a",
        "sharded:[memory:][memory:]?names=a", "sharded:[memory:]?names=a&ring=b", "sharded:[memory:]?names=a&before=b",
        "sharded:[memory:]?names=a&no=1",
    ],
)  # fmt: skip
def test_senseless_url_is_a_misconfiguration(bad):
    with pytest.raises(Misconfigured):
        Blobs.open(bad)


def test_stores_that_were_opened_are_closed_if_one_cannot_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    closed = []
    from salient.storage.blob import memory

    monkeypatch.setattr(memory.Driver, "close", lambda self: closed.append(self))
    with pytest.raises(Unavailable):
        Blobs.open(f"sharded:[memory:][file:{tmp_path}/file/x]?names=a,b")
    assert len(closed) == 1
