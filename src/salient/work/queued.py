"""Work on a queue, as its coordinator sees it: batches out, ends back, and nothing lost between.

A broker's promise is "at least once", and a broker may lose what it holds. So nothing is decided
by it: a batch counts as under way from when it is sent until its ends lie in the blob store, and
whoever sent it watches it. Batches whose workers fell silent, and messages that vanished, are sent
again as new batches; a message that comes twice, or late, is passed over by its worker.
"""

from __future__ import annotations

import importlib.metadata
import time
import uuid
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import msgspec

from salient import log
from salient.errors import Corrupt, InvalidInput, NotFound, Unavailable
from salient.storage.kv import Subscription
from salient.work import (
    MAIN,
    OCR,
    Done,
    End,
    Failed,
    Item,
    Lost,
    Place,
    Pool,
    Recipe,
    WorkConfig,
    metrics,
    notes,
)
from salient.work.batches import MOST, Batcher
from salient.work.beats import every
from salient.work.inline import away
from salient.work.notes import Beat, Death, Ends, Fault, Message, Offer, Presence

_log = log.get(__name__)

_LOOK_S = 1.0  # longest time between two looks at what is under way; a few fit into a beat
_SLOTS_S = 5.0  # how long a count of workers is believed
_SPARE = 3.0  # batches sent for each that is worked on: so many that autoscaling sees the need
_PATIENCE_S = 120.0  # how long a store or broker may be away before the run gives up
_SILENCES = 3  # of workers that had an item alone, before it is taken to be the cause
_REFUSALS = 40  # by workers that cannot do this work, before the run gives up
_WAIT_BEATS = 20  # a batch that waits for so many beats is sent again: its message may be lost


class Transport(ABC):
    """Brings messages to workers. It may lose them and may bring them twice."""

    @abstractmethod
    def send(self, message: Message, queue: str, *, urgent: bool) -> None:
        """Raises: Unavailable."""

    @abstractmethod
    def depth(self, queue: str) -> int:
        """Messages that wait. Raises: Unavailable."""

    def slots(self, queue: str) -> int | None:
        """Batches that all workers together do at once; None when the workers say so themselves."""
        return None

    @abstractmethod
    def close(self) -> None: ...


@dataclass(slots=True)
class _Sent:
    """A batch under way."""

    name: str
    items: list[Item]
    queue: str
    sent_at: float
    heard_at: float
    """When a sign of it was last seen; all by `time.monotonic`."""
    started: bool = False
    beat: Beat | None = None


@final
class Queued(Pool):
    """Workers of a queue, wherever they are; see `salient.work.notes` for what passes between."""

    def __init__(self, transport: Transport, place: Place, config: WorkConfig) -> None:
        self._transport = transport
        self._place = place
        self._config = config

    @property
    def slots(self) -> int:
        return max(1, self.count_slots(None))

    def count_slots(self, queue: str | None) -> int:
        """How many batches the workers of a queue, or of all, do at once; 0 when there are none."""
        given = self._transport.slots(queue or "")
        if given is not None:
            return given
        return sum(w.slots for w in presences(self._place) if queue is None or queue in w.queues)

    def depth(self, queue: str) -> int:
        """Messages that wait for a worker."""
        return self._transport.depth(queue)

    def run(self, recipe: Recipe, items: Iterable[Item], *, urgent: bool = False) -> Generator[End]:
        run = _Run(self, self._transport, self._place, self._config, recipe, urgent=urgent)
        with run.opened():
            yield from run.ends(iter(items))

    def close(self) -> None:
        self._transport.close()
        self._place.close()


class _Run:
    """One call of `run`."""

    def __init__(
        self, pool: Queued, transport: Transport, place: Place, config: WorkConfig, recipe: Recipe, *, urgent: bool
    ) -> None:  # fmt: skip
        self._pool = pool
        self._transport = transport
        self._blobs = place.blobs
        self._cache = place.cache
        self._config = config
        self._recipe = recipe
        self._kind = recipe.kind(config.modules)
        self._urgent = urgent
        self._name = uuid.uuid4().hex
        self._sent: dict[str, _Sent] = {}
        self._again: deque[list[Item]] = deque()
        self._n = 0
        self._refusals = 0
        self._silences: Counter[int] = Counter()
        self._look_s = min(_LOOK_S, config.beat_s / 5)
        self._looked_at = 0.0
        self._slots_at = -_SLOTS_S
        self._slots: dict[str, int] = {}
        self._depths: dict[str, int] = {}
        self._warned_at = time.monotonic()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Say that the run goes on, for as long as the block does; what it left is swept then."""
        offer = Offer(
            self._recipe.name, msgspec.Raw(msgspec.json.encode(self._recipe.setup)), release()
        )
        self._patiently(
            lambda: self._blobs.put(notes.recipe_blob(self._name), msgspec.json.encode(offer))
        )
        key, ttl_s = notes.run_key(self._name), 6 * self._config.beat_s
        self._patiently(lambda: self._cache.put(key, b"1", ttl_s=ttl_s))
        try:
            with every(self._config.beat_s, lambda: self._cache.put(key, b"1", ttl_s=ttl_s)):
                yield
        finally:
            try:
                self._cache.delete(key)
                for blob in list(self._blobs.list(f"{key}/")):
                    self._blobs.delete(blob)
            except (
                Unavailable
            ) as error:  # the key expires, and `salient beat` sweeps blobs of ended runs
                _log.warning("work.left_behind", run=self._name, reason=error.message)

    def ends(self, items: Iterator[Item]) -> Iterator[End]:
        """Send and watch until each item has ended."""
        # What may be done once only goes alone: nothing beside it is ever done again.
        batcher = Batcher(items, self._config.batch_s, 1 if self._kind.once else MOST)
        with self._cache.subscribe(notes.run_key(self._name)) as hints:
            while True:
                self._fill(batcher)
                if not self._sent:
                    return
                for name in self._told(hints):
                    sent = self._sent.get(name)
                    if sent is not None:
                        yield from self._ended(sent, batcher)
                if time.monotonic() - self._looked_at > self._look_s:
                    yield from self._look(batcher)

    # --- sending

    def _fill(self, batcher: Batcher) -> None:
        """Send as much as keeps the workers busy, and not more than the queue should hold."""
        self._count_slots()
        while True:
            full = {queue for queue in (MAIN, OCR) if self._is_full(queue)}
            again = next((b for b in self._again if b[0].queue not in full), None)
            if again is not None:
                self._again.remove(again)
            batch = again or batcher.next(max(1, self._slots.get(MAIN, 0)), full)
            if batch is None:
                return
            self._send(batch)

    def _is_full(self, queue: str) -> bool:
        mine = sum(sent.queue == queue for sent in self._sent.values())
        if mine >= max(2, int(_SPARE * self._slots.get(queue, 0)) + 1):
            return True
        return bool(mine) and self._depths.get(queue, 0) >= self._config.queue_limit

    def _send(self, batch: list[Item]) -> None:
        self._n += 1
        name = str(self._n)
        try:
            data = msgspec.json.encode([item.value for item in batch])
        except (TypeError, ValueError, RecursionError) as exc:
            raise InvalidInput(f"an item cannot be sent, since it is no JSON: {exc}") from exc
        self._patiently(lambda: self._blobs.put(notes.items_blob(self._name, name), data))
        message = Message(self._name, name, log.correlation())
        queue, urgent = batch[0].queue, self._urgent
        self._patiently(lambda: self._transport.send(message, queue, urgent=urgent))
        metrics.batch("sent")
        now = time.monotonic()
        self._sent[name] = _Sent(name, batch, queue, now, now)

    def _count_slots(self) -> None:
        now = time.monotonic()
        if now - self._slots_at < _SLOTS_S:
            return
        self._slots_at = now
        for queue in (MAIN, OCR):
            self._slots[queue] = self._patiently(lambda q=queue: self._pool.count_slots(q))
            self._depths[queue] = self._patiently(lambda q=queue: self._transport.depth(q))
            metrics.workers(queue, self._slots[queue])
            metrics.depth(queue, self._depths[queue])
        if any(self._slots.values()):
            self._warned_at = now
        elif now - self._warned_at > self._config.beat_s:
            self._warned_at = now
            _log.warning("work.no_workers", remedy="start some: salient worker")

    # --- watching

    def _told(self, hints: Subscription) -> list[str]:
        """Batches that somebody says have ended; waits for a moment if nobody does."""
        names: list[str] = []
        first = hints.get(self._look_s / 2)
        while first is not None:
            names.append(first.decode("ascii", "replace"))
            first = hints.get(0.0) if len(names) < 100 else None
        return names

    def _ended(self, sent: _Sent, batcher: Batcher) -> Iterator[End]:
        """What became of a batch, if it has ended."""
        try:
            raw = self._patiently(lambda: self._blobs.get(notes.ends_blob(self._name, sent.name)))
        except NotFound:
            return
        ends = msgspec.json.decode(raw, type=Ends)
        del self._sent[sent.name]
        self._forget(sent)
        if ends.refused is not None:
            self._refused(sent, ends.worker, ends.refused)
            return
        results = self._read(ends)
        if len(results) != len(sent.items):
            raise Corrupt("a worker told of more or fewer items than it was given")
        batcher.observe(sent.items, ends.seconds)
        metrics.batch("done")
        faults = ends.faults
        if self._silences:
            for item in sent.items:
                self._silences.pop(id(item), None)
        metrics.items("done", len(results) - len(faults))
        metrics.items("failed", len(faults))
        for n, (item, result) in enumerate(zip(sent.items, results, strict=True)):
            if n not in faults:
                yield Done(item, result)
                continue
            error = faults[n].error()
            if away(error):
                raise error
            yield Failed(item, error)

    def _read(self, ends: Ends) -> list[Any]:
        """A batch's results; one that is not what the recipe says becomes a fault."""
        try:
            return self._kind.results.decode(ends.results)
        except msgspec.ValidationError:
            pass
        results: list[Any] = []
        for n, one in enumerate(msgspec.json.decode(ends.results, type=list[msgspec.Raw])):
            try:
                results += self._kind.results.decode(b"[" + bytes(one) + b"]")
            except msgspec.ValidationError as exc:
                results.append(None)
                wrong = InvalidInput(f"what came out is not what was promised: {exc}")
                ends.faults[n] = Fault.of(wrong)
        return results

    def _refused(self, sent: _Sent, worker: str, fault: Fault) -> None:
        """Send elsewhere what a worker cannot do, as one of another release while all are replaced."""
        metrics.batch("refused")
        self._refusals += 1
        if self._refusals > _REFUSALS:
            raise fault.error()
        _log.warning("work.refused", worker=worker, reason=fault.message)
        self._again.append(sent.items)
        time.sleep(min(0.1 * self._refusals, 5.0))

    def _look(self, batcher: Batcher) -> Iterator[End]:
        """See after every batch under way: hints may be lost, and the dead tell nothing."""
        now = time.monotonic()
        pause_s = max(self._config.beat_s / 2, 3 * _LOOK_S)
        if now - self._looked_at > pause_s:
            # Nobody watched for a while, whoever takes our results being slow: no silence counts.
            for sent in self._sent.values():
                sent.heard_at = now
        names = list(self._sent)
        kinds = ("started", "beat", "died")
        keys = [f"{kind}/{self._name}/{name}" for name in names for kind in kinds]
        found: dict[str, bytes] = {}
        for first in range(0, len(keys), 300):
            some = keys[first : first + 300]
            found |= self._patiently(lambda some=some: self._cache.get_many(some))
        depths: dict[str, int] = {}
        self._looked_at = time.monotonic()
        if self._looked_at - now > pause_s:
            return  # a store was away meanwhile, for workers too: let them speak first
        for name in names:
            sent = self._sent[name]
            started, beat, died = (found.get(f"{kind}/{self._name}/{name}") for kind in kinds)
            self._hear(sent, started, beat, now)
            silent = now - sent.heard_at > self._config.beat_s
            if died is None and not silent:
                if sent.started and now - sent.sent_at > self._config.beat_s:
                    yield from self._ended(sent, batcher)
                continue
            yield from self._ended(sent, batcher)
            if name not in self._sent:
                continue
            if died is not None:
                yield from self._dead(sent, msgspec.json.decode(died, type=Death))
            elif sent.started:
                yield from self._silent(sent)
            else:
                self._vanished(sent, depths, now)

    @staticmethod
    def _hear(sent: _Sent, started: bytes | None, beat: bytes | None, now: float) -> None:
        if started is not None and not sent.started:
            sent.started, sent.heard_at = True, now
        if beat is not None:
            seen = msgspec.json.decode(beat, type=Beat)
            if seen != sent.beat:
                sent.beat, sent.started, sent.heard_at = seen, True, now

    def _vanished(self, sent: _Sent, depths: dict[str, int], now: float) -> None:
        """Send a batch that nobody began again, if it does not wait in the queue."""
        if sent.queue not in depths:
            depths[sent.queue] = self._patiently(lambda: self._transport.depth(sent.queue))
        patient = now - sent.sent_at < _WAIT_BEATS * self._config.beat_s
        if (depths[sent.queue] and patient) or not self._slots.get(sent.queue):
            sent.heard_at = now
            return
        begun = self._patiently(
            lambda: self._cache.increment(
                notes.started_key(self._name, sent.name), ttl_s=notes.LEFT_S
            )
        )
        if begun != 1:  # at this very moment; had it not been, nobody could begin it now
            sent.started, sent.heard_at = True, now
            return
        _log.warning("work.batch_vanished", run=self._name, batch=sent.name)
        metrics.batch("redelivered")
        self._give_up(sent)
        self._again.append(sent.items)

    def _silent(self, sent: _Sent) -> Iterator[End]:
        """A worker is dead, or cut off: one item alone is only blamed when it comes to that again."""
        key = id(sent.items[0])
        self._silences[key] += 1
        if self._kind.once or len(sent.items) > 1 or self._silences[key] >= _SILENCES:
            self._silences.pop(key)
            yield from self._dead(sent, Death("its worker fell silent"))
            return
        self._give_up(sent)
        _log.warning("work.worker_silent", run=self._name, batch=sent.name)
        metrics.batch("redelivered")
        self._again.append(sent.items)

    def _dead(self, sent: _Sent, death: Death) -> Iterator[End]:
        """A worker died: find out which item killed it, and have the others done."""
        self._give_up(sent)
        _log.warning("work.worker_died", run=self._name, batch=sent.name, reason=death.reason)
        if len(sent.items) == 1:
            metrics.items("lost")
            yield Lost(sent.items[0], death.reason)
            return
        metrics.batch("redelivered")
        if death.index >= 0:
            metrics.items("lost")
            others = sent.items[: death.index] + sent.items[death.index + 1 :]
            self._again.append(others)
            yield Lost(sent.items[death.index], death.reason)
            return
        # Up to the item of its last beat all were done. Of the others any may have killed it: each
        # goes alone, and only one that kills a worker then is lost.
        known = max(0, sent.beat.index) if sent.beat is not None else 0
        if known:
            self._again.append(sent.items[:known])
        self._again.extend([item] for item in sent.items[known:])

    def _give_up(self, sent: _Sent) -> None:
        """Whoever has, or gets, this batch need not do it."""
        del self._sent[sent.name]
        self._patiently(lambda: self._blobs.delete(notes.items_blob(self._name, sent.name)))

    def _forget(self, sent: _Sent) -> None:
        for blob in (notes.items_blob(self._name, sent.name), notes.ends_blob(self._name, sent.name)):  # fmt: skip
            self._blobs.delete(blob)

    def _patiently(self, call: Any) -> Any:
        """Call until the store or broker is there, or patience ends.

        Raises:
            Unavailable: it was away for too long.
        """
        until = time.monotonic() + _PATIENCE_S
        pause = 0.1
        while True:
            try:
                return call()
            except Unavailable as error:
                if time.monotonic() > until:
                    raise
                _log.warning("work.waits", reason=error.message)
                time.sleep(pause)
                pause = min(2 * pause, 5.0)


def presences(place: Place) -> list[Presence]:
    """The workers that wait for work, by name."""
    keys = list(place.cache.scan("worker/"))
    found = place.cache.get_many(keys) if keys else {}
    return [msgspec.json.decode(found[key], type=Presence) for key in sorted(found)]


def release() -> str:
    """The release that this process runs."""
    return importlib.metadata.version("salient")
