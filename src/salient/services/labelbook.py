"""Where labels of documents are kept: what people said, and apart from it what classifiers predicted."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from salient.errors import InvalidInput
from salient.storage.docs import Records

T = TypeVar("T")
_Where: TypeAlias = dict[str | tuple[str, ...], Any]

_GIVEN, _PREDICTED, _STATES = "labels", "predictions", "label-states"
_AT_ONCE = 500
_SCHEME_BYTES = 128


@dataclass(frozen=True, slots=True)
class Labelled:
    """The labels of a document in one scheme, and who gave them."""

    document_id: str
    scheme: str
    labels: tuple[str, ...]
    person: str | None
    """None if a classifier did."""
    at: str
    share: float | None = None
    """How sure the classifier was of the likeliest."""
    model: str | None = None
    version: str | None = None


@dataclass(frozen=True)
class LabelBook:
    """Labels of a workspace's documents. For threads and processes.

    People's labels and predicted ones are records of two collections a scheme, so that no prediction, however late it
    comes, can overwrite what a person said. A record's id is the document's.
    """

    records: Records
    workspace: str

    def give(
        self, documents: Iterable[str], scheme: str, labels: Sequence[str], person: str
    ) -> int:
        """Label documents; what a person said before is replaced. No labels at all says that it has none."""
        row = {"labels": list(dict.fromkeys(labels)), "person": person, "at": _now()}
        collection = self._name(_GIVEN, scheme)
        with self._changing(scheme):
            return sum(
                self._put(collection, [(one, row) for one in part])
                for part in _parts(dict.fromkeys(documents))
            )

    def take(self, documents: Iterable[str], scheme: str) -> int:
        """Forget what people said of documents; predictions stay."""
        with self._changing(scheme):
            return self.records.delete_many(self._name(_GIVEN, scheme), documents)

    def remove(self, documents: Iterable[str]) -> None:
        """Forget all labels of documents that are deleted."""
        ids = list(documents)
        for collection in self._collections():
            with self._changing(collection.rpartition("/")[2]):
                self.records.delete_many(collection, ids)

    def predict(
        self, scheme: str, said: Iterable[tuple[str, Sequence[str], float, str]], *, model: str, version: str
    ) -> int:  # fmt: skip
        """Write what a classifier said of documents: (document, labels, share, the document's version).

        Earlier predictions are replaced.
        """
        about = {"model": model, "version": version, "at": _now()}
        collection = self._name(_PREDICTED, scheme)
        n = 0
        for part in _parts(said):
            rows = [
                (i, about | {"labels": list(own), "share": share, "content": content})
                for i, own, share, content in part
            ]
            with self._changing(scheme):
                n += self._put(collection, rows)
        return n

    def forget(self, scheme: str) -> int:
        """Remove all predictions of a scheme; people's labels stay."""
        collection = self._name(_PREDICTED, scheme)
        with self._changing(scheme):
            return self.records.delete_many(collection, [i for i, _ in self._rows(collection)])

    def predicted(self, documents: Sequence[str], scheme: str) -> dict[str, tuple[str, str]]:
        """Those of the documents that have a prediction: by which version of a model, of which version of them."""
        rows = self.records.get_many(self._name(_PREDICTED, scheme), documents)
        return {ident: (row["version"], row["content"]) for ident, row in rows.items()}

    def given(self, scheme: str) -> dict[str, tuple[str, ...]]:
        """What people said: labels by document."""
        return {i: tuple(row["labels"]) for i, row in self._rows(self._name(_GIVEN, scheme))}

    def of(self, documents: Sequence[str], schemes: Sequence[str] = ()) -> list[Labelled]:
        """Labels of documents, people's where there are any, else the predicted ones."""
        found = []
        for scheme in schemes or self.schemes():
            said = self.records.get_many(self._name(_GIVEN, scheme), documents)
            rest = [one for one in documents if one not in said]
            rows = said | self.records.get_many(self._name(_PREDICTED, scheme), rest)
            found += [_labelled(ident, scheme, row) for ident, row in rows.items()]
        return sorted(found, key=lambda one: (one.document_id, one.scheme))

    def having(self, scheme: str, label: str) -> Iterator[str]:
        """Documents that have a label: a person gave it, or none gave any of the scheme and it was predicted.

        Cost: reads the scheme's labels within the store.
        """
        where: _Where = {"labels": ("has", label)}
        said = self._name(_GIVEN, scheme)
        yield from (ident for ident, _ in self._rows(said, where))
        for part in _parts(ident for ident, _ in self._rows(self._name(_PREDICTED, scheme), where)):
            given = self.records.get_many(said, part)
            yield from (ident for ident in part if ident not in given)

    def every(self, scheme: str) -> Iterator[Labelled]:
        """All labels of a scheme, by document: people's, and of documents without any the predicted ones.

        Cost: reads them all, and keeps none.
        """
        given = self._rows(self._name(_GIVEN, scheme))
        predicted = self._rows(self._name(_PREDICTED, scheme))
        before = None
        # Of one document, the person's comes first.
        for ident, _, row in merge(
            ((ident, 0, row) for ident, row in given),
            ((ident, 1, row) for ident, row in predicted),
            key=lambda one: one[:2],
        ):
            if ident != before:
                yield _labelled(ident, scheme, row)
            before = ident

    def schemes(self) -> list[str]:
        """Names of all schemes that any document of the workspace has a label in."""
        return sorted({name.rpartition("/")[2] for name in self._collections()})

    def state(self, scheme: str) -> str:
        """Another one after each change of a scheme's labels: what was counted before is out of date then."""
        held = self.records.get(self._states, scheme)
        return "" if held is None else str(held["state"])

    @property
    def _states(self) -> str:
        return f"{_STATES}/{self.workspace}"

    @contextmanager
    def _changing(self, scheme: str) -> Iterator[None]:
        """Tell that a scheme changes: afterwards, so that nobody takes for new what was counted meanwhile."""
        try:
            yield
        finally:
            self.records.put(self._states, scheme, {"state": secrets.token_hex(8)})

    def _collections(self) -> list[str]:
        prefixes = tuple(f"{kind}/{self.workspace}/" for kind in (_GIVEN, _PREDICTED))
        return [
            name
            for name in self.records.collections()
            if name.startswith(prefixes) and name.count("/") == self.workspace.count("/") + 2
        ]

    def _rows(
        self, collection: str, where: _Where | None = None
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        after = None
        while True:
            page = self.records.page(collection, where, limit=1000, after=after)
            yield from page.items
            after = page.after
            if after is None:
                return

    def _put(self, collection: str, rows: list[tuple[str, dict[str, Any]]]) -> int:
        if "put_many" in self.records.features:
            return self.records.put_many(collection, rows)
        return sum(self.records.put(collection, ident, row) for ident, row in rows)

    def _name(self, kind: str, scheme: str) -> str:
        if not 0 < len(scheme.encode("utf-8", "replace")) <= _SCHEME_BYTES or "/" in scheme:
            raise InvalidInput("the name of a scheme of labels is short and has no slash")
        return f"{kind}/{self.workspace}/{scheme}"


def _labelled(document: str, scheme: str, row: Mapping[str, Any]) -> Labelled:
    return Labelled(
        document, scheme, tuple(row["labels"]), row.get("person"), row["at"],
        row.get("share"), row.get("model"), row.get("version"),
    )  # fmt: skip


def _parts(items: Iterable[T]) -> Iterator[list[T]]:
    stream = iter(items)
    while part := list(islice(stream, _AT_ONCE)):
        yield part


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
