"""Cut text into chunks and tokens, and map its offsets to those of its UTF-8 form."""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["chunk_spans", "name_spans", "token_spans", "utf8_offsets"]

SPACE, SYMBOL, LETTER, DIGIT, IDEOGRAPH, MARK = range(6)

_TABLE_SIZE = 0x20000
# Written without spaces: no run of these is a word, so each is a token by itself.
_IDEOGRAPHS = ((0x3040, 0x3100), (0x31F0, 0x3200), (0x3400, 0x4DC0), (0x4E00, 0xA000),
               (0xF900, 0xFB00), (0x1B000, 0x1B170))  # fmt: skip
# Neither seen nor counted: soft hyphen, zero-width characters, variation selectors, byte order mark.
_INVISIBLE = (0x00AD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, *range(0xFE00, 0xFE10))
_CLASS_OF_CATEGORY = {"L": LETTER, "N": DIGIT, "M": MARK}


@cache
def classes() -> NDArray[np.uint8]:
    """The class of each code point under 0x20000; those above are ideographs up to 0x40000.

    SPACE is what `str.isspace` says. Letters include "_" and modifier letters; digits are all
    numbers (category N); marks combine with what stands before them.
    """
    table = np.zeros(_TABLE_SIZE, np.uint8)
    for code in range(_TABLE_SIZE):
        character = chr(code)
        if character.isspace():
            table[code] = SPACE
        else:
            table[code] = _CLASS_OF_CATEGORY.get(unicodedata.category(character)[0], SYMBOL)
    for first, end in _IDEOGRAPHS:
        part = table[first:end]
        part[part == LETTER] = IDEOGRAPH
    table[ord("_")] = LETTER
    table[list(_INVISIBLE)] = MARK
    table.setflags(write=False)
    return table


def _class(character: str) -> int:
    code = ord(character)
    if code < _TABLE_SIZE:
        return int(classes()[code])
    if code < 0x40000:
        return IDEOGRAPH
    return MARK if 0xE0000 <= code < 0xE01F0 else SYMBOL


def chunk_spans(text: str) -> NDArray[np.int32]:
    """Find the runs of characters that are not white space (`str.isspace`).

    Returns:
        (n_chunks, 2) int32: start and end of each, in order; `[text[s:e]] == text.split()`.
    """
    spans: list[tuple[int, int]] = []
    start = -1
    for at, character in enumerate(text):
        if character.isspace():
            if start >= 0:
                spans.append((start, at))
            start = -1
        elif start < 0:
            start = at
    if start >= 0:
        spans.append((start, len(text)))
    return np.array(spans, np.int32).reshape(-1, 2)


def token_spans(text: str) -> NDArray[np.int32]:
    """Cut text into words, numbers, ideographs and symbols, in any script, without a model.

    A token starts at a character that is not white space and is

    - a run of letters, digits and marks; an apostrophe (' or ’) between two letters and a "." or
      "," between two digits belong to the run ("don't", "1,234.5", "B2B", "A4");
    - or one ideograph (Han, kana) and the marks after it;
    - or one symbol and the marks after it.

    Returns:
        (n_tokens, 3) int32: start, end, and the class of the first character: SYMBOL, LETTER,
        DIGIT, IDEOGRAPH, or MARK for a mark that follows nothing.
    """
    rows: list[tuple[int, int, int]] = []
    at, size = 0, len(text)
    while at < size:
        kind = _class(text[at])
        start = at
        at += 1
        if kind == SPACE:
            continue
        if kind in (LETTER, DIGIT):
            last = kind  # the class of the last character that is not a mark
            while at < size:
                now = _class(text[at])
                if now in (LETTER, DIGIT):
                    last = now
                elif now != MARK:
                    joins = LETTER if text[at] in "'’" else DIGIT if text[at] in ".," else SPACE
                    if joins != last or at + 1 >= size or _class(text[at + 1]) != joins:
                        break
                at += 1
        else:
            while at < size and _class(text[at]) == MARK:
                at += 1
        rows.append((start, at, kind))
    return np.array(rows, np.int32).reshape(-1, 3)


def name_spans(text: str, bounds: NDArray[np.int32]) -> NDArray[np.int32]:
    """Cut stretches of a text into the tokens that names are made of.

    They are those of `token_spans`, with a possessive 's as a token by itself. After those of each
    stretch stands an empty one, at its end, so that no run of tokens goes on from one into another.

    Args:
        bounds: (n, 2) int32, start and end of each stretch.

    Returns:
        (n_tokens, 2) int32: start and end in the text.

    Raises:
        ValueError: a stretch does not lie in the text.
    """
    if bounds.ndim != 2 or bounds.shape[1] != 2:
        raise ValueError("bounds are pairs")
    rows: list[tuple[int, int]] = []
    for first, last in bounds.tolist():
        if not 0 <= first <= last <= len(text):
            raise ValueError("a stretch does not lie in the text")
        piece = text[first:last]
        for start, end, _ in token_spans(piece).tolist():
            if end - start > 2 and piece[end - 2] in "'’" and piece[end - 1] in "sS":
                rows += [(first + start, first + end - 2), (first + end - 2, first + end)]
            else:
                rows.append((first + start, first + end))
        rows.append((last, last))
    return np.array(rows, np.int32).reshape(-1, 2)


def utf8_offsets(text: str) -> NDArray[np.int32]:
    """Map code points to bytes.

    Returns:
        (len(text) + 1,) int32: where each code point, and the end, lies in the UTF-8 form. To go
        back, `np.searchsorted` it. A lone surrogate counts three bytes, as "surrogatepass" writes.
    """
    sizes = [len(character.encode("utf-8", "surrogatepass")) for character in text]
    return np.cumsum([0, *sizes], dtype=np.int32)
