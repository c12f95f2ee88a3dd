"""Features of texts, hashed once and used by many fits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt, InvalidInput, NotFound
from salient.kernels import hashed_features
from salient.kernels.terms import Packed, Spec
from salient.learning import mapped
from salient.learning.batching import batches, parallel
from salient.learning.checkpoints import packed, place_of, unpacked
from salient.storage.blob import Blobs

Texts = "Sequence[str | bytes] | NDArray[Any] | pa.Array | pa.ChunkedArray | HashedTexts"
"""What estimators take: strings, bytes in UTF-8, an array of them, Arrow's strings, or features made before."""

FORMAT = 2
"""Of hashing: what another release hashed is not taken for what this one would."""
_FILES = ("begins", "columns", "counts")


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
            lambda part: hashed_features(part, *checked(spec)),
            batches(texts, threads=threads),
            threads,
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
        np.save(directory / "spec.npy", np.array([FORMAT, *self.spec], np.int64))
        for name in reversed(_FILES):
            part = directory / f"{name}.part.npy"
            np.save(part, getattr(self, name))
            part.replace(directory / f"{name}.npy")

    @classmethod
    def load(cls, directory: Path) -> HashedTexts:
        """Map features that were saved.

        Raises:
            Corrupt: they are not whole, or another release made them.
        """
        try:
            form, *parts = (int(part) for part in np.load(directory / "spec.npy"))
            spec = Spec(*parts)
            made = cls(spec, *(mapped.npy(directory / f"{name}.npy") for name in _FILES))
        except (OSError, ValueError, TypeError) as exc:
            raise Corrupt(
                "the features cannot be read: hash the texts again", directory=directory.name
            ) from exc
        if form != FORMAT:
            raise Corrupt(
                "another release made the features: hash the texts again", directory=directory.name
            )
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
    def cached(
        cls,
        texts: Any,
        spec: Spec,
        place: Path | Blobs,
        *,
        threads: int = 1,
        prefix: str = "features",
    ) -> HashedTexts:
        """Those of a folder or a blob store that these texts were hashed to before, or hash them now.

        The blob is named by the texts and the spec, so that other texts never get these features. In a folder, and in
        other stores that have files, they are mapped.
        """
        if isinstance(texts, cls):
            return cls.of(texts, spec)
        if not hasattr(texts, "__len__"):
            texts = list(texts)
        blobs, key = place_of(place), cls.key(texts, spec, prefix)
        try:
            arrays, _ = unpacked(blobs.view(key))
        except (NotFound, Corrupt):
            arrays = {}
        if set(arrays) == set(_FILES):
            return cls(spec, *(arrays[name] for name in _FILES))
        made = cls.of(texts, spec, threads=threads)
        blobs.put(key, packed({name: getattr(made, name) for name in _FILES}, {}))
        return made

    @staticmethod
    def key(texts: Any, spec: Spec, prefix: str = "features") -> str:
        """Of the blob that `cached` keeps these texts' features in."""
        digest = hashlib.sha256(repr((FORMAT, *checked(spec))).encode())
        for part in batches(texts):
            digest.update(digested(part))
        return f"{prefix}/{digest.hexdigest()[:32]}"


def checked(spec: Spec) -> Spec:
    """Raises InvalidInput: there is no such spec."""
    try:
        spec.check()
    except ValueError as error:
        raise InvalidInput(str(error)) from error
    return spec


def digested(part: Sequence[str | bytes] | Packed) -> bytes:
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
