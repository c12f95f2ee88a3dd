"""Find phrases of known words in a run of words, over tables that may be mapped from a file.

Both tables are hashed into buckets: entries are sorted by their hash, `starts[b]` is where those
begin whose upper bits are `b`, and `len(starts) - 1` is a power of two, 2 at least. Entries of a bucket are
compared in full, so a hash never decides.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from salient.kernels.hashing import hash_bytes

__all__ = ["longest_phrases", "word_codes", "word_hashes"]

_MIX_1, _MIX_2 = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53
_64 = (1 << 64) - 1

Ints = NDArray[np.int32]


def hash_key(key: int) -> int:
    """The finaliser of MurmurHash3: 64 bits to 64 bits, one to one."""
    key = ((key ^ (key >> 33)) * _MIX_1) & _64
    key = ((key ^ (key >> 33)) * _MIX_2) & _64
    return key ^ (key >> 33)


def _shift(starts: Ints) -> int:
    buckets = len(starts) - 1
    if buckets < 2 or buckets & (buckets - 1):
        raise ValueError(f"{buckets} buckets are not a power of two")
    return 64 - (buckets.bit_length() - 1)


def word_hashes(words: Sequence[str]) -> NDArray[np.uint64]:
    """`hash_bytes` of the UTF-8 of each word, (n_words,).

    Raises:
        UnicodeEncodeError: a word holds half of a surrogate pair.
    """
    return np.array([hash_bytes(word.encode()) for word in words], np.uint64)


def word_codes(
    words: Sequence[str], starts: Ints, ends: NDArray[np.int64], letters: NDArray[np.uint8]
) -> Ints:
    """Look words up in a vocabulary.

    Args:
        starts: buckets by `word_hashes`; see above.
        ends: (n_vocabulary,): where each word's UTF-8 ends in `letters`, and the next begins.

    Returns:
        (n_words,) int32: each word's number in the vocabulary, -1 for one that is not there.

    Raises:
        ValueError: the buckets are not a power of two.
        UnicodeEncodeError: a word holds half of a surrogate pair.
    """
    shift = _shift(starts)
    codes = np.full(len(words), -1, np.int32)
    for at, word in enumerate(words):
        wanted = word.encode()
        bucket = hash_bytes(wanted) >> shift
        for code in range(starts[bucket], starts[bucket + 1]):
            begin = int(ends[code - 1]) if code else 0
            if letters[begin : ends[code]].tobytes() == wanted:
                codes[at] = code
                break
    return codes


def longest_phrases(
    codes: Ints, starts: Ints, keys: NDArray[np.uint64], nodes: Ints, phrases: Ints
) -> Ints:
    """Find phrases from left to right, of those that start together the longest; none overlap.

    The phrases are a trie. Its edges leave node 0, the root, and others; edge e has the key
    `node << 32 | code`, leads to `nodes[e]`, and ends the phrase `phrases[e]`, or none at -1.

    Args:
        codes: words as numbers; below 0 are words that no phrase has.
        starts: buckets by `hash_key`; see above.

    Returns:
        (n_found, 3) int32: first word, end (half-open), phrase.

    Raises:
        ValueError: the buckets are not a power of two.
    """
    shift = _shift(starts)
    found: list[tuple[int, int, int]] = []
    at = 0
    while at < len(codes):
        node, best, end = 0, -1, at
        for place in range(at, len(codes)):
            if codes[place] < 0:
                break
            key = node << 32 | int(codes[place])
            bucket = hash_key(key) >> shift
            edges = range(starts[bucket], starts[bucket + 1])
            edge = next((e for e in edges if keys[e] == key), -1)
            if edge < 0:
                break
            node = int(nodes[edge])
            if phrases[edge] >= 0:
                best, end = int(phrases[edge]), place + 1
        if best >= 0:
            found.append((at, end, best))
        at = max(end, at + 1)
    return np.array(found, np.int32).reshape(-1, 3)
