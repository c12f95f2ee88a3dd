"""Trees and names: the best ones that can be, from any scores."""

import itertools

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salient.kernels import _decode, decode

TWINS = {"definition": decode, "compiled": _decode}
WIDTH = 16


@pytest.fixture(params=TWINS)
def twin(request):
    return TWINS[request.param]


def drawn(n, seed, *, spread=1.0):
    return (spread * np.random.default_rng(seed).standard_normal((n, n + 1))).astype(np.float32)


def is_tree(heads):
    """One token under the root, and all others under it."""
    if sum(h == 0 for h in heads) != 1:
        return False
    for at in range(len(heads)):
        up, steps = at + 1, 0
        while up and steps <= len(heads):
            up, steps = heads[up - 1], steps + 1
        if up:
            return False
    return True


def worth(scores, heads):
    return sum(float(scores[at, head]) for at, head in enumerate(heads))


class TestTrees:
    @pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
    @pytest.mark.parametrize("seed", range(5))
    def test_no_tree_is_better(self, twin, n, seed):
        scores = drawn(n, seed)
        choices = [[h for h in range(n + 1) if h != at + 1] for at in range(n)]
        best = max(
            (t for t in itertools.product(*choices) if is_tree(t)), key=lambda t: worth(scores, t)
        )
        assert tuple(twin.spanning_tree(scores)) == best

    @pytest.mark.parametrize("n", [6, 10])
    @pytest.mark.parametrize("seed", range(3))
    def test_another_library_finds_none_better(self, twin, n, seed):
        scores = drawn(n, seed)
        found = twin.spanning_tree(scores)
        assert is_tree(found.tolist())
        best = -np.inf
        for under_root in range(1, n + 1):
            graph = networkx.DiGraph()
            for at, head in itertools.product(range(n), range(n + 1)):
                if head != at + 1 and (head or at + 1 == under_root):
                    graph.add_edge(head, at + 1, weight=float(scores[at, head]))
            tree = networkx.maximum_spanning_arborescence(graph)
            best = max(best, sum(data["weight"] for *_, data in tree.edges(data=True)))
        assert worth(scores, found) == pytest.approx(best, abs=1e-4)

    @settings(deadline=None)
    @given(st.integers(1, 30), st.integers(0, 10**6), st.sampled_from([0.0, 1.0, 1e4]))
    def test_twins_find_trees_of_equal_worth(self, n, seed, spread):
        scores = drawn(n, seed, spread=spread)
        slow, fast = decode.spanning_tree(scores), _decode.spanning_tree(scores)
        assert slow.dtype == fast.dtype
        assert is_tree(slow.tolist())
        assert is_tree(fast.tolist())
        np.testing.assert_allclose(worth(scores, fast), worth(scores, slow), rtol=1e-5, atol=1e-3)

    @settings(deadline=None)
    @given(st.integers(1, 12), st.data())
    def test_scores_that_are_alike_give_a_tree_too(self, n, data):
        few = st.lists(st.integers(-2, 2), min_size=n * (n + 1), max_size=n * (n + 1))
        scores = np.array(data.draw(few), np.float32).reshape(n, n + 1)
        slow, fast = decode.spanning_tree(scores), _decode.spanning_tree(scores)
        assert is_tree(fast.tolist())
        assert worth(scores, fast) == worth(scores, slow)

    def test_rings_within_rings_are_taken_apart(self, twin):
        """Pairs that point at each other, pairs of pairs, and so on: every token is in a ring."""
        n = 64
        there = np.arange(n)
        alike = there[:, None] ^ there
        scores = np.zeros((n, n + 1), np.float32)
        scores[:, 1:] = (
            10.0 - np.frexp(alike.astype(float))[1] + 0.01 * (there == there[:, None] ^ 1)
        )
        scores[:, 0] = -5 - 0.1 * there
        found = twin.spanning_tree(scores)
        assert is_tree(found.tolist())
        assert found[0] == 0

    def test_a_long_sentence_takes_no_longer_than_its_square(self):
        scores = drawn(1200, 1)
        assert is_tree(_decode.spanning_tree(scores).tolist())


def reading(n, seed=1, spread=1.0):
    rng = np.random.default_rng(seed)
    heads, deps = (spread * rng.standard_normal((2, n, WIDTH))).astype(np.float32)
    root, distance = (
        rng.standard_normal(WIDTH).astype(np.float32),
        rng.standard_normal(64).astype(np.float32),
    )
    return heads, deps, root, distance


def cut(n, seed=2, share=0.1):
    starts = np.flatnonzero(np.random.default_rng(seed).random(n) < share)
    return np.unique([0, *starts, n]).astype(np.int32)


class TestSentences:
    @pytest.mark.parametrize("n", [1, 2, 31, 70, 300])
    @pytest.mark.parametrize("spread", [0.1, 1.0])
    def test_twins_agree(self, n, spread):
        args, bounds = reading(n, spread=spread), cut(n)
        slow, fast = decode.trees(*args, bounds), _decode.trees(*args, bounds)
        np.testing.assert_array_equal(fast[0], slow[0])
        np.testing.assert_allclose(fast[1], slow[1], rtol=1e-3, atol=1e-6)
        assert [a.dtype for a in fast] == [a.dtype for a in slow]

    def test_heads_stay_in_the_sentence_and_make_a_tree(self, twin):
        bounds = cut(200)
        heads, shares = twin.trees(*reading(200), bounds)
        for first, end in itertools.pairwise(bounds.tolist()):
            own = np.arange(first, end)
            assert ((heads[own] >= first) & (heads[own] < end)).all()
            assert is_tree(np.where(heads[own] == own, 0, heads[own] - first + 1).tolist())
        assert ((shares >= 0) & (shares <= 1 + 1e-6)).all()

    def test_a_sentence_is_the_same_bytes_alone_and_among_others(self):
        args, bounds = reading(200), cut(200)
        heads, shares = _decode.trees(*args, bounds)
        for first, end in itertools.pairwise(bounds.tolist()):
            part = (
                np.ascontiguousarray(args[0][first:end]),
                np.ascontiguousarray(args[1][first:end]),
            )
            alone = _decode.trees(*part, *args[2:], np.array([0, end - first], np.int32))
            assert (alone[0] + first).tobytes() == heads[first:end].tobytes()
            assert alone[1].tobytes() == shares[first:end].tobytes()

    def test_a_token_alone_is_the_root(self, twin):
        heads, shares = twin.trees(*reading(3), np.array([0, 1, 2, 3], np.int32))
        assert heads.tolist() == [0, 1, 2]
        np.testing.assert_allclose(shares, 1.0)

    def test_distances_past_the_last_are_alike(self, twin):
        heads, _, root, distance = reading(80)
        still = np.zeros_like(heads)
        distance = np.full(64, -5.0, np.float32)
        distance[0], distance[63], distance[1] = -50.0, 3.0, 2.0
        found, _ = twin.trees(still, still, root * 0, distance, np.array([0, 80], np.int32))
        away = found - np.arange(80)
        assert (np.abs(away[away != 0]) >= 31).mean() > 0.7

    def test_huge_scores_give_no_nonsense(self):
        _, shares = _decode.trees(*reading(90, spread=100.0), cut(90))
        assert np.isfinite(shares).all()

    def test_no_tokens_have_no_heads(self, twin):
        assert [len(a) for a in twin.trees(*reading(0), np.zeros(1, np.int32))] == [0, 0]


def log_probs(n, n_types, seed=1, sure=1.0):
    x = sure * np.random.default_rng(seed).standard_normal((n, 1 + 4 * n_types))
    x -= np.log(np.exp(x).sum(axis=1, keepdims=True))
    return x.astype(np.float32)


def paths(n, n_types):
    """Every sequence of tags in which names begin, go on and end."""
    tags = range(1 + 4 * n_types)

    def part(tag):
        return "BILU"[(tag - 1) % 4] if tag else "O"

    def fits(before, after):
        open_, goes_on = part(before) in "BI", part(after) in "IL"
        return open_ == goes_on and (not open_ or (before - 1) // 4 == (after - 1) // 4)

    for path in itertools.product(tags, repeat=n):
        edges = part(path[0]) not in "IL" and part(path[-1]) not in "BI"
        if edges and all(itertools.starmap(fits, itertools.pairwise(path))):
            yield path


class TestNames:
    @pytest.mark.parametrize("n", [1, 2, 3, 4])
    @pytest.mark.parametrize("seed", range(5))
    def test_no_tags_are_likelier(self, twin, n, seed):
        x = log_probs(n, 2, seed)
        best = max(paths(n, 2), key=lambda path: sum(x[np.arange(n), path]))
        wanted, begin = [], 0
        for at, tag in enumerate(best):
            if tag and (tag - 1) % 4 in (0, 3):
                begin = at
            if tag and (tag - 1) % 4 in (2, 3):
                share = np.exp(x[np.arange(begin, at + 1), best[begin : at + 1]]).mean()
                wanted.append((begin, at + 1, (tag - 1) // 4, pytest.approx(share, rel=1e-5)))
        spans, scores = twin.entity_spans(x, np.array([0, n], np.int32))
        assert [(*s, p) for s, p in zip(spans.tolist(), scores.tolist(), strict=True)] == wanted

    @settings(deadline=None)
    @given(
        st.integers(0, 60),
        st.integers(0, 18),
        st.integers(0, 10**6),
        st.sampled_from([0.1, 1.0, 5.0]),
    )
    def test_twins_agree(self, n, n_types, seed, sure):
        x, bounds = log_probs(n, n_types, seed, sure), cut(n, seed) if n else np.zeros(1, np.int32)
        slow, fast = decode.entity_spans(x, bounds), _decode.entity_spans(x, bounds)
        np.testing.assert_array_equal(fast[0], slow[0])
        np.testing.assert_allclose(fast[1], slow[1], rtol=1e-5)
        assert [a.dtype for a in fast] == [a.dtype for a in slow]

    def test_names_are_in_order_and_cross_no_bounds(self, twin):
        bounds = cut(300, share=0.3)
        spans, scores = twin.entity_spans(log_probs(300, 18, sure=3.0), bounds)
        assert len(spans) > 50
        assert (spans[1:, 0] >= spans[:-1, 1]).all()
        inner = [int(((bounds > a) & (bounds < b)).sum()) for a, b, _ in spans]
        assert max(inner) == 0
        assert ((scores > 0) & (scores <= 1)).all()

    @pytest.mark.parametrize("n_tags", [0, 2, 4, 72])
    def test_columns_that_are_no_tags_are_refused(self, twin, n_tags):
        with pytest.raises(ValueError, match="tags"):
            twin.entity_spans(np.zeros((2, n_tags), np.float32), np.array([0, 2], np.int32))


@pytest.mark.parametrize("bounds", [[], [0], [0, 2], [1, 3], [0, 2, 2, 3], [0, 4], [0, 2, 1, 3]])
def test_bounds_that_do_not_part_the_tokens_are_refused(twin, bounds):
    bounds = np.array(bounds, np.int32)
    with pytest.raises(ValueError, match="bounds"):
        twin.trees(*reading(3), bounds)
    with pytest.raises(ValueError, match="bounds"):
        twin.entity_spans(log_probs(3, 2), bounds)
