"""Vectors: likeness of sentences as people judge it, and speed on passages of contracts.

    python bench/vectors.py [--shared ../shared]

Quality is Spearman's rank correlation of the dot product with people's scores on the development
part of STS-B; beside it that of the share of words in common. Speed is passages of 120 words by
CPU-second, one process. Memory is what loading and encoding add.
"""

from __future__ import annotations

import argparse
import json
import lzma
import re
import resource
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.errors import Misconfigured
from salient.learning import open_encoder

ROOT = Path(__file__).resolve().parents[1]
N_CONTRACTS, WORDS = 40, 120


def pairs(shared: Path) -> tuple[list[str], list[str], NDArray[np.float64]]:
    with lzma.open(shared / "data/sts/stsb-en-dev.jsonl.xz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return (
        [r["s1"] for r in rows],
        [r["s2"] for r in rows],
        np.array([float(r["score"]) for r in rows]),
    )


def passages(shared: Path) -> list[str]:
    made = []
    with lzma.open(shared / "data/contracts/cuad/contracts.jsonl.xz", "rt", encoding="utf-8") as f:
        for _, line in zip(range(N_CONTRACTS), f, strict=False):
            words = json.loads(line)["text"].split()
            made += [" ".join(words[i : i + WORDS]) for i in range(0, len(words), WORDS)]
    return made


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0, equal values sharing the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts) - 1
    return (last - (counts - 1) / 2)[inverse]


def spearman(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return round(float(np.corrcoef(ranks(a), ranks(b))[0, 1]), 4)


def words_in_common(a: str, b: str) -> float:
    one, two = (set(re.findall(r"\w+", s.lower())) for s in (a, b))
    return len(one & two) / max(len(one | two), 1)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    options = parser.parse_args()
    one, two, gold = pairs(options.shared)
    texts = passages(options.shared)
    shared_words = np.array([words_in_common(a, b) for a, b in zip(one, two, strict=True)])
    row: dict[str, Any] = {
        "bench": "vectors", "at": datetime.now(UTC).isoformat(), "pairs": len(gold), "passages": len(texts),
        "words_in_common": {"stsb_dev_spearman": spearman(shared_words, gold)},
    }  # fmt: skip
    for name in ("hashing", "potion"):
        try:
            encoder = open_encoder(name)
        except Misconfigured as exc:
            row[name] = {"not_installed": str(exc)}
            continue
        before = peak_mb()
        alike = np.einsum("ij,ij->i", encoder.encode(one), encoder.encode(two))
        began = time.process_time()
        encoder.encode(texts)
        seconds = time.process_time() - began
        row[name] = {
            "component": encoder.component,
            "stsb_dev_spearman": spearman(alike.astype(np.float64), gold),
            "passages_per_cpu_s": round(len(texts) / seconds),
            "peak_memory_more_mb": round(peak_mb() - before),
        }
    with (ROOT / "bench" / "results" / "vectors.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    for name, value in row.items():
        print(name, value)


if __name__ == "__main__":
    main()
