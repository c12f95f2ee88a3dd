"""In-process dictionary: for tests and notebooks."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from salient.errors import Unavailable
from salient.storage.blob import CHUNK_BYTES, BlobDriver


class Driver(BlobDriver):
    def __init__(self, _: str = "") -> None:
        self._lock = threading.Lock()
        self._blobs: dict[str, bytes] | None = {}

    def put(self, key: str, source: BinaryIO, *, only_if_absent: bool) -> int | None:
        self._open()
        content = b"".join(iter(lambda: source.read(CHUNK_BYTES), b""))
        with self._lock:
            blobs = self._open()
            if only_if_absent and key in blobs:
                return None
            blobs[key] = content
        return len(content)

    def open(self, key: str) -> BinaryIO | None:
        content = self._open().get(key)
        return None if content is None else io.BytesIO(content)

    def view(self, key: str) -> memoryview | None:
        content = self._open().get(key)
        return None if content is None else memoryview(content)

    def read_range(self, key: str, start: int, end: int) -> bytes | None:
        content = self._open().get(key)
        return None if content is None else content[start:end]

    def size(self, key: str) -> int | None:
        content = self._open().get(key)
        return None if content is None else len(content)

    def delete(self, key: str) -> bool:
        with self._lock:
            return self._open().pop(key, None) is not None

    def list(self, prefix: str) -> Iterator[str]:
        with self._lock:
            keys = [key for key in self._open() if key.startswith(prefix)]
        return iter(sorted(keys, key=str.encode))

    def path(self, key: str) -> Path | None:
        self._open()
        return None

    def close(self) -> None:
        self._blobs = None

    def _open(self) -> dict[str, bytes]:
        if self._blobs is None:
            raise Unavailable("the blob store is closed")
        return self._blobs
