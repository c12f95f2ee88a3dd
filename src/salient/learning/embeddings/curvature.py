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
_ALL, _EVERY = 512, 32


def _shares(
    p: Parameters, vocabulary: Vocabulary
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each word, how often it is trained on a word of text, and how often it is drawn as a negative."""
    counts = vocabulary.counts.astype(np.float64)
    kept = counts / max(counts.sum(), 1) * np.minimum(vocabulary.keep(p.sample), 1)
    drawn = np.maximum(counts, 1) ** p.exponent
    return kept, drawn / drawn.sum()


def updates(
    p: Parameters, vocabulary: Vocabulary, trainer: Trainer
) -> dict[str, NDArray[np.float64]]:
    """How often each row of a table is updated, as expected, per word of text that is read."""
    kept, drawn = _shares(p, vocabulary)
    reach = p.window + 1  # words in a window whose half is drawn from 1 to `window`
    words = kept * reach
    inputs = np.zeros(len(vocabulary) + (p.buckets if p.max_n else 0))
    if len(trainer.starts):
        np.add.at(inputs, trainer.pieces, np.repeat(words, np.diff(trainer.starts)))
    else:
        inputs[:] = words
    outputs = (kept + p.negatives * kept.sum() * drawn) * (1 if p.mode_flags & MEAN else reach)
    return {"inputs": inputs, "outputs": outputs}


def spreads(
    p: Parameters, vocabulary: Vocabulary, trainer: Trainer, tables: Tables
) -> dict[str, NDArray[np.float64]]:
    """The curvature of one update of a row of each table; see `combining.Pull`.

    An input is predicted against a word and its negatives, an output against inputs; rows count as often as
    they are met. Cost: a few milliseconds; of rarer rows a sample is taken, the same always.
    """
    kept, drawn = _shares(p, vocabulary)
    n = len(vocabulary)
    rows = np.concatenate([np.arange(min(_ALL, n)), np.arange(_ALL, n, _EVERY)])
    times = np.where(rows < _ALL, 1.0, _EVERY)
    met = kept / max(kept.sum(), 1e-30)
    if len(trainer.starts):
        sizes = np.diff(trainer.starts)[rows]
        starts = np.concatenate([[0], np.cumsum(sizes)])
        at = np.repeat(trainer.starts[rows] - starts[:-1], sizes) + np.arange(starts[-1])
        words = composed(tables.inputs, starts, trainer.pieces[at], len(rows))
    else:
        words = tables.inputs[rows]
    return {
        "inputs": _moment(tables.outputs[rows], (met + p.negatives * drawn)[rows] * times),
        "outputs": _moment(words, met[rows] * times),
    }


def _moment(rows: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(all="ignore"):  # what is no number makes the whole no number, and is left out
        return np.asarray(
            (rows * (_BEND * weights)[:, None].astype(np.float32)).T @ rows, np.float64
        )
