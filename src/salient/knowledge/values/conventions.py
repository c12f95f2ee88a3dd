"""What a document's plain values say about its ambiguous ones."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from salient.knowledge.values.dates import numeric_order
from salient.knowledge.values.value import Conventions, cleaned

MAX_READ = 5000
"""Values that are looked at: more do not settle more."""

# Ways to write one currency that leave no doubt, by the sign they settle.
_MARKED: Final = {
    "$": {"USD": r"US ?\$|U\.S\.? ?\$|\bUSD\b|\bU\.?S\.? dollars?|\b(?i:united states) dollars?", "CAD": r"\bCA?N?\$|\bCdn ?\$|\bCAD\b|\bCanadian dollars?",
          "AUD": r"\bAU?\$|\bAUD\b|\bAustralian dollars?", "NZD": r"NZ\$|\bNZD\b|\bNew Zealand dollars?",
          "SGD": r"\bS\$|\bSGD\b|\bSingapore dollars?", "HKD": r"HK\$|\bHKD\b|\bHong Kong dollars?"},
    "kr": {"NOK": r"\bNOK\b|\bNorwegian kron", "SEK": r"\bSEK\b|\bSwedish kron", "DKK": r"\bDKK\b|\bDanish kron"},
    "¥": {"JPY": r"\bJPY\b|\b[Yy]en\b", "CNY": r"\bCNY\b|\bRMB\b|\b[Rr]enminbi\b|\b[Yy]uan\b"},
    "rupee": {"INR": r"\bINR\b|₹|\bIndian rupees?", "PKR": r"\bPKR\b|\bPakistani rupees?"},
}  # fmt: skip
_PATTERNS: Final = {s: {c: re.compile(p) for c, p in codes.items()} for s, codes in _MARKED.items()}
_DECIMALS = re.compile(r"\d([.,])(\d+)(?!\d)(?![.,]\d)")


def conventions_of(values: Iterable[tuple[str, str]]) -> Conventions:
    """What a document's values settle, from their (surface, label).

    - 25/12/2020 beside 3/4/2021 puts the day first; both orders in one document settle nothing.
    - 1.234,56 or 2,5 makes the comma the decimal sign; a document with both ways settles nothing.
    - US$ or "Canadian dollars" names the dollars meant by "$", if it is the only kind named.

    Cost: linear in the surfaces, of which the first `MAX_READ` are read.
    """
    orders: set[bool] = set()
    marks: set[str] = set()
    said: dict[str, set[str]] = {sign: set() for sign in _PATTERNS}
    for count, (surface, label) in enumerate(values):
        if count >= MAX_READ:
            break
        if label == "DATE" and (order := numeric_order(cleaned(surface))) is not None:
            orders.add(order)
        elif label in {"MONEY", "PERCENT", "QUANTITY", "CARDINAL"}:
            marks |= {m for m, after in _DECIMALS.findall(surface[:200]) if len(after) != 3}
        if label == "MONEY":
            for sign, codes in _PATTERNS.items():
                said[sign] |= {c for c, p in codes.items() if p.search(surface[:200])}
    return Conventions(
        day_first=next(iter(orders)) if len(orders) == 1 else None,
        decimal=next(iter(marks)) if len(marks) == 1 else None,
        currencies={s: next(iter(c)) for s, c in said.items() if len(c) == 1} or None,
    )
