"""From probabilities of pairs to links and chains, left to right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from salient.knowledge.coreference.features import Pairs
from salient.knowledge.coreference.referring import PLURAL, Referring, Role, Shape
from salient.knowledge.syntax import Tree


class Kind(StrEnum):
    """What makes a link."""

    NAME = "name"
    PRONOUN = "pronoun"
    RELATIVE = "relative"
    APPOSITION = "apposition"
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


def join_names(found: Referring, chains: Chains) -> list[Link]:
    """Link each name to the last one of the same bearer."""
    links: list[Link] = []
    last: dict[int, int] = {}
    for row in np.flatnonzero(found.entity >= 0).tolist():
        bearer = int(found.entity[row])
        if bearer in last:
            links.append(Link(row, last[bearer], Kind.NAME, 1.0))
            chains.join(row, last[bearer])
        last[bearer] = row
    return links


def join_anaphors(
    found: Referring,
    chains: Chains,
    given: Pairs,
    probabilities: Sequence[float],
    threshold: float,
) -> list[Link]:
    """Link each anaphor to the chain that is most likely meant, by its nearest member.

    A chain's likelihood is the sum over its members: that "it" may mean either of two places where
    the bank is named makes the bank no less likely.
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
        for chain in sorted(mass, key=lambda c: (-mass[c], -nearest[c])):
            if mass[chain] < threshold or chain == chains.of(row):
                break
            if chains.agree(chain, row):
                kind = Kind.PRONOUN if found.shape[row] >= Shape.HE else Kind.NOMINAL
                kind = Kind.NAME if found.shape[row] == Shape.NAME else kind
                links.append(Link(row, nearest[chain], kind, round(min(mass[chain], 1.0), 4)))
                chains.join(chain, row)
                break
    return links


def relative_links(tree: Tree, found: Referring, chains: Chains) -> list[Link]:
    """Link "who", "which" and "that" to the noun that their clause belongs to."""
    at_head = {int(h): row for row, h in enumerate(found.head.tolist())}
    links: list[Link] = []
    relative = (found.shape >= Shape.WHO) & (found.shape <= Shape.THAT)
    for row in np.flatnonzero(relative).tolist():
        verb = int(found.head[row])
        for _ in range(4):
            if tree.deprel[verb] in {"relcl", "acl:relcl"}:
                noun = at_head.get(tree.head[verb])
                if noun is not None and noun < row and chains.agree(noun, row):
                    links.append(Link(row, noun, Kind.RELATIVE, 0.95))
                    chains.join(noun, row)
                break
            verb = tree.head[verb]
    return links


def apposed_links(tree: Tree, found: Referring, chains: Chains) -> list[Link]:
    """Link "a Danish shipbuilder" to the name it stands in apposition to."""
    at_head = {int(h): row for row, h in enumerate(found.head.tolist())}
    links: list[Link] = []
    common = (found.shape != Shape.NAME) & (found.shape < Shape.HE) & (found.role == Role.APPOSITION)
    for row in np.flatnonzero(common).tolist():
        head = int(found.head[row])
        name = at_head.get(tree.head[head]) if tree.deprel[head] == "appos" else None
        if name is None or name >= row or found.name[name] < 0:
            continue
        sorts = int(found.sort[row]), int(found.sort[name])
        plural = int(found.number[row]) == PLURAL
        if (min(sorts) == 0 or sorts[0] == sorts[1]) and not plural and chains.agree(name, row):
            links.append(Link(row, name, Kind.APPOSITION, 0.95))
            chains.join(name, row)
    return links
