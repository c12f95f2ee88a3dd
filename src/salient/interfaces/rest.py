"""REST: one POST a service, jobs for the long ones, files, uploads, events, exports, and the page."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware

from salient import __version__, errors
from salient.app import App
from salient.interfaces import metrics, probes, wire
from salient.interfaces.correlation import Correlation
from salient.interfaces.guard import Guard
from salient.interfaces.running import Runner
from salient.model import Value
from salient.pipeline.intake import local_original, original_key
from salient.readers.render import page_image
from salient.services import Service
from salient.services import documents as docs
from salient.services import exports as exporting
from salient.services import status as standing
from salient.services.jobs import ListJobs, list_jobs

STATUS = {
    errors.InvalidInput: 422,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.LimitExceeded: 413,
    errors.Unsupported: 501,
    errors.Misconfigured: 500,
    errors.Corrupt: 500,
    errors.Unavailable: 503,
    errors.TimedOut: 504,
}

STATIC = Path(__file__).parent / "web" / "static"
_EVENT_S = 0.5
_CHUNK = 1024 * 1024


class Uploaded(Value):
    """Files that were taken in, and the job that works on them."""

    job_id: str
    files: tuple[docs.Upload, ...]


class Started(Value):
    """A job that was started."""

    job_id: str


class Fault(Value):
    """How every error is told."""

    code: str
    message: str
    context: dict[str, Any]


def create(app: App) -> FastAPI:
    """The HTTP application over an open `App`. Closing either is the caller's.

    Raises:
        Misconfigured: never at run time; settings are checked before.
    """

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        api.state.runner = Runner(app)
        # What an interrupted run left queued is finished without anybody asking.
        await run_in_threadpool(api.state.runner.resume_left)
        yield
        api.state.readiness.stop()
        await run_in_threadpool(api.state.runner.close)
        await run_in_threadpool(api.state.readiness.close)

    api = FastAPI(
        title="salient",
        version=__version__,
        lifespan=life,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    api.add_middleware(GZipMiddleware, minimum_size=2048)
    faults: dict[int | str, dict[str, Any]] = {
        code: {"model": Fault} for code in sorted(set(STATUS.values()))
    }
    for service in app.services.values():
        path = service.name.replace(".", "/")
        if not service.long:
            api.post(
                f"/v1/{path}",
                response_model=service.reply,
                operation_id=service.name,
                description=service.summary,
                responses=faults,
            )(_endpoint(app, service))
        else:
            api.post(
                f"/v1/jobs/{path}",
                response_model=Started,
                status_code=202,
                operation_id=f"jobs.{service.name}",
                description=service.summary,
                responses=faults,
            )(_job_endpoint(api, service))
    _files(api, app)
    _events(api, app)
    _exports(api, app)
    _errors(api)
    web = app.settings.web
    token = web.token.get_secret_value() if web.token else None
    api.add_middleware(Guard, hosts=web.hosts, token=token)
    api.add_middleware(Correlation)
    _probes(api, app)
    _page(api)
    return api


def _endpoint(app: App, service: Service[Any, Any]) -> Callable[..., Any]:
    def endpoint(request: Any) -> Any:  # `def`, so FastAPI runs it in its thread pool
        return app.call(service, request)

    endpoint.__annotations__ = {"request": service.request, "return": service.reply}
    return endpoint


def _job_endpoint(api: FastAPI, service: Service[Any, Any]) -> Callable[..., Any]:
    def endpoint(request: Any) -> Any:
        return Started(job_id=api.state.runner.start(service, request).id)

    endpoint.__annotations__ = {"request": service.request, "return": Started}
    return endpoint


def _files(api: FastAPI, app: App) -> None:
    context = app.context

    @api.post("/v1/uploads", operation_id="uploads", status_code=202)
    async def uploads(files: list[UploadFile]) -> Uploaded:
        """Take files in and start a job that adds them."""
        taken = []
        for file in files:
            if (file.size or 0) > app.settings.web.max_upload_bytes:
                raise errors.LimitExceeded(
                    f"{file.filename!r} is larger than web.max_upload_bytes", size_bytes=file.size
                )
            key = f"upload/{uuid.uuid4().hex}"
            size = await run_in_threadpool(context.blobs.put, key, file.file)
            name = (file.filename or "").replace("\\", "/").lstrip("/") or "unnamed"
            taken.append(docs.Upload(name=name, blob=key, size_bytes=file.size or int(size or 0)))
        job = api.state.runner.start(docs.add, docs.AddDocuments(uploads=tuple(taken)))
        return Uploaded(job_id=job.id, files=tuple(taken))

    @api.get("/v1/files/{document_id}/original", operation_id="files.original")
    def original(document_id: str) -> Response:
        """The document's bytes as they were added."""
        row = context.ledger.row(document_id)
        stream = context.blobs.stream(original_key(row.version))
        # Only formats that a browser shows without running anything are shown in place.
        shown = row.media_type in ("application/pdf", "text/plain") or (
            (row.media_type or "").startswith("image/") and row.media_type != "image/svg+xml"
        )
        name = json.dumps(row.name.rpartition("/")[2].encode("ascii", "replace").decode())
        headers = {
            "Content-Disposition": f"{'inline' if shown else 'attachment'}; filename={name}",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "sandbox",
        }
        media_type = row.media_type if shown else "application/octet-stream"

        def chunks() -> Any:
            with stream:
                while chunk := stream.read(_CHUNK):
                    yield chunk

        return StreamingResponse(chunks(), media_type=media_type, headers=headers)

    @api.get("/v1/files/{document_id}/pages/{page}", operation_id="files.page")
    def picture(
        document_id: str,
        page: int,
        scale: Annotated[float, Query(ge=0.2, le=4.0)] = 1.5,
    ) -> Response:
        """A picture of a page, JPEG."""
        row = context.ledger.row(document_id)
        key = f"picture/{row.version[:2]}/{row.version}/{page}-{scale:.2f}.jpg"
        if context.blobs.exists(key):
            data = context.blobs.get(key)
        else:
            with local_original(context.blobs, row.version) as path:
                data = page_image(path, row.media_type or "", page, scale)
            context.blobs.put(key, data)
        headers = {"Cache-Control": "private, max-age=31536000, immutable", "ETag": f'"{key}"'}
        return Response(data, media_type="image/jpeg", headers=headers)


def _events(api: FastAPI, app: App) -> None:
    @api.get("/v1/events", operation_id="events")
    async def events(request: Request) -> StreamingResponse:
        """Server-sent events: `status` and `job`, whenever one changes. A hint; the state is in the store."""

        async def stream() -> AsyncIterator[str]:
            seen: dict[str, str] = {}
            quiet = 0.0
            while not await request.is_disconnected():
                body = await run_in_threadpool(app.call, standing.show, standing.ShowStatus())
                jobs = await run_in_threadpool(app.call, list_jobs, ListJobs(limit=10))
                fresh = [("status", "status", body.model_dump_json())]
                fresh += [("job", f"job/{j.id}", j.model_dump_json()) for j in jobs.jobs]
                sent = False
                for kind, key, data in fresh:
                    if seen.get(key) != data:
                        seen[key] = data
                        sent = True
                        yield f"event: {kind}\ndata: {data}\n\n"
                quiet = 0.0 if sent else quiet + _EVENT_S
                if quiet >= 15:
                    quiet = 0.0
                    yield ": still here\n\n"
                # Busy while documents are worked on, calm otherwise.
                await asyncio.sleep(_EVENT_S if body.running or sent else 4 * _EVENT_S)

        headers = {
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
            "Content-Encoding": "identity",
        }
        return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)


def _exports(api: FastAPI, app: App) -> None:
    @api.get("/v1/exports/{what}.{form}", operation_id="exports")
    def export(what: str, form: str, request: Request) -> StreamingResponse:
        """Stream a table or the graph; query parameters are the filters of its list."""
        given = exporting.request_of(what, form, dict(request.query_params))
        chunks = exporting.stream(given, app.context)
        headers = {"Content-Disposition": f'attachment; filename="salient-{what}.{form}"'}
        return StreamingResponse(chunks, media_type=exporting.MEDIA_TYPES[form], headers=headers)


def _errors(api: FastAPI) -> None:
    @api.exception_handler(errors.Error)
    def known(_: Request, error: errors.Error) -> JSONResponse:
        return JSONResponse(wire.dump(error), STATUS.get(type(error), 500))

    @api.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        faults = [
            f"{'.'.join(map(str, e['loc'][1:])) or 'body'}: {e['msg']}" for e in error.errors()
        ]
        fault = errors.InvalidInput(
            "the request cannot be used: " + "; ".join(faults), faults=faults
        )
        return JSONResponse(wire.dump(fault), 422)


def _probes(api: FastAPI, app: App) -> None:
    """What those who run it ask, outside the table of services; see `salient.interfaces.probes`."""
    api.state.readiness = readiness = probes.Readiness(probes.checks(app.context))

    @api.get("/health", include_in_schema=False)
    async def health() -> dict[str, bool]:
        return {"alive": True}  # by the loop that serves all the rest

    @api.get("/ready", include_in_schema=False)
    async def ready() -> JSONResponse:
        # Not in the thread pool: calls to a store that hangs may have taken up all of it.
        has_answered = readiness.ask()
        while not has_answered():
            await asyncio.sleep(0.01)
        status, body = readiness.answer
        return JSONResponse(body, status, {"Cache-Control": "no-store"})

    @api.get("/metrics", include_in_schema=False)
    def measured() -> Response:
        """What this process measured, in Prometheus's text format."""
        return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)


def _page(api: FastAPI) -> None:
    """The web page, where it was built; its routes are all the same file."""
    if not (STATIC / "index.html").is_file():

        @api.get("/", include_in_schema=False)
        def no_page() -> HTMLResponse:
            return HTMLResponse(
                "<p>The API runs under <code>/v1</code>. The web page was not built: run <code>python3 x.py setup</code>.</p>"
            )

        return
    api.mount("/assets", StaticFiles(directory=STATIC / "assets"), name="assets")

    @api.get("/{path:path}", include_in_schema=False)
    def page(path: str) -> Response:
        if path.startswith("v1/"):
            raise HTTPException(404, "no such route")
        wanted = (STATIC / path).resolve()
        if path and wanted.is_file() and wanted.is_relative_to(STATIC.resolve()):
            return FileResponse(wanted)
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})
