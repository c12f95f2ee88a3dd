"""Blob store: bytes of any size by key, written whole and never changed in place."""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar, cast, final

from salient.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from salient.storage import backends

MAX_KEY_BYTES = 512
CHUNK_BYTES = 1024 * 1024

SCHEMES = {"memory": "salient.storage.blob.memory", "file": "salient.storage.blob.file"}

T = TypeVar("T")


class BlobDriver(ABC):
    """What a backend must do. Keys and ranges are already checked by `Blobs`.

    A method that returns None found no such key.
    """

    @abstractmethod
    def put(self, key: str, source: BinaryIO, *, only_if_absent: bool) -> int | None:
        """Read `source` to its end; return its size, or None if the key was taken.

        If reading raises, nothing is stored.
        """

    @abstractmethod
    def open(self, key: str) -> BinaryIO | None: ...

    @abstractmethod
    def view(self, key: str) -> memoryview | None: ...

    @abstractmethod
    def read_range(self, key: str, start: int, end: int) -> bytes | None: ...

    @abstractmethod
    def size(self, key: str) -> int | None: ...

    @abstractmethod
    def delete(self, key: str) -> bool: ...

    @abstractmethod
    def list(self, prefix: str) -> Iterator[str]: ...

    @abstractmethod
    def path(self, key: str) -> Path | None: ...

    @abstractmethod
    def close(self) -> None: ...


@final
class Blobs:
    """Bytes by key, where a key is a path of segments such as `originals/ab/abcdef`.

    - A blob appears whole or not at all, also when the writer is killed.
    - `put` replaces; with `only_if_absent`, one of many concurrent writers succeeds.
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
        module, rest = backends.find("blob", SCHEMES, url)
        return cls(module.Driver(rest))

    def put(
        self,
        key: str,
        source: bytes | bytearray | memoryview | BinaryIO,
        *,
        only_if_absent: bool = False,
        max_bytes: int | None = None,
    ) -> int:
        """Store all of `source`; return its size in bytes.

        Args:
            source: a stream is read from where it stands, in pieces; it is not closed.
            max_bytes: refuse a longer source, having read little more than that.

        Raises:
            Conflict: `only_if_absent`, and the key is taken.
            LimitExceeded: over `max_bytes`.
        """
        _checked(key)
        stream = (
            io.BytesIO(source) if isinstance(source, bytes | bytearray | memoryview) else source
        )
        limited = stream if max_bytes is None else cast(BinaryIO, _Limited(stream, max_bytes))
        size = self._driver.put(key, limited, only_if_absent=only_if_absent)
        if size is None:
            raise Conflict("a blob of that name is there already", key=key)
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
        if not 0 <= start <= end:
            raise InvalidInput("a range is 0 <= start <= end", start=start, end=end)
        return _found(self._driver.read_range(_checked(key), start, end), key)

    def exists(self, key: str) -> bool:
        return self._driver.size(_checked(key)) is not None

    def size(self, key: str) -> int:
        """Size in bytes.

        Raises:
            NotFound: no such key.
        """
        return _found(self._driver.size(_checked(key)), key)

    def delete(self, key: str) -> bool:
        """Remove a blob; return whether it was there."""
        return self._driver.delete(_checked(key))

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield keys that start with `prefix`, taken literally, in order of their UTF-8 bytes.

        Keys written or deleted while it runs may or may not be seen; all others are, once.
        """
        _encoded(prefix)
        return self._driver.list(prefix)

    def path(self, key: str) -> Path | None:
        """A local file with the blob's content, to read only; None where blobs are no files.

        Raises:
            NotFound: no such key.
        """
        if not self.exists(key):
            raise NotFound(f"no blob {key!r}", key=key)
        return self._driver.path(key)

    def close(self) -> None:
        self._driver.close()

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
