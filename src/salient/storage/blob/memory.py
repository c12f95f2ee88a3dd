"""In-process dictionary: for tests and notebooks."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from salient.errors import Misconfigured, Unavailable
from salient.storage.blob import CHUNK_BYTES, BlobDriver, Entry, Pieces


@dataclass(frozen=True, slots=True)
class _Blob:
    content: bytes
    modified: datetime
    version: str


class Driver(BlobDriver):
    """`memory:`."""

    def __init__(self, rest: str = "") -> None:
        if rest:
            raise Misconfigured("blobs in memory are given as memory:")
        self._lock = threading.Lock()
        self._blobs: dict[str, _Blob] | None = {}
        self._numbers = itertools.count(1)

    def put(
        self, key: str, source: BinaryIO, *, only_if_absent: bool, if_version: str | None
    ) -> int | None:
        self._open()
        content = b"".join(iter(lambda: source.read(CHUNK_BYTES), b""))
        with self._lock:
            blobs = self._open()
            held = blobs.get(key)
            if only_if_absent and held is not None:
                return None
            if if_version is not None and (held is None or held.version != if_version):
                return None
            blobs[key] = _Blob(content, datetime.now(UTC), str(next(self._numbers)))
        return len(content)

    def open(self, key: str) -> BinaryIO | None:
        blob = self._open().get(key)
        return None if blob is None else io.BytesIO(blob.content)

    def view(self, key: str) -> memoryview | None:
        blob = self._open().get(key)
        return None if blob is None else memoryview(blob.content)

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Pieces | None:
        blob = self._open().get(key)
        if blob is None:
            return None
        content = blob.content
        return Pieces(tuple(content[start:end] for start, end in ranges), len(content))

    def head(self, key: str) -> Entry | None:
        blob = self._open().get(key)
        return None if blob is None else _entry(key, blob)

    def delete(self, key: str) -> bool:
        with self._lock:
            return self._open().pop(key, None) is not None

    def list(self, prefix: str) -> Iterator[str]:
        return (entry.key for entry in self.entries(prefix))

    def entries(self, prefix: str) -> Iterator[Entry]:
        with self._lock:
            found = [_entry(k, b) for k, b in self._open().items() if k.startswith(prefix)]
        return iter(sorted(found, key=lambda entry: entry.key.encode()))

    def path(self, key: str) -> Path | None:
        self._open()
        return None

    def close(self) -> None:
        self._blobs = None

    def _open(self) -> dict[str, _Blob]:
        if self._blobs is None:
            raise Unavailable("the blob store is closed")
        return self._blobs


def _entry(key: str, blob: _Blob) -> Entry:
    return Entry(key, len(blob.content), blob.modified, blob.version)
