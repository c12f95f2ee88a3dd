"""Signed feature hashing of words and character n-grams: text to a row of integers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["hashed_sums"]

WORD_WEIGHT = 4
SHORTEST, LONGEST = 3, 5  # bytes of a character n-gram

_BASIS, _PRIME = 0xCBF29CE484222325, 0x100000001B3
_MIX_1, _MIX_2 = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53
_64 = (1 << 64) - 1


def hash_bytes(data: bytes) -> int:
    """FNV-1a over the bytes, then the finaliser of MurmurHash3: 64 bits, all of them usable.

    Source: Fowler, Noll, Vo 1991, draft-eastlake-fnv; Appleby 2011, fmix64.
    """
    value = _BASIS
    for byte in data:
        value = ((value ^ byte) * _PRIME) & _64
    value = ((value ^ (value >> 33)) * _MIX_1) & _64
    value = ((value ^ (value >> 33)) * _MIX_2) & _64
    return value ^ (value >> 33)


def _is_word_byte(byte: int) -> bool:
    return byte >= 0x80 or 0x30 <= byte <= 0x39 or 0x41 <= byte <= 0x5A or 0x61 <= byte <= 0x7A


def _words(data: bytes) -> list[bytes]:
    words, start = [], -1
    for at, byte in enumerate(data):
        if _is_word_byte(byte):
            start = at if start < 0 else start
        else:
            if start >= 0:
                words.append(data[start:at])
            start = -1
    if start >= 0:
        words.append(data[start:])
    return words


def hashed_sums(
    texts: Sequence[bytes], skip: NDArray[np.uint64], dimensions: int
) -> NDArray[np.int32]:
    """Add up the signed hashes of each text's features.

    Features are the words (runs of ASCII letters, digits, and bytes from 0x80), with weight
    WORD_WEIGHT, and the 3 to 5 byte n-grams of "<word>", with weight 1. A feature with hash h adds
    its weight to column `h % dimensions`, or takes it away where bit 63 of h is set.

    Args:
        texts: UTF-8, lower-cased by the caller.
        skip: sorted hashes (`hash_bytes`) of words that count for nothing.
        dimensions: a power of two.

    Returns:
        (n_texts, dimensions) int32, C-contiguous.

    Raises:
        ValueError: `dimensions` is not a power of two.

    Source: Weinberger et al. 2009, arXiv:0902.2206; n-grams as in fastText, Bojanowski et al. 2017.
    """
    if dimensions < 1 or dimensions & (dimensions - 1):
        raise ValueError(f"dimensions is {dimensions}, not a power of two")
    sums = np.zeros((len(texts), dimensions), np.int32)
    skipped = set(skip.tolist())

    def add(row: int, value: int, weight: int) -> None:
        sums[row, value % dimensions] += -weight if value >> 63 else weight

    for row, text in enumerate(texts):
        for word in _words(text):
            value = hash_bytes(word)
            if value in skipped:
                continue
            add(row, value, WORD_WEIGHT)
            marked = b"<" + word + b">"
            for size in range(SHORTEST, LONGEST + 1):
                for at in range(len(marked) - size + 1):
                    add(row, hash_bytes(marked[at : at + size]), 1)
    return sums
