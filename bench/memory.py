"""Models and memory: workers that share a published model beside workers that each load their own.

    python bench/memory.py [--workers 4] [--model-mb 1000] [--names 1000000]

Memory is the proportional set size (PSS) of every worker from /proc/PID/smaps_rollup, added up after
each has read all of the model, and of the process that they were forked from: a page that n processes
map counts 1/n in each, so the model's pages, which are the page cache of its file, count once. The naive way is what loading
weights usually is: every process reads the file into memory of its own. Names are the matcher of a
knowledge base, beside one that every process builds. Load time is from asking for the model, with the
stores open as a worker has them, to its first row. The swap publishes versions while every process calls as fast as it can; a call is wrong
if it raises, or if what it reads is of two versions.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from salient.learning import mapped
from salient.learning.registry import Current, Model, Registry
from salient.storage.blob import Blobs
from salient.storage.kv import KeyValue

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 256
SWAPS, SWAP_ROWS = 20, 4096  # versions of 8 MB
THREADS = 2


def write_weights(path: Path, rows: int, fill: Callable[[int], float | Any]) -> None:
    """A safetensors file of (rows, WIDTH) float32, written in pieces."""
    size = rows * WIDTH * 4
    entry = {"dtype": "F32", "shape": [rows, WIDTH], "data_offsets": [0, size]}
    header = json.dumps({"weights": entry}).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        for first in range(0, rows, 4096):
            n = min(4096, rows - first)
            file.write(np.full((n, WIDTH), fill(first), np.float32).tobytes())


def stores(folder: Path, opened: ExitStack) -> Registry:
    blobs = opened.enter_context(Blobs.open(f"file:{folder}/blobs"))
    cache = opened.enter_context(KeyValue.open(f"sqlite:{folder}/cache.db"))
    return opened.enter_context(Registry(blobs, cache, folder / "models"))


def names(n: int) -> list[tuple[str, str]]:
    drawn = random.Random(5)  # a fixed list, no secret
    words = ["".join(drawn.choices("abcdefghiklmnoprstuvw", k=drawn.randint(3, 9))).title() for _ in range(n // 4)]  # fmt: skip
    kinds = ("ORG", "PERSON", "GPE")
    return [(" ".join(drawn.choices(words, k=drawn.randint(2, 4))), drawn.choice(kinds)) for _ in range(n)]  # fmt: skip


def touched(array: Any) -> float:
    """Reads every page."""
    return float(array.reshape(-1)[:: 4096 // array.itemsize].sum(dtype=np.float64))


def load_shared(_: Path, registry: Registry, opened: ExitStack) -> Callable[[], object]:
    model = opened.enter_context(registry.open("weights"))
    weights = model.array("model.safetensors", "weights")
    weights[0].sum()
    return lambda: (touched(weights), model)


def load_own(folder: Path, _: Registry, __: ExitStack) -> Callable[[], object]:
    weights = np.array(mapped.tensor(folder / "weights" / "model.safetensors", "weights"))
    return lambda: touched(weights)


def load_names(_: Path, registry: Registry, opened: ExitStack) -> Callable[[], object]:
    from salient.nlp.gazetteer import Gazetteer

    model = opened.enter_context(registry.open("names"))
    _, arrays = model.columns("names.columns")
    gazetteer = Gazetteer.load(*model.columns("names.columns"))
    return lambda: (gazetteer, [touched(a) for a in arrays.values()])


def build_names(folder: Path, _: Registry, __: ExitStack) -> Callable[[], object]:
    from salient.nlp.gazetteer import Gazetteer

    gazetteer = Gazetteer(tuple(pair) for pair in json.loads((folder / "names.json").read_text()))
    return lambda: gazetteer


def load_nothing(_: Path, registry: Registry, __: ExitStack) -> Callable[[], object]:
    return lambda: registry


LOADS = {
    "shared": load_shared,
    "own": load_own,
    "names_shared": load_names,
    "names_own": build_names,
    "nothing": load_nothing,
}


def work(kind: str, folder: Path, line: Connection) -> None:
    """What a worker does: load when told, say how long it took, wait until its memory was read."""
    line.recv()
    with ExitStack() as opened:
        registry = stores(folder, opened)
        if kind == "swap":
            swapping(registry, opened, line)
            return
        began = time.perf_counter()
        keep = LOADS[kind](folder, registry, opened)
        seconds = time.perf_counter() - began
        kept = keep()
        line.send(seconds)
        line.recv()
        del kept


def swapping(registry: Registry, opened: ExitStack, line: Connection) -> None:
    def build(model: Model) -> tuple[Any, Any]:
        return (
            model.array("model.safetensors", "weights"),
            model.array("again.safetensors", "weights"),
        )

    current = opened.enter_context(Current(registry, "swapped", build, check_s=0.1))
    ended = threading.Event()
    found: list[dict[str, Any]] = []

    def call(seed: int) -> None:
        rows = np.random.default_rng(seed).integers(0, SWAP_ROWS, (1000, 8))
        tally: dict[str, Any] = {"calls": 0, "failed": 0, "wrong": 0, "slowest_ms": 0.0}
        versions = set()
        while not ended.is_set():
            began = time.perf_counter()
            try:
                with current.use() as (weights, again):
                    one = weights[rows[tally["calls"] % 1000]]
                    other = again[rows[tally["calls"] % 1000]]
                    tally["wrong"] += bool(one.min() != other.max())
                    versions.add(float(one[0, 0]))
            except Exception:  # counted: the number has to be 0
                tally["failed"] += 1
            tally["calls"] += 1
            took_ms = 1000 * (time.perf_counter() - began)
            tally["slowest_ms"] = max(tally["slowest_ms"], took_ms)
        found.append({**tally, "versions": len(versions)})

    threads = [threading.Thread(target=call, args=(i,)) for i in range(THREADS)]
    for thread in threads:
        thread.start()
    line.send("calling")
    line.recv()
    ended.set()
    for thread in threads:
        thread.join()
    line.send({"threads": found, "version": current.version})


class Workers:
    """Forked from one process that has imported what they need, as `salient worker` does.

    Use it as a context manager.
    """

    def __init__(self, kind: str, folder: Path, n: int) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload(["salient.learning.registry", "salient.nlp.gazetteer"])
        self.lines, self.processes = [], []
        for _ in range(n):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(kind, folder, theirs), daemon=True)
            process.start()
            theirs.close()
            self.lines.append(ours)
            self.processes.append(process)

    def pss_mb(self) -> float:
        """Of all workers and the process that they were forked from."""
        pids = [p.pid for p in self.processes]
        return sum(pss_mb(pid) for pid in [*pids, psutil.Process(pids[0]).ppid()] if pid)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for process, line in zip(self.processes, self.lines, strict=True):
            process.kill()
            process.join()
            line.close()


def pss_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024 / 1e6


def measured(kind: str, folder: Path, n: int) -> dict[str, Any]:
    """Load in one worker after the other, then read the memory of all."""
    with Workers(kind, folder, n) as workers:
        seconds = []
        for line in workers.lines:
            line.send("load")
            seconds.append(line.recv())
        pss = workers.pss_mb()
    return {
        "workers": n,
        "pss_mb": round(pss),
        "first_load_ms": round(1000 * seconds[0], 1),
        "second_load_ms": round(1000 * seconds[1 % n], 1),
        "later_load_ms": round(1000 * statistics.median(seconds[1:] or seconds), 1),
    }


def swap(registry: Registry, folder: Path, n: int) -> dict[str, Any]:
    made = folder / "swapped"
    made.mkdir()

    def publish(number: int) -> str:
        for name in ("model", "again"):
            write_weights(made / f"{name}.safetensors", SWAP_ROWS, lambda _: float(number))
        return registry.publish("swapped", made)

    version = publish(0)
    with Workers("swap", folder, n) as workers:
        for line in workers.lines:
            line.send("begin")
            line.recv()
        began = time.perf_counter()
        for number in range(1, SWAPS + 1):
            version = publish(number)
            time.sleep(0.2)  # the load goes on between two versions, as it does in a day
        time.sleep(2)
        seconds = time.perf_counter() - began
        ends = []
        for line in workers.lines:
            line.send("end")
            ends.append(line.recv())
    threads = [t for end in ends for t in end["threads"]]
    return {
        "published": SWAPS,
        "processes": n,
        "calls": sum(t["calls"] for t in threads),
        "calls_per_s": round(sum(t["calls"] for t in threads) / seconds),
        "failed": sum(t["failed"] for t in threads),
        "of_two_versions": sum(t["wrong"] for t in threads),
        "slowest_ms": round(max(t["slowest_ms"] for t in threads), 1),
        "fewest_versions_seen": min(t["versions"] for t in threads),
        "all_at_the_last": all(end["version"] == version for end in ends),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--model-mb", type=int, default=1000)
    parser.add_argument("--names", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where to put it all; a temporary one")
    options = parser.parse_args()
    with ExitStack() as opened:
        parent = options.folder
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(dir=parent)))
        registry = stores(folder, opened)
        row: dict[str, Any] = {"bench": "memory", "at": datetime.now(UTC).isoformat(), "model_mb": options.model_mb, "names": options.names}  # fmt: skip
        (folder / "weights").mkdir()
        rng = np.random.default_rng(3)
        write_weights(
            folder / "weights" / "model.safetensors",
            options.model_mb * 1_000_000 // (4 * WIDTH),
            lambda _: rng.standard_normal(WIDTH, np.float32),
        )
        began = time.perf_counter()
        registry.publish("weights", folder / "weights")
        row["publish_s"] = round(time.perf_counter() - began, 2)
        row["nothing"] = measured("nothing", folder, options.workers)
        row["shared"] = measured("shared", folder, options.workers)
        row["own"] = measured("own", folder, options.workers)
        row["swap"] = swap(registry, folder, options.workers)
        publish_names(registry, folder, options.names, row)
        row["names_shared"] = measured("names_shared", folder, options.workers)
        row["names_own"] = measured("names_own", folder, options.workers)
    with (ROOT / "bench" / "results" / "memory.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    for name, value in row.items():
        print(name, value)


def publish_names(registry: Registry, folder: Path, n: int, row: dict[str, Any]) -> None:
    from salient.nlp.gazetteer import Gazetteer

    pairs = names(n)
    (folder / "names.json").write_text(json.dumps(pairs))
    began = time.process_time()
    made = Gazetteer(pairs)
    row["names_build_cpu_s"] = round(time.process_time() - began, 2)
    (folder / "names").mkdir()
    row["names_file_mb"] = round((folder / "names" / "names.columns").write_bytes(made.dump()) / 1e6)  # fmt: skip
    registry.publish("names", folder / "names")


if __name__ == "__main__":
    main()
