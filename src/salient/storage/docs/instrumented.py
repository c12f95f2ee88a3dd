"""A document store that is measured: `instrumented:[URL]?name=NAME&slow_ms=200`.

Timings, sizes and errors of its calls become metrics, and slow calls are logged. `name` tells it
from others; by default it is the URL, without secrets. Queries count by the chunks that are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from salient.storage import urls
from salient.storage.docs import Chunk, Feed, Only, Path, RecordsDriver, Test, driver
from salient.storage.meters import Meter

if TYPE_CHECKING:
    import pyarrow


class Driver(RecordsDriver):
    def __init__(self, rest: str) -> None:
        [url], options = urls.inner(rest, "instrumented", most=1)
        name = options.text("name") or url
        self._meter = Meter("docs", name, slow_ms=options.number("slow_ms", 200.0))
        options.done()
        self._store = driver(url)
        self.inner = (self._store,)
        self.features = self._store.features

    def read(self, collection: str, idents: Sequence[str]) -> dict[str, tuple[str, float | None]]:
        found = self._meter.measure("get_many", lambda: self._store.read(collection, idents))
        self._meter.read("get_many", sum(len(text) for text, _ in found.values()))
        return found

    def get(self, collection: str, ident: str) -> str | None:
        found = self._meter.measure("get", lambda: self._store.get(collection, ident))
        if found is not None:
            self._meter.read("get", len(found))
        return found

    def put(
        self,
        collection: str,
        rows: Sequence[tuple[str, str]],
        *,
        ttl_s: float | None,
        only_if: Only = "any",
    ) -> int:
        operation = "put" if len(rows) == 1 else "put_many"
        self._meter.wrote(operation, sum(len(text) for _, text in rows))
        return self._meter.measure(
            operation, lambda: self._store.put(collection, rows, ttl_s=ttl_s, only_if=only_if)
        )

    def delete(self, collection: str, idents: Sequence[str]) -> int:
        operation = "delete" if len(idents) == 1 else "delete_many"
        return self._meter.measure(operation, lambda: self._store.delete(collection, idents))

    def chunks(self, collection: str, tests: Sequence[Test], after: str | None) -> Iterator[Chunk]:
        # The time of whoever reads the records is not the store's.
        found = self._store.chunks(collection, tests, after)
        while True:
            chunk = self._meter.measure("query", lambda: next(found, None))
            if chunk is None:
                return
            self._meter.read("query", sum(map(len, chunk[1])))
            yield chunk

    def batches(
        self, collection: str, tests: Sequence[Test], rows: int, after: str | None = None
    ) -> Iterator[pyarrow.RecordBatch]:
        found = self._store.batches(collection, tests, rows, after)
        while True:
            batch = self._meter.measure("batches", lambda: next(found, None))
            if batch is None:
                return
            self._meter.read("batches", batch.nbytes)
            yield batch

    def collections(self, after: str) -> Iterator[str]:
        return self._meter.measure("collections", lambda: self._store.collections(after))

    def size(self, collection: str) -> int:
        return self._meter.measure("count", lambda: self._store.size(collection))

    def ensure_index(self, collection: str, path: Path) -> None:
        self._meter.measure("ensure_index", lambda: self._store.ensure_index(collection, path))

    def changes(self, collection: str, after: str | None, wait_s: float, limit: int) -> Feed:
        # A wait for something to happen is not a slow call.
        operation = "changes" if wait_s == 0 else "changes_waited"
        return self._meter.measure(
            operation, lambda: self._store.changes(collection, after, wait_s, limit)
        )

    def close(self) -> None:
        self._store.close()
