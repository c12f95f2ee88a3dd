"""Blob store: bytes of any size by key, written whole and never changed in place."""

from __future__ import annotations

import io
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, TypeVar, cast, final

from salient.errors import Conflict, InvalidInput, LimitExceeded, NotFound, Unsupported
from salient.storage import backends
from salient.storage.rings import Move

MAX_KEY_BYTES = 512
CHUNK_BYTES = 1024 * 1024

# scheme -> module that holds `Driver`. The tree beside this file is the list.
SCHEMES = {
    "memory": "salient.storage.blob.memory",
    "file": "salient.storage.blob.file",
    "s3": "salient.storage.blob.s3",
}
# The same for stores that are made of other stores.
WRAPPERS = {
    "encrypted": "salient.storage.blob.encrypted",
    "flaky": "salient.storage.blob.flaky",
    "instrumented": "salient.storage.blob.instrumented",
    "layered": "salient.storage.blob.layered",
    "replicated": "salient.storage.blob.replicated",
    "scoped": "salient.storage.blob.scoped",
    "sharded": "salient.storage.blob.sharded",
}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """What a store says of a blob without reading it."""

    key: str
    size_bytes: int
    modified: datetime
    """When it was put, by the clock of the store; aware, UTC."""
    version: str
    """Another one whenever the content is another one; otherwise without a meaning."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """Parts of one content of a blob, and the size of all of it."""

    pieces: tuple[bytes, ...]
    size_bytes: int


class BlobDriver(ABC):
    """What a backend must do. Keys and ranges are already checked by `Blobs`.

    A driver's keys are up to MAX_KEY_BYTES + 128 bytes and may start with NUL: wrappers put
    something in front. A method that returns None found no such key.
    """

    features: frozenset[str] = frozenset()
    """Of `presigned`, `rebalance` and `repair`, those that work."""
    inner: tuple[BlobDriver, ...] = ()
    """What a wrapper is made of, outermost first."""

    @abstractmethod
    def put(
        self, key: str, source: BinaryIO, *, only_if_absent: bool, if_version: str | None
    ) -> int | None:
        """Read `source` to its end; return its size.

        None, and nothing written, if the key was taken, or its content is not `if_version`: one
        of these is asked for at most. If reading raises, nothing is stored.
        """

    @abstractmethod
    def open(self, key: str) -> BinaryIO | None: ...

    @abstractmethod
    def view(self, key: str) -> memoryview | None: ...

    @abstractmethod
    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Pieces | None:
        """Read half-open ranges, all of the same content, each cut at its end."""

    @abstractmethod
    def head(self, key: str) -> Entry | None: ...

    @abstractmethod
    def delete(self, key: str) -> bool: ...

    @abstractmethod
    def list(self, prefix: str) -> Iterator[str]: ...

    @abstractmethod
    def path(self, key: str) -> Path | None: ...

    @abstractmethod
    def close(self) -> None: ...

    def entries(self, prefix: str) -> Iterator[Entry]:
        """As `list`, with what is known of each blob."""
        for key in self.list(prefix):
            entry = self.head(key)
            if entry is not None:
                yield entry

    def delete_many(self, keys: Sequence[str]) -> int:
        """Delete a batch; how many were there."""
        return sum(self.delete(key) for key in keys)

    # What only some can do: who names it in `features` has it; of others it is not asked.

    def presigned(self, key: str, *, expires_s: float, method: Literal["GET", "PUT"]) -> str:
        raise _unsupported("presigned")

    def misplaced(self) -> Iterator[Move]:
        """Blobs that are in a shard where they do not belong."""
        raise _unsupported("rebalance")

    def move(self, move: Move) -> bool:
        """Move one; False if somebody else did, or it is gone."""
        raise _unsupported("rebalance")

    def repair(self, prefix: str) -> int:
        raise _unsupported("repair")


class Wrapping(BlobDriver):
    """A store over one other; by itself it changes nothing."""

    def __init__(self, inside: BlobDriver) -> None:
        self.inside = inside
        self.inner = (inside,)
        self.features = inside.features

    def put(
        self, key: str, source: BinaryIO, *, only_if_absent: bool, if_version: str | None
    ) -> int | None:
        return self.inside.put(key, source, only_if_absent=only_if_absent, if_version=if_version)

    def open(self, key: str) -> BinaryIO | None:
        return self.inside.open(key)

    def view(self, key: str) -> memoryview | None:
        return self.inside.view(key)

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Pieces | None:
        return self.inside.read_ranges(key, ranges)

    def head(self, key: str) -> Entry | None:
        return self.inside.head(key)

    def delete(self, key: str) -> bool:
        return self.inside.delete(key)

    def delete_many(self, keys: Sequence[str]) -> int:
        return self.inside.delete_many(keys)

    def list(self, prefix: str) -> Iterator[str]:
        return self.inside.list(prefix)

    def entries(self, prefix: str) -> Iterator[Entry]:
        return self.inside.entries(prefix)

    def path(self, key: str) -> Path | None:
        return self.inside.path(key)

    def presigned(self, key: str, *, expires_s: float, method: Literal["GET", "PUT"]) -> str:
        return self.inside.presigned(key, expires_s=expires_s, method=method)

    def misplaced(self) -> Iterator[Move]:
        return self.inside.misplaced()

    def move(self, move: Move) -> bool:
        return self.inside.move(move)

    def repair(self, prefix: str) -> int:
        return self.inside.repair(prefix)

    def close(self) -> None:
        self.inside.close()


def driver(url: str) -> BlobDriver:
    """Open the driver or wrapper that `url`'s scheme names.

    Raises:
        Misconfigured: no backend has that scheme, or its driver is not installed.
    """
    module, rest = backends.find("blob", {**SCHEMES, **WRAPPERS}, url)
    opened: BlobDriver = module.Driver(rest)
    return opened


def open_drivers(given: Sequence[str]) -> tuple[BlobDriver, ...]:
    """Open all of these, or none."""
    return backends.all_or_none(driver, given)


@final
class Blobs:
    """Bytes by key, where a key is a path of segments such as `originals/ab/abcdef`.

    - A blob appears whole or not at all, also when the writer is killed.
    - `put` replaces; with `only_if_absent`, one of many concurrent writers succeeds; with
      `if_version`, one of many that saw the same content.
    - Readers that opened a blob keep the content that they opened.
    - Any key comes back as it went in: case, dots, percent signs and all of Unicode.
    - `a` and `a/b` are two keys that do not disturb each other.
    - Threads and processes may share a store.

    Raises from any method: InvalidInput (key), Unavailable (backend unreachable, full or closed).
    """

    def __init__(self, driver: BlobDriver) -> None:
        self._driver = driver

    @classmethod
    def open(cls, url: str) -> Blobs:
        """Open the backend that `url`'s scheme names, e.g. `memory:` or `file:/path/blobs`.

        Raises:
            Misconfigured: no backend has that scheme, or its driver is not installed.
        """
        return cls(driver(url))

    @property
    def features(self) -> frozenset[str]:
        """What this store can do beyond what all can: `presigned`, `rebalance`, `repair`."""
        return self._driver.features

    def put(
        self,
        key: str,
        source: bytes | bytearray | memoryview | BinaryIO,
        *,
        only_if_absent: bool = False,
        if_version: str | None = None,
        max_bytes: int | None = None,
    ) -> int:
        """Store all of `source`; return its size in bytes.

        Args:
            source: a stream is read from where it stands, in pieces; it is not closed.
            if_version: what `version` gave; replace that content and no other.
            max_bytes: refuse a longer source, having read little more than that.

        Raises:
            Conflict: `only_if_absent`, and the key is taken; or `if_version`, and the key has
                another content or none.
            LimitExceeded: over `max_bytes`.
            Unavailable: with a condition, the blob may have been written all the same, if the
                answer was lost: such a put is not tried again.
        """
        _checked(key)
        if if_version is not None and (only_if_absent or not if_version):
            raise InvalidInput("a put asks for an absent key or for a version", key=key[:40])
        stream = (
            io.BytesIO(source) if isinstance(source, bytes | bytearray | memoryview) else source
        )
        limited = stream if max_bytes is None else cast(BinaryIO, _Limited(stream, max_bytes))
        size = self._driver.put(key, limited, only_if_absent=only_if_absent, if_version=if_version)
        if size is None and only_if_absent:
            raise Conflict("a blob of that name is there already", key=key)
        if size is None:
            raise Conflict("the blob is not the version that was asked for", key=key)
        return size

    def get(self, key: str) -> bytes:
        """Read a whole blob.

        Raises:
            NotFound: no such key.
        """
        with self.stream(key) as stream:
            return stream.read()

    def stream(self, key: str) -> BinaryIO:
        """Open a blob for reading; seekable. The caller closes it.

        Raises:
            NotFound: no such key.
        """
        return _found(self._driver.open(_checked(key)), key)

    def view(self, key: str) -> memoryview:
        """The blob as read-only memory: mapped, not copied, where the backend has files.

        It stays valid, with the content it had, for as long as it is referenced.

        Raises:
            NotFound: no such key.
        """
        return _found(self._driver.view(_checked(key)), key)

    def read_range(self, key: str, start: int, end: int) -> bytes:
        """Read bytes `start` to `end`, half-open; what lies past the blob's end is left out.

        Raises:
            NotFound: no such key.
            InvalidInput: not 0 <= start <= end.
        """
        return self.read_ranges(key, [(start, end)])[0]

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """Read several ranges of the same content, also while the blob is replaced.

        Raises:
            NotFound: no such key.
            InvalidInput: not 0 <= start <= end.
        """
        for start, end in ranges:
            if not 0 <= start <= end:
                raise InvalidInput("a range is 0 <= start <= end", start=start, end=end)
        return _found(self._driver.read_ranges(_checked(key), ranges), key).pieces

    def exists(self, key: str) -> bool:
        return self._driver.head(_checked(key)) is not None

    def size(self, key: str) -> int:
        """Size in bytes.

        Raises:
            NotFound: no such key.
        """
        return _found(self._driver.head(_checked(key)), key).size_bytes

    def version(self, key: str) -> str:
        """What stands for the present content, for `put` with `if_version`.

        Raises:
            NotFound: no such key.
        """
        return _found(self._driver.head(_checked(key)), key).version

    def delete(self, key: str) -> bool:
        """Remove a blob; return whether it was there."""
        return self._driver.delete(_checked(key))

    def delete_prefix(self, prefix: str) -> int:
        """Remove all blobs whose keys start with `prefix`, taken literally; return how many.

        Blobs put while it runs may stay. An empty prefix means all.
        """
        _encoded(prefix)
        keys, gone = self._driver.list(prefix), 0
        while batch := list(itertools.islice(keys, 1000)):
            gone += self._driver.delete_many(batch)
        return gone

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield keys that start with `prefix`, taken literally, in order of their UTF-8 bytes.

        Keys written or deleted while it runs may or may not be seen; all others are, once.
        """
        _encoded(prefix)
        return self._driver.list(prefix)

    def entries(self, prefix: str = "") -> Iterator[Entry]:
        """As `list`, with size, time and version of each blob."""
        _encoded(prefix)
        return self._driver.entries(prefix)

    def path(self, key: str) -> Path | None:
        """A local file with the blob's content, to read only; None where blobs are no files.

        Raises:
            NotFound: no such key.
        """
        if not self.exists(key):
            raise NotFound(f"no blob {key!r}", key=key)
        return self._driver.path(key)

    def presigned(
        self, key: str, *, expires_s: float = 3600.0, method: Literal["GET", "PUT"] = "GET"
    ) -> str:
        """A URL by which anybody may read or write this one blob for a while.

        Args:
            key: need not be there.
            expires_s: 1 second to 7 days.

        Raises:
            Unsupported: the backend has no URLs (`features` lacks "presigned").
        """
        _checked(key)
        if not 1 <= expires_s <= 7 * 24 * 3600 or method not in ("GET", "PUT"):
            raise InvalidInput("a URL is for GET or PUT, for 1 second to 7 days", given=expires_s)
        self._need("presigned")
        return self._driver.presigned(key, expires_s=expires_s, method=method)

    def rebalance(self) -> Iterator[Move]:
        """Move blobs to the shards they belong to, yielding each that was moved.

        It may be stopped at any time and begun again: what is done need not be done anew. The
        store works meanwhile.

        Raises:
            Unsupported: the store is not sharded (`features` lacks "rebalance").
        """
        self._need("rebalance")
        moves = self._driver.misplaced()
        return (move for move in moves if self._driver.move(move))

    def misplaced(self) -> Iterator[Move]:
        """What `rebalance` would move.

        Raises:
            Unsupported: the store is not sharded (`features` lacks "rebalance").
        """
        self._need("rebalance")
        return self._driver.misplaced()

    def repair(self, prefix: str = "") -> int:
        """Bring all replicas of the blobs under `prefix` to the same content; how many differed.

        Raises:
            Unsupported: the store is not replicated (`features` lacks "repair").
            Unavailable: a replica cannot be reached.
        """
        _encoded(prefix)
        self._need("repair")
        return self._driver.repair(prefix)

    def close(self) -> None:
        self._driver.close()

    def _need(self, feature: str) -> None:
        if feature not in self._driver.features:
            raise _unsupported(feature)

    def __enter__(self) -> Blobs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Limited(io.RawIOBase):
    """A stream that raises once more than `limit` bytes have come out of it."""

    def __init__(self, source: BinaryIO, limit: int) -> None:
        self._source, self._limit, self._seen = source, limit, 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        room = self._limit - self._seen + 1
        piece = self._source.read(room if size < 0 else min(size, room))
        self._seen += len(piece)
        if self._seen > self._limit:
            raise LimitExceeded("the source is longer than allowed", max_bytes=self._limit)
        return piece


def _unsupported(feature: str) -> Unsupported:
    return Unsupported(f"this blob store has no {feature!r}", feature=feature)


def _found(value: T | None, key: str) -> T:
    if value is None:
        raise NotFound(f"no blob {key!r}", key=key)
    return value


def _encoded(key: str) -> bytes:
    try:
        return key.encode()
    except UnicodeEncodeError as exc:
        raise InvalidInput("a key is valid Unicode", key=ascii(key)[:40]) from exc


def _checked(key: str) -> str:
    if not 0 < len(_encoded(key)) <= MAX_KEY_BYTES or "\0" in key:
        raise InvalidInput("a key is 1 to 512 bytes of UTF-8 without NUL", key=key[:40])
    if not {"", ".", ".."}.isdisjoint(key.split("/")):
        raise InvalidInput(
            "a key is segments joined by '/', none of them empty, '.' or '..'", key=key[:40]
        )
    return key
