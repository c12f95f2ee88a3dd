"""Records of a document store into classes, and the classes back into the store; and records to learn from."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from salient.errors import Conflict, InvalidInput
from salient.kernels import field_texts
from salient.kernels.fields import OTHER
from salient.storage.docs import Record, Records

if TYPE_CHECKING:
    import pyarrow

    from salient.learning.classification.model import TextClassifier

ROWS = 8192  # records that are read, classified and written at once


class Told(NamedTuple):
    """What a record was said to be."""

    id: str
    label: Any
    """The class, or None if the classifier was too unsure; of several labels a text, a tuple of them."""
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

    Each gets a record of the same id in another collection: {"label": …, "share": …}, or {"labels": […], "share": …} of a
    classifier that gives several. What was written stays if it is broken off, and `resume` leaves out those that have one.

    Args:
        field: of the text; a record without it, or whose text is null, counts as empty.
        resume: go on with what is in `into`; without it, that has to be empty.
        report: called with how many are done, after each batch.

    Raises:
        Conflict: `into` holds something already.
        InvalidInput: it is the collection itself, or a record's text is no string.
        Misconfigured: the extra `arrow` is not installed.

    Cost: some two times that of `predict`, most of it for writing; memory for one batch.
    """
    if into == collection:
        raise InvalidInput("classes go into another collection than their records are in")
    _check_into(records, into, resume=resume)
    bodies = _Bodies(estimator)
    done = 0
    for batch in records.batches(collection, rows=ROWS):
        fresh = _fresh(batch, records, into) if resume else batch
        if len(fresh):
            ids = fresh.column(0).to_pylist()
            _put(records, into, ids, bodies.of(_texts(fresh, field)))
        done += len(batch)
        if report is not None:
            report(done)
    return done


def told(records: Records, into: str) -> Iterator[Told]:
    """What `classify_records` wrote, by id."""
    page = records.page(into, limit=1000)
    while True:
        for ident, record in page.items:
            label = tuple(record["labels"]) if "labels" in record else record["label"]
            yield Told(ident, label, record["share"])
        if page.after is None:
            return
        page = records.page(into, limit=1000, after=page.after)


def labelled_records(
    records: Records, collection: str, *, field: str = "text", label: str = "label"
) -> Iterator[tuple[str, Any]]:
    """Text and class of each record that has a class; one that is a list is a tuple.

    Raises:
        InvalidInput: a text is no string.
    """
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for batch in records.batches(collection, rows=ROWS):
        for ident, row in zip(
            batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True
        ):
            record: Record = decode(row)
            given = record.get(label)
            if given is None:
                continue
            text = record.get(field)
            if not isinstance(text, str):
                raise InvalidInput(f"{field!r} of record {ident!r} is no string", id=ident)
            yield text, tuple(map(str, given)) if isinstance(given, list) else str(given)


def _put(records: Records, into: str, ids: list[str], bodies: list[str]) -> None:
    if "put_many" in records.features:
        records.put_texts(into, ids, bodies)
        return
    for ident, body in zip(ids, bodies, strict=True):
        records.put_texts(into, [ident], [body])


def _check_into(records: Records, into: str, *, resume: bool) -> None:
    for record in records.query(into, limit=1):
        if "share" not in record or not {"label", "labels"} & set(record):
            raise Conflict(f"{into!r} holds records that are no classes: name another collection")
        if not resume:
            raise Conflict(
                f"{into!r} holds classes already: go on with them, or name another collection"
            )


def _fresh(batch: pyarrow.RecordBatch, records: Records, into: str) -> pyarrow.RecordBatch:
    """The rows that have no class yet."""
    import pyarrow

    ids = batch.column(0).to_pylist()
    there = records.get_many(into, ids)
    return batch.take(
        pyarrow.array([at for at, ident in enumerate(ids) if ident not in there], pyarrow.int64())
    )


def _texts(batch: pyarrow.RecordBatch, field: str) -> Any:
    """The texts as Arrow's, cut out of the records' JSON without a string of Python's for any."""
    import pyarrow

    column = batch.column(1)
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1]
    letters = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    texts, begins, kinds = field_texts(letters, ends.astype(np.int64), field)
    wrong = np.flatnonzero(kinds == OTHER)
    if len(wrong):
        ident = batch.column(0)[int(wrong[0])].as_py()
        raise InvalidInput(f"{field!r} of record {ident!r} is no string", id=ident)
    buffers = [None, pyarrow.py_buffer(begins), pyarrow.py_buffer(texts)]
    return pyarrow.Array.from_buffers(pyarrow.large_binary(), len(column), buffers)


class _Bodies:
    """Records of classes as JSON; the same class, as sure, is written as the same text."""

    def __init__(self, estimator: TextClassifier) -> None:
        self._estimator = estimator
        self._names = estimator.classes_.tolist()
        self._known: dict[int, str] = {}

    def of(self, texts: Any) -> list[str]:
        said, shares = self._estimator.predicted(texts)
        top = shares.max(axis=1) if shares.shape[1] else np.zeros(len(shares), np.float32)
        thousandths = np.rint(top * 1000).astype(np.int64)
        if self._estimator.multi_label:
            return self._several(said, thousandths)
        codes = ((said + 1) * 1001 + thousandths).tolist()
        known = self._known
        for code in set(codes) - known.keys():
            place, share = divmod(code, 1001)
            label = self._names[place - 1] if place else None
            known[code] = _json({"label": label, "share": share / 1000})
        return [known[code] for code in codes]

    def _several(self, said: NDArray[Any], thousandths: NDArray[np.int64]) -> list[str]:
        return [
            _json({"labels": [self._names[c] for c in np.flatnonzero(row)], "share": share / 1000})
            for row, share in zip(said, thousandths.tolist(), strict=True)
        ]


def _json(record: dict[str, Any]) -> str:
    return msgspec.json.encode(record).decode()
