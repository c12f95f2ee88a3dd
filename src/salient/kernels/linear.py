"""Linear models over hashed features: scores of texts, and stochastic gradient descent with averaged weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from salient.kernels.terms import Packed, Spec, bag_of, bytes_of

__all__ = ["linear_pass", "linear_scores", "linear_settled", "sparse_scores"]

LOSSES: Final = ("hinge", "log", "passive")
BIAS_RATE: Final = 0.1  # an intercept is part of every text: it learns more slowly

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
Longs = NDArray[np.int64]


@dataclass(slots=True, eq=False)
class State:
    """A model in training; `linear_pass` changes it in place."""

    rows: Floats
    """(n_columns, stride): each column's weight in texts (idf), a weight an output, and zeros up to a multiple of 4."""
    sums: Floats
    """The same shape: weights added up over the steps since `average_from`. Column 0 is of no meaning."""
    last: Longs
    """(n_columns,): the step at which a row was last seen to."""
    bias: Floats
    bias_sums: Floats
    """(stride,): intercepts, as rows are laid out, and their sums."""
    step: int = 0
    average_from: int = 0
    prior: Floats | None = None
    """As `rows`: how fast each weight learns, for weights that are scaled by what is known beforehand."""


class Index(NamedTuple):
    """Columns that have rows, when few have: a text's other columns are passed over, and rows lie close together."""

    held: NDArray[np.uint64]
    """(2 ** bits / 64,): a bit a column, the lowest first."""
    before: Ints
    """(2 ** bits / 64,): how many bits are set in the words before each."""

    @classmethod
    def of(cls, columns: NDArray[Any], bits: int) -> Index:
        """Of some columns, whose rows are in their order."""
        told = np.zeros(1 << bits, np.uint8)
        told[columns] = 1
        held = np.packbits(told, bitorder="little").view("<u8")
        counts = np.bitwise_count(held).astype(np.int32)
        return cls(held, (np.cumsum(counts, dtype=np.int32) - counts).astype(np.int32))

    @property
    def n(self) -> int:
        """Columns held."""
        return int(self.before[-1]) + int(np.bitwise_count(self.held[-1]))

    def places(self, columns: NDArray[Any]) -> Ints:
        """The row of each column; of one that is not held, the number of rows."""
        words, bit = columns >> 6, (columns & 63).astype(np.uint64)
        own, one = self.held[words], np.uint64(1)
        rows = self.before[words] + np.bitwise_count(own & ((one << bit) - one))
        return np.where(own >> bit & one, rows, self.n).astype(np.int32)


def stride_of(n_outputs: int) -> int:
    """Numbers of a row."""
    return (1 + n_outputs + 3) // 4 * 4


def checked_rows(rows: Any, n_outputs: int, n_columns: int) -> None:
    """Raises ValueError: rows are not of so many columns and outputs."""
    if n_outputs < 1 or tuple(rows.shape) != (n_columns, stride_of(n_outputs)):
        raise ValueError(
            f"rows of {n_outputs} outputs are ({n_columns}, {stride_of(n_outputs)}), not {tuple(rows.shape)}"
        )


def checked_index(index: Index | None, bits: int, rows: Any, n_outputs: int) -> None:
    """Raises ValueError: rows are not of the columns that the index holds, or of all."""
    if index is None:
        checked_rows(rows, n_outputs, 1 << bits)
        return
    shape = ((1 << bits) // 64,)
    if index.held.shape != shape or index.before.shape != shape:
        raise ValueError(f"the index is not one of {1 << bits} columns")
    counts = np.bitwise_count(index.held)
    if index.before[0] != 0 or (np.diff(index.before) != counts[:-1]).any():
        raise ValueError("the index does not count its columns")
    checked_rows(rows, n_outputs, index.n + 1)


def checked_sparse(begins: Any, columns: Any, counts: Any, n_columns: int) -> None:
    """Raises ValueError, IndexError: this is no sparse matrix of so many columns."""
    n = len(begins) - 1
    if n < 0 or begins[0] != 0 or begins[n] != len(columns) or len(columns) != len(counts):
        raise ValueError("the features are not those of texts")
    if (np.diff(begins) < 0).any():
        raise ValueError("the features are not those of texts")
    if len(columns) and not 0 <= np.min(columns) <= np.max(columns) < n_columns:
        raise IndexError("a feature has no column")


def checked_model(state: State, n_outputs: int, loss: str) -> None:
    """Raises ValueError: the parts of a model do not fit together, or there is no such loss."""
    if loss not in LOSSES:
        raise ValueError(f"loss is {loss}: {', '.join(LOSSES)} can be")
    checked_rows(state.rows, n_outputs, len(state.rows))
    shape, stride = state.rows.shape, state.rows.shape[1]
    same = [state.sums] if state.prior is None else [state.sums, state.prior]
    if any(part.shape != shape for part in same) or state.last.shape != shape[:1]:
        raise ValueError("the parts of the model are not of one shape")
    if state.bias.shape != (stride,) or state.bias_sums.shape != (stride,):
        raise ValueError("the intercepts are not of the model's outputs")


def tf(count: int) -> float:
    """What a feature that occurs so often weighs in its text, with the count's sign."""
    return math.copysign(1 + math.log(abs(count)), count) if count else 0.0


def _products(
    columns: Sequence[int], counts: Sequence[int], rows: Floats
) -> tuple[NDArray[Any], float]:
    x = (
        np.array([tf(count) for count in counts]) * rows[list(columns), 0]
        if len(columns)
        else np.zeros(0)
    )
    length = math.sqrt(float(x @ x))
    sums = x @ rows[list(columns)] if len(columns) else np.zeros(rows.shape[1])
    return np.asarray(sums, np.float64), 1 / length if length > 0 else 0.0


def linear_scores(
    texts: Sequence[str | bytes] | Packed,
    bits: int,
    words: int,
    shortest: int,
    longest: int,
    rows: Floats,
    n_outputs: int,
    index: Index | None = None,
) -> Floats:
    """Hash texts and score them in one go.

    A feature's weight is (1 + ln count) times its column's idf; a text's weights are scaled to length 1.

    Args:
        bits, words, shortest, longest: see `Spec`.
        rows: (2 ** bits, stride), as `State.rows`; with an index (its n + 1, stride), the last of zeros.
        index: of the columns that have rows.

    Returns:
        (n_texts, n_outputs), without intercepts; 0 for a text without features.

    Raises:
        ValueError: there are no such features, or rows are not of them.

    Cost: some microseconds for a hundred words; no memory beyond the longest text's features.
    """
    spec = Spec(bits, words, shortest, longest)
    spec.check()
    checked_index(index, bits, rows, n_outputs)
    found = []
    for text in bytes_of(texts):
        bag = bag_of(text, spec)
        columns = list(bag)
        if index is not None:
            columns = index.places(np.array(columns, np.int64)).tolist()
        sums, scale = _products(columns, list(bag.values()), rows)
        found.append(sums[1 : 1 + n_outputs] * scale)
    return np.array(found, np.float32).reshape(-1, n_outputs)


def sparse_scores(
    begins: Longs, columns: Ints, counts: Ints, rows: Floats, n_outputs: int
) -> Floats:
    """As `linear_scores`, of features that `hashed_features` made.

    Raises:
        ValueError, IndexError: the features are not those of texts, or have no rows.
    """
    checked_rows(rows, n_outputs, len(rows))
    checked_sparse(begins, columns, counts, len(rows))
    found = []
    for a, b in zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True):
        sums, scale = _products(columns[a:b].tolist(), counts[a:b].tolist(), rows)
        found.append(sums[1 : 1 + n_outputs] * scale)
    return np.array(found, np.float32).reshape(-1, n_outputs)


def _settle(
    state: State, column: int, step: int, n_outputs: int, rate: float, l1: float, l2: float
) -> None:
    last = int(state.last[column])
    if last == step:
        return
    row = state.rows[column]
    if step > (since := max(last, state.average_from)):
        state.sums[column] += row * np.float32(step - since)
    if l1 or l2:
        w = row[1 : 1 + n_outputs] * np.float32(math.exp(-l2 * rate * (step - last)))
        off = np.float32(l1 * rate * (step - last))
        row[1 : 1 + n_outputs] = np.sign(w) * np.maximum(np.abs(w) - off, 0)
    state.last[column] = step


def _gradient(
    scores: NDArray[Any],
    target: int,
    labels: NDArray[np.uint8] | None,
    loss: str,
    weight: float,
    most: float,
) -> tuple[NDArray[Any], float]:
    """By output, turned: what to add to; and the loss."""
    n = len(scores)
    if loss == "log" and labels is None and n > 1:
        shares = np.exp(scores - scores.max())
        right = np.arange(n) == target
        return weight * (right - shares / shares.sum()), weight * float(
            math.log(shares.sum()) + scores.max() - scores[target]
        )
    if labels is not None:
        right = labels > 0
    else:
        right = np.array([target == 1]) if n == 1 else np.arange(n) == target
    y = np.where(right, 1.0, -1.0)
    margin = y * scores
    if loss == "log":
        return weight * y / (1 + np.exp(margin)), weight * float(np.logaddexp(0, -margin).sum())
    missing = np.maximum(1 - margin, 0)
    step = np.minimum(missing, most * weight) if loss == "passive" else weight * (missing > 0)
    return y * step, weight * float(missing.sum())


def linear_pass(
    begins: Longs, columns: Ints, counts: Ints, targets: Ints, labels: NDArray[np.uint8] | None, weights: Floats,
    order: Longs, state: State, n_outputs: int, loss: str, rate: float, decay: float, l1: float, l2: float, most: float,
) -> float:  # fmt: skip
    """Take a step on each of some texts, in an order.

    Args:
        begins, columns, counts: features, as `hashed_features` gives them.
        targets: (n,): the right output of each; with one output, 1 or 0. Of no matter if there are `labels`.
        labels: (n, n_outputs): whether each output is right, or None.
        weights: (n,): how much each text counts.
        order: which texts, one after the other.
        loss: "hinge" and "passive" (passive-aggressive I) look at each output by itself; "log" at all together, or
            at each by itself if there are `labels`.
        rate, decay: a step's rate is rate / (1 + decay * steps so far).
        l1, l2: what shrinks weights, by the rate and the steps since a row was last changed.
        most: the most that a step of "passive" changes.

    Returns:
        The loss, added up.

    Raises:
        ValueError, IndexError: the arrays do not fit together.

    Source: averaged SGD, Polyak and Juditsky 1992; passive-aggressive, Crammer et al. 2006; lazy proximal steps, Langford
    et al. 2009.
    """
    checked_model(state, n_outputs, loss)
    checked_sparse(begins, columns, counts, len(state.rows))
    n = len(begins) - 1
    if len(targets) != n or len(weights) != n:
        raise ValueError("targets and weights are not of the same texts as the features")
    if len(order) and not 0 <= order.min() <= order.max() < n:
        raise IndexError("the order names a text that is not there")
    if labels is not None and labels.shape != (n, n_outputs):
        raise ValueError("labels are not of the same texts and outputs")
    if labels is None and n and not 0 <= targets.min() <= targets.max() < max(n_outputs, 2):
        raise IndexError("a target is no output")
    total = 0.0
    outputs = slice(1, 1 + n_outputs)
    for i in order.tolist():
        state.step += 1
        own, often = (
            columns[begins[i] : begins[i + 1]].tolist(),
            counts[begins[i] : begins[i + 1]].tolist(),
        )
        sums, scale = _products(own, often, state.rows)
        scores = sums[outputs] * scale + state.bias[outputs]
        gradient, lost = _gradient(
            scores,
            int(targets[i]),
            None if labels is None else labels[i],
            loss,
            float(weights[i]),
            most,
        )
        total += lost
        now = 1.0 if loss == "passive" else rate / (1 + decay * state.step)
        if loss == "log" or lost > 0:
            for column, count in zip(own, often, strict=True):
                row = state.rows[column]
                x = tf(count) * float(row[0]) * scale * now
                _settle(state, column, state.step, n_outputs, rate, l1, l2)
                prior = 1.0 if state.prior is None else state.prior[column, outputs]
                row[outputs] += np.asarray(x * gradient * prior, np.float32)
            if loss != "passive":
                state.bias[outputs] += np.asarray(now * BIAS_RATE * gradient, np.float32)
        if state.step > state.average_from:
            state.bias_sums += state.bias
    return total


def linear_settled(state: State, n_outputs: int, rate: float, l1: float, l2: float) -> None:
    """Bring all rows up to the last step, so that sums and weights are those of now."""
    checked_model(state, n_outputs, LOSSES[0])
    for column in range(len(state.rows)):
        _settle(state, column, state.step, n_outputs, rate, l1, l2)
