"""A file that hangs, eats, floods or crashes costs one conversion and nothing else."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import psutil
import pytest

from salient import errors
from salient.readers import MIB, Limits
from salient.readers.child import Converter

READERS = {
    f"x/{name}": f"hostile_readers:{name}"
    for name in (
        "hang", "hang_after_three", "eat", "eat_in_c", "crash", "crash_after_two", "flood", "big_child",
        "network", "program", "prints", "raises", "well", "many_children", "deep", "dies_when_idle",
    )
}  # fmt: skip

HOSTILE = """
import ctypes, os, socket, subprocess, sys, threading, time
import numpy as np
from salient.errors import LimitExceeded
from salient.model import Block, Child, Kind, Metadata, Note, Part

VERSION = 7

def part(n, text="some words"):
    return Part([Block(Kind.PARAGRAPH, f"{text} {n}", 0, np.array([[0, 4]], np.int32),
                       np.array([[.1, .1, .2, .2]], np.float32))], n, 600, 800)

def well(file, limits):
    yield Metadata({"title": "T", "pages": "1"})
    yield part(1)
    yield Note("odd", "something odd", 1)
    yield Child("in side.txt", b"child")

def hang(file, limits):
    # In C, holding nothing that Python could interrupt.
    ctypes.PyDLL(None).sleep(1000)
    yield part(1)

def hang_after_three(file, limits):
    yield Metadata({"pages": "10"})
    for n in (1, 2, 3):
        yield part(n)
    time.sleep(1000)

def eat(file, limits):
    held = []
    while True:
        held.append(bytearray(8 << 20))
    yield part(1)

def eat_in_c(file, limits):
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
    while True:  # shared memory is not held by RLIMIT_DATA: the parent has to see it
        at = libc.mmap(None, 8 << 20, 3, 0x21, -1, 0)
        ctypes.memset(at, 1, 8 << 20)
        time.sleep(0.002)
    yield part(1)

def crash(file, limits):
    os.abort()
    yield part(1)

def crash_after_two(file, limits):
    yield part(1)
    yield part(2)
    ctypes.string_at(0)

def flood(file, limits):
    n = 0
    while True:
        n += 1
        yield part(n, "x" * 1_000_000)

def big_child(file, limits):
    yield part(1)
    yield Child("film.bin", b"ab" * (6 << 20))

def many_children(file, limits):
    for n in range(50):
        yield Child(f"{n}", b"x")

def network(file, limits):
    try:
        socket.create_connection(("127.0.0.1", 9), 1)
        said = "connected"
    except ConnectionRefusedError:
        said = "reached"
    except OSError as exc:
        said = type(exc).__name__
    yield part(1, said)

def program(file, limits):
    try:
        subprocess.run([sys.executable, "-c", ""])
        said = "ran"
    except OSError as exc:
        said = type(exc).__name__
    yield part(1, said)

def prints(file, limits):
    print("noise " * 1000, flush=True)
    os.write(1, b"more noise")
    yield part(1)

def raises(file, limits):
    yield part(1)
    yield part(2)
    raise LimitExceeded("too many members: split it", code="too_many", n=3)

def deep(file, limits):
    def down(n):
        return down(n + 1)
    down(0)
    yield part(1)

def dies_when_idle(file, limits):
    yield part(1)
    threading.Timer(0.3, os._exit, (0,)).start()
"""


@pytest.fixture
def converter(tmp_path, monkeypatch):
    (tmp_path / "hostile_readers.py").write_text(HOSTILE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Converter(extra_readers=READERS) as made:
        yield made


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "file.x"
    made.write_bytes(b"x")
    return made


def still_works(converter, file):
    return converter.convert(file, "f", media_type="x/well").text.text == "some words 1"


def test_what_the_reader_yields_comes_back(converter, file):
    done = converter.convert(file, "f", media_type="x/well")
    assert done.text.text == "some words 1"
    assert done.text.metadata["title"] == "T"
    assert [(n.code, n.page) for n in done.text.notes] == [("odd", 1)]
    ((page, *box),) = done.text.boxes(0, 4)
    assert page == 1
    assert box == pytest.approx([0.1, 0.1, 0.2, 0.2])
    assert [(c.name, c.content) for c in done.children] == [("in side.txt", b"child")]
    assert (done.media_type, done.component) == ("x/well", "hostile_readers@7")
    assert 0 < done.peak_memory_bytes < 300 * MIB


def test_a_hang_is_killed_in_time(converter, file):
    converter.convert(file, "f", media_type="x/well")
    started = time.monotonic()
    with pytest.raises(errors.TimedOut) as info:
        converter.convert(file, "f", Limits(time_s=0.5), media_type="x/hang")
    assert time.monotonic() - started < 3
    assert info.value.context["code"] == "timed_out"
    assert still_works(converter, file)


def test_pages_read_before_a_hang_are_kept_and_the_rest_is_counted(converter, file):
    done = converter.convert(file, "f", Limits(time_s=1.0), media_type="x/hang_after_three")
    assert done.text.n_pages == 3
    (note,) = done.text.notes
    assert note.code == "timed_out"
    assert note.message.startswith("pages 4-10 were left out")


@pytest.mark.parametrize("how", ["eat", "eat_in_c"])
def test_a_memory_eater_is_stopped_below_the_limit_and_a_margin(converter, file, how):
    limits = Limits(memory_bytes=250 * MIB, time_s=60)
    with pytest.raises(errors.LimitExceeded) as info:
        converter.convert(file, "f", limits, media_type=f"x/{how}")
    assert info.value.context["code"] == "out_of_memory"
    assert still_works(converter, file)


def test_a_crash_is_an_error_of_that_file(converter, file):
    with pytest.raises(errors.InvalidInput) as info:
        converter.convert(file, "f", media_type="x/crash")
    assert info.value.context["code"] == "reader_crashed"
    assert still_works(converter, file)


def test_pages_read_before_a_crash_are_kept(converter, file):
    done = converter.convert(file, "f", media_type="x/crash_after_two")
    assert done.text.n_pages == 2
    assert [n.code for n in done.text.notes] == ["reader_crashed"]


def test_pages_read_before_an_error_are_kept(converter, file):
    done = converter.convert(file, "f", media_type="x/raises")
    assert done.text.n_pages == 2
    (note,) = done.text.notes
    assert (note.code, note.message.endswith("too many members: split it")) == ("too_many", True)


def test_a_flood_of_text_stops_at_the_limit(converter, file):
    done = converter.convert(file, "f", Limits(max_characters=3_500_000), media_type="x/flood")
    assert len(done.text.text) < 3_500_000
    assert [(n.code, n.page) for n in done.text.notes] == [("text_left_out", 4)]


def test_a_large_child_comes_back_whole(converter, file):
    (child,) = converter.convert(file, "f", media_type="x/big_child").children
    assert child.content == b"ab" * (6 << 20)


def test_large_children_are_not_held_in_memory(converter, file):
    big = converter.convert(file, "f", media_type="x/big_child")
    (held,) = big.children
    assert converter.convert(file, "f", media_type="x/well").children[0].content == b"child"
    with pytest.raises(FileNotFoundError):  # the next conversion let go of it
        _ = held.content


def test_children_beyond_the_limit_are_counted(converter, file):
    done = converter.convert(file, "f", Limits(max_children=20), media_type="x/many_children")
    assert len(done.children) == 20
    assert done.text.notes[0].message.startswith("30 documents")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="seccomp is Linux's")
@pytest.mark.parametrize("how", ["network", "program"])
def test_the_child_reaches_no_network_and_starts_no_program(converter, file, how):
    assert converter.convert(file, "f", media_type=f"x/{how}").text.text == "PermissionError 1"


def test_what_libraries_print_does_not_reach_the_parent(converter, file):
    assert converter.convert(file, "f", media_type="x/prints").text.text == "some words 1"


def test_endless_recursion_is_a_damaged_file(converter, file):
    with pytest.raises(errors.InvalidInput) as info:
        converter.convert(file, "f", media_type="x/deep")
    assert info.value.context["code"] == "malformed"


def test_a_child_that_died_between_files_is_replaced(converter, file):
    converter.convert(file, "f", media_type="x/dies_when_idle")
    time.sleep(0.8)
    assert still_works(converter, file)


def test_an_empty_file_says_so(converter, tmp_path):
    (tmp_path / "e").touch()
    with pytest.raises(errors.InvalidInput) as info:
        converter.convert(tmp_path / "e", "e.pdf")
    assert info.value.context["code"] == "empty"


def test_a_path_that_vanished_is_not_found(converter, tmp_path):
    with pytest.raises(errors.NotFound) as info:
        converter.convert(tmp_path / "gone", "gone.pdf")
    assert info.value.context["code"] == "vanished"


def test_a_type_without_reader_is_unsupported(converter, file):
    with pytest.raises(errors.Unsupported):
        converter.convert(file, "f", media_type="application/x-nothing")


def test_the_child_is_recycled(tmp_path, monkeypatch, file):
    (tmp_path / "hostile_readers.py").write_text(HOSTILE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Converter(extra_readers=READERS, recycle_files=2) as converter:
        pids = []
        for _ in range(3):
            assert still_works(converter, file)
            pids.append(converter.pid)
    assert pids[0] == pids[1] != pids[2]


def test_close_ends_the_child(file, tmp_path, monkeypatch):
    (tmp_path / "hostile_readers.py").write_text(HOSTILE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    converter = Converter(extra_readers=READERS)
    assert still_works(converter, file)
    pid = converter.pid
    converter.close()
    assert not psutil.pid_exists(pid)
    with pytest.raises(errors.Unavailable):
        converter.convert(file, "f")


def test_the_child_outlives_the_thread_that_first_asked_for_it(converter, file):
    thread = threading.Thread(target=still_works, args=(converter, file))
    thread.start()
    thread.join()
    pid = converter.pid
    time.sleep(0.2)
    assert still_works(converter, file)
    assert converter.pid == pid


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the death signal is Linux's")
def test_kill_9_of_the_parent_leaves_no_child(tmp_path, file):
    (tmp_path / "hostile_readers.py").write_text(HOSTILE)
    program = textwrap.dedent(
        f"""
        import threading, time
        from pathlib import Path
        from salient.readers.child import Converter
        c = Converter(extra_readers={READERS!r})
        c.convert(Path({str(file)!r}), "f", media_type="x/well")
        print(c.pid, flush=True)
        c.convert(Path({str(file)!r}), "f", media_type="x/hang")
        """
    )
    source = str(Path(__file__).parents[3] / "src")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([source, str(tmp_path)])}
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment
    ) as parent:
        child = int(parent.stdout.readline())
        assert psutil.pid_exists(child)
        time.sleep(0.3)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    until = time.monotonic() + 5
    while time.monotonic() < until and _alive(child):
        time.sleep(0.05)
    assert not _alive(child)


def _alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
