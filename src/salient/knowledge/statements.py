"""What a sentence was found to state, with its circumstances: amounts, dates, titles, doubts."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from salient.knowledge.dates import is_absolute
from salient.knowledge.modality import DISCOUNT, modality
from salient.knowledge.ontology import Ontology, Pattern
from salient.knowledge.places import Filler, Places, Reference
from salient.knowledge.syntax import Tree

FORMER = frozenset(
    {"former", "ex", "then", "late", "previous", "outgoing", "onetime", "retired", "past"}
)
VIA = "via"
"""The qualifier of what is said of a pronoun: how its bearer is known."""
_LEAVING = frozenset(
    {"resign", "retire", "leave", "depart", "quit", "oust", "step", "dismiss", "fire", "sack"}
)
_ROUND = re.compile(r"\b(?:pre-?seed|seed|series\s+[A-K](?:\d|-\d)?|bridge|growth|angel)\b(?=[ -](?:funding |financing |investment |extension )?(?:round|funding|financing|investment|capital|extension)|\s*[,.)]|\s+(?:led|from|in)\b)", re.IGNORECASE)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fact as one sentence states it. `subject`, `object` are `Reference.index` of mentions.

    `subject_at`, `object_at` are the places in the text that fill the pattern: for a pronoun, the
    pronoun. `start, end` cover the sentence, and the one before when a pronoun points there.
    """

    predicate: str
    subject: int
    object: int | None
    value: str | None
    start: int
    end: int
    confidence: float
    subject_at: tuple[int, int]
    object_at: tuple[int, int]
    qualifiers: Mapping[str, str] = field(default_factory=dict)
    component: str = ""
    """What found it, where that is not the reading itself."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """The word that states the predicate, and the noun beside it that names the event or role."""

    predicate: str
    pattern: Pattern
    row: int
    noun: int | None = None
    title: str | None = None


class Statements:
    """Collects candidates: of several ways to read one fact in a sentence, the surest."""

    def __init__(self, tree: Tree, text: str, places: Places, ontology: Ontology) -> None:
        self.tree, self.text, self.places, self.ontology = tree, text, places, ontology
        self._sentence_starts = [tree.start[first] for first, _ in tree.sentences]
        self._found: dict[tuple[str, int, int | str, int], Candidate] = {}

    def in_order(self) -> list[Candidate]:
        """All that was found, in text order."""
        return sorted(
            self._found.values(), key=lambda c: (c.start, c.subject_at, c.object_at, c.predicate)
        )

    def add(self, trigger: Trigger, left: Filler, right: Filler) -> None:
        """A fact with a mention on either side. Nothing is said of a thing and itself."""
        if left.reference.index == right.reference.index:
            return
        qualifiers = self._qualifiers(trigger)
        plain = qualifiers.get("modality", "reported") in {"reported", "agreed"}
        if trigger.pattern.plain and not plain:
            return
        if all(need in qualifiers for need in trigger.pattern.needs):
            self._keep(trigger, left, right, None, qualifiers)

    def add_value(self, trigger: Trigger, left: Filler, value: Reference) -> None:
        """A fact whose object is a date of the calendar or an amount."""
        if value.kind == "DATE" and not is_absolute(self.text[value.start : value.end]):
            return
        token = next(r for r in range(len(self.tree.start)) if self.places.value_at.get(r) is value)
        said = " ".join(self.text[value.start : value.end].split())
        self._keep(trigger, left, Filler(value, token), said, self._qualifiers(trigger))

    def _qualifiers(self, trigger: Trigger) -> dict[str, str]:
        predicate = self.ontology.predicates[trigger.predicate]
        noun = trigger.noun
        found: dict[str, str] = {}
        rows = [r for r in (trigger.row, noun) if r is not None]
        for key, label in (("amount", "MONEY"), ("date", "DATE"), ("share", "PERCENT")):
            if key in predicate.qualifiers and predicate.value != key:
                value = next((v for r in rows if (v := self.places.value_under(r, label))), None)
                if value is not None:
                    found[key] = " ".join(self.text[value.start : value.end].split())
        first, last = self.tree.sentences[self.places.sentence_of(trigger.row)]
        if "round" in predicate.qualifiers:
            match = _ROUND.search(self.text[self.tree.start[first] : self.tree.end[last - 1]])
            if match:
                found["round"] = match.group(0)
        if trigger.title and "title" in predicate.qualifiers:
            found["title"] = trigger.title
        if noun is not None and (
            self.tree.lemma[trigger.row] in _LEAVING or self._is_former(rows, noun, first)
        ):
            found["status"] = "former"
        said = modality(self.tree, trigger.row)
        if noun is not None and "not" in self.tree.word[max(noun - 3, first) : noun]:
            said = "negated"  # "and not as an employee of Acme"
        if said:
            found["modality"] = said
        return found

    def _is_former(self, rows: list[int], noun: int, first: int) -> bool:
        word = self.tree.word
        near = {word[r] for row in rows for r in (*self.tree.children[row], row)}
        near |= {word[max(noun - k, first)] for k in (1, 2, 3)}
        return not near.isdisjoint(FORMER)

    def _keep(
        self,
        trigger: Trigger,
        left: Filler,
        right: Filler,
        value: str | None,
        qualifiers: dict[str, str],
    ) -> None:
        tree = self.tree
        number = self.places.sentence_of(trigger.row)
        first, last = tree.sentences[number]
        start, end = tree.start[first], tree.end[last - 1]
        if left.meant or right.meant:
            qualifiers = qualifiers | {VIA: "coreference"}
        confidence = trigger.pattern.confidence * left.discount * right.discount
        confidence *= DISCOUNT.get(qualifiers.get("modality", ""), 1.0)
        other = None if value is not None else right.reference.index
        candidate = Candidate(
            predicate=trigger.predicate,
            subject=left.reference.index,
            object=other,
            value=value,
            # The name that a pronoun stands for is part of the evidence.
            start=min(self._sentence_start(side.reference.start, start) for side in (left, right)),
            end=end,
            confidence=round(confidence, 4),
            subject_at=self._place(left.token),
            object_at=self._place(right.token),
            qualifiers=qualifiers,
        )
        side = other if other is not None else (value or "")
        key = (trigger.predicate, candidate.subject, side, number)
        old = self._found.get(key)
        if old is None or old.confidence < candidate.confidence:
            self._found[key] = candidate

    def _sentence_start(self, offset: int, default: int) -> int:
        if offset >= default:
            return default
        return self._sentence_starts[max(bisect_right(self._sentence_starts, offset) - 1, 0)]

    def _place(self, token: int) -> tuple[int, int]:
        reference = self.places.mention_at.get(token) or self.places.value_at.get(token)
        if reference is not None:
            return reference.start, reference.end
        return self.tree.start[token], self.tree.end[token]
