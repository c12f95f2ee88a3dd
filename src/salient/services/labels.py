"""Labels of documents: given by people, predicted by classifiers, always told apart."""

from __future__ import annotations

from heapq import nsmallest
from itertools import islice
from typing import Annotated

from pydantic import Field

from salient.errors import InvalidInput, NotFound
from salient.model import Value
from salient.services import Context, service
from salient.services.labelbook import LabelBook, Labelled
from salient.services.labelled import label_counts
from salient.services.views import DocumentId, Done, Limit, Offset

Scheme = Annotated[str, Field(min_length=1, max_length=100, pattern="^[^/]+$")]
"""What labels are about, such as "subject" or "urgency"; a document has labels in each."""
Label = Annotated[str, Field(min_length=1, max_length=200)]
Person = Annotated[str, Field(min_length=1, max_length=128)]


class SetLabels(Value):
    """Documents and what they are labelled. No labels say that none of the scheme's fits."""

    ids: Annotated[tuple[DocumentId, ...], Field(min_length=1, max_length=10_000)]
    scheme: Scheme = "label"
    labels: Annotated[tuple[Label, ...], Field(max_length=100)]
    person: Person = "local"


class RemoveLabels(Value):
    """Documents whose labels are taken back."""

    ids: Annotated[tuple[DocumentId, ...], Field(min_length=1, max_length=10_000)]
    scheme: Scheme = "label"


class ForgetPredictions(Value):
    """A scheme whose predicted labels are removed; those of people stay."""

    scheme: Scheme = "label"


class ListLabels(Value):
    """Labels of a scheme. Filters are joined by AND."""

    scheme: Scheme = "label"
    label: Label | None = None
    by: Annotated[
        str | None, Field(pattern="^(person|classifier)$", description="person or classifier")
    ] = None
    unsure: bool = Field(
        default=False, description="Predicted ones first of which the classifier was least sure"
    )
    offset: Offset = 0
    limit: Limit = 100


class LabelsOf(Value):
    """The labels of a document in a scheme, by a person or by a classifier."""

    document_id: str
    document_name: str
    scheme: str
    labels: tuple[str, ...]
    by: str = Field(description="person or classifier")
    person: str | None
    at: str
    share: float | None = Field(description="How sure the classifier was of the likeliest, 0 to 1")
    model: str | None
    version: str | None


class LabelsOfDocuments(Value):
    """Documents whose labels are asked for, in all schemes."""

    ids: Annotated[tuple[DocumentId, ...], Field(max_length=1000)]


class LabelsInSchemes(Value):
    """Labels by document and scheme."""

    labels: tuple[LabelsOf, ...]


class LabelCount(Value):
    """A label and how many documents have it."""

    label: str
    people: int
    predicted: int


class LabelList(Value):
    """A page of the labels that match, and counts over all labels of the scheme."""

    total: int
    documents: tuple[LabelsOf, ...]
    counts: tuple[LabelCount, ...]
    schemes: tuple[str, ...]


@service("labels.set")
def set_labels(request: SetLabels, context: Context) -> Done:
    """Label documents as a person: no classifier overwrites it.

    Raises:
        NotFound: no such document.
        InvalidInput: a label is blank.
    """
    unknown = set(request.ids) - set(context.ledger.rows(request.ids))
    if unknown:
        raise NotFound(f"no document {min(unknown)!r}", id=min(unknown))
    if any(not label.strip() for label in request.labels):
        raise InvalidInput("a label is blank")
    return Done(n=_book(context).give(request.ids, request.scheme, request.labels, request.person))


@service("labels.remove")
def remove(request: RemoveLabels, context: Context) -> Done:
    """Take back what people labelled documents; what classifiers predicted then shows again."""
    return Done(n=_book(context).take(request.ids, request.scheme))


@service("labels.forget")
def forget(request: ForgetPredictions, context: Context) -> Done:
    """Remove the predicted labels of a scheme; people's stay."""
    return Done(n=_book(context).forget(request.scheme))


@service("labels.list")
def list_labels(request: ListLabels, context: Context) -> LabelList:
    """List labelled documents of a scheme: people's labels, and predicted ones where no person gave any."""
    book = _book(context)
    counts = label_counts(book, request.scheme, context.cache)
    last = request.offset + request.limit
    found = (
        one
        for one in book.every(request.scheme)
        if (request.label is None or request.label in one.labels)
        and (request.by is None or request.by == _by(one))
    )
    if request.unsure:
        page = nsmallest(last, found, key=lambda one: 2.0 if one.share is None else one.share)
    else:
        page = list(islice(found, last))
    page = page[request.offset :]
    rows = context.ledger.rows([one.document_id for one in page])
    return LabelList(
        total=counts.documents(request.label, request.by),
        documents=tuple(_view(one, rows[one.document_id].name) for one in page if one.document_id in rows),
        counts=tuple(
            LabelCount(label=label, people=counts.people.get(label, 0), predicted=counts.predicted.get(label, 0))
            for label in sorted({*counts.people, *counts.predicted})
        ),
        schemes=tuple(book.schemes()),
    )  # fmt: skip


@service("labels.show")
def show(request: LabelsOfDocuments, context: Context) -> LabelsInSchemes:
    """Show the labels of documents in every scheme: a person's, else the predicted ones."""
    rows = context.ledger.rows(request.ids)
    found = _book(context).of(sorted(rows))
    return LabelsInSchemes(labels=tuple(_view(one, rows[one.document_id].name) for one in found))


def _view(one: Labelled, name: str) -> LabelsOf:
    return LabelsOf(
        document_id=one.document_id, document_name=name, scheme=one.scheme, labels=one.labels, by=_by(one), person=one.person,
        at=one.at, share=one.share, model=one.model, version=one.version,
    )  # fmt: skip


def _by(one: Labelled) -> str:
    return "classifier" if one.person is None else "person"


def _book(context: Context) -> LabelBook:
    return LabelBook(context.records, context.workspace)
