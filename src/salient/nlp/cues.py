"""What a name's own words, and those around it, say of what it names, or that it names nothing.

A small model takes a name that it has not seen for whatever such names most often are, and in a
contract takes every defined term for one. These signs hold for any name; `bench/ner.py` measures them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

import numpy as np

from salient.kernels import lone_words, span_types
from salient.nlp.units import Unit, bounds_of

_MOST_NAMES = 4096
_LONGEST_NAME = 100  # characters; what is longer is rare and, if remembered, large

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

Facts = ParamSpec("Facts")
Told = TypeVar("Told")


def by_name(
    function: Callable[Concatenate[str, Facts], Told],
) -> Callable[Concatenate[str, Facts], Told]:
    """Remember what a function says of the names that it was lately asked of; it must look at nothing else."""
    # The cache's own type forgets what the function takes.
    known = cast("Callable[Concatenate[str, Facts], Told]", lru_cache(_MOST_NAMES)(function))

    @wraps(function)
    def told(name: str, /, *args: Facts.args, **kwargs: Facts.kwargs) -> Told:
        return (known if len(name) <= _LONGEST_NAME else function)(name, *args, **kwargs)

    return told


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


@by_name
def _label_by_form(name: str) -> str | None:
    words = name.split()
    last = words[-1]
    if len(words) < 2 or not last[0].isupper():
        return None
    for label, known in (("ORG", _ORGANISATIONS), ("LOC", _PLACES), ("FAC", _BUILT)):
        if last.lower().rstrip(".") in known:
            return label
    return None


_WORD = re.compile(r"[^\s/&-]+")
_SMALL = frozenset("a an and as at by for from in of on or the to with de la".split())
_MOST_ALONE = 3  # a name of one word may be a word too: "Reading", "Stem"


class Common:
    """Tells names from words that a document only writes with capitals, as contracts do their terms.

    "Event of Default" and "Purchase Order" are no names where the document also writes "event",
    "default", "purchase" and "order". A name that ends as those of organisations do is left alone:
    the words of "Harbour Trust" may well stand in the text too.
    """

    def __init__(self, text: str, cut: Iterable[Unit]) -> None:
        self._text = text
        self._cut = cut
        self._seen: dict[str, int] | None = None

    def _counts(self) -> dict[str, int]:
        if self._seen is None:
            text = self._text
            words = lone_words(text, bounds_of(unit for unit in self._cut if unit.prose))
            types, firsts = span_types(text, words[:, 0], words[:, 1])
            counts = np.bincount(types, minlength=len(firsts)).tolist()
            forms = [text[a:b] for a, b in words[firsts].tolist()]
            self._seen = dict(zip(forms, counts, strict=True))
        return self._seen

    def names_nothing(self, name: str, label: str) -> bool:
        """Whether a mention is of common words only."""
        told = _told(name)
        if not told or (label == "ORG" and _label_by_form(name) == "ORG"):
            return False
        seen = self._counts()
        fewest = 1 if len(told) > 1 else _MOST_ALONE
        return all(seen.get(word, 0) >= fewest for word in told)


@by_name
def _told(name: str) -> tuple[str, ...]:
    """The words in small letters that a name in capitals would be made of; none of what is a name for sure."""
    if not name[:1].isupper() or (name.isupper() and len(name) <= _LONGEST_ACRONYM):
        return ()
    words = (w.strip(".,;:()'\"’“”").lower() for w in _WORD.findall(name))
    return tuple(w for w in words if w and w not in _SMALL)


_LONGEST_ACRONYM = 5
