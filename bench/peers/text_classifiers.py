"""scikit-learn, fastText and Vowpal Wabbit on a set of texts, in an interpreter of their own.

    PYTHON bench/peers/text_classifiers.py FILE

FILE holds {"train": [[text, label], ...], "test": [...], "times": N}. Of each peer's settings those are taken that are best on a tenth
of the training texts (or of 4000 of them), having learnt from the rest; then it learns from all. A line of JSON is printed: of each peer its settings,
accuracy on the test texts, and texts a CPU-second in training (all passes, and hashing or vocabulary). After that each line
of standard input names a peer, and is answered by the CPU-seconds that it takes to classify the test texts N times over, from
strings to labels, by the seconds, and by how often that was done, half a second long at least: so who compares can let everybody
run in turn. They need other versions of numpy than we do, so `bench/classify.py` makes them a home.
"""

from __future__ import annotations

import argparse
import json
import string
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

REQUIREMENTS = (
    "scikit-learn==1.9.1", "fasttext-wheel==0.9.2", "fasttext-threaded==0.1.0", "vowpalwabbit==9.11.9", "numpy==1.26.4",
)  # fmt: skip

LEAST_S = 0.5
Pairs = list[list[str]]
Predict = Callable[[list[str]], Sequence[Any]]
Settings = dict[str, Any]
Peer = tuple[str, Sequence[Settings], Callable[[Pairs, Settings], Predict]]


def timed(work: Callable[[], object]) -> tuple[float, float, int]:
    """CPU-seconds and seconds of some work, and how often it was done: until it took LEAST_S."""
    began, seen = time.perf_counter(), time.process_time()
    times = 0
    while not times or time.process_time() - seen < LEAST_S:
        work()
        times += 1
    return (time.process_time() - seen) / times, (time.perf_counter() - began) / times, times


def sklearn() -> Iterator[Peer]:
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    def fit(train: Pairs, *steps: Any) -> Predict:
        texts, labels = zip(*train, strict=True)
        predict: Predict = make_pipeline(*steps).fit(texts, labels).predict
        return predict

    def hashing(train: Pairs, how: Settings) -> Predict:
        return fit(
            train, HashingVectorizer(ngram_range=(1, 2)), SGDClassifier(random_state=0, **how)
        )

    def tfidf(train: Pairs, how: Settings) -> Predict:
        return fit(train, TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)), LinearSVC(**how))

    yield (
        "scikit-learn HashingVectorizer + SGDClassifier",
        [{"alpha": a} for a in (1e-5, 3e-5, 1e-4)],
        hashing,
    )
    yield "scikit-learn TF-IDF + LinearSVC", [{"C": c} for c in (0.1, 0.3, 1.0, 3.0)], tfidf


# The quickest way that there is to what fastText and Vowpal Wabbit want: words with spaces between, in small letters.
_SPACES = str.maketrans(dict.fromkeys(string.punctuation.replace("_", "") + "\r\n\t\v\f", " "))


def plain(text: str) -> str:
    return text.lower().translate(_SPACES)


def fasttext() -> Iterator[Peer]:
    import fasttext as module
    from fasttext_threaded import load_model

    folder = Path(tempfile.mkdtemp())
    file = folder / "train.txt"

    def learn(train: Pairs, how: Settings) -> tuple[Any, dict[str, str]]:
        back = {f"__label__{at}": label for at, label in enumerate(sorted({y for _, y in train}))}
        names = {label: name for name, label in back.items()}
        file.write_text("".join(f"{names[y]} {plain(t)}\n" for t, y in train), encoding="utf-8")
        usual = {"bucket": 2_000_000, "thread": 1, "verbose": 0, "seed": 1}
        return module.train_supervised(str(file), **(usual | how)), back

    def usual(train: Pairs, how: Settings) -> Predict:
        model, back = learn(train, how)
        return lambda texts: [
            back[found[0]] for found in model.predict([plain(t) for t in texts])[0]
        ]

    def threaded(train: Pairs, how: Settings) -> Predict:
        made, back = learn(train, how)
        made.save_model(str(folder / "model.bin"))
        model = load_model(str(folder / "model.bin"))
        return lambda texts: [
            back[found[0]] for found in model.predict([plain(t) for t in texts])[0]
        ]

    grid = [
        {"lr": lr, "epoch": epochs, "wordNgrams": n}
        for lr, epochs, n in ((0.5, 25, 1), (0.5, 25, 2), (1.0, 25, 2), (1.0, 50, 1), (1.0, 50, 2))
    ]
    yield "fastText", grid, usual  # of 100 dimensions, as it has them unless told otherwise
    yield "fastText, 10 dimensions", [how | {"dim": 10} for how in grid], usual
    yield "fasttext-threaded", [{}], threaded  # with fastText's settings: it is for prediction only


def vowpal() -> Iterator[Peer]:
    from vowpalwabbit import Workspace

    def fit(train: Pairs, how: Settings) -> Predict:
        names = sorted({y for _, y in train})
        vw = Workspace(
            f"--oaa {len(names)} --ngram 2 -b 22 --loss_function {how['loss']} --quiet --random_seed 1"
        )
        lines = [f"{names.index(y) + 1} | {plain(t)}".replace(":", " ") for t, y in train]
        for _ in range(how["passes"]):
            for line in lines:
                vw.learn(line)
        return lambda texts: [names[vw.predict(f"| {plain(t)}") - 1] for t in texts]

    grid = [{"loss": loss, "passes": n} for loss in ("logistic", "hinge") for n in (3, 8)]
    yield "Vowpal Wabbit", grid, fit


def accuracy(predict: Predict, pairs: Pairs) -> float:
    texts, labels = zip(*pairs, strict=True)
    return sum(a == b for a, b in zip(predict(list(texts)), labels, strict=True)) / len(labels)


def chosen(train: Pairs, grid: Sequence[Settings], fit: Callable[..., Predict]) -> Settings:
    if len(grid) == 1:
        return grid[0]
    some = train[:: max(1, len(train) // 4000)]
    inside, held = [p for at, p in enumerate(some) if at % 10 != 5], some[5::10]
    return max(grid, key=lambda how: accuracy(fit(inside, how), held))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    data = json.loads(options.file.read_text(encoding="utf-8"))
    train, test = data["train"], data["test"]
    many = [text for text, _ in test] * data["times"]
    rows: dict[str, dict[str, Any]] = {}
    ready: dict[str, Predict] = {}
    for name, grid, fit in [*sklearn(), *fasttext(), *vowpal()]:
        best = rows["fastText"]["settings"] if grid == [{}] else chosen(train, grid, fit)
        began = time.process_time()
        ready[name] = fit(train, best)
        took = time.process_time() - began
        rows[name] = {
            "accuracy": round(accuracy(ready[name], test), 4), "settings": best,
            "training_texts_per_cpu_s": round(len(train) / took),
        }  # fmt: skip
    print(json.dumps(rows), flush=True)
    for line in sys.stdin:
        print(json.dumps(timed(partial(ready[line.strip()], many))), flush=True)


if __name__ == "__main__":
    main()
