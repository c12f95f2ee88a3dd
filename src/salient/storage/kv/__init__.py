"""Key-value store: small values by key, with optional expiry; counters, locks and messages."""

from __future__ import annotations

import math
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self, final

from salient.errors import Conflict, InvalidInput, LimitExceeded, TimedOut, Unsupported
from salient.storage import backends

MAX_KEY_BYTES = 512
MAX_VALUE_BYTES = 8 * 1024 * 1024
MAX_MESSAGE_BYTES = 64 * 1024
MAX_COUNT = 2**63 - 1

# scheme -> module that holds `Driver`. The tree beside this file is the list.
SCHEMES = {
    "memory": "salient.storage.kv.memory",
    "redis": "salient.storage.kv.redis",
    "rediss": "salient.storage.kv.redis",
    "sqlite": "salient.storage.kv.sqlite",
    "valkey": "salient.storage.kv.redis",
    "valkeys": "salient.storage.kv.redis",
}
# Schemes that stand for an option of the same driver.
_IMPLIED = {"rediss": "tls=yes", "valkeys": "tls=yes"}
# The same, of stores that are made of other key-value stores.
WRAPPERS = {
    "flaky": "salient.storage.kv.flaky",
    "instrumented": "salient.storage.kv.instrumented",
    "layered": "salient.storage.kv.layered",
    "replicated": "salient.storage.kv.replicated",
    "scoped": "salient.storage.kv.scoped",
    "sharded": "salient.storage.kv.sharded",
}

PUBSUB = "pubsub"  # the feature of drivers that carry messages

# Keys of callers hold no NUL, so what starts with one is ours and cannot be reached by accident.
_LOCK, _FENCE = "\0lock/", "\0fence/"


class Subscription(ABC):
    """The messages of one channel, from when it was opened until it is closed.

    - Each message comes at most once, in order from one publisher, to all subscribers everywhere.
    - What is published while `live` is false is lost, and `gaps` has grown before the next
      message is given out: a subscriber that keeps what messages are about must then drop it.
    """

    gaps: int = 0
    """How many times messages may have been lost since it was opened."""
    live: bool = True
    """False while messages cannot arrive; it comes back by itself when the server does."""

    @abstractmethod
    def get(self, timeout_s: float = 0.0) -> bytes | None:
        """The next message, waited for up to `timeout_s`; None if there is none, or at a gap.

        Raises:
            Unavailable: this subscription or its store is closed; a lost server is no error here.
        """

    @abstractmethod
    def close(self) -> None:
        """End it; a `get` that waits in another thread ends too."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class KeyValueDriver(ABC):
    """What a backend must do. Keys, sizes and times are already checked by `KeyValue`.

    A driver's keys are up to 2 * MAX_KEY_BYTES and may hold NUL; each method is
    atomic among all threads and processes that use the same store, those of many for each key.
    """

    features: frozenset[str] = frozenset({PUBSUB})
    inner: tuple[KeyValueDriver, ...] = ()
    """What a wrapper is made of."""

    @abstractmethod
    def get(self, key: str) -> bytes | None: ...

    @abstractmethod
    def get_expiring(self, key: str) -> tuple[bytes, float | None] | None:
        """The value and its remaining seconds to live, over 0; None for one that stays."""

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The values of those keys that are there."""
        found = ((key, self.get(key)) for key in keys)
        return {key: value for key, value in found if value is not None}

    def put_many(self, values: Mapping[str, bytes], *, ttl_s: float | None) -> None:
        """Write them all."""
        for key, value in values.items():
            self.put(key, value, ttl_s=ttl_s, only_if_absent=False)

    def delete_many(self, keys: Sequence[str]) -> int:
        """Remove them; return how many were there."""
        return sum(self.delete(key) for key in keys)

    @property
    def hot(self) -> Mapping[str, tuple[bytes | None, float]]:
        """What the front may give out without asking: values, and until when they are good.

        Times are by `time.monotonic`. Always the same mapping; keys in it were checked before.
        """
        return {}

    @abstractmethod
    def put(self, key: str, value: bytes, *, ttl_s: float | None, only_if_absent: bool) -> bool: ...

    @abstractmethod
    def delete(self, key: str) -> bool: ...

    @abstractmethod
    def swap(
        self, key: str, expected: bytes | None, value: bytes | None, *, ttl_s: float | None
    ) -> bool:
        """Where `key` reads as `expected`, write `value` (None deletes); return whether it did."""

    @abstractmethod
    def increment(self, key: str, by: int, *, ttl_s: float | None) -> int | None:
        """Add to the decimal text at `key`, 0 if absent, and return the sum.

        A key that was there keeps its expiry; `ttl_s` is for a new one. None, and nothing
        written, if the value is no decimal number of 64 bits or the sum would not be.
        """

    @abstractmethod
    def scan(self, prefix: str) -> Iterator[str]: ...

    def publish(self, channel: str, message: bytes) -> None:
        """Only of a driver with the feature `pubsub`."""
        raise Unsupported("this key-value store carries no messages")

    def subscribe(self, channel: str) -> Subscription:
        """Only of a driver with the feature `pubsub`; the caller closes it.

        It returns when the subscription holds: what is published from then on arrives.
        """
        raise Unsupported("this key-value store carries no messages")

    @abstractmethod
    def close(self) -> None: ...


def is_lock(key: str) -> bool:
    """Whether a driver's key belongs to a lock, which nobody reads to know its value."""
    return _LOCK in key or _FENCE in key


def counted(held: bytes | None, by: int) -> int | None:
    """The sum of a counter as it is kept, absent being 0, and `by`; None if there can be none."""
    if held is None:
        return by
    try:
        number = int(held)
    except ValueError:
        return None
    total = number + by
    return total if b"%d" % number == held and -MAX_COUNT - 1 <= total <= MAX_COUNT else None


def driver(url: str) -> KeyValueDriver:
    """Open the driver that `url`'s scheme names; wrappers open their inner ones by this.

    Raises:
        Misconfigured: no backend has that scheme, or its driver is not installed.
    """
    module, rest = backends.find("key-value", {**SCHEMES, **WRAPPERS}, url)
    implied = _IMPLIED.get(url.partition(":")[0])
    if implied:
        rest += ("&" if "?" in rest else "?") + implied
    found: KeyValueDriver = module.Driver(rest)
    return found


def open_drivers(urls: Iterable[str]) -> tuple[KeyValueDriver, ...]:
    """Open all of these, or none."""
    return backends.all_or_none(driver, urls)


@final
class KeyValue:
    """Bytes by key.

    - A missing or expired key reads as None.
    - `put` replaces; with `only_if_absent`, one of many concurrent callers gets True.
    - `increment` loses no count, and `swap` lets one of many writers win.
    - `lock` lets in one holder at a time; its fencing tokens only grow.
    - `publish` reaches all that are subscribed, in all processes that use the same store.
    - Threads may share an instance; other processes open their own.

    Raises from any method: InvalidInput (key), Unavailable (backend unreachable or closed).
    """

    def __init__(self, driver: KeyValueDriver) -> None:
        self._driver = driver
        self._hot, self._clock = driver.hot, time.monotonic

    @classmethod
    def open(cls, url: str) -> KeyValue:
        """Open the backend that `url`'s scheme names, e.g. `memory:` or `sqlite:/path/kv.db`.

        Raises:
            Misconfigured: no backend has that scheme, or its driver is not installed.
        """
        return cls(driver(url))

    @property
    def driver(self) -> KeyValueDriver:
        """What it is made of."""
        return self._driver

    @property
    def features(self) -> frozenset[str]:
        """What this store can do beyond keys and values: `pubsub`."""
        return self._driver.features

    def get(self, key: str) -> bytes | None:
        hot = self._hot.get(key)
        if hot is not None and hot[1] > self._clock():
            return hot[0]
        return self._driver.get(_checked(key))

    def get_expiring(self, key: str) -> tuple[bytes, float | None] | None:
        """The value and its remaining seconds to live; None for those of one that stays."""
        return self._driver.get_expiring(_checked(key))

    def get_many(self, keys: Iterable[str]) -> dict[str, bytes]:
        """The values of those `keys` that are there, each as it was at some moment of the call."""
        wanted = list(dict.fromkeys(map(_checked, keys)))
        return self._driver.get_many(wanted) if wanted else {}

    def put(
        self, key: str, value: bytes, *, ttl_s: float | None = None, only_if_absent: bool = False
    ) -> bool:
        """Store `value`; return whether it was written.

        Args:
            ttl_s: seconds until the key reads as absent, over 0; None keeps it for ever.

        Raises:
            LimitExceeded: `value` is over MAX_VALUE_BYTES.
        """
        return self._driver.put(
            _checked(key), _sized(value), ttl_s=_time(ttl_s), only_if_absent=only_if_absent
        )

    def put_many(self, values: Mapping[str, bytes], *, ttl_s: float | None = None) -> None:
        """Store each value under its key; after an error some may be stored and some not.

        Raises:
            LimitExceeded: a value is over MAX_VALUE_BYTES; nothing was stored.
        """
        checked = {_checked(key): _sized(value) for key, value in values.items()}
        if checked:
            self._driver.put_many(checked, ttl_s=_time(ttl_s))

    def swap(
        self,
        key: str,
        expected: bytes | None,
        value: bytes | None,
        *,
        ttl_s: float | None = None,
    ) -> bool:
        """Write `value` if `key` still reads as `expected`; return whether it did.

        Args:
            expected: None for an absent key.
            value: None deletes.

        Raises:
            LimitExceeded: `value` is over MAX_VALUE_BYTES.
        """
        if value is not None:
            _sized(value)
        return self._driver.swap(_checked(key), expected, value, ttl_s=_time(ttl_s))

    def delete(self, key: str) -> bool:
        """Remove `key`; return whether it was there."""
        return self._driver.delete(_checked(key))

    def delete_many(self, keys: Iterable[str]) -> int:
        """Remove `keys`; return how many of them were there."""
        wanted = list(dict.fromkeys(map(_checked, keys)))
        return self._driver.delete_many(wanted) if wanted else 0

    def increment(self, key: str, by: int = 1, *, ttl_s: float | None = None) -> int:
        """Add to a counter, 0 if absent, and return the sum; `get` reads it as decimal text.

        Args:
            ttl_s: expiry of a counter that this call makes; a counter that is there keeps its own.

        Raises:
            Conflict: the value is no 64-bit number, or the sum would not be.
        """
        if not -MAX_COUNT - 1 <= by <= MAX_COUNT:
            raise InvalidInput("a counter has 64 bits", by=str(by))
        total = self._driver.increment(_checked(key), by, ttl_s=_time(ttl_s))
        if total is None:
            raise Conflict("the value is not a counter that can take this", key=key, by=by)
        return total

    def scan(self, prefix: str = "") -> Iterator[str]:
        """Yield live keys that start with `prefix`, taken literally, in no promised order.

        Keys written or deleted while it runs may or may not be seen; all others are, once.
        """
        if len(_encoded(prefix)) > MAX_KEY_BYTES or "\0" in prefix:
            raise InvalidInput("no key can start so", prefix=prefix[:40])
        return (key for key in self._driver.scan(prefix) if not key.startswith("\0"))

    def publish(self, channel: str, message: bytes) -> None:
        """Send to all that are subscribed to `channel` now; nothing is kept for others.

        Args:
            channel: as a key; its own namespace.

        Raises:
            Unsupported: the store has not the feature `pubsub`.
            LimitExceeded: `message` is over MAX_MESSAGE_BYTES.
            Unavailable: it may have been sent all the same.
        """
        self._carries_messages()
        if len(message) > MAX_MESSAGE_BYTES:
            raise LimitExceeded("message too large", size_bytes=len(message))
        self._driver.publish(_checked(channel), message)

    def subscribe(self, channel: str) -> Subscription:
        """Listen to `channel`: what is published after this returned arrives.

        Raises:
            Unsupported: the store has not the feature `pubsub`.
        """
        self._carries_messages()
        return self._driver.subscribe(_checked(channel))

    def _carries_messages(self) -> None:
        if PUBSUB not in self._driver.features:
            raise Unsupported("this key-value store carries no messages")

    @contextmanager
    def lock(self, name: str, *, ttl_s: float = 30.0, wait_s: float = 0.0) -> Iterator[Lease]:
        """Hold `name` for the block; nobody else does until it ends or `ttl_s` passes.

        A holder that stalls past `ttl_s` is no longer the holder: what it protects should refuse a
        `Lease.token` lower than one it has seen. Call `Lease.renew` in long work.

        Args:
            name: as a key; its own namespace.
            wait_s: how long to try before giving up.

        Raises:
            TimedOut: somebody else held it for all of `wait_s`.
        """
        lease = self._acquire(name, _time(ttl_s) or 30.0, wait_s)
        try:
            yield lease
        finally:
            lease.release()

    def close(self) -> None:
        self._driver.close()

    def __enter__(self) -> KeyValue:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _acquire(self, name: str, ttl_s: float, wait_s: float) -> Lease:
        key, fence = _LOCK + _checked(name), _FENCE + name
        give_up_at = time.monotonic() + wait_s
        pause_s = 0.002
        while True:
            owner = uuid.uuid4().bytes
            if self._driver.put(key, owner, ttl_s=ttl_s, only_if_absent=True):
                # The token is drawn while holding, and the hold is checked after: if it ran out
                # between, another holder may have a lower token, and this one is thrown away.
                token = self._driver.increment(fence, 1, ttl_s=None)
                if token is not None and self._driver.swap(key, owner, owner, ttl_s=ttl_s):
                    return Lease(self._driver, key, owner, token, ttl_s)
            if time.monotonic() + pause_s > give_up_at:
                raise TimedOut(f"the lock {name!r} is held by somebody else", waited_s=wait_s)
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.25)


@final
class Lease:
    """A lock that is held. `token` is higher than that of every earlier holder."""

    def __init__(
        self, driver: KeyValueDriver, key: str, owner: bytes, token: int, ttl_s: float
    ) -> None:
        self._driver, self._key, self._owner, self._ttl_s = driver, key, owner, ttl_s
        self.token = token

    def renew(self) -> bool:
        """Start the time to live anew; False if the lock was lost meanwhile."""
        return self._driver.swap(self._key, self._owner, self._owner, ttl_s=self._ttl_s)

    def release(self) -> bool:
        """Let go before the time is over; False if the lock was lost already."""
        return self._driver.swap(self._key, self._owner, None, ttl_s=None)


def _encoded(key: str) -> bytes:
    try:
        return key.encode()
    except UnicodeEncodeError as exc:
        raise InvalidInput("a key is valid Unicode", key=ascii(key)[:40]) from exc


def _checked(key: str) -> str:
    if not 0 < len(_encoded(key)) <= MAX_KEY_BYTES or "\0" in key:
        raise InvalidInput("a key is 1 to 512 bytes of UTF-8 without NUL", key=key[:40])
    return key


def _sized(value: bytes) -> bytes:
    if len(value) > MAX_VALUE_BYTES:
        raise LimitExceeded("value too large for a key-value store", size_bytes=len(value))
    return value


def _time(ttl_s: float | None) -> float | None:
    if ttl_s is not None and not (ttl_s > 0 and math.isfinite(ttl_s)):
        raise InvalidInput("a time to live is a positive number of seconds", ttl_s=str(ttl_s))
    return ttl_s
