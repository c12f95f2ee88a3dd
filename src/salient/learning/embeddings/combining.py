"""Changes of rows that workers made from the same base: written small, read by range, made one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt
from salient.model import columns

HOW = ("combined", "mean", "sum")
_ROWS = 1024  # at a time: what stays in the nearer caches
_PARTS = 32_767


@dataclass(frozen=True, eq=False)
class Delta:
    """What a worker changed in a table.

    `rows` are numbers in order, (n,) int32; `values` (n, width): int16, in parts of `scales`, (n,)
    float32, which are each row's largest change over 32,767: half the bytes, and more exact than
    float16, which also takes ten times as long to read; or, without scales, the new rows as float32.
    """

    rows: NDArray[np.int32]
    values: NDArray[np.int16] | NDArray[np.float32]
    scales: NDArray[np.float32] | None

    @classmethod
    def between(
        cls, base: NDArray[np.float32], after: NDArray[np.float32], *, exact: bool = False
    ) -> Delta:
        """Args: exact: keep the new rows whole, for when nobody else changed any."""
        rows, values, scales = [], [], []
        for first in range(0, len(base), _ROWS):
            change = after[first : first + _ROWS] - base[first : first + _ROWS]
            largest = np.maximum(change.max(axis=1), -change.min(axis=1))
            changed = np.flatnonzero(largest)
            rows.append((changed + first).astype(np.int32))
            if exact:
                values.append(after[first : first + _ROWS][changed])
                continue
            if len(changed) < len(change):
                change, largest = change[changed], largest[changed]
            scale = np.maximum(largest / _PARTS, np.float32(1e-38))
            change /= scale[:, None]
            values.append(np.rint(change, out=change).astype(np.int16))
            scales.append(scale)
        width = base.shape[1]
        none = np.zeros((0, width), np.float32 if exact else np.int16)
        return cls(
            np.concatenate([np.zeros(0, np.int32), *rows]),
            np.concatenate([none, *values]),
            None if exact else np.concatenate([np.zeros(0, np.float32), *scales]),
        )

    def part(self, low: int, high: int) -> Delta:
        """Of rows low to high, half-open, numbered from there."""
        a, b = np.searchsorted(self.rows, [low, high])
        scales = None if self.scales is None else self.scales[a:b]
        return Delta((self.rows[a:b] - low).astype(np.int32), self.values[a:b], scales)


def dump(deltas: dict[str, Delta], header: dict[str, object]) -> bytes:
    arrays: dict[str, NDArray[Any]] = {}
    for name, delta in deltas.items():
        arrays |= {f"{name}.rows": delta.rows, f"{name}.values": delta.values}
        if delta.scales is not None:
            arrays[f"{name}.scales"] = delta.scales
    return columns.dump(arrays, header)


def load(
    data: bytes | memoryview, names: Sequence[str]
) -> tuple[dict[str, object], dict[str, Delta]]:
    """Raises: Corrupt."""
    header, arrays = columns.load(data)
    try:
        return header, {
            n: Delta(arrays[f"{n}.rows"], arrays[f"{n}.values"], arrays.get(f"{n}.scales"))
            for n in names
        }
    except KeyError as exc:
        raise Corrupt("a worker's delta lacks a table", tables=list(names)) from exc


def combine(
    base: NDArray[np.float32], deltas: Sequence[Delta], how: str = "combined"
) -> NDArray[np.float32]:
    """One new table of a base and what several made of it.

    Row by row: of N changes with sum S, what is added is S / (1 + (N - 1) c), where c is how parallel
    they are: the mean product of two of them over their mean square, between 0 and 1. Orthogonal ones
    are added; equal ones are averaged; a row that one alone changed is as that one left it.

    Args:
        how: `mean` divides by N always, `sum` never: for comparison.

    Source: after the model combiner of Maleki et al. 2017, arXiv:1705.08030, reduced to one number a row.
    """
    if len(deltas) == 1 and deltas[0].scales is None:
        made = np.array(base)
        made[deltas[0].rows] = deltas[0].values
        return made
    made = np.empty_like(base)
    for low in range(0, len(base), _ROWS):
        high = min(low + _ROWS, len(base))
        parts = [d.part(low, high) for d in deltas]
        made[low:high] = _combined(np.asarray(base[low:high]), parts, how)
    return made


def _combined(base: NDArray[np.float32], deltas: Sequence[Delta], how: str) -> NDArray[np.float32]:
    sums = np.zeros_like(base)
    squares = np.zeros(len(base), np.float32)
    n = np.zeros(len(base), np.float32)
    for delta in deltas:
        change = delta.values.astype(np.float32)
        if delta.scales is None:
            change -= base[delta.rows]
        else:
            change *= delta.scales[:, None]
        squares_of = np.einsum("ij,ij->i", change, change)
        if len(delta.rows) == len(base):
            sums += change
            squares += squares_of
            n += 1
            continue
        sums[delta.rows] += change  # a worker has a row once
        squares[delta.rows] += squares_of
        n[delta.rows] += 1
    several = n > 1
    divisor = np.ones(len(base), np.float32)
    if how == "mean":
        divisor[several] = n[several]
    elif how == "combined":
        total = np.einsum("ij,ij->i", sums, sums)[several]
        square, others = squares[several], n[several] - 1
        parallel = (total - square) / np.maximum(others * square, 1e-30)
        divisor[several] = 1 + others * parallel.clip(0, 1)
    sums /= divisor[:, None]
    sums += base
    return sums
