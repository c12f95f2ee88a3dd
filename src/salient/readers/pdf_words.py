"""Words of a page with boxes and looks, from PDFium's characters or from OCR.

Coordinates here are points of the displayed page (rotation and crop applied), origin top left, y down.
"""

from __future__ import annotations

import ctypes
import math
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

# PDFium marks a hyphen at a line's end with one of these, and runs the two lines together.
_LINE_END_HYPHENS = frozenset({0x02, 0xFFFE, 0xAD})
_FIXED_PITCH, _ITALIC, _FORCE_BOLD = 1 << 0, 1 << 6, 1 << 18
_BOLD_WEIGHT = 600
_INVISIBLE = 3


@dataclass(slots=True, eq=False)
class Word:
    """A run of characters without white space.

    `x0..y1` are in the frame of the text's own direction (see `Page.turned`), `box` is on the
    displayed page.
    """

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    box: tuple[float, float, float, float]
    order: int
    """Place in the content stream: what the producing program wrote first."""
    bold: bool = False
    italic: bool = False
    fixed: bool = False
    hyphen: bool = False
    """Ends with a hyphen that the producing program put there to break a line."""

    @property
    def middle(self) -> float:
        return (self.y0 + self.y1) / 2


@dataclass(slots=True)
class Page:
    """One page's words, grouped by the way they are turned."""

    number: int
    width: float
    height: float
    upright: list[Word] = field(default_factory=list)
    turned: dict[int, list[Word]] = field(default_factory=dict)
    """Words by quarter turns clockwise, 1 to 3; their frame is turned so that they read upright."""
    slanted: list[Word] = field(default_factory=list)
    n_characters: int = 0
    n_unreadable: int = 0
    """Characters with no meaning: unmapped, private use, or replacement."""
    n_outside: int = 0
    """Words on the sheet but outside what is displayed; left out."""
    invisible: bool = False
    """All of the text is drawn invisibly: the layer that a scanner's OCR leaves."""

    @property
    def n_words(self) -> int:
        return len(self.upright) + len(self.slanted) + sum(map(len, self.turned.values()))


@dataclass(frozen=True, slots=True)
class _Look:
    size: float
    bold: bool
    italic: bool
    fixed: bool
    turn: float
    """Degrees counter-clockwise in the page's own space."""
    invisible: bool


@dataclass(slots=True)
class _Run:
    """A word in the making, in the page's own space (y up)."""

    first: int
    codes: list[int] = field(default_factory=list)
    hyphen: bool = False


def page_words(page: pdfium.PdfPage, number: int) -> Page:
    """Take the words of a page.

    Cost: linear in characters; most of it is calls into PDFium.
    """
    width, height = page.get_size()
    found = Page(number, width, height)
    textpage = page.get_textpage()
    try:
        _fill(found, page, textpage)
    finally:
        textpage.close()
    return found


def _fill(found: Page, page: pdfium.PdfPage, textpage: pdfium.PdfTextPage) -> None:
    raw = textpage.raw
    n = textpage.count_chars()
    if n <= 0:
        return
    place = Placement(page)
    looks: dict[int, _Look] = {}
    boxes = _Boxes(raw)
    unicode_at: Callable[[Any, int], int] = pdfium_c.FPDFText_GetUnicode
    run: _Run | None = None
    runs: list[tuple[_Run, int]] = []
    n_read = n_bad = 0
    for index in range(n):
        code = unicode_at(raw, index)
        if code in _LINE_END_HYPHENS:
            if run is not None:
                run.codes.append(0x2D)
                run.hyphen = True
                runs.append((run, index))
                run = None
            continue
        if code <= 0x20 or code in (0xA0, 0x2028, 0x2029, 0x3000) or 0x2000 <= code <= 0x200B:
            if run is not None:
                runs.append((run, index - 1))
                run = None
            n_bad += code == 0 or (code < 0x20 and code not in (9, 10, 12, 13))
            continue
        n_read += 1
        if code == 0xFFFD or 0xE000 <= code <= 0xF8FF or code >= 0xF0000 or 0x7F <= code < 0xA0:
            n_bad += 1
        if run is None:
            run = _Run(index)
        run.codes.append(code)
    if run is not None:
        runs.append((run, n - 1))
    found.n_characters = n_read
    found.n_unreadable = n_bad
    n_invisible = 0
    for run, last in runs:
        look = _look(raw, run.first, looks)
        n_invisible += look.invisible
        for first, end, codes in _pieces(run, last, boxes, look):
            _place(found, run, first, end, codes, boxes, look, place)
    found.invisible = bool(runs) and n_invisible > 0.9 * len(runs)


class _Boxes:
    """Loose character boxes: as wide as the advance, as high as the font, so lines stay level."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw
        self._rect = pdfium_c.FS_RECTF()
        self._by_reference = ctypes.byref(self._rect)

    def of(self, index: int) -> tuple[float, float, float, float]:
        """Left, bottom, right, top."""
        pdfium_c.FPDFText_GetLooseCharBox(self._raw, index, self._by_reference)
        rect = self._rect
        left, right = sorted((rect.left, rect.right))
        bottom, top = sorted((rect.bottom, rect.top))
        return left, bottom, right, top


def _look(raw: Any, index: int, looks: dict[int, _Look]) -> _Look:
    """The style at a character, one look-up a text object."""
    handle = pdfium_c.FPDFText_GetTextObject(raw, index)
    key = ctypes.cast(handle, ctypes.c_void_p).value or 0
    if key and key in looks:
        return looks[key]
    matrix = pdfium_c.FS_MATRIX()
    scale, turn = 1.0, 0.0
    if pdfium_c.FPDFText_GetMatrix(raw, index, ctypes.byref(matrix)):
        scale = math.hypot(matrix.c, matrix.d) or 1.0
        turn = math.degrees(math.atan2(matrix.b, matrix.a))
    flags = ctypes.c_int(0)
    name = ctypes.create_string_buffer(128)
    pdfium_c.FPDFText_GetFontInfo(raw, index, name, 128, ctypes.byref(flags))
    weight = pdfium_c.FPDFText_GetFontWeight(raw, index)
    lowered = name.value.lower()
    look = _Look(
        size=abs(pdfium_c.FPDFText_GetFontSize(raw, index) * scale) or 1.0,
        bold=weight >= _BOLD_WEIGHT
        or bool(flags.value & _FORCE_BOLD)
        or any(part in lowered for part in (b"bold", b"black", b"heavy", b"cmbx", b"-demi")),
        italic=bool(flags.value & _ITALIC) or b"italic" in lowered or b"oblique" in lowered,
        fixed=bool(flags.value & _FIXED_PITCH) or b"courier" in lowered or b"mono" in lowered,
        turn=turn,
        invisible=bool(handle) and pdfium_c.FPDFTextObj_GetTextRenderMode(handle) == _INVISIBLE,
    )
    if key:
        looks[key] = look
    return look


def _pieces(run: _Run, last: int, boxes: _Boxes, look: _Look) -> list[tuple[int, int, list[int]]]:
    """Cut a run where it jumps: PDFium puts no space between some neighbouring cells.

    Looks at every character only where the run is wider, or higher, than its letters would be.
    """
    count = len(run.codes)
    first = run.first
    end = first + count - 1 if last >= first + count - 1 else last
    if count == 1:
        return [(first, end, run.codes)]
    a, b = boxes.of(first), boxes.of(end)
    wide = max(a[2], b[2]) - min(a[0], b[0])
    high = max(a[3], b[3]) - min(a[1], b[1])
    along, across = (high, wide) if 45 < abs(look.turn) % 180 < 135 else (wide, high)
    if along <= 0.72 * look.size * count and across <= 1.8 * look.size:
        return [(first, end, run.codes)]
    pieces: list[tuple[int, int, list[int]]] = []
    start = 0
    before = a
    for k in range(1, count):
        box = boxes.of(first + k)
        gap_x = max(box[0] - before[2], before[0] - box[2])
        gap_y = max(box[1] - before[3], before[1] - box[3])
        if max(gap_x, gap_y) > 0.45 * look.size:
            pieces.append((first + start, first + k - 1, run.codes[start:k]))
            start = k
        before = box
    pieces.append((first + start, end, run.codes[start:]))
    return pieces


def _place(
    found: Page,
    run: _Run,
    first: int,
    end: int,
    codes: list[int],
    boxes: _Boxes,
    look: _Look,
    place: Placement,
) -> None:
    a = boxes.of(first)
    b = boxes.of(end) if end != first else a
    box = place((min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])))
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    if not (-1 <= x <= found.width + 1 and -1 <= y <= found.height + 1):
        found.n_outside += 1
        return
    text = _text(codes)
    if not text:
        return
    turn = (look.turn - place.rotation) % 360
    quarter = round(turn / 90) % 4
    word = Word(
        text,
        *box,
        look.size,
        box,
        first,
        look.bold,
        look.italic,
        look.fixed,
        run.hyphen and codes is run.codes,
    )
    if abs((turn + 45) % 90 - 45) > 10:
        found.slanted.append(word)
    elif quarter == 0:
        found.upright.append(word)
    else:
        word.x0, word.y0, word.x1, word.y1 = _turn(box, quarter, found.width, found.height)
        found.turned.setdefault(quarter, []).append(word)


def _turn(
    box: tuple[float, float, float, float], quarter: int, width: float, height: float
) -> tuple[float, float, float, float]:
    """The box in the frame where text turned by `quarter` counter-clockwise reads upright."""
    x0, y0, x1, y1 = box
    if quarter == 1:  # reads from bottom to top
        return height - y1, x0, height - y0, x1
    if quarter == 2:
        return width - x1, height - y1, width - x0, height - y0
    return y0, width - x1, y1, width - x0


class Placement:
    """Page space (y up, before crop and rotation) to the displayed page."""

    def __init__(self, page: pdfium.PdfPage) -> None:
        self.left, self.bottom, self.right, self.top = page.get_bbox()
        self.rotation = page.get_rotation()

    def __call__(self, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        x0, y0, x1, y1 = box
        match self.rotation:
            case 90:
                return y0 - self.bottom, x0 - self.left, y1 - self.bottom, x1 - self.left
            case 180:
                return self.right - x1, y0 - self.bottom, self.right - x0, y1 - self.bottom
            case 270:
                return self.top - y1, self.right - x1, self.top - y0, self.right - x0
            case _:
                return x0 - self.left, self.top - y1, x1 - self.left, self.top - y0


def _text(codes: list[int]) -> str:
    if any(0xD800 <= code < 0xE000 for code in codes):
        raw = b"".join(code.to_bytes(2, "little") for code in codes if code < 0x10000)
        text = raw.decode("utf-16-le", "replace")
    else:
        text = "".join(chr(code) for code in codes if code <= 0x10FFFF)
    if not text.isascii():
        # Presentation forms are the font's business: a search for "find" must find "ﬁnd".
        text = "".join(
            unicodedata.normalize("NFKC", c)
            if "\ufb00" <= c <= "\ufdff" or "\ufe70" <= c <= "\ufefc"
            else c
            for c in text
            if c not in "\ufeff\u200b\u2060"
        )
    return text
