"""What work on queues counts for Prometheus, in coordinators and in workers."""

from __future__ import annotations

from typing import Literal

from prometheus_client import Counter, Gauge

from salient.work import MAIN, OCR

# Each has a label: one without could not be taken along into what several processes share.
BATCHES = Counter(
    "salient_batches_total",
    "Batches by what became of them: sent; then done, refused by a worker, redelivered since their message or worker was lost.",
    ("result",),
)
ITEMS = Counter(
    "salient_items_total", "Items of batches that came back: done, failed, lost.", ("result",)
)
BUSY_SECONDS = Counter(
    "salient_busy_seconds_total", "Time that processes spent on batches, by their role.", ("role",)
)
# Of several processes under one parent, the one that looked last is right.
QUEUE_DEPTH = Gauge(
    "salient_queue_depth",
    "Batches that wait in a queue for a worker, as last seen.",
    ("queue",),
    multiprocess_mode="livemostrecent",
)
WORKERS = Gauge(
    "salient_workers",
    "Batches that the workers of a queue do at once, as last seen.",
    ("queue",),
    multiprocess_mode="livemostrecent",
)


def batch(result: Literal["sent", "done", "refused", "redelivered"]) -> None:
    """Count what happened to a batch."""
    BATCHES.labels(result).inc()


def items(result: Literal["done", "failed", "lost"], n: int = 1) -> None:
    """Count how items ended."""
    ITEMS.labels(result).inc(n)


def busy(seconds: float) -> None:
    """Count a worker's time on a batch."""
    BUSY_SECONDS.labels("worker").inc(seconds)


def depth(queue: str, n: int) -> None:
    """Note how many batches wait."""
    QUEUE_DEPTH.labels(_known(queue)).set(n)


def workers(queue: str, slots: int) -> None:
    """Note how many batches the workers of a queue do at once."""
    WORKERS.labels(_known(queue)).set(slots)


def _known(queue: str) -> str:
    return queue if queue in (MAIN, OCR) else "other"
