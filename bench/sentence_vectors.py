"""Vectors of sentences by each encoder that is here: how well they say which are alike, and how fast.

    python bench/sentence_vectors.py [--shared ../shared] [--transformer FOLDER] [--vectors FOLDER ...]

Spearman's rank correlation of cosines and people's judgements on the development part of the STS benchmark (1,500 pairs);
sentences a CPU-second on one thread. `words` are means of word vectors trained here on three million words, the sentences of the
benchmark's training part among them, without their judgements. The folder of the transformer holds model.onnx and
tokenizer.json (all-MiniLM-L6-v2 in the rows that are kept).
"""

from __future__ import annotations

import argparse
import json
import lzma
import os
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported

import numpy as np
from embeddings import documents, lines
from word_quality import spearman

from salient.errors import Error
from salient.learning.embeddings import WordVectors
from salient.learning.vectors import Encoder, open_encoder

ROOT = Path(__file__).resolve().parents[1]


def pairs(shared: Path) -> tuple[list[str], list[str], list[float]]:
    with lzma.open(shared / "data/sts/stsb-en-dev.jsonl.xz", "rt", encoding="utf-8") as rows:
        found = [json.loads(line) for line in rows]
    return [r["s1"] for r in found], [r["s2"] for r in found], [r["score"] for r in found]


def told(encoder: Encoder, shared: Path) -> dict[str, Any]:
    one, other, judged = pairs(shared)
    encoder.encode(one[:32])  # what is read at first is not counted
    cpu = time.process_time()
    a, b = encoder.encode(one), encoder.encode(other)
    cpu = time.process_time() - cpu
    cosines = (np.asarray(a, np.float64) * b).sum(axis=1)
    return {
        "dimensions": encoder.dimensions, "spearman": round(spearman(cosines, np.array(judged)), 4),
        "sentences_per_cpu_s": round(2 * len(one) / cpu),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--transformer", type=Path)
    parser.add_argument("--words", type=int, default=3_000_000)
    options = parser.parse_args()
    row: dict[str, Any] = {"bench": "sentence_vectors", "at": datetime.now(UTC).isoformat()}
    with tempfile.TemporaryDirectory() as folder:
        trained = WordVectors(epochs=5, rate=0.05).fit(
            lines(documents(options.shared, options.words))
        )
        trained.save(Path(folder) / "words")
        specs = {"hashing": "hashing", "words": f"vectors:{folder}/words", "potion": "potion"}
        if options.transformer:
            specs["transformer"] = f"transformer:{options.transformer}"
        for name, spec in specs.items():
            try:
                row[name] = told(open_encoder(spec), options.shared)
            except Error as exc:
                row[name] = {"missing": str(exc)}
            print(name, row[name], flush=True)
    with (ROOT / "bench" / "results" / "sentence_vectors.jsonl").open(
        "a", encoding="utf-8"
    ) as file:
        file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
