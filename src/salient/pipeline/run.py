"""The coordinator: takes sources in, hands documents to workers, commits what they make."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from salient import log
from salient.errors import Error
from salient.knowledge.ontology import load_ontology
from salient.knowledge.resolve import Resolver
from salient.model import Source, State
from salient.pipeline import intake, known
from salient.pipeline.commit import Committer, Indexes
from salient.pipeline.executors import Executor, Inline, LocalProcesses, Lost
from salient.pipeline.ledger import Counts, Intake, Ledger, Outcome, Owner, quarantine
from salient.pipeline.worker import Task, WorkerConfig
from salient.readers import Limits
from salient.storage.blob import Blobs
from salient.storage.kv import KeyValue
from salient.storage.sql import Tables

_log = log.get(__name__)

_INTAKE = 64  # documents entered in one transaction
_PATIENCE_S = 2.0  # longest time between two commits while results come in
_LOCK_S = 20.0  # how long a killed holder keeps others from linking
_PER_PROCESS = 4  # documents that make another process worth its start


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `done` of `total` documents known so far."""

    stage: str
    done: int
    total: int
    name: str = ""


Report = Callable[[Progress], None]
"""Called after each document; raising `Cancelled` from it ends the run cleanly."""


class Cancelled(Exception):
    """Raised by a `Report` to stop a run; what is committed stays, the rest is queued."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a run did."""

    added: int
    unchanged: int
    worked: int
    counts: Counts
    seconds: float


@dataclass(frozen=True, slots=True)
class RunConfig:
    """How a coordinator works."""

    processes: int = 0
    batch: int = 32
    max_attempts: int = 3
    lease_s: float = 600.0
    max_file_bytes: int = 2 * 1024**3


class Coordinator:
    """Runs the pipeline of one workspace.

    - What was added ends in the ledger, whatever happens to workers or files.
    - Killed at any moment, the same call finishes with nothing lost or doubled.
    - Several coordinators may run at once; each document is worked on by one.
    - Memory does not grow with the number of documents.
    """

    def __init__(
        self,
        *,
        tables: Tables,
        blobs: Blobs,
        cache: KeyValue,
        indexes: Indexes,
        worker: WorkerConfig,
        config: RunConfig,
    ) -> None:
        self.workspace = worker.workspace
        self.ledger = Ledger(tables, self.workspace)
        self._tables = tables
        self._blobs = blobs
        self._cache = cache
        self._indexes = indexes
        self._worker = worker
        self._config = config
        self._committer = Committer(self.ledger, tables, blobs, indexes, self.workspace)

    def configure(self, config: RunConfig, limits: Limits) -> None:
        """Work so from the next run on."""
        self._config, self._worker = config, replace(self._worker, limits=limits)

    def add(self, sources: Iterable[Source], report: Report, processes: int | None = None) -> Run:
        """Take sources in and work until nothing is queued.

        Raises:
            Unavailable: a store is away. What was taken in stays queued.
        """
        started = time.perf_counter()
        tally = _Tally()
        incoming = self._take_in(sources, tally, report)
        self._work(incoming, report, tally, processes)
        return Run(
            tally.added,
            tally.unchanged,
            tally.worked,
            self.ledger.counts(),
            time.perf_counter() - started,
        )

    def resume(self, report: Report, processes: int | None = None) -> Run:
        """Work on what is queued, and on what dead owners left behind."""
        return self.add((), report, processes)

    def retry(self, ids: Sequence[str], report: Report, processes: int | None = None) -> Run:
        """Try documents again, as if just added. Files that could not be read are read anew."""
        rows = self.ledger.rows(ids)
        sources = [s for r in rows.values() if (s := intake.again(r)) is not None]
        reread = {s.key for s in sources}
        self.ledger.requeue([r.id for r in rows.values() if r.source_key not in reread])
        return self.add(sources, report, processes)

    def remove(self, ids: Sequence[str]) -> int:
        """Delete documents with all that came of them; return how many there were."""
        found = list(self.ledger.rows(ids))
        if found:
            self.resolve(self._committer.remove(found))
        return len(found)

    def resolve(self, touched: set[str] | None) -> None:
        """Link names to entities again: those touched, or all. One at a time in a workspace."""
        lock = self._cache.lock(f"resolve/{self.workspace}", ttl_s=_LOCK_S, wait_s=600)
        # Linking everything may take longer than a lock should outlive a killed holder.
        with lock as lease, _every(_LOCK_S / 4, lease.renew):
            Resolver(self._tables, self.workspace).resolve(touched)

    def _resolve_left(self) -> None:
        """Link all anew where a run was killed after its commits and before it linked them."""
        prefix = f"pending/resolve/{self.workspace}/"
        left = [k for k in self._blobs.list(prefix) if not Owner.alive(k.removeprefix(prefix))]
        if left:
            self.resolve(None)
        for key in left:
            self._blobs.delete(key)

    def _take_in(self, sources: Iterable[Source], tally: _Tally, report: Report) -> Iterator[None]:
        """Enter sources batch by batch; each step makes the entered ones claimable."""
        batch: list[Intake] = []
        for source in sources:
            batch.append(intake.take(source, self._blobs, self._config.max_file_bytes))
            report(Progress("add", tally.taken + len(batch), tally.taken + len(batch), source.name))
            if len(batch) >= _INTAKE:
                self._enter(batch, tally)
                batch = []
                yield
        if batch:
            self._enter(batch, tally)
            yield

    def _enter(self, batch: Sequence[Intake], tally: _Tally) -> None:
        changed, unchanged = self.ledger.take_in(batch)
        tally.added += changed
        tally.unchanged += unchanged
        tally.taken += len(batch)

    def _work(
        self,
        incoming: Iterator[None],
        report: Report,
        tally: _Tally,
        processes: int | None,
    ) -> None:
        self.ledger.give_back_orphans(self._config.max_attempts)
        self._resolve_left()
        owner = Owner()
        pending = f"pending/resolve/{self.workspace}/{owner.name}"
        batch = _Batch(self._committer, lambda: self._blobs.put(pending, b""))
        # The first documents come in before an executor is chosen: their number decides.
        next(incoming, None)
        try:
            beat = partial(self.ledger.extend, owner, self._config.lease_s)
            with _every(self._config.lease_s / 4, beat), self._executor(processes) as executor:
                while True:
                    for item in executor.run(self._tasks(owner, incoming, batch)):
                        outcome = self._settled(item, batch)
                        if outcome is None:
                            continue
                        batch.results.append(outcome)
                        tally.worked += 1
                        counts = self.ledger.counts()
                        done = counts.total - counts.open + len(batch.results)
                        stage = outcome.stage or "done"
                        report(Progress(stage, done, counts.total, outcome.document_id))
                        if len(batch.results) >= self._config.batch or batch.late:
                            batch.flush()
                    batch.flush()
                    if not self.ledger.counts().states[State.QUEUED]:
                        break  # no children came with the last batch
        except BaseException:
            self.ledger.unclaim(batch.unfinished())
            raise
        finally:
            batch.flush()
            if batch.touched:
                self.resolve(batch.touched)
            self._blobs.delete(pending)

    def _tasks(self, owner: Owner, incoming: Iterator[None], batch: _Batch) -> Iterator[Task]:
        """Claim documents as workers ask for them; take more in when none are left."""
        while True:
            rows = self.ledger.claim(owner, 2 * self._config.batch, self._config.lease_s)
            if not rows:
                if next(incoming, _END) is _END:
                    return
                continue
            batch.claimed.update(r.id for r in rows)
            for row in rows:
                metadata = json.loads(row.metadata)
                yield Task(row.id, row.version, row.name, row.depth, metadata)

    def _settled(self, item: Outcome | Lost, batch: _Batch) -> Outcome | None:
        """An outcome to commit; None when a lost task goes back into the queue."""
        if isinstance(item, Outcome):
            return item
        row = self.ledger.rows([item.task.document_id]).get(item.task.document_id)
        if row is not None and row.attempts >= self._config.max_attempts:
            return quarantine(row, self._config.max_attempts)
        batch.claimed.discard(item.task.document_id)
        self.ledger.release([item.task.document_id])
        return None

    def _executor(self, processes: int | None) -> Executor:
        wanted = self._config.processes if processes is None else processes
        if wanted == 0:
            queued = self.ledger.counts().states[State.QUEUED]
            wanted = max(1, min(os.cpu_count() or 1, queued // _PER_PROCESS))
        worker = replace(self._worker, gazetteer=self._gazetteer())
        return Inline(worker) if wanted <= 1 else LocalProcesses(worker, wanted)

    def _gazetteer(self) -> str | None:
        """The blob key of the knowledge base's names, written if it is not there."""
        ontology = load_ontology(Path(self._worker.ontology) if self._worker.ontology else None)
        return known.publish(self._tables, self._blobs, self.workspace, ontology)


@contextmanager
def _every(seconds: float, action: Callable[[], object]) -> Iterator[None]:
    """Do something again and again in a thread while the block runs: leases and locks are kept so."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(seconds):
            try:
                action()
            except Error as error:  # one missed beat is not the end: three more fit into a lease
                _log.warning("lease.not_extended", code=error.code)

    thread = threading.Thread(target=beat, name="salient-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


_END: Any = object()


class _Batch:
    """What workers made and is not yet committed, and what is claimed."""

    def __init__(self, committer: Committer, before: Callable[[], object]) -> None:
        self._committer = committer
        self._before = before
        self._committed = time.monotonic()
        self.results: list[Outcome] = []
        self.claimed: set[str] = set()
        self.touched: set[str] = set()

    @property
    def late(self) -> bool:
        return time.monotonic() - self._committed > _PATIENCE_S

    def flush(self) -> None:
        """Commit what there is."""
        results, self.results = self.results, []
        if results:
            self._before()
            self.touched |= self._committer.commit(results)
            self.claimed.difference_update(r.document_id for r in results)
        self._committed = time.monotonic()

    def unfinished(self) -> list[str]:
        """Claimed documents that no worker has come back with."""
        return sorted(self.claimed - {r.document_id for r in self.results})


class _Tally:
    """Counts of one run."""

    def __init__(self) -> None:
        self.added = self.unchanged = self.worked = self.taken = 0
