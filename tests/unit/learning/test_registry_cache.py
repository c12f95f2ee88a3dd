"""The folder of versions: one fetch for many, room, damage, and processes that are killed."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from salient.errors import Corrupt, LimitExceeded, Misconfigured, Unavailable
from salient.learning.registry import Registry
from salient.learning.registry.cache import Cache
from salient.learning.registry.files import Stored
from salient.learning.registry.manifest import Manifest
from salient.storage.blob import Blobs
from salient.storage.kv import KeyValue

ROOT = Path(__file__).resolve().parents[3]


class Counted:
    """A source that copies, counts what it was asked for, and may fail."""

    def __init__(self, blobs, fail=None):
        self.stored, self.fail, self.fetched = Stored(blobs), fail, []

    def manifest(self, version):
        return self.stored.manifest(version)

    def fetch(self, file, target):
        self.fetched.append(file.path)
        self.stored.fetch(file, target)
        if self.fail is not None:
            self.fail(file, target)

    def costs_bytes(self, manifest, folder):
        return manifest.size_bytes


@pytest.fixture
def blobs():
    with Blobs.open("memory:") as opened:
        yield opened


@pytest.fixture
def put(blobs, tmp_path):
    """Puts a version with these files."""

    def make(**files):
        folder = tmp_path / f"made-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        stored, manifest = Stored(blobs), Manifest.of(folder)
        stored.put(manifest, folder, anew=False)
        stored.commit(manifest)
        return manifest.version

    return make


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache", 10_000)


def test_a_version_is_fetched_once_and_held_by_many(cache, blobs, put):
    version, source = put(a=b"A", b=b"B"), Counted(blobs)
    with ThreadPoolExecutor(8) as threads:
        holds = list(threads.map(lambda _: cache.hold(version, source), range(8)))
    assert sorted(source.fetched) == ["a", "b"]
    assert {(h.folder / "a").read_bytes() for h in holds} == {b"A"}
    assert cache.in_use(version)
    for hold in holds:
        hold.release()
        hold.release()
    assert not cache.in_use(version)


def test_a_version_that_is_here_needs_no_store(cache, blobs, put):
    version = put(a=b"A")
    cache.hold(version, Counted(blobs)).release()
    with Blobs.open("memory:") as empty:
        cache.hold(version, Counted(empty)).release()


def test_fetched_files_cannot_be_written(cache, blobs, put):
    hold = cache.hold(put(a=b"A"), Counted(blobs))
    assert not (hold.folder / "a").stat().st_mode & 0o222
    hold.release()


class TestRoom:
    def test_what_was_used_longest_ago_goes_first(self, cache, blobs, put):
        source = Counted(blobs)
        versions = [put(a=bytes([i]) * 4000) for i in range(3)]
        for n, version in enumerate(versions[:2]):
            cache.hold(version, source).release()
            os.utime(cache.folder / ".locks" / f"{version}.use", (n, n))
        cache.hold(versions[0], source).release()  # the older one is used again
        cache.hold(versions[2], source).release()
        assert set(cache.versions()) == {versions[0], versions[2]}

    def test_what_is_held_never_goes(self, cache, blobs, put):
        source = Counted(blobs)
        first, second, third = (put(a=bytes([i]) * 4000) for i in range(3))
        held = [cache.hold(first, source), cache.hold(second, source)]
        with pytest.raises(LimitExceeded, match="in use"):
            cache.hold(third, source)
        assert {(h.folder / "a").read_bytes()[0] for h in held} == {0, 1}
        held.pop().release()
        cache.hold(third, source).release()
        assert set(cache.versions()) == {first, third}
        held.pop().release()

    def test_a_version_larger_than_the_cache_is_refused(self, cache, blobs, put):
        with pytest.raises(LimitExceeded, match="cache_bytes"):
            cache.hold(put(a=b"x" * 10_001), Counted(blobs))
        assert cache.versions() == {}

    def test_linked_files_take_no_room(self, tmp_path):
        with Blobs.open(f"file:{tmp_path}/blobs") as blobs, KeyValue.open("memory:") as kv:
            (tmp_path / "made").mkdir()
            (tmp_path / "made" / "a").write_bytes(b"x" * 100_000)
            with Registry(blobs, kv, tmp_path / "cache", cache_bytes=1000) as registry:
                registry.publish("one", tmp_path / "made")
                with registry.open("one") as opened:
                    assert opened.file("a").stat().st_nlink == 2
                    assert opened.file("a").stat().st_size == 100_000

    def test_what_killed_fetches_left_goes_when_room_is_made(self, cache, blobs, put):
        version, other = put(a=b"A"), put(a=b"B")
        with pytest.raises(KeyboardInterrupt):
            cache.hold(version, Counted(blobs, fail=_interrupt))
        assert (cache.folder / ".partial" / version).exists()
        cache.hold(other, Counted(blobs)).release()
        assert not (cache.folder / ".partial" / version).exists()


class TestFailure:
    def test_a_full_disk_leaves_nothing_behind_and_says_so(self, cache, blobs, put):
        version = put(a=b"A", b=b"B")

        def full(file, target):
            if file.path == "b":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with pytest.raises(Unavailable, match="No space left"):
            cache.hold(version, Counted(blobs, fail=full))
        assert not (cache.folder / ".partial" / version).exists()
        assert not cache.in_use(version)
        cache.hold(version, Counted(blobs)).release()

    def test_a_fetch_that_was_cut_off_goes_on_with_what_it_had(self, cache, blobs, put):
        version = put(a=b"A", b=b"B", c=b"C")

        def away(file, target):
            if file.path == "b":
                raise Unavailable("the store is away")

        with pytest.raises(Unavailable):
            cache.hold(version, Counted(blobs, fail=away))
        again = Counted(blobs)
        cache.hold(version, again).release()
        assert again.fetched == ["b", "c"]
        assert {p.name for p in (cache.folder / version / "files").iterdir()} == {"a", "b", "c"}

    def test_a_half_file_of_a_killed_fetch_is_not_taken_for_whole(self, cache, blobs, put):
        version = put(a=b"A" * 100)
        with pytest.raises(KeyboardInterrupt):
            cache.hold(version, Counted(blobs, fail=_interrupt))
        left = cache.folder / ".partial" / version / "files"
        left.mkdir(exist_ok=True)
        (left / "a").write_bytes(b"A" * 50)
        hold = cache.hold(version, Counted(blobs))
        assert (hold.folder / "a").read_bytes() == b"A" * 100
        hold.release()

    def test_a_folder_that_cannot_be_made_is_a_matter_of_settings(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(Misconfigured, match=r"models\.folder"):
            Cache(tmp_path / "file" / "cache", 1)


class TestDamage:
    @pytest.mark.parametrize("how", ["cut", "lost", "changed", "manifest", "stamps", "folder"])
    def test_damage_is_noticed_on_opening_and_mended(self, cache, blobs, put, how):
        version = put(a=b"A" * 100, b=b"B")
        holding = cache.hold(version, Counted(blobs))
        file, folder = holding.folder / "a", cache.folder / version
        file.chmod(0o644)
        match how:
            case "cut":
                os.truncate(file, 50)
            case "lost":
                file.unlink()
            case "changed":
                file.write_bytes(b"X" * 100)
            case "manifest":
                (folder / "manifest.json").write_text("{}")
            case "stamps":
                (folder / "stamps.json").write_text("[")
            case "folder":
                file.unlink()
                file.mkdir()
                file.rmdir()
        source = Counted(blobs)
        again = cache.hold(version, source)
        assert (again.folder / "a").read_bytes() == b"A" * 100
        assert source.fetched == ([] if how in ("manifest", "stamps") else ["a"])
        third = Counted(blobs)
        cache.hold(version, third).release()
        assert third.fetched == []
        again.release()
        holding.release()

    def test_a_change_that_kept_size_and_time_is_found_by_reading_all(self, cache, blobs, put):
        version = put(a=b"A" * 100)
        hold = cache.hold(version, Counted(blobs))
        file = hold.folder / "a"
        was = file.stat()
        file.chmod(0o644)
        with file.open("r+b") as stream:
            stream.write(b"X")
        os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
        assert cache.damaged(version) == ["a"]
        cache.hold(version, Counted(blobs)).release()
        assert file.read_bytes() == b"A" * 100
        assert cache.damaged(version) == []
        hold.release()

    def test_new_times_alone_fetch_nothing(self, cache, blobs, put):
        version = put(a=b"A")
        hold = cache.hold(version, Counted(blobs))
        os.utime(hold.folder / "a", (1, 1))
        source = Counted(blobs)
        cache.hold(version, source).release()
        assert source.fetched == []
        hold.release()

    def test_a_damaged_source_leaves_no_version(self, cache, blobs, put):
        version = put(a=b"A")
        blobs.put(next(iter(blobs.list("model/file/"))), b"X")
        with pytest.raises(Corrupt):
            cache.hold(version, Counted(blobs))
        assert cache.versions() == {}


def _interrupt(file, target):
    raise KeyboardInterrupt


CHILD = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from salient.learning.registry import Registry
    from salient.learning.registry import files
    from salient.storage.blob import Blobs

    root, act = Path(sys.argv[1]), sys.argv[2]
    copied = files.Stored._copied

    def told(self, key, target):
        digest = copied(self, key, target)
        with (root / "fetched").open("a") as file:
            file.write(key + "\\n")
        if act == "stall":
            print("fetched one", flush=True)
            sys.stdin.read()
        return digest

    files.Stored._copied = told
    files._linked = lambda path, target: None
    with Blobs.open(f"file:{root}/blobs") as blobs, Registry(blobs, None, root / "cache") as registry:
        print("ready", flush=True)
        sys.stdin.readline()
        with registry.open("one") as model:
            print(model.file("a").stat().st_ino, flush=True)
            if act == "hold":
                sys.stdin.read()
    """
)


@pytest.fixture
def published(tmp_path):
    (tmp_path / "made").mkdir()
    for name in "abc":
        (tmp_path / "made" / name).write_text(name * 1000)
    with (
        Blobs.open(f"file:{tmp_path}/blobs") as blobs,
        KeyValue.open("memory:") as kv,
        Registry(blobs, kv, tmp_path / "publisher") as registry,
    ):
        registry.publish("one", tmp_path / "made")
        yield registry


@pytest.fixture
def child(tmp_path):
    """Starts processes; kills what is left of them."""
    started = []

    def start(act):
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path), act],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT / "src",
        )  # fmt: skip
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def go(process):
    process.stdin.write("\n")
    process.stdin.flush()


def test_many_processes_that_start_at_once_fetch_once(published, child, tmp_path):
    children = [child("hold") for _ in range(5)]
    for each in children:
        go(each)
    inodes = {each.stdout.readline() for each in children}
    assert len(inodes) == 1
    assert len((tmp_path / "fetched").read_text().splitlines()) == 3


def test_a_process_killed_while_it_fetches_holds_nobody_up(published, child, tmp_path):
    first, second = child("stall"), child("hold")
    go(first)
    assert first.stdout.readline() == "fetched one\n"
    go(second)
    first.send_signal(signal.SIGKILL)
    assert int(second.stdout.readline())
    assert {p.name for p in (tmp_path / "cache" / ".partial").iterdir()} == set()


def test_what_a_killed_process_held_may_go(published, child, tmp_path):
    holder = child("hold")
    go(holder)
    holder.stdout.readline()
    cache = Cache(tmp_path / "cache", 1)
    (version,) = cache.versions()
    assert cache.in_use(version)
    holder.kill()
    holder.wait()
    assert not cache.in_use(version)
