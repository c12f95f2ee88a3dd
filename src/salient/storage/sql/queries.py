r"""Files of named queries: SQL that editors, linters and people can read as SQL.

    -- name: claim
    -- Take the oldest waiting document.        (comments stay with the query)
    UPDATE document SET owner = :owner WHERE id IN :ids;
    -- dialect: mysql
    UPDATE document ... the same for MySQL ...

A query without `-- dialect:` holds for every database; a variant replaces it for those it names.
A colon before a word inside a quoted literal is written as `\:`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, final

import sqlalchemy
from sqlalchemy.sql.elements import TextClause

from salient.errors import InvalidInput

DIALECTS = ("sqlite", "postgresql", "mysql")
_MARK = re.compile(r"^--\s*(name|dialect):\s*(.*?)\s*$")
_NAME = re.compile(r"[a-z][a-z0-9_]*")


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
        lists = {k: list(v) for k, v in params.items() if isinstance(v, list | tuple | set)}
        if not lists:
            return self.statement, dict(params)
        kinds = frozenset((name, bool(values)) for name, values in lists.items())
        if kinds not in self._with_lists:
            self._with_lists[kinds] = self.statement.bindparams(
                # Postgres wants to know what a list is empty of.
                *(sqlalchemy.bindparam(n, expanding=True, type_=None if some else sqlalchemy.String())
                  for n, some in kinds)
            )  # fmt: skip
        return self._with_lists[kinds], {**params, **lists}

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
        InvalidInput: a name twice or not in lower case, an unknown dialect, an empty query, SQL
            before the first name, or no variant for `dialect`.
    """
    variants: dict[str, dict[str, list[str]]] = {}
    name = ""
    dialects: tuple[str, ...] = ("",)
    for number, line in enumerate(text.splitlines(), 1):
        mark = _MARK.match(line)
        if mark is None:
            if name:
                for one in dialects:
                    variants[name][one].append(line)
            elif line.strip() and not line.startswith("--"):
                raise InvalidInput("SQL before the first '-- name:'", source=source, line=number)
            continue
        word, value = mark.groups()
        if word == "name":
            if value in variants or not _NAME.fullmatch(value):
                raise InvalidInput(
                    f"query name {value!r} is not new and in lower case", source=source, line=number
                )
            name, dialects = value, ("",)
            variants[name] = {"": []}
        else:
            dialects = tuple(part.strip() for part in value.split(","))
            if not name or not set(dialects) <= set(DIALECTS):
                raise InvalidInput(
                    f"unknown dialect in {value!r}", source=source, line=number, known=DIALECTS
                )
            variants[name] |= {one: [] for one in dialects}
    chosen = {}
    for name, by_dialect in variants.items():
        sql = "\n".join(by_dialect.get(dialect, by_dialect[""])).strip().removesuffix(";")
        if not re.sub(r"--[^\n]*", "", sql).strip():
            raise InvalidInput(f"query {name!r} has no SQL for {dialect}", source=source)
        chosen[name] = Query(sql, name=name)
    return Queries(chosen, source)
