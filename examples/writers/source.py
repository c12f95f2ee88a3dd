"""The sources: a head of `key: value` lines, then a text in a small part of Markdown."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

# What a line begins with, longest first.
_MARKS = {"## ": "heading", "> ": "quote", "- ": "item"}
_NUMBER = re.compile(r"^\d+\) ")


@dataclass
class Block:
    """A paragraph, heading, item, number (an item of a numbered list), quote, or table."""

    kind: str
    text: str = ""
    rows: list[list[str]] = field(default_factory=list)


@dataclass
class Source:
    head: dict[str, str]
    title: str
    blocks: list[Block]

    @property
    def date(self) -> datetime:
        """The day of the document, at nine in the morning, UTC."""
        return datetime.fromisoformat(self.head["date"]).replace(hour=9, tzinfo=UTC)

    @property
    def naive_date(self) -> datetime:
        """For libraries that write what they get as UTC and refuse a zone."""
        return self.date.replace(tzinfo=None)

    def sections(self) -> list[tuple[str, list[Block]]]:
        """Blocks by heading; those before the first stand under the title."""
        found = [(self.title, list[Block]())]
        for block in self.blocks:
            if block.kind == "heading":
                found.append((block.text, []))
            else:
                found[-1][1].append(block)
        return found


def read(path: Path) -> Source:
    """The source in a file. Each line is a block; lines in bars are rows of one table."""
    lines = path.read_text(encoding="utf-8").splitlines()
    head: dict[str, str] = {}
    while match := re.match(r"^([a-z-]+): (.*)$", lines[len(head)]):
        head[match[1]] = match[2]
    source = Source(head, "", [])
    before = ""
    for line in lines[len(head) :]:
        if line.startswith("| "):
            if not before.startswith("| "):
                source.blocks.append(Block("table"))
            source.blocks[-1].rows.append([cell.strip() for cell in line[1:-1].split("|")])
        elif line.startswith("# "):
            source.title = line[2:]
        elif line.strip():
            source.blocks.append(_block(line))
        before = line
    return source


def _block(line: str) -> Block:
    for mark, kind in _MARKS.items():
        if line.startswith(mark):
            return Block(kind, line[len(mark) :])
    if _NUMBER.match(line):
        return Block("number", _NUMBER.sub("", line))
    return Block("paragraph", line)
