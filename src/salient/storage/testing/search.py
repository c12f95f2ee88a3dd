"""What every search backend promises about its entries and commits; see also `search_ranking`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from salient.errors import InvalidInput, LimitExceeded, Misconfigured, Unavailable, Unsupported
from salient.storage.search import (
    FEATURES,
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


def has(index: SearchIndex, feature: str) -> bool:
    """Whether the index has a feature. If it lacks it, it says so to whoever asks for it."""
    if feature in index.features:
        return True
    questions: dict[str, dict[str, Any]] = {"vectors": {"vector": direction("q")}, "facets": {"facets": ("kind",)}, "sort": {"sort": "page"}}  # fmt: skip
    with pytest.raises(Unsupported):
        index.search(Query(**questions[feature]))
    if feature == "vectors":
        with pytest.raises(Unsupported):
            index.put([entry("k")])
        with pytest.raises(Unsupported):
            index.vectors("k")
    return False


def add(index: SearchIndex, entries: Sequence[Entry]) -> None:
    """Put entries, without their vectors where the index has none."""
    if "vectors" not in index.features:
        entries = [Entry(e.key, e.group, e.fields) for e in entries]
    index.put(entries)


def near(index: SearchIndex, name: str, wanted: Callable[[list[str]], bool]) -> bool:
    """Whether `wanted` holds of the keys nearest to a direction, if the index has vectors."""
    return not has(index, "vectors") or wanted(keys(index, vector=direction(name)))


class SearchContract:
    """Supply `index`, an empty open index of SCHEMA, and `reopen()`, which opens it again."""

    # --- entries

    def test_entry_comes_back_as_it_went_in(self, index: SearchIndex) -> None:
        fields: dict[str, Any] = {
            "text": "a\0b \ud800 é\n🜚", "title": "", "kind": ["x", "y", "x"], "page": 3, "date": "2021-03",
            "odd: 'name'\n": "v",
        }  # fmt: skip
        add(index, [Entry("key/é", "group", {**fields, "hidden": "secret"}, direction("a"))])
        index.commit()
        (hit,) = index.search(Query()).hits
        assert (hit.key, hit.group) == ("key/é", "group")
        assert hit.fields == fields
        assert keys(index, "secret") == ["key/é"]
        assert keys(index, filters={"odd: 'name'\n": ["v"]}) == ["key/é"]

    def test_put_replaces_by_key(self, index: SearchIndex) -> None:
        for text in ("one", "two", "three"):
            add(index, [entry("k", text)])
            add(index, [entry("k", text), entry("other", "other")])
        index.commit()
        add(index, [entry("k", "four"), entry("k", "five")])
        index.commit()
        assert index.count() == 2
        assert [keys(index, t) for t in ("one", "three", "four", "five")] == [[], [], [], ["k"]]
        if has(index, "vectors"):
            assert keys(index, vector=direction("k"))[0] == "k"
            assert len(index.vectors("k")) == 1

    def test_doing_it_twice_is_doing_it_once(self, index: SearchIndex) -> None:
        for _ in range(3):
            index.delete_group("g")
            add(index, [entry(f"g:{i}", f"word{i}", group="g") for i in range(5)])
            index.commit()
        assert index.count() == 5
        if has(index, "vectors"):
            assert len(index.vectors("g")) == 5

    def test_deleting_a_group_takes_out_all_of_it_and_nothing_else(
        self, index: SearchIndex
    ) -> None:
        add(
            index,
            [entry(f"{g}:{i}", "word", group=g) for g in ("a", "A", "a ", "b") for i in range(3)],
        )
        index.commit()
        add(index, [entry("a:9", "word", group="a")])
        index.delete_group("a")
        index.delete_group("nowhere")
        index.commit()
        assert index.count() == 9
        assert {hit.group for hit in index.search(Query("word", limit=50)).hits} == {"A", "a ", "b"}
        if has(index, "vectors"):
            assert index.vectors("a").shape == (0, 16)
            assert "a:1" not in keys(index, vector=direction("a:1"))

    def test_vectors_of_a_group_come_back(self, index: SearchIndex) -> None:
        if not has(index, "vectors"):
            return
        add(index, [entry(f"g:{i}", group="g") for i in range(3)])
        add(
            index,
            [
                Entry("g:none", "g", {"text": "x"}),
                Entry("g:zero", "g", {}, np.zeros(16, np.float32)),
            ],
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
        add(index, [entry("k", kind="x" * MAX_KEYWORD_BYTES)])
        with pytest.raises(LimitExceeded):
            add(index, [entry("k", kind="é" * MAX_KEYWORD_BYTES)])
        index.commit()
        assert keys(index, filters={"kind": ["x" * MAX_KEYWORD_BYTES]}) == ["k"]

    def test_huge_text_and_words_are_taken(self, index: SearchIndex) -> None:
        add(index, [entry("k", "x" * 200_000 + " needle " + "word " * 200_000)])
        index.commit()
        assert keys(index, "needle") == ["k"]
        assert keys(index, "x" * 200_000) == ["k"]

    # --- hostile queries

    @pytest.mark.parametrize("mode", ["any", "all"])
    def test_no_text_is_an_error(self, index: SearchIndex, mode: Any) -> None:
        add(index, [entry("k", "a b c AND OR 東京", kind="x")])
        index.commit()
        for text in HOSTILE_QUERIES:
            facets = ("kind",) if "facets" in index.features else ()
            found = index.search(Query(text, mode=mode, highlight=("text",), facets=facets))
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
        asked = {"vectors" if name == "vector" else name for name in query}
        lacking = (asked & FEATURES) - index.features
        with pytest.raises(Unsupported if lacking else InvalidInput):
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
        add(index, [entry("a", "word")])
        assert (index.count(), other.count()) == (0, 0)
        assert keys(other, "word") == []
        assert near(other, "a", lambda found: found == [])
        index.commit()
        assert keys(other, "word") == keys(index, "word") == ["a"]
        index.delete_group("a")
        add(index, [entry("b", "word")])
        assert keys(other, "word") == ["a"]
        assert near(other, "b", lambda found: found == ["a"])
        index.commit()
        assert keys(other, "word") == ["b"]
        assert near(other, "a", lambda found: found == ["b"])

    def test_rollback_forgets(self, index: SearchIndex) -> None:
        add(index, [entry("a", "word")])
        index.commit()
        index.delete_group("a")
        add(index, [entry("b", "word")])
        index.rollback()
        index.rollback()
        assert keys(index, "word") == ["a"]
        add(index, [entry("c", "word")])
        index.commit()
        assert sorted(keys(index, "word")) == ["a", "c"]
        assert near(index, "a", lambda found: found == ["a", "c"])

    def test_closing_forgets_what_was_not_committed(
        self, index: SearchIndex, reopen: Callable[[], SearchIndex]
    ) -> None:
        add(index, [entry("a", "word")])
        index.commit()
        add(index, [entry("b", "word")])
        other = reopen()
        index.close()
        assert keys(other, "word") == ["a"]
        add(other, [entry("c", "word")])
        other.commit()
        assert sorted(keys(other, "word")) == ["a", "c"]

    def test_clear_empties_at_once(self, index: SearchIndex) -> None:
        add(index, [entry(f"k{i}", "word", kind="x") for i in range(20)])
        index.commit()
        add(index, [entry("new", "word")])
        index.clear()
        assert index.count() == 0
        assert keys(index) == []
        assert near(index, "k1", lambda found: found == [])
        add(index, [entry("k1", "word")])
        index.commit()
        assert keys(index) == ["k1"]
        assert near(index, "k1", lambda found: found == ["k1"])

    def test_many_small_changes_lose_and_invent_nothing(self, index: SearchIndex) -> None:
        texts: dict[str, str] = {}
        rng = np.random.default_rng(3)
        for change in range(24):
            index.delete_group(f"g{change % 5}")
            texts = {k: v for k, v in texts.items() if int(k) % 5 != change % 5}
            added = {str(i): " ".join(rng.choice(["red", "blue", "tall", "round"], 6)) for i in rng.integers(0, 60, 5)}  # fmt: skip
            add(index, [entry(k, v, group=f"g{int(k) % 5}") for k, v in added.items()])
            index.commit()
            texts |= added
        assert index.count() == len(texts)
        for asked in ("red", '"red blue"', '"tall tall round"', "+red -blue"):
            words = asked.strip('"')
            found = {k for k, v in texts.items() if words in v}
            if asked.startswith("+"):
                found = {k for k, v in texts.items() if "red" in v and "blue" not in v}
            assert set(keys(index, asked)) == found
        assert near(index, "q", lambda found: set(found) == set(texts))

    def test_commit_with_nothing_to_commit_is_nothing(self, index: SearchIndex) -> None:
        add(index, [])
        index.commit()
        index.commit()
        assert index.count() == 0

    def test_second_writer_waits_for_the_first(
        self, index: SearchIndex, reopen: Callable[[], SearchIndex]
    ) -> None:
        stores = [index, reopen(), reopen()]

        def write(i: int) -> None:
            for j in range(4):
                add(stores[i], [entry(f"{i}:{j}", "word")])
                stores[i].commit()

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(write, range(3)))
        assert [store.count() for store in stores] == [12, 12, 12]
        for i in range(3):
            assert f"{i}:3" in keys(index, "word")
            assert near(index, f"{i}:3", lambda found, i=i: found[0] == f"{i}:3")  # type: ignore[misc] # mypy#15459

    def test_writer_that_waits_too_long_gives_up(
        self, index: SearchIndex, reopen: Callable[[], SearchIndex]
    ) -> None:
        add(index, [entry("a", "word")])
        with pytest.raises(Unavailable):
            add(reopen(), [entry("b", "word")])
        index.commit()
        assert index.count() == 1

    def test_searches_go_on_while_others_write(
        self, index: SearchIndex, reopen: Callable[[], SearchIndex]
    ) -> None:
        batches = 8
        other = reopen()
        vector = direction("x") if has(index, "vectors") else None

        def write() -> None:
            for batch in range(batches):
                index.delete_group("g")
                add(index, [entry(f"{batch}:{i}", "word", group="g") for i in range(20)])
                index.commit()

        with ThreadPoolExecutor(4) as pool:
            writing = pool.submit(write)
            found: list[tuple[int, int, int]] = []

            def look() -> None:
                while not writing.done():
                    hits = other.search(Query("word", vector=vector, limit=50)).hits
                    found.append((len(hits), len({h.key.split(":")[0] for h in hits}),
                                  sum(h.vector_score is not None for h in hits)))  # fmt: skip

            for looking in [pool.submit(look) for _ in range(2)]:
                looking.result()
            writing.result()
        # Always a whole batch and one only, each with its vector.
        assert {f for f in found if f != (0, 0, 0)} <= {(20, 1, 20 if vector is not None else 0)}

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
        add(index, [entry("a", "word")])
        index.commit()
        index.close()
        for call in (
            lambda: index.search(Query("word")),
            lambda: add(index, [entry("b")]),
            lambda: index.delete_group("a"),
            index.count,
            index.clear,
            *([lambda: index.vectors("a")] if "vectors" in index.features else ()),
        ):
            with pytest.raises(Unavailable):
                call()
        index.close()
