"""Scores of word vectors on WordSim-353, SimLex-999 and the analogies of word2vec, read from gensim's package. A
module of other benches, not one itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FREQUENT = 15_000  # words that analogies are asked of and answered by


class Quality:
    """Spearman's rank correlations of cosines and judgements, and the share of analogies answered right.

    Questions with words that are not known are left out, as gensim does. Every second question of each kind is
    for choosing (rates), the others are for reporting.
    """

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        index = {word: number for number, word in enumerate(words)}
        self._pairs = {
            "wordsim": _pairs(folder / "wordsim353.tsv", index, 2),
            "simlex": _pairs(folder / "simlex999.txt", index, 2),
        }
        lines = (folder / "questions-words.txt").read_text("utf-8").splitlines()
        asked = [
            [index.get(w, _FREQUENT) for w in line.lower().split()]
            for line in lines
            if line[0] != ":"
        ]
        self._analogies = np.array([q for q in asked if max(q) < _FREQUENT])

    def scores(self, rows: NDArray[np.float32], part: str = "all") -> dict[str, float]:
        """Args: part: `choose`, `report` or `all`."""
        which = {"choose": slice(0, None, 2), "report": slice(1, None, 2), "all": slice(None)}[part]
        units = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        found = {}
        for name, pairs in self._pairs.items():
            a, b = pairs[which, 0].astype(int), pairs[which, 1].astype(int)
            found[name] = spearman((units[a] * units[b]).sum(axis=1), pairs[which, 2])
        found["analogies"] = _answered(units[:_FREQUENT], self._analogies[which])
        found["sum"] = sum(found.values())
        return {name: round(float(value), 4) for name, value in found.items()}


def _pairs(file: Path, index: dict[str, int], at: int) -> NDArray[np.float64]:
    found = []
    for line in file.read_text("utf-8").splitlines():
        parts = line.lower().split("\t")
        if (
            line.startswith("#")
            or len(parts) <= at
            or parts[0] not in index
            or parts[1] not in index
        ):
            continue
        found.append((index[parts[0]], index[parts[1]], float(parts[at])))
    return np.array(found)


def _answered(units: NDArray[np.float32], asked: NDArray[np.int64]) -> float:
    right = 0
    for first in range(0, len(asked), 1024):
        a, b, c, d = asked[first : first + 1024].T
        alike = (units[b] - units[a] + units[c]) @ units.T
        for given in (a, b, c):
            alike[np.arange(len(a)), given] = -9
        right += int((alike.argmax(axis=1) == d).sum())
    return right / max(len(asked), 1)


def spearman(one: Any, other: Any) -> float:
    return float(np.corrcoef(_ranks(one), _ranks(other))[0, 1])


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Equal values have the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[inverse], np.float64)
