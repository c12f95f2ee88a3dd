"""Many rows at a time: as columns for Arrow, or as dictionaries, within the caller's snapshot.

A driver gives a `Source` of a query, on the transaction's own connection, so that what is read is what
the transaction sees, and may see. Rows go from the database's bytes to Arrow's without being objects
of Python in between where the driver can do that (SQLite, Postgres).
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy
from sqlalchemy.sql.elements import TextClause

from salient.errors import Misconfigured
from salient.storage.sql import columns

if TYPE_CHECKING:
    import pyarrow

    from salient.storage.sql.columns import Columns
elif os.environ.get("SALIENT_PURE_PYTHON") == "1":
    from salient.storage.sql.columns import Columns
else:
    try:
        from salient.storage.sql._columns import Columns
    except ImportError as exc:
        raise ImportError(
            "the compiled kernels are missing: build them (pip install -e .), "
            "or set SALIENT_PURE_PYTHON=1 to run their slow definitions"
        ) from exc

__all__ = ["MOST_BYTES", "Columns", "Rows", "Source", "arrow", "compiled", "record_batch"]

MOST_BYTES = 64 << 20
"""A batch ends at about so many bytes of values, however few its rows."""


class Source(ABC):
    """The rows of one query, read a batch at a time; to be closed."""

    names: Sequence[str]
    columns: Columns

    @abstractmethod
    def read(self, rows: int) -> int:
        """Collect rows in `columns`, up to so many or about MOST_BYTES; how many there are. 0: the end."""

    def kind(self, column: int) -> int:
        """What a column holds whose first values are all NULL."""
        return columns.TEXT

    @abstractmethod
    def close(self) -> None:
        """Leave the connection to other queries; the rest of the rows is not read."""


class Rows(Source):
    """Rows that the database's library makes objects of.

    Args:
        kinds: what the columns hold, by the library's description of them; None: what comes first.
    """

    def __init__(
        self,
        connection: sqlalchemy.Connection,
        statement: TextClause,
        bound: Mapping[str, Any],
        kinds: Mapping[Any, int] | None = None,
    ) -> None:
        options = {"yield_per": 1000}
        self._result = connection.execute(statement, dict(bound), execution_options=options)
        self.names = list(self._result.keys())
        described: Iterable[Any] = getattr(self._result.cursor, "description", None) or ()
        self.columns = Columns([(kinds or {}).get(d[1], columns.AUTO) for d in described])

    def read(self, rows: int) -> int:
        while self.columns.rows < rows and self.columns.size_bytes < MOST_BYTES:
            some = self._result.fetchmany(min(1000, rows - self.columns.rows))
            if not some:
                break
            self.columns.add(some)
        return self.columns.rows

    def close(self) -> None:
        self._result.close()


def compiled(
    connection: sqlalchemy.Connection, statement: TextClause, bound: Mapping[str, Any]
) -> tuple[str, dict[str, Any], list[Any]]:
    """A statement as the database's library takes it, with its values by name and in order."""
    state = statement.compile(dialect=connection.dialect).construct_expanded_state(dict(bound))
    values = dict(state.parameters)
    return state.statement, values, [values[name] for name in state.positiontup or ()]


def record_batch(names: Sequence[str], taken: Sequence[columns.Column]) -> pyarrow.RecordBatch:
    """Columns as a batch of Arrow's; nothing is copied.

    Raises:
        Misconfigured: pyarrow is not installed.
    """
    pa = arrow()
    types = {
        columns.INT: pa.int64(),
        columns.FLOAT: pa.float64(),
        columns.BINARY: pa.binary(),
    }
    arrays = []
    for kind, n, nulls, bits, ends, body in taken:
        buffers = [pa.py_buffer(bits) if nulls else None]
        buffers += [pa.py_buffer(ends)] if ends else []
        buffers.append(pa.py_buffer(body))
        arrays.append(
            pa.Array.from_buffers(types.get(kind, pa.utf8()), n, buffers, null_count=nulls)
        )
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def arrow() -> Any:
    """The module pyarrow.

    Raises:
        Misconfigured: it is not installed.
    """
    try:
        import pyarrow
    except ImportError as exc:
        raise Misconfigured("Arrow batches need a library: pip install 'salient[arrow]'") from exc
    return pyarrow
