"""Structured events over the standard library's loggers, and spans, sent to where settings say.

Importing salient configures nothing: a host program's own handlers see our records. The
entry points, and only they, call `configure`.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import structlog
from structlog.contextvars import bound_contextvars, get_contextvars, merge_contextvars

from salient.errors import Error
from salient.log.traces import CURRENT, NO_SPAN, Attribute, Span, open_one, trace_of

if TYPE_CHECKING:
    from salient.log.otlp import Tracer

__all__ = [
    "Configured", "Span", "bound", "configure", "configured", "correlation", "flush", "get", "span",
]  # fmt: skip

_RESERVED = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}
_RESERVED -= {"exc_info", "stack_info"}
# Libraries that tell of each step they take, beside what we tell of the same.
_CHATTY = ("alembic", "celery.app.trace", "celery.worker.strategy")
_CORRELATION = ("request_id", "job_id", "trace_id", "service")


@dataclass(frozen=True, slots=True)
class Configured:
    """What `configure` was called with: plain values, so that workers can be given the same."""

    form: Literal["text", "json"] = "text"
    level: str = "INFO"
    to: tuple[str, ...] = ("stderr:",)
    traces: str | None = None

    def again(self) -> None:
        """Configure this process the same."""
        configure(self.form, self.level, self.to, self.traces)


_configured: Configured | None = None
_tracer: Tracer | None = None


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
    form: Literal["text", "json"],
    level: str = "INFO",
    to: Sequence[str] = ("stderr:",),
    traces: str | None = None,
) -> None:
    """Send every record, ours and others', to each of the destinations, and spans to theirs.

    Args:
        form: of destinations for people (stderr, file); a destination's `?form=` wins.
        to: URLs; see `salient.log.destinations`. One that cannot be reached later on costs its own
            records, counted, and never holds up the program.
        traces: a URL, see `salient.log.traces`, for which the same holds; None makes no spans.

    Raises:
        Misconfigured: a destination's URL or options; then nothing has changed.
    """
    from salient.log import destinations

    global _configured, _tracer  # noqa: PLW0603 - logging is the process's
    handlers = destinations.open_all(to, form)
    old = _tracer
    try:
        if traces != (_configured and _configured.traces):
            _tracer = open_one(traces) if traces else None
    except Error:
        for handler in handlers:
            handler.close()
        raise
    logging.basicConfig(handlers=handlers, level=level, force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
    _configured = Configured(form, level, tuple(to), traces)
    if old is not None and old is not _tracer:
        old.close()


def configured() -> Configured | None:
    """How this process logs; None where a host program has its own ways."""
    return _configured


def span(name: str, /, **attributes: Attribute) -> Span:
    """A piece of work that is timed and sent as a span, under the one around it.

    `with log.span("stage", stage="read") as span:`. Names are few and constant; what differs is an
    attribute. An error that passes through is noted by its code. Costs next to nothing where
    `configure` was given no destination of traces.
    """
    if _tracer is None:
        return NO_SPAN
    return _tracer.span(name, attributes)


def flush() -> None:
    """Wait, a few seconds at most, until what was logged and traced is sent.

    For processes that end without Python's own end, as forked workers do.
    """
    for handler in logging.getLogger().handlers:
        handler.flush()
    if _tracer is not None:
        _tracer.flush()


@contextmanager
def bound(ids: Mapping[str, str]) -> Iterator[None]:
    """Put these fields on every record that this thread or task makes within the block.

    A `traceparent` among them becomes the parent of the spans made here, and is on records as
    `trace_id`; one that is malformed is passed over, as its standard asks.
    """
    fields = dict(ids)
    trace = trace_of(fields.pop("traceparent", ""))
    if trace is not None:
        fields["trace_id"] = trace[0]
    with bound_contextvars(**fields):
        if trace is None:
            yield
            return
        outer = CURRENT.set(ids["traceparent"])
        try:
            yield
        finally:
            CURRENT.reset(outer)


def correlation() -> dict[str, str]:
    """What ties the records and spans of one request or job together; sent along to workers, bound there."""
    here = get_contextvars()
    ids = {name: str(here[name]) for name in _CORRELATION if name in here}
    parent = CURRENT.get()
    return {**ids, "traceparent": parent} if parent else ids


def _end() -> None:
    if _tracer is not None:
        _tracer.close()


atexit.register(_end)
