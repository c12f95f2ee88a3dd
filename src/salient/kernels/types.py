"""What a word's letters say, as row numbers of hashed tables: the input of the language engine.

A word *type* is a form as it is written. All that is made here depends on the form alone, so an
engine works it out once a type and remembers it.
"""

from __future__ import annotations

import bisect
import itertools
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from salient.kernels.hashing import hash_bytes

__all__ = ["norms_of", "type_rows", "vocabulary_rows"]

NORM, SUFFIX_3, PREFIX_3, SUFFIX_2, SUFFIX_4, SHAPE, GRAM = range(7)
"""Kinds of features: the byte that is hashed before the string, and the columns of `type_rows`."""

LONGEST = 24
"""Code points of a norm, and of a shape, that are looked at."""

MOST_GRAMS = 32
SHORTEST_GRAM, LONGEST_GRAM = 3, 5  # code points

(ALL_CAPS, TITLE, ALL_LOWER, MIXED, HAS_DIGIT, ALL_DIGITS, HYPHEN, DOT, APOSTROPHE, SLASH, PUNCTUATION,
 SYMBOL, NOT_ASCII, NOT_LATIN, SINGLE, LONG) = (1 << bit for bit in range(16))  # fmt: skip

_LONG = 12  # a form over it is long
_RUN = 3  # a longer run of one letter of a shape is cut to this
_LATIN_END = "\u0250"

# The same letters as plain ones: quotes and hyphens of typesetters, and halves of surrogate pairs, which a
# damaged file may hold and UTF-8 cannot.
PLAIN = str.maketrans(
    {"“": '"', "”": '"', "„": '"', "’": "'", "‘": "'", "\u2010": "-", "\u2011": "-"}
    | {chr(half): "\ufffd" for half in range(0xD800, 0xE000)}
)


def norm_of(form: str) -> str:
    """The form with its case folded and every decimal digit as "0", cut to LONGEST code points."""
    folded = form.translate(PLAIN).casefold()[:LONGEST]
    return "".join("0" if c.isdecimal() else c for c in folded)


def shape_of(form: str) -> str:
    """The form as "X", "x", "d" and signs: "McDonald-23" is "XxXxxx-dd"; runs over 3 are cut to 3."""
    shape: list[str] = []
    for c in form.translate(PLAIN):
        if c.isupper() or c.istitle():
            letter = "X"
        elif c.isalpha():
            letter = "x"
        else:
            letter = "d" if c.isdecimal() else c
        if shape[-_RUN:] != [letter] * _RUN:
            shape.append(letter)
            if len(shape) == LONGEST:
                break
    return "".join(shape)


def flags_of(form: str) -> int:
    """The bits above. Case is of letters that have one; a form without such has none of the first four."""
    form = form.translate(PLAIN)
    categories = [unicodedata.category(c) for c in form]
    upper = sum(c in ("Lu", "Lt") for c in categories)
    title = len(form) > 1 and upper == 1 and categories[0] in ("Lu", "Lt")
    told = {
        ALL_CAPS: form.isupper(),
        TITLE: title and not form.isupper(),
        ALL_LOWER: form.islower(),
        MIXED: upper > 0 and not title and not form.isupper(),
        HAS_DIGIT: "Nd" in categories,
        ALL_DIGITS: bool(form) and set(categories) == {"Nd"},
        HYPHEN: "-" in form,
        DOT: "." in form,
        APOSTROPHE: "'" in form,
        SLASH: "/" in form,
        PUNCTUATION: bool(form) and all(c[0] == "P" for c in categories),
        SYMBOL: any(c[0] == "S" for c in categories),
        NOT_ASCII: not form.isascii(),
        NOT_LATIN: any(c.isalpha() and c >= _LATIN_END for c in form),
        SINGLE: len(form) == 1,
        LONG: len(form) > _LONG,
    }
    return sum(bit for bit, holds in told.items() if holds)


def grams_of(norm: str) -> list[str]:
    """The first MOST_GRAMS 3- to 5-grams of "<norm>": by size, then from left to right."""
    marked = f"<{norm}>"
    return [
        marked[at : at + size]
        for size in range(SHORTEST_GRAM, LONGEST_GRAM + 1)
        for at in range(len(marked) - size + 1)
    ][:MOST_GRAMS]


def row_of(kind: int, text: str, size: int) -> int:
    """The row of a table of `size` rows; row 0 is no feature's."""
    return 1 + hash_bytes(bytes([kind]) + text.encode()) % (size - 1)


def type_row(form: str, sizes: Sequence[int]) -> list[int]:
    """One row of `type_rows`."""
    norm = norm_of(form)
    features = (norm, norm[-3:], norm[:3], norm[-2:], norm[-4:], shape_of(form))
    hashed = [row_of(kind, text, sizes[kind]) for kind, text in enumerate(features)]
    grams = [row_of(GRAM, gram, sizes[GRAM]) for gram in grams_of(norm)]
    return [*hashed, flags_of(form), *grams, *[0] * (MOST_GRAMS - len(grams))]


def type_rows(forms: Sequence[str], sizes: Sequence[int]) -> NDArray[np.int32]:
    """Work out the features of word types.

    Args:
        sizes: rows of the seven tables, in the order of the kinds above; at least 2 each.

    Returns:
        (n_types, 7 + MOST_GRAMS) int32: a row number for each of the first six kinds; the flags; and
        row numbers of the grams, filled up with 0. A feature's row is 1 and more.

    Raises:
        ValueError: there are not seven sizes, or one is below 2.

    Source: hash embeddings, Svenstrup et al. 2017, arXiv:1709.03933; n-grams as in fastText, Bojanowski
    et al. 2017.
    """
    if len(sizes) != GRAM + 1 or min(sizes) < 2:
        raise ValueError(f"{list(sizes)} are not the rows of seven tables")
    rows = [type_row(form, sizes) for form in forms]
    return np.array(rows, np.int32).reshape(-1, GRAM + 1 + MOST_GRAMS)


def norms_of(forms: Sequence[str]) -> list[str]:
    """`norm_of` each."""
    return [norm_of(form) for form in forms]


def vocabulary_rows(
    words: Sequence[str], letters: NDArray[np.uint8], offsets: NDArray[np.uint32]
) -> NDArray[np.int32]:
    """Find words in a sorted vocabulary.

    Args:
        letters: the vocabulary's words in UTF-8, sorted by their bytes, one after the other.
        offsets: (n_known + 1,): where each begins, and the end of the last.

    Returns:
        (n_words,) int32: the number of each word, or -1.

    Raises:
        ValueError: there are no offsets, or they do not lie in the letters, as far as they are looked at.

    Cost: O(log n_known) comparisons a word.
    """
    if (
        not len(offsets)
        or (np.diff(offsets.astype(np.int64)) < 0).any()
        or offsets[-1] > len(letters)
    ):
        raise ValueError("the offsets are not those of words in the letters")
    blob, ends = letters.tobytes(), offsets.tolist()
    known = [blob[a:b] for a, b in itertools.pairwise(ends)]
    found = []
    for word in words:
        wanted = word.encode("utf-8", "replace")
        at = bisect.bisect_left(known, wanted)
        found.append(at if at < len(known) and known[at] == wanted else -1)
    return np.array(found, np.int32)
