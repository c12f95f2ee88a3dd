"""Work on a queue, as a worker sees it: a message comes, a batch is done, its ends are written."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, final

import msgspec

from salient import log
from salient.errors import Error, InvalidInput, Misconfigured, NotFound, Unavailable
from salient.work import Handler, Kind, Place, Recipe, WorkConfig, metrics, notes
from salient.work.inline import away
from salient.work.notes import Beat, Death, Ends, Fault, Message, Offer
from salient.work.queued import release

_log = log.get(__name__)

_HANDLERS = 2  # kept: a big run and calls between its batches
_ENCODER = msgspec.json.Encoder()
_HUNG = 75  # exit status of a worker that ended itself since it hung
_READY_S = 900.0  # longest that a handler takes to be made: models are loaded then


class _Gone(Exception):
    """The run that a batch belongs to has ended."""


@final
class Remote:
    """Does batches that messages name. One a process; not for threads."""

    def __init__(self, place: Place, config: WorkConfig) -> None:
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self._blobs = place.blobs
        self._cache = place.cache
        self._place = place
        self._config = config
        self._handlers: OrderedDict[bytes, tuple[Kind, Handler]] = OrderedDict()
        self._heart = _Heart(self)

    def handle(self, message: Message) -> bool:
        """Do a batch, unless another worker has begun it or its run has ended: whether it was done.

        Stores that are away are waited for, as long as the run goes on.
        """
        with log.bound(message.ids), log.span("batch", run=message.run, batch=message.batch):
            try:
                return self._batch(message)
            except _Gone:
                return False
            except Exception as exc:  # a fault in code: its coordinator shall not wait for a beat
                _log.exception("batch.failed")
                reason = f"{type(exc).__name__}: {exc}"
                died(self._cache, message, Death(reason, self._heart.index))
                return False

    def close(self) -> None:
        """Close the handlers and end the heart."""
        self._heart.close()
        while self._handlers:
            self._handlers.popitem()[1][1].close()

    def _batch(self, message: Message) -> bool:
        run, batch = message.run, message.batch
        if not self._goes_on(run):
            return False
        begun = self._patiently(
            run, lambda: self._cache.increment(notes.started_key(run, batch), ttl_s=notes.LEFT_S)
        )
        if begun != 1:
            return False
        started = time.perf_counter()
        with self._heart.beating(message) as heart:
            try:
                kind, handler = self._handler(run)
                raw = self._patiently(run, lambda: self._blobs.get(notes.items_blob(run, batch)))
            except NotFound:
                return False  # given up before it began
            except Misconfigured as error:
                ends = Ends(self.name, 0.0, refused=Fault.of(error))
            else:
                values = _read(kind, raw)
                heart.n = len(values)
                results, faults = self._each(run, kind, handler, values, heart)
                ends = Ends(self.name, time.perf_counter() - started, results, faults)
            metrics.busy(time.perf_counter() - started)
            data = msgspec.json.encode(ends)
            # Still beating: what is done and cannot be written for a while is not lost.
            self._patiently(run, lambda: self._blobs.put(notes.ends_blob(run, batch), data))
        if not self._goes_on(run):
            # Whoever ended the run has swept its blobs, or will find this one no more.
            self._patiently(run, lambda: self._blobs.delete(notes.ends_blob(run, batch)))
            return False
        try:
            self._cache.publish(notes.run_key(run), batch.encode())
        except Unavailable as error:
            _log.warning("work.hint_lost", reason=error.message)  # its coordinator looks anyhow
        return True

    def _each(
        self, run: str, kind: Kind, handler: Handler, values: Sequence[Any], heart: _Heart
    ) -> tuple[msgspec.Raw, dict[int, Fault]]:
        results: list[Any] = []
        faults: dict[int, Fault] = {}
        for i, value in enumerate(values):
            heart.at(i)
            try:
                if isinstance(value, InvalidInput):
                    raise value
                try:
                    results.append(handler(value))
                except Unavailable as error:
                    if kind.once or not away(error):
                        raise
                    results.append(self._patiently(run, partial(handler, value)))
            except Error as error:
                results.append(None)
                faults[i] = Fault.of(error)
        return msgspec.Raw(_json(results, faults)), faults

    def _handler(self, run: str) -> tuple[Kind, Handler]:
        raw = self._patiently(run, lambda: self._blobs.get(notes.recipe_blob(run)))
        found = self._handlers.get(raw)
        if found is not None:
            self._handlers.move_to_end(raw)
            return found
        offer = msgspec.json.decode(raw, type=Offer)
        if offer.release != release():
            raise Misconfigured(
                f"this worker runs salient {release()}, the work was sent by {offer.release}: run the same release everywhere"
            )
        kind = Recipe(offer.name).kind(self._config.modules)
        try:
            setup = kind.setup.decode(offer.setup)
        except msgspec.ValidationError as exc:
            raise Misconfigured(f"{offer.name} cannot be set up as it was asked to: {exc}") from exc
        made = kind, self._patiently(run, lambda: kind.factory(setup, self._place))
        self._handlers[raw] = made
        while len(self._handlers) > _HANDLERS:
            self._handlers.popitem(last=False)[1][1].close()
        return made

    def _goes_on(self, run: str) -> bool:
        """Whether somebody still waits for a run's batches. Asked until the store answers."""
        while True:
            try:
                return self._cache.get(notes.run_key(run)) is not None
            except Unavailable as error:
                _log.warning("work.waits", reason=error.message)
                time.sleep(1.0)

    def _patiently(self, run: str, call: Callable[[], Any]) -> Any:
        """Call until what it needs is there.

        Raises:
            _Gone: the run ended meanwhile.
        """
        pause = 0.1
        while True:
            try:
                return call()
            except Unavailable as error:
                if not away(error):
                    raise
                self._heart.waits = error.message[:300]
                _log.warning("work.waits", reason=error.message)
                time.sleep(pause)
                pause = min(2 * pause, 5.0)
                if not self._goes_on(run):
                    raise _Gone from error
                self._heart.waits = ""
                self._heart.again()


class _Heart:
    """Says that this worker lives and what it is at, from a thread of its own; ends it if it hangs."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._cache = remote._cache
        self._config = remote._config
        self._wake = threading.Event()
        self._closed = False
        self._message: Message | None = None
        self._since = 0.0
        self._tick = 0
        self.index, self.n = -1, 0
        """Which item is at work, -1 before the first; of how many."""
        self.waits = ""
        self._thread = threading.Thread(target=self._run, name="salient-heart", daemon=True)
        self._thread.start()

    @contextmanager
    def beating(self, message: Message) -> Iterator[_Heart]:
        """Beat for a batch until the block ends."""
        self.index, self.n = -1, 0
        self.again()
        self._message = message
        try:
            yield self
        finally:
            self._message = None

    def at(self, index: int) -> None:
        """The next item is begun."""
        self.index = index
        self._since = time.monotonic()

    def again(self) -> None:
        """What took so long was none of the item's doing: it begins anew."""
        self._since = time.monotonic()

    def close(self) -> None:
        self._closed = True
        self._wake.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._wake.wait(self._config.beat_s / 3):
            message, index, since = self._message, self.index, self._since
            if message is None:
                continue
            seconds = time.monotonic() - since
            try:
                longest = self._config.hang_s
                if index < 0:
                    longest = max(_READY_S, longest)
                if seconds > longest and not self.waits:
                    self._end(message, index)
                self._beat(message, index, seconds)
            except Unavailable as error:
                _log.warning("work.beat_missed", reason=error.message)

    def _beat(self, message: Message, index: int, seconds: float) -> None:
        self._tick += 1
        beat = Beat(self._remote.name, self._tick, index, self.n, seconds, self.waits)
        key = f"beat/{message.run}/{message.batch}"
        self._cache.put(key, msgspec.json.encode(beat), ttl_s=2 * self._config.beat_s)

    def _end(self, message: Message, index: int) -> None:
        """Give the item up, and this process with it: nothing else stops what hangs."""
        reason = f"it took longer than work.hang_s, {self._config.hang_s:g} s"
        _log.error("work.hangs", run=message.run, batch=message.batch, index=index)
        try:
            died(self._cache, message, Death(reason, index))
        finally:
            os._exit(_HUNG)


def died(cache: Any, message: Message, death: Death) -> None:
    """Tell a batch's coordinator that its worker is dead; who says so first knows the reason best."""
    key = f"died/{message.run}/{message.batch}"
    cache.put(key, msgspec.json.encode(death), ttl_s=notes.LEFT_S, only_if_absent=True)
    cache.publish(notes.run_key(message.run), message.batch.encode())


def _read(kind: Kind, raw: bytes) -> list[Any]:
    """A batch's values; in the place of one that does not fit what its handler takes, the error."""
    try:
        return kind.values.decode(raw)
    except msgspec.ValidationError:
        pass
    values: list[Any] = []
    for one in msgspec.json.decode(raw, type=list[msgspec.Raw]):
        try:
            values += kind.values.decode(b"[" + bytes(one) + b"]")
        except msgspec.ValidationError as exc:
            values.append(InvalidInput(f"the worker cannot take it: {exc}"))
    return values


def _json(results: list[Any], faults: dict[int, Fault]) -> bytes:
    """Results as JSON; one that is none becomes a fault."""
    try:
        return _ENCODER.encode(results)
    except (TypeError, ValueError, RecursionError):
        for i, result in enumerate(results):
            try:
                _ENCODER.encode(result)
            except (TypeError, ValueError, RecursionError) as exc:
                fault = InvalidInput(
                    f"what came out cannot be sent back, since it is no JSON: {exc}"
                )
                results[i], faults[i] = None, Fault.of(fault)
        return _ENCODER.encode(results)
