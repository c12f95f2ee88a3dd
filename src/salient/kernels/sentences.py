"""Texts as sentences of terms, and those as numbers: the definition."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from salient.kernels.terms import bytes_of, terms

__all__ = ["term_numbers", "term_sentences"]

LONGEST = 200
"""Bytes of a folded term; what is longer is no word of a sentence."""

_END = re.compile(
    rb"[\n\r\t]|[.!?][ \v\f]|\xc2\x85|\xe2\x80[\xa8\xa9]|\xe3\x80\x82|\xef\xbc[\x81\x9f]"
)


def term_sentences(text: str | bytes) -> list[list[str]]:
    """Cut a text into its terms' folded forms (see `terms`), by sentence; none is empty.

    A sentence ends, between two terms, at a line's end or a tab, at a full stop, `!` or `?` before a space,
    and at those of East Asia, which need none.
    """
    (data,) = bytes_of([text])
    found: list[list[str]] = []
    last, begins = 0, True
    for start, end, folded in terms(data):
        begins = begins or _END.search(data[last:start]) is not None
        last = end
        if len(folded) > LONGEST:
            continue
        if begins:
            found.append([])
        found[-1].append(folded.decode())
        begins = False
    return found


def term_numbers(
    sentences: Iterable[Sequence[str]], numbers: Mapping[str, int]
) -> NDArray[np.int32]:
    """Sentences as `train_embeddings` reads them, each ended by -1; words without a number are left out.

    Returns:
        (n,) int32; a sentence of which nothing is left is left out too.
    """
    made: list[int] = []
    for sentence in sentences:
        known = [numbers[word] for word in sentence if word in numbers]
        if known:
            made += known
            made.append(-1)
    return np.array(made, np.int32)
