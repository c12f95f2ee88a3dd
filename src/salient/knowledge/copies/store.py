"""Copies in the tables: kept as documents come, change and go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, final

from salient.knowledge.copies.groups import Pair, grouped
from salient.knowledge.copies.sketch import ENOUGH, Several, Sketch, Why, weight
from salient.knowledge.decisions import Log, said_of_copies
from salient.storage.sql import Reading, Tables, Transaction

_T = TypeVar("_T")

_BATCH = 400  # values of one IN
_AT_ONCE = 200  # documents of one transaction

_KEYS: Final = 16
"""Keys that a document is found by, of those that are not full."""

_MOST: Final = 64
"""Documents of a key. More share one by what is printed on every page, and what is a copy has other keys."""

_TWINS = 1000  # of the same bytes, that are listed

_CANDIDATES = 256  # held against a document: those that share most keys with it


@dataclass(frozen=True, slots=True)
class Copy:
    """A document that says what another one says."""

    document_id: str
    similarity: float
    containment: float
    why: Why | None
    """None: not by itself, but both are copies of a third, or a person said so."""


@final
class Copies:
    """The copies among a workspace's documents.

    `put` and `remove` belong into the transaction that changes the documents. What was put waits until `gather` holds it
    against the others; documents that come at the same time in other processes are seen by whoever gathers last.
    """

    def __init__(self, tables: Tables, workspace: str) -> None:
        self._tables, self._workspace = tables, workspace
        self._sql = tables.load("salient.knowledge.copies", "copies.sql")

    # --- as documents come and go

    def put(self, tx: Transaction, document_id: str, version: str, sketch: Sketch) -> None:
        """Keep a document's sketch, which is to be looked up; it has none there now (see `remove`)."""
        row = {"id": document_id, "workspace": self._workspace, "version": version}
        tx.run(self._sql.add_sketch, row | {"data": sketch.dump()})

    def remove(self, tx: Transaction, ids: Sequence[str]) -> None:
        """Forget documents; what only they held together parts."""
        sql = self._sql
        for some in _chunks(ids):
            key = {"workspace": self._workspace, "ids": some}
            rows = tx.rows(sql.sketches, key)
            if not rows:
                continue
            for row in rows:
                self._drop_bands(tx, row.document_id, Sketch.load(row.data).found_by())
            tx.run(sql.drop_sketches, {"ids": some})
            self._part(tx, some)

    def _part(self, tx: Transaction, ids: Sequence[str]) -> None:
        """Take documents out of pairs and groups."""
        sql, key = self._sql, {"workspace": self._workspace, "ids": list(ids)}
        near = {x for p in tx.rows(sql.pairs_of, key) for x in (p.one, p.other)}
        near |= self._beside(tx, ids)
        for query in (sql.drop_pairs_one, sql.drop_pairs_other, sql.drop_members):
            tx.run(query, key)
        self._regroup(tx, near - set(ids))

    def unsketched(self, after: str, limit: int) -> list[str]:
        """Done documents that have no sketch, as an older release left them, in the order of ids."""
        values = {"workspace": self._workspace, "after": after, "limit": limit}
        with self._tables.read() as tx:
            return [r.id for r in tx.rows(self._sql.unsketched, values)]

    def put_left(self, sketches: Mapping[str, tuple[str, Sketch]], after: str, limit: int) -> None:
        """Keep sketches, with versions, of those that `unsketched` still names: others may have come or gone since."""
        values = {"workspace": self._workspace, "after": after, "limit": limit}
        with self._tables.transaction() as tx:
            for row in tx.rows(self._sql.unsketched, values):
                if row.id in sketches:
                    self.put(tx, row.id, *sketches[row.id])

    def gather(self, renew: Callable[[], object] = lambda: None) -> int:
        """Hold all that waits against the others; how many documents that were. One at a time in a workspace.

        Killed at any moment, the next call goes on.

        Args:
            renew: called between two transactions.

        Cost: 0.5 ms a document, of which most is the tables'; 1 ms where there are 100,000 others.
        """
        n = 0
        while True:
            with self._tables.transaction() as tx:
                values = {"workspace": self._workspace, "limit": _AT_ONCE}
                rows = tx.rows(self._sql.waiting, values)
                if not rows:
                    return n
                self._take(tx, rows)
            n += len(rows)
            renew()

    def _take(self, tx: Transaction, rows: Sequence[Any]) -> None:
        sql, workspace = self._sql, self._workspace
        sketches = {r.document_id: Sketch.load(r.data) for r in rows}
        keys = {ident: sketch.found_by() for ident, sketch in sketches.items()}
        members = self._having(tx, {k for ks in keys.values() for k in ks[:_KEYS]})
        rows_of_keys: list[dict[str, Any]] = []
        chosen: dict[str, list[str]] = {}
        for ident, own in keys.items():
            shared: Counter[str] = Counter()
            left = _KEYS
            for at, key in enumerate(own):
                if not left:
                    break
                if key not in members:
                    members |= self._having(tx, set(own[at : at + _KEYS]) - members.keys())
                there = members[key]
                shared.update(dict.fromkeys(there, weight(key)))
                if ident in there:
                    left -= 1
                elif len(there) < _MOST:
                    left -= 1
                    there.append(ident)
                    rows_of_keys.append({"workspace": workspace, "band": key, "document_id": ident})
            del shared[ident]
            near = [(other, n) for other, n in shared.items() if n >= ENOUGH]
            ranked = sorted(near, key=lambda item: (-item[1], item[0]))
            chosen[ident] = [other for other, _ in ranked[:_CANDIDATES]]
        tx.run(sql.add_band, rows_of_keys)
        known = sketches | self._sketches(
            tx, {c for cs in chosen.values() for c in cs} - sketches.keys()
        )
        pairs: dict[tuple[str, str], dict[str, Any]] = {}
        for ident, candidates in chosen.items():
            self._judged(ident, candidates, known, pairs)
        tx.run(
            sql.drop_pair,
            [{k: p[k] for k in ("workspace", "one", "other")} for p in pairs.values()],
        )
        tx.run(sql.add_pair, list(pairs.values()))
        tx.run(sql.looked_up, [{"id": r.document_id, "version": r.version} for r in rows])
        self._join(tx, [(p["one"], p["other"]) for p in pairs.values()])

    def _judged(
        self,
        ident: str,
        candidates: Sequence[str],
        known: Mapping[str, Sketch],
        pairs: dict[tuple[str, str], dict[str, Any]],
    ) -> None:
        """Note those that are copies."""
        verdicts = Several([known[c] for c in candidates]).against(known[ident])
        for other, verdict in zip(candidates, verdicts, strict=True):
            if verdict is None or verdict.why is None:
                continue
            first, second = sorted((ident, other))
            pairs[first, second] = {
                "workspace": self._workspace, "one": first, "other": second,
                "similarity": round(verdict.similarity, 6), "containment": round(verdict.containment, 6),
                "why": str(verdict.why),
            }  # fmt: skip

    def _having(self, tx: Reading, keys: Collection[int]) -> dict[int, list[str]]:
        """The documents that are found by each of these keys."""
        members: dict[int, list[str]] = {key: [] for key in keys}
        for some in _chunks(sorted(keys)):
            for row in tx.rows(self._sql.banded, {"workspace": self._workspace, "bands": some}):
                members[row.band].append(row.document_id)
        return members

    def _sketches(self, tx: Reading, ids: Collection[str]) -> dict[str, Sketch]:
        found: dict[str, Sketch] = {}
        for some in _chunks(sorted(ids)):
            rows = tx.rows(self._sql.sketches, {"workspace": self._workspace, "ids": some})
            found |= {r.document_id: Sketch.load(r.data) for r in rows}
        return found

    def _drop_bands(self, tx: Transaction, ident: str, keys: Sequence[int]) -> None:
        if keys:
            values = {"workspace": self._workspace, "bands": list(keys), "document_id": ident}
            tx.run(self._sql.drop_bands, values)

    # --- groups

    def decided(self, ids: Iterable[str]) -> None:
        """Group anew what a decision, or its undoing, is about."""
        with self._tables.transaction() as tx:
            self._regroup(tx, set(ids))

    def _join(self, tx: Transaction, pairs: Sequence[tuple[str, str]]) -> None:
        """Put new pairs' groups together; only groups that people spoke about are made anew."""
        if not pairs:
            return
        together, apart = said_of_copies(Log(self._tables, self._workspace).read_in(tx))
        said = {d for pair in (*together, *apart) for d in pair}
        ids = {d for pair in pairs for d in pair}
        first = self._groups(tx, ids)
        members: dict[str, set[str]] = {g: set() for g in set(first.values())}
        for some in _chunks(sorted(members)):
            for row in tx.rows(self._sql.members, {"workspace": self._workspace, "ids": some}):
                members[row.first_id].add(row.document_id)
        every = ids.union(*members.values())
        if not said.isdisjoint(every):
            self._regroup(tx, every)
            return
        kept = [Pair(d, g, 1.0) for g, some in members.items() for d in some if d != g]
        made = grouped(every, [*kept, *(Pair(a, b, 1.0) for a, b in pairs)])
        before = {d: g for g, some in members.items() for d in some}
        self._write(tx, {d for d in every if made.get(d) != before.get(d)}, made)

    def _regroup(self, tx: Transaction, ids: Collection[str]) -> None:
        """Group documents, and all that pairs and decisions lead to from them, anew."""
        if not ids:
            return
        together, apart = said_of_copies(Log(self._tables, self._workspace).read_in(tx))
        pairs: dict[tuple[str, str], Pair] = {}
        reached, new = set(ids), set(ids)
        while new:
            found = self._beside(tx, sorted(new))
            for some in _chunks(sorted(new)):
                for row in tx.rows(self._sql.pairs_of, {"workspace": self._workspace, "ids": some}):
                    pairs[row.one, row.other] = Pair(row.one, row.other, row.similarity)
                    found |= {row.one, row.other}
            found |= {x for pair in together if not new.isdisjoint(pair) for x in pair}
            new = found - reached
            reached |= new
        there = self._there(tx, reached)
        made = grouped(there, pairs.values(), together=together, apart=apart)
        self._write(tx, reached, made)

    def _beside(self, tx: Reading, ids: Sequence[str]) -> set[str]:
        """All that are in a group with some of these."""
        found: set[str] = set()
        groups = sorted(set(self._groups(tx, ids).values()))
        for some in _chunks(groups):
            rows = tx.rows(self._sql.members, {"workspace": self._workspace, "ids": some})
            found |= {r.document_id for r in rows}
        return found

    def _there(self, tx: Reading, ids: Collection[str]) -> set[str]:
        found: set[str] = set()
        for some in _chunks(sorted(ids)):
            rows = tx.rows(self._sql.sketches, {"workspace": self._workspace, "ids": some})
            found |= {r.document_id for r in rows}
        return found

    def _write(self, tx: Transaction, changed: Collection[str], made: Mapping[str, str]) -> None:
        for some in _chunks(sorted(changed)):
            tx.run(self._sql.drop_members, {"workspace": self._workspace, "ids": some})
        rows = [
            {"document_id": d, "workspace": self._workspace, "first_id": made[d]}
            for d in sorted(changed)
            if d in made
        ]
        tx.run(self._sql.add_member, rows)

    def _groups(self, tx: Reading, ids: Collection[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for some in _chunks(sorted(ids)):
            rows = tx.rows(self._sql.groups_of, {"workspace": self._workspace, "ids": some})
            found |= {r.document_id: r.first_id for r in rows}
        return found

    # --- what others ask

    def groups(self, ids: Collection[str]) -> dict[str, str]:
        """The group of each of these documents that has copies."""
        if not ids:
            return {}
        with self._tables.read() as tx:
            return self._groups(tx, ids)

    def are_there(self) -> bool:
        """Whether any documents are copies."""
        with self._tables.read() as tx:
            return bool(tx.rows(self._sql.some, {"workspace": self._workspace}))

    def others(self, ids: Collection[str]) -> dict[str, int]:
        """How many copies each of these documents has, of those that have any; those of the same bytes count as well."""
        sql = self._sql
        found: Counter[str] = Counter()
        with self._tables.read() as tx:
            for some in _chunks(sorted(ids)):
                key = {"workspace": self._workspace, "ids": some}
                grouped = {r.document_id: r.n for r in tx.rows(sql.others, key)}
                found.update(grouped)
                rest = [ident for ident in some if ident not in grouped]
                for query, own in ((sql.twins_in_groups, list(grouped)), (sql.twins, rest)):
                    for row in tx.rows(query, key | {"ids": own}) if own else ():
                        found[row.document_id] += row.n
        return dict(found)

    def twins(self, ids: Collection[str]) -> dict[str, str]:
        """Documents of the same bytes as some of these, 1000 at most: the one of these that has their text."""
        found: dict[str, str] = {}
        with self._tables.read() as tx:
            for some in _chunks(sorted(ids)):
                left = _TWINS - len(found)
                values = {"workspace": self._workspace, "ids": some, "limit": left}
                if left > 0:
                    found |= {r.id: r.duplicate_of for r in tx.rows(self._sql.twins_of, values)}
        return found

    def of(self, document_id: str) -> list[Copy]:
        """The copies of a document, the most alike first."""
        with self._tables.read() as tx:
            beside = self._beside(tx, [document_id]) - {document_id}
            rows = tx.rows(self._sql.pairs_of, {"workspace": self._workspace, "ids": [document_id]})
        direct = {r.other if r.one == document_id else r.one: r for r in rows}
        found = []
        for other in beside:
            row = direct.get(other)
            if row is None:
                found.append(Copy(other, 0.0, 0.0, None))
            else:
                found.append(Copy(other, row.similarity, row.containment, Why(row.why)))
        return sorted(found, key=lambda c: (-c.similarity, c.document_id))

    def largest(self, offset: int, limit: int) -> tuple[int, int, list[tuple[int, list[str]]]]:
        """How many groups there are and documents in them, and some groups, the largest first.

        Each group with its size, in which documents of the same bytes count, and those of its members that have a text.
        """
        key: dict[str, Any] = {"workspace": self._workspace}
        with self._tables.read() as tx:
            counted = tx.one(self._sql.count_groups, key)
            rows = tx.rows(self._sql.groups, key | {"limit": limit, "offset": offset})
            members: dict[str, list[str]] = {r.first_id: [] for r in rows}
            for some in _chunks(list(members)):
                for row in tx.rows(self._sql.members, key | {"ids": some}):
                    members[row.first_id].append(row.document_id)
        n_groups, n_documents = (counted.n_groups, counted.n_documents) if counted else (0, 0)
        groups = [(int(r.n), members[r.first_id] or [r.first_id]) for r in rows]
        return int(n_groups), int(n_documents), groups


def _chunks(values: Sequence[_T]) -> Iterable[list[_T]]:
    for first in range(0, len(values), _BATCH):
        yield list(values[first : first + _BATCH])
