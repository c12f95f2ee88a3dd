"""Jobs: long work that outlives the process that does it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from salient.model.values import Value


class JobState(StrEnum):
    """Where a job stands. The last three are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    """Stopped by a person between two documents, until somebody resumes it."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Asked(StrEnum):
    """What a person asked of a job and its runner has not seen to yet."""

    PAUSE = "pause"
    CANCEL = "cancel"


class Job(Value):
    """Long work and how far it is."""

    id: str
    service: str
    state: JobState
    asked: Asked | None = None
    owner: str | None = None
    """`host:pid:start` of the process that has it; None while none has, until one takes it up."""
    attempts: int = 0
    """How often it was begun: more than once where a process died while it ran."""
    retry_of: str | None = None
    """The job that this one does again."""
    done: int = 0
    total: int | None = None
    stage: str | None = None
    at: str | None = None
    """What it was at last: a document's name or id."""
    rate_per_s: float | None = None
    """Documents a second, lately; None while nobody can say."""
    left_s: float | None = None
    """Seconds to go at that rate."""
    error: dict[str, Any] | None = None
    reply: dict[str, Any] | None = None
    started_at: str
    """When it was asked for."""
    updated_at: str


JOB_ENDED = frozenset({JobState.DONE, JobState.FAILED, JobState.CANCELLED})
