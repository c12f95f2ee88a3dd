"""`salient beat`: takes up what dead processes left, and clears away; one at a time in a workspace."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager

from salient import errors, log
from salient.app import App
from salient.interfaces import probes
from salient.interfaces.running import Runner
from salient.services.sweeping import Sweep, sweep
from salient.storage.kv import Lease
from salient.work import metrics

_log = log.get(__name__)

_SWEEP_S = 600.0
_ALIVE_BEATS = 10  # without a round of the loop, before it should be started anew


class Beat:
    """Housekeeping of the workspace that the settings name.

    - Of many, one leads. It renews its lease; when it dies, another leads within `2 * beat_s`.
    - Leading, it takes up jobs that nobody has, gives back what dead processes held, and starts a
      job for documents that wait and nobody is at.
    - Every ten minutes it sweeps; see `salient.services.sweeping`.
    """

    def __init__(self, app: App, moved: Callable[[], object] = lambda: None) -> None:
        """Begin nothing yet.

        Args:
            moved: told whenever the loop goes round, also while another one leads.
        """
        self._app = app
        self._every_s = app.settings.work.beat_s / 3
        self._ttl_s = app.settings.work.beat_s * 2
        self._moved = moved
        self._swept_at = -_SWEEP_S
        self.leading = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Lead whenever no other one does, until `stop` is set."""
        context = self._app.context
        while not stop.is_set():
            self._moved()
            try:
                with context.cache.lock(f"beat/{context.workspace}", ttl_s=self._ttl_s) as lease:
                    self._lead(lease, stop)
            except errors.TimedOut:
                pass  # another one leads
            except errors.Error as error:
                _log.warning("beat.stumbled", code=error.code, reason=error.message)
            stop.wait(self._every_s)

    def _lead(self, lease: Lease, stop: threading.Event) -> None:
        _log.info("beat.led", workspace=self._app.context.workspace, token=lease.token)
        with closing(Runner(self._app)) as runner:
            self.leading.set()
            try:
                while not stop.wait(self._every_s):
                    self._moved()
                    if not lease.renew():
                        _log.warning("beat.lost", token=lease.token)
                        return
                    self._quietly(self._give_back)
                    self._quietly(runner.resume_left)
                    self._quietly(self._measure)
                    if time.monotonic() - self._swept_at >= _SWEEP_S:
                        self._swept_at = time.monotonic()
                        self._quietly(self._sweep)
            finally:
                self.leading.clear()

    def _give_back(self) -> None:
        """Queue what dead processes held, for whoever works now; poisoned documents are quarantined."""
        ledger = self._app.context.ledger
        requeued, quarantined = ledger.give_back_orphans(self._app.settings.pipeline.max_attempts)
        if requeued or quarantined:
            _log.warning("beat.gave_back", n_requeued=requeued, n_quarantined=quarantined)

    def _measure(self) -> None:
        """Note how long the queues are: by that, workers are started and ended, also where there are none."""
        now = self._app.context.workers()
        for queue, n in now.waiting.items():
            metrics.depth(queue, n)
            metrics.workers(queue, sum(w.slots for w in now.workers if queue in w.queues))

    def _sweep(self) -> None:
        swept = self._app.call(sweep, Sweep())
        if any(swept.model_dump().values()):
            _log.info("beat.swept", **swept.model_dump())

    def _quietly(self, action: Callable[[], object]) -> None:
        try:
            action()
        except errors.Error as error:  # a store is away: the next round tells more
            _log.warning("beat.stumbled", code=error.code, reason=error.message)


def run(app: App, address: str | None) -> None:
    """Beat until SIGTERM or Ctrl-C, and say at `address` how it is.

    Raises:
        Misconfigured: the address cannot be used.
    """
    pulse = probes.Pulse(_ALIVE_BEATS * app.settings.work.beat_s)
    with ExitStack() as open_here, until_told() as stop:
        if address is not None:
            open_here.enter_context(probes.serve(address, probes.checks(app.context), pulse))
        Beat(app, pulse.beat).run(stop)


@contextmanager
def until_told() -> Iterator[threading.Event]:
    """An event that SIGTERM and Ctrl-C set; they do nothing else while the block runs."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
