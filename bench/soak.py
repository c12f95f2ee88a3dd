"""Many short documents in one run: documents a second and the memory of every role, over time.

    python bench/soak.py [--documents 200000] [--on URL] [--workers N] [--stores embedded|cluster]
                         [--search embedded|postgresql] [--engine rules] [--encoder hashing] [--kills 1]
                         [--every 10] [--folder KEPT]

Documents of `multiply.py` go through the real coordinator. In the middle everything is killed (SIGKILL of
all processes but the servers) and started again. At the end nothing may be lost or doubled: each document
is done once, in the ledger, the tables and both indexes.

Memory is each process's own (the anonymous and shared part of its PSS), summed by role. Pages of mapped
files (indexes, tables, models) are counted apart: the system keeps them while there is room, so that they
grow with the data. A slope is a line through the longest stretch between two starts, the first fifth left
out. `results/soak.jsonl` gets a line, `results/soak-N.csv` and `.svg` the course.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [
    str(ROOT),
    str(ROOT / "bench"),
]  # for the servers that tests start, and the multiplier

import chart  # noqa: E402 # beside this file, once that is on the path
import multiply  # noqa: E402 # beside this file, once that is on the path

RESULTS = ROOT / "bench" / "results"
SLOPE_MB = 1.0  # a role may grow by so much in 10,000 documents
CHECKED = 400  # documents whose rows are counted one by one at the end


@dataclass(frozen=True)
class Sample:
    """One look at everything. Memory is in bytes, by role."""

    seconds: float
    start: int
    """How many times everything was started until then."""
    documents: int
    memory: dict[str, int]
    mapped: dict[str, int]


# The child: one run of the coordinator.


def child(given: argparse.Namespace) -> None:
    """Add all documents; say on standard output how many are done."""
    import salient
    from salient.pipeline.run import Progress

    multiplier = multiply.Multiplier(multiply.paragraphs(given.shared), given.seed)
    said = 0.0

    def report(progress: Progress) -> None:
        nonlocal said
        if progress.stage not in ("add", "link") and time.monotonic() - said > 0.5:
            said = time.monotonic()
            print(progress.done, flush=True)

    with salient.open() as workspace:
        sources = multiplier.sources(0, given.documents)
        run = workspace.app.context.coordinator.add(sources, report)
        print(run.counts.total - run.counts.open, flush=True)


def check(documents: int) -> dict[str, Any]:
    """What is in the stores beside what there should be; `wrong` names each that differs."""
    import salient
    from salient.knowledge.reading import Reading
    from salient.pipeline.stages import READ

    with salient.open() as workspace:
        context = workspace.app.context
        states = context.ledger.counts().states
        found = {
            "done": states["done"],
            "not_done": sum(states.values()) - states["done"],
            "documents_indexed": context.indexes.documents.count(),
            "passages_indexed": context.indexes.passages.count(),
        }
        ids = list(context.ledger.every_id())
        passages = different = 0
        sql = context.tables.load("salient.services", "documents.sql")
        chosen = ids[:: max(1, len(ids) // CHECKED)]
        for ident in chosen:
            key = context.ledger.artifact(ident, READ)
            with context.tables.read() as tx:
                rows = tx.value(sql.n_mentions, {"id": ident})
            made = len(Reading.load(context.blobs.get(key)).mentions) if key else -1
            different += rows != made
        status = workspace.status()
        passages = status.n_passages
    right = {"done": documents, "not_done": 0, "documents_indexed": documents}
    wrong = {k: found[k] for k, v in right.items() if found[k] != v}
    if different:
        wrong["mentions"] = different
    if len(set(ids)) != documents:
        wrong["ids"] = len(set(ids))
    if passages < documents:
        wrong["passages"] = passages
    return {**found, "rows_compared": len(chosen), "entities": status.n_entities, "wrong": wrong}


# The parent: starts, looks, kills, starts again.


class Course:
    """Runs the child and, where a queue is used, workers; keeps the samples."""

    def __init__(self, given: argparse.Namespace, environment: dict[str, str], servers: dict[str, int]) -> None:  # fmt: skip
        self._given = given
        self._environment = environment
        self._servers = servers
        self._began = time.monotonic()
        self._progress = 0
        self.starts = 0
        self.samples: list[Sample] = []
        self._running: list[tuple[str, subprocess.Popen[str]]] = []

    def run(self, until: int | None) -> bool:
        """Start all; return True when the child has ended by itself, False when killed at `until`."""
        self.starts += 1
        command = [sys.executable, __file__, "--child", *sys.argv[1:]]
        self._start("coordinator", command, stdout=subprocess.PIPE)
        if self._given.on.startswith(("celery:", "dask:")):
            for _ in range(self._given.workers):
                self._start("worker", [sys.executable, "-m", "salient", "worker"])
        main = self._running[0][1]
        listener = threading.Thread(target=self._listen, args=(main,), daemon=True)
        listener.start()
        look = time.monotonic()
        try:
            while main.poll() is None:
                if until is not None and self._progress >= until:
                    return False
                if time.monotonic() >= look:
                    look += self._given.every
                    self._look()
                time.sleep(0.2)
        finally:
            self._kill()
            listener.join()
        if main.returncode:
            raise SystemExit(f"the run ended with {main.returncode}: see above")
        return True

    def _start(self, role: str, command: list[str], **more: Any) -> None:
        process = subprocess.Popen(command, env=self._environment, text=True, **more)
        self._running.append((role, process))

    def _listen(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        for line in process.stdout:
            if line.strip().isdigit():
                self._progress = int(line)

    def _look(self) -> None:
        memory: Counter[str] = Counter()
        mapped: Counter[str] = Counter()
        for role, process in self._processes():
            try:
                own, files = _pss(process.pid)
            except OSError:
                continue  # it has ended
            memory[role] += own
            mapped[role] += files
        at = round(time.monotonic() - self._began, 1)
        self.samples.append(Sample(at, self.starts, self._progress, dict(memory), dict(mapped)))
        shown = "  ".join(f"{role} {size / 1e6:.0f} MB" for role, size in sorted(memory.items()))
        print(f"{at:8.0f} s  {self._progress:8} documents  {shown}", flush=True)

    def _processes(self) -> Iterator[tuple[str, psutil.Process]]:
        for role, started in self._running:
            yield from _tree(role, started.pid)
        for name, pid in self._servers.items():
            yield from _tree(name, pid)

    def _kill(self) -> None:
        doomed = [p for role, s in self._running for _, p in _tree(role, s.pid)]
        for process in doomed:
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        for _, started in self._running:
            started.wait()
            if started.stdout:
                started.stdout.close()
        psutil.wait_procs(doomed, timeout=10)
        self._running.clear()


def _pss(pid: int) -> tuple[int, int]:
    """Bytes of a process's own memory, and of the files it maps."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]
    sizes = {name: int(size.split()[0]) * 1024 for name, _, size in (i.partition(":") for i in lines)}  # fmt: skip
    return sizes["Pss_Anon"] + sizes["Pss_Shmem"], sizes["Pss_File"]


def _tree(role: str, pid: int) -> list[tuple[str, psutil.Process]]:
    """A process and all below it, each with its role."""
    try:
        top = psutil.Process(pid)
        below = top.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    found = [(role, top)]
    for process in below:
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if role not in ("coordinator", "worker"):
            found.append((role, process))
        elif "salient.readers" in line:
            found.append(("converter", process))
        elif "resource_tracker" in line:
            found.append(("tracker", process))
        else:
            found.append(("worker", process))
    return found


# What the samples say.


def slopes(samples: Sequence[Sample]) -> dict[str, float]:
    """Megabytes by which each role grows in 10,000 documents, after warming up."""
    stretches = {n: [s for s in samples if s.start == n] for n in {s.start for s in samples}}
    longest = max(stretches.values(), key=len)
    settled = longest[len(longest) // 5 :]
    roles = sorted({role for s in settled for role in s.memory})
    found = {}
    for role in roles:
        rows = [(s.documents, s.memory[role]) for s in settled if role in s.memory]
        x, y = np.array(rows, float).T
        if len(rows) > 2 and np.ptp(x) > 0:
            found[role] = round(float(np.polyfit(x / 10_000, y / 1e6, 1)[0]), 3)
    return found


def peaks(sizes: Sequence[dict[str, int]]) -> dict[str, int]:
    """The most that each role had, in megabytes."""
    roles = sorted({role for size in sizes for role in size})
    return {role: round(max(size.get(role, 0) for size in sizes) / 1e6) for role in roles}


def rates(samples: Sequence[Sample], parts: int = 10) -> list[float]:
    """Documents a second in equal parts of the run, starts left out."""
    pairs = [(a, b) for a, b in pairwise(samples) if a.start == b.start]
    found = []
    for part in np.array_split(np.arange(len(pairs)), min(parts, len(pairs))):
        chosen = [pairs[i] for i in part]
        seconds = sum(b.seconds - a.seconds for a, b in chosen)
        made = sum(b.documents - a.documents for a, b in chosen)
        found.append(round(made / seconds, 2) if seconds else 0.0)
    return found


def write(samples: Sequence[Sample], stem: Path, title: str) -> None:
    """The course as a table and as a picture."""
    roles = sorted({role for s in samples for role in s.memory})
    with stem.with_suffix(".csv").open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        own, files = [f"{r}_bytes" for r in roles], [f"{r}_mapped_bytes" for r in roles]
        out.writerow(["seconds", "start", "documents", *own, *files])
        for s in samples:
            sizes = [kind.get(r, "") for kind in (s.memory, s.mapped) for r in roles]
            out.writerow([s.seconds, s.start, s.documents, *sizes])
    speed = [
        (b.documents, (b.documents - a.documents) / (b.seconds - a.seconds))
        for a, b in pairwise(samples)
        if a.start == b.start and b.documents > a.documents
    ]
    memory = {
        role: [(s.documents, s.memory[role] / 1e6) for s in samples if role in s.memory]
        for role in roles
    }
    panels = [
        chart.Panel("documents a second", {"all workers": speed}),
        chart.Panel("own memory, MB", memory),
    ]
    stem.with_suffix(".svg").write_text(chart.svg(title, "documents done", panels), "utf-8")


# Stores.


def places(given: argparse.Namespace, folder: Path, opened: ExitStack) -> tuple[dict[str, str], dict[str, int]]:  # fmt: skip
    """Settings as variables, and the pids of servers started for them."""
    found = {
        "DATA_DIR": str(folder),
        "NLP__ENGINE": given.engine,
        "NLP__ENCODER": given.encoder,
        "WORK__ON": given.on,
    }
    servers: dict[str, int] = {}
    if given.stores == "cluster" or "{redis}" in given.on:
        from tests.servers import Servers

        start = Servers()
        opened.callback(start.close)
        names = (
            ("redis", "postgresql", "mongodb", "s3") if given.stores == "cluster" else ("redis",)
        )
        for name in names:
            servers[name] = start(name).pid
        found["WORK__ON"] = given.on.replace("{redis}", start("redis").at("1"))
        if given.stores == "cluster":
            postgres = start("postgresql").at("postgres", schema="soak")
            found |= {
                "STORAGE__CACHE": start("redis").at("0", prefix="soak"),
                "STORAGE__BLOBS": start("s3").at("soak"),
                "STORAGE__TABLES": postgres,
                "STORAGE__RECORDS": start("mongodb").at("soak"),
                "STORAGE__SEARCH": postgres + "&index=soak_{index}" if given.search == "postgresql" else "embedded:{data}/index/{workspace}/{index}",
            }  # fmt: skip
    return {f"SALIENT_{k}": v for k, v in found.items()}, servers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--on", default="auto", help="work.on; {redis} is a server started here")
    parser.add_argument("--workers", type=int, default=2, help="`salient worker`s, with a queue")
    parser.add_argument("--stores", choices=["embedded", "cluster"], default="embedded")
    parser.add_argument("--search", choices=["embedded", "postgresql"], default="embedded")
    parser.add_argument("--engine", default="rules")
    parser.add_argument("--encoder", default="hashing")
    parser.add_argument("--kills", type=int, default=1)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where data lies; kept afterwards"
    )
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given)
        return
    with ExitStack() as opened:
        folder = given.folder or Path(opened.enter_context(tempfile.TemporaryDirectory()))
        variables, servers = places(given, folder, opened)
        clean = {k: v for k, v in os.environ.items() if not k.startswith("SALIENT_")}
        course = Course(given, clean | variables, servers)
        began = time.monotonic()
        for kill in range(1, given.kills + 1):
            if course.run(given.documents * kill // (given.kills + 1)):
                raise SystemExit("it was done before it could be killed: take more documents")
            print(f"killed, start {course.starts + 1}", flush=True)
        course.run(None)
        seconds = time.monotonic() - began
        os.environ.update(variables)
        checked = check(given.documents)
    grown = slopes(course.samples)
    row = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "documents": given.documents,
        "on": given.on,
        "stores": given.stores,
        "search": given.search,
        "engine": given.engine,
        "encoder": given.encoder,
        "kills": given.kills,
        "seconds": round(seconds),
        "documents_per_s": round(given.documents / seconds, 2),
        "documents_per_s_by_tenth": rates(course.samples),
        "mb_per_10000_documents": grown,
        "peak_mb": peaks([s.memory for s in course.samples]),
        "peak_mapped_mb": peaks([s.mapped for s in course.samples]),
        **checked,
    }
    RESULTS.mkdir(exist_ok=True)
    title = f"{given.documents:,} documents, {given.engine}, {given.stores} stores, {given.on}"
    write(course.samples, RESULTS / f"soak-{given.documents}", title)
    with (RESULTS / "soak.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row, indent=2))
    faults = [f"{role} grows" for role, mb in grown.items() if mb > SLOPE_MB]
    faults += [f"{name} is {value}" for name, value in checked["wrong"].items()]
    if faults:
        raise SystemExit("; ".join(faults))


if __name__ == "__main__":
    main()
