"""Facts that single sentences state, by patterns over dependency trees.

The patterns are the ontology's. What is here is how a pattern's places are filled: voice, relative
clauses, appositions, coordination, pronouns, and what makes a statement less than a fact (negation,
plans, hearsay). Precision goes before recall: a place that cannot be filled makes no fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from salient.knowledge.ontology import Ontology, Pattern
from salient.knowledge.places import Filler, Places, Reference
from salient.knowledge.roles import Roles
from salient.knowledge.statements import Candidate, Statements, Trigger
from salient.knowledge.syntax import OBJECT, POSSESSIVE, Tree


@dataclass(frozen=True, slots=True)
class _Rules:
    verbs: Mapping[str, tuple[tuple[str, Pattern], ...]]
    nouns: Mapping[str, tuple[tuple[str, Pattern], ...]]
    roles: Mapping[str, tuple[tuple[str, Pattern], ...]]
    based: tuple[tuple[str, Pattern], ...]


@cache
def _compiled(ontology: Ontology) -> _Rules:
    """Patterns by the last word of their trigger."""
    tables: dict[str, dict[str, list[tuple[str, Pattern]]]] = {
        "verbs": {},
        "nouns": {},
        "roles": {},
    }
    based: list[tuple[str, Pattern]] = []
    for name, predicate in ontology.predicates.items():
        for pattern in predicate.patterns:
            if pattern.based:
                based.append((name, pattern))
            for part, table in tables.items():
                for trigger in getattr(pattern, part):
                    key = trigger if part != "verbs" else trigger.split()[0]
                    table.setdefault(key, []).append((name, pattern))
    frozen = {part: {k: tuple(v) for k, v in table.items()} for part, table in tables.items()}
    return _Rules(frozen["verbs"], frozen["nouns"], frozen["roles"], tuple(based))


def extract(
    tree: Tree,
    text: str,
    mentions: Sequence[Reference],
    values: Sequence[Reference],
    ontology: Ontology,
    meant: Mapping[int, tuple[Reference, float]] = MappingProxyType({}),
) -> list[Candidate]:
    """All that the patterns find, in text order; one candidate a (predicate, sides, sentence).

    Args:
        mentions: of linkable types, in text order; `kind` is the ontology's type.
        values: DATE, MONEY, PERCENT spans, in text order.
        meant: by the token of a pronoun or common noun, the mention it means and how surely.

    Cost: linear in the tokens of sentences that hold a mention.
    """
    places = Places(tree, mentions, values, meant)
    return _Extraction(tree, text, places, ontology).run()


class _Extraction:
    def __init__(self, tree: Tree, text: str, places: Places, ontology: Ontology) -> None:
        self.tree, self.ontology, self.places = tree, ontology, places
        self.rules = _compiled(ontology)
        self.roles = Roles(tree, text, self.places)
        self.stated = Statements(tree, text, self.places, ontology)

    def run(self) -> list[Candidate]:
        tree, named, meant = self.tree, self.places.mention_at, self.places.meant
        for first, last in tree.sentences:
            here = any(row in named or row in meant for row in range(first, last))
            if not here or last - first > 300:
                continue  # a "sentence" of 300 words is a table or a list
            for row in range(first, last):
                if row not in self.places.mention_at or tree.upos[row] in {"VERB", "NOUN"}:
                    self._at(row)
        return self.stated.in_order()

    def _at(self, row: int) -> None:
        tree, lemma = self.tree, self.tree.lemma[row]
        verbal = tree.upos[row] in {"VERB", "AUX"} or tree.xpos[row] in {"VBN", "VBG", "VBD", "VBZ"}
        if verbal or tree.deprel[row] == "acomp":  # "is headquartered in" may pass for an adjective
            for name, pattern in self.rules.verbs.get(lemma, ()):
                if self._particle_agrees(row, pattern):
                    self._verb(row, name, pattern)
        if (
            lemma == "based"
            or (lemma == "base" and tree.xpos[row] in {"VBN", "JJ"})
            or tree.word[row].endswith("-based")
        ):
            for name, pattern in self.rules.based:
                self._based(row, name, pattern)
        if tree.upos[row] in {"NOUN", "PROPN", "ADJ"}:
            keys = [lemma, tree.word[row]] if lemma != tree.word[row] else [lemma]
            if row:
                keys.append(f"{tree.word[row - 1]} {lemma}")
                if row > 1 and tree.word[row - 1] == "-":
                    keys.append(f"{tree.word[row - 2]}-{lemma}")
            for key in keys:
                for name, pattern in self.rules.nouns.get(key, ()):
                    self._noun(row, name, pattern)
            done: set[str] = set()
            for key in keys:
                for name, pattern in self.rules.roles.get(key, ()):
                    if name not in done:
                        done.add(name)
                        self._role(row, name, pattern)

    # ---- verbs

    def _particle_agrees(self, row: int, pattern: Pattern) -> bool:
        tree = self.tree
        near = {tree.word[c] for c in tree.children[row]} | {
            tree.word[r] for r in (row + 1, row + 2) if r < len(tree.word)
        }
        lemma = tree.lemma[row]
        for verb in pattern.verbs:
            head, *particles = verb.split()
            if head == lemma and all(p in near for p in particles):
                return True
        return False

    def _verb(self, row: int, name: str, pattern: Pattern) -> None:
        tree = self.tree
        doers, done_to = tree.roles_of(row)
        passive = tree.is_passive(row)
        if row > 1 and tree.word[row - 1] == "-" and tree.word[row - 2] == "co":
            # "co-founded" cut into three confuses parsers; its arguments hang on any of the three.
            parts = (row - 2, row - 1, row)
            doers = doers or [t for p in parts for t in tree.subjects(p)]
            done_to = done_to or [
                t for p in parts for t in tree.with_label(p, OBJECT) if t not in parts
            ]
        if pattern.needs_word and not self._has_word(row, pattern.needs_word):
            return
        handed = {tree.lemma[c] for t in done_to for c in tree.conjuncts(t)}
        if not handed.isdisjoint(pattern.unless):
            return
        subject_slot = _slot(pattern.subject) or "subj"
        object_slot = _slot(pattern.object) or "obj"
        predicate = self.ontology.predicates[name]
        lefts = self._slot(row, subject_slot, doers, done_to, pattern, predicate.subject)
        if object_slot.startswith("value:"):
            self._verb_value(row, name, pattern, lefts, object_slot.removeprefix("value:"))
            return
        if object_slot == "conj":
            if passive:
                return
            sides = [f for d in doers for f in self.places.fill(d, predicate.subject)]
            for other in sides[1:]:
                self.stated.add(Trigger(name, pattern, row), sides[0], other)
            return
        if passive and object_slot == "subj" and subject_slot == "subj":
            return
        if pattern.only_through:
            # "led a round in Acme" is an investment, "led Acme" is not.
            done_to = [t for t in done_to if self.tree.lemma[t] in pattern.through]
        rights = self._slot(row, object_slot, doers, done_to, pattern, predicate.object)
        for left in lefts:
            for right in rights:
                self.stated.add(Trigger(name, pattern, row), left, right)

    def _slot(
        self,
        row: int,
        slot: str,
        doers: list[int],
        done_to: list[int],
        pattern: Pattern,
        kinds: Sequence[str],
    ) -> list[Filler]:
        found: list[Filler] = []
        for option in _options(slot):
            if option == "subj":
                tokens = doers
            elif option == "obj":
                tokens = done_to
            else:
                wanted = option.removeprefix("prep:").split("|")
                tokens = [noun for _, noun in self.tree.with_prepositions(row, wanted)]
                # "born in 1946 in Oslo" may be parsed as the 1946 of Oslo.
                tokens += [
                    noun
                    for token in tokens
                    if token in self.places.value_at
                    for _, noun in self.tree.with_prepositions(token, wanted)
                ]
                if not tokens and not self.tree.is_passive(row):
                    # "acquired a stake in Beta": the preposition hangs under the object.
                    tokens = [
                        noun for o in done_to if o not in self.places.mention_at and self.tree.deprel[o] in {"dobj", "obj"}
                        for _, noun in self.tree.with_prepositions(o, wanted)
                    ]  # fmt: skip
            for token in tokens:
                found.extend(self.places.fill(token, kinds, pattern.through))
            if found:
                break
        return found

    def _verb_value(
        self, row: int, name: str, pattern: Pattern, lefts: list[Filler], label: str
    ) -> None:
        value = self.places.value_under(row, label)
        if value is None:
            return
        for left in lefts[:1]:
            self.stated.add_value(Trigger(name, pattern, row), left, value)

    def _has_word(self, row: int, wanted: tuple[str, ...]) -> bool:
        tree = self.tree
        return any(tree.word[r] in wanted or tree.lemma[r] in wanted for r in tree.subtree(row))

    # ---- nouns that name events

    def _noun(self, row: int, name: str, pattern: Pattern) -> None:
        tree, predicate = self.tree, self.ontology.predicates[name]
        kinds_left, kinds_right = predicate.subject, predicate.object or predicate.subject
        lefts: list[Filler] = []
        rights: list[Filler] = []
        for slot in pattern.subject:
            if slot == "poss":
                fills = [
                    f
                    for t in tree.with_label(row, POSSESSIVE)
                    for f in self.places.fill(t, kinds_left)
                ]
            else:
                fills = [
                    f for _, noun in tree.with_prepositions(row, (slot,))
                    for f in self.places.fill(noun, kinds_left)
                ]  # fmt: skip
            if slot in {"between", "of"} and "and" in pattern.object and len(fills) > 1:
                lefts, rights = fills[:1], fills[1:]
                break
            if fills and not lefts:
                lefts = fills
        if not rights:
            for slot in pattern.object:
                rights.extend(
                    f for _, noun in tree.with_prepositions(row, (slot,))
                    for f in self.places.fill(noun, kinds_right, pattern.through)
                )  # fmt: skip
        trigger = row
        verb = self._light_verb(row)
        if verb is not None and pattern.light is not True:
            listed = pattern.light or ()
            verb = verb if tree.lemma[verb] in listed else None
        if verb is not None:
            trigger = verb
            if not rights and pattern.light:
                wanted = [s for s in pattern.object if s != "and"]
                rights = [
                    f
                    for _, n in tree.with_prepositions(verb, wanted)
                    if n != row
                    for f in self.places.fill(n, kinds_right)
                ]
            if not lefts and pattern.light:
                doers, _ = tree.roles_of(verb)
                lefts = [f for d in doers if d != row for f in self.places.fill(d, kinds_left)]
        for left in lefts:
            for right in rights:
                self.stated.add(Trigger(name, pattern, trigger, row), left, right)

    def _light_verb(self, row: int) -> int | None:
        """The verb whose object the noun is: "completed its acquisition of", "entered into a deal with"."""
        tree = self.tree
        head = tree.head[row]
        if tree.deprel[row] == "pobj":
            head = tree.head[head]
        if (
            head != row
            and tree.upos[head] == "VERB"
            and tree.deprel[row] in {"dobj", "obj", "pobj", "obl", "nsubjpass"}
        ):
            return head
        return None

    # ---- roles

    def _role(self, row: int, name: str, pattern: Pattern) -> None:
        predicate = self.ontology.predicates[name]
        bearer_kinds, other_kinds = predicate.subject, predicate.object
        if pattern.swap:
            bearer_kinds, other_kinds = other_kinds, bearer_kinds
        bearers, verb = self.roles.bearers(row, bearer_kinds)
        if not bearers:
            return
        others = self.roles.others(row, verb, pattern, other_kinds)
        taken = {b.reference.index for b in bearers}
        title = self.roles.title(row) if pattern.title else None
        trigger = Trigger(name, pattern, verb if verb is not None else row, row, title)
        for bearer in bearers:
            for other in others:
                if other.reference.index not in taken:
                    left, right = (other, bearer) if pattern.swap else (bearer, other)
                    self.stated.add(trigger, left, right)

    # ---- "Oslo-based"

    def _based(self, row: int, name: str, pattern: Pattern) -> None:
        tree, predicate = self.tree, self.ontology.predicates[name]
        if tree.deprel[row] not in {"amod", "acl", "compound", "nmod"} or tree.head[row] == row:
            return
        if tree.word[row].endswith("-based"):
            place = self.places.mention_at.get(row)
        else:
            back = row - 2 if row > 1 and tree.word[row - 1] in {"-", "‐", "–"} else None
            place = self.places.mention_at.get(back) if back is not None else None
        if place is None or place.kind not in predicate.object:
            return
        for left in self.places.fill(tree.head[row], predicate.subject):
            if left.token > row:
                self.stated.add(Trigger(name, pattern, row), left, Filler(place, row))


def _slot(value: str | Iterable[str]) -> str:
    return value if isinstance(value, str) else "|".join(value)


def _options(slot: str) -> list[str]:
    """Split "obj|prep:to|from" into "obj" and "prep:to|from"."""
    head, mark, rest = slot.partition("prep:")
    options = [o for o in head.split("|") if o]
    return [*options, mark + rest] if mark else options
