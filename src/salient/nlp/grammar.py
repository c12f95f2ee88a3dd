"""Values and names that their form gives away: money, dates, addresses, laws, companies.

Patterns work in tables and in languages that the model does not know. Reading a value's meaning
(an ISO date, an amount) is not done here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from salient.model import FURNITURE, Kind
from salient.nlp.legal_forms import find_companies
from salient.nlp.units import MAX_RUN, Unit

Row = tuple[int, int, str, float]

# A digit, "." or "," on either side would make it a part of a longer number or code.
_NUMBER = r"\d{1,3}(?:[,.’' \u00a0\u202f]\d{3})+(?:[.,]\d{1,4})?|\d+(?:[.,]\d+)?"
# A full stop behind a scale is its own only where the scale is cut short: "5 million." ends there.
_SCALE = (
    r"(?:[ \u00a0\n-]?(?i:thousand|million|billion|trillion)\b"
    r"|[ \u00a0-]?(?:(?:mn|bn|tn|[kKmMbB])\b|(?:mill?|[Mm]io|[Mm]rd)\b\.?))"
)
_CODES = (
    "USD|EUR|GBP|NOK|SEK|DKK|ISK|CHF|JPY|CNY|RMB|HKD|SGD|AUD|NZD|CAD|INR|KRW|TWD|THB|MYR|IDR|PHP|VND|"
    "BRL|MXN|ARS|CLP|COP|PEN|ZAR|NGN|KES|EGP|MAD|AED|SAR|QAR|ILS|TRY|PLN|CZK|HUF|RON|BGN|RUB|UAH"
)
_SIGNS = r"(?:US|CA|AU|NZ|HK|S|C|A|R|NT)?\$|[€£¥₹₩₽₺₴₪₫฿]"
_UNITS = (
    r"(?:U\.?S\.?|Canadian|Australian|Hong Kong|Singapore|New Zealand)?\s?dollars?|euros?|"
    r"(?:British )?pounds?(?: sterling)?|cents?|yen|yuan|renminbi|rupees?|rubles?|won|pesos?|reais|francs?|"
    r"(?:Norwegian |Swedish |Danish )?(?:kroner|kronor|krone|krona)"
)
_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December|"
    r"Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"
)
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?:1[5-9]|20)\d\d"
_S = r"[ \t\u00a0\n]{1,3}"

_FLAGS_NUMBER = r"(?<![\w.,$€£¥-])"

_PATTERNS: Sequence[tuple[str, float, re.Pattern[str]]] = (
    ("EMAIL", 0.99, re.compile(
        r"(?<![\w.+-])[A-Za-z0-9][\w.+-]{0,63}@(?:[A-Za-z0-9-]{1,63}\.){1,6}[A-Za-z]{2,24}\b")),
    ("URL", 0.98, re.compile(
        rf"(?:https?://|www\.)[^\s<>\"'()\[\]{{}}]{{2,{MAX_RUN}}}(?<![.,;:!?])", re.I)),
    ("DATE", 0.97, re.compile(
        rf"(?<![\w/.-])(?:{_YEAR}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])(?![\w-])"
        rf"|{_DAY}[./]{_DAY}[./](?:{_YEAR}|\d\d)(?![\w/]|[.]\d))")),
    ("DATE", 0.98, re.compile(
        rf"\b(?:{_DAY}(?:st|nd|rd|th)?{_S}(?:day{_S}of{_S}|of{_S})?{_MONTH},?(?:{_S}{_YEAR}\b)?"
        rf"|{_MONTH}{_S}{_DAY}(?:st|nd|rd|th)?\b(?:,?{_S}{_YEAR}\b)?"
        rf"|{_MONTH},?{_S}(?:of{_S})?{_YEAR}\b)")),
    ("DATE", 0.95, re.compile(
        rf"\b(?:Q[1-4][ /-]?(?:FY)?{_YEAR}|FY[ -]?(?:{_YEAR}|\d\d)|H[12]{_S}{_YEAR}"
        rf"|(?:first|second|third|fourth){_S}quarter{_S}(?:of{_S})?{_YEAR})\b", re.I)),
    ("MONEY", 0.98, re.compile(
        rf"(?<![\w.])(?:(?:{_CODES})[ \u00a0]?(?:{_SIGNS})?|(?:{_SIGNS}))[ \u00a0]?(?:{_NUMBER})(?![\d])"
        rf"{_SCALE}?(?:[ \u00a0](?:{_CODES})\b)?")),
    ("MONEY", 0.97, re.compile(
        rf"{_FLAGS_NUMBER}(?:{_NUMBER})(?!\d)(?:{_SCALE}(?=[ \u00a0\n]))?[ \u00a0\n]?(?:(?:{_CODES})\b|[€£]"
        rf"|(?:{_UNITS})\b)")),
    ("PERCENT", 0.98, re.compile(
        rf"(?<![\w.,])(?:{_NUMBER})[ \u00a0]?(?:%|‰|(?:per[ \u00a0]?cent|percentage{_S}points?"
        rf"|basis{_S}points?|bps)\b)")),
    ("LAW", 0.97, re.compile(
        r"\b(?:Council |Commission |Delegated |Implementing )*(?:Regulation|Directive|Decision)s? "
        r"(?:\((?:EU|EC|EEC|Euratom|CFSP)[^)]{0,10}\) )?(?:No\.? ?)?\d{2,4}/\d{1,4}(?:/(?:EU|EC|EEC))?\b")),
    ("LAW", 0.95, re.compile(
        r"\b\d{1,3} (?:U\.? ?S\.? ?C\.?|C\.? ?F\.? ?R\.?)(?: Part| Sec(?:tion|\.))? ?§{0,2} ?\d[\w.()-]*\w")),
    ("LAW", 0.92, re.compile(
        r"\b(?:[A-Z][\w’'&-]+,?[ \n](?:(?:and|of|for|on|in|to|the|&)[ \n]){0,2}){1,8}?"
        r"(?:Act|Code|Ordinance|Convention|Treaty)(?:,? (?:of )?(?:1[5-9]|20)\d\d\b)")),
    ("PHONE", 0.9, re.compile(
        r"(?<![\w+])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){1,4}"
        r"|\(\d{3}\) ?\d{3}[-. ]\d{4})(?![\w-])")),
)  # fmt: skip

# A cheap look before the patterns: without one of these no pattern matches.
_SPARK = re.compile(r"\d|@|://|www\.", re.I)


def find(text: str, units: Iterable[Unit]) -> list[Row]:
    """Every value in the units, as (start, end, label, score); spans of one label do not overlap.

    Scores are rough: how often a match of that pattern was right on contracts and news.
    """
    rows: list[Row] = []
    for unit in units:
        if unit.kind in FURNITURE or unit.kind == Kind.CODE:
            continue
        if unit.end - unit.start > MAX_RUN and not unit.prose:
            continue
        piece = text[unit.start : unit.end]
        values = _values(piece) if _SPARK.search(piece) else []
        companies = _companies(piece, values) if unit.prose else []
        rows += [
            (unit.start + a, unit.start + b, label, score)
            for a, b, label, score in (*values, *companies)
        ]
    return rows


def _companies(piece: str, values: Sequence[Row]) -> Iterator[Row]:
    """Companies, less a value that stands before the name: "On 3 March 2021 Halden Maritime AS"."""
    for start, end, score in find_companies(piece):
        begin = max([start, *(b for a, b, *_ in values if a < end and start < b < end)])
        while not piece[begin].isalnum():
            begin += 1
        yield begin, end, "ORG", score


def _values(piece: str) -> list[Row]:
    found: list[Row] = []
    for label, score, pattern in _PATTERNS:
        for match in pattern.finditer(piece):
            a, b = match.span()
            if label == "DATE" and not any(c.isdigit() for c in match.group()):
                continue
            while piece[b - 1] in ",;:" or piece[b - 1].isspace():
                b -= 1
            found.append((a, b, label, score))
    # The longest of what overlaps: a date inside an address is not a date.
    found.sort(key=lambda r: (r[0] - r[1], r[0]))
    kept: list[Row] = []
    for row in found:
        if all(row[1] <= k[0] or row[0] >= k[1] for k in kept):
            kept.append(row)
    return kept
