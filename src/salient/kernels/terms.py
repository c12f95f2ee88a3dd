"""Terms of texts, and their n-grams as columns of a matrix: what classifiers, shingles and word vectors are made of.

A term is a run of letters, digits, marks that combine with them, and underscores, with its case folded;
an ideograph or a kana is a term of its own, since no space parts such words. Texts are UTF-8; bytes that
are none part terms and are in none.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["hashed_features", "term_hashes"]

TABLE = 0x20000  # code points that are told apart; those above are ideographs, or none of ours
NONE, WORD, ALONE = range(3)
LAST_IDEOGRAPH = 0x323AF

MOST_WORDS = 3
FEWEST_BITS, MOST_BITS = 8, 28

_64 = (1 << 64) - 1
_GRAM = 0x6772616D

# Scripts that part no words by spaces and whose signs mean something alone.
_ALONE = (
    (0x3041, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F),
)


class Spec(NamedTuple):
    """Which features a text has."""

    bits: int = 20
    """There are 2 to the power of this columns."""
    words: int = 2
    """Longest run of terms that is a feature."""
    shortest: int = 0
    longest: int = 0
    """Shortest and longest n-grams of code points within "<term>"; none if 0."""

    @property
    def half(self) -> int:
        """The first column of n-grams within terms, where there are words too; else 0.

        Each kind has one half of the columns, so that they can be weighed apart.
        """
        return 1 << (self.bits - 1) if self.words and self.longest else 0

    def check(self) -> None:
        """Raises ValueError: it is none."""
        if not FEWEST_BITS <= self.bits <= MOST_BITS:
            raise ValueError(f"bits is {self.bits}: {FEWEST_BITS} to {MOST_BITS} can be")
        if not 0 <= self.words <= MOST_WORDS:
            raise ValueError(f"words is {self.words}: 0 to {MOST_WORDS} can be")
        grams = 1 <= self.shortest <= self.longest <= 8
        if not grams and (self.shortest, self.longest) != (0, 0):
            raise ValueError(
                f"n-grams of {self.shortest} to {self.longest}: 1 to 8 can be, or 0 and 0"
            )
        if not self.words and not self.longest:
            raise ValueError("neither words nor n-grams are features")


def class_of(c: str) -> int:
    """What a character is to terms."""
    code = ord(c)
    if any(a <= code <= b for a, b in _ALONE) or TABLE <= code <= LAST_IDEOGRAPH:
        return ALONE
    if code >= TABLE:
        return NONE
    return WORD if c.isalnum() or c == "_" or unicodedata.category(c) in ("Mn", "Mc") else NONE


@cache
def table() -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """What compiled code asks: a number a code point, and the folded forms that are more than one.

    A number is the class shifted by 24, and the folded code point, or bit 23 and the row of the other table: how
    many there are, then they themselves. Cost: 0.1 s, once a process, when the first text that is not ASCII comes.
    """
    told = np.zeros(TABLE, np.uint32)
    longer: list[list[int]] = []
    for code in range(TABLE):
        if 0xD800 <= code < 0xE000:
            continue
        c = chr(code)
        if kind := class_of(c):
            folded = [ord(f) for f in c.casefold()]
            if len(folded) == 1:
                told[code] = kind << 24 | folded[0]
            else:
                told[code] = kind << 24 | 1 << 23 | len(longer)
                longer.append([len(folded), *folded, *[0] * (3 - len(folded))])
    return told, np.array(longer, np.uint32)


def mixed(value: int) -> int:
    """64 bits, each of which depends on all."""
    for _ in range(2):
        value = ((value ^ (value >> 32)) * 0xD6E8FEB86659FD93) & _64
    return value ^ (value >> 32)


def hash_of(data: bytes) -> int:
    """64 bits of a term, eight bytes at a time."""
    value = 0x9E3779B97F4A7C15 ^ len(data)
    while len(data) > 8:
        value = ((value ^ int.from_bytes(data[:8], "little")) * 0xFF51AFD7ED558CCD) & _64
        value ^= value >> 29
        data = data[8:]
    return mixed(((value ^ int.from_bytes(data, "little")) * 0xFF51AFD7ED558CCD) & _64)


def joined(one: int, other: int) -> int:
    """The hash of two things, one after the other."""
    return mixed((one * 0x9E3779B97F4A7C15 + other) & _64)


def _points(data: bytes) -> Iterator[tuple[int, int, str]]:
    """Start, end and character of each code point; "" for a byte that is no UTF-8."""
    at = 0
    while at < len(data):
        lead = data[at]
        size = 1 if lead < 0x80 else 4 if lead >= 0xF0 else 3 if lead >= 0xE0 else 2
        try:
            c = data[at : at + size].decode()
        except UnicodeDecodeError:
            size, c = 1, ""
        yield at, at + size, c
        at += size


def terms(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Start, end and folded form of each term."""
    start, folded, end = -1, "", 0
    for at, after, c in _points(data):
        kind = class_of(c) if c else NONE
        if kind != WORD and start >= 0:
            yield start, end, folded.encode()
            start = -1
        if kind == ALONE:
            yield at, after, c.casefold().encode()
        elif kind == WORD:
            if start < 0:
                start, folded = at, ""
            folded += c.casefold()
            end = after
    if start >= 0:
        yield start, end, folded.encode()


def term_hashes(text: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]:
    """Cut a text into terms.

    Returns:
        (n,) each: where they start and end in bytes, half-open, and hashes of their folded forms.
    """
    rows = [(start, end, hash_of(folded)) for start, end, folded in terms(text)]
    starts, ends, hashes = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(starts, np.int64), np.array(ends, np.int64), np.array(hashes, np.uint64)


def grams_of(term: bytes, shortest: int, longest: int) -> Iterator[bytes]:
    """n-grams of code points of "<term>", by where they begin, then by length."""
    marked = f"<{term.decode()}>"
    for start in range(len(marked)):
        for end in range(start + shortest, min(start + longest, len(marked)) + 1):
            yield marked[start:end].encode()


def gram_hash(gram: bytes) -> int:
    """Of an n-gram: other than of a term that is written like it."""
    return joined(hash_of(gram), _GRAM)


def features_of(text: bytes, spec: Spec) -> Iterator[int]:
    """The hash of each feature, as often as it occurs; its low bits are the column."""
    half = spec.half
    found = [(hash_of(folded), folded) for _, _, folded in terms(text)]
    for at in range(len(found)):
        value = found[at][0]
        if spec.words:
            yield value & ~half
        for after in range(at + 1, min(at + spec.words, len(found))):
            value = joined(value, found[after][0])
            yield value & ~half
    if spec.longest:
        for _, folded in found:
            for gram in grams_of(folded, spec.shortest, spec.longest):
                yield gram_hash(gram) | half


def bag_of(text: bytes, spec: Spec) -> dict[int, int]:
    """Columns and the sums of their signs, in the order of first uses; some may be 0."""
    bag: dict[int, int] = {}
    for value in features_of(text, spec):
        column = value & ((1 << spec.bits) - 1)
        bag[column] = bag.get(column, 0) + (-1 if value >> 63 else 1)
    return bag


Packed = tuple[NDArray[np.uint8], NDArray[np.int64]]
"""Texts in one stretch of bytes, and (n + 1,) where each begins: as Arrow keeps them."""


def bytes_of(texts: Sequence[str | bytes] | Packed) -> list[bytes]:
    """The texts one by one; halves of surrogate pairs are no UTF-8."""
    if isinstance(texts, tuple):
        data, offsets = texts
        if (
            not len(offsets)
            or offsets[0] < 0
            or (np.diff(offsets) < 0).any()
            or offsets[-1] > len(data)
        ):
            raise ValueError("the offsets are not those of texts in the bytes")
        edges = offsets.tolist()
        return [data[a:b].tobytes() for a, b in itertools.pairwise(edges)]
    return [t if isinstance(t, bytes) else t.encode("utf-8", "surrogatepass") for t in texts]


def hashed_features(
    texts: Sequence[str | bytes] | Packed, bits: int, words: int, shortest: int, longest: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32]]:
    """Count the features of texts by signed hashing.

    Args:
        bits, words, shortest, longest: see `Spec`.

    Returns:
        A sparse matrix: (n_texts + 1,) where each text's row begins, columns, and their counts: how often features with
        the column occur, less how often those do whose hash has its highest bit set. Columns stand in the order of
        first uses; some counts may be 0.

    Raises:
        ValueError: there are no such features, or the offsets are not those of texts.

    Source: Weinberger et al. 2009, arXiv:0902.2206.
    """
    spec = Spec(bits, words, shortest, longest)
    spec.check()
    bags = [bag_of(text, spec) for text in bytes_of(texts)]
    return (
        np.cumsum([0, *map(len, bags)], dtype=np.int64),
        np.array([column for bag in bags for column in bag], np.int32),
        np.array([count for bag in bags for count in bag.values()], np.int32),
    )
