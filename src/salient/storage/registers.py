"""Values kept in several key-value stores at once, of which some may be away or behind.

Each key is a register that its stores agree on by Paxos, so that every change, also one that depends
on what was there, is made once and in one order for all threads and processes, whichever stores can
be reached. A store's part is one record, changed by its own `swap`: the highest ballot promised, the
ballot of what was accepted, and the value.

- A change asks for promises, takes the newest accepted value, and has the next one accepted.
- A read that finds enough stores of one opinion returns it. Otherwise it brings those behind up to
  date, and where it cannot know whether a change was agreed on, has it agreed on first.
- A record remembers the last change of each of the last few processes. One that was beaten, and
  cannot know whether another process finished its work, finds itself there and is not made twice.
- A store that forgets what it acknowledged counts as one that is lost for good: while it is filled
  anew by reads, another loss may be one too many. Give each store a disk.
- Times to live are counted by each store. A record stays for a minute longer than its value, and
  that of a deleted key for `tombstone_s`: a store that was away for longer may bring the key back.

Source: Lamport 2001, "Paxos Made Simple"; Rystsov 2018, "CASPaxos: Replicated State Machines without
logs", arXiv:1802.07000; the list of changes is ours.
"""

from __future__ import annotations

import os
import random
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, TypeVar, final

from salient.errors import Corrupt, TimedOut, Unavailable
from salient.storage.kv import KeyValueDriver

T = TypeVar("T")
Ballot = tuple[int, bytes]

_HEADER = struct.Struct(">BQ8sQ8sQBB")
_VERSION = 1
_ABSENT, _STAYS, _EXPIRES = 0, 1, 2
_NEVER: Ballot = (0, bytes(8))
_NAME_BYTES = 16  # of a change: who made it, and a random part
_REMEMBERED = 16  # changes, each the last of its process
_LONGER_S = 60.0  # that a record outlives its value; longer than any call takes
_CALL_S = 10.0
_AWAY_S = 1.0  # for which a store that could not be reached is not asked if others will do


class State(NamedTuple):
    """A value, None if absent, and its remaining seconds to live, None for ever."""

    value: bytes | None = None
    ttl_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Try(Generic[T]):
    """A change that was proposed, and of which it is not known whether it is made."""

    result: T
    ballot: Ballot
    count: int
    """How many changes there were before it."""


@dataclass(frozen=True, slots=True)
class _Record:
    promised: Ballot = _NEVER
    accepted: Ballot = _NEVER
    changes: tuple[bytes, ...] = ()
    count: int = 0
    """How many changes there were in all."""
    kind: int = _ABSENT
    value: bytes = b""
    left_s: float | None = None
    """Of the record, at `asked_at`."""
    asked_at: float = 0.0
    raw: bytes | None = None
    """As it is in the store; None if it is not there."""

    def may_have_forgotten(self, one: _Try[T], who: bytes) -> bool:
        """Whether a change of `who` could have been made and be no longer in the list."""
        return (
            len(self.changes) >= _REMEMBERED
            and self.count - one.count >= _REMEMBERED
            and not any(name.startswith(who) for name in self.changes)
        )

    def state(self) -> State:
        if self.kind == _STAYS:
            return State(self.value)
        left_s = (self.left_now_s() or 0.0) - _LONGER_S
        if self.kind == _ABSENT or left_s <= 0:
            return State()
        return State(self.value, left_s)

    def left_now_s(self) -> float | None:
        """What is left, so that it is not prolonged when the record is written again.

        From sending the question to sending the answer back takes as long as passes at the store.
        """
        if self.left_s is None:
            return None
        return max(self.left_s - (time.monotonic() - self.asked_at), 0.001)

    def encoded(self) -> bytes:
        head = (_VERSION, *self.promised, *self.accepted, self.count, self.kind, len(self.changes))
        return _HEADER.pack(*head) + b"".join(self.changes) + self.value


class _Beaten(Exception):
    """Somebody else has a higher ballot."""

    def __init__(self, ballot: Ballot) -> None:
        self.ballot = ballot
        super().__init__(ballot)


@final
class Registers:
    """Keys as registers over `stores`.

    Args:
        quorum: how many stores must have a change before it is acknowledged, more than half.
        tombstone_s: how long it is remembered that a key was deleted.
    """

    def __init__(
        self, stores: Sequence[KeyValueDriver], *, quorum: int, tombstone_s: float
    ) -> None:
        self._stores = tuple(stores)
        self._quorum = quorum
        self._one_will_do = quorum == len(stores)
        self._tombstone_s = tombstone_s
        self._away_until = [0.0] * len(stores)
        self._me = os.urandom(8)
        # Threads of one process take turns: it is cheaper than beating each other, and no key has
        # two changes of one process under way.
        self._turns = [threading.Lock() for _ in range(64)]

    def read(self, key: str) -> State:
        """The newest acknowledged value, or one that was being written.

        Raises:
            Unavailable: too few stores can be reached.
        """
        if self._one_will_do:
            # All have what was acknowledged; only one that lost its records may have none.
            record = self._look(key, least=1, enough=1)[0][1]
            if record.accepted != _NEVER:
                return record.state()
        pause_s = 0.001
        for _ in range(6):
            enough = None if self._one_will_do else self._quorum
            found = self._look(key, least=1 if self._one_will_do else self._quorum, enough=enough)
            if len({record.accepted for _, record in found}) == 1:
                return found[0][1].state()
            if enough is not None:
                found = self._look(key, least=self._quorum)
            newest, agreed = self._newest(found)
            if len(found) < self._quorum:
                return newest.state()  # with `all`, one that has lost its records, and one away
            if agreed:
                self._bring_up(key, newest, found)
                return newest.state()
            time.sleep(random.uniform(0, pause_s))  # noqa: S311 # its writer may be at work
            pause_s *= 2
        return self.change(key, lambda state: (state, None), settle=True)

    def read_many(self, keys: Sequence[str]) -> dict[str, State]:
        """As `read`, of those that have a value; quick where the stores agree."""
        if not keys:
            return {}
        answers: list[dict[str, bytes]] = []
        wanted = 1 if self._one_will_do else self._quorum
        for at in self._order():
            if len(answers) == wanted:
                break
            try:
                answers.append(self._stores[at].get_many(keys))
            except Unavailable:
                self._lost(at)
        if len(answers) < wanted:
            raise self._too_few(len(answers), wanted)
        found: dict[str, State] = {}
        for key in keys:
            records = [_decoded(key, answer.get(key)) for answer in answers]
            first = records[0]
            agreed = len({record.accepted for record in records}) == 1
            # Of a key with an expiry only its store knows whether it has come.
            sure = agreed and first.kind != _EXPIRES
            if self._one_will_do and first.accepted == _NEVER:
                sure = False
            state = first.state() if sure else self.read(key)
            if state.value is not None:
                found[key] = state
        return found

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys that start with `prefix` and have a value, once each."""
        names: dict[str, None] = {}
        asked = 0
        for at in self._order():
            try:
                names.update(dict.fromkeys(self._stores[at].scan(prefix)))
            except Unavailable:
                self._lost(at)
            else:
                asked += 1
        wanted = 1 if self._one_will_do else self._quorum
        if asked < wanted:
            raise self._too_few(asked, wanted)
        every = list(names)
        for start in range(0, len(every), 500):
            yield from self.read_many(every[start : start + 500])

    def change(
        self,
        key: str,
        step: Callable[[State], tuple[T, State | None]],
        *,
        settle: bool = False,
    ) -> T:
        """Replace the value by what `step` makes of it, once and atomically.

        Args:
            step: from the state to what is returned, and the next state or None to leave it. It
                may be called several times.
            settle: have the value agreed on even if it is left and seems to be.

        Raises:
            Unavailable: too few stores can be reached. The change may have been made, or be made
                yet when the next one reads it.
            TimedOut: others change the key all the time.
        """
        give_up_at = time.monotonic() + _CALL_S
        tried: dict[bytes, _Try[T]] = {}
        lowest, pause_s = 0, 0.001
        with self._turns[hash(key) % len(self._turns)]:
            while True:
                seen = self._look(key, least=self._quorum)
                newest, agreed = self._newest(seen)
                if agreed:
                    made = self._settled(tried, newest)
                    if made is not None:
                        return made.result
                    if not tried and not settle:
                        result, following = step(newest.state())
                        if following is None:
                            return result
                lowest = max(lowest, *(record.promised[0] for _, record in seen))
                ballot = (lowest + 1, os.urandom(8))
                try:
                    promises = self._prepare(key, ballot, seen)
                    newest, agreed = self._newest(promises)
                    if agreed:
                        self._settled(tried, newest)
                    made = next((tried[one] for one in newest.changes if one in tried), None)
                    if made is not None:
                        self._accept(key, ballot, newest, promises)
                        return made.result
                    if any(newest.may_have_forgotten(one, self._me) for one in tried.values()):
                        raise Unavailable("the change may have been made: others made too many")
                    result, following = step(newest.state())
                    if following is None:
                        self._accept(key, ballot, newest, promises)
                        return result
                    name = self._me + os.urandom(_NAME_BYTES - len(self._me))
                    tried[name] = _Try(result, ballot, newest.count)
                    self._accept(key, ballot, self._next(newest, name, following), promises)
                except _Beaten as beaten:
                    lowest = max(lowest, beaten.ballot[0])
                else:
                    return result
                if time.monotonic() > give_up_at:
                    raise TimedOut("others change the key all the time", key=key[:80])
                time.sleep(random.uniform(0, pause_s))  # noqa: S311 # no secret
                pause_s = min(pause_s * 2, 0.1)

    def _newest(self, found: Sequence[tuple[int, _Record]]) -> tuple[_Record, bool]:
        """The newest record, and whether a quorum has it."""
        newest = max((record for _, record in found), key=lambda record: record.accepted)
        having = sum(record.accepted == newest.accepted for _, record in found)
        return newest, having >= self._quorum

    def _settled(self, tried: dict[bytes, _Try[T]], newest: _Record) -> _Try[T] | None:
        """The one of `tried` that was agreed on; those that cannot be any more are removed."""
        for name, one in list(tried.items()):
            if name in newest.changes:
                return one
            if newest.accepted > one.ballot and not newest.may_have_forgotten(one, self._me):
                del tried[name]
        return None

    def _next(self, newest: _Record, name: bytes, state: State) -> _Record:
        value, ttl_s = state
        kind = _ABSENT if value is None else _STAYS if ttl_s is None else _EXPIRES
        left_s = {_ABSENT: self._tombstone_s, _STAYS: None, _EXPIRES: (ttl_s or 0.0) + _LONGER_S}
        others = [one for one in newest.changes if not one.startswith(self._me)]
        return _Record(
            changes=(*others, name)[-_REMEMBERED:],
            count=newest.count + 1,
            kind=kind,
            value=value or b"",
            left_s=left_s[kind],
            asked_at=time.monotonic(),
        )

    # --- what is asked of the stores

    def _look(
        self, key: str, *, least: int, enough: int | None = None
    ) -> list[tuple[int, _Record]]:
        """The records of at least `least` stores, of all that are there unless `enough` will do."""
        found: list[tuple[int, _Record]] = []
        reasons: list[Unavailable] = []
        for at in self._order(skip_away_after=lambda: len(found) >= least):
            try:
                found.append((at, self._record(at, key)))
            except Unavailable as exc:
                self._lost(at)
                reasons.append(exc)
                continue
            if enough is not None and len(found) >= enough:
                break
        if len(found) < least:
            raise self._too_few(len(found), least) from (reasons[0] if reasons else None)
        return found

    def _prepare(
        self, key: str, ballot: Ballot, seen: Iterable[tuple[int, _Record]]
    ) -> list[tuple[int, _Record]]:
        """Have a quorum promise to accept nothing older than `ballot`."""
        promised: list[tuple[int, _Record]] = []
        for at, record in seen:
            try:
                promised.append((at, self._promise(at, key, ballot, record)))
            except Unavailable:
                self._lost(at)
        if len(promised) < self._quorum:
            raise self._too_few(len(promised), self._quorum)
        return promised

    def _promise(self, at: int, key: str, ballot: Ballot, record: _Record) -> _Record:
        while True:
            if record.promised >= ballot:
                raise _Beaten(record.promised)
            left_s = self._tombstone_s if record.raw is None else record.left_now_s()
            raw = replace(record, promised=ballot).encoded()
            if self._stores[at].swap(key, record.raw, raw, ttl_s=left_s):
                return replace(record, promised=ballot, raw=raw)
            record = self._record(at, key)

    def _accept(
        self, key: str, ballot: Ballot, value: _Record, promises: Sequence[tuple[int, _Record]]
    ) -> None:
        """Have a quorum accept `value` under `ballot`."""
        accepted = replace(value, promised=ballot, accepted=ballot)
        raw = accepted.encoded()
        done = 0
        beaten: _Beaten | None = None
        for at, record in promises:
            try:
                self._take(at, key, ballot, record, raw, self._time_of(value))
                done += 1
            except Unavailable:
                self._lost(at)
            except _Beaten as exc:
                beaten = exc
        if done < self._quorum:
            raise beaten or self._too_few(done, self._quorum)

    def _take(
        self, at: int, key: str, ballot: Ballot, record: _Record, raw: bytes, left_s: float | None
    ) -> None:
        while not self._stores[at].swap(key, record.raw, raw, ttl_s=left_s):
            record = self._record(at, key)
            if record.accepted == ballot:
                return  # a reader brought it up to date
            if record.promised > ballot:
                raise _Beaten(record.promised)

    def _bring_up(self, key: str, newest: _Record, found: Iterable[tuple[int, _Record]]) -> None:
        """Give stores that are behind what a quorum has accepted; if one is lost, so be it."""
        for at, record in found:
            if record.accepted >= newest.accepted:
                continue
            # What is agreed on may be given to a store that has promised more since: whoever got that
            # promise has met it at another store.
            raw = replace(newest, promised=max(record.promised, newest.promised)).encoded()
            try:
                self._stores[at].swap(key, record.raw, raw, ttl_s=self._time_of(newest))
            except Unavailable:
                self._lost(at)

    def _record(self, at: int, key: str) -> _Record:
        asked_at = time.monotonic()
        value, left_s = self._stores[at].get_expiring(key) or (None, None)
        return _decoded(key, value, left_s, asked_at)

    def _time_of(self, record: _Record) -> float | None:
        return self._tombstone_s if record.kind == _ABSENT else record.left_now_s()

    # --- which stores are there

    def _order(self, skip_away_after: Callable[[], bool] = lambda: False) -> Iterator[int]:
        """Stores that were there lately, first to last; then those that were not, if need be."""
        now = time.monotonic()
        away = [at for at, until in enumerate(self._away_until) if until > now]
        yield from (at for at in range(len(self._stores)) if at not in away)
        for at in away:
            if skip_away_after():
                return
            yield at

    def _lost(self, at: int) -> None:
        self._away_until[at] = time.monotonic() + _AWAY_S

    def _too_few(self, found: int, wanted: int) -> Unavailable:
        return Unavailable(
            f"{found} of {len(self._stores)} stores can be reached, and {wanted} are needed"
        )


def _decoded(
    key: str, raw: bytes | None, left_s: float | None = None, asked_at: float = 0.0
) -> _Record:
    if raw is None:
        return _Record()
    try:
        version, n, who, accepted_n, accepted_who, count, kind, changes = _HEADER.unpack_from(raw)
    except struct.error as exc:
        raise Corrupt("a replica holds what is no record", key=key[:80]) from exc
    start = _HEADER.size + _NAME_BYTES * changes
    if version != _VERSION or len(raw) < start:
        raise Corrupt("a replica holds what is no record", key=key[:80])
    names = tuple(raw[at : at + _NAME_BYTES] for at in range(_HEADER.size, start, _NAME_BYTES))
    return _Record(
        promised=(n, who),
        accepted=(accepted_n, accepted_who),
        changes=names,
        count=count,
        kind=kind,
        value=raw[start:],
        left_s=left_s,
        asked_at=asked_at,
        raw=raw,
    )
