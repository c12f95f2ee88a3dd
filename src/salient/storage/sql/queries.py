r"""Files of named queries: SQL that editors, linters and people can read as SQL.

    -- name: claim
    -- Take the oldest waiting document.        (comments stay with the query)
    UPDATE document SET owner = :owner WHERE id IN :ids;
    -- dialect: mysql
    UPDATE document ... the same for MySQL ...

A query without `-- dialect:` holds for every database; a variant replaces it for those it names.
What queries have in common is a fragment, with variants like theirs, and stands in them in braces:

    -- fragment: waiting
    state = 'queued' AND owner IS NULL
    -- name: n_waiting
    SELECT COUNT(*) AS n FROM document WHERE {waiting}

A fragment may use those above it. A colon before a word inside a quoted literal is written as `\:`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, final

import sqlalchemy
from sqlalchemy.sql.elements import TextClause

from salient.errors import InvalidInput, LimitExceeded

MAX_LIST = 30_000  # SQLite takes 32766 values a query
DIALECTS = ("sqlite", "postgresql", "mysql")
_MARK = re.compile(r"^--\s*(name|fragment|dialect):\s*(.*?)\s*$")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_USE = re.compile(r"\{(\w+)\}")
_NOT_KEPT = re.compile("[\0\ud800-\udfff]")


def storable(text: str) -> str:
    """The text as a database keeps it: NUL and halves of surrogate pairs become U+FFFD.

    Files bring them along (names that are no UTF-8, JSON escapes), Postgres takes neither, and
    UTF-8 has no halves.
    """
    if text.isascii():
        return text.replace("\0", "\ufffd")
    return _NOT_KEPT.sub("\ufffd", text)


def _value(given: Any) -> Any:
    if isinstance(given, str):
        return storable(given)
    if isinstance(given, list | tuple | set):
        if len(given) > MAX_LIST:
            raise LimitExceeded(f"a list of an IN holds up to {MAX_LIST}", given=len(given))
        return [_value(v) for v in given]
    if isinstance(given, int) and not -(2**63) <= given < 2**63:
        raise LimitExceeded("a whole number of a database has 64 bits", given=str(given)[:40])
    return given


@final
class Query:
    """One SQL statement with `:named` parameters, ready for one dialect."""

    __slots__ = ("_with_lists", "name", "statement", "text")

    def __init__(self, text: str, *, name: str = "ad hoc") -> None:
        self.name, self.text = name, text
        self.statement: TextClause = sqlalchemy.text(text)
        self._with_lists: dict[frozenset[tuple[str, bool]], TextClause] = {}

    def bound(self, params: Mapping[str, Any] | None) -> tuple[TextClause, dict[str, Any]]:
        """The statement and its values; a list, tuple or set becomes the list of an `IN`.

        An empty one fits columns of text only.
        """
        if params is None:
            return self.statement, {}
        values = {name: _value(given) for name, given in params.items()}
        kinds = frozenset((n, bool(v)) for n, v in values.items() if isinstance(v, list))
        if not kinds:
            return self.statement, values
        if kinds not in self._with_lists:
            self._with_lists[kinds] = self.statement.bindparams(
                # Postgres wants to know what a list is empty of.
                *(sqlalchemy.bindparam(n, expanding=True, type_=None if some else sqlalchemy.String())
                  for n, some in kinds)
            )  # fmt: skip
        return self._with_lists[kinds], values

    def batch(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The values of many runs."""
        return [{name: _value(given) for name, given in row.items()} for row in rows]

    def __repr__(self) -> str:
        return f"Query({self.name!r})"


@final
class Queries:
    """The queries of one file, as attributes."""

    def __init__(self, queries: Mapping[str, Query], source: str) -> None:
        self._queries, self._source = dict(queries), source

    def __getattr__(self, name: str) -> Query:
        try:
            return self.__dict__["_queries"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(f"no query {name!r} in {self.__dict__.get('_source')}") from None

    def __iter__(self) -> Iterator[Query]:
        return iter(self._queries.values())


def parse(text: str, *, dialect: str, source: str = "text") -> Queries:
    """Read named queries, each in its variant for `dialect`.

    Raises:
        InvalidInput: a name twice or not in lower case, an unknown dialect or fragment, an empty
            query, SQL before the first name, or no variant for `dialect`.
    """
    chosen: dict[str, Query] = {}
    fragments: dict[str, str] = {}
    for kind, name, variants in _parts(text, source):
        lines = variants.get(dialect, variants[""])
        if kind == "fragment":  # may stand in the middle of a line
            lines = [line for line in lines if not line.startswith("--")]
        sql = "\n".join(lines).strip().removesuffix(";")
        if not re.sub(r"--[^\n]*", "", sql).strip():
            raise InvalidInput(f"query {name!r} has no SQL for {dialect}", source=source)
        if unknown := set(_USE.findall(sql)) - set(fragments):
            raise InvalidInput(
                f"query {name!r} uses a fragment that is not above it",
                source=source,
                unknown=sorted(unknown),
            )
        sql = _USE.sub(lambda use: fragments[use[1]], sql)
        if kind == "fragment":
            fragments[name] = sql
        else:
            chosen[name] = Query(sql, name=name)
    return Queries(chosen, source)


def _parts(text: str, source: str) -> list[tuple[str, str, dict[str, list[str]]]]:
    """Kind, name, and lines by dialect, of each query and fragment of a file."""
    parts: list[tuple[str, str, dict[str, list[str]]]] = []
    names: set[str] = set()
    dialects: tuple[str, ...] = ("",)
    for number, line in enumerate(text.splitlines(), 1):
        mark = _MARK.match(line)
        if mark is None:
            if parts:
                for one in dialects:
                    parts[-1][2][one].append(line)
            elif line.strip() and not line.startswith("--"):
                raise InvalidInput("SQL before the first '-- name:'", source=source, line=number)
            continue
        word, value = mark.groups()
        if word == "dialect":
            dialects = tuple(part.strip() for part in value.split(","))
            if not parts or not set(dialects) <= set(DIALECTS):
                raise InvalidInput(
                    f"unknown dialect in {value!r}", source=source, line=number, known=DIALECTS
                )
            parts[-1][2].update((one, []) for one in dialects)
            continue
        if value in names or not _NAME.fullmatch(value):
            raise InvalidInput(
                f"query name {value!r} is not new and in lower case", source=source, line=number
            )
        names.add(value)
        dialects = ("",)
        parts.append((word, value, {"": []}))
    return parts
