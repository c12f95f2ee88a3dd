"""A linear classifier of texts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from salient.errors import Conflict, Corrupt, InvalidInput, Misconfigured
from salient.kernels import linear_scores, sparse_scores
from salient.kernels.linear import LOSSES, Index, State, checked_index, stride_of
from salient.kernels.terms import Spec
from salient.learning import mapped
from salient.learning.batching import batches, parallel
from salient.learning.checkpoints import Checkpoints, digest_of
from salient.learning.classification import calibration, reasons
from salient.learning.classification.calibration import Calibration
from salient.learning.classification.features import HashedTexts, checked
from salient.learning.classification.reasons import Reason
from salient.learning.classification.running import (
    Data,
    How,
    Plan,
    Run,
    Watch,
    arrays_of,
    chosen,
    idf_of,
    n_outputs_of,
    renumbered,
    restored,
    scores_of,
    state_of,
)
from salient.learning.classification.streaming import Passing
from salient.learning.parameters import Parameterised

Floats = NDArray[np.float32]

_FORMAT = 3
_DESCRIPTION, _WEIGHTS = "model.json", ".weights.safetensors"
_CHOOSING = 10  # a text in so many is kept to calibrate and to stop by
_ENOUGH = 20_000  # texts are enough for that, however many there are
_FEWEST = 20  # and with fewer nothing is learnt from them


class TextClassifier(Parameterised):
    """Sorts texts into classes by their words, runs of words and parts of words.

    Features are hashed with a sign into 2 ** n_bits columns, counts are damped by their logarithm, rare columns
    count more (idf), each text has length 1; one weight a column and class is learnt by averaged stochastic gradient
    descent. What is saved is mapped again by all processes.

    Args:
        loss: "hinge" (each class against the others), "log" (all classes together; of several labels a text, each by
            itself) or "passive" (passive-aggressive, which has no rate).
        n_bits: of the number of columns; a weight takes 4 bytes a class and column.
        words: the longest run of words that is a feature, 0 to 3.
        characters: shortest and longest n-grams within words, or None. For short or misspelt texts.
        epochs: passes over the texts; the last is the one that `early_stopping` allows.
        rate: how far a step goes.
        l1, l2: what shrinks weights; with l1 most become zero.
        naive_bayes: let weights learn faster where classes differ in the share of texts with the column (NB-SVM).
        class_weight: by class, or "balanced" for the inverse of how often it comes.
        multi_label: a text has any number of classes: y is a sequence of collections of labels.
        calibrate: learn on texts held out how scores become probabilities. Trains twice.
        early_stopping: end when texts held out gain no more.
        warm_start: go on from the weights of the last fit.
        threads: for hashing and scoring.
        random_state: of the order of the texts.

    Attributes:
        classes_: (n_classes,) sorted.
        n_texts_: that it learnt from.
        thresholds_: (n_classes,) probabilities from which a label is given, of a classifier that gives several; None for
            what the calibration says. `tune` sets them.
        reject_: of one that gives one class, how sure it must be for `predicted` to give any. `predict`, as
            scikit-learn has it, always gives one.

    Source: averaged SGD, Polyak and Juditsky 1992; hashing, Weinberger et al. 2009, arXiv:0902.2206; NB-SVM, Wang and
    Manning 2012.
    """

    classes_: NDArray[Any]
    n_texts_: int
    thresholds_: Floats | None = None
    reject_: float = 0.0

    def __init__(
        self,
        *,
        loss: str = "hinge",
        n_bits: int = 20,
        words: int = 2,
        characters: tuple[int, int] | None = None,
        epochs: int = 5,
        rate: float = 0.5,
        l1: float = 0.0,
        l2: float = 0.0,
        naive_bayes: bool = False,
        class_weight: Mapping[Any, float] | str | None = None,
        multi_label: bool = False,
        calibrate: bool = True,
        early_stopping: bool = False,
        warm_start: bool = False,
        threads: int = 1,
        random_state: int = 0,
    ) -> None:
        self.loss, self.n_bits, self.words, self.characters = loss, n_bits, words, characters
        self.epochs, self.rate, self.l1, self.l2 = epochs, rate, l1, l2
        self.naive_bayes, self.class_weight, self.multi_label = (
            naive_bayes,
            class_weight,
            multi_label,
        )
        self.calibrate, self.early_stopping, self.warm_start = calibrate, early_stopping, warm_start
        self.threads, self.random_state = threads, random_state
        self._behind: Run | None = None

    # --- scikit-learn's interface ---------------------------------------------------------------

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_rows") or self._behind is not None

    def __sklearn_tags__(self) -> Any:
        # Asked for by scikit-learn only, which then is there.
        from sklearn.utils import ClassifierTags, InputTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True, multi_output=False),
            classifier_tags=ClassifierTags(multi_label=bool(self.multi_label)),
            input_tags=InputTags(two_d_array=False, string=True),
        )

    @property
    def spec(self) -> Spec:
        """Which features a text has.

        Raises:
            InvalidInput: such ones there are not.
        """
        return checked(Spec(self.n_bits, self.words, *(self.characters or (0, 0))))

    # --- training -------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Sequence[Any],
        sample_weight: Any = None,
        *,
        checkpoints: Checkpoints | None = None,
        report: Callable[[int, int], None] | None = None,
    ) -> Self:
        """Learn from texts and their classes.

        Args:
            X: texts, or `HashedTexts` that were made of them before.
            y: a class each; of several labels a text, a collection of classes each.
            sample_weight: (n,): how much each text counts.
            checkpoints: where the training stands is kept there; a training that was broken off goes on from it and
                gives the very weights that it would have given. When it is over it is cleared.
            report: called with the texts passed over so far and those that will be at most, every 16,384.

        Raises:
            InvalidInput: parameters that cannot be, texts and classes of different number, one class only, weights
                that are no numbers.
            Conflict: what is kept is of another training.

        Cost: linear in the texts' words and in epochs; features take 8 bytes each meanwhile.
        """
        self._check()
        features = HashedTexts.of(X, self.spec, threads=self.threads)
        n = len(features)
        classes, targets, labels = self._read(y, n)
        weights = self._weights(n, targets, labels, sample_weight, classes)
        n_outputs = n_outputs_of(classes, many=self.multi_label)
        counts = features.document_counts()
        # Columns that no text has are left out: of a small set that is most of them.
        used = np.flatnonzero(counts)
        features = renumbered(features, used)
        data = Data(features, targets, labels, weights, n_outputs, len(used))
        idf = idf_of(counts[used], n, used, self.spec)
        held = self._held_out(n, np.random.default_rng(self.random_state))
        kept, kept_too = self._kept(classes, used), self._kept(classes, used)
        training = ""
        if checkpoints is not None:
            given = (features.begins, features.columns, features.counts, targets, weights)
            before = () if kept is None else (kept.rows, kept.bias)
            told = {k: str(v) for k, v in self.get_params().items() if k != "threads"}
            extra = () if labels is None else (labels,)
            training = digest_of(told, classes.tolist(), *given, *extra, *before)
        self.classes_, self.n_texts_ = classes, n
        self._calibration = calibration.none(len(classes), many=self.multi_label)
        self.thresholds_, self.reject_ = None, 0.0
        learnt = np.setdiff1d(np.arange(n), held)
        told_of = _Told(report, self.epochs * (n + len(learnt) * bool(len(held))))
        epochs = int(self.epochs)
        began = None if checkpoints is None else checkpoints.loaded(training)
        if began is not None and began[1]["phase"] == "final":
            epochs = began[1]["epochs"]
            slope, offset = (np.array(v, np.float32) for v in began[1]["calibration"])
            self._calibration = Calibration(self._calibration.kind, slope, offset)
            told_of(int(self.epochs) * len(learnt) * bool(len(held)))
        elif len(held):
            run = Run(self._how(), data, idf, kept_too)
            plan = Plan(
                learnt, epochs, [self.random_state, 1], held if self.early_stopping else None
            )
            epochs = run.go(plan, Watch("held", training, checkpoints, told_of))
            rows, bias = run.averaged()
            if self.calibrate:
                scores = scores_of(features, held, rows, bias, n_outputs)
                self._calibration = calibration.learn(
                    scores, targets[held], None if labels is None else labels[held]
                )
        run = Run(self._how(), data, idf, kept)
        own = self._calibration
        more = {"epochs": epochs, "calibration": [own.slope.tolist(), own.offset.tolist()]}
        run.go(
            Plan(np.arange(n), epochs, self.random_state),
            Watch("final", training, checkpoints, told_of, more),
        )
        rows, bias = run.averaged()
        self._used = self.spec
        self._keep(rows, used, bias)
        self._n_outputs, self._behind = n_outputs, None
        self.__dict__.pop("_going", None)  # what was learnt in one pass before is given up
        if checkpoints is not None:
            checkpoints.clear()
        return self

    def partial_fit(
        self,
        X: Any,
        y: Sequence[Any],
        classes: Sequence[Any] | None = None,
        sample_weight: Any = None,
    ) -> Self:
        """Learn from some more texts, in one pass.

        What a column weighs (idf) follows the texts met so far. Probabilities are calibrated by texts that were scored
        before they were learnt from, once there are 50; that takes batches of which some texts are met late.

        Args:
            classes: all that will ever come, at the first call.

        Raises:
            InvalidInput: as `fit`; or a class that was not announced.
            Conflict: `fit` or `load` came before, whose counts of texts are not kept.
        """
        self._check()
        features = HashedTexts.of(X, self.spec, threads=self.threads)
        n = len(features)
        going = getattr(self, "_going", None)
        if going is None:
            if hasattr(self, "_rows"):
                raise Conflict(
                    "what fit or load gave cannot go on by partial_fit: begin with partial_fit, or fit with warm_start"
                )
            announced = _classes(
                y if classes is None else classes, flat=classes is not None, many=self.multi_label
            )
            if len(announced) < 2 and not self.multi_label:
                raise InvalidInput(
                    "partial_fit needs all classes at its first call: give classes=[...]"
                )
            self.classes_, self.n_texts_ = announced, 0
            self.thresholds_, self.reject_ = None, 0.0
            self._calibration = calibration.none(len(announced), many=self.multi_label)
            going = self._going = state_of(
                1 << self.n_bits, n_outputs_of(announced, many=self.multi_label)
            )
            self._met = np.zeros(1 << self.n_bits, np.int64)
            self._ahead = calibration.Ahead()
        elif classes is not None and list(classes) != self.classes_.tolist():
            raise InvalidInput("classes are not those of the first call")
        _, targets, labels = self._read(y, n, self.classes_)
        weights = self._weights(n, targets, labels, sample_weight, self.classes_)
        counts = features.document_counts()
        here = np.flatnonzero(counts)
        self._met[here] += counts[here]
        before = self.n_texts_
        self.n_texts_ += n
        data = Data(
            features,
            targets,
            labels,
            weights,
            n_outputs_of(self.classes_, many=self.multi_label),
            len(self._met),
        )
        # Of the batch's columns alone: there are a million, and what others weigh is asked for when it is over.
        idf = idf_of(self._met[here], self.n_texts_, here, self.spec)
        run = Run(self._how(), data, idf, going, here)
        truth = targets if labels is None else labels
        for low in range(0, n, calibration.SCORED):
            part = np.arange(low, min(low + calibration.SCORED, n))
            if self.calibrate and self._ahead.due(before + low):
                some = part[: calibration.scored(run.n_outputs)]
                self._ahead.add(before + low, run.ahead(chosen(features, some)), truth[some])
            run.once(part)
        self._behind, self._used, self._n_outputs = run, self.spec, run.n_outputs
        return self

    def fit_stream(
        self,
        stream: Iterable[tuple[Any, Sequence[Any]]],
        classes: Sequence[Any],
        *,
        report: Any = None,
        checkpoints: Checkpoints | None = None,
    ) -> Self:
        """Learn from batches of texts and classes, in one pass and with memory that does not grow.

        What was learnt stays if the stream fails midway: the error is raised, the model is usable, and `partial_fit` goes
        on.

        Args:
            report: called with the number of texts so far, after each batch.
            checkpoints: the weights are kept there from time to time, and when the stream fails. Given the same stream
                again, batches that were learnt from are passed over and the rest gives the very weights of a pass that
                nothing broke off. When it is over it is cleared.

        Raises:
            Conflict: what is kept is of other texts or another training.
        """
        passing = Passing(checkpoints, self._training_of(classes))
        passing.begun(self, classes)
        for texts, y in passing.watched(stream, self):
            self.partial_fit(texts, y, classes=classes if not hasattr(self, "_going") else None)
            if report is not None:
                report(self.n_texts_)
        if not self.__sklearn_is_fitted__():
            raise InvalidInput("the stream held no texts")
        if checkpoints is not None:
            checkpoints.clear()
        return self

    def _gone_so_far(self) -> tuple[dict[str, NDArray[Any]], int]:
        """All that the rest of a pass needs, and the number of texts."""
        return {**arrays_of(self._going), "met": self._met, **self._ahead.arrays()}, self.n_texts_

    def _go_on(
        self, classes: Sequence[Any], kept: Mapping[str, NDArray[Any]], n_texts: int
    ) -> None:
        """Stand where a pass stood."""
        self.classes_, self.n_texts_ = _classes(classes, flat=True, many=self.multi_label), n_texts
        n = n_outputs_of(self.classes_, many=self.multi_label)
        self._going = state_of(1 << self.n_bits, n)
        restored(self._going, kept)
        self._met, self._ahead = kept["met"].copy(), calibration.Ahead.of(kept)
        self._calibration = calibration.none(len(self.classes_), many=self.multi_label)
        self.thresholds_, self.reject_ = None, 0.0
        nothing = HashedTexts.of([], self.spec)
        none = np.zeros(0, np.float32)
        data = Data(nothing, none.astype(np.int32), None, none, n, len(self._met))
        idf = idf_of(self._met, n_texts, np.arange(len(self._met)), self.spec)
        self._behind = Run(replace(self._how(), naive_bayes=False), data, idf, self._going)
        self._used, self._n_outputs = self.spec, n

    def _training_of(self, classes: Sequence[Any]) -> str:
        told = {k: str(v) for k, v in self.get_params().items() if k != "threads"}
        return digest_of("stream", _FORMAT, told, [str(c) for c in classes])

    def _how(self) -> How:
        return How(
            self.loss, float(self.rate), float(self.l1), float(self.l2), bool(self.naive_bayes)
        )

    def _check(self) -> None:
        if self.loss not in LOSSES:
            raise InvalidInput(f"loss is {self.loss!r}: {', '.join(LOSSES)} can be")
        if not (isinstance(self.epochs, int | np.integer) and self.epochs >= 1):
            raise InvalidInput(f"epochs is {self.epochs!r}: a whole number from 1")
        for name, low in (("rate", 1e-9), ("l1", 0.0), ("l2", 0.0)):
            value = getattr(self, name)
            if not np.isfinite(value) or value < low:
                raise InvalidInput(f"{name} is {value!r}: a number from {low:g}")
        if isinstance(self.class_weight, str) and self.class_weight != "balanced":
            raise InvalidInput(
                f"class_weight is {self.class_weight!r}: 'balanced', or a number by class"
            )

    def _read(
        self, y: Sequence[Any], n: int, classes: NDArray[Any] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[np.uint8] | None]:
        if not hasattr(y, "__len__"):
            y = list(y)
        if len(y) != n:
            raise InvalidInput(f"{n} texts and {len(y)} classes")
        if not n:
            raise InvalidInput("no texts were given")
        known = _classes(y, flat=False, many=self.multi_label) if classes is None else classes
        if len(known) < 2 and not (self.multi_label and len(known)):
            raise InvalidInput(
                f"all texts are of one class, {known.tolist()}: there is nothing to tell apart"
            )
        if self.multi_label:
            place = {label: at for at, label in enumerate(known.tolist())}
            labels = np.zeros((n, len(known)), np.uint8)
            for row, given in enumerate(y):
                for label in given:
                    if label not in place:
                        raise InvalidInput(f"class {label!r} was not announced")
                    labels[row, place[label]] = 1
            return known, np.zeros(n, np.int32), labels
        given = _plain(y)
        at = np.searchsorted(known, given)
        wrong = (at == len(known)) | (known[np.minimum(at, len(known) - 1)] != given)
        if wrong.any():
            raise InvalidInput(f"class {given[wrong][0]!r} was not announced")
        return known, at.astype(np.int32), None

    def _weights(
        self, n: int, targets: NDArray[np.int32], labels: Any, given: Any, classes: NDArray[Any]
    ) -> Floats:
        weights = np.ones(n, np.float32) if given is None else np.asarray(given, np.float32)
        if weights.shape != (n,):
            raise InvalidInput(f"{n} texts and weights of shape {weights.shape}")
        if not np.isfinite(weights).all() or (weights < 0).any():
            raise InvalidInput("sample_weight holds what is no number from 0")
        if self.class_weight is None:
            return weights
        if labels is not None:
            raise InvalidInput("class_weight is for texts of one class each: use sample_weight")
        if self.class_weight == "balanced":
            counts = np.maximum(np.bincount(targets, minlength=len(classes)), 1)
            by_class = n / (len(classes) * counts)
        else:
            own = dict(self.class_weight)  # type: ignore[arg-type] # a mapping, as _check saw
            if unknown := set(own) - set(classes.tolist()):
                raise InvalidInput(
                    f"class_weight names classes that do not occur: {sorted(map(str, unknown))}"
                )
            by_class = np.array([own.get(c, 1.0) for c in classes.tolist()])
            if not np.isfinite(by_class).all() or (by_class < 0).any():
                raise InvalidInput("class_weight holds what is no number from 0")
        return np.asarray(weights * by_class[targets], np.float32)

    def _kept(self, classes: NDArray[Any], used: NDArray[np.int64]) -> State | None:
        """The weights to go on from, of the columns used."""
        if not self.warm_start or not self.__sklearn_is_fitted__():
            return None
        self._fitted()
        if self.classes_.tolist() != classes.tolist():
            raise InvalidInput(
                "warm_start goes on with the classes of the last fit",
                classes=self.classes_.tolist(),
            )
        if self._used != self.spec:
            raise InvalidInput(
                "warm_start goes on with the features of the last fit", spec=tuple(self._used)
            )
        made = state_of(len(used), self._n_outputs)
        made.rows[:], made.bias[:] = self._rows[self._index.places(used)], self._bias
        return made

    def _held_out(self, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
        if not (self.calibrate or self.early_stopping) or n < _FEWEST:
            return np.zeros(0, np.int64)
        return np.sort(rng.permutation(n)[: min(max(n // _CHOOSING, 1), _ENOUGH)])

    # --- use ------------------------------------------------------------------------------------

    def decision_function(self, X: Any) -> Floats:
        """(n, n_classes) scores, or (n,) of two classes for the second one, as scikit-learn has it."""
        scores = self._scores(X)
        return scores[:, 0] if scores.shape[1] == 1 and not self.multi_label else scores

    def predict(self, X: Any) -> Any:
        """(n,) the likeliest class of each text; of several labels a text, a list of tuples of classes."""
        chosen = self._chosen(self._scores(X))
        if self.multi_label:
            names = self.classes_.tolist()
            return [tuple(names[c] for c in np.flatnonzero(row)) for row in chosen]
        return self.classes_[chosen]

    def predicted(self, X: Any) -> tuple[NDArray[Any], Floats]:
        """Classes and probabilities in one go.

        Returns:
            (n,) places in `classes_`, -1 where it is less sure than `reject_`; or of several labels a text
            (n, n_classes) of whether it has each; and what `predict_proba` gives.
        """
        scores = self._scores(X)
        shares, chosen = self._calibration.shares(scores), self._chosen(scores)
        if self.reject_ > 0 and not self.multi_label:
            chosen = np.where(shares.max(axis=1) < self.reject_, -1, chosen)
        return chosen, shares

    def _chosen(self, scores: Floats) -> NDArray[Any]:
        if self.multi_label and self.thresholds_ is not None:
            return np.asarray(self._calibration.shares(scores) >= self.thresholds_)
        if self.multi_label:
            return np.asarray(scores > self._calibration.cut(scores.shape[1]))
        if scores.shape[1] == 1:
            return (scores[:, 0] > 0).astype(np.int64)
        return np.asarray(scores.argmax(axis=1))

    def predict_proba(self, X: Any) -> Floats:
        """(n, n_classes) probabilities; rows add up to 1 unless a text may have several labels."""
        scores = self._scores(X)  # which calibrates, after one pass
        return self._calibration.shares(scores)

    def score(self, X: Any, y: Sequence[Any], sample_weight: Any = None) -> float:
        """The share of texts whose class is right; of several labels, all of them."""
        said = self.predict(X)
        if self.multi_label:
            right = np.array([set(a) == set(b) for a, b in zip(said, y, strict=True)])
        else:
            right = said == _plain(y)
        return float(np.average(right, weights=sample_weight))

    def explain(self, text: str, label: Any = None, n: int = 10) -> list[Reason]:
        """The n-grams of a text that speak most for a class, and most against it, with where they stand.

        Args:
            label: a class; the likeliest, if None.

        Raises:
            InvalidInput: there is no such class.
        """
        self._fitted()
        names = self.classes_.tolist()
        if label is None:
            scores = self._scores([text])[0]
            at = (
                int(scores[0] > 0)
                if len(scores) == 1 and not self.multi_label
                else int(scores.argmax())
            )
        elif label in names:
            at = names.index(label)
        else:
            raise InvalidInput(f"there is no class {label!r}", classes=names)
        two = self._n_outputs == 1 and not self.multi_label
        weights = self._rows[:, 1 if two else 1 + at]
        turned = -1.0 if two and at == 0 else 1.0
        return reasons.of(
            text, self._used, self._index.places, self._rows[:, 0], weights, turned, n
        )

    def _keep(self, rows: Floats, used: NDArray[np.int64], bias: Floats) -> None:
        """Weights of the columns used, in their order; a row of zeros behind them is all others'."""
        self._index = Index.of(used, self._used.bits)
        self._rows = _aligned(len(rows) + 1, rows.shape[1])
        self._rows[:-1] = rows
        self._bias = bias

    def _fitted(self) -> None:
        if (
            self._behind is not None
        ):  # weights of one pass are averaged when they are first asked for
            (rows, bias), self._behind = self._behind.averaged(), None
            used = np.flatnonzero(self._met)
            self._calibration = self._ahead.learnt(self.n_texts_) or self._calibration
            rows = rows[used]
            rows[:, 0] = idf_of(self._met[used], self.n_texts_, used, self._used)
            self._keep(rows, used, bias)
        if not hasattr(self, "_rows"):
            raise Misconfigured("this classifier has not learnt anything yet: call fit")

    def _scores(self, X: Any) -> Floats:
        self._fitted()
        rows, index, spec, n = self._rows, self._index, self._used, self._n_outputs
        if isinstance(X, HashedTexts):
            made = HashedTexts.of(X, spec)
            found = sparse_scores(made.begins, index.places(made.columns), made.counts, rows, n)
        else:
            parts = parallel(
                lambda p: linear_scores(p, *spec, rows, n, index),
                batches(X, threads=self.threads),
                self.threads,
            )
            found = parts[0] if len(parts) == 1 else np.concatenate(parts)
        found += self._bias[1 : 1 + n]
        if not np.isfinite(found).all():
            raise Corrupt("the classifier has weights that are no numbers: train it again")
        return found

    # --- files ----------------------------------------------------------------------------------

    def save(self, directory: Path) -> None:
        """Write what is learnt: a description and arrays, which `load` maps.

        Over an older one, arrays are written beside it and the description is replaced last: whenever this is broken
        off, the older one is there whole.

        Raises:
            Misconfigured: nothing is learnt yet.
            Conflict: the folder holds something else.
        """
        self._fitted()
        directory = Path(directory)
        if (
            directory.exists()
            and not (directory / _DESCRIPTION).is_file()
            and any(directory.iterdir())
        ):
            raise Conflict(
                "the folder holds something else than a classifier", directory=str(directory)
            )
        directory.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, NDArray[Any]] = {
            "rows": np.ascontiguousarray(self._rows),
            "held": self._index.held,
            "before": self._index.before,
            "bias": self._bias,
            **self._calibration.arrays(),
        }
        digest = hashlib.sha256()
        for array in arrays.values():
            digest.update(np.ascontiguousarray(array).data)
        weights = f"{digest.hexdigest()[:16]}{_WEIGHTS}"
        about = {
            "format": _FORMAT, "params": self.get_params(), "spec": list(self._used), "classes": self.classes_.tolist(),
            "n_outputs": self._n_outputs, "n_texts": self.n_texts_, "calibration": self._calibration.kind,
            "weights": weights, "reject": self.reject_,
            "thresholds": None if self.thresholds_ is None else self.thresholds_.tolist(),
        }  # fmt: skip
        try:
            told = json.dumps(about, ensure_ascii=False, indent=1)
        except TypeError as error:
            raise InvalidInput(
                "classes that are neither strings nor numbers cannot be saved"
            ) from error
        for name, write in (
            (weights, partial(save_file, arrays)),
            (_DESCRIPTION, lambda part: part.write_text(told, encoding="utf-8")),
        ):
            part = directory / f"{name}.part"
            write(part)
            part.replace(directory / name)
        for old in directory.glob(f"*{_WEIGHTS}"):
            if old.name != weights:
                old.unlink()

    @classmethod
    def load(cls, directory: Path) -> TextClassifier:
        """Map a classifier that was saved; processes share its weights.

        Raises:
            Misconfigured: there is none.
            Corrupt: it is not whole.
        """
        directory = Path(directory)
        try:
            about = json.loads((directory / _DESCRIPTION).read_text(encoding="utf-8"))
        except OSError as exc:
            raise Misconfigured("no classifier is there", directory=str(directory)) from exc
        except ValueError as exc:
            raise Corrupt(
                "the description of the classifier cannot be read", directory=str(directory)
            ) from exc
        try:
            if about["format"] != _FORMAT:
                raise Misconfigured("the classifier is of another release", format=about["format"])
            params = about["params"]
            if params["characters"] is not None:
                params["characters"] = tuple(params["characters"])
            made = cls(**params)
            made.classes_ = np.array(about["classes"])
            made.n_texts_, made._n_outputs = int(about["n_texts"]), int(about["n_outputs"])
            bits, words, shortest, longest = about["spec"]
            made._used = Spec(bits, words, shortest, longest)
            made._used.check()
            made.reject_ = float(about.get("reject", 0.0))
            if about.get("thresholds") is not None:
                made.thresholds_ = np.array(about["thresholds"], np.float32)
            kind, file = about["calibration"], directory / Path(about["weights"]).name
        except (KeyError, TypeError, ValueError) as exc:
            raise Corrupt(
                "the description of the classifier cannot be read", directory=str(directory)
            ) from exc
        try:
            made._rows, made._bias = mapped.tensor(file, "rows"), mapped.tensor(file, "bias")
            made._index = Index(mapped.tensor(file, "held"), mapped.tensor(file, "before"))
        except OSError as exc:
            raise Corrupt("the classifier has no weights", directory=str(directory)) from exc
        try:
            checked_index(made._index, made._used.bits, made._rows, made._n_outputs)
        except ValueError as exc:
            raise Corrupt(
                "the classifier's weights are not of its classes", directory=str(directory)
            ) from exc
        if made._bias.shape != (stride_of(made._n_outputs),):
            raise Corrupt(
                "the classifier's weights are not of its classes", directory=str(directory)
            )
        made._calibration = calibration.load(kind, file)
        return made


def _aligned(n: int, width: int) -> Floats:
    """Zeros whose rows of 16, 32 or 64 bytes each lie in one line of the cache."""
    whole = np.zeros(n * width + 16, np.float32)
    skipped = -whole.ctypes.data % 64 // 4
    return whole[skipped : skipped + n * width].reshape(n, width)


class _Told:
    """Counts texts that were passed over, for who watches."""

    def __init__(self, report: Callable[[int, int], None] | None, total: int) -> None:
        self._report, self._done, self._total = report, 0, total

    def __call__(self, n: int) -> None:
        self._done += n
        if self._report is not None:
            self._report(self._done, max(self._total, self._done))


def _plain(y: Sequence[Any]) -> NDArray[Any]:
    given = np.asarray(y)
    if given.ndim != 1:
        raise InvalidInput(
            f"classes come one a text, not in {given.ndim} dimensions; or say multi_label=True"
        )
    if given.dtype == object:
        if any(label is None or label != label for label in given.tolist()):
            raise InvalidInput("a class is missing")
        kinds = {type(label).__name__ for label in given.tolist()}
        if len(kinds) > 1:
            raise InvalidInput(f"classes are of several kinds: {sorted(kinds)}")
        given = np.array(given.tolist())
    if given.dtype.kind == "f" and not np.isfinite(given).all():
        raise InvalidInput("a class is missing")
    return given


def _classes(y: Sequence[Any], *, flat: bool, many: bool) -> NDArray[Any]:
    if many and not flat:
        for given in y:
            if isinstance(given, str | bytes) or not isinstance(given, Iterable):
                raise InvalidInput(
                    f"with multi_label each text has a collection of classes, not {given!r}"
                )
        return np.array(sorted({label for given in y for label in given}))
    return np.unique(_plain(y))
