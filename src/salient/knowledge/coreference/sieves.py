"""Links that grammar or the words themselves give, surest first; no weights.

Source: Raghunathan et al. 2010, "A multi-pass sieve for coreference resolution"; Lee et al. 2013.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from salient.knowledge.coreference.chains import Chains, Kind, Link
from salient.knowledge.coreference.referring import PLURAL, Name, Referring, Role, Shape, Sort
from salient.knowledge.names import fold
from salient.knowledge.syntax import Tree

_RELATIVE_CLAUSE = frozenset({"relcl", "acl:relcl"})
_CLAUSE_OF_NOUN = _RELATIVE_CLAUSE | {"acl", "vmod"}
_SUBJECTS = frozenset({"nsubj", "nsubj:pass", "nsubjpass", "csubj"})
_COMPANY = frozenset("company firm group business corporation startup start-up organization organisation".split())  # fmt: skip
_NO_COMPANY = frozenset("agency assembly authority bureau cabinet commission committee congress council court department government house ministry office parliament police senate school university college union party news times post journal".split())  # fmt: skip
_DOUBT = frozenset("not n't never may might could would".split())
_TOLD = (Shape.NAME, Shape.HE, Shape.SHE, Shape.IT)
_SORTS = {Shape.HE: Sort.PERSON, Shape.SHE: Sort.PERSON, Shape.IT: Sort.ORGANISATION}
_UNKNOWN = Sort.UNKNOWN
_BACK = 2  # sentences before "the company" in which its name is looked for


class Sieves:
    """The passes over one text. Links go to `links`, chains are joined as they are made."""

    def __init__(self, tree: Tree, found: Referring, names: Sequence[Name], chains: Chains) -> None:
        self.tree, self.found, self.names, self.chains = tree, found, names, chains
        self.links: list[Link] = []
        self.at_head = {int(h): row for row, h in enumerate(found.head.tolist())}

    def _join(self, row: int, antecedent: int, kind: Kind, score: float) -> bool:
        if antecedent >= row or not self.chains.agree(antecedent, row):
            return False
        self.links.append(Link(row, antecedent, kind, score))
        self.chains.join(antecedent, row)
        return True

    def bearers(self) -> None:
        """Link each name to the last one of the same bearer."""
        last: dict[int, int] = {}
        for row in np.flatnonzero(self.found.entity >= 0).tolist():
            bearer = int(self.found.entity[row])
            if bearer in last:
                self._join(row, last[bearer], Kind.NAME, 1.0)
            last[bearer] = row

    def appositions(self) -> None:
        """Link "a Danish shipbuilder" to the name it stands in apposition to."""
        tree, found = self.tree, self.found
        named = np.flatnonzero(found.name >= 0)
        ending = dict(zip(found.last[named].tolist(), named.tolist(), strict=True))
        starting = dict(zip(found.first[named].tolist(), named.tolist(), strict=True))
        common = (found.shape != Shape.NAME) & (found.shape < Shape.HE) & (found.number != PLURAL)
        for row in np.flatnonzero(common).tolist():
            head, first = int(found.head[row]), int(found.first[row])
            sort = int(found.sort[row])
            if tree.deprel[head] == "appos":
                name = self.at_head.get(tree.head[head])
                if name is not None and found.name[name] >= 0 and sort in {0, found.sort[name]}:
                    self._join(row, name, Kind.APPOSITION, 0.95)
                    continue
            name = starting.get(int(found.last[row]))
            if name is not None and sort == Sort.PERSON == found.sort[name]:
                self._join(name, row, Kind.APPOSITION, 0.95)  # "the cartoonist Ann Lee"
                continue
            # Parsers lose the way in preambles: "Acme Ltd, a company having its office in Oslo".
            before = ending.get(first - 1) if tree.word[max(first - 1, 0)] == "," else None
            if before is not None and found.shape[row] == Shape.INDEFINITE and sort == found.sort[before]:  # fmt: skip
                self._join(row, before, Kind.APPOSITION, 0.9)

    def predicates(self) -> None:
        """Link "a racer" to Ann Lee in "Ann Lee is a racer"."""
        tree, found = self.tree, self.found
        common = (found.shape != Shape.NAME) & (found.shape < Shape.HE) & (found.number != PLURAL)
        for row in np.flatnonzero(common & (found.role == Role.PREDICATE)).tolist():
            head = int(found.head[row])
            verb = tree.head[head] if tree.deprel[head] == "attr" else head
            under = tree.children[verb]
            linking = tree.lemma[verb] == "be" or any(tree.deprel[c] == "cop" for c in under)
            if not linking or any(tree.word[c] in _DOUBT for c in under):
                continue
            subject = next((self.at_head[c] for c in under if tree.deprel[c] == "nsubj" and c in self.at_head), None)  # fmt: skip
            if subject is None or found.shape[subject] not in _TOLD:
                continue
            if _UNKNOWN in (found.sort[row], found.sort[subject]) or found.sort[row] == found.sort[subject]:  # fmt: skip
                self._join(row, subject, Kind.PREDICATE, 0.9)

    def relatives(self) -> None:
        """Link "who", "which" and "that" to the noun that their clause belongs to."""
        tree, found = self.tree, self.found
        relative = (found.shape >= Shape.WHO) & (found.shape <= Shape.THAT)
        for row in np.flatnonzero(relative).tolist():
            verb = int(found.head[row])
            for _ in range(4):
                if tree.deprel[verb] in _RELATIVE_CLAUSE:
                    noun = self.at_head.get(tree.head[verb])
                    if noun is not None:
                        self._join(row, noun, Kind.RELATIVE, 0.95)
                    break
                verb = tree.head[verb]

    def owners(self) -> None:
        """Link "its" in "Acme, a company having its office in Oslo" to Acme.

        That is, to the noun that the clause belongs to, where the clause has no subject of its own.
        """
        found = self.found
        pronoun = (found.shape == Shape.IT) & (found.role == Role.POSSESSOR)
        for row in np.flatnonzero(pronoun).tolist():
            for owner in self._over(int(found.head[row])):
                if found.sort[owner] == Sort.ORGANISATION:
                    self._join(row, owner, Kind.CLAUSE, 0.85)
                    break
        owned = np.isin(found.shape, list(_SORTS)) & (found.role == Role.POSSESSOR)
        for row in np.flatnonzero(owned).tolist():
            noun = self.tree.head[int(found.head[row])]
            first = self.at_head.get(self.tree.head[noun])
            if first is None or self.tree.deprel[noun] != "conj":
                continue
            if found.sort[first] == _SORTS[Shape(int(found.shape[row]))]:
                self._join(row, first, Kind.CLAUSE, 0.9)  # "Ann Lee and her husband"

    def _over(self, row: int) -> Iterator[int]:
        """The mentions whose clause or apposition a word is in, innermost first."""
        tree = self.tree
        for _ in range(8):
            head, label = tree.head[row], tree.deprel[row]
            if head == row:
                return
            if label in _CLAUSE_OF_NOUN or label == "appos":
                if (owner := self.at_head.get(head)) is not None:
                    yield owner
            elif label in {"conj", "advcl", "ccomp"} and any(
                tree.deprel[c] in _SUBJECTS for c in tree.children[row]
            ):
                return
            if label in _CLAUSE_OF_NOUN and self._has_subject(row):
                return
            row = head

    def _has_subject(self, verb: int) -> bool:
        tree = self.tree
        subjects = (c for c in tree.children[verb] if tree.deprel[c] in _SUBJECTS)
        return any(tree.word[s] not in {"who", "which", "that"} for s in subjects)

    def companies(self) -> None:
        """Link a bare "the company" to the only company near it, or the nearest sentence's subject."""
        found = self.found
        bare = np.isin(found.shape, (Shape.DEFINITE, Shape.DEMONSTRATIVE)) & (
            found.number != PLURAL
        )
        bare &= (found.last - found.first == 2) & (found.sort == Sort.ORGANISATION)
        near = [r for r in np.flatnonzero(found.entity >= 0).tolist() if self._is_company(r)]
        starts = np.array(near, np.int64)
        for row in np.flatnonzero(bare).tolist():
            if self.tree.lemma[found.head[row]] not in _COMPANY or self._is_described(row):
                continue
            stop = int(np.searchsorted(starts, row))
            here = [
                r for r in near[max(stop - 40, 0) : stop]
                if found.sentence[row] - found.sentence[r] <= _BACK
            ]  # fmt: skip
            chosen, score = self._salient(here)
            if chosen is not None:
                self._join(row, chosen, Kind.COMPANY, score)

    def _is_company(self, row: int) -> bool:
        if self.names[int(self.found.name[row])].type != "ORG":
            return False
        words = self.tree.word[int(self.found.first[row]) : int(self.found.last[row])]
        return _NO_COMPANY.isdisjoint(fold(w) for w in words)

    def _is_described(self, row: int) -> bool:
        tree = self.tree
        told = {"prep", "nmod", "relcl", "acl", "acl:relcl", "compound", "amod", "appos"}
        return any(tree.deprel[c] in told for c in tree.children[int(self.found.head[row])])

    def _salient(self, near: Sequence[int]) -> tuple[int | None, float]:
        found = self.found
        if not near:
            return None, 0.0
        if len({int(found.entity[r]) for r in near}) == 1:
            return near[-1], 0.85
        near = [r for r in near if found.sentence[r] == found.sentence[near[-1]]]
        if len({int(found.entity[r]) for r in near}) == 1:
            return near[-1], 0.75
        subjects = [r for r in near if found.role[r] in {Role.SUBJECT, Role.PASSIVE_SUBJECT}]
        return (subjects[-1], 0.65) if subjects else (None, 0.0)
