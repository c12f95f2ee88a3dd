"""Sending records from a thread of their own, so that a slow log server holds up nobody."""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from salient.errors import Unavailable

T = TypeVar("T")

Payload = dict[str, Any]

_WAITING = 10_000  # records kept for a destination that is away
_BATCH = 500
_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 10.0
_LAST_WORDS_S = 3.0  # at the end of the program


class Sender(ABC, Generic[T]):
    """Takes records, or spans, to a server."""

    @abstractmethod
    def send(self, records: Sequence[T]) -> None:
        """Deliver them, or raise Unavailable, and be called again with the same ones."""

    def forked(self) -> None:
        """Give up the connection, in a child that was just forked: it is the parent's."""

    @abstractmethod
    def close(self) -> None: ...


class Outbox(Generic[T]):
    """Hands what is put into it to a `Sender`: in order, at least once, in batches.

    - `put` waits for nothing. While the destination is away, 10,000 are kept; what comes on top is
      dropped and counted, and said when it is back.
    - A forked child has an empty one, which works: what was in its parent's is its parent's to send.

    Args:
        missing: told how many were dropped; what it returns goes along with the next batch.
    """

    def __init__(self, sender: Sender[T], missing: Callable[[int], T | None]) -> None:
        self._sender, self._missing = sender, missing
        self.dropped = 0
        """All that were ever dropped."""
        self._closed = False
        self._begin()
        _OUTBOXES.add(self)

    def _begin(self) -> None:
        self._waiting: queue.Queue[T] = queue.Queue(_WAITING)
        self._unsaid = 0
        self._ending = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def put(self, item: T) -> None:
        if self._thread is None:
            self._start()
        try:
            self._waiting.put_nowait(item)
        except queue.Full:
            self.dropped += 1
            self._unsaid += 1

    def is_sending_here(self) -> bool:
        """Whether it is its own thread that asks."""
        return threading.current_thread() is self._thread

    def flush(self) -> None:
        """Wait until what was put is sent, for a while."""
        give_up_at = time.monotonic() + _LAST_WORDS_S
        while self._waiting.unfinished_tasks and time.monotonic() < give_up_at:
            if self._thread is None or not self._thread.is_alive():
                return
            time.sleep(0.01)

    def close(self) -> None:
        """Send what is there, for a while, and end."""
        if self._closed:
            return
        self._closed = True
        self.flush()
        self._ending.set()
        if self._thread is not None:
            self._thread.join(_LAST_WORDS_S)
        self._sender.close()

    def forked(self) -> None:
        """Begin anew: the thread stayed in the parent, and so may have the keys of its locks."""
        self._begin()
        self._sender.forked()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._closed:
                # Not before there is something to send: a thread in a parent that forks is a risk.
                thread = threading.Thread(target=self._run, name="salient-log", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        pause_s = _PAUSE_S
        batch: list[T] = []
        said: list[T] = []
        while not (self._ending.is_set() and not batch and self._waiting.empty()):
            if not batch:
                batch = self._gather()
                said = self._of_dropped() if batch else []
            if not batch:
                continue
            try:
                self._sender.send(batch + said)
            except Unavailable:
                if self._ending.wait(pause_s):
                    return  # the program ends and the server is away
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                for _ in batch:
                    self._waiting.task_done()
                batch, said, pause_s = [], [], _PAUSE_S

    def _gather(self) -> list[T]:
        batch: list[T] = []
        try:
            batch.append(self._waiting.get(timeout=_PAUSE_S))
            while len(batch) < _BATCH:
                batch.append(self._waiting.get_nowait())
        except queue.Empty:
            pass
        return batch

    def _of_dropped(self) -> list[T]:
        unsaid, self._unsaid = self._unsaid, 0
        told = self._missing(unsaid) if unsaid else None
        return [] if told is None else [told]


class Background(logging.Handler):
    """Hands records to a `Sender` through an `Outbox`; of dropped ones `log.dropped` tells."""

    def __init__(self, sender: Sender[Payload]) -> None:
        super().__init__()
        self._outbox = Outbox(sender, _dropped)

    def emit(self, record: logging.LogRecord) -> None:
        if self._outbox.is_sending_here():
            return  # what the client library says of a failed delivery would feed itself
        # Made here: the correlation ids are those of the caller's thread.
        self._outbox.put(payload_of(record))

    def flush(self) -> None:
        """Wait until what was logged is sent, for a while."""
        self._outbox.flush()

    def close(self) -> None:
        self._outbox.close()
        super().close()


def _dropped(n_records: int) -> Payload:
    return {
        "event": "log.dropped", "level": "warning", "logger": __name__, "timestamp": time.time(),
        "n_records": n_records,
    }  # fmt: skip


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


def _forked() -> None:
    for outbox in list(_OUTBOXES):
        outbox.forked()


_OUTBOXES: weakref.WeakSet[Outbox[Any]] = weakref.WeakSet()
os.register_at_fork(after_in_child=_forked)

_FORMATTER = logging.Formatter()
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
