"""Sketches of texts: what two of them have in common tells how alike the texts are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salient.kernels.terms import Packed, bytes_of, hash_of, mixed, terms

__all__ = ["band_keys", "jaccard", "minhash"]

EMPTY: Final = 0xFFFFFFFF
"""Where a sketch has no value."""

FEWEST_BITS, MOST_BITS = 4, 12
MOST_RUN: Final = 64

_BASE = 0x9E3779B97F4A7C15
_64 = (1 << 64) - 1


def check(run: int, bits: int) -> None:
    """Raises ValueError: there are no such sketches."""
    if not 1 <= run <= MOST_RUN:
        raise ValueError(f"run is {run}: 1 to {MOST_RUN} can be")
    if not FEWEST_BITS <= bits <= MOST_BITS:
        raise ValueError(f"bits is {bits}: {FEWEST_BITS} to {MOST_BITS} can be")


def runs_of(text: bytes, run: int) -> list[int]:
    """The hash of every run of terms; of a text that is shorter, of all its terms."""
    hashes = [hash_of(folded) for _, _, folded in terms(text)]
    length = min(run, len(hashes))
    found = []
    for at in range(len(hashes) - length + 1 if hashes else 0):
        total = 0
        for value in hashes[at : at + length]:
            total = (total * _BASE + value) & _64
        found.append(mixed(total))
    return found


def minhash(
    texts: Sequence[str | bytes] | Packed, run: int, bits: int
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.int64]]:
    """Sketch texts by one permutation of their runs of terms, in two ways.

    The share of equal bins of two texts is an estimate of the share of runs that they have in common, of all that
    they have (Jaccard); its standard error is about sqrt(j (1 - j) / 2 ** bits), and more for short texts. Bins stand
    in their places, so that bands can be made of them. The least values tell the same by `jaccard`, and better.

    Args:
        run: terms of a run.
        bits: there are 2 to the power of this bins, and least values.

    Returns:
        (n_texts, 2 ** bits) bins, all EMPTY for a text without terms: the highest bits of a value are the bin that it is
        from, another one's where a bin had none of its own. (n_texts, 2 ** bits) the least values of runs that are
        different, in order, and EMPTY where there are no more. (n_texts,) how many runs each has.

    Raises:
        ValueError: there are no such sketches.

    Cost: one pass over the text, whatever the number of bins.

    Source: one-permutation hashing, Li et al. 2012, arXiv:1208.1259; optimal densification, Shrivastava 2017,
    arXiv:1703.04664; bottom-k sketches, Cohen and Kaplan 2007.
    """
    check(run, bits)
    size = 1 << bits
    given = bytes_of(texts)
    sketches = np.full((len(given), size), EMPTY, np.uint32)
    least = sketches.copy()
    counts = np.zeros(len(given), np.int64)
    for row, text in enumerate(given):
        runs = runs_of(text, run)
        counts[row] = len(runs)
        bins = [EMPTY] * size
        for value in runs:
            at = value >> (64 - bits)
            top = value >> 32
            bins[at] = min(bins[at], top - (top == EMPTY))
        values = sorted({(v >> 32) - (v >> 32 == EMPTY) for v in runs})[:size]
        least[row, : len(values)] = values
        if not runs:
            continue
        for at in range(size):
            place, attempt = at, 1
            while bins[place] == EMPTY:
                place = mixed((at * _BASE + attempt) & _64) >> (64 - bits)
                attempt += 1
            sketches[row, at] = bins[place]
    return sketches, least, counts


def jaccard(
    one: NDArray[np.uint32],
    rows: NDArray[np.int64],
    other: NDArray[np.uint32],
    others: NDArray[np.int64],
) -> NDArray[np.float64]:
    """How alike pairs of texts are, by the least values of their runs.

    Args:
        one, other: (n, size) and (m, size), as `minhash` gives the least values.
        rows, others: (p,) and (p,): of each pair, the row in `one` and in `other`.

    Returns:
        (p,): the share of different runs in common, of all that both have: exact if these are no more than `size`, and
        else that of the `size` least of them. 0 for texts without runs.

    Raises:
        ValueError: sizes or lengths differ, or there is no such row.

    Cost: some 0.3 microseconds a pair of 256 values.

    Source: bottom-k sketches, Cohen and Kaplan 2007.
    """
    _check_pairs(one, rows, other, others)
    size = one.shape[1]
    found = np.zeros(len(rows))
    for at in range(len(rows)):
        left = {v for v in one[rows[at]].tolist() if v != EMPTY}
        right = {v for v in other[others[at]].tolist() if v != EMPTY}
        whole = sorted(left | right)[:size]
        found[at] = sum(v in left and v in right for v in whole) / max(len(whole), 1)
    return found


def _check_pairs(
    one: NDArray[np.uint32],
    rows: NDArray[np.int64],
    other: NDArray[np.uint32],
    others: NDArray[np.int64],
) -> None:
    if one.shape[1] != other.shape[1] or len(rows) != len(others):
        raise ValueError("sketches are of one size, and pairs have two ends")
    for table, numbers in ((one, rows), (other, others)):
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(table):
            raise ValueError(f"there is no such row of {len(table)}")


def band_keys(sketches: NDArray[np.uint32], rows: int) -> NDArray[np.uint64]:
    """Keys of bands of bins: texts that are alike share some.

    Args:
        sketches: (n, size).
        rows: bins of a band; what is left over at the end is not used.

    Returns:
        (n, size // rows) uint64: each band's key, of which the place of the band is a part. 0 for a text without terms.

    Raises:
        ValueError: a band would have no bins, or more than there are.

    Source: locality-sensitive hashing, Indyk and Motwani 1998.
    """
    n, size = sketches.shape
    if not 1 <= rows <= size:
        raise ValueError(f"a band of {rows} of {size} bins")
    keys = np.zeros((n, size // rows), np.uint64)
    for row, sketch in enumerate(sketches.tolist()):
        if sketch[0] == EMPTY:
            continue
        for band in range(size // rows):
            value = band
            for part in sketch[band * rows : (band + 1) * rows]:
                value = (value * _BASE + part) & _64
            keys[row, band] = mixed(value) | 1
    return keys
