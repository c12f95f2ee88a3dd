"""Records of a document store into classes, and the classes back into the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from salient.errors import Conflict, InvalidInput
from salient.storage.docs import Records

if TYPE_CHECKING:
    from salient.learning.classification.model import TextClassifier

ROWS = 8192  # records that are read, classified and written at once


class Told(NamedTuple):
    """What a record was said to be."""

    id: str
    label: Any
    """The class; of several labels a text, a tuple of them."""
    share: float
    """How sure that is, to a thousandth; of several labels, of the likeliest."""


def classify_records(
    estimator: TextClassifier,
    records: Records,
    collection: str,
    into: str,
    *,
    field: str = "text",
    resume: bool = False,
    report: Callable[[int], None] | None = None,
) -> int:
    """Classify every record of a collection; how many there are.

    The classes go into another collection as columns: a record for some thousands of ids, all of them with their classes
    and how sure these are, which `told` reads. That is a tenth of the work of a record for each. What was
    written stays if it is broken off, and `resume` goes on behind it.

    Args:
        field: of the text; a record without it, or whose text is null, counts as empty.
        resume: go on with what is in `into`; without it, that has to be empty.
        report: called with how many are done, after each batch.

    Raises:
        Conflict: `into` holds something already.
        InvalidInput: it is the collection itself, or a record's text is no string.

    Cost: as `predict` and about as much again for reading, parsing and writing; memory for one batch.
    """
    if into == collection:
        raise InvalidInput("classes go into another collection than their records are in")
    last = _last(records, into)
    if last is not None and not resume:
        raise Conflict(
            f"{into!r} holds classes already: go on with them, or name another collection"
        )
    decoder = msgspec.json.Decoder(
        msgspec.defstruct("Row", [("text", str | None, "")], rename={"text": field})
    )
    names = estimator.classes_.tolist()
    done = 0
    for batch in records.batches(collection, rows=ROWS):
        ids, rows = batch.column(0).to_pylist(), batch.column(1).to_pylist()
        n = len(ids)
        if last is not None and ids[0] <= last:
            fresh = [at for at in range(n) if ids[at] > last]
            ids, rows = [ids[at] for at in fresh], [rows[at] for at in fresh]
        if ids:
            records.put(
                into, ids[0], _columns(estimator, names, ids, _texts(decoder, ids, rows, field))
            )
        done += n
        if report is not None:
            report(done)
    return done


def told(records: Records, into: str) -> Iterator[Told]:
    """What `classify_records` wrote, by id."""
    for record in records.query(into):
        names = record["classes"]
        for ident, own, share in zip(
            record["ids"], record["labels"], record["thousandths"], strict=True
        ):
            label = tuple(names[c] for c in own) if isinstance(own, list) else names[own]
            yield Told(ident, label, share / 1000)


def _last(records: Records, into: str) -> str | None:
    """The last id whose class is written."""
    for record in islice(records.query(into, order="-last", limit=1), 1):
        if not isinstance(record.get("last"), str) or "thousandths" not in record:
            raise Conflict(f"{into!r} holds records that are no classes: name another collection")
        return str(record["last"])
    return None


def _texts(decoder: Any, ids: list[str], rows: list[str], field: str) -> list[str]:
    decode = decoder.decode
    try:
        return [decode(row).text or "" for row in rows]
    except msgspec.ValidationError:
        for ident, row in zip(ids, rows, strict=True):
            try:
                decode(row)
            except msgspec.ValidationError as error:
                raise InvalidInput(
                    f"{field!r} of record {ident!r} is no string", id=ident
                ) from error
        raise


def _columns(
    estimator: TextClassifier, names: list[Any], ids: list[str], texts: list[str]
) -> dict[str, Any]:
    said, shares = estimator.predicted(texts)
    labels: list[Any]
    if estimator.multi_label:
        labels = [np.flatnonzero(row).tolist() for row in said]
    else:
        labels = said.tolist()
    return {
        "classes": names, "ids": ids, "labels": labels, "last": ids[-1],
        "thousandths": np.rint(shares.max(axis=1) * 1000).astype(np.int64).tolist(),
    }  # fmt: skip
