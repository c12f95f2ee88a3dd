"""What a value is once it is read, and how its surface is cleaned and hedges are taken off first."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal

Kind = Literal[
    "date", "date_range", "time", "duration", "set", "money", "percent", "quantity", "ordinal",
    "cardinal", "email", "url", "phone", "identifier",
]  # fmt: skip

MAX_SURFACE = 200
"""Characters; a longer surface is no value. It bounds what a pattern can cost."""


@dataclass(frozen=True, slots=True)
class Value:
    """What a mention of a value means.

    Attributes:
        normal: one string, comparable within a kind; a range is `low/high`, `..` where it is open.
        amount: exact decimal (or `n/d` where a decimal would not end), of `high` the lower bound.
        high: the upper bound of a range.
        unit: ISO 4217 code, UCUM code as written, time zone, or the scheme of an identifier.
        modifier: how the surface hedges: approx, more_than, less_than, at_least, at_most, start, mid,
            end (TimeML's `mod`), business (days), last, next, per_...
        first, last: the first and last day that a date or range takes in, where they are known.
        ambiguous: `normal` of the other readings that the surface allows; empty when it is plain.
        note: why there are others, or what is not known.
    """

    kind: Kind
    normal: str
    amount: str | None = None
    high: str | None = None
    unit: str | None = None
    modifier: str | None = None
    first: date | None = None
    last: date | None = None
    ambiguous: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Conventions:
    """What a whole document settles about its values; None where it does not.

    Attributes:
        day_first: 3/4/2021 is 3 April.
        decimal: "." or ",".
        currencies: what a sign that several currencies share stands for: "$" -> "CAD".
    """

    day_first: bool | None = None
    decimal: str | None = None
    currencies: Mapping[str, str] | None = None


NEUTRAL: Final = Conventions()

_CHANGES = str.maketrans(
    {"’": "'", "‘": "'", "`": "'", "–": "-", "—": "-", "−": "-", "‐": "-", "‑": "-", "“": '"', "”": '"', "⁄": "/",
     "\u00ad": None, "\u200b": None, "\ufeff": None}
)  # fmt: skip
_EDGES = " \t,;:\"'*_|"


def cleaned(surface: str) -> str:
    """On one line, with plain quotes and hyphens, and nothing at its ends that is only punctuation."""
    text = " ".join(surface.translate(_CHANGES).split()).strip(_EDGES)
    if text and text[0] in "([" and text[-1] in ")]" and text.count(text[0]) == 1:
        text = text[1:-1]
    text = re.sub(r"'s?$", "", text)
    return text.strip(_EDGES)


_HEDGES: Final[tuple[tuple[str, str | None], ...]] = (
    ("not less than|no less than|no fewer than|not fewer than|at least|at a minimum|a minimum of|minimum of|no earlier than|from at least", "at_least"),
    ("not more than|no more than|not to exceed|not exceeding|no later than|not later than|at most|a maximum of|maximum of|up to|as much as|as many as|as long as", "at_most"),
    ("more than|greater than|over|above|exceeding|in excess of|upwards of|well over|longer than|older than", "more_than"),
    ("less than|fewer than|under|below|nearly|almost|close to|just under|shorter than|younger than", "less_than"),
    ("approximately|approx\\.?|about|around|roughly|some|circa|ca\\.?|c\\.|estimated|an estimated|on or about|or so|in or around|~", "approx"),
    ("the|a total of|total of|an aggregate of|an additional|a further|another|an extra|each of|all|only|just|"
     "exactly|precisely|fully|a mere|additional|further|initial|entire|whole|full|said|such|that|these|those|any|"
     "on|in|by|as of|dated|effective|for|during|within|of|at", None),
)  # fmt: skip
_HEDGE = re.compile(
    "(?:" + "|".join(f"(?P<h{i}>{words})" for i, (words, _) in enumerate(_HEDGES)) + r")(?:\s+|(?<=~))",
    re.IGNORECASE,
)  # fmt: skip
_OR_SO = re.compile(r"\s+(?:or so|or thereabouts|or more|or less|or fewer|or longer|or later|or earlier)$", re.I)  # fmt: skip
_AFTER: Final = {"so": "approx", "thereabouts": "approx", "more": "at_least", "longer": "at_least", "later": "at_least",
          "less": "at_most", "fewer": "at_most", "earlier": "at_most"}  # fmt: skip


def unhedged(text: str) -> tuple[str | None, str]:
    """The modifier and what it stands before: "more than 5 km" is (more_than, "5 km")."""
    modifier: str | None = None
    for _ in range(4):
        match = _HEDGE.match(text)
        if match is None:
            break
        modifier = _HEDGES[int((match.lastgroup or "h0")[1:])][1] or modifier
        text = text[match.end() :]
    if match := _OR_SO.search(text):
        modifier = _AFTER[match.group().rsplit(None, 1)[-1].lower()]
        text = text[: match.start()]
    return modifier, text
