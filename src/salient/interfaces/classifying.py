"""`salient classify`: classifiers of texts in files, stores and the workspace, trained, used and measured."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from salient.errors import Conflict, InvalidInput
from salient.interfaces.jobs import here
from salient.interfaces.tables import (
    PACKED,
    TextField,
    batched,
    counting,
    field,
    form_of,
    pairs,
    rows,
    swept,
)
from salient.interfaces.terminal import AGAIN, DataDir, err, opened, out, watched
from salient.learning.classification import (
    Checkpoints,
    HashedTexts,
    Measures,
    Mixed,
    Report,
    TextClassifier,
    Tuned,
    classify_records,
    cross_validate,
    held_out,
    labelled_records,
    measured,
    together,
    tune,
)
from salient.learning.classification.pages import page
from salient.storage import docs
from salient.storage.blob import Blobs
from salient.storage.docs import Records

classify = typer.Typer(
    help="Sort texts into classes that you teach it.", no_args_is_help=True, add_completion=False
)

_RESUME = "stopped; the same command with --resume goes on from here"

Source = Annotated[
    str,
    typer.Argument(
        help="A .csv, .tsv or .jsonl file, also .gz or .xz; a document store such as sqlite:/data/records.db; "
        "or workspace:SCHEME for the workspace's documents and their labels."
    ),
]
LabelField = Annotated[
    str, typer.Option("--label", help="The column or key of the class; a list is several.")
]
Model = Annotated[
    str,
    typer.Option(
        "--model", "-m", help="The folder of the classifier; for the workspace, its published name."
    ),
]
Collection = Annotated[
    str | None, typer.Option("--collection", "-c", help="Of a store: whose records.")
]
Cache = Annotated[
    str | None,
    typer.Option(help="A folder or blob store to keep hashed texts in, for the next time."),
]
By = Annotated[
    str, typer.Option(help="Of the workspace: labels of people, folder, or metadata:KEY.")
]
Precision = Annotated[
    float | None,
    typer.Option(help="How often answers shall be right, such as 0.95; those less sure get none."),
]


# --- what is learnt from ------------------------------------------------------------------------


def _scheme(source: str) -> str | None:
    """The scheme of labels if the workspace is meant."""
    word, _, scheme = source.partition(":")
    return (scheme or "label") if word == "workspace" else None


def _is_store(source: str) -> bool:
    word, colon, _ = source.partition(":")
    return bool(colon) and word in {**docs.SCHEMES, **docs.WRAPPERS}


def _pairs(source: str, collection: str | None, text: str, label: str) -> Iterator[tuple[str, Any]]:
    """Text and class of each row or record; a class that is a list is a tuple."""
    if not _is_store(source):
        yield from pairs(Path(source), text, label)
        return
    if collection is None:
        raise InvalidInput("say whose records of the store: --collection NAME")
    with closing(Records.open(source)) as records:
        yield from labelled_records(records, collection, field=text, label=label)


def _read(
    source: str, collection: str | None, text: str, label: str, spec: Any, cache: str | None = None
) -> tuple[HashedTexts, list[Any]]:
    """Features and classes; the texts themselves are let go."""
    parts, labels = [], []
    place = None if cache is None else _place(cache)
    with counting("reading") as advance:
        for batch in batched(_pairs(source, collection, text, label)):
            texts = [t for t, _ in batch]
            made = HashedTexts.of(texts, spec) if place is None else HashedTexts.cached(texts, spec, place)  # fmt: skip
            parts.append(made)
            labels += [told for _, told in batch]
            advance(len(batch))
    if not parts:
        raise InvalidInput(f"{source} has no rows with a class")
    kinds = {isinstance(told, tuple) for told in labels}
    if len(kinds) > 1:
        labels = [told if isinstance(told, tuple) else (told,) for told in labels]
    return HashedTexts.joined(spec, parts), labels


def _place(cache: str) -> Path | Blobs:
    return Blobs.open(cache) if ":" in cache else Path(cache)


# --- commands -----------------------------------------------------------------------------------


@classify.command()
def train(
    source: Source,
    model: Model,
    text: TextField = "text",
    label: LabelField = "label",
    collection: Collection = None,
    by: By = "labels",
    loss: Annotated[str, typer.Option(help="hinge, log or passive")] = "hinge",
    words: Annotated[int, typer.Option(min=0, max=3, help="Longest run of words.")] = 2,
    characters: Annotated[
        bool, typer.Option(help="Parts of words as well, for short or misspelt texts.")
    ] = False,
    epochs: Annotated[int, typer.Option(min=1)] = 5,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Rare classes count as much as frequent ones.")
    ] = False,
    one_pass: Annotated[
        bool, typer.Option("--one-pass", help="Learn while reading, whatever the size.")
    ] = False,
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="With --one-pass: each class.")
    ] = None,
    precision: Precision = None,
    thresholds: Annotated[
        bool, typer.Option("--thresholds", help="Of several classes a text: a bound for each.")
    ] = False,
    anew: Annotated[
        bool, typer.Option("--anew", help="Forget a training that was broken off.")
    ] = False,
    cache: Cache = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    data_dir: DataDir = None,
) -> None:
    """Learn classes from texts. Broken off, the same command goes on from its last checkpoint.

    A row with a list of classes makes it give several. From the workspace, it learns the labels of documents and
    publishes the classifier.
    """
    scheme = _scheme(source)
    if scheme is not None:
        if one_pass:
            raise InvalidInput("--one-pass is for files and stores")
        _train_workspace(
            data_dir, name=model, scheme=scheme, by=by, loss=loss, words=words, characters=characters,
            epochs=epochs, balanced=balanced, precision=precision, thresholds=thresholds, seed=seed,
        )  # fmt: skip
        return
    estimator = TextClassifier(
        loss=loss, words=words, characters=(3, 5) if characters else None, epochs=epochs,
        class_weight="balanced" if balanced else None, random_state=seed,
    )  # fmt: skip
    checkpoints = Checkpoints(_beside(model))
    if anew:
        checkpoints.clear()
    tuned = None
    try:
        if one_pass:
            _in_one_pass(estimator, _pairs(source, collection, text, label), classes, checkpoints)
        else:
            features, labels = _read(source, collection, text, label, estimator.spec, cache)
            estimator.set_params(multi_label=isinstance(labels[0], tuple))
            _tell_of_rare(labels)
            with counting("learning", stopped=AGAIN) as advance:
                estimator.fit(features, labels, checkpoints=checkpoints, report=_so_far(advance))
            if precision is not None or thresholds:
                tuned = tune(estimator, features, labels, precision=precision)
        estimator.save(Path(model))
    finally:
        swept(_beside(model))
    names = ", ".join(map(str, estimator.classes_[:12])) + (
        " …" if len(estimator.classes_) > 12 else ""
    )
    out.print(
        f"learnt {len(estimator.classes_)} classes from {estimator.n_texts_:,} texts: {escape(names)}"
    )
    if tuned is not None:
        _print_tuned(tuned)
    out.print(f"{escape(model)}", soft_wrap=True)


def _tell_of_rare(labels: Sequence[Any]) -> None:
    """Of a class that comes once nothing can be learnt that is true of others."""
    counts = Counter(
        one for told in labels for one in (told if isinstance(told, tuple) else (told,))
    )
    rare = sorted(str(label) for label, n in counts.items() if n == 1)
    if rare:
        names = ", ".join(rare[:12]) + (" …" if len(rare) > 12 else "")
        err.print(
            f"warning: too little to learn from, one text each: {escape(names)}", soft_wrap=True,
        )  # fmt: skip


def _beside(model: str) -> Path:
    """Where a training's checkpoints lie: beside the classifier, which is whole or not there."""
    return Path(f"{model.rstrip('/')}.training")


def _so_far(advance: Any) -> Any:
    """Counts for a bar that is told how many more, from what tells how many in all."""
    before = 0

    def report(done: int, total: int | None = None) -> None:
        nonlocal before
        advance(done - before, total)
        before = done

    return report


def _in_one_pass(
    estimator: TextClassifier,
    given: Iterator[tuple[str, Any]],
    classes: list[str] | None,
    checkpoints: Checkpoints,
) -> None:
    if not classes:
        raise InvalidInput("--one-pass needs every class beforehand: --class A --class B")
    mixed = Mixed(given, seed=estimator.random_state)
    stream = (
        ([t for t, _ in batch], [told for _, told in batch]) for batch in batched(iter(mixed))
    )
    with counting("learning", stopped=AGAIN) as advance:
        estimator.fit_stream(
            stream, sorted(classes), checkpoints=checkpoints, report=_so_far(advance)
        )
    if mixed.in_order:
        out.print(
            "warning: the texts are sorted by class, so the last classes have the best of it: mix them, or learn without "
            "--one-pass"
        )


def _train_workspace(data_dir: Path | None, **request: Any) -> None:
    with opened(data_dir) as workspace, watched("learning") as report:
        reply = here(workspace, "classify.train", report, **request)
    table = Table("label", "documents", "given from", box=None)
    for one in reply.labels:
        table.add_row(
            escape(one.label), f"{one.documents:,}", "" if one.threshold is None else f"{one.threshold:.3f}"
        )  # fmt: skip
    out.print(table)
    if reply.answered is not None:
        out.print(f"{reply.answered:.1%} get a label; {reply.precision:.1%} of these are right")
    without = f", {reply.without_text:,} without a text" if reply.without_text else ""
    out.print(f"learnt {len(reply.labels)} labels from {reply.documents:,} documents{without}")
    out.print(f"published {escape(reply.name)} {reply.version[:12]}")


@classify.command()
def thresholds(
    source: Source,
    model: Model,
    text: TextField = "text",
    label: LabelField = "label",
    collection: Collection = None,
    precision: Precision = None,
    beta: Annotated[
        float, typer.Option(min=0.01, help="How much more recall counts than precision.")
    ] = 1.0,
    folds: Annotated[int, typer.Option(min=2, help="Parts that are judged in turn.")] = 5,
    unseen: Annotated[
        bool, typer.Option("--unseen", help="The classifier has not learnt from these texts.")
    ] = False,
    cache: Cache = None,
) -> None:
    """Choose how sure a classifier must be of each class, and write it into the classifier.

    Texts that it learnt from are judged by classifiers that learnt from the others of them; they are hashed once.
    """
    if _scheme(source) is not None:
        raise InvalidInput(
            "of the workspace, thresholds are chosen in training: train --thresholds"
        )
    estimator = TextClassifier.load(Path(model))
    features, labels = _read(source, collection, text, label, estimator.spec, cache)
    tuned = tune(
        estimator, features, _as_given(estimator, labels),
        folds=0 if unseen else folds, precision=precision, beta=beta,
    )  # fmt: skip
    estimator.save(Path(model))
    _print_tuned(tuned)


def _print_tuned(tuned: Tuned) -> None:
    each = len(tuned.thresholds) == len(tuned.classes)
    table = Table("class", "given from", "precision", "recall", "F1", box=None)
    for at, (name, m) in enumerate(zip(tuned.classes, tuned.by_class, strict=True)):
        bound = tuned.thresholds[at if each else 0]
        table.add_row(escape(str(name)), f"{bound:.3f}", f"{m.precision:.3f}", f"{m.recall:.3f}", f"{m.f1:.3f}")  # fmt: skip
    out.print(table)
    out.print(f"{tuned.answered:.1%} get a class; {tuned.accuracy:.1%} of these are right")


@classify.command()
def predict(
    source: Source,
    model: Model,
    to: Annotated[
        Path | None, typer.Option("--to", "-o", help="Of a file: a .csv, .tsv or .jsonl file.")
    ] = None,
    text: TextField = "text",
    into: Annotated[
        str, typer.Option(help="The column or key that gets the class; of a store, the collection.")
    ] = "predicted",
    collection: Collection = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an output that was broken off.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Write the class of each text and how sure it is: beside the rows of a file, into a store, or to documents.

    Labels that people gave to documents are never overwritten.
    """
    scheme = _scheme(source)
    if scheme is not None:
        with opened(data_dir) as workspace, watched("classifying") as report:
            asked = {} if source == "workspace" else {"scheme": scheme}
            reply = here(workspace, "classify.predict", report, model=model, **asked)
        out.print(
            f"{reply.predicted:,} documents labelled in {escape(reply.scheme)!r}, {reply.unsure:,} of them with none; "
            f"{reply.labelled_by_people:,} have a person's label, {reply.unchanged:,} had this prediction, "
            f"{reply.without_text:,} have no text",
            soft_wrap=True,
        )
        return
    if _is_store(source):
        if collection is None:
            raise InvalidInput("say whose records of the store: --collection NAME")
        store(source, collection, model, into, text, resume)
        return
    if to is None:
        raise InvalidInput("say where to: --to FILE")
    estimator = TextClassifier.load(Path(model))
    done = _done(to, resume=resume)
    n, file = done, Path(source)
    with (
        counting("classifying", stopped=_RESUME) as advance,
        to.open("a" if done else "w", encoding="utf-8", newline="") as lines,
    ):
        advance(done)
        written = _Rows(lines, form_of(to), header=not done)
        names = [str(name) for name in estimator.classes_.tolist()]
        for batch in batched(islice(rows(file), done, None)):
            given = [str(field(row, text, number, file)) for number, row in batch]
            said, shares = estimator.predicted(given)
            for (_, row), own, sure in zip(batch, said, shares.max(axis=1).tolist(), strict=True):
                told: Any = (
                    [name for name, has in zip(names, own, strict=True) if has]
                    if estimator.multi_label
                    else names[own]
                    if own >= 0
                    else None
                )
                written.add(row | {into: told, f"{into}_share": round(sure, 4)})
            lines.flush()
            n += len(batch)
            advance(len(batch))
    out.print(f"{n:,} texts in {escape(str(to))}", soft_wrap=True)


@classify.command()
def store(
    url: Annotated[str, typer.Argument(help="A document store, such as sqlite:/data/records.db.")],
    collection: Annotated[str, typer.Argument(help="Whose records are classified.")],
    model: Model,
    into: Annotated[str, typer.Option(help="The collection that gets the classes.")],
    text: TextField = "text",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what was broken off.")
    ] = False,
) -> None:
    """Classify the records of a document store, and write the classes into another of its collections."""
    estimator = TextClassifier.load(Path(model))
    with (
        Records.open(url) as records,
        counting("classifying", records.count(collection), _RESUME) as advance,
    ):
        n = classify_records(
            estimator, records, collection, into, field=text, resume=resume, report=_so_far(advance)
        )
    out.print(f"{n:,} records of {escape(collection)}: classes in {escape(into)}", soft_wrap=True)


class _Rows:
    """Rows into a file; a CSV's columns are those of the first row."""

    def __init__(self, lines: IO[str], form: str, *, header: bool) -> None:
        self._lines, self._form, self._header = lines, form, header
        self._table: csv.DictWriter[str] | None = None

    def add(self, row: dict[str, Any]) -> None:
        if self._form == "jsonl":
            self._lines.write(json.dumps(row, ensure_ascii=False) + "\n")
            return
        if self._table is None:
            dialect = "excel-tab" if self._form == "tsv" else "excel"
            self._table = csv.DictWriter(
                self._lines, list(row), dialect=dialect, extrasaction="ignore"
            )
            if self._header:
                self._table.writeheader()
        self._table.writerow(
            {k: " | ".join(v) if isinstance(v, list) else v for k, v in row.items()}
        )


def _done(to: Path, *, resume: bool) -> int:
    """Rows that are in the output already; a last line that was cut off is removed."""
    if to.suffix in PACKED:
        raise InvalidInput("the output cannot be packed while it is written: leave out .gz or .xz")
    form_of(to)
    if not to.exists():
        return 0
    if not resume:
        raise Conflict(f"{to} is there already: give --resume to go on with it, or another name")
    kept = n = 0
    if form_of(to) == "jsonl":
        with to.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                kept, n = kept + len(line), n + 1
    else:
        raise InvalidInput("only .jsonl output can be gone on with")
    with to.open("r+b") as file:
        file.truncate(kept)
    return n


@classify.command()
def evaluate(
    source: Source,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="The folder of the classifier; for the workspace, its published name.",
        ),
    ] = None,
    text: TextField = "text",
    label: LabelField = "label",
    collection: Collection = None,
    by: By = "labels",
    folds: Annotated[
        int, typer.Option(min=2, help="Without a model: train and test on so many parts.")
    ] = 5,
    hold_out: Annotated[
        float | None,
        typer.Option("--hold-out", help="Without a model: test on this share only, such as 0.2."),
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="A report to look at.")] = None,
    to: Annotated[Path | None, typer.Option("--to", "-o", help="The figures as JSON.")] = None,
    cache: Cache = None,
    data_dir: DataDir = None,
) -> None:
    """Measure a classifier on texts whose classes are known, or cross-validate one without."""
    scheme = _scheme(source)
    name = source if scheme is not None or _is_store(source) else Path(source).name
    if scheme is not None:
        report = _of_workspace(data_dir, model, scheme, by, None if hold_out else folds, hold_out)
        notes = [f"{model} on {name}" if model else _how(name, folds, hold_out)]
    elif model is not None:
        report = _of_model(TextClassifier.load(Path(model)), source, collection, text, label, cache)
        notes = [f"{model} on {name}"]
    else:
        estimator = TextClassifier()
        features, labels = _read(source, collection, text, label, estimator.spec, cache)
        estimator.set_params(multi_label=isinstance(labels[0], tuple))
        if hold_out is not None:
            reports = [held_out(estimator, features, labels, share=hold_out)]
        else:
            reports = []
            with counting("folds", folds) as advance:
                for one in cross_validate(estimator, features, labels, folds=folds):
                    reports.append(one)
                    advance(1)
        report = together(reports)
        spread = max(r.accuracy for r in reports) - min(r.accuracy for r in reports)
        apart = f"; accuracies are {spread:.4f} apart" if len(reports) > 1 else ""
        notes = [_how(name, folds, hold_out) + apart]
    _print(report)
    if html is not None:
        html.write_text(page(report, title=f"Classes of {name}", notes=notes), encoding="utf-8")
        out.print(f"report: {escape(str(html))}", soft_wrap=True)
    if to is not None:
        to.write_text(json.dumps(report.as_dict(), ensure_ascii=False, indent=1), encoding="utf-8")


def _how(name: str, folds: int, hold_out: float | None) -> str:
    if hold_out is not None:
        return f"{hold_out:.0%} of {name}, classified by what was learnt from the rest"
    return f"{folds} parts of {name}, each classified by what was learnt from the others"


def _of_model(
    estimator: TextClassifier, source: str, collection: str | None, text: str, label: str, cache: str | None
) -> Report:  # fmt: skip
    features, labels = _read(source, collection, text, label, estimator.spec, cache)
    labels = _as_given(estimator, labels)
    shares = None if estimator.multi_label else estimator.predict_proba(features)
    own = [str(name) for name in estimator.classes_.tolist()]
    known = sorted({*own, *_named(labels)})
    return measured(
        labels, list(estimator.predict(features)), shares if known == own else None, known
    )


def _as_given(estimator: TextClassifier, labels: list[Any]) -> list[Any]:
    """Labels in the form of the classifier's."""
    if not estimator.multi_label:
        return labels
    return [told if isinstance(told, tuple) else (told,) for told in labels]


def _of_workspace(
    data_dir: Path | None, model: str | None, scheme: str, by: str, folds: int | None, hold_out: float | None
) -> Report:  # fmt: skip
    asked: dict[str, Any] = {"model": model, "scheme": scheme, "by": by, "folds": folds}
    if hold_out is not None:
        asked["held_out"] = hold_out
    with opened(data_dir) as workspace, watched("measuring") as report:
        reply = here(workspace, "classify.evaluate", report, **asked)
    return Report(
        tuple(m.label for m in reply.labels), reply.accuracy, reply.macro_f1, reply.micro_f1,
        tuple(Measures(m.precision, m.recall, m.f1, m.documents) for m in reply.labels),
        reply.confusion, reply.log_loss, reply.calibration_error, reply.bins, reply.documents,
    )  # fmt: skip


def _named(labels: Sequence[Any]) -> set[str]:
    return {name for told in labels for name in (told if isinstance(told, tuple) else (told,))}


def _print(report: Report) -> None:
    table = Table("class", "precision", "recall", "F1", "texts", box=None)
    for name, m in zip(report.classes, report.by_class, strict=True):
        table.add_row(
            escape(str(name)),
            f"{m.precision:.3f}",
            f"{m.recall:.3f}",
            f"{m.f1:.3f}",
            f"{m.support:,}",
        )
    out.print(table)
    sure = (
        f", calibration error {report.calibration_error:.3f}"
        if report.calibration_error is not None
        else ""
    )
    out.print(
        f"accuracy {report.accuracy:.4f}, macro F1 {report.macro_f1:.4f}, micro F1 {report.micro_f1:.4f}{sure}"
    )
