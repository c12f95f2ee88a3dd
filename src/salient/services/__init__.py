"""What salient does, one function each: `(request, context) -> reply`.

A service knows neither who calls it nor how. It holds no state between calls, and raises
only `salient.errors`. `@service` writes it in the table that every interface is made from.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, get_type_hints

from salient.model import Value
from salient.services.context import Context

Q = TypeVar("Q", bound=Value)
R = TypeVar("R", bound=Value)


@dataclass(frozen=True)
class Service(Generic[Q, R]):
    """One entry of the table.

    `long` says that it may take minutes: interfaces then offer it as a job with progress.
    """

    name: str
    run: Callable[[Q, Context], R]
    request: type[Q]
    reply: type[R]
    idempotent: bool
    long: bool

    @property
    def summary(self) -> str:
        return inspect.getdoc(self.run) or ""


SERVICES: dict[str, Service[Any, Any]] = {}


def service(
    name: str, *, idempotent: bool = True, long: bool = False
) -> Callable[[Callable[[Q, Context], R]], Service[Q, R]]:
    """Register a function under a stable dotted name.

    Args:
        idempotent: a queue may run it twice for one request without harm.
        long: it reports progress through `context.progress` and may take minutes.
    """

    def register(run: Callable[[Q, Context], R]) -> Service[Q, R]:
        hints = get_type_hints(run)
        entry = Service(name, run, hints["request"], hints["return"], idempotent, long)
        if SERVICES.setdefault(name, entry) is not entry:
            raise ValueError(f"two services are called {name!r}")
        return entry

    return register


__all__ = ["SERVICES", "Context", "Service", "service"]
