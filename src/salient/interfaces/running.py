"""Jobs: long services run in a thread of this process, with progress anybody can read."""

from __future__ import annotations

import threading
import time
import uuid
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

from salient import errors, log
from salient.app import App
from salient.interfaces import wire
from salient.model import Job, JobState, Value
from salient.pipeline.run import Cancelled, Progress
from salient.services import Service
from salient.services.jobs import COLLECTION

_log = log.get(__name__)

_WRITE_S = 0.25  # between two writes of a job's progress


class Runner:
    """Runs long services one after another, since they share the workspace's workers.

    A job's state is in the store of records, not in this process: after a crash it is read as
    failed by the next start, and the work it had queued is resumed.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="salient-job")
        self._stopping = threading.Event()
        self._close_left_open()

    def start(self, service: Service[Any, Any], request: Value) -> Job:
        """Queue a job and return it at once."""
        moment = _now()
        job = Job(
            id=uuid.uuid4().hex[:20],
            service=service.name,
            state=JobState.RUNNING,
            started_at=moment,
            updated_at=moment,
        )
        self._write(job)
        ids = {**log.correlation(), "job_id": job.id, "service": service.name}
        future = self._pool.submit(self._bound, ids, job, service, request)
        future.add_done_callback(_report_bug)
        return job

    def close(self) -> None:
        """Stop the job under way after the document it is at."""
        self._stopping.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _bound(
        self, ids: dict[str, str], job: Job, service: Service[Any, Any], request: Value
    ) -> None:
        with log.bound(ids):
            _log.info("job.started")
            self._run(job, service, request)

    def _run(self, job: Job, service: Service[Any, Any], request: Value) -> None:
        written = 0.0
        state = job

        def report(progress: Progress) -> None:
            nonlocal written, state
            if self._stopping.is_set() or self._cancelled(job.id):
                raise Cancelled
            state = state.model_copy(
                update={
                    "done": progress.done,
                    "total": progress.total,
                    "stage": progress.stage,
                    "updated_at": _now(),
                }
            )
            if time.monotonic() - written > _WRITE_S:
                written = time.monotonic()
                self._write(state)

        end: dict[str, Any]
        try:
            reply = self._app.call(service, request, report)
            end = {"state": JobState.DONE, "reply": reply.model_dump(mode="json")}
        except Cancelled:
            end = {"state": JobState.CANCELLED}
        except errors.Error as error:
            _log.error("job.failed", code=error.code, reason=error.message)
            end = {"state": JobState.FAILED, "error": wire.dump(error)}
        except BaseException as bug:
            body = {"code": "error", "message": f"unexpected: {bug!r}", "context": {}}
            self._write(
                state.model_copy(
                    update={"state": JobState.FAILED, "error": body, "updated_at": _now()}
                )
            )
            raise
        self._write(state.model_copy(update={**end, "updated_at": _now()}))

    def _cancelled(self, ident: str) -> bool:
        return self._app.context.cache.get(f"cancel/{ident}") is not None

    def _write(self, job: Job) -> None:
        row = {**job.model_dump(mode="json"), "workspace": self._app.context.workspace}
        self._app.context.records.put(COLLECTION, job.id, row)

    def _close_left_open(self) -> None:
        """Jobs that an earlier process left running have failed."""
        records = self._app.context.records
        where: dict[str | tuple[str, ...], Any] = {
            "workspace": self._app.context.workspace,
            "state": JobState.RUNNING.value,
        }
        body = {
            "code": "interrupted",
            "message": "the process that ran it ended: start it again",
            "context": {},
        }
        for row in list(records.query(COLLECTION, where)):
            changed = {**row, "state": JobState.FAILED.value, "error": body, "updated_at": _now()}
            records.put(COLLECTION, str(row["id"]), changed)


def _report_bug(future: Future[None]) -> None:
    if not future.cancelled() and (bug := future.exception()) is not None:
        _log.error("job.crashed", exc_info=bug)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
