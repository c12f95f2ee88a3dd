"""Mentions that name nothing one could meet again: headings, parts of agreements, currencies.

Contracts write their own words with capitals, which misleads language engines; what is thrown out
here is thrown out for what it says or where it stands, never for being rare.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

import numpy as np

from salient.knowledge.names import is_legal_form, parse, words
from salient.knowledge.parties import is_role
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
_STREETS = r"(?:street|st|avenue|ave|road|rd|boulevard|blvd|drive|dr|lane|ln|parkway|pkwy|highway|hwy|expressway|way|court|plaza|square|terrace|broadway)"  # fmt: skip
_STREET = re.compile(rf"(?:^|(?<=\s)|(?<=\d)){_STREETS}\.?$", re.IGNORECASE)
_HOUSE_NUMBER = re.compile(r"(?:^|[\s,(])\d{1,5}[A-Za-z]?,?\s+(?:(?:[NSEW]\.?|North|South|East|West)\s+)?(?:\d+(?:st|nd|rd|th)\s+)?$")  # fmt: skip
_ROOM = re.compile(r"(?:suite|floor|room|unit|building|bldg|p\.?\s?o\.?\s?box|zip|fax|tel|attn|attention)\b[\s.:#\w-]*", re.IGNORECASE)  # fmt: skip
_POSTCODE = re.compile(
    r"(?:^|\s)(?:(?:[A-Z]{2}|[A-Z]\.[A-Z]\.)\s+\d{5}(?:-\d{4})?|[A-Z]\d[A-Z]\s?\d[A-Z]\d)$"
)
_REFERENCE = re.compile(r"(?:the\s+)?(?:schedule|exhibit|section|article|annex|appendix|clause|rule|attachment|(?:sub)?paragraph|subsection|chapter|figure|item|amendment|addendum|recital)\s+(?:no\.?\s*)?(?:\(?\d[\w.()-]*|[IVXLC]+|\(?[A-Z]\)?)(?![\w’'])", re.IGNORECASE)  # fmt: skip
_LEGALESE = re.compile(r"\b(?:shall\s+mean|has\s+the\s+meaning|herein(?:after)?|here(?:to|of|under|by)|there(?:to|of|under)|whereof|whereas|witnesseth)\b", re.IGNORECASE)  # fmt: skip
_STATUTE = re.compile(r"\b(?:act|code|laws?|rules|regulations?|treaty|constitution|statutes?|directive|convention|charter|gdpr|[a-z]\.?f\.?r|u\.?s\.?c)\b", re.IGNORECASE)  # fmt: skip
_SMALL_WORD = re.compile(r"(?<![\w’'-])[a-z]{2,}(?![\w-])")
_OFFICES = frozenset(
    "ceo cfo coo cto cmo cio president chairman director manager secretary treasurer vp".split()
)
_DEGREES = frozenset("ma ba bs ms mba phd jd llm msc bsc md llb".split())
# Last words of terms in documents that define their own.
_TERMS_OF_CONTRACTS = frozenset(
    """affiliate affiliates product products customer customers trademark trademarks tariff requirement requirements order
    orders content contents statement statements license licenses licence licences permit designee designees manual
    policies services service software information materials material data records record user users employees program
    programs plan plans site sites website equipment technology improvements specifications network""".split()
)
_OF_SOMEBODY = frozenset(
    "affiliate affiliates subsidiary subsidiaries designee designees assignee assignees".split()
)
# Bodies whose names are made of everyday words: the Securities and Exchange Commission.
_INSTITUTIONS = frozenset(
    "commission court ministry university exchange senate congress parliament".split()
)
NEVER_HEADINGS = frozenset({"PLACE"})


def is_furniture(text: Text, start: int) -> bool:
    """Whether an offset lies in a header, footer or boilerplate block."""
    kind = _block_kind(text, start)
    return kind is not None and kind in FURNITURE


def is_no_name(norm: str, kind: str) -> bool:
    """Whether a norm can be no name: signs, currencies, function words, a degree or suffix alone."""
    if not norm or not any(c.isalpha() or ord(c) > 127 for c in norm):
        return True
    if (len(norm) == 1 and norm.isascii()) or is_legal_form(norm) or norm in _CURRENCIES:
        return True
    if norm == "esq" or (
        kind in {"ORG", "PERSON"} and (norm in words("suffixes") or norm in _DEGREES | _OFFICES)
    ):
        return True
    tokens = norm.split()
    if _LEGALESE.search(norm):
        return True
    return kind != "PLACE" and all(t in words("function") for t in tokens)


def is_term(norm: str, kind: str) -> bool:
    """Whether a norm reads as a term of an agreement: "Final Repayment Date"."""
    if kind not in {"ORG", "PERSON", "PRODUCT"}:
        return False
    name = parse(norm, "ORG")
    return not name.legal and bool(name.core) and name.core[-1] in _TERMS


def is_heading(text: Text, start: int, end: int) -> bool:
    """Whether a mention is all of a heading, or the title of a numbered clause."""
    block = _block(text, start)
    if block is not None and text.block_kind[block] in {Kind.TITLE, Kind.HEADING}:
        whole = text.text[int(text.block_start[block]) : int(text.block_end[block])]
        letters = sum(c.isalpha() for c in whole)
        if sum(c.isalpha() for c in text.text[start:end]) >= 0.8 * letters:
            return True
    before = text.text[max(0, start - 30) : start]
    return bool(_NUMBERED.search(before)) and bool(_AFTER_HEADING.match(text.text, end))


def is_address(text: str, start: int, end: int) -> bool:
    """Whether a mention is a piece of a postal address: "3150 Almaden Expressway", "Suite 600", "NY 10018"."""
    surface = text[start:end]
    if _ROOM.fullmatch(surface) or _POSTCODE.search(surface):
        return True
    if not _STREET.search(surface):
        return False
    numbered = surface[0].isdigit() or _HOUSE_NUMBER.search(text[max(0, start - 24) : start])
    return bool(numbered) or _STREET.fullmatch(surface) is not None


def is_reference(surface: str, kind: str) -> bool:
    """Whether a mention points into a document: "Schedule 1", "Rule 24b-2", "Article I of the Terms"."""
    match = _REFERENCE.match(surface)
    if match is not None and kind == "LAW":
        return _STATUTE.search(surface) is None
    return match is not None and (
        kind in {"ORG", "PERSON", "PRODUCT"} or match.end() == len(surface)
    )


def defines_words(text: str, n_defined: int) -> bool:
    """Whether a document reads like a contract, which gives words meanings of their own."""
    return n_defined >= 4 or len(_LEGALESE.findall(text)) >= 6


class Terms:
    """Tells names from terms of one document that defines its words, as contracts do.

    Such a document writes its terms with capitals ("Licensed Software") and their words without
    ("the software is licensed"). Where all words of a "name" also stand in small letters, it is a
    term. In documents that read like no contract nothing is a term for this.
    """

    def __init__(self, text: str, defined: Collection[str]) -> None:
        self._defining = defines_words(text, len(defined))
        self._text = text
        self._small: Counter[str] = Counter()
        if self._defining:
            self._small.update(_SMALL_WORD.findall(text))
            # Words of terms that are no party's name count as small ones.
            for term in defined:
                if " " in term or is_role(term):
                    self._small.update(term.split())

    def has(self, surface: str, norm: str, kind: str, label: str, n: int = 1) -> bool:
        """Whether a mention, one of `n`, names nothing but a term; never with a legal form."""
        if not self._defining:
            return False
        name = parse(norm, "ORG")
        if name.legal or not name.core:
            return False
        last = name.tokens[-1]
        if kind in {"LAW", "WORK"} and (last in _TERMS or last in _TERMS_OF_CONTRACTS):
            return True
        if kind == "LAW":
            return False
        if last in _OF_SOMEBODY:
            return kind != "PLACE"
        if self._is_shout(surface, kind):
            return True
        if (
            kind in {"ORG", "PERSON", "PRODUCT", "EVENT"}
            and last in _TERMS_OF_CONTRACTS
            and self._is_small(last)
        ):
            return True  # of a party, mostly: "Acme Affiliates"
        if kind == "PLACE" and (surface.isupper() or (label == "GPE" and not last.endswith("s"))):
            return False
        if _INSTITUTIONS & set(name.tokens):
            return False
        told = [t for t in name.tokens if len(t) == 1 or t not in words("stop")]
        if kind == "PERSON" and len(told) > 1 and n < 3 and not last.endswith("s"):
            return False  # "Mark Hill" is made of small words, too; "Owned Patents" is nobody
        return bool(told) and all(self._is_small(t) for t in told)

    def _is_shout(self, surface: str, kind: str) -> bool:
        """Whether words stand in capitals alone in all the text: a heading, for a name has a form, too."""
        words_of = surface.split()
        long = len(words_of) > 1 or (len(surface) > 6 and surface.isalpha())
        if kind == "PLACE" or (kind == "PERSON" and len(words_of) > 1) or not surface.isupper():
            return False
        return long and surface.title() not in self._text

    def _is_small(self, token: str) -> bool:
        """Whether a word stands in small letters, in the singular or the plural."""
        forms = {token, f"{token}s", f"{token}es", token.removesuffix("s")}
        if token.endswith("y"):
            forms.add(f"{token[:-1]}ies")
        if token.endswith("ies"):
            forms.add(f"{token[:-3]}y")
        return any(self._small[f] for f in forms)


def _block(text: Text, start: int) -> int | None:
    if not len(text.block_start):
        return None
    return max(int(np.searchsorted(text.block_start, start, side="right")) - 1, 0)


def _block_kind(text: Text, start: int) -> Kind | None:
    block = _block(text, start)
    return None if block is None else Kind(int(text.block_kind[block]))
