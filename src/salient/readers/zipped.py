"""Zip containers read with suspicion: what counts is what comes out, not what the headers say."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from salient.errors import InvalidInput, LimitExceeded, NotFound
from salient.readers import MIB, Limits

_CHUNK = 1 << 18
_MAX_RATIO = 200
"""Of a member, beyond `_RATIO_FREE_BYTES`: dense XML reaches 50, a bomb 1,000."""
_RATIO_FREE_BYTES = 32 * MIB
_MAX_MEMBERS = 100_000


class Container:
    """An open zip file with one allowance for everything that is read from it.

    Raises from any method:
        InvalidInput: `truncated` or `malformed` file, or an `encrypted` member.
        LimitExceeded: `zip_bomb`.
        NotFound: no member has that name.
    """

    def __init__(self, file: Path, limits: Limits) -> None:
        self._left = limits.max_expanded_bytes
        self._limit = limits.max_expanded_bytes
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, OSError, EOFError) as exc:
            raise InvalidInput(
                "the file is cut off or damaged, and its container cannot be opened: get it anew "
                "and add it again",
                code="truncated",
            ) from exc
        if len(self._zip.filelist) > _MAX_MEMBERS:
            self._zip.close()
            raise LimitExceeded(
                f"the container has {len(self._zip.filelist)} members, more than {_MAX_MEMBERS}",
                code="zip_bomb",
            )
        self._infos = {info.filename: info for info in self._zip.filelist}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._zip.close()

    def __contains__(self, name: str) -> bool:
        return name in self._infos

    def names(self) -> list[str]:
        """Member names in file order, each once, folders included (they end in a slash)."""
        return list(self._infos)

    def encrypted(self, name: str) -> bool:
        """Whether a member needs a password."""
        return bool(self._info(name).flag_bits & 1)

    def read(self, name: str, *, most: int | None = None) -> bytes:
        """Inflate a member whole.

        Args:
            most: give up with LimitExceeded past this many bytes; None for the allowance alone.
        """
        return b"".join(self.chunks(name, most=most))

    def chunks(self, name: str, *, most: int | None = None) -> Iterator[bytes]:
        """Inflate a member in pieces, checking size and ratio on the way."""
        info = self._info(name)
        if info.flag_bits & 1:
            raise InvalidInput(
                "the file is protected by a password: remove it and add the file again",
                code="encrypted",
                member=name,
            )
        done = 0
        try:
            with self._zip.open(info) as stream:
                while chunk := stream.read(_CHUNK):
                    done += len(chunk)
                    self._left -= len(chunk)
                    self._check(info, done, most)
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as exc:
            raise InvalidInput(
                f"the container's member {name!r} is damaged: get the file anew and add it again",
                code="truncated",
                member=name,
            ) from exc
        except (NotImplementedError, RuntimeError) as exc:
            raise InvalidInput(
                f"the container's member {name!r} is packed in a way that cannot be read here: "
                "pack it anew as a plain zip",
                code="malformed",
                member=name,
            ) from exc

    def _info(self, name: str) -> zipfile.ZipInfo:
        if name not in self._infos:
            raise NotFound(f"the container has no member {name!r}", member=name)
        return self._infos[name]

    def _check(self, info: zipfile.ZipInfo, done: int, most: int | None) -> None:
        packed = max(info.compress_size, 1)
        bomb = done > _RATIO_FREE_BYTES and done > _MAX_RATIO * packed
        if self._left < 0 or bomb or (most is not None and done > most):
            how_much = (
                f"over {_MAX_RATIO} times its packed size"
                if bomb
                else f"more than is allowed ({self._limit // MIB} MiB)"
            )
            raise LimitExceeded(
                f"the file unpacks to {how_much}: unpack it yourself and add what you need",
                code="zip_bomb",
                member=info.filename,
                expanded_bytes=done,
                packed_bytes=info.compress_size,
            )
