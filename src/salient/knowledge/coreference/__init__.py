"""Which mentions of one document are the same: names, pronouns, "the company", defined terms.

Sieves come first, surest before others (Raghunathan et al. 2010; Lee et al. 2013): names of one
bearer, as `shortforms` and `definitions` know them, what grammar gives, "the company". What remains,
pronouns and definite noun phrases, a small log-linear model ranks. A link below the threshold is not
made: a wrong antecedent is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from salient.knowledge.coreference import features
from salient.knowledge.coreference.chains import (
    Chains,
    Kind,
    Link,
    join_anaphors,
)
from salient.knowledge.coreference.ranker import Ranker, shipped
from salient.knowledge.coreference.referring import (
    Name,
    Referring,
    Shape,
    Span,
    found_in,
    referring,
)
from salient.knowledge.coreference.sieves import Sieves
from salient.knowledge.mentions import Mention
from salient.knowledge.syntax import Tree
from salient.model import Annotations
from salient.nlp.noun_phrases import noun_phrases

THRESHOLDS: Mapping[Shape, float] = {
    Shape.HE: 0.5, Shape.SHE: 0.5, Shape.THEY: 0.6, Shape.IT: 0.55, Shape.DEFINITE: 0.6, Shape.DEMONSTRATIVE: 0.8,
}  # fmt: skip
"""What is linked, and the probability below which it is not. How many links are right at these is in
`docs/models/coreference.md`: more of "he" than of "it"."""


@dataclass(frozen=True, slots=True)
class Coreference:
    """The links of a document in text order, and for each mention the first member of its chain."""

    found: Referring
    links: tuple[Link, ...]
    chain: tuple[int, ...]

    def chains(self) -> list[list[int]]:
        """Mentions that are one, two or more together, in text order."""
        members: dict[int, list[int]] = {}
        for row, first in enumerate(self.chain):
            members.setdefault(first, []).append(row)
        return [rows for rows in members.values() if len(rows) > 1]

    def bearers(self) -> dict[int, tuple[int, float]]:
        """By mention that is no name: the last name before it in its chain, and how surely.

        Both are mentions. How surely is the product over the links in between.
        """
        found, last, surely = self.found, {}, {}
        link = {one.mention: one for one in self.links}
        meant: dict[int, tuple[int, float]] = {}
        for row in range(len(found)):
            chain = self.chain[row]
            one = link.get(row)
            if found.name[row] >= 0:
                last[chain], surely[row] = row, 1.0
            elif one is not None and one.antecedent in surely:
                surely[row] = one.score * surely[one.antecedent]
                meant[row] = last[chain], surely[row]
        return meant


def names_of(mentions: Sequence[Mention]) -> list[Name]:
    """Linked mentions as names: those of one root have one bearer."""
    number: dict[tuple[str, str], int] = {}
    return [
        Name(m.start, m.end, m.root[0], number.setdefault(m.root, len(number))) for m in mentions
    ]


def resolve(
    text: str,
    annotations: Annotations,
    tree: Tree,
    names: Sequence[Name],
    *,
    thresholds: Mapping[Shape, float] = THRESHOLDS,
) -> Coreference:
    """Find who "it", "she" and "the company" are.

    Args:
        tree: of the same annotations.
        names: in text order, not overlapping.

    Without syntax only names are linked.

    Cost: linear in the tokens; a pronoun has a bounded number of candidates.
    """
    phrases = noun_phrases(annotations.tokens, annotations.strings)
    mentions = found_in(tree, names, phrases) if len(tree.start) else []
    found = referring(text, tree, mentions, names)
    parsed = annotations.language == "en" and any(tree.deprel)
    return link(tree, found, names, shipped(), thresholds if parsed else {})


def link(
    tree: Tree,
    found: Referring,
    names: Sequence[Name],
    ranker: Ranker,
    thresholds: Mapping[Shape, float],
) -> Coreference:
    """Link mentions that are already described.

    Args:
        thresholds: what the ranker is asked about; with nothing, only names are linked.
    """
    chains = Chains(found)
    sieves = Sieves(tree, found, names, chains)
    sieves.bearers()
    links = sieves.links
    if thresholds:
        sieves.appositions()
        sieves.predicates()
        sieves.relatives()
        sieves.owners()
        sieves.companies()
        anaphors = np.flatnonzero(np.isin(found.shape, list(thresholds)) & (found.name < 0))
        least = np.array([thresholds.get(shape, 1.0) for shape in Shape])[found.shape]
        for given in features.pairs(tree, found, anaphors):
            likely, _ = ranker.probabilities(given)
            links += join_anaphors(found, chains, given, likely.tolist(), least.tolist())
    links.sort(key=lambda one: one.mention)
    return Coreference(found, tuple(links), tuple(chains.of(r) for r in range(len(found))))


__all__ = [
    "THRESHOLDS", "Coreference", "Kind", "Link", "Name", "Referring", "Shape", "Span", "link", "names_of",
    "resolve",
]  # fmt: skip
