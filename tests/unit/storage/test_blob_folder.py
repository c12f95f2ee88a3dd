"""Blobs on the file system: kills, other people's files, clean folders."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salient.errors import InvalidInput, Misconfigured, Unavailable
from salient.storage.blob import Blobs


@pytest.fixture
def blobs(tmp_path):
    with Blobs.open(f"file:{tmp_path}/blobs?sync=no") as store:
        yield store


def test_killed_writer_leaves_nothing_to_be_seen(tmp_path):
    url = f"file:{tmp_path}/blobs"
    code = (
        "import sys\nfrom salient.storage.blob import Blobs\n"
        "class Slow:\n"
        "    sent = False\n"
        "    def read(self, n):\n"
        "        if self.sent: print('ready', flush=True); sys.stdin.read()\n"
        "        self.sent = True; return b'half'\n"
        "Blobs.open(sys.argv[1]).put('a/b', Slow())\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert process.stdout.readline() == b"ready\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    with Blobs.open(url) as store:
        assert list(store.list()) == []
        (partial,) = (tmp_path / "blobs/.partial").iterdir()  # young: may be somebody's at work
    long_ago = time.time() - 48 * 3600
    os.utime(partial, (long_ago, long_ago))
    with Blobs.open(url) as store:
        assert not partial.exists()
        store.put("a/b", b"whole")
        assert store.get("a/b") == b"whole"


def test_deleting_leaves_no_empty_folders(blobs, tmp_path):
    for key in ("a/b/c", "a/b/d", "x" * 300 + "/y"):
        blobs.put(key, b"")
    for key in list(blobs.list()):
        blobs.delete(key)
    assert [p.name for p in (tmp_path / "blobs").iterdir()] == [".partial"]
    assert list((tmp_path / "blobs/.partial").iterdir()) == []


def test_no_key_leaves_the_folder(blobs, tmp_path):
    for key in ("...", "..a", "a..", "\\..\\x", "~root", "%2e%2e/x"):
        blobs.put(key, b"x")
        path = blobs.path(key)
        assert Path(os.path.realpath(path)).is_relative_to(tmp_path / "blobs")
        assert path.name.startswith("=")
    assert [p.name for p in tmp_path.iterdir()] == ["blobs"]


def test_files_of_other_people_are_not_listed(blobs, tmp_path):
    (tmp_path / "blobs/readme.txt").write_text("hello")
    (tmp_path / "blobs/=%zz").write_text("hello")
    (tmp_path / "blobs/.DS_Store").write_text("hello")
    (tmp_path / "blobs/%").write_text("hello")
    blobs.put("k", b"")
    assert list(blobs.list()) == ["k"]


def test_names_on_disk_survive_a_file_system_that_folds_case(blobs, tmp_path):
    for key in ("File", "file", "FILE", "é", "e\u0301", "x.", "x"):
        blobs.put(key, key.encode())
    names = [p.name for p in (tmp_path / "blobs").iterdir()]
    assert len({n.lower() for n in names}) == len(names)
    assert all(n.isascii() and not n.endswith((".", " ")) for n in names)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(
    st.lists(
        st.text(st.sampled_from("ab/.%=~Aé \n東"), max_size=8) | st.text(max_size=12), max_size=8
    )
)
def test_any_keys_come_back_in_order(blobs, keys):
    kept = set()
    for key in keys:
        try:
            blobs.put(key, key.encode())
        except InvalidInput:
            continue
        kept.add(key)
    assert list(blobs.list()) == sorted(kept, key=str.encode)
    for key in kept:
        assert blobs.get(key) == key.encode()
        assert blobs.delete(key)


def test_place_that_cannot_be_is_unavailable(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable):
        Blobs.open(f"file:{tmp_path}/file/x")


@pytest.mark.parametrize("url", ["file:", "file:x?nosuch=1"])
def test_senseless_url_is_a_misconfiguration(url):
    with pytest.raises(Misconfigured):
        Blobs.open(url)


def test_durable_writing_works_too(tmp_path):
    with Blobs.open(f"file:{tmp_path}/new/blobs") as store:
        store.put("a/b/c", b"x")
        store.put("a/b/c", b"y")
        assert store.get("a/b/c") == b"y"
