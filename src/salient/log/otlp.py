"""Records and spans to an OpenTelemetry collector, over HTTP."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Mapping, Sequence
from contextvars import Token
from types import TracebackType
from typing import Self

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from structlog.contextvars import bind_contextvars, reset_contextvars

from salient import log
from salient.errors import Error, Unavailable
from salient.log import traces
from salient.log.background import Outbox, Payload, Sender

_log = log.get(__name__)

_TIMEOUT_S = 5.0
_SEVERITY = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}
_TRACE_ID, _SPAN_ID = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{16}")


class Otlp(Sender[Payload]):
    """`//host:4318`, to which `/v1/logs` is added. Fields become attributes, the event the body.

    Raises:
        ValueError: no host.
    """

    def __init__(self, place: str, *, tls: bool, service: str) -> None:
        self._endpoint = _endpoint(place, "logs", tls=tls)
        self._resource = Resource.create({"service.name": service})
        self.forked()

    def send(self, records: Sequence[Payload]) -> None:
        result = self._exporter.export([self._record(r) for r in records])
        if result is not LogRecordExportResult.SUCCESS:
            raise Unavailable(f"the collector at {self._endpoint} does not take records")

    def forked(self) -> None:
        self._exporter = OTLPLogExporter(endpoint=self._endpoint, timeout=_TIMEOUT_S)

    def close(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call] # its own has no types

    def _record(self, payload: Payload) -> ReadableLogRecord:
        apart = ["event", "level", "logger", "timestamp"]
        context = _context_of(payload)
        if context is not None:
            apart += ["trace_id", "span_id"]
        moment = int(payload["timestamp"] * 1e9)
        record = LogRecord(
            timestamp=moment,
            observed_timestamp=moment,
            context=context,
            severity_text=payload["level"].upper(),
            severity_number=_SEVERITY.get(payload["level"], SeverityNumber.UNSPECIFIED),
            body=payload["event"],
            attributes={k: v for k, v in payload.items() if v is not None and k not in apart},
        )
        return ReadableLogRecord(record, self._resource, InstrumentationScope(payload["logger"]))


class Spans(Sender[ReadableSpan]):
    """`//host:4318`, to which `/v1/traces` is added.

    Raises:
        ValueError: no host.
    """

    def __init__(self, place: str, *, tls: bool) -> None:
        self._endpoint = _endpoint(place, "traces", tls=tls)
        self.forked()

    def send(self, records: Sequence[ReadableSpan]) -> None:
        if self._exporter.export(records) is not SpanExportResult.SUCCESS:
            raise Unavailable(f"the collector at {self._endpoint} does not take spans")

    def forked(self) -> None:
        self._exporter = OTLPSpanExporter(endpoint=self._endpoint, timeout=_TIMEOUT_S)

    def close(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call] # its own has no types


class Tracer:
    """Makes spans, and sends those that have ended from a thread of its own.

    While the collector is away, 10,000 are kept; what comes on top is dropped and counted.

    Args:
        ratio: of the traces that begin here, how many are kept; of others their caller decides.
    """

    def __init__(self, place: str, *, tls: bool, service: str, ratio: float) -> None:
        self._outbox = Outbox(Spans(place, tls=tls), _say_dropped)
        resource = Resource.create({"service.name": service, "host.name": socket.gethostname()})
        # Ours alone: a host program's own provider, which is global, is left as it is.
        provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)),
            resource=resource,
            shutdown_on_exit=False,
        )
        provider.add_span_processor(_Ended(self._outbox))
        self._tracer = provider.get_tracer("salient")

    @property
    def dropped(self) -> int:
        """Spans that were dropped since it was opened."""
        return self._outbox.dropped

    def span(self, name: str, attributes: Mapping[str, traces.Attribute]) -> traces.Span:
        """A span that begins when it is entered."""
        return _Live(self._tracer, name, attributes)

    def flush(self) -> None:
        self._outbox.flush()

    def close(self) -> None:
        self._outbox.close()


class _Ended(SpanProcessor):
    def __init__(self, outbox: Outbox[ReadableSpan]) -> None:
        self._outbox = outbox

    def on_end(self, span: ReadableSpan) -> None:
        self._outbox.put(span)


class _Live(traces.Span):
    def __init__(
        self, tracer: trace.Tracer, name: str, attributes: Mapping[str, traces.Attribute]
    ) -> None:
        self._tracer, self._name, self._attributes = tracer, name, attributes

    def set(self, **attributes: traces.Attribute) -> None:
        self._span.set_attributes({k: v for k, v in attributes.items() if v is not None})

    def __enter__(self) -> Self:
        self._span = self._tracer.start_span(self._name, _parent(), attributes=_OF_PROCESS)
        self.set(**self._attributes)
        here = self._span.get_span_context()
        trace_id, span_id = f"{here.trace_id:032x}", f"{here.span_id:016x}"
        self._outer: Token[str] = traces.CURRENT.set(
            f"00-{trace_id}-{span_id}-{here.trace_flags:02x}"
        )
        self._fields = bind_contextvars(trace_id=trace_id, span_id=span_id)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception):
            # What failed, without its message, which may hold what is nobody's business.
            code = error.code if isinstance(error, Error) else type(error).__name__
            self._span.set_status(trace.StatusCode.ERROR, code)
        self._span.end()
        traces.CURRENT.reset(self._outer)
        reset_contextvars(**self._fields)


def _parent() -> Context | None:
    """The context of the span around; None leaves it to a host program's own tracing."""
    found = traces.trace_of(traces.CURRENT.get())
    if found is None:
        return None
    return _context(int(found[0], 16), int(found[1], 16), sampled=found[2])


def _context(trace_id: int, span_id: int, *, sampled: bool) -> Context:
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    remote = SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)
    return trace.set_span_in_context(NonRecordingSpan(remote))


def _context_of(payload: Payload) -> Context | None:
    """What a record was logged within, by its fields."""
    trace_id, span_id = str(payload.get("trace_id", "")), str(payload.get("span_id", "0" * 16))
    if not _TRACE_ID.fullmatch(trace_id) or not _SPAN_ID.fullmatch(span_id):
        return None
    return _context(int(trace_id, 16), int(span_id, 16), sampled=True)


def _say_dropped(n_spans: int) -> None:
    _log.warning("trace.dropped", n_spans=n_spans)


def _endpoint(place: str, what: str, *, tls: bool) -> str:
    if not place.strip("/"):
        raise ValueError("a collector is given as otlp://host:4318")
    # The exporters report each failure by themselves; ours is the one report, as `log.dropped`.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    return f"http{'s' if tls else ''}:{place.rstrip('/')}/v1/{what}"


_OF_PROCESS = {"process.pid": os.getpid()}


def _set_pid() -> None:
    _OF_PROCESS["process.pid"] = os.getpid()


os.register_at_fork(after_in_child=_set_pid)
