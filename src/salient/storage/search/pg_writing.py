"""Writing to a search index in Postgres: a transaction, from the first change to the commit."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, LiteralString, NamedTuple, final

import numpy as np
import psycopg
from numpy.typing import NDArray

from salient.storage.search import Prepared
from salient.storage.search.pg_connections import Connections, copy
from salient.storage.search.pg_tables import Tables, only_row
from salient.storage.search.postings import ENTRY, Batch, Codes, Merge, Row

_FLUSH = 3_000_000  # occurrences kept in memory before they are written
_AT_ONCE = 8  # batches of a size that are merged into one
_SMALL = 2_000  # occurrences of a batch of the lowest size
_LARGEST = 4_000_000  # occurrences of a batch that is merged no more
_DEAD_SHARE = 3  # a batch is written anew when a third of it is dead
_ROWS_AT_ONCE = 20_000
_FETCH: LiteralString = f"fetch {_ROWS_AT_ONCE} from merging"
_ENTRY_S = 0.05  # that the server may take longer for each entry of a call
_TIDYING_S = 60.0  # that a statement may take longer which moves or drops many rows
_INDEXING_S = 900.0  # in which the vectors are indexed for the first time
_EMPTYING: tuple[LiteralString, ...] = (
    "delete from {entries}", "delete from {batches}", "delete from {postings}", "delete from {dead}",
    "delete from {vectors}",
)  # fmt: skip
_BY_KEY: LiteralString = "delete from {entries} where key = any(%s) returning id, lengths"
_BY_GROUP: LiteralString = 'delete from {entries} where "group" = any(%s) returning id, lengths'


class _Batch(NamedTuple):
    """A batch as it is in the table: its numbers are from `first` to `last`, not all of them there."""

    number: int
    first: int
    last: int
    size: int
    """In occurrences."""
    entries: int
    """How many there were when it was written."""

    @property
    def level(self) -> int:
        level, size = 0, self.size
        while size > _SMALL:
            level, size = level + 1, size // _AT_ONCE
        return level


@final
class Session:
    """One writer's transaction.

    Holding the row of `state` keeps other writers out, until the transaction ends or the server
    notices that we are gone.
    """

    def __init__(
        self, connections: Connections, tables: Tables, codes: Codes, *,
        wait_s: float, exact_up_to: int,
    ) -> None:  # fmt: skip
        self._connections, self._tables, self._codes = connections, tables, codes
        self._exact_up_to = exact_up_to
        self._connection = connections.take("begin")
        self._next_batch: int
        try:
            self._connection.within_s = wait_s + connections.timeout_s
            for name, value in (
                ("lock_timeout", f"{max(1, round(wait_s * 1000))}"),
                ("statement_timeout", "0"),
                ("idle_in_transaction_session_timeout", "0"),
            ):
                self._connection.execute("select set_config(%s, %s, true)", [name, value])
            self._next, self._next_batch, self._entries, tokens = only_row(
                self._connection,
                tables.sql(
                    "select next_entry, next_batch, entries, tokens from {state} for update"
                ),
            )
            self._tokens = np.array(tokens, np.int64)
            self._connection.within_s = connections.timeout_s
        except BaseException:
            self.end()
            raise
        self._batch = Batch(codes)
        self._dead: list[int] = []
        self._changed = False

    def put(self, entries: Sequence[Prepared]) -> None:
        self._changed = True
        self._delete(_BY_KEY, [entry.key for entry in entries])
        first = self._next
        self._next += len(entries)
        self._entries += len(entries)
        lengths = [self._codes.lengths(entry) for entry in entries]
        self._tokens += np.sum(lengths, axis=0, dtype=np.int64)
        # Adding to an index of vectors takes a millisecond or more for each.
        self._connection.within_s = self._connections.timeout_s + _ENTRY_S * len(entries)
        copy(
            self._connection,
            self._tables.sql('{entries} (id, key, "group", lengths, stored)'),
            (
                (_int8(first + i), e.key.encode(), e.group.encode(), of.tobytes(), e.stored)
                for i, (e, of) in enumerate(zip(entries, lengths, strict=True))
            ),
        )
        vectors = [
            (_int8(first + i), _half(e.vector))
            for i, e in enumerate(entries)
            if e.vector is not None
        ]
        if vectors:
            copy(self._connection, self._tables.sql("{vectors} (id, vector)"), vectors)
        self._connection.within_s = self._connections.timeout_s
        for i, entry in enumerate(entries):
            self._batch.add(first + i, entry)
        if self._batch.size > _FLUSH:
            self._flush()

    def delete_group(self, group: str) -> None:
        self._changed = True
        self._delete(_BY_GROUP, [group])

    def clear(self) -> None:
        self._changed = True
        # Not truncated: those who are reading shall see all of what there was.
        self._connection.within_s = self._connections.timeout_s + _TIDYING_S
        for statement in _EMPTYING if self._tables.vectors else _EMPTYING[:-1]:
            self._run(statement)
        self._connection.within_s = self._connections.timeout_s
        self._entries, self._tokens = 0, np.zeros_like(self._tokens)

    def commit(self) -> None:
        """Write what is left, and end."""
        if self._changed:
            self._flush()
            if self._dead:
                ids = np.sort(np.array(self._dead, ENTRY))
                self._run(
                    "insert into {dead} select coalesce(max(at), 0) + 1, %s from {dead}",
                    ids.tobytes(),
                )
            self._connection.within_s = self._connections.timeout_s + _TIDYING_S
            self._tidy()
            self._connection.within_s = self._connections.timeout_s
            self._run(
                "update {state} set generation = generation + 1, next_entry = %s, next_batch = %s,"
                " entries = %s, tokens = %s",
                self._next, self._next_batch, self._entries, self._tokens.tolist(),
            )  # fmt: skip
            self._index_vectors()
        self._connection.execute("commit")
        self.end()

    def end(self) -> None:
        """Undo what is not committed, and let other writers in."""
        self._connection.within_s = self._connections.timeout_s
        self._connections.give(self._connection)

    def _delete(self, statement: LiteralString, names: list[str]) -> None:
        rows = self._run(statement, names).fetchall()
        if not rows:
            return
        ids = [ident for ident, _ in rows]
        self._entries -= len(ids)
        self._tokens -= np.sum([np.frombuffer(of, ENTRY) for _, of in rows], axis=0, dtype=np.int64)
        self._dead += ids
        if self._tables.vectors:
            self._run("delete from {vectors} where id = any(%s)", ids)

    def _flush(self) -> None:
        batch, self._batch = self._batch, Batch(self._codes)
        if batch.ids:
            number = self._numbered()
            self._copy_rows(number, batch.rows())
            ids = batch.ids
            self._note(_Batch(number, ids[0], ids[-1], batch.size, len(ids)))

    def _numbered(self) -> int:
        self._next_batch += 1
        return self._next_batch

    def _note(self, batch: _Batch) -> None:
        self._run("insert into {batches} values (%s, %s, %s, %s, %s)", *batch)

    def _copy_rows(self, number: int, rows: Iterable[Row]) -> None:
        packed = struct.pack("!i", number)
        copy(
            self._connection,
            self._tables.sql("{postings} (code, term, batch, hits, more)"),
            ((struct.pack("!h", r.code), r.term, packed, r.hits, r.more) for r in rows),
        )

    def _tidy(self) -> None:
        """Merge small batches, so that a term is in few, and drop what is dead."""
        found = self._run("select batch, first, last, size, entries from {batches} order by first")
        batches = [_Batch(*row) for row in found.fetchall()]
        dead = self._all_dead()
        for level in range(32):
            tail = 0
            while tail < len(batches) and batches[-tail - 1].level <= level:
                tail += 1
            if tail and sum(b.size for b in batches[-tail:]) > _LARGEST:
                break
            if tail >= _AT_ONCE:
                dead = self._merge(batches[-tail:], dead)
                return
        for batch in batches:
            n = int(np.searchsorted(dead, batch.last, "right") - np.searchsorted(dead, batch.first))
            if n * _DEAD_SHARE > batch.entries:
                dead = self._merge([batch], dead)

    def _all_dead(self) -> NDArray[np.uint32]:
        rows = self._run("select ids from {dead}").fetchall()
        return np.sort(np.frombuffer(b"".join(raw for (raw,) in rows), ENTRY))

    def _merge(self, batches: Sequence[_Batch], dead: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Write batches, which follow each other, as one; return the dead of the others."""
        first, last = batches[0].first, batches[-1].last
        inside = (dead >= first) & (dead <= last)
        numbers = [b.number for b in batches]
        number = self._numbered()
        merge = Merge(self._codes, dead[inside])
        for rows in self._terms(numbers):
            self._copy_rows(
                number, [row for of_term in rows if (row := merge.row(of_term)) is not None]
            )
        for statement in ("delete from {postings} where batch = any(%s)", "delete from {batches} where batch = any(%s)"):  # fmt: skip
            self._run(statement, numbers)
        entries = sum(b.entries for b in batches)
        living = entries - int(inside.sum())
        if living:
            size = sum(b.size for b in batches) * living // entries
            self._note(_Batch(number, first, last, size, living))
        left = dead[~inside]
        if inside.any():
            self._run("delete from {dead}")
            self._run("insert into {dead} values (1, %s)", left.tobytes())
        return left

    def _terms(self, numbers: list[int]) -> Iterator[list[list[Row]]]:
        """The rows of some batches, those of a term together, some thousand terms at a time."""
        self._run(
            "declare merging no scroll cursor for select code, term, hits, more from {postings}"
            " where batch = any(%s) order by code, term, batch", numbers,
        )  # fmt: skip
        terms: list[list[Row]] = []
        while True:
            rows = self._run(_FETCH).fetchall()
            for row in map(Row._make, rows):
                if terms and terms[-1][0][:2] == row[:2]:
                    terms[-1].append(row)
                else:
                    terms.append([row])
            if len(rows) < _ROWS_AT_ONCE:
                break
            yield terms[:-1]  # of the last term there may be more
            terms = terms[-1:]
        yield terms
        self._run("close merging")

    def _index_vectors(self) -> None:
        """Index the vectors once they are too many to compare all."""
        if not self._tables.neighboured or self._entries <= self._exact_up_to:
            return
        self._run("select set_config('maintenance_work_mem', '256MB', true),"
                  " set_config('max_parallel_maintenance_workers', '0', true)")  # fmt: skip
        self._connection.within_s = _INDEXING_S
        self._run(
            "create index if not exists {near} on {vectors} using hnsw (vector halfvec_cosine_ops)"
        )
        self._connection.within_s = self._connections.timeout_s

    def _run(self, text: LiteralString, *values: object) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._connection.execute(self._tables.sql(text), list(values) or None, binary=True)


def _int8(number: int) -> bytes:
    return struct.pack("!q", number)


def _half(vector: NDArray[np.float32]) -> bytes:
    """A vector as pgvector sends its `halfvec`."""
    return struct.pack("!hh", len(vector), 0) + vector.astype(">f2").tobytes()
