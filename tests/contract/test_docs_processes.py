"""Document stores that several processes share, one of which is killed."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from salient.errors import Misconfigured, NotFound, Unavailable
from salient.storage.docs import Records
from tests.docs_places import Places

ROOT = Path(__file__).resolve().parents[2]
STORES = {
    "sqlite": "sqlite:{tmp}/records.db",
    "postgresql": "{postgresql}",
    "mongodb": "{mongodb}",
}


@pytest.fixture
def places(servers, tmp_path):
    found = Places(servers, tmp_path)
    yield found
    found.close()


@pytest.fixture(params=STORES)
def url(request, places, servers):
    if request.param != "mongodb":
        yield places(STORES[request.param])
        return
    # A client that is killed in mid-transaction can keep the stand-in for MongoDB busy for minutes:
    # it gets a server of its own, which other tests do not wait for.
    server = servers("mongodb", durable=True)
    yield server.at("docs")
    server.kill()
    server.close()


@pytest.fixture
def start():
    """Starts other processes, which are ended at the end."""
    started = []

    def run(code, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


WRITER = """
    import sys
    from salient.storage.docs import Records

    store, name = Records.open(sys.argv[1]), sys.argv[2]
    for n in range(10_000):
        store.put("c", f"{name}-{n}", {"n": n})
        if n % 3 == 0:
            store.delete("c", f"{name}-{n}")
        print(n, flush=True)
"""


def test_follower_learns_of_all_that_killed_writers_had_acknowledged(url, start):
    with Records.open(url) as store:
        after = store.changes("c").after
        writers = {name: start(WRITER, url, name) for name in "ab"}
        acknowledged = {}
        for turn, (name, writer) in enumerate(writers.items()):
            for _ in range(15 + 10 * turn):
                acknowledged[name] = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            for line in writer.stdout:
                acknowledged[name] = int(line)
    told = {}
    with Records.open(url) as store:  # a follower that was away, and has its cursor
        store.put("c", "end", {})
        while "end" not in told:
            feed = store.changes("c", after=after, wait_s=10, limit=25)
            told |= {item.ident: item.kind for item in feed.items}
            after = feed.after
        for name, last in acknowledged.items():
            for n in range(last + 1):
                assert told[f"{name}-{n}"] == ("deleted" if n % 3 == 0 else "put")
        for ident, kind in told.items():
            assert (store.get("c", ident) is not None) == (kind == "put")


def test_follower_in_another_process_is_told_while_it_waits(url, start):
    code = """
        import sys
        from salient.storage.docs import Records

        with Records.open(sys.argv[1]) as store:
            after = store.changes("c").after
            print("ready", flush=True)
            found = []
            while len(found) < 3:
                feed = store.changes("c", after=after, wait_s=20)
                found += [(item.ident, item.kind) for item in feed.items]
                after = feed.after
            print(found, flush=True)
    """
    follower = start(code, url)
    assert follower.stdout.readline() == "ready\n"
    with Records.open(url) as store:
        store.put("c", "a", {})
        store.put("c", "b", {})
        store.delete("c", "a")
    expected = [("a", "put"), ("b", "put"), ("a", "deleted")]
    assert follower.stdout.readline() == f"{expected}\n"
    assert follower.wait(30) == 0


def test_killed_writer_of_many_leaves_all_or_none(url, start):
    code = """
        import sys
        from salient.storage.docs import Records

        store, size = Records.open(sys.argv[1]), int(sys.argv[2])
        for n in range(10_000):
            store.put_many(sys.argv[3], ((f"{i:04}", {"n": n, "pad": "x" * 500}) for i in range(size)))
            print(n, flush=True)
    """
    size = 400
    with Records.open(url) as store:
        for turn in range(4):
            writer = start(code, url, size, f"c{turn}")
            last = int(writer.stdout.readline())
            time.sleep(0.013 * turn)  # somewhere within the next one
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            last = max([last, *map(int, writer.stdout)])
            found = [record["n"] for record in store.query(f"c{turn}")]
            assert len(found) == size
            assert len(set(found)) == 1
            assert found[0] in (last, last + 1)


def test_one_of_several_processes_claims_each_record(url, start):
    code = """
        import sys
        from salient.storage.docs import Records

        with Records.open(sys.argv[1]) as store:
            print("ready", flush=True)
            sys.stdin.readline()
            print(*(n for n in range(40) if store.put("c", str(n), {}, only_if_absent=True)))
    """
    claimers = [start(code, url) for _ in range(3)]
    claimed = sorted(int(n) for c in claimers for n in c.communicate()[0].split()[1:])
    assert claimed == list(range(40))


# --- servers


def test_feed_waits_for_a_transaction_that_began_earlier(places):
    import psycopg

    url = places("{postgresql}")
    with Records.open(url) as store, psycopg.connect(url.partition("?")[0]) as other:
        other.execute("select pg_current_xact_id()")  # its changes may come before what follows
        start = store.changes("c").after
        store.put("c", "a", {})
        held = store.changes("c", after=start)
        assert held.items == ()
        other.commit()
        told = store.changes("c", after=held.after, wait_s=30)
        assert [item.ident for item in told.items] == ["a"]


def test_index_serves_equality_in_postgresql(places):
    with Records.open(places("{postgresql}")) as store:
        store.put_many("c", ((str(n), {"kind": f"k{n}", "size": n}) for n in range(500)))
        for field in ("kind", "size"):
            store.ensure_index("c", field)
        driver = store._driver
        from salient.storage.docs import Test
        from salient.storage.docs.postgresql import _superset

        for test in (Test(("kind",), "=", "k7"), Test(("size",), "in", [7, 8])):
            where, values = _superset([test])
            sql = f"explain select id from {{s}}.record where collection = 'c' {where}"
            with driver._pool.connection() as db, db.transaction():
                db.execute("set local enable_seqscan = off")
                plan = "\n".join(r[0] for r in db.execute(driver._sql(sql), values).fetchall())
            assert "record_by_" in plan


def test_oplog_that_has_gone_on_says_what_to_do(servers):
    with (
        servers("mongodb", durable=True, extra="--oplog-max-entries 50") as server,
        Records.open(server.at("oplog")) as store,
    ):
        start = store.changes("c").after
        store.put_many("c", ((str(n), {}) for n in range(1100)))
        with pytest.raises(NotFound, match="read the collection anew"):
            store.changes("c", after=start)


@pytest.mark.parametrize(
    "url",
    ["postgresql://me:pw@{place}/db?timeout_s=2", "mongodb://me:pw@{place}/db?timeout_s=1"],
)
def test_server_that_is_away_is_named_without_its_password(url):
    import socket

    with socket.socket() as taken:  # nobody listens on it
        taken.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unavailable) as info:
            Records.open(url.format(place=place))
    assert place in str(info.value)
    assert "pw" not in str(info.value)


@pytest.mark.parametrize(
    "wrong",
    ["{postgresql}&colour=red", "{mongodb}?colour=red", "{mongodb}?timeout_s=soon", "sqlite:/nowhere/x?a=b",
     "{postgresql}&schema=a%22b", "memory:?changes=0"],
)  # fmt: skip
def test_wrong_option_is_misconfigured(places, wrong):
    with pytest.raises(Misconfigured):
        Records.open(places(wrong))


def test_database_that_is_not_there_is_misconfigured(servers):
    with pytest.raises(Misconfigured, match="nowhere"):
        Records.open(servers("postgresql").at("nowhere"))
