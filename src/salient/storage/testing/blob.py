"""What every blob backend promises."""

from __future__ import annotations

import hashlib
import io
import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, cast

import pytest

from salient.errors import (
    Conflict,
    InvalidInput,
    LimitExceeded,
    NotFound,
    Unavailable,
    Unsupported,
)
from salient.storage.blob import Blobs

HOSTILE = [
    "a", "A", "a/b", "a/b/c", "a.", "a..b", ".hidden", "...", "a/.../b", "con", "nul.txt", "%", "%41",
    "a%2fb", "~", "=a", "a=", "-rf", " ", "a ", "\n", "\t", "a\\b", "C:\\x", "c:", "*", "?", "<|>", '"', "'",
    "ü", "u\u0308", "İ", "ß", "ſ", "文件/東京", "🜚", "\u202e", "a" * 512, "é" * 256, "x" * 250 + "/" + "y" * 250,
    ".partial", ".partial/x", "a/=b", "." * 512, " " * 512, "[" * 512, "a]" * 256, "-\\" * 256, "\uffff" * 170,
    "\ufffd", "\ufffe", "!", "!_", "a+b", "a b", "a&b=c#d", "x" * 250 + "/" + "." * 250, "\x7f", "\x01",
]  # fmt: skip


class _Slow(io.RawIOBase):
    """A source that gives its bytes in small pieces and may fail at the end."""

    def __init__(self, content: bytes, *, fail: bool = False) -> None:
        self._content, self._at, self._fail = content, 0, fail

    def read(self, size: int = -1, /) -> bytes:
        piece = self._content[self._at : self._at + 7]
        self._at += len(piece)
        if not piece and self._fail:
            raise ConnectionResetError("the source is gone")
        return piece


def _source(content: bytes, *, fail: bool = False) -> BinaryIO:
    return cast(BinaryIO, _Slow(content, fail=fail))


class _Long(io.RawIOBase):
    """A source of many bytes that are never in memory together; one letter after another."""

    def __init__(self, size: int) -> None:
        self._left, self._letter = size, 0
        self.digest = hashlib.blake2b()

    def read(self, size: int = -1, /) -> bytes:
        size = min(self._left, 65_537 if size < 0 else size)
        piece = bytes([97 + self._letter % 26]) * size
        self._letter += 1
        self._left -= size
        self.digest.update(piece)
        return piece


def _digest(stream: BinaryIO) -> bytes:
    digest = hashlib.blake2b()
    while piece := stream.read(1_000_003):
        digest.update(piece)
    return digest.digest()


class BlobContract:
    """Supply `blobs`, an empty open store."""

    @pytest.mark.parametrize("content", [b"", b"\x00", b"abc" * 1000, bytes(3_000_001)])
    def test_blob_comes_back_as_it_went_in(self, blobs: Blobs, content: bytes) -> None:
        assert blobs.put("k", content) == len(content)
        assert blobs.get("k") == content
        assert bytes(blobs.view("k")) == content
        with blobs.stream("k") as stream:
            assert stream.read(2) == content[:2]
            stream.seek(0)
            assert stream.read() == content
        assert blobs.size("k") == len(content)
        assert blobs.exists("k")

    def test_every_kind_of_source_is_read_to_its_end(self, blobs: Blobs) -> None:
        content = b"0123456789" * 10
        for source in (content, bytearray(content), memoryview(content), io.BytesIO(content)):
            blobs.put("k", source)
            assert blobs.get("k") == content
        assert blobs.put("k", _source(content)) == 100
        assert blobs.get("k") == content

    @pytest.mark.parametrize("size", [8 * 1024 * 1024, 20_000_000])
    def test_large_blob_comes_back_too(self, blobs: Blobs, size: int) -> None:
        source = _Long(size)
        assert blobs.put("k", cast(BinaryIO, source)) == blobs.size("k") == size
        with blobs.stream("k") as stream:
            assert _digest(stream) == source.digest.digest()
            stream.seek(size - 5)
            tail = stream.read()
            assert stream.seek(0, 2) == size
            assert stream.read() == b""
        view = blobs.view("k")
        assert hashlib.blake2b(view).digest() == source.digest.digest()
        assert bytes(view[-5:]) == tail == blobs.read_range("k", size - 5, size + 5)
        assert blobs.read_range("k", 65_530, 65_550) == bytes(view[65_530:65_550])

    def test_hostile_keys_live_side_by_side(self, blobs: Blobs) -> None:
        for key in HOSTILE:
            blobs.put(key, key.encode())
        assert list(blobs.list()) == sorted(HOSTILE, key=str.encode)
        for key in HOSTILE:
            assert blobs.get(key) == key.encode()
        for key in HOSTILE:
            assert blobs.delete(key)
            assert not blobs.exists(key)
        assert list(blobs.list()) == []

    @pytest.mark.parametrize(
        "key",
        ["", "/", "/etc/passwd", "a/", "a//b", ".", "..", "../x", "a/../b", "a/./b", "a/..", "x\0", "\ud800",
         "x" * 513, "é" * 257],
    )  # fmt: skip
    def test_bad_key_is_the_callers_fault(self, blobs: Blobs, key: str) -> None:
        for call in (
            lambda: blobs.put(key, b""),
            lambda: blobs.get(key),
            lambda: blobs.view(key),
            lambda: blobs.exists(key),
            lambda: blobs.delete(key),
            lambda: blobs.path(key),
            lambda: blobs.read_range(key, 0, 1),
        ):
            with pytest.raises(InvalidInput):
                call()

    def test_missing_blob_is_not_found(self, blobs: Blobs) -> None:
        blobs.put("a/b", b"")
        for key in ("nowhere", "a", "a/b/c"):
            assert not blobs.exists(key)
            assert not blobs.delete(key)
            for call in (blobs.get, blobs.view, blobs.stream, blobs.size, blobs.path):
                with pytest.raises(NotFound):
                    call(key)
            with pytest.raises(NotFound):
                blobs.read_range(key, 0, 1)

    def test_range_is_cut_at_the_end(self, blobs: Blobs) -> None:
        blobs.put("k", b"0123456789")
        assert blobs.read_range("k", 2, 5) == b"234"
        assert blobs.read_range("k", 8, 99) == b"89"
        assert blobs.read_range("k", 10, 20) == b""
        assert blobs.read_range("k", 50, 2**62) == b""
        assert blobs.read_range("k", 3, 3) == b""
        for start, end in ((-1, 2), (3, 2)):
            with pytest.raises(InvalidInput):
                blobs.read_range("k", start, end)

    def test_ranges_are_all_of_one_content(self, blobs: Blobs) -> None:
        blobs.put("k", b"0123456789")
        wanted = [b"12", b"", b"89", b"", b"0123456789"]
        assert list(blobs.read_ranges("k", [(1, 3), (4, 4), (8, 99), (99, 100), (0, 10)])) == wanted
        assert list(blobs.read_ranges("k", [])) == []
        with pytest.raises(InvalidInput):
            blobs.read_ranges("k", [(0, 1), (3, 2)])
        with pytest.raises(NotFound):
            blobs.read_ranges("nowhere", [])
        contents = [bytes([65 + i]) * (200_000 + 10_000 * i) for i in range(4)]
        blobs.put("k", contents[0])

        def look() -> None:
            first, last = blobs.read_ranges("k", [(0, 3), (199_990, 500_000)])
            assert first * len(last) == last * 3
            assert len(last) == 10 + 10_000 * (first[0] - 65)

        _while_replaced(blobs, contents, look)

    def test_empty_blob_has_empty_ranges(self, blobs: Blobs) -> None:
        blobs.put("k", b"")
        assert blobs.read_range("k", 0, 10) == b""
        assert list(blobs.read_ranges("k", [(0, 5), (3, 3)])) == [b"", b""]

    def test_path_holds_the_content_if_there_is_one(self, blobs: Blobs) -> None:
        blobs.put("k", b"content")
        path = blobs.path("k")
        assert path is None or path.read_bytes() == b"content"

    # --- order

    def test_list_is_in_order_and_takes_the_prefix_literally(self, blobs: Blobs) -> None:
        keys = [
            "a/b",
            "a.b",
            "a",
            "ab",
            "a/b.c",
            "a%b",
            "a_b",
            "B",
            "é",
            "c" * 80 + "/y",
            "c" * 80 + "!",
            "c" * 90,
        ]
        for key in keys:
            blobs.put(key, b"")
        assert list(blobs.list()) == sorted(keys, key=str.encode)
        for prefix in ("a", "a/", "a%", "a_", "A", "c", "c" * 80, "c" * 81, "é", "zz"):
            wanted = sorted((k for k in keys if k.startswith(prefix)), key=str.encode)
            assert list(blobs.list(prefix)) == wanted

    def test_entries_tell_what_there_is(self, blobs: Blobs) -> None:
        for i, key in enumerate(("a", "a/b", "b", "a.c")):
            blobs.put(key, b"x" * 100 * i)
        found = list(blobs.entries("a"))
        assert [(e.key, e.size_bytes) for e in found] == [("a", 0), ("a.c", 300), ("a/b", 100)]
        for entry in found:
            assert entry.version == blobs.version(entry.key)
            assert entry.modified.utcoffset() is not None
        assert list(blobs.entries("zz")) == []

    def test_many_are_listed_in_order_and_deleted_together(self, blobs: Blobs) -> None:
        keys = [f"many/{i:04}" for i in range(120)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: blobs.put(key, b""), keys))
        blobs.put("man", b"")
        assert list(blobs.list("many/")) == keys
        assert list(blobs.list("many/007")) == keys[70:80]
        assert blobs.delete_prefix("many/") == 120
        assert list(blobs.list()) == ["man"]

    def test_deleting_a_prefix_takes_it_literally(self, blobs: Blobs) -> None:
        for key in ("a", "a/b", "a/b/c", "a%", "ab", "b"):
            blobs.put(key, b"")
        assert blobs.delete_prefix("a/") == 2
        assert list(blobs.list()) == ["a", "a%", "ab", "b"]
        assert blobs.delete_prefix("a/") == 0
        assert blobs.delete_prefix("a%") == 1
        assert blobs.delete_prefix("") == 3
        assert list(blobs.list()) == []

    # --- whole or not at all

    def test_put_replaces_and_readers_keep_what_they_opened(self, blobs: Blobs) -> None:
        blobs.put("k", b"old" * 10_000)
        view, stream = blobs.view("k"), blobs.stream("k")
        blobs.put("k", b"new")
        assert blobs.get("k") == b"new"
        assert bytes(view) == b"old" * 10_000
        blobs.delete("k")
        with stream:
            assert stream.read() == b"old" * 10_000

    def test_source_that_fails_leaves_nothing(self, blobs: Blobs) -> None:
        with pytest.raises(ConnectionResetError):
            blobs.put("k", _source(b"half", fail=True))
        assert not blobs.exists("k")
        blobs.put("k", b"whole")
        with pytest.raises(ConnectionResetError):
            blobs.put("k", _source(b"half", fail=True))
        assert blobs.get("k") == b"whole"
        assert list(blobs.list()) == ["k"]

    def test_source_over_the_limit_leaves_nothing(self, blobs: Blobs) -> None:
        for source in (b"12345", _source(b"12345")):
            with pytest.raises(LimitExceeded):
                blobs.put("k", source, max_bytes=4)
        assert not blobs.exists("k")
        assert blobs.put("k", _source(b"1234"), max_bytes=4) == 4

    def test_taken_name_is_a_conflict(self, blobs: Blobs) -> None:
        blobs.put("k", b"first", only_if_absent=True)
        with pytest.raises(Conflict):
            blobs.put("k", b"second", only_if_absent=True)
        assert blobs.get("k") == b"first"

    def test_version_changes_with_the_content(self, blobs: Blobs) -> None:
        with pytest.raises(NotFound):
            blobs.version("k")
        seen = set()
        for content in (b"1", b"2", b"3", b"", b"33"):
            blobs.put("k", content)
            seen.add(blobs.version("k"))
            assert blobs.version("k") in seen
        assert len(seen) == 5
        blobs.put("other", b"o")
        assert blobs.version("k") in seen

    def test_only_the_version_asked_for_is_replaced(self, blobs: Blobs) -> None:
        blobs.put("k", b"1")
        old = blobs.version("k")
        assert blobs.put("k", b"second", if_version=old) == 6
        assert blobs.version("k") != old
        with pytest.raises(Conflict):
            blobs.put("k", b"third", if_version=old)
        with pytest.raises(Conflict):
            blobs.put("nowhere", b"third", if_version=old)
        with pytest.raises(ConnectionResetError):
            blobs.put("k", _source(b"half", fail=True), if_version=blobs.version("k"))
        assert blobs.get("k") == b"second"
        assert list(blobs.list()) == ["k"]
        gone = blobs.version("k")
        blobs.delete("k")
        with pytest.raises(Conflict):
            blobs.put("k", b"third", if_version=gone)
        assert not blobs.exists("k")
        for condition in ({"only_if_absent": True, "if_version": old}, {"if_version": ""}):
            with pytest.raises(InvalidInput):
                blobs.put("k", b"", **condition)

    def test_condition_holds_for_a_large_source_too(self, blobs: Blobs) -> None:
        size = 9_000_000
        assert blobs.put("k", cast(BinaryIO, _Long(size)), only_if_absent=True) == size
        with pytest.raises(Conflict):
            blobs.put("k", cast(BinaryIO, _Long(size + 1)), only_if_absent=True)
        version = blobs.version("k")
        assert blobs.put("k", cast(BinaryIO, _Long(size + 2)), if_version=version) == size + 2
        with pytest.raises(Conflict):
            blobs.put("k", cast(BinaryIO, _Long(size + 3)), if_version=version)
        assert blobs.size("k") == size + 2

    # --- concurrency

    def test_no_change_is_lost_among_many_that_ask_for_a_version(self, blobs: Blobs) -> None:
        blobs.put("k", b"0")

        def add(_: int) -> None:
            for _ in range(5):
                while True:
                    version = blobs.version("k")
                    total = int(blobs.get("k")) + 1
                    try:
                        blobs.put("k", str(total).encode(), if_version=version)
                    except Conflict:
                        continue
                    break

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(add, range(4)))
        assert blobs.get("k") == b"20"

    def test_only_one_of_many_claims_a_name(self, blobs: Blobs) -> None:
        together = threading.Barrier(8)

        class Late(_Slow):
            """Its bytes come when all the others have begun too."""

            def read(self, size: int = -1, /) -> bytes:
                if self._at == 0:
                    together.wait(30)
                return super().read(size)

        def claim(i: int) -> bool:
            try:
                blobs.put("k", cast(BinaryIO, Late(str(i).encode())), only_if_absent=True)
            except Conflict:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(claim, range(8)))
        assert won.count(True) == 1
        assert blobs.get("k") == str(won.index(True)).encode()

    def test_readers_never_see_half_a_blob(self, blobs: Blobs) -> None:
        contents = [bytes([i]) * 300_000 for i in range(4)]
        blobs.put("k", contents[0])

        def look() -> None:
            assert blobs.get("k") in contents

        _while_replaced(blobs, contents, look)

    def test_put_and_delete_beside_each_other_do_not_fail(self, blobs: Blobs) -> None:
        def come_and_go(i: int) -> None:
            for _ in range(15):
                blobs.put(f"same/folder/{i}", b"x")
                assert blobs.delete(f"same/folder/{i}")

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(come_and_go, range(6)))
        assert list(blobs.list()) == []

    # --- what only some can

    def test_url_gives_one_blob_to_others(self, blobs: Blobs) -> None:
        for bad in ({"expires_s": 0}, {"expires_s": 1e9}, {"method": "DELETE"}):
            with pytest.raises(InvalidInput):
                blobs.presigned("k", **bad)
        key = "a folder/ä+b&c#?%41"
        if "presigned" not in blobs.features:
            with pytest.raises(Unsupported):
                blobs.presigned(key)
            return
        blobs.put(key, b"content")
        assert _fetched(blobs.presigned(key)) == b"content"
        url = blobs.presigned("new", method="PUT", expires_s=60)
        request = urllib.request.Request(url, data=b"by others", method="PUT")  # noqa: S310 # ours
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310
            pass
        assert blobs.get("new") == b"by others"
        assert list(blobs.list()) == [key, "new"]

    def test_store_in_order_has_nothing_to_move_or_repair(self, blobs: Blobs) -> None:
        for i in range(20):
            blobs.put(f"k/{i}", b"x")
        if "rebalance" in blobs.features:
            assert list(blobs.misplaced()) == list(blobs.rebalance()) == []
        else:
            for call in (blobs.misplaced, blobs.rebalance):
                with pytest.raises(Unsupported):
                    list(call())
        if "repair" in blobs.features:
            assert blobs.repair("k/") == 0
        else:
            with pytest.raises(Unsupported):
                blobs.repair()

    # --- gone

    def test_closed_store_is_unavailable(self, blobs: Blobs) -> None:
        blobs.put("k", b"v")
        blobs.close()
        for call in (
            lambda: blobs.get("k"),
            lambda: blobs.put("k", b""),
            lambda: blobs.exists("k"),
            lambda: blobs.delete("k"),
            lambda: blobs.view("k"),
            lambda: blobs.stream("k"),
            lambda: blobs.version("k"),
            lambda: blobs.read_range("k", 0, 1),
            lambda: list(blobs.list()),
            lambda: list(blobs.entries()),
            lambda: blobs.delete_prefix(""),
            lambda: blobs.path("k"),
        ):
            with pytest.raises(Unavailable):
                call()
        blobs.close()


def _while_replaced(blobs: Blobs, contents: list[bytes], look: Callable[[], None]) -> None:
    """Look again and again at `k` while another thread puts one content after another there."""
    done = threading.Event()

    def write() -> None:
        try:
            for i in range(24):
                blobs.put("k", contents[i % len(contents)])
        finally:
            done.set()

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        while not done.is_set():
            look()
        writer.result()


def _fetched(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 # ours
        content: bytes = answer.read()
    return content
