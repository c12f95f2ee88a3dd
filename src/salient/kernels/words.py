r"""Words as numbers: the different strings of a text, and runs of letters, found in one pass.

What is true of a word wherever it stands is then worked out once a word, not once an occurrence.
Letters are what a regular expression's `[^\W\d_]` matches; `bounds` are (n, 2) int32, the start and
end of stretches of the text, in order, that words do not cross.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["case_counts", "first_uses", "letter_words", "lone_words", "span_types"]

Ints = NDArray[np.int32]

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LONE = re.compile(r"(?<![\w.@/&’'-])[^\W\d_A-Z][^\W\d_]*(?![\w@/&-]|[.’']\w)")


def span_types(text: str, starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Number the different strings of spans.

    Args:
        starts, ends: (n,) half-open spans of the text.

    Returns:
        (n,) int32: the number of each span's string, counted in the order of first uses; and
        (n_types,) int32: the span that is the first use of each.

    Raises:
        ValueError: there are not as many ends as starts, or a span does not lie in the text.
    """
    if len(starts) != len(ends):
        raise ValueError(f"{len(starts)} starts and {len(ends)} ends")
    spans = list(zip(starts.tolist(), ends.tolist(), strict=True))
    if any(not 0 <= a <= b <= len(text) for a, b in spans):
        raise ValueError("a span does not lie in the text")
    return _numbered(text[a:b] for a, b in spans)


def first_uses(keys: NDArray[np.int64]) -> tuple[Ints, Ints]:
    """As `span_types`, of whole numbers. `np.unique` would sort, which takes ten times as long."""
    return _numbered(keys.tolist())


def _numbered(keys: Iterable[Hashable]) -> tuple[Ints, Ints]:
    number_of: dict[Hashable, int] = {}
    firsts: list[int] = []
    numbers: list[int] = []
    for at, key in enumerate(keys):
        number = number_of.setdefault(key, len(number_of))
        if number == len(firsts):
            firsts.append(at)
        numbers.append(number)
    return np.array(numbers, np.int32), np.array(firsts, np.int32)


def _checked(text: str, bounds: Ints) -> list[tuple[int, int]]:
    if bounds.ndim != 2 or bounds.shape[1] != 2:
        raise ValueError("bounds are pairs")
    rows = [(int(a), int(b)) for a, b in bounds]
    if any(not 0 <= a <= b <= len(text) for a, b in rows):
        raise ValueError("a stretch does not lie in the text")
    return rows


def letter_words(text: str, bounds: Ints) -> Ints:
    """Find words of letters, which may have apostrophes (' or ’) between letters.

    Returns:
        (n, 3) int32: start, end, and the word's place among those of its stretch, from 0.

    Raises:
        ValueError: a stretch does not lie in the text.
    """
    rows = [
        (*match.span(), place)
        for a, b in _checked(text, bounds)
        for place, match in enumerate(_WORD.finditer(text, a, b))
    ]
    return np.array(rows, np.int32).reshape(-1, 3)


def case_counts(text: str, bounds: Ints) -> Ints:
    """Count how much of each stretch is in capitals, by its `letter_words` of two characters or more.

    Returns:
        (n, 3) int32: characters of such words, the words, and those that are `str.isupper`.

    Raises:
        ValueError: a stretch does not lie in the text.
    """
    rows = []
    for a, b in _checked(text, bounds):
        words = [w for w in _WORD.findall(text, a, b) if len(w) > 1]
        rows.append((sum(map(len, words)), len(words), sum(w.isupper() for w in words)))
    return np.array(rows, np.int32).reshape(-1, 3)


def lone_words(text: str, bounds: Ints) -> Ints:
    """Find runs of letters that stand by themselves and do not begin with A to Z.

    No piece of an address, of a compound or of an abbreviation is one. What stands before a stretch is
    looked at, what comes after it is not.

    Returns:
        (n, 2) int32: start and end.

    Raises:
        ValueError: a stretch does not lie in the text.
    """
    rows = [m.span() for a, b in _checked(text, bounds) for m in _LONE.finditer(text, a, b)]
    return np.array(rows, np.int32).reshape(-1, 2)
