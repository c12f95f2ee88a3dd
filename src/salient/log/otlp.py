"""Records to an OpenTelemetry collector, over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from salient.errors import Unavailable
from salient.log.background import Payload, Sender

_TIMEOUT_S = 5.0
_SEVERITY = {
    "debug": SeverityNumber.DEBUG,
    "info": SeverityNumber.INFO,
    "warning": SeverityNumber.WARN,
    "error": SeverityNumber.ERROR,
    "critical": SeverityNumber.FATAL,
}


class Otlp(Sender):
    """`//host:4318`, to which `/v1/logs` is added. Fields become attributes, the event the body.

    Raises:
        ValueError: no host.
    """

    def __init__(self, place: str, *, tls: bool, service: str) -> None:
        if not place.strip("/"):
            raise ValueError("a collector is given as otlp://host:4318")
        # The exporter reports each failure by itself; ours is the one report, as `log.dropped`.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        endpoint = f"http{'s' if tls else ''}:{place.rstrip('/')}/v1/logs"
        self._endpoint = endpoint
        self._exporter = OTLPLogExporter(endpoint=endpoint, timeout=_TIMEOUT_S)
        self._resource = Resource.create({"service.name": service})

    def send(self, records: Sequence[Payload]) -> None:
        result = self._exporter.export([self._record(r) for r in records])
        if result is not LogRecordExportResult.SUCCESS:
            raise Unavailable(f"the collector at {self._endpoint} does not take records")

    def close(self) -> None:
        self._exporter.shutdown()  # type: ignore[no-untyped-call] # its own has no types

    def _record(self, payload: Payload) -> ReadableLogRecord:
        fields = {
            k: v
            for k, v in payload.items()
            if v is not None and k not in ("event", "level", "logger", "timestamp")
        }
        moment = int(payload["timestamp"] * 1e9)
        record = LogRecord(
            timestamp=moment,
            observed_timestamp=moment,
            severity_text=payload["level"].upper(),
            severity_number=_SEVERITY.get(payload["level"], SeverityNumber.UNSPECIFIED),
            body=payload["event"],
            attributes=fields,
        )
        return ReadableLogRecord(record, self._resource, InstrumentationScope(payload["logger"]))
