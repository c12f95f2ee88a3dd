"""A document store with injected faults, for tests: `flaky:[URL]?errors=0.1&lost=0.05&seed=7`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from salient.storage import urls
from salient.storage.docs import Chunk, Feed, Only, Path, RecordsDriver, Test, driver
from salient.storage.faults import Faults


class Driver(RecordsDriver):
    """`faults` says what goes wrong, and may be changed at any time."""

    def __init__(self, rest: str) -> None:
        [url], options = urls.inner(rest, "flaky", most=1)
        self.faults = Faults(options)
        self._store = driver(url)
        self.inner = (self._store,)
        self.features = self._store.features

    def read(self, collection: str, idents: Sequence[str]) -> dict[str, tuple[str, float | None]]:
        return self.faults.read(lambda: self._store.read(collection, idents))

    def get(self, collection: str, ident: str) -> str | None:
        return self.faults.read(lambda: self._store.get(collection, ident))

    def put(
        self,
        collection: str,
        rows: Sequence[tuple[str, str]],
        *,
        ttl_s: float | None,
        only_if: Only = "any",
    ) -> int:
        if len(rows) > 1 and self.faults.tears():
            raise self.faults.tear()  # a server forgets the rows that it had when it broke off
        return self.faults.write(
            lambda: self._store.put(collection, rows, ttl_s=ttl_s, only_if=only_if)
        )

    def delete(self, collection: str, idents: Sequence[str]) -> int:
        if len(idents) > 1 and self.faults.tears():
            self._store.delete(collection, idents[: len(idents) // 2])
            raise self.faults.tear()
        return self.faults.write(lambda: self._store.delete(collection, idents))

    def chunks(self, collection: str, tests: Sequence[Test], after: str | None) -> Iterator[Chunk]:
        found = self._store.chunks(collection, tests, after)
        while True:
            chunk = self.faults.read(lambda: next(found, None))
            if chunk is None:
                return
            yield chunk

    def collections(self, after: str) -> Iterator[str]:
        return self.faults.read(lambda: self._store.collections(after))

    def size(self, collection: str) -> int:
        return self.faults.read(lambda: self._store.size(collection))

    def ensure_index(self, collection: str, path: Path) -> None:
        self.faults.write(lambda: self._store.ensure_index(collection, path))

    def changes(self, collection: str, after: str | None, wait_s: float, limit: int) -> Feed:
        return self.faults.read(lambda: self._store.changes(collection, after, wait_s, limit))

    def close(self) -> None:
        self._store.close()
