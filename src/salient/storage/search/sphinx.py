"""Sphinx and Manticore over SphinxQL: real-time indexes for the entries, their keywords, and the commits.

Sphinx makes no indexes by itself: `definition` gives what belongs into its configuration. Manticore is
asked to make its tables. That commits outlive a kill of the server, its `binlog_flush` must be 2, the
default: with 1, Sphinx 2.2.11 writes no log at all.
"""

# ruff: noqa: S608 # statements are made of numbers, hashes and base64 of our own
from __future__ import annotations

import base64
import contextlib
import json
import re
import secrets
import threading
from collections.abc import Iterator, Sequence
from typing import Any, final
from urllib.parse import unquote

import pymysql

from salient.errors import LimitExceeded, Misconfigured, TimedOut, Unavailable
from salient.storage import urls
from salient.storage.retrying import Retry
from salient.storage.search import FEATURES, IndexSchema, Prepared
from salient.storage.search.generations import (
    ALIVE,
    Generations,
    Seen,
    Shelf,
    State,
    View,
    chunks,
    locked,
    made_of,
)
from salient.storage.search.sphinxql import (
    VALUE_BYTES,
    Columns,
    Reader,
    Row,
    hashed,
    named,
    visible,
    void,
)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,50}")
_PORT = 9306
_IDLE = 8  # connections kept
_BATCH_BYTES = 2_000_000
_BATCH = 200
_PAGE = 1000
_AWAY = (2002, 2003, 2006, 2013, 2014, 2055)  # codes of a connection that fails
_SETTINGS = {
    "dict": "keywords",
    "min_word_len": "1",
    "min_prefix_len": "1",
    "index_field_lengths": "1",
    "charset_table": "0..9, a..z, _",
}
_WRITERS = (
    2**60
)  # ids of rows from here on are of writers; below, a row a state, the highest counts
_OLD_STATES = 8  # rows that are kept, for readers that are at them


def _tables(prefix: str, schema: IndexSchema) -> dict[str, tuple[list[str], dict[str, str]]]:
    """Full-text fields and attributes of each index."""
    columns = Columns(schema)
    return {
        f"{prefix}_entries": (columns.fields, columns.attributes),
        f"{prefix}_values": (["c"], {"field": "uint", "value": "string"}),
        f"{prefix}_state": (
            ["c"], {"body": "string", "choosing": "uint", "place": "bigint", "beat": "bigint"}
        ),
    }  # fmt: skip


def definition(schema: IndexSchema, prefix: str, folder: str) -> str:
    """What belongs into sphinx.conf for an index, which Sphinx itself does not make.

    Args:
        prefix: as in the index's URL.
        folder: where Sphinx keeps its files.
    """
    out = []
    for table, (fields, attributes) in _tables(prefix, schema).items():
        lines = ["type = rt", f"path = {folder}/{table}", "rt_mem_limit = 256M"]
        lines += [f"{name} = {value}" for name, value in _SETTINGS.items()]
        lines += [f"rt_field = {field}" for field in fields]
        lines += [f"rt_attr_{kind} = {name}" for name, kind in attributes.items()]
        out.append(f"index {table}\n{{\n    " + "\n    ".join(lines) + "\n}\n")
    return "\n".join(out)


def statements(schema: IndexSchema, prefix: str) -> list[str]:
    """What makes an index on Manticore."""
    kinds = {"multi_64": "multi64", "uint": "uint", "bigint": "bigint", "string": "string"}
    settings = " ".join(f"{name}='{value}'" for name, value in _SETTINGS.items())
    out = []
    for table, (fields, attributes) in _tables(prefix, schema).items():
        columns = [f"{field} text indexed" for field in fields]
        columns += [f"{name} {kinds[kind]}" for name, kind in attributes.items()]
        out.append(f"CREATE TABLE IF NOT EXISTS {table} ({', '.join(columns)}) {settings}")
    return out


class Driver(Generations):
    """`sphinx://host:9306/prefix`: indexes `prefix_entries`, `prefix_values` and `prefix_state`.

    Options: `timeout_s` of a statement; `wait_s` for another writer; `lease_s` after which a silent
    writer counts as dead; `grace_s` that a search may take.
    """

    def __init__(self, rest: str, schema: IndexSchema) -> None:
        place, options = urls.split(rest, "search index")
        where, path = urls.location(place)
        prefix = path or "salient"
        if not where or not _NAME.fullmatch(prefix):
            raise Misconfigured(
                "an index is given as sphinx://host:9306/prefix, of small letters, digits and _",
                given=urls.shown(rest),
            )
        timeout_s = options.number("timeout_s", 10.0, least=0.001)
        wait_s = options.number("wait_s", 60.0)
        lease_s = options.number("lease_s", 8.0, least=0.1)
        grace_s = options.number("grace_s", 60.0)
        options.done()
        server = _Server(place, where, timeout_s)
        try:
            shelf = _Shelf(server, prefix, schema)
            shelf.begin(wait_s=wait_s, lease_s=lease_s)
        except BaseException:
            server.close()
            raise
        super().__init__(shelf, wait_s=wait_s, lease_s=lease_s, grace_s=grace_s)
        self.most_values = min(self.most_values, server.most_bytes // VALUE_BYTES)


@final
class _Server:
    """Connections to a server, and what its failures mean. Every statement may be run twice."""

    def __init__(self, place: str, where: str, timeout_s: float) -> None:
        host, colon, port = where.rpartition(":")
        if not colon:
            host, port = where, str(_PORT)
        if not host or not port.isdigit():
            raise Misconfigured("a search server is given as host:port", given=where)
        credentials = place.removeprefix("//").partition("/")[0].rpartition("@")[0]
        user, _, password = credentials.partition(":")
        self._where, self._host, self._port = where, host.strip("[]"), int(port)
        self._user, self._password = unquote(user), unquote(password)
        self._timeout_s = timeout_s
        self._retry = Retry()
        self._lock = threading.Lock()
        self._idle: list[pymysql.Connection] = []
        self._closed = False
        self.most_bytes = 8_000_000
        """Of a statement."""

    def run(self, statement: str) -> list[Row]:
        """Run a statement and give its rows."""
        try:
            return self.attempt(statement)
        except _Refused as exc:
            raise self._refusal(exc, statement) from exc

    def attempt(self, statement: str) -> list[Row]:
        """Run a statement that the server may refuse."""
        return self._retry(lambda: self._once(statement)[0])

    def change(self, statement: str) -> int:
        """Run a statement and give how many rows it changed."""
        if len(statement) > self.most_bytes:
            raise LimitExceeded(
                "an entry is too large for the search server",
                size_bytes=len(statement), max_bytes=self.most_bytes,
            )  # fmt: skip
        try:
            return self._retry(lambda: self._once(statement)[1])
        except _Refused as exc:
            raise self._refusal(exc, statement) from exc

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            _discard(connection)

    def _refusal(self, exc: _Refused, statement: str) -> Unavailable:
        return Unavailable(
            f"the search server {self._where} refuses: {exc}",
            server=self._where, tried=statement[:60],
        )  # fmt: skip

    def _once(self, statement: str) -> tuple[list[Row], int]:
        tried = statement[:60]
        connection = self._taken()
        fine = False
        try:
            with self._translated(tried), connection.cursor() as cursor:
                changed = cursor.execute(statement)
                rows = list(cursor.fetchall()) if cursor.description else []
            fine = True
        except _Refused:
            fine = True
            raise
        finally:
            self._give_back(connection, fine=fine)
        return rows, changed

    def _taken(self) -> pymysql.Connection:
        with self._lock:
            if self._closed:
                raise Unavailable("the search index is closed")
            if self._idle:
                return self._idle.pop()
        with self._translated("connect"):
            return pymysql.connect(
                host=self._host, port=self._port, user=self._user, password=self._password,
                connect_timeout=max(1, round(self._timeout_s)), read_timeout=self._timeout_s,
                write_timeout=self._timeout_s, autocommit=None,
            )  # fmt: skip

    def _give_back(self, connection: pymysql.Connection, *, fine: bool) -> None:
        dropped = [connection]
        with self._lock:
            if fine and not self._closed and len(self._idle) < _IDLE:
                self._idle.append(connection)
                return
            if not fine:  # the others have met the same end
                dropped += self._idle
                self._idle = []
        for one in dropped:
            _discard(one)

    @contextlib.contextmanager
    def _translated(self, tried: str) -> Iterator[None]:
        """The one place where PyMySQL's exceptions become ours."""
        context = {"server": self._where, "tried": tried}
        try:
            yield
        except pymysql.err.Error as exc:
            code = exc.args[0] if exc.args and isinstance(exc.args[0], int) else 0
            text = str(exc.args[-1] if exc.args else exc).strip("\0")[:300]
            if "timed out" in text:
                raise TimedOut(
                    f"the search server {self._where} does not answer in time", context
                ) from exc
            if code in _AWAY or isinstance(exc, pymysql.err.InterfaceError):
                raise Unavailable(f"the search server {self._where} is away", context) from exc
            if code in (1045, 1044):
                raise Misconfigured(
                    f"the search server {self._where} refuses this user", context
                ) from exc
            if "maxed out" in text or code in (1040, 1203):
                raise Unavailable(f"the search server {self._where} is busy", context) from exc
            raise _Refused(text) from exc


class _Refused(Exception):
    """The server is there and does not do it."""


def _discard(connection: pymysql.Connection) -> None:
    with contextlib.suppress(pymysql.err.Error):
        connection.close()


@final
class _Shelf(Shelf):
    features = FEATURES - {"vectors"}

    def __init__(self, server: _Server, prefix: str, schema: IndexSchema) -> None:
        self._server, self._schema = server, schema
        self._columns = Columns(schema)
        self._tables = _tables(prefix, schema)
        self._entries, self._values, self._state = self._tables
        self._places: list[int] = []  # of ours in the queue; the last one counts
        self._beats = 0
        self._known: set[int] = set()  # keywords that were written
        self._lengths: tuple[int, list[float]] = (-1, [])
        self._check(prefix)

    # --- the indexes

    def _check(self, prefix: str) -> None:
        made = False
        for table, (fields, attributes) in self._tables.items():
            there = self._described(table)
            if there is None and not made:
                made = True
                self._make(prefix)
                there = self._described(table)
            if there != {"id", *fields, *attributes}:
                raise Misconfigured(
                    "the search index was made with other fields: make it anew",
                    index=table, there=sorted(there or ()),
                )  # fmt: skip
        for name, value in self._server.run("SHOW VARIABLES"):
            if name == "max_allowed_packet":
                self._server.most_bytes = int(value) - 1000

    def _described(self, table: str) -> set[str] | None:
        try:
            rows = self._server.attempt(f"DESCRIBE {table}")
        except _Refused:
            return None
        return {str(row[0]) for row in rows if not str(row[0]).endswith("_len")}

    def _make(self, prefix: str) -> None:
        try:
            for statement in statements(self._schema, prefix):
                self._server.attempt(statement)
        except _Refused as exc:
            raise Misconfigured(
                f"the search server has no index {prefix}_entries, and makes none by itself: its"
                " configuration wants what salient.storage.search.sphinx.definition gives",
                definition=definition(self._schema, prefix, "/var/lib/sphinxsearch/data"),
            ) from exc

    def begin(self, *, wait_s: float, lease_s: float) -> None:
        """Write the first state, or find that the one there is of an index like this."""
        there = self._body()
        if there is None:
            try:
                locked(self, wait_s=wait_s, lease_s=lease_s)
            finally:
                self.unlock()
            there = self._body()
        wanted = made_of(self._schema)
        if there is None or there["made_of"] != wanted:
            raise Misconfigured(
                "the search index was made with other fields: empty it and index again",
                index=self._entries, there=there and there["made_of"], wanted=wanted,
            )  # fmt: skip

    # --- commits

    def load(self) -> State:
        body = self._body()
        if body is None:
            raise Unavailable("the state of the search index is gone")
        return State.from_json(body)

    def try_lock(self, seen: Seen) -> State | None:
        """Lamport's bakery: the server has no compare-and-set, and needs none for this.

        Who comes draws a number above all others, having shown that it is drawing; the lowest is served.
        Source: Lamport 1974, "A new solution of Dijkstra's concurrent programming problem".
        """
        if not self._places or not self.beat():
            self._queue()
        own = self._places[-1]
        rows = {
            int(ident): (int(choosing), int(place), int(beat))
            for ident, choosing, place, beat in self._server.run(
                f"SELECT id, choosing, place, beat FROM {self._state} WHERE id>={_WRITERS}"
                " LIMIT 0,10000 OPTION max_matches=10000"
            )
        }
        if own not in rows:
            return None
        mine = rows.pop(own)[1], own
        free = True
        for other, (choosing, place, beat) in rows.items():
            if seen.expired(other, (choosing, place, beat)):
                self._leave([other])
            elif choosing or (place, other) < mine:
                free = False
        if not free:
            return None
        body = self._body()
        state = (State() if body is None else State.from_json(body)).with_opened()
        self._save(state)
        return state

    def beat(self) -> bool:
        self._beats += 1
        own = self._places[-1]
        return bool(
            self._server.change(f"UPDATE {self._state} SET beat={self._beats} WHERE id={own}")
        )

    def commit(self, state: State) -> None:
        if not self.beat():
            raise Unavailable("the lock on the search index was lost to another writer")
        self._save(state)
        with contextlib.suppress(Unavailable):  # it is done; the place in the queue runs out
            self.unlock()

    def unlock(self) -> None:
        if self._places:
            self._leave(self._places)
            self._places = []

    def now(self) -> float:
        ((now,),) = self._server.run("SELECT NOW()")
        return float(now)

    def _queue(self) -> None:
        self.unlock()  # what a session left whose end the server did not hear of
        own = _WRITERS + secrets.randbits(60)
        self._places.append(own)
        self._place(own, choosing=1, place=0)
        rows = self._server.run(
            f"SELECT place FROM {self._state} WHERE id>={_WRITERS} ORDER BY place DESC LIMIT 0,1"
        )
        self._place(own, choosing=0, place=1 + max((int(row[0]) for row in rows), default=0))

    def _place(self, own: int, *, choosing: int, place: int) -> None:
        self._server.change(
            f"REPLACE INTO {self._state} (id, c, body, choosing, place, beat)"
            f" VALUES ({own}, '', '', {choosing}, {place}, 0)"
        )

    def _leave(self, places: Sequence[int]) -> None:
        self._server.change(f"DELETE FROM {self._state} WHERE id IN ({_listed(places)})")

    def _body(self) -> dict[str, Any] | None:
        rows = self._server.run(
            f"SELECT id, body FROM {self._state} WHERE id<{_WRITERS} ORDER BY id DESC LIMIT 0,1"
        )
        return json.loads(base64.b64decode(rows[0][1])) if rows else None

    def _save(self, state: State) -> None:
        # Each state has a row of its own, numbered as they follow each other: a statement that the
        # server runs late, after its caller gave up and tried again, cannot bring an old one back.
        rank = 2 * state.opened + (state.committed == state.opened)
        body = json.dumps({"made_of": made_of(self._schema), **state.as_json()})
        body = base64.b64encode(body.encode()).decode()
        self._server.change(
            f"REPLACE INTO {self._state} (id, c, body, choosing, place, beat)"
            f" VALUES ({rank + 1}, '', '{body}', 0, 0, 0)"
        )
        old = self._server.run(
            f"SELECT id FROM {self._state} WHERE id<{max(1, rank + 1 - _OLD_STATES)} LIMIT 0,1000"
        )
        if old:
            self._leave([int(row[0]) for row in old])

    # --- entries

    def write(self, rows: Sequence[tuple[int, Prepared]], born: int) -> None:
        fresh: dict[int, tuple[int, str]] = {}
        batch: list[dict[str, str]] = []
        size = 0
        for ident, entry in rows:
            fresh |= self._columns.values(entry)
            batch.append(self._columns.row(entry, ident, born))
            size += sum(map(len, batch[-1].values()))
            if size > _BATCH_BYTES or len(batch) >= _BATCH:
                self._replace(self._entries, batch)
                batch, size = [], 0
        self._replace(self._entries, batch)
        self._write_values({i: v for i, v in fresh.items() if i not in self._known})

    def bury(self, idents: Sequence[int], died: int) -> None:
        self._mark(idents, ALIVE, died)

    def _mark(self, idents: Sequence[int], was: int, died: int) -> None:
        # A statement that timed out may be run late: then it finds another value there.
        for part in chunks(idents, _PAGE):
            self._server.change(
                f"UPDATE {self._entries} SET died={died} WHERE id IN ({_listed(part)})"
                f" AND died={was}"
            )

    def remove(self, idents: Sequence[int]) -> None:
        for part in chunks(idents, _PAGE):
            self._server.change(f"DELETE FROM {self._entries} WHERE id IN ({_listed(part)})")

    def settle(self) -> None:
        """Nothing to do: what is written is found at once."""

    def undo(self, view: View) -> None:
        born = f"born>{view.committed} OR {void(view, 'born')}"
        for page in self._rows(born):
            self.remove([int(row[0]) for row in page])
        died = f"(died>{view.committed} AND died<{ALIVE}) OR {void(view, 'died')}"
        for page in self._rows(died, ", died"):
            generations: dict[int, list[int]] = {}
            for ident, generation, *_ in page:
                generations.setdefault(int(generation), []).append(int(ident))
            for generation, idents in generations.items():
                self._mark(idents, generation, ALIVE)

    def sweep(self, view: View, died: int, base: int) -> None:
        dead = f"(died<={died} AND ({void(view, 'died')})=0) OR born<={base}"
        for page in self._rows(dead):
            self.remove([int(row[0]) for row in page])

    def by_keys(self, view: View, keys: Sequence[str]) -> dict[str, int]:
        found: dict[str, int] = {}
        where, columns = visible(view)
        for part in chunks(keys, 500):
            names = {named(key): key for key in part}
            most = 2 * len(part) + 100
            rows = self._server.run(
                f"SELECT id, keyname{columns} FROM {self._entries} WHERE {where}"
                f" AND keyhash IN ({_listed([hashed(key) for key in part])})"
                f" LIMIT 0,{most} OPTION max_matches={most}"
            )
            found |= {names[row[1]]: int(row[0]) for row in rows if row[1] in names}
        return found

    def of_group(self, view: View, group: str) -> list[int]:
        where, columns = visible(view)
        rows = self._rows(f"grouphash={hashed(group)}", f", groupname{columns}", where)
        name = named(group)
        return [int(row[0]) for page in rows for row in page if row[1] == name]

    def read(self, view: View) -> Reader:
        return Reader(
            self._server.run, self._entries, self._values, self._columns, view, self._average(view)
        )

    def close(self) -> None:
        self._server.close()

    def _average(self, view: View) -> list[float]:
        """How long text fields are on average, where they are not empty; counted once a commit."""
        generation, lengths = self._lengths
        if generation != view.committed:
            sums = ", ".join(
                f"SUM(f{n}_len) a{n}, SUM(IF(f{n}_len>0,1,0)) b{n}" for n, _ in self._columns.text
            )
            rows = self._server.run(f"SELECT {sums or 'COUNT(*)'} FROM {self._entries}")
            row = rows[0] if rows else [0, 1] * len(self._columns.text)
            lengths = [
                max(1.0, float(row[2 * i]) / max(1.0, float(row[2 * i + 1])))
                for i in range(len(self._columns.text))
            ]
            self._lengths = view.committed, lengths
        return lengths

    def _rows(self, expression: str, columns: str = "", where: str = "id>0") -> Iterator[list[Row]]:
        """Entries of which an expression holds, with more columns, a page at a time."""
        last = 0
        while True:
            rows = self._server.run(
                f"SELECT id{columns}, ({expression}) AS o FROM {self._entries}"
                f" WHERE {where} AND o=1 AND id>{last} ORDER BY id ASC LIMIT 0,{_PAGE}"
            )
            if rows:
                yield rows
            if len(rows) < _PAGE:
                return
            last = int(rows[-1][0])

    def _write_values(self, fresh: dict[int, tuple[int, str]]) -> None:
        batch: list[dict[str, str]] = []
        size = 0
        for ident, (field, value) in fresh.items():
            text = base64.b64encode(value.encode()).decode()
            batch.append({"id": str(ident), "c": "''", "field": str(field), "value": f"'{text}'"})
            size += len(text)
            if size > _BATCH_BYTES or len(batch) >= _PAGE:
                self._replace(self._values, batch)
                batch, size = [], 0
        self._replace(self._values, batch)
        self._known.update(fresh)

    def _replace(self, table: str, batch: Sequence[dict[str, str]]) -> None:
        if not batch:
            return
        columns = list(batch[0])
        rows = ", ".join(f"({', '.join(row[c] for c in columns)})" for row in batch)
        self._server.change(f"REPLACE INTO {table} ({', '.join(columns)}) VALUES {rows}")


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))
