"""Ties what one request causes together: an id on every record, in every worker, and in the answer."""

from __future__ import annotations

import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from salient import log

_log = log.get(__name__)

_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


class Correlation:
    """Takes `X-Request-ID` from the caller, or makes one, binds it as `request_id`, and answers with it.

    A `traceparent` (W3C Trace Context) gives `trace_id` besides. Each request is logged when answered.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        ids = {"request_id": given if _ID.fullmatch(given) else uuid.uuid4().hex}
        trace = _TRACE.fullmatch(headers.get("traceparent", ""))
        if trace:
            ids["trace_id"] = trace[1]
        began, status = time.perf_counter(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = ids["request_id"]
            await send(message)

        with log.bound(ids):
            try:
                await self._app(scope, receive, answer)
            finally:
                _log.info(
                    "request.answered", method=scope["method"], path=scope["path"], status=status,
                    seconds=round(time.perf_counter() - began, 4),
                )  # fmt: skip
