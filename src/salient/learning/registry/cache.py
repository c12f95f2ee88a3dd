"""Versions of models in a local folder, where any number of processes map them.

    <version>/manifest.json, stamps.json, files/…    whole; it appears by one rename
    .partial/<version>/…                             being fetched, by whoever holds its fetch lock
    .locks/<version>.use                             shared: in use; alone: being removed
    .locks/<version>.fetch                           alone: being fetched or repaired
    .locks/room                                      alone: making room

Locks are the kernel's (flock), so those of a killed process are free at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import uuid
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol, final

from salient import log
from salient.errors import Corrupt, LimitExceeded, Misconfigured, Unavailable
from salient.learning.registry.manifest import File, Manifest

_log = log.get(__name__)

_MANIFEST: Final = "manifest.json"
_STAMPS: Final = "stamps.json"
_FILES: Final = "files"
_WRITTEN: Final = "being-written"


class Source(Protocol):
    """Where versions come from."""

    def manifest(self, version: str) -> Manifest: ...

    def fetch(self, file: File, target: Path) -> None:
        """Write one file, which is not there yet. Its digest has been compared on return."""

    def costs_bytes(self, manifest: Manifest, folder: Path) -> int:
        """Bytes of disk that fetching into `folder` takes; 0 where files can be linked."""


@final
class Cache:
    """A bounded folder of versions.

    - A version is there whole or not at all; each file's digest was compared when it was written.
    - However many processes ask for a version at once, one fetches it.
    - What any live process holds is never removed; of the rest, what was asked for longest ago
      goes first. If nothing more can go, a version that does not fit is refused.
    - A fetch that was killed goes on with the files it had.
    - Files that were changed, cut or lost are noticed on the next `hold` and fetched again.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self._max_bytes = max_bytes
        self._locks = folder / ".locks"
        self._partial = folder / ".partial"
        try:
            for each in (self._locks, self._partial):
                each.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise Misconfigured(
                f"the folder of models {folder} cannot be made ({exc.strerror}): set models.folder to one that can be written"
            ) from exc

    def hold(self, version: str, source: Source) -> Hold:
        """Have a version here, and keep it here until the hold is released.

        Raises:
            NotFound: the source has no such version.
            Corrupt: the source's files are damaged.
            LimitExceeded: it has no room beside what is in use.
            Unavailable: the source is away, or the disk is full.
        """
        with _translated(), contextlib.ExitStack() as unwinding:
            lock = unwinding.enter_context(contextlib.closing(_Lock(self._use(version))))
            lock.shared()
            manifest = self._whole(version)
            if manifest is None:
                with contextlib.closing(_Lock(self._locks / f"{version}.fetch")) as fetching:
                    fetching.alone()
                    manifest = self._whole(version) or self._fetched(version, source)
            os.utime(self._use(version))
            unwinding.pop_all()
            return Hold(manifest, self.folder / version / _FILES, lock)

    def versions(self) -> dict[str, int]:
        """Whole versions here, by their bytes, linked ones as 0."""
        return {entry.name: _own_bytes(entry) for entry in self._entries(self.folder)}

    def damaged(self, version: str) -> list[str]:
        """Files whose contents are not what they should be; the next `hold` fetches them again.

        Cost: reads every file of the version.
        """
        folder = self.folder / version
        with _translated(), contextlib.closing(_Lock(self._use(version))) as lock:
            lock.shared()
            manifest = _manifest_in(folder, version)
            if manifest is None:
                return [_MANIFEST] if folder.exists() else []
            bad = [f.path for f in manifest.files if not _is_file(folder / _FILES / f.path, f)]
            if bad:
                stamps = _stamps_in(folder)
                _write_stamps(folder, {p: s for p, s in stamps.items() if p not in bad})
            return bad

    def in_use(self, version: str) -> bool:
        """Whether a live process of this machine holds it."""
        with _translated(), contextlib.closing(_Lock(self._use(version))) as lock:
            return not lock.try_alone()

    def _use(self, version: str) -> Path:
        return self._locks / f"{version}.use"

    def _entries(self, folder: Path) -> Iterator[Path]:
        with os.scandir(folder) as found:
            yield from (Path(e.path) for e in found if not e.name.startswith("."))

    def _whole(self, version: str) -> Manifest | None:
        """The manifest of a version that is here and, at a glance, as it was written."""
        folder = self.folder / version
        manifest = _manifest_in(folder, version)
        if manifest is None:
            return None
        stamps = _stamps_in(folder)
        changed = [
            f for f in manifest.files if stamps.get(f.path) != _stamp(folder / _FILES / f.path)
        ]
        # A changed time need not be a changed content: a restored backup has new ones.
        if any(not _is_file(folder / _FILES / f.path, f) for f in changed):
            _log.warning("model.cache_damaged", version=version)
            return None
        if changed:
            _write_stamps(folder, _stamps_of(folder, manifest))
        return manifest

    def _fetched(self, version: str, source: Source) -> Manifest:
        """Fetch what is missing. The caller holds the version's fetch lock, and uses it."""
        manifest = source.manifest(version)
        partial, ready = self._partial / version, self.folder / version
        self._reserve(manifest, source)
        being_written = partial / _WRITTEN
        try:
            for file in manifest.files:
                target = partial / _FILES / file.path
                if _is_file(ready / _FILES / file.path, file) or _is_file(target, file):
                    continue
                being_written.unlink(missing_ok=True)  # a killed fetch left it
                source.fetch(file, being_written)
                target.parent.mkdir(parents=True, exist_ok=True)
                being_written.replace(target)
        except OSError:
            shutil.rmtree(partial, ignore_errors=True)  # a full disk is not kept full
            raise
        being_written.unlink(missing_ok=True)
        if ready.exists():
            self._repair(manifest, partial, ready)
        else:
            _write_stamps(partial, _stamps_of(partial, manifest))
            partial.rename(ready)
        return manifest

    def _repair(self, manifest: Manifest, partial: Path, ready: Path) -> None:
        """Put fetched files over damaged ones, one by one: others may be reading the rest."""
        for file in manifest.files:
            target = ready / _FILES / file.path
            if (fetched := partial / _FILES / file.path).exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                fetched.replace(target)
        (partial / _MANIFEST).replace(ready / _MANIFEST)
        _write_stamps(ready, _stamps_of(ready, manifest))
        shutil.rmtree(partial)

    def _reserve(self, manifest: Manifest, source: Source) -> None:
        """Make room, and take it by the manifest of what will be fetched."""
        version = manifest.version
        partial = self._partial / version
        with contextlib.closing(_Lock(self._locks / "room")) as room:
            room.alone()
            self._make_room(version, source.costs_bytes(manifest, self.folder))
            partial.mkdir(exist_ok=True)
            (partial / _MANIFEST).write_bytes(manifest.dump())

    def _make_room(self, version: str, wanted: int) -> None:
        """Remove what is used by nobody until `wanted` bytes fit. The caller holds the room lock."""
        if wanted > self._max_bytes:
            raise LimitExceeded(
                f"a model of {wanted:,} bytes is larger than models.cache_bytes, {self._max_bytes:,}: raise it",
                size_bytes=wanted, max_bytes=self._max_bytes,
            )  # fmt: skip
        for left in self._entries(self._partial):
            if left.name != version:
                self._remove(left)  # what a killed process left; a live one uses its version
        if not wanted:
            return
        sizes = self.versions()
        sizes.pop(version, None)
        reserved = sum(
            manifest.size_bytes
            for each in self._entries(self._partial)
            if each.name != version and (manifest := _manifest_in(each, each.name))
        )
        over = sum(sizes.values()) + reserved + wanted - self._max_bytes
        over = max(over, wanted - shutil.disk_usage(self.folder).free)
        for oldest in sorted((v for v, n in sizes.items() if n), key=self._last_use):
            if over <= 0:
                return
            if self._remove(self.folder / oldest):
                over -= sizes[oldest]
        if over > 0:
            raise LimitExceeded(
                f"{over:,} bytes are lacking in {self.folder} for a model of {wanted:,}: what is there is in use; raise models.cache_bytes or free some disk",
                lacking_bytes=over, size_bytes=wanted,
            )  # fmt: skip

    def _last_use(self, version: str) -> float:
        try:
            return self._use(version).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def _remove(self, folder: Path) -> bool:
        """Remove a version, whole or partial, unless somebody uses it; whether it did."""
        with contextlib.closing(_Lock(self._use(folder.name))) as lock:
            if not lock.try_alone():
                return False
            # It goes by a rename, so that nobody ever sees a half of it.
            gone = self._partial / f".{uuid.uuid4().hex}"
            folder.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        return True


@final
class Hold:
    """A version that stays in the cache until this is released, or its process ends."""

    def __init__(self, manifest: Manifest, folder: Path, lock: _Lock) -> None:
        self.manifest = manifest
        self.folder = folder
        self._lock = lock

    def release(self) -> None:
        """More than once does no harm."""
        self._lock.close()


@final
class _Lock:
    """A lock of the kernel on a file; it ends with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        # Not inheritable: a child that is started would hold it beyond us.
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._closing = weakref.finalize(self, os.close, self._handle)

    def shared(self) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_SH)

    def alone(self) -> None:
        fcntl.flock(self._handle, fcntl.LOCK_EX)

    def try_alone(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._closing()


def _manifest_in(folder: Path, version: str) -> Manifest | None:
    try:
        return Manifest.read((folder / _MANIFEST).read_bytes(), version)
    except FileNotFoundError:
        return None
    except Corrupt:
        return None  # it is fetched again


def _is_file(path: Path, file: File) -> bool:
    """Whether the file is there with the contents it should have."""
    try:
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_size != file.size_bytes:
                return False
            return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False


def _stamp(path: Path) -> list[int] | None:
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def _stamps_of(folder: Path, manifest: Manifest) -> dict[str, list[int] | None]:
    return {f.path: _stamp(folder / _FILES / f.path) for f in manifest.files}


def _stamps_in(folder: Path) -> dict[str, list[int] | None]:
    try:
        stamps = json.loads((folder / _STAMPS).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def _write_stamps(folder: Path, stamps: dict[str, list[int] | None]) -> None:
    written = folder / f".{uuid.uuid4().hex}"
    written.write_text(json.dumps(stamps))
    written.replace(folder / _STAMPS)


def _own_bytes(folder: Path) -> int:
    """Bytes that would be free without this folder: what is linked elsewhere stays."""
    total = 0
    for where, _, names in os.walk(folder / _FILES):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                found = (Path(where) / name).stat()
                total += found.st_size if found.st_nlink == 1 else 0
    return total


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise Unavailable(f"the folder of models cannot be used: {exc.strerror}") from exc


__all__ = ["Cache", "Hold", "Source"]
