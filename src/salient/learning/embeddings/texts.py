"""Vectors of sentences and texts from those of their words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from salient.learning.embeddings.corpus import sentences
from salient.learning.embeddings.keyed import KeyedVectors
from salient.learning.embeddings.phrases import JOINT


class TextVectors:
    """Means of words' unit vectors, rare words weighing more, without the direction all texts share.

    A text's row depends on that text and the words' vectors alone: what texts share is found among the
    words, weighted by their use, not in the texts that happen to come together.

    Source: smooth inverse frequency, Arora et al. 2017, https://openreview.net/forum?id=SyK00v5xx; we
        take the common component of the vocabulary instead of the batch's.
    """

    def __init__(self, keyed: KeyedVectors, *, smoothing: float = 1e-3) -> None:
        self._keyed = keyed
        counts = keyed.vocabulary.counts.astype(np.float64)
        share = counts / max(counts.sum(), 1)
        self._weights = (smoothing / (smoothing + share)).astype(np.float32)
        self._common = self._shared(share)

    @property
    def dimensions(self) -> int:
        return self._keyed.dimensions

    def _shared(self, share: NDArray[np.float64]) -> NDArray[np.float32]:
        """The direction of most weight among words as they are used; (dimensions,)."""
        dimensions = self._keyed.dimensions
        spread = np.zeros((dimensions, dimensions))
        for first in range(0, len(share), 16_384):
            part = self._keyed.vectors[first : first + 16_384].astype(np.float64)
            norms = np.linalg.norm(part, axis=1, keepdims=True)
            part = part / np.where(norms == 0, 1, norms)
            weight = (share * self._weights)[first : first + 16_384, None]
            spread += part.T @ (part * weight)
        return np.asarray(np.linalg.eigh(spread)[1][:, -1], np.float32)

    def transform(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n_texts, dimensions) float32, of any length; zeros for a text without a known word."""
        made = np.zeros((len(texts), self._keyed.dimensions), np.float32)
        index = self._keyed.vocabulary.index
        for row, text in enumerate(texts):
            words = [w for sentence in sentences(text) for w in _phrased(sentence, index)]
            numbers = np.array([index[w] for w in words if w in index], np.int64)
            if not len(numbers):
                continue
            vectors = self._keyed.vectors[numbers].astype(np.float64)
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
            vectors /= np.where(norms == 0, 1, norms)
            mean = (vectors * self._weights[numbers, None]).mean(axis=0)
            made[row] = mean - (mean @ self._common) * self._common
        return made


def _phrased(sentence: Sequence[str], index: dict[str, int]) -> list[str]:
    """Words, neighbours joined where the vocabulary has them so."""
    found: list[str] = []
    for word in sentence:
        if found and found[-1] + JOINT + word in index:
            found[-1] += JOINT + word
        else:
            found.append(word)
    return found
