"""Which things belong together, when pairs of them are told one after the other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Clusters:
    """Union-find over numbers from 0; a cluster is called by its least member.

    Cost: nearly constant a pair. Source: Tarjan 1975; path halving, Tarjan and van Leeuwen 1984.
    """

    def __init__(self, parents: NDArray[np.int64] | None = None) -> None:
        self._parent: list[int] = [] if parents is None else parents.tolist()

    def __len__(self) -> int:
        return len(self._parent)

    def grow(self, n: int) -> None:
        """There are n members more, each by itself."""
        self._parent.extend(range(len(self._parent), len(self._parent) + n))

    def find(self, member: int) -> int:
        """The least member of the cluster."""
        parent = self._parent
        while parent[member] != member:
            parent[member] = parent[parent[member]]
            member = parent[member]
        return member

    def join(self, one: int, other: int) -> bool:
        """Make one cluster of two members' clusters; whether they were two."""
        a, b = self.find(one), self.find(other)
        if a == b:
            return False
        self._parent[max(a, b)] = min(a, b)
        return True

    def labels(self) -> NDArray[np.int64]:
        """(n,): each member's cluster."""
        labels = np.array(self._parent, np.int64)
        while True:  # a parent is less than its child, so few rounds lead to the top
            above = labels[labels]
            if np.array_equal(above, labels):
                return labels
            labels = above
