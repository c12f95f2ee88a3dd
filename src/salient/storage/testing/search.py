"""What every search backend promises about its entries and commits; see also `search_ranking`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from salient.errors import InvalidInput, LimitExceeded, Misconfigured, Unavailable
from salient.storage.search import (
    MAX_KEYWORD_BYTES,
    MAX_WINDOW,
    Entry,
    Field,
    IndexSchema,
    Query,
    SearchIndex,
)

SCHEMA = IndexSchema(
    (
        Field("text", "text"),
        Field("title", "text", boost=2.0),
        Field("hidden", "text", stored=False),
        Field("kind", "keyword"),
        Field("page", "number"),
        Field("date", "date"),
        Field("odd: 'name'\n", "keyword"),
    ),
    vector_dim=16,
)

HOSTILE_QUERIES = [
    "", " ", '"', '""', "“”", "+", "-", "--", "+-+-", ":", "a:", ":a", "text:", 'text:"', "AND", "OR", "OR OR", "NOT",
    "a OR", "OR a", "(", ")", "((((", "a AND (b OR", "[a TO b]", "{", "^2", "a^2", "~", "a~2", "*", "**", "a*", "*a", "?",
    "\\", "a\\", "/re/", "/[/", "kind:", "kind:*", "page:x", "page:1e999", "date:2021-13", "date:x", "IN [a b]",
    "text:IN [a]", "> 5", "a" * 9000, "x " * 3000, "\0", "\ud800", "\n\t", "é", "東京", "🜚", "\u202e", "%s", "'; drop",
    "a" * 80 + "*", "<b>", "&amp;", "-a -b", "- a", "nosuchfield:value", "http://example.org/?q=1&b=2",
]  # fmt: skip


def entry(key: str, text: str = "", *, group: str | None = None, **fields: Any) -> Entry:
    """An entry with a vector that depends on its key alone."""
    vector = fields.pop("vector", None)
    whole: dict[str, Any] = {"text": text, **fields}
    return Entry(key, group or key, whole, direction(key) if vector is None else vector)


def direction(key: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A vector of length 1 that `key` names."""
    seed = int.from_bytes(key.encode()[:7], "big")
    vector = np.random.default_rng(seed).standard_normal(16).astype(np.float32)
    return vector / np.float32(np.linalg.norm(vector))


def keys(index: SearchIndex, text: str | None = None, **query: Any) -> list[str]:
    """Keys found, best first."""
    return [hit.key for hit in index.search(Query(text, **{"limit": 100, **query})).hits]


class SearchContract:
    """Supply `index`, an empty open index of SCHEMA, and `reopen()`, which opens it again."""

    # --- entries

    def test_entry_comes_back_as_it_went_in(self, index: SearchIndex) -> None:
        fields: dict[str, Any] = {
            "text": "a\0b \ud800 é\n🜚", "title": "", "kind": ["x", "y", "x"], "page": 3, "date": "2021-03",
            "odd: 'name'\n": "v",
        }  # fmt: skip
        index.put([Entry("key/é", "group", {**fields, "hidden": "secret"}, direction("a"))])
        index.commit()
        (hit,) = index.search(Query()).hits
        assert (hit.key, hit.group) == ("key/é", "group")
        assert hit.fields == fields
        assert keys(index, "secret") == ["key/é"]
        assert keys(index, filters={"odd: 'name'\n": ["v"]}) == ["key/é"]

    def test_put_replaces_by_key(self, index: SearchIndex) -> None:
        for text in ("one", "two", "three"):
            index.put([entry("k", text)])
            index.put([entry("k", text), entry("other", "other")])
        index.commit()
        index.put([entry("k", "four"), entry("k", "five")])
        index.commit()
        assert index.count() == 2
        assert [keys(index, t) for t in ("one", "three", "four", "five")] == [[], [], [], ["k"]]
        assert keys(index, vector=direction("k"))[0] == "k"
        assert len(index.vectors("k")) == 1

    def test_doing_it_twice_is_doing_it_once(self, index: SearchIndex) -> None:
        for _ in range(3):
            index.delete_group("g")
            index.put([entry(f"g:{i}", f"word{i}", group="g") for i in range(5)])
            index.commit()
        assert index.count() == 5
        assert len(index.vectors("g")) == 5

    def test_deleting_a_group_takes_out_all_of_it_and_nothing_else(
        self, index: SearchIndex
    ) -> None:
        index.put(
            [entry(f"{g}:{i}", "word", group=g) for g in ("a", "A", "a ", "b") for i in range(3)]
        )
        index.commit()
        index.put([entry("a:9", "word", group="a")])
        index.delete_group("a")
        index.delete_group("nowhere")
        index.commit()
        assert index.count() == 9
        assert {hit.group for hit in index.search(Query("word", limit=50)).hits} == {"A", "a ", "b"}
        assert index.vectors("a").shape == (0, 16)
        assert "a:1" not in keys(index, vector=direction("a:1"))

    def test_vectors_of_a_group_come_back(self, index: SearchIndex) -> None:
        index.put([entry(f"g:{i}", group="g") for i in range(3)])
        index.put(
            [
                Entry("g:none", "g", {"text": "x"}),
                Entry("g:zero", "g", {}, np.zeros(16, np.float32)),
            ]
        )
        index.commit()
        assert index.count() == 5
        wanted = np.stack([direction(f"g:{i}") for i in range(3)])
        np.testing.assert_allclose(index.vectors("g"), wanted, atol=2e-3)
        assert index.vectors("nowhere").shape == (0, 16)

    @pytest.mark.parametrize(
        "bad",
        [
            Entry("", "g", {}), Entry("k", "", {}), Entry("k" * 513, "g", {}), Entry("k\0", "g", {}),
            Entry("\ud800", "g", {}), Entry("k", "g", {"nosuch": "x"}), Entry("k", "g", {"text": 3}),
            Entry("k", "g", {"page": "x"}), Entry("k", "g", {"page": float("nan")}),
            Entry("k", "g", {"date": "yesterday"}), Entry("k", "g", {"date": "2021-02-30"}),
            Entry("k", "g", {"kind": 3}), Entry("k", "g", {}, np.ones(15, np.float32)),
            Entry("k", "g", {}, np.full(16, np.nan, np.float32)),
        ],
        ids=range(14),
    )  # fmt: skip
    def test_bad_entry_is_refused_with_its_whole_batch(
        self, index: SearchIndex, bad: Entry
    ) -> None:
        with pytest.raises(InvalidInput):
            index.put([entry("good", "good"), bad])
        index.commit()
        assert index.count() == 0

    def test_oversized_keyword_is_refused(self, index: SearchIndex) -> None:
        index.put([entry("k", kind="x" * MAX_KEYWORD_BYTES)])
        with pytest.raises(LimitExceeded):
            index.put([entry("k", kind="é" * MAX_KEYWORD_BYTES)])
        index.commit()
        assert keys(index, filters={"kind": ["x" * MAX_KEYWORD_BYTES]}) == ["k"]

    def test_huge_text_and_words_are_taken(self, index: SearchIndex) -> None:
        index.put([entry("k", "x" * 200_000 + " needle " + "word " * 200_000)])
        index.commit()
        assert keys(index, "needle") == ["k"]
        assert keys(index, "x" * 200_000) == ["k"]

    # --- hostile queries

    @pytest.mark.parametrize("mode", ["any", "all"])
    def test_no_text_is_an_error(self, index: SearchIndex, mode: Any) -> None:
        index.put([entry("k", "a b c AND OR 東京", kind="x")])
        index.commit()
        for text in HOSTILE_QUERIES:
            found = index.search(Query(text, mode=mode, highlight=("text",), facets=("kind",)))
            assert found.total == len(found.hits) <= 1

    @pytest.mark.parametrize(
        "query",
        [
            {"filters": {"nosuch": ["x"]}}, {"filters": {"text": ["x"]}}, {"exclude": {"text": ["x"]}},
            {"filters": {"page": ["x"]}}, {"ranges": {"page": ("x", None)}}, {"ranges": {"date": ("x", None)}},
            {"ranges": {"text": ("a", "b")}}, {"facets": ("text",)}, {"facets": ("nosuch",)},
            {"sort": "text"}, {"sort": "-nosuch"}, {"highlight": ("kind",)}, {"highlight": ("nosuch",)},
            {"vector": np.ones(15, np.float32)}, {"vector": np.zeros(16, np.float32)},
            {"vector": np.full(16, np.inf, np.float32)}, {"limit": -1}, {"offset": -1}, {"weight": 1.5},
        ],
        ids=range(19),
    )  # fmt: skip
    def test_senseless_query_is_the_callers_fault(self, index: SearchIndex, query: Any) -> None:
        with pytest.raises(InvalidInput):
            index.search(Query(**query))

    def test_paging_has_an_end(self, index: SearchIndex) -> None:
        with pytest.raises(LimitExceeded):
            index.search(Query(offset=MAX_WINDOW, limit=1))
        assert index.search(Query(offset=MAX_WINDOW - 1, limit=1)).hits == ()

    # --- commits

    def test_readers_see_commits_only_and_whole(
        self, index: SearchIndex, reopen: Callable[[], SearchIndex]
    ) -> None:
        other = reopen()
        index.put([entry("a", "word")])
        assert (index.count(), other.count()) == (0, 0)
        assert keys(other, "word") == keys(other, vector=direction("a")) == []
        index.commit()
        assert keys(other, "word") == keys(index, "word") == ["a"]
        index.delete_group("a")
        index.put([entry("b", "word")])
        assert keys(other, "word") == keys(other, vector=direction("b")) == ["a"]
        index.commit()
        assert keys(other, "word") == keys(other, vector=direction("a")) == ["b"]

    def test_rollback_forgets(self, index: SearchIndex) -> None:
        index.put([entry("a", "word")])
        index.commit()
        index.delete_group("a")
        index.put([entry("b", "word")])
        index.rollback()
        index.rollback()
        assert keys(index, "word") == ["a"]
        index.put([entry("c", "word")])
        index.commit()
        assert (
            sorted(keys(index, "word")) == sorted(keys(index, vector=direction("a"))) == ["a", "c"]
        )

    def test_closing_forgets_what_was_not_committed(
        self, index: SearchIndex, reopen: Callable[[], SearchIndex]
    ) -> None:
        index.put([entry("a", "word")])
        index.commit()
        index.put([entry("b", "word")])
        other = reopen()
        index.close()
        assert keys(other, "word") == ["a"]
        other.put([entry("c", "word")])
        other.commit()
        assert sorted(keys(other, "word")) == ["a", "c"]

    def test_clear_empties_at_once(self, index: SearchIndex) -> None:
        index.put([entry(f"k{i}", "word", kind="x") for i in range(20)])
        index.commit()
        index.put([entry("new", "word")])
        index.clear()
        assert index.count() == 0
        assert keys(index) == keys(index, vector=direction("k1")) == []
        index.put([entry("k1", "word")])
        index.commit()
        assert keys(index, vector=direction("k1")) == ["k1"]

    def test_commit_with_nothing_to_commit_is_nothing(self, index: SearchIndex) -> None:
        index.put([])
        index.commit()
        index.commit()
        assert index.count() == 0

    def test_second_writer_waits_for_the_first(
        self, index: SearchIndex, reopen: Callable[[], SearchIndex]
    ) -> None:
        stores = [index, reopen(), reopen()]

        def write(i: int) -> None:
            for j in range(4):
                stores[i].put([entry(f"{i}:{j}", "word")])
                stores[i].commit()

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(write, range(3)))
        assert [store.count() for store in stores] == [12, 12, 12]
        for i in range(3):
            assert keys(index, vector=direction(f"{i}:3"))[0] == f"{i}:3"

    def test_writer_that_waits_too_long_gives_up(
        self, index: SearchIndex, reopen: Callable[[], SearchIndex]
    ) -> None:
        index.put([entry("a", "word")])
        with pytest.raises(Unavailable):
            reopen().put([entry("b", "word")])
        index.commit()
        assert index.count() == 1

    def test_searches_go_on_while_others_write(
        self, index: SearchIndex, reopen: Callable[[], SearchIndex]
    ) -> None:
        batches = 8
        other = reopen()

        def write() -> None:
            for batch in range(batches):
                index.delete_group("g")
                index.put([entry(f"{batch}:{i}", "word", group="g") for i in range(20)])
                index.commit()

        with ThreadPoolExecutor(4) as pool:
            writing = pool.submit(write)
            found: list[tuple[int, int, int]] = []

            def look() -> None:
                while not writing.done():
                    hits = other.search(Query("word", vector=direction("x"), limit=50)).hits
                    found.append((len(hits), len({h.key.split(":")[0] for h in hits}),
                                  sum(h.vector_score is not None for h in hits)))  # fmt: skip

            for looking in [pool.submit(look) for _ in range(2)]:
                looking.result()
            writing.result()
        # Always a whole batch and one only, each with its vector.
        assert {f for f in found if f != (0, 0, 0)} <= {(20, 1, 20)}

    def test_other_fields_are_a_misconfiguration(
        self, reopen: Callable[..., SearchIndex], index: SearchIndex
    ) -> None:
        fields: Sequence[Field] = SCHEMA.fields
        for other in (
            IndexSchema(tuple(fields[1:]), 16),
            IndexSchema(tuple(fields), 8),
            IndexSchema((*fields, Field("more", "text")), 16),
        ):
            with pytest.raises(Misconfigured):
                reopen(other)
        assert index.count() == 0

    # --- gone

    def test_closed_index_is_unavailable(self, index: SearchIndex) -> None:
        index.put([entry("a", "word")])
        index.commit()
        index.close()
        for call in (
            lambda: index.search(Query("word")),
            lambda: index.put([entry("b")]),
            lambda: index.delete_group("a"),
            index.count,
            index.clear,
            lambda: index.vectors("a"),
        ):
            with pytest.raises(Unavailable):
                call()
        index.close()
