"""Classes of texts and documents, by classifiers that were published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from salient.errors import Misconfigured
from salient.learning.classification import TextClassifier
from salient.model import Value
from salient.services import Context, service
from salient.services.models import ModelName, VersionText
from salient.services.views import DocumentId

_MOST = 10_000


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
        if "model.json" not in model.digests:
            raise Misconfigured(f"{request.model!r} is no classifier", model=request.model)
        return Classes(version=model.version, classes=_said(request, given, model.path))


def _said(request: Classifying, given: Sequence[str], folder: Path) -> tuple[ClassOf, ...]:
    if not given:
        return ()
    own = TextClassifier.load(folder)
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
