"""Words as question and text share them: tokens, stems, derivations, and how rare a word is.

Not a language engine: it needs no model, so that a question can be matched before anything was
annotated, and in any language that parts its words with spaces (stemming is English).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from salient.services.answering.words import (
    GROUPS,
    IRREGULAR,
    NUMBER_WORDS,
    STOPWORDS,
    SUFFIXES,
)

Idf = Callable[[str], float] | Mapping[str, float] | None
"""Rarity of a lower-case word in the searched documents, a natural logarithm; None if unknown."""

_TOKEN = re.compile(r"\d+(?:[.,]\d+)+|[^\W_]+(?:['’][^\W\d_]+)?")
_NUMBER = re.compile(r"\d[\d,.]*(?:st|nd|rd|th|s)?$")
_VOWEL = "aeiou"


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a text. `form` is folded and without possessive; equal stems match."""

    start: int
    end: int
    form: str
    stem: str
    capital: bool


def tokenise(text: str) -> list[Token]:
    """Words and numbers in text order; offsets are code points of `text`."""
    tokens = []
    for match in _TOKEN.finditer(text):
        surface = match[0]
        form, stem = normalise(surface)
        tokens.append(Token(match.start(), match.end(), form, stem, surface[0].isupper()))
    return tokens


@lru_cache(maxsize=65536)
def normalise(surface: str) -> tuple[str, str]:
    """The folded form of a word and its stem."""
    word = surface
    if not word.isascii():
        word = "".join(
            c
            for c in unicodedata.normalize("NFKD", word.replace("’", "'"))
            if not unicodedata.combining(c)
        )
    word = word.casefold()
    if "'" in word:
        word = word.partition("'")[0] or word
    if word[:1].isdigit():
        word = word.replace(",", "")
        return word, re.sub(r"(?<=\d)(?:st|nd|rd|th)$", "", word)
    word = word or surface
    number = NUMBER_WORDS.get(word)
    if number is not None:
        return word, number
    return word, stem_of(IRREGULAR.get(word, word))


def is_number(form: str) -> bool:
    """Whether the form is written with digits: a year, an amount, an ordinal."""
    return bool(_NUMBER.match(form))


def _measure(stem: str) -> int:
    """How many vowel-consonant sequences there are."""
    count, vowel_before = 0, False
    for i, c in enumerate(stem):
        vowel = c in _VOWEL or (c == "y" and i > 0 and not vowel_before)
        count += vowel_before and not vowel
        vowel_before = vowel
    return count


def _has_vowel(stem: str) -> bool:
    return any(c in "aeiouy" for c in stem)


_STEPS = (
    ("ational", "ate", 1), ("ization", "ize", 1), ("isation", "ize", 1), ("fulness", "ful", 1),
    ("ousness", "ous", 1), ("iveness", "ive", 1), ("tional", "tion", 1), ("biliti", "ble", 1),
    ("bility", "ble", 1), ("alism", "al", 1), ("ality", "al", 1), ("ivity", "ive", 1),
    ("ation", "ate", 1), ("alize", "al", 1), ("alise", "al", 1), ("icate", "ic", 1),
    ("entli", "ent", 1), ("ently", "ent", 1), ("ously", "ous", 1), ("ical", "ic", 1),
    ("ator", "ate", 1), ("ise", "ize", 1), ("ment", "", 2), ("ness", "", 1), ("ance", "", 2),
    ("ence", "", 2), ("able", "", 2), ("ible", "", 2), ("ful", "", 1), ("ant", "", 2),
    ("ent", "", 2), ("ism", "", 2), ("ist", "", 2), ("ity", "", 2), ("ous", "", 2),
    ("ive", "", 2), ("ize", "", 2), ("ate", "", 2), ("ion", "", 2), ("ly", "", 1),
    ("al", "", 2), ("er", "", 2), ("or", "", 2), ("ic", "", 2),
)  # fmt: skip


@lru_cache(maxsize=65536)
def stem_of(word: str) -> str:
    """Strip inflection and common derivation from a lower-case English word.

    Source: after Porter 1980, doi:10.1108/eb046814, with fewer and repeated suffix steps.
    """
    if len(word) <= 3 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith(("ies", "ied")):
        word = word[:-3] + "y"
    elif word.endswith(("sses", "xes", "ches", "shes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for suffix in ("ing", "ed"):
        base = word[: -len(suffix)]
        if word.endswith(suffix) and len(base) > 2 and _has_vowel(base):
            if base[-1] == base[-2] and base[-1] not in "lsz":
                base = base[:-1]
            word = base
            break
    for _ in range(2):
        for suffix, replacement, measure in _STEPS:
            if word.endswith(suffix):
                base = word[: len(word) - len(suffix)]
                if _measure(base) >= measure and len(base) > 2:
                    word = base + replacement
                break
        else:
            break
    if word.endswith("e") and len(word) > 3 and (_measure(word[:-1]) > 1 or word[-2] not in _VOWEL):
        word = word[:-1]
    if word.endswith("y") and len(word) > 3 and word[-2] not in _VOWEL:
        word = word[:-1] + "i"
    return word


@lru_cache(maxsize=65536)
def derived(left: str, right: str) -> bool:
    """Whether two folded forms look like one root: sign/signature, acquire/acquisition."""
    if left[:3] != right[:3] or left == right:
        return False
    shared = 3
    for a, b in zip(left[3:], right[3:], strict=False):
        if a != b:
            break
        shared += 1
    if left[shared:] == "" or right[shared:] == "":
        rest = left[shared:] + right[shared:]
        return rest in SUFFIXES if shared > 3 else rest in {"er", "ers"}
    # "advis|or" and "advis|e" part after the root, "acqui|re" and "acqui|sition" within it; the
    # same two words can be cut a letter earlier, where both rests are known endings. Four letters
    # are too few for that ("stat|e", "stat|ion") unless the consonant changes ("deci|de|sion").
    for cut in range(max(4, shared - 1), shared + 1):
        ends = {left[cut:], right[cut:]}
        if ends <= SUFFIXES and (cut > 4 or ("sion" in ends and ends & {"de", "ding", "ded", "d"})):
            return True
    return False


@lru_cache(maxsize=16384)
def groups_of(stem: str) -> frozenset[int]:
    """The families of near meaning that a stem belongs to."""
    return _GROUP_INDEX.get(stem, frozenset())


def _index_groups() -> dict[str, frozenset[int]]:
    table: dict[str, set[int]] = {}
    for number, words in enumerate(GROUPS):
        for word in words.split():
            table.setdefault(normalise(word)[1], set()).add(number)
    return {stem: frozenset(numbers) for stem, numbers in table.items()}


_GROUP_INDEX = _index_groups()


@dataclass(frozen=True, slots=True)
class Rarity:
    """How much a word says: corpus rarity and general rarity of English, halved each.

    `background` maps stems to natural logarithms; a stem that is not in it is as rare as
    `unseen`. Without corpus rarity only the background counts.
    """

    background: Mapping[str, float]
    unseen: float

    def weight(self, token: Token, idf: Idf) -> float:
        if token.form in STOPWORDS:
            return 0.0
        general = self.background.get(token.stem, self.unseen)
        own: float | None = None
        if idf is not None:
            own = idf.get(token.form) if isinstance(idf, Mapping) else idf(token.form)
        if own is None or not math.isfinite(own):
            return max(general, 0.3)
        return max(0.5 * general + 0.5 * min(max(own, 0.0), 12.0), 0.3)


def initials(tokens: Iterable[Token]) -> set[str]:
    """Initials of runs of capitalised words, lower-case: {"un"} for "the United Nations"."""
    found: set[str] = set()
    run = ""
    for token in tokens:
        if token.capital and len(token.form) > 1:
            run += token.form[0]
        elif token.form not in {"of", "and", "for", "the", "on", "in"}:
            if 2 <= len(run) <= 6:
                found.add(run)
            run = ""
    if 2 <= len(run) <= 6:
        found.add(run)
    return found
