"""What a text is about: its most telling noun phrases."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from salient.model import FURNITURE, Kind, Tokens
from salient.nlp.units import Unit

KEPT = 20
"""Phrases a text; fewer where there are no more."""

LABEL = "KEYPHRASE"
Row = tuple[int, int, str, float]

_LONGEST = 5  # words
_MOST_TOKENS = 60_000  # of one text that are looked at: what it is about shows by then

# One letter a token: what may stand where in a phrase.
_LETTER_OF = {"NOUN": "N", "PROPN": "P", "ADJ": "A", "NUM": "D", "X": "P"}
_NOT_LAST = frozenset("ADH")
_PHRASE = re.compile(r"(?:[ANPG](?:H[ANPGD])*){0,5}(?:[NP](?:H[NP])*|(?<=[ANP])G)")

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

# How a phrase is scored; see `_scores`. Set by hand, not fitted; `bench/keyphrases.py` measures them.
_ENOUGH_WORDS = 3  # from here on a longer phrase is no more telling
_INSIDE = 0.1  # what an occurrence inside a longer phrase counts
_OFTEN = 1.5  # how much it matters that a phrase comes often
_LATE = 1.5  # less the place of the first occurrence, 0 to 1
_VAGUE_FIRST = 0.5  # "important result"
_VERBAL_FIRST = 0.7  # "using lasers"
_IN_HEADING = 1.5


@dataclass(slots=True)
class Candidate:
    """A phrase: where it stands first, and how often."""

    start: int
    end: int
    words: tuple[str, ...]
    first: int  # token row
    count: int = 0
    contained: int = 0  # occurrences inside longer phrases
    heading: bool = False


def extract(text: str, tokens: Tokens, strings: Sequence[str], units: Sequence[Unit]) -> list[Row]:
    """The best phrases by their first occurrence: (start, end, "KEYPHRASE", score), at most KEPT.

    Candidates are runs of adjectives and nouns that end in a noun. Phrases are told apart by their
    words in lower case, the last one by its lemma. The score is the share of the best phrase's, from
    how often, how early, how long and in what company a phrase stands; no corpus is needed.
    """
    found = candidates(text, tokens, strings, units)
    worth = scores(found, len(tokens))
    order = sorted(range(len(found)), key=lambda i: (-worth[i], found[i].start))
    return [(found[i].start, found[i].end, LABEL, worth[i]) for i in order[:KEPT]]


def without_syntax(text: str, tokens: Tokens, units: Sequence[Unit]) -> list[Row]:
    """Nothing: without parts of speech, phrases cannot be told from other runs of words."""
    return []


def _letters(tokens: Tokens, strings: Sequence[str]) -> str:
    upos = [_LETTER_OF.get(s, "x") for s in strings]
    tag = {i: "G" for i, s in enumerate(strings) if s in ("VBG", "VBN")}
    hyphen = {i for i, s in enumerate(strings) if s == "HYPH"}
    return "".join(
        "H" if x in hyphen else tag[x] if x in tag and upos[u] == "x" else upos[u]
        for u, x in zip(
            tokens.upos[:_MOST_TOKENS].tolist(), tokens.xpos[:_MOST_TOKENS].tolist(), strict=True
        )
    )


def candidates(
    text: str, tokens: Tokens, strings: Sequence[str], units: Sequence[Unit]
) -> list[Candidate]:
    """Phrases of the text, each once, in the order of their first occurrences."""
    letters = _letters(tokens, strings)
    start, end, lemma = tokens.start.tolist(), tokens.end.tolist(), tokens.lemma.tolist()
    found: dict[tuple[str, ...], Candidate] = {}
    row = 0
    for unit in units:
        first = row
        while row < len(letters) and start[row] < unit.end:
            row += 1
        if unit.kind in FURNITURE or unit.kind == Kind.CODE or not unit.prose:
            continue
        for match in _PHRASE.finditer(letters, first, row):
            a, b = match.span()
            for i, j in _parts(letters, a, b):
                words = [text[start[k] : end[k]].lower() for k in range(i, j)]
                if letters[j - 1] == "N" and strings[lemma[j - 1]]:
                    words[-1] = strings[lemma[j - 1]].lower()
                if not _telling(words):
                    continue
                key = tuple(words)
                candidate = found.get(key)
                if candidate is None:
                    candidate = found[key] = Candidate(start[i], end[j - 1], key, i)
                candidate.count += 1
                candidate.contained += (i, j) != (a, b)
                candidate.heading |= unit.kind in (Kind.TITLE, Kind.HEADING)
    return list(found.values())


def _parts(letters: str, first: int, last: int) -> Iterator[tuple[int, int]]:
    """The phrase, and the phrases within it that could stand alone."""
    for i in range(first, last):
        if letters[i] == "H" or (i > first and letters[i - 1] == "H"):
            continue
        for j in range(i + 1, last + 1):
            if letters[j - 1] in _NOT_LAST or (j < last and letters[j] == "H"):
                continue
            if letters[j - 1] == "G" and (j < last or j - i == 1):
                continue
            if j - i - letters.count("H", i, j) <= _LONGEST:
                yield i, j


def _telling(words: Sequence[str]) -> bool:
    if len(words[0]) < 2 or (len(words) == 1 and (words[0] in _EMPTY or len(words[0]) < 3)):
        return False
    return any(len(w) > 2 and any(c.isalpha() for c in w) and w not in _EMPTY for w in words)


def scores(found: Sequence[Candidate], n_tokens: int) -> list[float]:
    """How telling each candidate is, as a share of the most telling one: in (0, 1], 4 digits.

    Source: C-value, Frantzi, Ananiadou and Mima 2000, doi:10.1007/s007999900023, for length and for
    occurrences inside longer phrases; with the place of the first occurrence, as in Witten et al.
    1999, KEA, and the frequency of the words, as in RAKE, Rose et al. 2010.
    """
    frequency: Counter[str] = Counter()
    for candidate in found:
        for word in set(candidate.words):
            frequency[word] += candidate.count
    worth = [_worth(candidate, frequency, n_tokens) for candidate in found]
    most = max(worth, default=1.0)
    return [max(round(w / most, 4), 0.0001) for w in worth]


def _worth(candidate: Candidate, frequency: Counter[str], n_tokens: int) -> float:
    words = [w for w in candidate.words if w != "-"]
    free = candidate.count - candidate.contained
    company = sum(math.log(frequency[w]) for w in words) / len(words)
    worth = (
        math.log2(min(len(words), _ENOUGH_WORDS) + 1)
        * math.pow(math.log1p(free + _INSIDE * candidate.contained), _OFTEN)
        * (_LATE - math.log1p(candidate.first) / math.log1p(max(n_tokens, 2)))
        * math.sqrt(math.log1p(math.exp(company)))
    )
    worth *= _VAGUE_FIRST if words[0] in _EMPTY else 1.0
    worth *= _VERBAL_FIRST if words[0].endswith(("ing", "ed")) else 1.0
    return worth * (_IN_HEADING if candidate.heading else 1.0)
