"""Garbage collection: versions that nobody can want any more, and files that no version has."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final

from salient.errors import TimedOut
from salient.learning.registry.files import FILES, MANIFESTS, Stored
from salient.learning.registry.history import History
from salient.storage.blob import Blobs, Entry

_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Swept:
    """What was removed from the store."""

    versions: tuple[str, ...]
    files: int
    size_bytes: int


def kept(history: History, keep: int, since: datetime) -> set[str]:
    """Versions that a name stands for, is pinned to, or was published lately under."""
    found: set[str] = set()
    for name in history.names():
        published: dict[str, None] = {}  # in order, newest first
        for n, state in enumerate(history.events(name)):
            if n == 0:
                found |= {state.version, state.served}
            published[state.version] = None
            if datetime.fromisoformat(state.at) > since:
                found.add(state.version)
        found |= set(islice(published, keep))
    return found


def sweep(
    blobs: Blobs,
    history: History,
    in_use: Callable[[], set[str]],
    still_alone: Callable[[], bool],
    *,
    keep: int,
    min_age_s: float,
) -> Swept:
    """Remove them. The caller holds the lock that publishers take to commit.

    Manifests go first: killed between the two, files stay that the next sweep finds unwanted.
    """
    since = datetime.now(UTC) - timedelta(seconds=min_age_s)
    wanted = kept(history, keep, since)
    old = [e for e in blobs.entries(MANIFESTS) if e.modified <= since]
    # Asked for last: who opens a version says so before fetching it.
    wanted |= in_use()
    versions = [e for e in old if e.key.removeprefix(MANIFESTS) not in wanted]
    _delete(blobs, versions, still_alone)
    # One manifest that cannot be read ends it here: its files must not be taken for unwanted.
    stored = Stored(blobs)
    needed = {f.sha256 for version in stored.versions("") for f in stored.manifest(version).files}
    files, size = 0, 0
    loose = (
        e for e in blobs.entries(FILES)
        if e.key.removeprefix(FILES) not in needed and e.modified <= since
    )  # fmt: skip
    for batch in _batches(loose):
        _delete(blobs, batch, still_alone)
        files += len(batch)
        size += sum(e.size_bytes for e in batch)
    return Swept(tuple(e.key.removeprefix(MANIFESTS) for e in versions), files, size)


def _delete(blobs: Blobs, entries: Iterable[Entry], still_alone: Callable[[], bool]) -> None:
    for batch in _batches(iter(entries)):
        if not still_alone():
            raise TimedOut("the store was too slow to remove models safely: the rest stays")
        for entry in batch:
            blobs.delete(entry.key)


def _batches(entries: Iterator[Entry]) -> Iterator[Sequence[Entry]]:
    while batch := list(islice(entries, _BATCH)):
        yield batch
