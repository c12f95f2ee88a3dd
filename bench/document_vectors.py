"""Vectors of documents beside gensim's Doc2Vec: classes of news told by them, and documents a CPU-second.

    python bench/document_vectors.py [--shared ../shared] [--epochs 20] [--modes dbow dm]

The texts of a sample of AG News, four of five with their class; 100 dimensions, window 5, 5 negatives, least count 2,
rate 0.05, both. `trained`: all texts are trained on, without classes, and the class of each fifth is that of most
of its ten nearest neighbours among the others; `inferred`: its vectors are made by `infer` of a model that was not
trained on them. `linear` is the same by a ridge regression onto classes. Means of three seeds.
"""

from __future__ import annotations

import argparse
import json
import lzma
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.learning.embeddings import TextVectors, WordVectors
from salient.learning.embeddings.corpus import sentences

ROOT = Path(__file__).resolve().parents[1]
_SAME = {"min_count": 2, "window": 5, "epochs": 20}
Vectors = NDArray[np.float32]


def news(shared: Path) -> tuple[list[str], NDArray[np.int64]]:
    texts, classes = [], []
    with lzma.open(
        shared / "data/cls/ag_news/train_sample.jsonl.xz", "rt", encoding="utf-8"
    ) as lines:
        for line in lines:
            row = json.loads(line)
            texts.append(row["text"])
            classes.append(row["label"])
    return texts, np.unique(classes, return_inverse=True)[1]


def told(rows: Vectors, classes: NDArray[np.int64], asked: NDArray[np.bool_]) -> dict[str, float]:
    """Accuracy on those asked, by the others."""
    units = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    known = classes[~asked]
    one_of = np.eye(classes.max() + 1)[known]
    near = np.argpartition(-(units[asked] @ units[~asked].T), 10, axis=1)[:, :10]
    nearest = one_of[near].sum(axis=1).argmax(axis=1)
    x = np.hstack([units, np.ones((len(units), 1))]).astype(np.float64)
    a = x[~asked]
    weights = np.linalg.solve(a.T @ a + np.eye(a.shape[1]), a.T @ one_of)
    linear = (x[asked] @ weights).argmax(axis=1)
    return {
        "nearest": float((nearest == classes[asked]).mean()),
        "linear": float((linear == classes[asked]).mean()),
    }


def of_ours(
    texts: list[str], held: list[str], mode: str, rate: float, seed: int
) -> tuple[Vectors, Vectors, float]:
    model = WordVectors(documents=mode, seed=seed, rate=rate, **_SAME)
    cpu = time.process_time()
    model.fit(texts)
    cpu = time.process_time() - cpu
    return model.documents_, model.infer(held), cpu


def of_gensim(
    texts: list[str], held: list[str], mode: str, rate: float, seed: int
) -> tuple[Vectors, Vectors, float]:
    from gensim.models.doc2vec import Doc2Vec, TaggedDocument

    cpu = time.process_time()
    words = [[w for s in sentences(t) for w in s] for t in texts]
    tagged = [TaggedDocument(w, [n]) for n, w in enumerate(words)]
    model = Doc2Vec(
        tagged, vector_size=100, dm=int(mode == "dm"), dbow_words=int(mode == "dbow-words"), negative=5, workers=1,
        seed=seed, sample=1e-3, alpha=rate, min_alpha=rate * 1e-4, **_SAME,
    )  # fmt: skip
    cpu = time.process_time() - cpu
    found = [model.infer_vector([w for s in sentences(t) for w in s]) for t in held]
    return np.array([model.dv[n] for n in range(len(texts))]), np.array(found), cpu


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--modes", nargs="*", default=["dbow", "dbow-words", "dm"])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--rate", type=float, default=0.05)
    options = parser.parse_args()
    texts, classes = news(options.shared)
    asked = np.arange(len(texts)) % 5 == 4
    known = [t for t, a in zip(texts, asked, strict=True) if not a]
    held = [t for t, a in zip(texts, asked, strict=True) if a]
    row: dict[str, Any] = {
        "bench": "document_vectors", "at": datetime.now(UTC).isoformat(), "texts": len(texts), "rate": options.rate,
    } | _SAME  # fmt: skip
    for mode in options.modes:
        for name, make in (("salient", of_ours), ("gensim", of_gensim)):
            found = []
            for seed in options.seeds:
                rows, _, cpu = make(texts, held[:1], mode, options.rate, seed)
                some, inferred, _ = make(known, held, mode, options.rate, seed)
                both = np.empty((len(texts), rows.shape[1]), np.float32)
                both[~asked], both[asked] = some, inferred
                scores = {f"trained_{k}": v for k, v in told(rows, classes, asked).items()}
                scores |= {f"inferred_{k}": v for k, v in told(both, classes, asked).items()}
                found.append(scores | {"documents_per_cpu_s": len(texts) * _SAME["epochs"] / cpu})
            row[f"{mode}_{name}"] = {
                k: round(float(np.mean([f[k] for f in found])), 4) for k in found[0]
            }
            print(mode, name, row[f"{mode}_{name}"], flush=True)
    words = WordVectors(**_SAME).fit(texts)
    means = TextVectors(words.keyed_).transform(texts)
    row["means_of_words"] = {k: round(v, 4) for k, v in told(means, classes, asked).items()}
    print("means of words", row["means_of_words"], flush=True)
    with (ROOT / "bench" / "results" / "document_vectors.jsonl").open(
        "a", encoding="utf-8"
    ) as file:
        file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
