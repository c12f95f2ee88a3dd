"""Injected faults in front of a blob store: what a lost server does to its callers."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast, final

from salient.storage import blob, urls
from salient.storage.blob import Entry, Pieces, Wrapping
from salient.storage.faults import Faults


@final
class Driver(Wrapping):
    """`flaky:[URL]?errors=0.1&lost=0.05&torn=0.05&latency_ms=5&seed=1`: see `storage.faults`.

    - `errors`: any call fails, and so may each piece that is read from a stream.
    - `torn`: the source of a put breaks half-way; nothing of it may be seen.
    - `lost`: a put or delete is done, and the caller sees `Unavailable`.
    """

    def __init__(self, rest: str) -> None:
        (url,), options = urls.inner(rest, "flaky", most=1)
        self.faults = Faults(options)
        super().__init__(blob.driver(url))

    def put(
        self, key: str, source: BinaryIO, *, only_if_absent: bool, if_version: str | None
    ) -> int | None:
        if self.faults.tears():
            source = cast(BinaryIO, _Torn(source, self.faults))
        return self.faults.write(
            lambda: self.inside.put(
                key, source, only_if_absent=only_if_absent, if_version=if_version
            )
        )

    def open(self, key: str) -> BinaryIO | None:
        stream = self.faults.read(lambda: self.inside.open(key))
        if stream is None:
            return None
        return cast(BinaryIO, io.BufferedReader(_Stream(stream, self.faults), blob.CHUNK_BYTES))

    def view(self, key: str) -> memoryview | None:
        return self.faults.read(lambda: self.inside.view(key))

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Pieces | None:
        return self.faults.read(lambda: self.inside.read_ranges(key, ranges))

    def head(self, key: str) -> Entry | None:
        return self.faults.read(lambda: self.inside.head(key))

    def delete(self, key: str) -> bool:
        return self.faults.write(lambda: self.inside.delete(key))

    def delete_many(self, keys: Sequence[str]) -> int:
        return self.faults.write(lambda: self.inside.delete_many(keys))

    def list(self, prefix: str) -> Iterator[str]:
        return self.faults.read(lambda: self.inside.list(prefix))

    def entries(self, prefix: str) -> Iterator[Entry]:
        return self.faults.read(lambda: self.inside.entries(prefix))

    def path(self, key: str) -> Path | None:
        return self.faults.read(lambda: self.inside.path(key))


class _Torn(io.RawIOBase):
    """A source that gives half of its first piece and then breaks."""

    def __init__(self, source: BinaryIO, faults: Faults) -> None:
        self._source, self._faults, self._begun = source, faults, False

    def read(self, size: int = -1, /) -> bytes:
        if self._begun:
            raise self._faults.tear()
        self._begun = True
        piece = self._source.read(size)
        return piece[: (len(piece) + 1) // 2] or self._broken()

    def _broken(self) -> bytes:
        raise self._faults.tear()


class _Stream(io.RawIOBase):
    """A stream whose server may be lost at any piece."""

    def __init__(self, stream: BinaryIO, faults: Faults) -> None:
        self._stream, self._faults = stream, faults

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, target: bytearray | memoryview, /) -> int:  # type: ignore[override] # a buffer, as it is called
        piece = self._faults.read(lambda: self._stream.read(len(target)))
        target[: len(piece)] = piece
        return len(piece)

    def readall(self) -> bytes:
        return self._faults.read(self._stream.read)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        self._stream.close()
        super().close()
