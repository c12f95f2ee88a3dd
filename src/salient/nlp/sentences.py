"""Where sentences start, by rules that hold in many languages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ENDS = frozenset(".!?…。！？؟।॥።։")
_ALWAYS = frozenset("!?。！？؟।॥።։")  # end a sentence whatever follows
_CLOSERS = frozenset("\"'’”»)]}›」』）")
_OPENERS = frozenset("\"'‘“«([{‹「『（¿¡§•–—-")

# Words that a full stop follows inside a sentence, in lower case.
_ABBREVIATIONS = frozenset(
    """
    mr mrs ms dr prof st sr jr hon rev gen col capt lt sen rep gov messrs no nos art arts sec secs
    para par pp p ch cl vol ed eds fig figs al cf e.g i.e eg ie vs v viz approx est dept div
    inc ltd co corp plc bros jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri
    sat sun u.s u.k u.n a.m p.m nr bzw z.b d.h ca usw vgl abs s art mme mlle mm sra sres núm av etc
    """.split()
)


def sentence_starts(text: str, tokens: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Mark the tokens that start a sentence.

    A full stop ends a sentence unless it follows an initial or a known abbreviation, or a lower
    case letter comes next; a question or exclamation mark does always. Closing brackets and quotes
    belong to the sentence they close.

    Args:
        tokens: (n, >=2) int32, start and end of each token of one unit, as `token_spans` gives.
    """
    starts = np.zeros(len(tokens), np.bool_)
    if not len(tokens):
        return starts
    starts[0] = True
    spans: list[list[int]] = tokens[:, :2].tolist()
    words = [text[a:b] for a, b in spans]
    row, last = 0, len(words) - 1
    while row < last:
        if words[row][0] not in _ENDS:
            row += 1
            continue
        after = row + 1
        always = words[row] in _ALWAYS
        while after <= last and words[after][0] in _ENDS and spans[after][0] == spans[after - 1][1]:
            always |= words[after] in _ALWAYS
            after += 1
        while after <= last and words[after] in _CLOSERS and spans[after][0] == spans[after - 1][1]:
            after += 1
        if after <= last and (always or _ends_here(words, spans, row, after)):
            starts[after] = True
        row = after
    return starts


def _ends_here(words: list[str], spans: list[list[int]], stop: int, after: int) -> bool:
    if spans[after][0] == spans[after - 1][1]:  # nothing between: "3.Section", "e.g", "a.b"
        return False
    following = words[after]
    if following in _OPENERS and after + 1 < len(words):
        following = words[after + 1]
    if following[0].islower():
        return False
    if stop == 0 or spans[stop][0] != spans[stop - 1][1]:
        return True
    before = words[stop - 1]
    if len(before) == 1 and before.isalpha() and before.isupper():
        return False
    first = stop - 1
    while first >= 2 and words[first - 1] == "." and spans[first - 2][1] + 1 == spans[first][0]:
        first -= 2  # "e.g." is four tokens
    return "".join(words[first:stop]).lower() not in _ABBREVIATIONS
