"""One SQLite file: the embedded store that survives a restart and that processes may share."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import final

from salient.errors import Unavailable
from salient.storage import sqlitefile, urls
from salient.storage.kv import KeyValueDriver, Subscription, counted

_PAGE = 1000
_SWEEP_EVERY = 1000  # writes
_MESSAGES_KEPT = 10_000
_MESSAGES_KEPT_S = 60.0


class Driver(KeyValueDriver):
    """Options of the URL.

    - `timeout_s`: how long a call waits for the writes of other processes.
    - `poll_s`: how often a subscriber looks for messages of other processes.
    """

    def __init__(self, rest: str, clock: Callable[[], float] = time.time) -> None:
        path, options = urls.file(rest, "sqlite key-value store")
        timeout_s = options.number("timeout_s", sqlitefile.BUSY_TIMEOUT_S)
        self._poll_s = options.number("poll_s", 0.02, least=0.001)
        options.done()
        self._clock = clock
        self._lock = threading.Lock()
        self._published = threading.Condition()
        self._closed = False
        self._writes = 0
        self._db = sqlitefile.connect(path or ":memory:", timeout_s=timeout_s)
        with sqlitefile.translated("key-value file"):
            # Keys are blobs: text would end at a NUL in some functions, and be compared by a
            # collation that a build may change.
            self._db.execute(
                "create table if not exists kv"
                " (k blob primary key, v blob not null, t real) without rowid"
            )
            self._db.execute("create index if not exists kv_t on kv (t) where t is not null")
            # Numbers are never given twice and none is left out, so that readers see what they missed.
            self._db.execute(
                "create table if not exists kv_messages"
                " (n integer primary key autoincrement, channel blob, message blob, at real)"
            )

    def get(self, key: str) -> bytes | None:
        row = self._one(
            "select v from kv where k=? and (t is null or t>?)", key.encode(), self._clock()
        )
        return None if row is None else bytes(row[0])

    def get_expiring(self, key: str) -> tuple[bytes, float | None] | None:
        now = self._clock()
        row = self._one("select v, t from kv where k=? and (t is null or t>?)", key.encode(), now)
        return None if row is None else (bytes(row[0]), None if row[1] is None else row[1] - now)

    def put(self, key: str, value: bytes, *, ttl_s: float | None, only_if_absent: bool) -> bool:
        now = self._clock()
        guard = "where kv.t<=?" if only_if_absent else "where ?>=0"
        sql = (
            "insert into kv values(?,?,?) on conflict(k)"
            f" do update set v=excluded.v,t=excluded.t {guard} returning 1"
        )
        return self._write(sql, key.encode(), value, _expiry(now, ttl_s), now) is not None

    def delete(self, key: str) -> bool:
        row = self._write(
            "delete from kv where k=? and (t is null or t>?) returning 1",
            key.encode(), self._clock(),
        )  # fmt: skip
        return row is not None

    def swap(
        self, key: str, expected: bytes | None, value: bytes | None, *, ttl_s: float | None
    ) -> bool:
        now, raw = self._clock(), key.encode()
        if expected is None and value is not None:
            return self.put(key, value, ttl_s=ttl_s, only_if_absent=True)
        if expected is None:
            return self.get(key) is None
        if value is None:
            row = self._write(
                "delete from kv where k=? and v=? and (t is null or t>?) returning 1",
                raw, expected, now,
            )  # fmt: skip
        else:
            row = self._write(
                "update kv set v=?, t=? where k=? and v=? and (t is null or t>?) returning 1",
                value, _expiry(now, ttl_s), raw, expected, now,
            )  # fmt: skip
        return row is not None

    def increment(self, key: str, by: int, *, ttl_s: float | None) -> int | None:
        now, raw = self._clock(), key.encode()
        while True:
            row = self._one("select v, t from kv where k=? and (t is null or t>?)", raw, now)
            if row is None:
                if self.put(key, b"%d" % by, ttl_s=ttl_s, only_if_absent=True):
                    return by
                continue
            held = bytes(row[0])
            total = counted(held, by)
            if total is None:
                return None
            # Sums are done here, not in SQL, which would turn an overflow into a float.
            done = self._write(
                "update kv set v=? where k=? and v=? and t is ? returning 1",
                b"%d" % total, raw, held, row[1],
            )  # fmt: skip
            if done is not None:
                return total

    def scan(self, prefix: str) -> Iterator[str]:
        raw = prefix.encode()
        at = raw
        sql = "select k from kv where k>=? and (t is null or t>?) order by k limit ?"
        while True:
            with self._lock, sqlitefile.translated("key-value file"):
                rows = self._db.execute(sql, (at, self._clock(), _PAGE)).fetchall()
            for (key,) in rows:
                if not key.startswith(raw):
                    return
                yield key.decode()
            if len(rows) < _PAGE:
                return
            at = rows[-1][0] + b"\0"  # the next key there can be

    def publish(self, channel: str, message: bytes) -> None:
        now = self._clock()
        sql = "insert into kv_messages(channel, message, at) values(?,?,?) returning n"
        with self._lock, sqlitefile.translated("key-value file"):
            [(number,)] = self._db.execute(sql, (channel.encode(), message, now)).fetchall()
            if number % 100 == 0:
                self._db.execute(
                    "delete from kv_messages where n<? or (at<? and n<?)",
                    (number - _MESSAGES_KEPT, now - _MESSAGES_KEPT_S, number),
                )
        with self._published:
            self._published.notify_all()

    def subscribe(self, channel: str) -> Subscription:
        # The newest message is never deleted.
        row = self._one("select coalesce(max(n), 0), null from kv_messages")
        return _Poll(self, channel, int(row[0]) if row else 0)

    def messages(self, channel: str, after: int) -> tuple[list[bytes], int, int]:
        """Messages numbered over `after`, the newest number of any channel, and the oldest kept."""
        sql = "select n, message from kv_messages where n>? and channel=? order by n"
        with self._lock, sqlitefile.translated("key-value file"):
            [(newest,)] = self._db.execute("select coalesce(max(n), 0) from kv_messages").fetchall()
            if newest <= after:
                return [], newest, 0
            sql += f" limit {_PAGE}"
            rows = self._db.execute(sql, (after, channel.encode())).fetchall()
            # Read last: what another process deleted before the rows were read must show.
            [(oldest,)] = self._db.execute("select min(n) from kv_messages").fetchall()
        if len(rows) == _PAGE:
            newest = rows[-1][0]
        return [bytes(m) for n, m in rows if n <= newest], newest, oldest

    def wait(self, timeout_s: float) -> None:
        """Wait for a message of this process, or for the time when those of others are looked for."""
        with self._published:
            if not self._closed:
                self._published.wait(min(timeout_s, self._poll_s))

    def close(self) -> None:
        with self._lock:
            self._db.close()
        with self._published:
            self._closed = True
            self._published.notify_all()

    def _one(self, sql: str, *args: object) -> tuple[bytes, float | None] | None:
        with self._lock, sqlitefile.translated("key-value file"):
            rows = self._db.execute(sql, args).fetchall()
        return rows[0] if rows else None

    def _write(self, sql: str, *args: object) -> tuple[bytes, float | None] | None:
        self._writes += 1
        if self._writes % _SWEEP_EVERY == 0:
            # Expired keys that nobody asks for again must not fill the file.
            self._one("delete from kv where t<=? returning 1", self._clock())
        return self._one(sql, *args)


def _expiry(now: float, ttl_s: float | None) -> float | None:
    return None if ttl_s is None else now + ttl_s


@final
class _Poll(Subscription):
    def __init__(self, store: Driver, channel: str, after: int) -> None:
        self._store, self._channel, self._after = store, channel, after
        self._messages: deque[bytes] = deque()
        self._closed = False

    def get(self, timeout_s: float = 0.0) -> bytes | None:
        give_up_at = time.monotonic() + timeout_s
        while True:
            if self._closed:
                raise Unavailable("the subscription is closed")
            if self._messages:
                return self._messages.popleft()
            found, newest, oldest = self._store.messages(self._channel, self._after)
            self._messages.extend(found)
            missed = oldest > self._after + 1
            self._after = max(newest, self._after)
            if missed:
                self.gaps += 1
                return None
            left_s = give_up_at - time.monotonic()
            if not found:
                if left_s <= 0:
                    return None
                self._store.wait(left_s)

    def close(self) -> None:
        self._closed = True
        self._messages.clear()
