"""Documents like another one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
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
from salient.storage.search import Hit, Query

_PHRASES = 20
_EXCLUDED = 100  # copies that the index is told to leave out; more are left out afterwards
_LOOKED_AT = 1000  # hits among which enough are looked for that are no copies of each other


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
    """A document, how like it is, and why.

    `score` is the cosine, -1 to 1; without vectors, the share of the best match's score.
    """

    document: Document
    score: float
    shared_entities: tuple[EntityCount, ...]
    pair: PassagePair | None
    n_copies: int
    """Documents that say the same as this one; see `copies.show`."""


class SimilarDocuments(Value):
    """Most alike first."""

    documents: tuple[Similar, ...]


@service("similar.documents")
def documents(request: FindSimilar, context: Context) -> SimilarDocuments:
    """Find documents that are alike in meaning, with shared entities and the nearest passages.

    Its own copies are none of these (see `copies.show`), and of other documents that say the same there is one. On a search server without vectors, those that have its keyphrases.

    Raises:
        NotFound: no such document, or it has no text.
    """
    context.texts.text(request.id)  # says why when there is none
    copies = context.coordinator.copies
    own = [c.document_id for c in copies.of(request.id)]
    query = _like(request, context, own[:_EXCLUDED])
    if query is None:
        return SimilarDocuments(documents=())
    hits = _folded(request, context, query)
    best = 1.0 if context.indexes.by_meaning else max((h.score for h in hits), default=1.0)
    rows = context.ledger.rows([request.id, *(h.group for h in hits)])
    others = copies.others([h.group for h in hits])
    mine = _passages(context, request.id)
    found = []
    for hit in hits:
        if hit.group not in rows:
            continue
        found.append(
            Similar(
                document=as_document(rows[hit.group]),
                score=round(hit.score / best, 4),
                shared_entities=_shared(context, request.id, hit.group),
                pair=_pair(context, rows, request.id, mine, hit.group),
                n_copies=others.get(hit.group, 0),
            )
        )
    return SimilarDocuments(documents=tuple(found))


def _folded(request: FindSimilar, context: Context, query: Query) -> list[Hit]:
    """The nearest, of copies of each other the nearest alone."""
    copies = context.coordinator.copies
    kept: list[Hit] = []
    seen = {*copies.groups([request.id]).values()}
    offset, there = 0, True
    while len(kept) < request.limit and there and offset < _LOOKED_AT:
        hits = context.indexes.documents.search(replace(query, offset=offset)).hits
        groups = copies.groups([h.group for h in hits])
        for hit in hits:
            group = groups.get(hit.group, hit.group)
            if group not in seen:
                kept.append(hit)
            seen.add(group)
        offset += query.limit
        there = len(hits) == query.limit
    return kept[: request.limit]


def _like(request: FindSimilar, context: Context, copies: Sequence[str]) -> Query | None:
    """What is asked of the index; None for a document that has nothing to compare."""
    others = {"document": (request.id, *copies)}
    if context.indexes.by_meaning:
        vectors = context.indexes.documents.vectors(request.id)
        return (
            Query(text=None, vector=vectors[0], exclude=others, limit=request.limit)
            if len(vectors)
            else None
        )
    text, made = context.texts.text(request.id), context.texts.annotations(request.id)
    phrases = [text.text[a:b] for a, b, _, _ in made.labelled(made.keyphrases)][:_PHRASES]
    if not phrases:
        return None
    words = " ".join(word for phrase in phrases for word in re.findall(r"\w+", phrase))
    return Query(text=words, exclude=others, limit=request.limit)


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
