"""Spans: what was done within what, and how long it took, across threads, processes and machines.

A span's parent is the span around it, or the one that a `traceparent` names which was bound: a
request's, or that of the coordinator which sent the work. Where no collector is set, a span costs
next to nothing and does nothing.

otlp://host:4318    OpenTelemetry over HTTP; `?service=salient&tls=yes&ratio=0.01` (of traces kept)
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl

from salient.errors import Misconfigured

if TYPE_CHECKING:
    from salient.log.otlp import Tracer

Attribute = str | int | float | bool | None

CURRENT: ContextVar[str] = ContextVar("salient_traceparent", default="")
"""The `traceparent` that a span made here hangs under, and that goes along to workers; or ""."""

# W3C Trace Context, level 1: version ff and numbers of zeros only are invalid, and a later version
# may say more behind the flags.
_TRACEPARENT = re.compile(
    r"(?!ff)(?P<version>[0-9a-f]{2})-(?!0{32})(?P<trace>[0-9a-f]{32})-(?!0{16})(?P<span>[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)


class Span(ABC):
    """A piece of work under way. Use it as a context manager, once."""

    @abstractmethod
    def set(self, **attributes: Attribute) -> None:
        """Say more of it. No text of documents, no secrets."""

    @abstractmethod
    def __enter__(self) -> Self: ...

    @abstractmethod
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class _NoSpan(Span):
    def set(self, **_: Attribute) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


NO_SPAN: Span = _NoSpan()


def trace_of(traceparent: str) -> tuple[str, str, bool] | None:
    """The ids of the trace and of the span, and whether it is kept; None if it is no traceparent."""
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found["version"] == "00" and found["more"]):
        return None
    return found["trace"], found["span"], bool(int(found["flags"], 16) & 1)


def open_one(url: str) -> Tracer:
    """What makes spans and sends them to the collector that `url` names.

    Raises:
        Misconfigured: an unknown scheme or option, or its library is not installed.
    """
    scheme, colon, rest = url.partition(":")
    if not colon or scheme != "otlp":
        raise Misconfigured(f"no destination of traces for {scheme[:40]!r}", known=["otlp"])
    place, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    try:
        from salient.log.otlp import Tracer
    except ImportError as exc:
        raise Misconfigured("log.traces needs a library: pip install 'salient[otlp]'") from exc
    try:
        ratio = float(options.pop("ratio", "1"))
        tls, service = options.pop("tls", "no") == "yes", options.pop("service", "salient")
        if options:
            raise ValueError(f"it has no option {', '.join(sorted(options))}")  # noqa: TRY301 # told as the others are
        return Tracer(place, tls=tls, service=service, ratio=ratio)
    except ValueError as exc:
        raise Misconfigured(f"the destination of traces {scheme}: cannot be used: {exc}") from exc
