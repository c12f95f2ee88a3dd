"""OpenDocument text and presentations (ODT, ODP) to blocks; spreadsheets are `spreadsheet`'s."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from salient.errors import InvalidInput
from salient.model import Block, Child, Kind, Metadata, Note, Part, Piece
from salient.readers import Limits
from salient.readers.ooxml import attribute
from salient.readers.safe_xml import Element, local, parse
from salient.readers.tables import Entry, table
from salient.readers.zipped import Container

VERSION = 1

_META = {
    "title": "title", "creator": "author", "initial-creator": "author", "subject": "subject",
    "description": "description", "keyword": "keywords", "creation-date": "created", "date": "modified",
    "language": "language",
}  # fmt: skip
_MAX_REPEAT = 64
_SKIPPED = frozenset(
    "tracked-changes annotation annotation-end sequence-decls forms variable-decls user-field-decls "
    "table-of-content-source index-title-template bookmark bookmark-start bookmark-end".split()
)


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read a document: one part for text, one for each slide of a presentation."""
    with Container(file, limits) as container:
        _refuse_encrypted(container)
        if "content.xml" not in container:
            raise InvalidInput(
                "the file is damaged: its content is missing; save it anew and add it again",
                code="malformed",
            )
        if "meta.xml" in container:
            yield Metadata(_metadata(container))
        walker = _Walker(container)
        root = parse(container.read("content.xml"), "document")
        body = next((n for n in root.iter() if local(n) == "body"), None)
        content = body[0] if body is not None and len(body) else None
        if content is None:
            yield Part([])
            return
        if local(content) == "presentation":
            page = 0
            for node in content:
                if local(node) != "page":
                    continue
                page += 1
                if page > limits.max_pages:
                    yield Note("pages_left_out", f"slides from {page} on were left out")
                    break
                yield Part(list(walker.slide(node)), page)
        else:
            furniture = walker.furniture() if local(content) == "text" else ([], [])
            yield Part([*furniture[0], *walker.blocks(content), *furniture[1]])
        if walker.n_images:
            yield Note("images_left_out", f"{walker.n_images} pictures were not read")
        if walker.n_comments:
            yield Note(
                "comments_left_out", f"{walker.n_comments} comments are not part of the text"
            )
        for name in container.names():
            if name.startswith("Object ") and name.endswith((".docx", ".xlsx", ".pdf")):
                yield Child(name.rpartition("/")[2], container.read(name))


def _refuse_encrypted(container: Container) -> None:
    if "META-INF/manifest.xml" not in container:
        return
    manifest = container.read("META-INF/manifest.xml")
    if b"encryption-data" in manifest:
        raise InvalidInput(
            "the file is protected by a password: remove it and add the file again",
            code="encrypted",
        )


def _metadata(container: Container) -> dict[str, str]:
    try:
        root = parse(container.read("meta.xml"), "properties")
    except InvalidInput:
        return {}  # nobody's text is lost with them
    fields: dict[str, str] = {}
    for node in root.iter():
        name = _META.get(local(node))
        if name and node.text:
            fields.setdefault(name, node.text)
    return fields


class _Walker:
    def __init__(self, container: Container) -> None:
        self._container = container
        self.n_images = 0
        self.n_comments = 0
        self._numbered: dict[str, set[int]] = {}  # list style -> levels that show numbers
        self._parents: dict[str, str] = {}
        self._list_styles: dict[str, str] = {}
        for member in ("styles.xml", "content.xml"):
            if member in container:
                self._read_styles(parse(container.read(member), "document"))

    def _read_styles(self, root: Element) -> None:
        for node in root.iter():
            name = local(node)
            if name == "style" and attribute(node, "family") == "paragraph":
                key = attribute(node, "name") or ""
                self._parents[key] = attribute(node, "parent-style-name") or ""
                if attribute(node, "list-style-name"):
                    self._list_styles[key] = attribute(node, "list-style-name") or ""
            elif name == "list-style":
                levels = {
                    int(attribute(n, "level") or 0)
                    for n in node
                    if local(n) == "list-level-style-number" and attribute(n, "num-format")
                }
                self._numbered[attribute(node, "name") or ""] = levels

    def furniture(self) -> tuple[list[Block], list[Block]]:
        """Headers and footers of the master pages, each text once."""
        found: tuple[list[Block], list[Block]] = ([], [])
        if "styles.xml" not in self._container:
            return found
        seen: set[str] = set()
        for node in parse(self._container.read("styles.xml"), "styles").iter():
            name = local(node)
            if not name.startswith(("header", "footer")) or name.endswith(("style", "properties")):
                continue
            head = name.startswith("header")
            for block in self.blocks(node):
                if block.text not in seen:
                    seen.add(block.text)
                    kind = Kind.PAGE_HEADER if head else Kind.PAGE_FOOTER
                    found[0 if head else 1].append(Block(kind, block.text))
        return found

    def slide(self, page: Element) -> Iterator[Block]:
        titles: list[Block] = []
        rest: list[Block] = []
        for node in page:
            role = attribute(node, "class")
            if local(node) == "notes":
                texts = [b for b in self.blocks(node) if b.text.strip()]
                rest += [Block(Kind.FOOTNOTE, b.text) for b in texts]
            elif role == "title":
                text = " ".join(b.text for b in self.blocks(node))
                titles.append(Block(Kind.TITLE, text, 1))
            elif role in ("page-number", "footer", "date-time", "header"):
                rest += [Block(Kind.PAGE_FOOTER, b.text) for b in self.blocks(node)]
            else:
                rest += list(self._node(node, 0, None))
        yield from titles
        yield from rest

    def blocks(self, parent: Element) -> Iterator[Block]:
        for node in parent:
            yield from self._node(node, 0, None)

    def _node(self, node: Element, level: int, style: str | None) -> Iterator[Block]:
        name = local(node)
        if name == "h":
            level_text = attribute(node, "outline-level") or "1"
            yield from self._paragraph(
                node, Kind.HEADING, int(level_text) if level_text.isdigit() else 1
            )
        elif name == "p":
            yield from self._paragraph(node, *self._role(node))
        elif name == "list":
            yield from self._list(node, level + 1, attribute(node, "style-name") or style)
        elif name == "table":
            yield from self._table(node)
        elif name == "image":
            self.n_images += 1
        elif name in _SKIPPED:
            self.n_comments += name == "annotation"
        else:
            for child in node:
                yield from self._node(child, level, style)

    def _role(self, node: Element) -> tuple[Kind, int]:
        style = attribute(node, "style-name") or ""
        seen: set[str] = set()
        while style and style not in seen:
            seen.add(style)
            if style == "Title":
                return Kind.TITLE, 1
            if style == "Subtitle":
                return Kind.HEADING, 2
            if style in ("Quotations", "Quote"):
                return Kind.QUOTE, 0
            if style == "Preformatted_20_Text":
                return Kind.CODE, 0
            if style in ("Caption", "Illustration", "Table", "Drawing", "Figure"):
                return Kind.CAPTION, 0
            style = self._parents.get(style, "")
        return Kind.PARAGRAPH, 0

    def _list(self, node: Element, level: int, style: str | None) -> Iterator[Block]:
        numbered = level in self._numbered.get(style or "", set())
        number = 0
        for item in node:
            if local(item) not in ("list-item", "list-header"):
                continue
            start = attribute(item, "start-value") or ""
            number = int(start) if start.isdigit() else number + 1
            first = True
            for child in item:
                if local(child) in ("p", "h"):
                    label = (
                        f"{number}. " if numbered and first and local(item) == "list-item" else ""
                    )
                    kind, depth = (Kind.HEADING, int(attribute(child, "outline-level") or level)) if local(child) == "h" else (Kind.LIST_ITEM, level)  # fmt: skip
                    yield from self._paragraph(child, kind, depth, label)
                    first = False
                else:
                    yield from self._node(child, level, style)

    def _paragraph(self, node: Element, kind: Kind, level: int, label: str = "") -> Iterator[Block]:
        boxes: list[Element] = []
        notes: list[Element] = []
        text = self._text(node, boxes, notes)
        if text:
            yield Block(kind, label + text, level)
        for box in boxes:
            yield from self.blocks(box)
        for note in notes:
            body = next((n for n in note if local(n) == "note-body"), None)
            if body is not None:
                yield Block(Kind.FOOTNOTE, " ".join(b.text for b in self.blocks(body)))

    def _text(self, node: Element, boxes: list[Element], notes: list[Element]) -> str:
        pieces: list[str] = []

        def walk(element: Element) -> None:
            # ODF collapses white space; runs of spaces are written as <text:s>.
            pieces.append(_collapsed(element.text))
            for child in element:
                name = local(child)
                if name == "s" or name == "tab":
                    pieces.append(" ")
                elif name == "line-break":
                    pieces.append("\n")
                elif name == "note":
                    notes.append(child)
                elif name in ("frame", "text-box", "custom-shape", "rect", "g"):
                    boxes.append(child)
                elif name == "annotation":
                    self.n_comments += 1
                elif name not in _SKIPPED:
                    walk(child)
                pieces.append(_collapsed(child.tail))

        walk(node)
        lines = "".join(pieces).split("\n")
        return "\n".join(s for x in lines if (s := " ".join(x.split())))

    def _table(self, node: Element) -> Iterator[Block]:
        rows: list[list[Entry]] = []
        self._rows(node, rows, header=False)
        block = table(rows)
        if block:
            yield block

    def _rows(self, node: Element, rows: list[list[Entry]], *, header: bool) -> None:
        for child in node:
            name = local(child)
            if name in ("table-header-rows", "table-rows", "table-row-group"):
                self._rows(child, rows, header=header or name == "table-header-rows")
            elif name == "table-row":
                row: list[Entry] = []
                for cell in child:
                    if local(cell) != "table-cell":
                        continue  # a covered cell belongs to the span that covers it
                    text = " ".join(b.text for b in self.blocks(cell))
                    entry = Entry(
                        text,
                        _count(attribute(cell, "number-rows-spanned")),
                        _count(attribute(cell, "number-columns-spanned")),
                        header,
                    )
                    repeat = _count(attribute(cell, "number-columns-repeated"))
                    row += [entry] * min(repeat, _MAX_REPEAT)
                rows += [row] * (
                    min(_count(attribute(child, "number-rows-repeated")), _MAX_REPEAT)
                    if any(e.text for e in row)
                    else 1
                )


def _collapsed(text: str | None) -> str:
    return "" if not text else text.replace("\n", " ").replace("\t", " ")


def _count(text: str | None) -> int:
    return int(text) if text and text.isdigit() and len(text) < 8 else 1
