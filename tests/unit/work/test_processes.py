"""Worker processes of this machine: light to start, and gone when nobody wants them."""

import dis
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
from contextlib import closing

import psutil
import pytest

from salient.errors import Unavailable
from salient.work import Done, Item, Lost, Place, Recipe, WorkConfig, handler, open_pool, processes
from tests.cluster.roles import ROOT, until
from tests.unit.work import parallel_tasks as tasks

HEAVY = {"celery", "distributed", "fastapi", "numpy", "pydantic", "redis", "spacy", "sqlite3", "typer"}  # fmt: skip


class Fault:
    def __init__(self, setup, place):
        self._setup = setup

    def __call__(self, value):
        if self._setup == "odd":
            raise Odd(1, 2)
        raise KeyError(value)

    def close(self):
        pass


class Odd(Exception):
    """It goes into a pickle, and does not come out."""

    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


handler()(Fault)


def opened(n=1, **config):
    return open_pool(f"processes:{n}", Place("memory:", "memory:"), WorkConfig(**config))


def results(pool, function, *values):
    return [end.result for end in pool.run(function.recipe, [Item(v) for v in values])]


def test_a_worker_imports_next_to_nothing():
    with opened() as pool:
        (loaded,) = results(pool, tasks.loaded, ())
    assert not HEAVY & {name.partition(".")[0] for name in loaded}
    assert "salient.app" not in loaded


def test_workers_are_started_when_there_is_work_and_no_more_than_there_is():
    before = set(psutil.Process().children())
    with opened(8) as pool:
        assert set(psutil.Process().children()) == before
        results(pool, tasks.double, (1,))
        started = {p for p in set(psutil.Process().children()) - before if "spawn_main" in " ".join(p.cmdline())}  # fmt: skip
        assert len(started) == 1
        assert results(pool, tasks.where, ()) == [p.pid for p in started]
    assert not any(p.is_running() for p in started)


def test_one_that_dies_between_two_runs_costs_one_item_at_most():
    with opened() as pool:
        (pid,) = results(pool, tasks.where, ())
        os.kill(pid, signal.SIGKILL)
        until(lambda: psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, "it is dead")
        ends = list(pool.run(tasks.double.recipe, [Item((n,)) for n in range(5)]))
        assert len(ends) == 5
        assert sum(isinstance(end, Lost) for end in ends) <= 1
        assert sum(isinstance(end, Done) for end in ends) >= 4


def test_a_fault_in_code_is_raised_with_where_it_was():
    with opened() as pool:
        with pytest.raises(KeyError, match="who") as info:
            list(pool.run(Recipe.of(Fault), [Item("who")]))
        assert any("in __call__" in note for note in info.value.__notes__)
        assert results(pool, tasks.double, (1,)) == [2]


def test_a_fault_that_cannot_be_sent_is_told_by_name():
    with opened() as pool, pytest.raises(RuntimeError, match="Odd in a worker process: 1 and 2"):
        list(pool.run(Recipe.of(Fault, "odd"), [Item("who")]))


def test_a_worker_s_time_is_measured_by_item_not_by_batch():
    with opened(hang_s=0.8) as pool:
        found = list(pool.run(Recipe.of(sleeping), [Item(0.05) for _ in range(40)]))
        assert [type(end) for end in found] == [Done] * 40


@handler()
class sleeping:
    def __init__(self, setup, place):
        pass

    def __call__(self, value):
        import time

        time.sleep(value)

    def close(self):
        pass


def test_closing_in_mid_run_ends_the_run():
    pool = opened()
    ends = pool.run(tasks.double.recipe, (Item((n,), cost_s=1.0) for n in range(1000)))
    next(ends)
    pool.close()
    with pytest.raises(Unavailable, match="closed"), closing(ends):
        for _ in ends:
            pass


def test_a_closed_pool_starts_anew():
    pool = opened()
    for _ in range(2):
        assert results(pool, tasks.double, (3,)) == [6]
        pool.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("salient-worker")]


def script(folder, body):
    """Run a program of somebody's, which has no `if __name__ == "__main__":`."""
    file = folder / "program.py"
    file.write_text(textwrap.dedent(body))
    env = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "SALIENT_DATA_DIR": str(folder)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", str(file)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )  # fmt: skip


def test_a_program_without_a_guard_runs_once(tmp_path):
    process = script(
        tmp_path,
        """
        print("once")
        from tests.unit.work.parallel_tasks import double
        with double.on("processes:2") as elsewhere:
            print(sum(elsewhere.map(range(10))))
        """,
    )
    out, err = process.communicate(timeout=100)
    assert (out, err, process.returncode) == ("once\n90\n", "", 0)


@pytest.mark.parametrize("left", ["", "; next(results)"])
def test_a_program_that_closes_nothing_ends(tmp_path, left):
    process = script(
        tmp_path,
        f"""
        import itertools
        from tests.unit.work.parallel_tasks import double
        elsewhere = double.on("processes:2")
        print(elsewhere(4))
        results = elsewhere.map(itertools.count()){left}
        """,
    )
    out, err = process.communicate(timeout=100)
    assert (out, err, process.returncode) == ("8\n", "", 0)


def test_a_program_that_is_killed_takes_its_workers_along(tmp_path):
    process = script(
        tmp_path,
        """
        import time
        from tests.unit.work.parallel_tasks import where
        elsewhere = where.on("processes:1")
        print(elsewhere(), flush=True)
        time.sleep(600)
        """,
    )
    with process:
        worker = psutil.Process(int(process.stdout.readline()))
        process.kill()
    until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, "it ends too")


def test_ctrl_c_ends_a_program_and_its_workers(tmp_path):
    process = script(
        tmp_path,
        """
        import itertools, signal
        signal.signal(signal.SIGINT, signal.default_int_handler)
        from tests.unit.work.parallel_tasks import double, where
        with where.on("processes:1") as one:
            print(one(), flush=True)
            with double.on("processes:2") as elsewhere:
                for n in elsewhere.map(itertools.count()):
                    pass
        """,
    )
    with process:
        worker = psutil.Process(int(process.stdout.readline()))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=100)
    assert err.rstrip().endswith("KeyboardInterrupt")
    assert not worker.is_running()


class _CtrlC:
    """Ctrl-C at the n-th place where Python would let it in: after a call.

    In what Python calls by itself, a weak reference's callback say, Python says that it ignores the exception: then
    the interrupted work goes on.
    """

    def __init__(self, at):
        self._left = at
        self._after_call = {}

    @property
    def came(self):
        return self._left <= 0

    def __enter__(self):
        self._hook = sys.unraisablehook
        sys.unraisablehook = self._ignored
        sys.settrace(self)
        return self

    def __exit__(self, kind, error, _):
        sys.settrace(None)
        sys.unraisablehook = self._hook
        return self.came and isinstance(error, KeyboardInterrupt)

    def __call__(self, frame, event, _):
        frame.f_trace_opcodes = True
        if event == "opcode":
            if self._after_call.get(frame) and not _starts_a_thread(frame):
                self._left -= 1
                if self.came:
                    sys.settrace(None)
                    raise KeyboardInterrupt
            self._after_call[frame] = dis.opname[frame.f_code.co_code[frame.f_lasti]] == "CALL"
        elif event == "return":
            self._after_call.pop(frame, None)
        return self

    def _ignored(self, unraisable):
        if unraisable.exc_type is not KeyboardInterrupt:
            self._hook(unraisable)


def _starts_a_thread(frame):
    """The standard library's own hole, and of few places: Ctrl-C there may leave a thread behind."""
    while frame is not None and frame.f_code is not threading.Thread.start.__code__:
        frame = frame.f_back
    return frame is not None


def test_ctrl_c_leaves_a_pool_that_works_and_ends():
    """Wherever it comes: nobody waits for a lock that the interrupted one has, or for its tasks."""
    with closing(opened(2)) as pool:
        assert sorted(results(pool, tasks.double, (1,), (2,), (3,))) == [2, 4, 6]
        for at in itertools.count(1):
            with _CtrlC(at) as interrupt:
                done = results(pool, tasks.double, (1,), (2,), (3,))
            if not interrupt.came:
                break
            assert sorted(results(pool, tasks.double, (4,), (5,), (6,))) == [8, 10, 12], at
            if at % 8 == 0:
                pool.close()
    assert sorted(done) == [2, 4, 6]
    assert at > 50


def test_ctrl_c_leaves_no_thread_behind():
    """Not even one that it kept from being counted, when the crew was new."""
    before = {*threading.enumerate()}
    for at in itertools.count(1):
        crew = processes._Crew(3)
        with _CtrlC(at) as interrupt:
            for _ in range(3):
                crew.do(_nothing)
        # In a thread: where it fails, it waits for ever.
        threading.Thread(target=crew.end, daemon=True).start()
        until(lambda: {*threading.enumerate()} <= before, f"interrupt {at}: its threads end")
        if not interrupt.came:
            break
    assert at > 5


def _nothing():
    pass
