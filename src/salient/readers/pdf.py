"""PDF: text in reading order with words and boxes, tables, forms, attachments; OCR where there is none.

Pages are yielded two behind the one being read, because a page's headers and footers show only beside
its neighbours'.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
from PIL.Image import Image

from salient.errors import InvalidInput
from salient.model import Block, Kind, Metadata, Note, Part, Piece
from salient.readers import Limits, ocr, pdf_file, pdf_tables
from salient.readers.pdf_blocks import Composer, Sizes, Vocabulary, outline_key
from salient.readers.pdf_furniture import REACH, Candidate, candidates, furniture
from salient.readers.pdf_order import Line, Segment, columns, line, lines, segments
from salient.readers.pdf_tables import Grid, Rule
from salient.readers.pdf_words import Page, Placement, Word, page_words

VERSION = 1

_MAX_PIXELS = 30_000_000
_SCAN_SHARE = 0.6  # of a page covered by one picture
_FEW_CHARACTERS = 80
_TABLE_MARK = "\x00table"


@dataclass(slots=True)
class _Sheet:
    """A page read but not yet composed."""

    page: Page
    rules: list[Rule] = field(default_factory=list)
    candidates: list[Candidate] = field(default_factory=list)
    fields: list[pdf_file.Field] = field(default_factory=list)
    reading: ocr.Reading | None = None
    notes: list[Note] = field(default_factory=list)


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Pages as parts; see `salient.readers` for what every reader promises."""
    try:
        document = pdf_file.open_pdf(file)
    except InvalidInput as refused:
        texts = [] if refused.context["code"] == "encrypted" else pdf_file.salvaged(file)
        if not texts:
            raise
        yield from _salvaged(texts, limits)
        return
    try:
        yield Metadata(pdf_file.metadata(document))
        yield from _Reader(document, limits).pages()
        yield from pdf_file.attachments(document, limits.max_expanded_bytes)
    finally:
        document.close()


def _salvaged(texts: Sequence[str], limits: Limits) -> Iterator[Piece]:
    yield Metadata({"pages": str(len(texts))})
    yield Note(
        "mended",
        "the PDF is damaged: its text was saved without places on the page, and parts may be missing",
    )
    for number, text in enumerate(texts[: limits.max_pages], 1):
        blocks = [
            Block(Kind.PARAGRAPH, " ".join(chunk.split()))
            for chunk in text.replace("\x00", "").split("\n\n")
            if chunk.strip()
        ]
        yield Part(blocks, number)


class _Reader:
    def __init__(self, document: pdfium.PdfDocument, limits: Limits) -> None:
        self._document = document
        self._limits = limits
        self._sizes = Sizes()
        self._vocabulary = Vocabulary()
        self._outline = {outline_key(title): level for level, title in pdf_file.outline(document)}
        self._fields = pdf_file.Fields(document)
        self._n_ocr = 0
        self._n_characters = 0
        self._no_ocr: list[int] = []

    def pages(self) -> Iterator[Piece]:
        total = len(self._document)
        n = min(total, self._limits.max_pages)
        around: deque[_Sheet] = deque(maxlen=2 * REACH + 1)
        for number in range(1, n + REACH + 1):
            if number <= n:
                around.append(self._sheet(number))
            due = number - REACH
            if due >= 1:
                while around[0].page.number < due - REACH:
                    around.popleft()
                yield from self._part(due, around)
        if total > n:
            yield Note(
                "pages_left_out",
                f"pages {n + 1}-{total} were left out: the limit is {n:,} pages",
                n + 1,
            )
        if self._n_characters == 0:
            yield Note(
                "no_text", "no text was found in the document, neither drawn nor in pictures"
            )
        if self._no_ocr:
            reason = (
                f"the limit is {self._limits.ocr_pages} pages of OCR"
                if ocr.available()
                else "no OCR language data is installed"
            )
            count = len(self._no_ocr)
            yield Note(
                "pages_not_recognised",
                f"{count} pages are images and were not read, the first is page "
                f"{self._no_ocr[0]}: {reason}",
                self._no_ocr[0],
            )

    def _sheet(self, number: int) -> _Sheet:
        """Read one page. A damaged page is an empty one with a note."""
        try:
            page = self._document[number - 1]
        except pdfium.PdfiumError:
            note = Note("page_damaged", f"page {number} is damaged and was left out", number)
            return _Sheet(Page(number, 0.0, 0.0), notes=[note])
        try:
            sheet = _Sheet(page_words(page, number))
            place = Placement(page)
            sheet.rules = pdf_tables.rules(page, place)
            sheet.fields = self._fields.of(page)
            self._recognise(sheet, page, place)
        except pdfium.PdfiumError:
            note = Note("page_damaged", f"page {number} is damaged and was left out", number)
            return _Sheet(Page(number, 0.0, 0.0), notes=[note])
        finally:
            page.close()
        if sheet.page.n_outside > 20:
            sheet.notes.append(
                Note(
                    "text_outside_page",
                    f"{sheet.page.n_outside} words of page {number} lie outside of what is shown "
                    "and were left out",
                    number,
                )
            )
        words = _all_words(sheet)
        self._sizes.learn(words)
        self._vocabulary.learn(words)
        rough = (
            [held for column in sheet.reading.columns for held in column]
            if sheet.reading is not None
            else lines(segments(sheet.page.upright))
        )
        sheet.candidates = candidates(rough, sheet.page.height)
        return sheet

    def _recognise(self, sheet: _Sheet, page: pdfium.PdfPage, place: Placement) -> None:
        """Read the page's image where its text layer is missing or says nothing."""
        found = sheet.page
        n, bad = found.n_characters, found.n_unreadable
        unreadable = n >= 10 and (bad > 0.3 * n or _is_gibberish(found))
        if n > _FEW_CHARACTERS and not unreadable:
            return
        if n and not unreadable and _largest_picture(page, place, found) < _SCAN_SHARE:
            return
        if n == 0 and pdfium_c.FPDFPage_CountObjects(page.raw) == 0:
            return
        if self._n_ocr >= self._limits.ocr_pages or not ocr.available():
            self._no_ocr.append(found.number)
            return
        self._n_ocr += 1
        reading = ocr.read_image(*_rendered(page, self._limits.ocr_dpi))
        if unreadable:
            sheet.notes.append(
                Note(
                    "text_layer_unreadable",
                    f"the text layer of page {found.number} has no readable characters: "
                    "the page was read by OCR",
                    found.number,
                )
            )
        if reading.n_characters > (0 if unreadable else n):
            sheet.reading = reading

    def _part(self, number: int, around: Sequence[_Sheet]) -> Iterator[Piece]:
        sheet = next(held for held in around if held.page.number == number)
        neighbours = {
            held.page.number - number: held.candidates
            for held in around
            if held is not sheet and abs(held.page.number - number) <= REACH
        }
        page = sheet.page
        composer = Composer(page.width, page.height, self._sizes, self._vocabulary, self._outline)
        edges = furniture(sheet.candidates, neighbours)
        blocks = [*_edge(composer, sheet, edges, Kind.PAGE_HEADER)]
        if sheet.reading is not None:
            for column in sheet.reading.columns:
                kept = [held for held in column if id(held) not in edges]
                blocks += leaf(composer, kept, [])
        else:
            taken = {
                id(word) for c in sheet.candidates if id(c.line) in edges for word in c.line.words
            }
            blocks += self._body(composer, sheet, taken)
        blocks += [_filled(composer, held) for held in sheet.fields]
        blocks += _edge(composer, sheet, edges, Kind.PAGE_FOOTER)
        if number == 1:
            _mark_title(blocks, self._sizes)
        kept_blocks = [block for block in blocks if block.text.strip()]
        self._n_characters += sum(len(block.text) for block in kept_blocks)
        yield Part(
            kept_blocks,
            number,
            page.width,
            page.height,
            "ocr" if sheet.reading is not None else "text",
        )
        yield from sheet.notes

    def _body(self, composer: Composer, sheet: _Sheet, taken: set[int]) -> list[Block]:
        page = sheet.page
        words = [word for word in page.upright if id(word) not in taken]
        n_fixed = sum(len(w.text) for w in words if w.fixed)
        composer.fixed_share = n_fixed / (sum(len(w.text) for w in words) or 1)
        blocks: list[Block] = []
        grids = pdf_tables.drawn(sheet.rules, words, page_area=page.width * page.height)
        inside = {id(w) for grid in grids for cell in grid.cells for w in cell.words}
        free = [word for word in words if id(word) not in inside]
        parts = segments(free) + [_stand_in(grid, index) for index, grid in enumerate(grids)]
        for column in columns(parts):
            blocks = _continued(blocks, leaf(composer, lines(column), grids), composer)
        for held in page.turned.values():
            for column in columns(segments(held)):
                blocks += leaf(composer, lines(column), [])
        if page.slanted:
            blocks.append(composer.plain(Kind.PARAGRAPH, [page.slanted]))
        return blocks


def _all_words(sheet: _Sheet) -> list[Word]:
    if sheet.reading is not None:
        return [w for column in sheet.reading.columns for held in column for w in held.words]
    page = sheet.page
    return page.upright + [w for held in page.turned.values() for w in held]


def _is_gibberish(page: Page) -> bool:
    """Letters that spell nothing: a font whose codes were never mapped to characters."""
    letters = vowels = 0
    for word in page.upright:
        for char in word.text.lower():
            if "a" <= char <= "z":
                letters += 1
                vowels += char in "aeiouy"
    return letters >= 150 and letters > 0.5 * page.n_characters and vowels < 0.13 * letters


def _largest_picture(page: pdfium.PdfPage, place: Placement, found: Page) -> float:
    """The largest image's share of the page."""
    area = found.width * found.height
    best = 0.0
    kinds = [pdfium_c.FPDF_PAGEOBJ_IMAGE]
    for index, item in enumerate(page.get_objects(filter=kinds, max_depth=3)):
        x0, y0, x1, y1 = place(item.get_bounds())
        wide = min(x1, found.width) - max(x0, 0.0)
        high = min(y1, found.height) - max(y0, 0.0)
        best = max(best, wide * high / area if wide > 0 < high and area else 0.0)
        if index > 200:
            break
    return best


def _rendered(page: pdfium.PdfPage, dpi: int) -> tuple[Image, float]:
    width, height = page.get_size()
    scale = dpi / 72
    pixels = width * height * scale * scale
    if pixels > _MAX_PIXELS:
        scale *= (_MAX_PIXELS / pixels) ** 0.5
    bitmap = page.render(scale=scale, grayscale=True, draw_annots=True)
    try:
        return bitmap.to_pil().copy(), scale * 72
    finally:
        bitmap.close()


def _edge(composer: Composer, sheet: _Sheet, edges: dict[int, Kind], kind: Kind) -> list[Block]:
    """The page's header or footer as one block."""
    held = [c.line for c in sheet.candidates if edges.get(id(c.line)) is kind]
    if not held:
        return []
    held.sort(key=lambda found: found.y0)
    return [composer.plain(kind, [found.words for found in held])]


def _stand_in(grid: Grid, index: int) -> Segment:
    """A segment in a drawn table's place, so that the table takes part in the reading order."""
    first = min((w for c in grid.cells for w in c.words), key=lambda w: w.order)
    word = Word(f"{_TABLE_MARK}{index}", *grid.box, first.size, grid.box, first.order)
    return Segment([word], *grid.box, first.size)


def leaf(composer: Composer, column: Sequence[Line], grids: Sequence[Grid]) -> list[Block]:
    """Blocks of one column: drawn tables in their place, undrawn ones found, prose between."""
    blocks: list[Block] = []
    run: list[Line] = []

    def flush() -> None:
        nonlocal run
        at = 0
        for start, end, grid in pdf_tables.aligned(run):
            blocks.extend(composer.prose(run[at:start]))
            blocks.append(composer.table(grid))
            at = end
        blocks.extend(composer.prose(run[at:]))
        run = []

    for held in column:
        marks = [s for s in held.segments if s.words[0].text.startswith(_TABLE_MARK)]
        if not marks:
            run.append(held)
            continue
        beside = [s for s in held.segments if s not in marks]
        if beside:
            run.append(line(beside))
        flush()
        for mark in marks:
            index = int(mark.words[0].text.removeprefix(_TABLE_MARK))
            blocks.append(composer.table(grids[index]))
    flush()
    return blocks


def _continued(blocks: list[Block], more: list[Block], composer: Composer) -> list[Block]:
    """Join a paragraph that goes on at the top of the next column."""
    if not blocks or not more:
        return blocks + more
    last, first = blocks[-1], more[0]
    if (
        last.kind in (Kind.PARAGRAPH, Kind.LIST_ITEM)
        and first.kind is Kind.PARAGRAPH
        and first.text[:1].islower()
        and last.text[-1:] not in ".!?:;"
    ):
        return [*blocks[:-1], composer.continued(last, first), *more[1:]]
    return blocks + more


def _filled(composer: Composer, held: pdf_file.Field) -> Block:
    text = f"{held.name}: {held.value}" if held.name else held.value
    start = len(text) - len(held.value)
    x0, y0, x1, y1 = held.box
    block = composer.plain(
        Kind.FORM_FIELD if held.is_form else Kind.PARAGRAPH,
        [[Word(held.value, x0, y0, x1, y1, y1 - y0, held.box, 0)]],
    )
    block.text = text
    block.word_spans = np.asarray([(start, len(text))], np.int32)
    return block


def _mark_title(blocks: list[Block], sizes: Sizes) -> None:
    """The first page's most prominent heading, if it stands before the text, is the title."""
    for block in blocks[:6]:
        if block.kind is Kind.HEADING and block.level == 1 and len(block.text) > 3:
            block.kind = Kind.TITLE
            block.level = 0
            return
