"""Weights in training: passes over texts, and what comes of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.errors import Corrupt
from salient.kernels import linear_pass, linear_settled, sparse_scores
from salient.kernels.linear import State, stride_of
from salient.kernels.terms import Spec
from salient.learning.checkpoints import Checkpoints
from salient.learning.classification.features import HashedTexts

Floats = NDArray[np.float32]

_SLICE = 16_384  # texts between two looks around
PARTS = 0.35  # how much parts of words weigh beside words: the best over three kinds of texts that no bench reports
_PATIENCE = 2  # passes without a gain, after which early stopping stops


@dataclass(frozen=True, slots=True)
class How:
    """What steps are like."""

    loss: str
    rate: float
    l1: float
    l2: float
    naive_bayes: bool


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """What is learnt from, a row a text."""

    features: HashedTexts
    targets: NDArray[np.int32]
    labels: NDArray[np.uint8] | None
    weights: Floats
    n_outputs: int
    n_columns: int


def n_outputs_of(classes: NDArray[Any], *, many: bool) -> int:
    return 1 if len(classes) == 2 and not many else len(classes)


def idf_of(counts: NDArray[np.int64], n: int, columns: NDArray[np.int64], spec: Spec) -> Floats:
    """As scikit-learn smooths it; 0 for a column that no text has, which then weighs nothing.

    Beside words, parts of words weigh PARTS of that: there are so many that they would drown them.
    """
    weights = np.log((1 + n) / (1 + counts)) + 1
    if spec.half:
        weights = np.where(columns >= spec.half, PARTS * weights, weights)
    return np.where(counts > 0, weights, 0).astype(np.float32)


def state_of(n_columns: int, n_outputs: int) -> State:
    stride = stride_of(n_outputs)
    return State(
        np.zeros((n_columns, stride), np.float32), np.zeros((n_columns, stride), np.float32),
        np.zeros(n_columns, np.int64), np.zeros(stride, np.float32), np.zeros(stride, np.float32),
    )  # fmt: skip


def arrays_of(state: State) -> dict[str, NDArray[Any]]:
    """What of a state changes in training; `prior` is made anew."""
    return {
        "rows": state.rows, "sums": state.sums, "last": state.last, "bias": state.bias,
        "bias_sums": state.bias_sums, "steps": np.array([state.step, state.average_from], np.int64),
    }  # fmt: skip


def restored(state: State, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Set a state to what was kept.

    Raises:
        Corrupt: it is of another shape.
    """
    for name in ("rows", "sums", "last", "bias", "bias_sums"):
        own = getattr(state, name)
        if arrays[name].shape != own.shape:
            raise Corrupt("what was kept of the training is of another shape: clear it")
        own[:] = arrays[name]
    state.step, state.average_from = map(int, arrays["steps"])


def scores_of(
    features: HashedTexts, texts: NDArray[np.int64], rows: Floats, bias: Floats, n: int
) -> Floats:
    part = chosen(features, texts)
    return sparse_scores(part.begins, part.columns, part.counts, rows, n) + bias[1 : 1 + n]


def chosen(features: HashedTexts, texts: NDArray[np.int64]) -> HashedTexts:
    """Some of the texts, in the order asked for."""
    sizes = np.diff(features.begins)[texts]
    begins = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    places = np.repeat(features.begins[texts] - begins[:-1], sizes) + np.arange(begins[-1])
    return HashedTexts(features.spec, begins, features.columns[places], features.counts[places])


def renumbered(features: HashedTexts, used: NDArray[np.int64]) -> HashedTexts:
    """With columns as places in `used`, which names all that occur."""
    place = np.zeros(1 << features.spec.bits, np.int32)
    place[used] = np.arange(len(used), dtype=np.int32)
    return HashedTexts(features.spec, features.begins, place[features.columns], features.counts)


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Which texts are passed over, how often, in which order, and which are looked at to end early."""

    training: NDArray[np.int64]
    epochs: int
    seed: Any
    held: NDArray[np.int64] | None = None


class Watch:
    """Told of each slice of a run: counts for a progress bar, and keeps checkpoints where wanted.

    Args:
        phase: the run's name among those of a training.
        training: the digest of the training.
        more: what is kept beside the state.
    """

    def __init__(
        self, phase: str = "", training: str = "", checkpoints: Checkpoints | None = None,
        report: Callable[[int], None] | None = None, more: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self._phase, self._training, self._checkpoints = phase, training, checkpoints
        self._report, self._more = report, more or {}

    def begun(self, state: State) -> dict[str, Any] | None:
        """Where this run stood, with its weights put into the state."""
        if self._checkpoints is None:
            return None
        kept = self._checkpoints.loaded(self._training)
        if kept is None or kept[1]["phase"] != self._phase:
            return None
        arrays, about = kept
        restored(state, arrays)
        return about

    def passed(self, state: State, n: int, where: dict[str, Any]) -> None:
        if self._checkpoints is not None and self._checkpoints.due():
            about = {**self._more, **where, "phase": self._phase}
            self._checkpoints.keep(self._training, arrays_of(state), about)
        self.told(n)

    def told(self, n: int) -> None:
        """So many more texts were passed over, now or before it was broken off."""
        if self._report is not None:
            self._report(n)


class Run:
    """Weights in training.

    Args:
        idf: of all columns, or of `columns`; then only these may come.
    """

    def __init__(
        self, how: How, data: Data, idf: Floats, kept: State | None = None, columns: NDArray[np.int64] | None = None,
    ) -> None:  # fmt: skip
        self._how, self._features, self._labels = how, data.features, data.labels
        self._weights, self._targets, self.n_outputs = data.weights, data.targets, data.n_outputs
        self.state = kept or state_of(data.n_columns, self.n_outputs)
        self.state.rows[slice(None) if columns is None else columns, 0] = idf
        if how.naive_bayes:
            self.state.prior = self._prior()

    def _prior(self) -> Floats:
        """|ln of the ratio of a column's shares in a class and in the others|, as speeds with a mean of 1."""
        features, n = self._features, self.n_outputs
        texts = np.repeat(np.arange(len(features)), np.diff(features.begins))
        prior = np.ones_like(self.state.rows)
        for c in range(n):
            if self._labels is not None:
                right = self._labels[:, c] > 0
            else:
                right = self._targets == (1 if n == 1 else c)
            inside = np.bincount(features.columns, right[texts], len(prior)) + 1
            outside = np.bincount(features.columns, ~right[texts], len(prior)) + 1
            ratio = np.abs(np.log((inside / inside.sum()) / (outside / outside.sum())))
            prior[:, 1 + c] = (ratio / max(ratio[inside + outside > 2].mean(), 1e-9)) ** 2
        return prior

    def once(self, order: NDArray[np.int64]) -> float:
        """A step on each of these texts; the loss, added up."""
        how, features = self._how, self._features
        return linear_pass(
            features.begins, features.columns, features.counts, self._targets, self._labels, self._weights, order,
            self.state, self.n_outputs, how.loss, how.rate, 0.0, how.l1, how.l2, 1.0,
        )  # fmt: skip

    def go(self, plan: Plan, watch: Watch) -> int:
        """Pass over the texts; how many passes were best on those held out, or all.

        Each pass goes in slices, which change nothing in what comes out: between them it can be watched, and kept.
        """
        rng = np.random.default_rng(plan.seed)
        best, best_at, first, at = -1.0, 0, 1, 0
        began = watch.begun(self.state)
        if began is None:
            self.state.average_from = self.state.step + (
                len(plan.training) if plan.epochs > 1 else len(plan.training) // 4
            )
        else:
            first, at, best, best_at = began["epoch"], began["at"], began["best"], began["best_at"]
            rng.bit_generator.state = began["rng"]
            watch.told((first - 1) * len(plan.training) + min(at, len(plan.training)))
        for epoch in range(first, plan.epochs + 1):
            where = {"epoch": epoch, "best": best, "best_at": best_at, "rng": rng.bit_generator.state}  # fmt: skip
            order = rng.permutation(plan.training)
            while at < len(order):
                self.once(order[at : at + _SLICE])
                at += _SLICE
                watch.passed(self.state, min(_SLICE, len(order) - at + _SLICE), where | {"at": at})
            at = 0
            if plan.held is None:
                continue
            right = self._right(plan.held)
            if right > best:
                best, best_at = right, epoch
            elif epoch - best_at >= _PATIENCE:
                break
        return best_at if plan.held is not None else plan.epochs

    def _right(self, held: NDArray[np.int64]) -> float:
        """The share of the texts held out that is right."""
        rows, bias = self.averaged()
        scores = scores_of(self._features, held, rows, bias, self.n_outputs)
        if self._labels is not None:
            return float(((scores > 0) == self._labels[held]).mean())
        said = scores[:, 0] > 0 if self.n_outputs == 1 else scores.argmax(1)
        return float((said == self._targets[held]).mean())

    def averaged(self) -> tuple[Floats, Floats]:
        """Rows and intercepts averaged over the steps so far; the last ones where there are none."""
        return self._averaged(self.state)

    def ahead(self, features: HashedTexts) -> Floats:
        """(n, n_outputs): scores of texts by the averages so far, at the cost of these texts' own columns."""
        columns, places = np.unique(features.columns, return_inverse=True)
        of = self.state
        prior = None if of.prior is None else of.prior[columns]
        state = State(
            of.rows[columns], of.sums[columns], of.last[columns], of.bias, of.bias_sums, of.step, of.average_from, prior,
        )  # fmt: skip
        rows, bias = self._averaged(state)
        at = places.astype(np.int32)
        scores = sparse_scores(features.begins, at, features.counts, rows, self.n_outputs)
        return scores + bias[1 : 1 + self.n_outputs]

    def _averaged(self, state: State) -> tuple[Floats, Floats]:
        how = self._how
        linear_settled(state, self.n_outputs, how.rate, how.l1, how.l2)
        steps = state.step - state.average_from
        if steps <= 0:
            return state.rows.copy(), state.bias.copy()
        rows = (state.sums + state.rows) / np.float32(steps + 1)  # the last ones count as well
        if how.l1 > 0:
            rows[state.rows == 0] = 0  # an average of what was shrunk away is not zero by itself
        rows[:, 0] = state.rows[:, 0]
        rows[:, 1 + self.n_outputs :] = 0
        return rows, state.bias_sums / np.float32(steps)
