"""Which n-grams of a text speak for a class."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.kernels import terms as kernel
from salient.kernels.linear import tf
from salient.kernels.terms import Spec


@dataclass(frozen=True, slots=True)
class Reason:
    """An n-gram and what it adds to a class's score; below 0 it speaks against the class."""

    text: str
    """As it is first written."""
    weight: float
    spans: tuple[tuple[int, int], ...]
    """Where it stands in the text: half-open, code points."""


def of(
    text: str,
    spec: Spec,
    places: Callable[[NDArray[Any]], NDArray[np.int32]],
    idf: NDArray[Any],
    weights: NDArray[Any],
    turned: float,
    n: int,
) -> list[Reason]:
    """The n strongest on each side, the strongest first; those of n-grams that share a column share its weight.

    Args:
        places: the row of each column.
        idf, weights: (n_rows,).
        turned: what weights are multiplied by.
    """
    data = text.encode("utf-8", "surrogatepass")
    found: dict[int, list[tuple[int, int]]] = {}
    for value, start, end in _placed(data, spec):
        found.setdefault(value, []).append((start, end))
    mask = (1 << spec.bits) - 1
    bag: dict[int, int] = {}
    holders: dict[int, list[int]] = {}
    for value, spans in found.items():
        column = value & mask
        bag[column] = bag.get(column, 0) + (-1 if value >> 63 else 1) * len(spans)
        holders.setdefault(column, []).append(value)
    columns = list(bag)
    rows = places(np.array(columns, np.int64))
    x = np.array([tf(bag[c]) for c in columns]) * idf[rows]
    length = math.sqrt(float(x @ x)) or 1.0
    worth = x / length * weights[rows] * turned
    points = _code_points(data)
    reasons = []
    for column, weight in zip(columns, worth.tolist(), strict=True):
        spans = sorted(span for value in holders[column] for span in found[value])
        told = tuple((points[a], points[b]) for a, b in spans)
        reasons.append(Reason(text[told[0][0] : told[0][1]], weight, told))
    ranked = sorted(reasons, key=lambda r: -r.weight)
    best = [r for r in ranked[:n] if r.weight > 0]
    worst = [r for r in ranked[-n:] if r.weight < 0]
    return sorted([*best, *worst], key=lambda r: -abs(r.weight))


def _placed(data: bytes, spec: Spec) -> list[tuple[int, int, int]]:
    """Hash, start and end in bytes of every feature."""
    cut = list(kernel.terms(data))
    hashes, half = [kernel.hash_of(folded) for _, _, folded in cut], spec.half
    placed: list[tuple[int, int, int]] = []
    for at, (start, end, folded) in enumerate(cut):
        value = hashes[at]
        if spec.words:
            placed.append((value & ~half, start, end))
        for after in range(at + 1, min(at + spec.words, len(cut))):
            value = kernel.joined(value, hashes[after])
            placed.append((value & ~half, start, cut[after][1]))
        if spec.longest:
            grams = kernel.grams_of(folded, spec.shortest, spec.longest)
            placed += [(kernel.gram_hash(gram) | half, start, end) for gram in grams]
    return placed


def _code_points(data: bytes) -> list[int]:
    """Of each byte and of the end: the code points before it."""
    begins = np.frombuffer(data, np.uint8) & 0xC0 != 0x80
    return (
        [0, *np.cumsum(begins).tolist()]
        if len(data) == 0
        else [*(np.cumsum(begins) - 1).tolist(), int(begins.sum())]
    )
