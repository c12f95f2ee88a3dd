"""Documents that say the same in the same words, and where a passage is quoted."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from salient.errors import InvalidInput
from salient.knowledge.copies.quoting import LEAST, Passage
from salient.knowledge.copies.sketch import Why
from salient.knowledge.copies.store import Copy
from salient.knowledge.decisions import Log
from salient.model import Decision, Document, State, Value
from salient.pipeline.ledger import as_document
from salient.services import Context, service
from salient.services.quotes import quote
from salient.services.views import DocumentId, Limit, Offset, Quote
from salient.storage.search import Query

_LISTED = 10  # documents of a group in a list of groups
_SOUGHT = 40  # words of a passage that documents are looked for by
_READ = 40  # documents that are read through for a passage


class ShowCopies(Value):
    """A document."""

    id: DocumentId


class CopyView(Value):
    """A document that says what another one says."""

    document: Document
    similarity: float
    """The share of runs of five words in common, of all that both have."""
    containment: float
    """The share of the shorter one's runs that the longer has as well."""
    why: Why | None
    """None: both are copies of a third, or a person said so."""


class CopiesOf(Value):
    """The copies of a document, the most alike first."""

    copies: tuple[CopyView, ...]


@service("copies.show")
def show(request: ShowCopies, context: Context) -> CopiesOf:
    """Show the documents that say the same as one, in the same bytes, words or nearly: together they are one source.

    Raises:
        NotFound: no such document.
    """
    row = context.ledger.row(request.id)
    own = row.duplicate_of or row.id  # whose text it has
    copies = context.coordinator.copies
    found = {c.document_id: c for c in copies.of(own)}
    same = Copy(own, 1.0, 1.0, Why.BYTES)
    twins = copies.twins([own, *found])
    every = {own: same} | found | {t: found.get(text, same) for t, text in twins.items()}
    every.pop(request.id, None)
    rows = context.ledger.rows(list(every))
    shown = [
        CopyView(
            document=as_document(rows[ident]),
            similarity=round(c.similarity, 4),
            containment=round(c.containment, 4),
            why=c.why,
        )
        for ident, c in every.items()
        if ident in rows
    ]
    return CopiesOf(copies=tuple(sorted(shown, key=lambda c: (-c.similarity, c.document.id))))


class ListCopies(Value):
    """Which groups of copies, the largest first."""

    offset: Offset = 0
    limit: Limit = 20


class CopyGroup(Value):
    """Documents that are one source. The first that was dated, or added, comes first."""

    n: int
    documents: tuple[Document, ...]
    """Ten at most."""


class CopyGroups(Value):
    """Groups of copies, and how many documents of the workspace are in one."""

    total: int
    n_documents: int
    groups: tuple[CopyGroup, ...]


@service("copies.list")
def list_copies(request: ListCopies, context: Context) -> CopyGroups:
    """List the groups of documents that say the same, the largest first."""
    copies = context.coordinator.copies
    total, n_documents, groups = copies.largest(request.offset, request.limit)
    made = []
    for n, members in groups:
        twins = copies.twins(members) if len(members) < _LISTED else {}
        rows = context.ledger.rows([*members, *twins])
        ordered = sorted(rows.values(), key=lambda r: (r.document_date or "9999", r.added_at, r.id))
        made.append(CopyGroup(n=n, documents=tuple(as_document(r) for r in ordered[:_LISTED])))
    return CopyGroups(total=total, n_documents=n_documents, groups=tuple(made))


class DecideCopies(Value):
    """Whether a document says what others say."""

    id: DocumentId
    others: Annotated[tuple[DocumentId, ...], Field(min_length=1, max_length=100)]
    copies: bool
    person: Annotated[str, Field(min_length=1, max_length=128)] = "local"
    reason: Annotated[str, Field(max_length=2000)] | None = None


class DecidedCopies(Value):
    """A decision that was recorded."""

    decision: Decision


@service("copies.decide", idempotent=False)
def decide(request: DecideCopies, context: Context) -> DecidedCopies:
    """Say that documents are copies, or are none. It outlives every new run, and `entities.undo` takes it back.

    Raises:
        NotFound: no such document.
        InvalidInput: it is about one document alone, or about one that has no text.
    """
    ids = list(dict.fromkeys((request.id, *request.others)))
    for ident in ids:
        if context.ledger.row(ident).state != State.DONE:
            raise InvalidInput("only documents with a text can be copies", id=ident)
    log = Log(context.tables, context.workspace)
    made = log.of_copies(ids, request.person, copies=request.copies, reason=request.reason)
    context.coordinator.regroup(ids)
    return DecidedCopies(decision=made)


class FindQuoted(Value):
    """A passage, of five words at least."""

    text: Annotated[str, Field(min_length=1, max_length=20_000)]
    share: Annotated[float, Field(gt=0, le=1)] = 0.6
    """The least share of its runs of three words that must stand together."""
    limit: Annotated[int, Field(ge=1, le=40)] = 10


class QuotedIn(Value):
    """Where a passage stands."""

    quote: Quote
    share: float


class Quoted(Value):
    """Where a passage stands, most of it first."""

    places: tuple[QuotedIn, ...]


@service("copies.quoted")
def quoted(request: FindQuoted, context: Context) -> Quoted:
    """Find the documents that quote a passage, word by word or nearly, and the place in each.

    Raises:
        InvalidInput: the passage has fewer than five words.
    """
    passage = Passage(request.text)
    if passage.n_terms < LEAST:
        raise InvalidInput(f"a passage has {LEAST} words at least; search for the words instead")
    found = []
    for ident in _candidates(request.text, context):
        text = context.texts.text(ident).text
        place = passage.within(text)
        if place is not None and place.share >= request.share:
            found.append((place, ident))
    found.sort(key=lambda item: (-item[0].share, item[1]))
    rows = context.ledger.rows([ident for _, ident in found])
    return Quoted(
        places=tuple(
            QuotedIn(
                quote=quote(context, rows[ident], place.start, place.end),
                share=round(place.share, 4),
            )
            for place, ident in found[: request.limit]
            if ident in rows
        )
    )


def _candidates(text: str, context: Context) -> list[str]:
    """Documents that have the words of a passage, the likeliest first."""
    words = dict.fromkeys(w for w in re.findall(r"\w+", text.casefold()) if len(w) > 1)
    # The longest tell most; all others are in nearly every document.
    sought = sorted(words, key=lambda w: (-len(w), w))[:_SOUGHT]
    asked = Query(text=" ".join(sought), limit=2 * _READ)
    hits = context.indexes.passages.search(asked).hits
    return list(dict.fromkeys(h.group for h in hits))[:_READ]
