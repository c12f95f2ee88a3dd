"""Where a text stands within another one, word by word or nearly so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salient.kernels import term_hashes, utf8_offsets

LEAST: Final = 5
"""Terms below which a passage is found by searching for it, not by what it shares."""

_RUN = 3  # terms: one changed word costs three of the runs
_GAP = 30  # terms between two runs in common, beyond which they are two places
_BASE = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Place:
    """Where most of a passage stands together."""

    start: int
    end: int
    """Characters, half-open."""
    share: float
    """Of the passage's runs of words, that stand there."""


class Passage:
    """A passage that may be quoted elsewhere."""

    def __init__(self, text: str) -> None:
        _, _, hashes = term_hashes(_bytes(text))
        self.n_terms = len(hashes)
        self._runs = np.unique(_runs(hashes))

    def within(self, text: str) -> Place | None:
        """The place of a text that has most of the passage; None if nothing of it stands there.

        Cost: one pass over the text.
        """
        data = _bytes(text)
        starts, ends, hashes = term_hashes(data)
        runs = _runs(hashes)
        if not len(self._runs) or not len(runs):
            return None
        at = np.searchsorted(self._runs, runs)
        at[at == len(self._runs)] = 0
        found = np.flatnonzero(self._runs[at] == runs)
        if not len(found):
            return None
        parts = np.split(found, np.flatnonzero(np.diff(found) > _GAP) + 1)
        best = max(parts, key=lambda part: len(np.unique(at[part])))
        last = min(int(best[-1]) + _RUN, len(ends)) - 1
        edges = np.array([starts[best[0]], ends[last]])
        start, end = np.searchsorted(utf8_offsets(text), edges).tolist()
        return Place(start, end, len(np.unique(at[best])) / len(self._runs))


def _runs(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    n = len(hashes) - _RUN + 1
    made = np.zeros(max(n, 0), np.uint64)
    if n > 0:
        with np.errstate(over="ignore"):
            for step in range(_RUN):
                made = made * _BASE + hashes[step : step + n]
    return made


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
