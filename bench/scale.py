"""What the queue costs: items and words a CPU-second over Celery, beside the same work inline.

    python bench/scale.py [--shared FOLDER] [--items N] [--pdfs N] [--texts N] [--exports]

Starts a Redis of its own. Three parts:

- items that do nothing, in batches of 1,000, through `salient.parallel` on Celery; beside them plain
  Celery tasks, one an item, on the same Redis. CPU-seconds are those of the sender and the worker.
- the real chain: words a CPU-second with one worker on Celery beside inline, and with two beside two
  processes.
- with --exports: exports byte for byte: inline, processes, and Celery with 1, 2 and 4 workers, on the
  example corpus and on 300 documents of the shared data, of all kinds.

One JSON line a run goes to bench/results/scale.jsonl.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import lzma
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_THREAD_LIMIT"):
    os.environ.setdefault(_name, "1")
sys.path.insert(0, str(ROOT))

PDFS = "contracts/cuad/pdf"
MIXED = {
    PDFS: 40, "docs/docling/html/sources": 33, "docs/docling/docx/sources": 32, "docs/docling/xlsx/sources": 11,
    "docs/docling/pptx/sources": 8, "docs/docling/md/sources": 10, "docs/docling/odf/sources": 8,
    "docs/docling/jats/sources": 6, "docs/article-extraction/html": 60,
}  # fmt: skip
TASKS = """
import salient

@salient.parallel
def nothing(x: int) -> int:
    return x
"""

PLAIN = """
from celery import Celery

app = Celery("plain", broker={broker!r})
app.conf.update(task_serializer="json", accept_content=["json"], task_ignore_result=True, worker_prefetch_multiplier=64)

@app.task(name="plain.nothing")
def nothing(x):
    return x
"""


def cpu(pid: int) -> float:
    """CPU-seconds of a process, of its living children, and of its dead ones."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                times = one.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


@contextlib.contextmanager
def started(command: list[str], env: dict[str, str], log: Path, ready: str) -> Iterator[int]:
    """A process that says `ready` in its log; ended softly."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=env, stdout=out, stderr=out, cwd=log.parent)
    try:
        until = time.monotonic() + 60
        while ready.encode() not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > until:
                sys.exit(f"{command[:3]} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


class Cluster:
    """A Redis, and a folder in which everything else lies."""

    def __init__(self, port: int, folder: Path) -> None:
        self.redis = f"redis://127.0.0.1:{port}"
        self.on = f"celery:{self.redis}/0"
        self.folder = folder

    def environment(self, data: Path, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(self.folder),
            "SALIENT_DATA_DIR": str(data),
            "SALIENT_WORK__ON": self.on,
            "SALIENT_STORAGE__CACHE": f"{self.redis}/1",
            "SALIENT_WORK__MODULES": '["scale_tasks"]',
            "SALIENT_LOG__LEVEL": "INFO",
            **more,
        }

    @contextlib.contextmanager
    def worker(self, data: Path, n: int) -> Iterator[int]:
        command = [sys.executable, "-m", "salient", "worker", "-c", str(n)]
        with started(command, self.environment(data), self.folder / "worker.log", " ready.") as pid:
            yield pid


def items(cluster: Cluster, n: int) -> dict[str, float]:
    """Nothing, n times, in batches of 1,000; beside it plain tasks."""
    (cluster.folder / "scale_tasks.py").write_text(TASKS)
    data = cluster.folder / "items"
    script = (
        "import sys, time, scale_tasks\n"
        f"with scale_tasks.nothing.on({cluster.on!r}) as there:\n"
        "    list(there.map(range(2000)))\n"
        "    print('go', flush=True); sys.stdin.readline()\n"
        "    began, cpu = time.perf_counter(), time.process_time()\n"
        f"    total = sum(there.map(iter(range({n})), ordered=False))\n"
        f"    assert total == {n} * ({n} - 1) // 2\n"
        "    print(time.perf_counter() - began, time.process_time() - cpu, flush=True)\n"
    )
    with cluster.worker(data, 1) as worker:
        sender = subprocess.Popen(
            [sys.executable, "-c", script], env=cluster.environment(data), text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert sender.stdin is not None
        assert sender.stdout is not None
        sender.stdout.readline()
        before = cpu(worker)
        sender.stdin.write("\n")
        sender.stdin.flush()
        wall, sent = map(float, sender.stdout.readline().split())
        worked = cpu(worker) - before
        sender.communicate()
    plain = plain_tasks(cluster, max(500, n // 200))
    return {
        "items": n,
        "seconds": round(wall, 2),
        "sender_cpu_s": round(sent, 2),
        "worker_cpu_s": round(worked, 2),
        "items_per_cpu_s": round(n / (sent + worked)),
        "plain_celery_per_cpu_s": round(plain),
        "times_plain": round(n / (sent + worked) / plain),
    }


def plain_tasks(cluster: Cluster, n: int) -> float:
    """Plain Celery tasks a CPU-second, one an item, in its usual settings but for JSON."""
    (cluster.folder / "plain.py").write_text(PLAIN.format(broker=f"{cluster.redis}/2"))
    env = {**os.environ, "PYTHONPATH": str(cluster.folder)}
    command = [sys.executable, "-m", "celery", "-A", "plain", "worker", "-c", "1", "-l", "INFO", "--without-gossip", "--without-mingle"]  # fmt: skip
    with started(command, env, cluster.folder / "plain.log", " ready.") as worker:
        before = cpu(worker)
        script = f"import time, plain\nc = time.process_time()\nfor i in range({n}): plain.nothing.delay(i)\nprint(time.process_time() - c)"
        done = subprocess.run([sys.executable, "-c", script], env=env, check=True, text=True, capture_output=True)  # fmt: skip
        log = cluster.folder / "plain.log"
        while log.read_text().count(" succeeded in ") < n:
            time.sleep(0.2)
        return n / (float(done.stdout) + cpu(worker) - before)


def chain(cluster: Cluster, folder: Path) -> list[dict[str, object]]:
    """The real chain over the queue, beside the same number of workers without one.

    Two that work at once slow each other, having loaded two engines and, on many machines, half a
    core each: two on the queue are compared with two that are not.
    """
    rows: list[dict[str, object]] = []
    peers: dict[str, float] = {}
    for name, n, on, peer in (
        ("inline", 0, {"SALIENT_WORK__ON": "inline:"}, "inline"),
        ("celery_1", 1, {}, "inline"),
        ("processes_2", 0, {"SALIENT_WORK__ON": "processes:2"}, "processes_2"),
        ("celery_2", 2, {}, "processes_2"),
    ):
        data = cluster.folder / name
        with contextlib.ExitStack() as stack:
            worker = stack.enter_context(cluster.worker(data, n)) if n else None
            before = cpu(worker) if worker else 0.0
            began = time.perf_counter()
            command = [sys.executable, "-c", ADD, str(folder)]
            done = subprocess.run(command, env=cluster.environment(data, **on), check=True, text=True, capture_output=True)  # fmt: skip
            said = json.loads(done.stdout.splitlines()[-1])
            worked = cpu(worker) - before if worker else 0.0
        total = said["cpu_s"] + worked
        each = said["words"] / total
        rows.append(
            {
                "on": name,
                "documents": said["documents"],
                "words": said["words"],
                "seconds": round(time.perf_counter() - began, 1),
                "cpu_s": round(total, 1),
                "words_per_cpu_s": round(each),
                "of": peer,
                "share": round(each / peers.setdefault(peer, each), 3),
            }
        )  # fmt: skip
    return rows


ADD = """
import json, os, resource, sys, time
import salient
began = sum(os.times()[:4])
with salient.open() as workspace:
    workspace.add(sys.argv[1])
    status = workspace.status()
    words = sum(d.n_characters or 0 for d in workspace.documents(limit=1000).documents) // 6
print(json.dumps({"documents": status.total, "words": words, "cpu_s": sum(os.times()[:4]) - began}))
"""

EXPORT = """
import hashlib, sys
import salient
with salient.open() as workspace:
    from salient.services import exports
    digest = hashlib.sha256()
    workspace.add(*sys.argv[1:])
    for what in ("mentions", "entities", "facts", "annotations"):
        given = exports.request_of(what, "jsonl", {})
        for chunk in exports.stream(given, workspace.app.context):
            digest.update(chunk if isinstance(chunk, bytes) else chunk.encode())
    print(digest.hexdigest(), workspace.status().states)
"""


def same_exports(cluster: Cluster, folders: list[Path]) -> dict[str, str]:
    """A digest of all exports for each way of working."""
    rows = {}
    for name, n, on in (
        ("inline", 0, "inline:"), ("processes_2", 0, "processes:2"),
        ("celery_1", 1, cluster.on), ("celery_2", 2, cluster.on), ("celery_4", 4, cluster.on),
    ):  # fmt: skip
        data = cluster.folder / f"exports-{name}"
        with contextlib.ExitStack() as stack:
            if n:
                stack.enter_context(cluster.worker(data, n))
            env = cluster.environment(data, SALIENT_WORK__ON=on)
            done = subprocess.run([sys.executable, "-c", EXPORT, *map(str, folders)], env=env, check=True, text=True, capture_output=True)  # fmt: skip
        rows[name] = done.stdout.splitlines()[-1]
        print(f"  {name:12} {rows[name][:110]}", flush=True)
    return rows


def documents(shared: Path, into: Path, files: dict[str, int], texts: int, characters: int) -> None:
    """Of the shared data: links to files, so many of each folder, and texts of contracts."""
    into.mkdir()
    for folder, n in files.items():
        for file in sorted((shared / "data" / folder).iterdir())[:n]:
            (into / f"{folder.replace('/', '-')}-{file.name}").symlink_to(file)
    contracts = shared / "data" / "contracts" / "cuad" / "contracts.jsonl.xz"
    with lzma.open(contracts, "rt", encoding="utf-8") as lines:
        for n, line in zip(range(texts), lines, strict=False):
            text = json.loads(line)["text"][:characters]
            (into / f"{n:03}.txt").write_text(text, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--items", type=int, default=500_000)
    parser.add_argument("--pdfs", type=int, default=20)
    parser.add_argument("--texts", type=int, default=20)
    parser.add_argument("--exports", action="store_true")
    parser.add_argument("--only", choices=("items", "chain", "exports"))
    given = parser.parse_args()
    from tests.servers import Servers

    servers = Servers()
    rows: dict[str, object] = {}
    try:
        redis = servers("redis")
        port = int(redis.at("0").split(":")[-1].split("/")[0])
        with tempfile.TemporaryDirectory() as work:
            cluster = Cluster(port, Path(work))
            if given.only in (None, "items"):
                rows["items"] = items(cluster, given.items)
                print(json.dumps(rows["items"], indent=1), flush=True)
            if given.only in (None, "chain"):
                folder = Path(work, "documents")
                documents(given.shared, folder, {PDFS: given.pdfs}, given.texts, 60_000)
                rows["chain"] = chain(cluster, folder)
                print(json.dumps(rows["chain"], indent=1), flush=True)
            if given.exports or given.only == "exports":
                more = Path(work, "three-hundred")
                documents(given.shared, more, MIXED, 300 - sum(MIXED.values()), 20_000)
                found = same_exports(cluster, [ROOT / "examples" / "corpus", more])
                rows["exports"] = {"ways": len(found), "alike": len(set(found.values())) == 1, "sha256": hashlib.sha256(next(iter(found.values())).encode()).hexdigest()[:12]}  # fmt: skip
                print(json.dumps(rows["exports"]), flush=True)
    finally:
        servers.close()
    if not given.only:
        row = {"when": time.strftime("%Y-%m-%d"), "machine": platform.processor() or platform.machine(), **rows}  # fmt: skip
        with (ROOT / "bench" / "results" / "scale.jsonl").open("a") as out:
            out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
