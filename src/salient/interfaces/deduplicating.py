"""`salient duplicates`: texts in files that are nearly the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.markup import escape
from rich.table import Table

from salient.errors import Conflict, InvalidInput
from salient.interfaces.tables import TextField, batched, counting, field, form_of, rows
from salient.interfaces.terminal import out
from salient.learning.duplicates import NearDuplicates

_SHOWN = 10
_BEGINNING = 60  # characters of a text in the table

Source = Annotated[
    Path, typer.Argument(help="A .csv, .tsv or .jsonl file, or one of these with .gz or .xz.")
]


def duplicates(
    source: Source,
    text: TextField = "text",
    to: Annotated[
        Path | None,
        typer.Option("--to", "-o", help="Write the rows to a .csv, .tsv or .jsonl file."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="With --to: only the first text of each cluster.")
    ] = False,
    into: Annotated[
        str,
        typer.Option(help="The column or key that gets the line of the first text of the cluster."),
    ] = "duplicate_of",
    threshold: Annotated[
        float, typer.Option(help="The least share of runs of words in common.")
    ] = 0.5,
    run: Annotated[int, typer.Option(min=1, max=64, help="Words of a run.")] = 5,
    index: Annotated[
        Path | None, typer.Option("--index", help="Keep the index in this folder.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Find texts of a file that are nearly the same: edited, cut or in another order."""
    if once and to is None:
        raise InvalidInput("--once says which rows are written: give --to")
    if to is not None:
        form_of(to)
        if to.suffix in {".gz", ".xz"}:
            raise InvalidInput("the output is not packed: leave out .gz or .xz")
        if to.exists():
            raise Conflict(f"{to} is there already: give another name")
    found, lines, beginnings = _indexed(
        source, text, NearDuplicates(threshold=threshold, run=run, threads=threads)
    )
    labels = found.labels_
    _print(labels, lines, beginnings)
    if to is not None:
        _write(source, to, labels, lines, into, once=once)
        out.print(escape(str(to)), soft_wrap=True)
    if index is not None:
        found.save(index)
        out.print(escape(str(index)), soft_wrap=True)


def _indexed(
    source: Path, text: str, index: NearDuplicates
) -> tuple[NearDuplicates, list[int], list[str]]:
    """The index, and of each text its line and how it begins; the texts themselves are let go."""
    lines: list[int] = []
    beginnings: list[str] = []
    with counting("reading") as advance:
        for batch in batched(rows(source)):
            given = [field(row, text, number, source) for number, row in batch]
            for (number, _), one in zip(batch, given, strict=True):
                if not isinstance(one, str):
                    raise InvalidInput(
                        f"the text of line {number} of {source.name} is {type(one).__name__}, not a string"
                    )
            index.partial_fit(given)
            lines += [number for number, _ in batch]
            beginnings += [" ".join(one[: 2 * _BEGINNING].split())[:_BEGINNING] for one in given]
            advance(len(batch))
    return index, lines, beginnings


def _print(labels: np.ndarray[Any, Any], lines: list[int], beginnings: list[str]) -> None:
    firsts, sizes = np.unique(labels, return_counts=True)
    largest = sorted(zip(sizes.tolist(), firsts.tolist(), strict=True), key=lambda x: (-x[0], x[1]))
    shown = [(n, at) for n, at in largest if n > 1][:_SHOWN]
    if shown:
        table = Table("texts", "first line", "begins", box=None)
        for n, at in shown:
            table.add_row(f"{n:,}", str(lines[at]), escape(beginnings[at]))
        out.print(table)
    clusters = int((sizes > 1).sum())
    out.print(
        f"{len(labels):,} texts, {len(firsts):,} without near-duplicates, {clusters:,} clusters of several"
    )


def _write(
    source: Path,
    to: Path,
    labels: np.ndarray[Any, Any],
    lines: list[int],
    into: str,
    *,
    once: bool,
) -> None:
    """The rows again, with the line of the first text of each cluster, for those that are not it."""
    form = form_of(to)
    with to.open("w", encoding="utf-8", newline="") as file:
        table: csv.DictWriter[Any] | None = None
        for at, (_, row) in enumerate(rows(source)):
            first = int(labels[at])
            if once and first != at:
                continue
            kept = row if once else row | {into: None if first == at else lines[first]}
            if form == "jsonl":
                file.write(json.dumps(kept, ensure_ascii=False) + "\n")
                continue
            if table is None:
                dialect = "excel-tab" if form == "tsv" else "excel"
                table = csv.DictWriter(file, list(kept), dialect=dialect, extrasaction="ignore")
                table.writeheader()
            table.writerow(kept)
