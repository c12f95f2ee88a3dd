"""Runs the HTTP application with uvicorn."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType

import uvicorn

from salient import log
from salient.app import App
from salient.errors import Error, Misconfigured
from salient.interfaces import rest
from salient.services.ask import warm
from salient.settings import Watch, load, toml_file

_log = log.get(__name__)


def run(app: App, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Args:
        port: 0 takes a free one.
        ready: told the address once connections are accepted.

    Raises:
        Misconfigured: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as exc:
        listener.close()
        raise Misconfigured(
            f"cannot listen on {host} port {port} ({exc.strerror}): set web.port, or end what uses it"
        ) from exc
    api = rest.create(app)
    config = uvicorn.Config(api, log_config=None, lifespan="on", timeout_graceful_shutdown=3)
    server = _Server(
        config,
        lambda: ready(f"http://{host}:{listener.getsockname()[1]}"),
        api.state.readiness.stop,
    )
    threading.Thread(target=_warm, args=(app,), daemon=True).start()
    watch = Watch(toml_file(), partial(_apply_changed, app))
    # Having ended, uvicorn raises the signal once more: unheard, so that the stores are closed.
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        server.run(sockets=[listener])
    finally:
        signal.signal(signal.SIGTERM, before)
        watch.close()


def _apply_changed(app: App) -> None:
    """Take over settings that were changed while running; wrong ones change nothing."""
    given = {"data_dir": app.settings.data_dir, "workspace": app.settings.workspace}
    try:
        fresh = load(**given)
        log.configure(fresh.log.form, fresh.log.level, fresh.log_destinations(), fresh.log.traces)
        later = app.apply(fresh)
    except Error as error:
        _log.error("settings.refused", code=error.code, reason=error.message)
        return
    _log.warning("settings.changed", need_restart=", ".join(later) or "none")


def _warm(app: App) -> None:
    """Beside the first requests; what fails here fails again, and is said, where it is needed."""
    try:
        warm(app.context)
    except Error as error:
        _log.warning("server.not_warm", code=error.code, reason=error.message)


class _Server(uvicorn.Server):
    """Says when it is up, and when it begins to end."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._ready, self._stopping = ready, stopping

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._stopping()  # at once: what is under way may take a while to end
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()
