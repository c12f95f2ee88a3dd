"""Text to words, as Universal Dependencies cuts English, with clauses and citations kept readable.

The rules are the kernel's (`kernels/tokens.py`); what they know of single words is data
(`exceptions.toml`).
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from salient.kernels import tokens as rules

if TYPE_CHECKING or os.environ.get("SALIENT_PURE_PYTHON") == "1":
    from salient.kernels.tokens import unit_words, word_spans
else:
    from salient.kernels._tokens import unit_words, word_spans

__all__ = [
    "Exceptions",
    "digest",
    "make_exceptions",
    "read_exceptions",
    "tokenize",
    "tokenize_units",
]

_FILE = Path(__file__).with_name("exceptions.toml")
_BITS = {
    "splits": 0,
    "abbreviations": rules.ABBREVIATION,
    "before_number": rules.BEFORE_NUMBER,
    "before_lower": rules.BEFORE_LOWER,
    "prefixes": rules.PREFIX,
    "suffixes": rules.SUFFIX,
    "whole": rules.WHOLE,
    "units": rules.UNIT,
    "money": rules.MONEY,
    "clitics": rules.CLITIC,
    "signs": rules.SIGN,
    "domains": rules.DOMAIN,
    "countries": rules.COUNTRY,
    "files": rules.FILE,
    "groups": rules.GROUP,
    "schemes": rules.SCHEME,
    "faces": rules.FACE,
    "quoted": rules.QUOTED,
    "short": rules.SHORT,
    "currencies": rules.CURRENCY,
    "capital": rules.CAPITAL,
    "loose": rules.LOOSE,
    "unowned": rules.UNOWNED,
}
_PARTED = frozenset(["splits", "loose"])
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True, slots=True, eq=False)
class Exceptions:
    """The kernel's table; see `kernels.tokens.word_spans` for what the columns hold."""

    slots: NDArray[np.int32]
    starts: NDArray[np.int32]
    letters: NDArray[np.uint32]
    values: NDArray[np.uint32]


def make_exceptions(sections: Mapping[str, str]) -> Exceptions:
    """Make the table from words by section, parted by white space.

    Raises:
        ValueError: a section is unknown, or a word too long, not parted or parted twice.
    """
    known: dict[str, int] = {}
    for section, words in sections.items():
        if section not in _BITS:
            raise ValueError(f"no kind of exception {section!r}")
        for entry in words.translate(_LOWER).split():
            word, value = entry, _BITS[section]
            if section in _PARTED:
                first, _, rest = entry.partition("|")
                if not first or not rest or "|" in rest:
                    raise ValueError(f"{entry!r} is not two words")
                word, value = first + rest, value | len(first) << rules.SPLIT
            if len(word) > rules.LONGEST:
                raise ValueError(f"the exception {word!r} is too long")
            known[word] = known.get(word, 0) | value
    return _packed(dict(sorted(known.items())))


def _packed(known: Mapping[str, int]) -> Exceptions:
    size = 1 << (2 * len(known)).bit_length()  # at most half full
    slots = np.full(size, -1, np.int32)
    for number, word in enumerate(known):
        slot = rules.hash_points(word) % size
        while slots[slot] >= 0:
            slot = (slot + 1) % size
        slots[slot] = number
    return Exceptions(
        slots=slots,
        starts=np.cumsum([0, *map(len, known)], dtype=np.int32),
        letters=np.array([ord(c) for word in known for c in word], np.uint32),
        values=np.array(list(known.values()), np.uint32),
    )


@cache
def digest() -> str:
    """Names these rules and exceptions: changes when equal texts may be cut otherwise."""
    parts = [hashlib.sha256(path.read_bytes()).digest() for path in (Path(rules.__file__), _FILE)]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


@cache
def read_exceptions() -> Exceptions:
    """The table of the package, read once a process."""
    with _FILE.open("rb") as file:
        sections = tomllib.load(file)
    return make_exceptions({name: section["words"] for name, section in sections.items()})


def tokenize(text: str) -> NDArray[np.int32]:
    """Find the words of one unit of text.

    "don't" is two words, "do" and "n't"; "cannot" too; "state-of-the-art" is seven. A number,
    its unit and its sign of currency are words apart. Abbreviations, addresses, names of files,
    hashtags, section numbers ("2.1(a)(ii)") and faces are one word each.

    Returns:
        (n_words, 2) int32, start and end in code points of `text`, in order. Each character that is
        not white space is in exactly one.

    Cost: O(len(text)).
    Source: https://universaldependencies.org/en/, "Tokenization and Word Segmentation"; where it
        leaves things open, what the training parts of EWT and GUM do most often.
    """
    table = read_exceptions()
    return word_spans(text, table.slots, table.starts, table.letters, table.values)


def tokenize_units(text: str, bounds: NDArray[np.int32]) -> NDArray[np.int32]:
    """`tokenize` stretches of a text, each as if it stood alone.

    Args:
        bounds: (n, 2) int32, start and end of each stretch.

    Returns:
        (n_words, 3) int32: start and end in the text, and the number of the stretch.

    Cost: O(len(text)).
    """
    table = read_exceptions()
    return unit_words(text, bounds, table.slots, table.starts, table.letters, table.values)
