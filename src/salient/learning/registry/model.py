"""One version of a model, opened."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

from numpy.typing import NDArray

from salient.errors import Corrupt, InvalidInput, NotFound
from salient.learning import mapped
from salient.learning.registry.cache import Hold


@final
class Model:
    """Files of a version, in the local cache for as long as this is open.

    Arrays are mapped read-only: processes that open the same version share one copy in memory.
    They stay valid for as long as they are referenced, also after `close`.
    """

    def __init__(self, name: str, hold: Hold, closed: Callable[[], None]) -> None:
        self.name = name
        self._hold = hold
        self.version: str = hold.manifest.version
        # Also for one that nobody closes: what it holds must not outlive it.
        self._closing = weakref.finalize(self, _end, hold, closed)

    @property
    def path(self) -> Path:
        """The folder; files in it are not to be changed."""
        return self._hold.folder

    @property
    def digests(self) -> Mapping[str, str]:
        """SHA-256 of each file by its path."""
        return {file.path: file.sha256 for file in self._hold.manifest.files}

    def file(self, name: str) -> Path:
        """One file's place.

        Raises:
            NotFound: the model has no such file.
        """
        if name not in self.digests:
            raise NotFound(f"the model {self.name!r} has no file {name!r}", files=[*self.digests][:20])  # fmt: skip
        return self.path / name

    def array(self, file: str, name: str | None = None) -> NDArray[Any]:
        """Map an array: of a `.npy` file, or one of a `.safetensors` or `.columns` file by name.

        Raises:
            NotFound: the model has no such file.
            InvalidInput: the file is of no such form, or it has several arrays and none is named.
            Corrupt: the file cannot be read, or has no such array.
        """
        path = self.file(file)
        if path.suffix == ".npy" and name is None:
            return mapped.npy(path)
        if path.suffix == ".safetensors" and name is not None:
            return mapped.tensor(path, name)
        if path.suffix == ".columns" and name is not None:
            try:
                return mapped.column_file(path)[1][name]
            except KeyError as exc:
                raise Corrupt("a column file lacks a column", file=file, column=name) from exc
        raise InvalidInput(
            "arrays are in .npy files, or named in .safetensors and .columns files", file=file
        )

    def columns(self, file: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Map a column file: its header and all its arrays.

        Raises:
            NotFound: the model has no such file.
            Corrupt: the file cannot be read.
        """
        return mapped.column_file(self.file(file))

    def close(self) -> None:
        """The cache may remove it from now on. More than once does no harm."""
        self._closing()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _end(hold: Hold, closed: Callable[[], None]) -> None:
    hold.release()
    closed()
