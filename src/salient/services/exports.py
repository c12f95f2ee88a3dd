"""Tables and the graph as files, streamed: what is exported is what its list shows."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import groupby, islice
from typing import Any, Literal

from pydantic import Field, ValidationError

from salient.errors import InvalidInput
from salient.knowledge import graph as knowledge_graph
from salient.model import Annotations, Document, Value
from salient.services import Context, grammar, service
from salient.services.coreference import Reference, every_reference
from salient.services.documents import ListDocuments, list_documents
from salient.services.facts import every_fact
from salient.services.labelbook import LabelBook
from salient.services.meanings import ValuesOf, columns, of_fact

What = Literal[
    "documents", "mentions", "entities", "facts", "graph", "annotations", "references", "copies", "labels", "grammar"
]  # fmt: skip
Form = Literal["csv", "xlsx", "jsonl", "graphml", "jsonld"]

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/x-ndjson",
    "graphml": "application/graphml+xml",
    "jsonld": "application/ld+json",
}
XLSX_ROWS = 1_048_575  # the format's own bound, less the header

Row = dict[str, Any]
_LABELLED_AT_ONCE = 500
_FACTS_AT_ONCE = 500  # whose entities' names are looked up together
_EPOCH = datetime(2000, 1, 1)  # noqa: DTZ001 - the format knows no zones; fixed, so that bytes are equal


class ExportRequest(Value):
    """What to export, in which form, and the filters of its list."""

    what: What
    form: Form
    filters: dict[str, str] = Field(default_factory=dict)


class Exported(Value):
    """Where the export lies in the blob store."""

    blob: str
    size_bytes: int
    media_type: str


def request_of(what: str, form: str, filters: Mapping[str, str]) -> ExportRequest:
    """A request from the parts of an address.

    Raises:
        InvalidInput: no such table or form.
    """
    try:
        return ExportRequest.model_validate({"what": what, "form": form, "filters": dict(filters)})
    except ValidationError as exc:
        known = "documents, mentions, entities, facts, references, annotations, copies, labels, grammar as csv, xlsx or jsonl; graph as graphml, jsonld or csv"
        raise InvalidInput(f"nothing is called {what}.{form}: there are {known}") from exc


@service("export.write", long=True)
def write(request: ExportRequest, context: Context) -> Exported:
    """Write an export into the blob store.

    Raises:
        InvalidInput: the table does not come in that form, or a filter is unknown.
    """
    key = f"export/{request.what}.{request.form}"
    with tempfile.TemporaryFile() as file:
        size = sum(file.write(chunk) for chunk in stream(request, context))
        file.seek(0)
        context.blobs.put(key, file)
    return Exported(blob=key, size_bytes=size, media_type=MEDIA_TYPES[request.form])


def stream(request: ExportRequest, context: Context) -> Iterator[bytes]:
    """The export, piece by piece; equal workspaces give equal bytes.

    Raises:
        InvalidInput: the table does not come in that form, or a filter is unknown. Raised at once,
            not with the first piece.
    """
    if request.what == "graph":
        return knowledge_graph.export(
            context.tables, context.workspace, request.form, context.ontology.symmetric
        )
    if request.form not in ("csv", "xlsx", "jsonl"):
        raise InvalidInput(f"{request.what} come as csv, xlsx or jsonl, not {request.form}")
    if request.what == "grammar":
        return _formed(request.form, *grammar.table(context, request.filters))
    if request.filters and request.what != "documents":
        raise InvalidInput(
            f"{request.what} are exported whole: leave out {sorted(request.filters)}"
        )
    if request.what == "annotations" and request.form != "jsonl":
        raise InvalidInput("annotations come as jsonl")
    columns, rows = _TABLES[request.what]
    return _formed(request.form, columns, rows(context, request.filters))


def _formed(form: Form, columns: tuple[str, ...], rows: Iterator[Row]) -> Iterator[bytes]:
    if form == "jsonl":
        return (json.dumps(r, ensure_ascii=False, sort_keys=True).encode() + b"\n" for r in rows)
    return _csv(columns, rows) if form == "csv" else _xlsx(columns, rows)


def _csv(columns: tuple[str, ...], rows: Iterator[Row]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for n, row in enumerate(rows, 1):
        writer.writerow([_cell(row.get(c)) for c in columns])
        if n % 500 == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _cell(value: Any) -> Any:
    """A value as one cell. Text that a spreadsheet would run as a formula is quoted."""
    if isinstance(value, list | tuple | dict):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value


def _xlsx(columns: tuple[str, ...], rows: Iterator[Row]) -> Iterator[bytes]:
    import xlsxwriter

    with tempfile.NamedTemporaryFile(suffix=".xlsx") as file:
        # constant_memory writes row by row; strings_to_* off, since cells are data, never formulas.
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "in_memory": False,
        }
        book = xlsxwriter.Workbook(file.name, options)
        book.set_properties({"created": _EPOCH})
        sheet = book.add_worksheet()
        bold = book.add_format({"bold": True})
        sheet.write_row(0, 0, columns, bold)
        sheet.freeze_panes(1, 0)
        for n, row in enumerate(rows, 1):
            if n > XLSX_ROWS:
                book.close()
                raise InvalidInput(
                    f"a sheet holds {XLSX_ROWS:,} rows: export as csv or jsonl instead"
                )
            sheet.write_row(n, 0, [_plain(row.get(c)) for c in columns])
        book.close()
        file.seek(0)
        while chunk := file.read(1024 * 1024):
            yield chunk


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple | dict):
        value = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return value[:32_767] if isinstance(value, str) else value


def _documents(context: Context, filters: Mapping[str, str]) -> Iterator[Row]:
    given: dict[str, Any] = {
        k: v.split(",") if k in ("states", "media_types") else v for k, v in filters.items()
    }
    try:
        # By name, not by time: the file must not depend on which process was done first.
        base = ListDocuments.model_validate({"sort": "name", **given, "limit": 1000, "offset": 0})
    except ValidationError as exc:
        raise InvalidInput(f"these filters cannot be used: {sorted(filters)}") from exc

    def rows() -> Iterator[Row]:
        offset = 0
        while True:
            page = list_documents.run(base.model_copy(update={"offset": offset}), context)
            for document in page.documents:
                yield document.model_dump(mode="json")
            offset += len(page.documents)
            if not page.documents:
                return

    return rows()


def _query(name: str, *json_columns: str) -> Callable[[Context, Mapping[str, str]], Iterator[Row]]:
    def rows(context: Context, _: Mapping[str, str]) -> Iterator[Row]:
        sql = context.tables.load("salient.services", "entities.sql")
        with context.tables.read() as tx:
            values = {"workspace": context.workspace, "least": 0}
            for row in tx.stream(getattr(sql, name), values):
                found = dict(row._mapping)
                yield found | {c: json.loads(found[c]) for c in json_columns}

    return rows


def _mentions(context: Context, _: Mapping[str, str]) -> Iterator[Row]:
    """Mentions of entities, then of values with what they mean, document by document."""
    stored = groupby(_query("export_mentions")(context, {}), key=lambda row: row["document_id"])
    ahead, rows = next(stored, (None, iter(())))
    for ident in context.ledger.every_id():
        # Also those of a document that was removed meanwhile: behind it the others must not be missed.
        while ahead is not None and ahead <= ident:
            yield from (row | columns(None) for row in rows)
            ahead, rows = next(stored, (None, iter(())))
        document = context.ledger.row(ident)
        if document.state != "done":
            continue
        text = context.texts.text(ident)
        values = ValuesOf(text, context.texts.annotations(ident), document.metadata)
        for mention in values.mentions:
            yield {
                "document_id": ident,
                "document": document.name,
                "version": document.version,
                "start_at": mention.start,
                "end_at": mention.end,
                "page": text.page_at(mention.start),
                "label": mention.label,
                "surface": mention.surface,
                "score": round(mention.score, 4),
                "component": values.component,
                "entity_id": None,
                "entity": None,
                **columns(values.meaning(mention)),
            }
    while ahead is not None:
        yield from (row | columns(None) for row in rows)
        ahead, rows = next(stored, (None, iter(())))


def _facts(context: Context, _: Mapping[str, str]) -> Iterator[Row]:
    """Facts with the names of their entities and the surest sentence, as people read them."""
    sql = context.tables.load("salient.services", "entities.sql")
    facts = every_fact(context)
    while chunk := list(islice(facts, _FACTS_AT_ONCE)):
        ids = {i for f in chunk for i in (f.subject, f.object_entity) if i}
        with context.tables.read() as tx:
            values = {"workspace": context.workspace, "ids": sorted(ids)}
            names = {r.id: r.name for r in tx.rows(sql.find_many, values)}
        for fact in chunk:
            best = fact.evidence[0]
            yield fact.model_dump(mode="json") | {
                "subject_name": names.get(fact.subject),
                "object_name": names.get(fact.object_entity or ""),
                "document_id": best.document_id,
                "page": best.page,
                "sentence": best.quote,
                **columns(of_fact(context.ontology.value_of(fact.predicate), fact.object_value)),
            }


def _labels(context: Context, _: Mapping[str, str]) -> Iterator[Row]:
    """Documents with their labels, scheme by scheme: what people said, and where they said nothing what was predicted."""
    book = LabelBook(context.records, context.workspace)
    for scheme in book.schemes():
        given = book.every(scheme)
        while some := list(islice(given, _LABELLED_AT_ONCE)):
            rows = context.ledger.rows([one.document_id for one in some])
            for one in some:
                row = rows.get(one.document_id)
                yield {
                    "scheme": one.scheme,
                    "document_id": one.document_id,
                    "document": row.name if row is not None else None,
                    "labels": list(one.labels),
                    "by": one.person if one.person is not None else "a classifier",
                    "at": one.at,
                    "share": one.share,
                    "model": one.model,
                    "model_version": one.version,
                }


def _annotations(context: Context, _: Mapping[str, str]) -> Iterator[Row]:
    """Each done document's text with its sentences, tokens, mentions and keyphrases.

    Tokens are columns: offsets, then what an engine says of each; `head` is the number of a token, from
    0, and a root is its own.
    """
    for ident in context.ledger.every_id():
        row = context.ledger.row(ident)
        if row.state != "done":
            continue
        text, made = context.texts.text(ident), context.texts.annotations(ident)
        yield {
            "id": ident,
            "name": row.name,
            "version": row.version,
            "language": made.language,
            "engine": made.engine,
            "text": text.text,
            "sentences": made.sentence_spans().tolist(),
            "tokens": _token_columns(made),
            "mentions": [
                [a, b, label, round(s, 4)] for a, b, label, s in made.labelled(made.mentions)
            ],
            "keyphrases": [[a, b, round(s, 4)] for a, b, _, s in made.labelled(made.keyphrases)],
        }


def _token_columns(made: Annotations) -> dict[str, list[int] | list[str]]:
    tokens = made.tokens
    return {
        "start": tokens.start.tolist(),
        "end": tokens.end.tolist(),
        "lemma": made.words(tokens.lemma),
        "upos": made.words(tokens.upos),
        "xpos": made.words(tokens.xpos),
        "feats": made.words(tokens.feats),
        "head": tokens.head.tolist(),
        "deprel": made.words(tokens.deprel),
    }


_TABLES: dict[
    str, tuple[tuple[str, ...], Callable[[Context, Mapping[str, str]], Iterator[Row]]]
] = {
    "documents": (tuple(Document.model_fields), _documents),
    "mentions": (
        (
            "document_id",
            "document",
            "version",
            "start_at",
            "end_at",
            "page",
            "label",
            "surface",
            "score",
            "component",
            "entity_id",
            "entity",
            "value",
            "value_kind",
            "ambiguous",
        ),
        _mentions,
    ),
    "entities": (
        (
            "id",
            "type",
            "name",
            "origin",
            "aliases",
            "identifiers",
            "properties",
            "n_mentions",
            "n_documents",
        ),
        _query("export_entities", "aliases", "identifiers", "properties"),
    ),
    "facts": (
        (
            "id",
            "subject",
            "subject_name",
            "predicate",
            "object_entity",
            "object_name",
            "object_value",
            "value",
            "value_kind",
            "ambiguous",
            "qualifiers",
            "confidence",
            "status",
            "document_id",
            "page",
            "sentence",
            "evidence",
        ),
        _facts,
    ),
    "references": (
        ("document_id", "document", *Reference.model_fields),
        lambda context, _: every_reference(context),
    ),
    "annotations": ((), _annotations),
    "labels": (
        (
            "scheme",
            "document_id",
            "document",
            "labels",
            "by",
            "at",
            "share",
            "model",
            "model_version",
        ),
        _labels,
    ),
    # A source is named by the least of its documents.
    "copies": (("source_id", "document_id", "document", "version"), _query("export_copies")),
}
