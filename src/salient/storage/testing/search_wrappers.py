"""What wrappers of search indexes promise beyond what every search index does."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from salient.errors import Misconfigured, Unavailable
from salient.storage.faults import Faults
from salient.storage.search import Query, SearchIndex
from salient.storage.search.flaky import Driver as Flaky
from salient.storage.testing.search import add, direction, entry, has, keys


def faults(index: SearchIndex) -> Faults:
    """The rates of an index whose outermost wrapper is `flaky:`."""
    driver = index._driver  # the rates are no part of the front
    assert isinstance(driver, Flaky)
    return driver.faults


class FlakySearchContract:
    """Supply `flaky()`, which opens the same index with `flaky:` outermost, without faults."""

    def test_without_faults_nothing_is_injected(self, flaky: Callable[[], SearchIndex]) -> None:
        index = flaky()
        add(index, [entry("a", "word")])
        index.commit()
        assert keys(index, "word") == ["a"]
        assert faults(index).injected == 0

    def test_a_failed_change_takes_the_uncommitted_ones_with_it(
        self, flaky: Callable[[], SearchIndex]
    ) -> None:
        index = flaky()
        add(index, [entry("a", "word")])
        faults(index).errors = 1.0
        with pytest.raises(Unavailable):
            add(index, [entry("b", "word")])
        faults(index).errors = 0.0
        add(index, [entry("c", "word")])
        index.commit()
        assert keys(index, "word") == ["c"]

    def test_half_of_a_torn_batch_is_not_committed(self, flaky: Callable[[], SearchIndex]) -> None:
        index = flaky()
        faults(index).torn = 1.0
        with pytest.raises(Unavailable):
            add(index, [entry(f"{i}", "word") for i in range(10)])
        faults(index).torn = 0.0
        index.commit()
        assert index.count() == 0

    def test_a_torn_commit_is_undone(self, flaky: Callable[[], SearchIndex]) -> None:
        index, other = flaky(), flaky()
        add(index, [entry("a", "word")])
        faults(index).torn = 1.0
        with pytest.raises(Unavailable):
            index.commit()
        faults(index).torn = 0.0
        index.commit()
        assert index.count() == other.count() == 0
        add(other, [entry("b", "word")])  # the writer's place is free
        other.commit()
        assert keys(index, "word") == ["b"]

    def test_a_commit_without_an_answer_is_done(self, flaky: Callable[[], SearchIndex]) -> None:
        index, other = flaky(), flaky()
        add(index, [entry("a", "word")])
        faults(index).lost = 1.0
        with pytest.raises(Unavailable):
            index.commit()
        assert keys(other, "word") == ["a"]
        add(other, [entry("b", "word")])
        other.commit()
        assert index.count() == 2

    def test_who_begins_again_loses_nothing(self, flaky: Callable[[], SearchIndex]) -> None:
        index, healthy = flaky(), flaky()
        rates = faults(index)
        rates.errors = rates.lost = rates.torn = 0.15
        failed = 0
        for batch in range(12):
            while True:
                try:
                    index.delete_group("moving")
                    add(index, [entry(f"{batch}:{i}", "word", group=f"g{batch}") for i in range(5)])
                    add(index, [entry(f"moving:{i}", f"only{batch}", group="moving") for i in range(3)])  # fmt: skip
                    index.commit()
                    break
                except Unavailable:
                    failed += 1
            assert healthy.count() == 5 * (batch + 1) + 3
            assert len(keys(healthy, f"only{batch}")) == 3
        assert failed
        assert len(keys(healthy, "word")) == 60

    def test_searches_fail_only_as_unavailable(self, flaky: Callable[[], SearchIndex]) -> None:
        index = flaky()
        add(index, [entry(f"{i}", "word", kind="x") for i in range(5)])
        index.commit()
        faults(index).errors = 0.2
        vector = direction("q") if "vectors" in index.features else None
        seen = {"found": 0, "failed": 0}
        for _ in range(60):
            try:
                assert len(index.search(Query("word", vector=vector)).hits) == 5
                seen["found"] += 1
            except Unavailable:
                seen["failed"] += 1
        assert seen["found"]
        assert seen["failed"]


class ScopedSearchContract:
    """Supply `scoped(name)`, which opens the same shared index as one scope of it."""

    @pytest.fixture
    def both(self, scoped: Callable[[str], SearchIndex]) -> tuple[SearchIndex, SearchIndex]:
        """Two scopes with entries of the same keys and groups."""
        for name in ("mine", "yours"):
            index = scoped(name)
            add(index, [entry(f"k{i}", f"word {name}", group=f"g{i % 2}", kind=name) for i in range(4)])  # fmt: skip
            index.commit()
        return scoped("mine"), scoped("yours")

    @pytest.mark.parametrize(
        "query",
        [
            Query("word"), Query("mine OR yours"), Query("-nothing"), Query("wor*"), Query('"word yours"'), Query(),
            Query(exclude={"kind": ["mine"]}), Query(filters={"kind": ["mine", "yours"]}),
            Query(filters={"kind": ["yours"]}), Query("kind:yours"), Query("(scope):yours"), Query("-(scope):mine"),
            Query(ranges={"kind": (None, None)}), Query("word", mode="all"), Query("yours", offset=0, limit=100),
        ],
        ids=range(15),
    )  # fmt: skip
    def test_nothing_of_another_scope_is_found(
        self, both: tuple[SearchIndex, SearchIndex], query: Query
    ) -> None:
        mine, _ = both
        found = mine.search(query)
        assert found.total == len(found.hits) <= 4
        assert all(hit.fields["kind"] == "mine" for hit in found.hits)
        assert all("yours" not in hit.fields["text"] for hit in found.hits)

    def test_what_is_counted_is_the_scopes_own(self, both: tuple[SearchIndex, SearchIndex]) -> None:
        mine, _ = both
        assert mine.count() == 4
        if has(mine, "facets"):
            assert mine.search(Query("word", facets=("kind",))).facets["kind"] == (("mine", 4),)

    def test_vectors_are_the_scopes_own(self, both: tuple[SearchIndex, SearchIndex]) -> None:
        mine, yours = both
        if not has(mine, "vectors"):
            return
        yours.put([entry("near", "secret", vector=direction("q"))])
        yours.commit()
        found = mine.search(Query(vector=direction("q"))).hits
        assert {hit.key for hit in found} == {f"k{i}" for i in range(4)}
        assert len(mine.vectors("g0")) == 2
        assert len(mine.vectors("near")) == 0
        fused = mine.search(Query("secret word", vector=direction("q"))).hits
        assert all(hit.fields["kind"] == "mine" for hit in fused)

    def test_changes_leave_other_scopes_alone(self, both: tuple[SearchIndex, SearchIndex]) -> None:
        mine, yours = both
        mine.delete_group("g0")
        add(mine, [entry("k1", "changed", group="g1", kind="mine")])
        mine.commit()
        assert (mine.count(), yours.count()) == (2, 4)
        assert keys(yours, "changed") == []
        assert len(keys(yours, "word")) == 4
        add(mine, [entry("lost", "word")])
        mine.clear()
        assert (mine.count(), yours.count()) == (0, 4)
        add(mine, [entry("k0", "word")])
        mine.commit()
        assert keys(mine, "word") == ["k0"]

    def test_names_come_back_as_they_were_given(self, scoped: Callable[[str], SearchIndex]) -> None:
        index, other = scoped("a"), scoped("a.b")
        names = ["k", "b/k", "a/k", "#k", "é" * 256, "x" * 512, "x" * 511 + "y", "a#" + "0" * 64]
        for store in (index, other):
            add(store, [entry(name, "word", group=name) for name in names])
            store.commit()
        assert sorted(keys(index, "word")) == sorted(names)
        assert {h.group for h in index.search(Query(limit=50)).hits} == set(names)
        for left, name in enumerate(reversed(names)):
            index.delete_group(name)
            index.commit()
            assert index.count() == len(names) - 1 - left
        assert other.count() == len(names)

    @pytest.mark.parametrize("name", ["", "a/b", "a#b", " ", "a b", "x" * 101])
    def test_a_scopes_name_is_plain(self, scoped: Callable[[str], SearchIndex], name: str) -> None:
        with pytest.raises(Misconfigured):
            scoped(name)


class SameRankingContract:
    """Supply `index`, an empty open index of SCHEMA: it ranks as the embedded one does."""

    def test_the_first_ten_are_those_of_the_embedded_index(self, index: SearchIndex) -> None:
        rng = np.random.default_rng(7)
        words = [f"{a}{b}" for a in ("ka", "lo", "mi", "nu", "pe", "ri") for b in ("ba", "dor", "gin", "lum", "sat", "vel", "zon")]  # fmt: skip
        shares = 1 / np.arange(1, len(words) + 1)
        shares /= shares.sum()

        def text(n: int) -> str:
            return " ".join(rng.choice(words, n, p=shares))

        entries = [
            entry(f"{i}", text(int(rng.integers(5, 120))), title=text(int(rng.integers(1, 6))))
            for i in range(400)
        ]
        reference = SearchIndex.open("embedded::memory:", index.schema)
        for store in (index, reference):
            for at in range(0, len(entries), 90):
                add(store, entries[at : at + 90])
                store.commit()
            store.delete_group("7")
            add(store, [entry("8", "other words")])
            store.commit()
        questions = [text(3) for _ in range(40)] + [f'"{text(2)}"' for _ in range(20)]
        shared: list[float] = []
        for question in questions:
            ours, theirs = keys(index, question, limit=10), keys(reference, question, limit=10)
            assert len(ours) == len(theirs)
            shared += [len(set(ours) & set(theirs)) / len(theirs)] if theirs else []
        reference.close()
        assert float(np.mean(shared)) >= 0.9
