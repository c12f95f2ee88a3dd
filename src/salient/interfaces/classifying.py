"""`salient classify`: classifiers of texts in files, trained, used and measured."""

from __future__ import annotations

import csv
import gzip
import json
import lzma
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from salient.errors import Conflict, InvalidInput, NotFound
from salient.interfaces.terminal import err, out
from salient.learning.classification import (
    HashedTexts,
    Report,
    TextClassifier,
    classify_records,
    cross_validate,
    measured,
)
from salient.learning.classification.pages import page
from salient.storage.docs import Records

classify = typer.Typer(
    help="Sort texts into classes that you teach it.", no_args_is_help=True, add_completion=False
)

Source = Annotated[
    Path, typer.Argument(help="A .csv, .tsv or .jsonl file, or one of these with .gz or .xz.")
]
TextField = Annotated[str, typer.Option("--text", help="The column or key of the text.")]
LabelField = Annotated[
    str, typer.Option("--label", help="The column or key of the class; a list is several.")
]
Model = Annotated[Path, typer.Option("--model", "-m", help="The folder of the classifier.")]

_BATCH = 8192
_OPENERS = {".gz": gzip.open, ".xz": lzma.open}


# --- files --------------------------------------------------------------------------------------


def form_of(file: Path) -> str:
    """By the file's name: "csv", "tsv" or "jsonl".

    Raises:
        InvalidInput: it names none.
    """
    endings = [s for s in file.suffixes if s not in _OPENERS]
    form = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl"}.get(
        endings[-1] if endings else ""
    )
    if form is None:
        raise InvalidInput(f"{file.name} is no .csv, .tsv or .jsonl file")
    return form


@contextmanager
def opened(file: Path) -> Iterator[IO[str]]:
    """A file of text, unpacked. Bytes that are no UTF-8 become signs that part words."""
    if not file.is_file():
        raise NotFound(f"there is no file {file}")
    opener: Any = _OPENERS.get(file.suffix, open)
    with opener(file, "rt", encoding="utf-8-sig", errors="replace", newline="") as lines:
        yield lines


def rows(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each row with its line.

    Raises:
        InvalidInput: a row cannot be read; the message names the line.
    """
    form = form_of(file)
    with opened(file) as lines:
        if form == "jsonl":
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as error:
                    raise InvalidInput(
                        f"line {number} of {file.name} is no JSON: {error}"
                    ) from error
                if not isinstance(row, dict):
                    raise InvalidInput(f"line {number} of {file.name} is no JSON object")
                yield number, row
            return
        csv.field_size_limit(sys.maxsize)
        table = csv.DictReader(lines, dialect="excel-tab" if form == "tsv" else "excel")
        try:
            for row in table:
                yield table.line_num, row
        except csv.Error as error:
            raise InvalidInput(
                f"line {table.line_num} of {file.name} cannot be read: {error}"
            ) from error


def field(row: dict[str, Any], name: str, number: int, file: Path) -> Any:
    """Raises InvalidInput: the row lacks it."""
    if row.get(name) is None:
        raise InvalidInput(
            f"line {number} of {file.name} has no {name!r}: it has {', '.join(map(str, row))}"
        )
    return row[name]


def pairs(file: Path, text: str, label: str) -> Iterator[tuple[str, Any]]:
    """Text and class of each row; a class that is a list is a tuple."""
    for number, row in rows(file):
        given, told = field(row, text, number, file), field(row, label, number, file)
        if not isinstance(given, str):
            raise InvalidInput(
                f"the text of line {number} of {file.name} is {type(given).__name__}, not a string"
            )
        yield given, tuple(map(str, told)) if isinstance(told, list) else str(told)


def batched(stream: Iterator[Any]) -> Iterator[list[Any]]:
    while part := list(islice(stream, _BATCH)):
        yield part


@contextmanager
def counting(verb: str, total: int | None = None) -> Iterator[Any]:
    """A bar on standard error; call it with how many more are done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(verb, total=total)
        yield lambda n: bar.advance(task, n)


def read(file: Path, text: str, label: str, spec: Any) -> tuple[HashedTexts, list[Any]]:
    """Features and classes of a file; the texts themselves are let go."""
    parts, labels = [], []
    with counting("reading") as advance:
        for batch in batched(pairs(file, text, label)):
            parts.append(HashedTexts.of([t for t, _ in batch], spec))
            labels += [told for _, told in batch]
            advance(len(batch))
    if not parts:
        raise InvalidInput(f"{file.name} has no rows")
    kinds = {isinstance(told, tuple) for told in labels}
    if len(kinds) > 1:
        labels = [told if isinstance(told, tuple) else (told,) for told in labels]
    return HashedTexts.joined(spec, parts), labels


# --- commands -----------------------------------------------------------------------------------


@classify.command()
def train(
    source: Source,
    model: Model,
    text: TextField = "text",
    label: LabelField = "label",
    loss: Annotated[str, typer.Option(help="hinge, log or passive")] = "hinge",
    words: Annotated[int, typer.Option(min=0, max=3, help="Longest run of words.")] = 2,
    characters: Annotated[
        bool, typer.Option(help="Parts of words as well, for short or misspelt texts.")
    ] = False,
    epochs: Annotated[int, typer.Option(min=1)] = 5,
    one_pass: Annotated[
        bool, typer.Option("--one-pass", help="Learn while reading, whatever the size.")
    ] = False,
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="With --one-pass: each class.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Learn classes from the texts of a file. A row with a list of classes makes it give several."""
    estimator = TextClassifier(
        loss=loss, words=words, characters=(3, 5) if characters else None, epochs=epochs, random_state=seed
    )  # fmt: skip
    if one_pass:
        if not classes:
            raise InvalidInput("--one-pass needs every class beforehand: --class A --class B")
        with counting("learning") as advance:
            for batch in batched(pairs(source, text, label)):
                estimator.partial_fit(
                    [t for t, _ in batch], [told for _, told in batch], classes=sorted(classes)
                )
                advance(len(batch))
    else:
        features, labels = read(source, text, label, estimator.spec)
        estimator.set_params(multi_label=isinstance(labels[0], tuple))
        estimator.fit(features, labels)
    estimator.save(model)
    names = ", ".join(map(str, estimator.classes_[:12])) + (
        " …" if len(estimator.classes_) > 12 else ""
    )
    out.print(
        f"learnt {len(estimator.classes_)} classes from {estimator.n_texts_:,} texts: {escape(names)}"
    )
    out.print(f"{escape(str(model))}", soft_wrap=True)


@classify.command()
def predict(
    source: Source,
    model: Model,
    to: Annotated[Path, typer.Option("--to", "-o", help="A .csv, .tsv or .jsonl file.")],
    text: TextField = "text",
    into: Annotated[str, typer.Option(help="The column or key that gets the class.")] = "predicted",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an output that was broken off.")
    ] = False,
) -> None:
    """Write the rows of a file with the class of each and how sure it is."""
    estimator = TextClassifier.load(model)
    done = _done(to, resume=resume)
    n = done
    with (
        counting("classifying") as advance,
        to.open("a" if done else "w", encoding="utf-8", newline="") as lines,
    ):
        advance(done)
        written = _Rows(lines, form_of(to), header=not done)
        for batch in batched(islice(rows(source), done, None)):
            given = [str(field(row, text, number, source)) for number, row in batch]
            shares = estimator.predict_proba(given)
            said = estimator.predict(given)
            for (_, row), label, sure in zip(batch, said, shares.max(axis=1).tolist(), strict=True):
                told = list(label) if isinstance(label, tuple) else str(label)
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
    estimator = TextClassifier.load(model)
    with Records.open(url) as records, counting("classifying", records.count(collection)) as to:
        before = 0

        def report(done: int) -> None:
            nonlocal before
            to(done - before)
            before = done

        n = classify_records(
            estimator, records, collection, into, field=text, resume=resume, report=report
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
    if to.suffix in _OPENERS:
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
        Path | None, typer.Option("--model", "-m", help="The folder of the classifier.")
    ] = None,
    text: TextField = "text",
    label: LabelField = "label",
    folds: Annotated[
        int, typer.Option(min=2, help="Without a model: train and test on so many parts.")
    ] = 5,
    html: Annotated[Path | None, typer.Option("--html", help="A report to look at.")] = None,
    to: Annotated[Path | None, typer.Option("--to", "-o", help="The figures as JSON.")] = None,
) -> None:
    """Measure a classifier on texts whose classes are known, or cross-validate one without."""
    if model is not None:
        estimator = TextClassifier.load(model)
        features, labels = read(source, text, label, estimator.spec)
        if estimator.multi_label:
            labels = [told if isinstance(told, tuple) else (told,) for told in labels]
        shares = None if estimator.multi_label else estimator.predict_proba(features)
        own = [str(name) for name in estimator.classes_.tolist()]
        known = sorted({*own, *_named(labels)})
        report = measured(
            labels, list(estimator.predict(features)), shares if known == own else None, known
        )
        notes = [f"{model} on {source.name}"]
    else:
        estimator = TextClassifier()
        features, labels = read(source, text, label, estimator.spec)
        estimator.set_params(multi_label=isinstance(labels[0], tuple))
        with counting("folds", folds) as advance:
            reports = []
            for report in cross_validate(estimator, features, labels, folds=folds):
                reports.append(report)
                advance(1)
        report = _together(reports)
        spread = max(r.accuracy for r in reports) - min(r.accuracy for r in reports)
        notes = [
            f"{folds} parts of {source.name}, each classified by what was learnt from the others; accuracies are {spread:.4f} apart"
        ]
    _print(report)
    if html is not None:
        html.write_text(
            page(report, title=f"Classes of {source.name}", notes=notes), encoding="utf-8"
        )
        out.print(f"report: {escape(str(html))}", soft_wrap=True)
    if to is not None:
        to.write_text(json.dumps(report.as_dict(), ensure_ascii=False, indent=1), encoding="utf-8")


def _named(labels: Sequence[Any]) -> set[str]:
    return {name for told in labels for name in (told if isinstance(told, tuple) else (told,))}


def _together(reports: Sequence[Report]) -> Report:
    """Figures of all folds as of one: counts added up, shares of texts averaged."""
    names = sorted({name for r in reports for name in r.classes})
    if not reports[0].confusion:
        best = reports[0]
        mean = {
            k: sum(getattr(r, k) for r in reports) / len(reports)
            for k in ("accuracy", "macro_f1", "micro_f1")
        }
        return Report(best.classes, by_class=best.by_class, confusion=(), **mean)
    true, said = [], []
    for report in reports:
        for t, row in zip(report.classes, report.confusion, strict=True):
            for s, n in zip(report.classes, row, strict=True):
                true += [t] * n
                said += [s] * n
    whole = measured(true, said, classes=names)
    bins = tuple(b for r in reports for b in r.bins)
    if not bins:
        return whole
    n = sum(count for *_, count in bins)
    error = sum(abs(a - b) * count for a, b, count in bins) / n
    loss = sum(r.log_loss or 0.0 for r in reports) / len(reports)
    return Report(
        whole.classes,
        whole.accuracy,
        whole.macro_f1,
        whole.micro_f1,
        whole.by_class,
        whole.confusion,
        loss,
        error,
        bins,
    )


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
