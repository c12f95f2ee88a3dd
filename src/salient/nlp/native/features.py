"""What the network is given of a word: rows of its tables, and bits.

The same for training and for reading, so that a model never sees other numbers than it was trained on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from salient.kernels.types import GRAM, MOST_GRAMS, PLAIN

if TYPE_CHECKING or os.environ.get("SALIENT_PURE_PYTHON") == "1":
    from salient.kernels.types import norms_of, type_rows
else:
    from salient.kernels._types import norms_of, type_rows

TABLES: Final = ((32768, 64), (8192, 32), (8192, 32), (2048, 32), (16384, 32), (4096, 32))
"""Rows and width of the hashed tables: norm, suffix 3, prefix 3, suffix 2, suffix 4, shape."""

GRAM_TABLE: Final = (32768, 64)
"""Rows and width of the table of character n-grams; a type gets the mean of its rows."""

VECTOR_WIDTH: Final = 128
"""Width of the word vectors, where a model has some."""

N_FLAGS: Final = 16

N_CONTEXT: Final = 16
"""Bits of a token in its place, which are not of its type; see `context bits` below."""

SPACE_BEFORE, FIRST_OF_UNIT, CALMED, NEWLINE_BEFORE = (1 << bit for bit in range(4))
GAZETTEER_KINDS: Final = ("PERSON", "ORG", "PLACE", "OTHER")
"""A known name's kind k begins at bit 4 + 2 * k, and goes on at the bit above."""

SIZES: Final = (*(rows for rows, _ in TABLES), GRAM_TABLE[0])

_SPEC = (TABLES, GRAM_TABLE, VECTOR_WIDTH, N_FLAGS, N_CONTEXT, GAZETTEER_KINDS, "types.v1")
DIGEST: Final = hashlib.sha256(repr(_SPEC).encode()).hexdigest()[:16]
"""Names this set of features; a model trained on another one is refused."""

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class TypeRows:
    """Features of n word types."""

    hashed: Ints
    """(n, 6) int32: rows of TABLES, 1 and more."""
    offsets: Ints
    """(n + 1,) int32: where each type's part of `grams` begins; the last one ends it."""
    grams: Ints
    """Rows of GRAM_TABLE, 1 and more; no type has none."""
    flags: NDArray[np.uint32]
    """(n,): N_FLAGS bits; see `salient.kernels.types`."""

    def __len__(self) -> int:
        return len(self.hashed)


def rows(forms: Sequence[str]) -> TypeRows:
    """The features of forms, each as it is written. Cost: about 0.2 us a form of ASCII letters."""
    table = type_rows(forms, SIZES)
    grams = table[:, GRAM + 1 :]
    counts = np.count_nonzero(grams, axis=1)
    offsets = np.zeros(len(table) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    kept = np.arange(MOST_GRAMS) < counts[:, None]
    return TypeRows(
        hashed=np.ascontiguousarray(table[:, :GRAM]),
        offsets=offsets,
        grams=grams[kept],
        flags=table[:, GRAM].astype(np.uint32),
    )


def norms(forms: Sequence[str]) -> list[str]:
    """The key of each form in the vocabulary of word vectors."""
    return norms_of(forms)


def flag_columns(flags: NDArray[np.uint32], n_bits: int = N_FLAGS) -> NDArray[np.float32]:
    """(n, n_bits) float32 of 0 and 1, the lowest bit first. Serves context bits as well."""
    bits = flags.astype(np.uint32)[:, None] >> np.arange(n_bits, dtype=np.uint32)
    return (bits & 1).astype(np.float32)


def plain(text: str) -> str:
    """Text as the network reads it: typesetters' quotes and hyphens as plain ones, offset by offset."""
    return text if text.isascii() else text.translate(PLAIN)
