"""The parties that a contract's preamble introduces, and what it calls them.

A preamble cuts itself into stretches: each begins with a party's name and ends with the definition
of what the paper calls it. So the bearer of a definition is found by place and shape, whatever type
a language engine gave it, or none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from salient.knowledge.names import fold, normalise, parse, words

REACH = 12_000
"""Code points from the start of a text in which a preamble may stand."""

KIND = r"(?:agreement|contract|lease|deed|memorandum\s+of\s+understanding|addendum|amendment|charter[- ]?party|letter\s+of\s+intent)"  # fmt: skip
_OPENING = re.compile(
    rf"\bthis\s+((?:[\w&/,'’\-]+\s+){{0,9}}?{KIND})\b[^\n]{{0,400}}?\b(?:is|are|was|has\s+been|,?\s*dated|made|entered|effective|by\s+and|between|among)\b",
    re.IGNORECASE,
)
_TITLED_OPENING = re.compile(
    rf"(?:^|(?<=\n))(?:this\s+)?((?:[\w&/,'’\-]+[ \t]+){{0,9}}?{KIND})\s+\((?:the|this|herein|hereinafter)\s[^()\n]{{0,40}}\)",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"\b(?:by\s+and\s+(?:between|among(?:st)?)|between|among(?:st)?|is\s+made\s+by(?!\s+and\s+(?:between|among)))\b", re.IGNORECASE)  # fmt: skip
_END = re.compile(r"\b(?:W\s?I\s?T\s?N\s?E\s?S\s?S\s?E\s?T\s?H|WITNESSES|RECITALS?|WHEREAS|BACKGROUND|NOW,?\s+THEREFORE|(?:the\s+parties|it\s+is)\s+(?:hereby\s+)?agreed?|1\.\s+(?:definitions|interpretation))\b", re.IGNORECASE)  # fmt: skip
_HEADING = re.compile(
    r"(?:^|\n)\s*(?:PARTIES|BETWEEN|Between|THE\s+PARTIES|The\s+Parties)\s*:?\s*(?:\n|$)"
)
_NAMES_FIRST = re.compile(
    rf"(?:^|\n)([^\n]{{20,1500}}?\b(?:hereby\s+)?(?:enters?|agree|have\s+entered|have\s+agreed)\s(?:into|to)\s+this\s+((?:[\w&/,'’\-]+\s+){{0,6}}?{KIND}))\b",
    re.IGNORECASE,
)
_TITLE = re.compile(rf"^[^\n]{{0,100}}\b{KIND}\b[^\n]{{0,60}}$", re.IGNORECASE | re.MULTILINE)
_LABEL = re.compile(r"^[ \t(]*(Party[ \t]+(?:[A-Z]|\d|One|Two|Three)|(?:The[ \t]+)?[A-Z][a-z]+(?:[ \t][A-Z][a-z]+)?)[ \t)]*[:：][ \t]*(?=[\w“\"])", re.MULTILINE)  # fmt: skip
_JOINT = re.compile(r"[^\w(“\"&]*(?:(?:and|&)\b[\s:,\-–—]*)?(?:\(?(?:\d{1,2}|[a-zivx]{1,3})[.)]\s+)?(?:Party\s+\w+\s*[:：]\s*)?(?:the\s+)?[“\"]?", re.IGNORECASE)  # fmt: skip
_NAME_ENDS = re.compile(r"[,;(\n“”\"]|\s(?:an?|having|hereinafter|hereafter|with|whose|of\s+\d|located|incorporated|registered|organi[sz]ed|acting|residing|and)\s")  # fmt: skip
_HUMAN = re.compile(r"\b(?:an?\s+individual|resid(?:ing|ent|es)|businessperson|citizen|passport|born)\b", re.IGNORECASE)  # fmt: skip
_TITLED = re.compile(r"(?:Mr|Mrs|Ms|Dr|Prof)\.?\s")
_FOR_PEOPLE = frozenset({"executive", "employee", "consultant", "director", "officer", "individual", "founder", "inventor", "author"})  # fmt: skip
_ROLES = frozenset(
    """company corporation bank trust fund executive agent owner partner firm institution university client tenant
    consultant participant recipient registrant claimant applicant respondent president assistant parent subsidiary
    customer principal individual school hospital foundation issuer sponsor""".split()
)
_NO_ROLES = frozenset(
    """letter order offer matter number transfer water paper charter register power center server power chapter quarter
    error floor factor sector door color fee committee guarantee waiver disclaimer cover consumer user customer-data
    manner tender folder header footer computer filter container newsletter trailer member other former later further
    never over under together order procedure remainder rider master water silver monitor motor interior exterior minor
    major prior refer whether either""".split()
)


@dataclass(frozen=True, slots=True)
class Region:
    """Where a preamble names parties: from `first`, behind "between", to `end`. `start` is the sentence's."""

    title: str
    start: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Party:
    """A party's name by its place. `kind` is ORG or PERSON; `term` what the paper calls it, from `defined` on."""

    start: int
    end: int
    kind: str
    term: str
    defined: int


def region(text: str) -> Region | None:
    """The preamble of a contract, None when the text has none."""
    head = text[:REACH]
    openings = (_OPENING.search(head), _TITLED_OPENING.search(head))
    match = min((m for m in openings if m), key=lambda m: m.start(), default=None)
    heading = _HEADING.search(head)
    between = _BETWEEN.search(head, match.start()) if match else None
    if match and between and between.start() - match.end() <= 800:
        start, title, first = match.start(), match.group(1), between.end()
    elif heading and match:
        start, title, first = match.start(), match.group(1), heading.end()
    elif heading and (named := _TITLE.search(head[: heading.start() + 1])):
        start, title, first = heading.start(), named.group(0), heading.end()
    elif sentence := _NAMES_FIRST.search(head):
        return Region(sentence.group(2), sentence.start(1), sentence.start(1), sentence.end(1))
    else:
        return None
    stop = _END.search(head, first)
    end = min(stop.start() if stop else first + 1500, first + 2500)
    return Region(title, start, first, end)


def is_role(term: str) -> bool:
    """Whether a term is what a contract calls a party: "Supplier", "Licensee", "the Company", "Party A"."""
    tokens = fold(term).split()
    if not tokens or len(tokens) > 4:
        return False
    last = tokens[-1]
    if tokens[0] == "party" and len(tokens) == 2:
        return True
    if last in _ROLES:
        return True
    return last not in _NO_ROLES and len(last) > 4 and last.endswith(("er", "or", "ee"))


def introduced(
    text: str,
    where: Region,
    definitions: Sequence[tuple[int, int, Sequence[str]]],
    spans: Sequence[tuple[int, int, str]],
) -> Iterator[Party]:
    """The parties whose definitions stand in a preamble.

    Args:
        definitions: start, end and terms of each definition, in text order.
        spans: (start, end, type) of mentions, in text order.
    """
    at = where.first
    for start, end, terms in definitions:
        if start < where.first or start > where.end:
            continue
        own = _own_name(text, at, start, spans)
        at = end
        if own is not None:
            for term in terms:
                yield Party(*own[:2], _kind_of(text, own, start, term), term, start)


def _kind_of(text: str, own: tuple[int, int, str | None], stop: int, term: str) -> str:
    first, last, said = own
    surface = text[first:last]
    if _has_form(surface):
        return "ORG"
    human = _HUMAN.search(text, last, stop) or _TITLED.match(text, first)
    if human:
        return "PERSON"
    hinted = said == "PERSON" or fold(term) in _FOR_PEOPLE
    return "PERSON" if hinted and _is_persons(surface) else "ORG"


def labelled(text: str, where: Region | None) -> Iterator[Party]:
    """Parties by lines such as "Party A: Acme Ltd" near the start of a text."""
    for match in _LABEL.finditer(text, 0, min(REACH, where.end if where else REACH // 3)):
        term = match.group(1).removeprefix("The ")
        if not is_role(term) or term.endswith("Bank"):
            continue
        line = text.find("\n", match.end())
        found = _shaped(text, match.end(), line if line >= 0 else len(text))
        if found is not None and (term.startswith("Party") or _has_form(text[slice(*found)])):
            yield Party(*found, "ORG", term, match.start(1))


def _own_name(
    text: str, at: int, stop: int, spans: Sequence[tuple[int, int, str]]
) -> tuple[int, int, str | None] | None:
    """The name that a stretch of a preamble is about, and the type that the engine gave it."""
    inside = [s for s in spans if at <= s[0] and s[1] <= stop]
    for first, last, _ in inside:
        if _has_form(text[first:last]):
            return first, last, None
    joint = _JOINT.match(text, at, stop)
    begin = joint.end() if joint else at
    for first, last, kind in inside:
        if abs(first - begin) <= 6 and kind in {"ORG", "PERSON"}:
            return first, last, kind
    shaped = _shaped(text, begin, stop)
    return None if shaped is None else (*shaped, None)


def _shaped(text: str, begin: int, stop: int) -> tuple[int, int] | None:
    """A run of capitalised words at `begin`."""
    match = _NAME_ENDS.search(text, begin, stop)
    end = match.start() if match else stop
    if match and text[end] == ",":
        form = re.compile(r",\s*[A-Z][\w.]*\.?").match(text, end, stop)
        if form and _has_form(text[begin : form.end()]):
            end = form.end()
    surface = text[begin:end].rstrip()
    told = [w for w in surface.split() if w.lower() not in words("stop")]
    capital = sum(w[0].isupper() or not w[0].isalpha() for w in told)
    if not 1 <= len(told) <= 10 or capital < 0.7 * len(told):
        return None
    if len(surface) < 3 or ":" in surface or not any(c.isupper() for c in told[0]):
        return None
    return begin, begin + len(surface)


def _is_persons(surface: str) -> bool:
    tokens = normalise(surface, person=True).split()
    return 2 <= len(tokens) <= 4 and not set(tokens) & words("generic")


def _has_form(surface: str) -> bool:
    return bool(parse(normalise(surface), "ORG").legal)
