"""What a pattern over tokens and trees is made of, and how it is written.

A pattern is a chain of nodes with steps between them; a node may carry branches. `str` writes it so
that parsing gives an equal pattern. `docs/how/grammar-search.md` is the language's description.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from salient.nlp import LABELS

Attribute = Literal["lemma", "form", "upos", "xpos", "feats", "dep", "label", "entity"]
ATTRIBUTES: tuple[Attribute, ...] = ("lemma", "form", "upos", "xpos", "dep", "label", "entity")
"""By name; of `feats` each feature is asked for by its own, `Tense=Past`."""
UPOS = frozenset(
    "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split()
)
WORD = re.compile(r"\w+(?:[-'’.]\w+)*")
FEATURE = re.compile(r"[A-Z][A-Za-z0-9]*(?:\[[a-z]+\])?(?=\s*!?=)")
FEATURE_VALUE = re.compile(r"[A-Z0-9][A-Za-z0-9]*")
LABEL = re.compile(r"[A-Z][A-Z0-9_]+(?!\w)")


@dataclass(frozen=True, slots=True)
class Anything:
    """Any token: `*`."""


@dataclass(frozen=True, slots=True)
class Is:
    """An attribute has a value, or all of it fits an expression; of `feats`, one of the features is `value`."""

    attribute: Attribute
    value: str
    regex: bool = False


@dataclass(frozen=True, slots=True)
class Not:
    test: Test


@dataclass(frozen=True, slots=True)
class All:
    tests: tuple[Test, ...]


@dataclass(frozen=True, slots=True)
class OneOf:
    tests: tuple[Test, ...]


Test: TypeAlias = Anything | Is | Not | All | OneOf


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation of Universal Dependencies; with `cases`, only by one of these prepositions."""

    name: str
    cases: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name + (f"[{'|'.join(self.cases)}]" if self.cases else "")


@dataclass(frozen=True, slots=True)
class Arc:
    """`least` to `most` steps in the tree: down from head to dependent, or up. No relations: any."""

    down: bool
    relations: tuple[Relation, ...] = ()
    least: int = 1
    most: int = 1

    def __str__(self) -> str:
        inner = "|".join(map(str, self.relations))
        if (self.least, self.most) != (1, 1):
            inner += f"*{self.most}" if self.least == 1 else f"*{self.least}..{self.most}"
        return f"-{inner}->" if self.down else f"<{inner}-" if inner else "<--"


@dataclass(frozen=True, slots=True)
class Gap:
    """Later in the sentence, with at most `most` tokens between; None for any number."""

    most: int | None = 0

    def __str__(self) -> str:
        return ".." if self.most is None else f"..{self.most}"


Step: TypeAlias = Arc | Gap
Need = Literal["with", "maybe", "without"]


@dataclass(frozen=True, slots=True)
class Branch:
    """A side chain that must, may or must not be there."""

    need: Need
    step: Step
    chain: Chain

    def __str__(self) -> str:
        mark = "!" if self.need == "without" else ""
        return f"{mark}({self.step} {self.chain}){'?' if self.need == 'maybe' else ''}"


@dataclass(frozen=True, slots=True)
class Node:
    """One token, or the mention it heads; `name` is the slot it fills in a match."""

    test: Test
    name: str | None = None
    branches: tuple[Branch, ...] = ()

    def __str__(self) -> str:
        said = (f"{self.name}:" if self.name else "") + written(self.test)
        return " ".join([said, *map(str, self.branches)])


@dataclass(frozen=True, slots=True)
class Chain:
    node: Node
    rest: tuple[tuple[Step, Node], ...] = ()

    def __str__(self) -> str:
        parts = [str(self.node)]
        for step, node in self.rest:
            parts += [str(node)] if step == Gap(0) else [str(step), str(node)]
        return " ".join(parts)

    def nodes(self) -> Iterator[Node]:
        """All nodes, branches included, as they are written."""
        for node in (self.node, *(n for _, n in self.rest)):
            yield node
            for branch in node.branches:
                yield from branch.chain.nodes()

    @property
    def slots(self) -> tuple[str, ...]:
        """Names of nodes, as they are written; those of `!( )` branches are never filled."""
        return tuple(n.name for n in self.nodes() if n.name)


def atoms(test: Test) -> Iterator[Is]:
    """Every comparison in a test."""
    match test:
        case Is():
            yield test
        case Not(inner):
            yield from atoms(inner)
        case All(tests) | OneOf(tests):
            for one in tests:
                yield from atoms(one)


def written(test: Test) -> str:
    """A test as a node has it."""
    match test:
        case Anything():
            return "*"
        case Is("form", value, regex=False):
            return json.dumps(value, ensure_ascii=False)
        case Is("entity", value, regex=False) if _plain_entity(value):
            return f"{{{value}}}"
        case Is("label", value, regex=False) if value in LABELS:
            return value
        case Is("lemma", value, regex=False) if WORD.fullmatch(value) and not LABEL.match(value):
            return value
        case Not(inner):
            return f"!{written(inner)}"
        case OneOf(tests):
            return f"({'|'.join(map(written, tests))})"
        case All():
            return f"[{_expression(test)[1:-1]}]"
        case _:
            return f"[{_expression(test)}]"


def _plain_entity(value: str) -> bool:
    return value == value.strip() != "" and not set(value) & set("{}")


def _expression(test: Test) -> str:
    """A test as it stands in brackets."""
    match test:
        case Is("feats", value):
            return value
        case Is(attribute, value, regex):
            shown = f"/{value}/" if regex else _value(value)
            return f"{attribute}={shown}"
        case Not(inner):
            return f"!{_expression(inner)}"
        case All(tests):
            return f"({' & '.join(map(_expression, tests))})"
        case OneOf(tests):
            return f"({' | '.join(map(_expression, tests))})"
        case Anything():
            return "*"


def _value(value: str) -> str:
    return value if WORD.fullmatch(value) else json.dumps(value, ensure_ascii=False)
