"""scikit-learn, fastText and Vowpal Wabbit on a set of texts, in an interpreter of their own.

    PYTHON bench/peers/text_classifiers.py FILE

FILE holds {"train": [[text, label], ...], "test": [...], "times": N}; a line of JSON a peer is printed: accuracy, and texts a
CPU-second in training (all passes, and hashing or vocabulary) and in prediction from strings to labels, of the test texts N
times over. Settings are those that their own guides give for such texts; of several, the best on these very test texts is
taken, which flatters the peers. They need other versions of numpy than we do, so `bench/classify.py` makes them a home.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

REQUIREMENTS = (
    "scikit-learn==1.9.1", "fasttext-wheel==0.9.2", "fasttext-threaded==0.1.0", "vowpalwabbit==9.11.9", "numpy==1.26.4",
)  # fmt: skip

Fit = Callable[[], Callable[[list[str]], Sequence[Any]]]


def sklearn(train: list[list[str]]) -> Iterator[tuple[str, Fit]]:
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    texts, labels = zip(*train, strict=True)

    def fit(*steps: Any) -> Callable[[list[str]], Sequence[Any]]:
        return make_pipeline(*steps).fit(texts, labels).predict

    yield (
        "scikit-learn HashingVectorizer + SGDClassifier",
        lambda: fit(HashingVectorizer(ngram_range=(1, 2)), SGDClassifier(random_state=0)),
    )
    for c in (0.3, 1.0):
        yield (
            "scikit-learn TF-IDF + LinearSVC",
            lambda c=c: fit(TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)), LinearSVC(C=c)),
        )


def plain(text: str) -> str:
    """fastText and Vowpal Wabbit want words with spaces between, in small letters."""
    import re

    return " ".join(re.findall(r"\w+", text.lower()))


def fasttext(train: list[list[str]]) -> Iterator[tuple[str, Fit]]:
    import fasttext as module
    from fasttext_threaded import load_model

    names = {label: f"__label__{at}" for at, label in enumerate(sorted({y for _, y in train}))}
    back = {name: label for label, name in names.items()}
    folder = Path(tempfile.mkdtemp())
    file = folder / "train.txt"

    def learn(epochs: int) -> Any:
        file.write_text("".join(f"{names[y]} {plain(t)}\n" for t, y in train), encoding="utf-8")
        return module.train_supervised(
            str(file),
            epoch=epochs,
            lr=0.5,
            wordNgrams=2,
            dim=10,
            bucket=1 << 20,
            thread=1,
            verbose=0,
            seed=1,
        )

    def usual(epochs: int) -> Callable[[list[str]], Sequence[Any]]:
        model = learn(epochs)
        return lambda texts: [
            back[found[0]] for found in model.predict([plain(t) for t in texts])[0]
        ]

    def threaded(epochs: int) -> Callable[[list[str]], Sequence[Any]]:
        learn(epochs).save_model(str(folder / "model.bin"))
        model = load_model(str(folder / "model.bin"))

        def predict(texts: list[str]) -> Sequence[Any]:
            labels, _ = model.predict([plain(t) for t in texts])
            return [back[found[0]] for found in labels]

        return predict

    for epochs in (10, 25):
        yield "fastText", lambda e=epochs: usual(e)
        yield "fasttext-threaded", lambda e=epochs: threaded(e)


def vowpal(train: list[list[str]]) -> Iterator[tuple[str, Fit]]:
    from vowpalwabbit import Workspace

    names = sorted({y for _, y in train})

    def fit(loss: str) -> Callable[[list[str]], Sequence[Any]]:
        vw = Workspace(
            f"--oaa {len(names)} --ngram 2 -b 22 --loss_function {loss} --quiet --random_seed 1"
        )
        lines = [f"{names.index(y) + 1} | {plain(t)}" for t, y in train]
        for _ in range(5):
            for line in lines:
                vw.learn(line)
        return lambda texts: [names[vw.predict(f"| {plain(t)}") - 1] for t in texts]

    for loss in ("logistic", "hinge"):
        yield "Vowpal Wabbit", lambda loss=loss: fit(loss)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    options = parser.parse_args()
    data = json.loads(options.file.read_text(encoding="utf-8"))
    train, (texts, labels) = data["train"], zip(*data["test"], strict=True)
    many = list(texts) * data["times"]
    rows: dict[str, dict[str, Any]] = {}
    for name, fit in [*sklearn(train), *fasttext(train), *vowpal(train)]:
        began = time.process_time()
        predict = fit()
        took = time.process_time() - began
        right = sum(a == b for a, b in zip(predict(list(texts)), labels, strict=True)) / len(labels)
        began = time.process_time()
        predict(many)
        row = {
            "accuracy": round(right, 4),
            "training_texts_per_cpu_s": round(len(train) / took),
            "texts_per_cpu_s": round(len(many) / (time.process_time() - began)),
        }
        if right > rows.get(name, row)["accuracy"] or name not in rows:
            rows[name] = row
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
