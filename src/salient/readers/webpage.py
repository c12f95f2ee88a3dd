"""HTML to blocks: the article without the site around it, or the whole page when it is no article."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from salient.model import Block, Kind, Metadata, Note, Part, Piece
from salient.readers import Limits, plain
from salient.readers.article import choose, describe
from salient.readers.decoding import Decoded, decode
from salient.readers.markup import Node, Page, Segment, parse, segments

VERSION = 1

_CHARSET = re.compile(
    rb"""charset\s*=\s*["']?\s*([\w:.-]+)|encoding\s*=\s*["']([\w:.-]+)["']""", re.I
)
_SITE_TAGS = frozenset({"nav", "footer"})
_MOST_SEGMENTS = 200_000


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read a page. Scripts and styles are never text; what the site adds is counted in a note."""
    content, notes = plain.content_of(file, limits)
    decoded = decode_page(content)
    yield from notes
    yield from decoded.notes()
    page = parse(decoded.text, xhtml=is_xhtml(decoded.text))
    described = describe(page)
    yield Metadata(described.fields)
    if page.flattened:
        yield Note("deep_nesting", "the page's elements nest too deep and were read as a flat list")
    found = segments(page.body)
    if len(found) > _MOST_SEGMENTS:
        yield Note(
            "text_left_out",
            f"{len(found) - _MOST_SEGMENTS:,} blocks at the end were left out: "
            f"the limit is {_MOST_SEGMENTS:,}",
        )
        found = found[:_MOST_SEGMENTS]
    if not found:
        yield Part([])
        yield Note("no_text", "the page shows no text: it may be drawn by its script")
        return
    choice = choose(page, found, described)
    if choice.title is not None:
        block = found[choice.title].block
        found[choice.title].block = Block(Kind.TITLE, block.text, 1)
    if not choice.is_article:
        yield Part([_whole(segment) for segment in found])
        return
    blocks = [s.block for i, s in enumerate(found) if choice.kept[i] or i == choice.title]
    left = sum(
        len(s.block.text) for i, s in enumerate(found) if not choice.kept[i] and i != choice.title
    )
    yield Part(blocks)
    if left:
        yield Note(
            "boilerplate_left_out",
            f"{left:,} characters of menus, links, promotion and comments around the article were left out",
        )


def decode_page(content: bytes) -> Decoded:
    """Decode a page by its mark, as UTF-8, or as its head declares."""
    match = _CHARSET.search(content[:4096])
    declared = (match.group(1) or match.group(2)).decode("ascii") if match else None
    return decode(content, declared)


def is_xhtml(text: str) -> bool:
    """Whether a page is written as XML, where every element may close itself."""
    head = text[:1000]
    return head.lstrip().startswith("<?xml") or "http://www.w3.org/1999/xhtml" in head


def whole_page(text: str, *, xhtml: bool = False) -> tuple[Page, list[Block]]:
    """All visible text of a page, for documents that are made of pages: mail, books."""
    page = parse(text, xhtml=xhtml)
    return page, [s.block for s in segments(page.body)]


def _whole(segment: Segment) -> Block:
    block = segment.block
    if block.kind != Kind.TABLE and _is_site(segment.node):
        return Block(Kind.BOILERPLATE, block.text)
    return block


def _is_site(node: Node) -> bool:
    return any(n.tag in _SITE_TAGS or n.get("role") == "navigation" for n in node.above())
