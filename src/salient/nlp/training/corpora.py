"""Unlabelled text of our genres, for a teacher to label: a sample, drawn by seed, cut into words.

Only sets whose licence allows weights that are trained on them to be shipped, and of those only the
parts to train on. What a set is for, and its licence, is in the data folder's README.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from salient.errors import NotFound
from salient.kernels.hashing import hash_bytes
from salient.model import Block, Builder, Kind, Part
from salient.nlp.casing import Casing, is_shouted
from salient.nlp.native.features import CALMED, FIRST_OF_UNIT, NEWLINE_BEFORE, SPACE_BEFORE
from salient.nlp.native.tokenizer import tokenize
from salient.nlp.training.conllu import lines
from salient.nlp.units import units

EXCERPT: Final = 4000
"""Characters of an excerpt, about; a long contract gives a few, and not all that it has."""

_SHORTEST = 40  # characters of an excerpt worth reading
_MOST_OF_ONE = 40  # excerpts of one document


@dataclass(frozen=True, slots=True)
class Source:
    """A set of documents.

    Attributes:
        words: how many we want of it, about.
        read: from the set's path, each document's name and paragraphs.
    """

    name: str
    path: str
    licence: str
    words: int
    read: Callable[[Path], Iterator[tuple[str, list[str]]]]


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Consecutive paragraphs of a document, parted by blank lines."""

    source: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Words:
    """An excerpt as an engine would read it.

    Attributes:
        forms: the words; of a stretch in capitals, as `Casing` calms them.
        bits: (n,) uint16, the context bits of `native.features`.
    """

    source: str
    name: str
    forms: tuple[str, ...]
    bits: NDArray[np.uint16]


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, lines(path))


def _contracts(path: Path) -> Iterator[tuple[str, list[str]]]:
    for row in _json_lines(path):
        if row["split"] == "train":
            yield row["id"], re.split(r"\n\s*\n", row["text"])


def _code(path: Path) -> Iterator[tuple[str, list[str]]]:
    for row in _json_lines(path):
        yield row["id"], [row["heading"], *row["text"].split("\n")]


_NUMBERED = re.compile(r"^\s*\d{1,3}\.\s+")


def _speeches(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Every third speech, without the numbers that the record gives to paragraphs."""
    for at, row in enumerate(_json_lines(path)):
        if at % 3 == 0:
            yield row["id"], [_NUMBERED.sub("", p) for p in row["text"].split("\n")]


_SPACED = re.compile(r" (?=[.,;:?!)\]%])|(?<=[(\[]) |(?<=\w) - (?=\w)")
_BEGIN = re.compile(r"(?:^|(?<=[.!?] ))[a-z]")


def _abstracts(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Abstracts that were put in small letters and cut into words, as they were before."""
    for row in _json_lines(path):
        text = _SPACED.sub(lambda m: "-" if "-" in m.group() else "", row["text"])
        text = _BEGIN.sub(lambda m: m.group().upper(), text)
        # The last word was cut off somewhere.
        yield str(row["id"]), [text.rpartition(" ")[0]]


_PARAGRAPH = re.compile(
    r"<(p|paragraph|PARA|claim-text)\b[^>]*>(.*?)</\1>", re.S
)  # of three generations of the office's formats
_TAG = re.compile(r"<[^>]*>")
_ENTITY = re.compile(r"&(?:#\d+|#x[0-9A-Fa-f]+|\w+);")


def _patents(path: Path) -> Iterator[tuple[str, list[str]]]:
    import html

    for file in sorted(path.glob("*.xml")):
        found = [m.group(2) for m in _PARAGRAPH.finditer(file.read_text("utf-8", "replace"))]
        plain = [" ".join(html.unescape(_TAG.sub(" ", p)).split()) for p in found]
        yield file.stem, [p for p in plain if len(p) >= _SHORTEST and not _ENTITY.search(p)]


def _articles(path: Path) -> Iterator[tuple[str, list[str]]]:
    for at, row in enumerate(_json_lines(path)):
        yield f"{row['title']}/{at}", [row["context"]]


def _passages(path: Path) -> Iterator[tuple[str, list[str]]]:
    for at, row in enumerate(_json_lines(path)):
        yield f"{row['doc']}/{at}", [row["text"]]


_MARK = re.compile(r"</?e[12]>")


def _sentences(path: Path) -> Iterator[tuple[str, list[str]]]:
    for row in _json_lines(path):
        yield str(row["id"]), [_MARK.sub("", row["text"])]


SOURCES: Final = (
    Source("cuad", "contracts/cuad/contracts.jsonl.xz", "CC BY 4.0", 850_000, _contracts),
    Source("dc-code", "policy/dc_code/titles_01-25.jsonl.xz", "public domain", 250_000, _code),
    Source("ungdc", "policy/ungdc/1970-1995.jsonl.xz", "CC0", 500_000, _speeches),
    Source("bigpatent", "patents/bigpatent/train_4000.jsonl.xz", "CC BY 4.0", 90_000, _abstracts),
    Source("uspto", "patents/uspto/sources", "public domain", 160_000, _patents),
    Source("squad", "qa/squad/squad11_train44.jsonl.xz", "CC BY-SA 4.0", 400_000, _articles),
    Source("knowledgenet", "re/knowledgenet/folds1-3.jsonl.xz", "MIT", 200_000, _passages),
    Source("semeval", "re/semeval2010_t8/train.jsonl.xz", "CC BY 3.0", 120_000, _sentences),
)


def sample(
    root: Path, *, seed: int = 5, share: float = 1.0, sources: Sequence[Source] = SOURCES
) -> list[Excerpt]:
    """Draw excerpts of every source and mix them, so that a part of the list is a smaller sample.

    Args:
        root: the data folder.
        seed: equal seeds draw the same excerpts in the same order, everywhere.
        share: of each source's number of words.

    Raises:
        NotFound: the folder lacks a source.

    Cost: reads all of the sources; one's excerpts are held at once.
    """
    drawn: list[tuple[int, Excerpt]] = []
    for source in sources:
        path = root / source.path
        if not path.exists():
            raise NotFound("the data folder lacks a source", path=str(path))
        keyed = sorted(
            (_key(seed, e), number, e) for number, e in enumerate(_excerpts(source, path))
        )
        room = source.words * share
        for key, _, excerpt in keyed:
            if room <= 0:
                break
            room -= len(excerpt.text.split())
            # Not by the key that drew it: a source of which few are drawn has low keys only.
            drawn.append((hash_bytes(key.to_bytes(8, "little")), excerpt))
    return [e for _, e in sorted(drawn, key=lambda pair: pair[0])]


def _key(seed: int, excerpt: Excerpt) -> int:
    return hash_bytes(f"{seed}/{excerpt.source}/{excerpt.name}".encode())


def _excerpts(source: Source, path: Path) -> Iterator[Excerpt]:
    for name, paragraphs in source.read(path):
        pieces: list[str] = []
        size = made = 0
        for paragraph in [*map(_clean, paragraphs), ""]:
            if pieces and (not paragraph or size + len(paragraph) > EXCERPT):
                text = "\n\n".join(pieces)
                if size >= _SHORTEST:
                    yield Excerpt(source.name, f"{name}#{made}", text)
                    made += 1
                pieces, size = [], 0
                if made == _MOST_OF_ONE:
                    break
            if paragraph:
                pieces.append(paragraph)
                size += len(paragraph)


_BLANKS = re.compile(r"[^\S\n]+")
_RULES = re.compile(r"[_*=~.\-]{4,}")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffd]")


def _clean(paragraph: str) -> str:
    """Without what is to be filled in, rules, and characters that say nothing."""
    plain = _RULES.sub(" ", _CONTROLS.sub(" ", paragraph.replace("\r\n", "\n")))
    return "\n".join(line.strip() for line in _BLANKS.sub(" ", plain).split("\n")).strip()


def words_of(excerpt: Excerpt) -> Words:
    """Cut an excerpt as an engine does: units, and their words, in the case that they will be read in."""
    builder = Builder()
    builder.add(Part([Block(Kind.PARAGRAPH, excerpt.text)]))
    text = builder.build()
    found = [unit for unit in units(text) if unit.prose]
    casing = Casing(text.text, found)
    forms: list[str] = []
    bits: list[int] = []
    for unit in found:
        piece = text.text[unit.start : unit.end]
        spans = tokenize(piece).tolist()
        shouted = is_shouted(piece)
        piece = casing.calm(piece) if shouted else piece
        before = 0
        for at, (start, end) in enumerate(spans):
            gap = piece[before:start]
            first = at == 0
            bits.append(
                (SPACE_BEFORE if gap or first else 0)
                | (FIRST_OF_UNIT if first else 0)
                | (CALMED if shouted else 0)
                | (NEWLINE_BEFORE if first or "\n" in gap else 0)
            )
            forms.append(piece[start:end])
            before = end
    return Words(excerpt.source, excerpt.name, tuple(forms), np.array(bits, np.uint16))
