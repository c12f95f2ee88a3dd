"""Redis and Valkey: the key-value store that machines share. One server or a primary, no cluster.

    redis://user:password@host:6379/0?prefix=name

Options: `prefix`, a namespace within the database; `timeout_s`, for connecting and for an answer;
`pool`, how many connections there are at most; `tls`, which the scheme `rediss` sets, and `ca`, a
file of certificates to trust instead of the system's.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha1
from typing import TypeVar, final
from urllib.parse import unquote, urlsplit
from weakref import WeakSet

import redis
from redis.backoff import NoBackoff
from redis.connection import BlockingConnectionPool, Connection, SSLConnection

from salient.errors import Conflict, Misconfigured, TimedOut, Unavailable
from salient.storage import urls
from salient.storage.kv import KeyValueDriver, Subscription
from salient.storage.retrying import Retry

T = TypeVar("T")
Answer = bytes | int | list[bytes | int | None] | None
Argument = bytes | int | str
Talk = Callable[[Connection], Answer]

_PAGE = 1000
_PART_BYTES = 1024 * 1024  # of values that are sent at once
_LONGEST_MS = 2**53
_GLOB = re.compile(rb"([\\*?\[\]^-])")

# The server's own clock counts the time to live, so clients' clocks need not agree.
_SWAP = b"""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == 'delete' then redis.call('DEL', KEYS[1])
elseif ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[3])
else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2]) end
return 1
"""
# Sums are read back as text: a number of Lua has 53 bits only.
_INCREMENT = b"""
local fresh = redis.call('EXISTS', KEYS[1]) == 0
local done = redis.pcall('INCRBY', KEYS[1], ARGV[1])
if type(done) == 'table' and done.err then
  if string.find(done.err, 'not an integer') or string.find(done.err, 'overflow') then return false end
  return done
end
if fresh and ARGV[2] ~= '' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
"""
_GET_EXPIRING = b"""
local value = redis.call('GET', KEYS[1])
if not value then return false end
return {value, redis.call('PTTL', KEYS[1])}
"""


class Driver(KeyValueDriver):
    def __init__(self, rest: str) -> None:
        self._place, _ = urls.location(rest)
        address, options = urls.split(rest, "Redis key-value store")
        prefix = options.text("prefix", "") or ""
        if ":" in prefix or "\0" in prefix:
            # "a" with the key "b:c" would be "a:b" with the key "c".
            raise Misconfigured("a prefix has no colon", prefix=prefix)
        self._timeout_s = options.number("timeout_s", 10.0, least=0.01)
        pool = options.count("pool", 32, least=1)
        tls, authorities = options.flag("tls"), options.text("ca")
        options.done()
        settings = _settings(address)
        self._prefix = f"{prefix}:".encode() if prefix else b""
        # Messages are one space for all databases of a server.
        self._channels = f"{settings['db']}/".encode() + self._prefix
        self._pool = BlockingConnectionPool(
            max_connections=pool,
            timeout=self._timeout_s,
            connection_class=SSLConnection if tls else Connection,
            socket_timeout=self._timeout_s,
            socket_connect_timeout=self._timeout_s,
            protocol=2,
            # What is tried again is decided here: the library would do so with any call.
            retry=redis.retry.Retry(NoBackoff(), 0),
            **settings,
            **({"ssl_ca_certs": authorities} if tls and authorities else {}),
        )
        self._feeds: WeakSet[_Feed] = WeakSet()
        self._closed = False
        try:
            with self._translated():
                self._pool.release(self._pool.get_connection())
        except Unavailable:
            pass  # it may come; wrong credentials would have been said

    def get(self, key: str) -> bytes | None:
        return _value(self._ask(b"GET", self._name(key)))

    def get_expiring(self, key: str) -> tuple[bytes, float | None] | None:
        found = self._repeated(lambda: self._use(_script(_GET_EXPIRING, self._name(key))))
        if not isinstance(found, list):
            return None
        value, left_ms = found
        if not isinstance(value, bytes) or not isinstance(left_ms, int):
            raise Unavailable(f"{self._place} does not answer as Redis does")
        return value, None if left_ms < 0 else max(left_ms, 1) / 1000

    def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for start in range(0, len(keys), _PAGE):
            part = keys[start : start + _PAGE]
            values = self._ask(b"MGET", *map(self._name, part))
            if isinstance(values, list):
                pairs = zip(part, values, strict=True)
                found.update((key, value) for key, value in pairs if isinstance(value, bytes))
        return found

    def put(self, key: str, value: bytes, *, ttl_s: float | None, only_if_absent: bool) -> bool:
        options: list[Argument] = [] if ttl_s is None else [b"PX", _milliseconds(ttl_s)]
        if only_if_absent:
            options.append(b"NX")
        return self._once(_command(b"SET", self._name(key), value, *options)) is not None

    def put_many(self, values: Mapping[str, bytes], *, ttl_s: float | None) -> None:
        options: list[Argument] = [] if ttl_s is None else [b"PX", _milliseconds(ttl_s)]
        part: list[tuple[Argument, ...]] = []
        size = 0
        for key, value in values.items():
            part.append((b"SET", self._name(key), value, *options))
            size += len(value)
            if len(part) == _PAGE or size > _PART_BYTES:
                self._once(_commands(part))
                part, size = [], 0
        if part:
            self._once(_commands(part))

    def delete_many(self, keys: Sequence[str]) -> int:
        total = 0
        for start in range(0, len(keys), _PAGE):
            names = map(self._name, keys[start : start + _PAGE])
            removed = self._once(_command(b"DEL", *names))
            total += removed if isinstance(removed, int) else 0
        return total

    def delete(self, key: str) -> bool:
        return self._once(_command(b"DEL", self._name(key))) == 1

    def swap(
        self, key: str, expected: bytes | None, value: bytes | None, *, ttl_s: float | None
    ) -> bool:
        if expected is None and value is None:
            return self._ask(b"EXISTS", self._name(key)) == 0
        if expected is None and value is not None:
            return self.put(key, value, ttl_s=ttl_s, only_if_absent=True)
        time_ms: Argument = b"" if ttl_s is None else _milliseconds(ttl_s)
        how: Argument = b"delete" if value is None else time_ms
        arguments = (expected or b"", how, value or b"")
        return self._once(_script(_SWAP, self._name(key), *arguments)) == 1

    def increment(self, key: str, by: int, *, ttl_s: float | None) -> int | None:
        time_ms: Argument = b"" if ttl_s is None else _milliseconds(ttl_s)
        total = self._once(_script(_INCREMENT, self._name(key), by, time_ms))
        return int(total) if isinstance(total, bytes) else None

    def scan(self, prefix: str) -> Iterator[str]:
        begins = self._name(prefix)
        pattern = _GLOB.sub(rb"\\\1", begins) + b"*"
        cursor: Argument = b"0"
        seen: set[bytes] = set()  # the server may give a key twice
        while True:
            page = self._ask(b"SCAN", cursor, b"MATCH", pattern, b"COUNT", _PAGE)
            cursor, names = _page(page)
            for name in names:
                if name in seen:
                    continue
                seen.add(name)
                try:
                    key = name[len(self._prefix) :].decode()
                except UnicodeDecodeError:
                    continue  # somebody else's
                yield key
            if cursor == b"0":
                return

    def publish(self, channel: str, message: bytes) -> None:
        self._once(_command(b"PUBLISH", self._channels + channel.encode(), message))

    def subscribe(self, channel: str) -> Subscription:
        name = self._channels + channel.encode()
        feed = self._repeated(lambda: _Feed(self._connect, name, self._timeout_s))
        self._feeds.add(feed)
        return feed

    def close(self) -> None:
        self._closed = True
        for feed in list(self._feeds):
            feed.close()
        self._pool.disconnect()

    def _name(self, key: str) -> bytes:
        return self._prefix + key.encode()

    # --- calls

    def _ask(self, *command: Argument) -> Answer:
        """A command that changes nothing."""
        return self._repeated(lambda: self._use(_command(*command)))

    def _repeated(self, run: Callable[[], T]) -> T:
        def once() -> T:
            with self._translated():
                return run()

        self._check_open()
        return Retry()(once)

    def _once(self, talk: Talk) -> Answer:
        """A call that may have been done when it fails: only reaching the server is repeated."""
        connection = self._repeated(self._pool.get_connection)
        with self._translated():
            return self._use(talk, connection)

    def _use(self, talk: Talk, connection: Connection | None = None) -> Answer:
        connection = connection or self._pool.get_connection()
        try:
            return talk(connection)
        finally:
            # One that failed amid a call is disconnected by the library, and connects when used.
            self._pool.release(connection)
            if self._closed:
                self._pool.disconnect()

    def _connect(self) -> Connection:
        """A connection of its own, for a subscription."""
        connection: Connection = self._pool.connection_class(**self._pool.connection_kwargs)
        connection.connect()
        return connection

    def _check_open(self) -> None:
        if self._closed:
            raise Unavailable("the key-value store is closed")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The one place where redis-py's exceptions become ours."""
        self._check_open()
        where = f"the Redis server at {self._place}"
        errors = redis.exceptions
        try:
            yield
        except (errors.AuthenticationError, errors.AuthorizationError, errors.NoPermissionError) as exc:  # fmt: skip
            raise Misconfigured(f"{where} does not let this user in: {exc}") from exc
        except errors.TimeoutError as exc:
            raise TimedOut(f"{where} does not answer", timeout_s=self._timeout_s) from exc
        except (errors.ConnectionError, errors.InvalidResponse, OSError) as exc:
            reason = "the key-value store is closed" if self._closed else f"{where} cannot be reached: {exc}"  # fmt: skip
            raise Unavailable(reason) from exc
        except errors.ResponseError as exc:
            raise _refusal(where, exc) from exc


def _command(*command: Argument) -> Talk:
    def talk(connection: Connection) -> Answer:
        connection.send_command(*command)
        answer: Answer = connection.read_response()
        return answer

    return talk


def _commands(commands: Sequence[tuple[Argument, ...]]) -> Talk:
    """Several commands that are sent before their answers are read; the last answer is returned."""

    def talk(connection: Connection) -> Answer:
        connection.send_packed_command(connection.pack_commands(commands))
        answer: Answer = None
        refused: redis.exceptions.ResponseError | None = None
        for _ in commands:
            try:
                answer = connection.read_response()
            except redis.exceptions.ResponseError as exc:
                refused = exc  # the other answers must not be taken for those of the next call
        if refused is not None:
            raise refused
        return answer

    return talk


def _script(script: bytes, key: bytes, *arguments: Argument) -> Talk:
    digest = sha1(script, usedforsecurity=False).hexdigest()
    known = _command(b"EVALSHA", digest, 1, key, *arguments)
    whole = _command(b"EVAL", script, 1, key, *arguments)

    def talk(connection: Connection) -> Answer:
        try:
            return known(connection)
        except redis.exceptions.NoScriptError:
            return whole(connection)

    return talk


def _refusal(where: str, exc: redis.exceptions.ResponseError) -> Exception:
    """What an answer that is an error means."""
    text = str(exc)
    if "DB index" in text:
        return Misconfigured(f"{where} has no such database: {text}")
    if text.startswith("WRONGTYPE"):
        return Conflict(f"the key is used for something else on {where}")
    # Out of memory, loading, read-only, no disk: the server cannot do it now.
    return Unavailable(f"{where} refuses: {text}")


@final
class _Feed(Subscription):
    """One channel on a connection of its own, which is made anew when it is lost."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        channel: bytes,
        timeout_s: float,
    ) -> None:
        self._connect, self._channel, self._timeout_s = connect, channel, timeout_s
        self._lock = threading.Lock()
        self._closed = False
        self._heard_at = self._asked_at = 0.0
        self._messages: deque[bytes] = deque()
        self._connection: Connection | None = None
        self._open()

    def get(self, timeout_s: float = 0.0) -> bytes | None:
        give_up_at = time.monotonic() + timeout_s
        while True:
            with self._lock:
                if self._closed:
                    raise Unavailable("the subscription is closed")
                if self._messages:
                    return self._messages.popleft()
                gaps = self.gaps
                self._listen(max(0.0, min(0.1, give_up_at - time.monotonic())))
                if self._messages and not self._closed:
                    return self._messages.popleft()
                if self.gaps != gaps:
                    return None
            if time.monotonic() >= give_up_at:
                return None
            if not self.live:
                time.sleep(min(0.1, max(0.0, give_up_at - time.monotonic())))

    def close(self) -> None:
        self._closed = True
        with self._lock:
            self._messages.clear()
            self._lose()

    def _listen(self, wait_s: float) -> None:
        try:
            if self._connection is None:
                self._open()
                self.gaps += 1
                self.live = True
                return
            if self._connection.can_read(wait_s):
                self._take(self._connection.read_response())
                return
            now = time.monotonic()
            if now - max(self._heard_at, self._asked_at) > self._timeout_s / 2:
                # A connection that broke without a word is found out by asking.
                if self._asked_at > self._heard_at:
                    raise redis.exceptions.TimeoutError("no answer")
                self._connection.send_command(b"PING", check_health=False)
                self._asked_at = now
        except (redis.exceptions.RedisError, OSError):
            if self.live:
                self.gaps += 1
                self.live = False
            self._lose()

    def _open(self) -> None:
        connection = self._connect()
        try:
            connection.send_command(b"SUBSCRIBE", self._channel, check_health=False)
            connection.read_response()
        except BaseException:
            connection.disconnect()
            raise
        self._connection, self._heard_at = connection, time.monotonic()

    def _take(self, answer: Answer) -> None:
        self._heard_at = time.monotonic()
        if isinstance(answer, list) and answer[0] == b"message" and isinstance(answer[2], bytes):
            self._messages.append(answer[2])

    def _lose(self) -> None:
        if self._connection is not None:
            self._connection.disconnect()
        self._connection = None


def _settings(address: str) -> dict[str, str | int | None]:
    try:
        parts = urlsplit("redis:" + address)
        port = parts.port or 6379
    except ValueError as exc:
        raise Misconfigured("a Redis URL has a wrong port or host") from exc
    number = unquote(parts.path.strip("/")) or "0"
    if not parts.hostname or not number.isascii() or not number.isdigit():
        raise Misconfigured(
            "a Redis URL is redis://user:password@host:6379/0", given=urls.shown("redis:" + address)
        )
    return {
        "host": parts.hostname,
        "port": port,
        "db": int(number),
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
    }


def _milliseconds(ttl_s: float) -> int:
    return max(1, min(_LONGEST_MS, round(ttl_s * 1000)))


def _value(answer: Answer) -> bytes | None:
    return answer if isinstance(answer, bytes) else None


def _page(answer: Answer) -> tuple[bytes, list[bytes]]:
    if isinstance(answer, list) and len(answer) == 2 and isinstance(answer[0], bytes):
        names: object = answer[1]
        if isinstance(names, list):
            return answer[0], [name for name in names if isinstance(name, bytes)]
    raise Unavailable("the server does not answer as Redis does")
