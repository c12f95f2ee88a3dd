"""English stems: `companies` and `company` become one index term.

Source: the "English (Porter2)" algorithm, M. Porter, snowballstem.org/algorithms/english/stemmer.html,
with its lists of exceptions. Words that are not English pass through it mostly unharmed.
"""

from __future__ import annotations

import re

_SPECIAL = {
    "skis": "ski", "skies": "sky", "idly": "idl", "gently": "gentl", "ugly": "ugli", "early": "earli", "only": "onli",
    "singly": "singl", "sky": "sky", "news": "news", "howe": "howe", "atlas": "atlas",
    "cosmos": "cosmos", "bias": "bias", "andes": "andes",
}  # fmt: skip
_AFTER_1A = {"inning", "outing", "canning", "herring", "earring", "proceed", "exceed", "succeed"}
_DOUBLES = ("bb", "dd", "ff", "gg", "mm", "nn", "pp", "rr", "tt")
_VOWELS = frozenset("aeiouy")
_LI = frozenset("cdeghkmnrt")
_REGION = re.compile(r"[aeiouy][^aeiouy]")
_HAS_VOWEL = re.compile(r"[aeiouy]")
# Later revisions of the algorithm added the long ones: `university` is not `universal`.
_R1_BY_PREFIX = (
    "gener", "commun", "arsen", "univers", "later", "emerg", "organ", "inter",
)  # fmt: skip

_STEP_2 = {
    "tional": "tion", "enci": "ence", "anci": "ance", "abli": "able", "entli": "ent",
    "izer": "ize", "ization": "ize", "ational": "ate", "ation": "ate", "ator": "ate",
    "alism": "al", "aliti": "al", "alli": "al", "fulness": "ful", "ousli": "ous",
    "ousness": "ous", "iveness": "ive", "iviti": "ive", "biliti": "ble", "bli": "ble",
    "fulli": "ful", "lessli": "less",
}  # fmt: skip
_STEP_3 = {
    "tional": "tion", "ational": "ate", "alize": "al", "icate": "ic", "iciti": "ic",
    "ical": "ic", "ful": "", "ness": "",
}  # fmt: skip
_STEP_4 = (
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ism", "ate",
    "iti", "ous", "ive", "ize",
)  # fmt: skip
_BY_LENGTH_2 = sorted((*_STEP_2, "ogi", "li"), key=len, reverse=True)
_BY_LENGTH_3 = sorted((*_STEP_3, "ative"), key=len, reverse=True)
_BY_LENGTH_4 = sorted((*_STEP_4, "ion"), key=len, reverse=True)


def stem(word: str) -> str:
    """The stem of a word in lower case without accents; words of two letters are their own."""
    if len(word) < 3:
        return word
    if word in _SPECIAL:
        return _SPECIAL[word]
    word = word.removeprefix("'")
    # A y that acts as a consonant is written Y until the end.
    if word.startswith("y"):
        word = "Y" + word[1:]
    word = re.sub(r"(?<=[aeiouy])y", "Y", word)
    r1, r2 = _regions(word)
    word = _step_1a(_step_0(word))
    if word in _AFTER_1A:
        return word.lower()
    word = _step_1c(_step_1b(word, r1))
    word = _step_4(_step_3(_step_2(word, r1), r1, r2), r2)
    return _step_5(word, r1, r2).lower()


def _regions(word: str) -> tuple[int, int]:
    for start in _R1_BY_PREFIX:
        if word.startswith(start):
            r1 = len(start)
            break
    else:
        found = _REGION.search(word)
        r1 = found.end() if found else len(word)
    found = _REGION.search(word, r1)
    return r1, found.end() if found else len(word)


def _step_0(word: str) -> str:
    for end in ("'s'", "'s", "'"):
        if word.endswith(end):
            return word[: -len(end)]
    return word


def _step_1a(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    if word.endswith(("ied", "ies")):
        return word[:-2] if len(word) > 4 else word[:-1]
    if word.endswith(("us", "ss")):
        return word
    if word.endswith("s") and _HAS_VOWEL.search(word, 0, len(word) - 2):
        return word[:-1]
    return word


def _step_1b(word: str, r1: int) -> str:
    for end in ("eedly", "eed"):
        if word.endswith(end):
            return word[: -len(end)] + "ee" if len(word) - len(end) >= r1 else word
    for end in ("ingly", "edly", "ing", "ed"):
        if not word.endswith(end):
            continue
        rest = word[: -len(end)]
        if not _HAS_VOWEL.search(rest):
            return word
        if end == "ing" and len(rest) == 2 and rest[1] == "y":
            return rest[0] + "ie"  # vying
        if rest.endswith(("at", "bl", "iz")):
            return rest + "e"
        if rest.endswith(_DOUBLES):
            # `added` keeps its two letters, as `add` does.
            return rest if len(rest) == 3 and rest[0] in "aeo" else rest[:-1]
        if _is_short(rest, r1):
            return rest + "e"
        return rest
    return word


def _step_1c(word: str) -> str:
    if len(word) > 2 and word[-1] in "yY" and word[-2] not in _VOWELS:
        return word[:-1] + "i"
    return word


def _step_2(word: str, r1: int) -> str:
    for end in _BY_LENGTH_2:
        if not word.endswith(end):
            continue
        rest = word[: -len(end)]
        if len(rest) < r1:
            return word
        if end == "ogi":
            return rest + "og" if rest.endswith("l") else word
        if end == "li":
            return rest if rest and rest[-1] in _LI else word
        return rest + _STEP_2[end]
    return word


def _step_3(word: str, r1: int, r2: int) -> str:
    for end in _BY_LENGTH_3:
        if not word.endswith(end):
            continue
        rest = word[: -len(end)]
        if len(rest) < r1:
            return word
        if end == "ative":
            return rest if len(rest) >= r2 else word
        return rest + _STEP_3[end]
    return word


def _step_4(word: str, r2: int) -> str:
    for end in _BY_LENGTH_4:
        if not word.endswith(end):
            continue
        rest = word[: -len(end)]
        if len(rest) < r2 or (end == "ion" and not rest.endswith(("s", "t"))):
            return word
        return rest
    return word


def _step_5(word: str, r1: int, r2: int) -> str:
    if word.endswith("e"):
        rest = word[:-1]
        if len(rest) >= r2 or (len(rest) >= r1 and not _ends_short(rest)):
            return rest
    elif word.endswith("ll") and len(word) - 1 >= r2:
        return word[:-1]
    return word


def _ends_short(word: str) -> bool:
    """Whether it ends in a short syllable."""
    if len(word) == 2:
        return word[0] in _VOWELS and word[1] not in _VOWELS
    return (
        len(word) > 2
        and word[-1] not in _VOWELS
        and word[-1] not in "wxY"
        and word[-2] in _VOWELS
        and word[-3] not in _VOWELS
    )


def _is_short(word: str, r1: int) -> bool:
    return r1 >= len(word) and _ends_short(word)
