"""Trying again what was given up, and sweeping what nobody needs."""

import os
import time
from datetime import UTC, datetime, timedelta

import pytest

import salient
from salient import errors
from salient.model import JobState
from salient.services import sweeping
from salient.services.jobbook import changed
from salient.work import Place, Recipe, deadletters, handler

MOOD = {"well": False}


class Doubler:
    def __call__(self, value):
        if not MOOD["well"]:
            raise errors.Unsupported(f"{value} cannot be doubled now")
        return 2 * value

    def close(self) -> None:
        pass


@handler(value=int, result=int)
def open_doubler(setup: object, place: Place) -> Doubler:
    return Doubler()


@pytest.fixture
def workspace(tmp_path):
    with salient.open(tmp_path / "data", nlp={"encoder": "hashing"}) as opened:
        yield opened


def letter(workspace, item):
    context = workspace.app.context
    return deadletters.put(
        context.records, Recipe.of(open_doubler), item, errors.Unsupported("no"), keep=10, workspace=context.workspace,
    )  # fmt: skip


def age(workspace, key, hours):
    """Let a blob have been put so long ago."""
    then = time.time() - hours * 3600
    os.utime(workspace.app.context.blobs.path(key), (then, then))


class TestDead:
    def test_calls_that_go_through_are_gone(self, workspace):
        letter(workspace, 4)
        MOOD["well"] = False
        reply = workspace.call("dead.retry")
        assert (reply.done, reply.given_up) == (0, 1)
        (again,) = workspace.call("dead.list").letters
        assert (again.attempts, again.message) == (2, "4 cannot be doubled now")
        MOOD["well"] = True
        assert workspace.call("dead.retry", letters=[again.id]).done == 1
        assert workspace.call("dead.list").n_letters == 0

    def test_one_that_is_gone_is_told(self, workspace):
        with pytest.raises(errors.NotFound, match="1 of the letters"):
            workspace.call("dead.retry", letters=["no-such"])

    def test_documents_in_quarantine_are_read_again(self, workspace, tmp_path):
        from salient.pipeline.ledger import Owner, quarantine

        file = tmp_path / "a.txt"
        file.write_text("Anna Berg leads Halden Maritime AS.")
        workspace.add(file, processes=1)
        ledger = workspace.app.context.ledger
        (ident,) = ledger.every_id()
        ledger.requeue([ident])
        ledger.claim(Owner(), 1, 60)
        with workspace.app.context.tables.transaction() as tx:
            ledger.finish(tx, quarantine(ledger.row(ident), 3))
        reply = workspace.call("dead.list")
        assert (reply.n_documents, reply.documents[0].id) == (1, ident)
        assert workspace.call("dead.retry", documents=[ident]).documents == 1
        assert workspace.call("dead.list").n_documents == 0
        assert workspace.status().states["done"] == 1

    def test_calls_can_be_forgotten(self, workspace):
        kept, _ = letter(workspace, 1), letter(workspace, 2)
        (newest, _) = workspace.call("dead.list").letters
        assert workspace.status().n_dead_letters == 2
        assert workspace.call("dead.clear", letters=[newest.id]).n == 1
        assert [x.id for x in workspace.call("dead.list").letters] == [kept.id]
        assert workspace.call("dead.clear").n == 1


class TestSweeping:
    def test_batches_of_runs_that_ended_go_after_an_hour(self, workspace):
        context = workspace.app.context
        for key in ("run/old/1.items", "run/old/recipe", "run/fresh/1.items", "run/alive/1.items"):
            context.blobs.put(key, b"x")
        for key in ("run/old/1.items", "run/old/recipe", "run/alive/1.items"):
            age(workspace, key, 1.1)
        context.cache.put("run/alive", b"", ttl_s=60)
        assert workspace.call("system.sweep").runs == 1
        assert sorted(context.blobs.list("run/")) == ["run/alive/1.items", "run/fresh/1.items"]

    def test_one_young_batch_says_that_the_run_has_just_ended(self, workspace):
        context = workspace.app.context
        context.blobs.put("run/a/1.items", b"x")
        context.blobs.put("run/a/2.items", b"x")
        age(workspace, "run/a/1.items", 5)
        assert workspace.call("system.sweep").runs == 0

    @pytest.mark.parametrize("state", list(JobState))
    def test_uploads_go_after_a_day_unless_a_job_may_need_them(self, workspace, state):
        context = workspace.app.context
        for key in ("upload/wanted", "upload/lost", "upload/new"):
            context.blobs.put(key, b"x")
        age(workspace, "upload/wanted", 25)
        age(workspace, "upload/lost", 25)
        upload = {"name": "a", "blob": "upload/wanted", "size_bytes": 1}
        job, hold = context.jobs.begin("documents.add", {"uploads": [upload]})
        context.jobs.write(hold, changed(context.jobs.get(job.id), state=state))
        workspace.call("system.sweep")
        left = {"upload/new"} | ({"upload/wanted"} if state != JobState.DONE else set())
        assert set(context.blobs.list("upload/")) == left

    def test_uploads_of_another_workspace_stay(self, workspace):
        context = workspace.app.context
        context.blobs.put("upload/theirs", b"x")
        age(workspace, "upload/theirs", 25)
        data = workspace.app.settings.data
        with salient.open(data, workspace="other", nlp={"encoder": "hashing"}) as other:
            upload = {"name": "a", "blob": "upload/theirs", "size_bytes": 1}
            other.app.context.jobs.queue("documents.add", {"uploads": [upload]})
        assert workspace.call("system.sweep").uploads == 0

    def test_the_oldest_jobs_that_ended_are_forgotten(self, workspace, monkeypatch):
        monkeypatch.setattr(sweeping, "KEPT_JOBS", 3)
        jobs = workspace.app.context.jobs
        for n in range(6):
            job, hold = jobs.begin("documents.add", {"n": n})
            entry = changed(jobs.get(job.id), state=JobState.DONE)
            jobs.write(hold, entry)
            hold.release()
        waiting = jobs.queue("documents.add", {})
        assert workspace.call("system.sweep").jobs == 3
        left = workspace.call("jobs.list").jobs
        assert len(left) == 4
        assert waiting.id in {j.id for j in left}

    def test_sweeping_twice_finds_nothing(self, workspace):
        workspace.app.context.blobs.put("run/old/1.items", b"x")
        age(workspace, "run/old/1.items", 2)
        now = datetime.now(UTC)
        context = workspace.app.context
        assert sweeping.sweep_runs(context, now) == 1
        assert sweeping.sweep_runs(context, now + timedelta(days=9)) == 0
