"""A database whose queries are measured, each under its name; values and SQL are shown nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, final

from salient.storage import sql, urls
from salient.storage.meters import ROWS, Meter
from salient.storage.sql.wrapping import Wrapping

T = TypeVar("T")


@final
class Driver(Wrapping):
    """`instrumented:[URL]?name=main&slow_ms=500`: metrics by query, and a log of slow ones.

    A query is known by its name in its `.sql` file, others together as `ad hoc`; beginning (which
    waits for other writers) and committing are steps too. A stream counts a step for each batch.
    """

    def __init__(self, rest: str) -> None:
        (url,), options = urls.inner(rest, "instrumented", most=1)
        name = options.text("name") or url
        slow_ms = options.number("slow_ms", 500.0)
        options.done()
        super().__init__(sql.driver(url))
        self.meter = Meter("sql", name, slow_ms=slow_ms)

    def around(self, step: str, run: Callable[[], T], *, commits: bool = False) -> T:
        done = self.meter.measure(step, lambda: self.inside.around(step, run, commits=commits))
        if isinstance(done, list | int):
            rows = len(done) if isinstance(done, list) else done
            ROWS.labels(self.meter.store, self.meter.name, step).observe(rows)
        return done
