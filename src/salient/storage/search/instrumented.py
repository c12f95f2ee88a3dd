"""A search index whose calls are measured; what was asked and found is shown nowhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar, final

from salient.storage import search, urls
from salient.storage.meters import Meter
from salient.storage.search import IndexSchema, Prepared
from salient.storage.search.wrapping import Wrapping

T = TypeVar("T")


@final
class Driver(Wrapping):
    """`instrumented:[URL]?name=passages&slow_ms=500`: metrics by step of a search or a change.

    The steps of a search are `snapshot`, `nearest`, `summary` (total and facets), `matching`, `scores`,
    `similarities` and `fetch`. The first change of a transaction may wait for another writer.
    """

    def __init__(self, rest: str, schema: IndexSchema) -> None:
        (url,), options = urls.inner(rest, "instrumented", most=1)
        name = options.text("name") or url
        slow_ms = options.number("slow_ms", 500.0)
        options.done()
        super().__init__(search.driver(url, schema))
        self.meter = Meter("search", name, slow_ms=slow_ms)

    def around(self, operation: str, run: Callable[[], T], *, changes: bool = False) -> T:
        return self.meter.measure(operation, run)

    def put(self, entries: Sequence[Prepared]) -> None:
        super().put(entries)
        self.meter.wrote("put", sum(len(entry.stored) for entry in entries))
