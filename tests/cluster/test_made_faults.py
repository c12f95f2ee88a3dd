"""The faults that tests make happen: networks that are cut, disks that are full."""

import http.server
import subprocess
import sys
import threading

import pytest

from salient.errors import Unavailable
from salient.storage.blob import Blobs
from tests.cluster import networks
from tests.cluster.disks import Locked, small_disk

ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])).status)"


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Nobody reads it."""


@pytest.fixture
def port():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(params=["proxy", "namespace"])
def net(request):
    if request.param == "proxy":
        made = networks.Network()
        yield made
        made.close()
        return
    with networks.network() as made:  # a namespace where there can be one
        yield made


def answers(net, url, within_s):
    """Whether a process in the network gets an answer."""
    command = net.command([sys.executable, "-c", ASK, url, str(within_s)])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "timed out" in done.stderr, done.stderr
    return done.stdout.strip() == "200"


def test_a_cut_network_is_silent_until_it_heals(net, port):
    url = net.through(f"http://127.0.0.1:{port}/", port)
    assert answers(net, url, 60)
    net.cut()
    assert not answers(net, url, 1)
    net.heal()
    assert answers(net, url, 60)
    net.slow(3)
    assert not answers(net, url, 1)


def test_a_full_disk_takes_nothing_until_there_is_room(tmp_path):
    with small_disk(tmp_path / "disk", 2) as disk:
        (disk.folder / "below").mkdir()
        disk.fill()
        with pytest.raises(OSError, match=r"No space left|Permission denied"):
            (disk.folder / "below" / "file").write_bytes(b"1")
        disk.empty()
        (disk.folder / "below" / "file").write_bytes(b"1")


def test_a_store_on_a_full_disk_is_away_until_there_is_room(tmp_path):
    with small_disk(tmp_path / "disk", 2) as disk, Blobs.open(f"file:{disk.folder}/blobs") as blobs:
        blobs.put("run/before", b"1")
        disk.fill()
        for size in (
            1,
            100_000,
            3_000_000,
        ):  # less than a buffer, more than one, more than the disk
            with pytest.raises(Unavailable):
                blobs.put("run/after", b"1" * size)
        disk.empty()
        blobs.put("run/after", b"1")
        assert list(blobs.list("run/")) == ["run/after", "run/before"]


def test_without_a_mount_folders_are_locked(tmp_path):
    (tmp_path / "below").mkdir()
    disk = Locked(tmp_path)
    disk.fill()
    assert not (tmp_path / "below").stat().st_mode & 0o222
    disk.empty()
    assert (tmp_path / "below").stat().st_mode & 0o200
