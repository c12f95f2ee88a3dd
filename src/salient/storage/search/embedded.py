"""Index files in one folder: Tantivy for words and facets, mapped vectors beside it.

Tantivy's commit is the truth. Vectors are written before it and named in it by a number, so that
a writer killed anywhere leaves the last commit whole, and some unused bytes.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import itertools
import json
import shutil
import tempfile
import threading
import time
import uuid
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tantivy
from numpy.typing import NDArray

from salient.errors import Conflict, Corrupt, InvalidInput, Misconfigured, Unavailable
from salient.storage import urls
from salient.storage.search import (
    Among,
    Asked,
    Between,
    Either,
    IndexSchema,
    Prefix,
    Prepared,
    Restriction,
    SearchDriver,
    Snapshot,
    Words,
)
from salient.storage.search.analysis import VERSION
from salient.storage.search.query import Node
from salient.storage.search.vectors import VectorReader, VectorWriter, dead_ids

_FORMAT = 1
_HEAP_BYTES = 60_000_000
_FLUSH_VECTORS = 4096  # kept in memory before they are written
_EXACT_AMONG = 20_000  # entries within the filters up to which all their vectors are compared
_TIE = 0.2  # what a second field that has the word adds, beside the best one
_TIES_SEEN = 64  # entries past a page that are put in order with it
_ATTEMPTS = 10
_M_ARENA_MAX = -8  # of malloc.h

_must, _should, _not = tantivy.Occur.Must, tantivy.Occur.Should, tantivy.Occur.MustNot


class Driver(SearchDriver):
    """`embedded:/folder`, `?timeout_s=` to wait for another writer.

    `embedded::memory:` is a folder that goes with the store.
    """

    def __init__(self, rest: str, schema: IndexSchema) -> None:
        path, options = urls.file(rest, "search index")
        self._timeout_s = options.number("timeout_s", 60.0)
        options.done()
        if not path:
            raise Misconfigured("an index is given as embedded:/folder?timeout_s=60")
        self._temporary: weakref.finalize[[str, bool], Driver] | None = None
        if path == ":memory:":
            path = tempfile.mkdtemp(prefix="salient-")
            self._temporary = weakref.finalize(self, shutil.rmtree, path, True)  # noqa: FBT003
            path += "/index"
        self._folder = Path(path).absolute()
        self.fields = _Fields(schema)
        self._writing = threading.RLock()
        self._refreshing = threading.Lock()
        self._session: _Session | None = None
        self._closed = False
        self._state: object = None
        self._snapshot: _Snapshot | None = None
        with _translated():
            self._index = _open(self._folder, self.fields)
            self._index.config_reader("manual")

    def put(self, entries: Sequence[Prepared]) -> None:
        with self._writing, _translated():
            self._writer().put(entries)

    def delete_group(self, group: str) -> None:
        with self._writing, _translated():
            self._writer().delete_group(group)

    def commit(self) -> None:
        with self._writing, _translated():
            session, self._session = self._session, None
            if session is not None:
                session.commit(self._live_ids)

    def rollback(self) -> None:
        with self._writing, _translated():
            session, self._session = self._session, None
            if session is not None:
                session.abandon()

    def clear(self) -> None:
        with self._writing, _translated():
            self.rollback()
            session = self._writer()
            self._session = None
            session.clear()
            session.commit(self._live_ids)

    def snapshot(self) -> _Snapshot:
        if self._closed:
            raise Unavailable("the search index is closed")
        with self._refreshing, _translated():
            state = _state(self._folder)
            if self._snapshot is None or state != self._state:
                self._snapshot = self._load()
                self._state = state
            return self._snapshot

    def close(self) -> None:
        if self._closed:
            return
        self.rollback()
        self._closed = True
        self._snapshot = None
        if self._temporary is not None:
            self._temporary()

    def _load(self) -> _Snapshot:
        dim = self.fields.schema.vector_dim
        folder = self._folder / "vectors"
        for attempt in range(_ATTEMPTS):
            try:
                # The order matters: see `dead_ids`; the rows are mapped last, to hold all.
                dead = None if dim is None else dead_ids(folder)
                self._index.reload()
                vectors = None
                if dim is not None and dead is not None:
                    vectors = VectorReader(folder, dim, dead)
            except FileNotFoundError:
                if attempt == _ATTEMPTS - 1:  # else another process compacted meanwhile
                    raise
            else:
                return _Snapshot(self._index.searcher(), self.fields, vectors)
        raise Unavailable("the vector files keep changing")

    def _live_ids(self) -> NDArray[np.uint64]:
        return np.array(self.snapshot().ids(tantivy.Query.all_query()), np.uint64)

    def _writer(self) -> _Session:
        if self._closed:
            raise Unavailable("the search index is closed")
        if self._session is None:
            _share_arenas()
            writer = self._wait_for_writer()
            try:
                self._session = _Session(writer, self.snapshot(), self.fields, self._folder)
            except BaseException:
                _release(writer)
                raise
        return self._session

    def _wait_for_writer(self) -> tantivy.IndexWriter:
        """Take the lock that Tantivy keeps in the folder; the system frees it if we are killed."""
        give_up_at = time.monotonic() + self._timeout_s
        while True:
            try:
                return self._index.writer(_HEAP_BYTES, 1)
            except ValueError as exc:
                if "LockBusy" not in str(exc):
                    raise
                if time.monotonic() > give_up_at:
                    raise Unavailable(
                        "another process is writing to the search index",
                        waited_s=self._timeout_s,
                    ) from exc
            time.sleep(0.02)


class _Fields:
    """A schema in Tantivy's terms. Its fields are numbered, so that any name is harmless."""

    def __init__(self, schema: IndexSchema) -> None:
        self.schema = schema
        self.kinds = schema.kinds
        self.text: dict[str, tuple[str, str, float]] = {}
        self.value: dict[str, str] = {}
        self.facet: dict[str, str] = {}
        builder = tantivy.SchemaBuilder()
        builder.add_text_field("key", tokenizer_name="raw", index_option="basic")
        builder.add_text_field("group", tokenizer_name="raw", index_option="basic")
        builder.add_unsigned_field("id", indexed=True, fast=True)
        builder.add_bytes_field("stored", stored=True)
        for number, field in enumerate(schema.fields):
            own = f"f{number}"
            match field.kind:
                case "text":
                    # Terms come from the front, joined by blanks; prefixes look in whole words.
                    builder.add_text_field(own, tokenizer_name="whitespace")
                    builder.add_text_field(
                        f"w{number}", tokenizer_name="whitespace", index_option="basic"
                    )
                    self.text[field.name] = own, f"w{number}", field.boost
                case "keyword":
                    builder.add_text_field(
                        own, fast=True, tokenizer_name="raw", index_option="basic"
                    )
                    self.value[field.name] = self.facet[field.name] = own
                case "number":
                    builder.add_float_field(own, indexed=True, fast=True)
                    self.value[field.name] = self.facet[field.name] = own
                case "date":
                    builder.add_integer_field(own, indexed=True, fast=True)
                    builder.add_text_field(
                        f"y{number}", fast=True, tokenizer_name="raw", index_option="basic"
                    )
                    self.value[field.name], self.facet[field.name] = own, f"y{number}"
        self.tantivy = builder.build()
        self.made_of = {
            "format": _FORMAT,
            "analysis": VERSION,
            "fields": [[f.name, f.kind, f.stored] for f in schema.fields],
            "vector_dim": schema.vector_dim,
        }

    def document(self, entry: Prepared, ident: int) -> tantivy.Document:
        document = tantivy.Document()
        document.add_text("key", entry.key)
        document.add_text("group", entry.group)
        document.add_unsigned("id", ident)
        document.add_bytes("stored", entry.stored)
        for name, terms in entry.terms.items():
            own, words, _ = self.text[name]
            document.add_text(own, " ".join(terms))
            document.add_text(words, " ".join(entry.words[name]))
        for name, keywords in entry.keywords.items():
            for keyword in keywords:
                document.add_text(self.value[name], keyword)
        for name, number in entry.numbers.items():
            document.add_float(self.value[name], number)
        for name, second in entry.dates.items():
            document.add_integer(self.value[name], second)
            year = int(np.datetime64(second, "s").astype("datetime64[Y]").astype(int)) + 1970
            document.add_text(self.facet[name], f"{year:04d}")
        return document


class _Session:
    """From the first change to the commit, while no other process writes."""

    def __init__(
        self, writer: tantivy.IndexWriter, before: _Snapshot, fields: _Fields, folder: Path
    ) -> None:
        self._writer, self._before, self._fields = writer, before, fields
        dim = fields.schema.vector_dim
        self._vectors = None if dim is None else VectorWriter(folder / "vectors", dim)
        in_files = 0 if self._vectors is None else self._vectors.next_id()
        self._next = max(before.next_id(), in_files)
        self._ids: list[int] = []
        self._rows: list[NDArray[np.float32]] = []
        self._dead: list[int] = []
        self._added: dict[str, int] = {}
        self._groups: dict[str, dict[str, int]] = {}

    def put(self, entries: Sequence[Prepared]) -> None:
        schema = self._fields.tantivy
        keys = [entry.key for entry in entries]
        there = self._before.keys_of(tantivy.Query.term_set_query(schema, "key", keys))
        for entry in entries:
            for known in (there, self._added):
                if entry.key in known:
                    self._dead.append(known[entry.key])
                    self._writer.delete_documents_by_term("key", entry.key)
            ident, self._next = self._next, self._next + 1
            self._writer.add_document(self._fields.document(entry, ident))
            self._added[entry.key] = ident
            self._groups.setdefault(entry.group, {})[entry.key] = ident
            if entry.vector is not None:
                self._ids.append(ident)
                self._rows.append(entry.vector)
        if len(self._ids) >= _FLUSH_VECTORS:
            self._flush()

    def delete_group(self, group: str) -> None:
        self._writer.delete_documents_by_term("group", group)
        query = tantivy.Query.term_query(self._fields.tantivy, "group", group)
        self._dead += self._before.ids(query)
        for key, ident in self._groups.pop(group, {}).items():
            if self._added.get(key) == ident:
                del self._added[key]
            self._dead.append(ident)

    def clear(self) -> None:
        self._writer.delete_all_documents()
        self._dead = self._before.ids(tantivy.Query.all_query())

    def commit(self, live_ids: Any) -> None:  # () -> ids that live after the commit
        try:
            self._flush()
            self._writer.commit()
            if self._vectors is not None:
                self._vectors.bury(self._dead)
                if self._vectors.wants_compaction():
                    self._vectors.compact(live_ids())
        except BaseException:
            _release(self._writer)
            raise
        # Merges go on until the lock is given up; without them every commit leaves its own files.
        self._writer.wait_merging_threads()

    def abandon(self) -> None:
        self._writer.rollback()
        _release(self._writer)

    def _flush(self) -> None:
        if self._vectors is not None and self._ids:
            self._vectors.append(self._ids, np.stack(self._rows))
            self._ids, self._rows = [], []


class _Snapshot(Snapshot):
    def __init__(
        self, searcher: tantivy.Searcher, fields: _Fields, vectors: VectorReader | None
    ) -> None:
        self._searcher, self._fields, self._vectors = searcher, fields, vectors
        self._schema = fields.tantivy
        self._values: dict[str, list[str]] = {}

    def matching(
        self,
        asked: Asked | None,
        restriction: Restriction,
        *,
        limit: int,
        also: Sequence[int] = (),
        sort: str | None = None,
    ) -> list[tuple[int, float]]:
        query = self._query(asked, restriction, also)
        if sort is not None:
            return self._sorted(query, sort, limit)
        # Entries of one score come in the order of their adding, not of the files they are in.
        found = self._searcher.search(query, limit + _TIES_SEEN, count=False).hits
        ids = self._ids_at([at for _, at in found])
        scored = [(ident, float(score)) for ident, (score, _) in zip(ids, found, strict=True)]
        scored.sort(key=lambda item: (-item[1], item[0]))
        return scored[:limit]

    def scores(self, asked: Asked, handles: Sequence[int]) -> dict[int, float]:
        if not handles:
            return {}
        query = _both(self._asked(asked), self._these(handles))
        found = self._searcher.search(query, len(handles), count=False).hits
        ids = self._ids_at([at for _, at in found])
        return {ident: float(score) for ident, (score, _) in zip(ids, found, strict=True)}

    def nearest(
        self, vector: NDArray[np.float32], restriction: Restriction, *, limit: int
    ) -> list[tuple[int, float]]:
        vectors = self._vectors
        if vectors is None or not len(vectors):
            return []
        wanted = limit + limit // 4 + 8
        allowed = None
        if restriction.required or restriction.excluded:
            allowed = self._query(None, restriction, ())
            n = self._count(allowed)
            if n <= _EXACT_AMONG:
                ids = np.array(sorted(self.ids(allowed, n)), np.uint64)
                return _pairs(*vectors.among(vector, ids, limit))
            wanted = int(wanted * max(1.0, 1.2 * self._searcher.num_docs / n))
        while True:
            found = _pairs(*vectors.nearest(vector, wanted))
            # What was deleted, or never committed, is not in the index proper.
            query = self._these([ident for ident, _ in found])
            live = set(self.ids(query if allowed is None else _both(allowed, query)))
            kept = [(ident, score) for ident, score in found if ident in live]
            if len(kept) >= limit or len(found) < wanted:
                return kept[:limit]
            wanted *= 4

    def similarities(self, vector: NDArray[np.float32], handles: Sequence[int]) -> dict[int, float]:
        return {} if self._vectors is None else self._vectors.similarities(vector, handles)

    def summary(
        self,
        asked: Asked | None,
        restriction: Restriction,
        *,
        also: Sequence[int],
        facets: Sequence[str],
        facet_limit: int,
    ) -> tuple[int, dict[str, tuple[tuple[str, int], ...]]]:
        query = self._query(asked, restriction, also)
        total = self._count(query)
        if not facets:
            return total, {}
        # Each segment must give all its values, or the sums would be too low.
        aggregations = {
            f"a{i}": {
                "terms": {
                    "field": self._fields.facet[name],
                    "size": 2 * facet_limit + 200,
                    "segment_size": 10_000_000,
                }
            }
            for i, name in enumerate(facets)
        }
        counted = self._searcher.aggregate(query, aggregations)
        out = {}
        for i, name in enumerate(facets):
            values = [
                (_shown(bucket["key"]), int(bucket["doc_count"]))
                for bucket in counted[f"a{i}"]["buckets"]
            ]
            values.sort(key=lambda item: (-item[1], item[0]))
            out[name] = tuple(values[:facet_limit])
        return total, out

    def fetch(self, handles: Sequence[int]) -> dict[int, tuple[str, str, dict[str, Any]]]:
        if not handles:
            return {}
        found = self._searcher.search(self._these(handles), len(handles), count=False).hits
        places = [at for _, at in found]
        out = {}
        for ident, at in zip(self._ids_at(places), places, strict=True):
            raw = self._searcher.doc(at).get_first("stored")
            key, group, fields = json.loads(bytes(raw or b"").decode("utf-8", "surrogatepass"))
            out[ident] = key, group, fields
        return out

    def vectors(self, group: str) -> NDArray[np.float32]:
        if self._vectors is None:
            return np.zeros((0, 0), np.float32)
        query = tantivy.Query.term_query(self._schema, "group", group)
        return self._vectors.rows(sorted(self.ids(query)))

    def count(self) -> int:
        return int(self._searcher.num_docs)

    def ids(self, query: tantivy.Query, n: int | None = None) -> list[int]:
        """All entries' ids that a query finds, in no order; `n` if it is known how many they are."""
        n = self._count(query) if n is None else n
        if not n:
            return []
        found = self._searcher.search(query, n, count=False).hits
        return self._ids_at([at for _, at in found])

    def keys_of(self, query: tantivy.Query) -> dict[str, int]:
        """Ids by key of all entries that a query finds."""
        return {key: ident for ident, (key, _, _) in self.fetch(self.ids(query)).items()}

    def next_id(self) -> int:
        """One more than the highest id that is committed."""
        highest = [{"max": {"field": "id"}}]
        found = self._searcher.aggregate(tantivy.Query.all_query(), {"m": highest[0]})["m"]["value"]
        return 0 if found is None or not self.count() else int(found) + 1

    def _ids_at(self, places: list[tantivy.DocAddress]) -> list[int]:
        return [int(ident or 0) for ident in self._searcher.fast_field_values("id", places)]

    def _count(self, query: tantivy.Query) -> int:
        return int(self._searcher.search(query, 1).count)  # type: ignore[attr-defined] # not in its stubs

    def _sorted(self, query: tantivy.Query, sort: str, limit: int) -> list[tuple[int, float]]:
        name = sort.removeprefix("-")
        own = self._fields.value[name]
        order = tantivy.Order.Desc if sort.startswith("-") else tantivy.Order.Asc
        present = tantivy.Query.exists_query(own)
        found = self._searcher.search(
            _both(query, present), limit, count=False, order_by_field=own, order=order
        ).hits
        places = [at for _, at in found]
        if len(places) < limit:
            absent = tantivy.Query.boolean_query([(_must, query), (_not, present)])
            more = self._searcher.search(
                absent, limit - len(places), count=False, order_by_field="id",
                order=tantivy.Order.Asc,
            ).hits  # fmt: skip
            places += [at for _, at in more]
        return [(ident, 0.0) for ident in self._ids_at(places)]

    def _query(
        self, asked: Asked | None, restriction: Restriction, also: Sequence[int]
    ) -> tantivy.Query:
        query = tantivy.Query.all_query() if asked is None else self._asked(asked)
        if also and asked is not None:
            query = tantivy.Query.boolean_query(
                [(_should, query), (_should, _free(self._these(also)))]
            )
        parts = [(_must, query)]
        parts += [
            (_must, _free(self._either([self._node(c) for c in either])))
            for either in restriction.required
        ]
        parts += [(_not, self._node(c)) for c in restriction.excluded]
        return query if len(parts) == 1 else tantivy.Query.boolean_query(parts)

    def _asked(self, asked: Asked) -> tantivy.Query:
        occurs = {"must": _must, "should": _should, "not": _not}
        parts = [(occurs[clause.occur], self._node(clause.node)) for clause in asked.clauses]
        if parts and all(occur == _not for occur, _ in parts):
            parts.append((_must, tantivy.Query.all_query()))
        return tantivy.Query.boolean_query(parts) if parts else tantivy.Query.empty_query()

    def _node(self, node: Node) -> tantivy.Query:
        match node:
            case Words(field, terms):
                return self._in_fields(field, lambda own, _: self._row(own, terms))
            case Prefix(field, start, term):
                return self._in_fields(
                    field, lambda own, words: self._prefix(own, words, start, term)
                )
            case Either(nodes):
                return self._either([self._node(n) for n in nodes])
            case Among(field, values):
                return tantivy.Query.term_set_query(self._schema, self._fields.value[field], values)
            case Between():
                return self._between(node)
        raise InvalidInput(f"no such part of a query: {node!r}")

    def _in_fields(self, field: str | None, make: Any) -> tantivy.Query:
        names = self._fields.text if field is None else [field]
        queries = []
        for name in names:
            own, words, boost = self._fields.text[name]
            query = make(own, words)
            queries.append(query if boost == 1.0 else tantivy.Query.boost_query(query, boost))
        if len(queries) == 1:
            return queries[0]
        return tantivy.Query.disjunction_max_query(queries, _TIE)

    def _row(self, own: str, terms: Sequence[str]) -> tantivy.Query:
        if len(terms) == 1:
            return tantivy.Query.term_query(self._schema, own, terms[0], "freq")
        return tantivy.Query.phrase_query(self._schema, own, list(terms))

    def _prefix(self, own: str, words: str, start: str, term: str) -> tantivy.Query:
        begins = tantivy.Query.fuzzy_term_query(self._schema, words, start, distance=0, prefix=True)
        whole = tantivy.Query.term_query(self._schema, own, term, "freq")
        return tantivy.Query.disjunction_max_query([begins, whole], _TIE)

    def _either(self, queries: Sequence[tantivy.Query]) -> tantivy.Query:
        if len(queries) == 1:
            return queries[0]
        if not queries:
            return tantivy.Query.empty_query()
        return tantivy.Query.boolean_query([(_should, query) for query in queries])

    def _between(self, node: Between) -> tantivy.Query:
        own, kind = self._fields.value[node.field], self._fields.kinds[node.field]
        if kind == "keyword":
            return self._between_keywords(own, node)
        if node.low is None and node.high is None:
            return tantivy.Query.exists_query(own)
        field_type = tantivy.FieldType.Float if kind == "number" else tantivy.FieldType.Integer
        if node.low is not None and node.low == node.high:
            return tantivy.Query.term_query(self._schema, own, node.low)
        return tantivy.Query.range_query(self._schema, own, field_type, node.low, node.high)

    def _between_keywords(self, own: str, node: Between) -> tantivy.Query:
        """Tantivy has no ranges over text: the values within are listed, once a snapshot."""
        low = str(node.low or "").encode()
        high = None if node.high is None else str(node.high).encode()
        same = (a == b for a, b in zip(low, high or b"", strict=False))
        common = low[: sum(itertools.takewhile(bool, same))].decode("utf-8", "ignore")
        key = f"{own}/{common}"
        if key not in self._values:
            self._values[key] = [v for v, _ in self._searcher.terms_with_prefix(own, common)]
        inside = [
            value
            for value in self._values[key]
            if low <= value.encode() and (high is None or value.encode() <= high)
        ]
        return tantivy.Query.term_set_query(self._schema, own, inside)

    def _these(self, handles: Sequence[int]) -> tantivy.Query:
        return tantivy.Query.term_set_query(self._schema, "id", list(handles))


def _open(folder: Path, fields: _Fields) -> tantivy.Index:
    """Open the index, or make one.

    A new one is made beside its place and moved there in one step, so that of processes that do this
    at once, all but one open what the first made.
    """
    described = folder / "salient.json"
    if not described.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:12]}"
        made.mkdir()
        try:
            (made / "words").mkdir()
            tantivy.Index(fields.tantivy, str(made / "words"))
            if fields.schema.vector_dim is not None:
                VectorWriter(made / "vectors", fields.schema.vector_dim)
            (made / "salient.json").write_text(json.dumps(fields.made_of))
            with contextlib.suppress(FileExistsError):
                if folder.is_dir() and not any(folder.iterdir()):
                    with contextlib.suppress(OSError):
                        folder.rmdir()
                try:
                    made.rename(folder)
                except OSError as exc:
                    if not described.exists():
                        raise Unavailable(
                            "the index folder holds something else", path=str(folder)
                        ) from exc
        finally:
            shutil.rmtree(made, ignore_errors=True)
    try:
        there = json.loads(described.read_text())
    except ValueError as exc:
        raise Corrupt("the index's description cannot be read", path=str(described)) from exc
    if there != fields.made_of:
        raise Misconfigured(
            "the search index was made with other fields: delete its folder and index again",
            path=str(folder), there=there, wanted=fields.made_of,
        )  # fmt: skip
    return tantivy.Index.open(str(folder / "words"))


@functools.cache
def _share_arenas() -> None:
    """Keep memory from growing by threads that come and go.

    Each writer starts its own. glibc gives every new thread another heap, up to eight a core, and
    keeps in each what was freed there: hundreds of megabytes after some hundred commits.
    """
    with contextlib.suppress(AttributeError, OSError):  # other C libraries have no such setting
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def _state(folder: Path) -> tuple[int, int, int]:
    """What changes with every commit: Tantivy replaces its `meta.json` by a new file."""
    stat = (folder / "words" / "meta.json").stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _release(writer: tantivy.IndexWriter) -> None:
    """Give up the lock, whatever state the writer is in."""
    with contextlib.suppress(ValueError, RuntimeError, OSError):
        writer.wait_merging_threads()


def _both(one: tantivy.Query, other: tantivy.Query) -> tantivy.Query:
    return tantivy.Query.boolean_query([(_must, one), (_must, _free(other))])


def _free(query: tantivy.Query) -> tantivy.Query:
    """The query with no say in the score."""
    return tantivy.Query.const_score_query(query, 0.0)


def _pairs(ids: NDArray[np.uint64], scores: NDArray[np.float32]) -> list[tuple[int, float]]:
    return list(zip(ids.tolist(), scores.tolist(), strict=True))


def _shown(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """The one place where Tantivy's and the file system's exceptions become ours."""
    try:
        yield
    except (Conflict, InvalidInput, Misconfigured):
        raise
    except OSError as exc:
        raise Unavailable(f"the search index cannot be used: {exc.strerror or exc}") from exc
    except (ValueError, RuntimeError) as exc:
        text = str(exc)
        if "orrupt" in text or "Incompatible" in text or "meta.json" in text:
            raise Corrupt(f"the search index cannot be read: {text[:200]}") from exc
        if any(sign in text for sign in ("IoError", "OpenReadError", "Io(", "killed", "Lock")):
            raise Unavailable(f"the search index cannot be used: {text[:200]}") from exc
        raise
