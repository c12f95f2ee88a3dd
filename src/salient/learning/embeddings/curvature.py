"""How often rows are updated, and how sharply a prediction bends: what combining workers' changes needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from salient.kernels.embedding import MEAN
from salient.learning.embeddings.keyed import composed
from salient.learning.embeddings.training import Parameters, Tables, Trainer
from salient.learning.embeddings.vocabulary import Vocabulary

_BEND = 0.25  # the most that s (1 - s) can be, s a logistic function
# Rows that are looked at: the most frequent, and of the others one in so many.
_ALL, _EVERY = 512, 64


class Uses:
    """How often words of a text are met: what follows from vocabulary and parameters alone."""

    def __init__(self, parameters: Parameters, vocabulary: Vocabulary, trainer: Trainer) -> None:
        self._p, self._trainer, self._n = parameters, trainer, len(vocabulary)
        counts = vocabulary.counts.astype(np.float64)
        keep = np.minimum(vocabulary.keep(parameters.sample), 1)
        drawn = np.maximum(counts, 1) ** parameters.exponent
        # Of each word, how often it is trained on a word of text, and how often it is drawn as a negative.
        self._kept = counts / max(counts.sum(), 1) * keep
        self._drawn = drawn / drawn.sum()

    def updates(self) -> dict[str, NDArray[np.float64]]:
        """How often each row of a table is updated, as expected, per word of text that is read."""
        p, trainer = self._p, self._trainer
        reach = p.window + 1  # words in a window whose half is drawn from 1 to `window`
        words = self._kept * reach
        inputs = np.zeros(self._n + (p.buckets if p.max_n else 0))
        if len(trainer.starts):
            np.add.at(inputs, trainer.pieces, np.repeat(words, np.diff(trainer.starts)))
        else:
            inputs[:] = words
        outputs = self._kept + p.negatives * self._kept.sum() * self._drawn
        return {"inputs": inputs, "outputs": outputs * (1 if p.mode_flags & MEAN else reach)}

    def spreads(self, tables: Tables) -> dict[str, NDArray[np.float64]]:
        """The curvature of one update of a row of each table; see `combining.Pull`.

        An input is predicted against a word and its negatives, an output against inputs; rows count as often as
        they are met. Cost: a millisecond; of rarer rows a sample is taken, the same always.
        """
        n, trainer = self._n, self._trainer
        rows = np.concatenate([np.arange(min(_ALL, n)), np.arange(_ALL, n, _EVERY)])
        times = np.where(rows < _ALL, 1.0, _EVERY)
        met = self._kept / max(self._kept.sum(), 1e-30)
        if len(trainer.starts):
            sizes = np.diff(trainer.starts)[rows]
            starts = np.concatenate([[0], np.cumsum(sizes)])
            at = np.repeat(trainer.starts[rows] - starts[:-1], sizes) + np.arange(starts[-1])
            words = composed(tables.inputs, starts, trainer.pieces[at], len(rows))
        else:
            words = tables.inputs[rows]
        return {
            "inputs": _moment(tables.outputs[rows], (met + self._p.negatives * self._drawn)[rows] * times),
            "outputs": _moment(words, met[rows] * times),
        }  # fmt: skip


def _moment(rows: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):  # what is no number makes the whole no number, and is left out
        return np.asarray(
            (rows * (_BEND * weights)[:, None].astype(np.float32)).T @ rows, np.float64
        )
