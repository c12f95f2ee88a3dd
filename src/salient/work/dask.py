"""Messages over a Dask cluster: its workers need salient installed, and the settings of their stores."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, final

import msgspec
from distributed import Client

from salient import log
from salient.errors import Misconfigured, Unavailable
from salient.work import Place, Pool, WorkConfig
from salient.work.notes import Message
from salient.work.queued import Queued, Transport

_log = log.get(__name__)

_CONNECT_S = 5.0


@final
class DaskTransport(Transport):
    """Sends by a client of the scheduler. Dask keeps what it was sent in memory: its queue is one."""

    def __init__(self, address: str, config: WorkConfig) -> None:
        self._modules = config.modules
        self._lock = threading.Lock()
        self._pending: set[Any] = set()
        try:
            self._client: Any = Client(address, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as exc:
            raise Unavailable(f"the Dask scheduler at {address} does not answer: {exc}") from exc

    def send(self, message: Message, queue: str, *, urgent: bool) -> None:
        try:
            future = self._client.submit(
                handle,
                msgspec.to_builtins(message),
                pure=False,
                retries=0,
                priority=1 if urgent else 0,
            )
        except (OSError, RuntimeError, TimeoutError) as exc:
            raise Unavailable(f"the Dask scheduler does not answer: {exc}") from exc
        with self._lock:
            self._pending.add(future)
        future.add_done_callback(self._ended)

    def depth(self, queue: str) -> int:
        with self._lock:
            pending = len(self._pending)
        return max(0, pending - (self.slots(queue) or 0))

    def slots(self, queue: str) -> int:
        try:
            return sum(self._client.nthreads().values())
        except (OSError, RuntimeError, TimeoutError) as exc:
            raise Unavailable(f"the Dask scheduler does not answer: {exc}") from exc

    def close(self) -> None:
        self._client.close(timeout=_CONNECT_S)

    def _ended(self, future: Any) -> None:
        with self._lock:
            self._pending.discard(future)
        if future.status == "error":
            _log.warning("work.dask_failed", reason=repr(future.exception()))


_handle: Callable[[Message], object] | None = None
_GUARD = threading.Lock()


def handle(message: dict[str, Any]) -> None:
    """Do a batch in this Dask worker, one at a time in a process."""
    global _handle  # noqa: PLW0603 - Dask runs functions, and what they keep is the process's
    with _GUARD:
        if _handle is None:
            from importlib.metadata import entry_points

            (found,) = entry_points(group="salient.workers", name="dask")
            _handle = found.load()()
        _handle(msgspec.convert(message, Message))


def open_pool(rest: str, place: Place, config: WorkConfig) -> Pool:
    """`dask:SCHEDULER`, as in `dask:tcp://host:8786`."""
    if "://" not in rest:
        raise Misconfigured("dask: takes the scheduler's address, as in dask:tcp://host:8786")
    return Queued(DaskTransport(rest, config), place, config)
