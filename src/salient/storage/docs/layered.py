"""Copies of records in nearer layers: in this process, and in key-value stores.

    layered:[memory:][redis://cache:6379/0][postgresql://user:pw@host/db]?ttl_s=300&negative_s=5

The last store is the document store and has the truth; those before it are key-value stores that
hold copies for `get`, as `salient.storage.caching` says, which names the options too. Queries, reads
of many, and the change feed go to the document store.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from salient.errors import Error
from salient.storage import urls
from salient.storage.caching import Cache, Loaded, space_of
from salient.storage.docs import Chunk, Feed, Only, Path, RecordsDriver, Test, driver

if TYPE_CHECKING:
    import pyarrow


class Driver(RecordsDriver):
    def __init__(self, rest: str) -> None:
        layers, options = urls.inner(rest, "layered", least=2)
        self._store = driver(layers[-1])
        try:
            self._cache = Cache.open(layers[:-1], options, space=space_of("docs", layers[-1]))
        except Error:
            self._store.close()
            raise
        self.inner = (self._store,)
        self.features = self._store.features

    def read(self, collection: str, idents: Sequence[str]) -> dict[str, tuple[str, float | None]]:
        # What is cached does not know how long the store keeps it.
        return self._store.read(collection, idents)

    def get(self, collection: str, ident: str) -> str | None:
        def load() -> Loaded | None:
            found = self._store.read(collection, (ident,)).get(ident)
            return None if found is None else Loaded(found[0].encode(), found[1])

        value = self._cache.get(_key(collection, ident), load)
        return None if value is None else value.decode()

    def put(
        self,
        collection: str,
        rows: Sequence[tuple[str, str]],
        *,
        ttl_s: float | None,
        only_if: Only = "any",
    ) -> int:
        keys = [_key(collection, ident) for ident, _ in rows]
        with self._cache.writing(*keys) as write:
            written = self._store.put(collection, rows, ttl_s=ttl_s, only_if=only_if)
            if written == len(rows) == 1:
                write.wrote(rows[0][1].encode(), ttl_s)
        return written

    def delete(self, collection: str, idents: Sequence[str]) -> int:
        with self._cache.writing(*(_key(collection, ident) for ident in idents)) as write:
            removed = self._store.delete(collection, idents)
            if len(idents) == 1:
                write.wrote(None)
        return removed

    def chunks(self, collection: str, tests: Sequence[Test], after: str | None) -> Iterator[Chunk]:
        return self._store.chunks(collection, tests, after)

    def batches(
        self, collection: str, tests: Sequence[Test], rows: int, after: str | None = None
    ) -> Iterator[pyarrow.RecordBatch]:
        return self._store.batches(collection, tests, rows, after)

    def collections(self, after: str) -> Iterator[str]:
        return self._store.collections(after)

    def size(self, collection: str) -> int:
        return self._store.size(collection)

    def ensure_index(self, collection: str, path: Path) -> None:
        self._store.ensure_index(collection, path)

    def changes(self, collection: str, after: str | None, wait_s: float, limit: int) -> Feed:
        return self._store.changes(collection, after, wait_s, limit)

    def close(self) -> None:
        self._cache.close()
        self._store.close()


def _key(collection: str, ident: str) -> str:
    return f"{collection}\0{ident}"
