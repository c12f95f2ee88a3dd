"""Tables: named SQL over one engine, with transactions, snapshots and migrations.

It is no object-relational mapper: queries are written in `.sql` files, rows come back as tuples
with names.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from importlib import resources
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, final

import sqlalchemy
from sqlalchemy import exc as sa_exc

from salient.errors import Error, InvalidInput, LimitExceeded, TimedOut, Unavailable
from salient.storage import backends
from salient.storage.retrying import Retry
from salient.storage.sql import revisions
from salient.storage.sql.queries import Queries, Query, parse, storable

if TYPE_CHECKING:
    import pyarrow
    from sqlalchemy.sql.elements import TextClause

    from salient.storage.sql.bulk import Source

__all__ = [
    "SCHEMES",
    "WRAPPERS",
    "Queries",
    "Query",
    "Reading",
    "Row",
    "Tables",
    "TablesDriver",
    "Transaction",
    "driver",
    "fold",
    "like",
    "storable",
]

SCHEMES = {
    "mariadb": "salient.storage.sql.mysql",
    "mysql": "salient.storage.sql.mysql",
    "postgresql": "salient.storage.sql.postgresql",
    "sqlite": "salient.storage.sql.sqlite",
}
# Databases around another, given in brackets: `scoped:[sqlite:/path]?workspace=main`.
WRAPPERS = {
    "flaky": "salient.storage.sql.flaky",
    "instrumented": "salient.storage.sql.instrumented",
    "scoped": "salient.storage.sql.scoped",
}

T = TypeVar("T")
MIGRATION_S = 600.0
"""How long to wait while others change the schema."""

# MySQL ends a snapshot in which a table is read whose shape has changed since.
_AMID_CHANGES = Retry(attempts=3)

Row: TypeAlias = sqlalchemy.Row[Any]
Params: TypeAlias = Mapping[str, Any]


class TablesDriver(ABC):
    """What a backend must do beyond what SQLAlchemy's dialect does."""

    engine: sqlalchemy.Engine
    features: frozenset[str] = frozenset()
    inner: tuple[TablesDriver, ...] = ()
    """What a wrapper is around."""
    retry: Retry = Retry(attempts=1)
    """How often to try for a connection and the beginning of a transaction: nothing is done yet."""

    @property
    def dialect(self) -> str:
        """The word after `-- dialect:` in query files: sqlite, postgresql, mysql."""
        return self.engine.dialect.name

    @abstractmethod
    def connect(self, *, write: bool) -> sqlalchemy.Connection:
        """A connection on which SQLAlchemy's `begin` starts the right transaction.

        Writing: excludes other writers of the same rows at least. Reading: one snapshot, and
        writes are refused.
        """

    @abstractmethod
    def fault(self, exc: sa_exc.DBAPIError) -> Error | None:
        """What the driver's exception means to a caller; None if it is a bug of ours."""

    def migration_lock(self, connection: sqlalchemy.Connection) -> AbstractContextManager[None]:
        """Keep other migrations out while it is held; default: the transaction does it."""
        return nullcontext()

    def prepare(self, connection: sqlalchemy.Connection) -> None:  # noqa: B027 # most need nothing
        """Do what has to be done before the schema is changed, in the migration's transaction."""

    def source(
        self, connection: sqlalchemy.Connection, statement: TextClause, bound: Params
    ) -> Source:
        """The rows of a query, to be read as columns."""
        from salient.storage.sql import bulk

        return bulk.Rows(connection, statement, bound)

    def around(self, step: str, run: Callable[[], T], *, commits: bool = False) -> T:
        """Do one step of the work and return what it gives; wrappers add to it here.

        Args:
            step: a query's name, `begin` or `commit`.
            commits: it is the commit of a transaction that writes.
        """
        return run()

    @abstractmethod
    def close(self) -> None: ...


class Reading:
    """One snapshot of the tables, to be used by one thread."""

    def __init__(self, connection: sqlalchemy.Connection, driver: TablesDriver) -> None:
        self._connection, self._driver = connection, driver
        self._bulk: Source | None = None

    def rows(self, query: Query, params: Params | None = None) -> list[Row]:
        """All rows of a query.

        Args:
            params: values by name; a list, tuple or set stands for `IN :name`.
        """
        return self._step(query, lambda: list(self._execute(query, params).all()))

    def one(self, query: Query, params: Params | None = None) -> Row | None:
        """The first row, or None."""
        return self._step(query, lambda: self._execute(query, params).first())

    def value(self, query: Query, params: Params | None = None) -> Any:
        """The first column of the first row, or None."""
        row = self.one(query, params)
        return None if row is None else row[0]

    def stream(
        self, query: Query, params: Params | None = None, *, batch: int = 1000
    ) -> Iterator[Row]:
        """Yield rows as the server gives them, `batch` at a time in memory.

        To be used up, or closed, within the transaction.
        """
        statement, bound = query.bound(params)
        options = {"yield_per": batch}
        execute = self._connection.execute
        result = self._step(query, lambda: execute(statement, bound, execution_options=options))
        with result:
            while True:
                rows = self._step(query, lambda: result.fetchmany(batch))
                if not rows:
                    return
                yield from rows

    def batches(
        self, query: Query, params: Params | None = None, *, rows: int = 65536
    ) -> Iterator[pyarrow.RecordBatch]:
        """Yield the rows of a query as Arrow batches, as this transaction sees them.

        A column is int64, double, utf8 or binary, by its declared type, or else by its first value
        that is not NULL; a query whose column mixes them has to CAST. There is at least one batch,
        so that the columns are known; memory does not grow with the number of rows. Until they are
        used up or closed, the transaction runs nothing else.

        Args:
            rows: the most of one batch; large rows make it end earlier.

        Raises:
            InvalidInput: values of a column are of different kinds, or it is no query; from other
                methods of this object: batches are still being read.
            LimitExceeded: an integer has more than 64 bits.
            Misconfigured: pyarrow is not installed.
        """
        from salient.storage.sql import bulk, columns

        bulk.arrow()
        with self._source(query, params) as source:
            first = True
            while self._read(query, source, rows) or first:
                if first:
                    for i, kind in enumerate(source.columns.kinds):
                        if kind in (columns.AUTO, columns.NUMBER):
                            source.columns.fix(i, _step(self._driver, query.name, partial(source.kind, i)))  # fmt: skip
                first = False
                yield bulk.record_batch(source.names, source.columns.take())

    def dicts(self, query: Query, params: Params | None = None) -> Iterator[dict[str, Any]]:
        """Yield the rows of a query as dictionaries: the quickest way to get many of them.

        The same is true of them as of `batches`; pyarrow is not needed.
        """
        with self._source(query, params) as source:
            names = list(source.names)
            while self._read(query, source, 4096):
                yield from source.columns.take_dicts(names)

    @contextmanager
    def _source(self, query: Query, params: Params | None) -> Iterator[Source]:
        statement, bound = query.bound(params)
        open_source = partial(self._driver.source, self._connection, statement, bound)
        self._bulk = source = self._step(query, open_source)
        try:
            yield source
        finally:
            self._end()

    def _read(self, query: Query, source: Source, rows: int) -> int:
        if self._bulk is not source:
            raise InvalidInput("the transaction has ended")
        try:
            return _step(self._driver, query.name, partial(source.read, rows))
        except TypeError as exc:
            raise InvalidInput(f"query {query.name!r}: {exc}: CAST them to one") from exc
        except OverflowError as exc:
            raise LimitExceeded(f"query {query.name!r}: {exc}") from exc

    def _end(self) -> None:
        """Leave the connection to other queries."""
        source, self._bulk = self._bulk, None
        if source is not None:
            with _translated(self._driver):
                source.close()

    def _step(self, query: Query, run: Callable[[], T]) -> T:
        if self._bulk is not None:
            raise InvalidInput("batches are being read: use them up, or close them, first")
        return _step(self._driver, query.name, run)

    def _execute(self, query: Query, params: Params | None) -> sqlalchemy.CursorResult[Any]:
        statement, bound = query.bound(params)
        return self._connection.execute(statement, bound)


@final
class Transaction(Reading):
    """A unit of writing: all of it happens at the block's end, or nothing."""

    def run(self, query: Query, params: Params | Sequence[Params] | None = None) -> int:
        """Execute for the effect; return how many rows were touched.

        Args:
            params: a sequence runs the query once for each, in one go; none for an empty one.

        Raises:
            Conflict: a key is taken, or another constraint refuses the row.
        """
        if params is None or isinstance(params, Mapping):
            return self._step(query, lambda: max(0, self._execute(query, params).rowcount))
        if not params:
            return 0
        many, execute = query.batch(params), self._connection.execute
        return self._step(query, lambda: max(0, execute(query.statement, many).rowcount))


@final
class Tables:
    """The database.

    - A transaction is all or nothing, and writers do not overlap.
    - A reading sees one state throughout, and does not wait for writers.
    - Threads share an instance; processes open their own on the same URL.
    - Text is equal, in order and LIKE by code point; `fold` and columns of folded text compare
      without case. NUL and halves of surrogate pairs, which no database keeps, become U+FFFD, in
      what is stored as in what is looked for.
    - Numbers come as int or float, whatever a database calls them.
    - Values of 4 MB are taken; a list of an IN holds up to 30,000; a whole
      number has 64 bits.

    Raises from any method: Unavailable (locked, unreachable, full or closed) and TimedOut,
    Misconfigured (a server that does not let us in, or has no such database), Corrupt (damaged),
    LimitExceeded (a value or list is too large).
    """

    def __init__(self, driver: TablesDriver) -> None:
        self._driver = driver
        self._closed = False
        self._in_use = threading.local()
        self._loaded: dict[str, Queries] = {}

    @classmethod
    def open(cls, url: str) -> Tables:
        """Open the backend of `url`'s scheme, e.g. `sqlite:/path/salient.db`, `sqlite::memory:`.

        Raises:
            Misconfigured: no backend has that scheme, or its driver is not installed.
        """
        return cls(driver(url))

    @property
    def dialect(self) -> str:
        """sqlite, postgresql or mysql: for messages; queries choose by `-- dialect:`."""
        return self._driver.dialect

    def load(self, package: str, name: str) -> Queries:
        """Read a file of named queries that ships in `package`, for this database's dialect.

        Raises:
            InvalidInput: the file is not as `queries.parse` wants it.
        """
        source = f"{package}/{name}"
        if source not in self._loaded:
            text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
            self._loaded[source] = parse(text, dialect=self.dialect, source=source)
        return self._loaded[source]

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Write for the length of the block; an exception undoes all of it.

        Raises:
            InvalidInput: this thread has a transaction open already.
            Unavailable: another writer held on for longer than the time-out.
        """
        if getattr(self._in_use, "writing", False):
            raise InvalidInput("this thread has a transaction open already")
        self._in_use.writing = True
        try:
            with self._connected(write=True) as connection:
                unit = Transaction(connection, self._driver)
                try:
                    yield unit
                finally:
                    unit._end()
        finally:
            self._in_use.writing = False

    @contextmanager
    def read(self) -> Iterator[Reading]:
        """Read one snapshot for the length of the block."""
        with self._connected(write=False) as connection:
            unit = Reading(connection, self._driver)
            try:
                yield unit
            finally:
                unit._end()

    def migrate(self, to: str = "head") -> None:
        """Bring the schema to a revision, by default the newest; nothing to do is quick.

        Many processes may call it at once.

        Args:
            to: a revision's name; `base` removes every table.

        Raises:
            Misconfigured: the database was made by a newer release.
        """
        give_up_at = time.monotonic() + MIGRATION_S
        while not self._is_at(to):
            try:
                self._move(to)
            except TimedOut:  # another one migrates, which may take longer than any writer
                if time.monotonic() > give_up_at:
                    raise

    def _is_at(self, to: str) -> bool:
        def look() -> bool:
            with self.read() as reading, _translated(self._driver):
                return revisions.is_at(reading._connection, to)

        return _AMID_CHANGES(look)

    def _move(self, to: str) -> None:
        from salient.storage.sql import migrating

        with (
            self.transaction() as writing,
            self._driver.migration_lock(writing._connection),
            _translated(self._driver),
        ):
            self._driver.prepare(writing._connection)
            migrating.move(writing._connection, to)

    def revision(self) -> str | None:
        """The schema's revision; None before the first migration."""

        def look() -> str | None:
            with self.read() as reading, _translated(self._driver):
                return revisions.current(reading._connection)

        return _AMID_CHANGES(look)

    def close(self) -> None:
        self._closed = True
        self._driver.close()

    def __enter__(self) -> Tables:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _connected(self, *, write: bool) -> Iterator[sqlalchemy.Connection]:
        connection, begun = self._driver.retry(lambda: self._begun(write=write))
        try:
            try:
                yield connection
            except BaseException:
                self._undo(connection, begun)
                raise
            _step(self._driver, "commit", begun.commit, commits=write)
        finally:
            if self._closed:  # by another thread: nobody will close what goes back to the pool
                connection.invalidate()
            connection.close()

    def _begun(
        self, *, write: bool
    ) -> tuple[sqlalchemy.Connection, sqlalchemy.engine.RootTransaction]:
        if self._closed:
            raise Unavailable("the database is closed")
        with _translated(self._driver):
            connection = self._driver.connect(write=write)
            try:
                return connection, _step(self._driver, "begin", connection.begin)
            except BaseException:
                connection.close()
                raise

    @staticmethod
    def _undo(connection: sqlalchemy.Connection, begun: sqlalchemy.engine.RootTransaction) -> None:
        """Roll back; if even that fails the server does it, when the connection is closed."""
        try:
            begun.rollback()
        except sa_exc.DBAPIError:
            connection.invalidate()


def driver(url: str) -> TablesDriver:
    """Open the driver of `url`'s scheme, a backend's or a wrapper's; wrappers open theirs with this.

    Raises:
        Misconfigured: no backend has that scheme, its library is not installed, or the URL is wrong.
    """
    module, rest = backends.find("SQL", SCHEMES | WRAPPERS, url)
    opened: TablesDriver = module.Driver(rest)
    return opened


def fold(text: str) -> str:
    """The text for comparing without case, as the columns called `…_folded` hold it.

    Databases do not agree on what LOWER does beyond ASCII.
    """
    return text.casefold()


def like(text: str) -> str:
    """A pattern for `LIKE :pattern ESCAPE '!'` that finds `text`, taken literally, anywhere."""
    return "%" + text.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"


def _step(driver: TablesDriver, step: str, run: Callable[[], T], *, commits: bool = False) -> T:
    """Run a step, so that wrappers see our exceptions."""

    def translated() -> T:
        with _translated(driver):
            return run()

    return driver.around(step, translated, commits=commits)


@contextmanager
def _translated(driver: TablesDriver) -> Iterator[None]:
    """The one place where SQLAlchemy's exceptions become ours."""
    try:
        yield
    except sa_exc.TimeoutError as exc:
        raise TimedOut("no database connection became free") from exc
    except sa_exc.DBAPIError as exc:
        found = driver.fault(exc)
        if found is None:
            raise
        raise found from exc
