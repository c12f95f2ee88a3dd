"""Whether a span that an engine calls a date says when, or only how long, how often, or where to send mail."""

from __future__ import annotations

import re

_MONTH = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"  # fmt: skip
_YEAR = r"(?:1[0-9]\d\d|20\d\d)s?"
_ABSOLUTE = re.compile(
    rf"\b{_MONTH}\b\.?(?=\W*\d)|\d\W*(?:(?:st|nd|rd|th)\s+)?(?:day\s+of\s+|of\s+)?{_MONTH}\b"
    rf"|(?<![\d.,$€£#-]){_YEAR}(?![\d.,]\d|[\d%])|\b\d{{1,4}}[./-]\d{{1,2}}[./-]\d{{1,4}}\b|\b(?:Q[1-4]|FY)\s?\d\d",
    re.IGNORECASE,
)
_RELATIVE = re.compile(
    rf"\b(?:today|yesterday|tomorrow|tonight|{_MONTH}|mon|tues|wednes|thurs|fri|satur|sun)(?:day)?\b"
    r"|\b(?:last|next|this|past|previous|following|same|earlier|later|ago)\b",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    r"^(?:(?:the|a|an|about|over|more than|at least|some|nearly|almost|past|last|next|first)\s+)*(?:\d+|[a-z]+)?(?:\s*[-(]?\d*\)?)?[\s-]+(?:business\s+|calendar\s+|working\s+)?(?:days?|weeks?|months?|years?|decades?|quarters?)$",
    re.IGNORECASE,
)
_ONE_BACK = re.compile(r"\b(?:last|next|this|previous|following|same)\s+(?:day|week|month|quarter|year|decade)\b", re.IGNORECASE)  # fmt: skip
_ADDRESS = re.compile(
    r"^[A-Z]{2}\s+\d{4,5}|^\d{5}(?:-\d{4})?$|^\d{4}\s+[A-Z]{2}\b|^(?i:suite|room|box|floor|unit|apt)\b"
)


def is_absolute(surface: str) -> bool:
    """Whether it names a day, month, year or decade of the calendar: "May 2020", "5/4/1999", "the 1990s"."""
    return not _ADDRESS.match(surface) and _ABSOLUTE.search(surface) is not None


def is_date(surface: str) -> bool:
    """Whether it says when something is: also "last year" and "Monday", not "30 days" or "weekly"."""
    if is_absolute(surface):
        return True
    if _ONE_BACK.search(surface) or "ago" in surface.lower().split():
        return True
    return _RELATIVE.search(surface) is not None and not _LENGTH.match(surface)
