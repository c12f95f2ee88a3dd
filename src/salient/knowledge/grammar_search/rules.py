"""Rules of extraction that people made of patterns: which slot of a match is the subject, which the object.

A slot is filled as places of the ontology's patterns are: by the mention there, or by what a pronoun,
an apposition or "the company" stands for. Negation, plans and hearsay discount or mark the fact, and its
qualifiers are found, as for any other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, lru_cache
from types import MappingProxyType

from salient import log
from salient.errors import Corrupt, InvalidInput, LimitExceeded
from salient.knowledge.grammar_search.language import Chain, atoms
from salient.knowledge.grammar_search.matcher import Matcher, Matches
from salient.knowledge.grammar_search.parser import parse
from salient.knowledge.grammar_search.trees import Block, Source
from salient.knowledge.ontology import Ontology, Pattern, Predicate
from salient.knowledge.places import Filler, Places, Reference
from salient.knowledge.statements import Candidate, Statements, Trigger
from salient.knowledge.syntax import Tree
from salient.model import Annotations

_log = log.get(__name__)

FORMAT = 1
VERSION = 1
"""Of how rules are applied; part of what readings are known by."""
MAX_MATCHES = 5000
"""Of one rule in one document; what is beyond makes no facts."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern that states a predicate. `qualifiers` has slots by qualifier."""

    pattern: str
    predicate: str
    subject: str
    object: str
    qualifiers: Mapping[str, str] = field(default_factory=dict)
    confidence: float = 0.8

    @property
    def id(self) -> str:
        """12 hex digits; rules that say the same have the same."""
        body = {**asdict(self), "qualifiers": sorted(self.qualifiers.items())}
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def component(self) -> str:
        """What the evidence of its facts names as their origin."""
        return f"salient.rule@{self.id}"

    def __hash__(self) -> int:
        return hash((self.pattern, self.predicate, self.subject, self.object, self.confidence))


@dataclass(frozen=True)
class Rules:
    """The rules of a workspace, in order of their ids."""

    rules: tuple[Rule, ...] = ()

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> Rules:
        return cls(tuple(sorted(rules, key=lambda r: r.id)))

    @cached_property
    def digest(self) -> str:
        """Equal for equal rules; empty without any."""
        return hashlib.sha256(self.dump()).hexdigest()[:12] if self.rules else ""

    def dump(self) -> bytes:
        body = {"format": FORMAT, "version": VERSION, "rules": [asdict(r) for r in self.rules]}
        return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def load(cls, data: bytes | memoryview) -> Rules:
        """Raises Corrupt: `data` are no rules of this format."""
        try:
            body = json.loads(bytes(data))
            if body["format"] != FORMAT:
                raise Corrupt("stored rules are not of this format", format=body["format"])
            return cls.of([Rule(**row) for row in body["rules"]])
        except (ValueError, KeyError, TypeError) as exc:
            raise Corrupt("stored rules are damaged") from exc


NONE = Rules()


def check(rule: Rule, ontology: Ontology) -> Chain:
    """The rule's pattern, if the rule can be used.

    Raises:
        InvalidInput: it cannot; the message says why.
    """
    pattern = parse(rule.pattern)
    predicate = ontology.predicates.get(rule.predicate)
    if predicate is None:
        raise InvalidInput(f"there is no predicate {rule.predicate!r}", known=sorted(ontology.predicates))  # fmt: skip
    if any(a.attribute == "entity" for n in pattern.nodes() for a in atoms(n.test)):
        raise InvalidInput(
            "a rule reads documents before names are linked, so it can name no entity"
        )
    slots = pattern.slots
    for what, slot in {"subject": rule.subject, "object": rule.object, **rule.qualifiers}.items():
        if slot not in slots:
            known = ", ".join(slots) or "none: name a node, as in buyer:ORG"
            raise InvalidInput(
                f"the pattern has no slot {slot!r} for the {what}; it has {known}",
                slots=list(slots),
            )
    if rule.subject == rule.object:
        raise InvalidInput("subject and object are two slots")
    unknown = sorted(set(rule.qualifiers) - set(predicate.qualifiers))
    if unknown:
        raise InvalidInput(f"{rule.predicate} has no qualifier {unknown[0]!r}", known=list(predicate.qualifiers))  # fmt: skip
    if not 0 < rule.confidence <= 1:
        raise InvalidInput("a confidence is above 0 and at most 1")
    return pattern


def state(
    rules: Rules,
    tree: Tree,
    text: str,
    annotations: Annotations,
    mentions: Sequence[Reference],
    values: Sequence[Reference],
    ontology: Ontology,
    meant: Mapping[int, tuple[Reference, float]] = MappingProxyType({}),
) -> list[Candidate]:
    """What rules find in a document, rule by rule; arguments are those of `extract`.

    A rule whose predicate the ontology has no more, or that fits too many combinations of words here,
    states nothing.
    """
    if not rules.rules or not len(annotations.tokens):
        return []
    block = Block([Source(annotations, lambda: text)])
    places = Places(tree, mentions, values, meant)
    found: list[Candidate] = []
    for rule in rules.rules:
        predicate = ontology.predicates.get(rule.predicate)
        if predicate is None:
            continue
        matcher = _matcher(rule.pattern)
        try:
            matches = matcher.find(block)
        except LimitExceeded:
            _log.warning("rule.skipped", rule=rule.id, n_tokens=len(annotations.tokens))
            continue
        applied = _Applied(rule, matcher, predicate, tree, text, places, ontology)
        for number in range(min(len(matches), MAX_MATCHES)):
            found.extend(applied.candidates(matches, number))
    return found


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> Matcher:
    return Matcher(parse(pattern))


@dataclass(frozen=True, slots=True)
class _Applied:
    """A rule in a document."""

    rule: Rule
    matcher: Matcher
    predicate: Predicate
    tree: Tree
    text: str
    places: Places
    ontology: Ontology

    def candidates(self, matches: Matches, number: int) -> Iterator[Candidate]:
        """The facts that a match states."""
        rule, slots = self.rule, self.matcher.slots
        rows = matches.rows[number].tolist()
        subject, thing = rows[slots[rule.subject]], rows[slots[rule.object]]
        if subject < 0 or thing < 0:
            return  # a slot of an optional branch that is not there
        stated = Statements(self.tree, self.text, self.places, self.ontology)
        pattern = Pattern(verbs=("rule",), confidence=rule.confidence)
        trigger = Trigger(rule.predicate, pattern, self._trigger(rows))
        for left in self._fill(subject, self.predicate.subject):
            if self.predicate.value is not None:
                value = self.places.value_at.get(thing)
                if value is not None:
                    stated.add_value(trigger, left, value)
                continue
            for right in self._fill(thing, self.predicate.object):
                stated.add(trigger, left, right)
        said = {
            name: " ".join(self.text[int(matches.start[number, at]) : int(matches.end[number, at])].split())
            for name, slot in rule.qualifiers.items()
            if rows[at := slots[slot]] >= 0
        }  # fmt: skip
        for candidate in stated.in_order():
            qualifiers = {**candidate.qualifiers, **said}
            yield replace(candidate, qualifiers=qualifiers, component=rule.component)

    def _fill(self, row: int, kinds: Sequence[str]) -> list[Filler]:
        # Coordinated names are other matches, if the pattern wants them.
        return self.places.fill(row, kinds, follow=False)

    def _trigger(self, rows: Sequence[int]) -> int:
        """The word that states it: the first node that is no slot of the rule."""
        rule, slots = self.rule, self.matcher.slots
        used = {slots[s] for s in (rule.subject, rule.object, *rule.qualifiers.values())}
        free = [row for node, row in enumerate(rows) if node not in used and row >= 0]
        return free[0] if free else rows[slots[rule.subject]]
