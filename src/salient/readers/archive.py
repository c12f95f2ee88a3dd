"""Archives: members become children. Zip, tar (plain, gzip, bzip2, xz) and single packed files."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

from salient.errors import InvalidInput, LimitExceeded
from salient.model import Child, Note, Piece
from salient.readers import MIB, Limits
from salient.readers.zipped import Container

VERSION = 1

_CHUNK = 1 << 18
_TOLD_ONE_BY_ONE = 20
_PASSED_OVER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
_OPENERS: dict[
    bytes, Callable[[Path], AbstractContextManager[gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile]]
] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(file, "rb"),
    b"BZ": bz2.BZ2File,
    b"\xfd7": lzma.LZMAFile,
}
_MAX_RATIO = 1000
_RATIO_FREE_BYTES = 32 * MIB


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read a zip: a child a member, a note for those that are locked or damaged."""
    with Container(file, limits) as container:
        names = [n for n in container.names() if not n.endswith("/") and not _passed_over(n)]
        if not names:
            yield Note("no_members", "the archive is empty")
        locked: list[str] = []
        damaged: list[str] = []
        for number, name in enumerate(names):
            if number >= limits.max_children:
                yield _members_left_out(len(names), limits)
                break
            if container.encrypted(name):
                locked.append(name)
                continue
            try:
                content = container.read(name)
            except InvalidInput as exc:
                damaged.append(name)
                if len(damaged) <= _TOLD_ONE_BY_ONE:
                    yield Note("member_unreadable", exc.message)
                continue
            yield Child(safe_name(name), content)
        if damaged and len(damaged) == len(names):
            raise InvalidInput(
                "the archive is cut off or damaged: none of its members can be read; get it anew "
                "and add it again",
                code="truncated",
            )
        if len(damaged) > _TOLD_ONE_BY_ONE:
            yield Note(
                "member_unreadable",
                f"{len(damaged) - _TOLD_ONE_BY_ONE} more of its {len(names)} members are damaged",
            )
        if locked and len(locked) == len(names):
            raise InvalidInput(
                "the archive is protected by a password: unpack it and add its files",
                code="encrypted",
            )
        if locked:
            yield Note(
                "members_encrypted",
                f"{len(locked)} of {len(names)} members are protected by a password: "
                + ", ".join(safe_name(n) for n in locked[:5]),
            )


def read_tar(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read a tar archive, packed or not; links and devices are passed over and counted."""
    left = limits.max_expanded_bytes
    n_files = n_other = 0
    try:
        with tarfile.open(file, "r|*") as archive:
            for member in archive:
                if member.isdir() or _passed_over(member.name):
                    continue
                stream = archive.extractfile(member) if member.isreg() else None
                if stream is None:
                    n_other += 1
                    continue
                n_files += 1
                if n_files > limits.max_children:
                    yield _members_left_out(None, limits)
                    break
                left -= member.size
                if left < 0:
                    raise _bomb(limits)
                yield Child(safe_name(member.name), stream.read())
    except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as exc:
        if not n_files:
            raise InvalidInput(
                "the archive is cut off or damaged: get it anew and add it again", code="truncated"
            ) from exc
        yield Note("archive_cut_off", f"the archive is damaged after {n_files} members")
    if n_other:
        yield Note(
            "members_left_out", f"{n_other} links or devices in the archive were passed over"
        )


def read_packed(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read a gzip, bzip2 or xz file: a tar's members, or the one file within as a child without a name."""
    with file.open("rb") as stream:
        magic = stream.read(2)
    try:
        with _OPENERS[magic](file) as unpacked:
            head = unpacked.read(512)
            if head[257:262] == b"ustar":
                yield from read_tar(file, limits)
                return
            pieces = [head]
            done = len(head)
            packed = max(file.stat().st_size, 1)
            while chunk := unpacked.read(_CHUNK):
                done += len(chunk)
                if done > limits.max_expanded_bytes or (
                    done > _RATIO_FREE_BYTES and done > _MAX_RATIO * packed
                ):
                    raise _bomb(limits)
                pieces.append(chunk)
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as exc:
        raise InvalidInput(
            "the packed file is cut off or damaged: get it anew and add it again", code="truncated"
        ) from exc
    yield Child("", b"".join(pieces))


def safe_name(name: str) -> str:
    """A member's name as a relative path that stays below where it is put, on one line."""
    name = "".join(c if c.isprintable() else " " for c in name.replace("\\", "/"))
    parts = [
        p.strip() for p in PurePosixPath(name).parts if p not in ("/", ".", "..") and p.strip()
    ]
    if parts and parts[0].endswith(":"):
        parts = parts[1:]
    return "/".join(parts)[-500:] or "member"


def _passed_over(name: str) -> bool:
    return name.startswith("__MACOSX/") or name.rpartition("/")[2] in _PASSED_OVER


def unpacked_name(packed: str) -> str:
    """What to call the one file within a packed file of this name."""
    name = packed.rpartition("/")[2]
    for ending in (".gz", ".bz2", ".xz"):
        if name.lower().endswith(ending):
            return safe_name(name[: -len(ending)])
    return "unpacked"


def _members_left_out(n_members: int | None, limits: Limits) -> Note:
    how_many = "all further" if n_members is None else str(n_members - limits.max_children)
    return Note(
        "children_left_out",
        f"{how_many} members were left out: the limit is {limits.max_children} in one archive",
    )


def _bomb(limits: Limits) -> LimitExceeded:
    return LimitExceeded(
        "the archive unpacks to more than is allowed "
        f"({limits.max_expanded_bytes // MIB} MiB): unpack it yourself and add what you need",
        code="zip_bomb",
    )
