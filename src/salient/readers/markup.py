"""HTML to a small tree, and the tree to blocks. What is article and what is not is `article`'s.

Parsed as HTML5 by lexbor, so that the tree is the one a browser would show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from salient.model import Block, Kind
from salient.readers.tables import Entry, table

MAX_DEPTH = 150
"""Of elements in a tree; what lies deeper hangs at this depth."""
_MAX_PARSED_DEPTH = 500
"""Pages that nest deeper are flattened first: the parser takes quadratic time on them."""

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:-]*)[^<>]*?(/?)>")
_ANY_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9:-]*)(?:\s[^<>]*)?/?>")
_KEPT_FLAT = frozenset(
    "html head body title meta script style noscript template p h1 h2 h3 h4 h5 h6 li br img".split()
)
_CLOSED_BY_OTHERS = frozenset(
    ["p", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead", "tfoot", "option"]
)
_VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "!doctype",
    ]
)
_RAW = re.compile(r"<(script|style|noscript|template|svg|math)\b.*?(?:</\1\s*>|\Z)", re.I | re.S)
# XHTML may close any element in its first tag; HTML reads that as an opening one.
_SELF_CLOSED = re.compile(r"<([a-zA-Z][\w:-]*)(\s[^<>]*?)?/>")

UNSEEN = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "head",
        "iframe",
        "object",
        "embed",
        "canvas",
        "audio",
        "video",
        "map",
        "area",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "datalist",
        "dialog",
        "frameset",
    ]
)
_INLINE = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "label",
        "mark",
        "nobr",
        "q",
        "rp",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
        "img",
        "picture",
        "input",
        "button",
        "output",
        "meter",
        "progress",
        "ruby",
        "rb",
        "rt",
        "font",
        "math",
        "nobr",
    ]
)
_KINDS = {
    "li": Kind.LIST_ITEM,
    "dt": Kind.LIST_ITEM,
    "dd": Kind.LIST_ITEM,
    "blockquote": Kind.QUOTE,
    "figcaption": Kind.CAPTION,
    "caption": Kind.CAPTION,
    "summary": Kind.PARAGRAPH,
}
_PLACED = frozenset("form article section nav h1 h2".split())
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.I)
_SPACE = re.compile(r"[ \t\n\r\f\v\u00a0\u200b]+")


@dataclass(slots=True, eq=False)
class Node:
    """An element; children are elements and strings."""

    tag: str
    attributes: dict[str, str | None]
    parent: Node | None
    children: list[Node | str] = field(default_factory=list)

    def get(self, name: str) -> str:
        """An attribute's value, empty when it is absent."""
        return self.attributes.get(name) or ""

    def iter(self) -> Iterator[Node]:
        """This element and all below it, in document order."""
        todo = [self]
        while todo:
            node = todo.pop()
            yield node
            todo += [c for c in reversed(node.children) if isinstance(c, Node)]

    def text(self) -> str:
        """All text below, white space as it stands."""
        pieces: list[str] = []
        todo: list[Node | str] = [self]
        while todo:
            node = todo.pop()
            if isinstance(node, str):
                pieces.append(node)
            else:
                todo += reversed(node.children)
        return "".join(pieces)

    def above(self) -> Iterator[Node]:
        """This element and those around it, outwards."""
        node: Node | None = self
        while node is not None:
            yield node
            node = node.parent


@dataclass(slots=True)
class Segment:
    """A block with where it came from.

    Args:
        node: the nearest element that is no inline one.
        n_linked: characters of the block inside links.
    """

    block: Block
    node: Node
    n_linked: int = 0


@dataclass(slots=True)
class Page:
    """A parsed page: `body` to read, and from its head what describes it."""

    root: Node
    body: Node
    title: str
    language: str
    meta: list[tuple[str, str]]
    linked_data: list[str]
    flattened: bool


def parse(text: str, *, xhtml: bool = False) -> Page:
    """Parse a page.

    Args:
        xhtml: elements may close themselves in their first tag.

    Cost: linear in the text.
    """
    if xhtml:
        text = _SELF_CLOSED.sub(
            lambda m: m.group(0) if m.group(1).lower() in _VOID else f"<{m.group(1)}{m.group(2) or ''}></{m.group(1)}>",
            text,
        )  # fmt: skip
    flattened = _too_deep(text)
    if flattened:
        text = _ANY_TAG.sub(_flat, text)
    root = Node("html", {}, None)
    page = Page(root, root, "", "", [], [], flattened)
    parser = LexborHTMLParser(text)
    if parser.root is None:
        return page
    root.attributes = dict(parser.root.attributes)
    _copy(parser.root, page)
    page.body = next((c for c in root.children if isinstance(c, Node) and c.tag == "body"), root)
    page.title = _SPACE.sub(" ", page.title).strip()
    page.language = root.get("lang")
    return page


def _copy(source: LexborNode, page: Page) -> None:
    """Copy the parser's tree below `source` to the page's, and what the head says beside it."""
    node: LexborNode | None = source.child
    above = [page.root]
    while node is not None:
        tag = node.tag
        down = None
        if tag == "-text":
            above[-1].children.append(node.text_content or "")
        elif tag and not tag.startswith(("-", "!")) and tag != "_comment":
            if tag in ("meta", "title", "script"):
                _describe(node, tag, page, in_head=above[-1].tag == "head")
            if tag not in UNSEEN or tag == "head":
                fresh = Node(tag, dict(node.attributes), above[-1])
                above[-1].children.append(fresh)
                down = node.child
                if down is not None:
                    above.append(fresh if len(above) < MAX_DEPTH else above[-1])
        if down is not None:
            node = down
            continue
        while node is not None:
            following = node.next
            if following is not None:
                node = following
                break
            above.pop()
            node = node.parent if above else None


def _describe(node: LexborNode, tag: str, page: Page, *, in_head: bool) -> None:
    found = node.attributes
    if tag == "meta":
        name = found.get("property") or found.get("name") or found.get("itemprop")
        if name and found.get("content"):
            page.meta.append((name.lower(), found["content"] or ""))
    elif tag == "title":
        if in_head and not page.title:
            page.title = node.text() or ""
    elif "ld+json" in (found.get("type") or ""):
        page.linked_data.append(node.text() or "")


def _flat(match: re.Match[str]) -> str:
    tag = match.group(1).lower()
    if tag in _KEPT_FLAT:
        return match.group(0)
    return "" if tag in _INLINE else "<br><br>"


def _too_deep(text: str) -> bool:
    """Whether open elements ever stack past what the parser can take, by a scan of the tags alone."""
    if text.count("<") <= _MAX_PARSED_DEPTH:
        return False
    depth = 0
    for match in _TAG.finditer(_RAW.sub("", text) if "<script" in text.lower() else text):
        tag = match.group(2).lower()
        if tag in _VOID or tag in _CLOSED_BY_OTHERS or match.group(3):
            continue
        depth = max(0, depth - 1) if match.group(1) else depth + 1
        if depth > _MAX_PARSED_DEPTH:
            return True
    return False


def hidden(node: Node) -> bool:
    """Whether the page's own mark-up says that nobody sees an element."""
    if "hidden" in node.attributes and node.attributes["hidden"] != "until-found":
        return True
    style = node.attributes.get("style")
    return bool(style and _HIDDEN.search(style))


def segments(root: Node, *, skip: frozenset[str] = frozenset()) -> list[Segment]:
    """Cut a tree into blocks, in order; elements of the tags in `skip` are passed over."""
    walk = _Walk(skip)
    walk.children(root, Kind.PARAGRAPH, 0)
    walk.flush()
    return walk.segments


class _Walk:
    """One pass over a tree; recursion is bounded by `MAX_DEPTH`."""

    def __init__(self, skip: frozenset[str]) -> None:
        self.segments: list[Segment] = []
        self._skip = skip
        self._pieces: list[str] = []
        self._n_linked = 0
        self._in_link = 0
        self._kind = Kind.PARAGRAPH
        self._level = 0
        self._node: Node | None = None
        self._prefix = ""

    def flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        n_linked, self._n_linked = self._n_linked, 0
        if self._node is None:
            return
        lines = "".join(pieces).split("\n")
        lines = [_SPACE.sub(" ", line).strip() for line in lines]
        group: list[str] = []
        stretches: list[str] = []
        for line in [*lines, ""]:
            if line:
                group.append(line)
            elif group:  # two breaks in a row part paragraphs
                stretches.append("\n".join(group))
                group = []
        total = sum(map(len, stretches)) or 1
        for stretch in stretches:
            text = f"{self._prefix} {stretch}" if self._prefix else stretch
            self._prefix = ""
            share = min(len(text), n_linked * len(text) // total)
            self.segments.append(Segment(Block(self._kind, text, self._level), self._node, share))

    def children(self, node: Node, kind: Kind, level: int) -> None:
        for found in node.children:
            if isinstance(found, str):
                self._text(found, node, kind, level)
            elif found.tag in UNSEEN or found.tag in self._skip or hidden(found):
                continue
            else:
                self._element(found, kind, level)

    def _text(self, text: str, node: Node, kind: Kind, level: int) -> None:
        if not self._pieces:
            if not text.strip():
                return
            self._begin(node, kind, level)
        # Line ends of the source are white space; those of <br> come in by `_element`.
        text = text.replace("\n", " ").replace("\r", " ")
        self._pieces.append(text)
        if self._in_link:
            self._n_linked += len(text.strip())

    def _begin(self, node: Node, kind: Kind, level: int) -> None:
        while node.tag in _INLINE and node.parent is not None:
            node = node.parent
        self._kind, self._level, self._node = kind, level, node

    def _element(self, node: Node, kind: Kind, level: int) -> None:
        tag = node.tag
        if tag == "br":
            if self._pieces:
                self._pieces.append("\n")
        elif tag in _INLINE:
            self._inline(node, kind, level)
        elif tag == "table":
            self.flush()
            self._table(node, kind, level)
        elif tag == "pre":
            self.flush()
            text = _preformatted(node)
            if text.strip():
                self.segments.append(Segment(Block(Kind.CODE, text), node))
        elif tag in ("select", "textarea", "option"):
            self._form(node, kind, level)
        else:
            self.flush()
            self._block(node, kind, level)
            self.flush()

    def _inline(self, node: Node, kind: Kind, level: int) -> None:
        tag = node.tag
        linked = tag == "a" and bool(node.get("href"))
        self._in_link += linked
        if tag == "input":
            shown = node.get("value")
            what = node.get("type").lower() or "text"
            if shown and what in ("text", "email", "number", "date", "tel", "url", "search"):
                self._text(f" {shown} ", node, kind, level)
        elif tag == "q":
            self._text("“", node, kind, level)
            self.children(node, kind, level)
            self._text("”", node, kind, level)
        elif tag == "rt":
            self._text("(", node, kind, level)
            self.children(node, kind, level)
            self._text(")", node, kind, level)
        elif tag == "rp":
            pass
        else:
            if tag in ("button", "label"):
                self._text(" ", node, kind, level)
            self.children(node, kind, level)
            if tag in ("button", "label"):
                self._text(" ", node, kind, level)
        self._in_link -= linked

    def _block(self, node: Node, kind: Kind, level: int) -> None:
        tag = node.tag
        if len(tag) == 2 and tag[0] == "h" and tag[1] in "123456":
            self.children(node, Kind.HEADING, int(tag[1]))
        elif tag in ("ul", "ol", "menu", "dl"):
            self._list(node, kind, level)
        elif tag in _KINDS:
            self.children(node, _KINDS[tag], level if tag in ("li", "dt", "dd") else 0)
        elif tag == "hr":
            pass
        else:
            self.children(node, kind, level)

    def _list(self, node: Node, kind: Kind, level: int) -> None:
        deeper = level + 1 if kind == Kind.LIST_ITEM else 1
        start = node.get("start")
        number = int(start) if start.lstrip("-").isdigit() and len(start) < 9 else 1
        for found in node.children:
            if isinstance(found, str):
                self._text(found, node, Kind.LIST_ITEM, deeper)
                continue
            if found.tag in UNSEEN or found.tag in self._skip or hidden(found):
                continue
            if found.tag != "li":
                self._element(found, Kind.LIST_ITEM, deeper)
                continue
            self.flush()
            if node.tag == "ol":
                value = found.get("value")
                number = int(value) if value.isdigit() and len(value) < 9 else number
                self._prefix = f"{number}."
                number += 1
            self.children(found, Kind.LIST_ITEM, deeper)
            self.flush()
            self._prefix = ""

    def _form(self, node: Node, kind: Kind, level: int) -> None:
        if node.tag == "select":
            chosen = [o for o in node.iter() if o.tag == "option" and "selected" in o.attributes]
            for option in chosen[:5]:
                self._text(f" {option.text().strip()} ", node, kind, level)
        elif node.tag == "textarea":
            self._text(f" {node.text()} ", node, kind, level)

    def _table(self, node: Node, kind: Kind, level: int) -> None:
        rows = _rows(node)
        if _is_layout(node, rows):
            for row in node.children:
                if isinstance(row, Node):
                    self._layout(row, kind, level)
            self.flush()
            return
        for found in node.children:
            if isinstance(found, Node) and found.tag == "caption":
                self.flush()
                self.children(found, Kind.CAPTION, 0)
                self.flush()
        linked = sum(len(a.text().strip()) for a in node.iter() if a.tag == "a" and a.get("href"))
        block = table(_entries(rows, self._skip))
        if block:
            self.segments.append(Segment(block, node, min(linked, len(block.text))))

    def _layout(self, node: Node, kind: Kind, level: int) -> None:
        """Cells of a table that only places things, one after another."""
        if node.tag in ("tbody", "thead", "tfoot", "tr"):
            for found in node.children:
                if isinstance(found, Node):
                    self._layout(found, kind, level)
        elif node.tag not in ("colgroup", "col") and not hidden(node):
            self.flush()
            self.children(node, kind, level)
            self.flush()


def _rows(node: Node) -> list[list[Node]]:
    rows: list[list[Node]] = []
    todo = [c for c in reversed(node.children) if isinstance(c, Node)]
    while todo:
        found = todo.pop()
        if found.tag == "tr":
            rows.append(
                [c for c in found.children if isinstance(c, Node) and c.tag in ("td", "th")]
            )
        elif found.tag in ("tbody", "thead", "tfoot"):
            todo += [c for c in reversed(found.children) if isinstance(c, Node)]
    return rows


def _is_layout(node: Node, rows: list[list[Node]]) -> bool:
    """Whether a table places things on the page rather than holding data."""
    if node.get("role") in ("presentation", "none"):
        return True
    cells = [cell for row in rows for cell in row]
    if len(cells) <= 1 or max((len(row) for row in rows), default=0) <= 1:
        return not any(cell.tag == "th" for cell in cells) or len(cells) <= 1
    blocks = 0
    for cell in cells:
        for found in cell.iter():
            placed = found.tag in _PLACED or (found.tag == "table" and len(_rows(found)) > 1)
            if placed or (found.tag == "p" and len(found.text()) > 600):
                blocks += 1
                break
    return blocks > 0 and blocks * 8 >= len(cells) and not any(c.tag == "th" for c in cells[:3])


def _entries(rows: list[list[Node]], skip: frozenset[str]) -> Iterator[list[Entry]]:
    for row in rows:
        yield [
            Entry(
                " ".join(s.block.text for s in segments(cell, skip=skip)),
                _span(cell.get("rowspan")),
                _span(cell.get("colspan")),
                cell.tag == "th",
            )
            for cell in row
            if not hidden(cell)
        ]


def _span(text: str) -> int:
    text = text.strip()
    return int(text) if text.isdigit() and len(text) < 6 else 1


def _preformatted(node: Node) -> str:
    pieces: list[str] = []
    todo: list[Node | str] = list(reversed(node.children))
    while todo:
        found = todo.pop()
        if isinstance(found, str):
            pieces.append(found)
        elif found.tag == "br":
            pieces.append("\n")
        elif found.tag not in UNSEEN:
            todo += reversed(found.children)
    lines = "".join(pieces).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n")
