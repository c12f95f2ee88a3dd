"""Work in processes of this machine."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any, final

from salient import log
from salient.errors import Error, Misconfigured
from salient.work import Done, End, Failed, Handler, Item, Lost, Place, Pool, Recipe, WorkConfig
from salient.work.batches import Batcher
from salient.work.inline import away

_log = log.get(__name__)

_BATCH_S = 0.5  # of work at a time: results come steadily, and quick items do not cost a trip each


@final
class Processes(Pool):
    """`n` worker processes, started when first needed.

    A worker that dies (killed, out of memory) takes its pool along. What was under way is then done
    again one item at a time, so that only the one that kills its worker comes back as `Lost`, and
    the run goes on with a new pool. One that hangs is killed after `hang_s`.
    """

    def __init__(self, n: int, place: Place, config: WorkConfig) -> None:
        self._n = n
        self._place = place
        self._config = config
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    @property
    def slots(self) -> int:
        return self._n

    def run(self, recipe: Recipe, items: Iterable[Item], *, urgent: bool = False) -> Iterator[End]:
        batcher = Batcher(iter(items), _BATCH_S)
        under_way: dict[Future[list[Any]], tuple[list[Item], float]] = {}
        while True:
            # Two a worker: one at work, one ready, so that none waits for the coordinator.
            while len(under_way) < 2 * self._n and (batch := batcher.next(self._n)):
                under_way[self._submit(recipe, batch)] = (batch, time.monotonic())
            if not under_way:
                return
            done, _ = wait(under_way, self._config.hang_s, FIRST_COMPLETED)
            if not done:
                _kill(self._pool)  # what it had ends as that of dead workers
                continue
            suspects: list[Item] = []
            for future in done:
                batch, began = under_way.pop(future)
                try:
                    ends = future.result()
                except BrokenProcessPool:
                    suspects += batch
                    continue
                batcher.observe(batch, (time.monotonic() - began) / 2)
                yield from _ends(batch, ends)
            if suspects:
                # A broken pool has failed all that it had.
                for batch, _ in under_way.values():
                    suspects += batch
                under_way.clear()
                _log.warning("workers.died", n_items=len(suspects))
                yield from self._one_at_a_time(recipe, suspects)

    def _one_at_a_time(self, recipe: Recipe, items: Sequence[Item]) -> Iterator[End]:
        """Do items in a process that has nothing else to lose."""
        waiting = deque(items)
        while waiting:
            with self._started(1) as alone:
                while waiting:
                    item = waiting.popleft()
                    future = alone.submit(_work, recipe, [item.value], log.correlation())
                    reason = "its worker process died"
                    if not wait([future], self._config.hang_s).done:
                        reason = f"it took longer than work.hang_s, {self._config.hang_s:g} s"
                        _kill(alone)
                    try:
                        ends = future.result()
                    except BrokenProcessPool:
                        yield Lost(item, reason)
                        break
                    yield from _ends([item], ends)

    def _submit(self, recipe: Recipe, batch: Sequence[Item]) -> Future[list[Any]]:
        values = [item.value for item in batch]
        while True:
            with self._lock:
                if self._pool is None:
                    self._pool = self._started(self._n)
                pool = self._pool
            try:
                return pool.submit(_work, recipe, values, log.correlation())
            except BrokenProcessPool:
                with self._lock:
                    if self._pool is pool:
                        self._pool = None
                pool.shutdown()

    def _started(self, n: int) -> ProcessPoolExecutor:
        given = (self._place, log.configured(), self._config.modules)
        return ProcessPoolExecutor(n, _Spawned(), _start, given)

    def close(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)


def _kill(pool: ProcessPoolExecutor | None) -> None:
    """End workers that do not answer."""
    processes = list((pool._processes if pool else None) or ())
    _log.warning("workers.hang", n_workers=len(processes))
    for pid in processes:
        os.kill(pid, signal.SIGKILL)


def _ends(batch: Sequence[Item], ends: Sequence[Any]) -> Iterator[End]:
    for item, end in zip(batch, ends, strict=True):
        if isinstance(end, Error):
            if away(end):
                raise end
            yield Failed(item, end)
        else:
            yield Done(item, end[0])


class _Process(SpawnProcess):
    """A worker that does not run the host's main module anew.

    It needs nothing of it; and a script without `if __name__ == "__main__":` would start its work
    again in every worker.
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


class _Here:
    """What a worker process keeps: its place, and the handler of the recipe it has last seen."""

    place: Place
    modules: Sequence[str]
    recipe: Recipe | None = None
    handler: Handler


def _start(place: Place, logs: log.Configured | None, modules: Sequence[str]) -> None:
    """Set this process up, once. It logs to where the coordinator does."""
    # Ctrl-C goes to the whole group; the coordinator decides when workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    single_threaded()
    if logs is not None:
        logs.again()
    _Here.place, _Here.modules = place, modules


def single_threaded() -> None:
    """Keep libraries from starting a thread a core in each of many workers."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_THREAD_LIMIT"):
        os.environ.setdefault(name, "1")


def _work(recipe: Recipe, values: Sequence[Any], ids: dict[str, str]) -> list[Any]:
    """Ends of a batch: an error, or a result in a tuple."""
    with log.bound(ids), log.span("batch", n_items=len(values)):
        if _Here.recipe != recipe:
            if _Here.recipe is not None:
                _Here.handler.close()
                _Here.recipe = None
            # Whoever started us may have us import what it has imported itself.
            kind = recipe.kind((*_Here.modules, recipe.module))
            _Here.handler = kind.factory(recipe.setup, _Here.place)
            _Here.recipe = recipe
        ends: list[Any] = []
        for value in values:
            try:
                ends.append((_Here.handler(value),))
            except Error as error:
                ends.append(error)
        return ends


def open_pool(rest: str, place: Place, config: WorkConfig) -> Pool:
    """`processes:N`; without a number, one a core."""
    if rest and not (rest.isdecimal() and 1 <= int(rest) <= 256):
        raise Misconfigured(f"processes:{rest} is not processes:N with N from 1 to 256")
    return Processes(int(rest) if rest else os.cpu_count() or 1, place, config)
