"""Facts that single sentences state, by patterns over dependency trees.

The patterns are the ontology's. What is here is how a pattern's places are filled: voice, relative
clauses, appositions, coordination, pronouns, and what makes a statement less than a fact (negation,
plans, hearsay). Precision goes before recall: a place that cannot be filled makes no fact.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from salient.knowledge.ontology import Ontology, Pattern, Predicate
from salient.knowledge.syntax import (
    APPOSITION,
    CLAUSE_OF_NOUN,
    COMPOUND,
    OBJECT,
    PASSIVE_SUBJECT,
    POSSESSIVE,
    RELATIVE,
    SUBJECT,
    Tree,
)

_PLANNED = frozenset({"plan", "intend", "seek", "want", "hope", "aim", "expect", "look", "propose", "consider", "offer", "try", "attempt", "prepare", "explore", "negotiate", "bid", "discuss", "wish", "threaten", "set", "poise", "talk", "move", "eye"})  # fmt: skip
_DENIED = frozenset({"deny", "refute", "dispute", "reject", "fail", "decline", "refuse", "abandon", "cancel", "scrap", "drop", "block", "withdraw", "terminate", "halt", "prevent", "stop", "avoid"})  # fmt: skip
_HEARSAY = frozenset({"reportedly", "allegedly", "rumor", "rumour", "allege", "speculate", "apparently", "supposedly", "claim"})  # fmt: skip
_POSSIBLE = frozenset({"may", "might", "could", "would", "can", "should"})
_APPOINT = frozenset({"appoint", "name", "hire", "elect", "promote", "make", "choose", "select", "nominate", "install", "tap", "recruit", "elevate", "confirm"})  # fmt: skip
_THING = frozenset({"company", "firm", "group", "startup", "start-up", "business", "corporation", "organization", "organisation", "bank", "maker", "manufacturer", "supplier", "retailer", "agency", "institute", "university", "school", "association", "foundation"})  # fmt: skip
_PEOPLE = frozenset({"he", "she", "him", "her", "his", "himself", "herself"})
_IT = frozenset({"it", "its", "itself"})
_FORMER = frozenset(
    {"former", "ex", "then", "late", "previous", "outgoing", "onetime", "retired", "past"}
)
_NOT_IN_TITLE = frozenset(
    {
        "new",
        "newly",
        "current",
        "currently",
        "the",
        "a",
        "an",
        "its",
        "his",
        "her",
        "their",
        "our",
        "s",
        "'s",
        "’s",
    }
)
_ROUND = re.compile(r"\b(?:pre-?seed|seed|series\s+[A-K](?:\d|-\d)?|bridge|growth|angel)\b(?=[ -](?:funding |financing |investment |extension )?(?:round|funding|financing|investment|capital|extension)|\s*[,.)]|\s+(?:led|from|in)\b)", re.IGNORECASE)  # fmt: skip
_DISCOUNT: Mapping[str, float] = {
    "negated": 0.4,
    "planned": 0.75,
    "possible": 0.6,
    "reported": 0.8,
    "agreed": 0.95,
    "obliged": 0.9,
}
PRONOUN_DISCOUNT = 0.75


@dataclass(frozen=True, slots=True)
class Reference:
    """A mention or a value in the text, as rules see it. `kind` is a type or a value label."""

    start: int
    end: int
    kind: str
    index: int


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
class _Filler:
    reference: Reference
    token: int
    discount: float = 1.0


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
        self.mention_at = _by_token(tree, mentions)
        self.value_at = _by_token(tree, values)
        self.sentence_of = [0] * len(tree.head)
        self.found: dict[tuple[str, int, int | str, int], Candidate] = {}

    def run(self) -> list[Candidate]:
        tree = self.tree
        for number, (first, last) in enumerate(tree.sentences):
            for row in range(first, last):
                self.sentence_of[row] = number
            here = any(row in self.mention_at for row in range(first, last))
            if not here or last - first > 300:
                continue  # a "sentence" of 300 words is a table or a list
            for row in range(first, last):
                if row not in self.mention_at or tree.upos[row] in {"VERB", "NOUN"}:
                    self._at(row)
        return sorted(
            self.found.values(), key=lambda c: (c.start, c.subject_at, c.object_at, c.predicate)
        )

    def _at(self, row: int) -> None:
        tree, lemma = self.tree, self.tree.lemma[row]
        if tree.upos[row] in {"VERB", "AUX"} or tree.xpos[row] in {"VBN", "VBG", "VBD", "VBZ"}:
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
            sides = [f for d in doers for f in self._fill(d, predicate.subject)]
            for other in sides[1:]:
                self._add(name, pattern, sides[0], other, row)
            return
        if passive and object_slot == "subj" and subject_slot == "subj":
            return
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
    ) -> list[_Filler]:
        found: list[_Filler] = []
        for option in _options(slot):
            if option == "subj":
                tokens = doers
            elif option == "obj":
                tokens = done_to
            else:
                wanted = option.removeprefix("prep:").split("|")
                tokens = [noun for _, noun in self.tree.with_prepositions(row, wanted)]
                if not tokens and not self.tree.is_passive(row):
                    # "acquired a stake in Beta": the preposition hangs under the object.
                    tokens = [
                        noun for o in done_to if o not in self.mention_at and self.tree.deprel[o] in {"dobj", "obj"}
                        for _, noun in self.tree.with_prepositions(o, wanted)
                    ]  # fmt: skip
            for token in tokens:
                found.extend(self._fill(token, kinds, pattern.through))
            if found:
                break
        return found

    def _verb_value(
        self, row: int, name: str, pattern: Pattern, lefts: list[_Filler], label: str
    ) -> None:
        value = self._value_under(row, label, pattern.value_through)
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
        lefts: list[_Filler] = []
        rights: list[_Filler] = []
        for slot in pattern.subject:
            if slot == "poss":
                fills = [
                    f for t in tree.with_label(row, POSSESSIVE) for f in self._fill(t, kinds_left)
                ]
            else:
                fills = [
                    f for _, noun in tree.with_prepositions(row, (slot,))
                    for f in self._fill(noun, kinds_left)
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
                    for f in self._fill(noun, kinds_right, pattern.through)
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
                    for f in self._fill(n, kinds_right)
                ]
            if not lefts and pattern.light:
                doers, _ = tree.roles_of(verb)
                lefts = [f for d in doers if d != row for f in self._fill(d, kinds_left)]
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
        tree, predicate = self.tree, self.ontology.predicates[name]
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

    def _role_others(self, row: int, pattern: Pattern, kinds: Sequence[str]) -> list[_Filler]:
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
                for f in self._fill(noun, kinds)
            ]  # fmt: skip
            if candidate != row:  # said of the other role; this one's own words win
                fills = [_Filler(f.reference, f.token, f.discount * 0.97) for f in fills]
            if fills:
                return fills
            if "poss" in pattern.of:
                fills = [
                    f for t in tree.with_label(candidate, POSSESSIVE) for f in self._fill(t, kinds)
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
                fills = [f for t in near if t in self.mention_at for f in self._fill(t, kinds)]
                if fills:
                    return fills
        # "vice president of sales at Acme"
        for _, noun in tree.with_prepositions(row, None):
            if noun not in self.mention_at:
                fills = [
                    f
                    for _, n in tree.with_prepositions(noun, ("at", "of", "for", "with"))
                    for f in self._fill(n, kinds)
                ]
                if fills and "at" in pattern.of:
                    return fills
        return []

    def _others_of_verb(self, row: int, verb: int, kinds: Sequence[str]) -> list[_Filler]:
        """ "joined Acme as CFO", "Acme appointed her CFO", "serves as chair at Acme"."""
        tree = self.tree
        doers, done_to = tree.roles_of(verb)
        tokens: list[int] = []
        if tree.lemma[verb] in {"join", "leave", "head", "lead"}:
            tokens = [o for o in done_to if o != row]
        elif tree.lemma[verb] in _APPOINT:
            tokens = doers
        fills = [f for t in tokens for f in self._fill(t, kinds)]
        if not fills:
            near = tree.with_prepositions(verb, ("at", "of", "with", "for"))
            fills = [f for _, n in near if n != row for f in self._fill(n, kinds)]
        return fills

    def _bearers(
        self, row: int, kinds: Sequence[str], depth: int = 0
    ) -> tuple[list[_Filler], int | None]:
        """Who is called by the role noun, and the verb that says so."""
        tree = self.tree
        head, label = tree.head[row], tree.deprel[row]
        for child in tree.children[row]:
            if tree.deprel[child] in APPOSITION and (fills := self._fill(child, kinds)):
                return fills, None
        own = tree.with_label(row, SUBJECT)
        if own and (fills := [f for t in own for f in self._fill(t, kinds)]):
            # "named her CEO" as a small clause, or a UD copula
            return fills, row if tree.with_label(row, frozenset({"cop"})) else head
        if head == row:
            return self._followed_by(row, kinds), None
        if label in APPOSITION and (fills := self._fill(head, kinds, follow=False)):
            return fills, None
        if label in COMPOUND and (fills := self._fill(head, kinds, follow=False)):
            return fills, None
        if label in {"attr", "oprd", "acomp", "xcomp"} and tree.upos[head] in {"VERB", "AUX"}:
            doers, done_to = tree.roles_of(head)
            tokens = done_to if tree.lemma[head] in _APPOINT else doers or done_to
            return [f for t in tokens if t != row for f in self._fill(t, kinds)], head
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
                return [f for t in tokens if t != row for f in self._fill(t, kinds)], verb
        if label in {"dobj", "obj"} and tree.lemma[head] in _APPOINT | {"become"}:
            doers, done_to = tree.roles_of(head)
            tokens = [t for t in done_to if t != row] if tree.lemma[head] in _APPOINT else doers
            return [f for t in tokens for f in self._fill(t, kinds)], head
        if label == "conj" and depth < 3 and head not in self.mention_at:
            return self._bearers(head, kinds, depth + 1)
        return self._followed_by(row, kinds), None

    def _followed_by(self, row: int, kinds: Sequence[str]) -> list[_Filler]:
        """ "chief executive Jane Doe", whatever the parser made of it."""
        after = row + 1
        tree = self.tree
        if after < len(tree.word) and self.sentence_of_row(after) == self.sentence_of_row(row):
            reference = self.mention_at.get(after)
            if reference and reference.kind in kinds and reference.start == tree.start[after]:
                return [_Filler(reference, after, 0.9)]
        return []

    def sentence_of_row(self, row: int) -> int:
        first, last = self.tree.sentences[self.sentence_of[min(row, len(self.sentence_of) - 1)]]
        return first if first <= row < last else -1

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
        while first > 0 and self.sentence_of_row(first - 1) == self.sentence_of_row(row):
            left = first - 1
            if left in self.mention_at or tree.word[left] in _NOT_IN_TITLE | _FORMER:
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
                and noun not in self.mention_at
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
            r not in self.mention_at and (tree.upos[r] in {"CCONJ", "NOUN", "PROPN", "ADJ", "PUNCT", "SYM"})
            and tree.word[r] not in {";", ":"} for r in between
        )  # fmt: skip

    # ---- "Oslo-based"

    def _based(self, row: int, name: str, pattern: Pattern) -> None:
        tree, predicate = self.tree, self.ontology.predicates[name]
        if tree.deprel[row] not in {"amod", "acl", "compound", "nmod"} or tree.head[row] == row:
            return
        if tree.word[row].endswith("-based"):
            place = self.mention_at.get(row)
        else:
            back = row - 2 if row > 1 and tree.word[row - 1] in {"-", "‐", "–"} else None
            place = self.mention_at.get(back) if back is not None else None
        if place is None or place.kind not in predicate.object:
            return
        for left in self._fill(tree.head[row], predicate.subject):
            if left.token > row:
                self._add(name, pattern, left, _Filler(place, row), row)

    # ---- filling places

    def _fill(
        self,
        token: int,
        kinds: Sequence[str],
        through: Sequence[str] = (),
        *,
        follow: bool = True,
    ) -> list[_Filler]:
        """The mentions that stand in a place: itself, its conjuncts, its apposition, its antecedent."""
        found: list[_Filler] = []
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

    def _fill_one(
        self, row: int, kinds: Sequence[str], through: Sequence[str]
    ) -> Iterator[_Filler]:
        tree = self.tree
        reference = self.mention_at.get(row)
        if reference is not None:
            if reference.kind in kinds:
                yield _Filler(reference, row)
            return
        word = tree.word[row]
        if word in RELATIVE:
            verb = row
            for _ in range(4):
                if tree.deprel[verb] in CLAUSE_OF_NOUN:
                    noun = self.mention_at.get(tree.head[verb])
                    if noun is not None and noun.kind in kinds:
                        yield _Filler(noun, row, 0.95)
                    return
                verb = tree.head[verb]
            return
        apposed = [
            _Filler(self.mention_at[c], c, 0.95)
            for c in tree.with_label(row, APPOSITION)
            if c in self.mention_at and self.mention_at[c].kind in kinds
        ]
        if apposed:
            yield from apposed
            return
        equal = self._said_to_be(row, kinds)
        if equal:
            yield from equal
            return
        value = self.value_at.get(row)
        if tree.lemma[row] in through or (
            through and value is not None and value.kind == "PERCENT"
        ):
            for _, noun in tree.with_prepositions(row, ("in", "of", "on", "to")):
                yield from self._fill(noun, kinds, through)
            for child in tree.with_label(row, POSSESSIVE | COMPOUND):
                if child in self.mention_at and self.mention_at[child].kind in kinds:
                    yield _Filler(self.mention_at[child], child, 0.85)
            return
        if word in _PEOPLE and "PERSON" in kinds:
            yield from self._antecedent(row, ("PERSON",))
        elif word in _IT or (tree.lemma[row] in _THING and self._is_definite(row)):
            wanted = tuple(k for k in kinds if k not in {"PERSON", "PLACE", "WORK", "PRODUCT"})
            if wanted and "ORG" in kinds:
                yield from self._antecedent(row, ("ORG",))

    def _said_to_be(self, row: int, kinds: Sequence[str]) -> list[_Filler]:
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
            return [_Filler(f.reference, f.token, f.discount * 0.95) for f in found]
        if (
            label in APPOSITION
            and (reference := self.mention_at.get(head))
            and reference.kind in kinds
        ):
            return [_Filler(reference, head, 0.95)]
        return []

    def _is_definite(self, row: int) -> bool:
        tree = self.tree
        if any(tree.deprel[c] in {"prep", "compound", "relcl", "acl"} for c in tree.children[row]):
            return False
        return any(tree.word[c] in {"the", "this", "that"} for c in tree.children[row])

    def _antecedent(self, row: int, kinds: Sequence[str]) -> Iterator[_Filler]:
        """The last subject of the right type, here before the pronoun or up to two sentences back."""
        tree = self.tree
        number = self.sentence_of[row]
        for back in range(3):
            if number - back < 0:
                return
            first, last = tree.sentences[number - back]
            stop = row if back == 0 else last
            subjects: list[int] = []
            others: list[int] = []
            for r in range(first, stop):
                reference = self.mention_at.get(r)
                if (
                    reference is None
                    or reference.kind not in kinds
                    or (
                        tree.start[r] != reference.start
                        and r - 1 >= first
                        and self.mention_at.get(r - 1) is reference
                    )
                ):
                    continue
                head = self._head_of(r, reference)
                if tree.deprel[head] in SUBJECT | PASSIVE_SUBJECT:
                    subjects.append(r)
                elif tree.deprel[head] not in POSSESSIVE or "PERSON" in kinds:
                    others.append(r)
            chosen = (
                subjects[-1]
                if subjects
                else (others[0] if len({self.mention_at[o].index for o in others}) == 1 else None)
            )
            if chosen is not None:
                yield _Filler(self.mention_at[chosen], row, PRONOUN_DISCOUNT * 0.9**back)
                return

    def _head_of(self, row: int, reference: Reference) -> int:
        for _ in range(12):
            up = self.tree.head[row]
            if up == row or self.mention_at.get(up) is not reference:
                break
            row = up
        return row

    # ---- values, modality, results

    def _value_under(self, row: int, label: str, through: Sequence[str] = ()) -> Reference | None:
        """The nearest value under a verb, not beyond a clause of its own."""
        tree = self.tree
        stack = list(tree.children[row])
        best: tuple[int, Reference] | None = None
        if tree.deprel[row] == "conj" and tree.head[row] != row and label == "DATE":
            pass
        while stack:
            child = stack.pop()
            value = self.value_at.get(child)
            if value is not None and value.kind == label:
                distance = abs(child - row)
                if best is None or distance < best[0]:
                    best = (distance, value)
                continue
            if (
                tree.deprel[child] in {"conj", "ccomp", "advcl", "relcl", "acl:relcl", "parataxis"}
                and child != row
            ):
                continue
            stack.extend(tree.children[child])
        return best[1] if best else None

    def _modality(self, row: int) -> str | None:
        """What makes a statement less than a fact: None for a plain one."""
        tree = self.tree
        verb: int = row
        for _ in range(4):
            said: str | None = None
            for child in tree.children[verb]:
                word, label = tree.lemma[child], tree.deprel[child]
                if label == "neg" or (label == "advmod" and word in {"not", "never", "n't"}):
                    return "negated"
                if label in {"aux", "auxpass"}:
                    if word in _POSSIBLE:
                        said = "possible"
                    elif word in {"will", "'ll"}:
                        said = said or "planned"
                    elif word == "shall":
                        said = said or "obliged"
                elif label == "mark" and word in {"if", "whether", "unless"}:
                    said = "possible"
                elif label == "advmod" and word in _HEARSAY:
                    said = "reported"
            if said:
                return said
            head, label = tree.head[verb], tree.deprel[verb]
            if head == verb:
                break
            lemma = tree.lemma[head]
            infinitive = any(
                tree.word[c] == "to" and tree.deprel[c] in {"aux", "mark"}
                for c in tree.children[verb]
            )
            if label in {"xcomp", "ccomp", "acl", "pcomp", "dobj", "obj", "advcl", "relcl"} and (
                infinitive or label in {"ccomp", "dobj", "obj", "pcomp"}
            ):
                if lemma in _DENIED:
                    return "negated"
                if lemma in _HEARSAY:
                    return "reported"
                if infinitive and (lemma in _PLANNED or label in {"acl", "relcl"}):
                    return "planned"
                if infinitive and lemma in {"agree", "decide", "commit"}:
                    return "agreed"
            if infinitive and label in {"ROOT", "root"}:
                return "planned"
            if label not in {"xcomp", "ccomp", "pcomp", "conj", "acl", "prep", "pobj"} or tree.upos[
                head
            ] not in {"VERB", "AUX", "ADP", "NOUN"}:
                break
            if label == "conj" and tree.with_label(verb, SUBJECT | PASSIVE_SUBJECT):
                break
            verb = head
        first_aux = any(
            tree.word[c] == "to" and tree.deprel[c] in {"aux", "mark"} for c in tree.children[row]
        )
        if first_aux and tree.deprel[row] in {"ROOT", "root", "relcl", "acl"}:
            return "planned"
        return None

    def _qualifiers(
        self, name: str, trigger: int, noun: int | None, title: str | None
    ) -> dict[str, str]:
        predicate = self.ontology.predicates[name]
        found: dict[str, str] = {}
        rows = [r for r in (trigger, noun) if r is not None]
        for key, label in (("amount", "MONEY"), ("date", "DATE"), ("share", "PERCENT")):
            if key in predicate.qualifiers and predicate.value != key:
                value = next((v for r in rows if (v := self._value_under(r, label))), None)
                if value is not None:
                    found[key] = " ".join(self.text[value.start : value.end].split())
        first, last = self.tree.sentences[self.sentence_of[trigger]]
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
        modality = self._modality(trigger)
        if modality:
            found["modality"] = modality
        return found

    def _add(
        self,
        name: str,
        pattern: Pattern,
        left: _Filler,
        right: _Filler,
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
        self, name: str, pattern: Pattern, left: _Filler, value: Reference, trigger: int
    ) -> None:
        qualifiers = self._qualifiers(name, trigger, None, None)
        text = " ".join(self.text[value.start : value.end].split())
        token = next(r for r in range(len(self.tree.start)) if self.value_at.get(r) is value)
        self._keep(name, pattern, left, None, text, token, 1.0, trigger, qualifiers)

    def _keep(
        self,
        name: str,
        pattern: Pattern,
        left: _Filler,
        other: int | None,
        value: str | None,
        other_token: int,
        other_discount: float,
        trigger: int,
        qualifiers: dict[str, str],
    ) -> None:
        tree = self.tree
        number = self.sentence_of[trigger]
        first, last = tree.sentences[number]
        start, end = tree.start[first], tree.end[last - 1]
        confidence = pattern.confidence * left.discount * other_discount
        confidence *= _DISCOUNT.get(qualifiers.get("modality", ""), 1.0)
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
        reference = self.mention_at.get(token) or self.value_at.get(token)
        if reference is not None:
            return reference.start, reference.end
        return self.tree.start[token], self.tree.end[token]


def _slot(value: str | Iterable[str]) -> str:
    return value if isinstance(value, str) else "|".join(value)


def _options(slot: str) -> list[str]:
    """ "obj|prep:to|from" as ["obj", "prep:to|from"]."""
    head, mark, rest = slot.partition("prep:")
    options = [o for o in head.split("|") if o]
    return [*options, mark + rest] if mark else options


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


def predicate_of(ontology: Ontology, name: str) -> Predicate:
    return ontology.predicates[name]
