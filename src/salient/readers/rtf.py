"""RTF to blocks with a walker of its own: paragraphs, tables, headings, footnotes, metadata.

Source: Rich Text Format specification 1.9.1. Pictures, objects and drawing data are passed over.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from salient.errors import InvalidInput
from salient.model import Block, Kind, Metadata, Note, Part, Piece
from salient.readers import Limits, plain
from salient.readers.tables import Entry, table

VERSION = 1

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})?[ ]?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|[\r\n]+|([^\\{}\r\n]+)"
)
_SKIPPED = frozenset(
    b"fonttbl colortbl stylesheet listtable listoverridetable revtbl rsidtbl generator pict object objdata themedata "
    b"colorschememapping latentstyles datastore xmlnstbl filetbl fldinst shpinst nonshppict blipuid panose falt "
    b"pgdsctbl mmathPr wgrffmtfilter fontemb fontfile userprops xe tc txe rxe do bkmkstart bkmkend listtext pntext "
    b"background sp atnid atnauthor annotation atrfstart atrfend operator company doccomm private "
    b"listpicture pnseclvl ftnsep ftnsepc aftnsep aftnsepc".split()
)
_STYLE = re.compile(rb"\{\\s(\d{1,4})\b[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
_APART = frozenset(
    b"footnote header footer headerl headerr headerf footerl footerr footerf".split()
)
_INFO = {b"title": "title", b"author": "author", b"subject": "subject", b"keywords": "keywords"}
_SIGNS = {
    b"tab": "\t", b"line": "\n", b"emdash": "—", b"endash": "–", b"lquote": "‘", b"rquote": "’", b"ldblquote": "“",
    b"rdblquote": "”", b"bullet": "•", b"emspace": " ", b"enspace": " ", b"qmspace": " ", b"softline": "\n",
}  # fmt: skip
_CODEPAGES = {
    0: "cp1252", 77: "mac_roman", 128: "cp932", 129: "cp949", 134: "gb18030", 136: "cp950", 161: "cp1253",
    162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip
_SPACE = re.compile(r"[ \t\u00a0]+")
_MAX_GROUPS = 10_000


@dataclass(slots=True)
class _State:
    skip: bool = False
    unicode_skip: int = 1
    encoding: str = "cp1252"
    target: str | None = None  # metadata field, "footnote", "header", "footer"
    hidden: bool = False


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read a document; numbering that RTF holds only as lists' definitions is not shown."""
    content, notes = plain.content_of(file, limits)
    if not content.lstrip().startswith(b"{\\rtf"):
        raise InvalidInput("the file is not RTF: its first bytes are others", code="malformed")
    yield from notes
    walk = _Walk(content)
    walk.run()
    yield Metadata(walk.fields)
    yield Part([*walk.headers, *walk.blocks, *walk.footers])
    if walk.n_pictures:
        yield Note("images_left_out", f"{walk.n_pictures} pictures were not read")
    if walk.unclosed:
        yield Note("cut_off", "the file ends in the middle: what came before was read")


class _Walk:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.blocks: list[Block] = []
        self.headers: list[Block] = []
        self.footers: list[Block] = []
        self.fields: dict[str, str] = {}
        self.n_pictures = 0
        self.unclosed = False
        self._state = _State()
        self._stack: list[_State] = []
        self._pieces: dict[str | None, list[str]] = {None: []}
        self._raw = bytearray()
        self._fonts: dict[int, str] = {}
        self._headings: dict[int, int] = {}  # style number -> level
        self._level: int | None = None
        self._listed = False
        self._in_table = False
        self._cells: list[str] = []
        self._rows: list[list[Entry]] = []
        self._skip_next = 0
        self._notes: list[Block] = []

    def run(self) -> None:
        self._read_tables()
        star = False
        at_start = False
        content = self._content
        position = 0
        length = len(content)
        while position < length:
            match = _TOKEN.match(content, position)
            if match is None:
                position += 1
                continue
            position = match.end()
            word, number, byte, sign, brace, text = match.groups()
            if brace == b"{":
                self._flush_raw()
                if len(self._stack) > _MAX_GROUPS:
                    break
                s = self._state
                self._stack.append(s)
                self._state = _State(s.skip, s.unicode_skip, s.encoding, s.target, s.hidden)
                at_start, star = True, False
                continue
            if brace == b"}":
                self._flush_raw()
                self._close()
                if not self._stack:
                    break
                continue
            if sign == b"*" and at_start:
                star = True
                continue
            if word:
                if word == b"bin" and number:
                    position += max(0, int(number))
                    continue
                self._word(word, int(number) if number else None, first=at_start, star=star)
            elif byte:
                self._byte(int(byte, 16))
            elif sign:
                self._sign(sign)
            elif text:
                self._text(text)
            at_start = star = False
        self._flush_raw()
        self.unclosed = bool(self._stack)
        self._end_paragraph()
        self._end_table()

    def _read_tables(self) -> None:
        """Character sets of fonts, and which styles are headings, before the walk."""
        head = self._content[: 1 << 20]
        for match in re.finditer(rb"\\f(\d{1,5})(?=\\)[^{};]*?\\fcharset(\d{1,3})", head):
            self._fonts[int(match.group(1))] = _CODEPAGES.get(int(match.group(2)), "cp1252")
        for match in _STYLE.finditer(head):
            level = re.search(rb"heading (\d)", match.group(0), re.I)
            if level:
                self._headings[int(match.group(1))] = int(level.group(1))
        found = re.search(rb"\\ansicpg(\d{3,5})", head)
        if found:
            with suppress(LookupError):  # an unknown page reads as the usual one
                self._state.encoding = codecs.lookup("cp" + found.group(1).decode()).name

    def _word(self, word: bytes, number: int | None, *, first: bool, star: bool) -> None:
        state = self._state
        if word == b"u" and number is not None:
            self._flush_raw()
            code = number + 65536 if number < 0 else number
            self._put(chr(code) if code < 0x110000 else "")
            self._skip_next = state.unicode_skip
            return
        self._skip_next = 0
        if word == b"uc" and number is not None:
            state.unicode_skip = max(0, min(number, 16))
            return
        if first and self._destination(word, star=star):
            return
        if state.skip:
            return
        if word in _SIGNS:
            self._flush_raw()
            self._put(_SIGNS[word])
        elif word in (b"par", b"sect", b"page"):
            self._flush_raw()
            self._end_paragraph()
        elif word in (b"cell", b"nestcell"):
            self._flush_raw()
            self._cells.append("".join(self._pieces[None]))
            self._pieces[None] = []
            self._in_table = True
        elif word in (b"row", b"nestrow"):
            self._flush_raw()
            if self._cells:
                self._rows.append([Entry(c) for c in self._cells])
            self._cells = []
        else:
            self._format(word, number)

    def _format(self, word: bytes, number: int | None) -> None:
        """Words that say what the text after them is."""
        state = self._state
        if word == b"pard":
            self._level, self._listed, self._in_table = None, False, False
        elif word == b"intbl":
            self._in_table = True
        elif word == b"s" and number is not None:
            self._level = self._headings.get(number)
        elif word == b"outlinelevel" and number is not None and number < 9:
            self._level = number + 1
        elif word == b"ls":
            self._listed = True
        elif word == b"f" and number in self._fonts:
            self._flush_raw()
            state.encoding = self._fonts[number or 0]
        elif word == b"v":
            self._flush_raw()
            state.hidden = number != 0
        elif word == b"plain":
            state.hidden = False

    def _destination(self, word: bytes, *, star: bool) -> bool:
        """Handle the word that opens a group; True when the group is one of its own."""
        state = self._state
        if word in _INFO:
            state.target = _INFO[word]
            self._pieces.setdefault(state.target, [])
            return True
        if word in _SKIPPED:
            self.n_pictures += word == b"pict" and not state.skip
            state.skip = True
            return True
        if word in _APART:
            name = word.decode()
            state.target = "footnote" if name == "footnote" else name[:6]
            self._pieces[state.target] = []
            return True
        if star and word not in (b"shppict", b"shptxt"):
            state.skip = True
            return True
        return False

    def _close(self) -> None:
        if not self._stack:
            return
        inner, outer = self._state, self._stack.pop()
        self._state = outer
        if inner.target != outer.target and inner.target is not None:
            text = _tidy("".join(self._pieces.pop(inner.target, [])))
            if not text:
                return
            if inner.target == "footnote":
                self._notes.append(Block(Kind.FOOTNOTE, text))
            elif inner.target == "header":
                _once(self.headers, Block(Kind.PAGE_HEADER, text))
            elif inner.target == "footer":
                _once(self.footers, Block(Kind.PAGE_FOOTER, text))
            else:
                self.fields.setdefault(inner.target, text)

    def _byte(self, value: int) -> None:
        if self._skip_next:
            self._skip_next -= 1
        elif not self._state.skip:
            self._raw.append(value)

    def _sign(self, sign: bytes) -> None:
        if sign == b"~":
            self._flush_raw()
            self._put("\u00a0")
        elif sign == b"_":
            self._flush_raw()
            self._put("-")
        elif sign in b"\\{}":
            self._text(sign)
        elif sign in (b"\n", b"\r"):
            self._flush_raw()
            self._end_paragraph()

    def _text(self, text: bytes) -> None:
        if self._skip_next:
            cut = min(self._skip_next, len(text))
            text = text[cut:]
            self._skip_next -= cut
        if not self._state.skip:
            self._raw += text

    def _flush_raw(self) -> None:
        if self._raw:
            text = bytes(self._raw).decode(self._state.encoding, "replace")
            self._raw.clear()
            self._put(text)

    def _put(self, text: str) -> None:
        if self._state.skip or self._state.hidden:
            return
        self._pieces.setdefault(self._state.target, []).append(text)

    def _end_paragraph(self) -> None:
        if self._state.target is not None:
            self._put("\n")
            return
        if self._in_table:
            self._pieces[None].append(" ")
            return
        self._end_table()
        text = _tidy("".join(self._pieces[None]))
        self._pieces[None] = []
        if text:
            if self._level is not None:
                self.blocks.append(Block(Kind.HEADING, text, self._level))
            elif self._listed:
                self.blocks.append(Block(Kind.LIST_ITEM, text, 1))
            else:
                self.blocks.append(Block(Kind.PARAGRAPH, text))
        self.blocks += self._notes
        self._notes = []

    def _end_table(self) -> None:
        if self._cells:
            self._rows.append([Entry(c) for c in self._cells])
            self._cells = []
        if self._rows:
            block = table(self._rows)
            self._rows = []
            if block:
                self.blocks.append(block)


def _once(blocks: list[Block], block: Block) -> None:
    if all(b.text != block.text for b in blocks):
        blocks.append(block)


def _tidy(text: str) -> str:
    # Halves of a surrogate pair come as two \u words.
    text = (
        text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\0", "")
    )
    return "\n".join(s for x in text.split("\n") if (s := _SPACE.sub(" ", x).strip()))
