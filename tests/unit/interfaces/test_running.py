"""Jobs that are paused, stopped, repeated, and taken up when the process that ran them died."""

import socket
import threading
import time
from contextlib import closing

import pytest

import salient
from salient import errors
from salient.interfaces import running
from salient.interfaces.running import Runner
from salient.model import JOB_ENDED, Asked, JobState, Value
from salient.pipeline.run import Cancelled, Progress
from salient.services import Context, Service
from salient.services.documents import AddDocuments
from salient.services.documents import add as add_documents
from salient.services.jobs import ShowJob, cancel, list_jobs, pause, resume, retry

DEAD = f"{socket.gethostname()}:999999999:1.00 gone".encode()  # no process has that number
ELSEWHERE = b"another-machine:7:1.00 there"


class Count(Value):
    """How many documents to pretend to read."""

    n: int = 3


class Counted(Value):
    n: int


class Reading:
    """A long service that reads a document whenever the test lets it."""

    def __init__(self, *, idempotent=True):
        self.service = Service("test.read", self.run, Count, Counted, idempotent, True)
        self.let = threading.Semaphore(0)
        self.begun = 0
        self.raises = []
        self.at_once = threading.Lock()

    def run(self, request: Count, context: Context) -> Counted:
        self.begun += 1
        if self.raises:
            raise self.raises.pop(0)
        for n in range(1, request.n + 1):
            while not self.let.acquire(timeout=0.01):
                context.report(Progress("read", n - 1, request.n, "waiting"))
            context.report(Progress("read", n, request.n, f"{n}.txt"))
        return Counted(n=request.n)

    def finish(self, n=1000):
        self.let.release(n)


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Look often, so that nothing here waits for the clock."""
    monkeypatch.setattr(running, "_TICK_S", 0.02)
    monkeypatch.setattr(running, "_WRITE_S", 0.01)


@pytest.fixture
def reading():
    return Reading()


@pytest.fixture
def app(tmp_path, reading):
    work = {"beat_s": 0.4}
    with salient.open(tmp_path / "data", nlp={"encoder": "hashing"}, work=work) as opened:
        opened.app.services = {**opened.app.services, "test.read": reading.service}
        yield opened.app


@pytest.fixture
def runner(app):
    with closing(Runner(app)) as opened:
        yield opened


def job(app, ident):
    return app.context.jobs.get(ident).job


def until(true, *given):
    deadline = time.monotonic() + 60
    while not true(*given):
        assert time.monotonic() < deadline, given
        time.sleep(0.005)


def reaches(app, ident, *states):
    until(lambda: job(app, ident).state in states)
    return job(app, ident)


def ended(app, ident):
    return reaches(app, ident, *JOB_ENDED)


def left_by_the_dead(app, held=DEAD, **fields):
    """A job that was running when its process died."""
    ident, hold = (lambda made: (made[0].id, made[1]))(
        app.context.jobs.begin("test.read", {"n": 2})
    )
    entry = app.context.jobs.get(ident)
    fields = {"state": JobState.RUNNING, "attempts": 1, **fields}
    app.context.jobs.write(hold, running.changed(entry, run="gone", **fields))
    app.context.cache.put(f"job/{ident}", held, ttl_s=60)
    return ident


class TestRunning:
    def test_a_job_keeps_its_reply(self, app, runner, reading):
        reading.finish()
        started = runner.start(reading.service, Count(n=4))
        assert started.state is JobState.QUEUED
        found = ended(app, started.id)
        assert (found.state, found.reply, found.done, found.total) == (
            JobState.DONE,
            {"n": 4},
            4,
            4,
        )
        assert (found.attempts, found.owner, found.at) == (1, None, "4.txt")

    def test_jobs_run_one_after_another_in_their_order(self, app, runner, reading):
        first, second = (runner.start(reading.service, Count(n=2)).id for _ in range(2))
        reaches(app, first, JobState.RUNNING)
        assert job(app, second).state is JobState.QUEUED
        reading.finish(2)
        ended(app, first)
        reaches(app, second, JobState.RUNNING)
        reading.finish(2)
        assert ended(app, second).state is JobState.DONE

    def test_an_error_is_kept_and_the_next_job_runs(self, app, runner, reading):
        reading.raises = [errors.InvalidInput("no such thing", what=3)]
        reading.finish()
        first = runner.start(reading.service, Count()).id
        second = runner.start(reading.service, Count()).id
        assert ended(app, first).error == {
            "code": "invalid_input", "message": "no such thing", "context": {"what": 3},
        }  # fmt: skip
        assert ended(app, second).state is JobState.DONE

    def test_a_bug_is_kept_and_the_next_job_runs(self, app, runner, reading):
        reading.raises = [ZeroDivisionError("by zero")]
        reading.finish()
        first = runner.start(reading.service, Count()).id
        second = runner.start(reading.service, Count()).id
        assert "by zero" in ended(app, first).error["message"]
        assert ended(app, second).state is JobState.DONE

    def test_what_may_pass_is_tried_again_later(self, app, runner, reading):
        reading.raises = [errors.Unavailable("the store is away")]
        reading.finish()
        found = ended(app, runner.start(reading.service, Count()).id)
        assert (found.state, found.attempts) == (JobState.DONE, 2)

    def test_what_never_passes_fails_with_its_own_words(self, app, runner, reading):
        reading.raises = [errors.Unavailable(f"away, {n}") for n in (1, 2, 3)]
        found = ended(app, runner.start(reading.service, Count()).id)
        assert (found.state, found.attempts) == (JobState.FAILED, 3)
        assert found.error["message"] == "away, 3"

    def test_how_it_ended_is_written_when_the_store_is_back(
        self, app, runner, reading, monkeypatch
    ):
        ident = runner.start(reading.service, Count(n=1)).id
        reaches(app, ident, JobState.RUNNING)
        write, away = app.context.jobs.write, threading.Event()

        def refuse(hold, entry):
            if entry.job.state in JOB_ENDED and not away.is_set():
                tries.append(entry)
                raise errors.Unavailable("away")
            write(hold, entry)

        tries = []
        monkeypatch.setattr(app.context.jobs, "write", refuse)
        reading.finish()
        until(lambda: len(tries) > 2)
        assert job(app, ident).state is JobState.RUNNING
        away.set()
        assert ended(app, ident).state is JobState.DONE

    def test_it_is_had_for_as_long_as_one_document_takes(self, app, runner, reading):
        """No report comes for many times `beat_s`; nobody may think that the process died."""
        silent, go = threading.Event(), threading.Event()

        def read(request: Count, context: Context) -> Counted:
            silent.set()
            go.wait(60)
            return Counted(n=0)

        service = Service("test.slow", read, Count, Counted, True, True)
        ident = runner.start(service, Count()).id
        silent.wait(60)
        seen = {app.context.cache.get(f"job/{ident}") for _ in range(120) if not time.sleep(0.01)}
        go.set()
        assert None not in seen
        assert len(seen) == 1

    def test_one_that_is_closed_as_soon_as_it_began_ends(self, app):
        for _ in range(60):
            Runner(app).close()


class TestPausing:
    def test_a_paused_job_stands_still_until_it_is_resumed(self, app, runner, reading):
        ident = runner.start(reading.service, Count(n=5)).id
        reading.finish(2)
        until(lambda: job(app, ident).done == 2)
        app.call(pause, ShowJob(id=ident))
        reaches(app, ident, JobState.PAUSED)
        reading.finish(3)
        time.sleep(0.6)  # more than beat_s: it is had all the while
        found = job(app, ident)
        assert (found.state, found.done) == (JobState.PAUSED, 2)
        assert found.owner is not None
        app.call(resume, ShowJob(id=ident))
        assert ended(app, ident).state is JobState.DONE
        assert reading.begun == 1

    def test_a_paused_job_can_be_cancelled(self, app, runner, reading):
        ident = runner.start(reading.service, Count()).id
        reaches(app, ident, JobState.RUNNING)
        app.call(pause, ShowJob(id=ident))
        reaches(app, ident, JobState.PAUSED)
        app.call(cancel, ShowJob(id=ident))
        assert ended(app, ident).state is JobState.CANCELLED

    def test_others_wait_behind_a_paused_one(self, app, runner, reading):
        first = runner.start(reading.service, Count()).id
        reaches(app, first, JobState.RUNNING)
        app.call(pause, ShowJob(id=first))
        reaches(app, first, JobState.PAUSED)
        with closing(Runner(app)) as another:
            second = another.start(reading.service, Count()).id
            time.sleep(0.3)
            assert job(app, second).state is JobState.QUEUED
            assert reading.begun == 1
            reading.finish()
            app.call(resume, ShowJob(id=first))
            assert ended(app, first).state is JobState.DONE
            assert ended(app, second).state is JobState.DONE

    def test_pausing_survives_a_restart(self, app, reading):
        with closing(Runner(app)) as before:
            ident = before.start(reading.service, Count()).id
            reaches(app, ident, JobState.RUNNING)
            app.call(pause, ShowJob(id=ident))
            reaches(app, ident, JobState.PAUSED)
        assert job(app, ident).state is JobState.PAUSED
        with closing(Runner(app)):
            time.sleep(0.3)
            assert (job(app, ident).state, reading.begun) == (JobState.PAUSED, 1)
            app.call(resume, ShowJob(id=ident))
            reading.finish()
            found = ended(app, ident)
        assert (found.state, found.attempts) == (JobState.DONE, 1)

    def test_one_that_waits_can_be_paused_and_cancelled(self, app, runner, reading):
        first, second = (runner.start(reading.service, Count()).id for _ in range(2))
        reaches(app, first, JobState.RUNNING)
        app.call(pause, ShowJob(id=second))
        reaches(app, second, JobState.PAUSED)
        app.call(cancel, ShowJob(id=second))
        assert ended(app, second).state is JobState.CANCELLED
        reading.finish()
        assert ended(app, first).state is JobState.DONE
        assert reading.begun == 1

    def test_without_any_runner_what_is_asked_is_done_at_once(self, app, reading):
        ident = app.context.jobs.queue("test.read", {"n": 1}).id
        assert app.call(pause, ShowJob(id=ident)).state is JobState.PAUSED
        assert app.call(resume, ShowJob(id=ident)).state is JobState.QUEUED
        assert app.call(cancel, ShowJob(id=ident)).state is JobState.CANCELLED
        with pytest.raises(errors.Conflict, match="cancelled already"):
            app.call(pause, ShowJob(id=ident))
        assert app.call(cancel, ShowJob(id=ident)).state is JobState.CANCELLED

    def test_one_that_is_about_to_stop_cannot_be_resumed(self, app, runner, reading):
        ident = left_by_the_dead(app, ELSEWHERE)
        app.call(cancel, ShowJob(id=ident))
        with pytest.raises(errors.Conflict, match="about to stop"):
            app.call(resume, ShowJob(id=ident))


class TestTakingUp:
    def test_a_job_whose_process_died_is_run_anew(self, app, reading):
        ident = left_by_the_dead(app)
        reading.finish()
        with closing(Runner(app)):
            found = ended(app, ident)
        assert (found.state, found.attempts, reading.begun) == (JobState.DONE, 2, 1)

    def test_of_many_processes_one_takes_it_up(self, app, reading):
        idents = [left_by_the_dead(app) for _ in range(6)]
        runners = [Runner(app) for _ in range(4)]
        reading.finish()
        try:
            for ident in idents:
                assert ended(app, ident).attempts == 2
        finally:
            for one in runners:
                one.close()
        assert reading.begun == len(idents)

    def test_a_job_of_a_living_process_is_left_alone(self, app, runner, reading):
        """As when another `salient serve` starts beside one that works."""
        ident = runner.start(reading.service, Count()).id
        reaches(app, ident, JobState.RUNNING)
        with closing(Runner(app)):
            time.sleep(0.6)
        assert (job(app, ident).state, reading.begun) == (JobState.RUNNING, 1)
        reading.finish()
        assert ended(app, ident).attempts == 1

    def test_one_on_another_machine_is_waited_for(self, app, runner, reading):
        ident = left_by_the_dead(app, ELSEWHERE)
        reading.finish()
        time.sleep(0.3)
        assert (job(app, ident).state, reading.begun) == (JobState.RUNNING, 0)
        app.context.cache.delete(f"job/{ident}")  # as when its time is over
        assert ended(app, ident).state is JobState.DONE

    def test_one_that_kills_each_process_is_given_up(self, app, runner, reading):
        ident = left_by_the_dead(app, attempts=3)
        found = ended(app, ident)
        assert (found.state, found.error["code"]) == (JobState.FAILED, "interrupted")
        assert "ended 3 times" in found.error["message"]
        assert reading.begun == 0

    def test_the_last_error_is_what_it_failed_of(self, app, runner):
        error = {"code": "unavailable", "message": "the index is away", "context": {}}
        assert ended(app, left_by_the_dead(app, attempts=3, error=error)).error == error

    def test_what_may_do_harm_twice_is_not_done_twice(self, app, runner):
        careful = Reading(idempotent=False)
        app.services["test.read"] = careful.service
        found = ended(app, left_by_the_dead(app))
        assert (found.state, careful.begun) == (JobState.FAILED, 0)
        assert "twice may do harm" in found.error["message"]

    @pytest.mark.parametrize("wrong", [{"n": "many"}, {"no": 1}])
    def test_a_request_of_another_release_is_not_guessed_at(self, app, runner, wrong):
        ident = app.context.jobs.queue("test.read", wrong).id
        assert "this release cannot" in ended(app, ident).error["message"]

    def test_a_service_that_is_no_more_is_not_run(self, app, runner):
        ident = app.context.jobs.queue("test.gone", {}).id
        assert ended(app, ident).state is JobState.FAILED

    def test_one_that_was_to_stop_when_its_process_died_stops(self, app, runner, reading):
        ident = left_by_the_dead(app, ELSEWHERE)
        app.call(cancel, ShowJob(id=ident))
        app.context.cache.delete(f"job/{ident}")
        assert ended(app, ident).state is JobState.CANCELLED
        assert reading.begun == 0

    def test_a_shutdown_leaves_it_to_the_next(self, app, reading):
        with closing(Runner(app)) as before:
            ident = before.start(reading.service, Count()).id
            waiting = before.start(reading.service, Count()).id
            reaches(app, ident, JobState.RUNNING)
        assert [job(app, i).state for i in (ident, waiting)] == [JobState.QUEUED] * 2
        assert job(app, ident).attempts == 0
        reading.finish()
        with closing(Runner(app)):
            assert ended(app, ident).state is JobState.DONE
            assert ended(app, waiting).state is JobState.DONE

    def test_who_lost_it_writes_nothing_more(self, app, runner, reading):
        """As a process that stood still for too long, while another one took its job."""
        ident = runner.start(reading.service, Count()).id
        reaches(app, ident, JobState.RUNNING)
        app.context.cache.put(f"job/{ident}", ELSEWHERE)
        until(lambda: runner._current is None)
        reading.finish()
        found = job(app, ident)
        assert (found.state, found.owner) == (JobState.RUNNING, "another-machine:7:1.00")
        assert found.done == 0

    def test_a_cache_that_forgot_all_costs_no_job(self, app, runner, reading):
        ident = runner.start(reading.service, Count()).id
        reaches(app, ident, JobState.RUNNING)
        app.context.cache.delete(f"job/{ident}")
        reading.finish()
        found = ended(app, ident)
        assert (found.state, found.attempts) == (JobState.DONE, 1)


class TestRepeating:
    def test_a_failed_job_is_done_again_with_its_request(self, app, runner, reading):
        reading.raises = [errors.InvalidInput("not now")]
        reading.finish()
        ident = runner.start(reading.service, Count(n=7)).id
        ended(app, ident)
        again = app.call(retry, ShowJob(id=ident))
        found = ended(app, again.id)
        assert (found.retry_of, found.reply) == (ident, {"n": 7})
        assert job(app, ident).state is JobState.FAILED

    def test_only_what_failed_is_done_again(self, app, runner, reading):
        ident = runner.start(reading.service, Count()).id
        with pytest.raises(errors.Conflict):
            app.call(retry, ShowJob(id=ident))
        reading.finish()
        ended(app, ident)
        with pytest.raises(errors.Conflict, match="is done"):
            app.call(retry, ShowJob(id=ident))

    def test_jobs_of_another_workspace_are_not_there(self, app, runner, reading, tmp_path):
        ident = runner.start(reading.service, Count()).id
        with salient.open(
            app.settings.data, workspace="other", nlp={"encoder": "hashing"}
        ) as other:
            assert other.call("jobs.list").jobs == ()
            with pytest.raises(errors.NotFound):
                other.call("jobs.cancel", id=ident)
        assert job(app, ident).asked is None
        reading.finish()


class TestHere:
    @pytest.fixture
    def runner(self, app):
        with closing(Runner(app, adopts=False)) as opened:
            yield opened

    def test_it_is_a_job_that_others_see(self, app, runner, reading):
        seen = []

        def look(progress):
            (found,) = app.call(list_jobs, list_jobs.request()).jobs
            seen.append((found.state, found.owner is not None))

        reading.finish()
        assert runner.here(reading.service, Count(n=2), look) == Counted(n=2)
        assert set(seen) == {(JobState.RUNNING, True)}
        (found,) = app.call(list_jobs, list_jobs.request()).jobs
        assert (found.state, found.reply) == (JobState.DONE, {"n": 2})

    def test_others_can_stop_it(self, app, runner, reading):
        def stop(progress):
            (found,) = app.call(list_jobs, list_jobs.request()).jobs
            if not found.asked:
                app.call(cancel, ShowJob(id=found.id))

        with pytest.raises(Cancelled):
            runner.here(reading.service, Count(), stop)
        (found,) = app.call(list_jobs, list_jobs.request()).jobs
        assert found.state is JobState.CANCELLED

    @pytest.mark.parametrize(
        ("raised", "state"),
        [
            (errors.InvalidInput("no"), JobState.FAILED),
            (errors.Unavailable("away"), JobState.FAILED),
            (KeyboardInterrupt(), JobState.CANCELLED),
            (ZeroDivisionError(), JobState.FAILED),
        ],
    )
    def test_what_it_raises_is_raised_and_kept(self, app, runner, reading, raised, state):
        reading.raises = [raised]
        with pytest.raises(type(raised)):
            runner.here(reading.service, Count())
        (found,) = app.call(list_jobs, list_jobs.request()).jobs
        assert found.state is state


class TestWhatWasLeft:
    @pytest.fixture
    def queued(self, app, tmp_path):
        """A document that was taken in by a run that is no more."""
        from salient.pipeline.intake import sources, take

        file = tmp_path / "left.txt"
        file.write_text("Anna Berg leads Halden Maritime AS.")
        context = app.context
        context.ledger.take_in([take(s, context.blobs, 10**6) for s in sources([str(file)])])

    def test_documents_that_nobody_is_at_are_worked_on(self, app, runner, queued):
        started = runner.resume_left()
        assert ended(app, started.id).state is JobState.DONE
        assert app.context.ledger.counts().states["done"] == 1
        assert runner.resume_left() is None

    def test_a_job_that_has_not_ended_is_about_them(self, app, queued):
        app.context.jobs.queue("test.read", {})
        with closing(Runner(app, adopts=False)) as runner:
            assert runner.resume_left() is None

    def test_a_process_that_lives_is_at_them(self, app, runner, queued):
        from salient.pipeline.ledger import Owner

        app.context.ledger.claim(Owner(), 1, 60)
        assert runner.resume_left() is None

    def test_of_many_one_begins(self, app, queued):
        runners = [Runner(app) for _ in range(4)]
        try:
            threads = [threading.Thread(target=one.resume_left) for one in runners]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            (only,) = app.call(list_jobs, list_jobs.request()).jobs
            assert ended(app, only.id).state is JobState.DONE
        finally:
            for one in runners:
                one.close()


class TestUploads:
    def put(self, app, name, data):
        app.context.blobs.put(f"upload/{name}", data)
        return {"name": name, "blob": f"upload/{name}", "size_bytes": len(data)}

    def test_uploads_that_were_taken_in_before_it_died_are_no_failure(self, app, runner):
        request = AddDocuments(uploads=(self.put(app, "a.txt", b"Ada wrote."), self.put(app, "b.txt", b"Bob read.")))  # fmt: skip
        assert ended(app, runner.start(add_documents, request).id).state is JobState.DONE
        # Killed while it deleted them: one is gone, one is left.
        self.put(app, "b.txt", b"Bob read.")
        again = ended(app, runner.start(add_documents, request).id)
        assert (again.state, again.reply["added"]) == (JobState.DONE, 0)
        assert app.context.ledger.counts().states["done"] == 2
        assert list(app.context.blobs.list("upload/")) == []

    def test_an_upload_whose_bytes_are_lost_ends_in_the_ledger(self, app, runner):
        request = AddDocuments(uploads=({"name": "a.txt", "blob": "upload/x", "size_bytes": 1},))
        assert ended(app, runner.start(add_documents, request).id).state is JobState.DONE
        (failure,) = app.context.ledger.failures()
        assert failure == ("failed", "vanished", 1)


def test_what_was_asked_is_forgotten_when_it_ended(app, runner, reading):
    ident = runner.start(reading.service, Count()).id
    app.call(cancel, ShowJob(id=ident))
    ended(app, ident)
    until(lambda: app.context.jobs.asked(ident) is None)
    app.context.jobs.ask(ident, Asked.PAUSE)
    assert job(app, ident).asked is None  # too late: it is not shown
