"""How fast work goes, and how long the rest will take."""

from __future__ import annotations

import math

_SPAN_S = 60.0
_LEAST_S, _LEAST = 1.0, 2  # less than this much seen says nothing


class Pace:
    """The speed at which a count grows, of late: what was a minute ago counts a third.

    Times are the caller's clock, in seconds, and only grow. Not for threads.
    """

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None
        self._grown = self._seconds = 0.0
        self._seen = 0

    def observe(self, done: int, at: float) -> None:
        """Say how far the count is. One that falls by half is another: what was seen is forgotten."""
        if self._last is not None and done < self._last[0] / 2:
            self._grown = self._seconds = 0.0
            self._seen = 0
        elif self._last is not None:
            passed = at - self._last[1]
            weight = math.exp(-passed / _SPAN_S)
            self._grown = self._grown * weight + done - self._last[0]
            self._seconds = self._seconds * weight + passed
            self._seen += done - self._last[0]
        self._last = (done, at)

    def rest(self) -> None:
        """Leave out the time from the last count to the next one, as of a pause."""
        self._last = None

    def rate_per_s(self, at: float) -> float | None:
        """The speed at a time after the last count; None while too little was seen."""
        idle = 0.0 if self._last is None else max(0.0, at - self._last[1])
        weight = math.exp(-idle / _SPAN_S)
        seconds = self._seconds * weight + idle
        if seconds < _LEAST_S or self._seen < _LEAST:
            return None
        return max(0.0, self._grown * weight / seconds)

    def left_s(self, left: int, at: float) -> float | None:
        """Seconds until `left` more; None while nobody can say."""
        rate = self.rate_per_s(at)
        return left / rate if rate else None
