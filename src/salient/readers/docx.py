"""DOCX to blocks: what a person reads in Word, in order, with the numbers Word would show.

Inserted text of tracked changes is kept and deleted text dropped; comments are counted, not read.
The file has no pages: they exist only once it is laid out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from salient.errors import InvalidInput, NotFound
from salient.model import Block, Child, Kind, Metadata, Note, Part, Piece
from salient.readers import Limits
from salient.readers.docx_numbering import Numbering
from salient.readers.formulas import linear
from salient.readers.ooxml import Package, Relation, attribute, chart_rows, child
from salient.readers.safe_xml import Element, local
from salient.readers.tables import Entry, table

VERSION = 1

_SPACES = re.compile(r"[ \t\u00a0]+")
_HEADING_NAME = re.compile(r"heading ?(\d)", re.I)
_LIST_NAME = re.compile(r"list (?:bullet|number|paragraph)(?: (\d))?$", re.I)
_BLOCKS_A_PART = 2000
# Containers that add nothing of their own.
_TRANSPARENT = frozenset(
    [
        "ins",
        "moveTo",
        "hyperlink",
        "smartTag",
        "sdt",
        "sdtContent",
        "fldSimple",
        "customXml",
        "bdo",
        "dir",
        "r",
        "ruby",
        "rubyBase",
        "drawing",
        "inline",
        "anchor",
        "graphic",
        "graphicData",
        "wgp",
        "wpc",
        "grpSp",
        "wsp",
        "sp",
        "txbx",
        "pict",
        "shape",
        "group",
        "rect",
        "roundrect",
        "oval",
        "line",
        "textbox",
        "object",
        "docPartObj",
        "AlternateContent",
        "Choice",
        "body",
        "document",
    ]
)
_SKIPPED = frozenset(
    [
        "del",
        "moveFrom",
        "delText",
        "instrText",
        "pPr",
        "rPr",
        "rt",
        "rubyPr",
        "sdtPr",
        "sdtEndPr",
        "tblPr",
        "tblGrid",
        "trPr",
        "tcPr",
        "sectPr",
        "proofErr",
        "bookmarkStart",
        "bookmarkEnd",
        "commentRangeStart",
        "commentRangeEnd",
        "delInstrText",
        "Fallback",
    ]
)


@dataclass(slots=True)
class _Style:
    name: str
    based_on: str | None
    outline: int | None
    number: str | None
    level: int


@dataclass(slots=True)
class _Pending:
    """What a paragraph refers to, read after it."""

    boxes: list[Element] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    charts: list[str] = field(default_factory=list)
    n_images: int = 0


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read a Word document; parts of at most 2,000 blocks, one after another."""
    with Package(file, limits) as package:
        walker = _Walker(package)
        yield Metadata(package.properties())
        blocks: list[Block] = []
        blocks += walker.furniture("header", Kind.PAGE_HEADER)
        for block in walker.body():
            blocks.append(block)
            if len(blocks) >= _BLOCKS_A_PART:
                yield Part(blocks)
                blocks = []
        blocks += walker.furniture("footer", Kind.PAGE_FOOTER)
        yield Part(blocks)
        yield from walker.notes()
        yield from package.embedded()
        yield from walker.chunks()
        yield from package.notes()


class _Walker:
    def __init__(self, package: Package) -> None:
        self._package = package
        self._main = package.main_part("word/document.xml")
        self._relations = package.relations(self._main)
        self._styles = self._read_styles()
        numbering = self._part("numbering")
        self._numbering = Numbering(numbering)
        self._notes: dict[str, dict[str, Element]] = {
            "footnote": self._by_id("footnotes"),
            "endnote": self._by_id("endnotes"),
        }
        self._n_deleted = 0
        self._n_images = 0
        self._chunks: list[str] = []
        self._endnotes: list[str] = []

    def _part(self, kind: str) -> Element | None:
        for relation in self._relations.values():
            if relation.kind == kind and not relation.external:
                if not self._package.has(relation.target):
                    return None
                return self._package.xml(relation.target)
        return None

    def _by_id(self, kind: str) -> dict[str, Element]:
        root = self._part(kind)
        if root is None:
            return {}
        return {
            attribute(node, "id") or "": node
            for node in root
            if attribute(node, "type") in (None, "normal")
        }

    def _read_styles(self) -> dict[str, _Style]:
        root = self._part("styles")
        found: dict[str, _Style] = {}
        for node in root if root is not None else ():
            if local(node) != "style" or attribute(node, "type") not in (None, "paragraph"):
                continue
            ppr = child(node, "pPr")
            number, level = _number(ppr)
            found[attribute(node, "styleId") or ""] = _Style(
                _val(node, "name") or "", _val(node, "basedOn"), _integer(_val(ppr, "outlineLvl")), number, level
            )  # fmt: skip
        return found

    def _chain(self, style: str | None) -> Iterator[tuple[str, _Style]]:
        seen: set[str] = set()
        while style and style not in seen and style in self._styles:
            seen.add(style)
            yield style, self._styles[style]
            style = self._styles[style].based_on

    # --- blocks

    def body(self) -> Iterator[Block]:
        root = self._package.xml(self._main)
        body = child(root, "body")
        if body is None:
            raise InvalidInput(
                "the file is damaged: its document has no body; save it anew and add it again",
                code="malformed",
            )
        yield from self._blocks(body)
        for number in self._endnotes:
            yield from self._note_blocks("endnote", number)

    def _blocks(self, parent: Element) -> Iterator[Block]:
        for node in parent:
            name = local(node)
            if name == "p":
                yield from self._paragraph(node)
            elif name == "tbl":
                yield from self._table(node)
            elif name == "altChunk":
                self._chunks.append(attribute(node, "id") or "")
            elif name in ("del", "moveFrom"):
                self._n_deleted += 1
            elif name not in _SKIPPED:
                yield from self._blocks(node)

    def _paragraph(self, node: Element) -> Iterator[Block]:
        pending = _Pending()
        text = self._text(node, pending)
        kind, level, label = self._role(node, has_text=bool(text.strip()))
        if text.strip():
            yield Block(kind, f"{label} {text}" if label else text, level)
        for box in pending.boxes:
            yield from self._blocks(box)
        for chart in pending.charts:
            yield from self._chart(chart)
        for what, number in pending.notes:
            if what == "endnote":
                self._endnotes.append(number)
            else:
                yield from self._note_blocks(what, number)
        self._n_images += pending.n_images

    def _role(self, node: Element, *, has_text: bool) -> tuple[Kind, int, str]:
        """Kind, level and number of a paragraph; counts it when it has text."""
        ppr = child(node, "pPr")
        style = _val(ppr, "pStyle")
        number, level = _number(ppr)
        outline = _integer(_val(ppr, "outlineLvl"))
        names = []
        for key, what in self._chain(style):
            names.append(what.name)
            if outline is None:
                outline = what.outline
            if number is None and what.number is not None:
                number, level = what.number, what.level
                by_style = self._numbering.by_style.get(key)
                if by_style and by_style[0] == number:
                    level = by_style[1]
        # Word numbers empty paragraphs too, but shows nothing that anybody would cite.
        found = self._numbering.label(number, level) if number and has_text else None
        label = found[0] if found else ""
        kind, depth = _named_role(names, outline)
        if kind is not None:
            return kind, depth, label
        return (Kind.LIST_ITEM, level + 1, label) if found else (Kind.PARAGRAPH, 0, label)

    def _note_blocks(self, what: str, number: str) -> Iterator[Block]:
        node = self._notes[what].pop(number, None)
        if node is not None:
            text = " ".join(b.text for b in self._blocks(node))
            yield Block(Kind.FOOTNOTE, text)

    def _chart(self, identifier: str) -> Iterator[Block]:
        relation = self._relations.get(identifier)
        if relation is None or relation.external or not self._package.has(relation.target):
            return
        title, rows = chart_rows(self._package.xml(relation.target))
        if title:
            yield Block(Kind.CAPTION, title)
        block = table([Entry(c, header=i == 0) for c in row] for i, row in enumerate(rows))
        if block:
            yield block

    # --- text

    def _text(self, node: Element, pending: _Pending) -> str:
        pieces: list[str] = []
        self._runs(node, pieces, pending)
        text = "".join(pieces)
        return "\n".join(s for x in text.split("\n") if (s := _SPACES.sub(" ", x).strip()))

    def _runs(self, parent: Element, pieces: list[str], pending: _Pending) -> None:
        for node in parent:
            name = local(node)
            if name == "t":
                pieces.append(node.text or "")
            elif name in _SIGNS:
                pieces.append(_SIGNS[name])
            elif name in ("del", "moveFrom"):
                self._n_deleted += 1
            elif name in ("oMath", "oMathPara"):
                pieces.append(_spaced(linear(node), pieces))
            elif name == "sym":
                pieces.append(_symbol(attribute(node, "char")))
            elif name in ("footnoteReference", "endnoteReference"):
                pending.notes.append((name.removesuffix("Reference"), attribute(node, "id") or ""))
            elif name == "txbxContent":
                pending.boxes.append(node)
            elif name == "chart":
                pending.charts.append(attribute(node, "id") or "")
            elif name in ("blip", "imagedata"):
                pending.n_images += 1
            elif name == "AlternateContent":
                # The same thing twice, for new and old programs: one of them is enough.
                self._runs(_chosen(node), pieces, pending)
            elif name not in _SKIPPED and len(node):
                self._runs(node, pieces, pending)

    # --- tables

    def _table(self, node: Element) -> Iterator[Block]:
        rows = [r for r in _children(node, "tr") if child(child(r, "trPr"), "del") is None]
        look = child(child(node, "tblPr"), "tblLook")
        header = look is not None and (
            attribute(look, "firstRow") in ("1", "true", "on")
            or (attribute(look, "firstRow") is None and _flags(attribute(look, "val")) & 0x20 > 0)
        )
        if len(rows) == 1 and len(cells := _children(rows[0], "tc")) == 1:
            # One cell is a frame around text, not a table.
            yield from self._blocks(cells[0])
            return
        pending = _Pending()
        grid: list[list[Entry]] = []
        above: dict[int, Entry] = {}  # column -> cell that a vertical merge continues
        for number, row in enumerate(rows):
            entries: list[Entry] = []
            properties = child(row, "trPr")
            column = _integer(_val(properties, "gridBefore")) or 0
            if column:
                entries.append(Entry("", column_span=column))
            marked = child(properties, "tblHeader") is not None or (header and number == 0)
            now: dict[int, Entry] = {}
            for cell in _children(row, "tc"):
                tcpr = child(cell, "tcPr")
                across = max(_integer(_val(tcpr, "gridSpan")) or 1, 1)
                merge = child(tcpr, "vMerge")
                if merge is not None and attribute(merge, "val") in (None, "continue"):
                    origin = above.get(column)
                    if origin is not None:
                        origin.row_span += 1
                        now[column] = origin
                        column += across
                        continue
                entry = Entry(self._cell(cell, pending), 1, across, marked)
                entries.append(entry)
                if merge is not None:
                    now[column] = entry
                column += across
            above = now
            grid.append(entries)
        block = table(grid)
        if block:
            yield block
        for box in pending.boxes:
            yield from self._blocks(box)
        for what, identifier in pending.notes:
            yield from self._note_blocks(what, identifier)
        self._n_images += pending.n_images

    def _cell(self, cell: Element, pending: _Pending) -> str:
        """A cell's text; tables within it are told row by row."""
        pieces = []
        for node in cell.iter():
            if local(node) == "p" and not _inside_box(node, cell):
                text = self._text(node, pending)
                label = self._role(node, has_text=bool(text))[2]
                pieces.append(f"{label} {text}" if label else text)
        return " ".join(p for p in pieces if p)

    # --- around the body

    def furniture(self, kind: str, block_kind: Kind) -> list[Block]:
        """Headers or footers of all sections, each text once."""
        blocks: list[Block] = []
        seen: set[str] = set()
        for relation in self._relations.values():
            if relation.kind != kind or relation.external or not self._package.has(relation.target):
                continue
            outer, self._relations = self._relations, self._package.relations(relation.target)
            for block in self._blocks(self._package.xml(relation.target)):
                key = block.text.strip()
                if key and key not in seen:
                    seen.add(key)
                    blocks.append(Block(block_kind, block.text, cells=block.cells))
            self._relations = outer
        return blocks

    def notes(self) -> Iterator[Note]:
        comments = self._part("comments")
        n = len(_children(comments, "comment")) if comments is not None else 0
        if n:
            yield Note("comments_left_out", f"{n} reviewers' comments are not part of the text")
        if self._n_deleted:
            yield Note("deletions_left_out", f"{self._n_deleted} tracked deletions were left out")
        if self._n_images:
            yield Note("images_left_out", f"{self._n_images} pictures were not read")

    def chunks(self) -> Iterator[Child | Note]:
        """Documents of other formats that the body includes."""
        for identifier in self._chunks:
            relation: Relation | None = self._relations.get(identifier)
            if relation is None or relation.external:
                continue
            try:
                content = self._package.content(relation.target)
            except NotFound:
                yield Note(
                    "embedded_left_out", f"the included document {relation.target} is missing"
                )
                continue
            yield Child(relation.target.rpartition("/")[2], content)


def _named_role(names: list[str], outline: int | None) -> tuple[Kind | None, int]:
    """What a style's name (and those it is based on) or outline level makes of a paragraph."""
    first = names[0].lower() if names else ""
    heading = next((m for n in names if (m := _HEADING_NAME.match(n))), None)
    if first == "title":
        return Kind.TITLE, 1
    if heading:
        return Kind.HEADING, max(int(heading.group(1)), 1)
    if first == "subtitle":
        return Kind.HEADING, 2
    if outline is not None and outline < 9:
        return Kind.HEADING, outline + 1
    if first == "caption":
        return Kind.CAPTION, 0
    if "quote" in first:
        return Kind.QUOTE, 0
    if "code" in first or first in ("html preformatted", "plain text", "macro text"):
        return Kind.CODE, 0
    listed = _LIST_NAME.match(first)
    if listed and "paragraph" not in first:
        return Kind.LIST_ITEM, int(listed.group(1) or 1)
    return None, 0


_SIGNS = {
    "tab": " ", "ptab": " ", "br": "\n", "cr": "\n", "noBreakHyphen": "-", "softHyphen": "",
}  # fmt: skip


def _val(node: Element | None, name: str) -> str | None:
    found = child(node, name)
    return None if found is None else attribute(found, "val")


def _integer(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def _flags(text: str | None) -> int:
    try:
        return int(text or "0", 16)
    except ValueError:
        return 0


def _number(ppr: Element | None) -> tuple[str | None, int]:
    properties = child(ppr, "numPr")
    return _val(properties, "numId"), _integer(_val(properties, "ilvl")) or 0


def _children(node: Element, name: str) -> list[Element]:
    """Children of a name, looking through content controls and tracked insertions."""
    found = []
    for row in node:
        kind = local(row)
        if kind == name:
            found.append(row)
        elif kind in ("sdt", "sdtContent", "ins", "customXml"):
            found += _children(row, name)
    return found


def _chosen(node: Element) -> Element:
    choice = child(node, "Choice")
    if choice is not None and len(choice):
        return choice
    fallback = child(node, "Fallback")
    return fallback if fallback is not None else node


def _inside_box(node: Element, cell: Element) -> bool:
    for above in node.iterancestors():
        if above is cell:
            return False
        if local(above) in ("txbxContent", "Fallback"):
            return True
    return False


def _symbol(code: str | None) -> str:
    number = _flags(code)
    # The private area maps to a symbol font that the text does not carry.
    return "" if not number or 0xE000 <= number <= 0xF8FF or number > 0xFFFF else chr(number)


def _spaced(formula: str, before: list[str]) -> str:
    return f" {formula} " if before and before[-1][-1:].isalnum() else f"{formula} "
