"""Moving to another store, and moving what belongs elsewhere when shards come or go.

Both may be stopped at any time and run again: what is done is not done anew.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import islice
from typing import Any

from salient.errors import Conflict, Misconfigured, Unsupported
from salient.storage.blob import Blobs
from salient.storage.docs import Records
from salient.storage.docs import sharded as docs_shards
from salient.storage.kv import KeyValue
from salient.storage.kv import sharded as kv_shards
from salient.storage.rings import Shards
from salient.storage.sql import Query, Tables

Report = Callable[[int], None]
"""Told of how many items are done, now and then."""

_BATCH = 500


def copy_keys(source: KeyValue, target: KeyValue, report: Report) -> int:
    """Copy keys with their remaining times to live; keys that `target` has are left alone.

    Locks are not copied: whoever holds one holds it in `source`.

    Returns: how many were copied.
    """
    copied = 0
    for done, key in enumerate(source.scan(), 1):
        found = source.get_expiring(key)
        if found is not None:
            value, ttl_s = found
            copied += target.put(key, value, ttl_s=ttl_s, only_if_absent=True)
        report(done)
    return copied


def copy_blobs(source: Blobs, target: Blobs, report: Report) -> int:
    """Copy blobs, each as a stream; those that `target` has with the same size are left alone.

    Returns: how many were copied.
    """
    copied = 0
    for done, entry in enumerate(source.entries(), 1):
        if not target.exists(entry.key) or target.size(entry.key) != entry.size_bytes:
            with source.stream(entry.key) as stream:
                target.put(entry.key, stream)
            copied += 1
        report(done)
    return copied


def copy_records(source: Records, target: Records, report: Report) -> int:
    """Copy records; those that `target` has are left alone.

    Times to live are not copied: a record that was to expire is kept, since a store does not list
    them. Salient's own records have none.

    Returns: how many were copied.
    """
    copied = done = 0
    for collection in source.collections():
        for idents in _batches(_idents(source, collection)):
            there = target.get_many(collection, idents)
            wanted = source.get_many(collection, [i for i in idents if i not in there])
            copied += target.put_many(collection, list(wanted.items()))
            done += len(idents)
            report(done)
    return copied


def copy_tables(source: Tables, target: Tables, report: Report) -> int:
    """Copy every table into a database that holds none of the rows yet, all or nothing.

    Raises:
        Conflict: `target` has rows already.
        Misconfigured: `source` is not at this release's schema; open it with this release first.

    Returns: how many rows were copied.
    """
    target.migrate()
    if source.revision() != target.revision():
        raise Misconfigured(
            "the tables to copy are of another release: start this release on them once",
            schema=source.revision(), wanted=target.revision(),
        )  # fmt: skip
    done = 0
    with source.read() as reading, target.transaction() as tx:
        for table, columns in _tables().items():
            if tx.value(Query(f"SELECT 1 FROM {table} LIMIT 1")) is not None:  # noqa: S608 # names are our own
                raise Conflict(f"the table {table} has rows already: copy into an empty database")
            names = ", ".join(columns)
            rows = reading.stream(Query(f"SELECT {names} FROM {table}"), batch=_BATCH)  # noqa: S608
            values = ", ".join(f":{c}" for c in columns)
            insert = Query(f"INSERT INTO {table} ({names}) VALUES ({values})")  # noqa: S608
            for batch in _batches(rows):
                done += tx.run(insert, [dict(row._mapping) for row in batch])
                report(done)
    return done


@dataclass(frozen=True, slots=True)
class Balance:
    """What belongs in another shard: how many keys, blobs or records by (from, to)."""

    moves: dict[tuple[str, str], int]

    @property
    def total(self) -> int:
        return sum(self.moves.values())


def balance(front: str, old: str, new: str, *, move: bool) -> Balance:
    """Say what the shards of `new` look for elsewhere than where `old` put it; with `move`, move it.

    Args:
        front: cache, blobs or records, as in the settings.
        old: the sharded: URL that everything was written with.
        new: the one that shall find it; shards of one name are the same store.

    Nobody writes by `old` meanwhile. Blobs are found by `new` before they are moved if its URL has
    `before=` with the old names; of keys and records, `new` misses what has not come yet.

    Raises:
        Misconfigured: a URL that is not of shards, or one name for two stores.
        Unsupported: such stores are not sharded.
        Unavailable: a shard cannot be reached.
    """
    moves: Counter[tuple[str, str]] = Counter()
    match front:
        case "cache":
            found = (kv_shards.rebalance if move else kv_shards.plan)(old, new)
            moves.update(found.moves)
        case "records":
            records = (docs_shards.rebalance if move else docs_shards.plan)(old, new)
            moves.update((one.source, one.target) for one in records.moves)
        case "blobs":
            with Blobs.open(_between(old, new)) as blobs:
                for one in blobs.rebalance() if move else blobs.misplaced():
                    moves[one.source, one.target] += 1
        case _:
            raise Unsupported(f"{front} cannot be sharded", known=["cache", "blobs", "records"])
    return Balance(dict(moves))


def _between(old: str, new: str) -> str:
    """The URL of blobs on their way from one set of shards to another."""
    before, after = Shards.of(old), Shards.of(new)
    places = before.with_those_of(after)
    rings = f"&before={','.join(before.ring.names)}&ring={','.join(after.ring.names)}"
    inside = "".join(f"[{place}]" for place in places.values())
    return f"sharded:{inside}?names={','.join(places)}{rings}"


def _tables() -> dict[str, list[str]]:
    """Columns by table, from the schema that ships."""
    script = resources.files("salient.storage.sql").joinpath("schema.sql").read_text("utf-8")
    found: dict[str, list[str]] = {}
    for name, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\);", script, re.DOTALL):
        words = [line.split()[0] for line in body.splitlines() if line.strip()]
        found[name] = [word for word in words if word.islower() and not word.startswith("--")]
    return found


def _idents(records: Records, collection: str) -> Iterator[str]:
    after: str | None = None
    while True:
        page = records.page(collection, limit=_BATCH, after=after)
        yield from (ident for ident, _ in page.items)
        after = page.after
        if after is None:
            return


def _batches(items: Iterator[Any]) -> Iterator[Sequence[Any]]:
    while batch := list(islice(items, _BATCH)):
        yield batch
