"""People's corrections: an append-only log, replayed at every resolution.

Decisions are about names, not about the entities they happen to form: entities come and go with the
documents, a name is what it is. `name_refs` turns an entity into the names that stand for it. A
reference is the id of a name, or `kb:ID` for an entity of the knowledge base.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from salient.errors import InvalidInput, NotFound
from salient.model import Decision, Fact, Status, Verb
from salient.storage.sql import Reading, Row, Tables

_MAX_REFS = 200
OF_DOCUMENTS = (Verb.COPIES, Verb.NOT_COPIES)
KB = "kb:"


@dataclass(slots=True)
class Constraints:
    """What the decisions in force add up to.

    Of two that contradict each other the later holds: a later `never_merge` undoes earlier merges
    between the two sides, oldest first, until they are apart; a later `merge` the other way round.
    """

    must: list[tuple[str, str]] = field(default_factory=list)
    cannot: list[tuple[str, str]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """reference -> the name a person gave."""
    types: dict[str, str] = field(default_factory=dict)
    judged: dict[tuple[str, str, str], Status] = field(default_factory=dict)
    """(subject reference, predicate, object reference or "=" + value) -> verdict."""

    def references(self) -> set[str]:
        """Every reference that a decision on identity is about."""
        pairs = (*self.must, *self.cannot)
        return {r for pair in pairs for r in pair} | set(self.names) | set(self.types)

    def neighbours(self) -> dict[str, set[str]]:
        near: dict[str, set[str]] = {}
        for a, b in (*self.must, *self.cannot):
            near.setdefault(a, set()).add(b)
            near.setdefault(b, set()).add(a)
        return near


def in_force(decisions: Sequence[Decision]) -> list[Decision]:
    """Decisions less those undone, in order. An undo can be undone."""
    dead: set[str] = set()
    for decision in reversed(decisions):
        if decision.verb is Verb.UNDO and decision.id not in dead:
            dead.update(decision.subjects[:1])
    return [d for d in decisions if d.id not in dead and d.verb is not Verb.UNDO]


def constraints(decisions: Sequence[Decision]) -> Constraints:
    """Replay the log. Deterministic: a function of the log alone."""
    found = Constraints()
    for d in in_force(decisions):
        match d.verb:
            case Verb.MERGE:
                for other in d.subjects[1:]:
                    _join(found, d.subjects[0], other)
            case Verb.SPLIT:
                for other in d.subjects[1:]:
                    _join(found, d.subjects[0], other)
                for away in d.subjects:
                    for kept in _listed(d.value):
                        _part(found, away, kept)
            case Verb.NEVER_MERGE:
                for left in d.subjects:
                    for right in _listed(d.value):
                        _part(found, left, right)
            case Verb.RENAME:
                found.names.update(dict.fromkeys(d.subjects, d.value or ""))
            case Verb.RETYPE:
                found.types.update(dict.fromkeys(d.subjects, d.value or ""))
            case Verb.ACCEPT | Verb.REJECT:
                verdict = Status.ACCEPTED if d.verb is Verb.ACCEPT else Status.REJECTED
                subject, predicate, other = d.subjects
                found.judged[subject, predicate, other] = verdict
            case _:  # an undo, already gone
                continue
    return found


def said_of_copies(
    decisions: Sequence[Decision],
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Pairs of documents that people said are copies, and that they said are none; the later word holds."""
    said: dict[tuple[str, str], Verb] = {}
    for d in in_force(decisions):
        if d.verb in OF_DOCUMENTS:
            for other in d.subjects[1:]:
                one, two = sorted((d.subjects[0], other))
                said.pop((one, two), None)
                said[one, two] = d.verb
    together = [pair for pair, verb in said.items() if verb is Verb.COPIES]
    return together, [pair for pair, verb in said.items() if verb is Verb.NOT_COPIES]


def _listed(value: str | None) -> list[str]:
    return list(json.loads(value)) if value else []


def _component(pairs: Iterable[tuple[str, str]], start: str) -> set[str]:
    near: dict[str, list[str]] = {}
    for a, b in pairs:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    found, todo = {start}, [start]
    while todo:
        for other in near.get(todo.pop(), []):
            if other not in found:
                found.add(other)
                todo.append(other)
    return found


def _join(found: Constraints, left: str, right: str) -> None:
    one, two = _component(found.must, left), _component(found.must, right)
    found.cannot = [
        (a, b) for a, b in found.cannot if not ((a in one and b in two) or (b in one and a in two))
    ]
    if right not in one:
        found.must.append((left, right))


def _part(found: Constraints, left: str, right: str) -> None:
    if left == right:
        return
    while right in (side := _component(found.must, left)):
        # The oldest merge on a way between the two gives in.
        for position, (a, b) in enumerate(found.must):
            if a in side and b in side:
                rest = found.must[:position] + found.must[position + 1 :]
                if right not in _component(rest, left) or position == len(found.must) - 1:
                    found.must = rest
                    break
        else:
            return
    pair = (left, right) if left < right else (right, left)
    if pair not in found.cannot:
        found.cannot.append(pair)


class Log:
    """The decisions of a workspace. Adding one changes no entity: `Resolver.resolve` does.

    `add...` methods return the decision and the names that resolution must look at.
    """

    def __init__(self, tables: Tables, workspace: str) -> None:
        self._tables, self._workspace = tables, workspace
        self._sql = tables.load("salient.knowledge", "knowledge.sql")

    def read(self) -> list[Decision]:
        with self._tables.read() as tx:
            return self.read_in(tx)

    def read_in(self, tx: Reading) -> list[Decision]:
        return [_decision(r) for r in tx.rows(self._sql.decisions, {"workspace": self._workspace})]

    def merge(
        self, entities: Sequence[str], person: str, reason: str | None = None
    ) -> tuple[Decision, set[str]]:
        """The entities are one; the first gives the name of the decision.

        Raises:
            InvalidInput: fewer than two, or two of the knowledge base.
            NotFound: no such entity.
        """
        if len(set(entities)) < 2:
            raise InvalidInput("merging takes two different entities")
        refs = [self.name_refs(e)[0] for e in dict.fromkeys(entities)]
        if sum(r.startswith(KB) for r in refs) > 1:
            raise InvalidInput("two entities of the knowledge base cannot be merged here")
        return self._add(Verb.MERGE, refs, None, person, reason)

    def split(
        self, entity: str, names: Sequence[str], person: str, reason: str | None = None
    ) -> tuple[Decision, set[str]]:
        """Take names away from an entity; together they are another one.

        Raises:
            InvalidInput: a name is not the entity's, or none would be left.
            NotFound: no such entity.
        """
        refs = self.name_refs(entity)
        away = list(dict.fromkeys(names))
        if not away or not set(away) <= set(refs):
            raise InvalidInput("only names of the entity can be split from it", entity=entity)
        kept = [r for r in refs if r not in away]
        if not kept:
            raise InvalidInput("one name at least must stay", entity=entity)
        return self._add(Verb.SPLIT, away, json.dumps(kept), person, reason)

    def never_merge(
        self, left: str, right: str, person: str, reason: str | None = None
    ) -> tuple[Decision, set[str]]:
        """The two entities are not one, whatever their names look like.

        Raises:
            InvalidInput: they are the same entity; split it instead.
            NotFound: no such entity.
        """
        if left == right:
            raise InvalidInput("an entity cannot be kept apart from itself")
        value = json.dumps(self.name_refs(right))
        return self._add(Verb.NEVER_MERGE, self.name_refs(left), value, person, reason)

    def rename(
        self, entity: str, name: str, person: str, reason: str | None = None
    ) -> tuple[Decision, set[str]]:
        """Give an entity a name, for good. Raises InvalidInput (no name), NotFound."""
        if not name.strip() or len(name) > 500:
            raise InvalidInput("a name has 1 to 500 characters")
        refs = self.name_refs(entity)[:1]
        return self._add(Verb.RENAME, refs, " ".join(name.split()), person, reason)

    def retype(
        self, entity: str, kind: str, person: str, reason: str | None = None
    ) -> tuple[Decision, set[str]]:
        """Give an entity a type, for good. Raises InvalidInput (no type), NotFound."""
        if not kind.strip() or len(kind) > 16:
            raise InvalidInput("a type has 1 to 16 characters")
        return self._add(Verb.RETYPE, self.name_refs(entity)[:1], kind, person, reason)

    def judge(
        self, fact: Fact, verdict: Status, person: str, reason: str | None = None
    ) -> tuple[Decision, set[str]]:
        """Accept or reject a fact; new evidence for it does not change that."""
        if verdict is Status.PROPOSED:
            raise InvalidInput("a fact is accepted or rejected")
        verb = Verb.ACCEPT if verdict is Status.ACCEPTED else Verb.REJECT
        if fact.object_entity is not None:
            other = self.name_refs(fact.object_entity)[0]
        else:
            other = f"={fact.object_value}"
        subjects = [self.name_refs(fact.subject)[0], fact.predicate, other]
        decision, _ = self._add(verb, subjects, None, person, reason)
        return decision, set()

    def of_copies(
        self, documents: Sequence[str], person: str, *, copies: bool, reason: str | None = None
    ) -> Decision:
        """The first document says what each of the others says, or it does not.

        Raises:
            InvalidInput: fewer than two documents, or more than can be decided at once.
        """
        subjects = list(dict.fromkeys(documents))
        if not 2 <= len(subjects) <= _MAX_REFS:
            raise InvalidInput(f"such a decision is about 2 to {_MAX_REFS} documents")
        verb = Verb.COPIES if copies else Verb.NOT_COPIES
        return self._add(verb, subjects, None, person, reason)[0]

    def undo(
        self, decision_id: str, person: str, reason: str | None = None
    ) -> tuple[Decision, set[str]]:
        """Take a decision back.

        Raises:
            NotFound: no such decision.
            InvalidInput: it is undone already.
        """
        log = self.read()
        old = next((d for d in log if d.id == decision_id), None)
        if old is None:
            raise NotFound(f"no decision {decision_id!r}", id=decision_id)
        undone = {
            d.subjects[0] for d in log if d.verb is Verb.UNDO and d.id not in _undone_undos(log)
        }
        if decision_id in undone:
            raise InvalidInput("that decision is undone already", id=decision_id)
        decision, _ = self._add(Verb.UNDO, [decision_id], None, person, reason)
        return decision, touched_by(old)

    def name_refs(self, entity: str) -> list[str]:
        """References that stand for an entity, the steadiest first.

        The knowledge base's own, then names by how many documents have them.

        Raises:
            NotFound: no such entity.
        """
        with self._tables.read() as tx:
            key = {"workspace": self._workspace}
            row = tx.one(self._sql.entity, {**key, "id": entity})
            if row is None:
                raise NotFound(f"no entity {entity!r}", id=entity)
            links = tx.rows(self._sql.links_of_entities, {**key, "ids": [entity]})
            ids = [link.name_id for link in links]
            counted = tx.rows(self._sql.name_documents, {"ids": ids}) if ids else []
        documents: dict[str, int] = dict.fromkeys(ids, 0)
        for r in counted:
            documents[r.name_id] += 1
        rank = {link.name_id: float(link.score) for link in links}
        ids.sort(key=lambda i: (-rank[i], -documents[i], i))
        head = [f"{KB}{entity}"] if row.origin != "found" else []
        return (head + ids)[:_MAX_REFS]

    def _add(
        self,
        verb: Verb,
        subjects: Sequence[str],
        value: str | None,
        person: str,
        reason: str | None,
    ) -> tuple[Decision, set[str]]:
        if not person.strip():
            raise InvalidInput("a decision has a person who made it")
        with self._tables.transaction() as tx:
            last = tx.one(self._sql.last_decision, {"workspace": self._workspace})
            sequence = 1 + (int(last.n) if last is not None and last.n is not None else 0)
            key = f"{self._workspace}\0{sequence}\0{verb}\0{json.dumps(list(subjects))}"
            decision = Decision(
                id="d" + hashlib.sha256(key.encode()).hexdigest()[:19],
                workspace=self._workspace,
                sequence=sequence,
                verb=verb,
                subjects=tuple(subjects),
                value=value,
                person=person[:128],
                reason=reason,
                made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            row = decision.model_dump()
            row |= {"verb": str(verb), "subjects": json.dumps(list(subjects))}
            tx.run(self._sql.add_decision, row)
        return decision, touched_by(decision)


def touched_by(decision: Decision) -> set[str]:
    """The references that resolution must look at after a decision is made or undone."""
    if decision.verb in {Verb.ACCEPT, Verb.REJECT, Verb.UNDO, *OF_DOCUMENTS}:
        return set()
    listed = _listed(decision.value) if decision.verb in {Verb.SPLIT, Verb.NEVER_MERGE} else []
    return {*decision.subjects, *listed}


def _undone_undos(log: Sequence[Decision]) -> set[str]:
    undos = {d.id for d in log if d.verb is Verb.UNDO}
    return {d.subjects[0] for d in log if d.verb is Verb.UNDO and d.subjects[0] in undos}


def _decision(row: Row) -> Decision:
    return Decision.model_validate({**row._mapping, "subjects": tuple(json.loads(row.subjects))})
