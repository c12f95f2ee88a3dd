"""The documents of a workspace: add, list, show, page through, retry, delete."""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import Annotated, Any, BinaryIO, Literal

import numpy as np
from pydantic import Field

from salient.errors import InvalidInput, NotFound
from salient.model import Box, Document, Kind, Source, State, Text, Value, document_id
from salient.pipeline import intake
from salient.pipeline.ledger import as_document
from salient.pipeline.run import Run
from salient.services import Context, service
from salient.services.labelbook import LabelBook
from salient.services.meanings import Meaning, ValueMention, ValuesOf
from salient.services.quotes import boxes, pieces, view_page_at, view_pages
from salient.services.views import (
    DocumentId,
    Done,
    EntityCount,
    FacetValue,
    Limit,
    Offset,
    Piece,
)
from salient.storage.sql import fold, like

_SORTS = Literal["added", "name", "size", "state"]


class Upload(Value):
    """A file that was sent over HTTP and now lies in the blob store."""

    name: Annotated[str, Field(min_length=1, max_length=4096)]
    blob: str
    size_bytes: int


class AddDocuments(Value):
    """Paths on the machine that runs the service, or keys of uploaded blobs."""

    paths: tuple[str, ...] = ()
    uploads: tuple[Upload, ...] = ()
    processes: Annotated[int, Field(ge=0, le=256)] | None = None
    """Local worker processes; 0 lets the number of documents and cores decide, None the settings."""


class Added(Value):
    """What became of what was added. `states` count every document of the workspace."""

    added: int
    unchanged: int
    worked: int
    states: dict[str, int]
    seconds: float


@service("documents.add", long=True)
def add(request: AddDocuments, context: Context) -> Added:
    """Add files and folders, and take them through the whole chain.

    The same bytes under the same name are not worked on twice. Every file ends in the ledger; with
    nothing to add, what an interrupted run left is finished.

    Raises:
        NotFound: a path does not exist.
    """

    def given() -> Any:
        yield from intake.sources(request.paths)
        for upload in request.uploads:
            key = f"upload:{upload.name}"
            if context.blobs.exists(upload.blob):
                yield Source(key, upload.name, partial(context.blobs.stream, upload.blob))
            elif not context.ledger.rows([document_id(context.workspace, key)]):
                # Not one that an interrupted call took in and deleted: its bytes are lost.
                yield Source(key, upload.name, _lost)

    run = context.coordinator.add(given(), context.report, request.processes)
    for upload in request.uploads:
        context.blobs.delete(upload.blob)
    return added(run)


def _lost() -> BinaryIO:
    raise FileNotFoundError


class ListDocuments(Value):
    """Filters are joined by AND; the values of one filter by OR."""

    query: Annotated[str, Field(max_length=1000)] | None = None
    """Part of a name or title."""
    states: tuple[State, ...] = ()
    media_types: tuple[str, ...] = ()
    parent_id: DocumentId | None = None
    sort: _SORTS = "added"
    descending: bool = False
    offset: Offset = 0
    limit: Limit = 100


class DocumentList(Value):
    """A page of the list. The counts are over all documents that match but for that filter."""

    total: int
    documents: tuple[Document, ...]
    states: dict[str, int]
    media_types: tuple[FacetValue, ...]


@service("documents.list")
def list_documents(request: ListDocuments, context: Context) -> DocumentList:
    """List documents with their state and reason."""
    sql = context.tables.load("salient.services", "documents.sql")
    filters = {
        "workspace": context.workspace,
        "pattern": like(fold(request.query)) if request.query else None,
        "parent": request.parent_id,
    }
    every_state = [s.value for s in State]
    states = [s.value for s in request.states] or every_state
    types = list(request.media_types) or ["*"]
    any_type = not request.media_types
    chosen = filters | {"states": states, "types": types, "any_type": int(any_type)}
    with context.tables.read() as tx:
        total = tx.value(sql.count, chosen)
        order = f"{request.sort}_{'down' if request.descending else 'up'}"
        page = chosen | {"limit": request.limit, "offset": request.offset}
        rows = tx.rows(getattr(sql, f"by_{order}"), page)
        by_state = dict.fromkeys(every_state, 0) | {
            r.state: r.n
            for r in tx.rows(sql.states, filters | {"types": types, "any_type": int(any_type)})
        }
        by_type = [(r.media_type, r.n) for r in tx.rows(sql.types, filters | {"states": states})]
    return DocumentList(
        total=total,
        documents=tuple(as_document(r) for r in rows),
        states=by_state,
        media_types=tuple(
            FacetValue(value=t or "", label=t or "not known", n=n) for t, n in by_type
        ),
    )


class ShowDocument(Value):
    """One document by id."""

    id: DocumentId


class Version(Value):
    """One content that a document has had."""

    version: str
    size_bytes: int
    added_at: str


class Stage(Value):
    """Which component did a stage's work, and at what cost."""

    stage: str
    component: str
    seconds: float
    finished_at: str


class DocumentDetails(Value):
    """All that is known of a document, but its text."""

    document: Document
    metadata: dict[str, str]
    date: str | None
    children: tuple[Document, ...]
    parent: Document | None
    versions: tuple[Version, ...]
    stages: tuple[Stage, ...]
    paged: bool
    n_view_pages: int
    has_images: bool
    entities: tuple[EntityCount, ...]
    labels: dict[str, int]
    n_facts: int
    n_copies: int
    """Documents that say the same; see `copies.show`."""


# Formats whose pages can be drawn.
DRAWN = ("application/pdf", "image/")


@service("documents.show")
def show(request: ShowDocument, context: Context) -> DocumentDetails:
    """Show a document: its state, where it came from, what was found in it.

    Raises:
        NotFound: no such document.
    """
    row = context.ledger.row(request.id)
    done = row.state == State.DONE
    text = context.texts.text(row.id) if done else None
    sql = context.tables.load("salient.services", "documents.sql")
    values = context.texts.values(row.id, row.metadata).mentions if text else ()
    with context.tables.read() as tx:
        key = {"id": row.id, "workspace": context.workspace}
        entities = tx.rows(sql.entities, key)
        labels = tx.rows(sql.labels, key)
        facts = tx.value(sql.n_findings, key)
    own = row.duplicate_of or row.id  # whose text it has
    n_copies = context.coordinator.copies.others([own]).get(own, 0)
    parent = context.ledger.rows([row.parent_id]).get(row.parent_id) if row.parent_id else None
    return DocumentDetails(
        document=as_document(row),
        metadata=json.loads(row.metadata),
        date=row.document_date,
        children=tuple(as_document(r) for r in context.ledger.children(row.id)),
        parent=as_document(parent) if parent else None,
        versions=tuple(
            Version(version=v.version, size_bytes=v.size_bytes, added_at=v.added_at)
            for v in context.ledger.versions(row.id)
        ),
        stages=tuple(
            Stage(
                stage=s.stage, component=s.component, seconds=s.seconds, finished_at=s.finished_at
            )
            for s in context.ledger.stages(row.id)
        ),
        paged=bool(text and text.n_pages),
        n_view_pages=len(view_pages(text)) if text else 0,
        has_images=bool(text and text.n_pages and (row.media_type or "").startswith(DRAWN)),
        entities=tuple(EntityCount(id=e.id, name=e.name, type=e.type, n=e.n) for e in entities),
        labels={r.label: r.n for r in labels} | dict(Counter(v.label for v in values)),
        n_facts=facts,
        n_copies=n_copies,
    )


class Mark(Value):
    """A span to show as a hit."""

    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]


class ShowPage(Value):
    """One view page. Without `page`, the page that holds `mark`, or the first."""

    id: DocumentId
    page: Annotated[int, Field(ge=1)] | None = None
    mark: Mark | None = None
    query: Annotated[str, Field(max_length=1000)] | None = None
    """Words to show as hits, in the syntax of search."""


class Mention(Value):
    """A mention of an entity or value in a document. `value` is what a date, amount or identifier means."""

    ordinal: int
    start: int
    end: int
    label: str
    surface: str
    entity_id: str | None
    entity_name: str | None
    score: float
    component: str
    page: int | None
    view_page: int
    boxes: tuple[Box, ...] = ()
    value: Meaning | None = None


class CellView(Value):
    """A table cell."""

    row: int
    column: int
    row_span: int
    column_span: int
    header: bool
    pieces: tuple[Piece, ...]


class BlockView(Value):
    """A block with its text in pieces; a table also with its cells."""

    kind: str
    level: int
    start: int
    end: int
    pieces: tuple[Piece, ...]
    cells: tuple[CellView, ...] = ()


class PageView(Value):
    """One page as people turn it."""

    page: int
    n_view_pages: int
    label: str | None
    width_pt: float
    height_pt: float
    ocr: bool
    image: bool
    blocks: tuple[BlockView, ...]
    mentions: tuple[Mention, ...]
    hit_boxes: tuple[Box, ...]


@service("documents.page")
def page(request: ShowPage, context: Context) -> PageView:
    """Show one page: its blocks, mentions with boxes, and hits.

    Raises:
        NotFound: no such document, it has no text, or no such page.
    """
    row = context.ledger.row(request.id)
    text = context.texts.text(row.id)
    ranges = view_pages(text)
    number = request.page or (view_page_at(text, request.mark.start) if request.mark else 1)
    if not 1 <= number <= max(len(ranges), 1):
        raise NotFound(f"{row.name!r} has {len(ranges)} pages, not {number}", page=number)
    first, last = (int(v) for v in ranges[number - 1]) if len(ranges) else (0, 0)
    low = int(text.block_start[first]) if last > first else 0
    high = int(text.block_end[last - 1]) if last > first else 0
    mentions = _mentions(context, text, row, low, high, with_boxes=True)
    hits = [(request.mark.start, request.mark.end)] if request.mark else []
    if request.query:
        found = context.indexes.passages.highlight(request.query, text.text[low:high], "text")
        hits += [(a + low, b + low) for a, b in found]
    marks = [(m.start, m.end, m.ordinal) for m in mentions]
    paged = bool(text.n_pages)
    part = number - 1 if paged else 0
    size = text.page_size_pt[part] if len(text.page_size_pt) else (0.0, 0.0)
    return PageView(
        page=number,
        n_view_pages=len(ranges),
        label=(text.part_labels[part] or None) if paged and text.part_labels else None,
        width_pt=float(size[0]),
        height_pt=float(size[1]),
        ocr=bool(text.page_ocr[part]) if len(text.page_ocr) else False,
        image=paged and (row.media_type or "").startswith(DRAWN),
        blocks=tuple(_block(text, b, hits, marks) for b in range(first, last)),
        mentions=mentions,
        hit_boxes=tuple(b for a, z in hits for b in boxes(text, max(a, low), min(z, high))),
    )


def _block(
    text: Text, row: int, hits: list[tuple[int, int]], marks: list[tuple[int, int, int]]
) -> BlockView:
    start, end = int(text.block_start[row]), int(text.block_end[row])
    inner_hits = [h for h in hits if h[0] < end and h[1] > start]
    inner_marks = [m for m in marks if m[0] < end and m[1] > start]
    low, high = np.searchsorted(text.cell_block, [row, row + 1])
    cells = tuple(
        CellView(
            row=int(text.cell_row[c]),
            column=int(text.cell_column[c]),
            row_span=int(text.cell_span[c, 0]),
            column_span=int(text.cell_span[c, 1]),
            header=bool(text.cell_header[c]),
            pieces=pieces(
                text.text, int(text.cell_start[c]), int(text.cell_end[c]), inner_hits, inner_marks
            ),
        )
        for c in range(int(low), int(high))
    )
    return BlockView(
        kind=Kind(int(text.block_kind[row])).name.lower(),
        level=int(text.block_level[row]),
        start=start,
        end=end,
        pieces=pieces(text.text, start, end, inner_hits, inner_marks),
        cells=cells,
    )


def _mentions(
    context: Context,
    text: Text,
    document: Any,
    low: int,
    high: int,
    *,
    with_boxes: bool,
    limit: int = 5000,
    offset: int = 0,
) -> tuple[Mention, ...]:
    """Mentions of entities, which the tables have, and of values, which the annotations have.

    Values are numbered after the entities' mentions.
    """
    sql = context.tables.load("salient.services", "documents.sql")
    with context.tables.read() as tx:
        given = {
            "id": document.id,
            "low": low,
            "high": high,
            "workspace": context.workspace,
            "limit": limit + offset,
            "offset": 0,
        }
        rows = tx.rows(sql.mentions, given)
        after = tx.value(sql.n_mentions, {"id": document.id})
    values = context.texts.values(document.id, document.metadata)
    both: list[Any] = sorted(
        [*((r.start_at, r.ordinal, r) for r in rows), *((v.start, after + v.index, v) for v in values.within(low, high))],
        key=lambda m: m[:2],
    )  # fmt: skip
    pages = view_pages(text)
    found: list[Mention] = []
    for start, ordinal, said in both[offset : offset + limit]:
        end = said.end if isinstance(said, ValueMention) else said.end_at
        named = _of_value(values, said) if isinstance(said, ValueMention) else _of_entity(said)
        found.append(
            Mention(
                ordinal=ordinal,
                start=start,
                end=end,
                label=said.label,
                surface=said.surface,
                score=round(said.score, 4),
                page=text.page_at(start),
                view_page=view_page_at(text, start, pages),
                boxes=boxes(text, start, end) if with_boxes else (),
                **named,
            )
        )
    return tuple(found)


def _of_entity(row: Any) -> dict[str, Any]:
    return {"entity_id": row.entity_id, "entity_name": row.entity_name, "component": row.component}


def _of_value(values: ValuesOf, mention: ValueMention) -> dict[str, Any]:
    return {
        "entity_id": None,
        "entity_name": None,
        "component": values.component,
        "value": values.meaning(mention),
    }


class ListMentions(Value):
    """The mentions of a document, in text order."""

    id: DocumentId
    offset: Offset = 0
    limit: Limit = 200


class MentionList(Value):
    """A page of mentions."""

    total: int
    mentions: tuple[Mention, ...]


@service("documents.mentions")
def mentions(request: ListMentions, context: Context) -> MentionList:
    """List what was found in a document.

    Raises:
        NotFound: no such document, or it has no text.
    """
    row = context.ledger.row(request.id)
    text = context.texts.text(row.id)
    sql = context.tables.load("salient.services", "documents.sql")
    with context.tables.read() as tx:
        total = tx.value(sql.n_mentions, {"id": row.id})
    found = _mentions(
        context,
        text,
        row,
        0,
        len(text.text) + 1,
        with_boxes=False,
        limit=request.limit,
        offset=request.offset,
    )
    total += len(context.texts.values(row.id, row.metadata).mentions)
    return MentionList(total=total, mentions=found)


class RetryDocuments(Value):
    """Documents by id, or all in some states."""

    ids: tuple[DocumentId, ...] = ()
    states: tuple[Literal[State.FAILED, State.QUARANTINED, State.UNSUPPORTED], ...] = ()
    processes: Annotated[int, Field(ge=0, le=256)] | None = None


@service("documents.retry", long=True)
def retry(request: RetryDocuments, context: Context) -> Added:
    """Try documents again, as if just added. Files that could not be read are read anew.

    Raises:
        InvalidInput: neither ids nor states are given.
    """
    if not request.ids and not request.states:
        raise InvalidInput("say which documents to retry: ids or states")
    ids = [*request.ids, *(context.ledger.ids(request.states) if request.states else ())]
    run = context.coordinator.retry(ids, context.report, request.processes)
    return added(run)


class Reindex(Value):
    """How many worker processes; 0 or none lets the number of documents decide."""

    processes: Annotated[int, Field(ge=0, le=256)] | None = None


@service("documents.reindex", long=True)
def reindex(request: Reindex, context: Context) -> Added:
    """Commit all done documents again, from what was made of them before: fills a new search index.

    Interrupted, `documents.add` goes on with it, as with everything that is queued.
    """
    context.ledger.requeue(context.ledger.ids([State.DONE]))
    return added(context.coordinator.resume(context.report, request.processes))


def added(run: Run) -> Added:
    """What a run did, as these services answer."""
    return Added(
        added=run.added,
        unchanged=run.unchanged,
        worked=run.worked,
        states=run.counts.states,
        seconds=round(run.seconds, 3),
    )


class DeleteDocuments(Value):
    """Documents by id."""

    ids: Annotated[tuple[DocumentId, ...], Field(min_length=1, max_length=10_000)]


@service("documents.delete")
def delete(request: DeleteDocuments, context: Context) -> Done:
    """Delete documents, what is inside them, and all that came of them.

    Unknown ids are passed over, so that a call may be repeated.
    """
    every = list(request.ids)
    for ident in every:  # grows while it is walked: children of children follow
        every += [r.id for r in context.ledger.children(ident) if r.id not in every]
    n = context.coordinator.remove(request.ids)
    LabelBook(context.records, context.workspace).remove(every)
    context.blobs.delete_prefix(f"classify/{context.workspace}/")  # what classifiers learn from
    return Done(n=n)
