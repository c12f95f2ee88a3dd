"""Vectors for short texts, by which things alike in meaning are found.

`potion` looks words up in a table of static vectors (Minish's potion-base-8M, whose data the set-up
fetches) and is good at meaning. `hashing` needs no data and is good at wording only.
"""

from __future__ import annotations

import hashlib
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt, Misconfigured
from salient.kernels import hashed_sums

MODELS = Path(sys.prefix) / "share" / "salient" / "models"
POTION = MODELS / "potion-base-8M"

Vectors = NDArray[np.float32]


class Encoder(ABC):
    """Texts to vectors.

    - Rows have length 1, or are zero where a text has nothing to encode.
    - A text's row depends on the text and `component` alone, not on the batch.
    - Threads may share an instance.
    """

    component: str
    """`name@version`; vectors of different components cannot be compared."""
    dimensions: int

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Vectors:
        """(n_texts, dimensions), C-contiguous."""


class Hashing(Encoder):
    """Words and their character n-grams, hashed into signed columns.

    The same words in another order, inflection or spelling are near; synonyms are not.
    """

    dimensions = 256
    component = "salient.hashing@1"

    def encode(self, texts: Sequence[str]) -> Vectors:
        lowered = [t.lower().encode("utf-8", "replace") for t in texts]
        sums = hashed_sums(lowered, _SKIP, self.dimensions).astype(np.float32)
        # Damped, so that a word said twenty times does not drown the others.
        return _unit(np.sign(sums) * np.log1p(np.abs(sums)))


class Potion(Encoder):
    """The mean of static word-piece vectors, mapped from disk so that processes share them.

    Args:
        folder: holds tokenizer.json and model.safetensors.

    Raises:
        Misconfigured: the folder lacks a file.

    Source: Minish, potion-base-8M, MIT; Model2Vec's inference: tokenise without special tokens,
    leave out unknown pieces, average, normalise.
    """

    LONGEST = 512  # word pieces of a text that count

    def __init__(self, folder: Path = POTION) -> None:
        self._folder = folder
        for name in ("tokenizer.json", "model.safetensors"):
            if not (folder / name).is_file():
                raise Misconfigured(
                    f"the sentence vectors are not installed: {folder / name} is missing; "
                    "python3 x.py setup fetches them",
                    folder=str(folder),
                )
        size = (folder / "model.safetensors").stat().st_size
        # Which file it is, without reading all of it: its header has the shapes, its size the rest.
        with (folder / "model.safetensors").open("rb") as file:
            head = file.read(4096)
        digest = hashlib.sha256(head + size.to_bytes(8, "little")).hexdigest()[:8]
        self.component = f"salient.potion@1-{digest}"
        self.dimensions = int(self._table.shape[1])

    @cached_property
    def _table(self) -> NDArray[np.floating[Any]]:
        """(n_pieces, dimensions), mapped read-only."""
        file = self._folder / "model.safetensors"
        with file.open("rb") as stream:
            size = int.from_bytes(stream.read(8), "little")
            try:
                header = json.loads(stream.read(size))
                entry = next(v for k, v in header.items() if k != "__metadata__")
                dtype = {"F32": np.float32, "F16": np.float16}[entry["dtype"]]
                start, _ = entry["data_offsets"]
                shape = tuple(entry["shape"])
            except (ValueError, KeyError, StopIteration) as exc:
                raise Corrupt(f"{file} is not a table of vectors") from exc
        return np.memmap(file, dtype, "r", 8 + size + start, shape)

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def _unknown(self) -> int:
        found = self._tokenizer.token_to_id("[UNK]")
        return -1 if found is None else int(found)

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dimensions), np.float32)
        # Cut before tokenising: what is beyond LONGEST pieces is not looked at anyway.
        cut = [t[: 8 * self.LONGEST] for t in texts]
        for i, found in enumerate(self._tokenizer.encode_batch(cut, add_special_tokens=False)):
            ids = [p for p in found.ids if p != self._unknown][: self.LONGEST]
            if ids:
                rows[i] = self._table[ids].mean(axis=0, dtype=np.float32)
        return _unit(rows)


def open_encoder(spec: str) -> Encoder:
    """The encoder called `potion` or `hashing`; `auto` is potion where its data is installed.

    Raises:
        Misconfigured: no encoder has that name, or its data is not installed.
    """
    if spec == "auto":
        return Potion() if (POTION / "model.safetensors").is_file() else Hashing()
    if spec == "potion":
        return Potion()
    if spec == "hashing":
        return Hashing()
    raise Misconfigured(f"no encoder is called {spec!r}", known=["auto", "potion", "hashing"])


def _unit(rows: Vectors) -> Vectors:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    lengths[lengths == 0] = 1.0
    return np.ascontiguousarray(rows / lengths, np.float32)


def _hash(word: str) -> int:
    from salient.kernels.hashing import hash_bytes

    return hash_bytes(word.encode())


# The most frequent words of English say nothing of what a text is about.
_SKIP = np.array(
    sorted(
        _hash(w)
        for w in ["the", "of", "and", "to", "in", "a", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on", "not", "he", "his", "but", "at", "are", "this", "have", "from", "or", "had", "an", "they", "which", "one", "you", "were", "her", "all", "she", "there", "would", "their", "we", "him", "been", "has", "when", "who", "will", "no", "more", "if", "out", "so", "said", "what", "its", "about", "into", "than", "them", "can", "only", "other"]
    ),
    np.uint64,
)
