"""A blob store whose calls are measured; no key is shown anywhere."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar, cast, final

from salient.errors import Error
from salient.storage import blob, urls
from salient.storage.blob import Entry, Pieces, Wrapping
from salient.storage.meters import ERRORS, Meter

T = TypeVar("T")


@final
class Driver(Wrapping):
    """`instrumented:[URL]?name=main&slow_ms=500`: metrics by call, and a log of slow ones.

    A stream counts a call of `read` for each piece that is read through it. The time of `list_all`
    and `entries_all` is that of finding all, without what the caller does between two.
    """

    def __init__(self, rest: str) -> None:
        (url,), options = urls.inner(rest, "instrumented", most=1)
        name = options.text("name") or url
        slow_ms = options.number("slow_ms", 500.0)
        options.done()
        super().__init__(blob.driver(url))
        self.meter = Meter("blob", name, slow_ms=slow_ms)

    def put(
        self, key: str, source: BinaryIO, *, only_if_absent: bool, if_version: str | None
    ) -> int | None:
        size = self.meter.measure(
            "put",
            lambda: self.inside.put(
                key, source, only_if_absent=only_if_absent, if_version=if_version
            ),
        )
        if size is not None:
            self.meter.wrote("put", size)
        return size

    def open(self, key: str) -> BinaryIO | None:
        stream = self.meter.measure("open", lambda: self.inside.open(key))
        if stream is None:
            return None
        return cast(BinaryIO, io.BufferedReader(_Stream(stream, self.meter), blob.CHUNK_BYTES))

    def view(self, key: str) -> memoryview | None:
        view = self.meter.measure("view", lambda: self.inside.view(key))
        if view is not None:
            self.meter.read("view", view.nbytes)
        return view

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Pieces | None:
        found = self.meter.measure("read_ranges", lambda: self.inside.read_ranges(key, ranges))
        if found is not None:
            self.meter.read("read_ranges", sum(map(len, found.pieces)))
        return found

    def head(self, key: str) -> Entry | None:
        return self.meter.measure("head", lambda: self.inside.head(key))

    def delete(self, key: str) -> bool:
        return self.meter.measure("delete", lambda: self.inside.delete(key))

    def delete_many(self, keys: Sequence[str]) -> int:
        return self.meter.measure("delete_many", lambda: self.inside.delete_many(keys))

    def list(self, prefix: str) -> Iterator[str]:
        return self._timed("list_all", self.meter.measure("list", lambda: self.inside.list(prefix)))

    def entries(self, prefix: str) -> Iterator[Entry]:
        found = self.meter.measure("entries", lambda: self.inside.entries(prefix))
        return self._timed("entries_all", found)

    def path(self, key: str) -> Path | None:
        return self.meter.measure("path", lambda: self.inside.path(key))

    def repair(self, prefix: str) -> int:
        return self.meter.measure("repair", lambda: self.inside.repair(prefix))

    def _timed(self, operation: str, found: Iterator[T]) -> Iterator[T]:
        took_s = 0.0
        try:
            while True:
                began = time.perf_counter()
                try:
                    item = next(found)
                except StopIteration:
                    return
                except Error as exc:
                    ERRORS.labels(self.meter.store, self.meter.name, operation, exc.code).inc()
                    raise
                finally:
                    took_s += time.perf_counter() - began
                yield item
        finally:
            self.meter.note(operation, took_s)


class _Stream(io.RawIOBase):
    """A stream of which each piece is measured."""

    def __init__(self, stream: BinaryIO, meter: Meter) -> None:
        self._stream, self._meter = stream, meter

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, target: bytearray | memoryview, /) -> int:  # type: ignore[override] # a buffer, as it is called
        piece = self._read(len(target))
        target[: len(piece)] = piece
        return len(piece)

    def readall(self) -> bytes:
        return self._read(-1)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        self._stream.close()
        super().close()

    def _read(self, size: int) -> bytes:
        piece = self._meter.measure("read", lambda: self._stream.read(size))
        self._meter.read("read", len(piece))
        return piece
