"""Models in the blob store: contents under `model/file/`, manifests under `model/manifest/`."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import BinaryIO, Final, cast, final

from salient.errors import Conflict, Corrupt, NotFound
from salient.learning.registry.manifest import File, Manifest
from salient.storage.blob import CHUNK_BYTES, Blobs

FILES: Final = "model/file/"
MANIFESTS: Final = "model/manifest/"


@final
class Stored:
    """What of models lies in a blob store; the cache's `Source`."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def manifest(self, version: str) -> Manifest:
        """Raises NotFound: no such version; Corrupt: its manifest is damaged."""
        try:
            return Manifest.read(self._blobs.get(MANIFESTS + version), version)
        except NotFound as exc:
            raise NotFound(f"no model has the version {version[:12]}", version=version) from exc

    def versions(self, prefix: str) -> list[str]:
        """Versions that begin so."""
        return [key.removeprefix(MANIFESTS) for key in self._blobs.list(MANIFESTS + prefix)]

    def put(self, manifest: Manifest, directory: Path, *, anew: bool) -> int:
        """Put the files that are not there yet, or all of them; how many were put.

        Raises:
            Conflict: a file is not what it was when the manifest was made.
        """
        n = 0
        for digest, file in {f.sha256: f for f in manifest.files}.items():
            if anew or not self._has(file):
                with (directory / file.path).open("rb") as stream:
                    checked = io.BufferedReader(_Checked(stream, file), CHUNK_BYTES)
                    self._blobs.put(FILES + digest, cast(BinaryIO, checked))
                n += 1
        return n

    def commit(self, manifest: Manifest) -> None:
        """Make the version one that can be fetched."""
        self._blobs.put(MANIFESTS + manifest.version, manifest.dump())

    def fetch(self, file: File, target: Path) -> None:
        """Link the blob's file where it is one on this file system, else copy it.

        Raises:
            Corrupt: the store has no such content any more, or a damaged one.
        """
        key = FILES + file.sha256
        try:
            digest = _linked(self._blobs.path(key), target) or self._copied(key, target)
        except NotFound as exc:
            raise Corrupt(
                f"the store lacks a file of a model, {file.path!r}: publish the model again",
                file=file.path,
            ) from exc
        if digest != file.sha256:
            target.unlink()
            raise Corrupt(
                f"the store has a damaged file of a model, {file.path!r}: publish the model anew",
                file=file.path,
            )

    def costs_bytes(self, manifest: Manifest, folder: Path) -> int:
        try:
            path = self._blobs.path(FILES + manifest.files[0].sha256)
            linked = path is not None and path.stat().st_dev == folder.stat().st_dev
        except (NotFound, OSError):
            linked = False
        return 0 if linked else manifest.size_bytes

    def damaged(self, manifest: Manifest) -> list[str]:
        """Paths of files that the store lacks or has with other contents.

        Cost: reads every file.
        """
        return [f.path for f in manifest.files if self._digest(f) != f.sha256]

    def _digest(self, file: File) -> str | None:
        try:
            with self._blobs.stream(FILES + file.sha256) as stream:
                return _digest_of(stream)
        except NotFound:
            return None

    def _has(self, file: File) -> bool:
        try:
            return self._blobs.size(FILES + file.sha256) == file.size_bytes
        except NotFound:
            return False

    def _copied(self, key: str, target: Path) -> str:
        digest = hashlib.sha256()
        with self._blobs.stream(key) as stream, target.open("xb") as out:
            while piece := stream.read(CHUNK_BYTES):
                digest.update(piece)
                out.write(piece)
            out.flush()
            # Its name must not outlive a power cut without its contents.
            os.fsync(out.fileno())
            os.fchmod(out.fileno(), 0o444)
        return digest.hexdigest()


def _digest_of(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := stream.read(CHUNK_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def _linked(path: Path | None, target: Path) -> str | None:
    """The digest of what was linked; None where nothing can be. Blobs never change in place."""
    if path is None:
        return None
    try:
        target.hardlink_to(path)
    except OSError:  # another file system, too many links, not allowed: there is another way
        return None
    with target.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class _Checked(io.RawIOBase):
    """A file that fails at its end if it was not what it should be: then nothing is stored."""

    def __init__(self, stream: BinaryIO, file: File) -> None:
        self._stream, self._file = stream, file
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # narrower than Buffer
        piece = self._stream.read(len(buffer))
        self._digest.update(piece)
        if not piece and self._digest.hexdigest() != self._file.sha256:
            raise Conflict(f"{self._file.path!r} was changed while it was published: publish again")
        buffer[: len(piece)] = piece
        return len(piece)


__all__ = ["FILES", "MANIFESTS", "Stored"]
