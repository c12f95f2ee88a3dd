"""Classifying texts: accuracy, texts a CPU-second in training and use, memory; beside the usual libraries.

    python bench/classify.py [--shared ../shared] [--peers PYTHON] [--only ag_news,20news,bigpatent]

Sets, all from the folder of public data, parted here: AG News (every fifth text is tested), 20 Newsgroups (of each group
the fifth with the highest numbers, which are the latest), BIGPATENT abstracts (every fifth). "From strings": a list of strings
in memory to a list of labels, one thread. Everybody runs in turn, ROUNDS times, half a second at least
so that none is measured by its start alone, and the median counts; ratios are medians of those
of a round, so that what else the machine does falls on both. "On two threads": texts a second by the clock, beside one thread's, and
beside what two processes that share nothing reach, which is what the machine has to give.
"A pass": one more pass of training over features, and with hashing them.

"Store": rows of the embedded document store, one a text, to rows with labels written back, one a text, in one process, JSON and
SQLite included. "Stream": training on fifty times as much text as the process may have memory, which the system enforces
(RLIMIT_DATA): it fails where it needs more.

Peers run in an interpreter of their own, made once under --cache from `peers/text_classifiers.py`'s requirements: scikit-learn
(HashingVectorizer + SGDClassifier, TF-IDF + LinearSVC), fastText (of 100 dimensions as usual, and of 10), fasttext-threaded, Vowpal Wabbit. Their settings are chosen on a
part of the training texts; ours are the defaults.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [p for p in (str(ROOT / "bench"),) if p not in sys.path]

from peers.homes import home  # noqa: E402 # beside this file, once that is on the path
from peers.text_classifiers import REQUIREMENTS, timed  # noqa: E402 # the same

from salient.learning.classification import (  # noqa: E402 # the same
    HashedTexts,
    TextClassifier,
    classify_records,
    measured,
    told,
)
from salient.storage.docs import Records  # noqa: E402 # the same

Pairs = list[tuple[str, str]]


def rows(file: Path) -> Iterator[dict[str, Any]]:
    with lzma.open(file, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def fifths(pairs: Pairs) -> tuple[Pairs, Pairs]:
    return [p for at, p in enumerate(pairs) if at % 5], pairs[::5]


def ag_news(data: Path) -> tuple[Pairs, Pairs]:
    return fifths(
        [(r["text"], r["label"]) for r in rows(data / "cls/ag_news/train_sample.jsonl.xz")]
    )


def newsgroups(data: Path) -> tuple[Pairs, Pairs]:
    groups: dict[str, list[tuple[int, str]]] = {}
    for r in rows(data / "cls/20news/train.jsonl.xz"):
        groups.setdefault(r["label"], []).append((int(r["id"].rpartition("/")[2]), r["text"]))
    train, test = [], []
    for label, posts in groups.items():
        ordered = [(text, label) for _, text in sorted(posts)]
        cut = len(ordered) * 4 // 5
        train += ordered[:cut]
        test += ordered[cut:]
    np.random.default_rng(1).shuffle(
        train
    )  # fastText and Vowpal Wabbit learn in the order of the file
    return train, test


def bigpatent(data: Path) -> tuple[Pairs, Pairs]:
    return fifths(
        [(r["text"], r["label_name"]) for r in rows(data / "patents/bigpatent/train_4000.jsonl.xz")]
    )


SETS: dict[str, Callable[[Path], tuple[Pairs, Pairs]]] = {
    "ag_news": ag_news, "20news": newsgroups, "bigpatent": bigpatent,
}  # fmt: skip
OURS: dict[str, dict[str, Any]] = {"words": {}, "words and parts": {"characters": (3, 5)}}


ROUNDS = 7


def cpu(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def median_cpu(work: Callable[[], Any], rounds: int = 3) -> float:
    return statistics.median(cpu(work) for _ in range(rounds))


def ours(
    train: Pairs, test: Pairs, settings: dict[str, Any]
) -> tuple[dict[str, Any], TextClassifier]:
    texts, labels = map(list, zip(*train, strict=True))
    unseen, wanted = map(list, zip(*test, strict=True))
    model = TextClassifier(**settings)
    took = median_cpu(lambda: model.fit(texts, labels))
    shares = model.predict_proba(unseen)
    report = measured(wanted, model.predict(unseen).tolist(), shares, model.classes_.tolist())
    features = HashedTexts.of(texts, model.spec)
    hashing = median_cpu(lambda: HashedTexts.of(texts, model.spec))
    short, long = (TextClassifier(**settings, epochs=n, calibrate=False) for n in (1, 11))
    short.fit(features, labels)
    a_pass = (
        median_cpu(lambda: long.fit(features, labels))
        - median_cpu(lambda: short.fit(features, labels))
    ) / 10
    row = {
        "accuracy": round(report.accuracy, 4), "macro_f1": round(report.macro_f1, 4),
        "calibration_error": round(report.calibration_error or 0, 4),
        "training_texts_per_cpu_s": round(len(texts) / took),
        "a_pass_texts_per_cpu_s": round(len(texts) / a_pass),
        "a_pass_with_hashing_texts_per_cpu_s": round(len(texts) / (a_pass + hashing)),
    }  # fmt: skip
    return row, model


def saved(model: TextClassifier) -> Path:
    folder = Path(tempfile.mkdtemp()) / "model"
    model.save(folder)
    return folder


def in_turn(
    models: dict[str, TextClassifier], many: list[str], served: Served, peers: list[str]
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """CPU-seconds and seconds of each round for each; a model by two threads is "…, two threads"."""
    cpus: dict[str, list[float]] = {}
    walls: dict[str, list[float]] = {}

    def own(name: str, model: TextClassifier) -> int:
        spent, took, times = timed(lambda: model.predict(many).tolist())
        cpus.setdefault(name, []).append(spent)
        walls.setdefault(name, []).append(took)
        return times

    twos = {name: TextClassifier.load(saved(model)) for name, model in models.items()}
    for two in twos.values():
        two.threads = 2
    for warm in (*models.values(), *twos.values()):
        warm.predict(many[:5000])
    for _ in range(ROUNDS):
        for name, model in models.items():
            times = own(name, model)
            own(f"{name}, two threads", twos[name])
            walls.setdefault(f"{name}, two processes", []).append(two_processes(model, many, times))
        for name in peers:
            spent, took, _ = served.ask(name)
            cpus.setdefault(name, []).append(spent)
            walls.setdefault(name, []).append(took)
    return cpus, walls


def two_processes(model: TextClassifier, many: list[str], times: int) -> float:
    """Seconds until both have classified all texts, when they do so that many times."""
    began = time.perf_counter()
    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            for _ in range(times):
                model.predict(many).tolist()
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    return (time.perf_counter() - began) / times


class Served:
    """The peers, which have learnt and wait to be asked."""

    def __init__(self, python: Path, train: Pairs, test: Pairs, times: int) -> None:
        self._folder = tempfile.TemporaryDirectory()
        file = Path(self._folder.name) / "texts.json"
        file.write_text(
            json.dumps({"train": train, "test": test, "times": times}), encoding="utf-8"
        )
        self._process = subprocess.Popen(
            [python, ROOT / "bench/peers/text_classifiers.py", file], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self.rows: dict[str, dict[str, Any]] = self._answer()

    def ask(self, name: str) -> tuple[float, float, int]:
        """What `timed` finds of it."""
        assert self._process.stdin is not None
        self._process.stdin.write(name + "\n")
        self._process.stdin.flush()
        spent, took, times = self._answer()
        return spent, took, times

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._folder.cleanup()

    def _answer(self) -> Any:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(("{", "[")):
                return json.loads(line)
        raise SystemExit("the peers failed: see above")


def from_store(train: Pairs, test: Pairs, n: int = 200_000) -> dict[str, Any]:
    """Rows of the embedded document store to rows with their classes in another of its collections, in one process."""
    model = TextClassifier().fit(*map(list, zip(*train, strict=True)))
    texts = [text for text, _ in test]
    spent, took = [], []
    with tempfile.TemporaryDirectory() as folder, Records.open(f"sqlite:{folder}/r.db") as records:
        for first in range(0, n, 8192):
            some = range(first, min(n, first + 8192))
            records.put_many("news", [(f"{i:08}", {"text": texts[i % len(texts)]}) for i in some])
        classify_records(model, records, "news", "once")  # what is loaded once a process
        for at in range(ROUNDS):
            began, seen = time.perf_counter(), time.process_time()
            classify_records(model, records, "news", f"classes{at}")
            spent.append(time.process_time() - seen)
            took.append(time.perf_counter() - began)
        same = [t.label for t in islice(told(records, "classes0"), len(texts))] == list(
            model.predict(texts)
        )
    if not same:
        raise SystemExit("the classes in the store are not those of predict")
    return {
        "texts": n, "texts_per_cpu_s": round(n / statistics.median(spent)),
        "texts_per_s": round(n / statistics.median(took)),
    }  # fmt: skip


def bounded(train: Pairs) -> dict[str, Any]:
    """A stream fifty times as large as the memory that the process may have; in a process of its own."""
    code = (
        "import sys; sys.path.insert(0, 'bench'); import json; from pathlib import Path; import classify; "
        "print(json.dumps(classify.streamed(json.loads(Path(sys.argv[1]).read_text()))))"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(train[:2000], file)
        file.flush()
        shown = subprocess.run(
            [sys.executable, "-c", code, file.name], cwd=ROOT, capture_output=True, text=True, check=False,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )  # fmt: skip
    if shown.returncode:
        raise SystemExit(f"training needs more than {LIMIT >> 20} MiB:\n{shown.stderr}")
    made: dict[str, Any] = json.loads(shown.stdout.splitlines()[-1])
    return made


LIMIT, TIMES = 112 << 20, 50  # bytes of memory, and how many times as much text


def peak_kb() -> int:
    """Resident at most; what resource.getrusage says counts the process that this one was started from."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0])


def streamed(train: list[list[str]]) -> dict[str, Any]:
    """Train under the limit, which holds for all that the process may write: interpreter, libraries, weights, texts."""
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    refused = False
    try:
        bytearray(LIMIT)
    except MemoryError:
        refused = True
    if not refused:
        raise SystemExit("this system does not enforce the limit")
    texts, labels = zip(*train, strict=True)
    size = sum(len(t.encode()) for t in texts)
    passes = TIMES * LIMIT // size + 1

    def stream() -> Iterator[tuple[list[str], list[str]]]:
        for at in range(passes):
            # New strings each time, as a file would give them.
            yield [f"{t} {at}" for t in texts], list(labels)

    began = time.process_time()
    model = TextClassifier(n_bits=18).fit_stream(stream(), sorted(set(labels)))
    took = time.process_time() - began
    return {
        "limit_mb": round(LIMIT / 1e6, 1), "stream_mb": round(passes * size / 1e6), "texts": model.n_texts_,
        "peak_mb": round(peak_kb() / 1e3, 1),
        "texts_per_cpu_s": round(model.n_texts_ / took),
    }  # fmt: skip


def compared(name: str, data: Path, python: Path) -> dict[str, Any]:
    train, test = SETS[name](data)
    size = float(np.mean([len(t) for t, _ in test]))
    times = max(1, int(4e6 / size / len(test)))
    many = [text for text, _ in test] * times
    found: dict[str, dict[str, Any]] = {}
    models: dict[str, TextClassifier] = {}
    for kind, settings in OURS.items():
        found[f"salient, {kind}"], models[f"salient, {kind}"] = ours(train, test, settings)
    served = Served(python, train, test, times)
    try:
        cpus, walls = in_turn(models, many, served, list(served.rows))
    finally:
        served.close()
    found |= served.rows
    first = cpus["salient, words"]
    print(
        f"\n{name}: {len(train)} texts to learn from, {len(test)} to test, {size:.0f} characters each"
    )
    for own, row in found.items():
        row["texts_per_cpu_s"] = round(len(many) / statistics.median(cpus[own]))
        row["times_slower"] = round(
            statistics.median(a / b for a, b in zip(cpus[own], first, strict=True)), 2
        )
        if own in models:
            both = walls[f"{own}, two threads"]
            row["texts_per_s"] = round(len(many) / statistics.median(walls[own]))
            row["texts_per_s_on_two_threads"] = round(len(many) / statistics.median(both))
            row["two_threads_times"] = round(
                statistics.median(a / b for a, b in zip(walls[own], both, strict=True)), 2
            )
            apart = walls[f"{own}, two processes"]
            row["two_processes_times"] = round(
                statistics.median(2 * a / b for a, b in zip(walls[own], apart, strict=True)), 2
            )
            spent = cpus[f"{own}, two threads"]
            row["two_threads_cpu_times"] = round(
                statistics.median(b / a for a, b in zip(cpus[own], spent, strict=True)), 2
            )
        print(f"  {own:48} {row['accuracy']:.4f}  {row['texts_per_cpu_s']:>10,} texts/CPU-s  {row['times_slower']:6.1f}x  "
              f"training {row['training_texts_per_cpu_s']:>9,}  {row.get('settings', '')}")  # fmt: skip
    print(f"  {json.dumps(found['salient, words'])}")
    best = max(row["accuracy"] for own, row in found.items() if own not in models)
    print(f"  the best peer is right {best:.4f} of the time")
    return {"train": len(train), "test": len(test), "characters": round(size), **found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--cache", type=Path, default=ROOT / ".salient/bench")
    parser.add_argument("--peers", type=Path, help="an interpreter that has them")
    parser.add_argument("--only", default=",".join(SETS))
    options = parser.parse_args()
    python = options.peers or home(options.cache, "classify", REQUIREMENTS)
    line: dict[str, Any] = {"bench": "classify", "at": datetime.now(UTC).isoformat()}
    for name in options.only.split(","):
        line[name] = compared(name, options.shared / "data", python)
    if "ag_news" in line:
        train, test = SETS["ag_news"](options.shared / "data")
        line["store"] = from_store(train, test)
        print(f"store {json.dumps(line['store'])}")
        line["stream"] = bounded(train)
        print(f"stream {json.dumps(line['stream'])}")
    if options.only == ",".join(SETS):
        with (ROOT / "bench/results/classify.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
