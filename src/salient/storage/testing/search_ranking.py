"""What every search backend promises about what is found, in which order, and where."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from salient.errors import LimitExceeded
from salient.storage.search import Entry, Query, SearchIndex
from salient.storage.testing.search import add, direction, entry, has, keys

DOCUMENTS = {
    "licence": "Licence fees of both companies are due in March. The licence ends in May.",
    "fees": "The company pays fees for the café.",
    "void": "This agreement is void. It was the company's.",
    "empty": "Nothing of note here.",
}

MANY_VALUES = 200_000


@pytest.fixture
def filled(index: SearchIndex) -> SearchIndex:
    """`index` with DOCUMENTS in it."""
    rows = {
        "licence": (["contract", "signed"], 1, "2021-03-04"),
        "fees": (["news"], 2, "2022"),
        "void": (["contract"], 10, "2021-12-31T23:30:00"),
        "empty": ([], -1.5, ""),
    }
    add(
        index,
        [
            entry(key, text, kind=rows[key][0], page=rows[key][1], date=rows[key][2])
            for key, text in DOCUMENTS.items()
        ],
    )
    index.commit()
    return index


class RankingContract:
    """Supply `index`, an empty open index of `salient.storage.testing.search.SCHEMA`.

    A subclass's module imports `filled` from here, for pytest to find it.
    """

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("company", {"licence", "fees", "void"}),  # stems
            ("COMPANIES'", {"licence", "fees", "void"}),
            ("cafe", {"fees"}), ("CAFÉ", {"fees"}), ("cafe\u0301", {"fees"}),
            ("licence fees", {"licence", "fees"}),
            ('"licence fees"', {"licence"}), ('"fees licence"', set()), ('"fee of both company"', {"licence"}),
            ('"licence fees', {"licence", "fees"}),  # an open quotation mark is no phrase
            ("company -fees", {"void"}), ('company -"licence fees"', {"fees", "void"}),
            ("-company", {"empty"}), ("-company -note", set()),
            ("+company void", {"licence", "fees", "void"}), ("+company +void", {"void"}),
            ("void OR café", {"void", "fees"}), ("+company void OR café", {"licence", "void", "fees"}),
            ("agree*", {"void"}), ("compan*", {"licence", "fees", "void"}), ("companies*", {"licence", "fees", "void"}),
            ("text:void", {"void"}), ("title:void", set()), ("nosuch:void", set()), ("is:void", {"void"}),
            ("kind:contract", {"licence", "void"}), ("kind:contract company", {"licence", "void"}),
            ("-kind:contract", {"fees", "empty"}), ("kind:Contract", set()), ("kind:contr", set()),
            ("page:10", {"void"}), ("page:1", {"licence"}), ("date:2021", {"licence", "void"}), ("date:2021-03", {"licence"}),
            ("page:ten", set()), ("the of", {"licence", "fees", "void", "empty"}), ("the void", {"void"}),
            ("xyzzy", set()), ("", set()), ("...", set()),
        ],
    )  # fmt: skip
    def test_query_finds(self, filled: SearchIndex, text: str, found: set[str]) -> None:
        hits = filled.search(Query(text))
        assert {hit.key for hit in hits.hits} == found
        assert hits.total == len(found)

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("company fees", {"licence", "fees"}), ("company fees -café", {"licence"}), ("company xyzzy", set()),
            ("company void OR café", {"void", "fees"}), ("the company", {"licence", "fees", "void"}),
        ],
    )  # fmt: skip
    def test_mode_all_requires_every_word(
        self, filled: SearchIndex, text: str, found: set[str]
    ) -> None:
        assert set(keys(filled, text, mode="all")) == found

    def test_rare_and_frequent_words_rank_higher(self, index: SearchIndex) -> None:
        add(index, [entry(f"{i}", "common filler text") for i in range(20)])
        add(index, [entry("rare", "rare filler text"), entry("twice", "rare rare text")])
        index.commit()
        assert keys(index, "common rare")[:2] == ["twice", "rare"]

    def test_boosted_field_ranks_higher(self, index: SearchIndex) -> None:
        add(
            index,
            [
                entry("text", "merger today", title="other"),
                entry("title", "other", title="merger today"),
            ],
        )
        add(index, [entry(f"x{i}", "filler words", title="filler words") for i in range(5)])
        index.commit()
        assert keys(index, "merger") == ["title", "text"]

    def test_words_without_spaces_are_found_within(self, index: SearchIndex) -> None:
        add(index, [entry("tokyo", "東京都庁は新宿にある"), entry("kyoto", "京都の東側")])
        add(index, [entry("thai", "ภาษาไทย"), entry("hindi", "हिन्दी भाषा")])
        index.commit()
        assert keys(index, "東京") == ["tokyo"]
        assert keys(index, "京都") in (["kyoto", "tokyo"], ["tokyo", "kyoto"])
        assert keys(index, "ไทย") == ["thai"]
        assert keys(index, "हिन्दी") == ["hindi"]

    def test_compound_tokens_match_as_a_row(self, index: SearchIndex) -> None:
        add(index, [entry("a", "rate of 3.5 % by e-mail"), entry("b", "5 of 3, mail e")])
        index.commit()
        assert keys(index, "3.5") == keys(index, "e-mail") == ["a"]

    # --- filters

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"filters": {"kind": ["contract"]}}, {"licence", "void"}),
            ({"filters": {"kind": ["contract", "news"]}}, {"licence", "fees", "void"}),
            ({"filters": {"kind": []}}, set()),
            ({"filters": {"kind": ["contract"], "date": ["2021-12"]}}, {"void"}),
            ({"filters": {"page": ["2", "-1.5"]}}, {"fees", "empty"}),
            ({"exclude": {"kind": ["contract"]}}, {"fees", "empty"}),
            ({"exclude": {"kind": ["signed", "news"]}}, {"void", "empty"}),
            ({"exclude": {"date": ["2021"]}}, {"fees", "empty"}),
            ({"ranges": {"page": (1, 2)}}, {"licence", "fees"}),
            ({"ranges": {"page": (None, 1)}}, {"licence", "empty"}),
            ({"ranges": {"page": (None, None)}}, {"licence", "fees", "void", "empty"}),
            ({"ranges": {"date": ("2021-03-04", "2021-12-31")}}, {"licence", "void"}),
            ({"ranges": {"date": ("2021-04", None)}}, {"fees", "void"}),
            ({"ranges": {"date": (None, "2021-03-03")}}, set()),
            ({"ranges": {"date": (None, None)}}, {"licence", "fees", "void"}),
            ({"ranges": {"kind": ("contract", "contract")}}, {"licence", "void"}),
            ({"ranges": {"kind": ("d", "p")}}, {"fees"}),
            ({"ranges": {"kind": ("n", None)}}, {"licence", "fees"}),
            ({"ranges": {"kind": (None, "d")}}, {"licence", "void"}),
            ({"ranges": {"kind": ("", "")}}, set()),
            ({}, {"licence", "fees", "void", "empty"}),
        ],
        ids=lambda v: str(sorted(v)) if isinstance(v, set) else str(v),
    )
    def test_filters_hold_for_words_and_vectors_alike(
        self, filled: SearchIndex, query: dict[str, Any], found: set[str]
    ) -> None:
        everything = "company OR nothing"
        ways: list[dict[str, Any]] = [{}, {"text": everything}]
        if has(filled, "vectors"):
            ways += [{"vector": direction("q")}, {"text": everything, "vector": direction("q")}]
        for how in ways:
            hits = filled.search(Query(**how, **query))
            assert {hit.key for hit in hits.hits} == found
            assert hits.total == len(found)

    def test_filters_do_not_change_scores(self, filled: SearchIndex) -> None:
        plain = {h.key: h.score for h in filled.search(Query("company void")).hits}
        narrow = filled.search(
            Query("company void", filters={"kind": ["contract"]}, ranges={"page": (0, 99)})
        )
        for hit in narrow.hits:
            assert hit.score == pytest.approx(plain[hit.key], rel=1e-6)
            assert hit.text_score == hit.score

    @pytest.mark.parametrize("mode", ["filters", "exclude"])
    def test_filters_of_very_many_values(self, filled: SearchIndex, mode: str) -> None:
        """As many as documents with a label may be: `services.search` asks so."""
        many = [f"{i:032x}" for i in range(min(MANY_VALUES, filled.most_values) - 1)] + ["news"]
        found = {"fees"} if mode == "filters" else {"licence", "void", "empty"}
        asked: dict[str, Any] = {mode: {"kind": many}}
        ways: list[dict[str, Any]] = [{}, {"text": "company OR nothing"}]
        if has(filled, "vectors"):
            ways.append({"text": "company OR nothing", "vector": direction("q")})
        for how in ways:
            hits = filled.search(Query(**how, **asked))
            assert {hit.key for hit in hits.hits} == found
            assert hits.total == len(found)

    def test_filters_of_too_many_values_are_refused(self, filled: SearchIndex) -> None:
        too_many = ["news"] * (filled.most_values + 1)
        for asked in (Query(filters={"kind": too_many}), Query(exclude={"kind": too_many})):
            with pytest.raises(LimitExceeded, match="more values"):
                filled.search(asked)

    # --- facets

    def test_facets_count_the_whole_result(self, index: SearchIndex) -> None:
        if not has(index, "facets"):
            return
        add(index,
            [
                entry(f"{i}", "word" if i % 2 else "other", kind=[f"k{i % 5}", "all"], page=i % 3,
                      date=f"{2000 + i % 4}-01-01")
                for i in range(200)
            ]
        )  # fmt: skip
        index.commit()
        hits = index.search(Query("word", facets=("kind", "page", "date"), limit=3))
        assert (hits.total, len(hits.hits)) == (100, 3)
        assert hits.facets["kind"] == (("all", 100), *((f"k{i}", 20) for i in range(5)))
        assert hits.facets["page"] == (("1", 34), ("0", 33), ("2", 33))
        assert hits.facets["date"] == (("2001", 50), ("2003", 50))
        cut = index.search(Query("word", facets=("kind",), facet_limit=2, limit=0))
        assert (cut.total, cut.hits, cut.facets["kind"]) == (100, (), (("all", 100), ("k0", 20)))
        none = index.search(Query("xyzzy", facets=("kind",)))
        assert none.facets == {"kind": ()}

    def test_facets_of_many_values_are_exact(self, index: SearchIndex) -> None:
        if not has(index, "facets"):
            return
        for part in range(4):  # several commits: a backend may keep them apart
            add(
                index,
                [entry(f"{part}:{i}", "word", kind=f"v{i}") for i in range(0, 1500, part + 1)],
            )
            index.commit()
        facet = index.search(Query("word", facets=("kind",), facet_limit=125)).facets["kind"]
        assert facet == tuple((v, 4) for v in sorted(f"v{i}" for i in range(0, 1500, 12)))

    # --- order

    def test_sort_puts_missing_values_last(self, filled: SearchIndex) -> None:
        if not has(filled, "sort"):
            return
        assert keys(filled, sort="page") == ["empty", "licence", "fees", "void"]
        assert keys(filled, sort="-page") == ["void", "fees", "licence", "empty"]
        assert keys(filled, sort="date") == ["licence", "void", "fees", "empty"]
        assert keys(filled, sort="-date") == ["fees", "void", "licence", "empty"]
        assert keys(filled, "company", sort="-page") == ["void", "fees", "licence"]
        assert keys(filled, sort="-date", offset=1, limit=2) == ["void", "licence"]
        if has(filled, "vectors"):
            found = keys(filled, "void", vector=direction("empty"), sort="page", nearest=1)
            assert found == ["empty", "void"]

    @pytest.mark.parametrize("how", ["words", "vector", "both"])
    def test_pages_join_up(self, index: SearchIndex, how: str) -> None:
        for part in range(3):
            add(
                index,
                [
                    entry(f"{part}:{i}", "word " * (i % 4 + 1) + "tail " * (i % 7))
                    for i in range(40)
                ],
            )
            index.commit()
        queries: dict[str, dict[str, Any]] = {
            "words": {"text": "word"},
            "vector": {"vector": direction("q")},
            "both": {"text": "word", "vector": direction("q")},
        }
        if how != "words" and not has(index, "vectors"):
            return
        query = queries[how]
        whole = keys(index, **query, limit=1000)
        pages = [keys(index, **query, offset=o, limit=7) for o in range(0, 140, 7)]
        assert [key for page in pages for key in page] == whole
        assert len(whole) == len(set(whole)) == (100 if how == "vector" else 120)

    # --- highlights

    @pytest.mark.parametrize(
        ("text", "marked"),
        [
            ("company", ["companies"]), ("licence fee", ["Licence", "fees", "licence"]),
            ('"licence fees"', ["Licence fees"]), ('"licence fees" licence', ["Licence fees", "licence"]),
            ("compan*", ["companies"]), ("licence -company", None), ("title:licence", []), ("the licence", ["Licence", "licence"]),
            ("licence OR void", ["Licence", "licence"]), ("march kind:contract", ["March"]),
        ],
    )  # fmt: skip
    def test_highlights_mark_what_was_asked_for(
        self, filled: SearchIndex, text: str, marked: list[str] | None
    ) -> None:
        query = Query(text, filters={"page": ["1"]}, highlight=("text", "title"))
        if text.startswith("title:"):
            query = Query(None, filters={"page": ["1"]}, highlight=("text",), highlight_text=text)
        hits = filled.search(query).hits
        if marked is None:
            assert hits == ()
            return
        (hit,) = hits
        assert [DOCUMENTS["licence"][a:b] for a, b in hit.highlights.get("text", ())] == marked

    def test_highlights_are_in_code_points(self, index: SearchIndex) -> None:
        text = "🜚🜚 e\u0301te\u0301 — Straße, ﬁnance, 東京へ 🜚 soft\u00adware"
        add(index, [entry("k", text)])
        index.commit()
        for asked, marked in {
            "été": "e\u0301te\u0301", "strasse": "Straße", "finance": "ﬁnance", "東京": "東京", "software": "soft\u00adware",
        }.items():  # fmt: skip
            (hit,) = index.search(Query(asked, highlight=("text",))).hits
            assert [text[a:b] for a, b in hit.highlights["text"]] == [marked]

    def test_other_text_can_be_marked(self, filled: SearchIndex) -> None:
        if not has(filled, "vectors"):
            return
        query = Query(vector=direction("void"), highlight=("text",), highlight_text="void", limit=1)
        (hit,) = filled.search(query).hits
        assert [DOCUMENTS["void"][a:b] for a, b in hit.highlights["text"]] == ["void"]

    # --- vectors

    def test_vector_finds_the_most_similar(self, index: SearchIndex) -> None:
        if not has(index, "vectors"):
            return
        names = [f"v{i}" for i in range(300)]
        add(index, [entry(name) for name in names])
        add(index, [Entry("none", "none", {"text": "x"})])
        index.commit()
        asked = direction("q") * 7  # its length does not matter
        cosine = {name: float(direction(name) @ direction("q")) for name in names}
        best = sorted(names, key=lambda name: -cosine[name])
        hits = index.search(Query(vector=asked, limit=10))
        assert hits.total == 100
        assert [hit.key for hit in hits.hits] == best[:10]
        for hit in hits.hits:
            assert hit.score == hit.vector_score == pytest.approx(cosine[hit.key], abs=2e-3)
            assert hit.text_score is None
        assert keys(index, vector=asked, nearest=5) == best[:5]
        bound = (cosine[best[6]] + cosine[best[7]]) / 2
        assert keys(index, vector=asked, min_similarity=bound) == best[:7]

    def test_deleted_neighbours_leave_no_gap(self, index: SearchIndex) -> None:
        if not has(index, "vectors"):
            return
        near = direction("q")
        for i in range(30):
            add(index, [entry(f"near{i}", vector=near + 0.01 * direction(f"n{i}"))])
        add(index, [entry(f"far{i}") for i in range(30)])
        index.commit()
        for i in range(30):
            index.delete_group(f"near{i}")
        index.commit()
        found = keys(index, vector=near, nearest=30)
        assert len(found) == 30
        assert all(key.startswith("far") for key in found)

    def test_words_and_vector_together_find_what_either_finds(self, filled: SearchIndex) -> None:
        if not has(filled, "vectors"):
            return
        facets = ("kind",) if has(filled, "facets") else ()
        hits = filled.search(Query("void", vector=direction("fees"), nearest=1, facets=facets))
        assert {hit.key for hit in hits.hits} == {"void", "fees"}
        assert hits.total == 2
        if facets:
            assert hits.facets["kind"] == (("contract", 1), ("news", 1))
        by_key = {hit.key: hit for hit in hits.hits}
        assert by_key["fees"].text_score is None
        assert by_key["void"].vector_score == pytest.approx(
            float(direction("void") @ direction("fees")), abs=2e-3
        )

    def test_weight_moves_from_words_to_meaning(self, filled: SearchIndex) -> None:
        if not has(filled, "vectors"):
            return
        for weight, first in ((0.0, "void"), (1.0, "fees"), (0.2, "void"), (0.8, "fees")):
            found = keys(filled, "void", vector=direction("fees"), weight=weight)
            assert found[0] == first

    def test_what_both_find_comes_first(self, index: SearchIndex) -> None:
        if not has(index, "vectors"):
            return
        q = direction("q")
        add(
            index,
            [entry("words", "merger"), entry("both", "merger", vector=q + 0.2 * direction("x"))],
        )
        add(index, [entry("meaning", "other", vector=q)])
        add(index, [entry(f"f{i}", "filler") for i in range(20)])
        index.commit()
        hits = index.search(Query("merger", vector=q)).hits
        assert hits[0].key == "both"
        assert all(0.0 <= hit.score <= 1.0 for hit in hits)
        np.testing.assert_array_less(-1e-9, np.diff([-hit.score for hit in hits]))
