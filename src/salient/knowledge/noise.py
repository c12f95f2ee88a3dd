"""Mentions that name nothing one could meet again: headings, parts of agreements, currencies.

Contracts write their own words with capitals, which misleads language engines; what is thrown out
here is thrown out for what it says or where it stands, never for being rare.
"""

from __future__ import annotations

import re

import numpy as np

from salient.knowledge.names import is_legal_form, parse
from salient.model import FURNITURE, Kind, Text

_CURRENCIES = frozenset(
    "eur usd gbp chf nok sek dkk jpy cny inr aud cad nzd sgd hkd krw brl mxn zar rub try pln czk huf aed sar".split()
)
# A "name" that ends so is a term of the deal, unless it has a legal form.
_TERMS = frozenset(
    """date dates period periods term terms fee fees price prices amount amounts rate rates payment payments obligation
    obligations covenant covenants default defaults event events notice notices right rights document documents agreement
    agreements clause clauses section sections article articles schedule schedules exhibit exhibits annex appendix recital
    recitals premises property properties territory warranty warranties liability liabilities indemnity damages expense
    expenses cost costs party parties confidentiality termination assignment insurance-requirements deliverables invoice
    invoices purchase-price balance proceeds remedies jurisdiction counterparts""".split()
)
_NUMBERED = re.compile(r"(?:^|\n)[ \t]*(?:(?:article|section|clause|schedule)\s+)?(?:\d{1,3}(?:\.\d{1,3})*\.?|\([a-z0-9]{1,3}\)|[IVXLC]+\.)[ \t]+$", re.IGNORECASE)  # fmt: skip
_AFTER_HEADING = re.compile(r"[ \t]*(?:\.|:|\n|$|[–—-])")
_OF_PLACE = re.compile(r",?\s+of\s+(?=[A-Z])")
_BASED = re.compile(r"[\w.]+(?:\s[\w.]+)?\s?[-‐–]\s?based\s+(?=\w)")
_SMALL_WORDS = re.compile(r"[\s,]+(?:as|is|se|and|of|in|to)$")
_NEVER_HEADINGS = frozenset({"PLACE"})


def is_furniture(text: Text, start: int) -> bool:
    """Whether an offset lies in a header, footer or boilerplate block."""
    kind = _block_kind(text, start)
    return kind is not None and kind in FURNITURE


def is_no_name(norm: str) -> bool:
    """Whether a norm can be no name, of whatever type."""
    if not norm or not any(c.isalpha() or ord(c) > 127 for c in norm):
        return True
    return (len(norm) == 1 and norm.isascii()) or is_legal_form(norm) or norm in _CURRENCIES


def is_term(norm: str, kind: str) -> bool:
    """Whether a norm reads as a term of an agreement: "Final Repayment Date"."""
    if kind not in {"ORG", "PERSON", "PRODUCT"}:
        return False
    name = parse(norm, "ORG")
    return not name.legal and bool(name.core) and name.core[-1] in _TERMS


def is_heading(text: Text, start: int, end: int, kind: str) -> bool:
    """Whether a mention is all of a heading, or the title of a numbered clause."""
    if kind in _NEVER_HEADINGS:
        return False
    block = _block(text, start)
    if block is not None and text.block_kind[block] in {Kind.TITLE, Kind.HEADING}:
        whole = text.text[int(text.block_start[block]) : int(text.block_end[block])]
        letters = sum(c.isalpha() for c in whole)
        if sum(c.isalpha() for c in text.text[start:end]) >= 0.8 * letters:
            return True
    before = text.text[max(0, start - 30) : start]
    return bool(_NUMBERED.search(before)) and bool(_AFTER_HEADING.match(text.text, end))


def start_of_name(surface: str) -> int:
    """Where a name begins: behind "Oslo-based" in "Oslo-based Acme Corp."."""
    match = _BASED.match(surface)
    return match.end() if match else 0


def length_of_name(surface: str, kind: str) -> int:
    """Where a company's name ends in what an engine took for one.

    Before "of Hull" in "Osprey Shipping Company Ltd of Hull", and before the "as" of running text,
    which is no "AS".
    """
    if kind != "ORG":
        return len(surface)
    end = len(surface)
    for match in _OF_PLACE.finditer(surface):
        words = re.sub(r"[.,]", "", surface[: match.start()]).lower().split()
        if (
            len(words) > 1
            and is_legal_form(words[-1])
            and words[-1] not in {"company", "co", "trust"}
        ):
            end = match.start()
            break
    return len(_SMALL_WORDS.sub("", surface[:end]))


def _block(text: Text, start: int) -> int | None:
    if not len(text.block_start):
        return None
    return max(int(np.searchsorted(text.block_start, start, side="right")) - 1, 0)


def _block_kind(text: Text, start: int) -> Kind | None:
    block = _block(text, start)
    return None if block is None else Kind(int(text.block_kind[block]))
