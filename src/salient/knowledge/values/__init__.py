"""What a mention of a value means: the date, the amount, the identifier, in a standard form.

A surface that can be read in several ways says so: `ambiguous` has the other readings, and `conventions_of`
settles what the rest of the document settles. Nothing is guessed: a date that is told from another stays an
offset where the document's own date is not known.

    read("3rd day of March, 2021", "DATE").normal       2021-03-03
    read("thirty (30) days", "DATE").normal             P30D
    read("US$5-6 million", "MONEY").normal              USD 5000000/6000000
    read("25 bps", "PERCENT").normal                    0.25 %
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

from salient.knowledge.values import addresses, identifiers, quantities
from salient.knowledge.values.conventions import conventions_of
from salient.knowledge.values.dates import When, absolute, span
from salient.knowledge.values.durations import duration, recurrence
from salient.knowledge.values.money import money
from salient.knowledge.values.relative import relative
from salient.knowledge.values.times import time_of_day
from salient.knowledge.values.value import (
    MAX_SURFACE,
    NEUTRAL,
    Conventions,
    Kind,
    Value,
    cleaned,
    unhedged,
)

LABELS = frozenset(
    {"DATE", "TIME", "MONEY", "PERCENT", "QUANTITY", "ORDINAL", "CARDINAL", "EMAIL", "URL", "PHONE", "IDENTIFIER"}
)  # fmt: skip
"""Of mentions that are values."""


def read(
    surface: str,
    label: str,
    *,
    anchor: date | None = None,
    language: str = "en",
    conventions: Conventions = NEUTRAL,
) -> Value | None:
    """The value of a mention, None where it has none that is known.

    Args:
        surface: the mention as it stands in the text.
        label: of `nlp.LABELS`; one that names no value has none.
        anchor: the day the document was written, which "yesterday" is told from.
        language: ISO 639-1; it settles "1,234" and whose crowns "kr" are.
        conventions: what the document settles, by `conventions_of`.

    Never raises, whatever the surface. Cost: bounded, since surfaces over `MAX_SURFACE` are not read.
    """
    if len(surface) > MAX_SURFACE or not surface or surface.isspace():
        return None
    if label in _AS_WRITTEN:
        return _AS_WRITTEN[label](" ".join(surface.split()))
    if label not in LABELS:
        return None
    text = cleaned(surface)
    return _read(text, label, anchor, language, conventions) if text else None


_AS_WRITTEN = {
    "EMAIL": addresses.email,
    "URL": addresses.url,
    "PHONE": addresses.phone,
    "IDENTIFIER": identifiers.identifier,
}


def _read(
    text: str, label: str, anchor: date | None, language: str, conventions: Conventions
) -> Value | None:
    if label == "MONEY":
        return money(text, language, conventions)
    if label == "PERCENT":
        return quantities.percent(text, language, conventions)
    if label == "QUANTITY":
        return quantities.quantity(text, language, conventions)
    if label == "ORDINAL":
        return quantities.ordinal(text)
    if label == "CARDINAL":
        return quantities.cardinal(text, language, conventions)
    return _when(text.lower(), label, When(anchor, conventions, language))


def _when(text: str, label: str, when: When) -> Value | None:
    """A date, time, duration or recurrence: engines give all four the labels DATE and TIME."""
    modifier, body = unhedged(text)
    readings: list[Callable[[], Value | None]] = [
        lambda: recurrence(text, when.language),
        lambda: relative(text, when),
        lambda: absolute(body, when),
        lambda: relative(body, when),
        lambda: span(text, when),
        lambda: span(body, when),
        lambda: duration(body, when.language),
        lambda: time_of_day(body, when),
    ]
    if label == "TIME":
        readings = [readings[0], readings[7], *readings[1:7]]
    for reading in readings:
        found = reading()
        if found is not None:
            return replace(found, modifier=found.modifier or modifier) if modifier else found
    return None


__all__ = [
    "LABELS", "MAX_SURFACE", "NEUTRAL", "Conventions", "Kind", "Value", "conventions_of", "read",
]  # fmt: skip
