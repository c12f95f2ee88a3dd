"""Encryption: what was changed, cut, mixed or swapped is told; keys change over time; little is read."""

import base64
import io
import itertools

import pytest

from salient.errors import Corrupt, Misconfigured
from salient.storage import blob
from salient.storage.blob import Blobs
from salient.storage.blob.encrypted import PIECE_BYTES

OLD, NEW = bytes(range(32)), bytes(range(100, 132))
SEALED = PIECE_BYTES + 16
HEADER = 44


@pytest.fixture
def url(tmp_path):
    return f"encrypted:[file:{tmp_path}/blobs?sync=no]?key={OLD.hex()}"


@pytest.fixture
def raw(tmp_path):
    with Blobs.open(f"file:{tmp_path}/blobs?sync=no") as store:
        yield store


@pytest.fixture
def blobs(url):
    with Blobs.open(url) as store:
        yield store


CONTENT = b"".join(bytes([i]) * 1000 for i in range(200))  # three pieces and a rest


def reads(blobs, key="k"):
    """All ways to read a blob, each to its end."""
    yield lambda: blobs.get(key)
    yield lambda: bytes(blobs.view(key))
    yield lambda: blobs.read_range(key, 0, 10**9)


def test_nothing_plain_is_in_the_store(blobs, raw):
    blobs.put("k", b"a secret sentence " * 9000)
    assert b"secret" not in raw.get("k")
    first = raw.get("k")
    blobs.put("k", b"a secret sentence " * 9000)
    assert raw.get("k") != first  # not even that it is the same again


def test_every_changed_byte_is_told(blobs, raw):
    blobs.put("k", b"0123456789")
    sealed = raw.get("k")
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        raw.put("k", bytes(changed))
        for read in reads(blobs):
            with pytest.raises(Corrupt):
                read()


def test_cut_or_longer_blob_is_told(blobs, raw):
    blobs.put("k", CONTENT)
    sealed = raw.get("k")
    ends = [
        0,
        3,
        HEADER,
        HEADER + 15,
        HEADER + 16,
        *(HEADER + i * SEALED for i in (1, 2, 3)),
        len(sealed) - 1,
    ]
    for changed in (*(sealed[:end] for end in ends), sealed + b"x", sealed + sealed[-SEALED:]):
        raw.put("k", changed)
        for read in reads(blobs):
            with pytest.raises(Corrupt):
                read()


def test_pieces_in_another_order_are_told(blobs, raw):
    blobs.put("k", CONTENT)
    sealed = raw.get("k")
    pieces = [sealed[at : at + SEALED] for at in range(HEADER, len(sealed), SEALED)]
    for order in itertools.permutations(range(3)):
        changed = sealed[:HEADER] + b"".join(pieces[i] for i in order) + b"".join(pieces[3:])
        raw.put("k", changed)
        for read in reads(blobs):
            if order == (0, 1, 2):
                assert read() == CONTENT
            else:
                with pytest.raises(Corrupt):
                    read()


def test_blob_under_another_key_is_told(blobs, raw):
    blobs.put("mine", b"content")
    blobs.put("yours", b"content")
    mine, yours = raw.get("mine"), raw.get("yours")
    raw.put("mine", yours)
    raw.put("yours", mine)
    raw.put("third", yours[:HEADER] + mine[HEADER:])
    for key in ("mine", "yours", "third"):
        for read in reads(blobs, key):
            with pytest.raises(Corrupt):
                read()


def test_pieces_of_two_contents_do_not_mix(blobs, raw):
    blobs.put("k", CONTENT)
    first = raw.get("k")
    blobs.put("k", CONTENT)
    second = raw.get("k")
    raw.put("k", first[: HEADER + SEALED] + second[HEADER + SEALED :])
    for read in reads(blobs):
        with pytest.raises(Corrupt):
            read()


def test_empty_blob_is_sealed_too(blobs, raw):
    blobs.put("k", b"")
    sealed = bytearray(raw.get("k"))
    assert len(sealed) == HEADER + 16
    for read in reads(blobs):
        assert read() == b""
    sealed[-1] ^= 1
    raw.put("k", bytes(sealed))
    for read in (blobs.get, blobs.view):
        with pytest.raises(Corrupt):
            read("k")


def test_plain_blob_is_not_taken_for_an_encrypted_one(blobs, raw):
    raw.put("k", b"plain" * 100)
    for read in reads(blobs):
        with pytest.raises(Corrupt):
            read()


@pytest.mark.parametrize(
    "size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES, 200_000]
)
def test_sizes_are_those_of_the_plain_content(blobs, raw, size):
    content = CONTENT[:size] + bytes(max(0, size - len(CONTENT)))
    assert blobs.put("k", content) == blobs.size("k") == size
    assert [e.size_bytes for e in blobs.entries()] == [size]
    for read in reads(blobs):
        assert read() == content
    with blobs.stream("k") as stream:
        for start in (0, 1, PIECE_BYTES - 1, PIECE_BYTES, size // 2, size):
            stream.seek(start)
            assert stream.read(70_000) == content[start : start + 70_000]
        assert stream.seek(0, io.SEEK_END) == size


def test_range_reads_no_more_pieces_than_it_needs(blobs, monkeypatch):
    blobs.put("k", bytes(40 * PIECE_BYTES))
    inside = blobs._driver.inside
    asked = []
    read = inside.read_ranges
    monkeypatch.setattr(
        inside, "read_ranges", lambda key, ranges: asked.extend(ranges) or read(key, ranges)
    )
    blobs.read_range("k", 5 * PIECE_BYTES - 3, 5 * PIECE_BYTES + 3)
    assert sum(end - start for start, end in asked) == HEADER + 2 * SEALED


def test_stream_reads_no_more_pieces_than_it_needs(blobs, raw):
    blobs.put("k", bytes(40 * PIECE_BYTES))
    changed = bytearray(raw.get("k"))
    changed[HEADER + 20 * SEALED] ^= 1
    raw.put("k", bytes(changed))
    with blobs.stream("k") as stream:
        stream.seek(30 * PIECE_BYTES)
        assert stream.read(10) == bytes(10)
        stream.seek(20 * PIECE_BYTES)
        with pytest.raises(Corrupt):
            stream.read(10)


# --- keys


def opened(tmp_path, **options):
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return Blobs.open(f"encrypted:[file:{tmp_path}/blobs?sync=no]?{query}")


def test_first_key_encrypts_and_all_decrypt(tmp_path):
    file = tmp_path / "keys"
    file.write_text(OLD.hex() + "\n")
    with opened(tmp_path, key_file=file) as blobs:
        blobs.put("old", b"old content")
    file.write_text(f"# since May\n{NEW.hex()}\n\n# before\n{OLD.hex()}\n")
    with opened(tmp_path, key_file=file) as blobs:
        blobs.put("new", b"new content")
        assert (blobs.get("old"), blobs.get("new")) == (b"old content", b"new content")
    with opened(tmp_path, key=NEW.hex()) as blobs:
        assert blobs.get("new") == b"new content"
        with pytest.raises(Corrupt, match="given keys"):
            blobs.get("old")


def test_keys_come_from_an_option_a_file_or_a_variable(tmp_path, monkeypatch):
    plus = bytes([0xFB, 0xFF] * 16)
    forms = [
        plus.hex(),
        plus.hex().upper(),
        base64.b64encode(plus).decode(),
        base64.urlsafe_b64encode(plus).decode().rstrip("="),
    ]
    for text in forms:
        (tmp_path / "key").write_text(text)
        monkeypatch.setenv("BLOB_KEY", text)
        for given in ({"key": text}, {"key_file": tmp_path / "key"}, {"key_env": "BLOB_KEY"}):
            with opened(tmp_path, **given) as blobs:
                if not blobs.exists("k"):
                    blobs.put("k", b"v")
                assert blobs.get("k") == b"v"


@pytest.mark.parametrize(
    "given",
    [
        {}, {"key": ""}, {"key": "00" * 31}, {"key": "00" * 33}, {"key": "z" * 64}, {"key": "AAAA"},
        {"key": OLD.hex() + ",shortsecret"}, {"key_file": "/nowhere/key"}, {"key_env": "NO_SUCH_VARIABLE"},
        {"key": OLD.hex(), "key_env": "HOME"}, {"key": OLD.hex(), "rounds": "3"},
    ],
)  # fmt: skip
def test_wrong_key_is_a_misconfiguration_that_does_not_show_it(tmp_path, given):
    with pytest.raises(Misconfigured) as info:
        opened(tmp_path, **given)
    said = f"{info.value} {info.value.context}"
    assert OLD.hex() not in said
    assert "shortsecret" not in said


def test_url_shows_no_key():
    from salient.storage import urls

    shown = urls.shown(f"encrypted:[memory:]?key={OLD.hex()}")
    assert OLD.hex() not in shown
    driver = blob.driver(f"encrypted:[memory:]?key={OLD.hex()}")
    assert OLD.hex() not in repr(driver)
    driver.close()
