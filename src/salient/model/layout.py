"""The canonical text of a version, with pages, blocks, words and tables laid over it.

Readers yield `Part`s (a page, a slide, a sheet, or a whole unpaged document) made of `Block`s whose
offsets are their own; `Builder` joins them into one `Text` and is the only place where canonical
offsets are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt
from salient.model import columns

FORMAT = 1  # of the stored artifact; a change makes old artifacts unreadable and is a new version


class Kind(IntEnum):
    """What a block is. The numbers are stored: append, never renumber."""

    PARAGRAPH = 0
    TITLE = 1
    HEADING = 2
    LIST_ITEM = 3
    TABLE = 4
    CAPTION = 5
    PAGE_HEADER = 6
    PAGE_FOOTER = 7
    FOOTNOTE = 8
    CODE = 9
    QUOTE = 10
    MAIL_HEADER = 11
    FORM_FIELD = 12
    BOILERPLATE = 13


# Read, stored and shown, but neither indexed nor mined: they repeat on every page.
FURNITURE = frozenset({Kind.PAGE_HEADER, Kind.PAGE_FOOTER, Kind.BOILERPLATE})


@dataclass(slots=True)
class Cell:
    """One table cell; `start, end` are offsets in its block's text."""

    row: int
    column: int
    start: int
    end: int
    row_span: int = 1
    column_span: int = 1
    header: bool = False


@dataclass(slots=True)
class Block:
    """A run of text of one kind.

    Args:
        text: without a trailing newline. A table's text is its cells, tab between columns and
            newline between rows.
        level: 1.. for headings (1 is the highest) and list nesting; 0 elsewhere.
        word_spans: (n_words, 2) int32, offsets in `text`, in order; None without geometry.
        word_boxes: (n_words, 4) float32, x0 y0 x1 y1 in 0..1 of the displayed page, origin top left.
    """

    kind: Kind
    text: str
    level: int = 0
    word_spans: NDArray[np.int32] | None = None
    word_boxes: NDArray[np.float32] | None = None
    cells: list[Cell] = field(default_factory=list)


@dataclass(slots=True)
class Part:
    """A page, slide, sheet, or a stretch of an unpaged document.

    Args:
        page: 1-based number, None where the format has no pages.
        width_pt, height_pt: of the displayed page (rotation and crop applied), 0 when unknown.
        origin: "text" for a text layer or markup, "ocr" when read from an image.
    """

    blocks: list[Block]
    page: int | None = None
    width_pt: float = 0.0
    height_pt: float = 0.0
    origin: str = "text"
    label: str | None = None


@dataclass(slots=True)
class Child:
    """A document inside a document: an attachment or an archive member."""

    name: str
    content: bytes


@dataclass(slots=True)
class Note:
    """Something left out or doubtful. `code` is stable; `message` is for a person."""

    code: str
    message: str
    page: int | None = None


@dataclass(slots=True)
class Metadata:
    """What the file says of itself: title, author, created, subject, sender, ... as text."""

    fields: dict[str, str]


Piece = Part | Child | Note | Metadata
"""What a reader yields, in any order except that parts come in reading order."""


@dataclass(frozen=True, slots=True)
class Text:
    """Canonical text and what lies over it. All offsets are code points of `text`.

    - Blocks are in reading order, do not overlap, and cover all of `text` but separators.
    - Arrays are read-only and may be views of a stored artifact.
    """

    text: str
    metadata: Mapping[str, str]
    notes: tuple[Note, ...]
    page_number: NDArray[np.int32]  # (n_parts,), 0 where the format has no pages
    page_start: NDArray[np.int32]  # (n_parts,)
    page_end: NDArray[np.int32]  # (n_parts,)
    page_size_pt: NDArray[np.float32]  # (n_parts, 2): width, height
    page_ocr: NDArray[np.bool_]  # (n_parts,)
    block_start: NDArray[np.int32]  # (n_blocks,)
    block_end: NDArray[np.int32]
    block_kind: NDArray[np.uint8]
    block_level: NDArray[np.uint8]
    word_start: NDArray[np.int32]  # (n_words,), only words that have a box
    word_end: NDArray[np.int32]
    word_page: NDArray[np.int32]
    word_box: NDArray[np.float32]  # (n_words, 4)
    cell_block: NDArray[np.int32]  # (n_cells,): index of the table's block
    cell_row: NDArray[np.int32]
    cell_column: NDArray[np.int32]
    cell_span: NDArray[np.int32]  # (n_cells, 2): rows, columns
    cell_header: NDArray[np.bool_]
    cell_start: NDArray[np.int32]
    cell_end: NDArray[np.int32]
    part_labels: tuple[str, ...] = ()

    @property
    def n_pages(self) -> int:
        """Pages, or 0 for a format without them."""
        return int((self.page_number > 0).sum())

    def page_at(self, offset: int) -> int | None:
        """The 1-based page that holds `offset`, None where there are no pages."""
        if not len(self.page_start):
            return None
        row = int(np.searchsorted(self.page_start, offset, side="right")) - 1
        return (int(self.page_number[max(row, 0)]) or None) if len(self.page_number) else None

    def boxes(self, start: int, end: int) -> list[tuple[int, float, float, float, float]]:
        """Boxes over `[start, end)`, words of one line joined: (page, x0, y0, x1, y1).

        Cost: O(log n_words + words in the span).
        """
        first = int(np.searchsorted(self.word_end, start, side="right"))
        last = int(np.searchsorted(self.word_start, end, side="left"))
        joined: list[tuple[int, float, float, float, float]] = []
        for row in range(first, last):
            page = int(self.word_page[row])
            x0, y0, x1, y1 = (float(v) for v in self.word_box[row])
            if joined:
                p, a0, b0, a1, b1 = joined[-1]
                overlap = min(b1, y1) - max(b0, y0)
                if p == page and overlap > 0.5 * min(b1 - b0, y1 - y0) and x0 >= a0:
                    joined[-1] = (p, a0, min(b0, y0), max(a1, x1), max(b1, y1))
                    continue
            joined.append((page, x0, y0, x1, y1))
        return joined

    def dump(self) -> bytes:
        """As one artifact; equal texts give equal bytes."""
        arrays = {n: getattr(self, n) for n in _ARRAYS}
        header = {
            "format": FORMAT,
            "metadata": dict(sorted(self.metadata.items())),
            "notes": [[n.code, n.message, n.page] for n in self.notes],
            "labels": list(self.part_labels),
        }
        encoded = np.frombuffer(self.text.encode("utf-8", "surrogatepass"), np.uint8)
        return columns.dump({"text": encoded, **arrays}, header)

    @classmethod
    def load(cls, data: bytes | memoryview) -> Text:
        """Raises Corrupt: `data` is not a text artifact of this format."""
        header, arrays = columns.load(data)
        if header.get("format") != FORMAT or "text" not in arrays:
            raise Corrupt("stored text is not of this format", format=header.get("format"))
        text = arrays.pop("text").tobytes().decode("utf-8", "surrogatepass")
        notes = tuple(Note(*row) for row in header["notes"])
        return cls(text, header["metadata"], notes, **arrays, part_labels=tuple(header["labels"]))


_ARRAYS = [
    "page_number",
    "page_start",
    "page_end",
    "page_size_pt",
    "page_ocr",
    "block_start",
    "block_end",
    "block_kind",
    "block_level",
    "word_start",
    "word_end",
    "word_page",
    "word_box",
    "cell_block",
    "cell_row",
    "cell_column",
    "cell_span",
    "cell_header",
    "cell_start",
    "cell_end",
]


class Builder:
    """Joins parts into a `Text`: blocks are parted by one blank line, parts likewise."""

    SEPARATOR = "\n\n"

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._length = 0
        self._rows: dict[str, list[Any]] = {name: [] for name in _ARRAYS}
        self._words: list[tuple[NDArray[np.int32], int, NDArray[np.float32]]] = []
        self._metadata: dict[str, str] = {}
        self._notes: list[Note] = []
        self._labels: list[str] = []

    def add(self, part: Part) -> None:
        """Append a part. Blocks whose text is blank are passed over."""
        rows = self._rows
        part_start: int | None = None
        for block in part.blocks:
            text = block.text.rstrip("\n")
            if not text.strip():
                continue
            if self._pieces:
                self._pieces.append(self.SEPARATOR)
                self._length += len(self.SEPARATOR)
            start = self._length
            part_start = start if part_start is None else part_start
            index = len(rows["block_start"])
            self._pieces.append(text)
            self._length += len(text)
            rows["block_start"].append(start)
            rows["block_end"].append(self._length)
            rows["block_kind"].append(int(block.kind))
            rows["block_level"].append(min(block.level, 255))
            if block.word_spans is not None and block.word_boxes is not None:
                self._words.append((block.word_spans + start, part.page or 0, block.word_boxes))
            for cell in block.cells:
                rows["cell_block"].append(index)
                rows["cell_row"].append(cell.row)
                rows["cell_column"].append(cell.column)
                rows["cell_span"].append((cell.row_span, cell.column_span))
                rows["cell_header"].append(cell.header)
                rows["cell_start"].append(start + cell.start)
                rows["cell_end"].append(start + cell.end)
        rows["page_number"].append(part.page or 0)
        rows["page_start"].append(self._length if part_start is None else part_start)
        rows["page_end"].append(self._length)
        rows["page_size_pt"].append((part.width_pt, part.height_pt))
        rows["page_ocr"].append(part.origin == "ocr")
        self._labels.append(part.label or "")

    def note(self, note: Note) -> None:
        self._notes.append(note)

    def describe(self, fields: Mapping[str, str]) -> None:
        """Add metadata; the first value of a name stays."""
        for name, value in fields.items():
            if value.strip():
                self._metadata.setdefault(name, value.strip())

    def feed(self, pieces: Iterable[Piece]) -> list[Child]:
        """Add all of a reader's pieces; return its children."""
        children: list[Child] = []
        for piece in pieces:
            match piece:
                case Part():
                    self.add(piece)
                case Note():
                    self.note(piece)
                case Metadata():
                    self.describe(piece.fields)
                case Child():
                    children.append(piece)
        return children

    def build(self) -> Text:
        rows = self._rows
        if self._words:
            spans = np.concatenate([w[0] for w in self._words])
            pages = np.repeat([w[1] for w in self._words], [len(w[0]) for w in self._words])
            boxes = np.concatenate([w[2] for w in self._words])
        else:
            spans, pages = np.zeros((0, 2), np.int32), np.zeros(0, np.int32)
            boxes = np.zeros((0, 4), np.float32)

        def ints(name: str) -> NDArray[np.int32]:
            return np.asarray(rows[name], np.int32)

        return Text(
            text="".join(self._pieces),
            metadata=self._metadata,
            notes=tuple(self._notes),
            page_number=ints("page_number"),
            page_start=ints("page_start"),
            page_end=ints("page_end"),
            page_size_pt=np.asarray(rows["page_size_pt"], np.float32).reshape(-1, 2),
            page_ocr=np.asarray(rows["page_ocr"], np.bool_),
            block_start=ints("block_start"),
            block_end=ints("block_end"),
            block_kind=np.asarray(rows["block_kind"], np.uint8),
            block_level=np.asarray(rows["block_level"], np.uint8),
            word_start=np.ascontiguousarray(spans[:, 0], np.int32),
            word_end=np.ascontiguousarray(spans[:, 1], np.int32),
            word_page=np.asarray(pages, np.int32),
            word_box=np.asarray(boxes, np.float32),
            cell_block=ints("cell_block"),
            cell_row=ints("cell_row"),
            cell_column=ints("cell_column"),
            cell_span=np.asarray(rows["cell_span"], np.int32).reshape(-1, 2),
            cell_header=np.asarray(rows["cell_header"], np.bool_),
            cell_start=ints("cell_start"),
            cell_end=ints("cell_end"),
            part_labels=tuple(self._labels),
        )
