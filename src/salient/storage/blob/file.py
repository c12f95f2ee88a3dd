"""A folder: the embedded blob store. Each blob is one file that may be mapped.

A key's segments are folders, its last one the file. Names are the key's bytes with all but lower-case
letters, digits, `-`, `_` and inner dots written as `%xx`, so that they mean the same on file systems
that fold case, change Unicode or drop trailing dots. A file's name begins with `=`, so that `a`
and `a/b` can both be. A segment too long for a file name goes on in a folder whose name ends in `%`.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import itertools
import mmap
import os
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from salient.errors import Misconfigured, Unavailable
from salient.storage import urls
from salient.storage.blob import CHUNK_BYTES, BlobDriver, Entry, Pieces

_PIECE = 80  # bytes of a segment in one name: three characters each at worst
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_.")
_SAME = re.compile(rb"(?!\.)[a-z0-9_.-]*(?<!\.)")
_STALE_S = 24 * 3600.0
_ATTEMPTS = 20


class Driver(BlobDriver):
    """`file:/folder`; with `?sync=no`, a power cut may lose blobs, though never halve one."""

    def __init__(self, rest: str) -> None:
        path, options = urls.file(rest, "blob folder")
        self._sync = options.flag("sync", default=True)
        options.done()
        if not path:
            raise Misconfigured("a blob folder is given as file:/path or file:/path?sync=no")
        self._closed = False
        self._root = Path(path).absolute()
        self._partial = self._root / ".partial"
        with _translated():
            self._partial.mkdir(parents=True, exist_ok=True)
            self._sweep()

    def put(
        self, key: str, source: BinaryIO, *, only_if_absent: bool, if_version: str | None
    ) -> int | None:
        target = self._file(key)
        with _translated():
            if only_if_absent and target.exists():
                return None
        with _translated():
            partial = self._partial / f"{os.getpid()}-{uuid.uuid4().hex}"
            out = partial.open("xb")
        size = 0
        try:
            with _closing(out):
                while piece := source.read(CHUNK_BYTES):
                    with _translated():
                        out.write(piece)
                    size += len(piece)
                with _translated():
                    out.flush()
                    # A file system's own clock may tick less often than blobs are put.
                    os.utime(out.fileno(), ns=(time.time_ns(),) * 2)
                    if self._sync:
                        os.fsync(out.fileno())
            with _translated():
                return size if self._publish(partial, target, only_if_absent, if_version) else None
        finally:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)

    def open(self, key: str) -> BinaryIO | None:
        path = self._file(key)
        with _translated():
            try:
                return path.open("rb")
            except FileNotFoundError:
                return None

    def view(self, key: str) -> memoryview | None:
        stream = self.open(key)
        if stream is None:
            return None
        with stream, _translated():
            if os.fstat(stream.fileno()).st_size == 0:
                return memoryview(b"")  # an empty file cannot be mapped
            return memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Pieces | None:
        stream = self.open(key)
        if stream is None:
            return None
        with stream, _translated():
            size = os.fstat(stream.fileno()).st_size
            pieces = []
            for start, end in ranges:
                stream.seek(min(start, size))
                pieces.append(stream.read(max(0, min(end, size) - start)))
            return Pieces(tuple(pieces), size)

    def head(self, key: str) -> Entry | None:
        path = self._file(key)
        with _translated():
            try:
                found = path.stat()
            except FileNotFoundError:
                return None
        modified = datetime.fromtimestamp(found.st_mtime, UTC)
        return Entry(key, found.st_size, modified, _version(found))

    def delete(self, key: str) -> bool:
        path = self._file(key)
        with _translated():
            try:
                with self._publishing(alone=False):
                    path.unlink()
            except FileNotFoundError:
                return False
            # Empty folders would slow listing for ever; another writer may fill one meanwhile.
            for folder in path.parents:
                if folder == self._root:
                    break
                try:
                    folder.rmdir()
                except OSError:
                    break
        return True

    def list(self, prefix: str) -> Iterator[str]:
        self._file("any")
        return self._walk(prefix)

    def path(self, key: str) -> Path | None:
        return self._file(key)

    def close(self) -> None:
        self._closed = True

    def _walk(self, prefix: str) -> Iterator[str]:
        raw = prefix.encode()
        return (key.decode() for key in _keys(self._root, b"", raw) if key.startswith(raw))

    def _file(self, key: str) -> Path:
        if self._closed:
            raise Unavailable("the blob folder is closed")
        *folders, last = (_names(segment.encode()) for segment in key.split("/"))
        *more, name = last
        return self._root.joinpath(*itertools.chain(*folders), *more, "=" + name)

    @contextlib.contextmanager
    def _publishing(self, *, alone: bool) -> Iterator[None]:
        """Where a put that depends on what is there is `alone`, all others wait, in any process."""
        handle = os.open(self._partial, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield
        finally:
            os.close(handle)

    def _publish(
        self,
        partial: Path,
        target: Path,
        only_if_absent: bool,  # noqa: FBT001 # as `put` has it
        if_version: str | None,
    ) -> bool:
        changed: Sequence[Path] = ()
        for attempt in itertools.count():
            try:
                if if_version is None:
                    changed = self._make_folders(target.parent)
                with self._publishing(alone=if_version is not None):
                    if only_if_absent:
                        os.link(partial, target)  # unlike rename, it fails where there is a file
                    elif if_version is None or _version_at(target) == if_version:
                        partial.replace(target)
                    else:
                        return False
            except FileNotFoundError:
                # `delete` took the folder away as empty between the two calls.
                if attempt >= _ATTEMPTS or not partial.exists():
                    raise
            except FileExistsError:
                return False
            else:
                break
        if self._sync:
            for folder in {target.parent, *changed}:
                with contextlib.suppress(FileNotFoundError):  # deleted again already
                    _sync_folder(folder)
        return True

    def _make_folders(self, folder: Path) -> Sequence[Path]:
        """Make `folder`; the folders that got a new entry by it."""
        missing = []
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            # Not `exist_ok`: that raises too, if somebody deletes the folder at this moment.
            with contextlib.suppress(FileExistsError):
                new.mkdir()
        return [new.parent for new in missing]

    def _sweep(self) -> None:
        """Remove what killed writers left."""
        for old in self._partial.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if time.time() - old.stat().st_mtime > _STALE_S:
                    old.unlink()


def _version(found: os.stat_result) -> str:
    # The time is ours, to the nanosecond; a file number comes again only after its file is gone.
    return f"{found.st_mtime_ns:x}-{found.st_ino:x}-{found.st_size:x}"


def _version_at(path: Path) -> str | None:
    try:
        return _version(path.stat())
    except FileNotFoundError:
        return None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _names(segment: bytes) -> list[str]:
    """A segment as one name, or as folders that end in `%` and a last name."""
    pieces = [segment[i : i + _PIECE] for i in range(0, len(segment), _PIECE)]
    return [_name(piece) + "%" for piece in pieces[:-1]] + [_name(pieces[-1])]


def _name(piece: bytes) -> str:
    if _SAME.fullmatch(piece):  # most are
        return piece.decode()
    last = len(piece) - 1
    return "".join(
        chr(byte) if byte in _PLAIN and not (byte == 0x2E and i in (0, last)) else f"%{byte:02x}"
        for i, byte in enumerate(piece)
    )


def _piece(name: str) -> bytes:
    head, *rest = name.split("%")
    return head.encode() + b"".join(bytes.fromhex(part[:2]) + part[2:].encode() for part in rest)


def _entries(folder: Path) -> tuple[list[tuple[bytes, str | None]], dict[bytes, str]]:
    """What is in a folder: what each key goes on with, and its folder or None; long segments' folders."""
    entries: list[tuple[bytes, str | None]] = []
    continued: dict[bytes, str] = {}
    with os.scandir(folder) as found:
        for entry in found:
            name = entry.name
            # A name that cannot be read is not one of ours: somebody put a file here.
            with contextlib.suppress(ValueError):
                if name.startswith("."):
                    continue
                if name.startswith("="):
                    if entry.is_file():
                        entries.append((_piece(name[1:]), None))
                elif not entry.is_dir():
                    continue
                elif name.endswith("%"):
                    continued[_piece(name[:-1])] = name
                else:
                    entries.append((_piece(name) + b"/", name))
    return entries, continued


def _keys(folder: Path, base: bytes, prefix: bytes) -> Iterator[bytes]:
    """Keys under `folder`, which stands for `base`, in byte order."""
    try:
        entries, continued = _entries(folder)
    except FileNotFoundError:
        return  # deleted while we were on the way
    except OSError as exc:
        raise Unavailable("the blob folder cannot be listed") from exc
    ends = {end for end, _ in entries}
    entries += [(piece + b"/", "") for piece in continued if piece + b"/" not in ends]
    for end, below in sorted(entries, key=itemgetter(0)):
        key = base + end
        if below is None:
            if key.startswith(prefix):
                yield key
            continue
        # A long segment's folder and a short one's may hold keys that mix in order.
        streams = []
        if below and _may_hold(key, prefix):
            streams.append(_keys(folder / below, key, prefix))
        if end[:-1] in continued and _may_hold(key[:-1], prefix):
            streams.append(_keys(folder / continued[end[:-1]], key[:-1], prefix))
        yield from heapq.merge(*streams)


def _may_hold(base: bytes, prefix: bytes) -> bool:
    return base.startswith(prefix) or prefix.startswith(base)


@contextlib.contextmanager
def _closing(file: BinaryIO) -> Iterator[None]:
    """Close a file that is written to; after a failure, what it still holds need not fit."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            file.close()
        raise
    with _translated():
        file.close()


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """The one place where the file system's exceptions become ours."""
    try:
        yield
    except OSError as exc:
        raise Unavailable(f"the blob folder cannot be used: {exc.strerror}") from exc
