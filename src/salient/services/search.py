"""Search over documents and over passages, by words, by meaning, or both."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from salient.errors import InvalidInput, LimitExceeded
from salient.model import Document, Value
from salient.pipeline.ledger import as_document
from salient.services import Context, service
from salient.services.labelbook import LabelBook
from salient.services.labelled import documents_having
from salient.services.quotes import quote
from salient.services.views import EntityCount, FacetValue, Limit, Offset, Quote
from salient.storage.search import MAX_WINDOW, Hit, Hits, Query, SearchIndex
from salient.storage.sql import fold, like

FACETS = ("media_type", "language", "label", "labelled", "entity", "folder", "year", "document")
_QUOTES = 3  # passages shown under a found document
_ALIKE = 0.3  # cosine below which nothing counts as found by meaning
_FOLDED = 1000  # hits up to which copies are folded; nobody reads on further
_SLACK = 20  # copies that a page may have before another one is asked for
_COUNTED = 10_000  # best hits whose documents' labels are counted
# Phrases, -not, field:value and prefix* ask for exact words; likeness would add what lacks them.
_EXACT = re.compile(r'"[^"]+"|(?:^|\s)-\w|\b[a-z_]+:\S|\w\*')

Filters = Annotated[dict[str, tuple[str, ...]], Field(max_length=20)]


class SearchRequest(Value):
    """What to look for.

    `text` takes words, "exact phrases", -excluded, +required, field:value, OR and prefix*. The values
    of one filter are joined by OR, filters by AND; `exclude` removes. `label` is a type of names; `labelled` is what
    people or classifiers labelled documents: SCHEME/LABEL, or a label of the scheme "label" alone.
    """

    text: Annotated[str, Field(max_length=10_000)] = ""
    mode: Literal["keyword", "hybrid", "meaning"] = "hybrid"
    filters: Filters = Field(default_factory=dict)
    exclude: Filters = Field(default_factory=dict)
    date_from: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    date_to: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = None
    facets: tuple[
        Literal["media_type", "language", "label", "labelled", "entity", "folder", "year"], ...
    ] = ()
    copies: Literal["folded", "each"] = "folded"
    """Of documents that say the same only the best is listed, or each."""
    offset: Offset = 0
    limit: Limit = 20


class DocumentHit(Value):
    """A found document with the passages that match best."""

    document: Document
    score: float
    quotes: tuple[Quote, ...]
    n_copies: int
    """Documents that say the same; see `copies.show`."""


class PassageHit(Value):
    """A found passage."""

    quote: Quote
    score: float


class DocumentHits(Value):
    """Found documents. `total` and facets count all of them, folded ones too, not only this page.

    `labelled` counts the best 10,000.
    """

    total: int
    seconds: float
    hits: tuple[DocumentHit, ...]
    facets: dict[str, tuple[FacetValue, ...]]


class PassageHits(Value):
    """Found passages. `total` and facets count all of them, not only this page; `labelled` the best 10,000."""

    total: int
    seconds: float
    hits: tuple[PassageHit, ...]
    facets: dict[str, tuple[FacetValue, ...]]


@service("search.documents")
def documents(request: SearchRequest, context: Context) -> DocumentHits:
    """Find documents, with the best passages of each.

    Raises:
        InvalidInput: a filter names an unknown field.
    """
    started = time.perf_counter()
    found, listed = _folded(request, context)
    ids = [h.group for h in listed]
    rows, others = context.ledger.rows(ids), context.coordinator.copies.others(ids)
    hits = []
    for hit in listed:
        row = rows.get(hit.group)
        if row is None:
            continue
        inside = request.model_copy(
            update={
                "filters": {"document": (hit.group,)},
                "exclude": {},
                "facets": (),
                "offset": 0,
                "limit": _QUOTES,
                "date_from": None,
                "date_to": None,
            }
        )
        best = (
            _search(inside, context, context.indexes.passages).hits if request.text.strip() else ()
        )
        hits.append(
            DocumentHit(
                document=as_document(row),
                score=round(hit.score, 4),
                quotes=tuple(_quote(context, row, h) for h in best),
                n_copies=others.get(hit.group, 0),
            )
        )
    return DocumentHits(
        total=found.total,
        seconds=round(time.perf_counter() - started, 4),
        hits=tuple(hits),
        facets=_facets(request, context, context.indexes.documents, found),
    )


@service("search.passages")
def passages(request: SearchRequest, context: Context) -> PassageHits:
    """Find passages over all documents.

    Raises:
        InvalidInput: a filter names an unknown field.
    """
    started = time.perf_counter()
    found = _search(request, context, context.indexes.passages)
    rows = context.ledger.rows(list({h.group for h in found.hits}))
    hits = tuple(
        PassageHit(quote=_quote(context, rows[h.group], h), score=round(h.score, 4))
        for h in found.hits
        if h.group in rows
    )
    return PassageHits(
        total=found.total,
        seconds=round(time.perf_counter() - started, 4),
        hits=hits,
        facets=_facets(request, context, context.indexes.passages, found),
    )


def _quote(context: Context, row: object, hit: Hit) -> Quote:
    start = int(hit.fields["start"])
    end = int(hit.fields["end"])
    hits = [(a + start, b + start) for a, b in hit.highlights.get("text", ())]
    return quote(context, row, start, end, hits, with_boxes=False)


def query_of(request: SearchRequest, context: Context, facets: Sequence[str] = ()) -> Query:
    """The request in the terms of the search front."""
    for name in (*request.filters, *request.exclude):
        if name not in FACETS:
            raise InvalidInput(f"no filter is called {name!r}", known=list(FACETS))
    text = request.text.strip() or None
    vector = None
    by_meaning = request.mode == "meaning"
    by_meaning |= request.mode == "hybrid" and not _EXACT.search(text or "")
    if text and by_meaning and context.indexes.by_meaning:
        vector = context.components.encoder.encode([text])[0]
        if not vector.any():
            vector = None
    ranges = {}
    if request.date_from or request.date_to:
        ranges["date"] = (request.date_from or "0000-00-00", request.date_to or "9999-99-99")
    by_words = request.mode != "meaning" or vector is None
    return Query(
        text=text if by_words else None,
        vector=vector,
        filters=_expanded(request.filters, context),
        exclude=_expanded(request.exclude, context, out=True),
        ranges=ranges,
        facets=tuple(name for name in facets if name != "labelled"),
        limit=request.limit,
        offset=request.offset,
        highlight=("text",),
        highlight_text=text,
        min_similarity=_ALIKE,
    )


def _search(request: SearchRequest, context: Context, index: SearchIndex) -> Hits:
    return index.search(query_of(request, context, request.facets))


def _folded(request: SearchRequest, context: Context) -> tuple[Hits, list[Hit]]:
    """What was found, and the hits to list: of copies the best alone.

    Offsets count what is listed, so what comes before the page is looked at as well.
    """
    index, copies = context.indexes.documents, context.coordinator.copies
    last = request.offset + request.limit
    if request.copies == "each" or last > _FOLDED or not copies.are_there():
        found = _search(request, context, index)
        return found, list(found.hits)
    whole: Hits | None = None
    listed: list[Hit] = []
    seen: set[str] = set()
    at = 0
    while whole is None or len(listed) < last:
        size = last - len(listed) + _SLACK
        facets = request.facets if whole is None else ()
        page = request.model_copy(update={"offset": at, "limit": size, "facets": facets})
        found = _search(page, context, index)
        whole = whole or found
        groups = copies.groups([h.group for h in found.hits])
        for hit in found.hits:
            group = groups.get(hit.group, hit.group)
            if group not in seen:
                listed.append(hit)
            seen.add(group)
        at += len(found.hits)
        if len(found.hits) < size or at + last + _SLACK > MAX_WINDOW:
            break
    return whole, listed[request.offset : last]


def _expanded(
    filters: Mapping[str, tuple[str, ...]], context: Context, *, out: bool = False
) -> dict[str, tuple[str, ...]]:
    """Filters with entities replaced by their names, and labels by their documents, which is what the index holds.

    So a merge or split of entities, or a new label, changes what is found at once, with nothing indexed again.

    Args:
        out: they take out what fits.
    """
    made = dict(filters)
    if "entity" in made:
        made["entity"] = tuple(names_of(context, made["entity"])) or ("no such entity",)
    if "labelled" in made:
        ids, own = _labelled(made.pop("labelled"), context), made.get("document")
        if out:
            ids |= dict.fromkeys(own or ())
        elif own is not None:
            ids = {i: None for i in own if i in ids}
        made["document"] = tuple(ids) or ("no such document",)
    return made


def _labelled(values: Sequence[str], context: Context) -> dict[str, None]:
    """The documents that have one of some labels.

    Raises:
        LimitExceeded: they are more than a filter takes.
    """
    most = context.indexes.documents.most_values
    book = LabelBook(context.records, context.workspace)
    found: dict[str, None] = {}
    for value in values:
        scheme, slash, label = value.partition("/")
        own = (scheme, label) if slash else ("label", scheme)
        found |= dict.fromkeys(documents_having(book, *own, context.cache, most=most + 1))
        if len(found) > most:
            raise LimitExceeded(
                f"more than {most:,} documents have these labels: a search cannot be narrowed to so many",
                max_documents=most,
            )
    return found


def names_of(context: Context, entity_ids: Sequence[str]) -> list[str]:
    """The ids of all names of some entities."""
    sql = context.tables.load("salient.services", "entities.sql")
    with context.tables.read() as tx:
        values = {"workspace": context.workspace, "ids": list(entity_ids)}
        return [r.name_id for r in tx.rows(sql.names_of, values)]


def _facets(
    request: SearchRequest, context: Context, index: SearchIndex, found: Hits
) -> dict[str, tuple[FacetValue, ...]]:
    out: dict[str, tuple[FacetValue, ...]] = {}
    for field, counted in found.facets.items():
        if field == "entity":
            out[field] = _entity_facet(request, context, index, counted)
        else:
            out[field] = tuple(
                FacetValue(value=v, label=v or "not known", n=n) for v, n in counted if v
            )
    if "labelled" in request.facets:
        out["labelled"] = _label_facet(request, context, index)
    return out


def _label_facet(
    request: SearchRequest, context: Context, index: SearchIndex
) -> tuple[FacetValue, ...]:
    """Labels of the documents that were found, of the best `_COUNTED` hits: the index does not hold them."""
    book = LabelBook(context.records, context.workspace)
    if not book.schemes():
        return ()
    query = query_of(request, context)
    hits = index.search(replace(query, limit=_COUNTED, offset=0, highlight=())).hits
    found = Counter(h.group for h in hits)
    counts: Counter[tuple[str, str]] = Counter()
    for one in book.of(list(found)):
        for label in one.labels:
            counts[one.scheme, label] += found[one.document_id]
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: query.facet_limit]
    return tuple(
        FacetValue(
            value=f"{scheme}/{label}",
            label=label if scheme == "label" else f"{scheme}: {label}",
            n=n,
        )
        for (scheme, label), n in ranked
    )


def _entity_facet(
    request: SearchRequest, context: Context, index: SearchIndex, counted: Sequence[tuple[str, int]]
) -> tuple[FacetValue, ...]:
    """Counts by name added up to counts by entity.

    An entity with several names in the result is counted again as a whole, since one document may
    hold two of its names.
    """
    sql = context.tables.load("salient.services", "entities.sql")
    with context.tables.read() as tx:
        values = {"workspace": context.workspace, "ids": [v for v, _ in counted]}
        rows = {r.name_id: r for r in (tx.rows(sql.entities_of_names, values) if counted else ())}
    groups: dict[str, list[tuple[str, int]]] = {}
    for name, n in counted:
        if name in rows:
            groups.setdefault(rows[name].id, []).append((name, n))
    ranked = sorted(groups.items(), key=lambda g: (-sum(n for _, n in g[1]), g[0]))[:20]
    values_out = []
    whole = query_of(request, context) if any(len(names) > 1 for _, names in ranked) else None
    for ident, names in ranked:
        row = rows[names[0][0]]
        n = names[0][1]
        if whole is not None and len(names) > 1:
            narrowed = {**whole.filters, "entity": names_of(context, [ident])}
            n = index.search(replace(whole, filters=narrowed, limit=0, offset=0)).total
        values_out.append(FacetValue(value=ident, label=f"{row.name}", n=n))
    return tuple(sorted(values_out, key=lambda f: (-f.n, f.label)))


class Suggest(Value):
    """The beginning of what somebody types."""

    text: Annotated[str, Field(max_length=200)]
    limit: Annotated[int, Field(ge=1, le=50)] = 8


class NamedDocument(Value):
    """A document by name."""

    id: str
    name: str
    title: str | None


class Suggestions(Value):
    """Entities and documents whose names fit."""

    entities: tuple[EntityCount, ...]
    documents: tuple[NamedDocument, ...]


@service("search.suggest")
def suggest(request: Suggest, context: Context) -> Suggestions:
    """Suggest entities and documents while somebody types."""
    text = fold(request.text.strip())
    if not text:
        return Suggestions(entities=(), documents=())
    entities = context.tables.load("salient.services", "entities.sql")
    docs = context.tables.load("salient.services", "documents.sql")
    values = {"workspace": context.workspace, "pattern": like(text), "limit": request.limit}
    with context.tables.read() as tx:
        found = tx.rows(entities.suggest, values)
        named = tx.rows(docs.suggest, values)
    return Suggestions(
        entities=tuple(
            EntityCount(id=e.id, name=e.name, type=e.type, n=e.n_mentions) for e in found
        ),
        documents=tuple(NamedDocument(id=d.id, name=d.name, title=d.title) for d in named),
    )
