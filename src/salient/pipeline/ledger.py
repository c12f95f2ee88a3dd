"""The ledger: what happened to every document at every stage.

Every document that was added is one row in one state, so that the five ends add up to what was
added. Rows are claimed before work and finished after the results are committed; a claim whose owner
died is given back.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import psutil

from salient.errors import NotFound
from salient.model import Document, State, document_id
from salient.storage.sql import Tables, fold

UNREAD = "0" * 64
"""The version of a document whose bytes could not be read when it was added."""

_CHUNK = 500  # ids in one statement; SQLite takes at most 999 parameters on old builds


def now() -> str:
    """The time as stored: ISO 8601, UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True, slots=True)
class Intake:
    """A document as it comes in, its bytes already in the blob store."""

    source_key: str
    name: str
    version: str
    size_bytes: int
    parent_id: str | None = None
    depth: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    failure: tuple[str, str] | None = None
    """Code and reason, when the bytes could not be read."""


@dataclass(frozen=True, slots=True)
class StageRun:
    """One stage's work on one document."""

    stage: str
    component: str
    artifact: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a document ended, and what is now known of it. Crosses processes."""

    document_id: str
    version: str
    state: State
    stage: str | None = None
    code: str | None = None
    reason: str | None = None
    notes: tuple[str, ...] = ()
    media_type: str | None = None
    title: str | None = None
    language: str | None = None
    document_date: str | None = None
    n_pages: int | None = None
    n_characters: int | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    stages: tuple[StageRun, ...] = ()
    children: tuple[Intake, ...] = ()

    @property
    def seconds(self) -> float:
        """How long its stages took together."""
        return sum(s.seconds for s in self.stages)

    def artifact(self, stage: str) -> str | None:
        """The blob key of what `stage` made."""
        return next((s.artifact for s in self.stages if s.stage == stage), None)


@dataclass(frozen=True, slots=True)
class Counts:
    """Documents by state; `n_pages` of those that are done."""

    states: dict[str, int]
    n_pages: int

    @property
    def total(self) -> int:
        return sum(self.states.values())

    @property
    def open(self) -> int:
        """Documents that have not ended."""
        return self.states["queued"] + self.states["running"]


class Owner:
    """Who works on a claimed document: one process of one machine.

    Its start time tells it apart from a later process with the same number.
    """

    def __init__(self) -> None:
        started = psutil.Process().create_time()
        self.name = f"{socket.gethostname()}:{os.getpid()}:{started:.2f}"

    @staticmethod
    def alive(name: str) -> bool | None:
        """Whether that owner lives; None when it is on another machine and cannot be seen."""
        host, _, rest = name.rpartition(":")[0].rpartition(":")
        if host != socket.gethostname():
            return None
        try:
            pid = int(rest)
            return f"{psutil.Process(pid).create_time():.2f}" == name.rpartition(":")[2]
        except (psutil.NoSuchProcess, psutil.AccessDenied, ValueError):
            return False


class Ledger:
    """The documents of one workspace. Threads and processes may share the tables under it."""

    def __init__(self, tables: Tables, workspace: str) -> None:
        self.workspace = workspace
        self._tables = tables
        self._sql = tables.load("salient.pipeline", "ledger.sql")

    def take_in(self, incoming: Sequence[Intake]) -> tuple[int, int]:
        """Enter documents in one transaction: (new or changed, unchanged).

        The same key with the same bytes is unchanged; with other bytes it is a new version. Bytes
        that another document of the workspace has already make a duplicate.
        """
        changed = unchanged = 0
        sql, moment = self._sql, now()
        with self._tables.transaction() as tx:
            for item in incoming:
                ident = document_id(self.workspace, item.source_key)
                old = tx.one(sql.find, {"id": ident})
                same = old is not None and old.version == item.version and item.version != UNREAD
                if same:
                    unchanged += 1
                    continue
                changed += 1
                state, twin = State.QUEUED, None
                if item.failure:
                    state = State.FAILED
                else:
                    row = tx.one(
                        sql.twin,
                        {"workspace": self.workspace, "version": item.version, "id": ident},
                    )
                    if row is not None:
                        state, twin = State.DUPLICATE, row.id
                code, reason = item.failure or (
                    ("duplicate", "the same bytes are already there under another name")
                    if twin
                    else (None, None)
                )
                values = {
                    "id": ident,
                    "name": item.name,
                    "name_folded": fold(item.name),
                    "version": item.version,
                    "size_bytes": item.size_bytes,
                    "metadata": json.dumps(dict(item.metadata), sort_keys=True),
                    "state": state.value,
                    "code": code,
                    "reason": reason,
                    "duplicate_of": twin,
                    "updated_at": moment,
                }
                if old is None:
                    entry = {
                        "workspace": self.workspace,
                        "source_key": item.source_key,
                        "parent_id": item.parent_id,
                        "depth": item.depth,
                        "added_at": moment,
                    }
                    tx.run(sql.insert, values | entry)
                else:
                    tx.run(sql.renew, values)
                if item.version != UNREAD:
                    key = {"document_id": ident, "version": item.version}
                    if tx.one(sql.has_version, key) is None:
                        version = {"size_bytes": item.size_bytes, "added_at": moment}
                        tx.run(sql.keep_version, key | version)
        return changed, unchanged

    def claim(self, owner: Owner, n: int, lease_s: float) -> list[Any]:
        """Take up to `n` queued documents; return their rows."""
        with self._tables.transaction() as tx:
            ids = [r.id for r in tx.rows(self._sql.queued, {"workspace": self.workspace, "n": n})]
            if not ids:
                return []
            values = {
                "ids": ids,
                "owner": owner.name,
                "lease_until": time.time() + lease_s,
                "updated_at": now(),
            }
            tx.run(self._sql.claim, values)
            return list(tx.rows(self._sql.find_many, {"ids": ids}))

    def extend(self, owner: Owner, lease_s: float) -> None:
        """Say that the owner lives."""
        with self._tables.transaction() as tx:
            values = {
                "workspace": self.workspace,
                "owner": owner.name,
                "lease_until": time.time() + lease_s,
            }
            tx.run(self._sql.extend, values)

    def give_back_orphans(self, max_attempts: int) -> tuple[int, int]:
        """Requeue what dead owners held; quarantine what was tried too often: (requeued, quarantined)."""
        with self._tables.transaction() as tx:
            orphans: list[str] = []
            poisoned: list[str] = []
            for row in tx.rows(self._sql.running, {"workspace": self.workspace}):
                alive = Owner.alive(row.owner or "")
                if alive or (alive is None and (row.lease_until or 0) > time.time()):
                    continue
                (poisoned if row.attempts >= max_attempts else orphans).append(row.id)
            for ids in _chunks(orphans):
                tx.run(self._sql.release, {"ids": ids, "updated_at": now()})
            for ident in poisoned:
                found = tx.one(self._sql.find, {"id": ident})
                if found is not None:
                    self._finish(tx, quarantine(found, max_attempts))
        return len(orphans), len(poisoned)

    def release(self, ids: Sequence[str]) -> None:
        """Queue claimed documents again; the attempt counts."""
        with self._tables.transaction() as tx:
            for chunk in _chunks(ids):
                tx.run(self._sql.release, {"ids": chunk, "updated_at": now()})

    def unclaim(self, ids: Sequence[str]) -> None:
        """Give claimed documents back untouched, as after a cancelled run."""
        with self._tables.transaction() as tx:
            for chunk in _chunks(ids):
                tx.run(self._sql.unclaim, {"ids": chunk, "updated_at": now()})

    def finish(self, tx: Any, outcome: Outcome) -> bool:
        """Record an end within the transaction that commits its results.

        Returns False when the document has got other bytes, or was deleted, in the meantime.
        """
        return self._finish(tx, outcome)

    def _finish(self, tx: Any, outcome: Outcome) -> bool:
        moment = now()
        values = {
            "id": outcome.document_id,
            "version": outcome.version,
            "state": outcome.state.value,
            "stage": outcome.stage,
            "code": outcome.code,
            "reason": outcome.reason,
            "notes": json.dumps(list(outcome.notes), ensure_ascii=False),
            "media_type": outcome.media_type,
            "title": outcome.title,
            "title_folded": None if outcome.title is None else fold(outcome.title),
            "language": outcome.language,
            "document_date": outcome.document_date,
            "n_pages": outcome.n_pages,
            "n_characters": outcome.n_characters,
            "metadata": json.dumps(dict(outcome.metadata), sort_keys=True, ensure_ascii=False),
            "updated_at": moment,
        }
        if not tx.run(self._sql.finish, values):
            return False
        tx.run(self._sql.forget_stages, {"document_id": outcome.document_id})
        if outcome.stages:
            rows = [
                {
                    "document_id": outcome.document_id,
                    "stage": s.stage,
                    "component": s.component,
                    "artifact": s.artifact,
                    "seconds": round(s.seconds, 4),
                    "finished_at": moment,
                }
                for s in outcome.stages
            ]
            tx.run(self._sql.add_stage, rows)
        return True

    def requeue(self, ids: Sequence[str]) -> int:
        """Queue documents again, as if just added: how many."""
        with self._tables.transaction() as tx:
            values = ({"ids": chunk, "updated_at": now()} for chunk in _chunks(ids))
            return sum(tx.run(self._sql.requeue, v) for v in values)

    def remove(self, tx: Any, ids: Sequence[str]) -> None:
        """Delete rows within a transaction. What they contributed elsewhere is the caller's."""
        for chunk in _chunks(ids):
            # The document goes last: rows that hang on it are their workspace's by it.
            for query in (self._sql.delete_versions, self._sql.delete_stages, self._sql.delete):
                tx.run(query, {"ids": chunk})

    def row(self, ident: str) -> Any:
        """The row of one document.

        Raises:
            NotFound: the workspace has no such document.
        """
        with self._tables.read() as tx:
            row = tx.one(self._sql.find, {"id": ident})
        if row is None or row.workspace != self.workspace:
            raise NotFound(f"no document {ident!r} in workspace {self.workspace!r}", id=ident)
        return row

    def rows(self, ids: Sequence[str]) -> dict[str, Any]:
        """Rows by id; unknown ids are left out."""
        with self._tables.read() as tx:
            found = [r for c in _chunks(ids) for r in tx.rows(self._sql.find_many, {"ids": c})]
        return {r.id: r for r in found if r.workspace == self.workspace}

    def children(self, ident: str) -> list[Any]:
        with self._tables.read() as tx:
            return list(tx.rows(self._sql.children, {"parent_id": ident}))

    def duplicates_of(self, ident: str) -> list[str]:
        with self._tables.read() as tx:
            return [r.id for r in tx.rows(self._sql.duplicates_of, {"id": ident})]

    def ids(self, states: Sequence[State]) -> list[str]:
        """Ids of the documents in any of `states`."""
        with self._tables.read() as tx:
            values = {"workspace": self.workspace, "states": [s.value for s in states]}
            return [r.id for r in tx.rows(self._sql.ids_in_states, values)]

    def every_id(self) -> Iterator[str]:
        """All document ids, in order, a thousand at a time."""
        after = ""
        while True:
            with self._tables.read() as tx:
                values = {"workspace": self.workspace, "after": after, "n": 1000}
                ids = [r.id for r in tx.rows(self._sql.all_ids, values)]
            if not ids:
                return
            yield from ids
            after = ids[-1]

    def counts(self) -> Counts:
        states, pages = {s.value: 0 for s in State}, 0
        with self._tables.read() as tx:
            for row in tx.rows(self._sql.counts, {"workspace": self.workspace}):
                states[row.state] = row.n
                pages += int(row.n_pages) if row.state == "done" else 0
        return Counts(states, pages)

    def failures(self) -> list[tuple[str, str, int]]:
        """(state, code, number of documents), most frequent first."""
        with self._tables.read() as tx:
            rows = tx.rows(self._sql.failures, {"workspace": self.workspace})
            return [(r.state, r.code or "", r.n) for r in rows]

    def stages(self, ident: str) -> list[Any]:
        with self._tables.read() as tx:
            return list(tx.rows(self._sql.stages, {"document_id": ident}))

    def versions(self, ident: str) -> list[Any]:
        with self._tables.read() as tx:
            return list(tx.rows(self._sql.versions, {"document_id": ident}))

    def artifact(self, ident: str, stage: str) -> str | None:
        """The blob key of what `stage` made of a document's current version."""
        with self._tables.read() as tx:
            row = tx.one(self._sql.stage_artifact, {"document_id": ident, "stage": stage})
        return None if row is None else row.artifact

    def version_in_use(self, version: str) -> bool:
        """Whether any document of any workspace has these bytes."""
        with self._tables.read() as tx:
            row = tx.one(self._sql.version_users, {"version": version})
        return row is not None and row.n > 0


def as_document(row: Any) -> Document:
    """A ledger row as lists show it."""
    return Document(
        id=row.id,
        workspace=row.workspace,
        source_key=row.source_key,
        name=row.name,
        parent_id=row.parent_id,
        version=row.version,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        added_at=row.added_at,
        title=row.title,
        language=row.language,
        n_pages=row.n_pages,
        n_characters=row.n_characters,
        state=State(row.state),
        stage=row.stage,
        code=row.code,
        reason=row.reason,
        notes=tuple(json.loads(row.notes)),
        duplicate_of=row.duplicate_of,
        attempts=row.attempts,
        updated_at=row.updated_at,
    )


def quarantine(row: Any, attempts: int, last: str = "") -> Outcome:
    """The end of a document that killed its worker too often, at `last` so."""
    return Outcome(
        document_id=row.id,
        version=row.version,
        state=State.QUARANTINED,
        code="worker_killed",
        reason=f"its worker died {attempts} times while reading it{f' ({last})' if last else ''}: open the file and save it anew, then retry",
        media_type=row.media_type,
        metadata=json.loads(row.metadata),
    )


def _chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    for first in range(0, len(ids), _CHUNK):
        yield list(ids[first : first + _CHUNK])
