"""What fills a place in a sentence's pattern: a mention, or what stands for one.

A relative pronoun stands for the noun before its clause, "it" and "the company" for what coreference
says, a common noun for the name it describes or is described by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from salient.knowledge.syntax import (
    APPOSITION,
    CLAUSE_OF_NOUN,
    COMPOUND,
    POSSESSIVE,
    RELATIVE,
    SUBJECT,
    Tree,
)

MEANT_DISCOUNT = 0.8
"""What a statement loses because its sentence names somebody by "it" or "the company"."""
_RAISING = frozenset({"raise", "secure", "close", "complete", "land", "announce", "receive"})
_CLAUSES = frozenset({"conj", "ccomp", "advcl", "relcl", "acl:relcl", "parataxis"})


@dataclass(frozen=True, slots=True)
class Reference:
    """A mention or a value in the text, as rules see it. `kind` is a type or a value label."""

    start: int
    end: int
    kind: str
    index: int


@dataclass(frozen=True, slots=True)
class Filler:
    """What fills a place, and where. `meant`: by coreference, not by its own words."""

    reference: Reference
    token: int
    discount: float = 1.0
    meant: bool = False


class Places:
    """The mentions and values of a text by token, and what stands for them.

    `meant` has, by the rows of pronouns and common nouns, the mentions they point back to.
    """

    def __init__(
        self,
        tree: Tree,
        mentions: Sequence[Reference],
        values: Sequence[Reference],
        meant: Mapping[int, tuple[Reference, float]],
    ) -> None:
        self.tree, self.meant = tree, meant
        self.mention_at = _by_token(tree, mentions)
        self.value_at = _by_token(tree, values)
        self._sentence_of = [0] * len(tree.head)
        for number, (first, last) in enumerate(tree.sentences):
            self._sentence_of[first:last] = [number] * (last - first)

    def sentence_of(self, row: int) -> int:
        """The number of a token's sentence."""
        return self._sentence_of[row]

    def fill(
        self,
        token: int,
        kinds: Sequence[str],
        through: Sequence[str] = (),
        *,
        follow: bool = True,
    ) -> list[Filler]:
        """The mentions that stand in a place: itself, its conjuncts, its apposition, its antecedent."""
        found: list[Filler] = []
        for row in self._listed(token) if follow else [token]:
            if self.tree.upos[row] in {"VERB", "AUX", "ADV"} and row not in self.mention_at:
                continue
            found.extend(self._fill_one(row, kinds, through))
        seen: set[int] = set()
        return [f for f in found if not (f.reference.index in seen or seen.add(f.reference.index))]  # type: ignore[func-returns-value]

    def _listed(self, token: int) -> list[int]:
        """A place's coordinated words. "A, B and C" may be parsed as A, in apposition B and C."""
        rows = self.tree.conjuncts(token)
        first = self.mention_at.get(token)
        if first is None:
            return rows
        for child in self.tree.with_label(token, APPOSITION):
            other = self.mention_at.get(child)
            if other is not None and other is not first and other.kind == first.kind:
                listed = self.tree.conjuncts(child)
                # "Bergen, Norway" says both.
                if len(listed) > 1 or len(rows) > 1 or first.kind == "PLACE":
                    rows.extend(listed)
        return rows

    def _fill_one(self, row: int, kinds: Sequence[str], through: Sequence[str]) -> Sequence[Filler]:
        reference = self.mention_at.get(row)
        if reference is not None:
            return [Filler(reference, row)] if reference.kind in kinds else []
        word = self.tree.word[row]
        if word in RELATIVE:
            return self._before_clause(row, kinds)
        return (
            self._of_kind(self.tree.with_label(row, APPOSITION), kinds, 0.95)
            or self._said_to_be(row, kinds)
            or self._through(row, kinds, through)
            or self._spoken_of(row, kinds)
        )

    def _of_kind(self, rows: Sequence[int], kinds: Sequence[str], discount: float) -> list[Filler]:
        found = [(r, self.mention_at[r]) for r in rows if r in self.mention_at]
        return [Filler(m, r, discount) for r, m in found if m.kind in kinds]

    def _before_clause(self, row: int, kinds: Sequence[str]) -> list[Filler]:
        """The noun that a relative pronoun's clause belongs to."""
        tree, verb = self.tree, row
        for _ in range(4):
            if tree.deprel[verb] in CLAUSE_OF_NOUN:
                noun = tree.head[verb]
                found = self._of_kind([noun], kinds, 0.95) or self._spoken_of(noun, kinds)
                return [replace(f, token=row) for f in found]
            verb = tree.head[verb]
        return []

    def _through(self, row: int, kinds: Sequence[str], through: Sequence[str]) -> list[Filler]:
        """Beta in "a stake in Beta", "Beta's assets", "51 % of Beta"."""
        value = self.value_at.get(row)
        percent = bool(through) and value is not None and value.kind == "PERCENT"
        if self.tree.lemma[row] not in through and not percent:
            return []
        found = [
            f
            for _, noun in self.tree.with_prepositions(row, ("in", "of", "on", "to"))
            for f in self.fill(noun, kinds, through)
        ]
        found += self._of_kind(self.tree.with_label(row, POSSESSIVE | COMPOUND), kinds, 0.85)
        return found or self._raised_by(row, kinds)

    def _raised_by(self, row: int, kinds: Sequence[str]) -> list[Filler]:
        """Acme in "Acme raised $5m in a round led by Kestrel", asked for the round."""
        tree = self.tree
        verb = tree.head[row]
        if tree.deprel[row] == "pobj":
            verb = tree.head[verb]
        if tree.lemma[verb] not in _RAISING:
            return []
        return [f for t in tree.subjects(verb) for f in self.fill(t, kinds)]

    def _spoken_of(self, row: int, kinds: Sequence[str]) -> list[Filler]:
        """What "she", "it" or "the company" points back to."""
        reference, score = self.meant.get(row, (None, 0.0))
        if reference is None or reference.kind not in kinds:
            return []
        return [Filler(reference, row, MEANT_DISCOUNT * score, meant=True)]

    def _said_to_be(self, row: int, kinds: Sequence[str]) -> list[Filler]:
        """The mention that a common noun describes: "Acme is a maker", "Acme, a maker based in Oslo"."""
        tree = self.tree
        if tree.upos[row] != "NOUN":
            return []
        head, label = tree.head[row], tree.deprel[row]
        if (label == "attr" and tree.lemma[head] in {"be", "become", "remain"}) or tree.with_label(
            row, frozenset({"cop"})
        ):
            verb = head if label == "attr" else row
            subjects = tree.subjects(verb) if label == "attr" else tree.with_label(row, SUBJECT)
            found = [f for t in subjects if t != row for f in self._fill_one(t, kinds, ())]
            return [replace(f, discount=f.discount * 0.95) for f in found]
        if (
            label in APPOSITION
            and (reference := self.mention_at.get(head))
            and reference.kind in kinds
        ):
            return [Filler(reference, head, 0.95)]
        return []

    def value_under(self, row: int, label: str) -> Reference | None:
        """The nearest value under a verb, not beyond a clause of its own."""
        tree = self.tree
        stack = list(tree.children[row])
        best: tuple[int, Reference] | None = None
        while stack:
            child = stack.pop()
            value = self.value_at.get(child)
            if value is not None and value.kind == label:
                distance = abs(child - row)
                if best is None or distance < best[0]:
                    best = (distance, value)
                continue
            if tree.deprel[child] in _CLAUSES:
                continue
            stack.extend(tree.children[child])
        return best[1] if best else None


def _by_token(tree: Tree, references: Sequence[Reference]) -> dict[int, Reference]:
    """Token -> the mention that covers it; of overlapping ones the longer."""
    found: dict[int, Reference] = {}
    row = 0
    n = len(tree.start)
    for reference in sorted(references, key=lambda r: (r.start, -r.end)):
        while row < n and tree.end[row] <= reference.start:
            row += 1
        inside = row
        while inside < n and tree.start[inside] < reference.end:
            old = found.get(inside)
            if old is None or old.end - old.start < reference.end - reference.start:
                found[inside] = reference
            inside += 1
    return found
