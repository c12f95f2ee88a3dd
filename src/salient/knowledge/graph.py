"""The graph of entities: what is connected with what, how, and by which sentences.

Edges are of two kinds: facts, which have a direction and a predicate, and "together", which says
that two entities stand in one sentence. Both are counted in documents, from the tables, at the time
of asking.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from xml.sax.saxutils import escape, quoteattr

from salient.errors import InvalidInput, NotFound
from salient.knowledge import facts
from salient.model import Evidence
from salient.storage.sql import Reading, Tables

TOGETHER = "together"
COMPONENT = "salient.graph@1"
FORMS = ("graphml", "jsonld", "csv")

Kind = Literal["fact", "together"]
_FANOUT = 2000  # strongest "together" edges looked at in one step


@dataclass(frozen=True, slots=True)
class Node:
    """An entity. `expanded`: every edge of it that was asked for is in the network."""

    id: str
    name: str
    type: str
    n_mentions: int
    expanded: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """A connection between two entities, counted in documents."""

    source: str
    target: str
    predicate: str
    kind: Kind
    n: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Network:
    """A part of the graph; `left_out` counts neighbours beyond the limit."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    left_out: int = 0


def neighbours(
    tables: Tables,
    workspace: str,
    ids: Sequence[str],
    *,
    depth: int = 1,
    kinds: Sequence[Kind] = ("fact", "together"),
    predicates: Sequence[str] = (),
    limit: int = 60,
) -> Network:
    """The entities within `depth` steps of `ids`, the strongest connections first.

    Facts come before "together", then the number of documents decides.

    Raises:
        NotFound: one of `ids` is no entity.
    """
    sql = tables.load("salient.knowledge", "graph.sql")
    with tables.read() as tx:
        rows = _known(tx, sql, workspace, ids)
        chosen = dict.fromkeys(ids)
        border, edges, left_out = list(chosen), {}, 0
        whole = set(chosen)
        for _ in range(depth):
            found = _edges(tx, sql, workspace, border, kinds, predicates)
            border = []
            skipped: set[str] = set()
            for edge in found:
                for end in (edge.source, edge.target):
                    if end in chosen:
                        continue
                    if len(chosen) >= limit:
                        skipped.add(end)
                        continue
                    chosen[end] = None
                    border.append(end)
                if edge.source in chosen and edge.target in chosen:
                    edges[edge.source, edge.predicate, edge.target] = edge
            left_out += len(skipped)
            if skipped:
                whole = {w for w in whole if not _touches(w, skipped, found)}
        # Links among those shown, which the walk outwards has not met.
        for edge in _edges(tx, sql, workspace, list(chosen), kinds, predicates):
            if edge.source in chosen and edge.target in chosen:
                edges.setdefault((edge.source, edge.predicate, edge.target), edge)
        rows |= _known(tx, sql, workspace, list(chosen))
    nodes = tuple(
        Node(i, rows[i].name, rows[i].type, rows[i].n_mentions, i in whole) for i in chosen
    )
    return Network(nodes, tuple(edges.values()), left_out)


def path(
    tables: Tables,
    workspace: str,
    source: str,
    target: str,
    *,
    max_length: int = 4,
    kinds: Sequence[Kind] = ("fact", "together"),
) -> Network:
    """A shortest path, its nodes in order; an empty network when there is none.

    Cost: one step outwards from the smaller side at a time, so it looks at two half balls.

    Raises:
        NotFound: an end is no entity.
    """
    sql = tables.load("salient.knowledge", "graph.sql")
    with tables.read() as tx:
        rows = _known(tx, sql, workspace, [source, target])
        sides: list[dict[str, Edge | None]] = [{source: None}, {target: None}]
        borders = [[source], [target]]
        meeting = source if source == target else None
        for _ in range(max_length):
            if meeting is not None:
                break
            side = 0 if len(borders[0]) <= len(borders[1]) else 1
            if not borders[side]:
                break
            reached: list[str] = []
            here = set(borders[side])
            for edge in _edges(tx, sql, workspace, borders[side], kinds, ()):
                for near, far in ((edge.source, edge.target), (edge.target, edge.source)):
                    if near in here and far not in sides[side]:
                        sides[side][far] = edge
                        reached.append(far)
            borders[side] = reached
            meeting = next((r for r in reached if r in sides[1 - side]), None)
        if meeting is None:
            return Network((), ())
        ids, edges = _trace(sides, meeting)
        rows |= _known(tx, sql, workspace, ids)
    nodes = tuple(
        Node(i, rows[i].name, rows[i].type, rows[i].n_mentions, expanded=False) for i in ids
    )
    return Network(nodes, tuple(edges))


def evidence(
    tables: Tables, workspace: str, source: str, target: str, predicate: str, *, limit: int = 30
) -> list[Evidence]:
    """The sentences behind an edge. A "together" edge's quotes are left empty: its spans say where."""
    sql = tables.load("salient.knowledge", "graph.sql")
    values = {"workspace": workspace, "source": source, "target": target, "limit": limit}
    together = predicate == TOGETHER
    with tables.read() as tx:
        if together:
            rows = tx.rows(sql.together_evidence, values)
        else:
            rows = tx.rows(sql.fact_evidence, values | {"predicate": predicate})
    return [
        Evidence(
            start=r.start_at,
            end=r.end_at,
            document_id=r.document_id,
            version=r.version,
            page=r.page,
            quote="" if together else r.quote,
            component=COMPONENT if together else r.component,
            confidence=1.0 if together else r.confidence,
        )
        for r in rows
    ]


def export(
    tables: Tables, workspace: str, form: str, symmetric: Collection[str]
) -> Iterator[bytes]:
    """All entities that are mentioned and all facts, streamed in a fixed order.

    Raises:
        InvalidInput: no such form. Raised at once, not with the first piece.
    """
    if form not in FORMS:
        raise InvalidInput(f"the graph is exported as {', '.join(FORMS)}, not {form}")
    return {"graphml": _graphml, "jsonld": _jsonld, "csv": _csv}[form](tables, workspace, symmetric)


def _known(tx: Reading, sql: Any, workspace: str, ids: Sequence[str]) -> dict[str, Any]:
    found = {r.id: r for r in tx.rows(sql.entities, {"workspace": workspace, "ids": list(ids)})}
    for ident in ids:
        if ident not in found:
            raise NotFound(f"no entity {ident!r}", id=ident)
    return found


def _edges(
    tx: Reading,
    sql: Any,
    workspace: str,
    ids: Sequence[str],
    kinds: Sequence[Kind],
    predicates: Sequence[str],
) -> list[Edge]:
    """Edges at any of `ids`, strongest first."""
    if not ids:
        return []
    edges: list[Edge] = []
    if "fact" in kinds:
        edges += [
            Edge(r.source, r.target, r.predicate, "fact", r.n, r.confidence)
            for r in tx.rows(sql.fact_edges, {"workspace": workspace, "ids": list(ids)})
            if not predicates or r.predicate in predicates
        ]
    if "together" in kinds:
        seen: set[tuple[str, str]] = set()
        values = {"workspace": workspace, "ids": list(ids), "limit": _FANOUT}
        for r in tx.rows(sql.together_edges, values):
            pair = (min(r.source, r.target), max(r.source, r.target))
            if pair not in seen:
                seen.add(pair)
                edges.append(Edge(*pair, TOGETHER, "together", r.n, 1.0))
    return edges


def _touches(ident: str, skipped: set[str], edges: Sequence[Edge]) -> bool:
    return any(
        (e.source == ident and e.target in skipped) or (e.target == ident and e.source in skipped)
        for e in edges
    )


def _trace(sides: Sequence[dict[str, Edge | None]], meeting: str) -> tuple[list[str], list[Edge]]:
    """Nodes and edges from source over the meeting point to target."""
    halves: list[tuple[list[str], list[Edge]]] = []
    for side in sides:
        ids, edges, at = [meeting], [], meeting
        while (edge := side[at]) is not None:
            edges.append(edge)
            at = edge.source if edge.target == at else edge.target
            ids.append(at)
        halves.append((ids, edges))
    (before, first), (after, second) = halves
    return before[::-1] + after[1:], first[::-1] + second


def _rows(tables: Tables, workspace: str) -> Iterator[Any]:
    sql = tables.load("salient.knowledge", "graph.sql")
    with tables.read() as tx:
        yield from tx.stream(sql.all_entities, {"workspace": workspace})


def _graphml(tables: Tables, workspace: str, symmetric: Collection[str]) -> Iterator[bytes]:
    keys = [
        ("name", "node"), ("type", "node"), ("mentions", "node"), ("documents", "node"),
        ("predicate", "edge"), ("value", "edge"), ("confidence", "edge"), ("status", "edge"), ("evidence", "edge"),
    ]  # fmt: skip
    yield b'<?xml version="1.0" encoding="UTF-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">\n'
    kinds = {"mentions": "int", "documents": "int", "confidence": "double"}
    for name, of in keys:
        kind = kinds.get(name, "string")
        yield f'<key id="{name}" for="{of}" attr.name="{name}" attr.type="{kind}"/>\n'.encode()
    yield b'<graph edgedefault="directed">\n'
    for row in _rows(tables, workspace):
        fields = {
            "name": row.name,
            "type": row.type,
            "mentions": row.n_mentions,
            "documents": row.n_documents,
        }
        yield f"<node id={quoteattr(row.id)}>{_data(fields)}</node>\n".encode()
    for fact in facts.every(tables, workspace, symmetric):
        if fact.object_entity is None:
            continue
        shown = [
            {"document": e.document_id, "start": e.start, "end": e.end, "quote": e.quote}
            for e in fact.evidence
        ]
        fields = {
            "predicate": fact.predicate,
            "confidence": round(fact.confidence, 4),
            "status": fact.status.value,
            "evidence": json.dumps(shown, ensure_ascii=False),
        }
        ends = f"source={quoteattr(fact.subject)} target={quoteattr(fact.object_entity)}"
        yield f'<edge id="{fact.id}" {ends}>{_data(fields)}</edge>\n'.encode()
    yield b"</graph>\n</graphml>\n"


def _data(fields: dict[str, Any]) -> str:
    return "".join(f'<data key="{k}">{_xml(str(v))}</data>' for k, v in fields.items())


def _xml(text: str) -> str:
    """Text that XML 1.0 can hold: its control characters cannot be written at all."""
    return escape(
        "".join(c for c in text if c in "\t\n\r" or " " <= c <= "\ud7ff" or c >= "\ue000")
    )


def _jsonld(tables: Tables, workspace: str, symmetric: Collection[str]) -> Iterator[bytes]:
    context = {
        "@vocab": "https://schema.org/",
        "salient": "urn:salient:",
        "predicate": "salient:predicate",
        "evidence": "salient:evidence",
        "confidence": "salient:confidence",
    }
    yield b'{"@context":' + json.dumps(context).encode() + b',"@graph":[\n'
    first = True
    for row in _rows(tables, workspace):
        node = {
            "@id": f"salient:entity/{row.id}",
            "@type": f"salient:{row.type}",
            "name": row.name,
            "identifier": json.loads(row.identifiers),
        }
        yield (b"" if first else b",\n") + json.dumps(
            node, ensure_ascii=False, sort_keys=True
        ).encode()
        first = False
    for fact in facts.every(tables, workspace, symmetric):
        target: Any = (
            {"@id": f"salient:entity/{fact.object_entity}"}
            if fact.object_entity
            else fact.object_value
        )
        statement = {
            "@id": f"salient:fact/{fact.id}",
            "@type": "rdf:Statement",
            "subject": {"@id": f"salient:entity/{fact.subject}"},
            "predicate": fact.predicate,
            "object": target,
            "qualifiers": fact.qualifiers,
            "confidence": round(fact.confidence, 4),
            "evidence": [e.model_dump(mode="json", exclude={"boxes"}) for e in fact.evidence],
        }
        yield (b"" if first else b",\n") + json.dumps(
            statement, ensure_ascii=False, sort_keys=True
        ).encode()
        first = False
    yield b"\n]}\n"


def _csv(tables: Tables, workspace: str, symmetric: Collection[str]) -> Iterator[bytes]:
    names = {r.id: r.name for r in _rows(tables, workspace)}
    columns = (
        "fact",
        "subject",
        "subject_name",
        "predicate",
        "object",
        "object_name",
        "confidence",
        "status",
        "document",
        "version",
        "page",
        "start",
        "end",
        "quote",
    )
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for fact in facts.every(tables, workspace, symmetric):
        value = fact.object_entity or fact.object_value or ""
        for item in fact.evidence:
            cells = (
                fact.id,
                fact.subject,
                names.get(fact.subject, ""),
                fact.predicate,
                value,
                names.get(value, value),
                round(fact.confidence, 4),
                fact.status.value,
                item.document_id,
                item.version,
                item.page,
                item.start,
                item.end,
                item.quote,
            )
            # A leading sign would make a spreadsheet run the cell.
            writer.writerow(
                [f"'{c}" if isinstance(c, str) and c[:1] in "=+-@" and c else c for c in cells]
            )
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


__all__ = [
    "FORMS",
    "TOGETHER",
    "Edge",
    "Network",
    "Node",
    "evidence",
    "export",
    "neighbours",
    "path",
]
