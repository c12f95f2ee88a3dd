"""Injected faults in front of a database: what a lost server does to a transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, final

from salient.storage import sql, urls
from salient.storage.faults import Faults
from salient.storage.sql.wrapping import Wrapping

T = TypeVar("T")


@final
class Driver(Wrapping):
    """`flaky:[URL]?errors=0.1&lost=0.05&latency_ms=5&seed=1`: see `storage.faults` for the rates.

    - `errors`: beginning, any query or the commit fails; the transaction is undone.
    - `torn`: the connection breaks at the commit; the transaction is undone.
    - `lost`: the transaction is committed, and the caller sees `Unavailable`.
    """

    def __init__(self, rest: str) -> None:
        (url,), options = urls.inner(rest, "flaky", most=1)
        self.faults = Faults(options)
        super().__init__(sql.driver(url))

    def around(self, step: str, run: Callable[[], T], *, commits: bool = False) -> T:
        def inside() -> T:
            return self.inside.around(step, run, commits=commits)

        if not commits:
            return self.faults.read(inside)
        if self.faults.tears():
            raise self.faults.tear()
        return self.faults.write(inside)
