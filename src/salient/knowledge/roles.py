"""Role nouns: who bears one, what it is held at, and how the whole title reads.

As in "Jane Doe, chief executive of Acme", "Acme named her president", "Beta, a subsidiary of Acme".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from salient.knowledge.ontology import Pattern
from salient.knowledge.places import Filler, Places
from salient.knowledge.statements import FORMER
from salient.knowledge.syntax import (
    APPOSITION,
    CLAUSE_OF_NOUN,
    COMPOUND,
    POSSESSIVE,
    SUBJECT,
    Tree,
)

_APPOINT = frozenset({"appoint", "name", "hire", "elect", "promote", "make", "choose", "select", "nominate", "install", "tap", "recruit", "elevate", "confirm"})  # fmt: skip
_NOT_IN_TITLE = frozenset(
    "new newly current currently the a an its his her their our s 's ’s".split()
)


class Roles:
    """Answers about the role nouns of one text."""

    def __init__(self, tree: Tree, text: str, places: Places) -> None:
        self.tree, self.text, self.places = tree, text, places

    def bearers(
        self, row: int, kinds: Sequence[str], depth: int = 0
    ) -> tuple[list[Filler], int | None]:
        """Who is called by a role noun, and the verb that says so."""
        tree = self.tree
        head, label = tree.head[row], tree.deprel[row]
        for child in tree.with_label(row, APPOSITION):
            if fills := self.places.fill(child, kinds):
                return fills, None
        if label in {"dobj", "obj", "oprd", "xcomp", "ccomp"} and tree.lemma[head] in _APPOINT:
            # "named John Carter chief executive", taken for one noun phrase
            inside = [c for c in tree.with_label(row, COMPOUND) if c in self.places.mention_at]
            if fills := self._fills(inside, kinds, follow=False):
                return fills, head
        if fills := self._fills(tree.with_label(row, SUBJECT), kinds):
            # "named her CEO" as a small clause, or a UD copula
            return fills, row if tree.with_label(row, frozenset({"cop"})) else head
        if head == row:
            return self._followed_by(row, kinds), None
        if label in APPOSITION | COMPOUND and (fills := self._fills([head], kinds, follow=False)):
            return fills, None
        verb = self._verb_of(row)
        if verb is not None:
            tokens = self._borne_by(row, verb)
            return self._fills([t for t in tokens if t != row], kinds), verb
        if label == "conj" and depth < 3 and head not in self.places.mention_at:
            return self.bearers(head, kinds, depth + 1)
        return self._followed_by(row, kinds), None

    def _verb_of(self, row: int) -> int | None:
        """The verb that gives somebody the role: "is", "became", "was named", "serves as"."""
        tree = self.tree
        head, label = tree.head[row], tree.deprel[row]
        if label in {"attr", "oprd", "acomp", "xcomp"} and tree.upos[head] in {"VERB", "AUX"}:
            return head
        if label in {"dobj", "obj"} and tree.lemma[head] in _APPOINT | {"become"}:
            return head
        if label not in {"pobj", "obl"}:
            return None
        if label == "pobj":
            verb, word = tree.head[head], tree.word[head]
        else:
            verb = head
            word = next((w for w, n in tree.with_prepositions(head) if n == row), "")
        return verb if word in {"as", "to"} and tree.upos[verb] in {"VERB", "AUX"} else None

    def _borne_by(self, row: int, verb: int) -> list[int]:
        tree = self.tree
        doers, done_to = tree.roles_of(verb)
        if tree.lemma[verb] in _APPOINT:
            return done_to
        return doers if tree.deprel[row] in {"dobj", "obj"} else doers or done_to

    def others(
        self, row: int, verb: int | None, pattern: Pattern, kinds: Sequence[str]
    ) -> list[Filler]:
        """What the role is held at: said beside the noun, else beside the verb that gives it."""
        prepositions = [p for p in pattern.of if p not in {"poss", "compound"}]
        for candidate in self._coordinated(row):
            said = list(self.tree.with_prepositions(candidate, prepositions))
            # "vice president of Operations at Acme": the place wins over the office.
            placed = [n for word, n in said if word == "at"] or [n for _, n in said]
            fills = self._fills(placed, kinds)
            if candidate != row:  # said of the other role; this one's own words win
                fills = [replace(f, discount=f.discount * 0.97) for f in fills]
            if not fills and "poss" in pattern.of:
                fills = self._fills(self.tree.with_label(candidate, POSSESSIVE), kinds)
            if not fills and "compound" in pattern.of:
                fills = self._fills(self._beside(candidate), kinds)
            if fills:
                return fills
        fills = self._through_office(row, kinds) if "at" in pattern.of else []
        if not fills and verb is not None:
            fills = self._of_verb(row, verb, kinds)
        return fills

    def _coordinated(self, row: int) -> list[int]:
        """The noun and those joined with it: "founder and CEO of Acme"."""
        tree = self.tree
        rows = [row]
        up = row
        while tree.deprel[up] == "conj" and tree.head[up] != up:
            up = tree.head[up]
            rows.append(up)
        rows.extend(r for r in tree.conjuncts(row) if r not in rows)
        return rows

    def _beside(self, row: int) -> list[int]:
        """Mentions in one noun phrase with the role: "Apple CEO Tim Cook" has all under "Cook"."""
        tree = self.tree
        near = tree.with_label(row, COMPOUND)
        if tree.deprel[row] in COMPOUND:
            head = tree.head[row]
            near += [c for c in tree.with_label(head, COMPOUND | POSSESSIVE) if c < row]
        last = max(near, default=row)
        return [
            t
            for t in near
            if t in self.places.mention_at and ")" not in tree.word[t : max(last, row)]
        ]

    def _through_office(self, row: int, kinds: Sequence[str]) -> list[Filler]:
        """Acme in "vice president of sales at Acme"."""
        for _, noun in self.tree.with_prepositions(row, None):
            if noun not in self.places.mention_at:
                near = self.tree.with_prepositions(noun, ("at", "of", "for", "with"))
                if fills := self._fills((n for _, n in near), kinds):
                    return fills
        return []

    def _of_verb(self, row: int, verb: int, kinds: Sequence[str]) -> list[Filler]:
        """The company of "joined Acme as CFO", "Acme appointed her CFO", "is chair at Acme"."""
        tree = self.tree
        doers, done_to = tree.roles_of(verb)
        tokens: list[int] = []
        if tree.lemma[verb] in {"join", "leave", "head", "lead"}:
            tokens = [o for o in done_to if o != row]
        elif tree.lemma[verb] in _APPOINT:
            tokens = doers
        elif tree.deprel[verb] in CLAUSE_OF_NOUN and any(
            tree.word[c] == "where" for c in tree.children[verb]
        ):
            tokens = [tree.head[verb]]  # "Beta, where she was finance director"
        if fills := self._fills(tokens, kinds):
            return fills
        near = tree.with_prepositions(verb, ("at", "of", "with", "for"))
        return self._fills((n for _, n in near if n != row), kinds)

    def title(self, row: int) -> str:
        """The role noun with what belongs to it: "President & CEO", "vice president of sales"."""
        tree = self.tree
        first = last = row
        while (
            tree.deprel[first] == "conj"
            and tree.head[first] < first
            and self._joined(tree.head[first], first)
        ):
            first = tree.head[first]
        for other in tree.conjuncts(row):
            if other > last and self._joined(last, other):
                last = other
        sentence = self.places.sentence_of(row)
        while first > 0 and self.places.sentence_of(first - 1) == sentence:
            left = first - 1
            if left in self.places.mention_at or tree.word[left] in _NOT_IN_TITLE | FORMER:
                break
            noun = tree.upos[left] in {"NOUN", "ADJ", "PROPN"}
            if not noun and tree.word[left] not in {"-", "&"}:
                break
            first = left
        for _, noun_row in tree.with_prepositions(last, ("of",)):
            near = noun_row not in self.places.mention_at and noun_row - last <= 5
            if near and tree.upos[noun_row] == "NOUN":
                last = noun_row
        return " ".join(self.text[tree.start[first] : tree.end[last]].split())

    def _joined(self, left: int, right: int) -> bool:
        """Whether two coordinated role nouns are one title, with nothing but their own words between."""
        tree = self.tree
        return right - left <= 7 and all(
            r not in self.places.mention_at
            and tree.upos[r] in {"CCONJ", "NOUN", "PROPN", "ADJ", "PUNCT", "SYM"}
            and tree.word[r] not in {";", ":"}
            for r in range(left + 1, right)
        )

    def _followed_by(self, row: int, kinds: Sequence[str]) -> list[Filler]:
        """The name right behind, as in "chief executive Jane Doe", whatever the parser made of it."""
        after = row + 1
        sentence = self.places.sentence_of
        if after < len(self.tree.word) and sentence(after) == sentence(row):
            reference = self.places.mention_at.get(after)
            starts_here = reference and reference.start == self.tree.start[after]
            if reference and starts_here and reference.kind in kinds:
                return [Filler(reference, after, 0.9)]
        return []

    def _fills(
        self, rows: Iterable[int], kinds: Sequence[str], *, follow: bool = True
    ) -> list[Filler]:
        return [f for row in rows for f in self.places.fill(row, kinds, follow=follow)]
