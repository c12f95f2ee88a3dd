"""Writers that can tell afterwards what was lost, torn or done twice; also as a process of its own.

python -m tests.cluster.loads FRONT URL NAME    writes until its standard input ends
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import numpy as np

from salient.errors import Unavailable
from salient.storage.blob import Blobs
from salient.storage.docs import Records
from salient.storage.kv import KeyValue
from salient.storage.search import Entry, Field, IndexSchema, SearchIndex
from salient.storage.search import Query as Search
from salient.storage.sql import Query, Tables

SCHEMA = IndexSchema((Field("text", "text"), Field("kind", "keyword")), vector_dim=4)


class Torn(AssertionError):
    """What was read is neither all of a write nor nothing of it."""


def body(name: str, n: int, size: int) -> bytes:
    """Bytes that say what they are, and whether they are whole."""
    head = f"{name} {n} {size} ".encode()
    block = blake2b(head).digest()
    return (head + block * (size // len(block) + 1))[:size]


def number(name: str, found: bytes) -> int:
    """Which write these bytes are of."""
    try:
        writer, n, size, _ = found[:100].split(b" ", 3)
        whole = writer.decode() == name and found == body(name, int(n), int(size))
    except ValueError:
        whole = False
    if not whole:
        raise Torn(f"{name}: {found[:60]!r}, {len(found)} bytes")
    return int(n)


class Load(ABC):
    """One writer's keys in a store."""

    exclusive = False
    """Whether a store lets in one writer at a time, who then has an instance of its own."""

    def __init__(self, store: Any, name: str) -> None:
        self.store, self.name = store, name

    def prepare(self) -> None:  # noqa: B027 # most need nothing
        """Once for all writers."""

    @abstractmethod
    def write(self, n: int) -> None: ...

    @abstractmethod
    def there(self, n: int) -> bool:
        """Whether all of write `n` is there; `Torn` if only a part is."""

    def missing(self, done: list[int], tried: int) -> list[int]:
        """Acknowledged writes that are not there; `Torn` if a part of any that was tried is."""
        there = {n for n in range(tried) if self.there(n)}
        return [n for n in done if n not in there]

    def check(self, done: list[int], tried: int) -> None:  # noqa: B027 # most promise no more
        """What has to hold at the end, beyond every acknowledged write being there."""


class KeyValueLoad(Load):
    store: KeyValue

    def write(self, n: int) -> None:
        self.store.put(f"{self.name}/{n}", body(self.name, n, 500))
        self.store.put(f"{self.name}/slot", body(self.name, n, 20_000))
        self.store.increment(f"{self.name}/count")

    def there(self, n: int) -> bool:
        slot = self.store.get(f"{self.name}/slot")
        if slot is not None:
            number(self.name, slot)
        found = self.store.get(f"{self.name}/{n}")
        return found is not None and number(self.name, found) == n

    def check(self, done: list[int], tried: int) -> None:
        assert number(self.name, self.store.get(f"{self.name}/slot") or b"") >= max(done)
        count = int(self.store.get(f"{self.name}/count") or b"0")
        assert len(done) <= count <= tried, "a count was lost, or counted twice"


class BlobLoad(Load):
    store: Blobs

    def write(self, n: int) -> None:
        self.store.put(f"{self.name}/{n}", body(self.name, n, 3_000))
        self.store.put(f"{self.name}/slot", body(self.name, n, 300_000))

    def there(self, n: int) -> bool:
        if self.store.exists(f"{self.name}/slot"):
            number(self.name, self.store.get(f"{self.name}/slot"))
        key = f"{self.name}/{n}"
        return self.store.exists(key) and number(self.name, self.store.get(key)) == n

    def check(self, done: list[int], tried: int) -> None:
        assert number(self.name, self.store.get(f"{self.name}/slot")) >= max(done)


class TablesLoad(Load):
    store: Tables

    MAKE = Query(
        "CREATE TABLE written (writer VARCHAR(40), n INTEGER, half INTEGER, body TEXT,"
        " PRIMARY KEY (writer, n, half))"
    )
    ADD = Query("INSERT INTO written (writer, n, half, body) VALUES (:writer, :n, :half, :body)")
    FIND = Query("SELECT half, body FROM written WHERE writer = :writer AND n = :n")

    def prepare(self) -> None:
        with self.store.transaction() as tx:
            tx.run(self.MAKE)

    def write(self, n: int) -> None:
        with self.store.transaction() as tx:
            for half in (0, 1):
                text = body(f"{self.name}{half}", n, 50).hex()
                tx.run(self.ADD, {"writer": self.name, "n": n, "half": half, "body": text})

    def there(self, n: int) -> bool:
        with self.store.read() as reading:
            rows = reading.rows(self.FIND, {"writer": self.name, "n": n})
        for row in rows:
            number(f"{self.name}{row.half}", bytes.fromhex(row.body))
        if len(rows) == 1:
            raise Torn("one of two rows of a transaction")
        return len(rows) == 2


class RecordsLoad(Load):
    store: Records

    def write(self, n: int) -> None:
        text = body(self.name, n, 400).hex()
        pair = [(f"{self.name}-{n}-{half}", {"body": text, "half": half}) for half in (0, 1)]
        self.store.put_many("written", pair)
        self.store.put("written", f"{self.name}-slot", {"n": n, "body": text})

    def there(self, n: int) -> bool:
        # The second first: a pair that appears between the two reads must not look torn.
        second = self.store.get("written", f"{self.name}-{n}-1")
        first = self.store.get("written", f"{self.name}-{n}-0")
        for found in (first, second):
            if found is not None:
                number(self.name, bytes.fromhex(found["body"]))
        if first is None and second is not None:
            raise Torn("one of two records that were put together")
        return first is not None and second is not None

    def check(self, done: list[int], tried: int) -> None:
        slot = self.store.get("written", f"{self.name}-slot")
        assert slot is not None
        assert slot["n"] >= max(done)

    def missing(self, done: list[int], tried: int) -> list[int]:
        idents = [f"{self.name}-{n}-{half}" for n in range(tried) for half in (0, 1)]
        found: dict[str, Any] = {}
        for start in range(0, len(idents), 500):
            found |= self.store.get_many("written", idents[start : start + 500])
        whole = set()
        for n in range(tried):
            halves = [found.get(f"{self.name}-{n}-{half}") for half in (0, 1)]
            if (halves[0] is None) != (halves[1] is None):
                raise Torn(f"half of write {n}, which was one put_many")
            for half in halves:
                if half is not None and number(self.name, bytes.fromhex(half["body"])) == n:
                    whole.add(n)
        return [n for n in done if n not in whole]


class SearchLoad(Load):
    store: SearchIndex
    exclusive = True

    def write(self, n: int) -> None:
        kind = f"{self.name}-{n}"
        vectors = "vectors" in self.store.features
        vector = np.array([1, 0, 0, n % 7], np.float32) if vectors else None
        self.store.put(
            [Entry(f"{kind}-{half}", kind, {"text": f"half {half}", "kind": kind}, vector) for half in (0, 1)]
        )  # fmt: skip
        self.store.commit()

    def there(self, n: int) -> bool:
        found = self.store.search(Search(filters={"kind": [f"{self.name}-{n}"]}))
        if len(found.hits) == 1:
            raise Torn("one of two entries of a commit")
        return len(found.hits) == 2


def open_store(front: str, url: str) -> Any:
    if front == "search":
        return SearchIndex.open(url, SCHEMA)
    opened = {"kv": KeyValue, "blob": Blobs, "sql": Tables, "docs": Records}[front]
    return opened.open(url)


LOADS: dict[str, type[Load]] = {
    "kv": KeyValueLoad,
    "blob": BlobLoad,
    "sql": TablesLoad,
    "docs": RecordsLoad,
    "search": SearchLoad,
}


@dataclass
class Journal:
    """What happened to a writer, with times of the machine's monotonic clock."""

    name: str
    done: list[int] = field(default_factory=list)
    last_done: float = 0.0
    failed: int = 0
    last_failed: float = 0.0
    wrong: list[str] = field(default_factory=list)
    """Errors that no caller should see."""
    tried: int = 0


class Writer(threading.Thread):
    """Writes on and on; never the same number again, so that nothing is done twice by us."""

    def __init__(self, load: Load) -> None:
        super().__init__(name=f"writer {load.name}")
        self.load, self.journal, self.stopping = load, Journal(load.name), threading.Event()

    def run(self) -> None:
        journal = self.journal
        while not self.stopping.is_set():
            n, journal.tried = journal.tried, journal.tried + 1
            try:
                self.load.write(n)
            except Unavailable:
                journal.failed += 1
                journal.last_failed = time.monotonic()
                time.sleep(0.02)
            except Exception as exc:  # to be told of, whatever it is
                journal.wrong.append(repr(exc)[:500])
                time.sleep(0.05)
            else:
                journal.done.append(n)
                journal.last_done = time.monotonic()


class Reader(threading.Thread):
    """Looks whether what was acknowledged is there, also while the server goes and comes."""

    def __init__(self, load: Load, journal: Journal) -> None:
        super().__init__(name=f"reader {load.name}")
        self.load, self.journal, self.stopping = load, journal, threading.Event()
        self.read, self.wrong = 0, list[str]()

    def run(self) -> None:
        chance = random.Random(self.name)
        while not self.stopping.wait(0.005):
            if not self.journal.done:
                continue
            n = chance.choice(self.journal.done)
            try:
                if not self.load.there(n):
                    self.wrong.append(f"write {n} was acknowledged and is not there")
                self.read += 1
            except Unavailable:
                continue
            except Exception as exc:  # to be told of, whatever it is
                self.wrong.append(repr(exc)[:500])


def main() -> None:
    front, url, name = sys.argv[1:]
    store = open_store(front, url)
    writer = Writer(LOADS[front](store, name))
    told = threading.Event()

    def say() -> None:
        sys.stdout.write(json.dumps(vars(writer.journal)) + "\n")
        sys.stdout.flush()

    def tell() -> None:
        while not told.wait(0.1):
            say()

    teller = threading.Thread(target=tell)
    writer.start()
    teller.start()
    sys.stdin.read()
    writer.stopping.set()
    writer.join()
    told.set()
    teller.join()
    with suppress(Unavailable):
        store.close()
    say()


if __name__ == "__main__":
    main()
