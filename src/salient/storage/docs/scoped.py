"""A part of a document store that sees nothing of the rest: `scoped:[URL]?scope=NAME`.

Its collections are kept under a name that no caller's collection can have, so that code above can
reach neither another scope nor what is in none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from salient.errors import Misconfigured
from salient.storage import urls
from salient.storage.docs import RESERVED, Chunk, Feed, Only, Path, RecordsDriver, Test, driver

if TYPE_CHECKING:
    import pyarrow

_MOST_BYTES = 200


class Driver(RecordsDriver):
    def __init__(self, rest: str) -> None:
        [url], options = urls.inner(rest, "scoped", most=1)
        scope = options.text("scope", "") or ""
        options.done()
        size = len(scope.encode("utf-8", "replace"))
        if not 0 < size <= _MOST_BYTES or not scope.isprintable():
            raise Misconfigured(
                f"scoped: takes a scope of 1 to {_MOST_BYTES} bytes of text, as in scope=NAME"
            )
        self._prefix = f"{RESERVED}{scope}{RESERVED}"
        self._store = driver(url)
        self.inner = (self._store,)
        self.features = self._store.features

    def read(self, collection: str, idents: Sequence[str]) -> dict[str, tuple[str, float | None]]:
        return self._store.read(self._prefix + collection, idents)

    def get(self, collection: str, ident: str) -> str | None:
        return self._store.get(self._prefix + collection, ident)

    def put(
        self,
        collection: str,
        rows: Sequence[tuple[str, str]],
        *,
        ttl_s: float | None,
        only_if: Only = "any",
    ) -> int:
        return self._store.put(self._prefix + collection, rows, ttl_s=ttl_s, only_if=only_if)

    def delete(self, collection: str, idents: Sequence[str]) -> int:
        return self._store.delete(self._prefix + collection, idents)

    def chunks(self, collection: str, tests: Sequence[Test], after: str | None) -> Iterator[Chunk]:
        return self._store.chunks(self._prefix + collection, tests, after)

    def batches(
        self, collection: str, tests: Sequence[Test], rows: int, after: str | None = None
    ) -> Iterator[pyarrow.RecordBatch]:
        return self._store.batches(self._prefix + collection, tests, rows, after)

    def collections(self, after: str) -> Iterator[str]:
        for name in self._store.collections(self._prefix + after):
            if not name.startswith(self._prefix):
                return
            yield name[len(self._prefix) :]

    def size(self, collection: str) -> int:
        return self._store.size(self._prefix + collection)

    def ensure_index(self, collection: str, path: Path) -> None:
        self._store.ensure_index(self._prefix + collection, path)

    def changes(self, collection: str, after: str | None, wait_s: float, limit: int) -> Feed:
        return self._store.changes(self._prefix + collection, after, wait_s, limit)

    def close(self) -> None:
        self._store.close()
