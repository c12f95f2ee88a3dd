"""What a text is about: its most telling noun phrases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from salient.kernels import first_uses, noun_phrases, phrase_worth, span_types
from salient.kernels.candidates import (
    BRIEF,
    END,
    FIRST,
    HYPHEN,
    TELLING,
    VAGUE,
    VERBAL,
)
from salient.model import FURNITURE, Kind, Tokens
from salient.nlp.units import Unit

KEPT: Final = 20
"""Phrases a text; fewer where there are no more."""

LABEL = "KEYPHRASE"
Row = tuple[int, int, str, float]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]

_MOST_WORDS = 8192  # whose traits are remembered
_MOST_TOKENS = 60_000  # of one text that are looked at: what it is about shows by then

# One letter a token: what may stand where in a phrase; see `noun_phrases`.
_OTHER = ord("x")
_LETTER_OF = {"NOUN": ord("N"), "PROPN": ord("P"), "ADJ": ord("A"), "NUM": ord("D"), "X": ord("P")}
_PARTICIPLES = ("VBG", "VBN")
_HYPHENS = "HYPH"

# Nouns and adjectives of any text: alone they say nothing of what it is about.
_EMPTY = frozenset(
    """
    ability absence accordance account addition advance advantage aim amount analysis appendix application approach
    area aspect author basis behalf benefit bit case cause change chapter choice class comparison concept conclusion
    condition consequence context contrast contribution course date day decade degree detail difference difficulty
    discussion effect effort end evidence example existence experience extent fact factor feature fig figure form
    function future goal group hand help hour idea implication importance impact improvement increase individual
    information instance interest introduction issue item kind lack level lot majority manner matter mean means measure
    member method mind minute model moment month need note number object objective one operation opportunity option
    order other others paper part people percent period person perspective piece place point possibility potential
    practice presence problem process program project property purpose quality question range rate reason regard
    relation relationship report requirement research respect respondent result review right role scope second section
    sense series set show side significance situation size solution source stage state step strategy structure study
    subject such support system table task technique term test text theory thing time today tool topic treatment two
    type use user value variable variety version view way week work world year yesterday tomorrow
    able above additional appropriate available aware average basic best better big broad central certain clear common
    complete complex consistent critical current detailed different difficult direct due early easy effective efficient
    entire essential existing extensive few final first following former full further general given good great greater
    hard high higher important increasing initial interesting key known large larger last late latter least less likely
    limited little long longer low lower main major many maximum minimum modern more most much multiple necessary new
    next novel numerous obvious old only open original other overall own particular past popular possible potential
    practical present previous primary prior proper proposed real recent related relevant same second serious several
    short significant similar simple single slow small special specific standard strong subsequent successful such
    sufficient suitable third top total traditional true typical unique useful usual various very well whole wide
    agreement party parties section article exhibit schedule clause paragraph provision hereof herein hereby thereof
    """.split()
)


def extract(text: str, tokens: Tokens, strings: Sequence[str], units: Sequence[Unit]) -> list[Row]:
    """The best phrases by their first occurrence: (start, end, "KEYPHRASE", score), at most KEPT.

    Candidates are runs of adjectives and nouns that end in a noun. Phrases are told apart by their
    words in lower case, the last one by its lemma. The score is the share of the best phrase's, from
    how often, how early, how long and in what company a phrase stands; no corpus is needed.
    """
    starts, ends, worth = candidates(text, tokens, strings, units)
    if not len(worth):
        return []
    return [(int(starts[i]), int(ends[i]), LABEL, share) for i, share in _best(worth, starts)]


def candidates(
    text: str, tokens: Tokens, strings: Sequence[str], units: Sequence[Unit]
) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """(n,) each: where every phrase stands first, its end, and its worth; what ranks them is the worth alone."""
    letters = _letters(tokens, strings)
    words, lasts, traits = _numbered(text, tokens, strings, letters)
    found = noun_phrases(letters, words, lasts, traits, _bounds(tokens, len(letters), units))
    starts, ends = tokens.start[found[:, FIRST]], tokens.end[found[:, END] - 1]
    return starts, ends, phrase_worth(found, words, lasts, traits, len(tokens))


def without_syntax(text: str, tokens: Tokens, units: Sequence[Unit]) -> list[Row]:
    """Nothing: without parts of speech, phrases cannot be told from other runs of words."""
    return []


def _letters(tokens: Tokens, strings: Sequence[str]) -> Bytes:
    letter_of = _LETTER_OF.get
    kind_of = np.frombuffer(bytes([letter_of(s, _OTHER) for s in strings]), np.uint8)
    letters: Bytes = kind_of[tokens.upos[:_MOST_TOKENS]]
    xpos = tokens.xpos[:_MOST_TOKENS]
    for tag in _PARTICIPLES:
        if tag in strings:
            letters[(xpos == strings.index(tag)) & (letters == _OTHER)] = ord("G")
    if _HYPHENS in strings:
        letters[xpos == strings.index(_HYPHENS)] = ord("H")
    return letters


def _numbered(
    text: str, tokens: Tokens, strings: Sequence[str], letters: Bytes
) -> tuple[Ints, Ints, Bytes]:
    """Each token's word in lower case as a number, that of its lemma where it is a noun, and the words' traits.

    Words that no phrase can have are all number 0.
    """
    kept = np.flatnonzero(letters != _OTHER)
    start, end = tokens.start[kept], tokens.end[kept]
    types, firsts = span_types(text, start, end)
    spelled = zip(start[firsts].tolist(), end[firsts].tolist(), strict=True)
    number_of = {"": 0}
    words = np.zeros(len(letters), np.int32)
    words[kept] = _numbers([text[a:b].lower() for a, b in spelled], number_of)[types]
    lasts = words.copy()
    lemma = tokens.lemma[: len(letters)]
    nouns = np.flatnonzero((letters == ord("N")) & (lemma > 0))
    codes = lemma[nouns].astype(np.int64)
    lemmas, firsts = first_uses(codes)
    told = [strings[code].lower() for code in codes[firsts].tolist()]
    lasts[nouns] = _numbers(told, number_of)[lemmas]
    return words, lasts, np.frombuffer(bytes(map(_TRAITS.__getitem__, number_of)), np.uint8)


def _numbers(words: Sequence[str], number_of: dict[str, int]) -> Ints:
    return np.array([number_of.setdefault(w, len(number_of)) for w in words], np.int32)


class _Traits(dict[str, int]):
    """What `noun_phrases` asks of words; those that were met lately are remembered."""

    def __missing__(self, word: str) -> int:
        if len(self) >= _MOST_WORDS:
            self.clear()
        vague = word in _EMPTY
        telling = len(word) > 2 and not vague and (word.isalpha() or any(map(str.isalpha, word)))
        self[word] = (
            BRIEF * (len(word) < 2)
            | VAGUE * vague
            | TELLING * telling
            | VERBAL * word.endswith(("ing", "ed"))
            | HYPHEN * (word == "-")
        )
        return self[word]


_TRAITS = _Traits()


def _bounds(tokens: Tokens, n: int, units: Sequence[Unit]) -> Ints:
    """Rows of the units whose phrases count, and whether they are headings."""
    ends = np.searchsorted(tokens.start[:n], [unit.end for unit in units]).tolist()
    rows = [
        (first, last, unit.kind in _HEADINGS)
        for first, last, unit in zip([0, *ends], ends, units, strict=False)
        if unit.prose and unit.kind not in _PASSED
    ]
    return np.array(rows, np.int32).reshape(-1, 3)


_HEADINGS = frozenset({Kind.TITLE, Kind.HEADING})
_PASSED = frozenset({*FURNITURE, Kind.CODE})


def _best(worth: NDArray[np.float64], starts: Ints) -> list[tuple[int, float]]:
    """Numbers and shares, in (0, 1] with 4 digits, of the most telling phrases; the earlier one where they tie."""
    shares = worth / worth.max()
    near = np.arange(len(shares))
    if len(shares) > KEPT:
        # Rounding is slow, and changes no order but among those that are this close.
        least = np.partition(shares, -KEPT)[-KEPT]
        near = np.flatnonzero(shares >= least - _CLOSE)
    rows = zip(shares[near].tolist(), starts[near].tolist(), near.tolist(), strict=True)
    ranked = sorted((-max(round(share, 4), 0.0001), start, i) for share, start, i in rows)
    return [(i, -share) for share, _, i in ranked[:KEPT]]


_CLOSE = 0.0002
