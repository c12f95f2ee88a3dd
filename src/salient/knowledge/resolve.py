"""From names to entities, across documents.

A function of the set of names, the knowledge base and people's decisions. The order in which documents came does not matter, and doing it again changes
nothing.

Only components that a change touches are computed again: names are tied to others by shared keys
(`candidates`), and a cluster never reaches beyond the names that ties lead to.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from salient import log
from salient.knowledge.candidates import MAX_BLOCK, Blocks, Edge
from salient.knowledge.clusters import Beside, Node, Placed, cluster
from salient.knowledge.decisions import KB, Constraints, Log, constraints
from salient.knowledge.names import normalise, parse
from salient.knowledge.store import entity_row
from salient.storage.sql import Reading as Snapshot
from salient.storage.sql import Tables

_log = log.get(__name__)
_BATCH = 500
_MAX_ALIASES = 24


@dataclass(frozen=True, slots=True)
class Changes:
    """What a resolution did."""

    n_looked_at: int = 0
    n_moved: int = 0
    """Names that are new, gone, or belong to another entity than before."""
    entities: frozenset[str] = frozenset()
    """Entities that are new, gone or changed."""


@dataclass(slots=True)
class _Usage:
    """What documents say of a name."""

    n_mentions: int
    documents: list[str]
    surfaces: Counter[str]
    forms: set[str]
    near: set[str]
    locative: bool = False


@final
class Resolver:
    """Keeps `entity` and `name_entity` of a workspace right."""

    def __init__(self, tables: Tables, workspace: str) -> None:
        self._tables, self._workspace = tables, workspace
        self._sql = tables.load("salient.knowledge", "knowledge.sql")
        self._decisions = Log(tables, workspace)

    def resolve(self, touched: set[str] | None = None) -> Changes:
        """Bring entities up to date.

        Args:
            touched: names whose documents changed, or references of a decision (`kb:ID` too);
                None looks at all. Callers see to it that one resolution runs at a time.

        Cost: one pass over all names for their keys, and work in proportion to the components
        touched. All names: linear in their number.
        """
        if touched is not None and not touched:
            return Changes()
        with self._tables.read() as tx:
            run = _Run(self, tx, touched)
            run.compute()
        run.write(self._tables)
        _log.info(
            "entities.resolved", n_looked_at=run.changes.n_looked_at, n_moved=run.changes.n_moved
        )
        return run.changes


class _Run:
    """One resolution: read and computed on a snapshot, then written."""

    def __init__(self, resolver: Resolver, tx: Snapshot, touched: set[str] | None) -> None:
        self._sql, self._workspace = resolver._sql, resolver._workspace
        self._tx, self._touched = tx, touched
        self._limits: Constraints = constraints(resolver._decisions.read_in(tx))
        self._usage: dict[str, _Usage] = {}
        self._links: dict[str, tuple[str, float, str]] = {}
        self._old: dict[str, tuple[str, float, str]] = {}
        self._gone: set[str] = set()
        self._rows: list[dict[str, Any]] = []
        self._dropped: set[str] = set()
        self.changes = Changes()

    # ---- reading

    def compute(self) -> None:
        key = {"workspace": self._workspace}
        names = sorted(
            ((r.type, r.norm, r.id) for r in self._tx.stream(self._sql.all_names, key)),
        )
        aliases = [
            (r.type, r.norm, f"{KB}{r.entity_id}")
            for r in self._tx.stream(self._sql.all_aliases, key)
        ]
        every = [*names, *aliases]
        blocks = Blocks([(kind, norm) for kind, norm, _ in every])
        rows = None if self._touched is None else self._component(every, blocks, self._touched)
        chosen = range(len(every)) if rows is None else rows
        refs = [every[row][2] for row in chosen]
        self._read_usage([r for r in refs if not r.startswith(KB)])
        alive = [
            (row, every[row])
            for row in chosen
            if every[row][2].startswith(KB) or every[row][2] in self._usage
        ]
        self._gone = {r for r in refs if not r.startswith(KB) and r not in self._usage}
        self._read_links([r for r in refs if not r.startswith(KB)])
        nodes = [
            Node(ref if not ref.startswith(KB) else f"{ref}\0{norm}", parse(norm, kind),
                 len(self._usage[ref].documents) if ref in self._usage else 0,
                 ref.removeprefix(KB) if ref.startswith(KB) else None)
            for _, (kind, norm, ref) in alive
        ]  # fmt: skip
        number = {row: i for i, (row, _) in enumerate(alive)}
        edges = [
            Edge(e.level, number[e.left], number[e.right], e.score, e.method)
            for e in blocks.edges(None if rows is None else sorted(number))
            if e.left in number and e.right in number
        ]
        placed = self._cluster(nodes, edges)
        self._entities(nodes, placed)

    def _component(
        self, every: Sequence[tuple[str, str, str]], blocks: Blocks, touched: set[str]
    ) -> list[int]:
        """All names that ties lead to from those touched, and those that lately were tied to them."""
        by_ref: dict[str, list[int]] = {}
        for row, (_, _, ref) in enumerate(every):
            by_ref.setdefault(ref, []).append(row)
        near = self._limits.neighbours()
        starts = {row for ref in touched for row in by_ref.get(ref, [])}
        found = set(starts)
        todo = sorted(starts)
        while todo:
            step: set[int] = set()
            for edge in blocks.edges(todo):
                step.update((edge.left, edge.right))
            for row in todo:
                if row in starts:
                    step.update(self._once_tied(blocks, row, starts))
                step.update(r for ref in near.get(every[row][2], ()) for r in by_ref.get(ref, []))
            refs = sorted({every[row][2] for row in todo})
            step.update(row for ref in self._housemates(refs) for row in by_ref.get(ref, []))
            # All aliases of an entity come along.
            step.update(
                row for r in list(step) if every[r][2].startswith(KB) for row in by_ref[every[r][2]]
            )
            todo = sorted(step - found)
            found |= step
        return sorted(found)

    @staticmethod
    def _once_tied(blocks: Blocks, row: int, starts: set[int]) -> Iterator[int]:
        """Names in blocks that may have grown too large for ties by what was just added."""
        for block in blocks.of(row):
            if len(block) > MAX_BLOCK:
                rest = [int(r) for r in block if int(r) not in starts]
                if len(rest) <= MAX_BLOCK:
                    yield from rest

    def _housemates(self, refs: Sequence[str]) -> set[str]:
        """Names that now share an entity with some of these."""
        names = [r for r in refs if not r.startswith(KB)]
        entities = {r.removeprefix(KB) for r in refs if r.startswith(KB)}
        for some in _batches(names):
            entities.update(
                r.entity_id for r in self._tx.rows(self._sql.links_of_names, {"ids": some})
            )
        found: set[str] = set()
        for some in _batches(sorted(entities)):
            key = {"workspace": self._workspace, "ids": some}
            found.update(r.name_id for r in self._tx.rows(self._sql.links_of_entities, key))
        return found

    def _read_usage(self, names: Sequence[str]) -> None:
        for some in _batches(names):
            for r in self._tx.rows(self._sql.name_documents, {"ids": some}):
                context = json.loads(r.context)
                usage = self._usage.get(r.name_id)
                if usage is None:
                    usage = self._usage[r.name_id] = _Usage(0, [], Counter(), set(), set())
                usage.n_mentions += r.n_mentions
                usage.documents.append(r.document_id)
                usage.surfaces[r.surface] += 1
                usage.forms.update(context.get("forms", ()))
                usage.near.update(context.get("near", ()))
                usage.locative |= bool(context.get("locative"))

    def _read_links(self, names: Sequence[str]) -> None:
        for some in _batches(names):
            for r in self._tx.rows(self._sql.links_of_names, {"ids": some}):
                self._old[r.name_id] = (r.entity_id, float(r.score), r.method)

    # ---- computing

    def _cluster(self, nodes: Sequence[Node], edges: Sequence[Edge]) -> list[Placed]:
        at: dict[str, int] = {}
        for row, node in enumerate(nodes):
            at.setdefault(node.ref.partition("\0")[0], row)

        def pairs(listed: Iterable[tuple[str, str]]) -> list[tuple[int, int]]:
            return [(at[a], at[b]) for a, b in listed if a in at and b in at]

        forms: dict[int, set[str]] = {}

        def known(short: int, long: int) -> bool:
            if long not in forms:
                usage = self._usage.get(nodes[long].ref)
                person = nodes[long].name.kind == "PERSON"
                forms[long] = {normalise(f, person=person) for f in usage.forms} if usage else set()
            return nodes[short].name.norm in forms[long]

        def near(row: int) -> set[str]:
            usage = self._usage.get(nodes[row].ref)
            return usage.near if usage else set()

        def shared(a: int, b: int) -> int:
            return len(near(a) & near(b))

        def locative(row: int) -> bool:
            usage = self._usage.get(nodes[row].ref)
            return usage is not None and usage.locative

        def nearer(row: int, options: Sequence[int]) -> int | None:
            beside = {t for n in near(row) for t in n.split() if len(t) > 2}
            ranked: dict[str, tuple[int, int]] = {}
            for option in options:
                kb = nodes[option].kb or ""
                if kb not in ranked:
                    ranked[kb] = (len(beside & self._profile(kb)), option)
            best = sorted(ranked.values(), key=lambda r: (-r[0], r[1]))
            if best[0][0] and (len(best) == 1 or best[0][0] > best[1][0]):
                return best[0][1]
            return None

        return cluster(
            nodes,
            edges,
            pairs(self._limits.must),
            pairs(self._limits.cannot),
            Beside(known, shared, locative),
            nearer,
        )

    def _profile(self, kb: str) -> set[str]:
        """Words that the knowledge base says of an entity."""
        row = self._tx.one(self._sql.entity, {"workspace": self._workspace, "id": kb})
        if row is None:
            return set()
        said = " ".join(map(str, json.loads(row.properties).values()))
        return set(normalise(said[:1000]).split())

    def _entities(self, nodes: Sequence[Node], placed: Sequence[Placed]) -> None:
        groups: dict[int, list[int]] = {}
        for row, place in enumerate(placed):
            groups.setdefault(place.root, []).append(row)
        old_entities = {entity for entity, _, _ in self._old.values()}
        kb_ids = {n.kb for n in nodes if n.kb}
        current = self._current(sorted(old_entities | kb_ids))
        written: set[str] = set()
        for root in sorted(groups, key=lambda r: nodes[min(groups[r])].ref):
            rows = groups[root]
            names = [r for r in rows if nodes[r].kb is None]
            kb = next((nodes[r].kb for r in rows if nodes[r].kb), None)
            if not names and kb is None:
                continue
            core = [r for r in names if placed[r].own]
            entity = self._entity(kb, names, core or names, nodes, current)
            written.add(entity["id"])
            if entity != current.get(entity["id"]):
                self._rows.append(entity)
            for r in names:
                self._links[nodes[r].ref] = (
                    entity["id"],
                    round(placed[r].score, 4),
                    placed[r].method,
                )
        self._dropped = {
            e for e in old_entities - written if current.get(e, {}).get("origin") == "found"
        }
        moved = [n for n, link in self._links.items() if self._old.get(n) != link]
        moved += [n for n in self._gone if n in self._old]
        self.changes = Changes(
            n_looked_at=len(nodes),
            n_moved=len(moved),
            entities=frozenset({e["id"] for e in self._rows} | self._dropped),
        )

    def _current(self, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for some in _batches(ids):
            key = {"workspace": self._workspace, "ids": some}
            found.update({r.id: dict(r._mapping) for r in self._tx.rows(self._sql.entities, key)})
        return found

    def _entity(
        self,
        kb: str | None,
        names: Sequence[int],
        core: Sequence[int],
        nodes: Sequence[Node],
        current: Mapping[str, Mapping[str, Any]],
    ) -> dict[str, Any]:
        """The row of one entity."""
        usages = [self._usage[nodes[r].ref] for r in names]
        refs = [nodes[r].ref for r in names] + ([f"{KB}{kb}"] if kb else [])
        named = self._decided(self._limits.names, refs)
        typed = self._decided(self._limits.types, refs)
        counts = {
            "n_mentions": sum(u.n_mentions for u in usages),
            "n_documents": len({d for u in usages for d in u.documents}),
        }
        if kb is not None:
            row = dict(current[kb])
            properties = json.loads(row["properties"])
            imported = properties.pop("imported", {"name": row["name"], "type": row["type"]})
            row["name"] = named or imported["name"]
            row["type"] = typed or imported["type"]
            if named or typed:  # what to go back to when the decision is undone
                properties["imported"] = imported
            row["properties"] = json.dumps(properties, ensure_ascii=False, sort_keys=True)
            return row | counts
        surfaces: Counter[str] = Counter()
        for r in core:
            surfaces.update(self._usage[nodes[r].ref].surfaces)
        best = max(
            (s for s in surfaces),
            key=lambda s: (surfaces[s], not s.isupper(), len(s), [-ord(c) for c in s]),
        )
        votes: Counter[str] = Counter()
        for r in core:
            votes[nodes[r].name.kind] += self._usage[nodes[r].ref].n_mentions
        smallest = min(core, key=lambda r: (nodes[r].name.norm, nodes[r].name.kind))
        every: Counter[str] = Counter()
        for usage in usages:
            every.update(usage.surfaces)
            every.update(dict.fromkeys(usage.forms, 0))
        name = named or best
        aliases = sorted((s for s in every if s != name), key=lambda s: (-every[s], s))
        return {
            "id": f"e{nodes[smallest].ref}"[:20],
            "workspace": self._workspace,
            "type": typed or min(votes, key=lambda k: (-votes[k], k)),
            "name": name,
            "origin": "found",
            "aliases": json.dumps(aliases[:_MAX_ALIASES], ensure_ascii=False),
            "identifiers": "{}",
            "properties": "{}",
            **counts,
        }

    @staticmethod
    def _decided(table: Mapping[str, str], refs: Sequence[str]) -> str | None:
        # Later decisions stand later in the table.
        order = [ref for ref in table if ref in set(refs)]
        return table[order[-1]] if order else None

    # ---- writing

    def write(self, tables: Tables) -> None:
        """Write what changed, in one transaction."""
        sql, workspace = self._sql, self._workspace
        moved = sorted(n for n, link in self._links.items() if self._old.get(n) != link)
        gone = sorted(self._gone)
        if not (moved or gone or self._rows or self._dropped):
            return
        with tables.transaction() as tx:
            stale = sorted(
                {*(m for m in moved if m in self._old), *(g for g in gone if g in self._old)}
            )
            for some in _batches(stale):
                tx.run(sql.drop_links, {"ids": some})
            tx.run(
                sql.add_link,
                [
                    {"name_id": n, "workspace": workspace, "entity_id": e, "score": s, "method": m}
                    for n in moved
                    for e, s, m in (self._links[n],)
                ],
            )
            for some in _batches(gone):
                # A document may have brought the name back since the snapshot.
                back = {r.name_id for r in tx.rows(sql.name_documents, {"ids": some})}
                tx.run(sql.drop_names, {"ids": [g for g in some if g not in back] or [""]})
            drop = sorted(self._dropped | {row["id"] for row in self._rows})
            for some in _batches(drop):
                tx.run(sql.drop_entities, {"workspace": workspace, "ids": some})
            tx.run(sql.add_entity, [entity_row(row) for row in self._rows])


def _batches(items: Sequence[str]) -> Iterator[list[str]]:
    for first in range(0, len(items), _BATCH):
        yield list(items[first : first + _BATCH])
