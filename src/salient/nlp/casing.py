"""Give text in capitals the case it would have in a sentence, for models that read case."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from salient.nlp.units import Unit

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_FEWEST_LETTERS = 4
_SHOUTED = 0.7  # share of words with two letters or more that are all in capitals
_SMALL = frozenset(
    "a an the and or nor but of for to in on at by with from as is are be not no if it its this that "
    "any all such other under per each than into upon shall will may must can which who whom whose".split()
)


def is_shouted(piece: str) -> bool:
    """Whether a stretch is set in capitals, as headings and disclaimers are."""
    words: list[str] = [w for w in _WORD.findall(piece) if len(w) > 1]
    if sum(map(len, words)) < _FEWEST_LETTERS:
        return False
    return sum(w.isupper() for w in words) >= _SHOUTED * len(words)


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
        self._units = units

    def _seen(self) -> dict[str, str]:
        """Upper-case form -> the usual form. Read only when a shouted stretch turns up."""
        if self._forms is None:
            counts: dict[str, Counter[str]] = {}
            for unit in self._units:
                piece = self._text[unit.start : unit.end]
                if unit.prose and not is_shouted(piece):
                    for at, word in enumerate(_WORD.findall(piece)):
                        if at:  # the first word of a stretch has a capital whatever it is
                            counts.setdefault(word.upper(), Counter())[word] += 1
            self._forms = {
                upper: min(forms, key=lambda f: (-forms[f], f)) for upper, forms in counts.items()
            }
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
