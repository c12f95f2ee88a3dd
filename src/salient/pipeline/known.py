"""The names of the client's knowledge base, as a matcher that workers map from a published model."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

from salient.errors import Corrupt, NotFound
from salient.knowledge.ontology import Ontology
from salient.learning.registry import PREFIX, Model, Registry
from salient.model import Annotations, Strings, Text, spans_from
from salient.nlp import mentions
from salient.nlp.gazetteer import Gazetteer, digest_of
from salient.nlp.units import units
from salient.storage.sql import Tables


def publish(tables: Tables, models: Registry, workspace: str, ontology: Ontology) -> str | None:
    """Publish the names and labels of known entities, if they are not published as they are now.

    Returns:
        `model:NAME@VERSION`, which changes when, and only when, the names do; None without any.
    """
    if next(_names(tables, workspace, ontology), None) is None:
        return None
    name = f"names.{workspace}"
    file = _file(digest_of(_names(tables, workspace, ontology)))
    try:
        published = models.state(name, sure=True).version
        if any(f.path == file for f in models.files(published)):
            return f"{PREFIX}{name}@{published}"
    except (NotFound, Corrupt):
        pass  # there are none yet, or they cannot be read any more: both are mended below
    # Read once more rather than kept: what changed meanwhile is then in both name and contents.
    made = Gazetteer(_names(tables, workspace, ontology))
    with tempfile.TemporaryDirectory(prefix="salient-names-") as folder:
        (Path(folder) / _file(made.digest)).write_bytes(made.dump())
        return f"{PREFIX}{name}@{models.publish(name, Path(folder))}"


def load(model: Model) -> Gazetteer:
    """The matcher of published names; it maps the model's file.

    Raises:
        Corrupt: the model holds something else.
    """
    (file,) = model.digests
    return Gazetteer.load(*model.columns(file))


def _names(tables: Tables, workspace: str, ontology: Ontology) -> Iterator[tuple[str, str]]:
    sql = tables.load("salient.pipeline", "known.sql")
    with tables.read() as tx:
        for row in tx.stream(sql.names, {"workspace": workspace}):
            kind = ontology.types.get(row.type)
            if kind is not None and kind.mentions:
                yield row.surface, kind.mentions[0]


def _file(digest: str) -> str:
    return f"{digest}.columns"


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
