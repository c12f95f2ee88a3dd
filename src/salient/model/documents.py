"""Documents, their versions, and where they come from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO

from salient.model.values import Value


class State(StrEnum):
    """Where a document stands in the ledger. The last five are ends."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """Could not be read; `code` and `reason` say what a person can do."""
    QUARANTINED = "quarantined"
    """Broke a limit (time, memory, expansion) or killed its process; retried only when asked."""
    DUPLICATE = "duplicate"
    """The same bytes as another document of the workspace, named by `duplicate_of`."""
    UNSUPPORTED = "unsupported"
    """A format that no reader knows."""


ENDED = frozenset({State.DONE, State.FAILED, State.QUARANTINED, State.DUPLICATE, State.UNSUPPORTED})


@dataclass(frozen=True, slots=True)
class Source:
    """One thing to add, opened only when its turn comes.

    `key` names it for ever within a workspace (`file:/abs/path`, `upload:name`,
    `<parent document id>!member`): the same key again is a new version of the same document.
    """

    key: str
    name: str
    open: Callable[[], BinaryIO]
    parent_id: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


def document_id(workspace: str, source_key: str) -> str:
    """The id of the document added under `source_key`: 20 hex digits, equal on every machine."""
    return hashlib.sha256(
        f"{workspace}\0{source_key}".encode("utf-8", "surrogatepass")
    ).hexdigest()[:20]


class Document(Value):
    """A document as lists show it: its current version and its row of the ledger."""

    id: str
    workspace: str
    source_key: str
    name: str
    parent_id: str | None = None
    version: str
    """SHA-256 of the current version's bytes, in hex."""
    media_type: str | None = None
    size_bytes: int
    added_at: str
    """ISO 8601, UTC."""
    title: str | None = None
    language: str | None = None
    n_pages: int | None = None
    n_characters: int | None = None
    state: State
    stage: str | None = None
    code: str | None = None
    """Stable word for the reason, e.g. `encrypted`, `empty`, `timed_out`."""
    reason: str | None = None
    """One sentence that says what happened and what to do."""
    notes: tuple[str, ...] = ()
    """What was left out or doubtful though the document is done, a sentence each."""
    duplicate_of: str | None = None
    attempts: int = 0
    updated_at: str
