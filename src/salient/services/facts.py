"""Facts: what documents say, with the sentence behind each, and people's verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from salient.knowledge import facts as knowledge_facts
from salient.knowledge.decisions import Log
from salient.model import Decision, Fact, Status, Value
from salient.services import Context, service
from salient.services.meanings import Meaning, of_fact, of_qualifiers
from salient.services.quotes import of_evidence
from salient.services.views import FacetValue, Limit, Offset, Quote

_SHOWN = 5  # pieces of evidence shown with a fact in a list


class EvidenceView(Value):
    """A sentence behind a fact."""

    quote: Quote
    component: str
    confidence: float


class FactView(Value):
    """A fact as people see it: names beside ids, and the first sentences behind it."""

    id: str
    subject: str
    subject_name: str
    predicate: str
    predicate_label: str
    object_entity: str | None
    object_name: str | None
    object_value: str | None
    value: Meaning | None = None
    """What `object_value` means, where it is a date or an amount."""
    qualifiers: dict[str, str]
    qualifier_values: dict[str, Meaning] = Field(default_factory=dict)
    """What the qualifiers mean that are dates, amounts and shares."""
    confidence: float
    status: Status
    n_evidence: int
    n_sources: int
    """Documents behind it, of which those that are copies of each other are one."""
    evidence: tuple[EvidenceView, ...]


class ListFacts(Value):
    """Facts of one entity or all, stated by one document or any, of one predicate or all."""

    entity: Annotated[str, Field(max_length=64)] | None = None
    document: Annotated[str, Field(max_length=64)] | None = None
    predicate: Annotated[str, Field(max_length=64)] | None = None
    offset: Offset = 0
    limit: Limit = 50


class FactList(Value):
    """A page of facts. `predicates` are counted over all of the entity's or document's."""

    total: int
    facts: tuple[FactView, ...]
    predicates: tuple[FacetValue, ...]


@service("facts.list")
def list_facts(request: ListFacts, context: Context) -> FactList:
    """List facts with the sentences behind them, surest first."""
    total, facts = facts_of(
        context,
        entity=request.entity,
        document=request.document,
        predicate=request.predicate,
        offset=request.offset,
        limit=request.limit,
    )
    counted = knowledge_facts.predicates(
        context.tables,
        context.workspace,
        context.ontology.symmetric,
        entity=request.entity,
        document=request.document,
    )
    label = context.ontology.label_of
    return FactList(
        total=total,
        facts=facts,
        predicates=tuple(FacetValue(value=p, label=label(p), n=n) for p, n in counted),
    )


def facts_of(
    context: Context,
    *,
    entity: str | None = None,
    document: str | None = None,
    predicate: str | None = None,
    offset: int,
    limit: int,
) -> tuple[int, tuple[FactView, ...]]:
    """How many facts fit, and a page of them."""
    total, page = knowledge_facts.page(
        context.tables,
        context.workspace,
        context.ontology.symmetric,
        entity=entity,
        document=document,
        predicate=predicate,
        offset=offset,
        limit=limit,
    )
    ids = {f.subject for f in page} | {f.object_entity for f in page if f.object_entity}
    sql = context.tables.load("salient.services", "entities.sql")
    with context.tables.read() as tx:
        values = {"workspace": context.workspace, "ids": sorted(ids)}
        names = {r.id: r.name for r in (tx.rows(sql.find_many, values) if ids else ())}
    return total, tuple(_view(context, fact, names) for fact in page)


def _view(context: Context, fact: Fact, names: dict[str, str]) -> FactView:
    return FactView(
        id=fact.id,
        subject=fact.subject,
        subject_name=names.get(fact.subject, fact.subject),
        predicate=fact.predicate,
        predicate_label=context.ontology.label_of(fact.predicate),
        object_entity=fact.object_entity,
        object_name=names.get(fact.object_entity) if fact.object_entity else None,
        object_value=fact.object_value,
        value=of_fact(context.ontology.value_of(fact.predicate), fact.object_value),
        qualifiers=fact.qualifiers,
        qualifier_values=of_qualifiers(fact.qualifiers),
        confidence=round(fact.confidence, 4),
        status=fact.status,
        n_evidence=len(fact.evidence),
        n_sources=fact.n_sources,
        evidence=tuple(
            EvidenceView(
                quote=of_evidence(context, e), component=e.component, confidence=e.confidence
            )
            for e in fact.evidence[:_SHOWN]
        ),
    )


def every_fact(context: Context) -> Iterator[Fact]:
    """All facts, in a fixed order, as exports want them."""
    return knowledge_facts.every(context.tables, context.workspace, context.ontology.symmetric)


class JudgeFact(Value):
    """A verdict on a fact."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    verdict: Literal["accept", "reject"]
    person: Annotated[str, Field(min_length=1, max_length=128)] = "local"
    reason: Annotated[str, Field(max_length=2000)] | None = None


class Judged(Value):
    """A verdict that was recorded."""

    decision: Decision


@service("facts.judge")
def judge(request: JudgeFact, context: Context) -> Judged:
    """Accept or reject a fact; the verdict outlives every new run.

    Raises:
        NotFound: no such fact.
    """
    fact = knowledge_facts.find(
        context.tables, context.workspace, context.ontology.symmetric, request.id
    )
    verdict = Status.ACCEPTED if request.verdict == "accept" else Status.REJECTED
    log = Log(context.tables, context.workspace)
    return Judged(decision=log.judge(fact, verdict, request.person, request.reason)[0])
