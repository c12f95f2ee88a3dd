"""Writes readings into the tables: a document's rows are replaced as a whole, in the caller's transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, final

from salient.knowledge.reading import Reading
from salient.storage.sql import Tables, Transaction, fold

_BATCH = 500


@final
class Store:
    """The knowledge rows of documents.

    Rows of `name` outlive their documents until `resolve` has seen that they are gone.
    """

    def __init__(self, tables: Tables, workspace: str) -> None:
        self._sql = tables.load("salient.knowledge", "knowledge.sql")
        self._workspace = workspace

    def replace_document(self, tx: Transaction, document_id: str, reading: Reading) -> set[str]:
        """Put a document's reading in the place of what was there; doing it again changes nothing.

        Returns:
            The ids of names that the document had or has: what `resolve` must look at.
        """
        sql = self._sql
        touched = self.remove_document(tx, document_id)
        names = reading.names
        ids = [n.name_id for n in names]
        known = {
            row.id
            for first in range(0, len(ids), _BATCH)
            for row in tx.rows(sql.known_names, {"ids": ids[first : first + _BATCH]})
        }
        tx.run(
            sql.add_name,
            [
                {"id": n.name_id, "workspace": self._workspace, "type": n.type, "norm": n.norm}
                for n in names
                if n.name_id not in known
            ],
        )
        tx.run(
            sql.add_name_document,
            [
                {
                    "name_id": n.name_id,
                    "document_id": document_id,
                    "n_mentions": n.n_mentions,
                    "surface": n.surface,
                    "context": _json(n.context),
                }
                for n in names
            ],
        )
        tx.run(
            sql.add_mention,
            [
                {
                    "document_id": document_id,
                    "ordinal": m.ordinal,
                    "start": m.start,
                    "end": m.end,
                    "page": m.page,
                    "label": m.label,
                    "surface": m.surface,
                    "score": m.score,
                    "name_id": m.name_id,
                    "sentence_start": m.sentence_start,
                    "sentence_end": m.sentence_end,
                    "component": reading.component,
                }
                for m in reading.mentions
            ],
        )
        tx.run(
            sql.add_finding,
            [
                {
                    "document_id": document_id,
                    "ordinal": f.ordinal,
                    "workspace": self._workspace,
                    "subject_name": f.subject_name,
                    "predicate": f.predicate,
                    "object_name": f.object_name,
                    "object_value": f.object_value,
                    "qualifiers": _json(f.qualifiers),
                    "start": f.start,
                    "end": f.end,
                    "page": f.page,
                    "quote": f.quote,
                    "component": f.component or reading.component,
                    "confidence": f.confidence,
                }
                for f in reading.findings
            ],
        )
        return touched | set(ids)

    def remove_document(self, tx: Transaction, document_id: str) -> set[str]:
        """Take away all that a document contributed; return the ids of its names."""
        sql, key = self._sql, {"document_id": document_id}
        touched = {row.name_id for row in tx.rows(sql.names_of_document, key)}
        tx.run(sql.drop_mentions, key)
        tx.run(sql.drop_findings, key)
        tx.run(sql.drop_name_documents, key)
        return touched


def entity_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `entity` with what it is found by."""
    return {
        **row,
        "name_folded": fold(row["name"]),
        "aliases_folded": fold(row["aliases"]),
    }


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
