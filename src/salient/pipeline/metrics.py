"""What the pipeline counts for Prometheus: ends of documents, time in stages, time of commits."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import Counter, Histogram

from salient import errors
from salient.pipeline.ledger import Outcome

# Each has a label: one without could not be taken along into what several processes share.
DOCUMENTS = Counter(
    "salient_documents_total",
    "Documents that ended and were committed, by state and, of those not done, reason.",
    ("state", "code"),
)
TEXT = Counter("salient_text_total", "Text of documents that were done, by unit.", ("unit",))
STAGE_SECONDS = Histogram(
    "salient_stage_seconds",
    "Time of a document in a stage; short where what it makes was there already.",
    ("stage",),
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0),
)
COMMIT_SECONDS = Histogram(
    "salient_commit_seconds",
    "Time of a commit of a batch of documents, by what it is written to.",
    ("part",),
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0),
)

CODES = frozenset(errors.tree()) | {
    "empty", "encrypted", "internal_fault", "malformed", "not_a_file", "out_of_memory", "reader_crashed", "too_large",
    "truncated", "unreadable", "unsupported_format", "vanished", "worker_killed", "zip_bomb",
}  # fmt: skip
"""Reasons that are told apart. A label must not have more values than a person could list."""


def count(outcomes: Sequence[Outcome]) -> None:
    """Count documents whose ends are committed."""
    for outcome in outcomes:
        code = outcome.code or ""
        DOCUMENTS.labels(outcome.state.value, code if not code or code in CODES else "other").inc()
        TEXT.labels("pages").inc(outcome.n_pages or 0)
        TEXT.labels("characters").inc(outcome.n_characters or 0)
        for run in outcome.stages:
            STAGE_SECONDS.labels(run.stage).observe(run.seconds)


@contextmanager
def committing(part: str) -> Iterator[None]:
    """Time one part of a commit."""
    began = time.perf_counter()
    try:
        yield
    finally:
        COMMIT_SECONDS.labels(part).observe(time.perf_counter() - began)
