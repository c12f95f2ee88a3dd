"""A search index that passes everything on, for wrappers that do something around each call."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from salient.storage.search import (
    Asked,
    Facets,
    Handle,
    Prepared,
    Restriction,
    Scored,
    SearchDriver,
    Snapshot,
)

T = TypeVar("T")


class Wrapping(SearchDriver):
    """Another driver, with `around` at each call but `rollback` and the closing of things."""

    def __init__(self, inside: SearchDriver) -> None:
        self.inside, self.inner = inside, (inside,)
        self.features, self.most_values = inside.features, inside.most_values

    @abstractmethod
    def around(self, operation: str, run: Callable[[], T], *, changes: bool = False) -> T:
        """Do one call of the driver or of a snapshot."""

    def put(self, entries: Sequence[Prepared]) -> None:
        self.around("put", lambda: self.inside.put(entries), changes=True)

    def delete_group(self, group: str) -> None:
        self.around("delete_group", lambda: self.inside.delete_group(group), changes=True)

    def commit(self) -> None:
        self.around("commit", self.inside.commit, changes=True)

    def rollback(self) -> None:
        self.inside.rollback()

    def clear(self) -> None:
        self.around("clear", self.inside.clear, changes=True)

    def snapshot(self) -> Snapshot:
        return _Snapshot(self, self.around("snapshot", self.inside.snapshot))

    def close(self) -> None:
        self.inside.close()


@final
class _Snapshot(Snapshot):
    def __init__(self, driver: Wrapping, inside: Snapshot) -> None:
        self._driver, self._inside = driver, inside

    def close(self) -> None:
        self._inside.close()

    def matching(
        self,
        asked: Asked | None,
        restriction: Restriction,
        *,
        limit: int,
        also: Sequence[Handle] = (),
        sort: str | None = None,
    ) -> Scored:
        return self._driver.around(
            "matching",
            lambda: self._inside.matching(asked, restriction, limit=limit, also=also, sort=sort),
        )

    def scores(self, asked: Asked, handles: Sequence[Handle]) -> dict[Handle, float]:
        return self._driver.around("scores", lambda: self._inside.scores(asked, handles))

    def nearest(
        self, vector: NDArray[np.float32], restriction: Restriction, *, limit: int
    ) -> Scored:
        return self._driver.around(
            "nearest", lambda: self._inside.nearest(vector, restriction, limit=limit)
        )

    def similarities(
        self, vector: NDArray[np.float32], handles: Sequence[Handle]
    ) -> dict[Handle, float]:
        return self._driver.around(
            "similarities", lambda: self._inside.similarities(vector, handles)
        )

    def summary(
        self,
        asked: Asked | None,
        restriction: Restriction,
        *,
        also: Sequence[Handle],
        facets: Sequence[str],
        facet_limit: int,
    ) -> tuple[int, Facets]:
        return self._driver.around(
            "summary",
            lambda: self._inside.summary(
                asked, restriction, also=also, facets=facets, facet_limit=facet_limit
            ),
        )

    def fetch(self, handles: Sequence[Handle]) -> dict[Handle, tuple[str, str, dict[str, Any]]]:
        return self._driver.around("fetch", lambda: self._inside.fetch(handles))

    def vectors(self, group: str) -> NDArray[np.float32]:
        return self._driver.around("vectors", lambda: self._inside.vectors(group))

    def count(self) -> int:
        return self._driver.around("count", self._inside.count)
