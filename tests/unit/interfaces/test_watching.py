"""What a terminal shows of a status, again and again."""

import io
import threading

import pytest
from rich.console import Console

from salient.errors import Unavailable
from salient.interfaces import watching
from salient.model import Job, State
from salient.services.status import Failure, Status
from salient.services.workers import Batch, Worker, Workers


def status(done, queued=0, **more):
    states = dict.fromkeys((s.value for s in State), 0) | {"done": done, "queued": queued}
    numbers = dict.fromkeys(("n_pages", "n_mentions", "n_entities", "n_facts", "n_passages"), 0)
    return Status(
        workspace="default", total=done + queued, states=states, failures=(), running=queued > 0, **numbers, **more
    )  # fmt: skip


JOB = Job(
    id="a" * 20, service="documents.add", state="running", owner="here:1:2.0", done=3, total=9, at="[odd].pdf",
    rate_per_s=1.5, left_s=240.0, started_at="2026-01-01T00:00:00", updated_at="2026-01-01T00:00:00",
)  # fmt: skip
BUSY = Workers(
    workers=(Worker(name="h:1", host="h", pid=1, queues=("salient",), slots=4, since="2026-01-01T00:00:00", release="1"),),
    busy=(Batch(worker="h:2", item=3, n_items=40, seconds=75.0, waits="blobs"),), waiting={"salient": 12},
)  # fmt: skip


def drawn(given):
    console = Console(file=io.StringIO(), width=120, force_terminal=True, color_system=None)
    console.print(watching.picture(given))
    return console.file.getvalue()


def watched(given, **more):
    """What a watch writes of statuses, one after another."""
    stop, asked = threading.Event(), iter(given)

    def ask():
        found = next(asked, None)
        if found is None:
            stop.set()
            found = given[-1]
        if isinstance(found, Exception):
            raise found
        return found

    console = Console(file=io.StringIO(), width=120, color_system=None, **more.pop("console", {}))
    watching.watch(ask, console, every_s=0.001, stop=stop, **more)
    return console.file.getvalue()


def test_a_picture_has_all_that_is_known():
    failures = (Failure(state="failed", code="encrypted", n=2),)
    given = status(3, 6, rate_per_s=1.5, left_s=240.0, jobs=(JOB,), workers=BUSY, n_dead_letters=7)
    said = drawn(given.model_copy(update={"failures": failures}))
    for part in (
        "3 of 9 documents", "1.50 documents/s", "4 min left", "documents.add", "[odd].pdf", "h:1", "12 batches wait in salient",
        "h:2 is at 3 of 40 for 75 s, waits for blobs", "2 × failed: encrypted", "7 calls were given up",
    ):  # fmt: skip
        assert part in said


def test_an_empty_workspace_can_be_drawn():
    assert "0 of 0 documents" in drawn(status(0))


def test_a_job_that_nobody_has_is_told():
    assert "nobody has it" in drawn(status(0, 1, jobs=(JOB.model_copy(update={"owner": None}),)))


def test_a_watch_finds_the_pace_by_itself(monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 3.0])
    monkeypatch.setattr(watching.time, "monotonic", lambda: next(clock))
    given = iter([status(n, 20 - n) for n in (0, 4, 8, 12)])
    watch = watching.Watch(lambda: next(given))
    seen = [watch.look() for _ in range(4)]
    assert seen[0].rate_per_s is None
    assert seen[-1].rate_per_s == pytest.approx(4.0)
    assert seen[-1].left_s == pytest.approx(2.0)


def test_lines_are_told_when_they_differ(capsys):
    watched(
        [status(0, 2), status(0, 2), Unavailable("the tables are away"), status(2)], as_json=False
    )
    told = capsys.readouterr()
    assert told.out == "2 documents: queued 2\n2 documents: done 2\n"
    assert told.err == "no answer: the tables are away\n"


def test_as_json_every_look_is_a_line(capsys):
    given = [status(0, 2), status(0, 2), status(2)]
    watched(given, as_json=True)
    lines = capsys.readouterr().out.splitlines()
    assert [Status.model_validate_json(line) for line in lines] == [*given, given[-1]]


def test_a_terminal_is_drawn_on_and_told_when_a_store_is_away():
    said = watched(
        [status(1, 1), Unavailable("the tables are away")],
        as_json=False,
        console={"force_terminal": True},
    )
    assert "1 of 2 documents" in said
    assert "no answer: the tables are away" in said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (89, "89 s"), (600, "10 min"), (12_000, "3 h 20 min"), (457_200, "5 d 7 h")]
)  # fmt: skip
def test_times_are_said_as_people_say_them(seconds, said):
    from salient.interfaces.jobs import duration

    assert duration(seconds) == said
