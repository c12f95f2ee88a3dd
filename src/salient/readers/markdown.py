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
    lists: list[int | None] = []  # next number, None for bullets
    quotes = 0
    label = ""
    rows: list[list[Entry]] | None = None
    heading = 0
    header = False
    for token in tokens:
        kind = token.type
        if kind == "heading_open":
            heading = int(token.tag[1])
        elif kind == "heading_close":
            heading = 0
        elif kind == "bullet_list_open":
            lists.append(None)
        elif kind == "ordered_list_open":
            lists.append(int(token.attrs.get("start", 1)))
        elif kind in ("bullet_list_close", "ordered_list_close"):
            lists.pop()
        elif kind == "list_item_open":
            number = lists[-1]
            label = "" if number is None else f"{number}. "
            lists[-1] = None if number is None else number + 1
        elif kind in ("blockquote_open", "blockquote_close"):
            quotes += 1 if kind.endswith("open") else -1
        elif kind in ("fence", "code_block"):
            yield Block(Kind.CODE, token.content.rstrip("\n"))
        elif kind == "html_block":
            yield from _html(token.content)
        elif kind == "table_open":
            rows = []
        elif kind == "tr_open" and rows is not None:
            rows.append([])
        elif kind in ("th_open", "td_open"):
            header = kind == "th_open"
        elif kind == "table_close" and rows is not None:
            block = table(rows)
            rows = None
            if block:
                yield block
        elif kind == "inline":
            text = inline(token)
            if rows is not None and rows:
                rows[-1].append(Entry(text, header=header))
            elif heading:
                yield Block(Kind.HEADING, text, heading)
            elif lists:
                yield Block(Kind.LIST_ITEM, label + text, len(lists))
                label = ""
            else:
                yield Block(Kind.QUOTE if quotes else Kind.PARAGRAPH, text)


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
