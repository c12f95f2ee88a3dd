"""Injected faults in front of a search index: what a lost server does to readers and writers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, final

from salient.storage import search, urls
from salient.storage.faults import Faults
from salient.storage.search import IndexSchema, Prepared
from salient.storage.search.wrapping import Wrapping

T = TypeVar("T")


@final
class Driver(Wrapping):
    """`flaky:[URL]?errors=0.1&lost=0.05&torn=0.05&latency_ms=5&seed=1`: see `storage.faults` for the rates.

    - `errors`: a step of a search or a change fails, and is not done.
    - `torn`: half of the entries of a `put` are taken, or a commit's connection breaks before its end.
    - `lost`: a change or the commit is done, and the caller sees `Unavailable`.
    """

    def __init__(self, rest: str, schema: IndexSchema) -> None:
        (url,), options = urls.inner(rest, "flaky", most=1)
        self.faults = Faults(options)
        super().__init__(search.driver(url, schema))

    def around(self, operation: str, run: Callable[[], T], *, changes: bool = False) -> T:
        return self.faults.write(run) if changes else self.faults.read(run)

    def put(self, entries: Sequence[Prepared]) -> None:
        if len(entries) > 1 and self.faults.tears():
            self.inside.put(entries[: len(entries) // 2])
            raise self.faults.tear()
        super().put(entries)

    def commit(self) -> None:
        if self.faults.tears():
            self.inside.rollback()
            raise self.faults.tear()
        super().commit()
