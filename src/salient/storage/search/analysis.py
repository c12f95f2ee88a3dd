"""How text becomes index terms. Every backend is given these terms, and highlights come from them.

A token is a word: letters and digits with the marks on them. Han, kana and Thai, which are written
without spaces, give a token a character, so that a word of several is a phrase.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from salient.storage.search.stemming import stem

# Stored in every index: raise it when the same text would give other terms.
VERSION = 1

MAX_TERM = 64  # characters; what is longer is cut, and found by the same cut
_CACHED = 25_000  # words of a generation, two of which are kept: 12 MB

STOP_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "been",
        "being",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "for",
        "from",
        "had",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "may",
        "might",
        "must",
        "no",
        "not",
        "of",
        "on",
        "or",
        "shall",
        "should",
        "so",
        "such",
        "than",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "while",
        "who",
        "whom",
        "whose",
        "why",
        "will",
        "with",
        "would",
        "you",
        "your",
    ]
)

# Letters that fall apart into no base letter and mark.
_FOLDED = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ħ": "h", "ı": "i",
     "ß": "ss", "ŋ": "n", "ŧ": "t", "ĸ": "k", "’": "'", "ʼ": "'", "＇": "'"}
)  # fmt: skip


def _class_of(categories: str, low: int, high: int) -> str:
    """Code points of some general categories, as the inside of a regular-expression class."""
    out, start = [], None
    for point in range(low, high + 1):
        inside = unicodedata.category(chr(point))[0] in categories and point < high
        if inside and start is None:
            start = point
        elif not inside and start is not None:
            out.append(f"\\u{start:04x}-\\u{point - 1:04x}")
            start = None
    return "".join(out)


# `\w` leaves out combining marks, on which whole scripts rely. Soft hyphens and joiners are inside words.
_MARKS = (
    _class_of("M", 0x300, 0x1E00)
    + "\\u20d0-\\u20f0\\u3099\\u309a\\ufe20-\\ufe2f\\u00ad\\u200c\\u200d\\u2060"
    + _class_of("M", 0xA802, 0xABEE)
)
_ALONE = (
    "\\u0e01-\\u0e4e\\u0e80-\\u0edf\\u1000-\\u104f\\u1780-\\u17d3\\u3005-\\u3007\\u3040-\\u30fa\\u30fc-\\u30ff"
    "\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\uff66-\\uff9f\\U00020000-\\U0003ffff"
)
_TOKEN = re.compile(
    f"[{_ALONE}][{_MARKS}]*"
    f"|(?:(?![{_ALONE}])[^\\W_][{_MARKS}]*)+"
    f"(?:['’ʼ＇](?:(?![{_ALONE}])[^\\W_][{_MARKS}]*)+)*"
)
_DROPPED = re.compile("[\u00ad\u200c\u200d\u2060]")


class Token(NamedTuple):
    """A word in a text: code points `start` to `end`, the word without case and accents, its stem."""

    start: int
    end: int
    word: str
    stem: str


class _Terms(dict[str, tuple[str, str]]):
    """Raw token -> (word, stem), kept: a corpus says the same words over and over.

    New names never end, so the kept are the last two generations; what is said again moves up.
    """

    def __init__(self) -> None:
        super().__init__()
        self._before: dict[str, tuple[str, str]] = {}

    def __missing__(self, raw: str) -> tuple[str, str]:
        if len(self) >= _CACHED:
            self._before = dict(self)
            self.clear()
        known = self._before.get(raw)
        if known is not None:
            self[raw] = known
            return known
        word = fold(raw)[:MAX_TERM] or "_"
        term = word
        if word.isascii():
            term = stem(word) if not word.isdigit() else word
        found = self[sys.intern(raw) if len(raw) < MAX_TERM else raw] = (
            word,
            term.replace("'", "") or word,
        )
        return found


_terms = _Terms()


def fold(word: str) -> str:
    """Lower case without accents, ligatures or width: what one types for what one means."""
    if word.isascii():
        return word.lower()
    flat = unicodedata.normalize("NFKD", _DROPPED.sub("", word)).casefold()
    flat = unicodedata.normalize("NFKD", flat)
    # Marks on Latin, Greek and Cyrillic letters go; in other scripts they are vowels.
    flat = "".join(c for c in flat if not (c < "\u0591" and unicodedata.combining(c)))
    folded = unicodedata.normalize("NFC", flat.translate(_FOLDED))
    return re.sub(r"\s+", "", folded)


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text in order, with their offsets."""
    for found in _TOKEN.finditer(text):
        word, term = _terms[found.group()]
        yield Token(found.start(), found.end(), word, term)


def terms(text: str) -> tuple[list[str], set[str]]:
    """Stems in order, and the distinct words, of a text to be indexed."""
    raw = _TOKEN.findall(text)
    both = [_terms[word] for word in raw]
    return [term for _, term in both], {word for word, _ in both}
