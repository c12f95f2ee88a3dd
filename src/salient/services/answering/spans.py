"""Values and names inside a passage that can be the short answer, found by form alone.

Complements mentions: contracts and tables write "sixty (60) days" and "USD 4.2m", which entity
recognisers trained on news miss.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from salient.services.answering.question import AnswerType

_LABEL_TYPES: dict[str, frozenset[AnswerType]] = {
    "PERSON": frozenset({AnswerType.PERSON}),
    "ORG": frozenset({AnswerType.ORG}),
    "NORP": frozenset({AnswerType.ORG}),
    "GPE": frozenset({AnswerType.PLACE}),
    "LOC": frozenset({AnswerType.PLACE}),
    "FAC": frozenset({AnswerType.PLACE}),
    "DATE": frozenset({AnswerType.DATE}),
    "TIME": frozenset({AnswerType.DATE, AnswerType.DURATION}),
    "MONEY": frozenset({AnswerType.MONEY}),
    "PERCENT": frozenset({AnswerType.PERCENT}),
    "QUANTITY": frozenset({AnswerType.NUMBER}),
    "CARDINAL": frozenset({AnswerType.NUMBER}),
    "ORDINAL": frozenset({AnswerType.NUMBER}),
    # the names that other label sets use
    "ORGANIZATION": frozenset({AnswerType.ORG}),
    "COMPANY": frozenset({AnswerType.ORG}),
    "LOCATION": frozenset({AnswerType.PLACE}),
    "PLACE": frozenset({AnswerType.PLACE}),
    "NUMBER": frozenset({AnswerType.NUMBER}),
}

_MONTH = r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\.?"
_SPELLED = (
    r"(?:(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|"
    r"sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|"
    r"thousand|million|billion|dozen)(?:[ -](?=\w))?){1,5}"
)
_DIGITS = r"\d+(?:[,.]\d+)*"
_SCALE = r"(?:\s?(?:thousand|million|billion|trillion|mn|bn|m|k|M|B))?\b"
_UNIT = r"(?:calendar |business |working )?(?:seconds?|minutes?|hours?|days?|weeks?|months?|quarters?|years?|decades?|centuries)"
_PATTERNS: tuple[tuple[AnswerType, re.Pattern[str]], ...] = (
    (
        AnswerType.MONEY,
        re.compile(
            rf"(?:(?:US|A|C|NZ|HK)?[$€£¥₹]|\b(?:USD|EUR|GBP|CHF|JPY|CNY|SEK|NOK|DKK|AUD|CAD|INR|Rs\.?)\b)\s?{_DIGITS}{_SCALE}"
            rf"|\b{_DIGITS}{_SCALE}\s?(?:dollars?|euros?|pounds?|francs?|yen|yuan|kronor|kroner|rupees?|cents|USD|EUR|GBP|CHF|SEK|NOK|DKK|[€£])(?!\w)"
        ),
    ),
    (
        AnswerType.PERCENT,
        re.compile(
            rf"\b{_DIGITS}\s?(?:%|per ?cent\b|percentage points?\b|basis points?\b)"
            rf"|\b{_SPELLED}\s?(?:\({_DIGITS}\s?%?\)\s?)?(?:%|per ?cent\b)",
            re.IGNORECASE,
        ),
    ),
    (
        AnswerType.DURATION,
        re.compile(
            rf"\b(?:{_DIGITS}|{_SPELLED}(?:\s?\({_DIGITS}\))?|an?|several)[ -]{_UNIT}\b",
            re.IGNORECASE,
        ),
    ),
    (
        AnswerType.DATE,
        re.compile(
            rf"\b(?:\d{{1,2}}(?:st|nd|rd|th)?(?: of)? )?{_MONTH}(?: \d{{1,2}}(?:st|nd|rd|th)?)?(?:,? (?:1\d|20)\d\d)?\b"
            r"|\b\d{4}-\d{2}-\d{2}\b|\b\d{1,2}[./]\d{1,2}[./](?:\d{4}|\d{2})\b"
            r"|\b(?:1[0-9]|20)\d\d(?:s|[-–/]\d{2,4})?\b"
            r"|\b(?:the )?(?:early |mid-?|late )?\d{1,2}(?:st|nd|rd|th) (?:century|millennium)\b"
            r"|\b\d{1,4} (?:BCE?|AD|CE)\b"
            r"|\b(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b"
        ),
    ),
    (
        AnswerType.NUMBER,
        re.compile(rf"(?<![\w.,]){_DIGITS}{_SCALE}(?!\w)|\b{_SPELLED}\b", re.IGNORECASE),
    ),
)


@dataclass(frozen=True, slots=True)
class Typed:
    """A stretch of the passage that has a type; offsets are of the passage's text."""

    start: int
    end: int
    types: frozenset[AnswerType]
    named: bool


def typed_spans(text: str, mentions: Iterable[tuple[int, int, str]]) -> list[Typed]:
    """Mentions and values in text order; equal spans are one.

    Args:
        mentions: (start, end, label), offsets in `text`. Those that leave it are passed over.
    """
    found: dict[tuple[int, int], tuple[frozenset[AnswerType], bool]] = {}
    for start, end, label in mentions:
        if 0 <= start < end <= len(text):
            types = _LABEL_TYPES.get(label, frozenset({AnswerType.OTHER}))
            found[start, end] = (
                types,
                label
                not in {
                    "DATE",
                    "TIME",
                    "MONEY",
                    "PERCENT",
                    "QUANTITY",
                    "CARDINAL",
                    "ORDINAL",
                    "NUMBER",
                    "IDENTIFIER",
                },
            )
    taken: list[tuple[int, int]] = []
    for kind, pattern in _PATTERNS:
        for match in pattern.finditer(text):
            start, end = match.span()
            while end > start and text[end - 1] in " -":
                end -= 1
            bare_month = kind is AnswerType.DATE and match[0] in {"May", "may", "Mar", "March"}
            if start == end or bare_month:
                continue
            if kind is AnswerType.NUMBER and any(a <= start and end <= b for a, b in taken):
                continue
            taken.append((start, end))
            before = found.get((start, end), (frozenset(), False))
            found[start, end] = (before[0] | {kind}, before[1])
    return [Typed(a, b, types, named) for (a, b), (types, named) in sorted(found.items())]
