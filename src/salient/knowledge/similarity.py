"""How likely two names are of one thing, from the names alone.

`compare` is strict where a mistake would join two things: other numbers, other distinguishing words
("Group" against "Holdings"), other given names are conflicts, whatever the rest looks like.
"""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz.distance import DamerauLevenshtein

from salient.knowledge.names import (
    Name,
    acronyms,
    given_names_agree,
    normalise,
    parse,
    words,
)

THRESHOLD = 0.7
"""`same_entity` at or over this reads as "the same"."""

# Families that people use for one another when they write of one company.
_LOOSE = [
    frozenset({"inc", "corp", "co", ""}),
    frozenset({"ltd", "co-ltd", "co", "pty", "pvt", "pte", "plc", ""}),
    frozenset({"as", "asa", "aps", ""}),
    frozenset({"ag", "gmbh-co-kg", "kg", "kgaa", ""}),
    frozenset({"sa", "sas", "sarl", ""}),
    frozenset({"spa", "srl", ""}),
    frozenset({"llc", "lp", ""}),
    frozenset({"ao", "pao", "oao", "zao", ""}),
]

_CYRILLIC = str.maketrans(
    {
        "а": "a", "б": "b", "в": "v", "г": "g", "ґ": "g", "д": "d", "е": "e", "ё": "e", "є": "ie",
        "ж": "zh", "з": "z", "и": "i", "і": "i", "ї": "i", "й": "i", "к": "k", "л": "l", "м": "m",
        "н": "n", "о": "o", "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ў": "u", "ф": "f",
        "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e",
        "ю": "iu", "я": "ia",
        "α": "a", "β": "v", "γ": "g", "δ": "d", "ε": "e", "ζ": "z", "η": "i", "θ": "th", "ι": "i",
        "κ": "k", "λ": "l", "μ": "m", "ν": "n", "ξ": "x", "ο": "o", "π": "p", "ρ": "r", "σ": "s",
        "ς": "s", "τ": "t", "υ": "y", "φ": "f", "χ": "ch", "ψ": "ps", "ω": "o",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Match:
    """`score` in 0..1 and `method`, the word for why. `conflict` says that something speaks against."""

    score: float
    method: str
    conflict: bool = False


NONE = Match(0.0, "none")


def same_entity(left: str, right: str, kind: str) -> float:
    """Score two surfaces as names of one thing of a type; THRESHOLD parts same from different."""
    person = kind == "PERSON"
    a, b = normalise(left, person=person), normalise(right, person=person)
    return compare(parse(latin(a), kind), parse(latin(b), kind)).score


def latin(norm: str) -> str:
    """Cyrillic and Greek letters by their usual Latin ones; everything else stays."""
    return norm if norm.isascii() else norm.translate(_CYRILLIC)


def legal_forms_agree(left: str, right: str) -> bool:
    """Whether two legal forms can be of one company: equal, one missing, or used for each other."""
    return (
        left == right
        or not left
        or not right
        or any(left in group and right in group for group in _LOOSE)
    )


def compare(left: Name, right: Name) -> Match:
    """Compare two names of one type. Symmetric."""
    if not left.core or not right.core:
        return NONE
    if left.norm == right.norm:
        return Match(1.0, "exact")
    if (left.kind, left.norm) > (right.kind, right.norm):
        left, right = right, left
    return _people(left, right) if left.kind == "PERSON" else _things(left, right)


def _things(left: Name, right: Name) -> Match:
    agree = legal_forms_agree(left.legal, right.legal)
    if left.core == right.core:
        if left.legal == right.legal:
            return Match(0.99, "spelling")
        if not agree:
            return Match(0.6, "legal form", conflict=True)
        return Match(0.96 if not left.legal or not right.legal else 0.9, "legal form")
    if left.numbers != right.numbers:
        return Match(0.3, "number", conflict=True)
    if "".join(left.core) == "".join(right.core):
        return Match(0.94 if agree else 0.6, "spelling", conflict=not agree)
    for short, long in ((left, right), (right, left)):
        if len(short.core) == 1 and short.core[0] in acronyms(long.core):
            return Match(0.8, "acronym")
    matched, total, worst, loose = _aligned(left.core, right.core)
    score = matched / total if total else 0.0
    if loose & words("distinguishing"):
        return Match(min(score, 0.55), "other word", conflict=True)
    if not loose:
        return Match(min(0.93, worst) if agree else 0.6, "spelling", conflict=not agree)
    return Match(0.85 * score, "words")


def _weight(token: str) -> float:
    if token in words("stop"):
        return 0.1
    return 0.45 if token in words("generic") else 1.0


def _aligned(
    left: tuple[str, ...], right: tuple[str, ...]
) -> tuple[float, float, float, frozenset[str]]:
    """Pair off words: weight matched, weight in all, the worst pair's likeness, words left over."""
    rest = list(right)
    matched = 0.0
    worst = 1.0
    alone: list[str] = []
    fuzzy: list[str] = []
    for token in left:
        if token in rest:
            rest.remove(token)
            matched += 2 * _weight(token)
        else:
            fuzzy.append(token)
    for token in fuzzy:
        best = max(((word_likeness(token, other), other) for other in rest), default=(0.0, ""))
        if best[0] >= 0.75:
            rest.remove(best[1])
            matched += best[0] * (_weight(token) + _weight(best[1]))
            worst = min(worst, best[0])
        else:
            alone.append(token)
    total = sum(map(_weight, left)) + sum(map(_weight, right))
    stop = words("stop")
    return matched, total, worst, frozenset(t for t in alone + rest if t not in stop)


def word_likeness(a: str, b: str) -> float:
    """1 for one word, 0.75.. for one spelled otherwise, 0 for two. Numbers are never alike."""
    if a == b:
        return 1.0
    short, long = sorted((a, b), key=len)
    if any(map(str.isdigit, a + b)):
        return 0.0
    if len(short) >= 4 and len(long) - len(short) >= 2 and long.startswith(short):
        return 0.78
    distance = DamerauLevenshtein.distance(a, b, score_cutoff=2)
    if distance == 1 and len(short) >= 4:
        return 0.9 if len(short) >= 6 else 0.82
    if distance == 2 and len(short) >= 7:
        return 0.85
    if distance == 2 and len(short) >= 5 and a[0] == b[0]:
        return 0.76
    return 0.0


def _people(left: Name, right: Name) -> Match:
    if sorted(left.core) == sorted(right.core):
        # "Hans Friedrich" and "Friedrich Hans", "A bin B" and "B bin A" are two people as often as not.
        ordered = len(left.core) == 2 or set(left.core) & words("particles")
        return Match(0.6, "word order", conflict=True) if ordered else Match(0.9, "word order")
    if "".join(left.core) == "".join(right.core):
        return Match(0.95, "spelling")
    if not left.surname or not right.surname:
        short, long = (left, right) if not left.surname else (right, left)
        if long.surname and short.core[-1] == long.core[-1]:
            return Match(0.5, "surname")
        likeness = word_likeness(short.core[0], long.core[0]) if not long.surname else 0.0
        return Match(0.9 * likeness, "spelling")
    surname = word_likeness(left.surname, right.surname)
    given = given_names_agree(left.given, right.given)
    if left.surname == right.surname:
        if given > 0.0:
            method = {0.8: "initials", 0.85: "nickname", 0.9: "middle name"}.get(given, "spelling")
            return Match(0.1 + 0.9 * given, method)
        alike = word_likeness(left.given[0], right.given[0])
        if 0.0 < alike < 1.0 and (left.given[1:] == right.given[1:] or not left.given[1:]):
            return Match(0.9 * alike, "spelling")
        return Match(0.4, "given name", conflict=True)
    if surname and given:
        return Match(surname * min(1.0, 0.1 + given), "spelling")
    matched, total, worst, loose = _aligned(left.core, right.core)
    if not loose and len(left.core) > 2:
        return Match(0.92 * worst, "spelling")
    shorter = min(len(left.core), len(right.core))
    inside = len(left.core) + len(right.core) - len(loose) == 2 * shorter
    if inside and shorter >= 2:
        return Match(0.8 * worst, "middle name")
    return Match(0.6 * matched / total, "words", conflict=True)
