"""Jobs: long services run in a thread of this process, or here and now, and go on in another if it dies."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, final

from pydantic import ValidationError

from salient import errors, log
from salient.app import App
from salient.interfaces import wire
from salient.model import JOB_ENDED, Asked, Job, JobState, Value
from salient.pipeline.run import Cancelled, Progress, Report
from salient.services import Service
from salient.services.context import silent
from salient.services.documents import AddDocuments
from salient.services.documents import add as add_documents
from salient.services.jobbook import Entry, Hold, changed, due
from salient.services.jobs import left_behind
from salient.services.pace import Pace

_log = log.get(__name__)

_WRITE_S = 0.25  # between two writes of a job's progress, and two looks at what was asked of it
_TICK_S = 1.0  # between two looks for jobs that nobody has


class _Run:
    """A job that this process has. `entry` is written by one thread at a time: see `Runner`."""

    def __init__(
        self,
        entry: Entry,
        hold: Hold,
        service: Service[Any, Any],
        request: Value,
        watcher: Report = silent,
    ) -> None:
        self.entry = entry
        self.hold = hold
        self.service = service
        self.request = request
        self.watcher = watcher
        self.ids = log.correlation()
        self.lost = threading.Event()
        """Another process took it up: nothing of it may be written here."""
        self.kept_at = time.monotonic()
        self.asked: Asked | None = None
        self._pace = Pace()
        self._looked_at = self._written_at = 0.0

    def due_to_look(self) -> bool:
        """Whether to ask the store again what people want; at most every `_WRITE_S`."""
        return self._passed("_looked_at")

    def due_to_write(self) -> bool:
        return self._passed("_written_at")

    def note(self, progress: Progress) -> None:
        """Take over how far it is. What was taken in is another count than what was worked on."""
        at = time.monotonic()
        job = self.entry.job
        fields: dict[str, Any] = {"stage": progress.stage, "at": progress.name or job.at}
        if progress.stage != "add":
            self._pace.observe(progress.done, at)
        if progress.stage != "add" or job.rate_per_s is None:
            fields |= {"done": progress.done, "total": progress.total}
        left = progress.total - progress.done
        fields |= {"rate_per_s": self._pace.rate_per_s(at), "left_s": self._pace.left_s(left, at)}
        self.change(**fields)

    def rest(self) -> None:
        """Do not count the time of a pause."""
        self._pace.rest()

    def change(self, **fields: Any) -> None:
        self.entry = changed(self.entry, run=self.hold.run, **fields)

    def _passed(self, name: str) -> bool:
        now = time.monotonic()
        if now - getattr(self, name) < _WRITE_S:
            return False
        setattr(self, name, now)
        return True


@final
class Runner:
    """Runs long services one after another, since they share the workspace's workers.

    - What a job is and how far lies in the records. One whose process died is taken up by the next
      runner that has nothing to do, in any process, and run anew with the same request, up to
      `max_attempts` times.
    - A job that a shutdown stops is queued again; only people cancel.
    - While a job of the workspace is paused, others wait: they would work on its documents.

    Threads may share an instance; close it.
    """

    def __init__(self, app: App, *, adopts: bool = True) -> None:
        """Begin.

        Args:
            adopts: take up jobs that nobody has.
        """
        self._app = app
        self._book = app.context.jobs
        self._adopts = adopts
        self._tick_s = min(_TICK_S, self._book.hold_s / 4)
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._waiting: deque[_Run] = deque()
        self._current: _Run | None = None
        self._ended: list[_Run] = []  # whose last word is to be written
        self._settling = threading.Lock()
        if adopts:
            self._book.ensure_index()
        self._threads = [threading.Thread(target=self._keep, name="salient-jobs")]
        if adopts:
            self._threads.append(threading.Thread(target=self._work, name="salient-job"))
        for thread in self._threads:
            thread.start()

    def start(self, service: Service[Any, Any], request: Value) -> Job:
        """Queue a job and return it at once."""
        entry, hold = self._open(service, request)
        run = _Run(entry, hold, service, request)
        with self._changed:
            self._waiting.append(run)
            self._changed.notify_all()
        return entry.job

    def here(
        self,
        service: Service[Any, Any],
        request: Value,
        report: Report = silent,
        *,
        retry_of: str | None = None,
    ) -> Any:
        """Run a job in this thread and return its reply, or raise what it raised.

        Raises:
            Cancelled: somebody cancelled it, or `report` raised it.
        """
        entry, hold = self._open(service, request, retry_of)
        run = _Run(entry, hold, service, request, report)
        with self._changed:
            self._current = run
        try:
            self._begin(run)
            reply = self._app.call(service, request, self._reporter(run))
        except errors.Error as error:
            self._end(run, state=JobState.FAILED, error=wire.dump(error))
            raise
        except (Cancelled, KeyboardInterrupt):
            self._end(run, state=JobState.CANCELLED)
            raise
        except BaseException as bug:
            self._end(run, state=JobState.FAILED, error=_unexpected(bug))
            raise
        else:
            self._end(run, state=JobState.DONE, reply=reply.model_dump(mode="json"))
            return reply
        finally:
            with self._changed:
                self._current = None

    def resume_left(self) -> Job | None:
        """Start a job for documents that wait and that nobody is at; None where there are none."""
        context = self._app.context
        try:
            # Of many processes that start at once, one does it.
            with context.cache.lock(f"jobs/left/{context.workspace}", ttl_s=30.0):
                if left_behind(context):
                    return self.start(add_documents, AddDocuments())
        except errors.TimedOut:
            pass
        return None

    def close(self) -> None:
        """Stop the job under way after the document it is at, and leave it and the others to others."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        for run in self._waiting:
            self._quietly(run.hold.release)
        self._quietly(self._settle_ended)

    # Who keeps what this process has, and finds more.

    def _keep(self) -> None:
        while not self._stopping.wait(self._tick_s) or self._current is not None:
            for one in (self._renew, self._settle_ended, self._look_at_waiting, self._adopt):
                self._quietly(one)
            if self._stopping.is_set():
                time.sleep(_WRITE_S)  # the job under way is about to stop, and is had until then

    def _quietly(self, action: Callable[[], object]) -> None:
        try:
            action()
        except errors.Error as error:  # a store is away: the next look tells more
            _log.warning("jobs.not_kept", code=error.code, reason=error.message)

    def _renew(self) -> None:
        with self._changed:
            mine = [*self._waiting, *([self._current] if self._current else []), *self._ended]
        for run in mine:
            if time.monotonic() - run.kept_at < self._book.hold_s / 4:
                continue
            if run.hold.keep():
                run.kept_at = time.monotonic()
            else:
                self._lose(run)

    def _lose(self, run: _Run) -> None:
        run.lost.set()
        with self._changed:
            if run in self._waiting:
                self._waiting.remove(run)
        _log.warning("job.lost", job_id=run.entry.job.id)

    def _look_at_waiting(self) -> None:
        """Do at once what people ask of jobs whose turn has not come."""
        # Under the lock, so that the turn of none comes while it is written here.
        with self._changed:
            for run in list(self._waiting):
                asked, state = self._book.asked(run.entry.job.id), run.entry.job.state
                if asked is Asked.CANCEL:
                    self._waiting.remove(run)
                    self._end(run, state=JobState.CANCELLED)
                elif (state is JobState.PAUSED) is not (asked is Asked.PAUSE):
                    run.change(state=JobState.PAUSED if asked else JobState.QUEUED)
                    self._book.write(run.hold, run.entry)
            self._changed.notify_all()  # what was paused may go on

    def _adopt(self) -> None:
        """Have one job that nobody has, if there is nothing else to do: others may take the rest."""
        with self._changed:
            if not self._adopts or self._stopping.is_set() or self._waiting or self._current:
                return
        for found in self._book.unattended():
            if found.job.asked is Asked.PAUSE or not due(found):
                continue
            hold = self._book.take(found.job.id)
            if hold is None:
                continue
            entry = self._book.get(found.job.id)  # as it is now that nobody else writes it
            run = None if entry.job.state in JOB_ENDED else self._taken(entry, hold)
            if run is None:
                hold.release()
                continue
            with self._changed:
                self._waiting.append(run)
                self._changed.notify_all()
            return

    def _taken(self, entry: Entry, hold: Hold) -> _Run | None:
        """A job that a process left, to be run anew; None where that may not be."""
        job = entry.job
        fields: dict[str, Any] = {"state": JobState.QUEUED}
        service = self._app.services.get(job.service)
        request: Value | None = None
        if service is not None and entry.request is not None:
            try:
                request = service.request.model_validate(entry.request)
            except ValidationError:
                request = None  # another release's: its fields were others
        if job.asked is Asked.CANCEL:
            fields = {"state": JobState.CANCELLED}
        elif service is None or request is None:
            fields = {"state": JobState.FAILED, "error": _interrupted("this release cannot go on with it: start it again")}  # fmt: skip
        elif job.attempts and not service.idempotent:
            fields = {"state": JobState.FAILED, "error": _interrupted("the process that ran it ended, and doing it twice may do harm: see what it did, and retry it")}  # fmt: skip
        elif job.attempts >= self._book.max_attempts:
            what = f"its process ended {job.attempts} times while it ran: look for the reason in the log, and retry it"
            fields = {"state": JobState.FAILED, "error": job.error or _interrupted(what)}
        entry = changed(entry, run=hold.run, **fields)
        self._book.write(hold, entry)
        if entry.job.state in JOB_ENDED or service is None or request is None:
            _log.error("job.given_up", job_id=job.id, state=str(entry.job.state))
            return None
        _log.warning("job.taken_up", job_id=job.id, attempts=job.attempts)
        return _Run(entry, hold, service, request)

    def _settle_ended(self) -> None:
        with self._settling:
            while self._ended:
                run = self._ended[0]
                try:
                    self._book.write(run.hold, run.entry)
                    run.hold.release()
                except errors.Conflict:
                    _log.warning("job.lost", job_id=run.entry.job.id)
                del self._ended[0]

    # Who runs them.

    def _work(self) -> None:
        while (run := self._next()) is not None:
            ids = {**run.ids, "job_id": run.entry.job.id, "service": run.service.name}
            with log.bound(ids), log.span("job", job=run.entry.job.id, service=run.service.name):
                self._run(run)
            with self._changed:
                self._current = None

    def _next(self) -> _Run | None:
        """The job whose turn it is, waited for; None when this runner stops."""
        while True:
            with self._changed:
                if self._stopping.is_set():
                    return None
                if not self._waiting:
                    self._changed.wait()
                    continue
            try:
                blocked = self._book.paused()
            except errors.Error:  # the store of records is away: a job could not say how far it is
                blocked = True
            with self._changed:
                if self._waiting and not blocked:
                    self._current = self._waiting.popleft()
                    return self._current
                self._changed.wait(self._tick_s)

    def _run(self, run: _Run) -> None:
        end: dict[str, Any]
        try:
            self._begin(run)
            reply = self._app.call(run.service, run.request, self._reporter(run))
            end = {"state": JobState.DONE, "reply": reply.model_dump(mode="json")}
        except Cancelled:
            end = self._stopped(run)
        except errors.Error as error:
            end = self._failed(run, error)
        except Exception as bug:
            # Nobody above could do more about it, and the next job is another one.
            _log.error("job.crashed", exc_info=bug)
            end = {"state": JobState.FAILED, "error": _unexpected(bug)}
        if not run.lost.is_set():
            self._end(run, **end)

    def _stopped(self, run: _Run) -> dict[str, Any]:
        if run.asked is not Asked.CANCEL and self._stopping.is_set():
            # Not its fault: the attempt does not count.
            state = JobState.PAUSED if run.asked is Asked.PAUSE else JobState.QUEUED
            return {"state": state, "attempts": run.entry.job.attempts - 1}
        return {"state": JobState.CANCELLED}

    def _failed(self, run: _Run, error: errors.Error) -> dict[str, Any]:
        body = wire.dump(error)
        again = error.retryable and run.service.idempotent
        if again and run.entry.job.attempts < self._book.max_attempts:
            _log.warning("job.put_off", code=error.code, reason=error.message)
            wait_s = self._book.hold_s * 2 ** (run.entry.job.attempts - 1)
            return {"state": JobState.QUEUED, "error": body, "not_before": time.time() + wait_s}
        _log.error("job.failed", code=error.code, reason=error.message)
        return {"state": JobState.FAILED, "error": body}

    def _begin(self, run: _Run) -> None:
        _log.info("job.started")
        run.change(state=JobState.RUNNING, attempts=run.entry.job.attempts + 1)
        self._book.write(run.hold, run.entry)

    def _end(self, run: _Run, **fields: Any) -> None:
        """Write how it ended and let go of it; later, if the store is away now."""
        run.change(**fields, rate_per_s=None, left_s=None)
        self._ended.append(run)
        self._quietly(self._settle_ended)

    def _reporter(self, run: _Run) -> Report:
        def report(progress: Progress) -> None:
            self._obey(run)
            run.note(progress)
            if run.due_to_write():
                self._write(run)
            run.watcher(progress)

        return report

    def _obey(self, run: _Run) -> None:
        """Stop, or stand still, if that is wanted.

        Raises:
            Cancelled: it is to stop.
        """
        if run.due_to_look():
            self._ask(run)
        if self._stopping.is_set() or run.lost.is_set() or run.asked is Asked.CANCEL:
            raise Cancelled
        if run.asked is not Asked.PAUSE:
            return
        run.rest()
        run.change(state=JobState.PAUSED, rate_per_s=None, left_s=None)
        self._write(run)
        while run.asked is Asked.PAUSE:
            if self._stopping.wait(_WRITE_S) or run.lost.is_set():
                raise Cancelled
            self._ask(run)
        run.change(state=JobState.RUNNING)
        self._write(run)
        if run.asked is Asked.CANCEL:
            raise Cancelled

    def _ask(self, run: _Run) -> None:
        try:
            run.asked = self._book.asked(run.entry.job.id)
        except errors.Error as error:  # as before, then
            _log.warning("jobs.not_asked", code=error.code)

    def _write(self, run: _Run) -> None:
        try:
            self._book.write(run.hold, run.entry)
            run.kept_at = time.monotonic()
        except errors.Conflict:
            self._lose(run)
            raise Cancelled from None
        except errors.Error as error:  # how far it is: the next one says more
            _log.warning("job.not_written", code=error.code)

    def _open(
        self, service: Service[Any, Any], request: Value, retry_of: str | None = None
    ) -> tuple[Entry, Hold]:
        body = request.model_dump(mode="json")
        job, hold = self._book.begin(service.name, body, retry_of=retry_of)
        return Entry(job, body, hold.run, 0.0), hold


def _interrupted(message: str) -> dict[str, Any]:
    return {"code": "interrupted", "message": message, "context": {}}


def _unexpected(bug: BaseException) -> dict[str, Any]:
    return {"code": "error", "message": f"unexpected: {bug!r}", "context": {}}
