"""Markdown to blocks, by its tokens; front matter becomes metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from salient.model import Block, Kind, Metadata, Part, Piece
from salient.readers import Limits, plain, webpage
from salient.readers.decoding import decode
from salient.readers.tables import Entry, table

VERSION = 1

_FRONT = re.compile(r"---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|$)", re.S)
_FIELD = re.compile(r"([A-Za-z][\w-]*):[ \t]+(\S.*)")
_TAGS = re.compile(r"<!--.*?-->|</?[a-zA-Z][^<>]*>", re.S)
_NAMES = {
    "title": "title",
    "author": "author",
    "date": "created",
    "description": "description",
    "tags": "keywords",
    "keywords": "keywords",
    "lang": "language",
}


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read a Markdown file: headings, paragraphs, lists, quotes, code, tables and embedded HTML."""
    content, notes = plain.content_of(file, limits)
    decoded = decode(content)
    yield from notes
    yield from decoded.notes()
    text = decoded.text.replace("\f", "\n")
    front = _FRONT.match(text)
    if front:
        fields = {
            _NAMES[m.group(1).lower()]: m.group(2).strip("\"' ")
            for line in front.group(1).split("\n")
            if (m := _FIELD.match(line)) and m.group(1).lower() in _NAMES
        }
        yield Metadata(fields)
        text = text[front.end() :]
    parser = MarkdownIt("commonmark", {"maxNesting": 40}).enable(["table", "strikethrough"])
    yield Part(list(_blocks(parser.parse(text))))


def _blocks(tokens: list[Token]) -> Iterator[Block]:
    walk = _Walk()
    for token in tokens:
        yield from walk.take(token)


class _Walk:
    """What is open at a token: lists with their next numbers, quotes, a heading, a table."""

    def __init__(self) -> None:
        self._lists: list[int | None] = []  # next number, None for bullets
        self._quotes = 0
        self._label = ""
        self._rows: list[list[Entry]] | None = None
        self._heading = 0
        self._header = False

    def take(self, token: Token) -> Iterator[Block]:
        kind = token.type
        if kind == "inline":
            yield from self._inline(inline(token))
        elif kind in ("fence", "code_block"):
            yield Block(Kind.CODE, token.content.rstrip("\n"))
        elif kind == "html_block":
            yield from _html(token.content)
        elif kind == "table_close":
            block = table(self._rows or [])
            self._rows = None
            if block:
                yield block
        elif kind.endswith("_open"):
            self._open(kind.removesuffix("_open"), token)
        elif kind.endswith("_close"):
            self._close(kind.removesuffix("_close"))

    def _open(self, what: str, token: Token) -> None:
        if what == "heading":
            self._heading = int(token.tag[1])
        elif what == "bullet_list":
            self._lists.append(None)
        elif what == "ordered_list":
            self._lists.append(int(token.attrs.get("start", 1)))
        elif what == "list_item":
            number = self._lists[-1]
            self._label = "" if number is None else f"{number}. "
            self._lists[-1] = None if number is None else number + 1
        elif what == "blockquote":
            self._quotes += 1
        elif what == "table":
            self._rows = []
        elif what == "tr" and self._rows is not None:
            self._rows.append([])
        elif what in ("th", "td"):
            self._header = what == "th"

    def _close(self, what: str) -> None:
        if what == "heading":
            self._heading = 0
        elif what in ("bullet_list", "ordered_list"):
            self._lists.pop()
        elif what == "blockquote":
            self._quotes -= 1

    def _inline(self, text: str) -> Iterator[Block]:
        if self._rows:
            self._rows[-1].append(Entry(text, header=self._header))
        elif self._heading:
            yield Block(Kind.HEADING, text, self._heading)
        elif self._lists:
            yield Block(Kind.LIST_ITEM, self._label + text, len(self._lists))
            self._label = ""
        else:
            yield Block(Kind.QUOTE if self._quotes else Kind.PARAGRAPH, text)


def inline(token: Token) -> str:
    """The text that an inline token shows; images by their descriptions."""
    pieces: list[str] = []
    for child in token.children or []:
        if child.type in ("text", "code_inline"):
            pieces.append(child.content)
        elif child.type == "softbreak":
            pieces.append(" ")
        elif child.type == "hardbreak":
            pieces.append("\n")
        elif child.type == "image":
            pieces.append(child.content)
        elif child.type == "html_inline" and re.match(r"<br\b", child.content, re.I):
            pieces.append("\n")
    return "".join(pieces).strip()


def _html(source: str) -> Iterator[Block]:
    if _TAGS.sub("", source).strip():
        yield from webpage.whole_page(source)[1]
