"""Housekeeping: what killed processes and finished runs left behind, and what is kept in bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from salient.model import JOB_ENDED, JobState, Value
from salient.services import Context, service
from salient.services.jobbook import OPEN
from salient.work import deadletters
from salient.work.notes import run_key

RUN_OVER = timedelta(hours=1)
UPLOAD_OVER = timedelta(days=1)
KEPT_JOBS = 1000  # that have ended

_WANTED = (*OPEN, JobState.FAILED, JobState.CANCELLED)


class Sweep(Value):
    """Nothing to say."""


class Swept(Value):
    """What was deleted."""

    runs: int
    """Runs whose batches lay about."""
    uploads: int
    jobs: int
    dead_letters: int


@service("system.sweep")
def sweep(request: Sweep, context: Context) -> Swept:
    """Delete what nobody needs any more: batches of ended runs, lost uploads, the oldest records.

    Batches go an hour after their run ended; uploads after a day, if no job that may still run is
    about them. The last thousand jobs that ended are kept, and the last work.dead_letters letters.
    """
    now = datetime.now(UTC)
    jobs = sweep_jobs(context)
    return Swept(
        runs=sweep_runs(context, now),
        uploads=sweep_uploads(context, now),
        jobs=jobs,
        dead_letters=deadletters.bound(context.records, context.dead_letters),
    )


def sweep_runs(context: Context, now: datetime) -> int:
    """Delete the blobs of runs that ended more than an hour ago; return how many runs."""
    runs = {key.split("/")[1] for key in context.blobs.list("run/")}
    swept = 0
    for run in sorted(runs):
        # A run that goes on says so; one that ended wrote nothing since.
        if context.cache.get(run_key(run)) is not None:
            continue
        if all(e.modified < now - RUN_OVER for e in context.blobs.entries(f"run/{run}/")):
            context.blobs.delete_prefix(f"run/{run}/")
            swept += 1
    return swept


def sweep_uploads(context: Context, now: datetime) -> int:
    """Delete uploads of more than a day ago that no job is about; return how many."""
    old = [e.key for e in context.blobs.entries("upload/") if e.modified < now - UPLOAD_OVER]
    if not old:
        return 0
    # Workspaces share the store of blobs, and an upload's name does not say whose it is.
    wanted = {
        u["blob"] for r in context.jobs.requests_of_all(_WANTED) for u in r.get("uploads", ())
    }
    return sum(context.blobs.delete(key) for key in old if key not in wanted)


def sweep_jobs(context: Context) -> int:
    """Forget the oldest jobs that ended, beyond those that are kept; return how many."""
    ended = [e.job.id for e in context.jobs.entries(states=JOB_ENDED)]
    return context.jobs.forget(ended[KEPT_JOBS:])
