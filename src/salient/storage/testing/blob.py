"""What every blob backend promises."""

from __future__ import annotations

import io
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO, cast

import pytest

from salient.errors import Conflict, InvalidInput, LimitExceeded, NotFound, Unavailable
from salient.storage.blob import Blobs

HOSTILE = [
    "a", "A", "a/b", "a/b/c", "a.", "a..b", ".hidden", "...", "a/.../b", "con", "nul.txt", "%", "%41",
    "a%2fb", "~", "=a", "a=", "-rf", " ", "a ", "\n", "\t", "a\\b", "C:\\x", "c:", "*", "?", "<|>", '"', "'",
    "ü", "u\u0308", "İ", "ß", "ſ", "文件/東京", "🜚", "\u202e", "a" * 512, "é" * 256, "x" * 250 + "/" + "y" * 250,
    ".partial", ".partial/x", "a/=b",
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

    # --- concurrency

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
        done = threading.Event()

        def write() -> None:
            for i in range(24):
                blobs.put("k", contents[i % 4])
            done.set()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            while not done.is_set():
                assert blobs.get("k") in contents
        finally:
            writer.join()

    def test_put_and_delete_beside_each_other_do_not_fail(self, blobs: Blobs) -> None:
        def come_and_go(i: int) -> None:
            for _ in range(15):
                blobs.put(f"same/folder/{i}", b"x")
                assert blobs.delete(f"same/folder/{i}")

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(come_and_go, range(6)))
        assert list(blobs.list()) == []

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
            lambda: list(blobs.list()),
        ):
            with pytest.raises(Unavailable):
                call()
        blobs.close()
