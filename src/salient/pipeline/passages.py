"""Passages: the units that search ranks and answers quote, a few sentences each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt
from salient.model import FURNITURE, Annotations, Kind, Text, columns

VERSION = 1
TARGET = 600  # characters, about a hundred words: enough context for a question, one thought for a vector
LONGEST = 1200

_HEADINGS = frozenset({Kind.TITLE, Kind.HEADING})


@dataclass(frozen=True, slots=True)
class Passages:
    """Passages of one text, in order, with a vector each.

    Args:
        start, end: (n,) int32, offsets in the canonical text.
        heading: (n, 2) int32, the span of the heading above, or 0 0.
        vectors: (n, d) float16, rows of unit length (or zero where nothing could be encoded).
    """

    start: NDArray[np.int32]
    end: NDArray[np.int32]
    heading: NDArray[np.int32]
    vectors: NDArray[np.float16]

    def dump(self) -> bytes:
        arrays = {n: getattr(self, n) for n in Passages.__slots__}
        return columns.dump(arrays, {"format": VERSION})

    @classmethod
    def load(cls, data: bytes | memoryview) -> Passages:
        """Raises Corrupt: `data` is not a passage artifact of this format."""
        header, arrays = columns.load(data)
        if header.get("format") != VERSION or set(arrays) != set(Passages.__slots__):
            raise Corrupt("stored passages are not of this format", format=header.get("format"))
        return cls(**arrays)


def split(
    text: Text, annotations: Annotations
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Cut a text into passages: their spans, and the span of the heading above each.

    A passage is whole sentences of neighbouring blocks, broken before headings. A sentence longer
    than LONGEST is cut between words. Page furniture belongs to none.
    """
    spans: list[tuple[int, int]] = []
    headings: list[tuple[int, int]] = []
    heading, pending = (0, 0), (0, 0)
    open_start: int | None = None
    open_end = 0

    def close() -> None:
        nonlocal open_start
        if open_start is not None:
            spans.append((open_start, open_end))
            headings.append(heading)
            open_start = None

    sentences = annotations.sentence_spans()
    starts = sentences[:, 0] if len(sentences) else np.zeros(0, np.int32)
    for row in range(len(text.block_start)):
        first, last = int(text.block_start[row]), int(text.block_end[row])
        kind = Kind(int(text.block_kind[row]))
        if kind in FURNITURE:
            continue
        if kind in _HEADINGS:
            close()
            # A heading opens the passage below it, so that it is found and quoted with it.
            heading = pending = (first, last)
            open_start, open_end = first, last
            continue
        low = int(np.searchsorted(starts, first, side="left"))
        high = int(np.searchsorted(starts, last, side="left"))
        units = [(int(a), int(b)) for a, b in sentences[low:high]] or [(first, last)]
        for unit_start, unit_end in units:
            for a, b in _cut(text.text, unit_start, min(unit_end, last)):
                full = open_start is not None and (
                    b - open_start > LONGEST or open_end - open_start >= TARGET
                )
                if full and pending != (open_start, open_end):
                    close()
                if open_start is None:
                    open_start = a
                open_end = b
        pending = (0, 0)
    close()
    return spans, headings


def _cut(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """A stretch cut into pieces of at most LONGEST characters, at blanks where there are any."""
    pieces = []
    while end - start > LONGEST:
        at = max(text.rfind(" ", start, start + LONGEST), text.rfind("\n", start, start + LONGEST))
        at = start + LONGEST if at <= start else at
        pieces.append((start, at))
        start = at + 1 if text[at : at + 1] in (" ", "\n") else at
    if end > start:
        pieces.append((start, end))
    return pieces
