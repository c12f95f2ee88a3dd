"""Blobs kept in several stores at once, so that one of them may be lost.

Each replica has a blob behind a header with a stamp; what was deleted leaves a stamp alone, a
tombstone, so that a replica that missed the deleting does not bring the blob back. Of two contents
the one with the higher stamp is newer, everywhere, and none is ever replaced by an older one.

- Writes are decided at the first replica that answers, the decider: its `if_version` puts them in
  order, and stamps grow along it. Then they go to the others. A put with a condition needs the
  first of all replicas: two deciders might say yes to two writers.
- `write=all`: a write is done when all replicas have it, and the first healthy one is read.
- `write=quorum`: a write is done when most have it. So many are asked by a read that one of them
  must have it, and the newest is read.
- A reader that sees a replica behind brings it up to date; `repair` does so for all blobs.
- A write that fails may have reached some: it may be seen then, as with any store whose answer is
  lost, and repairing either spreads it or not.
"""

from __future__ import annotations

import heapq
import io
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar, cast, final

from salient import log
from salient.errors import Corrupt, Unavailable
from salient.storage import blob, urls
from salient.storage.blob import CHUNK_BYTES, BlobDriver, Entry, Pieces

T = TypeVar("T")

_log = log.get(__name__)

_MAGIC = b"SLR1"
_TOMBSTONE_BYTES = 24  # magic, time, writer, 4 of padding
_HEADER_BYTES = 32  # the same and more padding: arrays behind it stay aligned
_MEMORY_BYTES = 8 * CHUNK_BYTES  # a longer source waits in a file
_FORGET_NS = 24 * 3600 * 10**9  # a tombstone is kept that long by `repair`
_ATTEMPTS = 100  # of writing what others write too: each one that fails, another was done


@dataclass(frozen=True, slots=True)
class _Stamp:
    """When a write was decided, in nanoseconds and always growing, and a number of its own."""

    time_ns: int
    number: bytes

    def version(self) -> str:
        return f"{self.time_ns:x}-{self.number.hex()}"


@dataclass(frozen=True, slots=True)
class _Found(Generic[T]):
    """What a replica has of a key: nothing (no stamp), a tombstone (no value), or a value."""

    stamp: _Stamp | None
    value: T | None = None


@dataclass(slots=True)
class _Replica:
    driver: BlobDriver
    number: int
    away_until: float = field(default=0.0)
    """Until when, by `time.monotonic`, it is not asked first, since it did not answer."""


@final
class Driver(BlobDriver):
    """`replicated:[URL][URL]…?write=all|quorum&retry_s=2`.

    `retry_s`: how long a replica that did not answer is left alone, if it can be.
    """

    def __init__(self, rest: str) -> None:
        inside, options = urls.inner(rest, "replicated", least=2, most=9)
        count = len(inside)
        self._acks = count if options.choice("write", ("all", "quorum"), "all") == "all" else count // 2 + 1  # fmt: skip
        self._asked = count - self._acks + 1
        self._retry_s = options.number("retry_s", 2.0)
        options.done()
        self.inner = blob.open_drivers(inside)
        self._replicas = tuple(_Replica(one, i) for i, one in enumerate(self.inner))
        self.features = frozenset({"repair"})
        self._closed = False

    # --- reading

    def open(self, key: str) -> BinaryIO | None:
        def read(driver: BlobDriver) -> _Found[BinaryIO]:
            stream = driver.open(key)
            if stream is None:
                return _Found(None)
            try:
                stamp = _stamp(key, stream.read(_HEADER_BYTES))
                size = stream.seek(0, io.SEEK_END)
                if size == _TOMBSTONE_BYTES:
                    stream.close()
                    return _Found(stamp)
                raw = _Behind(stream)
                raw.seek(0)
            except BaseException:
                stream.close()
                raise
            return _Found(stamp, cast(BinaryIO, io.BufferedReader(raw, CHUNK_BYTES)))

        return self._read(key, read, lambda stream: stream.close())

    def view(self, key: str) -> memoryview | None:
        def read(driver: BlobDriver) -> _Found[memoryview]:
            view = driver.view(key)
            if view is None:
                return _Found(None)
            stamp = _stamp(key, bytes(view[:_HEADER_BYTES]))
            return _Found(stamp, None if len(view) == _TOMBSTONE_BYTES else view[_HEADER_BYTES:])

        return self._read(key, read)

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Pieces | None:
        behind = [(start + _HEADER_BYTES, end + _HEADER_BYTES) for start, end in ranges]

        def read(driver: BlobDriver) -> _Found[Pieces]:
            found = driver.read_ranges(key, [(0, _HEADER_BYTES), *behind])
            if found is None:
                return _Found(None)
            stamp = _stamp(key, found.pieces[0])
            if found.size_bytes == _TOMBSTONE_BYTES:
                return _Found(stamp)
            return _Found(stamp, Pieces(found.pieces[1:], found.size_bytes - _HEADER_BYTES))

        return self._read(key, read)

    def head(self, key: str) -> Entry | None:
        return self._read(key, lambda driver: _headed(driver, key))

    def path(self, key: str) -> Path | None:
        self._check_open()
        return None

    def list(self, prefix: str) -> Iterator[str]:
        return (key for key, _ in self._listed(prefix))

    def entries(self, prefix: str) -> Iterator[Entry]:
        found = (self.head(key) for key, _ in self._listed(prefix))
        return (entry for entry in found if entry is not None)

    # --- writing

    def put(
        self, key: str, source: BinaryIO, *, only_if_absent: bool, if_version: str | None
    ) -> int | None:
        self._check_open()

        def allowed(found: Entry | None) -> bool:
            if only_if_absent:
                return found is None
            return if_version is None or (found is not None and found.version == if_version)

        with tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES) as body:
            size = 0
            while piece := source.read(CHUNK_BYTES):
                body.write(piece)
                size += len(piece)
            strict = only_if_absent or if_version is not None
            done = self._write(key, cast(BinaryIO, body), allowed, strict=strict)
            return None if done is None else size

    def delete(self, key: str) -> bool:
        self._check_open()
        done = self._write(key, None, lambda found: found is not None, strict=False)
        return done is not None

    def repair(self, prefix: str) -> int:
        self._check_open()
        listed = [
            ((e.key.encode(), r.number) for e in r.driver.entries(prefix)) for r in self._replicas
        ]
        differed = 0
        for raw, _ in groupby(heapq.merge(*listed), key=itemgetter(0)):
            key = raw.decode()
            found = [(one, _headed(one.driver, key)) for one in self._replicas]
            newest, best = max(found, key=lambda pair: _order(pair[1].stamp))
            if best.stamp is None:
                continue
            behind = [one for one, seen in found if seen.stamp != best.stamp]
            for one in behind:
                self._copy(key, newest, one, best.stamp)
            differed += bool(behind)
            old = time.time_ns() - best.stamp.time_ns > _FORGET_NS
            if best.value is None and old:
                # All have it, and whoever missed the deleting has been told. A put of the same key
                # within these calls would be lost; a day after the deleting, nobody is at it.
                for one in self._replicas:
                    one.driver.delete(key)
        return differed

    def close(self) -> None:
        self._closed = True
        with ExitStack() as stack:
            for one in self.inner:
                stack.callback(one.close)

    # --- one replica after another

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the blob store is closed")

    def _ask(self, replica: _Replica, call: Callable[[BlobDriver], T]) -> T:
        try:
            done = call(replica.driver)
        except Unavailable:
            replica.away_until = time.monotonic() + self._retry_s
            raise
        replica.away_until = 0.0
        return done

    def _healthy_first(self) -> Sequence[_Replica]:
        now = time.monotonic()
        return sorted(self._replicas, key=lambda one: one.away_until > now)  # keeps their order

    def _read(
        self,
        key: str,
        read: Callable[[BlobDriver], _Found[T]],
        drop: Callable[[T], None] = lambda _: None,
    ) -> T | None:
        """The newest of what as many replicas have as it takes, and of all if these have nothing."""
        self._check_open()
        seen: list[tuple[_Replica, _Found[T]]] = []
        failed: Exception | None = None
        best: tuple[_Replica, _Found[T]] | None = None
        for replica in self._healthy_first():
            # A key that none of them knows may be on one that was not asked: some replica was lost.
            if len(seen) >= self._asked and best is not None and best[1].stamp is not None:
                break
            try:
                found = self._ask(replica, read)
            except (Unavailable, Corrupt) as exc:
                failed = exc
                continue
            seen.append((replica, found))
            if best is None or _order(found.stamp) > _order(best[1].stamp):
                if best is not None and best[1].value is not None:
                    drop(best[1].value)
                best = (replica, found)
            elif found.value is not None:
                drop(found.value)
        if best is None or len(seen) < self._asked:
            if best is not None and best[1].value is not None:
                drop(best[1].value)
            raise self._too_few(len(seen), self._asked, failed)
        self._catch_up(key, best[0], best[1].stamp, [(r, f.stamp) for r, f in seen])
        return best[1].value

    def _catch_up(
        self,
        key: str,
        newest: _Replica,
        stamp: _Stamp | None,
        seen: Sequence[tuple[_Replica, _Stamp | None]],
    ) -> None:
        """Repair on read: those that were seen to be behind get what is newest."""
        if stamp is None:
            return
        for replica, has in seen:
            if has != stamp:
                try:
                    self._copy(key, newest, replica, stamp)
                except (Unavailable, Corrupt) as exc:
                    # The reader has what it came for; the next one tries again.
                    _log.warning("blob.replica_behind", replica=replica.number, error=str(exc))

    def _too_few(self, answered: int, wanted: int, failed: Exception | None) -> Exception:
        if isinstance(failed, Corrupt):
            return failed
        error = Unavailable(
            f"{answered} of {len(self._replicas)} replicas answer, and it takes {wanted}",
            reason=str(failed),
        )
        error.__cause__ = failed
        return error

    def _listed(self, prefix: str) -> Iterator[tuple[str, int]]:
        """Keys that are there, from all replicas that answer."""
        self._check_open()
        listed: list[Iterator[tuple[bytes, int, bool]]] = []
        failed: Exception | None = None
        for replica in self._healthy_first():
            try:
                entries = self._ask(replica, lambda driver: _begun(driver.entries(prefix)))
            except Unavailable as exc:
                failed = exc
                continue
            listed.append(_lives(entries, replica.number))
        if len(listed) < self._asked:
            raise self._too_few(len(listed), self._asked, failed)
        return self._agreed(listed)

    def _agreed(
        self, listed: Sequence[Iterator[tuple[bytes, int, bool]]]
    ) -> Iterator[tuple[str, int]]:
        for raw, same in groupby(heapq.merge(*listed), key=itemgetter(0)):
            key, lives = raw.decode(), [live for _, _, live in same]
            if not any(lives):
                continue
            if (len(lives) == len(listed) and all(lives)) or self.head(key) is not None:
                yield key, len(lives)

    # --- deciding and spreading

    def _write(
        self,
        key: str,
        body: BinaryIO | None,
        allowed: Callable[[Entry | None], bool],
        *,
        strict: bool,
    ) -> _Stamp | None:
        """Write everywhere, `body` or a tombstone; None if what is there does not allow it.

        Args:
            strict: only the first replica may decide.
        """
        order = self._replicas[:1] if strict else self._healthy_first()
        failed: Exception | None = None
        for decider in order:
            try:
                stamp = self._decide(decider, key, body, allowed)
            except (Unavailable, Corrupt) as exc:
                failed = exc
                continue
            if stamp is not None:
                self._spread(decider, key, body, stamp)
            return stamp
        raise self._too_few(0, self._acks, failed)

    def _decide(
        self,
        decider: _Replica,
        key: str,
        body: BinaryIO | None,
        allowed: Callable[[Entry | None], bool],
    ) -> _Stamp | None:
        for attempt in range(_ATTEMPTS):
            # In this order: what is read after may be newer than the version, and is refused then.
            before = self._ask(decider, lambda driver: driver.head(key))
            newest, has = self._newest(key, decider)
            if _order(has.stamp) < _order(newest.stamp):
                # It missed a write, and whoever read the newest above could not repair it.
                self._bring(key, decider)
            elif not allowed(has.value):
                return None
            else:
                stamp = _after(has.stamp)
                put = partial(_put, key=key, body=body, stamp=stamp, before=before)
                if self._ask(decider, put):
                    return stamp
            _pause(attempt)
        raise Unavailable("a blob is written faster than a replica can decide", key=key)

    def _newest(self, key: str, decider: _Replica) -> tuple[_Found[Entry], _Found[Entry]]:
        """What a read would find, and what the decider has."""
        best: _Found[Entry] = _Found(None)
        has: _Found[Entry] | None = None

        def read(driver: BlobDriver) -> _Found[Entry]:
            nonlocal best, has
            found = _headed(driver, key)
            if driver is decider.driver:
                has = found
            if _order(found.stamp) > _order(best.stamp):
                best = found
            return found

        self._read(key, read)
        if has is None:  # others were enough
            has = self._ask(decider, read)
        return best, has

    def _bring(self, key: str, behind: _Replica) -> None:
        """Copy the newest to a replica, from whichever has it and answers."""
        newest, best = behind, cast("_Found[Entry]", _Found(None))
        failed: Exception | None = None
        for one in self._healthy_first():
            try:
                found = self._ask(one, lambda driver: _headed(driver, key))
            except (Unavailable, Corrupt) as exc:
                failed = exc
                continue
            if _order(found.stamp) > _order(best.stamp):
                newest, best = one, found
        if newest is not behind and best.stamp is not None:
            self._copy(key, newest, behind, best.stamp)
        elif best.stamp is None and failed is not None:
            raise self._too_few(0, 1, failed)

    def _spread(self, decider: _Replica, key: str, body: BinaryIO | None, stamp: _Stamp) -> None:
        acks, failed = 1, None
        # Those that did not answer lately are left out if they are not needed.
        for replica in self._healthy_first():
            if replica is decider:
                continue
            if replica.away_until > time.monotonic() and acks >= self._acks:
                continue
            try:
                self._ask(replica, lambda driver: _apply(driver, key, body, stamp))
            except Unavailable as exc:
                failed = exc
                continue
            acks += 1
        if acks < self._acks:
            raise self._too_few(acks, self._acks, failed)

    def _copy(self, key: str, source: _Replica, target: _Replica, stamp: _Stamp) -> None:
        stream = self._ask(source, lambda driver: driver.open(key))
        if stream is None:
            return  # a tombstone that was forgotten meanwhile
        with stream:
            if _stamp(key, stream.read(_HEADER_BYTES)) != stamp:
                return  # newer still: its writer brings it
            dead = stream.seek(0, io.SEEK_END) == _TOMBSTONE_BYTES
            raw = _Behind(stream)
            self._ask(
                target,
                lambda driver: _apply(driver, key, None if dead else cast(BinaryIO, raw), stamp),
            )


class _Behind(io.RawIOBase):
    """What is behind the header of a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, target: bytearray | memoryview, /) -> int:  # type: ignore[override] # a buffer, as it is called
        piece = self._stream.read(len(target))
        target[: len(piece)] = piece
        return len(piece)

    def readall(self) -> bytes:
        return self._stream.read()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        before = self._stream.tell()
        at = self._stream.seek(offset + (_HEADER_BYTES if whence == io.SEEK_SET else 0), whence)
        if at < _HEADER_BYTES:
            self._stream.seek(before)
            raise ValueError("a stream cannot be read before its start")
        return at - _HEADER_BYTES

    def tell(self) -> int:
        return self._stream.tell() - _HEADER_BYTES

    def close(self) -> None:
        self._stream.close()
        super().close()


class _Framed(io.RawIOBase):
    """A header and the body behind it, from its start."""

    def __init__(self, header: bytes, body: BinaryIO | None) -> None:
        self._header, self._body = header, body
        if body is not None:
            body.seek(0)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if self._header and size:
            piece = self._header if size < 0 else self._header[:size]
            self._header = self._header[len(piece) :]
            return piece + self.read(-1) if size < 0 else piece
        return b"" if self._body is None else self._body.read(size)


def _order(stamp: _Stamp | None) -> tuple[int, bytes]:
    return (-1, b"") if stamp is None else (stamp.time_ns, stamp.number)


def _after(stamp: _Stamp | None) -> _Stamp:
    """A stamp for now that is over `stamp`, whatever this machine's clock says."""
    now = time.time_ns()
    return _Stamp(now if stamp is None else max(now, stamp.time_ns + 1), os.urandom(8))


def _stamp(key: str, header: bytes) -> _Stamp:
    if len(header) < _TOMBSTONE_BYTES or not header.startswith(_MAGIC):
        raise Corrupt(f"the blob {key!r} was not written by a replicated store", key=key)
    return _Stamp(int.from_bytes(header[4:12], "big"), header[12:20])


def _headed(driver: BlobDriver, key: str) -> _Found[Entry]:
    found = driver.read_ranges(key, [(0, _HEADER_BYTES)])
    if found is None:
        return _Found(None)
    stamp = _stamp(key, found.pieces[0])
    if found.size_bytes == _TOMBSTONE_BYTES:
        return _Found(stamp)
    modified = datetime.fromtimestamp(stamp.time_ns / 1e9, UTC)
    return _Found(stamp, Entry(key, found.size_bytes - _HEADER_BYTES, modified, stamp.version()))


def _put(
    driver: BlobDriver, *, key: str, body: BinaryIO | None, stamp: _Stamp, before: Entry | None
) -> bool:
    """Put in the place of `before`; False if something else is there."""
    size = _TOMBSTONE_BYTES if body is None else _HEADER_BYTES
    header = (_MAGIC + stamp.time_ns.to_bytes(8, "big") + stamp.number).ljust(size, b"\0")
    framed = cast(BinaryIO, _Framed(header, body))
    version = None if before is None else before.version
    done = driver.put(key, framed, only_if_absent=before is None, if_version=version)
    return done is not None


def _apply(driver: BlobDriver, key: str, body: BinaryIO | None, stamp: _Stamp) -> None:
    """Put where nothing as new is."""
    for attempt in range(_ATTEMPTS):
        before = driver.head(key)
        if before is not None and _order(_headed(driver, key).stamp) >= _order(stamp):
            return
        if _put(driver, key=key, body=body, stamp=stamp, before=before):
            return
        _pause(attempt)
    raise Unavailable("a blob is written faster than a replica can take it", key=key)


def _pause(attempt: int) -> None:
    time.sleep(random.uniform(0, 0.001 * min(attempt, 20)))  # noqa: S311 # no secret


def _begun(entries: Iterator[Entry]) -> Iterator[Entry]:
    """The same, of which the first was asked for: a store that does not answer says so now."""
    first = next(entries, None)

    def rest() -> Iterator[Entry]:
        if first is not None:
            yield first
            yield from entries

    return rest()


def _lives(entries: Iterator[Entry], number: int) -> Iterator[tuple[bytes, int, bool]]:
    for entry in entries:
        yield entry.key.encode(), number, entry.size_bytes != _TOMBSTONE_BYTES
