"""Words that belong together, found by how often they are neighbours: `new york` becomes `new_york`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from salient.errors import InvalidInput
from salient.learning.embeddings.vocabulary import MOST_WORDS, VocabularyCounter

JOINT = "_"


class Phrases:
    """Finds pairs of words that stand together more often than chance has it, and joins them.

    Source: Mikolov et al. 2013, arXiv:1310.4546, section 4: (n(ab) - min_count) * N / (n(a) * n(b)).
    """

    def __init__(
        self, *, min_count: int = 10, threshold: float = 10.0, most: int = MOST_WORDS
    ) -> None:
        self.min_count = min_count
        self.threshold = threshold
        self.most = most

    def get_params(self, *, deep: bool = True) -> dict[str, object]:
        return {"min_count": self.min_count, "threshold": self.threshold, "most": self.most}

    def set_params(self, **params: object) -> Phrases:
        for name, value in params.items():
            if name not in self.get_params():
                raise InvalidInput(f"phrases have no parameter {name!r}")
            setattr(self, name, value)
        return self

    def fit(self, sentences: Iterable[Sequence[str]]) -> Phrases:
        """Count words and pairs in one pass, in bounded memory; sets `pairs_`, scores by pair."""
        words, pairs = VocabularyCounter(self.most), VocabularyCounter(self.most)
        for sentence in sentences:
            words.add((sentence,))
            pairs.add(([f"{a} {b}" for a, b in pairwise(sentence)],))
        return self.of(words, pairs)

    def of(self, words: VocabularyCounter, pairs: VocabularyCounter) -> Phrases:
        """The same, from counts that were made elsewhere."""
        total = sum(n for _, n in words.items())
        self.pairs_: dict[tuple[str, str], float] = {}
        for pair, n in pairs.items():
            if n < self.min_count:
                continue
            a, _, b = pair.partition(" ")
            score = (n - self.min_count) * total / max(words[a] * words[b], 1)
            if score > self.threshold:
                self.pairs_[a, b] = score
        return self

    def join(self, sentence: Sequence[str]) -> list[str]:
        """A sentence with its phrases as single words, from left to right."""
        joined: list[str] = []
        at, pairs = 0, self.pairs_
        while at < len(sentence):
            if at + 1 < len(sentence) and (sentence[at], sentence[at + 1]) in pairs:
                joined.append(sentence[at] + JOINT + sentence[at + 1])
                at += 2
            else:
                joined.append(sentence[at])
                at += 1
        return joined

    def transform(self, sentences: Iterable[Sequence[str]]) -> list[list[str]]:
        return [self.join(sentence) for sentence in sentences]
