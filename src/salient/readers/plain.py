"""Plain text, program text, subtitles, JSON and lightly marked-up text (AsciiDoc) to blocks.

Plain text's hard-wrapped lines are joined into paragraphs; verse, addresses and columns keep their
lines. A form feed starts a page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from salient.errors import InvalidInput
from salient.model import Block, Kind, Note, Part, Piece
from salient.readers import Limits
from salient.readers.decoding import decode

VERSION = 1

_BULLET = re.compile(
    r"[ \t]*(?:[-*+•‣◦▪●–—·o]|\(?(?:\d{1,3}|[A-Za-z]|[ivxlIVXL]{1,5})[.)])[ \t]+(?=\S)"
)
_RULE = re.compile(r"[ \t]*([-=~^_*#+.])\1{2,}[ \t]*$")
_ASCIIDOC_HEADING = re.compile(r"(={1,6}) (\S.*)$")
_BLANK = re.compile(r"\n[ \t]*(?:\n[ \t]*)+")
_END = re.compile(r"[.!?:;\"”’)\]»。！？]$")
_TIMING = re.compile(r"(?:\d+:)?\d\d:\d\d[.,]\d{3} -->")
_SPACES = re.compile(r"[ \t\u00a0]+")
_T = TypeVar("_T")
_BLOCKS_A_PART = 5000
_MAX_BLOCK = 100_000
"""A longer stretch without a blank line is cut at line ends, so that no block is a whole book."""


def content_of(file: Path, limits: Limits) -> tuple[bytes, list[Note]]:
    """Read a text file, at most four bytes for each character that is allowed."""
    most = limits.max_characters * 4
    size = file.stat().st_size
    with file.open("rb") as stream:
        content = stream.read(most)
    if not content.strip(b" \t\r\n\0\x0c"):
        raise InvalidInput("the file holds no text: there is nothing to add", code="empty")
    if size <= most:
        return content, []
    return content, [
        Note(
            "text_left_out",
            f"the last {size - most:,} of {size:,} bytes were left out: the limit is {most:,}",
        )
    ]


def read(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read prose. Pages are numbered only where form feeds part them."""
    content, notes = content_of(file, limits)
    decoded = decode(content)
    yield from notes
    yield from decoded.notes()
    pages = decoded.text.split("\f")
    while len(pages) > 1 and not pages[-1].strip():
        pages.pop()
    for number, page in enumerate(pages, 1):
        if len(pages) > 1 and number > limits.max_pages:
            yield Note(
                "pages_left_out",
                f"pages {number}-{len(pages)} were left out: the limit is {limits.max_pages} pages",
            )
            return
        if len(pages) > 1:
            yield Part(list(paragraphs(page)), page=number)
        else:
            yield from parts(paragraphs(page))


def parts(blocks: Iterable[Block]) -> Iterator[Part]:
    """Blocks without pages as parts of a few thousand, so that no more are held at a time."""
    for held in _batches(blocks, _BLOCKS_A_PART):
        yield Part(held)


def read_source(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read program text: lines as they are, a block for each stretch without blank lines."""
    content, notes = content_of(file, limits)
    decoded = decode(content)
    yield from notes
    yield from decoded.notes()
    text = decoded.text.replace("\f", "\n")
    yield Part([Block(Kind.CODE, s) for s in _BLANK.split(text.strip("\n")) if s.strip()])


def read_subtitles(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read WebVTT or SRT: each cue's words, without numbers and times; speakers kept."""
    content, notes = content_of(file, limits)
    decoded = decode(content)
    yield from notes
    yield from decoded.notes()
    yield from parts(_cues(decoded.text))


def _cues(text: str) -> Iterator[Block]:
    for cue in _BLANK.split(text.strip()):
        lines = cue.split("\n")
        if lines[0].startswith(("WEBVTT", "STYLE", "REGION", "NOTE")):
            comment = cue.removeprefix("NOTE").strip()
            if lines[0].startswith("NOTE") and comment:
                yield Block(Kind.FOOTNOTE, comment)
            continue
        at = next((i for i, line in enumerate(lines) if _TIMING.match(line.strip())), None)
        words = " ".join(lines[at + 1 :] if at is not None else lines)
        words = re.sub(r"<v(?:\.[^ <>]*)? ([^<>]+)>", r"\1: ", words)
        words = re.sub(r"</?[a-z0-9][^<>]*>", "", words)
        words = words.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ")
        yield Block(Kind.PARAGRAPH, _SPACES.sub(" ", words.replace("&amp;", "&")).strip())


def read_json(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read JSON or JSON lines: a block a record, `key: value` a line, nested keys with dots.

    What is not JSON after all is read as program text.
    """
    content, notes = content_of(file, limits)
    decoded = decode(content)
    yield from notes
    yield from decoded.notes()
    try:
        records = [json.loads(decoded.text)]
    except (ValueError, RecursionError):
        records = []
        try:
            records += [json.loads(x) for x in decoded.text.split("\n") if x.strip()]
        except (ValueError, RecursionError):
            yield Note("not_json", "the file looks like JSON but is not: it was read as it stands")
            text = decoded.text
            yield Part([Block(Kind.CODE, s) for s in _BLANK.split(text.strip()) if s.strip()])
            return
    if len(records) == 1 and isinstance(records[0], list):
        records = records[0]
    yield from parts(
        Block(Kind.PARAGRAPH, "\n".join(lines))
        for record in records
        for lines in _batches(_leaves(record), 500)
    )


def _batches(rows: Iterable[_T], size: int) -> Iterator[list[_T]]:
    left = iter(rows)
    while held := list(islice(left, size)):
        yield held


def _leaves(value: Any) -> Iterator[str]:
    todo: list[tuple[str, Any]] = [("", value)]
    while todo:
        path, node = todo.pop()
        if isinstance(node, dict):
            todo += [(f"{path}.{k}" if path else str(k), v) for k, v in reversed(node.items())]
        elif isinstance(node, list):
            todo += [(path, v) for v in reversed(node)]
        elif node is not None and str(node).strip():
            words = " ".join(str(node).split())
            yield f"{path}: {words}" if path else words


def read_asciidoc(file: Path, limits: Limits) -> Iterator[Piece]:
    """Read AsciiDoc by its headings and lists; tables and inline marks stay as written."""
    content, notes = content_of(file, limits)
    decoded = decode(content)
    yield from notes
    yield from decoded.notes()
    yield from parts(paragraphs(decoded.text))


def paragraphs(text: str) -> Iterator[Block]:
    """Cut prose into blocks, joining what was wrapped."""
    for found in _BLANK.split(text.strip("\n")):
        stretch = found
        if not stretch.strip():
            continue
        while len(stretch) > _MAX_BLOCK:
            cut = stretch.rfind("\n", 1, _MAX_BLOCK)
            cut = cut if cut > 0 else stretch.rfind(" ", 1, _MAX_BLOCK)
            cut = cut if cut > 0 else _MAX_BLOCK
            yield from _stretch(stretch[:cut].split("\n"))
            stretch = stretch[cut:].lstrip("\n")
        yield from _stretch(stretch.split("\n"))


def _stretch(lines: list[str]) -> Iterator[Block]:
    lines = [line.rstrip() for line in lines if line.strip()]
    if not lines:
        return
    if len(lines) >= 2 and _RULE.match(lines[1]) and not _RULE.match(lines[0]):
        yield Block(Kind.HEADING, lines[0].strip(), level=1 if "=" in lines[1] else 2)
        lines = lines[2:]
    while lines and (match := _ASCIIDOC_HEADING.match(lines[0])):
        yield Block(Kind.HEADING, match.group(2).strip(" ="), level=len(match.group(1)))
        lines = lines[1:]
    lines = [line for line in lines if not _RULE.match(line)]
    if not lines:
        return
    if len(lines) == 1 and _is_heading(lines[0].strip()):
        yield Block(Kind.HEADING, _SPACES.sub(" ", lines[0].strip()), level=2)
        return
    items = [i for i, line in enumerate(lines) if _BULLET.match(line)]
    # A paragraph may begin "1. The parties"; a list has two items or stands with hanging lines.
    if len(items) >= 2 and (items[0] == 0 or len(items) * 3 >= len(lines)):
        if items[0]:
            yield from _prose(lines[: items[0]])
        for start, end in zip(items, [*items[1:], len(lines)], strict=True):
            indent = len(lines[start]) - len(lines[start].lstrip())
            item = _joined(lines[start:end])
            yield Block(Kind.LIST_ITEM, item, level=1 + min(indent // 2, 8))
        return
    yield from _prose(lines)


def _is_heading(line: str) -> bool:
    letters = [c for c in line if c.isalpha()]
    if not letters or len(line) > 90 or len(line) < 3:
        return False
    if line[-1] in ".,;:!?" and not re.match(r"(?:\d+\.)+$|[A-Z ]+[.:]$", line):
        return False
    return (
        len(letters) >= 3 and all(not c.islower() for c in letters) and line.upper() != line.lower()
    )


def _prose(lines: list[str]) -> Iterator[Block]:
    lengths = [len(line) for line in lines]
    width = max(lengths)
    if width > 160 or len(lines) == 1:
        # Lines are paragraphs of their own.
        for line in lines:
            yield Block(Kind.PARAGRAPH, _SPACES.sub(" ", line).strip())
        return
    if _is_table(lines):
        yield Block(Kind.CODE, "\n".join(lines))
        return
    inner = sorted(lengths[:-1])
    filled = inner[len(inner) // 2] >= 0.75 * width and width >= 45
    if not filled:
        yield Block(Kind.PARAGRAPH, "\n".join(_SPACES.sub(" ", x).strip() for x in lines))
        return
    start = 0
    for i in range(len(lines)):
        last = i == len(lines) - 1
        # A short line that ends a sentence ends the paragraph, blank line or not.
        short = lengths[i] < 0.7 * width and _END.search(lines[i]) is not None
        if last or short:
            yield Block(Kind.PARAGRAPH, _joined(lines[start : i + 1]))
            start = i + 1


def _is_table(lines: list[str]) -> bool:
    """Three lines or more with wide gaps inside most of them: columns, kept as they stand."""
    gaps = sum(bool(re.search(r"\S(?: {3,}|\t+)\S", line)) for line in lines)
    return len(lines) >= 3 and gaps >= 0.7 * len(lines)


def _joined(lines: list[str]) -> str:
    pieces: list[str] = []
    for line in lines:
        words = _SPACES.sub(" ", line).strip()
        before = pieces[-1] if pieces else ""
        # A soft hyphen at a line's end is the wrapper's; a plain hyphen may be the writer's.
        if before.endswith("\u00ad"):
            pieces[-1] = before[:-1] + words
        elif re.search(r"\w-$", before) and words[:1].islower():
            pieces[-1] = before + words
        else:
            pieces.append(words)
    return " ".join(p for p in pieces if p)
