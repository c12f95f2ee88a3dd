"""Where a name begins and ends in what a language engine took for one.

Engines run over parentheses, labels, list marks and clauses ("GLOBE NEWS)—Acme Corp.", "Party A: Acme
Ltd", "Acme Ltd, a Delaware corporation"). Every rule here takes words away by what they are or what
stands between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Set

from salient.knowledge.names import is_legal_form, normalise, parse

_OF_PLACE = re.compile(r",?\s+of\s+(?=[A-Z])")
_BASED = re.compile(r"[\w.]+(?:\s[\w.]+)?\s?[-‐–]\s?based\s+(?=\w)")
_BREAK = re.compile(r"\s*(?:\n\s*\n|[;\u037e\t])\s*")
_SIGNS_BEFORE = re.compile(r"[^\w(“\"‘'.&@#$€£]+|[&](?=\s)\s*")
_LEADING = re.compile(
    r"(?:\d{4,}\s+(?=(?:and|AND)\s)|\d+(?:\.\d+)+\.?\s*|\d+[A-Z]\.\s+|(?:and|or|between|by|with|AND|OR|BETWEEN|&)\s+|[a-z]\.\s+(?=[A-Z]))"
)
_CLAUSE = re.compile(r"\d+\.\d+(?:\.\d+)*\.?\s+(?=[A-Z])")
_LABEL = re.compile(r"(?:[A-Z][\w-]*\s+){0,2}[A-Z][\w-]*\s?[:：]\s*(?=\S)")
_OFFICE = re.compile(r"(?:(?:sole|managing|general|vice|senior|deputy|chief|executive|co-?)\s*)*(?:director|manager|president|secretary|treasurer|chairman|chairwoman|officer|ceo|cfo|coo|cto|member|partner)(?:\s+(?:and|&)\s+(?:chief\s+)?(?:[a-z]+\s+)?(?:officer|director|president|manager|secretary|chairman))?\s+(?:of\s+)?(?=[A-Z])", re.IGNORECASE)  # fmt: skip
_ARTICLE_INSIDE = re.compile(r"\s+an?\s+(?=[A-Z])")
_DESCRIBED = re.compile(r"\s*,\s+(?:an?|the)\s+(?=[A-Za-z])")
_TRAILING = re.compile(r"[\s,;:]+(?:as|is|se|and|and/or|or|of|in|to|by|with|the|AND|OR|&)$")
_GENERIC_FORM = re.compile(r"(?:corporation|company|partnership|association|trust|bank)$", re.IGNORECASE)  # fmt: skip
_ARTICLE = re.compile(r"\b(?:an?|any|each|another)\s+$", re.IGNORECASE)
_BETWEEN_NAMES = re.compile(
    r"\s+(?:(?P<and>and|AND|&)|(?P<of>of|for|to|from|with)(?:\s+the)?)\s+|(?P<comma>,)\s+(?:and\s+)?"
)


def name_in(text: str, start: int, end: int, kind: str) -> tuple[int, int]:
    """The name within a mention; `(start, start)` when nothing is left."""
    start, end = _piece(text, start, end, kind)
    if kind not in {"ORG", "PERSON"}:
        mark = _CLAUSE.match(text, start, end)
        return (mark.end() if mark else start), end
    moved = True
    while moved:
        moved = False
        for pattern in (_SIGNS_BEFORE, _LEADING, _LABEL, _BASED):
            match = pattern.match(text, start, end)
            if match and match.end() > start:
                start, moved = match.end(), True
    if kind == "ORG":
        start = _behind_office(text, start, end)
        end = start + _length(text[start:end])
    stripped = _TRAILING.sub("", text[start:end])
    return start, start + len(stripped)


def is_description(text: str, start: int, end: int) -> bool:
    """Whether a "name" says only what kind of company somebody is: "a Delaware Corporation"."""
    surface = text[start:end]
    if not _GENERIC_FORM.search(surface) or len(surface.split()) > 4:
        return False
    return bool(_ARTICLE.search(text[max(0, start - 10) : start])) and not text[
        end : end + 2
    ].strip(" ,.;()\n")


def parts(text: str, start: int, end: int, known: Set[str]) -> list[tuple[int, int]]:
    """The names in a mention that joins several ("Acme and Beta Ltd"), or the mention alone.

    Args:
        known: norms of mentions that stand alone elsewhere in the document.
    """
    for match in _BETWEEN_NAMES.finditer(text, start, end):
        left, right = normalise(text[start : match.start()]), normalise(text[match.end() : end])
        if not right or left == right or is_legal_form(parse(right, "ORG").key):
            continue
        company = _has_form(right)
        if match["of"]:
            if right in known and company:
                return [(match.end(), end)]  # "Duties of Acme Ltd"
            continue
        both = [(start, match.start()), (match.end(), end)]
        if right in known and (company or left in known):
            return both
        if match["and"] and left in known and company:
            return both
        if match["comma"] and right in known and not _has_form(left):
            return both
    return [(start, end)]


def _has_form(norm: str) -> bool:
    return bool(parse(norm, "ORG").legal)


def _piece(text: str, start: int, end: int, kind: str) -> tuple[int, int]:
    """The piece between breaks that has a legal form, else the first that says anything."""
    pieces = [p for p in _pieces(text, start, end) if any(c.isalpha() for c in text[slice(*p)])]
    if not pieces:
        return start, start
    if kind == "ORG" and len(pieces) > 1:
        for first, last in pieces:
            if _has_form(normalise(text[first:last])):
                return first, last
    return pieces[0]


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    cuts = [m.span() for m in _BREAK.finditer(text, start, end)]
    depth: list[int] = []
    for at in range(start, end):
        if text[at] == "(":
            depth.append(at)
        elif text[at] == ")":
            if depth:
                depth.pop()
            else:
                cuts.append((at, at + 1))
    cuts.extend((at, at + 1) for at in depth)
    at = start
    for first, last in [*sorted(cuts), (end, end)]:
        piece = text[at:first]
        left = at + len(piece) - len(piece.lstrip())
        if piece.strip():
            yield left, left + len(piece.strip())
        at = max(at, last)


def _behind_office(text: str, start: int, end: int) -> int:
    """Behind "Sole Director" in a signature's "Title: Sole Director Acme LLC"."""
    match = _OFFICE.match(text, start, end)
    if match:
        rest = parse(normalise(text[match.end() : end]), "ORG")
        if rest.legal and rest.core:
            return match.end()
    return start


def _length(surface: str) -> int:
    """Before "of Hull" in "Osprey Shipping Company Ltd of Hull", before ", a Dutch company"."""
    end = len(surface)
    described = _DESCRIBED.search(surface)
    if described and described.start():
        end = described.start()
    for match in _ARTICLE_INSIDE.finditer(surface, 0, end):
        if _has_form(normalise(surface[: match.start()])):
            end = match.start()  # "HALDEN INC a Nevada"
            break
    for match in _OF_PLACE.finditer(surface, 0, end):
        words = re.sub(r"[.,]", "", surface[: match.start()]).lower().split()
        if (
            len(words) > 1
            and is_legal_form(words[-1])
            and words[-1] not in {"company", "co", "trust"}
        ):
            end = match.start()
            break
    return len(_TRAILING.sub("", surface[:end]))
