"""Stores: operations a second of each driver and wrapper, and many rows at a time.

    python bench/stores.py [--seconds 0.4] [--rows 300000] [--only kv,blob,sql,docs,search,bulk,hot]

An operation is a call of the front by one thread; p50 and p99 are of single calls. Servers are started
here, in memory and without syncing where they can, so that the figures are of drivers and not of disks;
beside each front stands the server's plain client in the same run. Bulk reads are of records of 200
bytes, by CPU-second of this process; `with_server` counts the server's processes too.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # for the servers that tests start

from salient.storage.blob import Blobs  # noqa: E402
from salient.storage.docs import Records  # noqa: E402
from salient.storage.kv import KeyValue  # noqa: E402
from salient.storage.search import Entry, Field, IndexSchema, SearchIndex, sphinx  # noqa: E402
from salient.storage.search import Query as Search  # noqa: E402
from salient.storage.sql import Query, Tables  # noqa: E402
from tests.servers import Missing, Servers  # noqa: E402

SCHEMA = IndexSchema((Field("text", "text"), Field("kind", "keyword")), vector_dim=64)
WORDS = [f"word{n}" for n in range(2000)]
Operations = dict[str, Callable[[int], object]]

URLS = {
    "kv": {
        "memory": "memory:",
        "sqlite": "sqlite:{tmp}/kv.db",
        "redis": "{redis}",
        "instrumented redis": "instrumented:[{redis}]",
        "scoped redis": "scoped:[{redis}]?scope=s",
        "flaky redis": "flaky:[{redis}]",
        "layered memory redis": "layered:[memory:][{redis}]",
        "sharded redis redis": "sharded:[{redis}][{redis2}]",
        "replicated redis sqlite": "replicated:[{redis}][sqlite:{tmp}/rep.db]",
    },
    "blob": {
        "memory": "memory:",
        "file": "file:{tmp}/blobs?sync=no",
        "s3": "{s3}",
        "encrypted file": "encrypted:[file:{tmp}/enc?sync=no]?key={key}",
        "encrypted s3": "encrypted:[{s3}]?key={key}",
        "instrumented s3": "instrumented:[{s3}]",
        "scoped s3": "scoped:[{s3}]?scope=s",
        "flaky s3": "flaky:[{s3}]",
        "layered memory s3": "layered:[memory:][{s3}]",
        "sharded s3 file": "sharded:[{s3}][file:{tmp}/shard?sync=no]",
        "replicated s3 file": "replicated:[{s3}][file:{tmp}/rep?sync=no]",
    },
    "sql": {
        "sqlite": "sqlite:{tmp}/t.db",
        "postgresql": "{postgresql}",
        "mysql": "{mysql}",
        "instrumented postgresql": "instrumented:[{postgresql}]",
        "flaky postgresql": "flaky:[{postgresql}]",
        "scoped sqlite": "scoped:[sqlite:{tmp}/s.db]?workspace=w",
        "scoped postgresql": "scoped:[{postgresql}]?workspace=w",
        "scoped mysql": "scoped:[{mysql}]?workspace=w",
    },
    "docs": {
        "sqlite": "sqlite:{tmp}/d.db",
        "postgresql": "{postgresql}",
        "mongodb": "{mongodb}",
        "instrumented postgresql": "instrumented:[{postgresql}]",
        "scoped postgresql": "scoped:[{postgresql}]?scope=s",
        "flaky postgresql": "flaky:[{postgresql}]",
        "layered memory postgresql": "layered:[memory:][{postgresql}]",
        "sharded postgresql sqlite": "sharded:[{postgresql}][sqlite:{tmp}/sh.db]",
        "replicated postgresql sqlite": "replicated:[{postgresql}][sqlite:{tmp}/rep.db]",
    },
    "search": {
        "embedded": "embedded:{tmp}/index",
        "postgresql": "{postgresql}",
        "opensearch": "{opensearch}",
        "elasticsearch": "{elasticsearch}",
        "sphinx": "{sphinx}",
        "instrumented embedded": "instrumented:[embedded:{tmp}/i2]",
        "flaky embedded": "flaky:[embedded:{tmp}/i3]",
        "scoped embedded": "scoped:[embedded:{tmp}/i4]?scope=s",
    },
}


class Places:
    """URLs of empty stores, on servers that are started when first needed."""

    def __init__(self, servers: Servers, folder: Path) -> None:
        self._servers, self._folder, self._number = servers, folder, itertools.count()

    def fill(self, front: str, template: str) -> str:
        folder = self._folder / str(next(self._number))
        folder.mkdir()
        places: dict[str, Any] = {"tmp": folder, "key": "5a" * 32}
        for field in ("redis", "redis2", "s3", "postgresql", "mysql", "mongodb", "opensearch", "elasticsearch", "sphinx"):  # fmt: skip
            if f"{{{field}}}" in template:
                places[field] = self._on(front, field.rstrip("2"))
        return template.format(**places)

    def _on(self, front: str, server: str) -> str:
        name = f"b{next(self._number)}"
        if server == "sphinx":
            extra = sphinx.definition(SCHEMA, "bench", "{data}")
            return self._servers(server, extra=extra).at("bench")
        started = self._servers(server)
        if server == "redis":
            return started.at("0", prefix=name)
        if server == "postgresql":
            return started.at("postgres", schema=name)
        if server == "mysql":
            with Tables.open(started.at("mysql")) as tables, tables.transaction() as tx:
                tx.run(Query(f"CREATE DATABASE {name}"))
        return started.at(name)


def timed(run: Callable[[int], object], seconds: float) -> dict[str, float]:
    """Call on and on; operations a second, and percentiles of one."""
    for n in range(3):
        run(n)
    took: list[float] = []
    clock = time.perf_counter
    began = clock()
    for n in itertools.count(3):
        start = clock()
        run(n)
        end = clock()
        took.append(end - start)
        if end - began > seconds:
            break
    p50, p99 = np.percentile(took, [50, 99]) * 1000
    return {"per_s": round(len(took) / (end - began)), "p50_ms": round(float(p50), 3), "p99_ms": round(float(p99), 3)}  # fmt: skip


# --- one mix of operations a front


@contextmanager
def kv_mix(url: str) -> Iterator[Operations]:
    value = b"v" * 200
    with KeyValue.open(url) as store:
        yield {
            "put": lambda n: store.put(f"k/{n % 1000}", value),
            "get": lambda n: store.get(f"k/{n % 1000}"),
            "get absent": lambda n: store.get(f"absent/{n}"),
            "increment": lambda n: store.increment("count"),
        }


@contextmanager
def blob_mix(url: str) -> Iterator[Operations]:
    small, large = b"b" * 10_000, b"b" * 1_000_000
    with Blobs.open(url) as store:
        store.put("large", large)
        yield {
            "put 10 kB": lambda n: store.put(f"a/{n % 200}", small),
            "get 10 kB": lambda n: store.get("a/0"),
            "put 1 MB": lambda n: store.put(f"l/{n % 10}", large),
            "get 1 MB": lambda n: store.get("large"),
            "range of 1 MB": lambda n: store.read_range("large", 500_000, 504_096),
        }


@contextmanager
def sql_mix(url: str) -> Iterator[Operations]:
    inside = url.removeprefix("scoped:[").rpartition("]")[0] if url.startswith("scoped:") else url
    with Tables.open(inside) as outside:
        outside.migrate()
    add = Query("INSERT INTO name (id, workspace, type, norm) VALUES (:id, 'w', 'ORG', :norm)")
    find = Query("SELECT id, norm FROM name WHERE id = :id")
    some = Query("SELECT id, norm FROM name WHERE id IN :ids")
    idents = [f"r{n}" for n in range(100)]
    with Tables.open(url) as store:

        def one(n: int) -> None:
            with store.transaction() as tx:
                tx.run(add, {"id": f"r{n}", "norm": "n" * 100})

        def read(n: int) -> None:
            with store.read() as reading:
                reading.one(find, {"id": f"r{n % 100}"})

        def hundred(n: int) -> None:
            with store.read() as reading:
                reading.rows(some, {"ids": idents})

        yield {"insert": one, "read by key": read, "read 100 by key": hundred}


@contextmanager
def docs_mix(url: str) -> Iterator[Operations]:
    record = {"title": "t" * 60, "kind": "report", "n": 1, "tags": ["a", "b"], "text": "x" * 80}
    with Records.open(url) as store:
        store.ensure_index("c", "n")
        yield {
            "put": lambda n: store.put("c", f"r{n % 1000}", {**record, "n": n % 1000}),
            "get": lambda n: store.get("c", f"r{n % 1000}"),
            "put_many 100": lambda n: store.put_many(
                "m", [(f"r{i}", {**record, "n": i}) for i in range(100)]
            ),
            "query by field": lambda n: list(store.query("c", {"n": n % 1000})),
        }


@contextmanager
def search_mix(url: str) -> Iterator[Operations]:
    chance = np.random.default_rng(1)
    with SearchIndex.open(url, SCHEMA) as store:
        vectors = "vectors" in store.features

        def entries(n: int) -> list[Entry]:
            texts = [" ".join(chance.choice(WORDS, 40)) for _ in range(100)]
            units = [v / np.linalg.norm(v) for v in chance.standard_normal((100, 64)).astype(np.float32)]  # fmt: skip
            return [
                Entry(f"{n}-{i}", f"g{n}", {"text": text, "kind": f"k{i % 7}"}, unit if vectors else None)
                for i, (text, unit) in enumerate(zip(texts, units, strict=True))
            ]  # fmt: skip

        def write(n: int) -> None:
            store.put(entries(n))
            store.commit()

        unit = np.full(64, 0.125, np.float32)
        mix: Operations = {
            "put 100 and commit": write,
            "search words": lambda n: store.search(Search(f"{WORDS[n % 2000]} {WORDS[n * 7 % 2000]}")),
            "search by filter": lambda n: store.search(Search(WORDS[n % 2000], filters={"kind": ["k3"]})),
        }  # fmt: skip
        if vectors:
            mix["search by meaning"] = lambda n: store.search(Search(vector=unit))
        yield mix


MIXES = {"kv": kv_mix, "blob": blob_mix, "sql": sql_mix, "docs": docs_mix, "search": search_mix}


# --- plain clients, beside which the drivers stand


@contextmanager
def plain_kv(servers: Servers, folder: Path) -> Iterator[dict[str, Operations]]:
    import redis

    with redis.Redis.from_url(servers("redis").url) as client, sqlite3.connect(folder / "p.db", isolation_level=None) as db:  # fmt: skip
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute("CREATE TABLE kv (k TEXT PRIMARY KEY, v BLOB)")
        put, get = "INSERT OR REPLACE INTO kv VALUES (?, ?)", "SELECT v FROM kv WHERE k = ?"
        value = b"v" * 200
        yield {
            "redis-py": {
                "put": lambda n: client.set(f"k/{n % 1000}", value),
                "get": lambda n: client.get(f"k/{n % 1000}"),
            },
            "sqlite3": {
                "put": lambda n: db.execute(put, (f"k/{n % 1000}", value)),
                "get": lambda n: db.execute(get, (f"k/{n % 1000}",)).fetchone(),
            },
        }
    db.close()


@contextmanager
def plain_blob(servers: Servers, folder: Path) -> Iterator[dict[str, Operations]]:
    import obstore

    store = servers("s3")._client()
    small, large = b"b" * 10_000, b"b" * 1_000_000
    obstore.put(store, "plain/large", large)
    yield {
        "obstore": {
            "put 10 kB": lambda n: obstore.put(store, f"plain/{n % 200}", small),
            "get 10 kB": lambda n: obstore.get(store, "plain/0").bytes(),
            "put 1 MB": lambda n: obstore.put(store, f"plain/l{n % 10}", large),
            "get 1 MB": lambda n: obstore.get(store, "plain/large").bytes(),
        }
    }


@contextmanager
def plain_sql(servers: Servers, folder: Path) -> Iterator[dict[str, Operations]]:
    import psycopg

    with psycopg.connect(servers("postgresql").at("postgres")) as client:
        client.execute("CREATE TABLE plain (id text PRIMARY KEY, norm text)")
        client.commit()

        def insert(n: int) -> None:
            client.execute("INSERT INTO plain VALUES (%s, %s)", (f"r{n}", "n" * 100))
            client.commit()

        def read(n: int) -> None:
            client.execute("SELECT id, norm FROM plain WHERE id = %s", (f"r{n % 100}",)).fetchone()
            client.commit()

        yield {"psycopg": {"insert": insert, "read by key": read}}


@contextmanager
def plain_docs(servers: Servers, folder: Path) -> Iterator[dict[str, Operations]]:
    import pymongo

    record = {"title": "t" * 60, "kind": "report", "n": 1, "tags": ["a", "b"], "text": "x" * 80}
    with pymongo.MongoClient(servers("mongodb").url, directConnection=True) as client:
        found = client["plain"]["c"]
        yield {
            "pymongo": {
                "put": lambda n: found.replace_one({"_id": f"r{n % 1000}"}, record, upsert=True),
                "get": lambda n: found.find_one({"_id": f"r{n % 1000}"}),
            }
        }


PLAIN = {"kv": plain_kv, "blob": plain_blob, "sql": plain_sql, "docs": plain_docs}


def operations(front: str, servers: Servers, places: Places, folder: Path, seconds: float) -> dict[str, Any]:  # fmt: skip
    out: dict[str, Any] = {}

    def measure(name: str, mix: Operations) -> None:
        out[name] = {what: timed(run, seconds) for what, run in mix.items()}
        for what, row in out[name].items():
            print(f"{front:7}{name:30}{what:22}{row['per_s']:>10,}/s  p50 {row['p50_ms']:>9.3f} ms  p99 {row['p99_ms']:>9.3f} ms", flush=True)  # fmt: skip

    for name, template in URLS[front].items():
        try:
            url = places.fill(front, template)
        except Missing as exc:
            print(f"{front:7}{name:30}{exc}")
            continue
        with MIXES[front](url) as mix:
            measure(name, mix)
    if front in PLAIN:
        with PLAIN[front](servers, folder) as plain:
            for name, mix in plain.items():
                measure(f"plain {name}", mix)
    return out


# --- many rows at a time, and hot keys


def cpu(run: Callable[[], int], server: psutil.Process | None = None) -> dict[str, int]:
    """Rows by CPU-second, the best of three."""
    best: dict[str, int] = {}
    for _ in range(3):
        gc.collect()
        before = _spent(server)
        began = time.process_time()
        rows = run()
        own = time.process_time() - began
        row = {"per_cpu_s": round(rows / own)}
        if server is not None:
            row["with_server"] = round(rows / (own + _spent(server) - before))
        if row["per_cpu_s"] > best.get("per_cpu_s", 0):
            best = row
    return best


def _spent(server: psutil.Process | None) -> float:
    if server is None:
        return 0.0
    own = server.cpu_times()
    times = [one.cpu_times() for one in server.children(recursive=True)]
    ended = own.children_user + own.children_system
    return own.user + own.system + ended + sum(t.user + t.system for t in times)


def bulk(servers: Servers, places: Places, rows: int) -> dict[str, Any]:
    out: dict[str, Any] = {"rows": rows, "bytes": 200}
    make = Query("CREATE TABLE bulk (id VARCHAR(16) PRIMARY KEY, body VARCHAR(200))")
    add = Query("INSERT INTO bulk (id, body) VALUES (:id, :body)")
    everything = Query("SELECT id, body FROM bulk")
    wide = [{"id": f"{n:016}", "body": f"{n:>184}"} for n in range(rows)]
    record = {"title": "t" * 60, "kind": "report", "text": "x" * 84}

    for name in ("sqlite", "postgresql", "mysql"):
        try:
            url = places.fill("sql", URLS["sql"][name])
        except Missing:
            continue
        server = psutil.Process(servers(name).pid) if name != "sqlite" else None
        with Tables.open(url) as tables:
            tables.migrate()
            with tables.transaction() as tx:
                tx.run(make)
            for start in range(0, rows, 10_000):
                with tables.transaction() as tx:
                    tx.run(add, wide[start : start + 10_000])

            def batches() -> int:
                with tables.read() as reading:
                    return sum(batch.num_rows for batch in reading.batches(everything))

            def dictionaries() -> int:
                with tables.read() as reading:
                    return sum(1 for _ in reading.dicts(everything))

            out[name] = {"arrow": cpu(batches, server), "dictionaries": cpu(dictionaries, server)}
        out[name] |= _plain_bulk(name, url, servers, server)
        _tell("bulk", name, out[name])
    for name in ("sqlite", "postgresql"):
        url = places.fill("docs", URLS["docs"][name])
        server = psutil.Process(servers(name).pid) if name != "sqlite" else None
        with Records.open(url) as records:
            for start in range(0, rows, 5_000):
                some = range(start, min(start + 5_000, rows))
                records.put_many("c", [(f"{n:016}", {**record, "n": n}) for n in some])

            def texts() -> int:
                return sum(b.num_rows for b in records.batches("c"))

            def parsed() -> int:
                return sum(1 for _ in records.query("c"))

            key = f"records {name}"
            out[key] = {"arrow": cpu(texts, server), "dictionaries": cpu(parsed, server)}
            _tell("bulk", key, out[key])
    return out


def _plain_bulk(
    name: str, url: str, servers: Servers, server: psutil.Process | None
) -> dict[str, Any]:
    """The server's own client in the same run, and ADBC."""
    text = "SELECT id, body FROM bulk"
    if name == "sqlite":
        file = url.removeprefix("sqlite:")

        def fetched() -> int:
            client = sqlite3.connect(file)
            rows = len(client.execute(text).fetchall())
            client.close()
            return rows

        return {"plain sqlite3 fetchall": cpu(fetched)}
    if name == "postgresql":
        import psycopg

        schema = url.rpartition("schema=")[2].partition("&")[0]
        place = servers(name).at("postgres")

        def fetched() -> int:
            with psycopg.connect(place) as client:
                return len(client.execute(f"SELECT id, body FROM {schema}.bulk").fetchall())

        return {"plain psycopg fetchall": cpu(fetched, server)}
    return {}


def hot(places: Places, seconds: float) -> dict[str, Any]:
    """Reads of a thousand keys that the first layer holds."""
    out: dict[str, Any] = {}
    keys = [f"hot/{n}" for n in range(1000)]
    value = b"v" * 200
    plain = dict.fromkeys(keys, value)
    cached = lru_cache(maxsize=2000)(plain.__getitem__)

    def rate(get: Callable[[str], object]) -> dict[str, int]:
        best = 0.0
        end = time.perf_counter() + seconds * 3
        while time.perf_counter() < end:
            began = time.process_time()
            for _ in range(20):
                for key in keys:
                    get(key)
            best = max(best, 20_000 / (time.process_time() - began))
        return {"per_cpu_s": round(best)}

    for name in ("layered memory redis", "memory", "redis"):
        with KeyValue.open(places.fill("kv", URLS["kv"][name])) as store:
            for key in keys:
                store.put(key, value)
                store.get(key)
            out[name] = rate(store.get)
    out["plain dict.get"] = rate(plain.get)
    out["plain lru_cache"] = rate(cached)
    _tell("hot", "reads", out)
    return out


def _tell(what: str, name: str, row: dict[str, Any]) -> None:
    for kind, figures in row.items():
        shown = "  ".join(f"{k} {v:,}" for k, v in figures.items())
        print(f"{what:7}{name:30}{kind:26}{shown}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=0.4, help="for each operation")
    parser.add_argument("--rows", type=int, default=300_000, help="of bulk reads")
    parser.add_argument("--only", default=",".join((*MIXES, "bulk", "hot")))
    options = parser.parse_args()
    only = options.only.split(",")
    row: dict[str, Any] = {"bench": "stores", "at": datetime.now(UTC).isoformat()}
    memory = Path("/dev/shm")  # not a guess of a temporary name: a folder of our own is made in it
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        servers = Servers()
        stack.callback(servers.close)
        places = Places(servers, folder)
        for front in MIXES:
            if front in only:
                row[front] = operations(front, servers, places, folder, options.seconds)
        if "bulk" in only:
            row["bulk"] = bulk(servers, places, options.rows)
        if "hot" in only:
            row["hot"] = hot(places, options.seconds)
        row["versions"] = servers.versions()
    if set(only) == {*MIXES, "bulk", "hot"}:
        results = ROOT / "bench" / "results" / "stores.jsonl"
        with results.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
