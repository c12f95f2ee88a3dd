"""What calls of services count for Prometheus, and their span, whoever calls."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter, Histogram

from salient import log
from salient.errors import Error
from salient.pipeline.run import Cancelled

SECONDS = Histogram(
    "salient_service_seconds",
    "Time of a service's calls.",
    ("service",),
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 1000.0, 10000.0),
)
ERRORS = Counter(
    "salient_service_errors_total",
    "Calls that raised, by the error's code; `fault` is a bug, `cancelled` a person's wish.",
    ("service", "code"),
)


@contextmanager
def measured(service: str) -> Iterator[None]:
    """Time a call and note how it ended."""
    began = time.perf_counter()
    try:
        with log.span("service", service=service):
            yield
    except Error as error:
        ERRORS.labels(service, error.code).inc()
        raise
    except Cancelled:
        ERRORS.labels(service, "cancelled").inc()
        raise
    except Exception:
        ERRORS.labels(service, "fault").inc()
        raise
    finally:
        SECONDS.labels(service).observe(time.perf_counter() - began)
