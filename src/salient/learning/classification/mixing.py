"""Rows in a mixed order: one pass over rows that are sorted by class learns the last classes and forgets the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, final

import numpy as np

ROWS = 65_536
CHARACTERS = 16_000_000

_SORTED = 0.5  # of the way from chance to order, from which rows count as sorted

Row = tuple[str, Any]


@final
class Mixed:
    """Rows of text and class, shuffled by blocks that fit in memory.

    The same rows and seed give the same order, so that a pass that broke off can go on; of a block in which the rows fail
    nothing comes. What is sorted over more than a block stays so: see `in_order`.

    Args:
        rows, characters: a block holds these at the most, and one row.
    """

    def __init__(
        self,
        given: Iterable[Row],
        *,
        seed: int = 0,
        rows: int = ROWS,
        characters: int = CHARACTERS,
    ) -> None:
        self._given, self._rows, self._characters = given, rows, characters
        self._rng = np.random.default_rng(seed)
        self._counts: Counter[Any] = Counter()
        self._same = 0
        self._last: Any = None

    def __iter__(self) -> Iterator[Row]:
        block: list[Row] = []
        size = 0
        for row in self._given:
            block.append(row)
            size += len(row[0])
            if len(block) >= self._rows or size >= self._characters:
                yield from self._shuffled(block)
                block, size = [], 0
        yield from self._shuffled(block)

    def _shuffled(self, block: list[Row]) -> Iterator[Row]:
        for at in self._rng.permutation(len(block)).tolist():
            row = block[at]
            told = tuple(row[1]) if isinstance(row[1], list) else row[1]
            self._counts[told] += 1
            self._same += told == self._last
            self._last = told
            yield row

    @property
    def in_order(self) -> bool:
        """Whether rows still came by class: how often two neighbours have one class, beside chance."""
        n = self._counts.total()
        if n < 2:
            return False
        chance = sum((c / n) ** 2 for c in self._counts.values())
        return self._same / (n - 1) > chance + _SORTED * (1 - chance)
