"""Who "it", "she" and "the company" are in a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from salient.knowledge.reading import ReferenceRow
from salient.model import Text, Value
from salient.services import Context, service
from salient.services.quotes import view_page_at, view_pages
from salient.services.views import DocumentId, Limit, Offset

_AT_ONCE = 1000  # references whose entities are looked up together


class ListReferences(Value):
    """The pronouns and common nouns of a document that stand for a name, in text order."""

    id: DocumentId
    entity_id: str | None = None
    """Only those that stand for this entity."""
    offset: Offset = 0
    limit: Limit = 200


class Reference(Value):
    """A mention and whom it means: the entity, and the last place before that names it."""

    start: int
    end: int
    mention: str
    refers_to: str
    entity_id: str | None
    kind: str
    """What it rests on: pronoun, nominal, apposition, predicate, relative, clause or company."""
    score: float
    antecedent_start: int
    antecedent_end: int
    sentence: str
    page: int | None
    view_page: int


class ReferenceList(Value):
    """A page of references."""

    total: int
    references: tuple[Reference, ...]


@service("documents.coreference")
def references(request: ListReferences, context: Context) -> ReferenceList:
    """List what the pronouns and common nouns of a document stand for.

    Raises:
        NotFound: no such document, or it has no text.
    """
    text = context.texts.text(request.id)
    found = context.texts.reading(request.id).references
    if request.entity_id is not None:
        names = _names_of(context, request.entity_id)
        found = tuple(row for row in found if row.name_id in names)
    shown = found[request.offset : request.offset + request.limit]
    return ReferenceList(total=len(found), references=tuple(_views(context, text, shown)))


def _names_of(context: Context, entity: str) -> frozenset[str]:
    sql = context.tables.load("salient.services", "entities.sql")
    with context.tables.read() as tx:
        rows = tx.rows(sql.names_of, {"workspace": context.workspace, "ids": [entity]})
        return frozenset(row.name_id for row in rows)


def _views(context: Context, text: Text, rows: Sequence[ReferenceRow]) -> Iterator[Reference]:
    sql = context.tables.load("salient.services", "entities.sql")
    ids = sorted({row.name_id for row in rows})
    with context.tables.read() as tx:
        values = {"workspace": context.workspace, "ids": ids}
        bearers = {r.name_id: r for r in (tx.rows(sql.entities_of_names, values) if ids else ())}
    pages = view_pages(text)
    for row in rows:
        bearer = bearers.get(row.name_id)
        named = text.text[row.antecedent_start : row.antecedent_end]
        yield Reference(
            start=row.start,
            end=row.end,
            mention=text.text[row.start : row.end],
            refers_to=bearer.name if bearer else named,
            entity_id=bearer.id if bearer else None,
            kind=row.kind,
            score=row.score,
            antecedent_start=row.antecedent_start,
            antecedent_end=row.antecedent_end,
            sentence=text.text[row.sentence_start : row.sentence_end],
            page=text.page_at(row.start),
            view_page=view_page_at(text, row.start, pages),
        )


def every_reference(context: Context) -> Iterator[dict[str, object]]:
    """The references of all documents, as exports want them."""
    for ident in context.ledger.every_id():
        document = context.ledger.row(ident)
        if document.state != "done":
            continue
        text, rows = context.texts.text(ident), context.texts.reading(ident).references
        for at in range(0, len(rows), _AT_ONCE):
            for view in _views(context, text, rows[at : at + _AT_ONCE]):
                yield {"document_id": ident, "document": document.name, **view.model_dump()}
