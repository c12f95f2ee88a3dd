"""The coordinator: takes sources in, hands documents to workers, commits what they make."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from salient import log
from salient.knowledge.copies.store import Copies
from salient.knowledge.grammar_search.rules import Rules
from salient.knowledge.ontology import load_ontology
from salient.knowledge.resolve import Resolver
from salient.learning.registry import Registry
from salient.model import Source, State
from salient.pipeline import intake, known
from salient.pipeline.commit import Committer, Indexes
from salient.pipeline.costs import Costs
from salient.pipeline.ledger import Counts, Intake, Ledger, Outcome, Owner, quarantine
from salient.pipeline.worker import Task, WorkerConfig, documents
from salient.readers import Limits
from salient.storage.blob import Blobs
from salient.storage.kv import KeyValue
from salient.storage.sql import Tables
from salient.work import MAIN, OCR, Done, Failed, Item, Place, Pool, Recipe, WorkConfig, open_pool
from salient.work import End as Ended
from salient.work.beats import every

_log = log.get(__name__)

_INTAKE = 64  # documents entered in one transaction
_CLAIM = 64  # documents claimed in one transaction
PATIENCE_S = 2.0  # longest time between two commits while results come in
_COMMIT_SHARE = 10  # times as long as a commit took is waited for the next
_TOUCHED = 100_000  # names whose linking may wait for the end of a run
_LOCK_S = 20.0  # how long a killed holder keeps others from linking
_URGENT = 50  # documents: so few are somebody waiting, and go before a pile's
_COUNT_SHARE = 0.02  # of the time may go into counting documents for progress
PER_PROCESS = 4  # documents that make another process worth its start


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
    """How a coordinator works.

    `on` is the URL of the pool that works, `auto` for as many processes as the documents are worth.
    A commit is due every two seconds, and at the latest with `batch` documents.
    """

    on: str = "auto"
    processes: int = 0
    batch: int = 256
    max_attempts: int = 3
    lease_s: float = 600.0
    max_file_bytes: int = 2 * 1024**3
    ocr_pool: bool = False
    work: WorkConfig = field(default_factory=WorkConfig)


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
        vectors: Callable[[], str],
        ontology: Path | None,
        rules: Callable[[], Rules] = Rules,
        place: Place,
        models: Registry,
        config: RunConfig,
    ) -> None:
        self.workspace = worker.workspace
        self.ledger = Ledger(tables, self.workspace)
        self._tables = tables
        self._blobs = blobs
        self._cache = cache
        self._indexes = indexes
        self._worker = worker
        self._vectors = vectors
        self._ontology = ontology
        self._rules = rules
        self._place = place
        self._models = models
        self._config = config
        self._committer = Committer(self.ledger, tables, blobs, indexes, self.workspace)

    @property
    def config(self) -> RunConfig:
        """How the next run works."""
        return self._config

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

    @property
    def copies(self) -> Copies:
        """Which documents say the same."""
        return self._committer.copies

    def regroup(self, ids: Sequence[str]) -> None:
        """Group documents anew after people said which of them are copies."""
        with self._cache.lock(f"resolve/{self.workspace}", ttl_s=_LOCK_S, wait_s=600):
            self.copies.decided(ids)

    def resolve(self, touched: set[str] | None) -> None:
        """Find the copies of new documents; link names to entities again: those touched, or all.

        One at a time in a workspace.
        """
        lock = self._cache.lock(f"resolve/{self.workspace}", ttl_s=_LOCK_S, wait_s=600)
        # Linking everything may take longer than a lock should outlive a killed holder.
        with lock as lease, every(_LOCK_S / 4, lease.renew):
            self.copies.gather(lease.renew)
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
        self._committer.sketch_left(lambda: self.resolve(set()))
        self._resolve_left()
        owner = Owner()
        pending = f"pending/resolve/{self.workspace}/{owner.name}"
        batch = _Batch(self._committer, lambda: self._blobs.put(pending, b""))
        # The first documents come in before a pool is chosen: their number decides.
        next(incoming, None)
        counts = _Counting(self.ledger)
        recipe = Recipe.of(documents, self.recipe())
        try:
            beat = partial(self.ledger.extend, owner, self._config.lease_s)
            with every(self._config.lease_s / 4, beat), self._pool(processes) as pool:
                while True:
                    urgent = counts.now().states[State.QUEUED] <= _URGENT
                    items = self._items(owner, incoming, batch)
                    for end in pool.run(recipe, items, urgent=urgent):
                        outcome = self._settled(end, batch)
                        if outcome is None:
                            continue
                        batch.take(end.item, outcome)
                        tally.worked += 1
                        done, total = counts.ended()
                        stage = outcome.stage or "done"
                        report(Progress(stage, done, total, outcome.document_id))
                        if len(batch.results) >= self._config.batch or batch.late:
                            batch.flush()
                            counts.changed()
                            if len(batch.touched) > _TOUCHED:
                                self.resolve(batch.touched)
                                batch.touched = set()
                    batch.flush()
                    if not batch.moved and not counts.now().states[State.QUEUED]:
                        break  # no children came with the last batch
        except BaseException:
            self.ledger.unclaim(batch.unfinished())
            raise
        finally:
            batch.flush()
            if batch.committed:
                self.resolve(batch.touched)
            self._blobs.delete(pending)

    def _items(self, owner: Owner, incoming: Iterator[None], batch: _Batch) -> Iterator[Item]:
        """Claim documents as workers ask for them; take more in when none are left."""
        while True:
            while batch.moved:
                yield batch.moved.popleft()
            claimed = min(_CLAIM, 2 * self._config.batch)
            rows = self.ledger.claim(owner, claimed, self._config.lease_s)
            if not rows:
                if next(incoming, _END) is _END:
                    return
                continue
            batch.claimed.update(r.id for r in rows)
            for row in rows:
                batch.sizes[row.id] = row.name, row.size_bytes
                metadata = json.loads(row.metadata)
                ocr = not self._config.ocr_pool
                task = Task(row.id, row.version, row.name, row.depth, metadata, ocr)
                yield batch.item(task)

    def _settled(self, end: Ended, batch: _Batch) -> Outcome | None:
        """An outcome to commit; None when a lost document goes back into the queue."""
        if isinstance(end, Done):
            outcome: Outcome = end.result
            if outcome.state is State.QUEUED:
                batch.moved.append(batch.item(replace(end.item.value, ocr=True), OCR))
                return None
            return outcome
        if isinstance(end, Failed):
            raise end.error  # of the worker itself: what is wrong with a document is an outcome
        ident = end.item.value.document_id
        row = self.ledger.rows([ident]).get(ident)
        if row is not None and row.attempts >= self._config.max_attempts:
            return quarantine(row, self._config.max_attempts, end.reason)
        batch.claimed.discard(ident)
        del batch.sizes[ident]
        self.ledger.release([ident])
        return None

    def _pool(self, processes: int | None) -> Pool:
        on = self._config.on
        if processes is not None or on == "auto":
            wanted = self._config.processes if processes is None else processes
            if wanted == 0:
                queued = self.ledger.counts().states[State.QUEUED]
                wanted = max(1, min(os.cpu_count() or 1, queued // PER_PROCESS))
            on = "inline:" if wanted <= 1 else f"processes:{wanted}"
        return open_pool(on, self._place, self._config.work)

    def recipe(self) -> WorkerConfig:
        """What workers are built from, with what they need of it in the blob store."""
        ontology = None
        if self._ontology is not None:
            data = self._ontology.read_bytes()
            ontology = f"ontology/{hashlib.sha256(data).hexdigest()}.yaml"
            if not self._blobs.exists(ontology):
                self._blobs.put(ontology, data)
        saved, rules = self._rules(), None
        if saved.digest:
            rules = f"rules/{saved.digest}.json"
            if not self._blobs.exists(rules):
                self._blobs.put(rules, saved.dump())
        return replace(
            self._worker,
            vectors=self._vectors(),
            ontology=ontology,
            gazetteer=self._gazetteer(),
            rules=rules,
        )

    def _gazetteer(self) -> str | None:
        """The model of the knowledge base's names, published if they have changed."""
        ontology = load_ontology(self._ontology)
        return known.publish(self._tables, self._models, self.workspace, ontology)


_END: Any = object()


class _Batch:
    """What workers made and is not yet committed, and what is claimed."""

    def __init__(self, committer: Committer, before: Callable[[], object]) -> None:
        self._committer = committer
        self._before = before
        self._costs = Costs()
        self._flushed = time.monotonic()
        self._patience_s = PATIENCE_S
        self.results: list[Outcome] = []
        self.claimed: set[str] = set()
        self.sizes: dict[str, tuple[str, int]] = {}
        """Name and size of what is claimed."""
        self.moved: deque[Item] = deque()
        """What is left to the workers that read images."""
        self.touched: set[str] = set()
        self.committed = False
        """Whether anything was, in this run."""

    def item(self, task: Task, queue: str = MAIN) -> Item:
        """A document as the pool is given it."""
        name, size = self.sizes[task.document_id]
        return Item(task, self._costs.expected_s(name, size, ocr=queue == OCR), queue)

    def take(self, item: Item, outcome: Outcome) -> None:
        """Keep an outcome until it is committed, and learn what it cost."""
        name, size = self.sizes.pop(outcome.document_id)
        if outcome.stages:
            self._costs.observe(name, size, outcome.seconds, ocr=item.queue == OCR)
        self.results.append(outcome)

    @property
    def late(self) -> bool:
        return time.monotonic() - self._flushed > self._patience_s

    def flush(self) -> None:
        """Commit what there is."""
        results, self.results = self.results, []
        began = time.monotonic()
        if results:
            self._before()
            self.touched |= self._committer.commit(results)
            self.committed = True
            self.claimed.difference_update(r.document_id for r in results)
        self._flushed = time.monotonic()
        # A commit costs much whatever its size: where it takes long, more are waited for.
        self._patience_s = max(PATIENCE_S, _COMMIT_SHARE * (self._flushed - began))

    def unfinished(self) -> list[str]:
        """Claimed documents that no worker has come back with."""
        return sorted(self.claimed - {r.document_id for r in self.results})


class _Counting:
    """The ledger's counts, asked as seldom as keeps their cost small whatever their number."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._counts = ledger.counts()
        self._since = 0
        self._due = 0.0

    def now(self) -> Counts:
        """Counts of this moment."""
        started = time.monotonic()
        self._counts, self._since = self._ledger.counts(), 0
        ended = time.monotonic()
        self._due = ended + (ended - started) / _COUNT_SHARE
        return self._counts

    def changed(self) -> None:
        """Something was committed: count anew, if it is time to."""
        if time.monotonic() > self._due:
            self.now()

    def ended(self) -> tuple[int, int]:
        """One more document has ended: how many have, of how many."""
        self._since += 1
        return self._counts.total - self._counts.open + self._since, self._counts.total


class _Tally:
    """Counts of one run."""

    def __init__(self) -> None:
        self.added = self.unchanged = self.worked = self.taken = 0
