"""The records of jobs: which there are, who has each, how far it is, and what people asked of it."""

from __future__ import annotations

import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, final

from salient.errors import Conflict, NotFound
from salient.model import JOB_ENDED, Asked, Job, JobState
from salient.pipeline.ledger import Owner
from salient.storage.docs import Records
from salient.storage.kv import KeyValue

COLLECTION = "jobs"
# People write here while a runner writes the job: one record would be overwritten by the other.
_ASKED = "jobs_asked"

OPEN = tuple(s for s in JobState if s not in JOB_ENDED)


def moment() -> str:
    """The time as jobs keep it: ISO 8601, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class Entry:
    """A job as it is kept."""

    job: Job
    request: dict[str, Any] | None
    """What its service was asked; None for jobs of releases that did not keep it."""
    run: str | None
    """The attempt that wrote last."""
    not_before: float
    """Unix time before which it is not to be tried again."""


@final
class Hold:
    """A job that this process has, until it lets go or is silent for too long.

    Threads may share it.
    """

    def __init__(self, book: JobBook, ident: str, name: str) -> None:
        self.ident = ident
        self.run = uuid.uuid4().hex
        self._book = book
        self._value = f"{name} {self.run}".encode()

    def take(self, instead_of: bytes | None) -> bool:
        return self._book.cache.swap(
            _key(self.ident), instead_of, self._value, ttl_s=self._book.hold_s
        )

    def keep(self) -> bool:
        """Say that this process lives; False when another one has the job now, or had it."""
        if self.take(self._value):
            return True
        if not self.take(None):
            return False
        # It had run out, or the cache lost it. Nobody has the job now; but one may have had it.
        if self._book.get(self.ident).run == self.run:
            return True
        self.release()
        return False

    def release(self) -> None:
        self._book.cache.swap(_key(self.ident), self._value, None)


class JobBook:
    """The jobs of one workspace. Threads and processes may share the stores under it.

    - One process has a job at a time. It loses it when it dies, seen at once on the same machine,
      or when it was silent for `hold_s`.
    - What has no process and has not ended can be taken by any, which then runs it anew.
    - What people ask is kept until the job ends, through any restart.
    """

    def __init__(
        self,
        records: Records,
        cache: KeyValue,
        workspace: str,
        *,
        hold_s: float = 15.0,
        max_attempts: int = 3,
    ) -> None:
        self.cache = cache
        self.hold_s = hold_s
        self.max_attempts = max_attempts
        self._records = records
        self._workspace = workspace
        self._owner = Owner()

    def queue(
        self, service: str, request: Mapping[str, Any], *, retry_of: str | None = None
    ) -> Job:
        """Enter a new job and leave it to whoever takes it first."""
        job = _new(service, retry_of)
        self._put(Entry(job, dict(request), None, 0.0))
        return job

    def begin(
        self, service: str, request: Mapping[str, Any], *, retry_of: str | None = None
    ) -> tuple[Job, Hold]:
        """Enter a new job that this process has."""
        job = _new(service, retry_of).model_copy(update={"owner": self._owner.name})
        hold = Hold(self, job.id, self._owner.name)
        hold.take(None)
        self._put(Entry(job, dict(request), hold.run, 0.0))
        return job, hold

    def take(self, ident: str) -> Hold | None:
        """Have a job that no living process has; None when one does."""
        held = self.cache.get(_key(ident))
        if held is not None and Owner.alive(_owner(held)) is not False:
            return None
        hold = Hold(self, ident, self._owner.name)
        return hold if hold.take(held) else None

    def write(self, hold: Hold, entry: Entry) -> None:
        """Record how far a job is, that is had by `hold`.

        Raises:
            Conflict: another process has it now.
        """
        if not hold.keep():
            raise Conflict(f"another process took job {hold.ident!r} up", id=hold.ident)
        self._put(entry)
        if entry.job.state in JOB_ENDED:
            self._records.delete(_ASKED, hold.ident)

    def get(self, ident: str) -> Entry:
        """A job, with what was asked of it and who has it.

        Raises:
            NotFound: the workspace has no such job.
        """
        row = self._records.get(COLLECTION, ident)
        if row is None or row.get("workspace") != self._workspace:
            raise NotFound(f"no job {ident!r} in workspace {self._workspace!r}", id=ident)
        return self._completed([row])[0]

    def entries(
        self, *, states: Collection[JobState] = (), limit: int | None = None
    ) -> list[Entry]:
        """Jobs in any of `states`, or all, newest first."""
        where: dict[str | tuple[str, ...], Any] = {"workspace": self._workspace}
        if states:
            where["state"] = ("in", [s.value for s in states])
        found = self._records.query(COLLECTION, where, order="-started_at", limit=limit)
        return self._completed(found)

    def unattended(self) -> list[Entry]:
        """Jobs that have not ended and that no living process has, oldest first."""
        return [e for e in reversed(self.entries(states=OPEN)) if e.job.owner is None]

    def paused(self) -> bool:
        """Whether a person wants a job of the workspace to stand still."""
        return any(e.job.asked is Asked.PAUSE for e in self.entries(states=[JobState.PAUSED]))

    def ask(self, ident: str, what: Asked | None) -> None:
        """Ask something of a job, instead of what was asked before; None takes it back."""
        if what is None:
            self._records.delete(_ASKED, ident)
        else:
            self._records.put(_ASKED, ident, {"what": what.value, "at": moment()})

    def asked(self, ident: str) -> Asked | None:
        """What people asked of a job last."""
        row = self._records.get(_ASKED, ident)
        return None if row is None else Asked(row["what"])

    def settle(self, ident: str) -> None:
        """Do what was asked of a job that no process has."""
        hold = self.take(ident)
        if hold is None:
            return  # its process sees to it
        try:
            entry = self.get(ident)
            to = {Asked.CANCEL: JobState.CANCELLED, Asked.PAUSE: JobState.PAUSED, None: JobState.QUEUED}[entry.job.asked]  # fmt: skip
            if entry.job.state not in (to, *JOB_ENDED):
                self.write(hold, changed(entry, state=to))
        finally:
            hold.release()

    def requests_of_all(self, states: Collection[JobState]) -> Iterator[dict[str, Any]]:
        """What jobs of every workspace that the records hold were asked."""
        for row in self._records.query(COLLECTION, {"state": ("in", [s.value for s in states])}):
            if row.get("request"):
                yield row["request"]

    def forget(self, idents: Iterable[str]) -> int:
        """Delete jobs; return how many there were."""
        return self._records.delete_many(COLLECTION, idents)

    def ensure_index(self) -> None:
        """Make looking for jobs by state quick where the store can."""
        self._records.ensure_index(COLLECTION, "state")

    def _put(self, entry: Entry) -> None:
        row = {
            **entry.job.model_dump(mode="json", exclude={"asked", "owner"}),
            "workspace": self._workspace,
            "request": entry.request,
            "run": entry.run,
            "not_before": entry.not_before,
        }
        self._records.put(COLLECTION, entry.job.id, row)

    def _completed(self, rows: Iterable[Mapping[str, Any]]) -> list[Entry]:
        """Entries of rows, with what is kept elsewhere: who has them, and what was asked."""
        found = list(rows)
        ids = [r["id"] for r in found if r["state"] in OPEN]
        held = self.cache.get_many(map(_key, ids)) if ids else {}
        asked = self._records.get_many(_ASKED, ids) if ids else {}
        entries = []
        for row in found:
            fields = {k: v for k, v in row.items() if k in Job.model_fields}
            if row["id"] in asked:
                fields["asked"] = asked[row["id"]]["what"]
            value = held.get(_key(row["id"]))
            if value is not None and Owner.alive(_owner(value)) is not False:
                fields["owner"] = _owner(value)
            entries.append(
                Entry(
                    Job.model_validate(fields),
                    row.get("request"),
                    row.get("run"),
                    row.get("not_before", 0.0),
                )
            )
        return entries


def changed(
    entry: Entry, *, run: str | None = None, not_before: float = 0.0, **fields: Any
) -> Entry:
    """The entry with other fields of its job."""
    job = entry.job.model_copy(update={**fields, "updated_at": moment()})
    return Entry(job, entry.request, run or entry.run, not_before)


def due(entry: Entry) -> bool:
    """Whether its next attempt may begin."""
    return entry.not_before <= time.time()


def _new(service: str, retry_of: str | None) -> Job:
    now = moment()
    return Job(
        id=uuid.uuid4().hex[:20],
        service=service,
        state=JobState.QUEUED,
        retry_of=retry_of,
        started_at=now,
        updated_at=now,
    )


def _key(ident: str) -> str:
    return f"job/{ident}"


def _owner(held: bytes) -> str:
    return held.decode("utf-8", "replace").partition(" ")[0]
