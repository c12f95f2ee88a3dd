"""The composition root: the only module that turns settings into running objects."""

from __future__ import annotations

import dataclasses
from functools import partial
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
from salient.settings import Settings, load, origins
from salient.storage.blob import Blobs
from salient.storage.docs import Records
from salient.storage.kv import KeyValue
from salient.storage.search import SearchIndex
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
        self.context = self._context()

    def call(self, service: Service[Q, R], request: Q, report: Report = silent) -> R:
        """Run a service here and now.

        Args:
            report: told of progress by long services; see `salient.pipeline.run.Report`.
        """
        context = self.context
        if report is not silent:
            context = dataclasses.replace(context, report=report)
        return service.run(request, context)

    def _context(self) -> Context:
        settings = self.settings
        url = settings.url
        workspace = settings.workspace
        blobs = Blobs.open(url(settings.storage.blobs))
        tables = Tables.open(url(settings.storage.tables))
        tables.migrate()
        cache = KeyValue.open(url(settings.storage.cache))
        components = Components(settings.nlp.engine, settings.nlp.encoder)
        dimensions = components.encoder.dimensions
        if "{index}" not in settings.storage.search:
            raise Misconfigured(
                "storage.search needs {index} where the name of an index belongs, as in embedded:/data/index/{index}"
            )
        search_url = partial(url, settings.storage.search)
        indexes = Indexes(
            documents=SearchIndex.open(search_url(index="documents"), document_schema(dimensions)),
            passages=SearchIndex.open(search_url(index="passages"), passage_schema(dimensions)),
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
            records=Records.open(url(settings.storage.records)),
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
        old = {name: value for name, value, _ in origins(self.settings)}
        rows = origins(settings)
        changed = [name for name, value, _ in rows if old.get(name) != value]
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
        context = self.context
        context.indexes.close()
        for store in (context.records, context.cache, context.tables, context.blobs):
            store.close()

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
