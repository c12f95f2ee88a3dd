"""What every document-store backend promises."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from salient.errors import InvalidInput, LimitExceeded, Unavailable, Unsupported
from salient.storage.docs import MAX_RECORD_BYTES, Records

FIELDS = ["a", "a.b", "$set", "$", "", " ", "a b", 'a"b', "a'b", "a\\b", "a[0]", "[0]", "ключ", "_id", "id",
          "-a", "a%", "*", "\n", "💥", "__proto__", "' or 1=1 --", "#-1", "body"]  # fmt: skip
VALUES: list[Any] = [None, False, True, 0, 1, -1, 1.5, 0.1, 2**53 + 1, 2**63 - 1, -(2**63), 1e308, 5e-324, "", "1",
                     "true", "null", "é", "e\u0301", "\0", "🜚", "a'b\"c\\", [], {}, [1, [2, {"a": None}]],
                     {"$gt": ""}]  # fmt: skip


class RecordsContract:
    """Supply `records`, an empty open store, and `pass_time(seconds)`, which moves its clock."""

    def test_missing_record_reads_as_none(self, records: Records) -> None:
        assert records.get("c", "nowhere") is None

    def test_record_comes_back_as_it_went_in(self, records: Records) -> None:
        record = dict(zip(FIELDS, itertools.cycle(VALUES), strict=False))
        record["all"] = VALUES
        assert records.put("c", "id", record)
        found = records.get("c", "id")
        assert found == record
        assert repr(found) == repr(record)  # also the order of fields, and int apart from float

    @pytest.mark.parametrize(
        "name", ["a", "a/b", "ключ", "%", " ", "x" * 512, "'; drop table record"]
    )
    def test_names_are_any_text(self, records: Records, name: str) -> None:
        records.put(name, name, {"n": 1})
        assert records.get(name, name) == {"n": 1}
        assert records.count(name) == 1
        assert records.count("other") == 0

    def test_collections_are_listed(self, records: Records) -> None:
        assert list(records.collections()) == []
        names = [
            "b",
            "a",
            "B",
            "é",
            "\uffff",
            "\U0001f700",
            "a.b",
            "a/",
            "a\1",
            " ",
            "'",
            "x" * 512,
        ]
        for name in names:
            for ident in ("1", "2"):
                records.put(name, ident, {})
        records.put("gone", "1", {})
        records.delete("gone", "1")
        assert list(records.collections()) == sorted(names, key=str.encode)

    def test_reserved_collection_is_the_callers_fault(self, records: Records) -> None:
        for name in ("\1", "\1scope\1c"):
            with pytest.raises(InvalidInput):
                records.put(name, "a", {})

    @pytest.mark.parametrize("name", ["", "x" * 513, "é" * 257, "a\0", "\ud800"])
    def test_bad_name_is_the_callers_fault(self, records: Records, name: str) -> None:
        for collection, ident in ((name, "a"), ("a", name)):
            with pytest.raises(InvalidInput):
                records.get(collection, ident)
            with pytest.raises(InvalidInput):
                records.put(collection, ident, {})

    @pytest.mark.parametrize(
        "record",
        [{"a": float("nan")}, {"a": float("inf")}, {"a": 2**63}, {"a": b"bytes"}, {1: 2}, {"a": {2: 3}},
         {"a\0": 1}, {"a": "\ud800"}, {"a": {1, 2}}, {"a": [1, 2**63]}, {"a": [1, -(2**63) - 1]}, {"a": ["x", "\ud800"]},
         {"a": [1, b"x"]}],
    )  # fmt: skip
    def test_what_is_no_json_is_refused(self, records: Records, record: dict[str, Any]) -> None:
        with pytest.raises(InvalidInput):
            records.put("c", "id", record)
        assert records.get("c", "id") is None

    def test_deep_nesting_is_refused(self, records: Records) -> None:
        deep: Any = 1
        for _ in range(100_000):
            deep = [deep]
        with pytest.raises(InvalidInput):
            records.put("c", "id", {"a": deep})
        while isinstance(deep, list):  # else the interpreter takes it apart by recursion
            deep = deep.pop()

    def test_oversized_record_is_refused(self, records: Records) -> None:
        with pytest.raises(LimitExceeded):
            records.put("c", "id", {"a": "x" * MAX_RECORD_BYTES})
        assert records.put("c", "id", {"a": "x" * (MAX_RECORD_BYTES - 100)})

    def test_delete_says_whether_the_record_was_there(self, records: Records) -> None:
        records.put("c", "id", {})
        assert (records.delete("c", "id"), records.delete("c", "id")) == (True, False)

    def test_put_replaces_the_whole_record(self, records: Records) -> None:
        records.put("c", "id", {"a": 1, "b": 2})
        records.put("c", "id", {"a": 3})
        assert records.get("c", "id") == {"a": 3}
        assert not records.put("c", "id", {"a": 4}, only_if_absent=True)
        assert records.get("c", "id") == {"a": 3}

    def test_store_that_cannot_write_many_says_so(self, records: Records) -> None:
        pairs = [("a", {"n": 1}), ("b", {"n": 2})]
        if "put_many" in records.features:
            assert records.put_many("c", pairs) == 2
        else:
            with pytest.raises(Unsupported):
                records.put_many("c", pairs)
            assert records.count("c") == 0
        assert records.put_many("d", pairs[:1]) == 1
        assert records.get("d", "a") == {"n": 1}

    def test_put_many_writes_all_or_none(self, records: Records) -> None:
        if "put_many" not in records.features:
            return  # the test before this one is about that
        assert records.put_many("c", ((str(i), {"n": i}) for i in range(1200))) == 1200
        assert records.count("c") == 1200
        with pytest.raises(InvalidInput):
            records.put_many("c", [("new", {"n": 1}), ("bad", {"n": float("nan")})])
        assert records.get("c", "new") is None
        assert records.put_many("c", []) == 0
        assert records.put_many("d", [("x", {"n": 1}), ("x", {"n": 2})]) == 1
        assert records.get("d", "x") == {"n": 2}

    def test_put_many_keeps_any_name_and_any_text(self, records: Records) -> None:
        if "put_many" not in records.features:
            return
        strange = ["a b", 'q"uote', "back\\slash", "\\u0041", "tab\t", "\x01", "é", "北京", "\U0001f600", "%s", "{}", "[1]", "null", "'", "1", "x" * 512]  # fmt: skip
        pairs = {name: {name: name * 3, "n": at} for at, name in enumerate(strange)}
        pairs |= {f"{n:02}": {"n": n} for n in range(40)}
        assert records.put_many("c", pairs.items()) == len(pairs)
        assert records.get_many("c", pairs) == pairs
        changed = {name: {"again": name} for name in pairs}
        assert records.put_many("c", changed.items()) == len(pairs)
        assert records.get_many("c", pairs) == changed

    def test_put_texts_is_put_many_of_json(self, records: Records) -> None:
        with pytest.raises(InvalidInput):
            records.put_texts("c", ["a"], [])
        for bad in ("[]", "{", '{"a": NaN}', ""):
            with pytest.raises(InvalidInput):
                records.put_texts("c", ["a"], [bad])
        for name in ("", "a\0", "x" * 513, "\ud800"):
            with pytest.raises(InvalidInput):
                records.put_texts("c", [name], ["{}"])
        assert records.put_texts("c", [], []) == 0
        assert records.put_texts("c", ["a"], ['{"n":  1}']) == 1
        if "put_many" in records.features:
            ids = [f"{n:03}" for n in range(100)]
            texts = [f'{{"even": {str(n % 2 == 0).lower()}}}' for n in range(100)]
            assert records.put_texts("c", ids, texts) == 100
            assert records.count("c", {"even": True}) == 50
        assert records.get("c", "a") == {"n": 1}

    # --- expiry

    def test_record_expires(self, records: Records, pass_time: Callable[[float], None]) -> None:
        records.put("c", "id", {"a": 1}, ttl_s=1)
        assert records.count("c") == 1
        pass_time(1.5)
        assert records.get("c", "id") is None
        assert list(records.query("c")) == []
        assert list(records.query("c", order="a")) == []
        assert records.count("c") == 0
        assert records.count("c", {"a": 1}) == 0
        assert not records.delete("c", "id")
        assert records.put("c", "id", {"a": 2}, only_if_absent=True)

    def test_put_forgets_an_older_expiry(
        self, records: Records, pass_time: Callable[[float], None]
    ) -> None:
        records.put("c", "id", {}, ttl_s=1)
        records.put("c", "id", {})
        records.put_many("c", [("x", {})], ttl_s=1)  # one is no feature
        pass_time(1.5)
        assert records.get("c", "id") == {}
        assert records.get("c", "x") is None

    # --- queries

    def test_every_field_name_and_value_is_found_and_nothing_else(self, records: Records) -> None:
        pairs = list(itertools.product(FIELDS, range(len(VALUES))))
        fill(records, ((f"{i:05}", {f: VALUES[v]}) for i, (f, v) in enumerate(pairs)))
        for field in FIELDS:
            for value in VALUES:
                found = [
                    r[field] for r in records.query("c", {field: value, (field,): ("exists", True)})
                ]
                assert [repr(f) for f in found] == [repr(value)]

    def test_indexed_field_gives_the_same(self, records: Records) -> None:
        fill(records, ((str(i), {"f": v, "a.b": v}) for i, v in enumerate(VALUES)))
        for field in ("f", "a.b", ("f",)):
            before = [list(records.query("c", {field: v})) for v in VALUES]
            records.ensure_index("c", field)
            records.ensure_index("c", field)
            assert [list(records.query("c", {field: v})) for v in VALUES] == before

    def test_equal_numbers_find_each_other_whether_whole_or_not(self, records: Records) -> None:
        numbers: list[float] = [
            1,
            1.0,
            0,
            -0.0,
            2**53,
            2.0**53,
            2**53 + 1,
            2**62 + 2**14,
            2.0**62 + 2**14,
        ]
        fill(records, ((str(i), {"v": v, "i": i}) for i, v in enumerate(numbers)))
        for indexed in (False, True):
            if indexed:
                records.ensure_index("c", "v")
            for value in numbers:
                found = [r["i"] for r in records.query("c", {"v": value})]
                assert found == [i for i, one in enumerate(numbers) if one == value]

    def test_comparisons_mean_what_they_say(self, records: Records) -> None:
        values = [None, True, False, 1, 2.0, 3, "1", "b", "ba", ["b", 1], {"x": 1}]
        fill(records, ((f"{i:02}", {"v": v, "i": i}) for i, v in enumerate(values)))
        records.put("c", "99", {"i": 99})

        def found(where: Any) -> list[int]:
            return [r["i"] for r in records.query("c", {"v": where})]

        assert found(2) == [4]
        assert found(("=", True)) == [1]
        assert found(None) == [0, 99]
        assert found(("!=", 1)) == [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 99]
        assert found(("<", 2)) == [3]
        assert found(("<=", 2)) == [3, 4]
        assert found((">", 1)) == [4, 5]
        assert found((">=", "b")) == [7, 8]
        assert found(("in", [3, "b", True, None])) == [0, 1, 5, 7, 99]
        assert found(("in", [])) == []
        assert found(("prefix", "b")) == [7, 8]
        assert found(("prefix", "%")) == []
        assert found(("has", "b")) == [9]
        assert found(("has", True)) == []
        assert found(("exists", False)) == [99]
        assert found({"x": 1.0}) == [10]
        assert found(["b", 1]) == [9]

    def test_path_reaches_inside_and_a_name_does_not(self, records: Records) -> None:
        records.put("c", "1", {"a": {"b": 1}})
        records.put("c", "2", {"a.b": 1})
        assert list(records.query("c", {("a", "b"): 1})) == [{"a": {"b": 1}}]
        assert list(records.query("c", {"a.b": 1})) == [{"a.b": 1}]

    def test_all_conditions_hold_together(self, records: Records) -> None:
        fill(records, ((str(i), {"a": i % 2, "b": i % 3, "i": i}) for i in range(12)))
        assert sorted(r["i"] for r in records.query("c", {"a": 1, "b": 2})) == [5, 11]
        assert records.count("c", {"a": 1, "b": 2}) == 2

    @pytest.mark.parametrize(
        "where",
        [{"a": ("like", "x")}, {"a": ("in", 3)}, {"a": ("prefix", 1)}, {"a": ("<", None)},
         {"a": ("<", [1])}, {"a": ("exists", 1)}, {"a": float("nan")}],
    )  # fmt: skip
    def test_senseless_condition_is_the_callers_fault(self, records: Records, where: Any) -> None:
        with pytest.raises(InvalidInput):
            list(records.query("c", where))

    # --- order

    def test_order_is_by_value_then_id(self, records: Records) -> None:
        values = ["b", 2, None, "a", 1.5, True, 1, False, "é", "Z", 2.0, "\U0001f700", "\uffff"]
        fill(records, ((f"{i:02}", {"v": v}) for i, v in enumerate(values)))
        rising = [None, False, True, 1, 1.5, 2, 2.0, "Z", "a", "b", "é", "\uffff", "\U0001f700"]
        assert repr([r["v"] for r in records.query("c", order="v")]) == repr(rising)  # 2, then 2.0
        falling = [*reversed(rising[7:]), 2, 2.0, 1.5, 1, True, False, None]
        assert repr([r["v"] for r in records.query("c", order="-v")]) == repr(falling)
        assert [r["v"] for r in records.query("c", order=("v", "falling"))] == falling
        assert [r["v"] for r in records.query("c", order="v", limit=3)] == rising[:3]
        assert [r["v"] for r in records.query("c", limit=2)] == ["b", 2]
        assert list(records.query("c", limit=0)) == []

    def test_ids_come_in_order_of_their_bytes(self, records: Records) -> None:
        ids = ["b", "a", "B", "é", "\uffff", "\U0001f700", "10", "9"]
        fill(records, ((i, {"i": i}) for i in ids))
        assert [r["i"] for r in records.query("c")] == sorted(ids, key=str.encode)

    @pytest.mark.parametrize("order", [None, "v", "-v", ("v", "falling")])
    def test_pages_join_up_though_records_come_and_go(self, records: Records, order: Any) -> None:
        fill(records, ((f"{i:03}", {"v": i % 7, "i": i}) for i in range(100)))
        whole = [r["i"] for r in records.query("c", order=order)]
        seen: list[int] = []
        after = None
        while True:
            page = records.page("c", order=order, limit=9, after=after)
            seen += [record["i"] for _, record in page.items]
            if page.after is None:
                break
            records.delete("c", page.items[-1][0])  # the record that the cursor stands on
            after = page.after
        assert seen == whole

    @pytest.mark.parametrize(
        "after", ["", "x", "é", "bnVsbA==", "WzksMCwiYSJd", "WzIsIngiLCJhIl0="]
    )
    def test_forged_cursor_is_the_callers_fault(self, records: Records, after: str) -> None:
        with pytest.raises(InvalidInput):
            records.page("c", after=after)

    # --- concurrency

    def test_only_one_of_many_claims_an_id(self, records: Records) -> None:
        with ThreadPoolExecutor(8) as pool:
            won = list(
                pool.map(lambda i: records.put("c", "id", {"n": i}, only_if_absent=True), range(64))
            )
        assert won.count(True) == 1
        assert records.get("c", "id") == {"n": won.index(True)}

    def test_only_one_of_many_deletes_a_record(self, records: Records) -> None:
        for n in range(5):
            records.put("c", str(n), {})
            with ThreadPoolExecutor(8) as pool:
                removed = list(pool.map(lambda _, n=n: records.delete("c", str(n)), range(16)))
            assert removed.count(True) == 1

    def test_query_goes_on_while_others_write(self, records: Records) -> None:
        fill(records, ((f"{i:04}", {"i": i}) for i in range(1500)))
        seen = []
        for record in records.query("c"):
            seen.append(record["i"])
            if record["i"] % 200 == 0:
                records.put("c", f"{record['i']:04}x", {"i": -1})
        assert [i for i in seen if i >= 0] == list(range(1500))

    # --- gone

    def test_closed_store_is_unavailable(self, records: Records) -> None:
        records.put("c", "id", {})
        records.close()
        for call in (
            lambda: records.get("c", "id"),
            lambda: records.put("c", "id", {}),
            lambda: records.put_many("c", [("a", {})]),
            lambda: records.get_many("c", ["a"]),
            lambda: records.delete_many("c", ["a"]),
            lambda: records.delete("c", "id"),
            lambda: list(records.query("c")),
            lambda: records.count("c"),
        ):
            with pytest.raises(Unavailable):
                call()
        records.close()


def fill(records: Records, pairs: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Put into collection `c`, at once where the store can."""
    if "put_many" in records.features:
        records.put_many("c", pairs)
    else:
        for ident, record in pairs:
            records.put("c", ident, record)
