"""What a name's own words, and those around it, say of what it names, or that it names nothing.

A small model takes a name that it has not seen for whatever such names most often are, and in a
contract takes every defined term for one. These signs hold for any name; `bench/ner.py` measures them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from salient.nlp.units import Unit

_HONORIFIC = r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Herr|Frau|Mme|Monsieur|Madame|Señor|Señora)\b\.?\s+"
_HONORIFIC_BEFORE = re.compile(rf"\b{_HONORIFIC}$")
HONORIFIC_FIRST = re.compile(rf"(?:{_HONORIFIC})+(?=[A-Z])")
_PLACE_BEFORE = re.compile(
    r"\b(?:city|town|village|state|province|capital|county|region|island|river|port|district|republic|"
    r"kingdom) of\s+$"
)

# Last words of names, and what they make of them.
_ORGANISATIONS = frozenset(
    """
    agency airlines airways alliance association associates authority bancorp bank board bureau capital club college
    commission committee company conference congress consortium corps corporation council court department enterprises
    federation foundation fund group holding holdings industries initiative institute institution insurance
    international laboratories league library magazine ministry museum network news orchestra organisation organization
    parliament partners partnership party pharmaceuticals press records school securities senate services society
    solutions systems team technologies times tribunal trust union university ventures
    """.split()
)
_PLACES = frozenset(
    """
    bay beach borough canyon cape city coast county creek desert district forest gulf harbor harbour heights hill hills
    island islands isle lake mountain mountains ocean park peninsula province region republic river sea shire state
    strait township valley village
    """.split()
)
_BUILT = frozenset(
    """
    airport arena avenue boulevard bridge building castle cathedral drive expressway freeway highway hotel lane palace
    plaza road square stadium station street terminal tower towers tunnel
    """.split()
)
# Labels that the model gives to companies it does not know; of places it is surer.
_OFTEN_ORGANISATIONS = frozenset({"PERSON", "FAC", "LOC", "PRODUCT", "EVENT", "WORK_OF_ART"})
_OFTEN_PLACES = frozenset({"PERSON", "ORG", "PRODUCT", "WORK_OF_ART"})


def relabelled(text: str, start: int, end: int, label: str) -> str:
    """The label of a name after a look at its last word and at what stands before it."""
    before = text[max(start - 24, 0) : start]
    if _HONORIFIC_BEFORE.search(before):
        return "PERSON"
    if label in _OFTEN_PLACES and _PLACE_BEFORE.search(before):
        return "GPE"
    form = _label_by_form(text[start:end])
    if form == "ORG" and label in _OFTEN_ORGANISATIONS:
        return form
    return form if form and label == "PERSON" else label


def _label_by_form(name: str) -> str | None:
    words = name.split()
    last = words[-1]
    if len(words) < 2 or not last[0].isupper():
        return None
    for label, known in (("ORG", _ORGANISATIONS), ("LOC", _PLACES), ("FAC", _BUILT)):
        if last.lower().rstrip(".") in known:
            return label
    return None


# A word by itself, not a piece of an address or of a compound.
_LOWER = re.compile(r"(?<![\w.@/&’'-])[^\W\d_A-Z][^\W\d_]*(?![\w@/&-]|[.’']\w)")
_WORD = re.compile(r"[^\s/&-]+")
_SMALL = frozenset("a an and as at by for from in of on or the to with de la".split())
_MOST_ALONE = 3  # a name of one word may be a word too: "Reading", "Stem"


class Common:
    """Tells names from words that a document only writes with capitals, as contracts do their terms.

    "Event of Default" and "Purchase Order" are no names where the document also writes "event",
    "default", "purchase" and "order". A name that ends as those of organisations do is left alone:
    the words of "Harbour Trust" may well stand in the text too.
    """

    def __init__(self, text: str, cut: Sequence[Unit]) -> None:
        self._text = text
        self._cut = cut
        self._seen: Counter[str] | None = None

    def _counts(self) -> Counter[str]:
        if self._seen is None:
            self._seen = Counter(self._words())
        return self._seen

    def _words(self) -> Iterable[str]:
        for unit in self._cut:
            if unit.prose:
                yield from _LOWER.findall(self._text, unit.start, unit.end)

    def names_nothing(self, name: str, label: str) -> bool:
        """Whether a mention is of common words only."""
        words = [w.strip(".,;:()'\"’“”") for w in _WORD.findall(name)]
        told = [w.lower() for w in words if w.lower() not in _SMALL and w]
        if not told or not name[0].isupper() or (name.isupper() and len(name) <= _LONGEST_ACRONYM):
            return False
        if label == "ORG" and _label_by_form(name) == "ORG":
            return False
        seen = self._counts()
        fewest = 1 if len(told) > 1 else _MOST_ALONE
        return all(seen[w] >= fewest for w in told)


_LONGEST_ACRONYM = 5
