"""Work in processes of this machine."""

from __future__ import annotations

import contextlib
import inspect
import os
import pickle
import queue
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.context import SpawnProcess
from multiprocessing.util import Finalize
from types import ModuleType
from typing import Any, final

from salient import log
from salient.errors import Error, InvalidInput, Misconfigured, Unavailable, Unsupported
from salient.work import (
    Done,
    End,
    Failed,
    Handler,
    Item,
    Kind,
    Lost,
    Place,
    Pool,
    Recipe,
    WorkConfig,
)
from salient.work.batches import MOST, Batcher
from salient.work.inline import away
from salient.work.parallel import Function

_log = log.get(__name__)

_BATCH_S = 0.5  # of work at a time: results come steadily, and quick items do not cost a trip each
_CLOSED = "the pool was closed before all was done"
_READY_S = 900.0  # longest that a handler takes to be made: models are loaded then


@dataclass(eq=False, slots=True)
class _Run:
    """Where the tasks of a run come back to."""

    ended: queue.SimpleQueue[_Task] = field(default_factory=queue.SimpleQueue)
    left: bool = False
    """Whether nobody waits for them any more."""


@dataclass(eq=False, slots=True)
class _Task:
    """A batch on its way through a worker: `ends` come back, or `died` says why none do."""

    recipe: Recipe
    batch: list[Item]
    ids: dict[str, str]
    run: _Run
    seconds: float = 0.0
    ends: list[Any] = field(default_factory=list)
    died: str = ""
    raised: BaseException | None = None


@final
class Processes(Pool):
    """`n` worker processes, started when first needed.

    A thread for each hands it one batch at a time, so that of a worker that dies (killed, out of
    memory) it is known what it had. That is then done again one item at a time: only the one that
    kills its worker comes back as `Lost`, and other workers do not notice. One that is at an item
    for `hang_s` is killed by a timer of its own.
    """

    def __init__(self, n: int, place: Place, config: WorkConfig) -> None:
        self._n = n
        self._given = place, config
        self._lock = threading.Lock()
        self._closings = 0
        self._urgent: deque[_Task] = deque()
        self._bulk: deque[_Task] = deque()
        self._crew: list[_Crew] = []  # one, while there is work
        self._idle: list[_Worker] = []
        # A program that ends without closing us would wait for ever for workers that wait for it.
        self._at_exit = Finalize(self, _end, (self._crew, self._idle), exitpriority=10)

    @property
    def slots(self) -> int:
        return self._n

    def run(self, recipe: Recipe, items: Iterable[Item], *, urgent: bool = False) -> Generator[End]:
        # What may be done once only goes alone: nothing beside it is ever done again.
        batcher = Batcher(
            iter(items), _BATCH_S, 1 if recipe.kind(self._given[1].modules).once else MOST
        )
        run = _Run()
        ids = log.correlation()
        closings = self._closings
        n = 0
        try:
            while True:
                # Two a worker: one at work, one ready, so that none waits for the coordinator.
                while n < 2 * self._n and (batch := batcher.next(self._n)):
                    self._put(_Task(recipe, batch, ids, run), closings, urgent=urgent)
                    n += 1
                if not n:
                    return
                task = run.ended.get()
                n -= 1
                if task.raised is not None:
                    raise task.raised
                if not task.died:
                    batcher.observe(task.batch, task.seconds)
                    yield from _ends(task)
                elif len(task.batch) == 1:
                    yield Lost(task.batch[0], task.died)
                else:
                    for item in task.batch:
                        self._put(_Task(recipe, [item], ids, run), closings, urgent=urgent)
                        n += 1
        finally:
            # No lock: this may run wherever Python collects what nobody holds any more.
            run.left = True

    def close(self) -> None:
        """Wait for what is at work, and end the workers. What waits is not done any more."""
        with self._lock:
            self._closings += 1
            crew = [self._crew.pop()] if self._crew else []
            waiting = [*self._urgent, *self._bulk]
            self._urgent.clear()
            self._bulk.clear()
        for task in waiting:
            task.raised = Unavailable(_CLOSED)
            task.run.ended.put(task)
        _end(crew, self._idle)

    def _put(self, task: _Task, closings: int, *, urgent: bool) -> None:
        """Have a task done, of a run that began after so many closings."""
        with self._lock:
            if closings != self._closings:
                raise Unavailable(_CLOSED)
            if not self._crew:
                self._crew.append(_Crew(self._n))
            (self._urgent if urgent else self._bulk).append(task)
            self._crew[0].do(self._work)

    def _work(self) -> None:
        """Have one task done, whichever is the most urgent now; in a thread."""
        with self._lock:
            task = self._next()
            if task is None:
                return
            worker = self._idle.pop() if self._idle else None
        try:
            worker = worker or _Worker(*self._given)
            worker.do(task)
        except BaseException as exc:  # whoever runs it shall see it, not this thread
            task.raised = exc
        if worker is not None and worker.lives:
            with self._lock:
                self._idle.append(worker)
        task.run.ended.put(task)

    def _next(self) -> _Task | None:
        # Past all that nobody waits for: one may lie here without a call of ours for it, where
        # whoever put it was interrupted.
        for tasks in (self._urgent, self._bulk):
            while tasks:
                if not (task := tasks.popleft()).run.left:
                    return task
        return None


class _Crew:
    """Up to `n` threads that do what they are given.

    Not an executor of the standard library: its locks are taken in Python code, where Ctrl-C may come
    between the taking and the `with`, and nobody would ever get them again. A `SimpleQueue` and a
    `Lock` are not interrupted. One caller at a time.
    """

    def __init__(self, n: int) -> None:
        self._n = n
        self._given: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def do(self, action: Callable[[], None]) -> None:
        self._given.put(action)
        if len(self._threads) < self._n:
            # A daemon: else a program that does not close its pool would wait for it when it ends.
            thread = threading.Thread(
                target=_obey, args=(self._given,), name="salient-worker", daemon=True
            )
            thread.start()
            self._threads.append(thread)

    def end(self) -> None:
        """Wait until all is done that was given."""
        self._given.put(None)  # for all of them, one after the other
        for thread in self._threads:
            if thread is not threading.current_thread():  # that collects a pool nobody closed
                thread.join()


def _obey(given: queue.SimpleQueue[Callable[[], None] | None]) -> None:
    while (action := given.get()) is not None:
        action()
        del action  # it holds the pool, which nobody else may
    given.put(None)  # for the others; one may be among them that Ctrl-C kept from being counted


class _Worker:
    """A worker process, as its coordinator holds it: one task at a time."""

    def __init__(self, place: Place, config: WorkConfig) -> None:
        self._hang_s = config.hang_s
        self._connection, theirs = Pipe()
        given = (theirs, place, log.configured(), config.modules, config.hang_s)
        self._process = _Process(target=_serve, args=given, name="salient-worker")
        try:
            self._process.start()
        except BaseException:
            self._connection.close()
            raise
        finally:
            theirs.close()
        self.lives = True

    def do(self, task: _Task) -> None:
        """Fill in the task's `ends`, or why it has none."""
        values = [item.value for item in task.batch]
        try:
            data = pickle.dumps((task.recipe, values, task.ids))
        except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as exc:
            raise InvalidInput(f"an item cannot be sent to a worker process: {exc}") from exc
        try:
            self._connection.send_bytes(data)
            if self._connection not in wait([self._connection, self._process.sentinel]):
                raise EOFError  # noqa: TRY301 # told as a pipe does
            answer = self._connection.recv_bytes()
        except (EOFError, OSError):
            task.died = self._death()
            _log.warning("workers.died", n_items=len(values), reason=task.died)
            return
        found = pickle.loads(answer)  # noqa: S301 - our own worker wrote it
        if isinstance(found, BaseException):
            raise found
        task.seconds, task.ends = found

    def end(self) -> None:
        """Let the process end, once it has done what it is at."""
        self.lives = False
        self._connection.close()
        self._process.join()
        with contextlib.suppress(ValueError):  # the program around us waits for all its children
            self._process.close()

    def _death(self) -> str:
        """Why the process is dead; makes sure that it is."""
        self._process.join(5.0)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        status = self._process.exitcode or 0
        self.end()
        if -status == signal.SIGALRM:
            return f"it took longer than work.hang_s, {self._hang_s:g} s"
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return f"its worker process died, {how}"


def _end(crew: list[_Crew], workers: list[_Worker]) -> None:
    while crew:
        crew.pop().end()
    while workers:
        workers.pop().end()


def _ends(task: _Task) -> Iterator[End]:
    for item, end in zip(task.batch, task.ends, strict=True):
        if isinstance(end, Error):
            if away(end):
                raise end
            yield Failed(item, end)
        else:
            yield Done(item, end[0])


class _Process(SpawnProcess):
    """A worker that does not run the host's main module anew.

    It needs nothing of it; and a script without `if __name__ == "__main__":` would start its work
    again in every worker. Spawned, not forked: a fork of a process with threads and models can
    deadlock.
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


_LOCK = threading.Lock()


# --- in the worker process


class _Here:
    """What a worker process keeps: its place, and the handler of the recipe it has last seen."""

    recipe: Recipe | None = None
    handler: Handler

    def __init__(self, place: Place, modules: Sequence[str], hang_s: float) -> None:
        self._place = place
        self._modules = modules
        self._hang_s = hang_s

    def work(
        self, recipe: Recipe, values: Sequence[Any], ids: dict[str, str]
    ) -> tuple[float, list[Any]]:
        """How long a batch took, and its ends: an error, or a result in a tuple."""
        with log.bound(ids), log.span("batch", n_items=len(values)):
            if self.recipe != recipe:
                self.close()
                signal.setitimer(signal.ITIMER_REAL, max(_READY_S, self._hang_s))
                kind = self._kind(recipe)
                self.handler = kind.factory(recipe.setup, self._place)
                self.recipe = recipe
            ends: list[Any] = []
            started = time.monotonic()
            try:
                for value in values:
                    # The system ends us when it rings, whatever we are at: no thread could.
                    signal.setitimer(signal.ITIMER_REAL, self._hang_s)
                    try:
                        ends.append((self.handler(value),))
                    except Error as error:
                        ends.append(error)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            return time.monotonic() - started, ends

    def _kind(self, recipe: Recipe) -> Kind:
        # Whoever started us may have us import what it has imported itself.
        allowed = (*self._modules, recipe.module)
        try:
            return recipe.kind(allowed)
        except Misconfigured:
            # A function that was wrapped outside of its module, which alone we have imported?
            name = recipe.name.partition(":")[2]
            function = getattr(sys.modules.get(recipe.module), name, None)
            if not inspect.isfunction(function):
                raise
        Function(function, _nowhere, once=False)
        return recipe.kind(allowed)

    def close(self) -> None:
        if self.recipe is not None:
            self.recipe = None
            self.handler.close()


def _nowhere(url: str | None) -> Pool:
    raise Unsupported("a worker process does not send its calls to others")


def _serve(
    connection: Connection, place: Place, logs: log.Configured | None, modules: Sequence[str], hang_s: float
) -> None:  # fmt: skip
    """What a worker process does until nobody holds the other end. It logs to where the coordinator does."""
    # Ctrl-C goes to the whole group; the coordinator decides when workers end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    single_threaded()
    if logs is not None:
        logs.again()
    here = _Here(place, modules, hang_s)
    try:
        while True:
            try:
                data = connection.recv_bytes()
            except (EOFError, OSError):
                break
            try:
                recipe, values, ids = pickle.loads(data)  # noqa: S301 - our coordinator wrote it
                answer = _pickled(*here.work(recipe, values, ids))
            except (
                Exception
            ) as exc:  # a fault in code, ours or another's: whoever runs us shall see it
                answer = _raised(exc)
            try:
                connection.send_bytes(answer)
            except OSError:
                break
    finally:
        here.close()
        place.close()


def _pickled(seconds: float, ends: list[Any]) -> bytes:
    """Ends as bytes; a result that cannot be sent becomes an error."""
    try:
        return pickle.dumps((seconds, ends))
    except Exception:  # what a result's own class raises while it is pickled may be anything
        for i, end in enumerate(ends):
            try:
                pickle.dumps(end)
            except Exception as exc:  # as above
                ends[i] = InvalidInput(f"what came out cannot be sent back: {exc}")
        return pickle.dumps((seconds, ends))


def _raised(exc: Exception) -> bytes:
    """An exception as bytes, with where it was raised, as it can be read back."""
    exc.add_note("In a worker process:\n" + "".join(traceback.format_exception(exc)))
    try:
        data = pickle.dumps(exc)
        pickle.loads(data)  # noqa: S301 - ours; some exceptions go in but do not come out
    except Exception:  # its own class decides how it is pickled, and may fail at it in any way
        told = RuntimeError(f"{type(exc).__name__} in a worker process: {exc}")
        told.__notes__ = exc.__notes__
        return pickle.dumps(told)
    return data


def single_threaded() -> None:
    """Keep libraries from starting a thread a core in each of many workers."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_THREAD_LIMIT"):
        os.environ.setdefault(name, "1")


def open_pool(rest: str, place: Place, config: WorkConfig) -> Pool:
    """`processes:N`; without a number, one a core."""
    if rest and not (rest.isdecimal() and 1 <= int(rest) <= 256):
        raise Misconfigured(f"processes:{rest} is not processes:N with N from 1 to 256")
    return Processes(int(rest) if rest else os.cpu_count() or 1, place, config)
