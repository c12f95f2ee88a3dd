"""Read CoNLL-U: documents, their sentences and words, and where each word stands in the raw text."""

from __future__ import annotations

import lzma
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from salient.errors import InvalidInput

_COLUMNS = 10


@dataclass(frozen=True, slots=True)
class Sentence:
    """Columns of a sentence's words; all are as long as `forms`.

    Empty nodes ("8.1") are left out: nothing here reads enhanced graphs.
    """

    name: str
    forms: tuple[str, ...]
    lemmas: tuple[str, ...]
    upos: tuple[str, ...]
    xpos: tuple[str, ...]
    feats: tuple[str, ...]
    heads: tuple[int, ...]
    """0 for the root, else the number of a word, from 1."""
    relations: tuple[str, ...]
    misc: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    """Half-open, in code points of `Document.text`. The words of a multiword token share it out where
    they spell it ("do" + "n't"); else each has the whole token's span.
    """
    paragraph: bool
    """Whether a paragraph begins here, as the first sentence of a document always does."""


@dataclass(frozen=True, slots=True)
class Document:
    """What stands between one "# newdoc" and the next.

    `text` is the tokens with a space after each that lacks "SpaceAfter=No"; paragraphs are parted by
    an empty line.
    """

    name: str
    text: str
    sentences: tuple[Sentence, ...]

    @property
    def mentions(self) -> bool:
        """Whether the last column holds mentions, as GUM's does."""
        return any("Entity=" in misc for s in self.sentences for misc in s.misc)


def lines(path: Path) -> Iterator[str]:
    """The lines of a UTF-8 file, without their ends; a name in ".xz" is decompressed."""
    if path.suffix == ".xz":
        with lzma.open(path, "rt", encoding="utf-8", newline="\n") as packed:
            yield from (line.rstrip("\n") for line in packed)
    else:
        with path.open(encoding="utf-8", newline="\n") as plain:
            yield from (line.rstrip("\n") for line in plain)


def read(path: Path) -> list[Document]:
    """Read a file. One without "# newdoc" is one document, named as the file.

    Raises:
        InvalidInput: a line is not of ten columns, or a head is no number.
    """
    documents: list[Document] = []
    name, blocks = path.name.split(".")[0], list[list[str]]()
    for block in _blocks(lines(path)):
        for line in block:
            if line.startswith("# newdoc"):
                if blocks:
                    documents.append(_document(name, blocks))
                name, blocks = line.partition("=")[2].strip() or f"{name}+", []
        blocks.append(block)
    if blocks:
        documents.append(_document(name, blocks))
    return documents


def _blocks(rows: Iterable[str]) -> Iterator[list[str]]:
    block: list[str] = []
    for row in rows:
        if row:
            block.append(row)
        elif block:
            yield block
            block = []
    if block:
        yield block


def _document(name: str, blocks: list[list[str]]) -> Document:
    text = ""
    sentences: list[Sentence] = []
    for number, block in enumerate(blocks, 1):
        paragraph = number == 1 or any(line.startswith("# newpar") for line in block)
        if paragraph and sentences:
            text = text.rstrip(" ") + "\n\n"
        sentence, text = _sentence(f"{name}-{number}", block, text, paragraph=paragraph)
        if sentence.forms:
            sentences.append(sentence)
    return Document(name, text.rstrip(" "), tuple(sentences))


def _sentence(name: str, block: list[str], text: str, *, paragraph: bool) -> tuple[Sentence, str]:
    """The sentence, and the document's text with it at the end."""
    rows: list[list[str]] = []
    spans: list[tuple[int, int]] = []
    last, start, surface = 0, 0, ""  # of the multiword token that is being read: its last word
    for line in block:
        if line.startswith("#"):
            key, _, value = line[1:].partition("=")
            name = value.strip() if key.strip() == "sent_id" else name
            continue
        row = line.split("\t")
        if len(row) != _COLUMNS:
            raise InvalidInput("a line of CoNLL-U has not ten columns", sentence=name, line=line)
        number = row[0]
        if "." in number:
            continue
        space = "" if "SpaceAfter=No" in row[9].split("|") else " "
        if "-" in number:
            last, start, surface = int(number.partition("-")[2]), len(text), row[1]
            text += row[1] + space
            continue
        if len(rows) < last:
            spans.append((start, start + len(surface)))
        else:
            spans.append((len(text), len(text) + len(row[1])))
            text += row[1] + space
        rows.append(row)
        if len(rows) == last:
            _share_out(spans, rows, surface)
            last = 0
    try:
        heads = tuple(int(row[6]) for row in rows)
    except ValueError as exc:
        raise InvalidInput("a head is no number", sentence=name) from exc
    columns = [tuple(column) for column in zip(*rows, strict=True)] or [()] * _COLUMNS
    return Sentence(
        name=name, forms=columns[1], lemmas=columns[2], upos=columns[3], xpos=columns[4],
        feats=columns[5], heads=heads, relations=columns[7], misc=columns[9], spans=tuple(spans),
        paragraph=paragraph,
    ), text  # fmt: skip


def _share_out(spans: list[tuple[int, int]], rows: list[list[str]], surface: str) -> None:
    """Give each word of the multiword token at the end its part, if the words spell the token."""
    span = spans[-1]
    first = len(spans)
    while first and spans[first - 1] == span:
        first -= 1
    words = [row[1] for row in rows[first:]]
    if "".join(words) == surface:
        at = span[0]
        for index, word in enumerate(words, first):
            spans[index] = (at, at + len(word))
            at += len(word)
