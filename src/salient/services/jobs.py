"""Long work: what runs, how far it is, and ways to stop it, go on with it and do it again."""

from __future__ import annotations

import time
from typing import Annotated, Any

from pydantic import Field

from salient.errors import Conflict
from salient.model import JOB_ENDED, Asked, Job, JobState, Value
from salient.pipeline.ledger import Owner
from salient.services import Context, service
from salient.services.jobbook import OPEN
from salient.services.views import Limit


class ListJobs(Value):
    """The last jobs, newest first."""

    limit: Limit = 50


class Jobs(Value):
    """Jobs, newest first."""

    jobs: tuple[Job, ...]


class ShowJob(Value):
    """One job by id."""

    id: Annotated[str, Field(min_length=1, max_length=64)]


@service("jobs.list")
def list_jobs(request: ListJobs, context: Context) -> Jobs:
    """List long work, newest first."""
    return Jobs(jobs=tuple(e.job for e in context.jobs.entries(limit=request.limit)))


@service("jobs.show")
def show(request: ShowJob, context: Context) -> Job:
    """Show how far a job is, and its reply or error when it has ended.

    Raises:
        NotFound: no such job.
    """
    return context.jobs.get(request.id).job


@service("jobs.pause")
def pause(request: ShowJob, context: Context) -> Job:
    """Ask a job to stand still after the document it is at, until it is resumed.

    It stays paused through restarts. Jobs of the workspace that have not begun wait behind it.

    Raises:
        NotFound: no such job.
        Conflict: it has ended.
    """
    return _ask(request.id, Asked.PAUSE, context)


@service("jobs.resume")
def resume(request: ShowJob, context: Context) -> Job:
    """Let a paused job go on.

    Raises:
        NotFound: no such job.
        Conflict: it has ended, or it was asked to stop.
    """
    if context.jobs.get(request.id).job.asked is Asked.CANCEL:
        raise Conflict(f"job {request.id!r} is about to stop: retry it when it has", id=request.id)
    return _ask(request.id, None, context)


@service("jobs.cancel")
def cancel(request: ShowJob, context: Context) -> Job:
    """Ask a job to stop after the document it is at. What is done stays done.

    One that has ended is left as it is.

    Raises:
        NotFound: no such job.
    """
    job = context.jobs.get(request.id).job
    return job if job.state in JOB_ENDED else _ask(request.id, Asked.CANCEL, context)


@service("jobs.retry", idempotent=False)
def retry(request: ShowJob, context: Context) -> Job:
    """Do a job that failed or was cancelled again, as a new one with the same request.

    A process that serves, or `salient beat`, takes it up.

    Raises:
        NotFound: no such job.
        Conflict: it did not fail, or an older release kept no request of it.
    """
    entry, body = retryable(request.id, context)
    return context.jobs.queue(entry.service, body, retry_of=entry.id)


def retryable(ident: str, context: Context) -> tuple[Job, dict[str, Any]]:
    """A job that can be done again, and its request.

    Raises:
        NotFound: no such job.
        Conflict: it did not fail, or nobody knows its request.
    """
    entry = context.jobs.get(ident)
    if entry.job.state not in (JobState.FAILED, JobState.CANCELLED):
        raise Conflict(
            f"job {ident!r} is {entry.job.state}: only what failed or was cancelled can be done again",
            id=ident,
        )
    if entry.request is None:
        raise Conflict(f"job {ident!r} is of a release that kept no requests: ask anew", id=ident)
    return entry.job, entry.request


def left_behind(context: Context) -> bool:
    """Whether documents wait that no job and no living process is at."""
    if context.jobs.entries(states=OPEN):
        return False
    if not context.ledger.counts().open:
        return False
    sql = context.tables.load("salient.services", "jobs.sql")
    with context.tables.read() as tx:
        owners = list(tx.rows(sql.owners, {"workspace": context.workspace}))
    # One on another machine is believed for as long as it said that it would be there.
    alive = (Owner.alive(r.owner or "") for r in owners)
    return not any(
        here or (here is None and (r.lease_until or 0) > time.time())
        for here, r in zip(alive, owners, strict=True)
    )


def _ask(ident: str, what: Asked | None, context: Context) -> Job:
    job = context.jobs.get(ident).job
    if job.state in JOB_ENDED:
        raise Conflict(f"job {ident!r} is {job.state} already", id=ident)
    context.jobs.ask(ident, what)
    context.jobs.settle(ident)
    return context.jobs.get(ident).job
