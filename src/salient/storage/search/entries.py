"""What an index holds: its schema, its entries, and how their fields become comparable values."""

from __future__ import annotations

import calendar
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from salient.errors import InvalidInput, LimitExceeded
from salient.storage.search.analysis import terms
from salient.storage.search.query import Among, Between, Condition

MAX_KEY_BYTES = 512
MAX_KEYWORD_BYTES = 32 * 1024

Kind: TypeAlias = Literal["text", "keyword", "number", "date"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:[T ](.+))?)?)?")


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the entries.

    text: words that are found; keyword: values as a whole, one or several; number: a float;
    date: ISO 8601, also `2021` or `2021-03`. An empty text or keyword is as none.
    """

    name: str
    kind: Kind
    stored: bool = True
    boost: float = 1.0


@dataclass(frozen=True, slots=True)
class IndexSchema:
    """The fields, and the length of vectors; None for an index without them.

    Raises:
        InvalidInput: a name twice or empty, a boost that is not positive, or a length under 1.
    """

    fields: tuple[Field, ...]
    vector_dim: int | None = None

    def __post_init__(self) -> None:
        names = [f.name for f in self.fields]
        if len(set(names)) < len(names) or "" in names:
            raise InvalidInput("fields have different names, none empty", names=names)
        if any(not f.boost > 0 for f in self.fields):
            raise InvalidInput("a boost is over 0")
        if self.vector_dim is not None and self.vector_dim < 1:
            raise InvalidInput("a vector has at least one number", vector_dim=self.vector_dim)

    @property
    def kinds(self) -> dict[str, str]:
        """Kind by field name."""
        return {f.name: f.kind for f in self.fields}

    def kind(self, name: str) -> Kind:
        """The kind of a field.

        Raises:
            InvalidInput: there is none of that name.
        """
        for one in self.fields:
            if one.name == name:
                return one.kind
        raise InvalidInput(f"the index has no field {name!r}", known=[f.name for f in self.fields])


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """Something to be found: a passage, a document. `group` is the document it goes with."""

    key: str
    group: str
    fields: Mapping[str, str | float | Sequence[str] | None]
    vector: NDArray[np.floating[Any]] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """An entry as a driver gets it: checked, its text turned into terms."""

    key: str
    group: str
    terms: dict[str, list[str]]
    """Stems of each text field, in order."""
    words: dict[str, set[str]]
    """Distinct whole words of each text field, for prefixes."""
    keywords: dict[str, tuple[str, ...]]
    numbers: dict[str, float]
    dates: dict[str, int]
    """Seconds since 1970 in UTC."""
    stored: bytes
    """JSON of key, group and the stored fields; UTF-8 that may hold surrogates."""
    vector: NDArray[np.float32] | None


def prepare(entry: Entry, schema: IndexSchema) -> Prepared:
    """Check an entry and analyse it.

    Raises:
        InvalidInput, LimitExceeded: as `SearchIndex.put`.
    """
    for name in (entry.key, entry.group):
        if not 0 < len(name) <= MAX_KEY_BYTES or _SURROGATE.search(name) or "\0" in name:
            raise InvalidInput(
                "keys and groups are 1 to 512 bytes of Unicode", key=ascii(name)[:60]
            )
        if len(name.encode()) > MAX_KEY_BYTES:
            raise InvalidInput("keys and groups are 1 to 512 bytes of Unicode", key=name[:60])
    out = Prepared(
        entry.key,
        entry.group,
        {},
        {},
        {},
        {},
        {},
        _stored(entry, schema),
        unit(entry.vector, schema),
    )
    for name, value in entry.fields.items():
        kind = schema.kind(name)
        if value is None:
            continue
        match kind:
            case "text":
                if not isinstance(value, str):
                    raise InvalidInput(f"text field {name!r} wants text", key=entry.key)
                if value:
                    out.terms[name], out.words[name] = terms(value)
            case "keyword":
                out.keywords[name] = _keywords(name, value)
            case "number":
                out.numbers[name] = _number(name, value)
            case "date":
                if value != "":
                    out.dates[name] = _moment(name, value)[0]
    return out


def unit(
    vector: NDArray[np.floating[Any]] | None, schema: IndexSchema
) -> NDArray[np.float32] | None:
    """The vector at length 1; None for none or one of zeros.

    Raises:
        InvalidInput: its length is not the schema's, or a number is not finite.
    """
    if vector is None:
        return None
    flat = np.asarray(vector, np.float32)
    if schema.vector_dim is None or flat.shape != (schema.vector_dim,):
        raise InvalidInput(
            "the vector's length is not the index's", shape=flat.shape, dim=schema.vector_dim
        )
    # In float64: the square of a large float32 is no float32.
    length = float(np.linalg.norm(flat.astype(np.float64)))
    if not math.isfinite(length):
        raise InvalidInput("a vector's numbers are finite")
    return (flat / length).astype(np.float32) if length > 0 else None


def condition(field: str, value: str, schema: IndexSchema) -> Condition:
    """What it takes for `field` to have `value`; of a date, `2021` is any day of that year.

    Raises:
        InvalidInput: no such field, a text field, or no such value of its kind.
    """
    match schema.kind(field):
        case "keyword":
            return Among(field, (_clean(value),))
        case "number":
            number = _number(field, value)
            return Between(field, number, number)
        case "date":
            return Between(field, *_moment(field, value))
    raise InvalidInput(f"a filter is on a keyword, number or date, not on {field!r}", field=field)


def conditions(field: str, values: Sequence[str], schema: IndexSchema) -> tuple[Condition, ...]:
    """What it takes for `field` to have one of some values: one of these.

    Keywords are one condition however many they are: a label may be on a million documents.

    Raises:
        InvalidInput: as `condition`.
    """
    if values and schema.kind(field) == "keyword":
        return (Among(field, tuple(_clean(value) for value in values)),)
    return tuple(condition(field, value, schema) for value in values)


def span(
    field: str, low: str | float | None, high: str | float | None, schema: IndexSchema
) -> Between:
    """A range over a field; of a date, `2021` reaches from its first second or to its last.

    Raises:
        InvalidInput: no such field, a text field, or a bound that is no value of its kind.
    """
    match schema.kind(field):
        case "keyword":
            for bound in (low, high):
                if bound is not None and not isinstance(bound, str):
                    raise InvalidInput(f"a bound of keyword {field!r} is text", field=field)
            return Between(field, low, high)
        case "number":
            return Between(
                field,
                None if low is None else _number(field, low),
                None if high is None else _number(field, high),
            )
        case "date":
            return Between(
                field,
                None if low is None else _moment(field, low)[0],
                None if high is None else _moment(field, high)[1],
            )
    raise InvalidInput(
        f"a range is over a keyword, number or date, not over {field!r}", field=field
    )


def _stored(entry: Entry, schema: IndexSchema) -> bytes:
    kept = {f.name for f in schema.fields if f.stored}
    fields = {
        name: value if value is None or isinstance(value, str | int | float) else list(value)
        for name, value in entry.fields.items()
        if name in kept
    }
    try:
        text = json.dumps([entry.key, entry.group, fields], ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise InvalidInput(f"a field of {entry.key!r} cannot be stored: {exc}") from exc
    return text.encode("utf-8", "surrogatepass")


def _keywords(name: str, value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, Sequence) or any(not isinstance(v, str) for v in values):
        raise InvalidInput(f"keyword field {name!r} wants text or a list of text", field=name)
    cleaned = tuple(dict.fromkeys(_clean(v) for v in values if v))
    if any(
        len(v) > MAX_KEYWORD_BYTES // 4 and len(v.encode()) > MAX_KEYWORD_BYTES for v in cleaned
    ):
        raise LimitExceeded(f"a keyword of {name!r} is too long", max_bytes=MAX_KEYWORD_BYTES)
    return cleaned


def _clean(value: str) -> str:
    """File names may hold bytes that are no text, which Python shows as surrogates."""
    return _SURROGATE.sub("\ufffd", value)


def _number(name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type] # whatever is no number raises
    except (TypeError, ValueError, OverflowError) as exc:
        raise InvalidInput(f"{value!r} is no number for {name!r}", field=name) from exc
    if not math.isfinite(number):
        raise InvalidInput(f"a number of {name!r} is finite", field=name)
    return number + 0.0  # no negative zero


def _moment(name: str, value: object) -> tuple[int, int]:
    """First and last second of what an ISO 8601 date, or its beginning, names."""
    found = _DATE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise InvalidInput(f"{value!r} is no ISO date for {name!r}", field=name)
    year, month, day, clock = found.groups()
    try:
        if clock is not None:
            moment = datetime.fromisoformat(found.group())
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            second = int(moment.timestamp() // 1)
            return second, second
        first = datetime(int(year), int(month or 1), int(day or 1), tzinfo=UTC)
        last_month = int(month or 12)
        last_day = int(day or calendar.monthrange(int(year), last_month)[1])
        last = datetime(int(year), last_month, last_day, 23, 59, 59, tzinfo=UTC)
    except (ValueError, OverflowError) as exc:
        raise InvalidInput(f"{value!r} is no date for {name!r}", field=name) from exc
    return int(first.timestamp()), int(last.timestamp())
