"""Documents taken through the real chain for a bounded time, to see what they cost. Nothing of it stays.

Workers are as many processes as a run would have; what they make is committed here, into stores in a
temporary folder.
"""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil

from salient import work
from salient.knowledge.resolve import Resolver
from salient.learning.registry import PREFIX, Registry
from salient.learning.vectors import open_encoder
from salient.model import State, Text, document_id
from salient.pipeline import intake
from salient.pipeline.commit import Committer, Indexes, document_schema, passage_schema
from salient.pipeline.costs import Line, family
from salient.pipeline.ledger import Intake, Ledger, Outcome
from salient.pipeline.run import PATIENCE_S
from salient.pipeline.stages import CONVERT, STAGES
from salient.pipeline.survey import Drawn
from salient.pipeline.worker import Task, Worker, WorkerConfig
from salient.storage.blob import Blobs
from salient.storage.search import SearchIndex
from salient.storage.sql import Tables

_CHILDREN = (
    4  # documents inside an archive or a mail that are tried; the others are taken to be like them
)
_BLOCK = 4096  # bytes that file systems give at once
_LOOK_S = 0.25  # between two looks at the memory of processes
_HANG_S = 120.0  # beyond the longest conversion: a worker may have to be started on a busy machine
_WARM = (
    b"Halden Maritime AS bought Brightwater Ltd. for 3 million euros. It makes pumps in Leeds.\n"
)


@dataclass(slots=True)
class Taken:
    """What a document took, with all that is inside it."""

    seconds: float = 0.0
    """Of one worker, by the clock."""
    cpu_s: float = 0.0
    n_documents: float = 0.0
    n_failed: float = 0.0
    n_pages: float = 0.0
    n_words: float = 0.0
    n_characters: float = 0.0
    artifact_bytes: float = 0.0
    inner_bytes: float = 0.0
    """Originals of the documents inside it."""
    folder_bytes: float = 0.0
    """Of all its blobs as files: whole blocks, and a folder for what each stage made."""

    def add(self, other: Taken, times: float) -> None:
        """Count another document `times` times as part of this one."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + times * getattr(other, name))


@dataclass(slots=True)
class Measured:
    """A worker's answer: what a file took, and what is to be committed of it."""

    taken: Taken
    pid: int
    spent_s: float
    """Processor time of the worker since it was started."""
    intakes: list[Intake] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    load_s: float | None = None
    """How much longer the worker's first file of this family took than the same file again."""


@dataclass(slots=True)
class Tried:
    """A file and what it took; None when its worker was given up."""

    drawn: Drawn
    taken: Taken | None


@dataclass(slots=True)
class Memory:
    """The most that one process of a role held, in bytes."""

    worker: int = 0
    """What a worker shares with nobody."""
    shared: int = 0
    """What a worker maps and others of the machine may map too."""
    converter: int = 0
    coordinator: int = 0


@dataclass(slots=True)
class Trial:
    """What was seen."""

    workers: int
    tried: list[Tried] = field(default_factory=list)
    start_s: float = 0.0
    """From starting the workers until each had done a first document."""
    start_cpu_s: float = 0.0
    """Processor time of one of them for it."""
    load_s: dict[str, list[float]] = field(default_factory=dict)
    """By family, what loading its reader took each worker that had one."""
    coordinator_s: float = 0.0
    coordinator_cpu_s: float = 0.0
    """Of taking in, committing and linking: by the clock, and of the processor."""
    busy_s: float = 0.0
    """From the first file to the last, commits included."""
    take_in: Line = field(default_factory=lambda: Line.prior(0.002, 0.01, 100_000, 0.5))
    """Seconds of the coordinator a file, by its bytes."""
    commit: Line = field(default_factory=lambda: Line.prior(0.01, 1.0, 20_000, 0.5))
    """Seconds of the coordinator a document, by its characters."""
    link_s: float = 0.0
    n_committed: int = 0
    n_characters: int = 0
    """Of what was committed."""
    index_bytes: int = 0
    table_bytes: int = 0
    memory: Memory = field(default_factory=Memory)


class _Measuring:
    """A worker that also says what it took."""

    def __init__(self, config: WorkerConfig, blobs: Blobs) -> None:
        self._worker = Worker(config, blobs)
        self._workspace = config.workspace
        self._blobs = blobs
        self._known: set[str] = set()
        self._me = psutil.Process()
        self._below: psutil.Process | None = None

    def __call__(self, item: Intake, /) -> Measured:
        kind = family(item.name)
        first_s = None
        if kind not in self._known:
            # The first of its kind also pays for loading a reader: once a worker, not once a file.
            self._known.add(kind)
            began = time.perf_counter()
            self._worker(self._task(item))
            first_s = time.perf_counter() - began
            forget(self._blobs, item.version)
        made = Measured(Taken(), os.getpid(), 0.0, [item])
        draw = random.Random(item.version)  # noqa: S311 - no secret is made of it
        began = time.perf_counter()
        made.taken = self._document(item, made, draw)
        if first_s is not None:
            made.load_s = max(0.0, first_s - (time.perf_counter() - began))
        made.spent_s = self._cpu_s()
        return made

    def close(self) -> None:
        self._worker.close()

    def _task(self, item: Intake) -> Task:
        ident = document_id(self._workspace, item.source_key)
        return Task(ident, item.version, item.name, item.depth, item.metadata)

    def _document(self, item: Intake, made: Measured, draw: random.Random) -> Taken:
        """What a document takes, and some of those inside it for all of them."""
        began, spent = time.perf_counter(), self._cpu_s()
        outcome = self._worker(self._task(item))
        taken = Taken(time.perf_counter() - began, max(0.0, self._cpu_s() - spent), n_documents=1)
        made.outcomes.append(outcome)
        taken.n_failed = float(outcome.state is not State.DONE)
        taken.n_pages = outcome.n_pages or 0
        taken.n_characters = outcome.n_characters or 0
        text = outcome.artifact(CONVERT)
        if text is not None:
            taken.n_words = len(Text.load(self._blobs.view(text)).text.split())
        sizes = [self._blobs.size(s.artifact) for s in outcome.stages if s.artifact is not None]
        taken.artifact_bytes = sum(sizes)
        # Beside the text lies the manifest of the conversion: one more block.
        blocks = sum(-(-size // _BLOCK) for size in (item.size_bytes, *sizes)) + 1 + len(sizes)
        taken.folder_bytes = _BLOCK * blocks
        inside = outcome.children
        chosen = draw.sample(inside, min(_CHILDREN, len(inside)))
        for child in chosen:
            made.intakes.append(child)
            part = self._document(child, made, draw)
            part.inner_bytes += child.size_bytes
            taken.add(part, len(inside) / len(chosen))
        return taken

    def _cpu_s(self) -> float:
        """Processor time of this process and the one that converts for it, until now."""
        own = self._me.cpu_times()
        total: float = own.user + own.system + own.children_user + own.children_system
        try:
            if self._below is None or not self._below.is_running():
                self._below = next(iter(self._me.children()), None)
            if self._below is not None:
                times = self._below.cpu_times()
                total += times.user + times.system
        except psutil.NoSuchProcess:
            self._below = None  # it ended just now, and is counted among the ended
        return total


@work.handler(value=Intake, result=Measured, setup=WorkerConfig)
def measuring(config: WorkerConfig, place: work.Place) -> _Measuring:
    """A worker for trials."""
    return _Measuring(config, place.blobs)


def forget(blobs: Blobs, version: str) -> None:
    """Delete what was made of a version, so that it is made anew."""
    for stage in STAGES:
        blobs.delete_prefix(f"artifact/{stage}/{version[:2]}/{version}/")


class Scratch:
    """Stores in a temporary folder and workers over them. Use it as a context manager.

    Args:
        config: how workers of the workspace work.
        blobs: the workspace's, where the ontology that `config` speaks of lies.
        models: the workspace's. What `config` names of them stays open, so that workers find it in
            the folder that they share and ask the scratch stores for nothing.
        workers: how many at once.
        batch: most documents between two commits; one is due when it is in a run.
    """

    def __init__(
        self,
        config: WorkerConfig,
        blobs: Blobs,
        models: Registry,
        *,
        workers: int,
        batch: int,
        max_file_bytes: int,
    ) -> None:
        self._config = config
        self._workers = workers
        self._batch = batch
        self._max_file_bytes = max_file_bytes
        with ExitStack() as opened:
            folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="salient-plan-"))
            self._folder = Path(folder)
            self._place = work.Place(
                f"file:{folder}/blobs?sync=no", f"sqlite:{folder}/cache.db", models.place
            )
            opened.callback(self._place.close)
            self._blobs = self._place.blobs
            for key in (config.ontology, config.rules):
                if key is not None:
                    self._blobs.put(key, blobs.get(key))
            for spec in (config.gazetteer, config.encoder):
                if spec is not None and spec.startswith(PREFIX):
                    opened.enter_context(models.open_named(spec))
            self._tables = opened.enter_context(Tables.open(f"sqlite:{folder}/tables.db"))
            self._tables.migrate()
            dimensions = open_encoder(config.encoder, models).dimensions
            documents = SearchIndex.open(
                f"embedded:{folder}/index/documents", document_schema(dimensions)
            )
            opened.callback(documents.close)
            passages = SearchIndex.open(
                f"embedded:{folder}/index/passages", passage_schema(dimensions)
            )
            opened.callback(passages.close)
            self._ledger = Ledger(self._tables, config.workspace)
            self._committer = Committer(
                self._ledger,
                self._tables,
                self._blobs,
                Indexes(documents, passages),
                config.workspace,
            )
            self._open = opened.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def run(
        self,
        files: Iterator[Drawn],
        *,
        seconds: float,
        report: Callable[[int], object] = lambda _: None,
    ) -> Trial:
        """Try files in order; none is begun after so many seconds.

        Args:
            report: told how many files are done; what it raises ends the trial.
        """
        trial = Trial(self._workers)
        empty = {part: _size(self._folder, part) for part in ("index", "tables.db")}
        pids: set[int] = set()
        config = work.WorkConfig(hang_s=self._config.limits.time_s + _HANG_S)
        recipe = work.Recipe.of(measuring, self._config)
        with (
            work.open_pool(f"processes:{self._workers}", self._place, config) as pool,
            _watched(pids, trial.memory),
        ):
            began = time.perf_counter()
            for end in pool.run(recipe, iter(self._warm())):
                if isinstance(end, work.Failed):
                    raise end.error  # a component cannot be loaded: no document is to blame
                if isinstance(end, work.Done):
                    pids.add(end.result.pid)
                    trial.start_cpu_s = max(trial.start_cpu_s, end.result.spent_s)
            trial.start_s = time.perf_counter() - began
            self._try(files, pool, recipe, trial, seconds, report, pids)
        for part, attribute in (("index", "index_bytes"), ("tables.db", "table_bytes")):
            setattr(trial, attribute, _size(self._folder, part) - empty[part])
        return trial

    def _warm(self) -> Iterator[work.Item]:
        """A short text for every worker, each another one, so that all load what they need."""
        for n in range(2 * self._workers):
            item = self._keep(_WARM + str(n).encode())
            yield work.Item(item, 1.0)

    def _keep(self, content: bytes) -> Intake:
        version = hashlib.sha256(content).hexdigest()
        self._blobs.put(intake.original_key(version), content)
        return Intake(f"warm:{version}", "warm.txt", version, len(content))

    def _try(
        self,
        files: Iterator[Drawn],
        pool: work.Pool,
        recipe: work.Recipe,
        trial: Trial,
        seconds: float,
        report: Callable[[int], object],
        pids: set[int],
    ) -> None:
        began = time.perf_counter()
        drawn_by: dict[str, Drawn] = {}

        def items() -> Iterator[work.Item]:
            for drawn in files:
                if time.perf_counter() - began > seconds:
                    return
                with _timed(trial) as timed:
                    item = intake.take(drawn.source, self._blobs, self._max_file_bytes)
                trial.take_in.observe(drawn.size_bytes, timed.seconds)
                if item.failure:
                    trial.tried.append(Tried(drawn, Taken(n_documents=1, n_failed=1)))
                    continue
                drawn_by[item.source_key] = drawn
                yield work.Item(item, drawn.expected_s)

        waiting: list[Measured] = []
        touched: set[str] = set()
        committed = began
        for end in pool.run(recipe, items()):
            drawn = drawn_by.pop(end.item.value.source_key)
            if isinstance(end, work.Failed):
                raise end.error
            if isinstance(end, work.Lost):
                trial.tried.append(Tried(drawn, None))
                continue
            made: Measured = end.result
            pids.add(made.pid)
            trial.tried.append(Tried(drawn, made.taken))
            waiting.append(made)
            if made.load_s is not None:
                trial.load_s.setdefault(family(drawn.source.name), []).append(made.load_s)
            report(len(trial.tried))
            late = time.perf_counter() - committed > PATIENCE_S
            if late or sum(len(m.outcomes) for m in waiting) >= self._batch:
                touched |= self._commit(waiting, trial)
                waiting, committed = [], time.perf_counter()
        touched |= self._commit(waiting, trial)
        trial.busy_s = time.perf_counter() - began
        with _timed(trial) as timed:
            Resolver(self._tables, self._config.workspace).resolve(touched)
        trial.link_s = timed.seconds

    def _commit(self, waiting: Sequence[Measured], trial: Trial) -> set[str]:
        """Enter and commit what workers have done, as the coordinator of a run does."""
        outcomes = [o for made in waiting for o in made.outcomes]
        if not outcomes:
            return set()
        with _timed(trial) as timed:
            self._ledger.take_in([i for made in waiting for i in made.intakes])
            touched = self._committer.commit(outcomes)
        n = len(outcomes)
        characters = sum(o.n_characters or 0 for o in outcomes)
        trial.commit.observe(characters / n, timed.seconds / n, n)
        trial.n_committed += n
        trial.n_characters += characters
        return touched


class _timed:  # noqa: N801 - used as a context manager, as `suppress` is
    """Counts a block's time as the coordinator's."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self.seconds = 0.0

    def __enter__(self) -> Self:
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        began, spent = self._began
        self.seconds = time.perf_counter() - began
        self._trial.coordinator_s += self.seconds
        self._trial.coordinator_cpu_s += time.process_time() - spent


class _watched:  # noqa: N801 - used as a context manager, as `suppress` is
    """Notes the memory of this process, the workers, and the processes below them."""

    def __init__(self, pids: set[int], memory: Memory) -> None:
        self._pids = pids
        self._memory = memory
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="salient-plan", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._stop.wait(_LOOK_S):
            self._memory.coordinator = max(self._memory.coordinator, me.memory_info().rss)
            for pid in list(self._pids):
                try:
                    self._look(psutil.Process(pid))
                except psutil.Error:
                    continue  # it ended between two looks

    def _look(self, worker: psutil.Process) -> None:
        memory, full = self._memory, worker.memory_full_info()
        memory.worker = max(memory.worker, full.uss)
        memory.shared = max(memory.shared, full.rss - full.uss)
        for below in worker.children():
            memory.converter = max(memory.converter, below.memory_info().rss)


def _size(folder: Path, part: str) -> int:
    """Bytes of a file with its write-ahead log, or of all files of a folder."""
    return sum(
        file.stat().st_size
        for path in folder.glob(part + "*")
        for file in (path.rglob("*") if path.is_dir() else [path])
        if file.is_file()
    )
