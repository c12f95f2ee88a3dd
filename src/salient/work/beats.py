"""Something done again and again while other work goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from salient import log
from salient.errors import Error

_log = log.get(__name__)


@contextmanager
def every(seconds: float, action: Callable[[], object]) -> Iterator[None]:
    """Do something again and again in a thread while the block runs: leases and locks are kept so."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(seconds):
            try:
                action()
            except Error as error:  # one missed beat is not the end: more fit into a lease
                _log.warning("lease.not_extended", code=error.code)

    thread = threading.Thread(target=beat, name="salient-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
