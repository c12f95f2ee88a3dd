"""Base noun phrases: a noun with what stands before it and belongs to it, as columns.

"The Danish shipbuilder" in "the Danish shipbuilder of the year's largest ferry" is one, "the year"
and "largest ferry" are others: possessors, prepositions and clauses are phrases of their own. Labels
are those of Universal Dependencies or of spaCy's English models.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salient.model import Tokens

_BEFORE = frozenset({"amod", "compound", "det", "det:predet", "predet", "nn", "nummod", "nmod", "nmod:desc", "quantmod", "goeswith"})  # fmt: skip
_DEEPER = frozenset({"advmod", "npadvmod", "obl:npmod", "obl:unmarked", "nmod:npmod", "punct"})
_BEHIND = frozenset({"flat", "flat:name", "goeswith"})
_JOINED = frozenset({"conj", "cc"})
_NOUNS = frozenset({"NOUN", "PROPN"})
_DEPTH = 4  # modifiers of modifiers that are followed, doubled at each step: 16


@dataclass(frozen=True, slots=True)
class NounPhrases:
    """One row a phrase, in text order; phrases do not overlap.

    `start`, `end` are half-open rows of `Tokens`, `head` is the noun's row, in between.
    """

    start: NDArray[np.int32]
    end: NDArray[np.int32]
    head: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.start)


def noun_phrases(tokens: Tokens, strings: Sequence[str]) -> NounPhrases:
    """Find all base noun phrases; none where there is no syntax.

    Args:
        strings: what the codes of `tokens` stand for.

    Cost: linear in the tokens, some 30 vector operations.
    """
    top = _tops(tokens, strings)
    n = len(top)
    changes = np.flatnonzero(top[1:] != top[:-1]) + 1 if n else np.zeros(0, np.int64)
    start = np.concatenate([[0], changes]).astype(np.int32)[: max(n, 0)]
    end = np.append(start[1:], n).astype(np.int32)
    head = top[start] if n else np.zeros(0, np.int32)
    whole = (start <= head) & (head < end)
    nouns = _among(strings, _NOUNS)[tokens.upos] & (tokens.deprel != 0)
    kept = whole & nouns[head] if n else np.zeros(0, np.bool_)
    return NounPhrases(start[kept], end[kept], head[kept])


def _tops(tokens: Tokens, strings: Sequence[str]) -> NDArray[np.int32]:
    """For each token the noun whose phrase it is in, or itself."""
    row = np.arange(len(tokens), dtype=np.int32)
    head, label = tokens.head, tokens.deprel
    noun = _among(strings, _NOUNS)[tokens.upos]
    before, behind = head > row, head < row
    linked = _among(strings, _BEFORE)[label] & before & noun[head]
    # "very large", "100-year-old"; an adverb of the noun itself is the clause's: "is not a bank"
    hyphen = _among(strings, {"HYPH"})[tokens.xpos]
    deeper = _among(strings, _DEEPER)[label] & before
    punct = _among(strings, {"punct"})[label]
    deeper &= hyphen | ~punct
    modifier = linked.copy()
    for _ in range(2):
        modifier |= deeper & modifier[head]
        modifier |= _among(strings, _BEFORE)[label] & before & modifier[head]
        # "oil and gas company": joined modifiers hang under the first
        modifier |= _among(strings, _JOINED)[label] & modifier[head]
    linked |= modifier | (deeper & hyphen & noun[head])
    linked |= _among(strings, _BEHIND)[label] & behind & noun[head]
    top = np.where(linked, head, row).astype(np.int32)
    for _ in range(_DEPTH):
        top = top[top]
    return top


def _among(strings: Sequence[str], wanted: Collection[str]) -> NDArray[np.bool_]:
    """For each code, whether its string is wanted."""
    return np.fromiter((s in wanted for s in strings), np.bool_, len(strings))
