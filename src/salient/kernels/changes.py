"""What several changed in one table of rows, written small and summed: the definition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["changes_summed", "row_changes"]

PARTS = 32_767
SMALLEST = 1e-30
"""A row whose largest change is below this did not change: its scale would be no number."""

Rows = NDArray[np.int32]
Floats = NDArray[np.float32]
Shorts = NDArray[np.int16]


def row_changes(base: Floats, after: Floats) -> tuple[Rows, Shorts, Floats]:
    """Tell what a table became from what it was.

    Args:
        base, after: (n_rows, width).

    Returns:
        The rows that changed, in order, (n,); (n, width) how, in parts of each row's scale; (n,) scales:
        the largest change of a row over 32,767. Half the bytes of the rows, and exact to 1 / 65,534 of
        the row's largest change. A row with a number that is none is written as if all of it were.

    Raises:
        ValueError: the tables are of different shapes.
    """
    if base.shape != after.shape:
        raise ValueError("what changed has the shape it had")
    change = after - base
    largest = np.abs(change).max(axis=1, initial=0)
    rows = np.flatnonzero(~(largest < SMALLEST)).astype(np.int32)
    with np.errstate(invalid="ignore"):
        scales = (largest[rows] * np.float32(1 / PARTS)).astype(np.float32)
        values = np.rint(change[rows] * (np.float32(1) / scales)[:, None])
    bad = ~np.isfinite(scales)
    values[bad], scales[bad] = 0, np.nan
    return rows, np.clip(values, -PARTS, PARTS).astype(np.int16), scales


def changes_summed(
    low: int, high: int, width: int, changes: Sequence[tuple[Rows, Shorts, Floats, float]]
) -> tuple[Floats, NDArray[np.int32]]:
    """Sum what several changed in rows low to high, half-open.

    Args:
        changes: rows, values and scales as `row_changes` has them, and a weight each.

    Returns:
        (high - low, width) sums, and (high - low,) how many changed each row.

    Raises:
        ValueError: values or scales are not of the rows, or of another width.
    """
    sums, n = np.zeros((high - low, width), np.float32), np.zeros(high - low, np.int32)
    for rows, values, scales, weight in changes:
        if values.shape != (len(rows), width) or len(scales) != len(rows):
            raise ValueError("there is not a change for each row")
        a, b = np.searchsorted(rows, [low, high])
        at = rows[a:b] - low
        sums[at] += values[a:b].astype(np.float32) * (scales[a:b] * np.float32(weight))[:, None]
        n[at] += 1
    return sums, n
