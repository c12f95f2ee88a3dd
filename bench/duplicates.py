"""Near-duplicates: sketches a second, pairs found of a corpus with known truth, memory and growth; beside datasketch and rensa.

    python bench/duplicates.py [--shared ../shared] [--peers PYTHON] [--texts N]

The corpus is made here with a seed, of texts of the folder of public data (newsgroup posts and encyclopedia paragraphs, those with
100 words and more, no two of which share much): every text once, and of half of them a copy with a share of its words replaced by
others (2, 5 and 10 per cent), with its sentences in another order, or cut to 70 per cent. A pair is right if both are of one text.
Precision, recall and F1 of pairs by kind of copy; those of other kinds are left out when one is measured.

Everybody gets runs of five words, 256 values a sketch (ours 512 as well, in a row of its own) and bands that find 0.98 of the pairs at the threshold 0.5, and verifies pairs by
their sketches. Times are CPU-seconds from strings to pairs, one thread; datasketch and rensa cut and hash words in Python, as their
guides do. Peers run in an interpreter of their own, made once under --cache.
"""

from __future__ import annotations

import argparse
import json
import lzma
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [p for p in (str(ROOT / "bench"),) if p not in sys.path]

from peers.homes import home  # noqa: E402 # beside this file, once that is on the path
from peers.text_duplicates import REQUIREMENTS  # noqa: E402 # the same

from salient.kernels import minhash  # noqa: E402 # the same
from salient.learning.duplicates import NearDuplicates  # noqa: E402 # the same

KINDS = ("2%", "5%", "10%", "order", "cut")
THRESHOLD = 0.5
SIZES = (2_000, 8_000, 32_000, 128_000)


def originals(data: Path, n: int) -> list[str]:
    def texts() -> Iterator[str]:
        for file, key in (
            ("cls/20news/train.jsonl.xz", "text"), ("qa/squad/squad11_train44.jsonl.xz", "context"),
            ("qa/squad/squad11_dev_halfA.jsonl.xz", "context"),
        ):  # fmt: skip
            with lzma.open(data / file, "rt", encoding="utf-8") as lines:
                yield from (json.loads(line)[key] for line in lines)

    long = [t for t in texts() if len(t.split()) >= 100]
    # What is quoted or posted twice is a duplicate that nobody has marked.
    index = NearDuplicates(threshold=0.1).fit(long)
    kept = [t for at, t in enumerate(long) if index.labels_[at] == at]
    return kept[:n]


def corpus(texts: list[str], seed: int = 1) -> tuple[list[str], list[tuple[int, int, str]]]:
    """Texts and the true pairs, each with its kind."""
    rng = np.random.default_rng(seed)
    words = sorted({w for t in texts[:2000] for w in t.split()})
    made, pairs = list(texts), []
    for at in range(0, len(texts), 2):
        kind = KINDS[(at // 2) % len(KINDS)]
        own = texts[at].split()
        if kind.endswith("%"):
            for place in rng.permutation(len(own))[: round(float(kind[:-1]) / 100 * len(own))]:
                own[place] = words[rng.integers(0, len(words))]
        elif kind == "order":
            parts = [p for p in texts[at].replace("\n", " ").split(". ") if p]
            own = ". ".join(parts[i] for i in rng.permutation(len(parts))).split()
        else:
            own = own[: round(0.7 * len(own))]
        pairs.append((at, len(made), kind))
        made.append(" ".join(own))
    return made, pairs


def quality(found: set[tuple[int, int]], pairs: list[tuple[int, int, str]]) -> dict[str, Any]:
    kind_of = {(a, b): kind for a, b, kind in pairs}
    wrong = sum(pair not in kind_of for pair in found)
    row: dict[str, Any] = {"false_pairs": wrong}
    for kind in KINDS:
        true = {pair for pair, own in kind_of.items() if own == kind}
        hits = len(true & found)
        precision, recall = hits / max(hits + wrong, 1), hits / max(len(true), 1)
        row[kind] = round(2 * precision * recall / max(precision + recall, 1e-9), 4)
        row[f"{kind} precision, recall"] = [round(precision, 4), round(recall, 4)]
    hits = len(set(kind_of) & found)
    row["f1"] = round(2 * hits / (len(found) + len(kind_of)), 4)
    return row


def ours(
    texts: list[str], pairs: list[tuple[int, int, str]], threshold: float, n_bits: int = 8
) -> dict[str, Any]:
    size = sum(len(t.encode()) for t in texts)
    minhash(texts[:100], 5, n_bits)
    began = time.process_time()
    minhash(texts, 5, n_bits)
    sketching = time.process_time() - began
    began = time.process_time()
    index = NearDuplicates(threshold=threshold, n_bits=n_bits).fit(texts)
    found = {(int(a), int(b)) for a, b, _ in index.pairs().tolist()}
    took = time.process_time() - began
    return {
        "sketch_mb_per_cpu_s": round(size / 1e6 / sketching, 1), "gb_a_minute": round(size / 1e9 / sketching * 60, 2),
        "texts_per_cpu_s": round(len(texts) / took), **quality(found, pairs),
    }  # fmt: skip


def growth(texts: list[str]) -> dict[str, Any]:
    """Microseconds a text as texts grow in number, taken in by batches of 4096, and bytes of the index that is mapped."""
    row: dict[str, Any] = {}
    for n in SIZES:
        code = (
            "import sys; sys.path.insert(0, 'bench'); import duplicates, json; "
            f"print(json.dumps(duplicates.grown({n})))"
        )
        shown = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
        )
        row[str(n)] = json.loads(shown.stdout.splitlines()[-1])
    return row


def grown(n: int) -> dict[str, float]:
    rng = np.random.default_rng(1)
    words = [f"w{at}" for at in range(20_000)]

    def batch(first: int, size: int) -> list[str]:
        return [
            " ".join(words[i] for i in rng.integers(0, 20_000, 150))
            for _ in range(first, first + size)
        ]

    index = NearDuplicates()
    took = 0.0
    for first in range(0, n, 4096):
        part = batch(first, min(4096, n - first))
        began = time.process_time()
        index.partial_fit(part)
        took += time.process_time() - began
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder))
        size = sum(f.stat().st_size for f in Path(folder).iterdir())
    return {"us_a_text": round(1e6 * took / n, 1), "mapped_bytes_a_text": round(size / n)}


def peers(python: Path, texts: list[str], threshold: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.json"
        file.write_text(json.dumps({"texts": texts, "threshold": threshold}), encoding="utf-8")
        shown = subprocess.run(
            [python, ROOT / "bench/peers/text_duplicates.py", file],
            capture_output=True,
            text=True,
            check=False,
        )
        if shown.returncode:
            raise SystemExit(f"the peers failed:\n{shown.stderr}")
        found: dict[str, Any] = json.loads(shown.stdout.splitlines()[-1])
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--cache", type=Path, default=ROOT / ".salient/bench")
    parser.add_argument("--peers", type=Path, help="an interpreter that has them")
    parser.add_argument("--texts", type=int, default=8000)
    options = parser.parse_args()
    python = options.peers or home(options.cache, "duplicates", REQUIREMENTS)
    texts, pairs = corpus(originals(options.shared / "data", options.texts))
    print(
        f"{len(texts)} texts, {sum(map(len, texts)) / len(texts):.0f} characters each, {len(pairs)} pairs"
    )
    line: dict[str, Any] = {
        "bench": "duplicates",
        "at": datetime.now(UTC).isoformat(),
        "texts": len(texts),
    }
    for threshold in (THRESHOLD, 0.3):
        rows = {"salient": ours(texts, pairs, threshold)}
        # Near the threshold what is found is a matter of how exactly a sketch tells likeness.
        rows["salient, 512 values"] = ours(texts, pairs, threshold, 9)
        for name, row in peers(python, texts, threshold).items():
            found = {(a, b) for a, b in row.pop("pairs")}
            rows[name] = row | quality(found, pairs)
        print(f"threshold {threshold}")
        for name, row in rows.items():
            ratio = rows["salient"]["texts_per_cpu_s"] / row["texts_per_cpu_s"]
            print(f"  {name:20} {ratio:6.1f}x  {json.dumps(row)}")
        line[f"threshold {threshold}"] = rows
    line["growth"] = growth(texts)
    print(f"growth {json.dumps(line['growth'])}")
    with (ROOT / "bench/results/duplicates.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
