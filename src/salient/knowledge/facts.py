"""Facts: findings that say the same of the same entities, with every sentence behind them.

A fact is not stored. It is what findings add up to under the present linking, so that merging,
splitting, deleting and reading anew change facts at once and leave none without evidence. The two
sides of a symmetric predicate stand in one order; which predicates are symmetric the ontology says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from salient.errors import NotFound
from salient.knowledge.decisions import KB, Log, constraints, in_force
from salient.knowledge.statements import VIA
from salient.model import Evidence, Fact, Status
from salient.storage.sql import Reading, Tables


def fact_id(
    workspace: str, subject: str, predicate: str, entity: str | None, value: str | None
) -> str:
    """The id of the fact with these parts: 20 hex digits."""
    parts = "\0".join((workspace, subject, predicate, entity or "", value or ""))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def page(
    tables: Tables,
    workspace: str,
    symmetric: Collection[str],
    *,
    entity: str | None = None,
    document: str | None = None,
    predicate: str | None = None,
    offset: int = 0,
    limit: int = 50,
) -> tuple[int, list[Fact]]:
    """How many facts fit, and a page of them: most sources first, then surest.

    Args:
        document: only facts that it states; the evidence of others comes along.
    """
    sql = tables.load("salient.knowledge", "facts.sql")
    said = _Said(workspace, symmetric)
    chosen = said.values | {"entity": entity, "document": document, "predicate": predicate}
    some = (sql.count, sql.page) if entity is None else (sql.count_of_entity, sql.page_of_entity)
    with tables.read() as tx:
        total = int(tx.value(some[0], chosen) or 0)
        rows = tx.rows(some[1], chosen | {"limit": limit, "offset": offset})
        verdicts = _verdicts(tx, sql, tables, said)
        return total, [_fact(tx, sql, said, row, verdicts) for row in rows]


def every(tables: Tables, workspace: str, symmetric: Collection[str]) -> Iterator[Fact]:
    """All facts in order of their parts: equal workspaces give equal sequences."""
    sql = tables.load("salient.knowledge", "facts.sql")
    said = _Said(workspace, symmetric)
    with tables.read() as tx:
        verdicts = _verdicts(tx, sql, tables, said)
        for row in tx.rows(sql.all_facts, said.values):
            yield _fact(tx, sql, said, row, verdicts)


def predicates(
    tables: Tables,
    workspace: str,
    symmetric: Collection[str],
    *,
    entity: str | None = None,
    document: str | None = None,
) -> list[tuple[str, int]]:
    """How many facts there are of each predicate, most first."""
    sql = tables.load("salient.knowledge", "facts.sql")
    chosen = _Said(workspace, symmetric).values | {"entity": entity, "document": document}
    with tables.read() as tx:
        rows = tx.rows(sql.predicates if entity is None else sql.predicates_of_entity, chosen)
        return [(r.predicate, r.n) for r in rows]


def find(tables: Tables, workspace: str, symmetric: Collection[str], ident: str) -> Fact:
    """The fact with an id.

    Raises:
        NotFound: no such fact; linking may have made another of it.

    Cost: linear in the number of facts.
    """
    sql = tables.load("salient.knowledge", "facts.sql")
    said = _Said(workspace, symmetric)
    with tables.read() as tx:
        for row in tx.stream(sql.all_facts, said.values):
            parts = (row.subject, row.predicate, row.object_entity, row.object_value)
            if fact_id(workspace, *parts) == ident:
                return _fact(tx, sql, said, row, _verdicts(tx, sql, tables, said))
    raise NotFound(f"no fact {ident!r}", id=ident)


@dataclass(frozen=True, slots=True)
class _Said:
    """Whose facts, and which predicates read the same both ways."""

    workspace: str
    symmetric: Collection[str]

    @property
    def values(self) -> dict[str, Any]:
        return {"workspace": self.workspace, "symmetric": sorted(self.symmetric) or [""]}


def _evidence_rows(tx: Reading, sql: Any, said: _Said, row: Any) -> list[Any]:
    by_value = row.object_entity is None
    query = sql.evidence_of_value if by_value else sql.evidence_of_entity
    values = {
        "workspace": said.workspace,
        "mirrored": int(row.predicate in said.symmetric),
        "subject": row.subject,
        "predicate": row.predicate,
        "object": row.object_value if by_value else row.object_entity,
    }
    return tx.rows(query, values)


def _fact(
    tx: Reading, sql: Any, said: _Said, row: Any, verdicts: dict[tuple[str, ...], Status]
) -> Fact:
    workspace = said.workspace
    rows = _evidence_rows(tx, sql, said, row)
    qualifiers: dict[str, str] = {}
    for found in rows:  # surest first: its word on a qualifier stays
        for name, value in json.loads(found.qualifiers).items():
            qualifiers.setdefault(name, value)
    if not all(VIA in json.loads(found.qualifiers) for found in rows):
        qualifiers.pop(VIA, None)  # another sentence names them
    key = (row.subject, row.predicate, row.object_entity or row.object_value or "")
    return Fact(
        id=fact_id(workspace, row.subject, row.predicate, row.object_entity, row.object_value),
        workspace=workspace,
        subject=row.subject,
        predicate=row.predicate,
        object_entity=row.object_entity,
        object_value=None if row.object_entity else row.object_value,
        qualifiers=qualifiers,
        evidence=tuple(
            Evidence(
                start=r.start_at,
                end=r.end_at,
                document_id=r.document_id,
                version=r.version,
                page=r.page,
                quote=r.quote,
                component=r.component,
                confidence=r.confidence,
            )
            for r in _each_source_first(rows)
        ),
        confidence=_noisy_or(rows),
        n_sources=len({r.source for r in rows}),
        status=verdicts.get(key, Status.PROPOSED),
    )


def _each_source_first(rows: Sequence[Any]) -> list[Any]:
    """The rows, but those last that stand in a copy of a document that was quoted before."""
    shown: dict[str, str] = {}
    own = [shown.setdefault(r.source, r.document_id) == r.document_id for r in rows]
    return [r for r, mine in zip(rows, own, strict=True) if mine] + [
        r for r, mine in zip(rows, own, strict=True) if not mine
    ]


def _noisy_or(rows: Sequence[Any]) -> float:
    """The chance that not every source is wrong; one counts once, with its surest sentence, in all its copies."""
    best: dict[str, float] = {}
    for row in rows:
        best[row.source] = max(best.get(row.source, 0.0), row.confidence)
    wrong = 1.0
    for confidence in sorted(best.values()):
        wrong *= 1.0 - confidence
    return min(1.0, max(0.0, 1.0 - wrong))


def _verdicts(tx: Reading, sql: Any, tables: Tables, said: _Said) -> dict[tuple[str, ...], Status]:
    """People's verdicts by (subject entity, predicate, object entity or value)."""
    judged = constraints(in_force(Log(tables, said.workspace).read_in(tx))).judged
    refs = sorted({r for subject, _, other in judged for r in (subject, other)})
    if not refs:
        return {}
    found = tx.rows(sql.entity_of_name, {"workspace": said.workspace, "ids": refs})
    entity: dict[str, str] = {r.name_id: r.entity_id for r in found}

    def now(ref: str) -> str:
        return entity.get(ref, ref.removeprefix("=").removeprefix(KB))

    verdicts: dict[tuple[str, ...], Status] = {}
    for (subject, predicate, other), verdict in judged.items():
        verdicts[now(subject), predicate, now(other)] = verdict
        if predicate in said.symmetric:  # its entities' order may have changed since
            verdicts[now(other), predicate, now(subject)] = verdict
    return verdicts
