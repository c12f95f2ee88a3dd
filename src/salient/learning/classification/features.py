"""Features of texts, hashed once and used by many fits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt, InvalidInput
from salient.kernels import hashed_features
from salient.kernels.terms import Packed, Spec
from salient.learning import mapped

if TYPE_CHECKING:
    pass

Texts = "Sequence[str | bytes] | NDArray[Any] | pa.Array | pa.ChunkedArray | HashedTexts"
"""What estimators take: strings, bytes in UTF-8, an array of them, Arrow's strings, or features made before."""

_FILES = ("begins", "columns", "counts")
BATCH = 4096  # texts that go through a kernel at once


@dataclass(frozen=True, slots=True, eq=False)
class HashedTexts:
    """A sparse matrix of texts and columns, with the spec that it was made by."""

    spec: Spec
    begins: NDArray[np.int64]
    """(n_texts + 1,): where each text's features begin."""
    columns: NDArray[np.int32]
    counts: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.begins) - 1

    @classmethod
    def of(cls, texts: Any, spec: Spec = Spec(), *, threads: int = 1) -> HashedTexts:  # noqa: B008 - a tuple
        """Hash texts. Cost: some microseconds for a hundred words; threads share the work.

        Raises:
            InvalidInput: there is no such spec, or these are no texts.
        """
        if isinstance(texts, cls):
            if texts.spec != spec:
                raise InvalidInput(
                    "these features were made by another spec", made_by=tuple(texts.spec)
                )
            return texts
        parts = parallel(
            lambda part: hashed_features(part, *checked(spec)), batches(texts), threads
        )
        return cls.joined(spec, [cls(spec, *part) for part in parts])

    @classmethod
    def joined(cls, spec: Spec, parts: Sequence[HashedTexts]) -> HashedTexts:
        """The texts of all parts, in order."""
        if len(parts) == 1:
            return parts[0]
        shifts = np.cumsum([0, *(part.begins[-1] for part in parts)])
        begins = [part.begins[:-1] + shift for part, shift in zip(parts, shifts, strict=False)]
        return cls(
            spec,
            np.concatenate([*begins, shifts[-1:]]).astype(np.int64),
            np.concatenate([np.zeros(0, np.int32), *(part.columns for part in parts)]),
            np.concatenate([np.zeros(0, np.int32), *(part.counts for part in parts)]),
        )

    def document_counts(self) -> NDArray[np.int64]:
        """(n_columns,): the texts that have each column."""
        return np.bincount(self.columns, minlength=1 << self.spec.bits)

    def save(self, directory: Path) -> None:
        """Write three arrays that `load` maps; an older one is replaced file by file, `begins` last."""
        directory.mkdir(parents=True, exist_ok=True)
        np.save(directory / "spec.npy", np.array(self.spec, np.int64))
        for name in reversed(_FILES):
            part = directory / f"{name}.part.npy"
            np.save(part, getattr(self, name))
            part.replace(directory / f"{name}.npy")

    @classmethod
    def load(cls, directory: Path) -> HashedTexts:
        """Map features that were saved.

        Raises:
            Corrupt: they are not whole.
        """
        try:
            spec = Spec(*(int(part) for part in np.load(directory / "spec.npy")))
            made = cls(spec, *(mapped.npy(directory / f"{name}.npy") for name in _FILES))
        except (OSError, ValueError, TypeError) as exc:
            raise Corrupt(
                "the features cannot be read: hash the texts again", directory=directory.name
            ) from exc
        if (
            not len(made.begins)
            or made.begins[-1] != len(made.columns)
            or len(made.columns) != len(made.counts)
        ):
            raise Corrupt(
                "the features are not whole: hash the texts again", directory=directory.name
            )
        return made

    @classmethod
    def cached(cls, texts: Any, spec: Spec, directory: Path, *, threads: int = 1) -> HashedTexts:
        """Those of the directory that these texts were hashed to before, or hash them now.

        The place is named by the texts and the spec, so that other texts never get these features.
        """
        digest = hashlib.sha256(repr(tuple(spec)).encode())
        for part in batches(texts):
            digest.update(_digested(part))
        place = directory / digest.hexdigest()[:32]
        if not (place / "begins.npy").is_file():
            cls.of(texts, spec, threads=threads).save(place)
        return cls.load(place)


def checked(spec: Spec) -> Spec:
    """Raises InvalidInput: there is no such spec."""
    try:
        spec.check()
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    return spec


def _digested(part: Sequence[str | bytes] | Packed) -> bytes:
    digest = hashlib.sha256()
    if isinstance(part, tuple):
        data, offsets = part
        digest.update(np.diff(offsets).tobytes())
        digest.update(data[offsets[0] : offsets[-1]].tobytes())
    else:
        encoded = [t if isinstance(t, bytes) else t.encode("utf-8", "surrogatepass") for t in part]
        digest.update(np.array([len(t) for t in encoded], np.int64).tobytes())
        digest.update(b"".join(encoded))
    return digest.digest()


def parallel(work: Callable[[Any], Any], parts: Iterator[Any], threads: int) -> list[Any]:
    """What work makes of each part, in order; kernels let go of the interpreter, so threads help."""
    if threads <= 1:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))


def batches(texts: Any, size: int = BATCH) -> Iterator[Sequence[str | bytes] | Packed]:
    """Texts in parts as kernels take them; Arrow's are not copied.

    Raises:
        InvalidInput: these are no texts.
    """
    if isinstance(texts, str | bytes):
        raise InvalidInput("one text was given where a list of texts is wanted")
    if type(texts).__module__.partition(".")[0] == "pyarrow":
        yield from _arrow(texts, size)
        return
    if not hasattr(texts, "__len__"):
        texts = list(texts)
    elif isinstance(texts, np.ndarray):
        if texts.ndim != 1:
            raise InvalidInput(f"texts come in one dimension, not {texts.ndim}")
        texts = texts.tolist()
    elif not isinstance(texts, list | tuple):
        texts = list(texts)
    if not texts:
        yield []
    for first in range(0, len(texts), size):
        part = list(texts[first : first + size])
        if set(map(type, part)) <= {str, bytes}:
            yield part
            continue
        for at, text in enumerate(part):
            if not isinstance(text, str | bytes):
                kind = "missing" if text is None else type(text).__name__
                raise InvalidInput(
                    f"text {first + at} is {kind}: strings or bytes in UTF-8 are wanted"
                )
        yield part


def _arrow(texts: Any, size: int) -> Iterator[Packed]:
    import pyarrow as pa

    chunks = texts.chunks if isinstance(texts, pa.ChunkedArray) else [texts]
    for chunk in chunks or [pa.array([], pa.large_string())]:
        try:
            whole = chunk.cast(pa.large_binary())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise InvalidInput(f"Arrow's {chunk.type} holds no texts") from error
        if whole.null_count:
            raise InvalidInput("an Arrow array has missing texts: fill them with ''")
        _, offsets, data = whole.buffers()
        ends = np.frombuffer(offsets, np.int64)[whole.offset : whole.offset + len(whole) + 1]
        letters = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
        if not len(whole):
            yield letters, np.zeros(1, np.int64)
        for first in range(0, len(whole), size):
            yield letters, np.ascontiguousarray(ends[first : first + size + 1])
