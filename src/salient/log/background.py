"""Sending records from a thread of their own, so that a slow log server holds up nobody."""

from __future__ import annotations

import logging
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from salient.errors import Unavailable

Payload = dict[str, Any]

_WAITING = 10_000  # records kept for a destination that is away
_BATCH = 500
_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_LAST_WORDS_S = 3.0  # at the end of the program


class Sender(ABC):
    """Takes records to a server."""

    @abstractmethod
    def send(self, records: Sequence[Payload]) -> None:
        """Deliver them, or raise Unavailable, and be called again with the same ones."""

    @abstractmethod
    def close(self) -> None: ...


class Background(logging.Handler):
    """Hands records to a `Sender` in order, at least once, in batches.

    While the destination is away, 10,000 records are kept; what comes on top is dropped and counted,
    and the count is said when it is back (`log.dropped`).
    """

    def __init__(self, sender: Sender) -> None:
        super().__init__()
        self._sender = sender
        self._waiting: queue.Queue[Payload] = queue.Queue(_WAITING)
        self._dropped = 0
        self._ending = threading.Event()
        self._under_way = 0
        self._thread = threading.Thread(target=self._run, name="salient-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        if threading.current_thread() is self._thread:
            return  # what the client library says of a failed delivery would feed itself
        # Made here: the correlation ids are those of the caller's thread.
        payload = payload_of(record)
        try:
            self._waiting.put_nowait(payload)
        except queue.Full:
            self._dropped += 1

    def flush(self) -> None:
        """Wait until what was logged is sent, for a while."""
        give_up_at = time.monotonic() + _LAST_WORDS_S
        while (self._waiting.qsize() or self._under_way) and time.monotonic() < give_up_at:
            if not self._thread.is_alive():
                return
            time.sleep(0.01)

    def close(self) -> None:
        if not self._ending.is_set():
            self.flush()
            self._ending.set()
            self._thread.join(_LAST_WORDS_S)
            self._sender.close()
        super().close()

    def _run(self) -> None:
        pause_s = _PAUSE_S
        batch: list[Payload] = []
        while not (self._ending.is_set() and not batch and self._waiting.empty()):
            if not batch:
                batch = self._gather()
                self._under_way = len(batch)
            if not batch:
                continue
            try:
                self._sender.send(batch)
            except Unavailable:
                if self._ending.wait(pause_s):
                    return  # the program ends and the server is away
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                batch, pause_s = [], _PAUSE_S
                self._under_way = 0

    def _gather(self) -> list[Payload]:
        batch: list[Payload] = []
        try:
            batch.append(self._waiting.get(timeout=_PAUSE_S))
            while len(batch) < _BATCH:
                batch.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        if batch and self._dropped:
            dropped, self._dropped = self._dropped, 0
            batch.append(
                {"event": "log.dropped", "level": "warning", "logger": __name__,
                 "timestamp": time.time(), "n_records": dropped}
            )  # fmt: skip
        return batch


def payload_of(record: logging.LogRecord) -> Payload:
    """A record as plain values: event, level, logger, timestamp in seconds since 1970, and its fields."""
    from structlog.contextvars import get_contextvars

    fields = {k: v for k, v in record.__dict__.items() if k not in _STANDARD}
    if record.exc_info and record.exc_info[1] is not None:
        fields["exception"] = _FORMATTER.formatException(record.exc_info)
    return {
        **{k: _plain(v) for k, v in {**get_contextvars(), **fields}.items()},
        "event": record.getMessage(),
        "level": record.levelname.lower(),
        "logger": record.name,
        "timestamp": record.created,
    }


def _plain(value: object) -> str | int | float | bool | None:
    return value if isinstance(value, str | int | float | bool | None) else str(value)


_FORMATTER = logging.Formatter()
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
