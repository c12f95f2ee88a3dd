"""How likely each earlier mention is what an anaphor means, or that nothing earlier is.

A log-linear model that ranks the candidates of an anaphor against each other and against "new": one
weight a feature that holds, as in Durrett and Klein 2013, "Easy victories and uphill battles in
coreference resolution". Its weights are trained by `bench/train_coreference.py` and described in
`docs/models/coreference.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt
from salient.knowledge.coreference.features import NEW, PAIR, Pairs, sizes
from salient.model import columns

WEIGHTS = "weights.columns"
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Ranker:
    """Weights of the templates of `features.PAIR` and `features.NEW`, one after the other."""

    pair: Floats
    new: Floats

    def probabilities(self, given: Pairs) -> tuple[Floats, Floats]:
        """The probability of each pair, and of "new" for each anaphor; together 1 an anaphor."""
        scores = self.pair[given.pair].sum(axis=1)
        scores[given.barred] = -np.inf
        return softmax(scores, self.new[given.new].sum(axis=1), given.begins)

    def dump(self) -> bytes:
        """Bytes for `load`, at half precision."""
        halves = {"pair": self.pair.astype(np.float16), "new": self.new.astype(np.float16)}
        return columns.dump(halves, {"model": "coreference"})

    @classmethod
    def load(cls, data: bytes) -> Ranker:
        """Raises Corrupt: `data` is no ranker, or one for other features."""
        _, arrays = columns.load(data)
        if {k: len(a) for k, a in arrays.items()} != {"pair": sum(sizes(PAIR)), "new": sum(sizes(NEW))}:  # fmt: skip
            raise Corrupt("the weights are of other features than this version computes")
        return cls(arrays["pair"].astype(np.float32), arrays["new"].astype(np.float32))


def softmax(pair: Floats, new: Floats, begins: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Normalise scores over each anaphor's pairs and its "new".

    Args:
        begins: the first pair of each anaphor and, last, how many pairs there are.
    """
    counts = np.diff(begins)
    most = new.copy()
    some = counts > 0
    if some.any():
        most[some] = np.maximum(most[some], np.maximum.reduceat(pair, begins[:-1][some]))
    likely: Floats = np.exp(pair - np.repeat(most, counts))
    fresh: Floats = np.exp(new - most)
    total = fresh.copy()
    if some.any():
        total[some] += np.add.reduceat(likely, begins[:-1][some])
    share = np.asarray(likely / np.repeat(total, counts), np.float32)
    return share, np.asarray(fresh / total, np.float32)


@cache
def shipped() -> Ranker:
    """The weights that come with the package, read once a process."""
    source = resources.files("salient.knowledge.coreference").joinpath(WEIGHTS)
    return Ranker.load(source.read_bytes())
