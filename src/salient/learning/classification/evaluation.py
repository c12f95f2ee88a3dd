"""How good a classifier is: figures by class, confusion, cross-validation and thresholds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from salient.errors import InvalidInput
from salient.learning.classification.features import HashedTexts
from salient.learning.classification.model import TextClassifier
from salient.learning.classification.running import chosen


@dataclass(frozen=True, slots=True)
class Measures:
    """Of one class."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, slots=True)
class Report:
    """What a classifier got right and wrong."""

    classes: tuple[Any, ...]
    accuracy: float
    macro_f1: float
    micro_f1: float
    by_class: tuple[Measures, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows are the true classes, columns what was said; empty where texts have several labels."""
    log_loss: float | None = None
    calibration_error: float | None = None
    """Mean distance between how sure the classifier was and how often it was right, over ten bins of equal size."""
    bins: tuple[tuple[float, float, int], ...] = ()
    """Of each: how sure it was in the mean, how often it was right, and of how many texts."""
    n_texts: int = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def measured(true: Sequence[Any], said: Sequence[Any], shares: NDArray[Any] | None = None, classes: Sequence[Any] = ()) -> Report:  # fmt: skip
    """Compare what is true with what was said.

    Args:
        true, said: a class a text, or a collection of classes a text.
        shares: (n, n_classes) probabilities, for how well calibrated they are.
        classes: the order of the classes; sorted, if empty.

    Raises:
        InvalidInput: they are not of the same texts.
    """
    if len(true) != len(said) or not len(true):
        raise InvalidInput(f"{len(true)} true classes and {len(said)} said ones")
    many = not isinstance(true[0], str | bytes) and hasattr(true[0], "__iter__")
    true_sets = [set(t) if many else {t} for t in true]
    said_sets = [set(s) if many else {s} for s in said]
    names = list(classes) or sorted(set().union(*true_sets, *said_sets))
    place = {name: at for at, name in enumerate(names)}
    yes, own = np.zeros((2, len(true), len(names)), bool)
    for matrix, sets in ((yes, true_sets), (own, said_sets)):
        for row, labels in enumerate(sets):
            for label in labels:
                if label not in place:
                    raise InvalidInput(f"class {label!r} is not among the classifier's")
                matrix[row, place[label]] = True
    hits, told, wanted = (yes & own).sum(0), own.sum(0), yes.sum(0)
    by_class = tuple(
        _of(int(h), int(t), int(w)) for h, t, w in zip(hits, told, wanted, strict=True)
    )
    there = [m for m in by_class if m.support]
    confusion: tuple[tuple[int, ...], ...] = ()
    if not many:
        counts = np.zeros((len(names), len(names)), int)
        np.add.at(counts, (yes.argmax(1), own.argmax(1)), 1)
        confusion = tuple(tuple(row) for row in counts.tolist())
    sure: dict[str, Any] = {}
    if shares is not None and not many:
        sure = _sure(np.asarray(shares, np.float64), yes.argmax(1))
    return Report(
        tuple(names), float((yes == own).all(1).mean()), float(np.mean([m.f1 for m in there])),
        _of(int(hits.sum()), int(told.sum()), int(wanted.sum())).f1, by_class, confusion, n_texts=len(true), **sure,
    )  # fmt: skip


def _of(hits: int, said: int, wanted: int) -> Measures:
    precision, recall = hits / said if said else 0.0, hits / wanted if wanted else 0.0
    both = precision + recall
    return Measures(precision, recall, 2 * precision * recall / both if both else 0.0, wanted)


def _sure(shares: NDArray[Any], right: NDArray[np.int64]) -> dict[str, Any]:
    own = np.maximum(shares[np.arange(len(right)), right], 1e-12)
    top, hit = shares.max(1), shares.argmax(1) == right
    parts = np.array_split(np.argsort(top), min(10, len(top)))
    bins = tuple((float(top[p].mean()), float(hit[p].mean()), len(p)) for p in parts if len(p))
    error = sum(abs(a - b) * n for a, b, n in bins) / len(top)
    return {"log_loss": float(-np.log(own).mean()), "calibration_error": float(error), "bins": bins}


def cross_validate(
    estimator: TextClassifier, X: Any, y: Sequence[Any], *, folds: int = 5, seed: int = 0
) -> Iterator[Report]:
    """Fit on all folds but one and measure on that one, for each; texts are hashed once.

    Classes are spread evenly over the folds.

    Raises:
        InvalidInput: there are fewer texts than folds, or fewer than two folds.
    """
    features = HashedTexts.of(X, estimator.spec, threads=estimator.threads)
    given = list(y)
    for inside, outside in _parted(features, given, folds, seed):
        yield _measured_on(estimator, features, given, inside, outside)


def together(reports: Sequence[Report]) -> Report:
    """Figures of several parts of the texts as of all: counts added up, other figures averaged by texts.

    Of several labels a text, those of each class are averaged as well.
    """
    names = sorted({name for report in reports for name in report.classes})
    n = sum(report.n_texts for report in reports)

    def mean(figure: str) -> float | None:
        given = [(getattr(r, figure), r.n_texts) for r in reports]
        if any(value is None for value, _ in given):
            return None
        return float(sum(value * m for value, m in given) / n)

    if reports[0].confusion:
        counts = np.zeros((len(names), len(names)), int)
        for report in reports:
            places = np.array([names.index(name) for name in report.classes])
            counts[np.ix_(places, places)] += np.array(report.confusion)
        by_class = tuple(
            _of(int(counts[c, c]), int(counts[:, c].sum()), int(counts[c].sum()))
            for c in range(len(names))
        )
        there = [m.f1 for m in by_class if m.support]
        right = float(np.trace(counts) / counts.sum())
        return Report(
            tuple(names), right, float(np.mean(there)), right, by_class,
            tuple(tuple(row) for row in counts.tolist()), mean("log_loss"), mean("calibration_error"),
            tuple(b for report in reports for b in report.bins), n,
        )  # fmt: skip
    by_name: dict[Any, list[Measures]] = {name: [] for name in names}
    for report in reports:
        for name, one in zip(report.classes, report.by_class, strict=True):
            by_name[name].append(one)
    whole = tuple(
        Measures(
            float(np.mean([m.precision for m in own])),
            float(np.mean([m.recall for m in own])),
            float(np.mean([m.f1 for m in own])),
            sum(m.support for m in own),
        )
        for own in by_name.values()
    )
    return Report(
        tuple(names), mean("accuracy") or 0.0, mean("macro_f1") or 0.0, mean("micro_f1") or 0.0, whole, (), n_texts=n
    )  # fmt: skip


def held_out(
    estimator: TextClassifier, X: Any, y: Sequence[Any], *, share: float = 0.2, seed: int = 0
) -> Report:
    """Fit on some of the texts and measure on the others, of which each class has its share.

    Raises:
        InvalidInput: the share is not above 0 and up to a half, or there are too few texts.
    """
    if not 0 < share <= 0.5:
        raise InvalidInput(f"the share held out is {share}: above 0, up to 0.5")
    features = HashedTexts.of(X, estimator.spec, threads=estimator.threads)
    given = list(y)
    inside, outside = next(_parted(features, given, round(1 / share), seed))
    return _measured_on(estimator, features, given, inside, outside)


def _parted(
    features: HashedTexts, y: Sequence[Any], folds: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Of each fold the texts outside of it, and those in it."""
    if folds < 2 or len(features) < folds:
        raise InvalidInput(f"{len(features)} texts cannot be parted into {folds} folds")
    parts = _folds(y, folds, seed)
    for fold in range(folds):
        yield np.flatnonzero(parts != fold), np.flatnonzero(parts == fold)


def _measured_on(
    estimator: TextClassifier,
    features: HashedTexts,
    y: Sequence[Any],
    inside: NDArray[np.int64],
    outside: NDArray[np.int64],
) -> Report:
    own = TextClassifier(**estimator.get_params())
    own.fit(chosen(features, inside), [y[i] for i in inside])
    held = chosen(features, outside)
    shares = None if own.multi_label else own.predict_proba(held)
    classes = sorted({*own.classes_.tolist(), *_labels(y[i] for i in outside)})
    if shares is not None and classes != own.classes_.tolist():
        shares = None  # a class that training never saw has no probability
    return measured([y[i] for i in outside], own.predict(held), shares, classes)


def _labels(given: Any) -> set[Any]:
    found: set[Any] = set()
    for label in given:
        if isinstance(label, str | bytes) or not hasattr(label, "__iter__"):
            found.add(label)
        else:
            found |= set(label)
    return found


def _folds(y: Sequence[Any], folds: int, seed: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(y))
    keys = [str(y[i]) for i in order.tolist()]
    ranked = sorted(range(len(keys)), key=lambda at: keys[at])
    parts = np.empty(len(y), np.int64)
    for at, place in enumerate(ranked):
        parts[order[place]] = at % folds
    return parts


def thresholds(
    scores: NDArray[Any], true: NDArray[Any], *, beta: float = 1.0
) -> NDArray[np.float64]:
    """(n_classes,): over which score each class is best given, by its F-score on these texts.

    Args:
        scores: (n, n_classes), of scores or of probabilities.
        true: (n, n_classes), whether each text has the class.
        beta: how much more recall counts than precision.

    A class that no text has gets infinity.
    """
    if scores.shape != true.shape:
        raise InvalidInput(f"scores of shape {scores.shape} and classes of shape {true.shape}")
    found = np.full(scores.shape[1], np.inf)
    for c in range(scores.shape[1]):
        order = np.argsort(-scores[:, c], kind="stable")
        ranked, right = scores[order, c], true[order, c].astype(bool)
        if not right.any():
            continue
        hits = np.cumsum(right)
        f = (1 + beta**2) * hits / (np.arange(1, len(right) + 1) + beta**2 * right.sum())
        f[:-1][ranked[:-1] == ranked[1:]] = -1  # equal scores cannot be parted
        at = int(f.argmax())
        below = ranked[at + 1] if at + 1 < len(ranked) else ranked[at] - 1
        found[c] = (ranked[at] + below) / 2
    return found


@dataclass(frozen=True, slots=True)
class Tuned:
    """What thresholds were chosen, and what they give on texts that were not learnt from."""

    classes: tuple[Any, ...]
    thresholds: tuple[float, ...]
    """Of a classifier that gives several labels: a probability a class. Otherwise one, how sure it must be."""
    by_class: tuple[Measures, ...]
    """With those thresholds."""
    answered: float
    """The share of the texts that get a class at all."""
    accuracy: float
    """Of those that do; of several labels, the share of texts whose labels are all right."""


def out_of_fold(
    estimator: TextClassifier, X: Any, y: Sequence[Any], *, folds: int = 5, seed: int = 0
) -> NDArray[np.float32]:
    """(n, n_classes) probabilities of each text, from a model that learnt from the other folds.

    Scores become probabilities as those of the fitted estimator do, so that bounds found here are bounds for it.

    Raises:
        InvalidInput: a class comes so seldom that it is in one fold only, or the texts have other classes.
    """
    features = HashedTexts.of(X, estimator.spec)
    given = list(y)
    scores = np.zeros((len(given), estimator._n_outputs), np.float32)
    for inside, outside in _parted(features, given, folds, seed):
        own = TextClassifier(**estimator.get_params()).set_params(calibrate=False)
        own.fit(chosen(features, inside), [given[i] for i in inside])
        if own.classes_.tolist() != estimator.classes_.tolist():
            raise InvalidInput(
                "each class must come in several folds, and no other than the classifier knows: "
                "take out what comes once, or give texts that it has not seen"
            )
        scores[outside] = own._scores(chosen(features, outside))
    return estimator._calibration.shares(scores)


def tune(
    estimator: TextClassifier,
    X: Any,
    y: Sequence[Any],
    *,
    folds: int = 5,
    precision: float | None = None,
    beta: float = 1.0,
) -> Tuned:
    """Choose over which probabilities a fitted classifier gives its classes, and set them in it.

    Of several labels a text, each class gets the threshold of its best F-score, or the least one with the precision asked
    for. Of one class a text, the least sureness is chosen at which the answers that remain are right as often as
    asked for.

    Args:
        X, y: what it learnt from; then it is judged by models of its parameters that learnt from the other folds. With
            `folds=0` texts that it has not seen, by which it is judged itself.
        precision: above 0, up to 1; needed where texts have one class.
        beta: how much more recall counts than precision in the F-score.

    Raises:
        InvalidInput: no threshold is precise enough; the message says how precise it can be.
    """
    if precision is not None and not 0 < precision <= 1:
        raise InvalidInput(f"precision is {precision}: above 0, up to 1")
    if precision is None and not estimator.multi_label:
        raise InvalidInput("say how precise answers must be: texts have one class each")
    own = estimator.classes_.tolist()
    features = HashedTexts.of(X, estimator.spec)
    shares: NDArray[Any] = (
        out_of_fold(estimator, features, y, folds=folds)
        if folds
        else estimator.predict_proba(features)
    )
    if estimator.multi_label:
        return _tuned_each(estimator, shares, y, precision, beta)
    right = np.array(
        [own[c] == str(t) or own[c] == t for c, t in zip(shares.argmax(1), y, strict=True)]
    )
    top = shares.max(1)
    least = _least(top, right, float(precision or 0))
    # A bound a little below, since probabilities are kept with less exactness than they are compared here.
    estimator.reject_ = max(0.0, least - 1e-6) if least > top.min() else 0.0
    given = top >= estimator.reject_
    said = [own[c] if g else None for c, g in zip(shares.argmax(1).tolist(), given, strict=True)]
    by_class = tuple(
        _of(
            sum(s == name == t for s, t in zip(said, y, strict=True)),
            sum(s == name for s in said),
            sum(t == name for t in y),
        )
        for name in own
    )
    return Tuned(
        tuple(own), (estimator.reject_,), by_class, float(given.mean()), float(right[given].mean())
    )


def _tuned_each(
    estimator: TextClassifier,
    shares: NDArray[Any],
    y: Sequence[Any],
    precision: float | None,
    beta: float,
) -> Tuned:
    own = estimator.classes_.tolist()
    true = np.array([[name in set(labels) for name in own] for labels in y])
    if precision is None:
        found = thresholds(shares, true, beta=beta)
        # A class that no text has keeps a bound that can be passed.
        found = np.where(np.isfinite(found), found, 0.5)
    else:
        found = np.array(
            [
                _least(shares[:, c], true[:, c], precision) if true[:, c].any() else 0.5
                for c in range(len(own))
            ]
        )
    estimator.thresholds_ = found.astype(np.float32)
    said = shares >= found
    hits, told, wanted = (said & true).sum(0), said.sum(0), true.sum(0)
    by_class = tuple(_of(*map(int, row)) for row in zip(hits, told, wanted, strict=True))
    return Tuned(
        tuple(own), tuple(found.tolist()), by_class, float(said.any(1).mean()), float((said == true).all(1).mean())
    )  # fmt: skip


def _least(shares: NDArray[Any], right: NDArray[Any], precision: float) -> float:
    """The lowest share from which upwards enough are right."""
    order = np.argsort(-shares, kind="stable")
    ranked, hits = shares[order], np.cumsum(right[order])
    precise = hits / np.arange(1, len(order) + 1)
    whole = np.append(ranked[1:] != ranked[:-1], True)  # equal shares cannot be parted
    enough = np.flatnonzero((precise >= precision) & whole)
    if not len(enough):
        best = float(precise[whole].max())
        raise InvalidInput(
            f"no threshold makes answers right {precision:.3f} of the time: {best:.3f} at best",
            precision=precision,
        )
    return float(ranked[enough[-1]])
