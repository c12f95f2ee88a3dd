"""The ledger accounts for every document, whatever becomes of who works on it."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from salient.errors import NotFound
from salient.model import State, document_id
from salient.pipeline.ledger import UNREAD, Intake, Ledger, Outcome, Owner, StageRun
from salient.storage.sql import Tables

A, B = "a" * 64, "b" * 64


@pytest.fixture
def tables(tmp_path):
    opened = Tables.open(f"sqlite:{tmp_path}/t.db")
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def ledger(tables):
    return Ledger(tables, "default")


def take(ledger, *items):
    return ledger.take_in(
        [Intake(key, key.rpartition("/")[2], version, 3) for key, version in items]
    )


def end(ledger, tables, row, state=State.DONE, **more):
    with tables.transaction() as tx:
        return ledger.finish(tx, Outcome(row.id, row.version, state, **more))


def test_what_is_added_is_queued_once(ledger):
    assert take(ledger, ("f/a", A)) == (1, 0)
    assert take(ledger, ("f/a", A)) == (0, 1)
    assert ledger.counts().states["queued"] == 1


def test_the_same_bytes_under_another_name_are_a_duplicate(ledger):
    take(ledger, ("f/a", A), ("f/b", A))
    twin = ledger.row(document_id("default", "f/b"))
    assert (twin.state, twin.duplicate_of) == ("duplicate", document_id("default", "f/a"))
    assert ledger.duplicates_of(twin.duplicate_of) == [twin.id]


def test_other_bytes_under_the_same_name_are_a_new_version(ledger, tables):
    take(ledger, ("f/a", A))
    (row,) = ledger.claim(Owner(), 10, 60)
    end(ledger, tables, row)
    assert take(ledger, ("f/a", B)) == (1, 0)
    row = ledger.row(row.id)
    assert (row.version, row.state) == (B, "queued")
    assert {v.version for v in ledger.versions(row.id)} == {A, B}


def test_what_could_not_be_read_has_failed_with_a_reason(ledger):
    ledger.take_in([Intake("f/x", "x", UNREAD, 0, failure=("vanished", "it was gone"))])
    row = ledger.row(document_id("default", "f/x"))
    assert (row.state, row.code, row.reason) == ("failed", "vanished", "it was gone")


def test_two_that_could_not_be_read_are_no_duplicates(ledger):
    ledger.take_in([Intake(k, k, UNREAD, 0, failure=("vanished", "gone")) for k in ("x", "y")])
    assert ledger.counts().states["failed"] == 2


def test_a_document_is_claimed_by_one_of_many(ledger):
    take(ledger, *((f"f/{i}", f"{i:064d}") for i in range(1, 41)))
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: [r.id for r in ledger.claim(Owner(), 7, 60)], range(10)))
    claimed = [i for claim in claims for i in claim]
    assert len(claimed) == len(set(claimed)) == 40


def test_the_work_of_a_dead_owner_is_taken_up(ledger):
    take(ledger, ("f/a", A))
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = Owner()
    owner.name = f"{owner.name.rpartition(':')[0].rpartition(':')[0]}:{child.pid}:{psutil.Process(child.pid).create_time():.2f}"
    ledger.claim(owner, 1, 3600)
    assert ledger.give_back_orphans(3) == (0, 0)  # it lives
    child.kill()
    child.communicate()
    assert ledger.give_back_orphans(3) == (1, 0)
    assert ledger.counts().states["queued"] == 1


def test_an_owner_out_of_sight_keeps_its_work_until_its_lease_ends(ledger):
    take(ledger, ("f/a", A))
    owner = Owner()
    owner.name = "another-machine:1:1.00"
    ledger.claim(owner, 1, 0.2)
    assert ledger.give_back_orphans(3) == (0, 0)
    time.sleep(0.3)
    assert ledger.give_back_orphans(3) == (1, 0)


def test_what_kills_its_workers_is_quarantined(ledger):
    take(ledger, ("f/a", A))
    owner = Owner()
    owner.name = f"{owner.name.rpartition(':')[0].rpartition(':')[0]}:1:0.00"  # no such process
    for _ in range(2):
        ledger.claim(owner, 1, 60)
        assert ledger.give_back_orphans(3) == (1, 0)
    ledger.claim(owner, 1, 60)
    assert ledger.give_back_orphans(3) == (0, 1)
    row = ledger.row(document_id("default", "f/a"))
    assert (row.state, row.code) == ("quarantined", "worker_killed")


def test_an_end_for_bytes_that_are_no_longer_there_is_not_recorded(ledger, tables):
    take(ledger, ("f/a", A))
    (row,) = ledger.claim(Owner(), 1, 60)
    take(ledger, ("f/a", B))
    assert not end(ledger, tables, row)
    assert ledger.row(row.id).state == "queued"


def test_an_end_keeps_what_is_known(ledger, tables):
    take(ledger, ("f/a", A))
    (row,) = ledger.claim(Owner(), 1, 60)
    stages = (StageRun("convert", "pdf@1", "artifact/x", 1.5),)
    end(ledger, tables, row, notes=("a note",), title="T", n_pages=3, stages=stages)
    found = ledger.row(row.id)
    assert (found.state, found.title, found.n_pages, found.owner) == ("done", "T", 3, None)
    assert ledger.artifact(row.id, "convert") == "artifact/x"
    assert ledger.counts().n_pages == 3


def test_a_cancelled_claim_costs_no_attempt(ledger):
    take(ledger, ("f/a", A))
    (row,) = ledger.claim(Owner(), 1, 60)
    ledger.unclaim([row.id])
    assert (ledger.row(row.id).state, ledger.row(row.id).attempts) == ("queued", 0)


def test_the_states_add_up(ledger, tables):
    take(ledger, *((f"f/{i}", f"{i:064d}") for i in range(1, 7)), ("f/dup", f"{1:064d}"))
    ends = [State.DONE, State.FAILED, State.QUARANTINED, State.UNSUPPORTED]
    for row, state in zip(ledger.claim(Owner(), 4, 60), ends, strict=True):
        end(ledger, tables, row, state)
    counts = ledger.counts()
    assert counts.total == 7 == sum(counts.states.values())
    assert counts.open == 2


def test_another_workspace_sees_nothing(ledger, tables):
    take(ledger, ("f/a", A))
    other = Ledger(tables, "other")
    assert other.counts().total == 0
    with pytest.raises(NotFound):
        other.row(document_id("default", "f/a"))
