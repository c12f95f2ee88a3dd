"""Structured events over the standard library's loggers, sent to one or several destinations.

Importing salient configures nothing: a host program's own handlers see our records. The
entry points, and only they, call `configure`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import structlog
from structlog.contextvars import bound_contextvars, get_contextvars, merge_contextvars

__all__ = ["Configured", "bound", "configure", "configured", "correlation", "get"]

_RESERVED = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}
_RESERVED -= {"exc_info", "stack_info"}
_CORRELATION = ("request_id", "job_id", "trace_id", "service")


@dataclass(frozen=True, slots=True)
class Configured:
    """What `configure` was called with: plain values, so that workers can be given the same."""

    form: Literal["text", "json"] = "text"
    level: str = "INFO"
    to: tuple[str, ...] = ("stderr:",)


_configured: Configured | None = None


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for `__name__`: `log.info("blob.stored", size_bytes=n)`."""
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            merge_contextvars,
            _without_clashes,
            structlog.stdlib.render_to_log_kwargs,
        ],
    )
    return logger


def _without_clashes(
    _: object, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """A field such as `name` would be refused by the standard library's records: it becomes `name_`."""
    for field in _RESERVED.intersection(event):
        event[field + "_"] = event.pop(field)
    return event


def configure(
    form: Literal["text", "json"], level: str = "INFO", to: Sequence[str] = ("stderr:",)
) -> None:
    """Send every record, ours and others', to each of the destinations.

    Args:
        form: of destinations for people (stderr, file); a destination's `?form=` wins.
        to: URLs; see `salient.log.destinations`. One that cannot be reached later on costs its own
            records, counted, and never holds up the program.

    Raises:
        Misconfigured: a destination's URL or options; then nothing has changed.
    """
    from salient.log import destinations

    global _configured  # noqa: PLW0603 - logging is the process's
    handlers = destinations.open_all(to, form)
    logging.basicConfig(handlers=handlers, level=level, force=True)
    _configured = Configured(form, level, tuple(to))


def configured() -> Configured | None:
    """How this process logs; None where a host program has its own ways."""
    return _configured


@contextmanager
def bound(ids: Mapping[str, str]) -> Iterator[None]:
    """Put these fields on every record that this thread or task makes within the block."""
    with bound_contextvars(**ids):
        yield


def correlation() -> dict[str, str]:
    """What ties the records of one request or job together; sent along to workers, bound there."""
    here = get_contextvars()
    return {name: str(here[name]) for name in _CORRELATION if name in here}
