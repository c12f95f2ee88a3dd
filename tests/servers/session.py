"""The servers of a test session, each started when it is first asked for."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.servers import databases, rabbitmq, search, stores
from tests.servers.folders import Session
from tests.servers.server import Server

LOGS = Path(__file__).resolve().parents[2] / ".salient" / "servers"

KINDS: dict[str, type[Server]] = {
    kind.name: kind
    for kind in (
        stores.Redis, stores.S3, databases.Postgres, databases.MySQL, databases.MongoDB,
        search.OpenSearch, search.Elasticsearch, search.Sphinx, rabbitmq.RabbitMQ,
    )
}  # fmt: skip


class Servers:
    """Call it with a name; see the package."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._shared: dict[tuple[str, str], Server] = {}
        self._all: list[Server] = []
        self._failed: dict[tuple[str, str], Exception] = {}

    def __call__(self, name: str, *, durable: bool = False, extra: str = "") -> Server:
        """A server that runs.

        Raises:
            Missing: it cannot be had here.
        """
        kind = KINDS[name]
        given = os.environ.get(f"SALIENT_TEST_{name.upper()}", "")
        if given and not durable:
            return kind(None, given=given)
        if durable:
            return self._start(kind, durable=True, extra=extra)
        key = (name, extra)
        if key in self._failed:
            raise self._failed[key]  # trying again would take each test a minute
        if key not in self._shared:
            try:
                self._shared[key] = self._start(kind, durable=False, extra=extra)
            except Exception as exc:
                self._failed[key] = exc
                raise
        return self._shared[key]

    def _start(self, kind: type[Server], *, durable: bool, extra: str) -> Server:
        if self._session is None:
            self._session = Session()
        server = kind(self._session, durable=durable, extra=extra)
        self._all.append(server)
        server.start()
        return server

    def versions(self) -> dict[str, str]:
        """Of the shared ones that run."""
        return {name: server.version for (name, _), server in sorted(self._shared.items())}

    def close(self) -> None:
        """End all; their logs stay in .salient/servers."""
        if self._session is None:
            return
        LOGS.mkdir(parents=True, exist_ok=True)
        for server in self._all:
            if server.log.exists():
                shutil.copyfile(server.log, LOGS / f"{server.name}-{server.port}.log")
        self._session.close()
        for server in self._all:
            server.forget()
        self._session = None
