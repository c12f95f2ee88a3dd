"""What coordinators and workers of a queue tell each other, and where.

Blobs, by which work goes out and comes back; a batch that is given up loses its `items`:

    run/<run>/recipe         Offer: what makes the handler
    run/<run>/<batch>.items  the batch's values, JSON
    run/<run>/<batch>.ends   what became of each, JSON

Keys, all of which expire:

    run/<run>                the run goes on
    started/<run>/<batch>    how often a worker has begun it: only the first does it
    beat/<run>/<batch>       Beat: its worker lives
    died/<run>/<batch>       Death: its worker does not
    worker/<name>            Presence: a worker waits for work

Messages are hints, that something is to be looked at: on the channel `run/<run>` the batch whose
ends are there, or whose worker died.
"""

from __future__ import annotations

from typing import Any

import msgspec

from salient import errors
from salient.errors import Error

LEFT_S = 24 * 3600.0
"""How long a key of a batch may outlive it."""


class Message(msgspec.Struct, frozen=True):
    """What a broker carries: names of blobs, and what ties log records together."""

    run: str
    batch: str
    ids: dict[str, str] = {}


class Offer(msgspec.Struct, frozen=True):
    """A recipe, and the release that wrote it: workers of another one do not take part."""

    name: str
    setup: msgspec.Raw
    release: str


class Beat(msgspec.Struct, frozen=True):
    """A worker lives, and for how long it has been at which item of a batch."""

    worker: str
    tick: int
    index: int
    n: int
    seconds: float
    waits: str = ""
    """What it waits for, if it cannot work."""


class Death(msgspec.Struct, frozen=True):
    """A worker died at a batch. `index` is the item that killed it, -1 where that is not known."""

    reason: str
    index: int = -1


class Presence(msgspec.Struct, frozen=True):
    """A worker that waits for work: its parent process, and how many batches it does at once."""

    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    slots: int
    since: float
    """When it was started, seconds since the epoch."""
    release: str


class Fault(msgspec.Struct, frozen=True):
    """An error as it crosses machines."""

    code: str
    message: str
    context: Any

    @classmethod
    def of(cls, error: Error) -> Fault:
        try:
            context = msgspec.json.decode(msgspec.json.encode(error.context, enc_hook=str))
        except (TypeError, ValueError):
            context = {}
        return cls(error.code, error.message, context)

    def error(self) -> Error:
        """The error as the class it was raised as."""
        kind = errors.tree().get(self.code, Error)
        return kind(self.message, self.context if isinstance(self.context, dict) else {})


class Ends(msgspec.Struct, frozen=True):
    """What became of a batch's items, in order; `seconds` is how long it took.

    `results` has null where `faults` has the item's number. `refused` says that this worker cannot
    do such work at all.
    """

    worker: str
    seconds: float
    results: msgspec.Raw = msgspec.Raw(b"[]")
    faults: dict[int, Fault] = {}
    refused: Fault | None = None


def run_key(run: str) -> str:
    return f"run/{run}"


def recipe_blob(run: str) -> str:
    return f"run/{run}/recipe"


def started_key(run: str, batch: str) -> str:
    return f"started/{run}/{batch}"


def items_blob(run: str, batch: str) -> str:
    return f"run/{run}/{batch}.items"


def ends_blob(run: str, batch: str) -> str:
    return f"run/{run}/{batch}.ends"
