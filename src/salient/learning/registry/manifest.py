"""What a version of a model is made of: its files, by their contents."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from salient.errors import Corrupt, InvalidInput

FORMAT: Final = 1
MAX_FILES: Final = 100_000


@dataclass(frozen=True, slots=True)
class File:
    """One file of a model. `path` is relative, with `/`."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of a version, ordered by path. Equal contents have equal versions, everywhere."""

    files: tuple[File, ...]

    @property
    def version(self) -> str:
        """SHA-256 of the manifest as it is stored, which names every content in turn."""
        return hashlib.sha256(self.dump()).hexdigest()

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    def dump(self) -> bytes:
        """As JSON with one form only."""
        rows = [[f.path, f.sha256, f.size_bytes] for f in self.files]
        return json.dumps({"files": rows, "format": FORMAT}, separators=(",", ":")).encode()

    @classmethod
    def read(cls, data: bytes, version: str) -> Manifest:
        """Read what `dump` gave.

        Raises:
            Corrupt: it is not the manifest of that version, or names files outside its folder.
        """
        if hashlib.sha256(data).hexdigest() != version:
            raise Corrupt("the manifest of a model is damaged", version=version)
        try:
            parsed = json.loads(data)
            files = tuple(File(str(p), str(d), int(n)) for p, d, n in parsed["files"])
            whole = parsed["format"] == FORMAT
        except (ValueError, KeyError, TypeError) as exc:
            raise Corrupt("the manifest of a model cannot be read", version=version) from exc
        # Whoever may write to the store must not thereby write anywhere on this machine.
        if not whole or not all(_inside(f.path) and _is_digest(f.sha256) for f in files):
            raise Corrupt("the manifest of a model names no proper files", version=version)
        return cls(files)

    @classmethod
    def of(cls, directory: Path) -> Manifest:
        """Look through a folder and all below it; symbolic links to files count as what they name.

        Raises:
            InvalidInput: there is no such folder, it holds no file, or something that is no file.

        Cost: reads every file once.
        """
        if not directory.is_dir():
            raise InvalidInput(f"{str(directory)!r} is no folder", path=str(directory))
        files = []
        for folder, below, names in os.walk(directory):
            for name in below:
                if (Path(folder) / name).is_symlink():
                    raise InvalidInput(
                        f"{name!r} is a link to a folder: put the folder itself there", path=name
                    )
            files += [_file(directory, Path(folder) / name) for name in names]
        if not files or len(files) > MAX_FILES:
            raise InvalidInput(
                f"a model has 1 to {MAX_FILES:,} files, not {len(files):,}", path=str(directory)
            )
        return cls(tuple(sorted(files, key=lambda f: f.path)))


def _file(directory: Path, path: Path) -> File:
    name = path.relative_to(directory).as_posix()
    if not _inside(name):
        raise InvalidInput("a file of a model has a name that cannot be kept", path=ascii(name))
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InvalidInput(f"{name!r} is no file", path=name)
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return File(name, digest, os.fstat(stream.fileno()).st_size)
    except OSError as exc:
        raise InvalidInput(f"{name!r} cannot be read: {exc.strerror}", path=name) from exc


def _inside(path: str) -> bool:
    parts = PurePosixPath(path).parts
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return bool(parts) and "\0" not in path and parts[0] != "/" and ".." not in parts and "/".join(parts) == path  # fmt: skip


def _is_digest(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")
