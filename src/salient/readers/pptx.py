"""PPTX to a part a slide: title, bodies, tables, charts, notes, in the order a person reads them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from salient.errors import InvalidInput
from salient.model import Block, Kind, Metadata, Note, Part, Piece
from salient.readers import Limits
from salient.readers.formulas import linear
from salient.readers.ooxml import Package, Relation, attribute, chart_rows, child
from salient.readers.safe_xml import Element, local
from salient.readers.tables import Entry, table

VERSION = 1

_EMU_PER_PT = 12700
_TITLES = ("title", "ctrTitle")
_FURNITURE = {
    "dt": Kind.PAGE_FOOTER,
    "ftr": Kind.PAGE_FOOTER,
    "sldNum": Kind.PAGE_FOOTER,
    "hdr": Kind.PAGE_HEADER,
}
_LISTED = (None, "body", "obj", "subTitle")


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read a presentation; hidden slides too, for they are part of the file."""
    with Package(file, limits) as package:
        main = package.main_part("ppt/presentation.xml")
        root = package.xml(main)
        relations = package.relations(main)
        yield Metadata(package.properties())
        size = child(root, "sldSz")
        width, height = (
            (int(size.get("cx", "0")) / _EMU_PER_PT, int(size.get("cy", "0")) / _EMU_PER_PT)
            if size is not None
            else (0.0, 0.0)
        )
        found = child(root, "sldIdLst")
        listed = list(found) if found is not None else []
        slides = [
            relations[identifier].target
            for node in listed
            if (identifier := _relation_id(node)) in relations
        ]
        n_comments = n_pictures = 0
        for page, name in enumerate(slides, 1):
            if page > limits.max_pages:
                yield Note(
                    "pages_left_out",
                    f"slides {page}-{len(slides)} were left out: the limit is {limits.max_pages}",
                )
                break
            if not package.has(name):
                yield Note("page_unreadable", f"slide {page} is missing in the file", page)
                continue
            try:
                slide = _Slide(package, name)
                blocks = slide.blocks()
            except InvalidInput as exc:
                yield Note("page_unreadable", f"slide {page} is damaged: {exc.message}", page)
                continue
            n_comments += slide.n_comments
            n_pictures += slide.n_pictures
            yield Part(blocks, page, width, height)
        if n_comments:
            yield Note("comments_left_out", f"{n_comments} comments are not part of the text")
        if n_pictures:
            yield Note("images_left_out", f"{n_pictures} pictures were not read")
        yield from package.embedded()
        yield from package.notes()


def _relation_id(node: Element) -> str:
    """The `r:id`; a slide has an `id` of its own beside it."""
    for key, value in node.attrib.items():
        if str(key).startswith("{") and str(key).endswith("}id"):
            return str(value)
    return ""


class _Slide:
    def __init__(self, package: Package, name: str) -> None:
        self._package = package
        self._root = package.xml(name)
        self._relations = package.relations(name)
        self.n_pictures = 0
        self.n_comments = sum(
            len(package.xml(r.target))
            for r in self._relations.values()
            if r.kind == "comments" and package.has(r.target)
        )

    def blocks(self) -> list[Block]:
        tree = child(child(self._root, "cSld"), "spTree")
        shapes = list(self._shapes(tree, (0.0, 0.0))) if tree is not None else []
        # Titles first, furniture last; the rest as it lies on the slide, in drawing order
        # where boxes overlap in height, for that is the order in which it was made.
        titles = [b for role, blocks in shapes if role in _TITLES for b in blocks]
        last = [b for role, blocks in shapes if role in _FURNITURE for b in blocks]
        body = [b for role, blocks in shapes if role not in (*_TITLES, *_FURNITURE) for b in blocks]
        return titles + body + self._notes() + last

    def _shapes(
        self, tree: Element, origin: tuple[float, float]
    ) -> Iterator[tuple[str, list[Block]]]:
        for node in tree:
            name = local(node)
            if name == "AlternateContent":
                choice = child(node, "Choice")
                if choice is not None:
                    yield from self._shapes(choice, origin)
            elif name == "grpSp":
                yield from self._shapes(node, origin)
            elif name in ("sp", "cxnSp"):
                role = _placeholder(node)
                yield role or "", list(self._shape(node, role))
            elif name == "graphicFrame":
                yield "frame", list(self._frame(node))
            elif name == "pic":
                self.n_pictures += 1

    def _shape(self, node: Element, role: str | None) -> Iterator[Block]:
        body = child(node, "txBody")
        if body is None:
            return
        if role in _TITLES:
            text = " ".join(t for p in body if (t := paragraph(p)))
            yield Block(Kind.TITLE, text, 1)
            return
        if role in _FURNITURE:
            yield Block(_FURNITURE[role], "\n".join(t for p in body if (t := paragraph(p))))
            return
        placed = role in _LISTED[1:]
        counts: dict[int, int] = {}
        for node_p in body:
            text = paragraph(node_p)
            if not text:
                continue
            ppr = child(node_p, "pPr")
            level = _integer(ppr.get("lvl") if ppr is not None else None)
            automatic = child(ppr, "buAutoNum")
            plain = child(ppr, "buNone") is not None
            listed = automatic is not None or child(ppr, "buChar") is not None or level > 0
            for deeper in [k for k in counts if k > level]:
                del counts[deeper]
            if automatic is not None:
                start = _integer(automatic.get("startAt") or "1")
                counts[level] = counts.get(level, start - 1) + 1
                text = f"{counts[level]}. {text}"
            else:
                counts.pop(level, None)
            if listed or (placed and role != "subTitle" and not plain and len(body) > 3):
                yield Block(Kind.LIST_ITEM, text, level + 1)
            else:
                yield Block(Kind.PARAGRAPH, text)

    def _frame(self, node: Element) -> Iterator[Block]:
        for found in node.iter():
            name = local(found)
            if name == "tbl":
                block = table(_rows(found))
                if block:
                    yield block
                return
            if name in ("chart", "relIds"):
                identifier = _relation_id(found) or (attribute(found, "dm") or "")
                relation = self._relations.get(identifier)
                if relation is None or not self._package.has(relation.target):
                    continue
                yield from self._linked(relation)
                return

    def _linked(self, relation: Relation) -> Iterator[Block]:
        root = self._package.xml(relation.target)
        if relation.kind == "diagramData":
            for point in root.iter():
                if local(point) == "p" and (text := paragraph(point)):
                    yield Block(Kind.LIST_ITEM, text, 1)
            return
        title, rows = chart_rows(root)
        if title:
            yield Block(Kind.CAPTION, title)
        block = table([Entry(c, header=i == 0) for c in row] for i, row in enumerate(rows))
        if block:
            yield block

    def _notes(self) -> list[Block]:
        for relation in self._relations.values():
            if relation.kind == "notesSlide" and self._package.has(relation.target):
                root = self._package.xml(relation.target)
                tree = child(child(root, "cSld"), "spTree")
                texts = []
                for node in tree if tree is not None else ():
                    if local(node) == "sp" and _placeholder(node) == "body":
                        body = child(node, "txBody")
                        texts += (
                            [t for p in body if (t := paragraph(p))] if body is not None else []
                        )
                return [Block(Kind.FOOTNOTE, t) for t in texts]
        return []


def paragraph(node: Element) -> str:
    """Text of a DrawingML paragraph; line breaks stay, other space is one space."""
    if local(node) != "p":
        return ""
    pieces: list[str] = []
    for found in node.iter():
        name = local(found)
        if name == "t" and not any(
            local(a) in ("oMath", "oMathPara") for a in found.iterancestors()
        ):
            pieces.append(found.text or "")
        elif name == "br":
            pieces.append("\n")
        elif name == "oMath":
            pieces.append(f" {linear(found)} ")
    lines = "".join(pieces).replace("\x0b", "\n").split("\n")
    return "\n".join(s for x in lines if (s := " ".join(x.split())))


def _placeholder(node: Element) -> str | None:
    """A shape's role; None when it is a free one."""
    for properties in node:
        if local(properties) == "nvSpPr":
            found = child(child(properties, "nvPr"), "ph")
            return None if found is None else found.get("type", "obj")
    return None


def _rows(node: Element) -> Iterator[list[Entry]]:
    properties = child(node, "tblPr")
    header = properties is not None and properties.get("firstRow") in ("1", "true")
    for number, row in enumerate(n for n in node if local(n) == "tr"):
        entries = []
        for cell in row:
            if local(cell) != "tc":
                continue
            if cell.get("hMerge") in ("1", "true") or cell.get("vMerge") in ("1", "true"):
                continue
            body = child(cell, "txBody")
            text = " ".join(t for p in body if (t := paragraph(p))) if body is not None else ""
            entries.append(
                Entry(text, _integer(cell.get("rowSpan")) or 1, _integer(cell.get("gridSpan")) or 1, header and number == 0)
            )  # fmt: skip
        yield entries


def _integer(text: str | None) -> int:
    try:
        return int(text or 0)
    except ValueError:
        return 0
