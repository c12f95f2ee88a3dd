"""Entities, facts and people's decisions about them."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from salient.model.values import Evidence, Value


class Entity(Value):
    """A node of the graph.

    `origin` is `kb` for an entity of the client's knowledge base, `found` for one clustered from
    mentions, `person` for one made by hand.
    """

    id: str
    workspace: str
    type: str
    name: str
    aliases: tuple[str, ...] = ()
    identifiers: dict[str, str] = Field(default_factory=dict)
    properties: dict[str, Any] = Field(default_factory=dict)
    origin: str = "found"
    n_mentions: int = 0
    n_documents: int = 0


class Status(StrEnum):
    """What people said of a machine's finding."""

    PROPOSED = "proposed"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Fact(Value):
    """Subject, predicate, object, with the sentences behind it. Evidence is never empty.

    The object is an entity or a value, not both.
    """

    id: str
    workspace: str
    subject: str
    predicate: str
    object_entity: str | None = None
    object_value: str | None = None
    qualifiers: dict[str, str] = Field(default_factory=dict)
    evidence: Annotated[tuple[Evidence, ...], Field(min_length=1)]
    confidence: Annotated[float, Field(ge=0.0, le=1.0)]
    status: Status = Status.PROPOSED
    n_sources: Annotated[int, Field(ge=1)] = 1
    """Documents behind it, of which those that are copies of each other are one."""

    @model_validator(mode="after")
    def _one_object(self) -> Self:
        if (self.object_entity is None) == (self.object_value is None):
            raise ValueError("a fact has one object: an entity or a value")
        return self


class Verb(StrEnum):
    """What a person can decide."""

    MERGE = "merge"
    SPLIT = "split"
    NEVER_MERGE = "never_merge"
    RENAME = "rename"
    RETYPE = "retype"
    ACCEPT = "accept"
    REJECT = "reject"
    COPIES = "copies"
    """Documents say the same, whatever their words look like."""
    NOT_COPIES = "not_copies"
    UNDO = "undo"


class Decision(Value):
    """One line of the append-only log of people's corrections, replayed after every run.

    `subjects` are names or ids the verb applies to; `value` is the verb's argument (a new name or
    type). An `undo` names the decision it takes back in `subjects[0]`.
    """

    id: str
    workspace: str
    sequence: int
    verb: Verb
    subjects: tuple[str, ...]
    value: str | None = None
    person: str
    reason: str | None = None
    made_at: str
