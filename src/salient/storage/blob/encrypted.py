"""Blobs encrypted at rest, by AES-256-GCM; whoever has the store but not the key reads sizes and keys only.

A blob is a header and pieces of 64 KiB, each sealed with its own tag:

    header  "SLE1" | the first 8 bytes of the key's fingerprint | 32 random bytes
    piece   AES-256-GCM under a key that HKDF derives from the key and the random bytes

The nonce of a piece is its number and whether it is the last one, and the blob's key and header are
authenticated with it: a blob that was cut, reordered, mixed with another, put under another key or
changed in any byte is `Corrupt`. An older content of the same blob under the same key is not told
from the newest.

Source: the STREAM construction of Hoang, Reyhanitabar, Rogaway and Vizár 2015, doi:10.1007/978-3-662-47989-6_24.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, cast, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from salient.errors import Corrupt, Misconfigured
from salient.storage import blob, urls
from salient.storage.blob import Entry, Pieces, Wrapping

PIECE_BYTES = 64 * 1024
_MAGIC = b"SLE1"
_NAME_BYTES, _SALT_BYTES, _TAG_BYTES = 8, 32, 16
_HEADER_BYTES = len(_MAGIC) + _NAME_BYTES + _SALT_BYTES
_SEALED_BYTES = PIECE_BYTES + _TAG_BYTES


@final
class Driver(Wrapping):
    """`encrypted:[URL]?key_file=/run/secrets/blobs`, or `key_env=NAME`, or `key=…`.

    A key is 32 bytes, as 64 hexadecimal digits or in base64. Where there are several (lines of the
    file, or separated by commas), the first one encrypts and all decrypt.
    """

    def __init__(self, rest: str) -> None:
        (url,), options = urls.inner(rest, "encrypted", most=1)
        given = {name: options.text(name) for name in ("key", "key_file", "key_env")}
        options.done()
        keys = _keys({name: value for name, value in given.items() if value is not None})
        self._keys = {_fingerprint(key): key for key in keys}
        self._first = _fingerprint(keys[0])
        super().__init__(blob.driver(url))
        # What a URL gave or took would be encrypted, or not.
        self.features = self.inside.features - {"presigned"}

    def put(
        self, key: str, source: BinaryIO, *, only_if_absent: bool, if_version: str | None
    ) -> int | None:
        header = _MAGIC + self._first + os.urandom(_SALT_BYTES)
        sealing = _Sealing(self._seal(key, header), header, source)
        size = self.inside.put(
            key, cast(BinaryIO, sealing), only_if_absent=only_if_absent, if_version=if_version
        )
        return None if size is None else sealing.size

    def open(self, key: str) -> BinaryIO | None:
        stream = self.inside.open(key)
        if stream is None:
            return None
        try:
            total = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            seal = self._seal(key, stream.read(_HEADER_BYTES))
            raw = _Opened(seal, stream, _plain_size(key, total))
        except BaseException:
            stream.close()
            raise
        return cast(BinaryIO, io.BufferedReader(raw, PIECE_BYTES))

    def view(self, key: str) -> memoryview | None:
        view = self.inside.view(key)
        if view is None:
            return None
        seal = self._seal(key, bytes(view[:_HEADER_BYTES]))
        size = _plain_size(key, len(view))
        body = view[_HEADER_BYTES:]
        pieces = (body[at : at + _SEALED_BYTES] for at in range(0, len(body), _SEALED_BYTES))
        last = _last(size)
        return memoryview(b"".join(seal.opened(i, i == last, p) for i, p in enumerate(pieces)))

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Pieces | None:
        spans = [(start // PIECE_BYTES, -(-end // PIECE_BYTES)) for start, end in ranges]
        sealed = [
            (_HEADER_BYTES + first * _SEALED_BYTES, _HEADER_BYTES + end * _SEALED_BYTES)
            for first, end in spans
        ]
        found = self.inside.read_ranges(key, [(0, _HEADER_BYTES), *sealed])
        if found is None:
            return None
        header, *bodies = found.pieces
        seal = self._seal(key, header)
        size = _plain_size(key, found.size_bytes)
        last = _last(size)
        out = []
        for (start, end), (first, _), body in zip(ranges, spans, bodies, strict=True):
            if start == end:
                out.append(b"")
                continue
            pieces = (body[at : at + _SEALED_BYTES] for at in range(0, len(body), _SEALED_BYTES))
            plain = b"".join(seal.opened(i, i == last, p) for i, p in enumerate(pieces, first))
            out.append(plain[start - first * PIECE_BYTES : end - first * PIECE_BYTES])
        return Pieces(tuple(out), size)

    def head(self, key: str) -> Entry | None:
        entry = self.inside.head(key)
        return None if entry is None else _plain(entry)

    def entries(self, prefix: str) -> Iterator[Entry]:
        return map(_plain, self.inside.entries(prefix))

    def path(self, key: str) -> Path | None:
        self.inside.path(key)  # raises if the store is closed
        return None

    def _seal(self, key: str, header: bytes) -> _Seal:
        name = header[len(_MAGIC) : len(_MAGIC) + _NAME_BYTES]
        if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC) or name not in self._keys:
            raise Corrupt(
                f"the blob {key!r} is not encrypted with any of the given keys, or was changed",
                key=key,
            )
        derive = HKDF(
            algorithm=SHA256(), length=32, salt=header[-_SALT_BYTES:], info=b"salient blob 1"
        )
        return _Seal(AESGCM(derive.derive(self._keys[name])), key, header + key.encode())


@dataclass(frozen=True, slots=True)
class _Seal:
    """What one blob is sealed and opened with."""

    cipher: AESGCM
    key: str
    bound: bytes

    def sealed(self, index: int, last: bool, plain: bytes) -> bytes:  # noqa: FBT001 # as `opened`
        return self.cipher.encrypt(_nonce(index, last=last), plain, self.bound)

    def opened(self, index: int, last: bool, piece: bytes | memoryview) -> bytes:  # noqa: FBT001 # private
        try:
            return self.cipher.decrypt(_nonce(index, last=last), piece, self.bound)
        except (InvalidTag, ValueError) as exc:
            raise Corrupt(f"the blob {self.key!r} was changed", key=self.key, piece=index) from exc


class _Sealing(io.RawIOBase):
    """A source, sealed piece by piece as it is read."""

    def __init__(self, seal: _Seal, header: bytes, source: BinaryIO) -> None:
        self._seal, self._source = seal, source
        self._ready, self._at = header, 0
        self._next: bytes | None = None
        self._index = 0
        self._done = False
        self.size = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        pieces: list[bytes] = []
        room = size
        while size < 0 or room > 0:
            if self._at == len(self._ready):
                if self._done:
                    break
                self._ready, self._at = self._piece(), 0
            end = len(self._ready) if size < 0 else min(len(self._ready), self._at + room)
            pieces.append(self._ready[self._at : end])
            room -= end - self._at
            self._at = end
        return b"".join(pieces)

    def _piece(self) -> bytes:
        # Which one is the last is known only when no other follows.
        plain = self._filled() if self._next is None else self._next
        self._next = self._filled() if len(plain) == PIECE_BYTES else b""
        self._done = not self._next
        self.size += len(plain)
        self._index += 1
        return self._seal.sealed(self._index - 1, self._done, plain)

    def _filled(self) -> bytes:
        pieces, seen = [], 0
        while seen < PIECE_BYTES and (piece := self._source.read(PIECE_BYTES - seen)):
            pieces.append(piece)
            seen += len(piece)
        return b"".join(pieces)


class _Opened(io.RawIOBase):
    """An encrypted stream, opened piece by piece where it is read."""

    def __init__(self, seal: _Seal, stream: BinaryIO, size: int) -> None:
        self._seal, self._stream, self._size = seal, stream, size
        self._at = 0
        self._held: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, target: bytearray | memoryview, /) -> int:  # type: ignore[override] # a buffer, as it is called
        piece = self._rest(self._at // PIECE_BYTES)[: len(target)]
        target[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def readall(self) -> bytes:
        pieces = []
        while piece := self._rest(self._at // PIECE_BYTES):
            pieces.append(piece)
            self._at += len(piece)
        return b"".join(pieces)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        at = offset + {0: 0, 1: self._at, 2: self._size}[whence]
        if at < 0:
            raise ValueError("a stream cannot be read before its start")
        self._at = at
        return at

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        self._stream.close()
        super().close()

    def _rest(self, index: int) -> bytes:
        """What follows in piece `index` from here."""
        # An empty blob has one piece too, and that it is empty is sealed in it.
        if self._at >= self._size and not (self._size == 0 and self._held[0] != 0):
            return b""
        if self._held[0] != index:
            self._stream.seek(_HEADER_BYTES + index * _SEALED_BYTES)
            sealed = self._stream.read(_SEALED_BYTES)
            self._held = index, self._seal.opened(index, index == _last(self._size), sealed)
        return self._held[1][self._at - index * PIECE_BYTES :]


def _nonce(index: int, *, last: bool) -> bytes:
    return index.to_bytes(11, "big") + bytes([last])


def _last(size: int) -> int:
    """The number of the last piece of a plain size."""
    return max(0, (size - 1) // PIECE_BYTES)


def _plain_size(key: str, total: int) -> int:
    body = total - _HEADER_BYTES
    pieces = -(-body // _SEALED_BYTES)
    size = body - pieces * _TAG_BYTES
    # What is left of a last piece that was cut may be too short for a tag.
    if body < _TAG_BYTES or size < 0 or pieces != _last(size) + 1:
        raise Corrupt(f"the blob {key!r} has no size that an encrypted one has", key=key)
    return size


def _plain(entry: Entry) -> Entry:
    return replace(entry, size_bytes=_plain_size(entry.key, entry.size_bytes))


def _fingerprint(key: bytes) -> bytes:
    return sha256(b"salient blob key\0" + key).digest()[:_NAME_BYTES]


def _keys(given: dict[str, str]) -> list[bytes]:
    """The keys that options give; no message shows any part of one."""
    if len(given) != 1:
        raise Misconfigured("an encrypted store has one of key_file, key_env and key")
    ((name, value),) = given.items()
    if name == "key_file":
        try:
            value = Path(value).read_text()
        except (OSError, ValueError) as exc:
            raise Misconfigured("the file of keys cannot be read", key_file=value) from exc
    elif name == "key_env":
        if value not in os.environ:
            raise Misconfigured(f"there is no variable {value} with a key", key_env=value)
        value = os.environ[value]
    else:
        value = value.replace(" ", "+")  # as it stood in the URL
    texts = [text.strip() for text in value.replace("\n", ",").split(",")]
    keys = [_decoded(text) for text in texts if text and not text.startswith("#")]
    if not keys:
        raise Misconfigured(f"there is no key in {name}")
    return keys


def _decoded(text: str) -> bytes:
    try:
        if len(text) == 64:
            return bytes.fromhex(text)
        key = base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), validate=True)  # fmt: skip
    except ValueError as exc:
        raise Misconfigured("a key is 64 hexadecimal digits, or base64") from exc
    if len(key) != 32:
        raise Misconfigured("a key has 32 bytes", bytes=len(key))
    return key
