"""Changes of rows that workers made from the same base: written small, read by range, made one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt
from salient.kernels import changes_summed, row_changes
from salient.model import columns

HOW = ("combined", "mean", "sum")
_ROWS = 1024  # at a time: what stays in the nearer caches
_NEAR_ONE = 0.02  # a direction that takes less off a sum than this is left as it is

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Delta:
    """What a worker changed in a table.

    `rows`, `values` and `scales` are those of `row_changes`; or, without scales, `values` are the new
    rows themselves, float32, for when nobody else changed any.
    """

    rows: NDArray[np.int32]
    values: NDArray[np.int16] | Floats
    scales: Floats | None
    weight: float = 1.0

    @classmethod
    def between(cls, base: Floats, after: Floats, *, exact: bool = False) -> Delta:
        if not exact:
            return cls(*row_changes(base, after))
        changed = [
            np.flatnonzero((after[i : i + _ROWS] != base[i : i + _ROWS]).any(axis=1)) + i
            for i in range(0, len(base), _ROWS)
        ]
        rows = np.concatenate([np.zeros(0, np.int64), *changed])
        return cls(rows.astype(np.int32), after[rows], None)

    def _as_change(self, base: Floats) -> tuple[NDArray[np.int32], Any, Any, float]:
        if self.scales is not None:
            return self.rows, self.values, self.scales, self.weight
        change = row_changes(
            np.ascontiguousarray(base[self.rows]), np.asarray(self.values, np.float32)
        )
        return self.rows[change[0]], change[1], change[2], self.weight


def stream(
    deltas: dict[str, Delta], header: dict[str, object], more: dict[str, NDArray[Any]] | None = None
) -> BinaryIO:
    """To be put in a store. Args: more: arrays to put beside them."""
    arrays: dict[str, NDArray[Any]] = dict(more or {})
    for name, delta in deltas.items():
        arrays |= {f"{name}.rows": delta.rows, f"{name}.values": delta.values}
        if delta.scales is not None:
            arrays[f"{name}.scales"] = delta.scales
    return columns.stream(arrays, header)


def load(
    data: bytes | memoryview, names: Sequence[str]
) -> tuple[dict[str, object], dict[str, Delta], dict[str, NDArray[Any]]]:
    """The header, the deltas, and all arrays, of what `stream` gave. Raises: Corrupt."""
    header, arrays = columns.load(data)
    try:
        deltas = {
            n: Delta(arrays[f"{n}.rows"], arrays[f"{n}.values"], arrays.get(f"{n}.scales"))
            for n in names
        }
    except KeyError as exc:
        raise Corrupt("a worker's delta lacks a table", tables=list(names)) from exc
    return header, deltas, arrays


@dataclass(frozen=True, eq=False)
class Pull:
    """How strongly rows are drawn to where their worker's text wants them, so that going on changes less.

    `steps` is, for each row, the learning rate summed over the updates that one worker made of it, (n_rows,);
    `spread` (width, width) the curvature of one update: the mean of s (1 - s) times the sum of the outer
    products of the rows that it is predicted against. Columns from `dimensions` on are 0 in all rows.
    """

    steps: Floats
    spread: NDArray[np.float64]
    dimensions: int | None = None


def combine(
    base: Floats, deltas: Sequence[Delta], how: str = "combined", pull: Pull | None = None
) -> Floats:
    """One new table of a base and what several made of it.

    What N workers would have done one after another is reckoned from what they did beside one another.
    A row that moves by gradient steps against a loss of curvature H comes 1 - exp(-a) of the way to its
    optimum, direction by direction, a the steps times H; one worker with N times the steps comes
    1 - exp(-N a) of the way. So of the sum of N changes it is (1 - exp(-N a)) / (N (1 - exp(-a))) that
    is added: all of it where a is small (rare words, most directions), a mean where it is large (the few
    directions that all predictions share, in which N workers learn the same N times). H is one for all rows of
    a table but for the steps, and is measured (`Pull`). A row that one alone changed is as that one left it.

    Args:
        how: `mean` divides by N always, `sum` never: for comparison.
        pull: without it, all is as if the steps were few.

    Source: ours; the aim is that of Maleki et al. 2017, arXiv:1705.08030, and of Adasum, Maleki et al.
        2020, arXiv:2006.02924, which take curvature from the angles of the changes themselves.
    """
    if len(deltas) == 1 and deltas[0].scales is None and deltas[0].weight == 1.0:
        made = np.array(base)
        made[deltas[0].rows] = deltas[0].values
        return made
    changes = [d._as_change(base) for d in deltas]
    values, vectors = np.zeros(0, np.float32), np.zeros((base.shape[1], 0), np.float32)
    if how == "combined" and pull is not None and np.isfinite(pull.spread).all():
        used = slice(None, None) if pull.dimensions is None else slice(pull.dimensions)
        values, found = np.linalg.eigh(pull.spread[used, used].astype(np.float32))
        values = values[::-1].clip(0)
        vectors = np.zeros((base.shape[1], len(values)), np.float32)
        vectors[: len(values)] = found[:, ::-1]
    made = np.empty_like(base)
    for low in range(0, len(base), _ROWS):
        high = min(low + _ROWS, len(base))
        sums, n = changes_summed(low, high, base.shape[1], changes)
        if how == "mean":
            sums /= np.maximum(n, 1)[:, None]
        elif how == "combined" and pull is not None:
            _eased(sums, n, pull.steps[low:high], values, vectors)
        np.add(base[low:high], sums, out=made[low:high])
    return made


def _eased(
    sums: Floats, n: NDArray[np.int32], steps: Floats, values: Floats, vectors: Floats
) -> None:
    """Take off sums what N workers learned more than once.

    (1 - exp(-N a)) / (N (1 - exp(-a))) is near 1/N + (1 - 1/N) / (1 + N a / 2), which has its ends and its
    slope at 0, and costs one division. Directions that are pulled about as weakly as the weakest are taken
    as one, with their mean: products with the others' are what this costs.
    """
    most = int(n.max(initial=0))
    if most < 2 or not len(values):
        return
    off = _off(values * (float(steps.max(initial=0)) * most / 2), most)
    if off[0] <= _NEAR_ONE:
        return
    n_far = int((off > off[-1] + 2 * _NEAR_ONE).sum())  # they are in order
    several = np.maximum(n, 1).astype(np.float32)[:, None]
    halves = several * steps[:, None] / 2
    weak: Any = values[n_far:].mean(keepdims=True) if n_far < len(values) else np.float32(0)
    near = _off(halves * weak, several)
    toward = vectors[:, :n_far]
    less = ((sums @ toward) * (_off(halves * values[:n_far], several) - near)) @ toward.T
    sums *= 1 - near
    sums -= less


def _off(pulled: Any, n: Any) -> Floats:
    """What is taken off, `pulled` N a / 2."""
    return np.asarray(pulled / (1 + pulled) * (1 - 1 / n), np.float32)
