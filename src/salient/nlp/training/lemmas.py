"""Lemmas as edit rules: how to make a word's lemma from its form, learnt from pairs of both.

A rule is a casing and an edit tree, written as JSON would have it:

- `None`: nothing to do, on nothing;
- `[from, to]`: a string that is `from`, whatever its case, becomes `to`;
- `[i, j, left, right]`: the first i characters are edited by `left`, the last j by `right`, and what
  is between them stays.

Source: edit trees, Chrupała 2008, ch. 6; used as classes of a tagger as in Müller et al. 2015.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

from salient.nlp.native.decode import KEEP, LOWER, TITLE, UPPER, lemma_by

Tree: TypeAlias = "tuple[str, str] | tuple[int, int, Tree, Tree] | None"
Rule: TypeAlias = tuple[int, Tree]

NONE: Final = -1
"""No rule: the lemma is not to be learnt from this word."""

_LEAST_SEEN = 3  # of a rule that the network can choose
_LEAST_ALIKE = 2  # code points; a shorter stretch in common is a coincidence in longer words


@cache
def tree(form: str, lemma: str) -> Tree:
    """The edit tree from one string to another: around their longest common part, then at its sides."""
    if not form and not lemma:
        return None
    start, other, size = _common(form, lemma)
    if size == 0 or (size < _LEAST_ALIKE and min(len(form), len(lemma)) > _LEAST_ALIKE):
        return form, lemma
    end, other_end = start + size, other + size
    left, right = tree(form[:start], lemma[:other]), tree(form[end:], lemma[other_end:])
    return start, len(form) - end, left, right


def _common(one: str, two: str) -> tuple[int, int, int]:
    """Where the longest common substring is in each, and its length; the first one on a tie."""
    best = (0, 0, 0)
    row = [0] * (len(two) + 1)
    for i, a in enumerate(one, 1):
        above, row = row, [0] * (len(two) + 1)
        for j, b in enumerate(two, 1):
            if a == b:
                row[j] = above[j - 1] + 1
                if row[j] > best[2]:
                    best = (i - row[j], j - row[j], row[j])
    return best


@cache
def rule_of(form: str, lemma: str) -> Rule:
    """The rule from a form to its lemma, by the plainest casing that gives it."""
    edit = tree(form.lower(), lemma.lower())
    for casing in (LOWER, KEEP, TITLE, UPPER):
        if lemma_by((casing, edit), form) == lemma:
            return casing, edit
    return KEEP, (form.lower(), lemma)


@dataclass(frozen=True, slots=True)
class Lemmas:
    """The rules of a language, the often used ones first, and the words whose rule is known."""

    rules: tuple[Rule, ...]
    n_choices: int
    """The network chooses among this many of the first rules; the others are of the lexicon only."""
    lexicon: Mapping[str, int]
    """"form TAB upos" -> rule, the form in small letters: where the training data has one rule only.

    Names and foreign words are left out: their case is theirs.
    """

    def choice(self, form: str, lemma: str) -> int:
        """The first rule the network can choose that makes the lemma, or NONE."""
        for index in range(self.n_choices):
            if lemma_by(self.rules[index], form) == lemma:
                return index
        return NONE

    def lemma(self, form: str, upos: str, choice: int) -> str:
        """The lemma of a form: by the lexicon, else by the chosen rule, else the form in small letters."""
        known = self.lexicon.get(key(form, upos), choice)
        made = lemma_by(self.rules[known], form) if 0 <= known < len(self.rules) else None
        return made if made else form.lower()


def key(form: str, upos: str) -> str:
    """How the lexicon names a word."""
    return f"{form.lower()}\t{upos}"


def learn(
    words: Iterable[tuple[str, str, str]], *, most_choices: int = 400, least_seen: int = _LEAST_SEEN
) -> Lemmas:
    """Learn from (form, upos, lemma) of running words.

    Cost: O(length**2) a distinct (form, lemma).
    """
    seen = Counter(word for word in words if word[2] != "_" or word[0] == "_")
    counts: Counter[Rule] = Counter()
    for (form, _, lemma), count in seen.items():
        counts[rule_of(form, lemma)] += count
    ordered = sorted(counts, key=lambda r: (-counts[r], repr(r)))
    chosen = [rule for rule in ordered if counts[rule] >= least_seen][:most_choices]
    lemmas = Lemmas(tuple(chosen), len(chosen), {})

    rules = {rule: index for index, rule in enumerate(chosen)}
    options: dict[str, set[int]] = {}
    for form, upos, lemma in seen:
        index = lemmas.choice(form, lemma)
        if index == NONE:
            index = rules.setdefault(rule_of(form, lemma), len(rules))
        if upos not in ("PROPN", "X"):
            options.setdefault(key(form, upos), set()).add(index)
    lexicon = {word: min(known) for word, known in options.items() if len(known) == 1}
    return Lemmas(tuple(rules), len(chosen), lexicon)
