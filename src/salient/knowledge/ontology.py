"""The types and predicates of a workspace, as data: loaded, checked, and laid over one another."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from salient.errors import InvalidInput, NotFound

MAX_BYTES = 1_000_000
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,63}$")]
TypeName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,15}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EntityType(_Part):
    """A type of entity. `mentions` are the labels of the language engine that become this type."""

    label: str
    mentions: tuple[str, ...] = ()
    description: str = ""


class Pattern(_Part):
    """How a sentence states a predicate; see the head of `ontologies/base.yaml`.

    Exactly one of `verbs`, `nouns`, `roles` and `based` names the trigger.
    """

    verbs: tuple[str, ...] = ()
    nouns: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    based: bool = False
    subject: str | tuple[str, ...] = ()
    object: str | tuple[str, ...] = ()
    of: tuple[str, ...] = ()
    through: tuple[str, ...] = ()
    only_through: bool = False
    needs: tuple[str, ...] = ()
    needs_word: tuple[str, ...] = ()
    after: str = ""
    light: bool | tuple[str, ...] = True
    unless: tuple[str, ...] = ()
    plain: bool = False
    swap: bool = False
    title: bool = False
    confidence: Annotated[float, Field(gt=0.0, le=1.0)] = 0.8

    @model_validator(mode="after")
    def _one_trigger(self) -> Self:
        if sum(map(bool, (self.verbs, self.nouns, self.roles, self.based))) != 1:
            raise ValueError("a pattern has one of verbs, nouns, roles, based")
        return self


class Predicate(_Part):
    """A type of fact. Its object is an entity of one of `object`, or a value named by `value`."""

    label: str
    subject: tuple[str, ...]
    object: tuple[str, ...] = ()
    value: str | None = None
    symmetric: bool = False
    qualifiers: tuple[str, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    description: str = ""

    @model_validator(mode="after")
    def _one_object(self) -> Self:
        if bool(self.object) == (self.value is not None):
            raise ValueError("a predicate has object types or a value, not both")
        return self


class Ontology(_Part):
    """What a workspace knows of. Equal files give an equal `digest`-able value."""

    name: str
    version: int = 1
    types: Mapping[TypeName, EntityType]
    predicates: Mapping[Identifier, Predicate] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _types_are_known(self) -> Self:
        owner: dict[str, str] = {}
        for name, kind in self.types.items():
            for label in kind.mentions:
                if owner.setdefault(label, name) != name:
                    raise ValueError(
                        f"mentions of {label} belong to both {owner[label]} and {name}"
                    )
        for name, predicate in self.predicates.items():
            for kind_name in (*predicate.subject, *predicate.object):
                if kind_name not in self.types:
                    raise ValueError(f"predicate {name} names the unknown type {kind_name}")
        return self

    def type_of(self, label: str) -> str | None:
        """The entity type of a mention label, None when such mentions are not linked."""
        return _types_by_label(self).get(label)

    @property
    def symmetric(self) -> frozenset[str]:
        """The predicates that say the same with their sides exchanged."""
        return frozenset(name for name, p in self.predicates.items() if p.symmetric)

    @property
    def digest(self) -> str:
        """Equal for ontologies that say the same; part of the key of every artifact made by one."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def label_of(self, predicate: str) -> str:
        """The predicate in words; an unknown one reads as itself."""
        known = self.predicates.get(predicate)
        return known.label if known else predicate.replace("_", " ")

    def value_of(self, predicate: str) -> str | None:
        """What kind of value the predicate's object is ("date"), None where it is an entity."""
        known = self.predicates.get(predicate)
        return known.value if known else None

    def __hash__(self) -> int:
        return hash((self.name, self.version, len(self.types), len(self.predicates)))


@cache
def _types_by_label(ontology: Ontology) -> Mapping[str, str]:
    return {label: name for name, kind in ontology.types.items() for label in kind.mentions}


@cache
def base() -> Ontology:
    """The ontology that ships with salient."""
    text = (
        resources.files("salient.knowledge").joinpath("ontologies", "base.yaml").read_text("utf-8")
    )
    return parse(text, over=None)


def load_ontology(path: Path | None = None) -> Ontology:
    """The base, with a user's ontology laid over it when there is one.

    Raises:
        NotFound: no such file.
        InvalidInput: not YAML, or not of this form; the message says where.
    """
    if path is None:
        return base()
    try:
        size = path.stat().st_size
        text = path.read_text("utf-8") if size <= MAX_BYTES else ""
    except OSError as exc:
        raise NotFound(f"ontology {path.name} cannot be read", path=str(path)) from exc
    except UnicodeDecodeError as exc:
        raise InvalidInput(f"ontology {path.name} is not UTF-8 text") from exc
    if size > MAX_BYTES:
        raise InvalidInput(f"ontology {path.name} is too large", size_bytes=size)
    return parse(text, over=base())


def parse(text: str, *, over: Ontology | None) -> Ontology:
    """Read YAML and lay it `over` another ontology.

    A type or predicate of the same name is replaced, `null` takes it away, others are added.

    Raises:
        InvalidInput: not YAML, or not of this form; the message says where.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise InvalidInput(f"ontology is not YAML: {exc}") from exc
    except RecursionError as exc:
        raise InvalidInput("ontology is nested too deeply") from exc
    if not isinstance(data, dict):
        raise InvalidInput("ontology is not a mapping with name, types and predicates")
    merged: dict[str, Any] = dict(data)
    if over is not None:
        below = over.model_dump()
        merged.setdefault("name", over.name)
        merged.setdefault("version", over.version)
        for part in ("types", "predicates"):
            above = data.get(part) or {}
            if not isinstance(above, dict):
                raise InvalidInput(f"ontology: {part} is not a mapping")
            merged[part] = {k: v for k, v in {**below[part], **above}.items() if v is not None}
    try:
        return Ontology.model_validate(merged)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(map(str, first["loc"])) or "ontology"
        raise InvalidInput(
            f"ontology: {where}: {first['msg']}", n_errors=exc.error_count()
        ) from exc
