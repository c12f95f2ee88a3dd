"""Facts that single sentences state, by patterns over dependency trees.

The patterns are the ontology's. What is here is how a pattern's places are filled: voice, relative
clauses, appositions, coordination, pronouns, and what makes a statement less than a fact (negation,
plans, hearsay). Precision goes before recall: a place that cannot be filled makes no fact.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from salient.knowledge.modality import DISCOUNT, modality
from salient.knowledge.ontology import Ontology, Pattern
from salient.knowledge.places import Filler, Places, Reference
from salient.knowledge.syntax import (
    APPOSITION,
    CLAUSE_OF_NOUN,
    COMPOUND,
    OBJECT,
    POSSESSIVE,
    SUBJECT,
    Tree,
)

_APPOINT = frozenset({"appoint", "name", "hire", "elect", "promote", "make", "choose", "select", "nominate", "install", "tap", "recruit", "elevate", "confirm"})  # fmt: skip
_FORMER = frozenset(
    {"former", "ex", "then", "late", "previous", "outgoing", "onetime", "retired", "past"}
)
_LEAVING = frozenset(
    {"resign", "retire", "leave", "depart", "quit", "oust", "step", "dismiss", "fire", "sack"}
)
_NOT_IN_TITLE = frozenset(
    "new newly current currently the a an its his her their our s 's ’s".split()
)
_ROUND = re.compile(r"\b(?:pre-?seed|seed|series\s+[A-K](?:\d|-\d)?|bridge|growth|angel)\b(?=[ -](?:funding |financing |investment |extension )?(?:round|funding|financing|investment|capital|extension)|\s*[,.)]|\s+(?:led|from|in)\b)", re.IGNORECASE)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fact as one sentence states it. `subject`, `object` are `Reference.index` of mentions.

    `subject_at`, `object_at` are the places in the text that fill the pattern: for a pronoun, the
    pronoun. `start, end` cover the sentence, and the one before when a pronoun points there.
    """

    predicate: str
    subject: int
    object: int | None
    value: str | None
    start: int
    end: int
    confidence: float
    subject_at: tuple[int, int]
    object_at: tuple[int, int]
    qualifiers: Mapping[str, str] = field(default_factory=dict)


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
) -> list[Candidate]:
    """All that the patterns find, in text order; one candidate a (predicate, sides, sentence).

    Args:
        mentions: of linkable types, in text order; `kind` is the ontology's type.
        values: DATE, MONEY, PERCENT spans, in text order.

    Cost: linear in the tokens of sentences that hold a mention.
    """
    return _Extraction(tree, text, mentions, values, ontology).run()


class _Extraction:
    def __init__(
        self,
        tree: Tree,
        text: str,
        mentions: Sequence[Reference],
        values: Sequence[Reference],
        ontology: Ontology,
    ) -> None:
        self.tree, self.text, self.ontology = tree, text, ontology
        self.rules = _compiled(ontology)
        self.places = Places(tree, mentions, values)
        self.found: dict[tuple[str, int, int | str, int], Candidate] = {}

    def run(self) -> list[Candidate]:
        tree = self.tree
        for first, last in tree.sentences:
            here = any(row in self.places.mention_at for row in range(first, last))
            if not here or last - first > 300:
                continue  # a "sentence" of 300 words is a table or a list
            for row in range(first, last):
                if row not in self.places.mention_at or tree.upos[row] in {"VERB", "NOUN"}:
                    self._at(row)
        return sorted(
            self.found.values(), key=lambda c: (c.start, c.subject_at, c.object_at, c.predicate)
        )

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
                self._add(name, pattern, sides[0], other, row)
            return
        if passive and object_slot == "subj" and subject_slot == "subj":
            return
        if pattern.only_through:
            # "led a round in Acme" is an investment, "led Acme" is not.
            done_to = [t for t in done_to if self.tree.lemma[t] in pattern.through]
        rights = self._slot(row, object_slot, doers, done_to, pattern, predicate.object)
        for left in lefts:
            for right in rights:
                self._add(name, pattern, left, right, row)

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
            self._add_value(name, pattern, left, value, row)

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
                self._add(name, pattern, left, right, trigger, noun=row)

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
        bearers, verb = self._bearers(row, bearer_kinds)
        if not bearers:
            return
        others = self._role_others(row, pattern, other_kinds)
        if not others and verb is not None:
            others = self._others_of_verb(row, verb, other_kinds)
        taken = {b.reference.index for b in bearers}
        title = self._title(row) if pattern.title else None
        for bearer in bearers:
            for other in others:
                if other.reference.index in taken:
                    continue
                left, right = (other, bearer) if pattern.swap else (bearer, other)
                self._add(
                    name,
                    pattern,
                    left,
                    right,
                    verb if verb is not None else row,
                    noun=row,
                    title=title,
                )

    def _role_others(self, row: int, pattern: Pattern, kinds: Sequence[str]) -> list[Filler]:
        tree = self.tree
        prepositions = [p for p in pattern.of if p not in {"poss", "compound"}]
        rows = [row]
        up = row
        while tree.deprel[up] == "conj" and tree.head[up] != up:  # "founder and CEO of Acme"
            up = tree.head[up]
            rows.append(up)
        rows.extend(r for r in tree.conjuncts(row) if r not in rows)
        for candidate in rows:
            fills = [
                f for _, noun in tree.with_prepositions(candidate, prepositions)
                for f in self.places.fill(noun, kinds)
            ]  # fmt: skip
            if candidate != row:  # said of the other role; this one's own words win
                fills = [Filler(f.reference, f.token, f.discount * 0.97) for f in fills]
            if fills:
                return fills
            if "poss" in pattern.of:
                fills = [
                    f
                    for t in tree.with_label(candidate, POSSESSIVE)
                    for f in self.places.fill(t, kinds)
                ]
                if fills:
                    return fills
            if "compound" in pattern.of:
                near = tree.with_label(candidate, COMPOUND)
                if tree.deprel[candidate] in COMPOUND:  # "Apple CEO Tim Cook": all under "Cook"
                    head = tree.head[candidate]
                    near += [
                        c for c in tree.with_label(head, COMPOUND | POSSESSIVE) if c < candidate
                    ]
                fills = [
                    f
                    for t in near
                    if t in self.places.mention_at
                    for f in self.places.fill(t, kinds)
                ]
                if fills:
                    return fills
        # "vice president of sales at Acme"
        for _, noun in tree.with_prepositions(row, None):
            if noun not in self.places.mention_at:
                fills = [
                    f
                    for _, n in tree.with_prepositions(noun, ("at", "of", "for", "with"))
                    for f in self.places.fill(n, kinds)
                ]
                if fills and "at" in pattern.of:
                    return fills
        return []

    def _others_of_verb(self, row: int, verb: int, kinds: Sequence[str]) -> list[Filler]:
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
        fills = [f for t in tokens for f in self.places.fill(t, kinds)]
        if not fills:
            near = tree.with_prepositions(verb, ("at", "of", "with", "for"))
            fills = [f for _, n in near if n != row for f in self.places.fill(n, kinds)]
        return fills

    def _bearers(
        self, row: int, kinds: Sequence[str], depth: int = 0
    ) -> tuple[list[Filler], int | None]:
        """Who is called by the role noun, and the verb that says so."""
        tree = self.tree
        head, label = tree.head[row], tree.deprel[row]
        for child in tree.children[row]:
            if tree.deprel[child] in APPOSITION and (fills := self.places.fill(child, kinds)):
                return fills, None
        if label in {"dobj", "obj", "oprd", "xcomp", "ccomp"} and tree.lemma[head] in _APPOINT:
            # "named John Carter chief executive", taken for one noun phrase
            inside = [c for c in tree.with_label(row, COMPOUND) if c in self.places.mention_at]
            if fills := [f for c in inside for f in self.places.fill(c, kinds, follow=False)]:
                return fills, head
        own = tree.with_label(row, SUBJECT)
        if own and (fills := [f for t in own for f in self.places.fill(t, kinds)]):
            # "named her CEO" as a small clause, or a UD copula
            return fills, row if tree.with_label(row, frozenset({"cop"})) else head
        if head == row:
            return self._followed_by(row, kinds), None
        if label in APPOSITION and (fills := self.places.fill(head, kinds, follow=False)):
            return fills, None
        if label in COMPOUND and (fills := self.places.fill(head, kinds, follow=False)):
            return fills, None
        if label in {"attr", "oprd", "acomp", "xcomp"} and tree.upos[head] in {"VERB", "AUX"}:
            doers, done_to = tree.roles_of(head)
            tokens = done_to if tree.lemma[head] in _APPOINT else doers or done_to
            return [f for t in tokens if t != row for f in self.places.fill(t, kinds)], head
        if label in {"pobj", "obl"}:
            verb = tree.head[head] if label == "pobj" else head
            word = (
                tree.word[head]
                if label == "pobj"
                else next((w for w, n in tree.with_prepositions(head) if n == row), "")
            )
            if word in {"as", "to"} and tree.upos[verb] in {"VERB", "AUX"}:
                doers, done_to = tree.roles_of(verb)
                tokens = done_to if tree.lemma[verb] in _APPOINT else (doers or done_to)
                return [f for t in tokens if t != row for f in self.places.fill(t, kinds)], verb
        if label in {"dobj", "obj"} and tree.lemma[head] in _APPOINT | {"become"}:
            doers, done_to = tree.roles_of(head)
            tokens = [t for t in done_to if t != row] if tree.lemma[head] in _APPOINT else doers
            return [f for t in tokens for f in self.places.fill(t, kinds)], head
        if label == "conj" and depth < 3 and head not in self.places.mention_at:
            return self._bearers(head, kinds, depth + 1)
        return self._followed_by(row, kinds), None

    def _followed_by(self, row: int, kinds: Sequence[str]) -> list[Filler]:
        """The name right behind, as in "chief executive Jane Doe", whatever the parser made of it."""
        after = row + 1
        tree = self.tree
        if after < len(tree.word) and self.places.sentence_of(after) == self.places.sentence_of(
            row
        ):
            reference = self.places.mention_at.get(after)
            if reference and reference.kind in kinds and reference.start == tree.start[after]:
                return [Filler(reference, after, 0.9)]
        return []

    def _title(self, row: int) -> str:
        """The role noun with what belongs to it: "President & CEO", "vice president of sales"."""
        tree = self.tree
        first = last = row
        group = [row]
        while (
            tree.deprel[first] == "conj"
            and tree.head[first] < first
            and self._joined(tree.head[first], first)
        ):
            first = tree.head[first]
            group.append(first)
        for other in tree.conjuncts(row):
            if other > last and self._joined(last, other):
                last = other
        while first > 0 and self.places.sentence_of(first - 1) == self.places.sentence_of(row):
            left = first - 1
            if left in self.places.mention_at or tree.word[left] in _NOT_IN_TITLE | _FORMER:
                break
            if tree.upos[left] not in {"NOUN", "ADJ", "PROPN"} and tree.word[left] not in {
                "-",
                "&",
            }:
                break
            first = left
        for word, noun in tree.with_prepositions(last, ("of",)):
            if (
                word == "of"
                and noun not in self.places.mention_at
                and noun - last <= 5
                and tree.upos[noun] == "NOUN"
            ):
                last = noun
        return " ".join(self.text[tree.start[first] : tree.end[last]].split())

    def _joined(self, left: int, right: int) -> bool:
        """Whether two coordinated role nouns are one title, with nothing but their own words between."""
        tree = self.tree
        if right - left > 7:
            return False
        between = range(left + 1, right)
        return all(
            r not in self.places.mention_at and (tree.upos[r] in {"CCONJ", "NOUN", "PROPN", "ADJ", "PUNCT", "SYM"})
            and tree.word[r] not in {";", ":"} for r in between
        )  # fmt: skip

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
                self._add(name, pattern, left, Filler(place, row), row)

    # ---- results

    def _qualifiers(
        self, name: str, trigger: int, noun: int | None, title: str | None
    ) -> dict[str, str]:
        predicate = self.ontology.predicates[name]
        found: dict[str, str] = {}
        rows = [r for r in (trigger, noun) if r is not None]
        for key, label in (("amount", "MONEY"), ("date", "DATE"), ("share", "PERCENT")):
            if key in predicate.qualifiers and predicate.value != key:
                value = next((v for r in rows if (v := self.places.value_under(r, label))), None)
                if value is not None:
                    found[key] = " ".join(self.text[value.start : value.end].split())
        first, last = self.tree.sentences[self.places.sentence_of(trigger)]
        if "round" in predicate.qualifiers:
            sentence = self.text[self.tree.start[first] : self.tree.end[last - 1]]
            match = _ROUND.search(sentence)
            if match:
                found["round"] = match.group(0)
        if title and "title" in predicate.qualifiers:
            found["title"] = title
        near = {self.tree.word[r] for r in rows for r in (*self.tree.children[r], r)}
        if (
            noun is not None
            and (near | {self.tree.word[max(noun - k, first)] for k in (1, 2, 3)}) & _FORMER
        ):
            found["status"] = "former"
        if noun is not None and self.tree.lemma[trigger] in _LEAVING:
            found["status"] = "former"
        said = modality(self.tree, trigger)
        if said:
            found["modality"] = said
        return found

    def _add(
        self,
        name: str,
        pattern: Pattern,
        left: Filler,
        right: Filler,
        trigger: int,
        *,
        noun: int | None = None,
        title: str | None = None,
    ) -> None:
        if left.reference.index == right.reference.index:
            return
        qualifiers = self._qualifiers(name, trigger, noun, title)
        if any(need not in qualifiers for need in pattern.needs):
            return
        self._keep(
            name,
            pattern,
            left,
            right.reference.index,
            None,
            right.token,
            right.discount,
            trigger,
            qualifiers,
        )

    def _add_value(
        self, name: str, pattern: Pattern, left: Filler, value: Reference, trigger: int
    ) -> None:
        qualifiers = self._qualifiers(name, trigger, None, None)
        text = " ".join(self.text[value.start : value.end].split())
        token = next(r for r in range(len(self.tree.start)) if self.places.value_at.get(r) is value)
        self._keep(name, pattern, left, None, text, token, 1.0, trigger, qualifiers)

    def _keep(
        self,
        name: str,
        pattern: Pattern,
        left: Filler,
        other: int | None,
        value: str | None,
        other_token: int,
        other_discount: float,
        trigger: int,
        qualifiers: dict[str, str],
    ) -> None:
        tree = self.tree
        number = self.places.sentence_of(trigger)
        first, last = tree.sentences[number]
        start, end = tree.start[first], tree.end[last - 1]
        confidence = pattern.confidence * left.discount * other_discount
        confidence *= DISCOUNT.get(qualifiers.get("modality", ""), 1.0)
        # A pronoun's antecedent is part of the evidence.
        start = min(start, self._sentence_start(left.reference.start, start))
        candidate = Candidate(
            predicate=name,
            subject=left.reference.index,
            object=other,
            value=value,
            start=start,
            end=end,
            confidence=round(confidence, 4),
            subject_at=self._place(left.token),
            object_at=self._place(other_token),
            qualifiers=qualifiers,
        )
        key = (name, candidate.subject, other if other is not None else (value or ""), number)
        old = self.found.get(key)
        if old is None or old.confidence < candidate.confidence:
            self.found[key] = candidate

    def _sentence_start(self, offset: int, default: int) -> int:
        if offset >= default:
            return default
        for first, last in self.tree.sentences:
            if self.tree.start[first] <= offset < self.tree.end[last - 1]:
                return self.tree.start[first]
        return default

    def _place(self, token: int) -> tuple[int, int]:
        reference = self.places.mention_at.get(token) or self.places.value_at.get(token)
        if reference is not None:
            return reference.start, reference.end
        return self.tree.start[token], self.tree.end[token]


def _slot(value: str | Iterable[str]) -> str:
    return value if isinstance(value, str) else "|".join(value)


def _options(slot: str) -> list[str]:
    """Split "obj|prep:to|from" into "obj" and "prep:to|from"."""
    head, mark, rest = slot.partition("prep:")
    options = [o for o in head.split("|") if o]
    return [*options, mark + rest] if mark else options
