"""Classifiers: learnt from labelled documents, measured, published; and classes of texts and documents by them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from salient.errors import Conflict, InvalidInput, Misconfigured, NotFound
from salient.learning.classification import (
    Checkpoints,
    HashedTexts,
    Report,
    TextClassifier,
    cross_validate,
    held_out,
    measured,
    together,
    tune,
)
from salient.learning.registry import Model
from salient.model import State, Value
from salient.pipeline.run import Progress
from salient.services import Context, service
from salient.services.labelbook import LabelBook
from salient.services.labels import Scheme
from salient.services.models import ModelName, VersionText
from salient.services.views import DocumentId

_MOST = 10_000
_AT_ONCE = 500  # documents that are read and classified together
_LONGEST = 16_000_000  # characters of them
_ABOUT = "labels.json"
_CACHE = "classify"  # where hashed texts and checkpoints of the workspace lie in the blob store

Labels = tuple[str, ...]


class Classifying(Value):
    """A classifier by its name, and how many reasons are wanted for each class."""

    model: ModelName
    version: VersionText | None = None
    reasons: Annotated[int, Field(ge=0, le=50)] = 0


class ClassifyTexts(Classifying):
    """Texts to classify."""

    texts: Annotated[
        tuple[Annotated[str, Field(max_length=1_000_000)], ...], Field(max_length=_MOST)
    ]


class ClassifyDocuments(Classifying):
    """Documents to classify."""

    ids: Annotated[tuple[DocumentId, ...], Field(max_length=1000)]


class ReasonView(Value):
    """An n-gram that speaks for the class, or against it where its weight is below 0."""

    text: str
    weight: float
    spans: tuple[tuple[int, int], ...] = Field(
        description="Where it stands in the text: half-open, code points"
    )


class ClassOf(Value):
    """What a text or a document was said to be."""

    labels: tuple[str, ...] = Field(description="One, unless the classifier gives several or none")
    share: float = Field(description="How sure the likeliest class is, 0 to 1")
    reasons: tuple[ReasonView, ...] = Field(description="For the likeliest class, strongest first")


class Classes(Value):
    """In the order that was asked in, with the version that said so."""

    version: str
    classes: tuple[ClassOf, ...]


@service("classify.texts")
def texts(request: ClassifyTexts, context: Context) -> Classes:
    """Classify texts with a classifier that `salient models publish` published.

    Raises:
        NotFound: nothing was published under that name.
        Misconfigured: what was published is no classifier.
    """
    return _classes(request, request.texts, context)


@service("classify.documents")
def documents(request: ClassifyDocuments, context: Context) -> Classes:
    """Classify documents of the workspace by their texts.

    Raises:
        NotFound: no such document or it has no text; or nothing was published under that name.
        Misconfigured: what was published is no classifier.
    """
    found = [context.texts.text(ident).text for ident in request.ids]
    return _classes(request, found, context)


def _classes(request: Classifying, given: Sequence[str], context: Context) -> Classes:
    with context.models.open(request.model, request.version) as model:
        own = _opened(request.model, model)
        return Classes(version=model.version, classes=_said(request, given, own))


def _said(request: Classifying, given: Sequence[str], own: TextClassifier) -> tuple[ClassOf, ...]:
    if not given:
        return ()
    said, shares = own.predict(list(given)), own.predict_proba(list(given))
    names = own.classes_.tolist()
    made = []
    for text, label, row in zip(given, said, shares, strict=True):
        top = int(row.argmax())
        reasons = own.explain(text, names[top], request.reasons) if request.reasons else []
        made.append(
            ClassOf(
                labels=tuple(map(str, label)) if isinstance(label, tuple) else (str(label),),
                share=round(float(row[top]), 4),
                reasons=tuple(
                    ReasonView(text=r.text, weight=r.weight, spans=r.spans) for r in reasons
                ),
            )
        )
    return tuple(made)


# --- documents of a workspace -------------------------------------------------------------------------


class Learning(Value):
    """Which labels of documents are learnt, and how."""

    scheme: Scheme = "label"
    by: Annotated[str, Field(pattern="^(labels|folder|metadata:.+)$")] = "labels"
    """Where they come from: what people said in the scheme; or each document's folder, or a key of its metadata."""
    several: bool | None = None
    """Whether a document may have any number of labels; None: if one has none or more than one."""
    loss: Literal["hinge", "log", "passive"] = "hinge"
    words: Annotated[int, Field(ge=0, le=3)] = 2
    characters: bool = Field(default=False, description="Parts of words as well")
    epochs: Annotated[int, Field(ge=1, le=1000)] = 5
    balanced: bool = Field(default=False, description="Rare labels count as much as frequent ones")
    seed: Annotated[int, Field(ge=0)] = 0


class TrainClassifier(Learning):
    """The name that the classifier is published under, and what it learns."""

    name: ModelName
    precision: Annotated[float, Field(gt=0, le=1)] | None = None
    """How often predicted labels shall be right: surer ones only are given then."""
    thresholds: bool = Field(
        default=False, description="Of several labels, choose a bound for each"
    )
    folds: Annotated[int, Field(ge=2, le=20)] = 5


class LearntLabel(Value):
    """A label, how many documents had it, and from which probability it is given."""

    label: str
    documents: int
    threshold: float | None


class TrainedClassifier(Value):
    """What was published."""

    name: str
    version: str
    labels: tuple[LearntLabel, ...]
    documents: int
    without_text: int
    answered: float | None = Field(
        description="With a precision: the share that still gets a label"
    )
    precision: float | None = Field(description="And how often these are right")


class PredictLabels(Value):
    """A published classifier, and the documents that it labels."""

    model: ModelName
    version: VersionText | None = None
    scheme: Scheme | None = None
    """Of the labels that are written; that which it learnt, by default."""
    ids: tuple[DocumentId, ...] = ()
    """All documents without a person's label, by default."""


class Predicted(Value):
    """What was written. Documents with a person's label, or predicted by this version before, are left as they are."""

    version: str
    scheme: str
    predicted: int
    unsure: int = Field(description="Of these got no label")
    labelled_by_people: int
    unchanged: int
    without_text: int


class EvaluateClassifier(Learning):
    """Without a model, one is learnt from a part of the labelled documents and measured on the rest."""

    model: ModelName | None = None
    version: VersionText | None = None
    held_out: Annotated[float, Field(gt=0, le=0.5)] = 0.2
    folds: Annotated[int, Field(ge=2, le=20)] | None = None
    """Measure on as many parts in turn, instead of on one."""


class MeasuresOf(Value):
    """How well one label is told."""

    label: str
    precision: float
    recall: float
    f1: float
    documents: int


class Evaluated(Value):
    """How good a classifier is on labelled documents."""

    documents: int
    accuracy: float
    macro_f1: float
    micro_f1: float
    labels: tuple[MeasuresOf, ...]
    confusion: tuple[tuple[int, ...], ...] = Field(
        description="Rows are true labels, columns what was said; empty where documents have several"
    )
    log_loss: float | None
    calibration_error: float | None
    bins: tuple[tuple[float, float, int], ...] = Field(
        description="How sure, how often right, of how many"
    )


@service("classify.train", long=True)
def train(request: TrainClassifier, context: Context) -> TrainedClassifier:
    """Learn from the labels of documents, and publish what was learnt as a model.

    Broken off, the same call goes on from its last checkpoint.

    Raises:
        InvalidInput: too few documents are labelled, or no threshold is as precise as asked for.
    """
    estimator = _estimator(request)
    features, labels, without = _read(request, context, estimator)
    estimator.set_params(multi_label=_several(request, labels))
    y: list[Any] = list(labels) if estimator.multi_label else [own[0] for own in labels]
    checkpoints = Checkpoints(
        context.blobs, f"{_CACHE}/{context.workspace}/training/{request.name}"
    )

    def report(done: int, total: int) -> None:
        context.report(Progress("learn", done, total))

    try:
        estimator.fit(features, y, checkpoints=checkpoints, report=report)
    except Conflict:
        checkpoints.clear()  # labels have changed since it was broken off
        estimator.fit(features, y, checkpoints=checkpoints, report=report)
    tuned = None
    if request.precision is not None or (request.thresholds and estimator.multi_label):
        tuned = tune(estimator, features, y, folds=request.folds, precision=request.precision)
    with tempfile.TemporaryDirectory(prefix="salient-classifier-") as folder:
        path = Path(folder) / "model"
        estimator.save(path)
        about = {"scheme": request.scheme, "by": request.by}
        (path / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
        version = context.models.publish(request.name, path)
    bounds: Sequence[float | None] = [None] * len(estimator.classes_)
    if tuned is not None:
        bounds = (
            tuned.thresholds
            if estimator.multi_label
            else [tuned.thresholds[0]] * len(estimator.classes_)
        )
    return TrainedClassifier(
        name=request.name,
        version=version,
        labels=tuple(
            LearntLabel(
                label=name,
                documents=sum(name in own for own in labels),
                threshold=None if bound is None else round(bound, 4),
            )
            for name, bound in zip(estimator.classes_.tolist(), bounds, strict=True)
        ),
        documents=len(labels),
        without_text=without,
        answered=None if tuned is None else round(tuned.answered, 4),
        precision=None if tuned is None else round(tuned.accuracy, 4),
    )


@service("classify.predict", long=True)
def predict(request: PredictLabels, context: Context) -> Predicted:
    """Label documents by a published classifier, with how sure it is.

    Labels that people gave are never changed, and predicted ones are told apart from them. Broken off, or called again
    when documents came, it labels what has no label of this version yet.

    Raises:
        NotFound: nothing was published under that name.
        Misconfigured: what was published is no classifier.
    """
    book = LabelBook(context.records, context.workspace)
    with context.models.open(request.model, request.version) as model:
        own = _opened(request.model, model)
        scheme = request.scheme or _about(model.path).get("scheme", "label")
        given = book.given(scheme)
        every = list(request.ids) or list(context.ledger.every_id())
        counts = dict.fromkeys(("predicted", "unsure", "labelled_by_people", "unchanged", "without_text"), 0)  # fmt: skip
        for first in range(0, len(every), _AT_ONCE):
            some = every[first : first + _AT_ONCE]
            free = [ident for ident in some if ident not in given]
            counts["labelled_by_people"] += len(some) - len(free)
            known = book.predicted(free, scheme)
            rows = context.ledger.rows(free)
            due = [
                i for i in free if i in rows and known.get(i) != (model.version, rows[i].version)
            ]
            counts["unchanged"] += sum(i in rows for i in free) - len(due)
            for ids, texts in _texts(context, due, rows, counts):
                said = [
                    (ident, labels, share, rows[ident].version)
                    for ident, (labels, share) in zip(ids, _labels_of(own, texts), strict=True)
                ]
                book.predict(scheme, said, model=request.model, version=model.version)
                counts["predicted"] += len(said)
                counts["unsure"] += sum(not labels for _, labels, _, _ in said)
            context.report(Progress("classify", first + len(some), len(every)))
        return Predicted(version=model.version, scheme=scheme, **counts)


@service("classify.evaluate", long=True)
def evaluate(request: EvaluateClassifier, context: Context) -> Evaluated:
    """Measure a classifier on documents whose labels are known, or learn from some of them and measure on the rest.

    A published one that has learnt from these very documents looks better than it is: without a model, none is
    measured on what it has seen.

    Raises:
        NotFound: nothing was published under that name.
        InvalidInput: too few documents are labelled.
    """
    if request.model is not None:
        with context.models.open(request.model, request.version) as model:
            return _evaluated(_by_model(request, context, _opened(request.model, model)))
    estimator = _estimator(request)
    features, labels, _ = _read(request, context, estimator)
    estimator.set_params(multi_label=_several(request, labels))
    y: list[Any] = list(labels) if estimator.multi_label else [own[0] for own in labels]
    if request.folds is None:
        return _evaluated(held_out(estimator, features, y, share=request.held_out))
    reports = []
    for report in cross_validate(estimator, features, y, folds=request.folds):
        reports.append(report)
        context.report(Progress("folds", len(reports), request.folds))
    return _evaluated(together(reports))


def _by_model(request: EvaluateClassifier, context: Context, own: TextClassifier) -> Report:
    features, labels, _ = _read(request, context, own)
    y: list[Any] = list(labels)
    if not own.multi_label:
        if any(len(given) != 1 for given in labels):
            raise InvalidInput(
                "documents have several labels or none, and the classifier gives one"
            )
        y = [given[0] for given in labels]
    names = [str(name) for name in own.classes_.tolist()]
    known = sorted({*names, *(name for given in labels for name in given)})
    shares = None if own.multi_label or known != names else own.predict_proba(features)
    return measured(y, list(own.predict(features)), shares, known)


def _evaluated(report: Report) -> Evaluated:
    n = sum(map(sum, report.confusion)) or max(report.n_texts, 1)
    return Evaluated(
        documents=n, accuracy=report.accuracy, macro_f1=report.macro_f1, micro_f1=report.micro_f1,
        labels=tuple(
            MeasuresOf(label=str(name), precision=m.precision, recall=m.recall, f1=m.f1, documents=m.support)
            for name, m in zip(report.classes, report.by_class, strict=True)
        ),
        confusion=report.confusion, log_loss=report.log_loss, calibration_error=report.calibration_error,
        bins=report.bins,
    )  # fmt: skip


def _estimator(request: Learning) -> TextClassifier:
    return TextClassifier(
        loss=request.loss, words=request.words, characters=(3, 5) if request.characters else None,
        epochs=request.epochs, class_weight="balanced" if request.balanced else None, random_state=request.seed,
    )  # fmt: skip


def _several(request: Learning, labels: Sequence[Labels]) -> bool:
    many = any(len(own) != 1 for own in labels)
    if request.several is False and many:
        raise InvalidInput("some documents have several labels or none: say several=true")
    return bool(request.several) or many


def _read(
    request: Learning, context: Context, estimator: TextClassifier
) -> tuple[HashedTexts, list[Labels], int]:
    """Features and labels of the labelled documents that have a text, and how many have none.

    Features lie in the blob store for the next training or measurement of the same documents, and those of others are
    removed; the texts are let go.
    """
    blobs, prefix = context.blobs, f"{_CACHE}/{context.workspace}/features"
    stale = set(blobs.list(f"{prefix}/"))
    found = dict(_labelled(request, context))
    ids, counts = sorted(found), {"without_text": 0}
    parts, labels = [], []
    for first in range(0, len(ids), _AT_ONCE):
        some = ids[first : first + _AT_ONCE]
        rows = context.ledger.rows(some)
        for own, texts in _texts(context, [i for i in some if i in rows], rows, counts):
            parts.append(
                HashedTexts.cached(
                    texts, estimator.spec, context.blobs, prefix=f"{_CACHE}/features"
                )
            )
            labels += [found[ident] for ident in own]
        context.report(Progress("read", first + len(some), len(ids)))
    for key in stale:
        blobs.delete(key)
    if not labels:
        what = (
            f"a label in {request.scheme!r}" if request.by == "labels" else f"one by {request.by}"
        )
        raise InvalidInput(f"no document with a text has {what}: label some first")
    return HashedTexts.joined(estimator.spec, parts), labels, counts["without_text"]


def _labelled(request: Learning, context: Context) -> Iterator[tuple[str, Labels]]:
    """Documents and their labels."""
    if request.by == "labels":
        yield from LabelBook(context.records, context.workspace).given(request.scheme).items()
        return
    key = request.by.partition(":")[2]
    every = list(context.ledger.every_id())
    for first in range(0, len(every), _AT_ONCE):
        for ident, row in context.ledger.rows(every[first : first + _AT_ONCE]).items():
            if row.state != State.DONE:
                continue
            label = (
                json.loads(row.metadata).get(key, "")
                if key
                else row.name.rpartition("/")[0].rpartition("/")[2]
            )
            if label.strip():
                yield ident, (label.strip(),)


def _texts(
    context: Context, ids: Sequence[str], rows: dict[str, Any], counts: dict[str, int]
) -> Iterator[tuple[list[str], list[str]]]:
    """Documents that have a text, some at a time."""
    own: list[str] = []
    texts: list[str] = []
    size = 0
    for ident in ids:
        try:
            text = context.texts.text(ident).text if rows[ident].state == State.DONE else None
        except NotFound:  # it was taken up again meanwhile
            text = None
        if text is None:
            counts["without_text"] += 1
            continue
        own.append(ident)
        texts.append(text)
        size += len(text)
        if size > _LONGEST:
            yield own, texts
            own, texts, size = [], [], 0
    if own:
        yield own, texts


def _labels_of(own: TextClassifier, texts: Sequence[str]) -> list[tuple[Labels, float]]:
    """Labels of each text, none where it is too unsure, and how sure it is of the likeliest."""
    said, shares = own.predicted(texts)
    names = [str(name) for name in own.classes_.tolist()]
    made = []
    for row, sure in zip(said, shares.max(axis=1).tolist(), strict=True):
        if own.multi_label:
            labels = tuple(name for name, has in zip(names, row, strict=True) if has)
        else:
            labels = (names[row],) if row >= 0 else ()
        made.append((labels, round(sure, 4)))
    return made


def _opened(name: str, model: Model) -> TextClassifier:
    if "model.json" not in model.digests:
        raise Misconfigured(f"{name!r} is no classifier", model=name)
    return TextClassifier.load(model.path)


def _about(folder: Path) -> dict[str, Any]:
    """What a classifier of documents was learnt from; nothing is known of others."""
    file = folder / _ABOUT
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
