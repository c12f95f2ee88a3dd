"""Train the weights of `salient.knowledge.coreference` and write them beside it.

    python bench/train_coreference.py --data ../shared/data

Gold mentions, trees and types of names of GUM's training documents; "it" and other pronouns that stand
for nothing are added, with no antecedent. The likelihood of all right antecedents together is
raised by AdaGrad over documents in an order drawn by seed. Numpy only; two minutes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from coreference_data import Passage, read
from numpy.typing import NDArray

from salient.knowledge import coreference
from salient.knowledge.coreference import features, ranker
from salient.knowledge.coreference.referring import found_in
from salient.nlp.noun_phrases import NounPhrases

TARGET = Path(coreference.__file__).parent / ranker.WEIGHTS
EPOCHS, RATE, DECAY = 8, 0.15, 1e-4
NOTHING = np.zeros(0, np.int32)


@dataclass
class Lesson:
    """The pairs of a document, and which are right. `known`: anaphors whose answer is among them."""

    pairs: features.Pairs
    right: NDArray[np.bool_]
    new: NDArray[np.bool_]


def with_idle_pronouns(passage: Passage) -> Passage:
    """A document with its pronouns that are in no chain, each as a chain of its own."""
    pronouns = found_in(passage.tree, (), NounPhrases(NOTHING, NOTHING, NOTHING))
    heads = {head for *_, head in passage.spans}
    idle = [span for span, _ in pronouns if span[2] not in heads]
    both = [(s, g) for s, g in zip(passage.spans, passage.gold, strict=True)]
    both += [(span, f"idle {span[2]}") for span in idle]
    both.sort(key=lambda b: (b[0][0], -b[0][1]))
    return Passage(
        passage.text, passage.annotations, passage.tree, passage.names,
        [s for s, _ in both], [g for _, g in both],
    )  # fmt: skip


def lessons(passage: Passage) -> list[Lesson]:
    """What one document teaches."""
    found = passage.found
    chain = np.unique(passage.gold, return_inverse=True)[1]
    first = np.zeros(len(found), np.bool_)
    first[np.unique(chain, return_index=True)[1]] = True
    made = []
    for pairs in features.pairs(passage.tree, found, np.arange(len(found))):
        right = (chain[pairs.anaphor] == chain[pairs.candidate]) & ~pairs.barred
        made.append(Lesson(pairs, right, first[pairs.anaphors]))
    return made


class Learner:
    """Two tables of weights with AdaGrad's sums of squares."""

    def __init__(self) -> None:
        sizes = sum(features.sizes(features.PAIR)), sum(features.sizes(features.NEW))
        self.weights = [np.zeros(n, np.float32) for n in sizes]
        self.squares = [np.full(n, 1e-3, np.float32) for n in sizes]

    def step(self, batch: Sequence[Lesson]) -> float:
        """One update by the mean gradient of a batch; returns its loss."""
        model = ranker.Ranker(*self.weights)
        gradients = [np.zeros_like(w) for w in self.weights]
        loss, total = 0.0, 0
        for lesson in batch:
            of_pair, of_new, lost, known = _errors(model, lesson)
            loss, total = loss + lost, total + known
            for at, (index, error) in enumerate(((lesson.pairs.pair, of_pair), (lesson.pairs.new, of_new))):  # fmt: skip
                weights = np.repeat(error, index.shape[1])
                gradients[at] += np.bincount(index.ravel(), weights, len(gradients[at]))
        for at, summed in enumerate(gradients):
            gradient = summed / (max(total, 1) / 100) + DECAY * 100 * self.weights[at]
            self.squares[at] += gradient**2
            self.weights[at] -= RATE * gradient / np.sqrt(self.squares[at])
        return loss / max(total, 1)


def _errors(
    model: ranker.Ranker, lesson: Lesson
) -> tuple[NDArray[np.float32], NDArray[np.float32], float, int]:
    """The gradient by each pair and each "new", the loss, and how many anaphors it is over."""
    pair, new = model.probabilities(lesson.pairs)
    begins = lesson.pairs.begins
    spread = np.diff(begins)
    summed = np.concatenate([[0.0], np.cumsum(pair * lesson.right)])
    likely = summed[begins[1:]] - summed[begins[:-1]]
    known = lesson.new | (likely > 0)
    likely = np.where(lesson.new, new, likely)
    loss = -float(np.log(np.maximum(likely[known], 1e-9)).sum())
    share = np.repeat(np.maximum(likely, 1e-9), spread)
    wanted = np.where(lesson.right & ~np.repeat(lesson.new, spread), pair / share, 0.0)
    of_pair = np.where(np.repeat(known, spread), pair - wanted, 0.0)
    return of_pair, np.where(known, new - lesson.new, 0.0), loss, int(known.sum())


def train(documents: Sequence[Passage], *, epochs: int, seed: int) -> ranker.Ranker:
    """Learn from documents."""
    taught = [lesson for d in documents for lesson in lessons(with_idle_pronouns(d))]
    learner, order = Learner(), np.random.default_rng(seed)
    for epoch in range(epochs):
        shuffled = [taught[i] for i in order.permutation(len(taught))]
        batches = [shuffled[i : i + 4] for i in range(0, len(shuffled), 4)]
        loss = float(np.mean([learner.step(batch) for batch in batches]))
        print(f"epoch {epoch + 1}: loss {loss:.4f}")
    return ranker.Ranker(*learner.weights)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    documents = list(read(options.data / "ud" / "gum" / "gum-train.conllu.xz"))
    trained = train(documents, epochs=options.epochs, seed=options.seed)
    TARGET.write_bytes(trained.dump())
    print(f"{TARGET}: {TARGET.stat().st_size} bytes, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
