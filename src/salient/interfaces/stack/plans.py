"""What a local stack is made of: servers and roles, in the order in which they start."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path
from secrets import randbelow
from typing import Literal, get_args

import msgspec

from salient.errors import Unavailable
from salient.interfaces.stack.servers import FOR_STORES, Redis, Secrets, Server
from salient.settings import Settings, Storage, origins
from salient.work import MAIN, OCR

Profile = Literal["small", "full", "dev"]
PROFILES: tuple[Profile, ...] = get_args(Profile)

WARM_S = 180.0
"""How long a worker may finish what it is at before it is ended."""

# Below the ports that systems give to outgoing connections, so that a server that is started again
# finds its own free. SeaweedFS opens the port 10,000 above as well.
_FIRST_PORT, _N_PORTS = 15_500, 6_000
_SALIENT = (sys.executable, "-m", "salient")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A program that is kept running, or, with `once`, has to end well before the next one starts."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = {}
    port: int = 0
    check: str = ""
    """How it says that it serves (see `checks.answers`); empty for none."""
    start_s: float = 180.0
    """On a machine that is busy with other things."""
    stop_signal: int = signal.SIGTERM
    stop_s: float = 20.0
    user: str = ""
    """Who runs it, where that is somebody else."""
    once: bool = False
    is_role: bool = False


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A stack that can be started."""

    profile: str
    data: str
    address: str
    """Of the web page and the REST API."""
    environment: dict[str, str]
    """What any process needs to use the stack."""
    parts: tuple[Part, ...]
    notices: tuple[str, ...] = ()
    """What was found and what was not, for people."""
    watch: str = ""
    """Folder of sources; when one changes, all roles are started anew."""


def plan(profile: Profile, settings: Settings, folder: Path, *, workers: int = 0) -> Plan:
    """Find the servers that a profile wants, make their data folders, and lay out the stack.

    Whatever the settings name themselves (a store, `work.on`) stays as they say.

    Args:
        folder: of the stack, within the data folder.
        workers: processes that work on documents; 0 leaves their number to the profile.

    Raises:
        Misconfigured: a server's data folder cannot be made.
        Unavailable: no ports are free.
    """
    draft = _Draft(settings, folder)
    redis = draft.broker()
    if profile == "full":
        draft.stores(redis)
    draft.roles(workers or (max(2, os.cpu_count() or 2) if profile == "full" else 2))
    for name in sorted(draft.open):
        draft.notices.append(f"storage.{name}: embedded, in {settings.data}")
    return Plan(
        profile=profile,
        data=str(settings.data),
        address=f"http://127.0.0.1:{draft.api_port}",
        environment=draft.environment,
        parts=tuple(draft.parts),
        notices=tuple(draft.notices),
        watch=str(Path(__file__).resolve().parents[2]) if profile == "dev" else "",
    )


class _Draft:
    """A plan while it is made."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._secrets = Secrets(folder / "secrets.json")
        self._taken: set[int] = set()
        given = {name for name, _, origin in origins(settings) if origin != "default"}
        self._work_is_given = "work.on" in given
        self.open = {n for n in Storage.model_fields if f"storage.{n}" not in given}
        """Stores that nothing was chosen for yet."""
        self.environment = {"SALIENT_DATA_DIR": str(settings.data)}
        self.parts: list[Part] = []
        self.notices = [
            f"storage.{n}: as the settings say"
            for n in Storage.model_fields
            if n not in self.open
        ]  # fmt: skip
        self.api_port = self._port(settings.web.port)

    def broker(self) -> dict[str, str]:
        """Choose where work is done; return what the Redis that was taken in for it can be."""
        if self._work_is_given:
            self.notices.append("work: as work.on of the settings says")
            return {}
        found = Redis.find(self._folder / Redis.name)
        if isinstance(found, str):
            self.notices.append(f"work: in processes of the api, since {found}")
            return {}
        urls = self._server(found)
        self.environment["SALIENT_WORK__ON"] = f"celery:{urls['broker']}"
        return urls

    def stores(self, redis: dict[str, str]) -> None:
        """Find a server for each store that is open."""
        self._choose(redis)
        for kinds, offers in FOR_STORES:
            if self.open & offers:
                found = [kind.find(self._folder / kind.name) for kind in kinds]
                server = next((one for one in found if isinstance(one, Server)), None)
                if server is not None:
                    self._choose(self._server(server))
                else:
                    self.notices.append(str(found[0]))

    def roles(self, workers: int) -> None:
        """The roles, in the order in which they start."""
        self._role("migrate", "migrate", "--wait", "60", once=True)
        self._role("api", "serve", "--host", "127.0.0.1", "--port", str(self.api_port), port=self.api_port)  # fmt: skip
        self._role("beat", "beat")
        on = self.environment.get("SALIENT_WORK__ON", self._settings.work.on)
        if not on.startswith("celery:"):
            return
        if self._settings.work.ocr_pool:
            self._role("worker", "worker", "-c", str(workers), "--queues", MAIN, stop_s=WARM_S)
            self._role("worker-ocr", "worker", "-c", "1", "--queues", OCR, stop_s=WARM_S)
        else:
            self._role("worker", "worker", "-c", str(workers), stop_s=WARM_S)

    def _role(
        self, name: str, *words: str, port: int = 0, once: bool = False, stop_s: float = 30.0
    ) -> None:
        environment = {}
        if not port and not once:
            port = self._port()
            environment["SALIENT_WORK__PROBES"] = f"127.0.0.1:{port}"
        self.parts.append(
            Part(
                name=name,
                command=(*_SALIENT, *words),
                environment=self.environment | environment,
                port=port,
                check="http:/ready" if port else "",
                stop_s=stop_s,
                once=once,
                is_role=True,
            )
        )

    def _server(self, server: Server) -> dict[str, str]:
        """Take a server in; return its URLs by what they are for."""
        ports = [self._port() for _ in range(server.n_ports)]
        ready = server.prepare(self._folder / server.name, ports, self._secrets)
        self.parts.append(
            Part(
                name=server.name,
                command=tuple(ready.command),
                environment=dict(ready.environment),
                port=ports[0],
                check=ready.check,
                stop_signal=server.stop_signal,
                user=ready.user,
            )
        )
        self.notices.append(f"{server.name}: {server.program}")
        return dict(ready.urls)

    def _choose(self, urls: dict[str, str]) -> None:
        for name in sorted(self.open & urls.keys()):
            self.environment[f"SALIENT_STORAGE__{name.upper()}"] = urls[name]
            self.open.remove(name)

    def _port(self, wish: int = 0) -> int:
        """A free port, the one wished for if it is free."""
        if wish and wish not in self._taken and _is_free(wish):
            self._taken.add(wish)
            return wish
        # Not from the first one on: another stack may just be looking as well.
        begin = randbelow(_N_PORTS)
        for n in range(_N_PORTS):
            port = _FIRST_PORT + (begin + n) % _N_PORTS
            if port not in self._taken and _is_free(port) and _is_free(port + 10_000):
                self._taken.add(port)
                return port
        raise Unavailable("no port of this machine is free for the stack")


def _is_free(port: int) -> bool:
    with socket.socket() as one:
        # As servers do: what is closing from before does not count.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
