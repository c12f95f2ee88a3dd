"""Answers in the documents' own words, with the sentence, page and offsets behind each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from salient.model import Annotations, Builder, Part, Text, Value
from salient.model.layout import FURNITURE, Block, Kind
from salient.services import Context, answering, service
from salient.services.quotes import quote
from salient.services.referents import Rewritten, rewrite
from salient.services.search import Filters, SearchRequest, query_of
from salient.services.views import DocumentId, Quote
from salient.storage.search import Hit, Query
from salient.storage.sql import fold

NOT_FOUND = "not found in your documents"
_NO_STATEMENTS = [Kind.TITLE, Kind.HEADING, *FURNITURE]
_SAID_AGAIN = 0.8  # of two passages' words in common
_NAME_WORDS = 8  # of the question's names that are looked up in the documents


class AskRequest(Value):
    """A question, over all documents or some of them."""

    question: Annotated[str, Field(min_length=1, max_length=2000)]
    document_ids: Annotated[tuple[DocumentId, ...], Field(max_length=1000)] = ()
    filters: Filters = Field(default_factory=dict)
    limit: Annotated[int, Field(ge=1, le=20)] = 3


class AnswerSentence(Value):
    """A sentence that answers. In `quote`, the pieces that are hits are the short answer."""

    quote: Quote
    answer: str | None
    confidence: float
    context: Quote
    """The passage around it, with the sentence as hit."""
    n_copies: int
    """Documents that say the same as the one quoted; see `copies.show`."""


class LookedAt(Value):
    """A passage that was read for the question."""

    quote: Quote
    score: float


class Answer(Value):
    """What the documents say, or that they do not.

    With `found` false, `sentences` hold the nearest there is, which do not answer surely.
    """

    found: bool
    answer: str | None
    confidence: float
    sentences: tuple[AnswerSentence, ...]
    passages: tuple[LookedAt, ...]
    reason: str | None
    seconds: float

    def __str__(self) -> str:
        if not self.found:
            return self.reason or NOT_FOUND
        best = self.sentences[0].quote
        page = f"page {best.page}, " if best.page else ""
        lines = (
            self.answer or "",
            f"“{best.text}”",
            f"— {best.document_name}, {page}characters {best.start}–{best.end}",
        )
        return "\n".join(lines)


@service("ask.answer")
def answer(request: AskRequest, context: Context) -> Answer:
    """Answer a question with quoted sentences, or say that the documents do not answer it.

    Raises:
        InvalidInput: the question has no words.
    """
    with context.weights() as model:
        return _answer(request, context, model)


def _answer(request: AskRequest, context: Context, model: answering.Model) -> Answer:
    started = time.perf_counter()
    annotations = context.components.annotate(as_text(request.question))
    question = answering.analyse(request.question, annotations, model=model)
    hits = _retrieve(request, answering.search_text(question), context)
    rows = context.ledger.rows(list({h.group for h in hits}))
    hits = [h for h in hits if h.group in rows]
    read = _read(hits, rows, question, context)
    ranked = answering.rank(
        question,
        [candidate for candidate, _ in read],
        encoder=context.components.encoder,
        limit=max(request.limit, 3),
        model=model,
    )[: request.limit]
    bound = model.threshold if context.ask_min_confidence is None else context.ask_min_confidence
    found = any(r.confidence >= bound for r in ranked)
    sentences = []
    others = context.coordinator.copies.others({hits[item.candidate].group for item in ranked})
    for item in ranked:
        hit = hits[item.candidate]
        row = rows[hit.group]
        first, _ = _bounds(hit)
        start, end = _shifted(read[item.candidate][1].back(*item.sentence), first)
        short = None
        if item.answer:
            short = _shifted(read[item.candidate][1].back(*item.answer), first)
        text = context.texts.text(row.id).text
        sentences.append(
            AnswerSentence(
                quote=quote(context, row, start, end, [short] if short else []),
                answer=text[short[0] : short[1]] if short else None,
                confidence=round(item.confidence, 4),
                context=quote(context, row, *_bounds(hit), [(start, end)], with_boxes=False),
                n_copies=others.get(row.id, 0),
            )
        )
    best = sentences[0] if sentences and found else None
    return Answer(
        found=found,
        answer=(best.answer or "".join(p.text for p in best.quote.pieces)) if best else None,
        confidence=max((s.confidence for s in sentences), default=0.0),
        sentences=tuple(sentences),
        passages=tuple(
            LookedAt(
                quote=quote(context, rows[h.group], *_bounds(h), with_boxes=False),
                score=round(h.score, 4),
            )
            for h in hits[:10]
        ),
        reason=None if found else _reason(len(hits)),
        seconds=round(time.perf_counter() - started, 4),
    )


def warm(context: Context) -> None:
    """Load what the first question would wait for: engine, vectors and weights.

    Raises:
        Misconfigured: one of them is not installed.
    """
    with context.weights():
        context.components.encoder.encode(["warm"])
    context.components.annotate(as_text("Who was it?"))


def as_text(words: str) -> Text:
    """A short text of one paragraph, so that questions are annotated as documents are."""
    builder = Builder()
    builder.add(Part([Block(Kind.PARAGRAPH, words)]))
    return builder.build()


def _retrieve(request: AskRequest, words: str, context: Context) -> list[Hit]:
    """The passages to read: by words and by meaning, best first."""
    filters = dict(request.filters)
    if request.document_ids:
        filters["document"] = request.document_ids
    base = SearchRequest(
        text=request.question[:10_000], mode="hybrid", filters=filters, limit=context.ask_passages
    )
    query = query_of(base, context)
    asked = Query(
        text=words or None,
        vector=query.vector,
        filters=query.filters,
        limit=context.ask_passages,
    )
    hits = context.indexes.passages.search(asked).hits
    kept = _distinct(hits, context)
    if len(kept) < len(hits):  # what was said again makes room for what else there is
        more = context.indexes.passages.search(replace(asked, offset=asked.limit)).hits
        kept = _distinct([*kept, *more], context)[: asked.limit]
    return kept


def _distinct(hits: Sequence[Hit], context: Context) -> list[Hit]:
    """The hits, without those that stand with nearly the same words in a copy of a document before."""
    groups = context.coordinator.copies.groups({h.group for h in hits})
    said: dict[str, list[set[str]]] = {}
    kept = []
    for hit in hits:
        group = groups.get(hit.group)
        if group is not None:
            words = set(fold(str(hit.fields.get("text", ""))).split())
            before = said.setdefault(group, [])
            if any(len(words & b) >= _SAID_AGAIN * len(words | b) for b in before):
                continue
            before.append(words)
        kept.append(hit)
    return kept


def _bounds(hit: Hit) -> tuple[int, int]:
    start: Any = hit.fields["start"]
    end: Any = hit.fields["end"]
    return int(start), int(end)


def _shifted(span: tuple[int, int], by: int) -> tuple[int, int]:
    return span[0] + by, span[1] + by


def _read(
    hits: Sequence[Hit], rows: Mapping[str, Any], question: answering.Question, context: Context
) -> list[tuple[answering.Candidate, Rewritten]]:
    """Passages as ranking reads them, with full names put in, and the way back to the text."""
    documents = {
        ident: (context.texts.text(ident), context.texts.annotations(ident))
        for ident in {h.group for h in hits}
    }
    sql = context.tables.load("salient.services", "documents.sql")
    read = []
    with context.tables.read() as tx:
        elsewhere: dict[str, set[str]] = {ident: set() for ident in documents}
        words = {w for n in question.names for w in n.text.casefold().split()}
        sought = sorted(words, key=lambda w: (-len(w), w))[:_NAME_WORDS]
        if documents and sought:
            for row in tx.rows(sql.names_of_many, {"ids": list(documents)}):
                if any(word in fold(row.surface) for word in sought):
                    elsewhere[row.document_id].add(row.surface)
        for hit in hits:
            start, end = _bounds(hit)
            meant = tx.rows(sql.meant, {"id": hit.group, "low": start, "high": end})
            text, annotations = documents[hit.group]
            names = [(r.start_at - start, r.end_at - start, r.surface) for r in meant]
            passage = rewrite(text.text[start:end], names)
            about = "; ".join(sorted(elsewhere[hit.group]))
            candidate = _candidate(hit, rows[hit.group], text, annotations, passage, about)
            read.append((candidate, passage))
    return read


def _candidate(
    hit: Hit, row: Any, text: Text, annotations: Annotations, read: Rewritten, elsewhere: str
) -> answering.Candidate:
    start, end = _bounds(hit)
    inside = _statements(text, annotations.sentence_spans(), start, end)

    def here(a: int, b: int) -> tuple[int, int]:
        a, b = max(int(a), start) - start, min(int(b), end) - start
        # The end of a mention that was replaced is the end of its name.
        return read.forth(a), read.new[-1] if b >= end - start else read.forth(b)

    mentions = annotations.mentions
    rows = np.flatnonzero((mentions.start >= start) & (mentions.end <= end))
    return answering.Candidate(
        document_id=row.id,
        key=hit.key,
        text=read.text,
        start=0,
        sentences=np.array([here(a, b) for a, b in inside], np.int32).reshape(-1, 2),
        mentions=tuple(
            (
                *here(mentions.start[i], mentions.end[i]),
                annotations.strings[mentions.label[i]],
                text.text[mentions.start[i] : mentions.end[i]],
            )
            for i in rows
        ),
        heading=str(hit.fields.get("heading") or ""),
        title=row.title or row.name,
        elsewhere=elsewhere,
        bm25=hit.text_score,
        vector=hit.vector_score,
        hybrid=hit.score,
    )


def _statements(text: Text, spans: Any, start: int, end: int) -> Any:
    """The sentences of a passage that say something: headings name what the text below says."""
    if not len(spans):
        return spans
    inside = spans[(spans[:, 1] > start) & (spans[:, 0] < end)]
    blocks = np.searchsorted(text.block_start, inside[:, 0], side="right") - 1
    return inside[~np.isin(text.block_kind[np.maximum(blocks, 0)], _NO_STATEMENTS)]


def _reason(n_passages: int) -> str:
    if not n_passages:
        return f"{NOT_FOUND}: no passage has the words of the question or is near in meaning"
    return f"{NOT_FOUND}: the nearest passages do not answer it surely enough"
