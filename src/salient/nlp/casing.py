"""Give text in capitals the case it would have in a sentence, for models that read case."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from salient.kernels import case_counts, letter_words, span_types
from salient.nlp.units import Unit, bounds_of

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_FEWEST_LETTERS = 4
_SHOUTED = 0.7  # share of words with two letters or more that are all in capitals
_SMALL = frozenset(
    "a an the and or nor but of for to in on at by with from as is are be not no if it its this that "
    "any all such other under per each than into upon shall will may must can which who whom whose".split()
)


def is_shouted(piece: str) -> bool:
    """Whether a stretch is set in capitals, as headings and disclaimers are."""
    return bool(_shouted(piece, np.array([[0, len(piece)]], np.int32))[0])


def _shouted(text: str, bounds: NDArray[np.int32]) -> NDArray[np.bool_]:
    letters, words, upper = case_counts(text, bounds).T
    told: NDArray[np.bool_] = (letters >= _FEWEST_LETTERS) & (upper >= _SHOUTED * words)
    return told


class Casing:
    """Knows how a document writes its words where it does not shout.

    A word in capitals gets the form most often seen elsewhere in the document: "Company", "IBM",
    "warranty". A word not seen elsewhere gets a capital in a short stretch, where it is as likely
    as not a name, and none in a long one, where it is prose.
    """

    LONG = 12  # words

    def __init__(self, text: str, units: Iterable[Unit]) -> None:
        self._forms: dict[str, str] | None = None
        self._text = text
        prose = [unit for unit in units if unit.prose]
        self._bounds = bounds_of(prose)
        self._shouted = _shouted(text, self._bounds)
        loud = np.flatnonzero(self._shouted).tolist()
        self._loud = frozenset(prose[at].start for at in loud)

    def shouts(self, unit: Unit) -> bool:
        """Whether a unit of the document `is_shouted`."""
        return unit.start in self._loud

    def _seen(self) -> dict[str, str]:
        """Upper-case form -> the usual form. Read only when a shouted stretch turns up."""
        if self._forms is None:
            words = letter_words(self._text, self._bounds[~self._shouted])
            words = words[
                words[:, 2] > 0
            ]  # the first word of a stretch has a capital whatever it is
            types, firsts = span_types(self._text, words[:, 0], words[:, 1])
            counts = np.bincount(types, minlength=len(firsts)).tolist()
            forms = [self._text[a:b] for a, b in words[firsts, :2].tolist()]
            ranked = sorted(zip([-n for n in counts], forms, strict=True), reverse=True)
            self._forms = {form.upper(): form for _, form in ranked}  # of the same, the last stays
        return self._forms

    def calm(self, piece: str) -> str:
        """The stretch in sentence case, character for character: offsets stay true."""
        seen = self._seen()
        long = len(_WORD.findall(piece)) >= self.LONG

        def recase(match: re.Match[str]) -> str:
            word = match.group()
            if not word.isupper() or len(word) < 2:
                return word
            form = seen.get(word)
            if form is None:
                lower = word.lower()
                form = lower if long or lower in _SMALL else lower[:1].upper() + lower[1:]
            return form if len(form) == len(word) else word

        calmed = _WORD.sub(recase, piece)
        first = next((i for i, c in enumerate(calmed) if c.isalpha()), 0)
        upper = calmed[first : first + 1].upper()
        return calmed[:first] + (upper + calmed[first + 1 :] if len(upper) == 1 else calmed[first:])
