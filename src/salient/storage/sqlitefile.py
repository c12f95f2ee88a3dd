"""One SQLite file: how it is opened and what its faults mean, for every store kept in one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from salient.errors import Conflict, Corrupt, Error, InvalidInput, LimitExceeded, Unavailable

BUSY_TIMEOUT_S = 30.0

# SQLite's primary result codes: the low byte of `sqlite_errorcode`.
_UNAVAILABLE = {3, 4, 5, 6, 7, 9, 10, 13, 14, 15, 22, 23}  # PERM ABORT BUSY LOCKED NOMEM ... IOERR
_READ_ONLY, _CORRUPT, _TOO_BIG, _CONSTRAINT, _NOT_A_DATABASE = 8, 11, 18, 19, 26


def configure(db: sqlite3.Connection, *, timeout_s: float = BUSY_TIMEOUT_S) -> None:
    """Set what every connection of ours has: WAL, waiting for locks, foreign keys.

    The connection commits each statement by itself unless a BEGIN is sent.
    """
    db.isolation_level = None
    db.execute(f"PRAGMA busy_timeout = {int(timeout_s * 1000)}")
    db.execute("PRAGMA foreign_keys = ON")
    # WAL with NORMAL: a crash of the process loses nothing, a power cut may lose the last commits
    # but never damages the file.
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA temp_store = MEMORY")
    # Changing the mode needs the file alone and does not wait by itself when others open it too.
    give_up_at = time.monotonic() + timeout_s
    while db.execute("PRAGMA journal_mode").fetchone()[0] not in ("wal", "memory"):
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as exc:
            if (exc.sqlite_errorcode & 0xFF) not in (5, 6) or time.monotonic() > give_up_at:
                raise
        time.sleep(0.01)


def connect(path: str, *, timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """Open the file, making its folder; `path` may be `:memory:`.

    Threads may share the connection if the caller lets one in at a time.

    Raises:
        Unavailable: it cannot be opened.
        Corrupt: it is not a database.
    """
    with translated("database file"):
        make_folder(path)
        db = sqlite3.connect(path, check_same_thread=False, timeout=timeout_s)
        try:
            configure(db, timeout_s=timeout_s)
        except BaseException:
            db.close()
            raise
    return db


def make_folder(path: str) -> None:
    """Make the folder of a database file.

    Raises:
        Unavailable: it cannot be made.
    """
    if path == ":memory:":
        return
    try:
        Path(path).absolute().parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise Unavailable("the database folder cannot be made", path=path) from exc


def fault(exc: BaseException, what: str) -> Error | None:
    """What an exception of sqlite3 means to a caller; None if it is a bug of ours."""
    code = getattr(exc, "sqlite_errorcode", None)
    if code is None:
        if isinstance(exc, sqlite3.ProgrammingError) and "closed" in str(exc):
            return Unavailable(f"{what} is closed")
        if isinstance(exc, sqlite3.DataError | OverflowError):
            return LimitExceeded(f"value too large for the {what}")
        return None
    match code & 0xFF:
        case n if n in _UNAVAILABLE:
            return Unavailable(f"{what} cannot be used now: {exc}", sqlite_code=code)
        case n if n in (_CORRUPT, _NOT_A_DATABASE):
            return Corrupt(f"{what} cannot be read: {exc}", sqlite_code=code)
        case n if n == _CONSTRAINT:
            return Conflict(f"{what} refuses the row: {exc}", sqlite_code=code)
        case n if n == _TOO_BIG:
            return LimitExceeded(f"value too large for the {what}", sqlite_code=code)
        case n if n == _READ_ONLY and "query_only" not in str(exc):
            return InvalidInput(f"{what} is open for reading only", sqlite_code=code)
    return None


@contextmanager
def translated(what: str) -> Iterator[None]:
    """The one place where sqlite3's exceptions become ours."""
    try:
        yield
    except (sqlite3.Error, OverflowError) as exc:
        found = fault(exc, what)
        if found is None:
            raise
        raise found from exc
