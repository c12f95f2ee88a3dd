"""Words by how often they are used: counted in bounded memory, merged from many counts, frozen to numbers."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt, InvalidInput
from salient.kernels import term_numbers
from salient.model import columns

MOST_WORDS = 2_000_000  # counted at a time, some 300 MB
_FEWEST_DRAWS, _MOST_DRAWS = 16, 24  # as powers of two


class VocabularyCounter:
    """Counts of words in a stream.

    - At most twice `most` words are held; beyond that the rarest go, and `missed` says how many uses
      at most a word that is held may have lost by it.
    - `merge` of counts of two streams is the count of both, whatever the order, while nothing was cut.

    Source: lossy counting, Manku & Motwani 2002, with Misra-Gries's bound on size.
    """

    def __init__(self, most: int = MOST_WORDS) -> None:
        if most < 1:
            raise InvalidInput("a vocabulary counts at least one word", most=most)
        self.most = most
        self.missed = 0
        self.n_sentences = 0
        self._counts: Counter[str] = Counter()

    def add(self, sentences: Iterable[Sequence[str]]) -> None:
        counts = self._counts
        for sentence in sentences:
            counts.update(sentence)
            self.n_sentences += 1
            if len(counts) > 2 * self.most:
                self._cut()

    def merge(self, other: VocabularyCounter) -> None:
        self._counts.update(other._counts)
        self.missed += other.missed
        self.n_sentences += other.n_sentences
        if len(self._counts) > 2 * self.most:
            self._cut()

    def _cut(self) -> None:
        kept = sorted(self._counts.items(), key=lambda c: (-c[1], c[0]))
        self.missed += kept[self.most][1]
        self._counts = Counter(dict(kept[: self.most]))

    def __len__(self) -> int:
        return len(self._counts)

    def __getitem__(self, word: str) -> int:
        return self._counts[word]

    def items(self) -> Iterator[tuple[str, int]]:
        return iter(self._counts.items())

    def dump(self) -> bytes:
        words = sorted(self._counts)
        numbers = np.array([self._counts[w] for w in words], np.int64)
        letters = np.frombuffer("\n".join(words).encode(), np.uint8)
        head = {"most": self.most, "missed": self.missed, "sentences": self.n_sentences}
        return columns.dump({"words": letters, "counts": numbers}, head)

    @classmethod
    def load(cls, data: bytes | memoryview) -> VocabularyCounter:
        """Read what `dump` wrote. Raises: Corrupt."""
        head, arrays = columns.load(data)
        made = cls(int(head["most"]))
        made.missed, made.n_sentences = int(head["missed"]), int(head["sentences"])
        words = arrays["words"].tobytes().decode().split("\n") if len(arrays["words"]) else []
        if len(words) != len(arrays["counts"]):
            raise Corrupt("counts of words are not of their number")
        made._counts = Counter(dict(zip(words, arrays["counts"].tolist(), strict=True)))
        return made

    def vocabulary(self, min_count: int = 5, most: int | None = None) -> Vocabulary:
        """The words that are used at least so often, most frequent first, equals by the alphabet.

        Raises:
            InvalidInput: there is none.
        """
        kept = sorted(
            ((w, n) for w, n in self._counts.items() if n >= min_count), key=lambda c: (-c[1], c[0])
        )[: most or self.most]
        if not kept:
            raise InvalidInput(
                f"no word is used {min_count} times: give more text, or ask for a smaller min_count",
                n_words=len(self._counts),
            )
        return Vocabulary(tuple(w for w, _ in kept), np.array([n for _, n in kept], np.int64))


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Words by number, and how often each is used: (n_words,) int64."""

    words: tuple[str, ...]
    counts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    @cached_property
    def index(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    @cached_property
    def digest(self) -> str:
        """Of words and counts: what numbers mean."""
        digest = hashlib.sha256("\n".join(self.words).encode())
        digest.update(self.counts.astype("<i8").tobytes())
        return digest.hexdigest()

    def numbers(self, sentences: Iterable[Sequence[str]]) -> NDArray[np.int32]:
        """See `term_numbers`."""
        return term_numbers(sentences, self.index)

    def keep(self, sample: float) -> NDArray[np.float32]:
        """The share of each word's uses that is trained on: sqrt(s / f) + s / f, at 0 all of them."""
        if sample <= 0:
            return np.ones(len(self), np.float32)
        share = self.counts / max(int(self.counts.sum()), 1)
        ratio = sample / np.maximum(share, 1e-12)
        return (np.sqrt(ratio) + ratio).astype(np.float32)

    def draws(self, exponent: float = 0.75) -> NDArray[np.int32]:
        """A table of 2**b words, each as often as its count to that power asks, but once at least."""
        bits = min(max(_FEWEST_DRAWS, (8 * len(self)).bit_length()), _MOST_DRAWS)
        weights = np.maximum(self.counts, 1).astype(np.float64) ** exponent
        ends = np.cumsum(weights)
        size = 1 << max(bits, len(self).bit_length())
        points = (np.arange(size - len(self)) + 0.5) / max(size - len(self), 1) * ends[-1]
        drawn = np.searchsorted(ends, points, "right").clip(0, len(self) - 1)
        return np.sort(np.concatenate([drawn, np.arange(len(self))])).astype(np.int32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """For a column file; `of` reads them again."""
        return {
            "words": np.frombuffer("\n".join(self.words).encode(), np.uint8),
            "counts": self.counts,
        }

    @classmethod
    def of(cls, arrays: dict[str, NDArray[Any]]) -> Vocabulary:
        """Raises: Corrupt."""
        try:
            words = tuple(arrays["words"].tobytes().decode().split("\n"))
            made = cls(words, np.asarray(arrays["counts"], np.int64))
        except (KeyError, UnicodeDecodeError) as exc:
            raise Corrupt("the vocabulary cannot be read") from exc
        if len(words) != len(made.counts):
            raise Corrupt("the vocabulary has not a count for each word")
        return made


def pieces(
    vocabulary: Sequence[str], shortest: int, longest: int, buckets: int
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Rows of a table that words are the means of: their own, then those of their n-grams' buckets.

    Returns:
        Where each word's rows begin, (n_words + 1,), and the rows.
    """
    if not longest:
        return np.zeros(0, np.int64), np.zeros(0, np.int32)
    rows: list[int] = []
    starts = [0]
    n = len(vocabulary)
    for number, word in enumerate(vocabulary):
        rows.append(number)
        rows += [n + h for h in gram_buckets(word, shortest, longest, buckets)]
        starts.append(len(rows))
    return np.array(starts, np.int64), np.array(rows, np.int32)


def gram_buckets(word: str, shortest: int, longest: int, buckets: int) -> list[int]:
    """Buckets of a word's character n-grams, as fastText has them, so that it can read our models.

    Source: Bojanowski et al. 2017, arXiv:1607.04606; hashes are FNV-1a of signed bytes, 32 bits.
    """
    letters = [c.encode() for c in f"<{word}>"]
    signed = [[b | 0xFFFFFF00 if b > 127 else b for b in c] for c in letters]
    found = []
    last = len(letters) - 1
    for at in range(len(letters)):
        value = 2166136261
        for end in range(at, min(at + longest, len(letters))):
            for byte in signed[end]:
                value = ((value ^ byte) * 16777619) & 0xFFFFFFFF
            size = end - at + 1
            if size >= shortest and not (size == 1 and at in (0, last)):
                found.append(value % buckets)
    return found
