"""Reading order: words to lines, lines to columns, columns in the order a person reads them.

A page is cut where at least three rows leave the same upright strip free and the text at both sides
reads as columns; what crosses the strip (a headline, a wide figure's caption) parts it into bands.
Whether a free strip is a gutter or the space in a table is told by two things that recursive cutting
alone does not look at: how full the lines at both sides are, and in what order the producing program
wrote them.

Source: the bands and strips are those of recursive XY-cut (Nagy, Seth & Viswanathan 1992), made
bottom-up from gaps between neighbours, so that one crossing line does not hide a gutter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from salient.readers.pdf_words import Word

_BIN = 2.0  # points: the grid on which gaps vote for a gutter
_MIN_ROWS = 3
_MAX_DEPTH = 6
_RTL_RANGES = (("\u0590", "\u08ff"), ("\ufb1d", "\ufdff"), ("\ufe70", "\ufefc"))


@dataclass(slots=True, eq=False)
class Segment:
    """Words of one line that no wide gap parts."""

    words: list[Word]
    x0: float
    y0: float
    x1: float
    y1: float
    size: float

    @property
    def middle(self) -> float:
        return (self.y0 + self.y1) / 2

    @property
    def width(self) -> float:
        return self.x1 - self.x0


@dataclass(slots=True, eq=False)
class Line:
    """One line of one column: its segments from left to right."""

    segments: list[Segment]
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool
    fixed: bool

    @property
    def words(self) -> list[Word]:
        return [word for segment in self.segments for word in segment.words]

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


def segments(words: Sequence[Word]) -> list[Segment]:
    """Join words that follow each other on one line, in content order, then across it."""
    made: list[Segment] = []
    current: list[Word] = []
    for word in words:
        if current and not _follows(current[-1], word):
            made.append(_segment(current))
            current = []
        current.append(word)
    if current:
        made.append(_segment(current))
    return _joined(made)


def _follows(before: Word, word: Word) -> bool:
    size = max(before.size, word.size)
    overlap = min(before.y1, word.y1) - max(before.y0, word.y0)
    if overlap < 0.5 * min(before.y1 - before.y0, word.y1 - word.y0):
        return False
    gap = max(word.x0 - before.x1, before.x0 - word.x1)
    return -0.6 * size <= gap <= 0.9 * size


def _segment(words: list[Word]) -> Segment:
    return Segment(
        words,
        min(w.x0 for w in words),
        min(w.y0 for w in words),
        max(w.x1 for w in words),
        max(w.y1 for w in words),
        _weighted_size(words),
    )


def _weighted_size(words: Iterable[Word]) -> float:
    counts: Counter[float] = Counter()
    for word in words:
        counts[round(word.size, 1)] += len(word.text)
    return max(counts.items(), key=lambda item: (item[1], item[0]))[0] if counts else 1.0


def _joined(parts: list[Segment]) -> list[Segment]:
    """Join segments that touch on one line though the program wrote them apart."""
    rows = _rows(parts)
    joined: list[Segment] = []
    for row in rows:
        row.sort(key=lambda s: s.x0)
        held = row[0]
        for segment in row[1:]:
            size = max(held.size, segment.size)
            if -0.6 * size <= segment.x0 - held.x1 <= 0.9 * size and _level(held, segment):
                held = _segment(sorted(held.words + segment.words, key=lambda w: w.x0))
            else:
                joined.append(held)
                held = segment
        joined.append(held)
    for segment in joined:
        if right_to_left(segment.words):
            segment.words.sort(key=lambda w: -w.x1)
    return joined


def _level(a: Segment, b: Segment) -> bool:
    overlap = min(a.y1, b.y1) - max(a.y0, b.y0)
    return overlap >= 0.5 * min(a.y1 - a.y0, b.y1 - b.y0)


def _rows(parts: Sequence[Segment]) -> list[list[Segment]]:
    """Segments by rows, from the top: those level with the row's first member."""
    rows: list[list[Segment]] = []
    for segment in sorted(parts, key=lambda s: (s.middle, s.x0)):
        for row in reversed(rows[-3:]):
            if _level(row[0], segment):
                row.append(segment)
                break
        else:
            rows.append([segment])
    return rows


def right_to_left(words: Sequence[Word]) -> bool:
    """Whether most letters are of a script that runs from right to left."""
    strong = rtl = 0
    for word in words:
        for char in word.text:
            if char.isalpha():
                strong += 1
                rtl += any(low <= char <= high for low, high in _RTL_RANGES)
    return rtl > 0.5 * strong


def columns(parts: list[Segment], depth: int = 0) -> list[list[Segment]]:
    """Group segments by column and band, in reading order.

    Cost: O(n log n) a level, at most `_MAX_DEPTH` levels.
    """
    if depth >= _MAX_DEPTH or len(parts) < 2 * _MIN_ROWS:
        return [parts] if parts else []
    for gutter in _gutters(parts):
        bands = _bands(parts, gutter)
        if bands is None:
            continue
        ordered: list[list[Segment]] = []
        for left, right in bands:
            if right:
                ordered += columns(left, depth + 1)
                ordered += columns(right, depth + 1)
            else:
                ordered += columns(left, depth + 1)
        return ordered
    return [parts]


def _gutters(parts: Sequence[Segment]) -> list[float]:
    """Places of upright strips that many rows leave free, the most voted first."""
    votes: Counter[int] = Counter()
    ordered = sorted(parts, key=lambda s: s.y0)
    for i, segment in enumerate(ordered):
        # The nearest neighbour at the right among those that stand beside it.
        best: float | None = None
        for j in range(max(0, i - 40), min(len(ordered), i + 41)):
            other = ordered[j]
            if other.x0 >= segment.x1 and min(other.y1, segment.y1) > max(other.y0, segment.y0):
                best = other.x0 if best is None else min(best, other.x0)
        if best is not None and best - segment.x1 >= 0.7 * segment.size:
            for slot in range(int(segment.x1 / _BIN) + 1, int(best / _BIN) + 1):
                votes[slot] += 1
    found: list[float] = []
    left = min((s.x0 for s in parts), default=0.0)
    right = max((s.x1 for s in parts), default=0.0)
    for slot, count in sorted(votes.items(), key=lambda item: (-item[1], item[0])):
        if count < _MIN_ROWS or len(found) >= 4:
            break
        x = slot * _BIN
        if all(abs(x - other) > 20 for other in found) and left + 20 < x < right - 20:
            found.append(x)
    return found


def _bands(
    parts: Sequence[Segment], gutter: float
) -> list[tuple[list[Segment], list[Segment]]] | None:
    """Cut at `gutter`: (left, right) a band, right empty where text crosses; None if no columns."""
    ordered = sorted(parts, key=lambda s: (s.middle, s.x0))
    bands: list[tuple[list[Segment], list[Segment]]] = []
    run: list[Segment] = []
    crossing: list[Segment] = []
    found = False

    def close() -> None:
        nonlocal run, crossing, found
        if not run:
            return
        left = [s for s in run if s.x1 <= gutter + 1]
        right = [s for s in run if s.x0 >= gutter - 1 and s.x1 > gutter + 1]
        if _are_columns(left, right):
            if crossing:
                bands.append((crossing, []))
                crossing = []
            bands.append((left, right))
            found = True
        else:
            crossing += run
        run = []

    for segment in ordered:
        if segment.x0 < gutter - 1 and segment.x1 > gutter + 1:
            close()
            crossing.append(segment)
        else:
            run.append(segment)
    close()
    if crossing:
        bands.append((crossing, []))
    return bands if found else None


def _are_columns(left: list[Segment], right: list[Segment]) -> bool:
    """Whether two sides are read one after the other, not row by row."""
    n_left, n_right = len(_rows(left)), len(_rows(right))
    if min(n_left, n_right) < _MIN_ROWS:
        return False
    words_left = median(len(s.words) for s in left)
    words_right = median(len(s.words) for s in right)
    sides = [0] * len(left) + [1] * len(right)
    places = [s.words[0].order for s in (*left, *right)]
    written = [side for _, side in sorted(zip(places, sides, strict=True))]
    switches = sum(a != b for a, b in pairwise(written))
    fewer = min(n_left, n_right)
    apart = switches <= max(2, 0.15 * fewer)
    level = _share_level(left, right)
    full = min(_fullness(left), _fullness(right))
    if apart:
        # Written one after the other; short entries that stand level may still be a table.
        return min(words_left, words_right) >= 3 or (level < 0.6 and words_left + words_right >= 3)
    if switches > 0.6 * fewer:
        return min(words_left, words_right) >= 4 and full >= 0.75 and (level < 0.8 or fewer >= 8)
    return min(words_left, words_right) >= 3 and (full >= 0.6 or level < 0.4)


def _fullness(side: list[Segment]) -> float:
    """How much of its column's width a typical row takes."""
    width = max(s.x1 for s in side) - min(s.x0 for s in side)
    rows = _rows(side)
    taken = [max(s.x1 for s in row) - min(s.x0 for s in row) for row in rows]
    return median(taken) / width if width > 0 else 0.0


def _share_level(left: list[Segment], right: list[Segment]) -> float:
    """The share of the fewer side's rows that have a row of the other at the same height."""
    fewer, more = sorted((left, right), key=len)
    tolerance = 0.12 * median(s.size for s in fewer)
    heights = sorted(s.middle for s in more)
    hits = 0
    at = 0
    for segment in sorted(fewer, key=lambda s: s.middle):
        while at < len(heights) and heights[at] < segment.middle - tolerance:
            at += 1
        hits += at < len(heights) and heights[at] <= segment.middle + tolerance
    return hits / len(fewer)


def lines(parts: Sequence[Segment]) -> list[Line]:
    """Lines of one column from the top; the segments of a line from its reading start."""
    made: list[Line] = []
    for row in _rows(parts):
        rtl = right_to_left([w for s in row for w in s.words])
        row.sort(key=(lambda s: -s.x1) if rtl else (lambda s: s.x0))
        made.append(line(row))
    return made


def line(row: list[Segment]) -> Line:
    words = [word for segment in row for word in segment.words]
    n = sum(len(w.text) for w in words) or 1
    return Line(
        row,
        min(s.x0 for s in row),
        min(s.y0 for s in row),
        max(s.x1 for s in row),
        max(s.y1 for s in row),
        _weighted_size(words),
        sum(len(w.text) for w in words if w.bold) > 0.7 * n,
        sum(len(w.text) for w in words if w.fixed) > 0.7 * n,
    )
