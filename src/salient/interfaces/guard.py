"""Who may talk to the server: no other site, no strange name, nobody without the token."""

from __future__ import annotations

import hmac
import ipaddress
from http.cookies import SimpleCookie

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_GUARDED = ("/v1/", "/metrics")
_SAFE = frozenset(["GET", "HEAD", "OPTIONS"])


class Guard:
    """Refuses before anything is read.

    - A page of another site can post to loopback; its `Origin` gives it away.
    - It can also let its own name point to loopback, and then read: the `Host` gives that away.
      Addresses cannot be so abused; names must be among `hosts`.
    - Where a token is set, everything under `/v1/`, and `/metrics`, needs it.
    """

    def __init__(self, app: ASGIApp, *, hosts: tuple[str, ...], token: str | None) -> None:
        self._app = app
        self._hosts = frozenset(h.lower() for h in hosts)
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refusal = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, method: str, path: str, headers: Headers) -> JSONResponse | None:
        host = headers.get("host", "")
        if not self._is_ours(host):
            said = f"{host!r} is not a name of this server; web.hosts lists its names"
            return _refuse(403, "forbidden", said)
        origin = headers.get("origin")
        if method not in _SAFE and origin and origin.partition("://")[2] != host:
            return _refuse(403, "forbidden", "requests from other sites are refused")
        if self._token and path.startswith(_GUARDED) and not self._has_token(headers):
            said = "a token is needed: send it as a bearer token"
            return _refuse(401, "unauthorized", said)
        return None

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
        name = name.strip("[]").lower()
        if "*" in self._hosts or name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _has_token(self, headers: Headers) -> bool:
        given = headers.get("authorization", "").removeprefix("Bearer ")
        if not given:
            morsel = SimpleCookie(headers.get("cookie", "")).get("salient_token")
            given = morsel.value if morsel else ""
        return hmac.compare_digest(given.encode(), (self._token or "").encode())


def _refuse(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"code": code, "message": message, "context": {}}, status)
