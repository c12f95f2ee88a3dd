"""Commits on servers that have none: each entry carries the generations in which it was born and died.

A writer takes a lock that the server keeps, and a generation number that nobody had before. What it adds
is born in that generation, what it takes out dies in it. A commit is one small write: the number that
readers go by. They see what was born up to it and had not died by it, so a writer that is killed, or
rolls back, leaves nothing to be seen: its generation is void. The next one removes its leftovers. What is dead for all is kept
for a while, since a search that began before the commit may still read it.

The lock is a lease: its holder and those in line for it beat, and who has seen no beat of another for
`lease_s` passes it over. Nobody's clock is compared with another's. A holder whose own last beat is too old
stops writing by itself.
"""

from __future__ import annotations

import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar, final

from salient.errors import Unavailable
from salient.storage.search import IndexSchema, Prepared, SearchDriver, Snapshot
from salient.storage.search.analysis import VERSION

T = TypeVar("T")

ALIVE = 2**31 - 1  # the generation of death of what lives
_FORMAT = 1
_SERIAL_BITS = 32  # an entry's number is its generation and, below it, a serial
_ENDS = 128  # commits remembered with their times
_VOID = 64  # runs of generations that came to nothing, remembered
_BEATS = 3  # beats within a lease
_SAFE = 0.8  # share of the lease after its last beat up to which a holder goes on


@dataclass(frozen=True, slots=True)
class View:
    """What a reader goes by: entries born after `base` and up to `committed`, not dead by then."""

    committed: int
    base: int
    void: tuple[tuple[int, int], ...] = ()
    """First and last of generations that were opened and never committed: what is of them is nothing.

    A request that timed out may be done by the server much later, when the next writer has tidied up.
    """


@dataclass(frozen=True, slots=True)
class State:
    """What a server keeps of an index beside its entries."""

    committed: int = 0
    base: int = 0
    """What was born up to this generation was cleared."""
    opened: int = 0
    """The last generation that a writer was given."""
    ends: tuple[tuple[int, float], ...] = ()
    """Commits with their times by the server's clock: the newest ones, not all."""
    void: tuple[tuple[int, int], ...] = ()
    """As in `View`: the newest ones, not all."""

    @property
    def view(self) -> View:
        return View(self.committed, self.base, self.void)

    def with_opened(self) -> State:
        """The state when one more writer begins."""
        return replace(self, opened=max(self.opened, self.committed) + 1)

    def with_commit(self, now: float, *, clear: bool = False) -> State:
        """The state when the writer that began last commits."""
        ends = (*self.ends, (self.opened, now))
        if len(ends) > _ENDS:
            ends = (*ends[:-1:2], ends[-1])  # fewer only means that the dead stay longer
        void = self.void
        if self.opened > self.committed + 1:
            void = (*void, (self.committed + 1, self.opened - 1))[-_VOID:]
        base = self.opened if clear else self.base
        return replace(self, committed=self.opened, base=base, ends=ends, void=void)

    def ended(self, before: float) -> int:
        """The newest generation known to be committed before a time, 0 for none."""
        return max((generation for generation, at in self.ends if at <= before), default=0)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> State:
        ends = tuple((int(generation), float(at)) for generation, at in given["ends"])
        void = tuple((int(first), int(last)) for first, last in given["void"])
        return cls(int(given["committed"]), int(given["base"]), int(given["opened"]), ends, void)


class Shelf(ABC):
    """What generations need of a server. Entries have numbers; every call may be done twice."""

    features: frozenset[str]

    @abstractmethod
    def load(self) -> State: ...

    @abstractmethod
    def try_lock(self, seen: Seen) -> State | None:
        """Take the lock and a new generation, or stand in line for it and give None.

        Args:
            seen: what this caller has seen of the holder, and of others who wait.
        """

    @abstractmethod
    def beat(self) -> bool:
        """Show that the lock's holder lives; False if it is the holder no more."""

    @abstractmethod
    def commit(self, state: State) -> None:
        """Put a state in place and give up the lock.

        Raises:
            Unavailable: another has the lock.
        """

    @abstractmethod
    def unlock(self) -> None:
        """Give up the lock, or a place among those who wait for it."""

    @abstractmethod
    def now(self) -> float:
        """Seconds by the server's clock."""

    @abstractmethod
    def write(self, rows: Sequence[tuple[int, Prepared]], born: int) -> None: ...

    @abstractmethod
    def bury(self, idents: Sequence[int], died: int) -> None:
        """Note in which generation entries died; those that are not there are passed over.

        Done late, when another writer has changed an entry, it must leave that one alone.
        """

    @abstractmethod
    def remove(self, idents: Sequence[int]) -> None: ...

    @abstractmethod
    def settle(self) -> None:
        """Have searches find all that was written."""

    @abstractmethod
    def undo(self, view: View) -> None:
        """Remove what was born after the view or is void in it, and revive what died so."""

    @abstractmethod
    def sweep(self, view: View, died: int, base: int) -> None:
        """Remove what died up to a generation, if that is not void, and what was born up to one."""

    @abstractmethod
    def by_keys(self, view: View, keys: Sequence[str]) -> dict[str, int]: ...

    @abstractmethod
    def of_group(self, view: View, group: str) -> list[int]: ...

    @abstractmethod
    def read(self, view: View) -> Snapshot: ...

    @abstractmethod
    def close(self) -> None: ...


@final
class Seen:
    """For how long others at the lock have been seen with one and the same sign of life."""

    def __init__(self, lease_s: float) -> None:
        self.lease_s = lease_s
        self._seen: dict[object, tuple[object, float]] = {}

    def expired(self, who: object, sign: object) -> bool:
        """Whether somebody with this sign of life has given no other for the length of a lease."""
        now = time.monotonic()
        before = self._seen.get(who)
        if before is None or before[0] != sign:
            self._seen[who] = sign, now
            return False
        return now - before[1] >= self.lease_s


class Generations(SearchDriver):
    """A search driver over a shelf.

    Args:
        wait_s: how long to wait for another writer.
        lease_s: how long a writer that gives no sign of life keeps the lock.
        grace_s: how long a search may take: what it may read is kept so long.
    """

    def __init__(self, shelf: Shelf, *, wait_s: float, lease_s: float, grace_s: float) -> None:
        self.features = shelf.features
        self._shelf = shelf
        self._wait_s, self._lease_s, self._grace_s = wait_s, lease_s, grace_s
        self._writing = threading.RLock()
        self._session: _Session | None = None
        self._closed = False

    def put(self, entries: Sequence[Prepared]) -> None:
        with self._writing:
            self._writer().put(entries)

    def delete_group(self, group: str) -> None:
        with self._writing:
            self._writer().delete_group(group)

    def commit(self) -> None:
        with self._writing:
            session, self._session = self._session, None
            if session is not None:
                session.commit()

    def rollback(self) -> None:
        with self._writing:
            session, self._session = self._session, None
            if session is not None:
                session.abandon()

    def clear(self) -> None:
        with self._writing:
            self.rollback()
            session = self._writer()
            self._session = None
            session.commit(clear=True)

    def snapshot(self) -> Snapshot:
        self._open()
        return self._shelf.read(self._shelf.load().view)

    def close(self) -> None:
        with self._writing:
            if self._closed:
                return
            self.rollback()
            self._closed = True
            self._shelf.close()

    def _open(self) -> None:
        if self._closed:
            raise Unavailable("the search index is closed")

    def _writer(self) -> _Session:
        self._open()
        if self._session is None:
            state = self._locked()
            self._session = _Session(self._shelf, state, self._lease_s)
            try:
                self._session.tidy(self._grace_s)
            except BaseException:
                self.rollback()
                raise
        return self._session

    def _locked(self) -> State:
        try:
            return locked(self._shelf, wait_s=self._wait_s, lease_s=self._lease_s)
        except BaseException:
            with contextlib.suppress(Unavailable):
                self._shelf.unlock()
            raise


def locked(shelf: Shelf, *, wait_s: float, lease_s: float) -> State:
    """Wait for the lock; who comes first is served first.

    Raises:
        Unavailable: others had it all the time.
    """
    give_up_at = time.monotonic() + wait_s
    seen = Seen(lease_s)
    pause_s = 0.01
    while True:
        state = shelf.try_lock(seen)
        if state is not None:
            return state
        if time.monotonic() + pause_s > give_up_at:
            raise Unavailable("another process is writing to the search index", waited_s=wait_s)
        time.sleep(pause_s)
        pause_s = min(0.1, 1.5 * pause_s)


class _Session:
    """From the first change to the commit, while no other process writes."""

    def __init__(self, shelf: Shelf, state: State, lease_s: float) -> None:
        self._shelf, self._state = shelf, state
        self._before = state.view
        self._born = state.opened
        self._next = state.opened << _SERIAL_BITS
        self._buried: set[int] = set()
        self._added: dict[str, int] = {}
        self._groups: dict[str, dict[str, int]] = {}
        self._lease = _Lease(shelf.beat, lease_s)

    def tidy(self, grace_s: float) -> None:
        """Remove what killed writers left, and what no search can see any more."""
        self._shelf.undo(self._before)
        died = self._state.ended(self._shelf.now() - grace_s)
        if died:
            self._shelf.sweep(self._before, died, min(died, self._state.base))
            ends = tuple(end for end in self._state.ends if end[0] > died)
            self._state = replace(self._state, ends=ends)

    def put(self, entries: Sequence[Prepared]) -> None:
        self._lease.check()
        there = self._shelf.by_keys(self._before, [entry.key for entry in entries])
        replaced, rows = [], []
        for entry in entries:
            ident, self._next = self._next, self._next + 1
            if entry.key in self._added:
                replaced.append(self._added[entry.key])
            self._added[entry.key] = ident
            self._groups.setdefault(entry.group, {})[entry.key] = ident
            rows.append((ident, entry))
        self._shelf.write(rows, self._born)
        self._bury(there.values())
        if replaced:
            self._shelf.remove(replaced)

    def delete_group(self, group: str) -> None:
        self._lease.check()
        self._bury(self._shelf.of_group(self._before, group))
        gone = []
        for key, ident in self._groups.pop(group, {}).items():
            if self._added.get(key) == ident:
                del self._added[key]
                gone.append(ident)
        if gone:
            self._shelf.remove(gone)

    def commit(self, *, clear: bool = False) -> None:
        try:
            self._shelf.settle()
            state = self._state.with_commit(self._shelf.now(), clear=clear)
            self._lease.check()
            self._shelf.commit(state)
        except BaseException:
            self.abandon()
            raise
        self._lease.end()

    def abandon(self) -> None:
        """Give up the lock; what was written is invisible, and the next writer removes it."""
        self._lease.end()
        with contextlib.suppress(Unavailable):  # then the lease runs out
            self._shelf.unlock()

    def _bury(self, idents: Iterable[int]) -> None:
        fresh = [ident for ident in idents if ident not in self._buried]
        if fresh:
            self._shelf.bury(fresh, self._born)
            self._buried.update(fresh)


class _Lease:
    """Beats in a thread of its own until it is ended."""

    def __init__(self, beat: Callable[[], bool], lease_s: float) -> None:
        self._beat, self._lease_s = beat, lease_s
        self._last = time.monotonic()
        self._lost = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="salient-store-lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Refuse to go on if another may have taken over."""
        if self._lost or time.monotonic() - self._last > _SAFE * self._lease_s:
            raise Unavailable("the lock on the search index was lost to another writer")

    def end(self) -> None:
        self._ended.set()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._lease_s / _BEATS):
            began = time.monotonic()
            try:
                alive = self._beat()
            except Unavailable:
                continue  # tried again; `check` knows how old the last one is
            if not alive:
                self._lost = True
                return
            self._last = began


def made_of(schema: IndexSchema) -> dict[str, Any]:
    """What an index is made for; one made for something else cannot be used."""
    return {
        "format": _FORMAT,
        "analysis": VERSION,
        "fields": [[f.name, f.kind, f.stored] for f in schema.fields],
        "vector_dim": schema.vector_dim,
    }


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """Consecutive parts of at most `size` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
