"""Documents like another one."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from salient.model import Document, Value
from salient.pipeline.ledger import as_document
from salient.pipeline.passages import Passages
from salient.pipeline.stages import PASSAGES
from salient.services import Context, service
from salient.services.quotes import quote
from salient.services.views import DocumentId, EntityCount, Quote
from salient.storage.search import Query


class FindSimilar(Value):
    """A document and how many like it are wanted."""

    id: DocumentId
    limit: Annotated[int, Field(ge=1, le=100)] = 10


class PassagePair(Value):
    """The passages of two documents that are most alike."""

    mine: Quote
    theirs: Quote
    score: float


class Similar(Value):
    """A document, how like it is (cosine, -1 to 1), and why."""

    document: Document
    score: float
    shared_entities: tuple[EntityCount, ...]
    pair: PassagePair | None


class SimilarDocuments(Value):
    """Most alike first."""

    documents: tuple[Similar, ...]


@service("similar.documents")
def documents(request: FindSimilar, context: Context) -> SimilarDocuments:
    """Find documents that are alike in meaning, with shared entities and the nearest passages.

    Raises:
        NotFound: no such document, or it has no text.
    """
    context.texts.text(request.id)  # says why when there is none
    vectors = context.indexes.documents.vectors(request.id)
    if not len(vectors):
        return SimilarDocuments(documents=())
    query = Query(
        text=None, vector=vectors[0], exclude={"document": (request.id,)}, limit=request.limit
    )
    hits = context.indexes.documents.search(query).hits
    rows = context.ledger.rows([request.id, *(h.group for h in hits)])
    mine = _passages(context, request.id)
    found = []
    for hit in hits:
        if hit.group not in rows:
            continue
        found.append(
            Similar(
                document=as_document(rows[hit.group]),
                score=round(hit.score, 4),
                shared_entities=_shared(context, request.id, hit.group),
                pair=_pair(context, rows, request.id, mine, hit.group),
            )
        )
    return SimilarDocuments(documents=tuple(found))


def _passages(context: Context, ident: str) -> Passages | None:
    key = context.ledger.artifact(ident, PASSAGES)
    return None if key is None else Passages.load(context.blobs.view(key))


def _shared(context: Context, one: str, other: str) -> tuple[EntityCount, ...]:
    sql = context.tables.load("salient.services", "documents.sql")
    with context.tables.read() as tx:
        values = {"workspace": context.workspace, "one": one, "other": other}
        rows = tx.rows(sql.shared_entities, values)
    return tuple(EntityCount(id=r.id, name=r.name, type=r.type, n=r.n) for r in rows)


def _pair(
    context: Context, rows: dict[str, object], one: str, mine: Passages | None, other: str
) -> PassagePair | None:
    theirs = _passages(context, other)
    if mine is None or theirs is None or not len(mine.vectors) or not len(theirs.vectors):
        return None
    likeness = mine.vectors.astype(np.float32) @ theirs.vectors.astype(np.float32).T
    a, b = np.unravel_index(int(likeness.argmax()), likeness.shape)
    return PassagePair(
        mine=quote(context, rows[one], int(mine.start[a]), int(mine.end[a]), with_boxes=False),
        theirs=quote(
            context, rows[other], int(theirs.start[b]), int(theirs.end[b]), with_boxes=False
        ),
        score=round(float(likeness[a, b]), 4),
    )
