"""The servers that tests start: the same place and data when they come back, and none left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.servers import folders
from tests.servers.session import KINDS

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_server_says_what_it_is_and_comes_back_where_it_was(servers, name):
    with servers(name, durable=True) as server:
        url, version = server.url, server.version
        assert any(part.isdigit() for part in version.replace(".", " ").split()), version
        for how in (server.stop, server.kill):
            how()
            assert not listening(server.port)
            server.start()
            assert listening(server.port)
        assert server.url == url
        assert server.ask_version() == version
    assert not listening(server.port)


def listening(port):
    return any(
        c.laddr.port == port and c.status == psutil.CONN_LISTEN
        for c in psutil.net_connections("tcp4")
    )


def test_shared_servers_are_one_and_durable_ones_are_many(servers):
    assert servers("redis") is servers("redis")
    with servers("redis", durable=True) as one, servers("redis", durable=True) as other:
        assert len({servers("redis").port, one.port, other.port}) == 3


def test_urls_take_a_path_and_options(servers):
    redis = servers("redis")
    assert redis.at("0", prefix="a b") == f"{redis.url}/0?prefix=a+b"
    s3 = servers("s3")
    assert s3.at("some/prefix", timeout_s=1).startswith("s3://salient/some/prefix?endpoint=http")
    assert s3.at("x", timeout_s=1).endswith("&timeout_s=1")


def test_a_server_elsewhere_is_used_by_its_url(servers, monkeypatch):
    monkeypatch.setenv("SALIENT_TEST_REDIS", servers("redis").url + "?timeout_s=3")
    given = servers("redis")
    assert given.at("0", prefix="p").endswith("/0?timeout_s=3&prefix=p")
    assert given.version.startswith("Valkey")
    with pytest.raises(RuntimeError, match="somebody else"):
        given.kill()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_session_that_is_killed_leaves_no_server_and_no_file(how):
    script = (
        "from tests.servers import Servers; s = Servers(); "
        "print(s('redis').pid, s('postgresql').pid, s._session.folder, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as session:  # fmt: skip
        *pids, folder = session.stdout.readline().split()
        assert all(psutil.pid_exists(int(pid)) for pid in pids)
        os.kill(session.pid, how)
    end = time.monotonic() + 20
    while any(psutil.pid_exists(int(pid)) for pid in pids) or Path(folder).exists():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_even_the_watcher_left_is_ended_by_the_next_session():
    folder = folders.root() / f"{folders.BLOCKS - 1}-left"
    folder.mkdir()
    with subprocess.Popen(["sleep", "600"]) as left:
        folders.note(folder, left.pid)
        # The same id with another start is somebody else's process.
        with (folder / "pids").open("a") as file:
            file.write(f"{os.getpid()} 1.0\n")
        folders.sweep()
        assert left.wait(10) is not None
    assert not folder.exists()
