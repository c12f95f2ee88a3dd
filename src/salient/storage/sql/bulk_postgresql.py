"""Postgres' rows as columns: COPY in its binary form, on the transaction's own connection.

A row is a message of the protocol, which libpq hands out one by one; compiled code puts its values
where Arrow has them. A savepoint before it lets a reader stop early without losing the transaction.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import psycopg
from psycopg import generators
from psycopg.pq import ExecStatus
from psycopg.waiting import Wait
from sqlalchemy import exc as sa_exc

from salient.storage.sql import bulk, columns

_INTEGERS = {"int2", "int4", "int8", "oid"}
_PLAIN = {"float4": columns.FLOAT, "float8": columns.FLOAT, "bytea": columns.BINARY}
_TEXTS = {"text", "varchar", "bpchar", "name"}
_POINT = "salient_rows"


class Copy(bulk.Source):
    """A query whose rows come by COPY.

    Args:
        sql: with its values in it, as the client puts them.
    """

    def __init__(self, connection: psycopg.Connection[Any], sql: str) -> None:
        self._connection, self._sql, self._open = connection, sql, False
        self._run(self._start)

    def read(self, rows: int) -> int:
        self._run(lambda: self._read(rows))
        return self.columns.rows

    def close(self) -> None:
        if self._open:
            self._run(self._abandon)

    def _start(self) -> None:
        described = self._connection.execute(f"SELECT * FROM ({self._sql}\n) AS q LIMIT 0")  # noqa: S608 # the query itself
        found = described.description or []
        self.names = [column.name for column in found]
        kinds, chosen = [], []
        for i, column in enumerate(found):
            kind, cast = _kind(column.type_code)
            kinds.append(kind)
            chosen.append(f"q.c{i}{cast}")
        self.columns = bulk.Columns(kinds)
        copied = self._sql
        if any("::" in one for one in chosen):
            named = ", ".join(f"c{i}" for i in range(len(found)))
            copied = f"SELECT {', '.join(chosen)} FROM ({self._sql}\n) AS q({named})"  # noqa: S608 # the query itself
        self._connection.execute(f"SAVEPOINT {_POINT}")
        server = self._connection.pgconn
        server.send_query(f"COPY ({copied}\n) TO STDOUT (FORMAT BINARY)".encode())
        (result,) = self._connection.wait(generators.execute(server))
        if result.status != ExecStatus.COPY_OUT:
            raise psycopg.errors.error_from_result(result)
        self._open = True

    def _read(self, rows: int) -> None:
        if not self._open:
            return
        collected = self.columns
        get, add, size = self._connection.pgconn.get_copy_data, collected.add_copied, 0
        while collected.rows < rows and size < bulk.MOST_BYTES:
            length, data = get(1)
            if length > 0:
                add(data)
                size += length
            elif length == 0:
                self._connection.wait(self._more())
            else:
                self._end()
                return

    def _more(self) -> Generator[Any, Any, None]:
        while not (yield Wait.R):
            pass
        self._connection.pgconn.consume_input()

    def _end(self) -> None:
        self._open = False
        for result in self._connection.wait(generators.fetch_many(self._connection.pgconn)):
            if result.status != ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(result)
        self._connection.execute(f"RELEASE SAVEPOINT {_POINT}")

    def _abandon(self) -> None:
        self._open = False
        server = self._connection.pgconn
        self._connection.cancel_safe()
        while True:
            length, _ = server.get_copy_data(1)
            if length < 0:
                break
            if length == 0:
                self._connection.wait(self._more())
        self._connection.wait(generators.fetch_many(server))
        self._connection.execute(f"ROLLBACK TO SAVEPOINT {_POINT}; RELEASE SAVEPOINT {_POINT}")

    def _run(self, step: Any) -> None:
        try:
            step()
        except psycopg.Error as exc:
            raise sa_exc.DBAPIError(self._sql, None, exc) from exc


def _kind(code: int) -> tuple[int, str]:
    """What a column of a type holds, and the cast that makes it so."""
    known = psycopg.adapters.types.get(code)
    name = known.name if known else ""
    if name in _INTEGERS:
        return columns.INT, "" if name != "oid" else "::int8"
    if name in _PLAIN:
        return _PLAIN[name], ""
    if name == "numeric":
        return columns.NUMBER, "::text"
    if name == "bool":
        return columns.INT, "::int"
    return columns.TEXT, "" if name in _TEXTS else "::text"


def mogrified(connection: psycopg.Connection[Any], sql: str, values: Mapping[str, Any]) -> str:
    """The query with its values in it, quoted by the driver."""
    cursor: Any = connection.cursor()
    with cursor:
        text: str = cursor.mogrify(sql, values)
    return text
