"""The names of the client's knowledge base, as a matcher that workers share through a blob."""

from __future__ import annotations

import dataclasses
import hashlib
import json

from salient.knowledge.ontology import Ontology
from salient.model import Annotations, Strings, Text, spans_from
from salient.nlp import mentions
from salient.nlp.gazetteer import Gazetteer
from salient.nlp.units import units
from salient.storage.blob import Blobs
from salient.storage.sql import Tables


def publish(tables: Tables, blobs: Blobs, workspace: str, ontology: Ontology) -> str | None:
    """Write the names and labels of known entities as a blob; its key, or None without any.

    The key is made of the contents: it changes when, and only when, the names do.
    """
    sql = tables.load("salient.pipeline", "known.sql")
    rows = []
    with tables.read() as tx:
        for row in tx.stream(sql.names, {"workspace": workspace}):
            kind = ontology.types.get(row.type)
            if kind is not None and kind.mentions:
                rows.append([row.surface, kind.mentions[0]])
    if not rows:
        return None
    data = json.dumps(rows, ensure_ascii=False).encode("utf-8", "surrogatepass")
    key = f"gazetteer/{hashlib.sha256(data).hexdigest()[:32]}.json"
    if not blobs.exists(key):
        blobs.put(key, data)
    return key


def load(blobs: Blobs, key: str) -> Gazetteer:
    """The matcher of published names."""
    rows = json.loads(blobs.get(key))
    return Gazetteer((surface, label) for surface, label in rows)


def overlay(text: Text, annotations: Annotations, known: Gazetteer) -> Annotations:
    """Annotations with known names put over what the engine found.

    So a new knowledge base means matching names again, not annotating again.
    """
    found = list(annotations.labelled(annotations.mentions))
    rows = mentions.combine(found, [], known.find(text.text, units(text)))
    strings = Strings()
    for string in annotations.strings:
        strings.code(string)
    spans = spans_from(rows, strings)
    return dataclasses.replace(annotations, mentions=spans, strings=strings.table())
