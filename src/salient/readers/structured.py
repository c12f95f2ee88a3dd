"""XML and LaTeX to blocks: articles (JATS, DocBook, TEI), filings (XBRL), and any other tree of text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from salient.errors import InvalidInput
from salient.model import Block, Kind, Metadata, Note, Part, Piece
from salient.readers import Limits, plain, webpage
from salient.readers.decoding import decode
from salient.readers.safe_xml import Element, local, parse
from salient.readers.tables import Entry, table

VERSION = 1

_INLINE = frozenset(
    "italic bold sup sub sc underline monospace xref ext-link email styled-content named-content emphasis link ulink "
    "uri i b em strong a code span u tt hi ref quote term foreign surname given-names prefix suffix string-name "
    "source volume issue fpage lpage year month day article-title person-group name etal pub-id publisher-name "
    "publisher-loc inline-formula tex-math math mml citetitle literal filename command option firstterm subscript superscript".split()
)
_SET_IN_LINE = frozenset(
    "italic bold sup sub sc underline monospace xref ext-link email styled-content named-content emphasis link ulink uri i b em "
    "strong a code span u tt hi ref term literal superscript subscript math mi mo mn mrow msub msup".split()
)
_TITLES = frozenset({"title", "head", "article-title"})
_SECTIONS = frozenset(
    "sec section chapter sect1 sect2 sect3 sect4 part appendix app div abstract boxed-text".split()
)
_LEAVES = {
    "p": Kind.PARAGRAPH, "para": Kind.PARAGRAPH, "simpara": Kind.PARAGRAPH, "label": Kind.PARAGRAPH,
    "mixed-citation": Kind.LIST_ITEM, "element-citation": Kind.LIST_ITEM, "disp-formula": Kind.PARAGRAPH,
    "programlisting": Kind.CODE, "screen": Kind.CODE, "preformat": Kind.CODE,
}  # fmt: skip
_PASSED_OVER = frozenset(
    {
        "journal-meta",
        "article-categories",
        "article-id",
        "counts",
        "custom-meta-group",
        "schemaRef",
        "style",
        "script",
    }
)
_IDENTIFIERS = frozenset({"contrib-id", "xref", "label", "institution-id", "role", "email"})
_MARKUP = re.compile(r"\s*<[a-zA-Z!][^>]*>")
_MAX_BLOCKS = 300_000


def read_xml(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read XML: the text of its elements, one block where text and inline elements mix.

    Elements that hold one value each and no prose (data) become `name: value` lines.
    """
    content, notes = plain.content_of(file, limits)
    yield from notes
    try:
        root = parse(content)
    except InvalidInput:
        # An entity bomb stays refused; recovery is for honest slips.
        if b"<!ENTITY" in content:
            raise
        root = parse(content, recover=True)
        yield Note(
            "not_well_formed", "the XML is not well-formed: what could be told apart was read"
        )
    walker = _XmlWalk()
    walker.walk(root, 0)
    title = next((b.text for b in walker.blocks if b.kind == Kind.TITLE), "")
    if title:
        yield Metadata({"title": title})
    yield Part(walker.blocks)
    if not walker.blocks:
        yield Note("no_text", "the file holds no text: its elements carry attributes only")
    if walker.cut:
        yield Note("text_left_out", f"only the first {_MAX_BLOCKS:,} blocks were read")


class _XmlWalk:
    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.cut = False

    def add(self, kind: Kind, text: str, level: int = 0) -> None:
        if len(self.blocks) >= _MAX_BLOCKS:
            self.cut = True
            return
        text = text if kind == Kind.CODE else " ".join(text.split())
        if text.strip():
            self.blocks.append(Block(kind, text, level))

    def walk(self, node: Element, depth: int) -> None:
        name = local(node)
        if not name or name in _PASSED_OVER:
            return
        if name in ("table", "informaltable") and any(
            local(n) in ("tr", "row") for n in node.iter()
        ):
            self._table(node)
            return
        if name in _TITLES and (node.text or len(node)):
            text = _all_text(node)
            first = not self.blocks or name == "article-title"
            is_title = first and not any(b.kind == Kind.TITLE for b in self.blocks)
            self.add(
                Kind.TITLE if is_title else Kind.HEADING,
                text,
                1 if is_title else min(depth, 6) or 1,
            )
            return
        if name in ("list-item", "listitem", "item"):
            self.add(Kind.LIST_ITEM, _all_text(node), 1)
            return
        if name == "title-group":
            for child in node:
                self.walk(child, depth)
            return
        if name in ("contrib", "aff"):
            self.add(Kind.PARAGRAPH, _all_text(node, without=_IDENTIFIERS))
            return
        if name == "caption":
            self.add(Kind.CAPTION, _all_text(node))
            return
        if name in _LEAVES:
            if name in ("p", "para") and any(
                local(n)
                in ("list", "table-wrap", "fig", "itemizedlist", "orderedlist", "boxed-text")
                for n in node.iter()
            ):
                self._mixed(node, depth)
            else:
                self.add(_LEAVES[name], _all_text(node))
            return
        if not len(node):
            self._leaf(node, name)
            return
        mixed = bool((node.text or "").strip()) or any((c.tail or "").strip() for c in node)
        if mixed or all(local(c) in _INLINE for c in node):
            self.add(Kind.PARAGRAPH, _all_text(node))
            return
        deeper = depth + 1 if name in _SECTIONS else depth
        for child in node:
            self.walk(child, deeper)

    def _mixed(self, node: Element, depth: int) -> None:
        """A paragraph with lists or figures inside: its own text, then those."""
        pieces = [node.text or ""]
        inner: list[Element] = []
        for child in node:
            if local(child) in _INLINE:
                pieces.append(_all_text(child))
            else:
                inner.append(child)
            pieces.append(child.tail or "")
        self.add(Kind.PARAGRAPH, "".join(pieces))
        for child in inner:
            self.walk(child, depth)

    def _leaf(self, node: Element, name: str) -> None:
        text = node.text or ""
        if not text.strip():
            return
        if _MARKUP.match(text):
            # Filings hold whole pages of HTML as one value.
            self.blocks += webpage.whole_page(text)[1]
        elif len(text) < 200 and not name.islower():
            self.add(Kind.PARAGRAPH, f"{name}: {text}")
        else:
            self.add(Kind.PARAGRAPH, text)

    def _table(self, node: Element) -> None:
        rows = [
            [
                Entry(
                    _all_text(cell),
                    _count(cell.get("rowspan")),
                    _count(cell.get("colspan")),
                    local(cell) == "th",
                )
                for cell in row
                if local(cell) in ("td", "th", "entry")
            ]
            for row in node.iter()
            if local(row) in ("tr", "row")
        ]
        block = table(rows)
        if block:
            self.blocks.append(block)


def _all_text(node: Element, without: frozenset[str] = frozenset()) -> str:
    """Text of an element; what is not set in the line (names, volumes, years) is parted by blanks."""
    pieces: list[str] = []
    todo: list[tuple[Element, bool]] = [(node, False)]
    while todo:
        element, closing = todo.pop()
        parted = element is not node and local(element) not in _SET_IN_LINE
        if closing:
            pieces.append(" " if parted else "")
            pieces.append((element.tail or "") if element is not node else "")
            continue
        pieces.append(" " if parted else "")
        if local(element) in without and element is not node:
            pieces.append(element.tail or "")
            continue
        pieces.append(element.text or "")
        todo.append((element, True))
        todo += [(child, False) for child in reversed(element)]
    return re.sub(r" (?=[,.;:)\]])", "", " ".join("".join(pieces).split()))


def _count(text: str | None) -> int:
    return int(text) if text and text.isdigit() and len(text) < 6 else 1


_COMMENT_LINE = re.compile(r"^[ \t]*%.*\n", re.M)
_COMMENT = re.compile(r"(?<!\\)%.*")
_HEADINGS = {
    "part": 1,
    "chapter": 1,
    "section": 1,
    "subsection": 2,
    "subsubsection": 3,
    "paragraph": 4,
}
_HEADING = re.compile(
    r"\\(part|chapter|section|subsection|subsubsection|paragraph)\*?\s*(?:\[[^\[\]]*\])?\{"
)
_UNSHOWN = re.compile(
    r"\\(?:label|ref|eqref|pageref|cite[a-z]*|bibliographystyle|bibliography|usepackage|documentclass|input|include|"
    r"includegraphics|vspace|hspace|setlength|newcommand|renewcommand|def|pagestyle|thispagestyle|graphicspath|"
    r"hypersetup|setcounter|addtolength|definecolor|newtheorem|DeclareMathOperator)(?![a-zA-Z])\*?(?:\[[^\[\]]*\])*(?:\{[^{}]*\})*"
)
# As written: what a formula's commands say is in no word beside them. Bounded, for each looks ahead.
_FORMULA = re.compile(
    r"((?<!\\)\$[^$]{1,500}(?<!\\)\$|\\\[.{1,3000}?\\\]"
    r"|\\begin\{(?:equation|align|gather|multline|eqnarray)\*?\}.{1,3000}?"
    r"\\end\{(?:equation|align|gather|multline|eqnarray)\*?\})",
    re.S,
)
_ENVIRONMENT = re.compile(r"\\(?:begin|end)\{[^}]*\}(?:\[[^\[\]]*\])?(?:\{[^{}]*\})?")
_BRACE = re.compile(r"\\.|[{}]", re.S)
_FORMULA_FRAME = re.compile(r"\\(?:begin|end)\{[a-z]+\*?\}|\\label\{[^{}]*\}|\\[\[\]]")
_COMMAND = re.compile(r"\\[a-zA-Z@]+\*?(?:\[[^\[\]]*\])?")
_ACCENTS = {
    '"': "\u0308", "'": "\u0301", "`": "\u0300", "^": "\u0302", "~": "\u0303", "=": "\u0304", ".": "\u0307",
    "c": "\u0327", "v": "\u030c", "u": "\u0306", "H": "\u030b", "k": "\u0328",
}  # fmt: skip
_ACCENT = re.compile(r"""\\(["'`^~=.]|[cvuHk](?=[\s{]))\s*\{?(\\?[A-Za-z])\}?""")
_LATEX_SIGNS = (
    ("---", "—"), ("--", "–"), ("``", "“"), ("''", "”"), ("~", " "), (r"\&", "&"), (r"\%", "%"), (r"\$", "$"),
    (r"\#", "#"), (r"\_", "_"), (r"\{", "{"), (r"\}", "}"), (r"\,", " "), (r"\ ", " "),
)  # fmt: skip


def read_latex(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read LaTeX as text: headings, paragraphs, items; formulas as written, macros not expanded."""
    content, notes = plain.content_of(file, limits)
    decoded = decode(content)
    yield from notes
    yield from decoded.notes()
    # A line that is all comment goes with its line end, or it would part a paragraph.
    text = _COMMENT.sub("", _COMMENT_LINE.sub("", decoded.text))
    fields = {}
    for name, key in (("title", "title"), ("author", "author"), ("date", "created")):
        found = re.search(r"\\" + name + r"\s*(?:\[[^\]]*\])?\{", text)
        if found:
            value = _shown(_braced(text, found.end() - 1)[0])
            if value:
                fields[key] = value
    yield Metadata(fields)
    blocks = [Block(Kind.TITLE, fields["title"], 1)] if "title" in fields else []
    _, begun, body = text.partition(r"\begin{document}")
    body = (body if begun else text).partition(r"\end{document}")[0]
    blocks += _latex_blocks(body)
    if not blocks:
        blocks = [Block(Kind.CODE, decoded.text.strip("\n"))]
    yield Part(blocks)


def _latex_blocks(body: str) -> Iterator[Block]:
    position = 0
    for match in _HEADING.finditer(body):
        if match.start() < position:
            continue
        yield from _latex_prose(body[position : match.start()])
        title, position = _braced(body, match.end() - 1)
        yield Block(Kind.HEADING, _shown(title), _HEADINGS[match.group(1)])
    yield from _latex_prose(body[position:])


def _latex_prose(source: str) -> Iterator[Block]:
    for stretch in re.split(
        r"\n[ \t]*\n|\\par\b|\\begin\{(?:itemize|enumerate|abstract|quote|center|figure|table)\*?\}"
        r"(?:\[[^\[\]]*\])?",
        source,
    ):
        first, *items = re.split(r"\\item\b(?:\s*\[([^\]]*)\])?", stretch)
        text = _shown(first)
        if text:
            yield Block(Kind.PARAGRAPH, text)
        for label, item in zip(items[::2], items[1::2], strict=True):
            shown = _shown(f"{label or ''} {item}")
            if shown:
                yield Block(Kind.LIST_ITEM, shown, 1)


def _braced(text: str, start: int) -> tuple[str, int]:
    """The inside of the braces that open at `start`, and where it ends; at most 5,000 characters."""
    depth = 0
    for match in _BRACE.finditer(text, start, start + 5000):
        if match.group() == "{":
            depth += 1
        elif match.group() == "}":
            depth -= 1
            if depth == 0:
                return text[start + 1 : match.start()], match.end()
    return "", start + 1


def _shown(source: str) -> str:
    pieces = _FORMULA.split(source)
    pieces[::2] = [_without_commands(piece) for piece in pieces[::2]]
    pieces[1::2] = [_FORMULA_FRAME.sub(" ", piece) for piece in pieces[1::2]]
    return " ".join("".join(pieces).split())


def _without_commands(source: str) -> str:
    text = _ENVIRONMENT.sub(" ", _UNSHOWN.sub("", source))
    text = text.replace(r"\\", "\n")
    for written, sign in _LATEX_SIGNS:
        text = text.replace(written, sign)
    text = _ACCENT.sub(_accented, text)
    return _COMMAND.sub(" ", text).replace("{", "").replace("}", "")


def _accented(match: re.Match[str]) -> str:
    mark, letter = match.group(1), match.group(2).replace("\\", "")
    return unicodedata.normalize("NFC", letter + _ACCENTS[mark])
