"""Word vectors of one's own: trained on the workspace's texts, published, and asked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from salient.errors import NotFound
from salient.learning.embeddings import KeyedVectors, WordVectors
from salient.model import Value
from salient.pipeline.run import Progress
from salient.services import Context, service
from salient.services.models import ModelName

Word = Annotated[str, Field(min_length=1, max_length=200)]
Few = Annotated[int, Field(ge=1, le=1000)]


class TrainVectors(Value):
    """The model's name, and how it is trained."""

    name: ModelName
    dimensions: Annotated[int, Field(ge=1, le=1024)] = 100
    window: Annotated[int, Field(ge=1, le=32)] = 5
    epochs: Annotated[int, Field(ge=1, le=1000)] = 5
    min_count: Annotated[int, Field(ge=1)] = 5
    mode: Literal["skip-gram", "cbow"] = "skip-gram"
    phrases: bool = False
    min_n: Annotated[int, Field(ge=0, le=10)] = 0
    max_n: Annotated[int, Field(ge=0, le=10, description="Of character n-grams; 0 for none")] = 0
    seed: Annotated[int, Field(ge=0)] = 1


class TrainedVectors(Value):
    """What was published."""

    name: str
    version: str
    words: int
    documents: int
    loss: float = Field(description="Mean squared error of predictions in the last epoch")


class AskNeighbours(Value):
    """A published model and a word."""

    model: ModelName
    word: Word
    limit: Few = 10


class AskAnalogy(Value):
    """What is to `c` as `b` is to `a`?"""

    model: ModelName
    a: Word
    b: Word
    c: Word
    limit: Few = 10


class LikeWord(Value):
    """A word and how alike it is: the cosine."""

    word: str
    score: float


class LikeWords(Value):
    """Most alike first."""

    words: tuple[LikeWord, ...]


@service("embeddings.train", long=True)
def train(request: TrainVectors, context: Context) -> TrainedVectors:
    """Train word vectors on the texts of all documents, and publish them as a model.

    The setting `nlp.encoder = "model:NAME"` then searches by them.

    Raises:
        InvalidInput: there is too little text, or a number is out of range.
    """
    n_documents = 0

    def texts() -> Iterator[str]:
        nonlocal n_documents
        for ident in context.ledger.every_id():
            try:
                text = context.texts.text(ident).text
            except NotFound:
                continue  # it has none: it failed, or is not done
            n_documents += 1
            yield text

    given = request.model_dump(exclude={"name"})
    model = WordVectors(**given).fit(
        texts(), told=lambda stage, done, total: context.report(Progress(stage, done, total))
    )
    with tempfile.TemporaryDirectory(prefix="salient-vectors-") as folder:
        model.save(Path(folder) / "model")
        version = context.models.publish(request.name, Path(folder) / "model")
    return TrainedVectors(
        name=request.name,
        version=version,
        words=len(model.vocabulary_),
        documents=n_documents,
        loss=round(model.loss_, 6),
    )


@service("embeddings.neighbours")
def neighbours(request: AskNeighbours, context: Context) -> LikeWords:
    """Find the words that are used most like one.

    Raises:
        NotFound: no such model, it holds no word vectors, or the word has none.
    """
    with context.models.open(request.model) as model:
        found = KeyedVectors.open(model.path).neighbours(request.word, request.limit)
    return _reply(found)


@service("embeddings.analogy")
def analogy(request: AskAnalogy, context: Context) -> LikeWords:
    """Find what is to one word as a second is to a third: man, king, woman.

    Raises:
        NotFound: no such model, it holds no word vectors, or a word has none.
    """
    with context.models.open(request.model) as model:
        keyed = KeyedVectors.open(model.path)
        found = keyed.analogy(request.a, request.b, request.c, request.limit)
    return _reply(found)


def _reply(found: list[tuple[str, float]]) -> LikeWords:
    return LikeWords(words=tuple(LikeWord(word=w, score=round(s, 4)) for w, s in found))
