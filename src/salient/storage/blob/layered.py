"""Small blobs kept in key-value stores above a blob store: see `storage.caching` for how."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, final

from salient.errors import Error, Misconfigured
from salient.storage import blob, caching, urls
from salient.storage.blob import Entry, Pieces, Wrapping
from salient.storage.caching import Loaded


@final
class Driver(Wrapping):
    """`layered:[memory:][redis://…][s3://…]?max_bytes=262144&ttl_s=300`.

    The last store is of blobs, those above it of keys and values, nearest first. A blob over
    `max_bytes` is read below; what is kept of it is its size. Other options are those of
    `caching.Limits`. All changes have to go through stores that are layered alike, or they are seen
    after `ttl_s`, as are those of other processes where no layer carries messages.
    """

    def __init__(self, rest: str) -> None:
        (*layers, bottom), options = urls.inner(rest, "layered", least=2)
        self._max_bytes = options.count("max_bytes", 256 * 1024)
        inside = blob.driver(bottom)
        try:
            self.cache = caching.Cache.open(
                layers, options, space=caching.space_of("blob", bottom)
            )  # fmt: skip
            if self._max_bytes + 1024 > self.cache.limits.max_value_bytes:
                raise Misconfigured("max_bytes of a layered store is under max_value_kb by 1 KB")
        except Error:
            inside.close()
            raise
        super().__init__(inside)
        # Who wrote by a URL would not tell the layers.
        self.features = inside.features - {"presigned"}

    def put(
        self, key: str, source: BinaryIO, *, only_if_absent: bool, if_version: str | None
    ) -> int | None:
        with self.cache.writing(key):
            return self.inside.put(
                key, source, only_if_absent=only_if_absent, if_version=if_version
            )

    def open(self, key: str) -> BinaryIO | None:
        kept = self._kept(key)
        if kept is not None and kept.content is None:
            return self.inside.open(key)
        return None if kept is None or kept.content is None else io.BytesIO(kept.content)

    def view(self, key: str) -> memoryview | None:
        kept = self._kept(key)
        if kept is not None and kept.content is None:
            return self.inside.view(key)
        return None if kept is None or kept.content is None else kept.content

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Pieces | None:
        kept = self._kept(key)
        if kept is not None and kept.content is None:
            return self.inside.read_ranges(key, ranges)
        if kept is None or kept.content is None:
            return None
        pieces = tuple(bytes(kept.content[start:end]) for start, end in ranges)
        return Pieces(pieces, len(kept.content))

    def head(self, key: str) -> Entry | None:
        kept = self._kept(key)
        return None if kept is None else kept.entry

    def delete(self, key: str) -> bool:
        with self.cache.writing(key):
            return self.inside.delete(key)

    def delete_many(self, keys: Sequence[str]) -> int:
        with self.cache.writing(*keys):
            return self.inside.delete_many(keys)

    def close(self) -> None:
        with ExitStack() as stack:
            stack.callback(self.inside.close)
            stack.callback(self.cache.close)

    def _kept(self, key: str) -> _Kept | None:
        value = self.cache.get(key, lambda: self._load(key))
        return None if value is None else _Kept.of(key, value)

    def _load(self, key: str) -> Loaded | None:
        # In this order, what is kept may be newer than its version, and a put that asks for the
        # version is refused; the other way round, it would replace what nobody has seen.
        entry = self.inside.head(key)
        if entry is None or entry.size_bytes > self._max_bytes:
            return None if entry is None else Loaded(_packed(entry, entry.size_bytes, None))
        found = self.inside.read_ranges(key, [(0, self._max_bytes + 1)])
        if found is None:
            return None
        content = found.pieces[0] if found.size_bytes <= self._max_bytes else None
        return Loaded(_packed(entry, found.size_bytes, content))


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the layers have of a blob: all of it, or what is known of it."""

    entry: Entry
    content: memoryview | None

    @classmethod
    def of(cls, key: str, value: bytes) -> _Kept:
        at = value.index(b"\n")
        size, modified, version, whole = json.loads(value[:at])
        entry = Entry(key, size, datetime.fromtimestamp(modified, UTC), version)
        return cls(entry, memoryview(value)[at + 1 :] if whole else None)


def _packed(entry: Entry, size: int, content: bytes | None) -> bytes:
    known = [size, entry.modified.timestamp(), entry.version, content is not None]
    head = json.dumps(known).encode()
    # Arrays in a blob are read where they lie: the content starts at a multiple of 16, as bytes do.
    return head + b" " * (-(len(head) + 1) % 16) + b"\n" + (content or b"")
