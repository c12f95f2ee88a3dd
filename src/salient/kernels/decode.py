"""From a network's scores to what they say together: trees of heads, and names that do not overlap."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["entity_spans", "spanning_tree", "trees"]

FAR = 31
"""Distances past this count as this."""

BUCKETS = 64
"""The root's is 0; a head's is 32 and its distance to the right."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


def arc_scores(heads: Floats, deps: Floats, root: Floats, distance: Floats) -> Floats:
    """The scores of one sentence's arcs.

    Returns:
        (n, n + 1) float32: of each token to the root, and to each token; -inf to itself.
    """
    n = len(heads)
    scores = deps @ np.concatenate([root[None], heads]).T
    there = np.arange(n)
    scores[:, 1:] += distance[np.clip(there - there[:, None], -FAR, FAR) + BUCKETS // 2]
    scores[:, 0] += distance[0]
    scores[there, there + 1] = -np.inf
    return np.asarray(scores, np.float32)


def spanning_tree(scores: Floats) -> Ints:
    """The best tree in which one token hangs from the root.

    Args:
        scores: (n, n + 1): of each token to the root, and to each token; its own is not looked at.

    Returns:
        (n,) int32: each token's head, 0 for the root and j + 1 for token j.

    Cost: O(n) where the best heads make such a tree, else O(n**2).
    Source: Chu and Liu 1965; Edmonds 1967. That one token hangs from the root: every arc from there
    costs more than all others together, so the best tree has as few as there can be.
    """
    n = len(scores)
    whole = np.array(scores, np.float64)
    whole[np.arange(n), np.arange(n) + 1] = -np.inf
    if n > 1:
        finite = whole[np.isfinite(whole)]
        whole[:, 0] -= (finite.max() - finite.min() + 1) * (n + 1)
    full = np.full((n + 1, n + 1), -np.inf)
    full[1:] = whole
    return np.array(_edmonds(full)[1:], np.int32)


def _edmonds(scores: NDArray[np.float64]) -> list[int]:
    """Heads of the best tree under node 0; scores[dependent, head]."""
    n = len(scores)
    best = [0, *(int(row.argmax()) for row in scores[1:])]
    cycle = _cycle(best)
    if not cycle:
        return best
    # The cycle becomes one node, the last; what enters it costs the arc that it replaces.
    rest = [v for v in range(n) if v not in cycle]
    small = np.full((len(rest) + 1, len(rest) + 1), -np.inf)
    small[:-1, :-1] = scores[np.ix_(rest, rest)]
    leaving, entering = scores[np.ix_(rest, cycle)], scores[np.ix_(cycle, rest)]
    small[:-1, -1] = leaving.max(axis=1)
    entering = entering - scores[cycle, [best[v] for v in cycle]][:, None]
    small[-1, :-1] = entering.max(axis=0)
    found = _edmonds(small)
    made = list(best)  # right for all of the cycle but one
    for at, v in enumerate(rest):
        head = found[at]
        made[v] = rest[head] if head < len(rest) else cycle[int(leaving[at].argmax())]
    head = found[-1]
    made[cycle[int(entering[:, head].argmax())]] = rest[head]
    return made


def _cycle(heads: list[int]) -> list[int]:
    for start in range(1, len(heads)):
        seen, at = [], start
        while at and at not in seen:
            seen.append(at)
            at = heads[at]
        if at:
            return sorted(seen[seen.index(at) :])
    return []


def trees(
    heads: Floats, deps: Floats, root: Floats, distance: Floats, bounds: Ints
) -> tuple[Ints, Floats]:
    """Find the heads of every sentence's tokens.

    Args:
        heads: (n, width): each token as a head; see `salient.kernels.encoder.Reading`.
        deps: (n, width): each token as a dependent; an arc's score is their product, and `distance`.
        root: (width,): the root as a head.
        distance: (BUCKETS,) by the distance from a dependent to its head.
        bounds: (n_sentences + 1,): rows where the sentences begin; the last is n. None is empty.

    Returns:
        (n,) int32, the row of each token's head, its own for the one under the root, and (n,) float32,
        the probability of that head among all.

    Raises:
        ValueError: the bounds do not part the rows.

    Cost: O(length**2) a sentence.
    """
    _check(bounds, len(heads))
    found, shares = np.empty(len(heads), np.int32), np.empty(len(heads), np.float32)
    for first, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        scores = arc_scores(heads[first:end], deps[first:end], root, distance)
        tree = spanning_tree(scores)
        own = np.arange(first, end)
        found[first:end] = np.where(tree == 0, own, tree - 1 + first)
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares[first:end] = odds[own - first, tree] / odds.sum(axis=1)
    return found, shares


def entity_spans(log_probs: Floats, bounds: Ints) -> tuple[Ints, Floats]:
    """Find the likeliest names.

    Args:
        log_probs: (n, 1 + 4 * n_types): of no name, then of each type's begin, inside, last and only word.
        bounds: (n_sentences + 1,) as in `trees`; no name crosses them.

    Returns:
        (n_found, 3) int32: first row, end (half-open) and type of each, in order; and (n_found,)
        float32: the mean probability of its tags.

    Raises:
        ValueError: the bounds do not part the rows, or there are no such columns.

    Source: Viterbi 1967, where a name must begin and end and stay of its type.
    """
    n, n_tags = log_probs.shape
    if n_tags % 4 != 1:
        raise ValueError(f"{n_tags} tags are not one, and four of each type")
    _check(bounds, n)
    tag = np.arange(n_tags)
    part, kind = (tag - 1) % 4, (tag - 1) // 4
    inner = (tag > 0) & (part < 2)  # a name goes on after it
    follows = (tag > 0) & ((part == 1) | (part == 2))  # a name goes on to it
    allowed = inner[:, None] == follows
    allowed &= ~inner[:, None] | (kind[:, None] == kind)
    rows: list[tuple[int, int, int]] = []
    scores: list[float] = []
    for first, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        path = _viterbi(log_probs[first:end].astype(np.float64), allowed, follows, inner)
        begin = first
        for row, here in enumerate(path, first):
            begin = row if here and part[here] in (0, 3) else begin
            if here and part[here] in (2, 3):
                tags = path[begin - first : row + 1 - first]
                rows.append((begin, row + 1, int(kind[here])))
                share = np.exp(log_probs[np.arange(begin, row + 1), tags].astype(np.float64))
                scores.append(float(share.mean()))
    return np.array(rows, np.int32).reshape(-1, 3), np.array(scores, np.float32)


def _viterbi(
    log_probs: NDArray[np.float64],
    allowed: NDArray[np.bool_],
    not_first: NDArray[np.bool_],
    not_last: NDArray[np.bool_],
) -> list[int]:
    steps = np.where(allowed, 0.0, -np.inf)
    best = np.where(not_first, -np.inf, log_probs[0])
    came: list[NDArray[np.int64]] = []
    for row in log_probs[1:]:
        through = best[:, None] + steps
        came.append(through.argmax(axis=0))
        best = through.max(axis=0) + row
    path = [int(np.where(not_last, -np.inf, best).argmax())]
    for before in came[::-1]:
        path.append(int(before[path[-1]]))
    return path[::-1]


def _check(bounds: Ints, n: int) -> None:
    if not len(bounds) or bounds[0] or bounds[-1] != n or (np.diff(bounds) < 1).any():
        raise ValueError("the bounds of sentences do not part the tokens")
