"""Scores of a linear model as probabilities."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.learning import mapped

Floats = NDArray[np.float32]

_STEPS = 60
SCORED = 512  # texts that are scored at once before they are learnt from
_CELLS = 1 << 20  # scores that are kept of them at the most
_PARTS = 8
_LATER = 9 / 8  # times as many texts as the last time
_LEAST = 50  # texts that a stream's probabilities are calibrated by
_FEWEST = 5  # texts with a class, and without, that its own slope is learnt from


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """Probabilities are the softmax of slope * score + offset, or the logistic function, class by class."""

    kind: str
    """`together`: all classes share 1; `apart`: each by itself."""
    slope: Floats
    offset: Floats
    """(n_outputs,)."""

    def shares(self, scores: Floats) -> Floats:
        """(n, n_classes) of scores (n, n_outputs)."""
        logits = np.asarray(scores * self.slope + self.offset, np.float64)
        if self.kind == "apart":
            return np.asarray(1 / (1 + np.exp(-np.clip(logits, -500, 500))), np.float32)
        if logits.shape[1] == 1:
            second = 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
            return np.asarray(np.concatenate([1 - second, second], axis=1), np.float32)
        # A class a row, since there are few classes and many texts: five times as quick as the other way round.
        turned = np.ascontiguousarray(logits.T)
        turned -= turned.max(axis=0)
        np.exp(turned, out=turned)
        turned /= turned.sum(axis=0)
        return np.ascontiguousarray(turned.T, np.float32)

    def cut(self, n_outputs: int) -> Floats:
        """(n_outputs,): scores over which a label is given, when each is given by itself."""
        return np.asarray(-self.offset / np.maximum(self.slope, 1e-6), np.float32)

    def arrays(self) -> dict[str, Floats]:
        return {"slope": self.slope, "offset": self.offset}


class Ahead:
    """Scores of texts of a stream by what was learnt before them, which probabilities are calibrated by after one pass.

    Now and then some texts are scored before they are learnt from, the more seldom the longer the stream, so that it costs
    little; what was scored by a model of less than half of the texts says nothing of the last one.

    Source: progressive validation, Blum, Kalai and Langford 1999.
    """

    def __init__(self) -> None:
        self._parts: deque[tuple[int, Floats, NDArray[Any]]] = deque(maxlen=_PARTS)

    def due(self, n_texts: int) -> bool:
        """Whether texts that come after so many are to be scored."""
        return bool(n_texts) and (not self._parts or n_texts >= self._parts[-1][0] * _LATER)

    def add(self, n_texts: int, scores: Floats, truth: NDArray[Any]) -> None:
        """Args: truth: (n,) targets, or (n, n_outputs) labels, of each text."""
        self._parts.append((n_texts, scores, truth))

    def learnt(self, n_texts: int) -> Calibration | None:
        """By what was scored, a stream of so many texts; None if that is too little."""
        parts = [p for p in self._parts if 2 * p[0] >= n_texts] or [*self._parts][-1:]
        if sum(len(scores) for _, scores, _ in parts) < _LEAST:
            return None
        truth = np.concatenate([t for _, _, t in parts])
        many = truth.ndim == 2
        scores = np.concatenate([s for _, s, _ in parts])
        return learn(scores, truth, truth if many else None)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For a checkpoint."""
        if not self._parts:
            return {}
        return {
            "ahead_at": np.array([(n, len(scores)) for n, scores, _ in self._parts], np.int64),
            "ahead_scores": np.concatenate([s for _, s, _ in self._parts]),
            "ahead_truth": np.concatenate([t for _, _, t in self._parts]),
        }

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Ahead:
        """Of a checkpoint."""
        made, low = cls(), 0
        for n_texts, size in arrays.get("ahead_at", np.zeros((0, 2), np.int64)).tolist():
            part = slice(low, low + size)
            made.add(n_texts, arrays["ahead_scores"][part], arrays["ahead_truth"][part])
            low += size
        return made


def scored(n_outputs: int) -> int:
    """Of so many texts at once, those that are scored: fewer where there are very many classes."""
    return max(1, min(SCORED, _CELLS // n_outputs))


def none(n_classes: int, *, many: bool) -> Calibration:
    """Scores as they are."""
    n = n_classes if many or n_classes != 2 else 1
    return Calibration(
        "apart" if many else "together", np.ones(n, np.float32), np.zeros(n, np.float32)
    )


def load(kind: str, file: Path) -> Calibration:
    """Of a classifier's file."""
    return Calibration(kind, mapped.tensor(file, "slope"), mapped.tensor(file, "offset"))


def learn(
    scores: Floats, targets: NDArray[np.int32], labels: NDArray[np.uint8] | None
) -> Calibration:
    """From texts that the scores' model has not seen.

    Of classes together one slope and an offset each (temperature and bias); of labels apart a slope and an offset
    each (Platt), where enough texts have the label and enough have not.

    Source: Platt 1999; Guo et al. 2017, arXiv:1706.04599.
    """
    if labels is not None:
        fits = [_logistic(scores[:, c], labels[:, c] > 0) for c in range(scores.shape[1])]
        slope, offset = (np.array(part, np.float32) for part in zip(*fits, strict=True))
        return Calibration("apart", slope, offset)
    if scores.shape[1] == 1:
        slope1, offset1 = _logistic(scores[:, 0], targets == 1)
        return Calibration(
            "together", np.array([slope1], np.float32), np.array([offset1], np.float32)
        )
    slope_, offset = _softmax(scores, targets)
    return Calibration("together", np.full(scores.shape[1], slope_, np.float32), offset)


def _logistic(scores: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Newton's method on two numbers, from targets that are pulled a little inwards."""
    yes, no = int(right.sum()), int((~right).sum())
    if min(yes, no) < _FEWEST:
        return 1.0, 0.0
    wanted = np.where(right, (yes + 1) / (yes + 2), 1 / (no + 2))
    x = np.stack([scores.astype(np.float64), np.ones(len(scores))], axis=1)
    found = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        shares = 1 / (1 + np.exp(-np.clip(x @ found, -500, 500)))
        gradient = x.T @ (shares - wanted) + np.array([1e-6, 1e-6]) * found
        hessian = (x * (shares * (1 - shares))[:, None]).T @ x + 1e-6 * np.eye(2)
        step = np.clip(np.linalg.solve(hessian, gradient), -2, 2)
        found = found - step
        if np.abs(step).max() < 1e-8:
            break
    slope, offset = float(found[0]), float(found[1])
    return (slope, offset) if slope > 0 else (1.0, 0.0)  # scores that say nothing stay as they are


def _softmax(scores: Floats, targets: NDArray[np.int32]) -> tuple[float, Floats]:
    """Gradient steps with a line search; the offsets are held near 0, and add up to it."""
    n, k = scores.shape
    x = scores.astype(np.float64)
    right = np.zeros((n, k))
    right[np.arange(n), targets] = 1
    log_slope, offset = 0.0, np.zeros(k)

    def loss(log_slope: float, offset: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        logits = np.exp(log_slope) * x + offset
        logits -= logits.max(axis=1, keepdims=True)
        raised = np.exp(logits)
        shares = raised / raised.sum(axis=1, keepdims=True)
        value = (
            -np.log(np.maximum((shares * right).sum(1), 1e-12)).mean() + 0.01 * (offset**2).mean()
        )
        return float(value), shares

    value, shares = loss(log_slope, offset)
    rate = 1.0
    for _ in range(_STEPS):
        off = shares - right
        by_slope = float((off * x).sum() / n * np.exp(log_slope))
        by_offset = off.mean(axis=0) + 0.02 * offset / k
        tried = log_slope - rate * by_slope, offset - rate * k * by_offset
        new, new_shares = loss(*tried)
        if new < value:
            (log_slope, offset), value, shares = tried, new, new_shares
            rate *= 1.5
        else:
            rate /= 4
    return float(np.exp(log_slope)), np.asarray(offset, np.float32)
