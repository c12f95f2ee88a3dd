"""MongoDB 4.4 or later: the record as JSON text, and hashes of its fields for an index.

MongoDB takes neither every field name nor every number, so a document is `{_id, b, k, t}`: the
collection's name, NUL and the id; the body; the fields' hashes; when it expires.

Several records at once and the change feed need a replica set, of one server at least: there,
`put_many` is a transaction, and `changes` a change stream, which reaches back as far as the oplog.
A server that stands alone has neither feature.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from itertools import islice
from typing import Any

import pymongo
from bson import json_util
from bson.errors import InvalidDocument
from pymongo import UpdateOne
from pymongo import errors as mongo
from pymongo.client_session import ClientSession
from pymongo.results import BulkWriteResult

from salient.errors import LimitExceeded, Misconfigured, TimedOut, Unavailable
from salient.storage import urls
from salient.storage.docs import FEATURES, Change, Chunk, Feed, Only, Path, RecordsDriver, Test
from salient.storage.docs.drivers import parse, rows_for
from salient.storage.docs.feeds import forged, gone

_MOST = 500  # values of one condition
_MOST_FIELDS = 200  # hashes of one record
_ANY = 0
"""Stands for all hashes in a record that has too many."""
_LONGEST_S = 100 * 365.25 * 86400  # a longer time to live is this: dates end
_KEPT = ("replicaSet", "authSource", "authMechanism", "tls", "tlsCAFile", "directConnection")

# The server's clock decides. As numbers, because that is where servers agree.
_T, _NOW = {"$toLong": "$t"}, {"$toLong": "$$NOW"}
_ALIVE: dict[str, Any] = {"$or": [{"t": None}, {"$expr": {"$gt": [_T, _NOW]}}]}
_EXPIRED: dict[str, Any] = {"t": {"$type": "date"}, "$expr": {"$lte": [_T, _NOW]}}
_PUT = ("insert", "update", "replace")

# The server's codes: what a stream's token may be refused for, and what passes by itself.
_LOST_HISTORY, _BAD_TOKEN = {136, 280, 286}, {2, 9, 51, 260, 50811, 40647, 40648, 40649, 50795}
_PASSING = {6, 7, 89, 91, 134, 189, 262, 9001, 10107, 11600, 11602, 13435, 13436}
_TIMED_OUT, _UNAUTHORIZED, _CONFLICT, _TOO_LARGE = 50, {13, 18}, 112, {10334, 17419, 17420}


class Driver(RecordsDriver):
    """`mongodb://user:password@host:27017/database?timeout_s=10`.

    Options of MongoDB's own that are passed on: replicaSet, authSource, authMechanism, tls,
    tlsCAFile, directConnection.
    """

    def __init__(self, rest: str) -> None:
        place, options = urls.split(rest, "MongoDB document store")
        self._timeout_s = options.number("timeout_s", 10.0, least=0.1)
        own = {name: value for name in _KEPT if (value := options.text(name)) is not None}
        options.done()
        hosts, database = urls.location(rest)
        self._server = f"MongoDB at {hosts}"
        limit_ms = round(self._timeout_s * 1000)
        query = "&".join(f"{name}={value}" for name, value in own.items())
        host = place.rpartition("/")[0] if place.removeprefix("//").count("/") else place
        with self._translated(opening=True):
            self._client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(
                f"mongodb:{host}/?{query}", appname="salient", w="majority",
                journal=True,
                serverSelectionTimeoutMS=limit_ms, connectTimeoutMS=limit_ms,
                socketTimeoutMS=limit_ms + 1000, tz_aware=True,
            )  # fmt: skip
            try:
                self._records = self._client[database or "salient"]["record"]
                with self._translated(opening=True), self._limited():
                    hello = self._client.admin.command("hello")
                    self._records.create_index("t", expireAfterSeconds=0)
            except BaseException:
                self._client.close()
                raise
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            self.features = frozenset()
        else:
            self.features = FEATURES

    def read(self, collection: str, idents: Sequence[str]) -> dict[str, tuple[str, float | None]]:
        keys = [_key(collection, ident) for ident in idents]
        left = {"$cond": [{"$eq": [{"$type": "$t"}, "date"]}, {"$subtract": [_T, _NOW]}, None]}
        with self._translated(), self._limited():
            found = self._records.aggregate(
                [{"$match": {"_id": {"$in": keys}, **_ALIVE}}, {"$project": {"b": 1, "left": left}}]
            )
            return {
                _ident(row["_id"]): (
                    row["b"],
                    None if row.get("left") is None else row["left"] / 1000,
                )
                for row in found
            }

    def put(
        self,
        collection: str,
        rows: Sequence[tuple[str, str]],
        *,
        ttl_s: float | None,
        only_if: Only = "any",
    ) -> int:
        writes = [
            UpdateOne(
                {"_id": _key(collection, ident)},
                [{"$replaceWith": _document(collection, ident, body, ttl_s, only_if)}],
                upsert=True,
            )
            for ident, body in rows
        ]
        with self._translated():
            done = self._put_one(writes) if len(writes) == 1 else self._transact(writes)
        # A record that was there is replaced by itself, which is no change.
        return len(rows) if only_if == "any" else done.upserted_count + done.modified_count

    def delete(self, collection: str, idents: Sequence[str]) -> int:
        keys = [_key(collection, ident) for ident in idents]
        with self._translated(), self._limited():
            return self._records.delete_many({"_id": {"$in": keys}, **_ALIVE}).deleted_count

    def chunks(self, collection: str, tests: Sequence[Test], after: str | None) -> Iterator[Chunk]:
        low, high = _key(collection, after or ""), collection + "\1"
        wanted = _superset(collection, tests)
        limit = 64
        while True:
            where = {"_id": {"$gt": low, "$lt": high}, "$and": [_ALIVE, *wanted]}
            with self._records.find(where, {"b": 1}).sort("_id", 1) as cursor:
                while True:
                    try:
                        with self._translated(), self._limited():
                            rows = list(islice(cursor, limit))
                    except mongo.CursorNotFound:
                        break  # the server forgets one that was long not read: go on by a new one
                    if not rows:
                        return
                    texts = [row["b"] for row in rows]
                    yield [_ident(row["_id"]) for row in rows], texts
                    if len(rows) < limit:
                        return
                    low = rows[-1]["_id"]
                    limit = rows_for(sum(map(len, texts)), limit, self.chunk_rows)

    def collections(self, after: str) -> Iterator[str]:
        while True:
            where = {"_id": {"$gt": after + "\1"}}
            with self._translated(), self._limited():
                found = self._records.find_one(where, {"_id": 1}, sort=[("_id", 1)])
            if found is None:
                return
            after = found["_id"].partition("\0")[0]
            yield after

    def size(self, collection: str) -> int:
        with self._translated(), self._limited():
            return self._records.count_documents({**_within(collection), **_ALIVE})

    def ensure_index(self, collection: str, path: Path) -> None:
        del collection, path  # one index serves all fields of all
        with self._translated():
            self._records.create_index("k")

    def changes(self, collection: str, after: str | None, wait_s: float, limit: int) -> Feed:
        give_up_at = time.monotonic() + wait_s
        token = None if after is None else _token(after)
        with self._translated(), self._limited():
            self._records.delete_many({**_within(collection), **_EXPIRED})
        within = {"documentKey._id": _within(collection)["_id"]}
        ended = {"operationType": {"$in": ["drop", "rename", "dropDatabase", "invalidate"]}}
        await_ms = round(1000 * min(max(wait_s, 0.001), 1.0, self._timeout_s))
        items: list[Change] = []
        with (
            self._translated(after=after),
            self._records.watch(
                [{"$match": {"$or": [within, ended]}}, {"$project": {"operationType": 1, "documentKey": 1}}],
                resume_after=token, max_await_time_ms=await_ms, batch_size=min(limit, 1000),
            ) as stream,
        ):  # fmt: skip
            while True:
                event = stream.try_next()
                if event is None:
                    over = items or after is None or time.monotonic() >= give_up_at
                    if over and stream.resume_token is not None:
                        return Feed(tuple(items), _cursor(stream.resume_token))
                    continue
                kind = event["operationType"]
                if kind not in (*_PUT, "delete"):
                    raise gone(after or "")
                ident = _ident(event["documentKey"]["_id"])
                told = "put" if kind in _PUT else "deleted"
                items.append(Change(_cursor(event["_id"]), ident, told))  # type: ignore[arg-type]
                if len(items) == limit:
                    return Feed(tuple(items), items[-1].cursor)

    def close(self) -> None:
        self._client.close()

    def _put_one(self, write: Sequence[UpdateOne]) -> BulkWriteResult:
        while True:
            try:
                with self._limited():
                    return self._records.bulk_write(write)
            except mongo.BulkWriteError as exc:
                # Two that insert the same id at once: the other one was first.
                if any(e.get("code") != 11000 for e in exc.details["writeErrors"]):
                    raise

    def _transact(self, writes: Sequence[UpdateOne]) -> BulkWriteResult:
        def run(session: ClientSession) -> BulkWriteResult:
            return self._records.bulk_write(writes, session=session)

        # Within the limit, it is tried again when it met another transaction or lost the primary.
        with self._limited(), self._client.start_session() as session:
            return session.with_transaction(run)

    def _limited(self) -> Any:
        return pymongo.timeout(self._timeout_s)

    @contextmanager
    def _translated(self, *, opening: bool = False, after: str | None = None) -> Iterator[None]:
        """The one place where PyMongo's exceptions become ours."""
        try:
            yield
        except (mongo.ConfigurationError, mongo.InvalidURI, ValueError) as exc:
            if not opening:
                raise
            raise Misconfigured(f"no URL of {self._server}: {exc}") from exc
        except (mongo.DocumentTooLarge, InvalidDocument) as exc:
            raise LimitExceeded(f"too large for {self._server}") from exc
        except mongo.InvalidOperation as exc:
            if "after close" not in str(exc):
                raise
            raise Unavailable("the document store is closed") from exc
        except mongo.CursorNotFound:
            raise
        except mongo.OperationFailure as exc:
            found = self._fault(exc, opening=opening, after=after)
            if found is None:
                raise
            raise found from exc
        except mongo.ServerSelectionTimeoutError as exc:
            raise Unavailable(f"{self._server} cannot be reached: {_short(exc)}") from exc
        except mongo.PyMongoError as exc:
            if exc.timeout:
                raise TimedOut(
                    f"{self._server} did not answer within {self._timeout_s:g} s"
                ) from exc
            if not isinstance(exc, mongo.ConnectionFailure):
                raise
            raise Unavailable(f"{self._server} was lost: {_short(exc)}") from exc

    def _fault(
        self, exc: mongo.OperationFailure, *, opening: bool, after: str | None
    ) -> Exception | None:
        code = exc.code
        if isinstance(exc, mongo.BulkWriteError) and exc.details.get("writeErrors"):
            code = exc.details["writeErrors"][0].get("code")
        if after is not None and code in _LOST_HISTORY:
            return gone(after)
        if after is not None and code in _BAD_TOKEN:
            return forged(after)
        if opening and code in _UNAUTHORIZED:
            return Misconfigured(f"{self._server} refuses: {_short(exc)}")
        if exc.timeout or code == _TIMED_OUT:
            return TimedOut(f"{self._server} did not answer within {self._timeout_s:g} s")
        if code in _PASSING or code == _CONFLICT or code in _UNAUTHORIZED:
            return Unavailable(f"{self._server} cannot do it now: {_short(exc)}")
        if code in _TOO_LARGE:
            return LimitExceeded(f"too large for {self._server}: {_short(exc)}")
        return None


def _short(exc: Exception) -> str:
    return str(exc)[:200]


def _key(collection: str, ident: str) -> str:
    return f"{collection}\0{ident}"


def _ident(key: str) -> str:
    return key.partition("\0")[2]


def _within(collection: str) -> dict[str, Any]:
    return {"_id": {"$gt": collection + "\0", "$lt": collection + "\1"}}


def _document(
    collection: str, ident: str, body: str, ttl_s: float | None, only_if: Only
) -> dict[str, Any]:
    """The new document, as an expression that the server works out: its clock counts."""
    document: dict[str, Any] = {
        "_id": {"$literal": _key(collection, ident)},
        "b": {"$literal": body},
        "k": {"$literal": _hashes(collection, parse(body))},
    }
    if ttl_s is not None:
        left_ms = round(min(ttl_s, _LONGEST_S) * 1000)
        document["t"] = {"$add": ["$$NOW", {"$literal": left_ms}]}
    if only_if == "any":
        return document
    missing = {"$eq": [{"$type": "$b"}, "missing"]}
    expired = {"$and": [{"$eq": [{"$type": "$t"}, "date"]}, {"$lte": [_T, _NOW]}]}
    less = {"$lt": ["$b", {"$literal": body}]}
    free = {"$or": [missing, expired, *([less] if only_if == "greater" else [])]}
    return {"$cond": [free, document, "$$ROOT"]}


def _hashes(collection: str, record: dict[str, Any]) -> list[int]:
    found: set[int] = set()
    nested: list[tuple[Path, dict[str, Any]]] = [((), record)]
    while nested:
        path, fields = nested.pop()
        for name, value in fields.items():
            if isinstance(value, dict):
                nested.append(((*path, name), value))
            elif _hashable(value):
                found.add(_hash(collection, (*path, name), value))
            if len(found) > _MOST_FIELDS:
                return [_ANY]
    return sorted(found)


def _hashable(value: object) -> bool:
    return type(value) in (str, int) or (type(value) is float and value.is_integer())


def _hash(collection: str, path: Path, value: str | float) -> int:
    plain = value if isinstance(value, str) else int(value)  # 1 is 1.0
    raw = json.dumps([collection, path, plain]).encode()
    return int.from_bytes(blake2b(raw, digest_size=8).digest(), "big", signed=True) or 1


def _superset(collection: str, tests: Sequence[Test]) -> list[dict[str, Any]]:
    """Conditions that an index may serve and that surely hold for whatever passes the tests."""
    parts = []
    for test in tests:
        wanted = test.value if test.op == "in" else [test.value]
        if test.op in ("=", "in") and 0 < len(wanted) <= _MOST and all(map(_hashable, wanted)):
            hashes = [_hash(collection, test.path, value) for value in wanted]
            parts.append({"k": {"$in": [*hashes, _ANY]}})
    return parts


def _cursor(token: Any) -> str:
    raw = json_util.dumps(token, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(raw).decode()


def _token(cursor: str) -> Any:
    try:
        raw = base64.b64decode(cursor.encode(), b"-_", validate=True)
        token = json_util.loads(raw.decode())
    except (ValueError, TypeError, RecursionError) as exc:
        raise forged(cursor) from exc
    if not isinstance(token, dict) or "_data" not in token:
        raise forged(cursor)
    return token
