"""What the values of documents and facts mean, read when they are shown: nothing of it is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from salient.knowledge import values
from salient.model import Annotations, Text, Value
from salient.pipeline.dates import told_date

_LABEL_OF = {"date": "DATE", "amount": "MONEY", "share": "PERCENT"}
"""Of the values that a predicate has as its object or as a qualifier."""


class Meaning(Value):
    """A value in its standard form; `ambiguous` has its other readings, `note` says why or what is not known."""

    kind: str
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
class ValueMention:
    """A mention of a value. `index` counts the values of its document, in text order."""

    index: int
    start: int
    end: int
    label: str
    score: float
    surface: str


class ValuesOf:
    """The mentions of values in one document, and what they mean there."""

    def __init__(self, text: Text, annotations: Annotations, metadata: str) -> None:
        """`metadata` is the ledger's: JSON of what readers say of the document."""
        labelled = (
            (a, b, label, score)
            for a, b, label, score in annotations.labelled(annotations.mentions)
            if label in values.LABELS
        )
        self.mentions = tuple(
            ValueMention(i, a, b, label, score, text.text[a:b])
            for i, (a, b, label, score) in enumerate(sorted(labelled))
        )
        self.component = annotations.engine
        self._language = annotations.language
        told = told_date(json.loads(metadata))
        self._anchor = date.fromisoformat(told) if told else None
        self._conventions = values.conventions_of((m.surface, m.label) for m in self.mentions)

    def meaning(self, mention: ValueMention) -> Meaning | None:
        return _meaning(
            values.read(
                mention.surface,
                mention.label,
                anchor=self._anchor,
                language=self._language,
                conventions=self._conventions,
            )
        )

    def within(self, low: int, high: int) -> Iterator[ValueMention]:
        """Those that begin in `[low, high)`."""
        return (m for m in self.mentions if low <= m.start < high)


def of_fact(kind: str | None, said: str | None) -> Meaning | None:
    """What a fact's object or qualifier of that kind means; it is read by itself, without a document."""
    label = _LABEL_OF.get(kind or "")
    return _meaning(values.read(said, label)) if label and said else None


def of_qualifiers(said: Mapping[str, str]) -> dict[str, Meaning]:
    return {key: found for key, words in said.items() if (found := of_fact(key, words))}


def columns(meaning: Meaning | None) -> dict[str, Any]:
    """The cells of a value in a table."""
    return {
        "value": meaning.normal if meaning else None,
        "value_kind": meaning.kind if meaning else None,
        "ambiguous": list(meaning.ambiguous) if meaning else None,
    }


def _meaning(value: values.Value | None) -> Meaning | None:
    if value is None:
        return None
    return Meaning(**{name: getattr(value, name) for name in Meaning.model_fields})
