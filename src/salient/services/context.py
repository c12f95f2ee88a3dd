"""Everything a service may touch. Built once, by `salient.app`."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from salient.errors import Misconfigured, NotFound
from salient.knowledge.grammar_search import Block
from salient.knowledge.ontology import Ontology
from salient.knowledge.reading import Reading
from salient.learning.registry import Registry
from salient.learning.vectors import Encoder, open_encoder
from salient.model import Annotations, Text
from salient.nlp import Engine, open_engine
from salient.pipeline.commit import Indexes
from salient.pipeline.ledger import Ledger
from salient.pipeline.run import Coordinator, Report
from salient.pipeline.stages import ANNOTATE, CONVERT, READ
from salient.services.answering import Model as Weights
from salient.services.jobbook import JobBook
from salient.services.meanings import ValuesOf
from salient.services.workers import Workers
from salient.storage.blob import Blobs
from salient.storage.docs import Records
from salient.storage.kv import KeyValue
from salient.storage.sql import Tables
from salient.work import Pool


class Components:
    """The engine and the encoder, loaded when first used, for all threads of a process."""

    def __init__(self, engine: str, encoder: str, models: Registry) -> None:
        self._names = (engine, encoder)
        self._models = models
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._encoder: Encoder | None = None

    @property
    def encoder(self) -> Encoder:
        with self._lock:
            if self._encoder is None:
                self._encoder = open_encoder(self._names[1], self._models)
            return self._encoder

    def annotate(self, text: Text) -> Annotations:
        """Annotate one short text. Callers take turns: engines are not for threads."""
        with self._lock:
            if self._engine is None:
                self._engine = open_engine(self._names[0])
            return next(iter(self._engine.annotate([text])))


class Texts:
    """Texts and annotations of documents, the last few kept in memory. For threads."""

    LARGEST = 30_000_000  # characters kept, over all texts
    MOST_VALUES = 16  # documents

    def __init__(self, ledger: Ledger, blobs: Blobs) -> None:
        self._ledger = ledger
        self._blobs = blobs
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Text] = OrderedDict()
        self._values: OrderedDict[tuple[str, str], ValuesOf] = OrderedDict()

    def text(self, document_id: str) -> Text:
        """The canonical text of a document's current version.

        Raises:
            NotFound: no such document, or it has no text (it failed, or is not done).
        """
        key = self._key(document_id, CONVERT)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        text = Text.load(self._blobs.view(key))
        with self._lock:
            self._kept[key] = text
            while (
                len(self._kept) > 1 and sum(len(t.text) for t in self._kept.values()) > self.LARGEST
            ):
                self._kept.popitem(last=False)
        return text

    def annotations(self, document_id: str) -> Annotations:
        """The annotations of a document's current version.

        Raises:
            NotFound: as for `text`.
        """
        return Annotations.load(self._blobs.view(self._key(document_id, ANNOTATE)))

    def values(self, document_id: str, metadata: str) -> ValuesOf:
        """The values of a document's current version, and what they mean.

        A page's values are read in the light of the whole document's, so that these are kept: a long
        document is looked at page by page.

        Args:
            metadata: the ledger's.

        Raises:
            NotFound: as for `text`.
        """
        key = (self._key(document_id, ANNOTATE), metadata)
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        made = ValuesOf(
            self.text(document_id), Annotations.load(self._blobs.view(key[0])), metadata
        )
        with self._lock:
            self._values[key] = made
            while len(self._values) > self.MOST_VALUES:
                self._values.popitem(last=False)
        return made

    def reading(self, document_id: str) -> Reading:
        """What was read in a document's current version: names, findings, references.

        Raises:
            NotFound: as for `text`.
        """
        return Reading.load(self._blobs.view(self._key(document_id, READ)))

    def _key(self, document_id: str, stage: str) -> str:
        key = self._ledger.artifact(document_id, stage)
        if key is None:
            row = self._ledger.row(document_id)
            raise NotFound(
                f"{row.name!r} has no text: it is {row.state}", id=document_id, state=row.state
            )
        return key


class Blocks:
    """Annotations that patterns were searched in, kept for the next pattern. For threads.

    The longest unused go first.
    """

    CHARACTERS = 10_000_000
    """Of all documents of a workspace: where there are more, none are kept."""
    LARGEST = 3_000_000  # tokens kept, of some 100 bytes each with what is worked out of them

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, ...], Block] = OrderedDict()

    def get(self, artifacts: tuple[str, ...]) -> Block | None:
        """The block of these annotations, by their keys."""
        with self._lock:
            if artifacts in self._kept:
                self._kept.move_to_end(artifacts)
            return self._kept.get(artifacts)

    def put(self, artifacts: tuple[str, ...], block: Block) -> None:
        with self._lock:
            self._kept[artifacts] = block
            while len(self._kept) > 1 and sum(b.n for b in self._kept.values()) > self.LARGEST:
                self._kept.popitem(last=False)


def silent(_: object) -> None:
    """The report of callers who do not watch."""


def _no_pool() -> Pool:
    raise Misconfigured("this context was made without workers")


@dataclass(frozen=True)
class Context:
    """Stores, indexes and components of one workspace."""

    workspace: str
    cache: KeyValue
    blobs: Blobs
    tables: Tables
    records: Records
    jobs: JobBook
    ledger: Ledger
    indexes: Indexes
    coordinator: Coordinator
    components: Components
    models: Registry
    weights: Callable[[], AbstractContextManager[Weights]]
    """Those of answering, for as long as a question takes: a new version waits for the next one."""
    texts: Texts
    ontology: Ontology
    blocks: Blocks = field(default_factory=Blocks)
    ask_passages: int = 40
    ask_min_confidence: float | None = None
    settings: tuple[tuple[str, str, str], ...] = ()
    stores: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Each store by name, taken apart: see `salient.storage.urls.Tree`."""
    report: Report = field(default=silent)
    workers: Callable[[], Workers] = Workers
    """Who works now, and what waits."""
    pool: Callable[[], Pool] = _no_pool
    """Opens the workers that calls are made on; the caller closes them."""
    modules: tuple[str, ...] = ()
    """Modules besides salient's whose functions those may run."""
    dead_letters: int = 1000
    """How many calls that were given up are kept."""
