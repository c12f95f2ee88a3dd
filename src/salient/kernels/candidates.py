"""Noun phrases of a text as rows of numbers, and how telling each is of what the text is about."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["noun_phrases", "phrase_worth"]

Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]

LONGEST = 5
"""Words of a phrase, hyphens not counted."""

BRIEF, VAGUE, TELLING, VERBAL, HYPHEN = (1 << bit for bit in range(5))
"""Traits of a word: no phrase begins with a brief one, and each has a telling one; the others
make a phrase that begins with them worth less; a hyphen is not counted as a word.
"""

FIRST, END, COUNT, INSIDE, HEADED = range(5)
"""Columns of phrases: rows of the tokens, half-open, where it stands first; how often it stands in all, and
inside longer phrases; 1 if ever in a heading.
"""

# How a phrase is scored. Set by hand, not fitted; `bench/keyphrases.py` measures them.
_ENOUGH_WORDS = 3  # from here on a longer phrase is no more telling
_INSIDE = 0.1  # what an occurrence inside a longer phrase counts
_OFTEN = 1.5  # how much it matters that a phrase comes often
_LATE = 1.5  # less the place of the first occurrence, 0 to 1
_VAGUE_FIRST = 0.5  # "important result"
_VERBAL_FIRST = 0.7  # "using lasers"
_IN_HEADING = 1.5

_PHRASE = re.compile(r"(?:[ANPG](?:H[ANPGD])*){0,5}(?:[NP](?:H[NP])*|(?<=[ANP])G)")
_NOT_LAST = frozenset("ADH")


def noun_phrases(letters: Bytes, words: Ints, lasts: Ints, traits: Bytes, units: Ints) -> Ints:
    """Find the phrases that could say what a text is about, each once.

    They are runs of adjectives, nouns and participles, joined by hyphens or not, that end in a noun, or
    in a participle after one; and the phrases within them that could stand alone. Two are the same
    if their words are.

    Args:
        letters: (n_tokens,): A adjective, N noun, P name, G participle, D number, H hyphen, x else.
        words: (n_tokens,): the number of each token's word.
        lasts: (n_tokens,): and of the word that it is at the end of a phrase, such as its lemma.
        traits: (n_words,): bits above.
        units: (n_units, 3): rows where each begins and ends (half-open), in order, and whether it is a
            heading; no phrase crosses from one into another.

    Returns:
        (n_phrases, 5) int32: the columns above, in the order of first occurrences.

    Raises:
        ValueError: columns are not of one length, or rows do not lie in them.

    Cost: linear in the tokens.
    """
    if len(letters) != len(words):
        raise ValueError("the columns of tokens are not of one length")
    _check(words, lasts, traits)
    bounds = units.tolist()
    if (
        units.ndim != 2
        or units.shape[1] != 3
        or any(not 0 <= a <= b <= len(words) for a, b, _ in bounds)
    ):
        raise ValueError("a unit's rows do not lie among the tokens")
    kinds = letters.tobytes().decode("latin-1")
    found: dict[tuple[int, ...], list[int]] = {}
    for begin, end, heading in bounds:
        for match in _PHRASE.finditer(kinds, begin, end):
            a, b = match.span()
            for i, j in _parts(kinds, a, b):
                key = _words(words, lasts, i, j)
                if traits[key[0]] & BRIEF or not any(traits[w] & TELLING for w in key):
                    continue
                row = found.setdefault(key, [i, j, 0, 0, 0])
                row[COUNT] += 1
                row[INSIDE] += (i, j) != (a, b)
                row[HEADED] |= bool(heading)
    return np.array(list(found.values()), np.int32).reshape(-1, 5)


def _check(words: Ints, lasts: Ints, traits: Bytes) -> None:
    if len(words) != len(lasts):
        raise ValueError("the columns of tokens are not of one length")
    if any(len(w) and not 0 <= int(w.min()) <= int(w.max()) < len(traits) for w in (words, lasts)):
        raise ValueError("a word has no traits")


def _words(words: Ints, lasts: Ints, first: int, end: int) -> tuple[int, ...]:
    return (*words[first : end - 1].tolist(), int(lasts[end - 1]))


def _parts(letters: str, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The phrase, and the phrases within it that could stand alone."""
    for i in range(first, last):
        if letters[i] == "H" or (i > first and letters[i - 1] == "H"):
            continue
        for j in range(i + 1, last + 1):
            if letters[j - 1] in _NOT_LAST or (j < last and letters[j] == "H"):
                continue
            if letters[j - 1] == "G" and (j < last or j - i == 1):
                continue
            if j - i - letters.count("H", i, j) <= LONGEST:
                yield i, j


def phrase_worth(
    phrases: Ints, words: Ints, lasts: Ints, traits: Bytes, n_tokens: int
) -> NDArray[np.float64]:
    """Say how telling each phrase is, (n_phrases,), above 0; only their order and ratios mean something.

    Args:
        phrases, words, lasts, traits: as above; a phrase has a word that is no hyphen.
        n_tokens: of the whole text.

    Raises:
        ValueError: columns are not of one length, or rows do not lie in them.

    Cost: linear in the words of the phrases.
    Source: C-value, Frantzi, Ananiadou and Mima 2000, doi:10.1007/s007999900023, for length and for
        occurrences inside longer phrases; with the place of the first occurrence, as in Witten et al.
        1999, KEA, and the frequency of the words, as in RAKE, Rose et al. 2010.
    """
    _check(words, lasts, traits)
    rows = phrases.tolist()
    if any(not 0 <= row[FIRST] < row[END] <= len(words) or row[COUNT] < 1 for row in rows):
        raise ValueError("a phrase does not lie among the tokens")
    keys = [_words(words, lasts, row[FIRST], row[END]) for row in rows]
    frequency = [0] * len(traits)
    for row, key in zip(rows, keys, strict=True):
        for word in set(key):
            frequency[word] += row[COUNT]
    worth = [
        _worth(row, key, frequency, traits, n_tokens) for row, key in zip(rows, keys, strict=True)
    ]
    return np.array(worth, np.float64)


def _worth(
    row: list[int], key: tuple[int, ...], frequency: list[int], traits: Bytes, n_tokens: int
) -> float:
    told = [word for word in key if not traits[word] & HYPHEN]
    free = row[COUNT] - row[INSIDE]
    company = 0.0
    for word in told:
        company += math.log(frequency[word])
    company /= len(told)
    worth = (
        math.log2(min(len(told), _ENOUGH_WORDS) + 1)
        * math.pow(math.log1p(free + _INSIDE * row[INSIDE]), _OFTEN)
        * (_LATE - math.log1p(row[FIRST]) / math.log1p(max(n_tokens, 2)))
        * math.sqrt(math.log1p(math.exp(company)))
    )
    worth *= _VAGUE_FIRST if traits[told[0]] & VAGUE else 1.0
    worth *= _VERBAL_FIRST if traits[told[0]] & VERBAL else 1.0
    return worth * (_IN_HEADING if row[HEADED] else 1.0)
