"""Ties what one request causes together: an id on every record, in every worker, and in the answer."""

from __future__ import annotations

import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from salient import log
from salient.interfaces import metrics
from salient.interfaces.probes import PATHS
from salient.log.traces import NO_SPAN

_log = log.get(__name__)

_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Correlation:
    """Takes `X-Request-ID` from the caller, or makes one, binds it as `request_id`, and answers with it.

    - A `traceparent` (W3C Trace Context) gives `trace_id` besides, and its span is the parent of ours;
      where spans are made, `traceresponse` tells the caller which one that was.
    - Each request is logged and counted when answered; probes are not logged, for they never end.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        ids = {
            "request_id": given if _ID.fullmatch(given) else uuid.uuid4().hex,
            "traceparent": headers.get("traceparent", ""),
        }
        is_probe = scope["path"] in PATHS
        began, status = time.perf_counter(), 500
        with (
            log.bound(ids),
            NO_SPAN if is_probe else log.span("request", method=scope["method"]) as span,
        ):
            here = log.correlation().get("traceparent") if span is not NO_SPAN else None

            async def answer(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    sent = MutableHeaders(scope=message)
                    sent["X-Request-ID"] = ids["request_id"]
                    if here:
                        sent["traceresponse"] = here
                await send(message)

            try:
                await self._app(scope, receive, answer)
            finally:
                seconds = time.perf_counter() - began
                # Its template: a path may hold anything, and there is no end of paths.
                route = getattr(scope.get("route"), "path", "other")
                span.set(route=route, status=status)
                metrics.answered(scope["method"], route, status, seconds)
                if not is_probe:
                    _log.info(
                        "request.answered", method=scope["method"], path=scope["path"], status=status,
                        seconds=round(seconds, 4),
                    )  # fmt: skip
