"""Where workers run: in this process, or in local processes. Later: on a queue."""

from __future__ import annotations

import os
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType, TracebackType
from typing import Any, Self

from salient import log
from salient.pipeline.ledger import Outcome
from salient.pipeline.worker import Task, Worker, WorkerConfig

_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Lost:
    """A task whose worker died; nothing is known of how it would have ended."""

    task: Task


class Executor(ABC):
    """Runs tasks on workers.

    - `run` takes tasks from a generator only as workers become free, so memory is flat.
    - Every task comes back once, as an `Outcome` or as `Lost`, in any order.
    """

    @abstractmethod
    def run(self, tasks: Iterable[Task]) -> Iterator[Outcome | Lost]: ...

    @abstractmethod
    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Inline(Executor):
    """One worker in this process; conversions still run in their child."""

    def __init__(self, config: WorkerConfig) -> None:
        self._worker = Worker(config)

    def run(self, tasks: Iterable[Task]) -> Iterator[Outcome | Lost]:
        for task in tasks:
            yield from self._worker.work([task])

    def close(self) -> None:
        self._worker.close()


class LocalProcesses(Executor):
    """`n` worker processes of this machine.

    A worker that dies (killed, out of memory) takes its pool along. The tasks that were under way
    are then run again one at a time, so that only the one that kills its worker comes back as
    `Lost`, and the run goes on with a new pool.
    """

    def __init__(self, config: WorkerConfig, n: int) -> None:
        self._config = config
        self._n = n
        self._pool: ProcessPoolExecutor | None = None

    def run(self, tasks: Iterable[Task]) -> Iterator[Outcome | Lost]:
        waiting = iter(tasks)
        under_way: dict[Future[Outcome], Task] = {}
        exhausted = False
        while True:
            # Two a worker: one at work, one ready, so that none waits for the coordinator.
            while not exhausted and len(under_way) < 2 * self._n:
                task = next(waiting, None)
                if task is None:
                    exhausted = True
                else:
                    under_way[self._submit(task)] = task
            if not under_way:
                return
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            suspects: list[Task] = []
            for future in done:
                task = under_way.pop(future)
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    suspects.append(task)
                    continue
                yield outcome
            if suspects:
                # A broken pool has failed all that it had.
                suspects += under_way.values()
                under_way.clear()
                _log.warning("workers.died", n_tasks=len(suspects))
                yield from self._one_at_a_time(suspects)

    def _one_at_a_time(self, tasks: Iterable[Task]) -> Iterator[Outcome | Lost]:
        self.close()
        for task in tasks:
            try:
                yield self._submit(task).result()
            except BrokenProcessPool:
                self.close()
                yield Lost(task)

    def _submit(self, task: Task) -> Future[Outcome]:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._n, _Spawned(), _start, (self._config, log.configured())
            )
        return self._pool.submit(_work, task, log.correlation())

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


class _Process(SpawnProcess):
    """A worker that does not run the host's main module anew.

    It needs nothing of it; and a script without `if __name__ == "__main__":` would add its
    documents again in every worker.
    """

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 - multiprocessing's own name
        with _LOCK:
            host = sys.modules["__main__"]
            sys.modules["__main__"] = ModuleType("__main__")
            try:
                return SpawnProcess._Popen(process_obj)
            finally:
                sys.modules["__main__"] = host


class _Spawned(SpawnContext):
    """Spawned, not forked: a fork of a process with threads and models can deadlock."""

    Process = _Process


_LOCK = threading.Lock()

_worker: Worker | None = None


def _start(config: WorkerConfig, logs: log.Configured | None) -> None:
    """Make this process's worker, once. It logs to where the coordinator does."""
    global _worker  # noqa: PLW0603 - a pool's processes can be handed state in no other way
    # Ctrl-C goes to the whole group; the coordinator decides when workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_THREAD_LIMIT"):
        os.environ.setdefault(name, "1")
    if logs is not None:
        log.configure(logs.form, logs.level, logs.to)
    _worker = Worker(config)


def _work(task: Task, ids: dict[str, str]) -> Outcome:
    if _worker is None:
        raise RuntimeError("the worker was not started")
    with log.bound(ids):
        return next(_worker.work([task]))
