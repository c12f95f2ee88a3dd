"""Short documents without end, made of real texts: equal seeds make equal documents on every machine.

    python bench/multiply.py FOLDER --documents N [--seed 0] [--shared FOLDER]

Paragraphs of news, encyclopaedia articles and speeches of the shared data are put together anew, 200 to
400 words a document. Names of two words and more are replaced by names whose frequencies fall as those
of real ones do, so that a few are in many documents and most in one; digits are drawn anew. A document
depends on its number and the seed alone: any range can be made by any process, in any order.
"""

from __future__ import annotations

import argparse
import io
import json
import lzma
import math
import random
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from salient.model import Source

ROOT = Path(__file__).resolve().parent.parent

FILES_PER_FOLDER = 1000
_SHORTEST, _LONGEST = 25, 130  # words of a paragraph that is taken
_SPEECHES = 250
_WORDS = re.compile(r"\S+")
_NAME = re.compile(r"\b[A-Z][a-z]{2,}(?: [A-Z][a-z]{2,})+\b")
_DIGITS = re.compile(r"\d+")
_NUMBERED = re.compile(r"^\d+[.:]?\s+")  # the paragraph numbers of speeches

_FIRST = (
    "Ada", "Bruno", "Carla", "Dmitri", "Elena", "Farid", "Greta", "Hugo", "Jonas", "Kavita", "Lars", "Mara",
    "Nadia", "Olaf", "Petra", "Quentin", "Rosa", "Stefan", "Tamar", "Ugo", "Vera", "Walter", "Ximena", "Yusuf", "Zoe",
)  # fmt: skip
_ONSETS = (
    "B",
    "Br",
    "C",
    "D",
    "F",
    "G",
    "H",
    "K",
    "L",
    "M",
    "N",
    "P",
    "R",
    "S",
    "St",
    "T",
    "V",
    "W",
)
_MIDDLES = ("al", "an", "ar", "el", "en", "er", "il", "in", "ol", "on", "or", "un")
_ENDS = (
    "berg",
    "by",
    "dal",
    "den",
    "ford",
    "ham",
    "ic",
    "ini",
    "man",
    "mont",
    "ov",
    "sen",
    "ski",
    "ton",
    "vik",
    "well",
)
_FORMS = ("Group", "Holdings", "Industries", "Ltd.", "Corp.", "GmbH", "Partners", "Energy")


def paragraphs(shared: Path) -> list[str]:
    """The paragraphs that documents are made of, in a fixed order: about 5 MB."""
    data = shared / "data"
    found = [row["text"] for row in _rows(data / "cls" / "ag_news" / "train_sample.jsonl.xz")]
    seen: set[str] = set()
    for row in _rows(data / "qa" / "squad" / "squad11_train44.jsonl.xz"):
        if row["context"] not in seen:
            seen.add(row["context"])
            found.append(row["context"])
    speeches = _rows(data / "policy" / "ungdc" / "1970-1995.jsonl.xz")
    for _, row in zip(range(_SPEECHES), speeches, strict=False):
        found += (_NUMBERED.sub("", p.strip()) for p in row["text"].split("\n"))
    fitting = (" ".join(p.split()) for p in found)
    return [p for p in fitting if _SHORTEST <= p.count(" ") < _LONGEST]


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with lzma.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


class Multiplier:
    """Makes documents by number.

    Args:
        names: how many different names there are to draw from; the more, the more are met once.
    """

    def __init__(self, paragraphs: Sequence[str], seed: int = 0, names: int = 400_000) -> None:
        self._paragraphs = paragraphs
        self._seed = seed
        self._names = names

    def text(self, number: int) -> str:
        """Document `number`: a headline and paragraphs, 200 to 400 words."""
        # Seeded by a string, which Python hashes the same everywhere.
        draw = random.Random(f"{self._seed}/{number}")
        wanted = draw.randint(200, 330)
        parts: list[str] = []
        length = 0
        given: dict[str, str] = {}
        while length < wanted:
            part = self._varied(draw.choice(self._paragraphs), draw, given)
            parts.append(part)
            length += len(_WORDS.findall(part))
        who = next(iter(given.values()), self._name(draw))
        # The number makes each text differ from all others, however few paragraphs there are.
        return "\n\n".join([f"{who}: report {number} of {draw.randint(1, 28)} May", *parts]) + "\n"

    def _varied(self, paragraph: str, draw: random.Random, given: dict[str, str]) -> str:
        """A paragraph with other names, the same for the same within a document, and other numbers."""

        def renamed(match: re.Match[str]) -> str:
            old = match.group()
            if old not in given:
                given[old] = self._name(draw)
            return given[old]

        def redrawn(match: re.Match[str]) -> str:
            old = match.group()
            if len(old) == 4 and old[:2] in ("19", "20"):  # a year stays one
                return (
                    old[:2]
                    + f"{draw.randint(0, 99) if old[:2] == '19' else draw.randint(0, 25):02}"
                )
            return str(draw.randint(1, 9)) + "".join(str(draw.randint(0, 9)) for _ in old[1:])

        return _DIGITS.sub(redrawn, _NAME.sub(renamed, paragraph))

    def _name(self, draw: random.Random) -> str:
        # The rank is uniform in its logarithm: the n-th name is drawn as often as 1/n.
        rank = int(math.exp(draw.random() * math.log(self._names)))
        return self.name(rank)

    def name(self, rank: int) -> str:
        """The name of a rank: two of three are people's, the others companies'."""
        of = random.Random(f"{self._seed}/name/{rank}")
        family = "".join((of.choice(_ONSETS), of.choice(_MIDDLES), of.choice(_ENDS)))
        if of.random() < 0.5:
            family = family[:-1] + of.choice("aeiou") + of.choice(_ENDS)
        if rank % 3:
            return f"{of.choice(_FIRST)} {family}"
        return f"{family} {of.choice(_FORMS)}"

    def sources(self, first: int, last: int) -> Iterator[Source]:
        """Documents `first` to `last`, the last left out, as a coordinator takes them in."""
        for number in range(first, last):
            yield Source(
                f"multiplied:{self._seed}/{number}", file_name(number), partial(self._open, number)
            )

    def _open(self, number: int) -> BinaryIO:
        return io.BytesIO(self.text(number).encode())


def file_name(number: int) -> str:
    """Where document `number` lies: a thousand in a folder."""
    return f"{number // FILES_PER_FOLDER:05}/{number:08}.txt"


def write(multiplier: Multiplier, folder: Path, documents: int) -> int:
    """Write documents as files; how many bytes."""
    size = 0
    for number in range(documents):
        path = folder / file_name(number)
        if number % FILES_PER_FOLDER == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        size += path.write_bytes(multiplier.text(number).encode())
    return size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--documents", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    given = parser.parse_args()
    multiplier = Multiplier(paragraphs(given.shared), given.seed)
    size = write(multiplier, given.folder, given.documents)
    print(f"{given.documents} documents, {size:,} bytes in {given.folder}")


if __name__ == "__main__":
    main()
