"""The composition root: the only module that turns settings into running objects."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, nullcontext
from functools import partial
from types import TracebackType
from typing import Self, TypeVar

from salient import readers, services
from salient.errors import Misconfigured
from salient.knowledge.ontology import load_ontology
from salient.learning import mapped
from salient.learning.registry import PREFIX, Current, Model, Registry
from salient.model import Value
from salient.pipeline.commit import Indexes, document_schema, passage_schema
from salient.pipeline.run import Coordinator, Report, RunConfig
from salient.pipeline.worker import WorkerConfig
from salient.services import (
    Context,
    Service,
    answering,
    ask,
    classifying,
    copies,
    coreference,
    deadletters,
    documents,
    embeddings,
    entities,
    exports,
    facts,
    grammar,
    graph,
    jobs,
    labels,
    models,
    plan,
    search,
    similar,
    status,
    sweeping,
    system,
    workers,
)
from salient.services.context import Components, Texts, silent
from salient.services.jobbook import JobBook
from salient.services.metrics import measured
from salient.services.rulebook import RuleBook
from salient.settings import Settings, load, origins, value_of
from salient.storage.blob import Blobs
from salient.storage.docs import Records
from salient.storage.kv import KeyValue
from salient.storage.search import IndexSchema, SearchIndex
from salient.storage.sql import Tables
from salient.work import Place, Pool, WorkConfig, open_pool

Q = TypeVar("Q", bound=Value)
R = TypeVar("R", bound=Value)

# Importing a subject registers its services.
SUBJECTS = (
    documents,
    coreference,
    status,
    search,
    ask,
    embeddings,
    entities,
    facts,
    grammar,
    graph,
    similar,
    copies,
    labels,
    classifying,
    exports,
    jobs,
    deadletters,
    models,
    sweeping,
    plan,
    system,
)

# Settings that a running process takes over.
_LIVE = ("ask.", "limits.", "log.", "pipeline.")
_NOT_LIVE = ("ask.weights",)


class App:
    """Everything of one workspace, opened.

    Threads may share an instance; close it, or use it as a context manager.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or load()
        data = self.settings.data
        try:
            data.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise Misconfigured(
                f"the data folder {data} cannot be made ({exc.strerror}): set data_dir to a folder that can be written",
                data_dir=str(data),
            ) from exc
        self.services = services.SERVICES
        with ExitStack() as opened:
            self.context = self._context(opened)
            # All are open: from here on `close` has them. Before, a failure closes what was opened.
            self._stores = opened.pop_all()

    def call(self, service: Service[Q, R], request: Q, report: Report = silent) -> R:
        """Run a service here and now.

        Args:
            report: told of progress by long services; see `salient.pipeline.run.Report`.
        """
        context = self.context
        if report is not silent:
            context = dataclasses.replace(context, report=report)
        with measured(service.name):
            return service.run(request, context)

    def _context(self, opened: ExitStack) -> Context:
        settings = self.settings
        url = settings.url
        workspace = settings.workspace
        blobs = opened.enter_context(Blobs.open(url(settings.storage.blobs)))
        tables = opened.enter_context(Tables.open(url(settings.storage.tables)))
        tables.migrate()
        cache = opened.enter_context(KeyValue.open(url(settings.storage.cache)))
        records = opened.enter_context(Records.open(url(settings.storage.records)))
        place = place_of(settings)
        opened.callback(place.close)
        queue = opened.enter_context(closing(_Queue(settings)))
        registry = opened.enter_context(_registry(settings, blobs, cache))
        # Vectors of two versions must not be compared, so the version of now stays to the end.
        encoder = registry.exact(settings.nlp.encoder)
        components = Components(settings.nlp.engine, encoder, registry)
        dimensions = components.encoder.dimensions
        if "{index}" not in settings.storage.search:
            raise Misconfigured(
                "storage.search needs {index} where the name of an index belongs, as in embedded:/data/index/{index}"
            )

        def index(name: str, schema: IndexSchema) -> SearchIndex:
            place = url(settings.storage.search, index=name)
            return opened.enter_context(SearchIndex.open(place, schema))

        indexes = Indexes(
            documents=index("documents", document_schema(dimensions)),
            passages=index("passages", passage_schema(dimensions)),
        )
        ontology = settings.nlp.ontology
        worker = WorkerConfig(
            workspace=workspace,
            engine=settings.nlp.engine,
            encoder=encoder,
            limits=_limits(settings),
        )
        coordinator = Coordinator(
            tables=tables,
            blobs=blobs,
            cache=cache,
            indexes=indexes,
            worker=worker,
            vectors=lambda: components.encoder.component,
            ontology=ontology.expanduser().absolute() if ontology else None,
            rules=RuleBook(records, workspace).rules,
            place=place,
            models=registry,
            config=_run_config(settings),
        )
        return Context(
            workspace=workspace,
            cache=cache,
            blobs=blobs,
            tables=tables,
            records=records,
            jobs=JobBook(
                records,
                cache,
                workspace,
                hold_s=settings.work.beat_s,
                max_attempts=settings.pipeline.max_attempts,
            ),
            workers=partial(workers.read, cache, queue.depth),
            pool=partial(_pool, settings),
            modules=settings.work.modules,
            dead_letters=settings.work.dead_letters,
            ledger=coordinator.ledger,
            indexes=indexes,
            coordinator=coordinator,
            components=components,
            models=registry,
            weights=_weights(settings, registry, opened),
            texts=Texts(coordinator.ledger, blobs),
            ontology=load_ontology(ontology),
            ask_passages=settings.ask.passages,
            ask_min_confidence=settings.ask.min_confidence,
            settings=tuple(origins(settings)),
            stores=tuple((name, tuple(t.lines())) for name, t in settings.stores().items()),
        )

    def apply(self, settings: Settings) -> tuple[str, ...]:
        """Take over changed settings while running; return the names of those that need a restart.

        What is under way goes on as it began; what starts later has the new ones.
        """
        rows = origins(settings)
        # By their values: as shown, a new password looks like the old one.
        changed = [n for n, _, _ in rows if value_of(settings, n) != value_of(self.settings, n)]
        self.settings = settings
        self.context.coordinator.configure(_run_config(settings), _limits(settings))
        self.context = dataclasses.replace(
            self.context,
            ask_passages=settings.ask.passages,
            ask_min_confidence=settings.ask.min_confidence,
            settings=tuple(rows),
        )
        return tuple(n for n in changed if not n.startswith(_LIVE) or n in _NOT_LIVE)

    def close(self) -> None:
        """Close every store."""
        self._stores.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def opened_models(settings: Settings) -> Iterator[Registry]:
    """The registry of models without anything else of an app."""
    with (
        Blobs.open(settings.url(settings.storage.blobs)) as blobs,
        KeyValue.open(settings.url(settings.storage.cache)) as cache,
        _registry(settings, blobs, cache) as registry,
    ):
        yield registry


def place_of(settings: Settings) -> Place:
    """The stores that workers use."""
    storage = settings.storage
    return Place(
        settings.url(storage.blobs),
        settings.url(storage.cache),
        (str(settings.models_folder), settings.models.cache_bytes),
    )


def work_config(settings: Settings) -> WorkConfig:
    """How pools work."""
    work = settings.work
    return WorkConfig(
        beat_s=work.beat_s,
        hang_s=work.hang_s,
        batch_s=work.batch_s,
        queue_limit=work.queue_limit,
        modules=work.modules,
    )


def _registry(settings: Settings, blobs: Blobs, cache: KeyValue) -> Registry:
    return Registry(blobs, cache, settings.models_folder, settings.models.cache_bytes)


def _weights(
    settings: Settings, registry: Registry, opened: ExitStack
) -> Callable[[], AbstractContextManager[answering.Model]]:
    """The weights of answering: those that ship, or the current ones of a published model."""
    if settings.ask.weights is None:
        return lambda: nullcontext(answering.load())
    name = settings.ask.weights.removeprefix(PREFIX)

    def read(model: Model) -> answering.Model:
        return answering.Model.read(mapped.view(model.file(answering.WEIGHTS)))

    return opened.enter_context(Current(registry, name, read, check_s=settings.models.check_s)).use


def _limits(settings: Settings) -> readers.Limits:
    names = [f.name for f in dataclasses.fields(readers.Limits)]
    return readers.Limits(**{name: getattr(settings.limits, name) for name in names})


class _Queue:
    """The queue of the setting `work.on`, opened when somebody first asks how long it is."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._pool: Pool | None = None

    def depth(self, queue: str) -> int:
        """Batches that wait; 0 where work goes over no queue. Raises: Unavailable."""
        if not self._settings.work.on.startswith(("celery:", "dask:")):
            return 0
        with self._lock:
            if self._pool is None:
                self._pool = _pool(self._settings)
            return self._pool.depth(queue)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()


def _pool(settings: Settings) -> Pool:
    """Where calls are made; a few at a time need no processes of their own."""
    on = "inline:" if settings.work.on == "auto" else settings.work.on
    return open_pool(on, place_of(settings), work_config(settings))


def _run_config(settings: Settings) -> RunConfig:
    return RunConfig(
        on=settings.work.on,
        processes=settings.pipeline.processes,
        batch=settings.pipeline.batch,
        max_attempts=settings.pipeline.max_attempts,
        lease_s=settings.pipeline.lease_s,
        max_file_bytes=settings.limits.max_file_bytes,
        ocr_pool=settings.work.ocr_pool,
        work=work_config(settings),
    )
