"""What a condition on a JSON record means: the same for every backend.

Values compare only with their like: numbers with numbers, text with text, by code points. Nothing is
equal to what is of another type; true is not 1. A missing field is as null.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast, get_args

from salient.errors import InvalidInput

JSON: TypeAlias = Any
Path: TypeAlias = tuple[str, ...]
Op: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">=", "in", "prefix", "has", "exists"]
Rank: TypeAlias = tuple[int, Any]

_ORDERED = {"<", "<=", ">", ">="}
_MAX_INTEGER = 2**63 - 1
_HUGE = 1e300


@dataclass(frozen=True, slots=True)
class Test:
    """One condition: the field at `path` stands so to `value`."""

    path: Path
    op: Op
    value: JSON


@dataclass(frozen=True, slots=True)
class Order:
    """By the field at `path`, then by id, which always rises."""

    path: Path
    falling: bool


def read(where: Mapping[str | Path, JSON] | None) -> tuple[Test, ...]:
    """Conditions as `Records.query` takes them.

    Raises:
        InvalidInput: no such comparison, or a value that it cannot have.
    """
    tests = []
    for field, given in (where or {}).items():
        op, value = given if isinstance(given, tuple) and len(given) == 2 else ("=", given)
        if op not in get_args(Op):
            raise InvalidInput(f"no comparison is called {op!r}", known=get_args(Op))
        if op == "in" and not isinstance(value, list | tuple | set | frozenset):
            raise InvalidInput("`in` wants a list of values", field=field)
        if op == "in":
            value = list(value)
        if op == "prefix" and not isinstance(value, str):
            raise InvalidInput("`prefix` wants text", field=field)
        if op == "exists" and not isinstance(value, bool):
            raise InvalidInput("`exists` wants true or false", field=field)
        if op in _ORDERED and rank(value)[0] not in (2, 3):
            raise InvalidInput(f"`{op}` wants a number or text", field=field)
        if isinstance(value, float) and not math.isfinite(value):
            raise InvalidInput("a number is finite", field=field)
        tests.append(Test(path_of(field), cast(Op, op), value))
    return tuple(tests)


def order_of(order: str | tuple[str | Path, Literal["rising", "falling"]] | None) -> Order | None:
    """An order as `Records.query` takes it."""
    if order is None:
        return None
    if isinstance(order, str):
        return Order(path_of(order.removeprefix("-")), falling=order.startswith("-"))
    field, way = order
    if way not in ("rising", "falling"):
        raise InvalidInput("an order is rising or falling", order=way)
    return Order(path_of(field), falling=way == "falling")


def path_of(field: str | Path) -> Path:
    """A field's path; a name alone is a field of the record itself, whatever is in it."""
    return (field,) if isinstance(field, str) else tuple(field)


def at(record: JSON, path: Path) -> tuple[bool, JSON]:
    """Whether there is such a field, and its value."""
    for name in path:
        if not isinstance(record, dict) or name not in record:
            return False, None
        record = record[name]
    return True, record


def matches(record: Mapping[str, JSON], tests: Sequence[Test]) -> bool:
    """Whether a record passes all the tests."""
    return all(_passes(record, test) for test in tests)


def same(one: JSON, other: JSON) -> bool:
    """Equality of JSON values: 1 is 1.0, and true is neither."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return bool(one == other)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(v, other[k]) for k, v in one.items())
    return type(one) is type(other) and bool(one == other)


def rank(value: JSON) -> Rank:
    """Where a value stands in an order: null, false, true, numbers, text, then all else."""
    match value:
        case None:
            return 0, 0
        case bool():
            return 1, value
        case int() | float():
            return 2, value
        case str():
            return 3, value
    return 4, 0


def check(record: JSON, depth: int = 64) -> None:
    """Refuse what some backend could not give back as it was.

    Raises:
        InvalidInput: a name that is no text or holds NUL, a number that is not finite or over 64
            bits, nesting past 64, invalid Unicode, or a type that JSON has not.
    """
    if depth == 0:
        raise InvalidInput("a record is nested too deeply")
    match record:
        case dict():
            _check_fields(record, depth)
        case list() | tuple():
            if depth > 1 and _plain_column(record):
                return
            for value in record:
                check(value, depth - 1)
        case str():
            try:
                record.encode()
            except UnicodeEncodeError as exc:
                raise InvalidInput("a record's text is valid Unicode") from exc
        case bool() | None:
            pass
        case int():
            if not -_MAX_INTEGER - 1 <= record <= _MAX_INTEGER:
                raise InvalidInput("a whole number of a record has 64 bits")
        case float():
            if not math.isfinite(record):
                raise InvalidInput("a number of a record is finite")
        case _:
            raise InvalidInput(f"a record holds no {type(record).__name__}")


def _check_fields(record: Mapping[JSON, JSON], depth: int) -> None:
    for name, value in record.items():
        if not isinstance(name, str) or "\0" in name:
            raise InvalidInput("a field's name is text without NUL", name=ascii(name)[:40])
        if depth == 1 or not name.isascii():
            check(name, depth - 1)
        if depth == 1 or not _plain(value):
            check(value, depth - 1)


def _plain_column(values: Sequence[JSON]) -> bool:
    """The same of a list of one kind, however long, at a fraction of what it costs one by one."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return all(map(str.isascii, values))
    return kinds == {int} and min(values) >= -_MAX_INTEGER and max(values) <= _MAX_INTEGER


def _plain(value: JSON) -> bool:
    """Whether a value is fine at a glance, as most are: checking is half of a bulk write's cost."""
    kind = type(value)
    if kind is str:
        return bool(value.isascii())
    if kind is int:
        return bool(-_MAX_INTEGER <= value <= _MAX_INTEGER)
    return kind is bool or (kind is float and -_HUGE < value < _HUGE)


def _passes(record: Mapping[str, JSON], test: Test) -> bool:  # one case an operation
    found, value = at(record, test.path)
    wanted = test.value
    match test.op:
        case "=":
            return same(value, wanted)
        case "!=":
            return not same(value, wanted)
        case "in":
            return any(same(value, one) for one in wanted)
        case "has":
            return isinstance(value, list) and any(same(one, wanted) for one in value)
        case "prefix":
            return isinstance(value, str) and value.startswith(wanted)
        case "exists":
            return found is wanted
    mine, theirs = rank(value), rank(wanted)
    if mine[0] != theirs[0]:
        return False
    match test.op:
        case "<":
            return bool(mine < theirs)
        case "<=":
            return bool(mine <= theirs)
        case ">":
            return bool(mine > theirs)
    return bool(mine >= theirs)
