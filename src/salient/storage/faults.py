"""Injected faults, for `flaky:` stores: what may go wrong with a server, at a rate, by a seed."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar, final

from salient.errors import Unavailable
from salient.storage.urls import Options

T = TypeVar("T")


@final
class Faults:
    """Decides for each call whether it fails, and how. Rates are 0 to 1 and may be set at any time.

    - `errors`: the call fails and nothing was done.
    - `lost`: a write is done, but its answer is lost: the caller sees it fail.
    - `torn`: a write of several parts stops half-way; what the front promises must hold all the same.
    - `latency_ms`: each call takes longer, by an even draw from 0 to twice this.
    """

    def __init__(self, options: Options) -> None:
        self.errors = options.number("errors", 0.0)
        self.lost = options.number("lost", 0.0)
        self.torn = options.number("torn", 0.0)
        self.latency_ms = options.number("latency_ms", 0.0)
        self.injected = 0
        """How many calls were made to fail."""
        self._random = random.Random(options.count("seed", 0))  # noqa: S311 # not for secrets
        self._lock = threading.Lock()
        options.done()

    def read(self, run: Callable[[], T]) -> T:
        """Run a call that changes nothing."""
        self._before()
        return run()

    def write(self, run: Callable[[], T]) -> T:
        """Run a call that changes something."""
        self._before()
        done = run()
        if self._happens(self.lost):
            raise Unavailable("injected fault: the answer was lost")
        return done

    def tears(self) -> bool:
        """Whether this write of several parts is to stop half-way; the caller then calls `tear`."""
        return self._happens(self.torn)

    def tear(self) -> Unavailable:
        """What to raise where a write was torn."""
        return Unavailable("injected fault: the connection broke in mid-write")

    def _before(self) -> None:
        if self.latency_ms:
            with self._lock:
                pause_ms = self._random.uniform(0, 2 * self.latency_ms)
            time.sleep(pause_ms / 1000)
        if self._happens(self.errors):
            raise Unavailable("injected fault: the server did not answer")

    def _happens(self, rate: float) -> bool:
        if rate <= 0:
            return False
        with self._lock:
            happens = self._random.random() < rate
            self.injected += happens
        return happens
