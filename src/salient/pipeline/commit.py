"""Writing what workers made into tables and indexes, and taking it out again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from salient.errors import NotFound
from salient.knowledge import store
from salient.knowledge.copies.sketch import Sketch, sketch_of
from salient.knowledge.copies.store import Copies
from salient.knowledge.reading import Reading
from salient.model import FURNITURE, Kind, State, Text
from salient.pipeline import metrics
from salient.pipeline.intake import original_key
from salient.pipeline.ledger import Ledger, Outcome
from salient.pipeline.passages import Passages
from salient.pipeline.stages import CONVERT, PASSAGES, READ, STAGES
from salient.storage.blob import Blobs
from salient.storage.search import Entry, Field, IndexSchema, SearchIndex
from salient.storage.sql import Tables, storable

_SKETCHED = 200  # documents of one transaction

# What both indexes filter and count by.
_SHARED = (
    Field("name", "text"),
    Field("title", "text", boost=2.0),
    Field("document", "keyword"),
    Field("media_type", "keyword"),
    Field("language", "keyword"),
    Field("folder", "keyword"),
    Field("label", "keyword"),
    Field("entity", "keyword"),
    Field("year", "keyword"),
    Field("date", "date"),
)


def passage_schema(dimensions: int) -> IndexSchema:
    """The index of passages: what `ask` and passage search rank."""
    fields = (
        Field("text", "text"),
        Field("heading", "text", boost=1.5),
        # Full names of what the passage calls "the Supplier", "she" or by half a name, so that it is
        # found, and answers, by the name as well.
        Field("about", "text", boost=0.8),
        Field("start", "number"),
        Field("end", "number"),
        Field("page", "number"),
        *_SHARED,
    )
    return IndexSchema(fields, dimensions)


def document_schema(dimensions: int) -> IndexSchema:
    """The index of whole documents: what document search counts, and similarity compares."""
    return IndexSchema((Field("text", "text", stored=False), *_SHARED), dimensions)


@dataclass(frozen=True, slots=True)
class Indexes:
    """The two indexes of a workspace."""

    documents: SearchIndex
    passages: SearchIndex

    def put(self, documents: Sequence[Entry], passages: Sequence[Entry]) -> None:
        """Add entries; without their vectors where a server has no use for them."""
        for index, entries in ((self.passages, passages), (self.documents, documents)):
            kept = entries if self.by_meaning else [replace(e, vector=None) for e in entries]
            index.put(kept)

    @property
    def by_meaning(self) -> bool:
        """Whether both can be searched by vectors; without, words and filters find all the same."""
        return all("vectors" in index.features for index in (self.documents, self.passages))

    def commit(self) -> None:
        # Passages first: a document that is found has its passages.
        self.passages.commit()
        self.documents.commit()

    def close(self) -> None:
        self.passages.close()
        self.documents.close()


class Committer:
    """The one writer of a run: a batch of outcomes becomes rows, index entries, and ends.

    The index is committed before the tables. A kill between the two leaves documents running in the
    ledger, which the next run takes up; committing them again replaces what is there.
    """

    def __init__(
        self, ledger: Ledger, tables: Tables, blobs: Blobs, indexes: Indexes, workspace: str
    ) -> None:
        self._ledger = ledger
        self._tables = tables
        self._blobs = blobs
        self._indexes = indexes
        self._workspace = workspace
        self._knowledge = store.Store(tables, workspace)
        self.copies = Copies(tables, workspace)

    def commit(self, outcomes: Sequence[Outcome]) -> set[str]:
        """Commit a batch; return the ids of the names whose documents changed."""
        rows = self._ledger.rows([o.document_id for o in outcomes])
        # A document that was changed or deleted while it was worked on is not committed.
        current = [o for o in outcomes if (r := rows.get(o.document_id)) and r.version == o.version]
        readings = {
            o.document_id: Reading.load(self._blobs.get(key))
            for o in current
            if o.state is State.DONE and (key := o.artifact(READ))
        }
        passages: list[Entry] = []
        documents: list[Entry] = []
        sketches = {}
        for outcome in current:
            self._indexes.documents.delete_group(outcome.document_id)
            self._indexes.passages.delete_group(outcome.document_id)
            if outcome.state is State.DONE:
                reading = readings[outcome.document_id]
                whole, parts = self._entries(outcome, rows[outcome.document_id], reading)
                documents.append(whole)
                passages.extend(parts)
                text, names = (
                    str(whole.fields["text"]),
                    ((n.name_id, n.n_mentions) for n in reading.names),
                )
                sketches[outcome.document_id] = sketch_of(text, outcome.title or "", names)
        with metrics.committing("index"):
            self._indexes.put(documents, passages)
            self._indexes.commit()
        gone = self._children_gone(current)
        touched: set[str] = set()
        with metrics.committing("tables"), self._tables.transaction() as tx:
            self.copies.remove(tx, [o.document_id for o in current])
            for outcome in current:
                ident = outcome.document_id
                if ident in sketches:
                    touched |= self._knowledge.replace_document(tx, ident, readings[ident])
                    self.copies.put(tx, ident, outcome.version, sketches[ident])
                else:
                    touched |= self._knowledge.remove_document(tx, ident)
                self._ledger.finish(tx, outcome)
        metrics.count(current)
        children = [c for o in current for c in o.children]
        for first in range(0, len(children), 256):
            self._ledger.take_in(children[first : first + 256])
        if gone:
            touched |= self.remove(gone)
        return touched

    def _entries(self, outcome: Outcome, row: Any, reading: Reading) -> tuple[Entry, list[Entry]]:
        """Index entries of a document and of its passages."""
        ident = outcome.document_id
        text = Text.load(self._blobs.view(outcome.artifact(CONVERT) or ""))
        passages = Passages.load(self._blobs.view(outcome.artifact(PASSAGES) or ""))
        mentions = reading.mentions
        full = {n.name_id: n.surface for n in reading.names}
        date = outcome.document_date or ""
        folder = row.name.rpartition("/")[0]
        shared: dict[str, Any] = {
            "name": row.name,
            "title": outcome.title or "",
            "document": ident,
            "media_type": outcome.media_type or "",
            "language": outcome.language or "",
            "folder": folder,
            "year": date[:4],
            "date": date,
        }
        starts = np.array([m.start for m in mentions], np.int64)
        parts = []
        for i, (start, end) in enumerate(zip(passages.start, passages.end, strict=True)):
            low, high = np.searchsorted(starts, [start, end])
            inside = mentions[int(low) : int(high)]
            a, b = passages.heading[i]
            said = text.text[start:end]
            about = {full[m.name_id] for m in inside if m.name_id in full}
            fields = shared | {
                "text": said,
                "about": "; ".join(sorted(n for n in about if n not in said)),
                "heading": text.text[a:b],
                "start": int(start),
                "end": int(end),
                "page": text.page_at(int(start)) or 0,
                "label": sorted({m.label for m in inside}),
                "entity": sorted({m.name_id for m in inside}),
            }
            vector = passages.vectors[i].astype(np.float32)
            parts.append(Entry(f"{ident}:{i}", ident, fields, vector))
        whole = shared | {
            "text": _indexable(text),
            "label": sorted({m.label for m in mentions}),
            "entity": sorted({m.name_id for m in mentions}),
        }
        return Entry(ident, ident, whole, _mean(passages)), parts

    def _children_gone(self, outcomes: Iterable[Outcome]) -> list[str]:
        """Children that an earlier version of a document had and this one has not."""
        gone = []
        for outcome in outcomes:
            kept = {storable(c.source_key) for c in outcome.children}
            gone += [
                r.id for r in self._ledger.children(outcome.document_id) if r.source_key not in kept
            ]
        return gone

    def remove(self, ids: Sequence[str]) -> set[str]:
        """Take documents and all inside them out of tables, indexes and blobs; return touched names.

        A duplicate of a removed document is queued in its place.
        """
        every = list(ids)
        for ident in every:  # grows while it is walked: children of children follow
            every += [r.id for r in self._ledger.children(ident) if r.id not in every]
        rows = self._ledger.rows(every)
        heirs = [
            twin
            for ident in every
            for twin in self._ledger.duplicates_of(ident)[:1]
            if twin not in rows
        ]
        for ident in every:
            self._indexes.documents.delete_group(ident)
            self._indexes.passages.delete_group(ident)
        self._indexes.commit()
        touched: set[str] = set()
        with self._tables.transaction() as tx:
            self.copies.remove(tx, every)
            for ident in every:
                touched |= self._knowledge.remove_document(tx, ident)
            self._ledger.remove(tx, every)
        self._ledger.requeue(heirs)
        for row in rows.values():
            if not self._ledger.version_in_use(row.version):
                self._forget(row.version)
        return touched

    def sketch_left(self, gather: Callable[[], None]) -> None:
        """Sketch the documents that an older release left without such sketches, and find their copies.

        Done once in a workspace; killed at any moment, the next run goes on.

        Args:
            gather: holds what was sketched against the others.
        """
        done = f"copies/{self._workspace}/sketched-2"
        if self._blobs.exists(done):
            return
        after = ""
        while ids := self.copies.unsketched(after, _SKETCHED):
            made = {}
            for ident, row in self._ledger.rows(ids).items():
                sketch = self._sketch(row)
                if sketch is not None:
                    made[ident] = row.version, sketch
            self.copies.put_left(made, after, _SKETCHED)
            after = ids[-1]
        gather()
        self._blobs.put(done, b"")

    def _sketch(self, row: Any) -> Sketch | None:
        """Of a done document; None if what was made of it is not there any more."""
        text, reading = (self._ledger.artifact(row.id, stage) for stage in (CONVERT, READ))
        if text is None or reading is None:
            return None
        try:
            whole = _indexable(Text.load(self._blobs.view(text)))
            names = Reading.load(self._blobs.get(reading)).names
        except NotFound:
            return None
        return sketch_of(whole, row.title or "", ((n.name_id, n.n_mentions) for n in names))

    def _forget(self, version: str) -> None:
        """Delete the bytes and artifacts of a version that no document has."""
        self._blobs.delete(original_key(version))
        for stage in STAGES:
            for key in list(self._blobs.list(f"artifact/{stage}/{version[:2]}/{version}/")):
                self._blobs.delete(key)


def _indexable(text: Text) -> str:
    """The text without page furniture, block by block."""
    rows = range(len(text.block_start))
    return "\n\n".join(
        text.text[text.block_start[r] : text.block_end[r]]
        for r in rows
        if Kind(int(text.block_kind[r])) not in FURNITURE
    )


def _mean(passages: Passages) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    """A document's vector: the mean of its passages', of unit length; None without any."""
    if not len(passages.vectors):
        return None
    mean = passages.vectors.astype(np.float32).mean(axis=0)
    length = float(np.linalg.norm(mean))
    return mean / length if length > 0 else None
