"""Word vectors: words a CPU-second and quality beside gensim, and memory on a stream larger than the limit.

    python bench/embeddings.py [--shared ../shared] [--words 3000000] [--epochs 2] [--threads 1 2] [--seeds 1 2 3 4 5 6]

Both are trained on the same sentences with the same dimensions (100), window (5), negatives (5), least
count (5), subsampling (1e-3), rate (0.025) and epochs. Quality is Spearman's rank correlation on
WordSim-353 and SimLex-999, and the share of analogies answered right (see word_quality.py), the mean of the seeds.
`words_per_cpu_s` counts words as read, before subsampling, in training alone; that of gensim is taken over `train`,
after its vocabulary was built, ours with numbering the words.

`stream`: a process that may have no more than so many megabytes beside what it had when its modules were imported
(RLIMIT_DATA: an allocation beyond it fails) trains on a stream of fifty times as many.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import chart
import numpy as np
from word_quality import Quality

from salient.learning.embeddings import Vocabulary, VocabularyCounter, WordVectors
from salient.learning.embeddings.corpus import sentences
from salient.learning.embeddings.training import Parameters, Tables, Trainer

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


def of_gensim(text: list[list[str]], parameters: Parameters, vocabulary: Vocabulary, threads: int, quality: Quality) -> dict[str, Any]:  # fmt: skip
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
    return {"words_per_cpu_s": round(words / cpu), "words_per_s": round(words / wall), **quality.scores(rows)}  # fmt: skip


def of_ours(text: list[list[str]], parameters: Parameters, vocabulary: Vocabulary, threads: int, quality: Quality) -> dict[str, Any]:  # fmt: skip
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
    return {"words_per_cpu_s": round(seen / cpu), "words_per_s": round(seen / wall), **quality.scores(tables.inputs[:, : parameters.dimensions])}  # fmt: skip


def flat(limit_mb: int) -> dict[str, Any]:
    """See the module's text. Raises CalledProcessError: the limit was not kept."""
    code = f"""
import resource, time, numpy as np
from salient.learning.embeddings import WordVectors
def held():
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith("VmData")) * 1024
random = np.random.default_rng(0)
words = [f"w{{i}}" for i in (random.zipf(1.3, 40_000) % 2000).tolist()]
np.linalg.eigh(np.eye(8))
WordVectors(epochs=1, min_count=1).fit(["a b c"] * 50)
start, limit = held(), {limit_mb} * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (start + limit, start + limit))
size = 0
def stream():
    global size
    while size < 50 * limit:
        at = int(random.integers(0, 30_000))
        text = " ".join(words[at : at + 10_000])
        size += len(text)
        yield text
model = WordVectors(epochs=1, shard_words=20_000, dimensions=50).fit(stream())
try:
    more = bytearray(limit + 2**20)
except MemoryError:
    print(size // 2**20, int(model.vocabulary_.counts.sum()), (held() - start) // 2**20)
"""
    began = time.perf_counter()
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout  # fmt: skip
    size, words, more = map(int, out.split())
    seconds = time.perf_counter() - began
    return {"limit_mb": limit_mb, "stream_mb": size, "words": words, "held_mb_after": more, "words_per_s": round(words / seconds)}  # fmt: skip


def lines(made: list[list[list[str]]]) -> Iterator[str]:
    for document in made:
        yield "\n".join(" ".join(s) for s in document)


def mean_of(found: list[dict[str, Any]]) -> dict[str, Any]:
    made = {k: round(float(np.mean([f[k] for f in found])), 4) for k in found[0]}
    return made | {"spread": round(float(np.std([f["sum"] for f in found])), 4)}


def measure(options: argparse.Namespace, text: list[list[str]], vocabulary: Vocabulary, row: dict[str, Any]) -> None:  # fmt: skip
    """Fill the row."""
    quality = Quality(vocabulary.words, questions())
    for threads in options.threads:
        ours, peers = [], []
        for seed in options.seeds:
            given = {"epochs": options.epochs, "min_count": 5, "shard_words": options.shard_words}
            parameters = WordVectors(**given, seed=seed).parameters
            ours.append(of_ours(text, parameters, vocabulary, threads, quality))
            peers.append(of_gensim(text, parameters, vocabulary, threads, quality))
            print(threads, seed, ours[-1], peers[-1], flush=True)
        made, peer = mean_of(ours), mean_of(peers)
        ratio = round(made["words_per_cpu_s"] / peer["words_per_cpu_s"], 1)
        row[f"threads_{threads}"] = {"salient": made, "gensim": peer, "times_gensim": ratio}
        print(threads, row[f"threads_{threads}"], flush=True)
    if options.stream_mb:
        row["stream"] = flat(options.stream_mb)
        print("stream", row["stream"], flush=True)
    row["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def questions() -> Path:
    """Where gensim has its test data."""
    from gensim.test.utils import datapath

    return Path(datapath(""))


def plot(rows: list[dict[str, Any]]) -> str:
    """Of the runs over time that measured both."""
    runs = [r["threads_1"] for r in rows if "threads_1" in r]
    each = {n: [(i + 1, r[n]) for i, r in enumerate(runs)] for n in ("salient", "gensim")}
    panels = [
        chart.Panel("thousand words a CPU-second, one thread", {n: [(i, v["words_per_cpu_s"] / 1000) for i, v in e] for n, e in each.items()}),
        chart.Panel("WordSim + SimLex + analogies", {n: [(i, v["sum"]) for i, v in e] for n, e in each.items()}),
    ]  # fmt: skip
    return chart.svg("Word vectors beside gensim", "runs", panels)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument("--words", type=int, default=3_000_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--shard-words", type=int, default=120_000)
    parser.add_argument("--stream-mb", type=int, default=8, help="the limit; 0 for none")
    options = parser.parse_args()
    made = documents(options.shared, options.words)
    text = [s for document in made for s in document]
    counter = VocabularyCounter()
    counter.add(text)
    vocabulary = counter.vocabulary(5)
    row: dict[str, Any] = {
        "bench": "embeddings", "at": datetime.now(UTC).isoformat(), "words": int(vocabulary.counts.sum()),
        "vocabulary": len(vocabulary), "epochs": options.epochs, "shard_words": options.shard_words, "seeds": options.seeds,
    }  # fmt: skip
    results = ROOT / "bench" / "results" / "embeddings.jsonl"
    try:
        measure(options, text, vocabulary, row)
    finally:  # what was measured before a stop is kept
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    results.with_suffix(".svg").write_text(plot(rows))


if __name__ == "__main__":
    main()
