"""Sources: what is to be added, found lazily and copied into the blob store by content."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from salient.errors import NotFound
from salient.model import Source
from salient.pipeline.ledger import UNREAD, Intake
from salient.storage.blob import Blobs

_READ_BYTES = 1024 * 1024

# Left by operating systems beside people's files; nobody means to add them.
_LITTER = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


def original_key(version: str) -> str:
    """Where the bytes of a version lie in the blob store."""
    return f"original/{version[:2]}/{version}"


@contextmanager
def local_original(blobs: Blobs, version: str) -> Iterator[Path]:
    """The bytes of a version as a local file, to read only, for the length of the block.

    Raises:
        NotFound: they are not in the store.
    """
    key = original_key(version)
    local = blobs.path(key)
    if local is not None:
        yield local
        return
    with tempfile.NamedTemporaryFile(prefix="salient-") as copy, blobs.stream(key) as stream:
        shutil.copyfileobj(stream, copy)
        copy.flush()
        yield Path(copy.name)


def readable(name: str) -> str:
    r"""A file name as text that can be stored: bytes that are not UTF-8 become `\\xNN`."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def sources(paths: Sequence[str]) -> Iterator[Source]:
    """Files under `paths`, folders walked in name order; links to folders are not followed.

    Raises:
        NotFound: a path does not exist. Nothing has been yielded then.
    """
    roots = [Path(p).expanduser().absolute() for p in paths]
    for root in roots:
        if not os.path.lexists(root):
            raise NotFound(
                f"there is no file or folder {readable(str(root))!r}", path=readable(str(root))
            )
    for root in roots:
        if root.is_dir():
            yield from _walk(root)
        else:
            yield _file(root, root.name)


def _walk(root: Path) -> Iterator[Source]:
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(f for f in folders if f != "__MACOSX")
        for name in sorted(files):
            if name not in _LITTER:
                path = Path(folder, name)
                yield _file(path, str(path.relative_to(root)))


def _file(path: Path, name: str) -> Source:
    return Source(key="file:" + readable(str(path)), name=readable(name), open=lambda: _open(path))


def _open(path: Path) -> BinaryIO:
    if not stat.S_ISREG(path.stat().st_mode):
        # A pipe or device would block for ever on open.
        raise IsADirectoryError(f"{path} is not a regular file")
    return path.open("rb")


def take(source: Source, blobs: Blobs, max_bytes: int, depth: int = 0) -> Intake:
    """Copy a source's bytes into the blob store under their hash.

    A source that cannot be read is an `Intake` with a failure, so that it too ends in the ledger.
    """

    def failed(code: str, reason: str, size: int = 0) -> Intake:
        return Intake(
            source.key,
            source.name,
            UNREAD,
            size,
            source.parent_id,
            depth,
            source.metadata,
            (code, reason),
        )

    try:
        with source.open() as stream, tempfile.SpooledTemporaryFile(8 * _READ_BYTES) as copy:
            digest, size = hashlib.sha256(), 0
            while chunk := stream.read(_READ_BYTES):
                size += len(chunk)
                if size > max_bytes:
                    reason = f"it is larger than the limit of {max_bytes:,} bytes: raise limits.max_file_bytes or split it"
                    return failed("too_large", reason, size)
                digest.update(chunk)
                copy.write(chunk)
            version = digest.hexdigest()
            key = original_key(version)
            if not blobs.exists(key):
                copy.seek(0)
                blobs.put(key, cast(BinaryIO, copy))
    except FileNotFoundError:
        return failed("vanished", "the file was gone when its turn came: add it again")
    except PermissionError:
        return failed(
            "unreadable",
            "the file may not be read by this user: change its permissions and add it again",
        )
    except IsADirectoryError:
        return failed("not_a_file", "it is a pipe, socket or device, which cannot be added")
    except OSError as exc:
        return failed(
            "unreadable",
            f"the file could not be read ({exc.strerror or exc}): check the disk and add it again",
        )
    return Intake(source.key, source.name, version, size, source.parent_id, depth, source.metadata)


def again(row: Any) -> Source | None:
    """The source of a ledger row whose bytes must be read anew: a file that could not be read."""
    if row.version != UNREAD or not row.source_key.startswith("file:"):
        return None
    return _file(Path(row.source_key.removeprefix("file:")), row.name)
