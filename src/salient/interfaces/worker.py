"""`salient worker`: does work that comes over a queue, in processes of its own."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import msgspec

from salient import log
from salient.app import place_of, work_config
from salient.errors import Misconfigured, Unavailable
from salient.interfaces import metrics, probes
from salient.settings import Settings, load
from salient.work import Place
from salient.work import metrics as of_work
from salient.work.beats import every
from salient.work.notes import Death, Message, Presence
from salient.work.processes import single_threaded
from salient.work.queued import Transport, release
from salient.work.remote import Remote, died

_log = log.get(__name__)

_STILL_S = 60.0  # how long the main loop may stand still


def run(settings: Settings, n: int, queues: Sequence[str]) -> None:
    """Work until told to end: by SIGTERM after the batches under way, by a second one at once.

    Args:
        n: processes, each of which does one batch at a time.
        queues: whose messages are taken, of `salient.work.MAIN` and `OCR`.

    Raises:
        Misconfigured: `work.on` names no queue, or Celery is not installed.
        Unavailable: the cache does not answer, by which workers are known.
    """
    scheme, _, broker = settings.work.on.partition(":")
    if scheme != "celery":
        raise Misconfigured(
            f"work.on is {scheme!r}, which needs no workers: set it to celery:redis://HOST:6379/0 or celery:amqp://HOST:5672/"
        )
    try:
        from celery import signals
        from celery.platforms import SecurityWarning

        from salient.work import celery
    except ImportError as exc:
        raise Misconfigured("Celery is not installed: pip install 'salient[celery]'") from exc
    # Its warning is for those who accept pickles from the broker; JSON runs nothing.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    single_threaded()
    if settings.work.probes:
        metrics.start_multiprocess(settings.data / "metrics")
    app = celery.application(broker, work_config(settings))
    children = _Children(settings)
    celery.task(app, children.handle)
    # Celery would put its own handlers in the place of ours.
    signals.setup_logging.connect(_leave_logs, weak=False)
    signals.worker_process_init.connect(children.started, weak=False)
    signals.worker_process_shutdown.connect(children.ending, weak=False)
    with closing(place_of(settings)) as place:
        parent = _Parent(place, settings, n, queues)
        signals.task_failure.connect(parent.failed, weak=False)
        signals.worker_shutting_down.connect(parent.leaving, weak=False)
        signals.worker_ready.connect(parent.ready, weak=False)
        transport = celery.CeleryTransport(broker, work_config(settings))
        probed = _probed(settings.work.probes, place, transport, queues)
        with closing(transport), parent.present(), probed:
            worker = app.Worker(
                concurrency=n, pool_cls="prefork", queues=list(queues), hostname=f"salient@{socket.gethostname()}-{os.getpid()}",
                without_gossip=True, without_mingle=True, without_heartbeat=True, optimization="fair",
                loglevel=settings.log.level, quiet=True,
            )  # fmt: skip
            worker.start()
    _log.info("worker.ended", exitcode=worker.exitcode)


@contextmanager
def _probed(
    address: str | None, place: Place, transport: Transport, queues: Sequence[str]
) -> Iterator[None]:
    """Serve probes while the block runs, if there is an address to serve them at."""
    if address is None:
        yield
        return
    from celery import signals

    def ask() -> None:
        for queue in queues:
            of_work.depth(queue, transport.depth(queue))

    # While the broker is away the loop stands still, and waits for it rightly.
    pulse = probes.Pulse(_STILL_S, waits_for=ask)
    # No blobs: a client with threads of its own, as S3's, must not be used before children are forked.
    checks: dict[str, probes.Check] = {
        "broker": ask,
        "cache": lambda: place.cache.get("probe"),
    }

    def connected(sender: Any, **_: Any) -> None:
        pulse.beat()
        sender.hub.call_repeatedly(1.0, pulse.beat)

    signals.worker_ready.connect(connected, weak=False)
    with closing(pulse), probes.serve(address, checks, pulse) as server:
        signals.worker_shutting_down.connect(lambda **_: server.stopping(), weak=False)
        yield


def for_dask() -> Callable[[Message], object]:
    """What a Dask worker does with a message, by the settings of its machine; see `salient.work.dask`."""
    settings = load()
    log.configure(
        settings.log.form, settings.log.level, settings.log_destinations(), settings.log.traces
    )
    return Remote(place_of(settings), work_config(settings)).handle


def _leave_logs(**_: Any) -> None:
    """We have configured them."""


class _Children:
    """What happens in the forked processes. Nothing that was opened before the fork is used there."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._remote: Remote | None = None
        self._place: Place | None = None

    def started(self, **_: Any) -> None:
        settings = self._settings
        # Ctrl-C goes to the whole group; the parent decides when its children end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        log.configure(
            settings.log.form, settings.log.level, settings.log_destinations(), settings.log.traces
        )
        self._place = place_of(settings)

    def handle(self, message: Message) -> None:
        if self._remote is None:
            if self._place is None:
                raise RuntimeError("a worker process was not set up")
            self._remote = Remote(self._place, work_config(self._settings))
        self._remote.handle(message)

    def ending(self, **_: Any) -> None:
        if self._remote is not None:
            self._remote.close()
        if self._place is not None:
            self._place.close()
        log.flush()


class _Parent:
    """What the parent tells of itself and of its children."""

    def __init__(self, place: Place, settings: Settings, n: int, queues: Sequence[str]) -> None:
        self._cache = place.cache
        self._beat_s = settings.work.beat_s
        host = socket.gethostname()
        self._presence = Presence(
            name=f"{host}:{os.getpid()}", host=host, pid=os.getpid(), queues=tuple(queues), slots=n,
            since=time.time(), release=release(),
        )  # fmt: skip
        self._key = f"worker/{self._presence.name}"
        self._left = threading.Event()

    @contextmanager
    def present(self) -> Iterator[None]:
        """While the block runs, and until the worker is told to end, coordinators count on it."""
        self._say()
        try:
            with every(self._beat_s / 2, self._say):
                yield
        finally:
            self.leaving()

    def ready(self, sender: Any, **_: Any) -> None:
        """Look after the children often enough to tell of a death before it counts as silence."""
        # Celery learns of a death at once, or, when the dead child's descriptors came to be its
        # successor's, only at its own look every 5 s.
        sender.hub.call_repeatedly(min(1.0, self._beat_s / 4), sender.pool.maintain_pool)

    def leaving(self, how: str = "", **_: Any) -> None:
        """No more work is to be sent for us. Told so a second time, by a signal, it ends at once."""
        if how and self._left.is_set():
            from billiard import active_children

            # Celery would go on waiting for them. Their batches are found to have no worker.
            for child in active_children():
                os.kill(child.pid, signal.SIGKILL)
            os._exit(128 + signal.SIGTERM)
        self._left.set()
        try:
            self._cache.delete(self._key)
        except Unavailable as error:
            _log.warning("worker.still_listed", reason=error.message)  # until its key expires

    def _say(self) -> None:
        if not self._left.is_set():
            self._cache.put(self._key, msgspec.json.encode(self._presence), ttl_s=2 * self._beat_s)

    def failed(self, *, args: Any = (), exception: Any = None, **_: Any) -> None:
        """A child died at a batch: tell its coordinator, which would wait for a beat otherwise."""
        if os.getpid() != self._presence.pid or not args or not isinstance(args[0], dict):
            return  # children tell of what they can, over connections of their own
        message = msgspec.convert(args[0], Message)
        try:
            died(self._cache, message, Death(f"{type(exception).__name__}: {exception}"))
        except Unavailable as error:
            _log.warning("worker.death_not_told", reason=error.message)
