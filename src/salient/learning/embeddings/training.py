"""Tables of numbers that are trained, and training them on one shard: what every way to train does."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from salient.errors import InvalidInput
from salient.kernels import train_embeddings
from salient.kernels.embedding import (
    LEARN_DOCS,
    LEARN_OUTPUTS,
    LEARN_WORDS,
    MEAN,
    MOST_NEGATIVES,
    WIDEST,
    WORDS,
)
from salient.learning.embeddings.vocabulary import Vocabulary, pieces

MODES = {"skip-gram": WORDS, "cbow": WORDS | MEAN}
DOCUMENTS = {"dbow": 0, "dbow-words": WORDS, "dm": WORDS | MEAN}
_LOWEST = 1e-4  # of the learning rate, at the end: as in word2vec


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """How vectors are trained; the same words as `WordVectors` takes."""

    dimensions: int = 100
    window: int = 5
    negatives: int = 5
    epochs: int = 5
    min_count: int = 5
    max_words: int = 1_000_000
    sample: float = 1e-3
    rate: float = 0.025
    mode: str = "skip-gram"
    documents: str | None = None
    min_n: int = 0
    max_n: int = 0
    buckets: int = 200_000
    exponent: float = 0.75
    shard_words: int = 500_000
    seed: int = 1

    def check(self) -> None:
        """Raises: InvalidInput, naming what is wrong."""
        limits = {
            "dimensions": (1, 4096), "window": (1, WIDEST), "negatives": (0, MOST_NEGATIVES), "epochs": (1, 10_000),
            "min_count": (1, 2**62), "max_words": (1, 2**30), "buckets": (1, 2**30), "shard_words": (1, 2**30),
            "seed": (0, 2**62), "sample": (0, 1e9), "rate": (1e-9, 1.0), "exponent": (-2.0, 2.0), "min_n": (0, 20),
            "max_n": (0, 20),
        }  # fmt: skip
        for name, (low, high) in limits.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not low <= value <= high:
                raise InvalidInput(f"{name} is {low} to {high}, not {value!r}", parameter=name)
        if self.mode not in MODES:
            raise InvalidInput(f"mode is one of {', '.join(MODES)}, not {self.mode!r}")
        if self.documents is not None and self.documents not in DOCUMENTS:
            raise InvalidInput(
                f"documents is None or one of {', '.join(DOCUMENTS)}, not {self.documents!r}"
            )
        if self.min_n > self.max_n or (self.max_n and not self.min_n):
            raise InvalidInput(
                "n-grams are of min_n to max_n letters: 1 <= min_n <= max_n, or both 0"
            )

    @property
    def width(self) -> int:
        """Dimensions as the kernel has them: filled up with zeros to a multiple of 8."""
        return -(-self.dimensions // 8) * 8

    @property
    def mode_flags(self) -> int:
        return MODES[self.mode] if self.documents is None else DOCUMENTS[self.documents]


@dataclass(eq=False)
class Tables:
    """What is trained: (n_words + n_buckets, width), (n_words, width), (n_documents, width) float32."""

    inputs: NDArray[np.float32]
    outputs: NDArray[np.float32]
    docs: NDArray[np.float32]

    @classmethod
    def fresh(cls, parameters: Parameters, n_words: int, n_documents: int = 0) -> Tables:
        """As training begins: random inputs, equal on all platforms for a seed; outputs of 0.

        Inputs are of a length of 0.29 whatever their dimensions, ten times word2vec's for 100: outputs grow
        from 0 in proportion to it, so that little text teaches more.
        """
        n_rows = n_words + (parameters.buckets if parameters.max_n else 0)
        return cls(
            _random(parameters, n_rows, 0, parameters.dimensions**-0.5),
            np.zeros((n_words, parameters.width), np.float32),
            documents_rows(parameters, n_documents),
        )


def documents_rows(parameters: Parameters, n: int) -> NDArray[np.float32]:
    """Documents' rows before they are trained."""
    return _random(parameters, n, 1, 1 / parameters.dimensions)


def _random(parameters: Parameters, n: int, stream: int, size: float) -> NDArray[np.float32]:
    rows = np.zeros((n, parameters.width), np.float32)
    random = np.random.default_rng((parameters.seed, stream))
    for first in range(0, n, 65_536):  # the double-precision draws stay few
        part = rows[first : first + 65_536, : parameters.dimensions]
        part[:] = (random.random(part.shape, np.float32) - 0.5) * np.float32(size)
    return rows


class Trainer:
    """Trains tables on shards; holds what follows from vocabulary and parameters alone."""

    def __init__(self, parameters: Parameters, vocabulary: Vocabulary, *, threads: int = 1) -> None:
        self.parameters = parameters
        self._keep = vocabulary.keep(parameters.sample)
        self._draws = vocabulary.draws(parameters.exponent)
        self.starts, self.pieces = pieces(
            vocabulary.words, parameters.min_n, parameters.max_n, parameters.buckets
        )
        self._threads = threads

    def rates(self, seen: int, words: int, total: int) -> tuple[float, float]:
        """Learning rates before and after so many words of all."""
        rate = self.parameters.rate
        low = rate * _LOWEST
        return (
            max(rate * (1 - seen / max(total, 1)), low),
            max(rate * (1 - (seen + words) / max(total, 1)), low),
        )

    def train(
        self,
        tables: Tables,
        shard: NDArray[np.int32],
        rates: tuple[float, float],
        where: tuple[int, ...],
    ) -> tuple[int, float, int]:
        """One pass over a shard.

        Args:
            where: epoch and shard: with the seed, what the pass draws. Several threads write to the
                same rows without locks, so only one thread gives equal bits.
        """
        flags = self.parameters.mode_flags | LEARN_WORDS | LEARN_OUTPUTS | LEARN_DOCS
        if self._threads == 1:
            return self._pass(tables, shard, rates, where, flags)
        parts = _cut(shard, self._threads)
        with ThreadPoolExecutor(self._threads) as pool:
            ends = list(
                pool.map(
                    lambda p: self._pass(tables, p[1], rates, (*where, p[0]), flags),
                    enumerate(parts),
                )
            )
        return sum(e[0] for e in ends), sum(e[1] for e in ends), sum(e[2] for e in ends)

    def infer(self, tables: Tables, shard: NDArray[np.int32], *, passes: int) -> None:
        """Train documents' rows alone."""
        flags = self.parameters.mode_flags | LEARN_DOCS
        if self.parameters.documents == "dbow-words":
            flags &= ~WORDS  # words are trained with documents, not in their place
        n = max(len(shard), 1)
        for number in range(passes):
            self._pass(tables, shard, self.rates(number * n, n, passes * n), (number,), flags)

    def _pass(
        self,
        tables: Tables,
        shard: NDArray[np.int32],
        rates: tuple[float, float],
        where: tuple[int, ...],
        flags: int,
    ) -> tuple[int, float, int]:
        seed = int(np.random.SeedSequence((self.parameters.seed, *where)).generate_state(1, np.uint64)[0])  # fmt: skip
        p = self.parameters
        return train_embeddings(
            shard, tables.inputs, tables.outputs, tables.docs, self._keep, self._draws, self.starts, self.pieces,
            p.window, p.negatives, flags, *rates, seed,
        )  # fmt: skip


def check_finite(*tables: NDArray[Any]) -> None:
    """Raises: InvalidInput: training diverged."""
    for table in tables:
        # A number that is none makes the sum none; of rows, since a sum of all might be too large for its type.
        if not np.isfinite(table.sum(axis=-1)).all():
            raise InvalidInput(
                "training went astray, to numbers that are none: ask for a lower rate"
            )


def n_words(shard: NDArray[np.int32]) -> int:
    return int(np.count_nonzero(np.asarray(shard) >= 0))


def _cut(shard: NDArray[np.int32], n: int) -> Sequence[NDArray[np.int32]]:
    """In as many parts of about the same length, between sentences, or documents where they are marked."""
    marked = len(shard) > 0 and shard[0] < -1
    ends = np.flatnonzero(shard < -1) if marked else np.flatnonzero(shard == -1) + 1
    if not len(ends):
        return [shard]
    cuts = np.unique(ends[np.searchsorted(ends, [len(shard) * i // n for i in range(1, n)]).clip(0, len(ends) - 1)])  # fmt: skip
    return [part for part in np.split(shard, cuts) if len(part)]
