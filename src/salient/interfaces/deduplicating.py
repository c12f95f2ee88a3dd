"""`salient duplicates`: texts in files and stores that are nearly the same."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from salient.errors import Conflict, InvalidInput
from salient.interfaces.tables import TextField, batched, counting, field, form_of, rows, swept
from salient.interfaces.terminal import AGAIN, STOPPED, out
from salient.learning.duplicates import NearDuplicates, Stream, clear
from salient.storage import docs
from salient.storage.blob import Blobs
from salient.storage.docs import Records

_SHOWN = 10
_BEGINNING = 60  # characters of a text in the table
_PAGE = 1000  # records

Source = Annotated[
    str,
    typer.Argument(
        help="A .csv, .tsv or .jsonl file, or one of these with .gz or .xz; or a document store such as "
        "sqlite:/data/records.db."
    ),
]


def duplicates(
    source: Source,
    text: TextField = "text",
    collection: Annotated[
        str | None, typer.Option("--collection", "-c", help="Of a store: whose records.")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--to", "-o", help="Write the rows to a .csv, .tsv or .jsonl file."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="With --to: only the first text of each cluster.")
    ] = False,
    into: Annotated[
        str,
        typer.Option(
            help="The column or key that gets the line, or id, of the first text of the cluster."
        ),
    ] = "duplicate_of",
    threshold: Annotated[
        float, typer.Option(help="The least share of runs of words in common.")
    ] = 0.5,
    run: Annotated[int, typer.Option(min=1, max=64, help="Words of a run.")] = 5,
    bits: Annotated[
        int,
        typer.Option(
            min=6, max=12, help="Of a sketch's size: 9 is surer than 8, in twice the memory."
        ),
    ] = 8,
    index: Annotated[
        Path | None, typer.Option("--index", help="Keep the index in this folder.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            help="A folder or blob store that keeps what was read: the next time only new texts are sketched."
        ),
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Forget what was read before.")] = False,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Find texts of a file or store that are nearly the same: edited, cut or in another order.

    Broken off, the same command goes on where it was if it has --to, --index or --state. With --state, texts that were
    appended since are all that is sketched.
    """
    if once and to is None:
        raise InvalidInput("--once says which rows are written: give --to")
    if to is not None:
        form_of(to)
        if to.suffix in {".gz", ".xz"}:
            raise InvalidInput("the output is not packed: leave out .gz or .xz")
        if to.exists():
            raise Conflict(f"{to} is there already: give another name")
    texts = _Texts(source, collection, text)
    beside = to or index
    passing = None if beside is None or state else Path(f"{str(beside).rstrip('/')}.reading")
    place: Path | Blobs | None = passing
    if state:
        place = Blobs.open(state) if ":" in state else Path(state)
    if anew and place is not None:
        clear(place)
    made = NearDuplicates(threshold=threshold, run=run, n_bits=bits, threads=threads)
    stream = Stream(made, place)
    numbers = _taken(texts, stream, STOPPED if place is None else AGAIN)
    found = stream.finish()
    labels = found.labels_
    _print(texts, labels, numbers)
    if stream.n_known:
        out.print(f"{stream.n_known:,} texts were known, {len(labels) - stream.n_known:,} were new")
    if to is not None:
        _write(texts, to, labels, numbers, into, once=once)
        out.print(escape(str(to)), soft_wrap=True)
    if index is not None:
        found.save(index)
        out.print(escape(str(index)), soft_wrap=True)
    if passing is not None:
        stream.clear()
        swept(passing)


class _Texts:
    """What is read: rows or records with a line or an id each, as often as one wants."""

    def __init__(self, source: str, collection: str | None, text: str) -> None:
        self.source, self._collection, self._text = source, collection, text
        word, colon, _ = source.partition(":")
        self._is_store = bool(colon) and word in {**docs.SCHEMES, **docs.WRAPPERS}
        if self._is_store and collection is None:
            raise InvalidInput("say whose records of the store: --collection NAME")

    @property
    def place(self) -> str:
        """What a text is found by."""
        return "id" if self._is_store else "line"

    def rows(self) -> Iterator[tuple[int | str, dict[str, Any]]]:
        """Each line, or id, with its row."""
        if not self._is_store:
            yield from rows(Path(self.source))
            return
        with closing(Records.open(self.source)) as records:
            after = None
            while True:
                page = records.page(self._collection or "", limit=_PAGE, after=after)
                yield from ((ident, dict(record)) for ident, record in page.items)
                after = page.after
                if after is None:
                    return

    def total(self) -> int | None:
        """How many there are, if that is known before they are read."""
        if not self._is_store:
            return None
        with closing(Records.open(self.source)) as records:
            return records.count(self._collection or "")

    def text(self, place: int | str, row: dict[str, Any]) -> str:
        """Raises InvalidInput: there is none, or it is none."""
        if isinstance(place, int):
            name = Path(self.source)
            given, where = (
                field(row, self._text, place, name),
                f"the text of line {place} of {name.name}",
            )
        else:
            given, where = row.get(self._text), f"the text of record {place!r}"
        if not isinstance(given, str):
            kind = "missing" if given is None else type(given).__name__
            raise InvalidInput(f"{where} is {kind}, not a string")
        return given


def _taken(texts: _Texts, stream: Stream, stopped: str) -> NDArray[np.int64]:
    """Read all texts into the stream; the number of each row's text. The texts themselves are let go."""
    numbers = [np.zeros(0, np.int64)]
    with counting("reading", texts.total(), stopped) as advance:
        for batch in batched(texts.rows()):
            given = [texts.text(place, row) for place, row in batch]
            numbers.append(stream.take([str(place) for place, _ in batch], given))
            advance(len(batch))
    return np.concatenate(numbers)


def _print(texts: _Texts, labels: NDArray[np.int64], numbers: NDArray[np.int64]) -> None:
    firsts, sizes = np.unique(labels, return_counts=True)
    order = np.lexsort((firsts, -sizes))[:_SHOWN]
    shown = [(int(sizes[at]), int(firsts[at])) for at in order.tolist() if sizes[at] > 1]
    if shown:
        begins = _beginnings(texts, {first for _, first in shown}, numbers)
        table = Table("texts", f"first {texts.place}", "begins", box=None)
        for n, first in shown:
            place, text = begins[first]
            table.add_row(f"{n:,}", escape(str(place)), escape(text))
        out.print(table)
    clusters = int((sizes > 1).sum())
    out.print(
        f"{len(labels):,} texts, {len(firsts):,} without near-duplicates, {clusters:,} clusters of several"
    )


def _beginnings(
    texts: _Texts, wanted: set[int], numbers: NDArray[np.int64]
) -> dict[int, tuple[int | str, str]]:
    """Place and beginning of a few texts: read again, which is quick, so that none need be kept."""
    found: dict[int, tuple[int | str, str]] = {}
    for number, (place, row) in zip(numbers.tolist(), texts.rows(), strict=False):
        if number in wanted:
            text = texts.text(place, row)[: 2 * _BEGINNING]
            found[number] = place, " ".join(text.split())[:_BEGINNING]
            if len(found) == len(wanted):
                return found
    raise Conflict(f"{texts.source} was changed while it was read: begin again")


def _write(
    texts: _Texts,
    to: Path,
    labels: NDArray[np.int64],
    numbers: NDArray[np.int64],
    into: str,
    *,
    once: bool,
) -> None:
    """The rows again, with the place of the first text of each cluster, for those that are not it. Whole, or not at all."""
    form = form_of(to)
    firsts = labels[numbers]
    # A cluster's first text by number may stand further on in a store that got records since: its place is looked up first.
    wanted = np.unique(firsts[firsts != numbers])
    places: dict[int, int | str] = {}
    for number, (place, _) in zip(numbers.tolist(), texts.rows(), strict=False):
        at = int(np.searchsorted(wanted, number))
        if at < len(wanted) and wanted[at] == number:
            places[number] = place
            if len(places) == len(wanted):
                break
    part = to.with_name(f"{to.name}.part")
    with part.open("w", encoding="utf-8", newline="") as file:
        table: csv.DictWriter[Any] | None = None
        for number, first, (place, row) in zip(
            numbers.tolist(), firsts.tolist(), texts.rows(), strict=False
        ):
            if once and first != number:
                continue
            kept = {"id": place, **row} if isinstance(place, str) else row
            if not once:
                kept = kept | {into: None if first == number else places[first]}
            if form == "jsonl":
                file.write(json.dumps(kept, ensure_ascii=False) + "\n")
                continue
            if table is None:
                dialect = "excel-tab" if form == "tsv" else "excel"
                table = csv.DictWriter(file, list(kept), dialect=dialect, extrasaction="ignore")
                table.writeheader()
            table.writerow(kept)
    part.replace(to)
