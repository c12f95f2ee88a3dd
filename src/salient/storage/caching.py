"""A cache in front of a slower store: in this process, and in key-value stores that processes share.

Every `layered:` wrapper is built on `Cache`. It knows keys and bytes, not what they mean.

    cache = Cache.open(urls_of_upper_layers, options, space=space_of("blob", url_of_the_bottom))
    value = cache.get(key, lambda: Loaded(bottom.read(key)))     # None from the loader: no such key
    with cache.writing(key) as write:                            # every change of the bottom
        bottom.write(key, value)
        write.wrote(value)                                       # or not: then the next reader loads

How no stale value is kept:

- A reader that misses in a shared layer claims the key with a marker of its own, loads, and puts
  the value by `swap(marker -> value)`. A writer replaces whatever is there by a marker of its own
  before it changes the bottom and takes that away after: the reader's swap then fails.
- The layer in the process keeps a load only if no writer of this process, and no message of
  another one, came between its start and its end.
- Writers tell other processes by a message; when messages may have been lost, the layer in the
  process is emptied, and it stays empty until they arrive again.
- A writer that dies leaves its marker, which expires: until then readers go to the bottom.
"""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import final

from salient import log
from salient.errors import Error, Misconfigured, Unavailable
from salient.storage import urls
from salient.storage.generations import Generations
from salient.storage.kv import (
    MAX_KEY_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_VALUE_BYTES,
    PUBSUB,
    KeyValue,
    Subscription,
)
from salient.storage.retrying import Retry

_log = log.get(__name__)

# The first byte of what is in a shared layer.
_VALUE, _ABSENT, _LOADING, _WRITING = b"=", b"-", b"?", b"!"
_MOST_OWED = 1000  # messages that could not be sent; then one that says "everything"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A value as the bottom has it, and its remaining seconds to live; None for ever."""

    value: bytes
    ttl_s: float | None = None


Loader = Callable[[], Loaded | None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How long and how much is kept."""

    ttl_s: float = 300.0
    """Of a value, at most; never longer than the bottom keeps it."""
    negative_s: float = 5.0
    """How long it is remembered that a key is not there; 0 for not at all."""
    lease_s: float = 10.0
    """How long a marker keeps others from filling, if whoever set it dies."""
    max_bytes: int = 64 * 1024 * 1024
    """Of the layer in the process."""
    max_value_bytes: int = MAX_VALUE_BYTES - 1
    """A longer value is not cached."""

    @classmethod
    def of(cls, options: urls.Options) -> Limits:
        """Read `ttl_s`, `negative_s`, `lease_s`, `max_mb` and `max_value_kb`."""
        usual = cls()
        most = usual.max_value_bytes
        return cls(
            ttl_s=options.number("ttl_s", usual.ttl_s, least=0.001),
            negative_s=options.number("negative_s", usual.negative_s),
            lease_s=options.number("lease_s", usual.lease_s, least=0.1),
            max_bytes=int(options.number("max_mb", 64.0) * 1024 * 1024),
            max_value_bytes=min(most, int(options.number("max_value_kb", most / 1024) * 1024)),
        )


def space_of(store: str, url: str) -> str:
    """A name for what is cached, alike in all processes that open the same bottom store.

    Stores that share an upper layer must not see each other's keys. Credentials and options may
    differ between processes and do not count.
    """
    bare = urls.shown(url)
    if not url.partition(":")[2].startswith("["):
        scheme, _, rest = url.partition("?")[0].partition(":")
        place, path = urls.location(rest)
        bare = f"{scheme}://{place}/{path}"
    return f"{store}-{blake2b(bare.encode('utf-8', 'replace'), digest_size=8).hexdigest()}"


@final
class Write:
    """A change of the bottom that is under way."""

    def __init__(self) -> None:
        self.known: tuple[Loaded | None] | None = None
        self.alone = True
        """Whether nobody else changed the key, as far as this process knows."""

    def wrote(self, value: bytes | None, ttl_s: float | None = None) -> None:
        """Say what the bottom now has, None if nothing, so that the cache may keep it."""
        self.known = (None if value is None else Loaded(value, ttl_s),)


@final
class _Flight:
    """A load under way, which callers of the same key in this process wait for."""

    __slots__ = ("done", "found", "raised")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.found: bytes | None = None
        self.raised: BaseException | None = None


@final
class Cache:
    """Values by key over a slower store.

    - One caller per key and process loads at a time, and one in all processes that share a layer.
    - After `writing` ended, no reader of this process gets an older value; a reader of another
      process gets none once the message arrived, and at most for `ttl_s` where there is no `bus`.
    - A shared layer that cannot be reached is passed over by readers; `writing` raises
      `Unavailable` before anything was changed.
    - Nothing is kept longer than the bottom keeps it.
    - Threads may share it.

    Args:
        shared: the shared layers, nearest first. The cache closes them.
        space: names what is cached; see `space_of`.
        in_process: whether there is a layer in this process.
        bus: carries the messages; by default the last shared layer that has `pubsub`.
    """

    def __init__(
        self,
        shared: Sequence[KeyValue],
        limits: Limits,
        *,
        space: str,
        in_process: bool = True,
        bus: KeyValue | None = None,
    ) -> None:
        self.limits = limits
        self._shared = tuple(shared)
        self._space = space
        self._clock = time.monotonic  # looked up at each use: tests move it
        self._local = Generations(limits.max_bytes, self._now) if in_process else None
        self._lock = threading.Lock()
        self._flights: dict[str, _Flight] = {}
        self._writers: dict[str, list[Write]] = {}
        self._closed = False
        carriers = [one for one in self._shared if PUBSUB in one.features]
        carrier = bus or (carriers[-1] if carriers else None)
        # Without a bus, what is kept is good for `ttl_s`; with one, while messages arrive.
        self._hears = carrier is None
        self._listener = (
            None if carrier is None else _Listener(self, carrier, f"salient.cache/{space}")
        )
        if self._listener is not None and in_process:
            self._listener.start()

    @classmethod
    def open(
        cls,
        layers: Sequence[str],
        options: urls.Options,
        *,
        space: str,
        bus: KeyValue | None = None,
    ) -> Cache:
        """Open the upper layers by URL; `memory:`, as the first one, is the layer in this process.

        Args:
            options: those of `Limits.of` and `space` are read, and no other may be left.

        Raises:
            Misconfigured: `memory:` in a later place, or what a layer raises.
        """
        limits, named = Limits.of(options), options.text("space")
        options.done()
        in_process = bool(layers) and layers[0].partition(":")[0] == "memory"
        shared: list[KeyValue] = []
        try:
            for url in layers[1:] if in_process else layers:
                if url.partition(":")[0] == "memory":
                    raise Misconfigured("memory: is the first layer of a cache, or none")
                shared.append(KeyValue.open(url))
        except Error:
            for one in shared:
                one.close()
            raise
        name = space if named is None else f"{space.partition('-')[0]}-{named}"
        return cls(shared, limits, space=name, in_process=in_process, bus=bus)

    @property
    def layers(self) -> tuple[KeyValue, ...]:
        """The shared layers, nearest first."""
        return self._shared

    @property
    def hot(self) -> Mapping[str, tuple[bytes | None, float]]:
        """Values in this process and until when, by `time.monotonic`, they are good."""
        return {} if self._local is None else self._local.hot

    def peek(self, key: str) -> tuple[bytes | None, float] | None:
        """What this process has of `key`, and until when; (None, …) if it knows of its absence."""
        return None if self._local is None else self._local.find(key)

    def get(self, key: str, load: Loader) -> bytes | None:
        """The value of `key`, by `load` if no layer has it; None if there is none.

        Args:
            key: any text; it should not be longer than some thousand characters.
            load: reads the bottom; None for no such key. It may be called in vain, and must not
                use this cache. What it raises is raised, also to others that wait for it.
        """
        kept = self.peek(key)
        if kept is not None:
            return kept[0]
        with self._lock:
            self._check_open()
            flight = self._flights.get(key)
            leads = flight is None and key not in self._writers
            if leads:
                flight = self._flights[key] = _Flight()
        if flight is None:
            loaded = load()  # amid a write of this process: whatever it reads is not kept
            return None if loaded is None else loaded.value
        if leads:
            return self._lead(key, flight, load)
        flight.done.wait()
        if self._local is None:
            # That load may be older than a write of another process that ended before this call.
            return self._through(key, load, claim=False)[0]
        if isinstance(flight.raised, Error):
            raise type(flight.raised)(flight.raised.message, flight.raised.context)
        if flight.raised is not None:
            return self._through(key, load, claim=False)[0]
        return flight.found

    def known(self, keys: Sequence[str]) -> dict[str, bytes | None]:
        """What the layers have of `keys`, None for those known to be absent; nothing is loaded."""
        with self._lock:
            self._check_open()
        kept = {key: self.peek(key) for key in keys}
        found = {key: entry[0] for key, entry in kept.items() if entry is not None}
        for layer in self._shared:
            names = {self._name(key): key for key in keys if key not in found}
            try:
                held = layer.get_many(names)
            except Unavailable:
                continue
            for name, entry in held.items():
                if entry[:1] in (_VALUE, _ABSENT):
                    found[names[name]] = entry[1:] if entry[:1] == _VALUE else None
        return found

    @contextmanager
    def writing(self, *keys: str) -> Iterator[Write]:
        """Change the bottom within the block; when it ends, no layer has an older value.

        With one key, `Write.wrote` in the block lets the cache keep what was written. If the block
        raises, the change may have been made or not, and the next reader loads.

        Raises:
            Unavailable: a shared layer cannot be reached, and the block was not entered.
        """
        write, marker = Write(), _WRITING + uuid.uuid4().bytes
        began = self._clock()
        self._begin(keys, write)
        try:
            for layer in self._shared:
                _mark(layer, dict.fromkeys(map(self._name, keys), marker), self.limits.lease_s)
            yield write
        except BaseException:
            write.known = None
            raise
        finally:
            self._end(keys, write, marker, began)

    def forget(self, *keys: str) -> None:
        """Drop keys in all layers and processes: the bottom was changed by somebody else.

        Raises:
            Unavailable: a shared layer cannot be reached.
        """
        with self.writing(*keys):
            pass

    def clear(self) -> None:
        """Empty the layer in this process; loads that are under way will not fill it."""
        with self._lock:
            self._clear()

    def close(self) -> None:
        """End the listener and close the layers; the bottom and the bus are the caller's."""
        with self._lock:
            self._closed = True
            self._clear()
            if self._local is not None:
                self._local.close()
        if self._listener is not None:
            self._listener.close()
        for layer in self._shared:
            layer.close()

    # --- reading

    def _lead(self, key: str, flight: _Flight, load: Loader) -> bytes | None:
        good_until = 0.0
        try:
            flight.found, good_until = self._through(key, load, claim=True)
        except BaseException as exc:
            flight.raised = exc
            raise
        finally:
            with self._lock:
                # Who changed the key, or lost messages, meanwhile took the flight away.
                if self._flights.get(key) is flight:
                    del self._flights[key]
                    if flight.raised is None:
                        self._keep(key, flight.found, good_until)
            flight.done.set()
        return flight.found

    def _through(
        self, key: str, load: Loader, *, claim: bool, level: int = 0
    ) -> tuple[bytes | None, float]:
        """The value, and until when it may be kept: 0.0 for not at all."""
        if level == len(self._shared):
            began = self._clock()
            loaded = load()
            return None if loaded is None else loaded.value, self._good_until(loaded, began)

        def below() -> tuple[bytes | None, float]:
            return self._through(key, load, claim=claim, level=level + 1)

        layer, name, marker = self._shared[level], self._name(key), _LOADING + uuid.uuid4().bytes
        pause_s, give_up_at = 0.002, time.monotonic() + self.limits.lease_s / 2
        try:
            while True:
                began = self._clock()
                held, left_s = layer.get_expiring(name) or (b"", None)
                kind = held[:1]
                if kind in (_VALUE, _ABSENT):
                    limit_s = self.limits.ttl_s if kind == _VALUE else self.limits.negative_s
                    good_until = began + min(limit_s, left_s or limit_s)
                    return (held[1:] if kind == _VALUE else None), good_until
                if held and (kind == _WRITING or not claim or time.monotonic() > give_up_at):
                    return below()[0], 0.0
                if not held and not claim:
                    return below()
                if not held and layer.put(
                    name, marker, ttl_s=self.limits.lease_s, only_if_absent=True
                ):
                    break
                # Another process loads it.
                time.sleep(pause_s)
                pause_s = min(pause_s * 1.5, 0.05)
        except Unavailable:
            return below()
        try:
            value, good_until = below()
        except BaseException:
            self._fill(layer, name, marker, None, 0.0)  # others need not wait for the lease
            raise
        if not self._fill(layer, name, marker, _entry(value), good_until):
            good_until = 0.0
        return value, good_until

    def _fill(
        self, layer: KeyValue, name: str, marker: bytes, entry: bytes | None, good_until: float
    ) -> bool:
        """Put `entry` where our marker still is; what cannot be kept leaves no marker either."""
        left_s = good_until - self._clock()
        if left_s <= 0 or entry is None or len(entry) > self.limits.max_value_bytes + 1:
            entry = None
        try:
            return layer.swap(name, marker, entry, ttl_s=None if entry is None else left_s)
        except Unavailable:
            return False  # the marker expires by itself

    def _good_until(self, loaded: Loaded | None, began: float) -> float:
        if loaded is None:
            return began + self.limits.negative_s
        limit_s, left_s = self.limits.ttl_s, loaded.ttl_s
        return began + (limit_s if left_s is None else min(limit_s, left_s))

    # --- changing

    def _begin(self, keys: Sequence[str], write: Write) -> None:
        with self._lock:
            self._check_open()
            for key in keys:
                self._drop(key)
                writers = self._writers.setdefault(key, [])
                write.alone = write.alone and not writers
                writers.append(write)

    def _end(self, keys: Sequence[str], write: Write, marker: bytes, began: float) -> None:
        """Take the markers away, or put what is known in their place; deepest layer first.

        A reader of an upper layer that loads from a deeper one has a marker in the upper one: it
        is gone before the reader could fill with what the deeper one had.
        """
        known = write.known if len(keys) == 1 and write.alone else None
        good_until = self._good_until(known[0], began) if known else 0.0
        for layer in reversed(self._shared):
            try:
                if known is not None and self._fill(
                    layer, self._name(keys[0]), marker, _entry(known[0]), good_until
                ):
                    continue
                # Another writer's marker or value may be there, written before ours or after: who
                # comes next must ask the bottom.
                known = None
                layer.delete_many(map(self._name, keys))
            except Error as exc:
                # The change is made. Readers go past the markers, and they expire.
                known = None
                _log.warning("cache.layer_lost", keys=len(keys), error=str(exc))
        with self._lock:
            for key in keys:
                writers = self._writers[key]
                writers.remove(write)
                if not writers:
                    del self._writers[key]
                if known is not None and write.alone:
                    self._keep(key, None if known[0] is None else known[0].value, good_until)
                else:
                    self._drop(key)
        if self._listener is not None:
            self._listener.tell(keys)

    # --- in this process; the lock is held

    def _keep(self, key: str, value: bytes | None, good_until: float) -> None:
        if self._local is None or self._closed or not self._hears or good_until <= self._clock():
            return
        if value is None or len(value) <= self.limits.max_value_bytes:
            self._local.keep(key, value, good_until)

    def _drop(self, key: str) -> None:
        self._flights.pop(key, None)
        if self._local is not None:
            self._local.drop(key)
        for write in self._writers.get(key, ()):
            write.alone = False

    def _clear(self) -> None:
        self._flights.clear()
        for writers in self._writers.values():
            for write in writers:
                write.alone = False
        if self._local is not None:
            self._local.clear()

    def _now(self) -> float:
        return self._clock()

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the layered store is closed")

    # --- what the listener calls

    @property
    def hears(self) -> bool:
        """Whether messages arrive, or none are needed."""
        return self._hears

    def changed_elsewhere(self, keys: Sequence[str]) -> None:
        """Another process changed them; none named stands for all."""
        with self._lock:
            if not keys:
                self._clear()
            for key in keys:
                self._drop(key)

    def missed(self, *, hears: bool) -> None:
        """Messages may have been lost; whether they arrive from now on."""
        with self._lock:
            self._clear()
            self._hears = hears

    def _name(self, key: str) -> str:
        name = f"{self._space}:{key}"
        try:
            plain = len(name.encode()) <= MAX_KEY_BYTES and "\0" not in name
        except UnicodeEncodeError:
            plain = False
        if plain:
            return name
        digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()
        return f"{self._space}#{digest}"


def _entry(value: Loaded | bytes | None) -> bytes:
    if value is None:
        return _ABSENT
    return _VALUE + (value.value if isinstance(value, Loaded) else value)


def _mark(layer: KeyValue, markers: Mapping[str, bytes], ttl_s: float) -> None:
    Retry(attempts=3, within_s=1.0)(lambda: layer.put_many(markers, ttl_s=ttl_s))


@final
class _Listener:
    """Tells other processes what changed here, and this one what changed there."""

    def __init__(self, cache: Cache, bus: KeyValue, channel: str) -> None:
        self._cache, self._bus, self._channel = cache, bus, channel
        self._me = uuid.uuid4().bytes
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._owed: list[bytes] = []
        self._subscription: Subscription | None = None
        self._thread = threading.Thread(target=self._run, name="salient-store-cache", daemon=True)

    def start(self) -> None:
        self._subscribe()
        self._thread.start()

    def tell(self, keys: Sequence[str]) -> None:
        """Tell the others; if that is not possible now, as soon as it is."""
        with self._lock:
            self._owed += [self._me + part for part in _packed(keys)]
            if len(self._owed) > _MOST_OWED:
                self._owed = [self._me + b"[]"]
        self._pay()

    def close(self) -> None:
        self._stop.set()
        with self._lock:
            if self._subscription is not None:
                self._subscription.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        try:
            self._listen()
        finally:
            # Also if it ends by a fault of ours: what nobody keeps fresh is not kept.
            self._cache.missed(hears=False)

    def _listen(self) -> None:
        seen = 0
        while not self._stop.is_set():
            subscription = self._subscription
            if subscription is None:
                self._stop.wait(random.uniform(0.1, 0.5))  # noqa: S311 # no secret
                self._subscribe()
                seen = 0
                continue
            self._pay()
            try:
                message = subscription.get(0.5)
            except Error:
                self._cache.missed(hears=False)
                self._forget(subscription)
                continue
            live, gaps = subscription.live, subscription.gaps
            if gaps != seen or live != self._cache.hears:
                seen = gaps
                self._cache.missed(hears=live)
            elif message is not None and not message.startswith(self._me):
                self._cache.changed_elsewhere(_unpacked(message[len(self._me) :]))

    def _subscribe(self) -> None:
        try:
            subscription = self._bus.subscribe(self._channel)
        except Error:
            return
        with self._lock:
            self._subscription = subscription
        if self._stop.is_set():
            self._forget(subscription)
        else:
            self._cache.missed(hears=True)

    def _forget(self, subscription: Subscription) -> None:
        subscription.close()
        with self._lock:
            self._subscription = None

    def _pay(self) -> None:
        """Send what is to be sent. A message that comes twice does no harm."""
        while True:
            with self._lock:
                if not self._owed:
                    return
                message = self._owed.pop(0)
            try:
                self._bus.publish(self._channel, message)
            except Error:
                with self._lock:
                    self._owed.append(message)
                return


def _packed(keys: Sequence[str]) -> Iterator[bytes]:
    part: list[str] = []
    size = 0
    for key in keys:
        if part and size + 6 * len(key) > MAX_MESSAGE_BYTES // 2:
            yield json.dumps(part).encode()
            part, size = [], 0
        part.append(key)
        size += 6 * len(key) + 4  # a character takes up to 12 bytes in JSON, most of them 1
    if part:
        yield json.dumps(part).encode()


def _unpacked(message: bytes) -> list[str]:
    """Keys; a message that is none of ours names none."""
    try:
        keys = json.loads(message)
    except ValueError:
        return []
    return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []
