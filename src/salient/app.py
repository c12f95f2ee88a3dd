"""The composition root: the only module that turns settings into running objects."""

from __future__ import annotations

import dataclasses
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
        place = url(settings.storage.search)
        indexes = Indexes(
            documents=SearchIndex.open(f"{place}/documents", document_schema(dimensions)),
            passages=SearchIndex.open(f"{place}/passages", passage_schema(dimensions)),
        )
        limits = readers.Limits(
            **{f.name: getattr(settings.limits, f.name) for f in dataclasses.fields(readers.Limits)}
        )
        ontology = settings.nlp.ontology
        worker = WorkerConfig(
            workspace=workspace,
            blobs=url(settings.storage.blobs),
            engine=settings.nlp.engine,
            encoder=settings.nlp.encoder,
            limits=limits,
            ontology=str(ontology.expanduser().absolute()) if ontology else None,
        )
        coordinator = Coordinator(
            tables=tables,
            blobs=blobs,
            cache=cache,
            indexes=indexes,
            worker=worker,
            config=RunConfig(
                processes=settings.pipeline.processes,
                batch=settings.pipeline.batch,
                max_attempts=settings.pipeline.max_attempts,
                lease_s=settings.pipeline.lease_s,
                max_file_bytes=settings.limits.max_file_bytes,
            ),
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
        )

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
