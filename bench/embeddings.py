"""Word vectors: words a CPU-second beside gensim, and what many workers cost in quality and in time.

    python bench/embeddings.py [--shared ../shared] [--words 6000000] [--epochs 2] [--threads 1 2] [--workers 2 4 8]

All are trained on the same sentences with the same dimensions (100), window (5), negatives (5), least
count (5), subsampling (1e-3), rate (0.025) and epochs. Quality is Spearman's rank correlation on
WordSim-353 and SimLex-999, and the share of analogies answered right, each read from gensim's package
and scored by gensim for both. `words_per_cpu_s` counts words as read, before subsampling, in training
alone; that of gensim is taken over `train`, after its vocabulary was built. Workers are simulated one
after another: `apart` is the share of their CPU time that was not training.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from salient.learning.embeddings import (
    DistributedTraining,
    Vocabulary,
    VocabularyCounter,
    WordVectors,
)
from salient.learning.embeddings.corpus import sentences
from salient.learning.embeddings.training import Parameters, Tables, Trainer
from salient.work import Place
from salient.work.inline import Inline

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    "policy/ungdc/1970-1995.jsonl.xz": ["text"], "cls/20news/train.jsonl.xz": ["text"],
    "contracts/cuad/contracts.jsonl.xz": ["text"], "policy/dc_code/titles_01-25.jsonl.xz": ["text"],
    "ir/scifact/corpus.jsonl.xz": ["abstract"], "qa/squad/squad11_train44.jsonl.xz": ["context"],
    "qa/squad/squad20_dev_halfA.jsonl.xz": ["context"], "qa/squad_sentences/train.jsonl.xz": ["sentence"],
    "cls/ag_news/train_sample.jsonl.xz": ["text"], "patents/bigpatent/train_4000.jsonl.xz": ["text"],
    "keyphrase/inspec_1500.jsonl.xz": ["text"], "sts/stsb-en-train.jsonl.xz": ["s1", "s2"],
}  # fmt: skip


def documents(shared: Path, words: int) -> list[list[list[str]]]:
    """All texts in an order drawn once, until there are so many words."""
    found = []
    for name, fields in FILES.items():
        with lzma.open(shared / "data" / name, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                for field in fields:
                    text = row[field]
                    found.append(" ".join(text) if isinstance(text, list) else text)
    random.Random(1).shuffle(found)
    made, n = [], 0
    for text in found:
        made.append([s for s in sentences(text) if len(s) > 1])
        n += sum(map(len, made[-1]))
        if n >= words:
            break
    return made


def quality(vocabulary: Vocabulary, rows: Any) -> dict[str, float]:
    from gensim.models import KeyedVectors
    from gensim.test.utils import datapath

    keyed = KeyedVectors(100)
    keyed.add_vectors(list(vocabulary.words), np.ascontiguousarray(rows[:, :100]))
    scores = {
        "wordsim": keyed.evaluate_word_pairs(datapath("wordsim353.tsv"))[1][0],
        "simlex": keyed.evaluate_word_pairs(datapath("simlex999.txt"))[1][0],
        "analogies": keyed.evaluate_word_analogies(
            datapath("questions-words.txt"), restrict_vocab=15_000
        )[0],
    }
    return {n: round(float(s), 4) for n, s in scores.items()} | {"sum": round(float(sum(scores.values())), 4)}  # fmt: skip


def of_gensim(text: list[list[str]], parameters: Parameters, vocabulary: Vocabulary, threads: int) -> dict[str, Any]:  # fmt: skip
    from gensim.models import Word2Vec

    p = parameters
    model = Word2Vec(
        vector_size=p.dimensions, window=p.window, min_count=p.min_count, sg=int(p.mode == "skip-gram"),
        negative=p.negatives, sample=p.sample, workers=threads, epochs=p.epochs, seed=p.seed, alpha=p.rate, min_alpha=p.rate * 1e-4,
    )  # fmt: skip
    model.build_vocab(text)
    cpu, wall = time.process_time(), time.perf_counter()
    model.train(text, total_examples=len(text), epochs=p.epochs)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    words = int(vocabulary.counts.sum()) * p.epochs
    rows = np.array([model.wv[w] for w in vocabulary.words])
    return {"words_per_cpu_s": round(words / cpu), "words_per_s": round(words / wall), **quality(vocabulary, rows)}  # fmt: skip


def of_ours(text: list[list[str]], parameters: Parameters, vocabulary: Vocabulary, threads: int) -> dict[str, Any]:  # fmt: skip
    """Sentences in memory to vectors: numbering them is counted, as gensim counts it."""
    trainer = Trainer(parameters, vocabulary, threads=threads)
    tables = Tables.fresh(parameters, len(vocabulary))
    cpu, wall = time.process_time(), time.perf_counter()
    numbers = vocabulary.numbers(text)
    words = int(np.count_nonzero(numbers >= 0))
    cuts = np.flatnonzero(numbers == -1) + 1
    n = max(1, words // parameters.shard_words)
    shards = np.split(numbers, np.unique(cuts[np.searchsorted(cuts, [len(numbers) * i // n for i in range(1, n)])]))  # fmt: skip
    seen = 0
    for epoch in range(parameters.epochs):
        for number, shard in enumerate(shards):
            size = int(np.count_nonzero(shard >= 0))
            rates = trainer.rates(seen, size, words * parameters.epochs)
            trainer.train(tables, shard, rates, (epoch, number))
            seen += size
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"words_per_cpu_s": round(seen / cpu), "words_per_s": round(seen / wall), **quality(vocabulary, tables.inputs)}  # fmt: skip


def of_workers(texts: list[str], options: dict[str, Any], workers: int, how: str, shards: int) -> dict[str, Any]:  # fmt: skip
    model = WordVectors(**options)
    with tempfile.TemporaryDirectory() as folder:
        place = Place(f"file:{folder}", "memory:")
        training = DistributedTraining(
            model,
            Inline(place),
            place,
            prefix="bench",
            workers=workers,
            shards_a_task=shards,
            how=how,
        )
        training.fit(texts)
        place.close()
    last = training.last_
    return {
        "rounds": last.number, "apart": round(last.apart_s / last.cpu_s, 3), **quality(model.vocabulary_, model.keyed_.vectors),
    }  # fmt: skip


def flat(words: int) -> dict[str, Any]:
    """Peak memory of a process that trains on a stream of so many words, and on a tenth of it."""
    code = f"""
import resource, numpy as np
from salient.learning.embeddings import WordVectors
random = np.random.default_rng(0)
def stream(n):
    for _ in range(n // 1000):
        yield " ".join(f"w{{i}}" for i in (random.zipf(1.3, 1000) % 5000).tolist())
def peak(n):
    WordVectors(epochs=1, shard_words=100_000).fit(stream(n))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(peak({words // 10}), peak({words}))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout  # fmt: skip
    small, large = map(int, out.split())
    return {"words": words, "peak_mb_of_a_tenth": small, "peak_mb": large}


def lines(made: list[list[list[str]]]) -> Iterator[str]:
    for document in made:
        yield "\n".join(" ".join(s) for s in document)


def measure(options: argparse.Namespace, made: list[list[list[str]]], text: list[list[str]], vocabulary: Vocabulary, row: dict[str, Any]) -> None:  # fmt: skip
    """Fill the row."""
    given = {"epochs": options.epochs, "min_count": 5, "shard_words": options.shard_words}
    parameters = WordVectors(**given).parameters
    for threads in options.threads:
        ours, peer = (f(text, parameters, vocabulary, threads) for f in (of_ours, of_gensim))
        ratio = round(ours["words_per_cpu_s"] / peer["words_per_cpu_s"], 1)
        row[f"threads_{threads}"] = {"salient": ours, "gensim": peer, "times_gensim": ratio}
        print(threads, row[f"threads_{threads}"], flush=True)
    texts = list(lines(made))
    if options.workers:
        single = of_workers(texts, given, 1, "combined", 1)
        row["one_worker"] = single
        print("one worker", single, flush=True)
        for workers in options.workers:
            for how in ("combined", "mean"):
                found = of_workers(texts, given, workers, how, 1)
                found["loss"] = round(1 - found["sum"] / single["sum"], 4)
                row[f"workers_{workers}_{how}"] = found
                print(workers, how, found, flush=True)
    if options.stream:
        row["stream"] = flat(options.stream)
        print("stream", row["stream"], flush=True)
    row["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--words", type=int, default=6_000_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--workers", type=int, nargs="*", default=[2, 4, 8])
    parser.add_argument("--shard-words", type=int, default=250_000, help="of a round, each worker")
    parser.add_argument("--stream", type=int, default=5_000_000)
    options = parser.parse_args()
    made = documents(options.shared, options.words)
    text = [s for document in made for s in document]
    counter = VocabularyCounter()
    counter.add(text)
    vocabulary = counter.vocabulary(5)
    row: dict[str, Any] = {
        "bench": "embeddings", "at": datetime.now(UTC).isoformat(), "words": int(vocabulary.counts.sum()),
        "vocabulary": len(vocabulary), "epochs": options.epochs, "shard_words": options.shard_words,
    }  # fmt: skip
    try:
        measure(options, made, text, vocabulary, row)
    finally:  # what was measured before a stop is kept
        with (ROOT / "bench" / "results" / "embeddings.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
