"""Texts to vectors by words' vectors of one's own: `vectors:FOLDER`, or a published model of that form."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from salient.learning.embeddings.keyed import VECTORS, VOCABULARY, KeyedVectors, described
from salient.learning.embeddings.texts import TextVectors
from salient.learning.registry import Model
from salient.learning.vectors import Encoder


@final
class WordsEncoder(Encoder):
    """Weighted means of words' vectors; see `TextVectors`."""

    name: ClassVar[str] = "salient.words.v2"

    def __init__(self, folder: Path, digests: Mapping[str, str] | None = None) -> None:
        """Name a folder that `WordVectors.save` or `KeyedVectors.save` wrote.

        Raises:
            NotFound: it holds no vectors.
            Corrupt: they are of another form.
        """
        described(folder)
        self._folder, self._digests = folder, digests or {}
        self._model: Model | None = None

    @classmethod
    def of(cls, model: Model) -> WordsEncoder:
        """Of a published model, which stays open for as long as the encoder is used."""
        encoder = cls(model.path, model.digests)
        encoder._model = model
        return encoder

    @cached_property
    def version(self) -> str:
        digest = hashlib.sha256()
        for name in (VOCABULARY, VECTORS):
            with (self._folder / name).open("rb") as file:
                known = self._digests.get(name) or hashlib.file_digest(file, "sha256").hexdigest()
            digest.update(bytes.fromhex(known))
        return digest.hexdigest()[:12]

    @property
    def dimensions(self) -> int:
        return self._texts.dimensions

    @cached_property
    def _texts(self) -> TextVectors:
        return TextVectors(KeyedVectors.open(self._folder))

    def _sums(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._texts.transform(texts)
