"""Which version a name stands for: an append-only history in blobs, and a copy of its end in kv.

An entry of the history is a blob that only one of many writers can put, so writers need nothing else
to agree. The copy in the key-value store is what readers ask often; if it is lost or falls
behind, it is made anew.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from salient import log
from salient.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable
from salient.storage.blob import Blobs
from salient.storage.kv import PUBSUB, KeyValue

_log = log.get(__name__)

_PREFIX: Final = "model/history/"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")

Event = Literal["publish", "pin", "unpin", "rollback"]


@dataclass(frozen=True, slots=True)
class State:
    """What a name stands for after an event."""

    seq: int
    """Number of the event, from 1."""
    event: Event
    version: str
    """The newest, or what was rolled back to."""
    origin: int
    """Number of the event that published it."""
    pinned: str | None
    at: str
    """When, in ISO 8601, UTC."""

    @property
    def served(self) -> str:
        """The version that who asks for none gets."""
        return self.pinned or self.version

    def published(self, version: str) -> State:
        return State(self.seq + 1, "publish", version, self.seq + 1, self.pinned, _now())

    def rolled_back(self, to: State) -> State:
        return State(self.seq + 1, "rollback", to.version, to.origin, None, _now())

    def with_pin(self, version: str | None) -> State:
        event: Event = "unpin" if version is None else "pin"
        return State(self.seq + 1, event, self.version, self.origin, version, _now())

    @classmethod
    def first(cls, version: str) -> State:
        return cls(1, "publish", version, 1, None, _now())

    def dump(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def read(cls, data: bytes) -> State:
        try:
            return cls(**json.loads(data))
        except (ValueError, TypeError) as exc:
            raise Corrupt("an entry of the history of a model cannot be read") from exc


Step = Callable[[State | None], State | None]
"""From a name's present state, None for a new name, to the next; None leaves it as it is."""


class History:
    """Names and their states. Threads and processes may share the stores."""

    def __init__(self, blobs: Blobs, cache: KeyValue | None) -> None:
        self._blobs, self._cache = blobs, cache

    def state(self, name: str, *, sure: bool = False) -> State | None:
        """What the name stands for now; None for a name that nothing was published under.

        Args:
            sure: ask the history whether the copy is behind, at the cost of a read more.
        """
        key = _key(name)
        found = self._copy(key)
        known = _parsed(found)
        if known is not None and not sure:
            return known
        newest = self._newest(name) if known is None else self._after(name, known)
        if newest is not None and newest != known:
            self._keep(name, found, newest)
        return newest

    def change(self, name: str, step: Step) -> State | None:
        """Append what `step` makes of the present state; it runs again if somebody was faster.

        Returns: the state after it; the present one where `step` gives None.
        """
        while True:
            before = self.state(name, sure=True)
            after = step(before)
            if after is None:
                return before
            try:
                self._blobs.put(_entry(name, after.seq), after.dump(), only_if_absent=True)
            except Conflict:
                continue
            self._keep(name, self._copy(_key(name)), after)
            self._tell(name, after)
            return after

    def events(self, name: str) -> Iterator[State]:
        """The newest first."""
        state = self.state(name, sure=True)
        while state is not None:
            yield state
            state = self._entry(name, state.seq - 1)

    def line(self, name: str) -> Iterator[State]:
        """How the current version was published, then the one that was current before, and so on.

        Versions that were rolled back from are not among them.
        """
        state = self.state(name, sure=True)
        while state is not None:
            published = self._entry(name, state.origin)
            if published is None:
                return
            yield published
            state = self._entry(name, published.seq - 1)

    def names(self) -> list[str]:
        """All names, in order."""
        keys = self._blobs.list(_PREFIX)
        return list(dict.fromkeys(k.removeprefix(_PREFIX).partition("/")[0] for k in keys))

    def _newest(self, name: str) -> State | None:
        last = deque(self._blobs.list(f"{_PREFIX}{name}/"), maxlen=1)
        return State.read(self._blobs.get(last[0])) if last else None

    def _after(self, name: str, state: State) -> State:
        while (later := self._entry(name, state.seq + 1)) is not None:
            state = later
        return state

    def _entry(self, name: str, seq: int) -> State | None:
        try:
            return State.read(self._blobs.get(_entry(name, seq)))
        except NotFound:
            return None

    def _copy(self, key: str) -> bytes | None:
        try:
            return None if self._cache is None else self._cache.get(key)
        except Unavailable as error:
            _log.warning("model.pointer_unreadable", reason=error.message)
            return None

    def _keep(self, name: str, seen: bytes | None, newest: State) -> None:
        """Move the copy on, never back: of two writers the one with the older entry gives way."""
        if self._cache is None:
            return
        try:
            while not self._cache.swap(_key(name), seen, newest.dump()):
                seen = self._cache.get(_key(name))
                there = _parsed(seen)
                if there is not None and there.seq >= newest.seq:
                    return
        except Unavailable as error:
            # The history has it; who reads next brings the copy up.
            _log.warning("model.pointer_not_moved", model=name, reason=error.message)

    def _tell(self, name: str, state: State) -> None:
        if self._cache is None or PUBSUB not in self._cache.features:
            return
        try:
            self._cache.publish(channel(name), state.served.encode())
        except Unavailable as error:  # they look by themselves now and then
            _log.warning("model.not_announced", model=name, reason=error.message)


def _parsed(copy: bytes | None) -> State | None:
    """A damaged copy is as good as a lost one."""
    try:
        return None if copy is None else State.read(copy)
    except Corrupt:
        return None


def channel(name: str) -> str:
    """Where changes of a name are announced."""
    return f"model/{name}"


def checked(name: str) -> str:
    """Raises InvalidInput: no model can be called so."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"no model can be called {name!r}: lower-case letters, digits and . _ -, 100 at most",
            name=name[:100],
        )
    return name


def _key(name: str) -> str:
    return f"model/current/{checked(name)}"


def _entry(name: str, seq: int) -> str:
    return f"{_PREFIX}{checked(name)}/{seq:012d}"


def _now() -> str:
    return datetime.now(UTC).isoformat()
