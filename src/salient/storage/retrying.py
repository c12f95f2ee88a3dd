"""Trying again what failed for the moment: idempotent calls only, with jitter, within a bound."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from salient.errors import TimedOut, Unavailable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long a call is tried."""

    attempts: int = 4
    first_pause_s: float = 0.05
    longest_pause_s: float = 1.0
    within_s: float = 5.0
    """No attempt starts later than this after the first."""

    def __call__(self, run: Callable[[], T]) -> T:
        """Run it, again after `Unavailable`; what was last raised says how often it was tried.

        A call that is not idempotent must not come here: its first attempt may have been done.
        """
        began = time.monotonic()
        attempt = 1
        while True:
            try:
                return run()
            except Unavailable as exc:
                # Full jitter: callers that failed together do not come back together.
                longest = min(self.longest_pause_s, self.first_pause_s * 2 ** (attempt - 1))
                pause_s = random.uniform(0.0, longest)  # noqa: S311 # no secret
                late = time.monotonic() + pause_s - began > self.within_s
                if attempt >= self.attempts or late or isinstance(exc, TimedOut):
                    exc.context.setdefault("attempts", attempt)
                    raise
            attempt += 1
            time.sleep(pause_s)
