"""A part of a blob store, as if it were all of it: keys of others cannot even be written down."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Literal, final

from salient.errors import Misconfigured
from salient.storage import blob, urls
from salient.storage.blob import BlobDriver, Entry, Pieces

MAX_SCOPE_BYTES = 64


@final
class Driver(BlobDriver):
    """`scoped:[URL]?scope=name`: the blobs under `name/`, without it.

    That no key leads out rests on keys having no empty segments and no `..`, as the front holds.
    """

    def __init__(self, rest: str) -> None:
        (url,), options = urls.inner(rest, "scoped", most=1)
        scope = options.text("scope") or ""
        options.done()
        bad = scope in {"", ".", ".."} or "/" in scope or "\0" in scope
        if bad or len(scope.encode("utf-8", "replace")) > MAX_SCOPE_BYTES:
            raise Misconfigured(
                "a scope is named by scope=…, up to 64 bytes without '/', and not '.' or '..'",
                given=scope[:40],
            )
        self._root = scope + "/"
        self._inside = blob.driver(url)
        self.inner = (self._inside,)
        # Moving and repairing are for who runs the whole store.
        self.features = self._inside.features & {"presigned"}

    def put(
        self, key: str, source: BinaryIO, *, only_if_absent: bool, if_version: str | None
    ) -> int | None:
        return self._inside.put(
            self._root + key, source, only_if_absent=only_if_absent, if_version=if_version
        )

    def open(self, key: str) -> BinaryIO | None:
        return self._inside.open(self._root + key)

    def view(self, key: str) -> memoryview | None:
        return self._inside.view(self._root + key)

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Pieces | None:
        return self._inside.read_ranges(self._root + key, ranges)

    def head(self, key: str) -> Entry | None:
        entry = self._inside.head(self._root + key)
        return None if entry is None else replace(entry, key=key)

    def delete(self, key: str) -> bool:
        return self._inside.delete(self._root + key)

    def delete_many(self, keys: Sequence[str]) -> int:
        return self._inside.delete_many([self._root + key for key in keys])

    def list(self, prefix: str) -> Iterator[str]:
        found = self._inside.list(self._root + prefix)
        return (key.removeprefix(self._root) for key in found)

    def entries(self, prefix: str) -> Iterator[Entry]:
        found = self._inside.entries(self._root + prefix)
        return (replace(entry, key=entry.key.removeprefix(self._root)) for entry in found)

    def path(self, key: str) -> Path | None:
        return self._inside.path(self._root + key)

    def presigned(self, key: str, *, expires_s: float, method: Literal["GET", "PUT"]) -> str:
        return self._inside.presigned(self._root + key, expires_s=expires_s, method=method)

    def close(self) -> None:
        self._inside.close()
