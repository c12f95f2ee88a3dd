"""The Python way in: `salient.open(folder)`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from salient.app import App
from salient.errors import InvalidInput, NotFound
from salient.model import State, Value
from salient.pipeline.run import Report
from salient.services.ask import Answer
from salient.services.context import silent
from salient.services.documents import Added, DocumentDetails, DocumentList
from salient.services.search import DocumentHits, PassageHits
from salient.services.similar import SimilarDocuments
from salient.services.status import Status
from salient.settings import load
from salient.work.parallel import Elsewhere


class Workspace:
    """A workspace's services as methods. `call` reaches every service by name.

    Threads may share an instance; close it, or use it as a context manager.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    def call(self, name: str, report: Report = silent, /, **request: Any) -> Any:
        """Call a service: `workspace.call("entities.list", types=["ORG"])`.

        Raises:
            NotFound: no service has that name.
            InvalidInput: the request does not fit the service.
        """
        service = self.app.services.get(name)
        if service is None:
            raise NotFound(f"no service is called {name!r}", known=sorted(self.app.services))
        return self.app.call(service, validated(service.request, request), report)

    def add(
        self, *paths: str | Path, processes: int | None = None, report: Report = silent
    ) -> Added:
        """Add files and folders and take them through the whole chain."""
        reply: Added = self.call(
            "documents.add", report, paths=[str(p) for p in paths], processes=processes
        )
        return reply

    def retry(self, *ids: str, states: Iterable[State] = (), report: Report = silent) -> Added:
        """Try failed documents again."""
        reply: Added = self.call("documents.retry", report, ids=list(ids), states=list(states))
        return reply

    def status(self) -> Status:
        """Where the workspace stands."""
        reply: Status = self.call("status.show")
        return reply

    def documents(self, **filters: Any) -> DocumentList:
        """List documents; see `ListDocuments` for the filters."""
        reply: DocumentList = self.call("documents.list", **filters)
        return reply

    def show(self, document_id: str) -> DocumentDetails:
        """Everything known of one document but its text."""
        reply: DocumentDetails = self.call("documents.show", id=document_id)
        return reply

    def text(self, document_id: str) -> str:
        """A document's canonical text, to which all offsets refer."""
        return self.app.context.texts.text(document_id).text

    def search(self, text: str, **options: Any) -> PassageHits:
        """Find passages; see `SearchRequest` for the options."""
        reply: PassageHits = self.call("search.passages", text=text, **options)
        return reply

    def search_documents(self, text: str, **options: Any) -> DocumentHits:
        """Find documents; see `SearchRequest` for the options."""
        reply: DocumentHits = self.call("search.documents", text=text, **options)
        return reply

    def ask(self, question: str, **options: Any) -> Answer:
        """Answer a question with quoted sentences, or say that the documents do not answer it."""
        reply: Answer = self.call("ask.answer", question=question, **options)
        return reply

    def similar(self, document_id: str, limit: int = 10) -> SimilarDocuments:
        """Documents like another one."""
        reply: SimilarDocuments = self.call("similar.documents", id=document_id, limit=limit)
        return reply

    def parallel(self, name: str, on: str | None = None) -> Elsewhere[..., Any]:
        """A service as workers do it; close it, or use it as a context manager.

        `with workspace.parallel("ask.answer") as asked: asked.map({"question": q} for q in questions)`

        Args:
            on: URL of the workers, as in the setting `work.on`, which is taken without one.
        """
        from salient.interfaces.calls import elsewhere

        return elsewhere(self.app, name, on)

    def close(self) -> None:
        """Close every store."""
        self.app.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open(data_dir: str | Path | None = None, **settings: Any) -> Workspace:  # noqa: A001 - see __init__
    """Open a workspace, made if it is not there.

    Args:
        data_dir: where everything is kept; None takes the settings' own.
        settings: as in salient.toml, e.g. `workspace="news"`, `pipeline={"processes": 2}`.

    Raises:
        Misconfigured: a setting has a wrong name or value.
    """
    given = settings if data_dir is None else {"data_dir": Path(data_dir), **settings}
    return Workspace(App(load(**given)))


def validated(kind: type[Value], body: Mapping[str, Any]) -> Value:
    """A request from what a caller gave.

    Raises:
        InvalidInput: it does not fit the service.
    """
    from pydantic import ValidationError

    try:
        return kind.model_validate_json(json.dumps(body, default=str))
    except ValidationError as exc:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors()]
        raise InvalidInput(
            "the request cannot be used: " + "; ".join(faults), faults=faults
        ) from exc
