"""Entities: list, show, correct, and import those a client already knows."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from salient.errors import InvalidInput, NotFound
from salient.knowledge.decisions import KB, OF_DOCUMENTS, Log, touched_by
from salient.knowledge.importing import import_entities
from salient.model import Decision, Entity, State, Value, Verb
from salient.pipeline.run import Progress
from salient.services import Context, service
from salient.services.facts import FactView, facts_of
from salient.services.quotes import quote
from salient.services.views import Done, EntityCount, FacetValue, Limit, Offset, Quote
from salient.storage.search import MAX_WINDOW, Query
from salient.storage.sql import fold, like

_LOOKED_UP = 200  # names that an import brings; with more, every document is read again
_PAGE = 500

EntityId = Annotated[str, Field(min_length=1, max_length=64)]
Person = Annotated[str, Field(min_length=1, max_length=128)]


class ListEntities(Value):
    """Filters are joined by AND."""

    query: Annotated[str, Field(max_length=1000)] | None = None
    """Part of a name or alias."""
    types: tuple[str, ...] = ()
    origin: Literal["kb", "found", "person"] | None = None
    unmentioned: bool = False
    """Also those of the knowledge base that no document mentions."""
    sort: Literal["mentions", "documents", "name"] = "mentions"
    offset: Offset = 0
    limit: Limit = 100


class EntityList(Value):
    """A page of entities. `types` are counted over all that match but for the type."""

    total: int
    entities: tuple[Entity, ...]
    types: tuple[FacetValue, ...]


@service("entities.list")
def list_entities(request: ListEntities, context: Context) -> EntityList:
    """List entities with how often they are mentioned."""
    sql = context.tables.load("salient.services", "entities.sql")
    filters: dict[str, Any] = {
        "workspace": context.workspace,
        "pattern": like(fold(request.query)) if request.query else None,
        "origin": request.origin,
        "least": 0 if request.unmentioned else 1,
    }
    chosen = filters | {"types": list(request.types) or ["*"], "any_type": int(not request.types)}
    with context.tables.read() as tx:
        total = tx.value(sql.count, chosen)
        page = chosen | {"limit": request.limit, "offset": request.offset}
        rows = tx.rows(getattr(sql, f"by_{request.sort}"), page)
        types = tx.rows(sql.types, filters)
    return EntityList(
        total=total,
        entities=tuple(as_entity(r) for r in rows),
        types=tuple(FacetValue(value=t.type, label=t.type, n=t.n) for t in types),
    )


def as_entity(row: Any) -> Entity:
    """A row of the table `entity`."""
    return Entity(
        id=row.id,
        workspace=row.workspace,
        type=row.type,
        name=row.name,
        aliases=tuple(json.loads(row.aliases)),
        identifiers=json.loads(row.identifiers),
        properties=json.loads(row.properties),
        origin=row.origin,
        n_mentions=row.n_mentions,
        n_documents=row.n_documents,
    )


class ShowEntity(Value):
    """One entity by id."""

    id: EntityId


class NameView(Value):
    """A name of an entity, and why it is one: the score and method of linking."""

    name_id: str
    surface: str
    n_mentions: int
    n_documents: int
    score: float
    method: str


class DocumentCount(Value):
    """A document and how often the entity stands in it."""

    id: str
    name: str
    title: str | None
    date: str | None
    n: int


class EntityDetails(Value):
    """All that is known of an entity."""

    entity: Entity
    names: tuple[NameView, ...]
    documents: tuple[DocumentCount, ...]
    facts: tuple[FactView, ...]
    n_facts: int
    neighbours: tuple[EntityCount, ...]
    decisions: tuple[Decision, ...]


@service("entities.show")
def show(request: ShowEntity, context: Context) -> EntityDetails:
    """Show an entity: its names and why they are one, documents, facts, neighbours, corrections.

    Raises:
        NotFound: no such entity.
    """
    row = _row(context, request.id)
    sql = context.tables.load("salient.services", "entities.sql")
    key = {"workspace": context.workspace, "id": row.id}
    with context.tables.read() as tx:
        names = _names(tx.rows(sql.names, key))
        found = tx.rows(sql.documents, key)
        together = tx.rows(sql.together, key)
    total, facts = facts_of(context, entity=row.id, offset=0, limit=50)
    return EntityDetails(
        entity=as_entity(row),
        names=names,
        documents=tuple(
            DocumentCount(id=d.id, name=d.name, title=d.title, date=d.date, n=d.n) for d in found
        ),
        facts=facts,
        n_facts=total,
        neighbours=tuple(EntityCount(id=t.id, name=t.name, type=t.type, n=t.n) for t in together),
        decisions=_decisions(context, row.id),
    )


def _decisions(context: Context, ident: str) -> tuple[Decision, ...]:
    """Corrections that are about an entity, and what was taken back of them."""
    log = Log(context.tables, context.workspace)
    refs = set(log.name_refs(ident))
    every = log.read()
    about = {d.id for d in every if refs & touched_by(d)}
    return tuple(
        d for d in every if d.id in about or (d.verb is Verb.UNDO and d.subjects[0] in about)
    )


def _names(rows: list[Any]) -> tuple[NameView, ...]:
    """One row a name from one a name and document; the most frequent form stands for it."""
    by_name: dict[str, list[Any]] = {}
    for row in rows:
        by_name.setdefault(row.name_id, []).append(row)
    views = []
    for ident, group in by_name.items():
        forms: dict[str, int] = {}
        for row in group:
            forms[row.surface] = forms.get(row.surface, 0) + row.n_mentions
        views.append(
            NameView(
                name_id=ident,
                surface=min(forms, key=lambda f: (-forms[f], f)),
                n_mentions=sum(r.n_mentions for r in group),
                n_documents=len(group),
                score=group[0].score,
                method=group[0].method,
            )
        )
    return tuple(sorted(views, key=lambda v: (-v.n_mentions, v.surface)))


class EntityMentions(Value):
    """The mentions of an entity, by date and document."""

    id: EntityId
    offset: Offset = 0
    limit: Limit = 50


class EntityMention(Value):
    """A mention in its sentence; the pieces that are hits are the mention."""

    quote: Quote
    label: str
    surface: str
    score: float


class EntityMentionList(Value):
    """A page of mentions."""

    total: int
    mentions: tuple[EntityMention, ...]


@service("entities.mentions")
def mentions(request: EntityMentions, context: Context) -> EntityMentionList:
    """List every mention of an entity with its sentence, over all documents.

    Raises:
        NotFound: no such entity.
    """
    _row(context, request.id)
    sql = context.tables.load("salient.services", "entities.sql")
    key = {"workspace": context.workspace, "id": request.id}
    with context.tables.read() as tx:
        total = tx.value(sql.n_mentions, key)
        rows = tx.rows(sql.mentions, key | {"limit": request.limit, "offset": request.offset})
    documents = context.ledger.rows(list({r.document_id for r in rows}))
    return EntityMentionList(
        total=total,
        mentions=tuple(
            EntityMention(
                quote=quote(
                    context,
                    documents[r.document_id],
                    r.sentence_start,
                    r.sentence_end,
                    [(r.start_at, r.end_at)],
                ),
                label=r.label,
                surface=r.surface,
                score=r.score,
            )
            for r in rows
            if r.document_id in documents
        ),
    )


class Decided(Value):
    """A correction that was recorded, and the entity to look at now."""

    decision: Decision
    entity_id: str | None


class Correction(Value):
    """Who corrects, and why."""

    person: Person = "local"
    reason: Annotated[str, Field(max_length=2000)] | None = None


class MergeEntities(Correction):
    """Entities that are one. The first keeps its name."""

    ids: Annotated[tuple[EntityId, ...], Field(min_length=2, max_length=100)]


@service("entities.merge")
def merge(request: MergeEntities, context: Context) -> Decided:
    """Say that entities are one. It can be undone, and outlives every new run.

    Raises:
        NotFound: no such entity.
        InvalidInput: fewer than two different ones, or two of the knowledge base.
    """
    log = Log(context.tables, context.workspace)
    made = log.merge(request.ids, request.person, request.reason)
    return _decided(context, made, request.ids[0])


class SplitEntity(Correction):
    """Names that are not this entity's."""

    id: EntityId
    name_ids: Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]


@service("entities.split")
def split(request: SplitEntity, context: Context) -> Decided:
    """Say that names belong to another entity than this one.

    Raises:
        NotFound: no such entity.
        InvalidInput: a name is not its own, or none would be left.
    """
    log = Log(context.tables, context.workspace)
    made = log.split(request.id, request.name_ids, request.person, request.reason)
    return _decided(context, made, request.id)


class PartEntities(Correction):
    """Two entities that are not one."""

    id: EntityId
    other: EntityId


@service("entities.keep_apart")
def keep_apart(request: PartEntities, context: Context) -> Decided:
    """Say that two entities are never one, whatever their names look like.

    Raises:
        NotFound: no such entity.
        InvalidInput: they are the same entity.
    """
    log = Log(context.tables, context.workspace)
    made = log.never_merge(request.id, request.other, request.person, request.reason)
    return _decided(context, made, request.id)


class RenameEntity(Correction):
    """A new name."""

    id: EntityId
    name: Annotated[str, Field(min_length=1, max_length=500)]


@service("entities.rename")
def rename(request: RenameEntity, context: Context) -> Decided:
    """Give an entity another name; it is locked from then on.

    Raises:
        NotFound: no such entity.
    """
    log = Log(context.tables, context.workspace)
    made = log.rename(request.id, request.name, request.person, request.reason)
    return _decided(context, made, request.id)


class RetypeEntity(Correction):
    """Another type."""

    id: EntityId
    type: Annotated[str, Field(min_length=1, max_length=16)]


@service("entities.retype")
def retype(request: RetypeEntity, context: Context) -> Decided:
    """Give an entity another type of the ontology.

    Raises:
        NotFound: no such entity.
        InvalidInput: the ontology has no such type.
    """
    known = sorted(context.ontology.types)
    if request.type not in known:
        raise InvalidInput(f"the ontology has no type {request.type!r}", known=known)
    log = Log(context.tables, context.workspace)
    made = log.retype(request.id, request.type, request.person, request.reason)
    return _decided(context, made, request.id)


class UndoDecision(Correction):
    """A correction to take back."""

    decision_id: EntityId


@service("entities.undo", idempotent=False)
def undo(request: UndoDecision, context: Context) -> Decided:
    """Take a correction back.

    Raises:
        NotFound: no such correction.
        InvalidInput: it was taken back already.
    """
    log = Log(context.tables, context.workspace)
    made = log.undo(request.decision_id, request.person, request.reason)
    undone = next(d for d in log.read() if d.id == request.decision_id)
    if undone.verb in OF_DOCUMENTS:
        context.coordinator.regroup(undone.subjects)
    return _decided(context, made, None)


class ImportEntities(Value):
    """A CSV or JSONL file with id, type, name, and optionally aliases, identifiers, properties."""

    path: str


@service("entities.import", long=True)
def import_(request: ImportEntities, context: Context) -> Done:
    """Import the entities a client knows; importing again replaces those with the same id.

    Documents in which a name stands that is new, or known no longer, are read again.

    Raises:
        NotFound: no such file.
        InvalidInput: a line cannot be used; the message says which and why. Nothing is imported.
    """
    path = Path(request.path)
    if not path.is_file():
        raise NotFound(f"there is no file {request.path!r}", path=request.path)
    imported = import_entities(context.tables, context.workspace, path, ontology=context.ontology)
    context.report(Progress("link", imported.n, imported.n))
    affected = _documents_with(context, imported.changed)
    if affected:
        # Only reading and what follows is done anew: the names are no part of earlier stages' keys.
        context.coordinator.retry(affected, context.report)
    context.coordinator.resolve(None)
    return Done(n=imported.n)


def _documents_with(context: Context, surfaces: Collection[str]) -> list[str]:
    """Read documents in which one of some names may stand; all of them when the names are many."""
    done = context.ledger.ids([State.DONE])
    if len(surfaces) > _LOOKED_UP:
        return done
    found: set[str] = set()
    for surface in sorted(surfaces):
        words = surface.replace('"', " ")
        hits, offset = 1, 0
        while hits:
            query = Query(text=f'"{words}"', limit=_PAGE, offset=offset)
            page = context.indexes.documents.search(query)
            if page.total > MAX_WINDOW - _PAGE:
                return done  # more than can be paged through
            hits = len(page.hits)
            offset += hits
            found.update(h.group for h in page.hits)
    return [ident for ident in done if ident in found]


def _decided(context: Context, made: tuple[Decision, set[str]], ident: str | None) -> Decided:
    """Link anew what a decision touches; say which entity now has what `ident` was about."""
    decision, touched = made
    context.coordinator.resolve(touched)
    sql = context.tables.load("salient.services", "entities.sql")
    with context.tables.read() as tx:
        for subject in (ident, *decision.subjects):
            key = (subject or "").removeprefix(KB)
            row = tx.one(sql.entity_of_subject, {"workspace": context.workspace, "id": key})
            if row is not None:
                return Decided(decision=decision, entity_id=row.entity_id)
    return Decided(decision=decision, entity_id=None)


def _row(context: Context, ident: str) -> Any:
    sql = context.tables.load("salient.services", "entities.sql")
    with context.tables.read() as tx:
        row = tx.one(sql.find, {"workspace": context.workspace, "id": ident})
    if row is None:
        raise NotFound(f"no entity {ident!r}", id=ident)
    return row
