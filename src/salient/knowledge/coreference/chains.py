"""From probabilities of pairs to links and chains, left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from salient.knowledge.coreference.features import Pairs
from salient.knowledge.coreference.referring import Referring, Shape


class Kind(StrEnum):
    """What makes a link."""

    NAME = "name"
    PRONOUN = "pronoun"
    RELATIVE = "relative"
    APPOSITION = "apposition"
    PREDICATE = "predicate"
    CLAUSE = "clause"
    COMPANY = "company"
    NOMINAL = "nominal"


@dataclass(frozen=True, slots=True)
class Link:
    """A mention and the earlier one that it points to; positions in `Coreference.found`."""

    mention: int
    antecedent: int
    kind: Kind
    score: float


class Chains:
    """Which mentions are one, joined as links are made. A chain has one name's bearer, one gender."""

    def __init__(self, found: Referring) -> None:
        self.parent = list(range(len(found)))
        self.entity: list[int] = found.entity.tolist()
        self.gender: list[int] = found.gender.tolist()

    def of(self, mention: int) -> int:
        """The chain of a mention: its first member."""
        parent = self.parent
        while parent[mention] != mention:
            parent[mention] = parent[parent[mention]]
            mention = parent[mention]
        return mention

    def agree(self, left: int, right: int) -> bool:
        """Whether two chains can be one."""
        left, right = self.of(left), self.of(right)
        entities = self.entity[left], self.entity[right]
        genders = self.gender[left], self.gender[right]
        return (min(entities) < 0 or entities[0] == entities[1]) and not (
            min(genders) > 0 and genders[0] != genders[1]
        )

    def join(self, left: int, right: int) -> None:
        """Make two chains one."""
        left, right = sorted((self.of(left), self.of(right)))
        self.parent[right] = left
        self.entity[left] = max(self.entity[left], self.entity[right])
        self.gender[left] = max(self.gender[left], self.gender[right])


def _lend(found: Referring, chains: Chains, mass: dict[int, float]) -> None:
    """Give the likeliest chain with a name what pronouns have that no name is known for.

    Most of those are the same bearer, whom an earlier step was not sure of.
    """
    named = [c for c in mass if chains.entity[c] >= 0]
    if not named:
        return
    best = max(named, key=lambda c: (mass[c], c))
    loose = [c for c in mass if chains.entity[c] < 0 and found.shape[c] in {Shape.HE, Shape.SHE}]
    if mass[best] >= _LEAST and all(mass[best] >= mass[c] for c in loose):
        mass[best] += _LENT * sum(mass[c] for c in loose if chains.agree(c, best))


_LEAST, _LENT = 0.3, 0.8


def join_anaphors(
    found: Referring,
    chains: Chains,
    given: Pairs,
    probabilities: Sequence[float],
    least: Sequence[float],
) -> list[Link]:
    """Link each anaphor to the chain that is most likely meant, by its nearest member.

    A chain's likelihood is the sum over its members: that "it" may mean either of two places where
    the bank is named makes the bank no less likely.

    Args:
        least: for each mention the likelihood below which it is not linked.
    """
    links: list[Link] = []
    begins = given.begins.tolist()
    candidates = given.candidate.tolist()
    for number, row in enumerate(given.anaphors.tolist()):
        if chains.of(row) != row:
            continue  # a sieve has linked it
        mass: dict[int, float] = {}
        nearest: dict[int, int] = {}
        for at in range(begins[number], begins[number + 1]):
            if probabilities[at] < 0.01:
                continue
            chain = chains.of(candidates[at])
            mass[chain] = mass.get(chain, 0.0) + probabilities[at]
            nearest.setdefault(chain, candidates[at])
        _lend(found, chains, mass)
        for chain in sorted(mass, key=lambda c: (-mass[c], -nearest[c])):
            if mass[chain] < least[row] or chain == chains.of(row):
                break
            if chains.agree(chain, row):
                kind = Kind.PRONOUN if found.shape[row] >= Shape.HE else Kind.NOMINAL
                kind = Kind.NAME if found.shape[row] == Shape.NAME else kind
                links.append(Link(row, nearest[chain], kind, round(min(mass[chain], 1.0), 4)))
                chains.join(chain, row)
                break
    return links
