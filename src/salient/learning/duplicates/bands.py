"""A table from keys of bands to the texts that have them, in sorted segments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint32]
Rows = NDArray[np.int64]
Pairs = NDArray[np.int64]
"""(m, 2), the lesser first."""

FEW: Final = 16
"""Texts that share a key are all held against each other, if they are no more than these."""

_NEAREST = 4  # of texts in the table that share a key with a new one, and are held against it
_MOST_SEGMENTS = 6


class Bands:
    """Texts by the keys of their bands.

    New keys make a segment of their own, sorted; segments of like size are merged, so that a key is looked up in few
    of them and written a logarithmic number of times. A key that very many texts share does not make very many pairs: each of
    them is held against the first of them and against the one before it.
    """

    def __init__(self, segments: Sequence[tuple[Keys, NDArray[np.int32]]] = ()) -> None:
        self._segments = list(segments)

    @property
    def segments(self) -> tuple[tuple[Keys, NDArray[np.int32]], ...]:
        """Keys, sorted, and the text of each."""
        return tuple(self._segments)

    def candidates(self, keys: Keys) -> Iterator[tuple[Rows, Rows]]:
        """Texts of the table that share a key with given ones.

        Args:
            keys: (n, bands), all 0 for a text that has none.

        Yields:
            Which of the given ones, and a text of the table for each.
        """
        given, short = _flat(keys)
        order = np.argsort(
            short
        )  # looking up what is sorted walks through a segment, and does not jump
        given, short = given[order], short[order]
        for known, rows in self._segments:
            low = np.searchsorted(known, short, "left")
            high = np.searchsorted(known, short, "right")
            for step in range(_NEAREST):
                there = np.flatnonzero(low + step < high)
                if not len(there):
                    break
                yield given[there], rows[low[there] + step].astype(np.int64)

    def add(self, keys: Keys, first: int) -> Pairs:
        """Take in texts numbered from `first`; pairs of them that share a key."""
        given, short = _flat(keys)
        order = np.lexsort((given, short))
        short, given = short[order], given[order]
        rows = (given + first).astype(np.int32)
        self._segments.append((short, rows))
        self._merge()
        return _pairs(short, given) + first

    def keep(self, there: NDArray[np.bool_]) -> None:
        """Forget the texts that are not there."""
        kept = [(keys[there[rows]], rows[there[rows]]) for keys, rows in self._segments]
        self._segments = [segment for segment in kept if len(segment[0])]

    def _merge(self) -> None:
        segments = self._segments
        while len(segments) > 1 and (
            len(segments) > _MOST_SEGMENTS or len(segments[-2][0]) <= 2 * len(segments[-1][0])
        ):
            (keys, rows), (more, others) = segments[-2:]
            # Both are sorted: a stable sort merges them in one pass.
            keys, rows = np.concatenate([keys, more]), np.concatenate([rows, others])
            order = np.argsort(keys, kind="stable")
            segments[-2:] = [(keys[order], rows[order])]


def _flat(keys: Keys) -> tuple[Rows, Keys]:
    """The row of each key that there is, and the key."""
    rows = np.flatnonzero(keys.any(axis=1))
    return np.repeat(rows, keys.shape[1]), keys[rows].reshape(-1)


def _pairs(keys: Keys, rows: Rows) -> Pairs:
    """Of sorted keys: rows that share one."""
    if not len(keys):
        return np.zeros((0, 2), np.int64)
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    sizes = np.diff(np.append(first, len(keys)))
    place = np.arange(len(keys)) - np.repeat(first, sizes)
    size = np.repeat(sizes, sizes)
    found = []
    for step in range(1, FEW):
        behind = np.flatnonzero((place >= step) & ((size <= FEW) | (step == 1)))
        if not len(behind):
            break
        found.append(np.stack([rows[behind - step], rows[behind]], axis=1))
    many = np.flatnonzero((place > 1) & (size > FEW))
    found.append(np.stack([rows[many - place[many]], rows[many]], axis=1))
    return different(np.concatenate(found))


def different(pairs: Pairs) -> Pairs:
    """The pairs, each once, in order; those of one text with itself are none."""
    pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    if not len(pairs):
        return pairs
    codes = np.unique(pairs[:, 0] << 32 | pairs[:, 1])
    return np.stack([codes >> 32, codes & 0xFFFFFFFF], axis=1)
