"""Many rows at a time: the same on every database, scoped or not; compiled and defined alike."""

import importlib
import math
import os
import sqlite3
import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.errors import InvalidInput, Misconfigured

pytest.register_assert_rewrite("salient.storage.testing")

from salient.storage.sql import Query, Tables, bulk_sqlite, columns  # noqa: E402
from salient.storage.testing.sql_bulk import NAMES, BulkContract, fill  # noqa: E402
from tests.sql_spaces import DIALECTS, space  # noqa: E402

compiled = importlib.import_module("salient.storage.sql._columns")

AROUND = {
    "plain": "{}",
    "scoped": "scoped:[{}]?workspace=w",
    "wrapped": "instrumented:[flaky:[{}]]?slow_ms=60000",
}


@pytest.fixture(params=DIALECTS)
def database(request, tmp_path, servers):
    """The URL of an empty migrated database."""
    with space(request.param, tmp_path, servers) as url:
        with Tables.open(url) as owner:
            owner.migrate()
        yield url


class TestBulk(BulkContract):
    @pytest.fixture(params=AROUND)
    def tables(self, request, database):
        with Tables.open(AROUND[request.param].format(database)) as store:
            yield store


def test_a_workspaces_batches_are_its_own(database):
    with (
        Tables.open(database) as owner,
        Tables.open(f"scoped:[{database}]?workspace=other") as other,
    ):
        fill(owner, 20)
        with other.read() as reading:
            assert list(reading.dicts(NAMES)) == []
            assert sum(b.num_rows for b in reading.batches(NAMES)) == 0


@pytest.mark.parametrize("sql", [
    "SELECT * FROM main.entity", "WITH entity AS (SELECT * FROM main.entity) SELECT * FROM entity",
    "EXPLAIN SELECT * FROM entity", "PRAGMA database_list", "SELECT * FROM sqlite_temp_master",
])  # fmt: skip
def test_the_guard_of_a_workspace_holds_for_batches(tmp_path, sql):
    url = f"sqlite:{tmp_path}/a.db"
    with Tables.open(url) as owner:
        owner.migrate()
        fill(owner, 3)
    with Tables.open(f"scoped:[{url}]?workspace=other") as other:
        with pytest.raises(InvalidInput), other.read() as reading:
            list(reading.batches(Query(sql)))
        with pytest.raises(InvalidInput), other.read() as reading:
            list(reading.dicts(Query(sql)))


def test_without_pyarrow_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with Tables.open(f"sqlite:{tmp_path}/a.db") as tables:
        tables.migrate()
        with tables.read() as reading:
            with pytest.raises(Misconfigured, match=r"salient\[arrow\]"):
                next(reading.batches(NAMES))
            assert list(reading.dicts(NAMES)) == []


def test_the_definition_reads_what_the_compiled_code_reads(tmp_path):
    """In a process of its own: which of them is used is settled at import."""
    with Tables.open(f"sqlite:{tmp_path}/a.db") as tables:
        tables.migrate()
        fill(tables, 2000)
        with tables.read() as reading:
            expected = [b.to_pydict() for b in reading.batches(NAMES, rows=999)]
    code = (
        "from salient.storage.sql import Tables\n"
        "from salient.storage.testing.sql_bulk import NAMES\n"
        f"with Tables.open('sqlite:{tmp_path}/a.db') as t, t.read() as r:\n"
        "    print([b.to_pydict() for b in r.batches(NAMES, rows=999)])"
    )
    env = os.environ | {"SALIENT_PURE_PYTHON": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True, text=True)  # fmt: skip
    assert done.stdout.strip() == str(expected)


# --- the twins

VALUES = {
    columns.INT: st.integers(-(2**63), 2**63 - 1),
    columns.FLOAT: st.floats(allow_nan=False),
    columns.TEXT: st.text(max_size=12).map(lambda t: t.encode("utf-8", "ignore").decode()),
    columns.BINARY: st.binary(max_size=12),
}
COLUMN = st.sampled_from(sorted(VALUES)).flatmap(
    lambda kind: st.tuples(
        st.sampled_from([kind, columns.AUTO]),
        st.lists(st.one_of(st.none(), VALUES[kind]), min_size=20, max_size=20),
    )
)


def _both(kinds, use):
    out = []
    for module in (columns, compiled):
        one = module.Columns(list(kinds))
        try:
            out.append((use(one), one.kinds))
        except (TypeError, OverflowError) as exc:
            out.append(type(exc))
    return out


@given(st.lists(COLUMN, min_size=1, max_size=4), st.integers(0, 20), st.integers(0, 20))
def test_rows_become_the_same_columns(drawn, n, cut):
    rows = list(zip(*(values for _, values in drawn), strict=True))[:n]

    def use(one):
        one.add(rows[:cut])
        first = one.take()
        one.add(rows[cut:])
        return first, one.rows, one.take()

    defined, fast = _both([kind for kind, _ in drawn], use)
    assert defined == fast


@given(st.lists(st.one_of(st.none(), st.integers(), st.floats(allow_nan=False), st.text(max_size=2), st.binary(max_size=2)), max_size=6), st.sampled_from(range(5)))  # fmt: skip
def test_what_does_not_fit_is_refused_alike(values, kind):
    rows = [(v.encode("utf-8", "ignore").decode() if isinstance(v, str) else v,) for v in values]

    def use(one):
        one.add(rows)
        return one.take_dicts(["v"])

    defined, fast = _both([kind], use)
    assert defined == fast


def _copied(rows, kinds):
    """What Postgres sends for these rows."""
    pieces = [b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)]
    for row in rows:
        piece = struct.pack(">h", len(row))
        for kind, value in zip(kinds, row, strict=True):
            if value is None:
                piece += struct.pack(">i", -1)
                continue
            data = {
                columns.INT: lambda v: struct.pack(">q", v),
                columns.FLOAT: lambda v: struct.pack(">d", v),
                columns.TEXT: str.encode,
                columns.BINARY: bytes,
                columns.NUMBER: lambda v: str(v).encode(),
            }[kind](value)
            piece += struct.pack(">i", len(data)) + data
        pieces.append(piece)
    return [*pieces, struct.pack(">h", -1)]


NUMBERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(-1e15, 1e15).map(lambda f: math.floor(f) + 0.5))  # fmt: skip
WIRE = st.sampled_from([*sorted(VALUES), columns.NUMBER]).flatmap(
    lambda kind: st.tuples(
        st.just(kind),
        st.lists(st.one_of(st.none(), VALUES.get(kind, NUMBERS)), min_size=9, max_size=9),
    )
)


@given(st.lists(WIRE, min_size=1, max_size=4), st.integers(0, 9))
def test_copied_rows_become_the_same_columns(drawn, n):
    kinds = [kind for kind, _ in drawn]
    rows = list(zip(*(values for _, values in drawn), strict=True))[:n]

    def use(one):
        for piece in _copied(rows, kinds):
            one.add_copied(piece)
        return one.take()

    defined, fast = _both(kinds, use)
    assert defined == fast


@given(st.binary(max_size=60), st.integers(0, 3))
def test_what_is_no_copy_is_refused(noise, columns_of):
    one = compiled.Columns([columns.TEXT] * columns_of)
    one.add_copied(_copied([], [])[0])
    try:
        one.add_copied(noise)
    except (TypeError, OverflowError):
        return
    assert one.rows <= len(noise)


def test_arrow_reads_the_buffers():
    from salient.storage.sql import bulk

    rows = [(1, 0.5, "ж", b"\0"), (None, None, None, None), (-(2**63), -0.0, "", b"")]
    for module in (columns, compiled):
        one = module.Columns([columns.AUTO] * 4)
        one.add(rows)
        batch = bulk.record_batch(["a", "b", "c", "d"], one.take())
        batch.validate(full=True)
        assert [tuple(r.values()) for r in batch.to_pylist()] == rows


def test_a_handle_is_of_the_connection_that_was_opened_last():
    first = sqlite3.connect(":memory:")
    second = sqlite3.connect(":memory:")
    if compiled.sqlite_is_shared:
        with pytest.raises(LookupError):
            bulk_sqlite.handle(first)
    assert (bulk_sqlite.handle(second) is not None) == compiled.sqlite_is_shared
    first.close()
    second.close()
