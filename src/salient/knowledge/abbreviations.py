"""Abbreviations that a text explains where it brings them in: "heat shock protein (HSP)", "HSP (heat shock protein)"."""

from __future__ import annotations

import re

Span = tuple[int, int]

_PARENTHESIS = re.compile(r"\(([^()\n]{2,160})\)")
_ASIDE = re.compile(r"[;:]\s|,?\s(?:or|also|see)\s|,\s")
_SHORT = re.compile(r"[^\W_][\w&./+\-]{1,9}(?: [\w&./+\-]{1,8})?")
_BEFORE = re.compile(r"(?<![\w&./+\-])[^\W_][\w&./+\-]{1,9}$")
_SENTENCE_STOP = re.compile(r"[.!?]\s+(?=[A-Z])")
_WORD = re.compile(r"\S+")
_QUOTES = "\"“”„«»'‘’"
_REACH = 200  # code points before a parenthesis in which a long form can begin


def abbreviations(text: str) -> list[tuple[Span, Span]]:
    """Find the abbreviations that a text explains in parentheses, in text order.

    A short form has 2 to 10 characters, a capital among them, and is no word of its long form; the
    long form has all its letters and digits in order, the first of them at the start of a word.

    Returns:
        (short, long) spans, half-open.

    Cost: linear in the text: a parenthesis looks at a bounded number of characters.
    Source: Schwartz and Hearst 2003, "A simple algorithm for identifying abbreviation definitions in
    biomedical text". We also ask for a capital, and end the long form at a sentence's start.
    """
    found: list[tuple[Span, Span]] = []
    for match in _PARENTHESIS.finditer(text):
        pair = _short_inside(text, match) or _short_before(text, match)
        if pair is not None:
            found.append(pair)
    return found


def _short_inside(text: str, match: re.Match[str]) -> tuple[Span, Span] | None:
    start, end = _trimmed(text, *match.span(1))
    if aside := _ASIDE.search(text, start, end):
        start, end = _trimmed(text, start, aside.start())
    if not _SHORT.fullmatch(text, start, end) or not _has_capital(text[start:end]):
        return None
    stop = match.start() - (text[match.start() - 1 : match.start()] == " ")
    first = max(stop - _REACH, 0)
    first = max(first, *(text.rfind(sign, first, stop) + 1 for sign in "\n();"))
    for boundary in _SENTENCE_STOP.finditer(text, first, stop):
        first = boundary.end()
    short = text[start:end]
    words = list(_WORD.finditer(text, first, stop))[-min(len(short) + 5, 2 * len(short)) :]
    if not words:
        return None
    stop = words[-1].end()
    return _pair(text, (start, end), (words[0].start(), stop))


def _short_before(text: str, match: re.Match[str]) -> tuple[Span, Span] | None:
    stop = match.start() - (text[match.start() - 1 : match.start()] == " ")
    short = _BEFORE.search(text, max(stop - 12, 0), stop)
    start, end = _trimmed(text, *match.span(1))
    if aside := _ASIDE.search(text, start, end):
        start, end = _trimmed(text, start, aside.start())
    if short is None or " " not in text[start:end] or not _has_capital(short.group()):
        return None
    pair = _pair(text, short.span(), (start, end))
    return pair if pair is not None and pair[1][0] == start else None


def _trimmed(text: str, start: int, end: int) -> Span:
    """A span without the quotation marks and the article around a term."""
    for _ in range(2):
        while start < end and (text[start] in _QUOTES or text[start].isspace()):
            start += 1
        while start < end and (text[end - 1] in _QUOTES or text[end - 1].isspace()):
            end -= 1
        if text[start : min(start + 4, end)].lower() == "the ":
            start += 4
    return start, end


def _has_capital(short: str) -> bool:
    return any(c.isupper() for c in short)


def _pair(text: str, short: Span, candidate: Span) -> tuple[Span, Span] | None:
    """The shortest end of the candidate that has the short form's letters."""
    letters, within = text[slice(*short)], text[slice(*candidate)]
    at = _first_letter(within, letters)
    if at is None:
        return None
    long = within[at:]
    words = long.split()
    if len(words) < 2 and len(long) < 2 * len(letters):
        return None
    if len(long) <= len(letters) or letters in words:
        return None
    return short, (candidate[0] + at, candidate[1])


def _first_letter(candidate: str, short: str) -> int | None:
    """Match letters and digits from the last on; the first must begin a word."""
    at = len(candidate) - 1
    letters = [c for c in short if c.isalnum()]
    for position in range(len(letters) - 1, -1, -1):
        wanted = letters[position].lower()
        while at >= 0 and (
            candidate[at].lower() != wanted
            or (position == 0 and at > 0 and candidate[at - 1].isalnum())
        ):
            at -= 1
        if at < 0:
            return None
        at -= 1
    return at + 1
