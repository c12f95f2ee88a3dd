"""Small trained models, read from one file and run with numpy alone.

A forest here is boosted symmetric trees: every node of one depth asks the same question, so a row's
leaf is a number whose bits are the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt


@dataclass(frozen=True, slots=True)
class Forest:
    """Adds up to a log-odds.

    `feature` and `threshold` are (n_trees, depth), `leaf` (n_trees, 2**depth). Bit d of a row's
    leaf is set where `row[feature[:, d]] > threshold[:, d]`.
    """

    base: float
    feature: NDArray[np.uint8]
    threshold: NDArray[np.float32]
    leaf: NDArray[np.float32]

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds, (n,), of rows (n, n_features).

        Cost: O(n * n_trees * depth).
        """
        bits = (rows[:, self.feature] > self.threshold).astype(np.int32)
        leaves = bits @ (1 << np.arange(self.feature.shape[1], dtype=np.int32))
        picked = self.leaf[np.arange(len(self.leaf)), leaves]
        return np.asarray(self.base + picked.sum(axis=1, dtype=np.float64), np.float64)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        return {
            f"{prefix}_base": np.array([self.base], np.float64),
            f"{prefix}_feature": self.feature,
            f"{prefix}_threshold": self.threshold,
            f"{prefix}_leaf": self.leaf,
        }

    @classmethod
    def read(cls, arrays: Mapping[str, NDArray[Any]], prefix: str, n_features: int) -> Forest:
        """Raises Corrupt: a column is missing, or shapes or features are out of range."""
        try:
            base, feature, threshold, leaf = (
                arrays[f"{prefix}_{n}"] for n in ("base", "feature", "threshold", "leaf")
            )
        except KeyError as exc:
            raise Corrupt("answering weights lack a column", column=str(exc)) from exc
        if (
            feature.ndim != 2
            or feature.shape != threshold.shape
            or leaf.shape != (len(feature), 1 << feature.shape[1])
            or (feature.size and int(feature.max()) >= n_features)
        ):
            raise Corrupt("answering weights do not fit together", forest=prefix)
        return cls(float(base[0]), feature, threshold, leaf)


@dataclass(frozen=True, slots=True)
class Linear:
    """A logistic regression over standardised features."""

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]
    weight: NDArray[np.float32]
    bias: float

    def score(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds, (n,), of rows (n, n_features)."""
        return np.asarray(((rows - self.mean) / self.scale) @ self.weight + self.bias, np.float64)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        return {
            f"{prefix}_mean": self.mean,
            f"{prefix}_scale": self.scale,
            f"{prefix}_weight": self.weight,
            f"{prefix}_bias": np.array([self.bias], np.float64),
        }

    @classmethod
    def read(cls, arrays: Mapping[str, NDArray[Any]], prefix: str, n_features: int) -> Linear:
        """Raises Corrupt: a column is missing or of another length."""
        try:
            mean, scale, weight, bias = (
                arrays[f"{prefix}_{n}"] for n in ("mean", "scale", "weight", "bias")
            )
        except KeyError as exc:
            raise Corrupt("answering weights lack a column", column=str(exc)) from exc
        if not mean.shape == scale.shape == weight.shape == (n_features,):
            raise Corrupt("answering weights do not fit together", linear=prefix)
        return cls(mean, scale, weight, float(bias[0]))


def sigmoid(log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-np.clip(log_odds, -40.0, 40.0)))
