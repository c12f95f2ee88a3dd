"""Who works now, at what, and what waits: as workers of a queue say it of themselves in the cache."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from pydantic import Field

from salient.errors import Error
from salient.model import Value
from salient.storage.kv import KeyValue
from salient.work import MAIN, OCR
from salient.work.notes import Beat, Presence

WORKER, BEAT = "worker/", "beat/"


class Batch(Value):
    """What a process of a worker is at: the item of a batch, counted from 1, and for how long."""

    worker: str
    """`host:pid` of the process."""
    item: int
    n_items: int
    seconds: float
    waits: str = ""
    """What it waits for, if it cannot work."""


class Worker(Value):
    """A worker of a queue. One that stops saying that it is there is gone from the list."""

    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    slots: int
    """How many batches it works on at once."""
    since: str
    """When it was started; ISO 8601, UTC."""
    release: str


class Workers(Value):
    """The workers of queues; none where documents are worked on in local processes."""

    workers: tuple[Worker, ...] = ()
    busy: tuple[Batch, ...] = ()
    """What is worked on now."""
    waiting: dict[str, int] = Field(default_factory=dict)
    """Batches that wait in each queue; empty where there is no queue, or its broker is away."""


def read(cache: KeyValue, depth: Callable[[str], int] | None = None) -> Workers:
    """What stands in the cache.

    Args:
        depth: how many batches wait in a queue.
    """
    kept = cache.get_many([*cache.scan(WORKER), *cache.scan(BEAT)])
    said = {key: _read(kept[key], Presence if key.startswith(WORKER) else Beat) for key in kept}
    workers = [
        Worker(
            name=w.name, host=w.host, pid=w.pid, queues=w.queues, slots=w.slots,
            since=datetime.fromtimestamp(w.since, UTC).isoformat(timespec="seconds"), release=w.release,
        )
        for w in said.values() if isinstance(w, Presence)
    ]  # fmt: skip
    busy = [
        Batch(worker=b.worker, item=b.index + 1, n_items=b.n, seconds=round(b.seconds, 1), waits=b.waits)
        for b in said.values() if isinstance(b, Beat)
    ]  # fmt: skip
    return Workers(
        workers=tuple(sorted(workers, key=lambda w: w.name)),
        busy=tuple(sorted(busy, key=lambda b: -b.seconds)),
        waiting=_depths(depth),
    )


def _depths(depth: Callable[[str], int] | None) -> dict[str, int]:
    if depth is None:
        return {}
    try:
        return {queue: depth(queue) for queue in (MAIN, OCR)}
    except (
        Error
    ):  # who looks at the status wants to see the rest, above all while the broker is away
        return {}


def _read(text: bytes, kind: type[Presence] | type[Beat]) -> Presence | Beat | None:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        return None  # of another release: it works all the same, and cannot be shown
