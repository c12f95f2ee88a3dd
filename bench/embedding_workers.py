"""Word vectors by many workers: what 2, 4 and 8 lose beside one, beside plain averaging, and what they wait for.

    python bench/embedding_workers.py [--peers /path/to/python] [--workers 8 4 2] [--words 25000000] [--epochs 3] [--seeds 1 2 3]

Workers are simulated one after another, in one process, through the same code and blobs as on any executor. All
train on the same text, cut, counted and numbered once, by the defaults of DistributedTraining; what is shown is the
mean of the seeds, `spread` the standard deviation of the score between them. Two questions are kept apart: the learning rate of
one worker and of each number of workers is chosen, among the same, on every second question of WordSim-353,
SimLex-999 and the analogies; the scores and losses of the row are of the other questions, by that rate. Plain
averaging (`mean`) has the rate that was chosen for as many workers, and the one of a single worker: the
better one is shown. `synchronisation` is of the time that the run takes when each worker and each reducer has a core
of its own: of each round the CPU time of the slowest worker, of the slowest reducer and of the coordinator, less
what the slowest worker trained, over all of it. `times_as_fast` is the time that one worker trains, without
any synchronisation, over that time.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported: a worker has one core

import chart
import numpy as np
from embeddings import documents, lines
from word_quality import Quality

from salient.learning.embeddings import DistributedTraining, WordVectors
from salient.work import Done, End, Item, Place, Pool, Recipe

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results"


class Kept(Pool):
    """Does items one after another, and keeps the handler for as long as its recipe is asked for, as workers do."""

    slots = 1

    def __init__(self, place: Place) -> None:
        self._place = place
        self._recipe: Recipe | None = None

    def run(self, recipe: Recipe, items: Iterable[Item], *, urgent: bool = False) -> Generator[End]:
        if recipe != self._recipe:
            self._handler = recipe.kind().factory(recipe.setup, self._place)
            self._recipe = recipe
        for item in items:
            yield Done(item, self._handler(item.value))

    def close(self) -> None:
        """Nothing is open between runs."""


class Runs:
    """Runs over one text that is prepared once."""

    def __init__(self, place: Place, options: argparse.Namespace) -> None:
        self._place, self._options = place, options
        self._done: dict[tuple[int, str, float], dict[str, Any]] = {}
        self._quality: Quality | None = None
        self._training(1, "combined", 0.025, 1, "text").prepare(
            lines(documents(options.shared, options.words))
        )

    def _training(self, workers: int, how: str, rate: float, seed: int, prefix: str) -> DistributedTraining:  # fmt: skip
        o = self._options
        model = WordVectors(
            epochs=o.epochs, min_count=o.min_count, shard_words=o.shard_words, rate=rate, seed=seed
        )  # fmt: skip
        return DistributedTraining(
            model, Kept(self._place), self._place, prefix=prefix, workers=workers, how=how
        )

    def run(self, workers: int, how: str, rate: float) -> dict[str, Any]:
        """Both halves' scores, and what it took: means of the seeds."""
        key = (workers, how, rate)
        if key not in self._done:
            found = [self._one(*key, seed) for seed in self._options.seeds]
            spread = float(np.std([f["report"]["sum"] for f in found]))
            self._done[key] = {**mean_of(found), "spread": round(spread, 4)}
            print(key, self._done[key], flush=True)
        return self._done[key]

    def _one(self, workers: int, how: str, rate: float, seed: int) -> dict[str, Any]:
        prefix = f"run-{workers}-{how}-{rate}-{seed}"
        blobs = self._place.blobs
        for name in blobs.list("text/"):
            if not name.startswith(("text/parameters", "text/rounds", "text/text/", "text/counts")):
                blobs.put(name.replace("text", prefix, 1), blobs.get(name))
        began = time.process_time()
        training = self._training(workers, how, rate, seed, prefix)
        model = training.fit(())
        if self._quality is None:
            self._quality = Quality(model.vocabulary_.words, self._options.questions)
        found = {
            "rate": rate, "rounds": training.last_.number, "cpu_s": round(time.process_time() - began, 1),
            "synchronisation": round(training.path_apart_s / training.path_s, 4),
            "path_s": round(training.path_s, 2), "trained_s": round(training.path_s - training.path_apart_s, 2),
            **{part: self._quality.scores(model.keyed_.vectors, part) for part in ("choose", "report")},
        }  # fmt: skip
        blobs.delete_prefix(f"{prefix}/")
        return found

    def best(self, workers: int, how: str, rates: list[float]) -> dict[str, Any]:
        """The run by the rate that does best on the questions for choosing."""
        return max((self.run(workers, how, r) for r in rates), key=lambda f: f["choose"]["sum"])


def mean_of(found: list[dict[str, Any]]) -> dict[str, Any]:
    """Of equal places in each."""
    return {
        name: mean_of([f[name] for f in found])
        if isinstance(value, dict)
        else round(float(np.mean([f[name] for f in found])), 4)
        for name, value in found[0].items()
    }


def row_of(runs: Runs, options: argparse.Namespace, row: dict[str, Any]) -> None:
    one = row["one"] = runs.best(1, "combined", options.rates)
    for workers in options.workers:
        made = runs.best(workers, "combined", options.rates)
        mean = max(
            (runs.run(workers, "mean", r) for r in {made["rate"], one["rate"]}),
            key=lambda f: f["choose"]["sum"],
        )
        for how, best in (("combined", made), ("mean", mean)):
            found = row[f"workers_{workers}_{how}"] = dict(best)
            found["loss"] = round(1 - found["report"]["sum"] / one["report"]["sum"], 4)
            found["times_as_fast"] = round(one["trained_s"] / found["path_s"], 2)
            print(workers, how, found, flush=True)
    row["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def plot(row: dict[str, Any]) -> str:
    numbers = [w for w in (2, 4, 8) if f"workers_{w}_mean" in row]
    one = row["one"]["report"]["sum"]
    scores = {
        how: [(1, one), *((w, row[f"workers_{w}_{how}"]["report"]["sum"]) for w in numbers)]
        for how in ("combined", "mean")
    }
    waits = [(w, 100 * row[f"workers_{w}_combined"]["synchronisation"]) for w in numbers]
    speeds = [(1, 1.0), *((w, row[f"workers_{w}_combined"]["times_as_fast"]) for w in numbers)]
    panels = [
        chart.Panel("WordSim + SimLex + analogies", scores),
        chart.Panel("synchronisation, % of the time", {"combined": waits}),
        chart.Panel("times as fast as one", {"combined": speeds}),
    ]
    return chart.svg("Word vectors by many workers", "workers", panels)


def questions(peers: Path) -> Path:
    """Where gensim has its test data."""
    code = "from gensim.test.utils import datapath; print(datapath(''))"
    out = subprocess.run([peers, "-c", code], capture_output=True, text=True, check=True).stdout
    return Path(out.strip())


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    parser.add_argument(
        "--peers",
        type=Path,
        default=Path(sys.executable),
        help="a Python with gensim, for its questions",
    )
    parser.add_argument("--words", type=int, default=25_000_000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--min-count", type=int, default=20)
    parser.add_argument("--rates", type=float, nargs="*", default=[0.025, 0.05])
    parser.add_argument("--workers", type=int, nargs="*", default=[8, 4, 2])
    parser.add_argument(
        "--shard-words", type=int, default=500_000, help="of a first round, each worker"
    )
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    options = parser.parse_args()
    options.questions = questions(options.peers)
    row: dict[str, Any] = {"bench": "embedding_workers", "at": datetime.now(UTC).isoformat()}
    row |= {
        n: getattr(options, n)
        for n in ("words", "epochs", "min_count", "shard_words", "rates", "seeds")
    }
    try:
        with tempfile.TemporaryDirectory() as folder:
            place = Place(f"file:{folder}?sync=no", "memory:")
            try:
                row_of(Runs(place, options), options, row)
            finally:
                place.close()
    finally:  # what was measured before a stop is kept
        with (RESULTS / "embedding_workers.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
    (RESULTS / "embedding_workers.svg").write_text(plot(row))


if __name__ == "__main__":
    main()
