"""Cut a text into units: the stretches that no sentence or mention crosses."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from salient.model import FURNITURE, Kind, Text

MAX_CHARACTERS = 12_000
"""Longer units are cut at the best place near their end, so that work on one is bounded."""

MAX_RUN = 200
"""A longer run without white space is no prose: encoded bytes, a key, a table's rule."""

_NARROWEST = 40  # characters; text set narrower than this is a list of short lines
_BLANK_LINE = re.compile(r"\n[^\S\n]*\n\s*")
_LINE = re.compile(r"\n")
_CELL = re.compile(r"[\t\n]")
_RUN = re.compile(rf"\S{{{MAX_RUN + 1},}}")
_BREAKS = (re.compile(r"\n"), re.compile(r"[.!?;。！？]\s"), re.compile(r"\s"))

_SEPARATORS = {Kind.TABLE: _CELL, Kind.MAIL_HEADER: _LINE, Kind.CODE: _LINE, Kind.FORM_FIELD: _CELL}
_LETTER = re.compile(r"[A-Za-z]")
_UNREAD = frozenset({*FURNITURE, Kind.CODE})


class Unit(NamedTuple):
    """`[start, end)` of the text, without white space at its ends.

    `prose` is False for what a language model would only misread: code, page furniture, numbers,
    and long runs without a space.
    """

    start: int
    end: int
    kind: Kind
    prose: bool


def bounds_of(units: Iterable[Unit]) -> NDArray[np.int32]:
    """(n_units, 2): where each starts and ends, as kernels take stretches of a text."""
    return np.array([unit[:2] for unit in units], np.int32).reshape(-1, 2)


def units(text: Text) -> Iterator[Unit]:
    """Yield the units in order: blocks, cells of tables, lines of code and of mail headers."""
    whole = text.text
    columns = (text.block_start, text.block_end, text.block_kind)
    blocks = zip(*(column.tolist() for column in columns), strict=True)
    known = [(start, end, Kind(kind)) for start, end, kind in blocks]
    for start, end, kind in known or [(0, len(whole), Kind.PARAGRAPH)]:
        separator = _SEPARATORS.get(kind)
        for a, b in _split(whole, start, end, separator or _BLANK_LINE):
            for c, d in [(a, b)] if separator else _wrapped(whole, a, b):
                yield from _bounded(whole, c, d, kind)


def _split(
    text: str, start: int, end: int, separator: re.Pattern[str]
) -> Iterator[tuple[int, int]]:
    at = start
    for match in separator.finditer(text, start, end):
        yield at, match.start()
        at = match.end()
    yield at, end


def _wrapped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Join lines that were wrapped, part those that were ended on purpose.

    A line was ended on purpose if the next one's first word would have fitted on it. So addresses,
    signature blocks and lists come apart, and running text does not.
    """
    if text.find("\n", start, end) < 0:
        yield start, end
        return
    lines = list(_split(text, start, end, _LINE))
    width = max(_NARROWEST, *(len(text[a:b].rstrip()) for a, b in lines))
    begin = start
    for (a, b), (c, d) in itertools.pairwise(lines):
        following = text[c:d].split(None, 1)
        if not following or following[0][0].islower():
            continue
        if len(text[a:b].rstrip()) + 1 + len(following[0]) <= width:
            yield begin, b
            begin = c
    yield begin, end


def _bounded(text: str, start: int, end: int, kind: Kind) -> Iterator[Unit]:
    """Cut out long runs, then cut what is still too long."""
    at = start
    for match in _RUN.finditer(text, start, end):
        yield from _pieces(text, at, match.start(), kind)
        for a in range(match.start(), match.end(), MAX_CHARACTERS):
            yield Unit(a, min(a + MAX_CHARACTERS, match.end()), kind, prose=False)
        at = match.end()
    yield from _pieces(text, at, end, kind)


def _pieces(text: str, start: int, end: int, kind: Kind) -> Iterator[Unit]:
    while end - start > MAX_CHARACTERS:
        cut = _best_cut(text, start, start + MAX_CHARACTERS)
        yield from _stripped(text, start, cut, kind)
        start = cut
    yield from _stripped(text, start, end, kind)


def _best_cut(text: str, start: int, limit: int) -> int:
    for pattern in _BREAKS:
        ends = [m.end() for m in pattern.finditer(text, start + MAX_CHARACTERS // 2, limit)]
        if ends:
            return ends[-1]
    return limit


def _stripped(text: str, start: int, end: int, kind: Kind) -> Iterator[Unit]:
    piece = text[start:end]
    size = len(piece.strip())
    if size:
        start += len(piece) - len(piece.lstrip())
        prose = kind not in _UNREAD and (_LETTER.search(piece) or any(map(str.isalpha, piece)))
        yield Unit(start, start + size, kind, bool(prose))
