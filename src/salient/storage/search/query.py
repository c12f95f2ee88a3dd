"""What a user's words mean. No text is a syntax error: what makes no sense as syntax is words.

words            any of them, or all of them, as the mode says
"exact phrase"   the words in a row
+word  -word     must be there, must not
field:value      in that field only; a keyword, number or date must match as a whole
this OR that     either; binds its two neighbours
prefix*          words that begin so
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from salient.storage.search.analysis import STOP_WORDS, Token, tokens

Mode: TypeAlias = Literal["any", "all"]
Occur: TypeAlias = Literal["must", "should", "not"]

MAX_CLAUSES = 256  # of one query: what follows is left out, rather than run for ever
_MIN_PREFIX = 2

_ITEM = re.compile(
    r"""(?P<sign>[+-]?)                              # +required -excluded
        (?:(?P<field>[^\s:"“”+-][^\s:"“”]*):(?=[^\s:/]))?   # field:
        (?:["“”](?P<phrase>[^"“”]*)["“”]|(?P<word>[^\s"“”]+))""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Words:
    """Terms in a row, of one text field or, with None, of any."""

    field: str | None
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prefix:
    """Words that begin with `start`, or whose stem is `term`."""

    field: str | None
    start: str
    term: str


@dataclass(frozen=True, slots=True)
class Value:
    """A keyword, number or date field that has this value."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Among:
    """A keyword field that has one of these values."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """A field from `low` to `high`, both within, None for no bound.

    Keywords compare by their UTF-8 bytes, numbers as floats, dates as seconds since 1970 in UTC.
    """

    field: str
    low: str | float | int | None
    high: str | float | int | None


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of these; with none, nothing."""

    nodes: tuple[Node, ...]


Condition: TypeAlias = Among | Between
Node: TypeAlias = Words | Prefix | Value | Either | Among | Between


@dataclass(frozen=True, slots=True)
class Clause:
    """A node and whether it must, may or must not match."""

    occur: Occur
    node: Node


@dataclass(frozen=True, slots=True)
class Asked:
    """A parsed query: every `must`, no `not`, and, if there is no `must`, at least one `should`.

    With only `not` clauses it is everything else. With none at all it matches nothing.
    """

    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Restriction:
    """What a result must satisfy whatever is asked: no score comes of it."""

    required: tuple[tuple[Condition, ...], ...] = ()
    """Of each inner tuple, at least one."""
    excluded: tuple[Condition, ...] = ()


def parse(text: str, kinds: Mapping[str, str], mode: Mode) -> Asked:
    """Understand a user's text; never raises.

    Args:
        kinds: field name -> text, keyword, number or date.
        mode: what a bare word is: one of several, or required.
    """
    items: list[Clause] = []
    bare: list[bool] = []
    either_next = False
    for found in _ITEM.finditer(text):
        if len(items) >= MAX_CLAUSES:
            break
        if found["word"] == "OR" and not found["sign"] and not found["field"]:
            either_next = bool(items)
            continue
        nodes = _nodes(found, kinds)
        sign = found["sign"]
        for index, node in enumerate(nodes):
            if either_next and not sign and index == 0:
                previous = items[-1]
                alternatives = (
                    previous.node.nodes if isinstance(previous.node, Either) else (previous.node,)
                )
                items[-1] = Clause(previous.occur, Either((*alternatives, node)))
                bare[-1] = False
                continue
            is_condition = isinstance(node, Value)
            occur: Occur = "should"
            if sign == "-":
                occur = "not"
            elif sign == "+" or is_condition or mode == "all":
                occur = "must"
            items.append(Clause(occur, node))
            bare.append(not sign and found["word"] is not None and not found["field"])
        either_next = False
    return Asked(_without_stop_words(items, bare))


def _nodes(found: re.Match[str], kinds: Mapping[str, str]) -> list[Node]:
    field, phrase, word = found["field"], found["phrase"], found["word"]
    if field is not None and field not in kinds:
        # Not a field of ours: a time, an address, a label in the text. Its words count.
        if phrase is None:
            return _phrases(None, f"{field}:{word}")
        return [*_phrases(None, field), *_row(phrase)]
    if field is not None and kinds[field] != "text":
        value = phrase if phrase is not None else word
        return [Value(field, value)]
    if phrase is not None:
        return _row(phrase, field)
    if word.endswith("*") and len(word) > _MIN_PREFIX:
        parts = list(tokens(word))
        if len(parts) == 1 and len(parts[0].word) >= _MIN_PREFIX:
            return [Prefix(field, parts[0].word, parts[0].stem)]
    return _phrases(field, word)


def _row(text: str, field: str | None = None) -> list[Node]:
    terms = tuple(token.stem for token in tokens(text))
    return [Words(field, terms)] if terms else []


def _phrases(field: str | None, text: str) -> list[Node]:
    """A word without spaces may be several tokens: `e-mail`, `3.5`. They belong in a row."""
    nodes: list[Node] = []
    row: list[Token] = []
    for token in tokens(text):
        if row and any(char.isspace() for char in text[row[-1].end : token.start]):
            nodes.append(Words(field, tuple(t.stem for t in row)))
            row = []
        row.append(token)
    if row:
        nodes.append(Words(field, tuple(t.stem for t in row)))
    return nodes


def _without_stop_words(items: list[Clause], bare: list[bool]) -> tuple[Clause, ...]:
    """Drop bare words such as `the`, unless nothing else is asked for."""
    kept = [
        clause
        for clause, is_bare in zip(items, bare, strict=True)
        if not (is_bare and _is_stop_word(clause.node))
    ]
    if any(clause.occur != "not" and not isinstance(clause.node, Value) for clause in kept):
        return tuple(kept)
    return tuple(items)


def _is_stop_word(node: Node) -> bool:
    return isinstance(node, Words) and len(node.terms) == 1 and node.terms[0] in STOP_WORDS
