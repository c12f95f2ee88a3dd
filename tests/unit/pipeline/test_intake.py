"""Sources are found lazily and copied by content; what cannot be read is told, not raised."""

import os
import socket

import pytest

from salient.errors import NotFound
from salient.model import Source
from salient.pipeline.intake import again, original_key, readable, sources, take
from salient.storage.blob import Blobs

MB = 1024 * 1024


@pytest.fixture
def blobs(tmp_path):
    opened = Blobs.open(f"file:{tmp_path}/blobs")
    yield opened
    opened.close()


def one(path):
    (source,) = sources([str(path)])
    return source


def test_a_folder_is_walked_in_name_order(tmp_path):
    for name in ("b/2.txt", "a.txt", "b/1.txt", ".DS_Store"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert [s.name for s in sources([str(tmp_path)])] == ["a.txt", "b/1.txt", "b/2.txt"]


def test_a_missing_path_is_the_callers_fault(tmp_path):
    with pytest.raises(NotFound, match="no file or folder"):
        list(sources([str(tmp_path / "none")]))


def test_a_loop_of_links_ends(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "loop").symlink_to(tmp_path)
    (tmp_path / "x" / "a.txt").write_text("a")
    assert len(list(sources([str(tmp_path)]))) == 1


def test_bytes_are_kept_by_content(tmp_path, blobs):
    (tmp_path / "a").write_bytes(b"same")
    (tmp_path / "b").write_bytes(b"same")
    first, second = (take(one(tmp_path / n), blobs, MB) for n in "ab")
    assert first.version == second.version
    assert blobs.get(original_key(first.version)) == b"same"
    assert first.size_bytes == 4


def test_a_file_that_vanishes_fails_with_a_reason(tmp_path, blobs):
    file = tmp_path / "a"
    file.write_text("a")
    source = one(file)
    file.unlink()
    assert take(source, blobs, MB).failure[0] == "vanished"


def test_a_file_that_comes_back_is_read_anew(tmp_path, blobs):
    class Row:
        source_key, version, name = f"file:{tmp_path}/a", "0" * 64, "a"

    (tmp_path / "a").write_text("now")
    assert take(again(Row), blobs, MB).size_bytes == 3


def test_a_file_too_large_is_not_copied(tmp_path, blobs):
    (tmp_path / "a").write_bytes(b"x" * 100)
    taken = take(one(tmp_path / "a"), blobs, 99)
    assert taken.failure[0] == "too_large"
    assert list(blobs.list("")) == []


def test_a_file_that_may_not_be_read_fails_with_a_reason(blobs):
    def refuse():  # as the system does; root, who runs some tests, may read everything
        raise PermissionError(13, "Permission denied")

    assert take(Source("k", "n", refuse), blobs, MB).failure[0] == "unreadable"


def test_pipes_and_sockets_do_not_block(tmp_path, blobs):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        codes = [
            take(s, blobs, MB).failure[0]
            for s in sources([str(tmp_path)])
            if s.name in ("pipe", "s")
        ]
    assert codes == ["not_a_file", "not_a_file"]


def test_a_read_that_breaks_midway_fails_and_leaves_nothing(blobs):
    class Broken:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def read(self, _):
            raise OSError(5, "Input/output error")

    taken = take(Source("k", "n", Broken), blobs, MB)
    assert taken.failure[0] == "unreadable"
    assert "Input/output error" in taken.failure[1]
    assert list(blobs.list("")) == []


@pytest.mark.parametrize("name", ["new\nline", "bad\udcff", "ü", "a" * 200, "\u202egpj.exe"])
def test_any_name_can_be_stored(tmp_path, blobs, name):
    (tmp_path / name).write_text("x")
    (source,) = sources([str(tmp_path / name)])
    source.name.encode("utf-8")
    source.key.encode("utf-8")
    assert take(source, blobs, MB).failure is None


def test_bytes_that_are_no_text_are_shown_as_escapes():
    assert readable("bad\udcff") == r"bad\xff"
