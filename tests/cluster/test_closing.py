"""A closed store leaves nothing: no threads, connections, open files or processes; each driver and wrapper."""

import gc
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from salient.errors import Unavailable
from salient.storage import urls
from salient.storage.sql import Query, Tables
from tests.cluster.conftest import FRONTS
from tests.cluster.loads import LOADS, SCHEMA, open_store

STORES = {
    "kv": [
        "memory:", "sqlite:{tmp}/kv.db", "{redis}", "flaky:[{redis}]", "instrumented:[{redis}]",
        "scoped:[{redis}]?scope=s", "layered:[memory:][{redis}]", "layered:[{redis}][sqlite:{tmp}/kv.db]",
        "replicated:[{redis}][sqlite:{tmp}/kv.db]", "sharded:[{redis}][sqlite:{tmp}/kv.db]",
    ],
    "blob": [
        "memory:", "file:{tmp}/blobs", "{s3}", "flaky:[{s3}]", "instrumented:[{s3}]", "scoped:[{s3}]?scope=s",
        "layered:[memory:][{redis}][{s3}]", "replicated:[{s3}][file:{tmp}/blobs]",
        "sharded:[{s3}][file:{tmp}/blobs]", "encrypted:[{s3}]?key={key}",
    ],
    "sql": [
        "sqlite:{tmp}/t.db", "{postgresql}", "{mysql}", "flaky:[{postgresql}]", "instrumented:[{mysql}]",
        "scoped:[{postgresql}]?workspace=w", "scoped:[{mysql}]?workspace=w", "scoped:[sqlite:{tmp}/t.db]?workspace=w",
    ],
    "docs": [
        "memory:", "sqlite:{tmp}/r.db", "{postgresql}", "{mongodb}", "flaky:[{postgresql}]",
        "instrumented:[{mongodb}]", "scoped:[{mongodb}]?scope=s", "layered:[memory:][{redis}][{postgresql}]",
        "replicated:[{postgresql}][{mongodb}]", "sharded:[{mongodb}][{postgresql}]",
    ],
    "search": [
        "embedded:{tmp}/index", "{postgresql}", "{opensearch}", "{elasticsearch}", "{sphinx}", "flaky:[{postgresql}]",
        "instrumented:[{opensearch}]", "scoped:[{postgresql}]?scope=s",
    ],
}  # fmt: skip
CASES = [pytest.param(front, url, id=f"{front}-{url}") for front, urls in STORES.items() for url in urls]  # fmt: skip


@pytest.mark.parametrize("front", STORES)
def test_every_driver_and_wrapper_is_here(front):
    module = FRONTS[front]
    text = " ".join(STORES[front])
    for schemes in (module.SCHEMES, module.WRAPPERS):
        for served in set(schemes.values()):
            names = [name for name, path in schemes.items() if path == served]
            assert any(f"{{{n}}}" in text or f"{n}:" in text for n in names), names


def place(front, template, tmp_path, servers):
    """The URL, in a namespace of its own on the session's servers."""
    name = f"t{uuid.uuid4().hex[:12]}"
    places = {"tmp": tmp_path, "key": "5a" * 32}
    for server in ("redis", "s3", "postgresql", "mysql", "mongodb", "opensearch", "elasticsearch", "sphinx"):  # fmt: skip
        if f"{{{server}}}" in template:
            places[server] = _place(front, server, name, servers)
    return template.format(**places)


def _place(front, server, name, servers):
    if server == "sphinx":
        from salient.storage.search import sphinx

        return servers(server, extra=sphinx.definition(SCHEMA, name, "{data}")).at(name)
    started = servers(server)
    if server == "redis":
        return started.at("0", prefix=name)
    if server == "postgresql":
        if front == "sql":  # other fronts make theirs; here it is migrations that do
            run(started.at("postgres"), f"CREATE SCHEMA {name}")
        return started.at("postgres", schema=name)
    if server == "mysql":
        run(started.at("mysql"), f"CREATE DATABASE {name}")
    return started.at(name)


def run(url, statement):
    with Tables.open(url) as tables, tables.transaction() as tx:
        tx.run(Query(statement))


class ScopedTables:
    """Tables seen through views: they are made outside, and what is there is written inside."""

    exclusive = False
    ADD = Query("INSERT INTO name (id, workspace, type, norm) VALUES (:id, 'w', 'ORG', 'n')")
    FIND = Query("SELECT norm FROM name WHERE id = :id")

    def __init__(self, store):
        self.store = store

    def write(self, n):
        with self.store.transaction() as tx:
            tx.run(self.ADD, {"id": str(n)})

    def there(self, n):
        with self.store.read() as reading:
            return reading.value(self.FIND, {"id": str(n)}) == "n"


def used(front, url):
    """Open a store, use it from several threads at once, and close it."""
    scoped = front == "sql" and url.startswith("scoped:")
    if scoped:
        with Tables.open(urls.inner(url.removeprefix("scoped:"), "scoped")[0][0]) as outside:
            outside.migrate()
    store = open_store(front, url)
    load = ScopedTables(store) if scoped else LOADS[front](store, "w")
    if not scoped:
        load.prepare()
    with ThreadPoolExecutor(1 if load.exclusive else 4) as pool:
        list(pool.map(load.write, range(8)))
        assert all(pool.map(load.there, range(8)))
    store.close()
    return store, load


@pytest.mark.parametrize(("front", "template"), CASES)
def test_a_closed_store_leaves_nothing(front, template, tmp_path, servers):
    url = place(front, template, tmp_path, servers)
    (tmp_path / "again").mkdir()
    again = place(front, template, tmp_path / "again", servers)
    used(front, url)  # what libraries keep for the whole process is there from now on
    before = Standing()
    store, load = used(front, again)
    with pytest.raises(Unavailable):
        load.there(0)
    store.close()  # twice does no harm
    del store, load
    gc.collect()
    end = time.monotonic() + 5
    while (left := Standing().more_than(before)) and time.monotonic() < end:
        time.sleep(0.05)
    assert left == []


class Standing:
    """Threads, connections, open files and children of this process."""

    def __init__(self):
        me = psutil.Process()
        self.threads = set(threading.enumerate())
        connections = me.net_connections("tcp")
        self.connections = {(c.fd, c.raddr) for c in connections if c.raddr}
        self.files = {f.path for f in me.open_files()}
        self.children = set(me.children(recursive=True))

    def more_than(self, before):
        return [
            *(self.threads - before.threads),
            *(self.connections - before.connections),
            *(self.files - before.files),
            *(self.children - before.children),
        ]
