"""The graph of entities: neighbours, paths, and the sentences behind an edge."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from salient.knowledge import graph as knowledge_graph
from salient.model import Value
from salient.services import Context, service
from salient.services.facts import EvidenceView
from salient.services.quotes import of_evidence

EntityId = Annotated[str, Field(min_length=1, max_length=64)]


class NodeView(Value):
    """An entity in the graph."""

    id: str
    name: str
    type: str
    n_mentions: int
    expanded: bool
    """Whether all its edges of the asked kinds are in the reply."""


class EdgeView(Value):
    """A connection. `n` counts the documents behind it."""

    id: str
    source: str
    target: str
    predicate: str
    label: str
    kind: Literal["fact", "together"]
    n: int
    confidence: float
    directed: bool


class Neighbours(Value):
    """What some entities are connected with."""

    ids: Annotated[tuple[EntityId, ...], Field(min_length=1, max_length=50)]
    depth: Annotated[int, Field(ge=1, le=3)] = 1
    kinds: tuple[Literal["fact", "together"], ...] = ("fact", "together")
    predicates: tuple[str, ...] = ()
    limit: Annotated[int, Field(ge=1, le=300)] = 60
    """Nodes at most; the strongest connections stay."""


class Network(Value):
    """A part of the graph. `left_out` counts neighbours beyond the limit."""

    nodes: tuple[NodeView, ...]
    edges: tuple[EdgeView, ...]
    left_out: int


@service("graph.neighbours")
def neighbours(request: Neighbours, context: Context) -> Network:
    """Show what entities are connected with, strongest first.

    Raises:
        NotFound: no such entity.
    """
    found = knowledge_graph.neighbours(
        context.tables,
        context.workspace,
        request.ids,
        depth=request.depth,
        kinds=request.kinds,
        predicates=request.predicates,
        limit=request.limit,
    )
    return _network(context, found)


class FindPath(Value):
    """Two entities."""

    source: EntityId
    target: EntityId
    max_length: Annotated[int, Field(ge=1, le=8)] = 4
    kinds: tuple[Literal["fact", "together"], ...] = ("fact", "together")


class FoundPath(Value):
    """A shortest path, its nodes in order; empty when there is none."""

    found: bool
    nodes: tuple[NodeView, ...]
    edges: tuple[EdgeView, ...]


@service("graph.path")
def path(request: FindPath, context: Context) -> FoundPath:
    """Find a shortest path between two entities.

    Raises:
        NotFound: no such entity.
    """
    found = knowledge_graph.path(
        context.tables,
        context.workspace,
        request.source,
        request.target,
        max_length=request.max_length,
        kinds=request.kinds,
    )
    shown = _network(context, found)
    return FoundPath(found=bool(shown.nodes), nodes=shown.nodes, edges=shown.edges)


class ShowEdge(Value):
    """A connection between two entities; `predicate` as in `EdgeView`."""

    source: EntityId
    target: EntityId
    predicate: Annotated[str, Field(min_length=1, max_length=64)]
    limit: Annotated[int, Field(ge=1, le=200)] = 30


class EdgeEvidence(Value):
    """The sentences behind a connection."""

    evidence: tuple[EvidenceView, ...]


@service("graph.edge")
def edge(request: ShowEdge, context: Context) -> EdgeEvidence:
    """Show the sentences behind a connection."""
    found = knowledge_graph.evidence(
        context.tables,
        context.workspace,
        request.source,
        request.target,
        request.predicate,
        limit=request.limit,
    )
    return EdgeEvidence(
        evidence=tuple(
            EvidenceView(
                quote=of_evidence(context, e), component=e.component, confidence=e.confidence
            )
            for e in found
        )
    )


def _network(context: Context, found: knowledge_graph.Network) -> Network:
    return Network(
        nodes=tuple(
            NodeView(
                id=n.id, name=n.name, type=n.type, n_mentions=n.n_mentions, expanded=n.expanded
            )
            for n in found.nodes
        ),
        edges=tuple(
            EdgeView(
                id=f"{e.source}|{e.predicate}|{e.target}",
                source=e.source,
                target=e.target,
                predicate=e.predicate,
                label="together"
                if e.kind == "together"
                else context.ontology.label_of(e.predicate),
                kind=e.kind,
                n=e.n,
                confidence=round(e.confidence, 4),
                directed=e.kind == "fact",
            )
            for e in found.edges
        ),
        left_out=found.left_out,
    )
