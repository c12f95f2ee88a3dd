"""What every document store's change feed promises, and its bulk reads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import Any

import pytest

from salient.errors import InvalidInput, Unavailable, Unsupported
from salient.storage.docs import Change, Records
from salient.storage.testing.docs import fill

_END = "~the end"


class ChangesContract:
    """Supply `records`, an empty open store, and `pass_time(seconds)`, which moves its clock."""

    def test_store_without_a_feed_says_so(self, records: Records) -> None:
        if "changes" in records.features:
            assert isinstance(records.changes("c").after, str)
        else:
            with pytest.raises(Unsupported):
                records.changes("c")

    def test_feed_tells_what_was_put_and_deleted(self, records: Records) -> None:
        for start in _start(records):
            records.put("c", "a", {"n": 1})
            records.put("other", "x", {})
            records.put("c", "b", {})
            records.delete("c", "a")
            records.put("c", "a", {"n": 2})
            items = _told(records, start)
            assert {item.ident for item in items} == {"a", "b"}
            assert _story(items, "a") == ["put", "deleted", "put"]
            assert _story(items, "b") == ["put"]

    def test_feed_goes_on_from_any_of_its_cursors(self, records: Records) -> None:
        for start in _start(records):
            for n in range(20):
                records.put("c", f"{n:02}", {"n": n})
            items = _told(records, start)
            assert [item.ident for item in items] == [f"{n:02}" for n in range(20)]
            for at in (0, 7, 19):
                rest = _told(records, items[at].cursor)
                assert [item.ident for item in rest] == [item.ident for item in items[at + 1 :]]

    def test_start_of_a_feed_gives_no_changes(self, records: Records) -> None:
        for _ in _start(records):
            records.put("c", "a", {})
            assert records.changes("c").items == ()

    def test_what_changed_nothing_is_not_told(self, records: Records) -> None:
        for start in _start(records):
            assert records.put("c", "a", {}, only_if_absent=True)
            assert not records.put("c", "a", {}, only_if_absent=True)
            assert not records.delete("c", "nowhere")
            assert [item.ident for item in _told(records, start)] == ["a"]

    def test_every_record_of_many_is_told(self, records: Records) -> None:
        for start in _start(records):
            if "put_many" in records.features:
                records.put_many("c", ((f"{n:04}", {}) for n in range(1100)))
                assert records.delete_many("c", (f"{n:04}" for n in range(0, 1100, 2))) == 550
                items = _told(records, start)
                assert len({i.ident for i in items if i.kind == "put"}) == 1100
                assert len({i.ident for i in items if i.kind == "deleted"}) == 550

    def test_feed_goes_on_amid_what_was_put_together(self, records: Records) -> None:
        for start in _start(records):
            if "put_many" not in records.features:
                return
            records.put("c", "a", {})
            records.put_many("c", ((f"{n:04}", {}) for n in range(2300)))
            records.put_many("other", ((f"{n:04}", {}) for n in range(50)))
            records.delete("c", "0007")
            records.put("c", "b", {})
            whole = _told(records, start)
            assert len(whole) == 2303
            assert _story(whole, "0007") == ["put", "deleted"]
            for at in (0, 1, 999, 1000, 1001, 2300, 2301):
                rest = _told(records, whole[at].cursor)  # some at a time
                assert _named(rest) == _named(whole[at + 1 :])

    def test_hostile_names_are_told_as_they_are(self, records: Records) -> None:
        for start in _start(records):
            names = [
                "a/b",
                "ключ",
                "%",
                " ",
                "x" * 512,
                "'; drop table record",
                "A",
                "a",
                "a ",
                "\n",
            ]
            for name in names:
                records.put("c", name, {})
            assert [item.ident for item in _told(records, start)] == names
            hostile = records.changes("%'\n.$ ").after
            records.put("%'\n.$ ", "a", {})
            assert [i.ident for i in _told(records, hostile, "%'\n.$ ")] == ["a"]

    def test_expired_record_is_told_as_deleted(
        self, records: Records, pass_time: Callable[[float], None]
    ) -> None:
        for start in _start(records):
            records.put("c", "short", {}, ttl_s=1)
            records.put("c", "long", {}, ttl_s=1000)
            pass_time(1.5)
            records.changes("c", after=start)
            items = _told(records, start)
            assert _story(items, "short") == ["put", "deleted"]
            assert _story(items, "long") == ["put"]

    def test_waiting_reader_is_told(self, records: Records) -> None:
        for start in _start(records):
            with ThreadPoolExecutor(1) as pool:
                waiting = pool.submit(_until, records, "c", start, "a")
                records.put("c", "a", {})
                assert [item.ident for item in waiting.result(60)] == ["a"]

    def test_waiting_in_vain_gives_nothing_but_a_cursor(self, records: Records) -> None:
        for start in _start(records):
            feed = records.changes("c", after=start, wait_s=0.2)
            assert feed.items == ()
            records.put("c", "a", {})
            assert [item.ident for item in _told(records, feed.after)] == ["a"]

    def test_no_change_of_many_writers_is_passed_over(self, records: Records) -> None:
        for start in _start(records):
            _from_many(records)
            items = _told(records, start)
            present = {ident for n in range(12) if records.get("c", ident := str(n)) is not None}
            last = {item.ident: item.kind for item in items}
            assert set(last) == {str(n) for n in range(12)}
            assert {ident for ident, kind in last.items() if kind == "put"} == present

    def test_reader_amid_writers_misses_nothing(self, records: Records) -> None:
        for start in _start(records):
            with ThreadPoolExecutor(5) as pool:
                writers = [pool.submit(_write, records, n) for n in range(4)]
                seen = list(_until(records, "c", start, *(f"{n}-last" for n in range(4))))
                for writer in writers:
                    writer.result(60)
            wanted = {f"{n}-{i:02}" for n in range(4) for i in range(25)}
            assert {i.ident for i in seen} >= wanted

    @pytest.mark.parametrize("after", ["", "x", "é", "bnVsbA", "WzFd", "W10", "eyJhIjoxfQ"])
    def test_forged_cursor_is_the_callers_fault(self, records: Records, after: str) -> None:
        for _ in _start(records):
            with pytest.raises(InvalidInput):
                records.changes("c", after=after)

    def test_senseless_request_is_the_callers_fault(self, records: Records) -> None:
        for start in _start(records):
            with pytest.raises(InvalidInput):
                records.changes("c", after=start, limit=0)
            with pytest.raises(InvalidInput):
                records.changes("c", after=start, wait_s=-1)

    def test_closed_store_has_no_feed(self, records: Records) -> None:
        for start in _start(records):
            records.close()
            with pytest.raises(Unavailable):
                records.changes("c")
            with pytest.raises(Unavailable):
                records.changes("c", after=start, wait_s=1)


class BulkContract:
    """Supply `records`, an empty open store, and `pass_time(seconds)`, which moves its clock."""

    def test_many_are_read_by_id(
        self, records: Records, pass_time: Callable[[float], None]
    ) -> None:
        fill(records, ((str(n), {"n": n}) for n in range(1100)))
        records.put("c", "gone", {}, ttl_s=1)
        pass_time(1.5)
        wanted = ["7", "nowhere", "gone", "3", "7", *map(str, range(500, 1100))]
        found = records.get_many("c", wanted)
        assert list(found) == ["7", "3", *map(str, range(500, 1100))]
        assert all(found[i] == {"n": int(i)} for i in found)
        assert records.get_many("c", []) == {}
        assert records.get_many("other", ["7"]) == {}

    def test_many_are_deleted(self, records: Records) -> None:
        fill(records, ((str(n), {"n": n}) for n in range(700)))
        assert records.delete_many("c", ["1", "1", "nowhere", *map(str, range(100, 700))]) == 601
        assert records.count("c") == 99
        assert records.get("c", "1") is None
        assert records.delete_many("c", []) == 0

    def test_batches_have_all_records_in_order(self, records: Records) -> None:
        given = {f"{n:05}": {"n": n, "é": "ü\n"} for n in range(3000)}
        fill(records, given.items())
        batches = list(records.batches("c", rows=1000))
        assert all(0 < batch.num_rows <= 1000 for batch in batches)
        assert {tuple(batch.schema.names) for batch in batches} == {("id", "record")}
        assert {str(t) for batch in batches for t in batch.schema.types} == {"string"}
        assert _rows(batches) == list(given.items())
        assert list(records.batches("other")) == []

    def test_batches_keep_every_value(
        self, records: Records, pass_time: Callable[[float], None]
    ) -> None:
        values: list[Any] = [
            None,
            True,
            0,
            1.0,
            -0.0,
            5e-324,
            2**63 - 1,
            "",
            ",\n",
            "\0",
            "🜚",
            [],
            {},
        ]
        records.put("c", "id", {"v": values})
        records.put("c", "gone", {}, ttl_s=1)
        pass_time(1.5)
        assert repr(_rows(records.batches("c"))) == repr([("id", {"v": values})])

    def test_batches_take_conditions(self, records: Records) -> None:
        fill(records, ((f"{n:04}", {"n": n, "odd": n % 2}) for n in range(1000)))
        found = _rows(records.batches("c", {"odd": 1, "n": ("<", 500)}, rows=100))
        assert [record["n"] for _, record in found] == list(range(1, 500, 2))

    def test_batches_hold_big_records(self, records: Records) -> None:
        for n in range(12):
            records.put("c", f"{n:02}", {"text": "é" * 1_000_000, "n": n})
            records.put("c", f"{n:02}small", {"n": n})
        found = _rows(records.batches("c"))
        assert [record["n"] for _, record in found] == [n for n in range(12) for _ in range(2)]
        assert sum(len(r.get("text", "")) for r in records.query("c")) == 12_000_000

    def test_batch_of_nothing_is_the_callers_fault(self, records: Records) -> None:
        with pytest.raises(InvalidInput):
            records.batches("c", rows=0)

    def test_closed_store_has_no_batches(self, records: Records) -> None:
        records.put("c", "id", {})
        records.close()
        with pytest.raises(Unavailable):
            list(records.batches("c"))
        with pytest.raises(Unavailable):
            records.get_many("c", ["id"])
        with pytest.raises(Unavailable):
            records.delete_many("c", ["id"])


def _start(records: Records) -> Iterator[str]:
    """A cursor of the feed as it stands; none if there is no feed, which has a test of its own."""
    if "changes" in records.features:
        yield records.changes("c").after


def _named(items: Iterable[Change]) -> list[tuple[str, str]]:
    return sorted((item.ident, item.kind) for item in items)


def _told(records: Records, after: str, collection: str = "c") -> list[Change]:
    """All changes up to now."""
    records.put(collection, _END, {})
    return [i for i in _until(records, collection, after, _END) if i.ident != _END]


def _until(records: Records, collection: str, after: str, *idents: str) -> list[Change]:
    """Changes from `after` on until all of these records were among them."""
    found: list[Change] = []
    for _ in range(10_000):
        feed = records.changes(
            collection, after=after, wait_s=5, limit=7 if len(found) < 99 else 999
        )
        found += feed.items
        if feed.items:
            assert feed.items[-1].cursor == feed.after or len(feed.items) < 1000
        after = feed.after
        if set(idents) <= {item.ident for item in found}:
            return found
    raise AssertionError(f"the feed never told of {idents}")


def _story(items: Iterable[Change], ident: str) -> list[str]:
    """What happened to a record; what was told twice in a row, once."""
    return [kind for kind, _ in groupby(item.kind for item in items if item.ident == ident)]


def _from_many(records: Records) -> None:
    def run(n: int) -> None:
        for turn in range(8):
            ident = str((n * 7 + turn) % 12)
            if (2 * n + turn) % 3:
                records.put("c", ident, {"n": n, "turn": turn})
            else:
                records.delete("c", ident)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(run, range(12)))


def _write(records: Records, n: int) -> None:
    for i in range(25):
        records.put("c", f"{n}-{i:02}", {})
    records.put("c", f"{n}-last", {})


def _rows(batches: Iterable[Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (row["id"], json.loads(row["record"])) for batch in batches for row in batch.to_pylist()
    ]
