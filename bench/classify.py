"""Classifying texts: accuracy, texts a CPU-second in training and use, memory; beside the usual libraries.

    python bench/classify.py [--shared ../shared] [--peers PYTHON] [--only ag_news,20news,bigpatent]

Sets, all from the folder of public data, parted here: AG News (every fifth text is tested), 20 Newsgroups (of each group
the fifth with the highest numbers, which are the latest), BIGPATENT abstracts (every fifth). "From strings": a list of strings
in memory to a list of labels, one thread. "Store": rows of the embedded document store to rows with labels written back, in one
process, JSON and SQLite included. "A pass": one more pass of training over features, and with hashing
them.

Peers run in an interpreter of their own, made once under --cache from `peers/text_classifiers.py`'s requirements: scikit-learn
(HashingVectorizer + SGDClassifier, TF-IDF + LinearSVC), fastText, fasttext-threaded, Vowpal Wabbit. Of their settings the best on the
test texts counts.
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [p for p in (str(ROOT / "bench"),) if p not in sys.path]

from peers.homes import home  # noqa: E402 # beside this file, once that is on the path
from peers.text_classifiers import REQUIREMENTS  # noqa: E402 # the same

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
    return train, test


def bigpatent(data: Path) -> tuple[Pairs, Pairs]:
    return fifths(
        [(r["text"], r["label_name"]) for r in rows(data / "patents/bigpatent/train_4000.jsonl.xz")]
    )


SETS: dict[str, Callable[[Path], tuple[Pairs, Pairs]]] = {
    "ag_news": ag_news, "20news": newsgroups, "bigpatent": bigpatent,
}  # fmt: skip
OURS: dict[str, dict[str, Any]] = {"words": {}, "words and parts": {"characters": (3, 5)}}


def cpu(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def ours(train: Pairs, test: Pairs, times: int, **settings: Any) -> dict[str, Any]:
    texts, labels = map(list, zip(*train, strict=True))
    unseen, wanted = map(list, zip(*test, strict=True))
    model = TextClassifier(**settings)
    took = cpu(lambda: model.fit(texts, labels))
    shares = model.predict_proba(unseen)
    report = measured(wanted, model.predict(unseen).tolist(), shares, model.classes_.tolist())
    many = unseen * times
    model.predict(many[:2000])
    features = HashedTexts.of(texts, model.spec)
    hashing = cpu(lambda: HashedTexts.of(texts, model.spec))
    short, long = (TextClassifier(**settings, epochs=n, calibrate=False) for n in (1, 11))
    short.fit(features, labels)
    a_pass = (
        cpu(lambda: long.fit(features, labels)) - cpu(lambda: short.fit(features, labels))
    ) / 10
    two = TextClassifier.load(saved(model))
    two.threads = 2
    two.predict(many[:20_000])
    began = time.perf_counter()
    two.predict(many)
    two_threads = time.perf_counter() - began
    return {
        "accuracy": round(report.accuracy, 4), "macro_f1": round(report.macro_f1, 4),
        "calibration_error": round(report.calibration_error or 0, 4),
        "training_texts_per_cpu_s": round(len(texts) / took),
        "a_pass_texts_per_cpu_s": round(len(texts) / a_pass),
        "a_pass_with_hashing_texts_per_cpu_s": round(len(texts) / (a_pass + hashing)),
        "texts_per_cpu_s": round(len(many) / cpu(lambda: model.predict(many))),
        "mb_per_cpu_s": round(sum(map(len, many)) / 1e6 / cpu(lambda: model.predict(many)), 1),
        "texts_per_s_on_two_threads": round(len(many) / two_threads),
    }  # fmt: skip


def saved(model: TextClassifier) -> Path:
    folder = Path(tempfile.mkdtemp()) / "model"
    model.save(folder)
    return folder


def from_store(train: Pairs, test: Pairs, n: int = 200_000) -> dict[str, Any]:
    """Rows of the embedded document store to their classes in another of its collections, in one process."""
    model = TextClassifier().fit(*map(list, zip(*train, strict=True)))
    texts = [text for text, _ in test]
    with tempfile.TemporaryDirectory() as folder, Records.open(f"sqlite:{folder}/r.db") as records:
        for first in range(0, n, 8192):
            some = range(first, min(n, first + 8192))
            records.put_many("news", [(f"{i:08}", {"text": texts[i % len(texts)]}) for i in some])
        classify_records(model, records, "news", "once")  # what is loaded once a process
        began, seen = time.perf_counter(), time.process_time()
        classify_records(model, records, "news", "classes")
        took, wall = time.process_time() - seen, time.perf_counter() - began
        same = [t.label for t in told(records, "classes")][: len(texts)] == list(
            model.predict(texts)
        )
    if not same:
        raise SystemExit("the classes in the store are not those of predict")
    return {"texts": n, "texts_per_cpu_s": round(n / took), "texts_per_s": round(n / wall)}


def flat_memory(train: Pairs) -> dict[str, Any]:
    """A stream fifty times as large as what training may take more than before; in a process of its own."""
    code = (
        "import json, resource, sys; sys.path.insert(0, 'bench'); import classify; "
        f"print(json.dumps(classify.streamed({json.dumps(train[:2000])})))"
    )
    shown = subprocess.run(
        [sys.executable, "-"], input=code, cwd=ROOT, capture_output=True, text=True, check=True
    )
    made: dict[str, Any] = json.loads(shown.stdout.splitlines()[-1])
    return made


def streamed(train: list[list[str]]) -> dict[str, Any]:
    texts, labels = zip(*train, strict=True)
    size = sum(len(t.encode()) for t in texts)
    classes = sorted(set(labels))
    model = TextClassifier(n_bits=18)
    model.partial_fit(list(texts), list(labels), classes=classes)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    limit = 16 << 20
    passes = 50 * limit // size + 1

    def stream() -> Iterator[tuple[list[str], list[str]]]:
        for at in range(passes):
            # New strings each time, as a file would give them.
            yield [f"{t} {at}" for t in texts], list(labels)

    began = time.process_time()
    model.fit_stream(stream(), classes)
    took = time.process_time() - began
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {
        "stream_mb": round(passes * size / 1e6), "texts": passes * len(texts), "grown_mb": round(grown / 1e3, 1),
        "limit_mb": round(limit / 1e6, 1), "texts_per_cpu_s": round(passes * len(texts) / took),
    }  # fmt: skip


def peers(python: Path, train: Pairs, test: Pairs, times: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.json"
        file.write_text(
            json.dumps({"train": train, "test": test, "times": times}), encoding="utf-8"
        )
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        shown = subprocess.run(
            [python, ROOT / "bench/peers/text_classifiers.py", file],
            capture_output=True, text=True, check=False, env=environment,
        )  # fmt: skip
        if shown.returncode:
            raise SystemExit(f"the peers failed:\n{shown.stderr}")
        found: dict[str, Any] = json.loads(shown.stdout.splitlines()[-1])
        return found


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
        train, test = SETS[name](options.shared / "data")
        size = float(np.mean([len(t) for t, _ in test]))
        times = max(1, int(4e6 / size / len(test)))
        found = {
            f"salient, {kind}": ours(train, test, times, **more) for kind, more in OURS.items()
        }
        found |= peers(python, train, test, times)
        line[name] = {"train": len(train), "test": len(test), "characters": round(size), **found}
        first = found["salient, words"]
        print(
            f"\n{name}: {len(train)} texts to learn from, {len(test)} to test, {size:.0f} characters each"
        )
        for peer, row in found.items():
            ratio = first["texts_per_cpu_s"] / row["texts_per_cpu_s"]
            print(f"  {peer:48} {row['accuracy']:.4f}  {row['texts_per_cpu_s']:>10,} texts/CPU-s  {ratio:6.1f}x  "
                  f"training {row['training_texts_per_cpu_s']:>9,}")  # fmt: skip
        print(f"  {json.dumps(first)}")
        if name == "ag_news":
            line["store"] = from_store(train, test)
            print(f"  store {json.dumps(line['store'])}")
            line["stream"] = flat_memory(train)
            print(f"  stream {json.dumps(line['stream'])}")
    if options.only == ",".join(SETS):
        with (ROOT / "bench/results/classify.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
