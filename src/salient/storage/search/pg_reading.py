"""Reading a search index in Postgres: a transaction sees one commit, and what it read of it is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any, Literal, LiteralString, final

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt, Unavailable
from salient.storage.search import Asked, Restriction, Snapshot
from salient.storage.search.pg_connections import Connection, Connections
from salient.storage.search.pg_tables import Tables
from salient.storage.search.postings import (
    ENTRY,
    EVERY,
    HIT,
    NUMBER,
    PLACE,
    Codes,
    Key,
    bounds,
    in_order,
)
from salient.storage.search.ranking import Lists, Matcher, Values

BEGIN: LiteralString = "begin isolation level repeatable read, read only"
_EXACT_AMONG = 20_000  # entries within the filters up to which all their vectors are compared
_KEPT_BYTES = 200  # what a key and an array take beside its content
_MOST_SCANNED = 1000  # pgvector's `ef_search` goes no higher
_HITS: LiteralString = """
    select p.code, p.term, p.hits from {postings} p
    join unnest(%s::smallint[], %s::bytea[]) as w (code, term) on p.code = w.code and p.term = w.term
"""
_PLACES: LiteralString = """
    select p.code, p.term, p.more from {postings} p
    join unnest(%s::smallint[], %s::bytea[]) as w (code, term) on p.code = w.code and p.term = w.term
"""


@final
class State:
    """What is kept of one commit, for whoever searches next."""

    def __init__(self, generation: int, most_bytes: int) -> None:
        self.generation = generation
        self.ids: NDArray[np.uint32] | None = None
        """Of all entries; their numbers in this commit are their places here."""
        self.dense = False
        """Whether the ids follow each other without a gap."""
        self.tokens: dict[int, int] = {}
        self._most_bytes, self._bytes = most_bytes, 0
        self._kept: dict[Any, Any] = {}
        self._lock = threading.Lock()

    def get(self, key: Any) -> Any:
        return self._kept.get(key)

    def keep(self, key: Any, value: Any, size_bytes: int) -> None:
        with self._lock:
            if key in self._kept:  # another thread was as quick
                return
            self._bytes += size_bytes + _KEPT_BYTES
            while self._kept and self._bytes > self._most_bytes:
                # Whatever was kept first goes; that it may have been used since matters little.
                oldest = next(iter(self._kept))
                self._bytes -= self._kept.pop(oldest)[1]
            self._kept[key] = value, size_bytes + _KEPT_BYTES


@final
class Reader:
    """One search's transaction.

    Raises from any method: Unavailable.
    """

    def __init__(self, connections: Connections, tables: Tables, connection: Connection) -> None:
        self._connections, self._tables = connections, tables
        self._connection: Connection | None = connection

    def rows(self, text: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        """What a statement finds, its values as the server sends them."""
        if self._connection is None:
            raise Unavailable("the snapshot is closed")
        with self._connections.translated():
            return self._connection.execute(
                self._tables.sql(text), list(values) or None, binary=True
            ).fetchall()

    def row(self, text: LiteralString) -> tuple[Any, ...]:
        """The one row that a statement finds.

        Raises:
            Corrupt: there is none.
        """
        rows = self.rows(text)
        if not rows:
            raise Corrupt("the search index's tables are incomplete: drop them and index again")
        return rows[0]

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._connections.give(connection)


class _Lists(Lists):
    def __init__(self, reader: Reader, codes: Codes, state: State) -> None:
        self._reader, self.codes, self._state = reader, codes, state
        if state.ids is None:
            state.ids = self._living()
        self.ids = state.ids
        self.count = len(self.ids)
        self.tokens = state.tokens

    def numbers(self, ids: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The numbers of entries in this commit, and which of them are in it."""
        if not self.count:
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), np.bool_)
        if self._state.dense:
            at = ids - self.ids[0]  # of an older entry it goes round, and is over all
            there = at < self.count
            return np.where(there, at, 0).astype(np.int64), there
        at = np.minimum(np.searchsorted(self.ids, ids), self.count - 1)
        return at, self.ids[at] == ids

    def terms(self, keys: Iterable[Key]) -> dict[Key, NDArray[np.void]]:
        return {key: hits[0] for key, hits in self._load("hits", set(keys)).items()}

    def having(self, code: int, terms: Sequence[bytes]) -> NDArray[np.uint32]:
        asked = b"".join(b"%d:%b" % (len(term), term) for term in terms)
        key = "having", code, blake2b(asked, digest_size=32).digest()
        kept = self._state.get(key)
        if kept is None:
            rows = self._reader.rows(
                "select hits from {postings} where code = %s and term = any(%s)", code, list(terms)
            )
            hits, _ = self._numbered(np.frombuffer(b"".join(raw for (raw,) in rows), HIT))
            entries = np.unique(hits["entry"])
            self._state.keep(key, entries, entries.nbytes)
            return entries
        found: NDArray[np.uint32] = kept[0]
        return found

    def places(self, keys: Iterable[Key]) -> dict[Key, NDArray[np.uint64]]:
        return {key: places[0] for key, places in self._load("more", set(keys)).items()}

    def within(self, code: int, low: bytes, high: bytes | None) -> Values:
        kept = self._state.get((code, low, high))
        if kept is not None:
            values: Values = kept[0]
            return values
        least, most = bounds(low, high)
        if most is None:
            rows = self._reader.rows(
                "select term, hits, more from {postings} where code = %s and term >= %s"
                " order by term", code, least,
            )  # fmt: skip
        else:
            rows = self._reader.rows(
                "select term, hits, more from {postings} where code = %s and term between %s and %s"
                " order by term", code, least, most,
            )  # fmt: skip
        keywords = code in self.codes.keywords
        whole = [((more if keywords else None) or term, hits) for term, hits, more in rows]
        found = [(v, h) for v, h in whole if low <= v and (high is None or v <= high)]
        found.sort(key=lambda item: item[0])  # long ones are not kept in the order of their ends
        names: list[bytes] = []
        ends: list[int] = []
        end = 0
        for value, raw in found:
            end += len(raw) // HIT.itemsize
            if names and names[-1] == value:
                ends[-1] = end
            else:
                names.append(value)
                ends.append(end)
        hits, there = self._numbered(np.frombuffer(b"".join(h for _, h in found), HIT))
        values = Values(
            names,
            np.ascontiguousarray(hits["entry"]),
            np.ascontiguousarray(hits["count"]),
            np.concatenate(([0], np.cumsum(there)))[ends],
        )
        size = 6 * len(hits) + sum(map(len, names)) + 70 * len(names)
        self._state.keep((code, low, high), values, size)
        return values

    def column(self, code: int) -> NDArray[np.void]:
        found = self._state.get(("column", code))
        if found is None:
            raw = self._raw(code, b"")
            column, _ = self._numbered(np.frombuffer(raw, NUMBER))
            self._state.keep(("column", code), column, column.nbytes)
        else:
            column = found[0]
        return column

    def _living(self) -> NDArray[np.uint32]:
        living = in_order(np.frombuffer(self._raw(EVERY, b""), ENTRY))
        dead = b"".join(raw for (raw,) in self._reader.rows("select ids from {dead}"))
        if dead:
            living = np.setdiff1d(living, np.frombuffer(dead, ENTRY))
        self._state.dense = len(living) > 0 and int(living[-1]) - int(living[0]) < len(living)
        return living

    def _raw(self, code: int, term: bytes) -> bytes:
        rows = self._reader.rows(
            "select hits from {postings} where code = %s and term = %s", code, term
        )
        return b"".join(raw for (raw,) in rows)

    def _numbered(self, rows: NDArray[np.void]) -> tuple[NDArray[np.void], NDArray[np.bool_]]:
        """The rows of living entries, numbered as in this commit, and which they were."""
        numbers, there = self.numbers(rows["entry"])
        out = rows[there]
        out["entry"] = numbers[there]
        return out, there

    def _placed(self, places: NDArray[np.uint64]) -> NDArray[np.uint64]:
        numbers, there = self.numbers((places >> np.uint64(32)).astype(np.uint32))
        out = numbers[there].astype(PLACE) << np.uint64(32)
        out |= places[there] & np.uint64(0xFFFFFFFF)
        return out

    def _load(self, which: Literal["hits", "more"], keys: set[Key]) -> dict[Key, Any]:
        """Arrays by key, all that are not kept read at once."""
        out = {key: kept for key in keys if (kept := self._state.get((which, key))) is not None}
        wanted = sorted(keys - out.keys())
        if not wanted:
            return out
        parts: dict[Key, list[bytes]] = {key: [] for key in wanted}
        for code, term, raw in self._reader.rows(
            _HITS if which == "hits" else _PLACES,
            [code for code, _ in wanted], [term for _, term in wanted],
        ):  # fmt: skip
            parts[code, term].append(raw)
        for key, raws in parts.items():
            raw = b"".join(raws)
            array: NDArray[Any] = (
                self._numbered(in_order(np.frombuffer(raw, HIT)))[0]
                if which == "hits"
                else self._placed(in_order(np.frombuffer(raw, PLACE)))
            )
            self._state.keep((which, key), array, array.nbytes)
            out[key] = array, array.nbytes
        return out


@final
class PostgresSnapshot(Snapshot):
    """One commit, as `Snapshot` says."""

    def __init__(
        self, reader: Reader, tables: Tables, codes: Codes, state: State, *,
        entries: int, exact_up_to: int,
    ) -> None:  # fmt: skip
        self._reader, self._tables, self._codes, self._state = reader, tables, codes, state
        self._entries, self._exact_up_to = entries, exact_up_to
        self._made: tuple[_Lists, Matcher] | None = None

    def close(self) -> None:
        self._reader.close()

    def matching(
        self,
        asked: Asked | None,
        restriction: Restriction,
        *,
        limit: int,
        also: Sequence[int] = (),
        sort: str | None = None,
    ) -> list[tuple[int, float]]:
        lists, matcher = self._opened
        mask = matcher.mask(asked, restriction, self._numbers(also).tolist())
        if sort is not None:
            name = sort.removeprefix("-")
            numbers = matcher.sorted(mask, name, limit, falling=sort.startswith("-"))
            return [(int(ident), 0.0) for ident in lists.ids[numbers]]
        found = matcher.best(mask, None if asked is None else matcher.scores(asked), limit)
        return [(int(lists.ids[number]), score) for number, score in found]

    def scores(self, asked: Asked, handles: Sequence[int]) -> dict[int, float]:
        if not handles:
            return {}
        numbers = self._numbers(handles)
        scores = self._opened[1].scores(asked)[numbers].tolist()
        return {h: score for h, score in zip(handles, scores, strict=True) if score > 0}

    def nearest(
        self, vector: NDArray[np.float32], restriction: Restriction, *, limit: int
    ) -> list[tuple[int, float]]:
        if not self._tables.vectors or not self._entries:
            return []
        among = None
        share = 1.0
        if restriction.required or restriction.excluded:
            lists, matcher = self._opened
            among = lists.ids[matcher.mask(None, restriction)]
            if len(among) <= min(_EXACT_AMONG, self._exact_up_to):
                return self._compared(vector, among, limit)
            share = len(among) / self._entries
        if self._entries > self._exact_up_to and self._tables.neighboured:
            wanted = int(limit * 1.25 / share) + 8
            found = self._walked(vector, wanted)
            allowed = None if among is None else set(among.tolist())
            kept = [(i, s) for i, s in found if allowed is None or i in allowed]
            if len(kept) >= limit:
                return kept[:limit]
        return self._compared(vector, among, limit)

    def similarities(self, vector: NDArray[np.float32], handles: Sequence[int]) -> dict[int, float]:
        if not self._tables.vectors or not handles:
            return {}
        rows = self._reader.rows(
            "select id, 1 - (vector <=> %s::halfvec) from {vectors} where id = any(%s)",
            _text(vector), list(handles),
        )  # fmt: skip
        return {ident: float(score) for ident, score in rows}

    def summary(
        self,
        asked: Asked | None,
        restriction: Restriction,
        *,
        also: Sequence[int],
        facets: Sequence[str],
        facet_limit: int,
    ) -> tuple[int, dict[str, tuple[tuple[str, int], ...]]]:
        _, matcher = self._opened
        mask = matcher.mask(asked, restriction, self._numbers(also).tolist())
        return int(mask.sum()), {name: matcher.facet(mask, name, facet_limit) for name in facets}

    def fetch(self, handles: Sequence[int]) -> dict[int, tuple[str, str, dict[str, Any]]]:
        if not handles:
            return {}
        rows = self._reader.rows(
            "select id, stored from {entries} where id = any(%s)", list(handles)
        )
        out = {}
        for ident, stored in rows:
            key, group, fields = json.loads(stored.decode("utf-8", "surrogatepass"))
            out[ident] = key, group, fields
        return out

    def vectors(self, group: str) -> NDArray[np.float32]:
        dim = self._codes.schema.vector_dim or 0
        if not self._tables.vectors:
            return np.zeros((0, dim), np.float32)
        rows = self._reader.rows(
            'select halfvec_send(vector) from {vectors} join {entries} using (id) where "group" = %s order by id',
            group,
        )
        out = np.frombuffer(b"".join(raw[4:] for (raw,) in rows), ">f2").astype(np.float32)
        return out.reshape(-1, dim)

    def count(self) -> int:
        return self._entries

    @property
    def _opened(self) -> tuple[_Lists, Matcher]:
        if self._made is None:
            lists = _Lists(self._reader, self._codes, self._state)
            self._made = lists, Matcher(lists)
        return self._made

    def _numbers(self, handles: Sequence[int]) -> NDArray[np.int64]:
        numbers, _ = self._opened[0].numbers(np.array(handles, np.uint32))
        return numbers

    def _compared(
        self, vector: NDArray[np.float32], among: NDArray[np.uint32] | None, limit: int
    ) -> list[tuple[int, float]]:
        """All compared: the sum keeps Postgres from walking the index of neighbours."""
        if among is None:
            rows = self._reader.rows(
                "select id, 1 - (vector <=> %s::halfvec) as score from {vectors}"
                " order by 0.0 + (vector <=> %s::halfvec), id limit %s",
                _text(vector), _text(vector), limit,
            )  # fmt: skip
        else:
            rows = self._reader.rows(
                "select id, 1 - (vector <=> %s::halfvec) as score from {vectors} where id = any(%s)"
                " order by 0.0 + (vector <=> %s::halfvec), id limit %s",
                _text(vector), among.tolist(), _text(vector), limit,
            )  # fmt: skip
        return [(ident, float(score)) for ident, score in rows]

    def _walked(self, vector: NDArray[np.float32], wanted: int) -> list[tuple[int, float]]:
        """The nearest by the index of neighbours, which may miss some."""
        self._reader.rows(
            "select set_config('hnsw.ef_search', %s, true), set_config('hnsw.iterative_scan', 'strict_order', true),"
            " set_config('hnsw.max_scan_tuples', %s, true)",
            str(min(_MOST_SCANNED, 2 * wanted + 100)), str(20 * wanted + 20_000),
        )  # fmt: skip
        rows = self._reader.rows(
            "select id, 1 - (vector <=> %s::halfvec) from {vectors} order by vector <=> %s::halfvec limit %s",
            _text(vector), _text(vector), wanted,
        )  # fmt: skip
        return sorted(((ident, float(score)) for ident, score in rows), key=lambda r: (-r[1], r[0]))


def _text(vector: NDArray[np.float32]) -> str:
    return "[" + ",".join(map(str, vector.tolist())) + "]"
