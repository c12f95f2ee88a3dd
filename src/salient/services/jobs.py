"""Long work: what runs, how far it is, and a way to stop it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from salient.errors import NotFound
from salient.model import Job, JobState, Value
from salient.services import Context, service
from salient.services.views import Limit

COLLECTION = "jobs"


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
    rows = context.records.query(
        COLLECTION, {"workspace": context.workspace}, order="-started_at", limit=request.limit
    )
    return Jobs(jobs=tuple(_job(r) for r in rows))


@service("jobs.show")
def show(request: ShowJob, context: Context) -> Job:
    """Show how far a job is, and its reply or error when it has ended.

    Raises:
        NotFound: no such job.
    """
    return _job(_row(request.id, context))


@service("jobs.cancel")
def cancel(request: ShowJob, context: Context) -> Job:
    """Ask a job to stop after the document it is at. What is done stays done.

    Raises:
        NotFound: no such job.
    """
    row = _row(request.id, context)
    if row["state"] == JobState.RUNNING:
        context.cache.put(f"cancel/{request.id}", b"1", ttl_s=24 * 3600)
    return _job(row)


def _row(ident: str, context: Context) -> dict[str, object]:
    row = context.records.get(COLLECTION, ident)
    if row is None or row.get("workspace") != context.workspace:
        raise NotFound(f"no job {ident!r}", id=ident)
    return row


def _job(row: dict[str, object]) -> Job:
    return Job.model_validate({k: v for k, v in row.items() if k in Job.model_fields})
