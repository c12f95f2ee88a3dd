"""Timings, counts, sizes and errors of stores, as Prometheus metrics, and a log of slow calls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar, final

from prometheus_client import Counter, Histogram

from salient import log
from salient.errors import Error
from salient.storage import urls

T = TypeVar("T")

_log = log.get(__name__)
_LABELS = ("store", "name", "operation")
_SECONDS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_BYTES = (64, 1024, 16 * 1024, 256 * 1024, 4 * 1024 * 1024, 64 * 1024 * 1024)

# One set a process: however many stores are opened, their metrics are told apart by label.
CALLS = Histogram("salient_store_seconds", "Time of a store's calls.", _LABELS, buckets=_SECONDS)
SIZES = Histogram(
    "salient_store_bytes", "Bytes written or read by a call.", (*_LABELS, "way"), buckets=_BYTES
)
ROWS = Histogram(
    "salient_store_rows",
    "Rows that a query gave or touched.",
    _LABELS,
    buckets=(0, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000),
)
ERRORS = Counter("salient_store_errors", "Calls that raised, by error code.", (*_LABELS, "code"))


@final
class Meter:
    """Measures the calls of one store.

    Args:
        store: its kind: kv, blob, sql, docs, search.
        name: what tells it from others of its kind; by default its URL without secrets.
        slow_ms: calls that take longer are logged as `store.slow_call`.
    """

    def __init__(self, store: str, name: str, *, slow_ms: float) -> None:
        self.store, self.name, self.slow_s = store, urls.shown(name), slow_ms / 1000
        self._calls: dict[str, Histogram] = {}
        self._sizes: dict[tuple[str, str], Histogram] = {}

    def measure(self, operation: str, run: Callable[[], T]) -> T:
        """Run a call and note how long it took and how it ended."""
        began = time.perf_counter()
        try:
            return run()
        except Error as exc:
            ERRORS.labels(self.store, self.name, operation, exc.code).inc()
            raise
        except Exception as exc:
            ERRORS.labels(self.store, self.name, operation, type(exc).__name__).inc()
            raise
        finally:
            self.note(operation, time.perf_counter() - began)

    def note(self, operation: str, seconds: float) -> None:
        """Note a call that was timed elsewhere, such as a stream that was read to its end."""
        if operation not in self._calls:
            self._calls[operation] = CALLS.labels(self.store, self.name, operation)
        self._calls[operation].observe(seconds)
        if seconds > self.slow_s:
            _log.warning(
                "store.slow_call", store=self.store, backend=self.name, operation=operation,
                seconds=round(seconds, 4),
            )  # fmt: skip

    def wrote(self, operation: str, size_bytes: int) -> None:
        self._size(operation, "in", size_bytes)

    def read(self, operation: str, size_bytes: int) -> None:
        self._size(operation, "out", size_bytes)

    def _size(self, operation: str, way: str, size_bytes: int) -> None:
        if (operation, way) not in self._sizes:
            labels = (self.store, self.name, operation, way)
            self._sizes[operation, way] = SIZES.labels(*labels)
        self._sizes[operation, way].observe(size_bytes)
