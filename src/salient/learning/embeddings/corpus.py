"""Text as sentences of words, in shards: what is counted, encoded and trained on."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt, InvalidInput
from salient.kernels import term_sentences
from salient.kernels.sentences import LONGEST
from salient.learning.embeddings.vocabulary import Vocabulary

Sentence = Sequence[str]
Told = Callable[[str, int, int], None]
"""Called with a stage's name, how far it is, and of how much (0 if nobody knows)."""

CUT = "terms.1"
"""How text is cut into words: what is saved says so, since vectors are of words that were cut this way."""

_SPACE = re.compile(r"\s")
_LONGEST = 1_000_000  # characters looked at at a time


def sentences(text: str) -> Iterator[list[str]]:
    """Terms of each sentence, as `term_sentences` has it; also between pieces of a long text."""
    first = 0
    while first < len(text):
        last = first + _LONGEST
        if last < len(text):
            space = _SPACE.search(text, last, last + LONGEST + 1)
            last = last if space is None else space.start()
        yield from term_sentences(text[first:last])
        first = last


def checked(texts: Iterable[object]) -> Iterator[str]:
    """Texts alone.

    Raises:
        InvalidInput: something is no text, or bytes that are no UTF-8.
    """
    if isinstance(texts, str | bytes):
        raise InvalidInput("give texts in a list or a stream, not one text")
    for number, text in enumerate(texts):
        if isinstance(text, bytes):
            try:
                yield text.decode()
                continue
            except UnicodeDecodeError as exc:
                raise InvalidInput(
                    f"text {number} is not UTF-8: decode it first", number=number
                ) from exc
        if not isinstance(text, str):
            raise InvalidInput(f"text {number} is {type(text).__name__}, not a text", number=number)
        yield text


def shards(
    documents: Iterable[Iterable[Sentence]], words: int
) -> Iterator[tuple[list[list[Sentence]], int]]:
    """Whole documents, until they have so many words or more; and how many they have.

    A document longer than that is cut between sentences, so that shards stay bounded.
    """
    shard: list[list[Sentence]] = []
    n = 0
    for document in documents:
        mine: list[Sentence] = []
        shard.append(mine)
        for sentence in document:
            mine.append(sentence)
            n += len(sentence)
            if n >= 2 * words:
                yield shard, n
                mine, n = [], 0
                shard = [mine]
        if n >= words:
            yield shard, n
            shard, n = [], 0
    if n:
        yield shard, n


def written(shard: Iterable[Iterable[Sentence]]) -> bytes:
    """A shard's text: a sentence a line, an empty line after each document."""
    lines = []
    for document in shard:
        lines += [" ".join(sentence) for sentence in document]
        lines.append("")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def read(data: bytes) -> list[list[list[str]]]:
    """What `written` wrote."""
    documents = data.decode().split("\n\n")
    return [[line.split(" ") for line in d.split("\n") if line] for d in documents[:-1]]


def encoded(
    shard: Iterable[Iterable[Sentence]], vocabulary: Vocabulary, first_document: int | None = None
) -> NDArray[np.int32]:
    """A shard as the kernel reads it, with marks of documents if they have numbers."""
    if first_document is None:
        return vocabulary.numbers(s for document in shard for s in document)
    made = []
    for number, document in enumerate(shard, first_document):
        made.append(np.array([-2 - number], np.int32))
        made.append(vocabulary.numbers(document))
    return np.concatenate(made) if made else np.zeros(0, np.int32)


class Spool:
    """A stream's shards on disk, so that it is read once however often it is trained on.

    Memory is one shard; a spool that was not finished is begun anew.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def ready(self) -> bool:
        return (self.folder / "spool.json").is_file()

    def fill(self, documents: Iterable[Iterable[Sentence]], words: int, told: Told) -> None:
        """Raises: whatever the stream raises; nothing is `ready` then."""
        sizes, n_documents, n = [], [], 0
        with (self.folder / "text").open("wb") as file:
            for shard, size in shards(documents, words):
                data = written(shard)
                file.write(data)
                sizes.append(len(data))
                n_documents.append(len(shard))
                n += size
                told("read", n, 0)
        _replace(
            self.folder / "spool.json",
            json.dumps({"bytes": sizes, "documents": n_documents, "words": n}).encode(),
        )

    @property
    def documents(self) -> list[int]:
        """How many each shard has."""
        found: list[int] = self._about()["documents"]
        return found

    def __iter__(self) -> Iterator[list[list[list[str]]]]:
        with (self.folder / "text").open("rb") as file:
            for size in self._about()["bytes"]:
                data = file.read(size)
                if len(data) != size:
                    raise Corrupt("the spooled text is cut short: begin anew in an empty folder")
                yield read(data)

    def encode(
        self,
        vocabulary: Vocabulary,
        joined: Callable[[Sentence], Sentence] | None,
        *,
        documents: bool,
        told: Told,
    ) -> None:
        """Write all shards as numbers."""
        ends, at, number = [0], 0, 0
        with (self.folder / "numbers.part").open("wb") as file:
            for n, shard in enumerate(self):
                words = shard if joined is None else [[joined(s) for s in d] for d in shard]
                made = encoded(words, vocabulary, number if documents else None)
                file.write(made.tobytes())
                at += len(made)
                number += len(shard)
                ends.append(at)
                told("encoded", n + 1, len(self.documents))
        (self.folder / "numbers.part").replace(self.folder / "numbers")
        about = {"ends": ends, "vocabulary": vocabulary.digest}
        _replace(self.folder / "numbers.json", json.dumps(about).encode())

    def numbers(self, vocabulary: Vocabulary) -> list[NDArray[np.int32]] | None:
        """All shards, mapped; None if they were not encoded with that vocabulary."""
        try:
            about = json.loads((self.folder / "numbers.json").read_bytes())
        except (OSError, ValueError):
            return None
        if about["vocabulary"] != vocabulary.digest:
            return None
        ends = about["ends"]
        if ends[-1] == 0:
            return [np.zeros(0, np.int32) for _ in ends[1:]]
        whole = np.asarray(np.memmap(self.folder / "numbers", np.int32, "r", 0, (ends[-1],)))
        return [whole[a:b] for a, b in pairwise(ends)]

    def _about(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = json.loads((self.folder / "spool.json").read_bytes())
        return found


def _replace(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    part = path.with_name(path.name + f".{os.getpid()}.part")
    part.write_bytes(data)
    part.replace(path)
