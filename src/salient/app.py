"""The composition root: the only module that turns settings into running objects."""

from __future__ import annotations

import dataclasses
from contextlib import ExitStack
from types import TracebackType
from typing import Self, TypeVar

from salient import readers, services
from salient.errors import Misconfigured
from salient.knowledge.ontology import load_ontology
from salient.model import Value
from salient.pipeline.commit import Indexes, document_schema, passage_schema
from salient.pipeline.run import Coordinator, Report, RunConfig
from salient.pipeline.worker import WorkerConfig
from salient.services import (
    Context,
    Service,
    ask,
    documents,
    entities,
    exports,
    facts,
    graph,
    jobs,
    search,
    similar,
    status,
    system,
)
from salient.services.context import Components, Texts, silent
from salient.settings import Settings, load, origins, value_of
from salient.storage.blob import Blobs
from salient.storage.docs import Records
from salient.storage.kv import KeyValue
from salient.storage.search import IndexSchema, SearchIndex
from salient.storage.sql import Tables

Q = TypeVar("Q", bound=Value)
R = TypeVar("R", bound=Value)

# Importing a subject registers its services.
SUBJECTS = (
    documents,
    status,
    search,
    ask,
    entities,
    facts,
    graph,
    similar,
    exports,
    jobs,
    system,
)

# Settings that a running process takes over.
_LIVE = ("ask.", "limits.", "log.", "pipeline.")


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
        components = Components(settings.nlp.engine, settings.nlp.encoder)
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
            blobs=url(settings.storage.blobs),
            engine=settings.nlp.engine,
            encoder=settings.nlp.encoder,
            limits=_limits(settings),
            ontology=str(ontology.expanduser().absolute()) if ontology else None,
        )
        coordinator = Coordinator(
            tables=tables,
            blobs=blobs,
            cache=cache,
            indexes=indexes,
            worker=worker,
            config=_run_config(settings),
        )
        return Context(
            workspace=workspace,
            cache=cache,
            blobs=blobs,
            tables=tables,
            records=records,
            ledger=coordinator.ledger,
            indexes=indexes,
            coordinator=coordinator,
            components=components,
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
        return tuple(n for n in changed if not n.startswith(_LIVE))

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


def _limits(settings: Settings) -> readers.Limits:
    names = [f.name for f in dataclasses.fields(readers.Limits)]
    return readers.Limits(**{name: getattr(settings.limits, name) for name in names})


def _run_config(settings: Settings) -> RunConfig:
    return RunConfig(
        processes=settings.pipeline.processes,
        batch=settings.pipeline.batch,
        max_attempts=settings.pipeline.max_attempts,
        lease_s=settings.pipeline.lease_s,
        max_file_bytes=settings.limits.max_file_bytes,
    )
