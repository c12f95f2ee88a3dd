"""Postgres: postings, entries and vectors in tables, a commit of the index a commit of the server.

Words are not kept as `tsvector`: it forgets positions from 16384 on and all but 256 places of a word,
so that phrases in long documents would be found where they are not, and ranking by it reads the whole
text of every match. Postings are arrays instead, in bytes; see `postings`. Vectors are pgvector's.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import final

from salient.errors import Misconfigured
from salient.storage import urls
from salient.storage.search import IndexSchema, Prepared, SearchDriver
from salient.storage.search.pg_connections import Connections
from salient.storage.search.pg_reading import BEGIN, PostgresSnapshot, Reader, State
from salient.storage.search.pg_tables import Tables
from salient.storage.search.pg_writing import Session
from salient.storage.search.postings import Codes


@final
class Driver(SearchDriver):
    """`postgresql://user:password@host:5432/database?schema=salient&index=passages`.

    Options: `timeout_s` to connect and for an answer (10), `wait_s` to wait for another writer (60),
    `connections` at once (16), `sslmode` and `sslrootcert` as libpq has them, `cache_mb` of postings of the newest commit that are kept (64), `exact_up_to` entries of which all
    vectors are compared (50000; over that, neighbours are looked up, and some may be missed).
    """

    def __init__(self, rest: str, schema: IndexSchema) -> None:
        place, options = urls.split(rest, "Postgres search index")
        index = options.text("index", "main") or ""
        name = options.text("schema", "salient") or ""
        timeout_s = options.number("timeout_s", 10.0, least=0.001)
        most = options.count("connections", 16, least=2)
        ssl = {name: options.text(name) for name in ("sslmode", "sslrootcert")}
        self._wait_s = options.number("wait_s", 60.0)
        self._cache_bytes = int(options.number("cache_mb", 64.0) * 1_000_000)
        self._exact_up_to = options.count("exact_up_to", 50_000)
        options.done()
        if not place.startswith("//") or not index or not name or "\0" in index + name:
            raise Misconfigured(
                "a search index is given as postgresql://host/database?schema=…&index=…",
                given=urls.shown(rest),
            )
        self._codes = Codes(schema)
        self._connections = Connections("postgresql:" + place, ssl, timeout_s=timeout_s, most=most)
        try:
            self._tables = Tables(self._connections, name, index, schema)
        except BaseException:
            self._connections.close()
            raise
        self.features = self._tables.features
        self._writing = threading.RLock()
        self._session: Session | None = None
        self._state = State(-1, 0)

    def put(self, entries: Sequence[Prepared]) -> None:
        with self._changing() as session:
            session.put(entries)

    def delete_group(self, group: str) -> None:
        if "\0" in group:
            return  # no entry has such a group, and Postgres has no such text
        with self._changing() as session:
            session.delete_group(group)

    def commit(self) -> None:
        with self._writing, self._connections.translated():
            session, self._session = self._session, None
            if session is not None:
                try:
                    session.commit()
                except BaseException:
                    session.end()
                    raise

    def rollback(self) -> None:
        with self._writing, self._connections.translated():
            session, self._session = self._session, None
            if session is not None:
                session.end()

    def clear(self) -> None:
        with self._writing:
            self.rollback()
            with self._changing() as session:
                session.clear()
            self.commit()

    def snapshot(self) -> PostgresSnapshot:
        connection = self._connections.take(BEGIN)
        reader = Reader(self._connections, self._tables, connection)
        try:
            generation, entries, tokens = reader.row(
                "select generation, entries, tokens from {state}"
            )
        except BaseException:
            reader.close()
            raise
        state = self._state
        if state.generation != generation:
            state = State(generation, self._cache_bytes)
            text = [self._codes.own[name] for name in self._codes.boosts]
            state.tokens = dict(zip(text, tokens, strict=True))
            if generation > self._state.generation:
                self._state = state
        return PostgresSnapshot(
            reader, self._tables, self._codes, state,
            entries=entries, exact_up_to=self._exact_up_to,
        )  # fmt: skip

    def close(self) -> None:
        self.rollback()
        self._connections.close()

    @contextlib.contextmanager
    def _changing(self) -> Iterator[Session]:
        """The transaction of this index's changes; what fails ends it, for Postgres would take no more."""
        with self._writing, self._connections.translated():
            if self._session is None:
                self._session = Session(
                    self._connections, self._tables, self._codes,
                    wait_s=self._wait_s, exact_up_to=self._exact_up_to,
                )  # fmt: skip
            try:
                yield self._session
            except BaseException:
                self.rollback()
                raise
