"""One SQLite file: the embedded store that survives a restart and that processes may share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from salient.storage import sqlitefile
from salient.storage.kv import MAX_COUNT, KeyValueDriver

_PAGE = 1000
_SWEEP_EVERY = 1000  # writes


class Driver(KeyValueDriver):
    def __init__(self, path: str, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._writes = 0
        self._db = sqlitefile.connect(path or ":memory:")
        with sqlitefile.translated("key-value file"):
            # Keys are blobs: text would end at a NUL in some functions, and be compared by a
            # collation that a build may change.
            self._db.execute(
                "create table if not exists kv"
                " (k blob primary key, v blob not null, t real) without rowid"
            )
            self._db.execute("create index if not exists kv_t on kv (t) where t is not null")

    def get(self, key: str) -> bytes | None:
        row = self._one(
            "select v from kv where k=? and (t is null or t>?)", key.encode(), self._clock()
        )
        return None if row is None else bytes(row[0])

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
            try:
                total = int(held) + by
            except ValueError:
                return None
            if b"%d" % int(held) != held or not -MAX_COUNT - 1 <= total <= MAX_COUNT:
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

    def close(self) -> None:
        with self._lock:
            self._db.close()

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
