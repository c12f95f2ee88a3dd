"""Lines to blocks: paragraphs, headings, lists, captions, footnotes, tables, with words and boxes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

import numpy as np

from salient.model import Block, Cell, Kind
from salient.readers.pdf_order import Line, right_to_left
from salient.readers.pdf_tables import Grid, GridCell, mirrored
from salient.readers.pdf_words import Word

_BULLET = re.compile(r"^[•◦▪▸►‣·●○■□❑❖➢✓✔\uf0b7*–—-]$")
_ITEM = re.compile(
    r"^(?:\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})\)|(?:\d{1,3}|[a-zA-Z]|[ivx]{1,5})\.)$"
)
_NUMBERED = re.compile(
    r"^(?:(?:ARTICLE|Article|SECTION|Section|CHAPTER|Chapter|PART|Part|APPENDIX|Appendix|EXHIBIT|"
    r"Exhibit|SCHEDULE|Schedule|ANNEX|Annex)\s+[\dIVXLCA-Z]+\b|§+\s*\d|\d{1,3}(?:\.\d{1,3}){0,4}\.?\s)"
)
_DEPTH = re.compile(r"^(\d{1,3}(?:\.\d{1,3}){0,4})\.?\s")
_CAPTION = re.compile(
    r"^(?:Figure|Fig\.|FIGURE|Table|TABLE|Chart|Diagram|Plate)\s+[\dIVXA-Z]+[\d.\-]*\s*[.:–—-]?"
)
_NOTE_MARK = re.compile(r"^(?:\d{1,3}|[*†‡§]{1,3}|[a-z])$")
_HYPHENATED = re.compile(r"^(.*?[^\W\d_]{2,})[-\u2010\u00ad]$")
_WORD = re.compile(r"[^\W\d_]+(?:[-\u2010][^\W\d_]+)*")
_IDEOGRAPH = re.compile(r"[\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uff65]")
_LEADER = re.compile(r"(?:\.\s?){5,}\s*[\divxlcIVXLC]{1,6}$|_{4,}$")
_ENOUGH_LINES = 4
_FEW_WORDS = 3
_ENDS = frozenset(".!?:;\u3002")


@dataclass(slots=True)
class Vocabulary:
    """Words of the document so far: tells "exam-ple" from "long-term" at a line's end."""

    counts: Counter[str] = field(default_factory=Counter)

    def learn(self, words: Iterable[Word]) -> None:
        for word in words:
            for found in _WORD.findall(word.text):
                self.counts[found.casefold()] += 1
        if len(self.counts) > 200_000:  # a dictionary of a document, not of a library
            self.counts = Counter(dict(self.counts.most_common(100_000)))

    def joined(self, first: str, second: str) -> bool:
        """Whether `first-second` broken at a line's end is one word without the hyphen."""
        a, b = first.casefold(), second.casefold()
        whole, kept = self.counts[a + b], self.counts[f"{a}-{b}"]
        if whole or kept:
            return whole >= kept
        # Two words that the document uses alone make a compound; else the hyphen is the printer's.
        return not (self.counts[a] >= 2 and self.counts[b] >= 2 and len(a) > 2 and len(b) > 2)


@dataclass(slots=True)
class Sizes:
    """Type sizes of the document so far, by characters: what is body, what stands out."""

    counts: Counter[float] = field(default_factory=Counter)
    bold: int = 0
    plain: int = 0

    def learn(self, words: Iterable[Word]) -> None:
        for word in words:
            n = len(word.text)
            self.counts[round(word.size * 2) / 2] += n
            if word.bold:
                self.bold += n
            else:
                self.plain += n

    @property
    def body(self) -> float:
        if not self.counts:
            return 10.0
        return max(self.counts.items(), key=lambda item: (item[1], item[0]))[0]

    def rank(self, size: float) -> int:
        """1 for the largest size in use above the body's, 2 for the next, ..."""
        body = self.body
        total = sum(self.counts.values())
        larger = sorted(
            {s for s, n in self.counts.items() if s > 1.08 * body and n > 0.0002 * total},
            reverse=True,
        )
        return 1 + sum(s > size + 0.75 for s in larger)


@dataclass(slots=True)
class Paragraph:
    lines: list[Line]

    @property
    def first(self) -> Line:
        return self.lines[0]

    @property
    def last(self) -> Line:
        return self.lines[-1]

    @property
    def size(self) -> float:
        return float(median(line.size for line in self.lines))


class Composer:
    """Makes the blocks of one page.

    Args:
        width, height: of the displayed page, in points; boxes come out as shares of them.
    """

    def __init__(
        self,
        width: float,
        height: float,
        sizes: Sizes,
        vocabulary: Vocabulary,
        outline: dict[str, int],
    ) -> None:
        self._width = width or 1.0
        self._height = height or 1.0
        self._sizes = sizes
        self._vocabulary = vocabulary
        self._outline = outline

    def prose(self, column: Sequence[Line]) -> list[Block]:
        """Blocks of a column's lines."""
        # A line that is an outline's title stands alone, whatever its looks.
        named = {id(line) for line in column if self._outline and _key(line.text) in self._outline}
        paragraphs = split(column, named)
        return [self._block(paragraph, column) for paragraph in paragraphs]

    def continued(self, block: Block, more: Block) -> Block:
        """One block of two that a column's end parted."""
        ending = block.text.rsplit(None, 1)[-1]
        mended, glue = self._mend(ending, more.text)
        text = block.text[: len(block.text) - len(ending)] + mended + ("" if glue else " ")
        if (
            block.word_spans is None
            or block.word_boxes is None
            or more.word_spans is None
            or more.word_boxes is None
        ):
            return Block(block.kind, text + more.text, block.level)
        spans = np.minimum(block.word_spans, len(text) - (0 if glue else 1))
        return Block(
            block.kind,
            text + more.text,
            block.level,
            np.concatenate([spans, more.word_spans + len(text)]).astype(np.int32),
            np.concatenate([block.word_boxes, more.word_boxes]),
        )

    def plain(self, kind: Kind, rows: Sequence[Sequence[Word]], level: int = 0) -> Block:
        return self._text_block(kind, rows, level)

    def table(self, grid: Grid) -> Block:
        """A table: cells parted by tabs, rows by newlines."""
        text: list[str] = []
        spans: list[tuple[int, int]] = []
        boxes: list[tuple[float, float, float, float]] = []
        cells: list[Cell] = []
        length = 0
        row = 0
        column = 0
        if right_to_left([word for cell in grid.cells for word in cell.words]):
            grid = mirrored(grid)
        for cell in grid.cells:
            if not cell.words:
                continue
            if cells:
                separator = "\n" if cell.row != row else "\t" * max(1, cell.column - column)
                text.append(separator)
                length += len(separator)
            row, column = cell.row, cell.column
            content, word_spans, words = self._join(_cell_lines(cell))
            text.append(content)
            spans += [(a + length, b + length) for a, b in word_spans]
            boxes += [w.box for w in words]
            cells.append(
                Cell(
                    cell.row,
                    cell.column,
                    length,
                    length + len(content),
                    cell.row_span,
                    cell.column_span,
                    header=False,
                )
            )
            length += len(content)
        held = [cell for cell in grid.cells if cell.words]
        _mark_header(held, cells)
        return self._finish(Kind.TABLE, "".join(text), 0, spans, boxes, cells)

    def _block(self, paragraph: Paragraph, column: Sequence[Line]) -> Block:
        kind, level = self._kind(paragraph, column)
        rows = [line.words for line in paragraph.lines]
        if kind is Kind.CODE:
            return self._code(paragraph)
        return self._text_block(kind, rows, level)

    def _kind(self, paragraph: Paragraph, column: Sequence[Line]) -> tuple[Kind, int]:
        first = paragraph.first
        words = first.words
        text = " ".join(line.text for line in paragraph.lines)
        body = self._sizes.body
        ratio = paragraph.size / body if body else 1.0
        if _CAPTION.match(text) and len(text) < 600 and len(paragraph.lines) <= 6:
            return Kind.CAPTION, 0
        known = self._outline.get(_key(text))
        if known is not None and len(text) < 200:
            return Kind.HEADING, known
        if all(line.fixed for line in paragraph.lines) and self._mostly_proportional():
            return Kind.CODE, 0
        heading = self._heading(paragraph, text, ratio)
        if heading:
            return Kind.HEADING, heading
        if _BULLET.match(words[0].text) and len(words) > 1:
            return Kind.LIST_ITEM, _nesting(first, column)
        if _ITEM.match(words[0].text) and len(words) > 1:
            return Kind.LIST_ITEM, _nesting(first, column)
        if (
            ratio <= 0.9
            and _NOTE_MARK.match(words[0].text)
            and first.y0 > 0.55 * self._height
            and len(words) > 2
        ):
            return Kind.FOOTNOTE, 0
        return Kind.PARAGRAPH, 0

    def _mostly_proportional(self) -> bool:
        return self.fixed_share < 0.5

    fixed_share: float = 0.0
    """Of the page's words: a letter typed on a typewriter is not code."""

    def _heading(self, paragraph: Paragraph, text: str, ratio: float) -> int:
        """The level of a heading, 0 for text that is none."""
        n = len(text)
        letters = [c for c in text if c.isalpha()]
        if n > 200 or len(paragraph.lines) > 4 or len(letters) < 2 or "....." in text:
            return 0
        bold = all(line.bold for line in paragraph.lines)
        body_is_bold = self._sizes.bold > self._sizes.plain
        capitals = sum(c.isupper() for c in letters) >= 0.9 * len(letters) and len(letters) >= 4
        numbered = bool(_NUMBERED.match(text))
        depth = _DEPTH.match(text)
        ends = text.rstrip()[-1:]
        sentence = ends in _ENDS and not (numbered and n < 60) and not (capitals and n < 60)
        if ratio >= 1.12 and not (sentence and n > 100):
            level = self._sizes.rank(paragraph.size)
            return depth[1].count(".") + 1 if depth and "." in depth[1] else min(level, 6)
        if ratio < 0.93 or sentence or ends == ",":
            return 0
        if text[:1].islower() or "___" in text:
            return 0
        strong = bold and not body_is_bold
        if not (strong or (capitals and len(paragraph.lines) <= 2 and n <= 120 and " " in text)):
            return 0
        if strong and n > 120 and not capitals:
            return 0
        base = min(self._sizes.rank(self._sizes.body * 1.05), 5)
        return depth[1].count(".") + 1 if depth else base

    def _text_block(self, kind: Kind, rows: Sequence[Sequence[Word]], level: int = 0) -> Block:
        text, spans, words = self._join(rows)
        return self._finish(kind, text, level, spans, [w.box for w in words], [])

    def _code(self, paragraph: Paragraph) -> Block:
        """Lines kept as they stand, with their indentation in spaces."""
        left = min(line.x0 for line in paragraph.lines)
        text: list[str] = []
        spans: list[tuple[int, int]] = []
        boxes: list[tuple[float, float, float, float]] = []
        length = 0
        for line in paragraph.lines:
            if text:
                text.append("\n")
                length += 1
            advance = 0.6 * line.size or 1.0
            at = left
            for word in line.words:
                n_spaces = max(round((word.x0 - at) / advance), 1 if at != left else 0)
                text.append(" " * min(n_spaces, 80))
                length += min(n_spaces, 80)
                text.append(word.text)
                spans.append((length, length + len(word.text)))
                boxes.append(word.box)
                length += len(word.text)
                at = word.x1
        return self._finish(Kind.CODE, "".join(text), 0, spans, boxes, [])

    def _join(
        self, rows: Sequence[Sequence[Word]]
    ) -> tuple[str, list[tuple[int, int]], list[Word]]:
        """Text of lines with the hyphens of line ends taken out, and where each word stands.

        A word broken over two lines has two spans that touch, and so two boxes.
        """
        text: list[str] = []
        spans: list[tuple[int, int]] = []
        words: list[Word] = []
        length = 0
        glue = True
        for number, row in enumerate(rows):
            for position, word in enumerate(row):
                content = word.text
                if not glue and not (position == 0 and text and _unspaced(text[-1], content)):
                    text.append(" ")
                    length += 1
                glue = False
                is_last = position == len(row) - 1
                following = rows[number + 1][0].text if is_last and number + 1 < len(rows) else ""
                if following:
                    content, glue = self._mend(content, following)
                text.append(content)
                spans.append((length, length + len(content)))
                words.append(word)
                length += len(content)
        return "".join(text), spans, words

    def _mend(self, ending: str, following: str) -> tuple[str, bool]:
        """What a line's last word becomes before `following`, and whether they touch."""
        match = _HYPHENATED.match(ending)
        if match is None or not following[:1].isalpha():
            # "2019-" + "2020", "and/" + "or": broken at a mark that stays.
            stays = ending[-1:] in "-\u2010/" and ending[-2:-1].isalnum()
            return ending, stays and following[:1].isalnum()
        if not following[:1].islower():
            return ending, True
        head = _WORD.findall(match[1])
        tail = _WORD.match(following)
        if not head or tail is None:
            return ending, True
        if "-" in head[-1] or not self._vocabulary.joined(head[-1], tail[0]):
            return ending, True
        return match[1], True

    def _finish(
        self,
        kind: Kind,
        text: str,
        level: int,
        spans: Sequence[tuple[int, int]],
        boxes: Sequence[tuple[float, float, float, float]],
        cells: list[Cell],
    ) -> Block:
        scale = np.array([self._width, self._height, self._width, self._height], np.float32)
        shares = np.asarray(boxes, np.float32).reshape(-1, 4) / scale
        return Block(
            kind,
            text,
            level,
            np.asarray(spans, np.int32).reshape(-1, 2),
            np.clip(shares, 0.0, 1.0).astype(np.float32),
            cells,
        )


def _unspaced(ending: str, following: str) -> bool:
    """Whether a line's end between the two is no space: Chinese and Japanese have none."""
    return bool(_IDEOGRAPH.match(ending[-1:]) and _IDEOGRAPH.match(following[:1]))


def _key(text: str) -> str:
    return " ".join(text.casefold().split())


def outline_key(title: str) -> str:
    """The form in which an outline's title is looked up among a page's headings."""
    return _key(title)


def _nesting(first: Line, column: Sequence[Line]) -> int:
    left = min(line.x0 for line in column)
    return 1 + min(int(max(first.x0 - left, 0) / max(2.2 * first.size, 1.0)), 5)


def _cell_lines(cell: GridCell) -> list[list[Word]]:
    """A cell's words by lines, from the top."""
    rows: list[list[Word]] = []
    for word in sorted(cell.words, key=lambda w: (w.middle, w.x0)):
        if rows and abs(word.middle - rows[-1][0].middle) < 0.5 * min(
            word.y1 - word.y0, rows[-1][0].y1 - rows[-1][0].y0
        ):
            rows[-1].append(word)
        else:
            rows.append([word])
    for row in rows:
        row.sort(key=(lambda w: -w.x1) if right_to_left(row) else (lambda w: w.x0))
    return rows


def _mark_header(held: Sequence[GridCell], cells: Sequence[Cell]) -> None:
    """Mark the first row where it differs from the rest: bold, or words above numbers."""
    if not held:
        return
    top = min(cell.row for cell in held)
    first = [c for c in held if c.row == top]
    rest = [c for c in held if c.row != top]
    if not rest or len(first) < 2:
        return

    def all_bold(group: Sequence[GridCell]) -> bool:
        return all(w.bold for c in group for w in c.words)

    def digits(group: Sequence[GridCell]) -> float:
        return sum(any(ch.isdigit() for w in c.words for ch in w.text) for c in group) / len(group)

    differs = (all_bold(first) and not all_bold(rest)) or (digits(first) == 0 < 0.3 < digits(rest))
    if differs:
        for cell in cells:
            cell.header = cell.row == top


def split(column: Sequence[Line], alone: Set[int] = frozenset()) -> list[Paragraph]:
    """Cut a column's lines into paragraphs; lines with an `id` in `alone` are one each."""
    if not column:
        return []
    right = _edge([line.x1 for line in column], 0.9)
    pitches: dict[float, list[float]] = {}
    for a, b in pairwise(column):
        step = b.y1 - a.y1
        if 0 < step < 3 * b.size and abs(a.size - b.size) < 0.08 * b.size:
            pitches.setdefault(round(b.size), []).append(step)
    usual = {size: _pitch(size, steps) for size, steps in pitches.items()}
    made = [Paragraph([column[0]])]
    for line in column[1:]:
        by_name = id(line) in alone or id(made[-1].last) in alone
        if by_name or _breaks(made[-1], line, right, usual.get(round(line.size), 0.0)):
            made.append(Paragraph([line]))
        else:
            made[-1].lines.append(line)
    return made


def _pitch(size: float, steps: Sequence[float]) -> float:
    """From line to line within paragraphs, for one type size of a column."""
    found = _edge(steps, 0.3)
    # Two lines far apart do not make a double-spaced column.
    return found if len(steps) >= _ENOUGH_LINES else min(found, 1.9 * size)


def _edge(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _breaks(paragraph: Paragraph, line: Line, right: float, pitch: float) -> bool:
    """Whether `line` begins a new paragraph."""
    before = paragraph.last
    step = line.y1 - before.y1
    size = max(before.size, line.size, 1.0)
    usual = pitch if 0.8 * size < pitch < 2.6 * size else 1.25 * size
    if len(paragraph.lines) > 1:
        # A paragraph's own spacing counts for more than the column's.
        own = before.y1 - paragraph.lines[-2].y1
        usual = max(usual, own) if own < 3 * size else usual
    if step <= 0 or step > max(1.32 * usual, usual + 0.3 * size):
        return True
    if abs(before.size - line.size) > 0.09 * size and not _mixed(before, line):
        return True
    if before.bold != line.bold and (_short(before, right) or _is_short_bold(before)):
        return True
    first_word = line.words[0]
    if len(line.words) > 1 and (_BULLET.match(first_word.text) or _starts_item(paragraph, line)):
        return True
    centred = abs((before.x0 + before.x1) - (line.x0 + line.x1)) < 0.6 * size
    if centred and abs(before.x0 - line.x0) > 0.8 * size and before.bold == line.bold:
        return before.text[-1:] in _ENDS
    ending = before.text
    if _LEADER.search(ending):
        return True  # an entry of a table of contents
    if (
        first_word.text[:1].islower()
        and len(before.words) >= _FEW_WORDS
        and ending[-1] not in _ENDS
    ):
        return False  # the sentence goes on, however ragged the line
    room = right - before.x1
    needed = first_word.x1 - first_word.x0 + 0.3 * size
    if room > needed + 0.8 * size and room > 0.04 * right:
        return True
    if len(paragraph.lines) > 1:
        left = min(held.x0 for held in paragraph.lines[1:])
        return line.x0 - left > 0.8 * size and line.x0 - left < 12 * size
    if line.x0 - before.x0 > 0.8 * size and not _hangs(before):
        return before.text[-1:] in _ENDS
    return False


def _mixed(a: Line, b: Line) -> bool:
    """Whether either line holds words of the other's size: small capitals, a formula."""
    return any(abs(w.size - b.size) < 0.05 * b.size for w in a.words) and any(
        abs(w.size - a.size) < 0.05 * a.size for w in b.words
    )


def _short(line: Line, right: float) -> bool:
    return line.x1 < 0.85 * right


def _is_short_bold(line: Line) -> bool:
    return line.bold and len(line.text) < 80


def _hangs(line: Line) -> bool:
    first = line.words[0].text
    return bool(
        _BULLET.match(first) or _ITEM.match(first) or re.match(r"^\d+(?:\.\d+)*\.?$", first)
    )


def _starts_item(paragraph: Paragraph, line: Line) -> bool:
    """A marker at the start of a line that is a marker, not a number the line break cut off."""
    first = line.words[0].text
    if not (_ITEM.match(first) or re.match(r"^\d{1,3}(?:\.\d{1,3}){1,4}\.?$", first)):
        return False
    ends = paragraph.last.text[-1:]
    if ends in _ENDS or ends == "," or paragraph.last.text.endswith((" and", " or")):
        return True
    indented = abs(line.x0 - paragraph.last.x0) > 0.8 * line.size
    return indented or _hangs(paragraph.first)
