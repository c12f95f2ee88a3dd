"""Imports the entities that a client knows: CSV or JSON lines, checked before anything is written."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salient.errors import InvalidInput
from salient.knowledge.names import normalise
from salient.knowledge.ontology import Ontology
from salient.knowledge.store import entity_row
from salient.storage.sql import Tables, Transaction

COLUMNS = ("id", "type", "name", "aliases", "identifiers", "properties", "description")
_NEEDED = ("id", "type", "name")
_BATCH = 500
_LONGEST_ID, _LONGEST_NAME = 64, 500


@dataclass(frozen=True, slots=True)
class Known:
    """An entity of the client's knowledge base."""

    id: str
    type: str
    name: str
    aliases: tuple[str, ...] = ()
    identifiers: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Imported:
    """How many entities a file holds, and the names that are known since, or no longer."""

    n: int
    changed: frozenset[str]


def import_entities(tables: Tables, workspace: str, path: Path, *, ontology: Ontology) -> Imported:
    """Import a file.

    - CSV (a header; comma, semicolon or tab): `aliases` are parted by `|`, `identifiers` are
      `key=value` parted by `|`; other columns become properties.
    - JSON lines: the same names, with lists and objects.
    - An id that is there already is replaced; others stay. The links to it stay too.

    Raises:
        InvalidInput: a line cannot be used. The message says which and why; nothing was written.

    Cost: the file is read twice, a line at a time; memory is one batch, the ids and the changed names.
    """
    seen: dict[str, int] = {}
    for line, known in _read(path, ontology):
        if known.id in seen:
            raise InvalidInput(
                f"line {line}: the id {known.id!r} stands in line {seen[known.id]} already",
                line=line,
            )
        seen[known.id] = line
    sql = tables.load("salient.knowledge", "knowledge.sql")
    changed: set[str] = set()
    with tables.transaction() as tx:
        batch: list[Known] = []
        for _, known in _read(path, ontology):
            batch.append(known)
            if len(batch) >= _BATCH:
                changed |= _write(tx, sql, workspace, batch)
                batch = []
        changed |= _write(tx, sql, workspace, batch)
    return Imported(len(seen), frozenset(changed))


def _write(tx: Transaction, sql: Any, workspace: str, batch: Sequence[Known]) -> set[str]:
    """Write some entities; return the names that came or went, or mean another entity now."""
    if not batch:
        return set()
    ids = [k.id for k in batch]
    key = {"workspace": workspace, "ids": ids}
    before = {r.id: r for r in tx.rows(sql.entities, key)}
    counts = {i: (r.n_mentions, r.n_documents) for i, r in before.items()}
    old = {(s, i, r.type) for i, r in before.items() for s in (r.name, *json.loads(r.aliases))}
    tx.run(sql.drop_entities, key)
    tx.run(sql.drop_aliases, key)
    tx.run(
        sql.add_entity,
        [
            entity_row(
                {
                    "id": k.id,
                    "workspace": workspace,
                    "type": k.type,
                    "name": k.name,
                    "origin": "kb",
                    "aliases": json.dumps(list(k.aliases), ensure_ascii=False),
                    "identifiers": json.dumps(
                        dict(k.identifiers), ensure_ascii=False, sort_keys=True
                    ),
                    "properties": json.dumps(
                        dict(k.properties), ensure_ascii=False, sort_keys=True
                    ),
                    # What documents say of it is counted anew by the next linking.
                    "n_mentions": counts.get(k.id, (0, 0))[0],
                    "n_documents": counts.get(k.id, (0, 0))[1],
                }
            )
            for k in batch
        ],
    )
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for known in batch:
        for surface in (known.name, *known.aliases):
            norm = normalise(surface, person=known.type == "PERSON")[:255]
            if norm:
                row = {
                    "workspace": workspace,
                    "norm": norm,
                    "entity_id": known.id,
                    "surface": surface,
                }
                rows.setdefault((norm, known.id), row)
    tx.run(sql.add_alias, list(rows.values()))
    new = {(s, k.id, k.type) for k in batch for s in (k.name, *k.aliases)}
    return {surface for surface, _, _ in old ^ new}


def _read(path: Path, ontology: Ontology) -> Iterator[tuple[int, Known]]:
    """Entities with their line numbers, checked."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = _json_lines(file) if path.suffix.lower() in (".jsonl", ".ndjson") else _csv(file)
            for line, row in rows:
                yield line, _checked(line, row, ontology)
    except UnicodeDecodeError as exc:
        raise InvalidInput(f"{path.name} is not UTF-8 text: save it as UTF-8") from exc
    except csv.Error as exc:
        raise InvalidInput(f"{path.name} is not CSV: {exc}") from exc


def _csv(file: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    head = file.readline()
    delimiter = max(",;\t", key=head.count)
    columns = next(csv.reader([head], delimiter=delimiter), [])
    names = [c.strip().lower() for c in columns]
    missing = [c for c in _NEEDED if c not in names]
    if missing:
        raise InvalidInput(
            f"line 1: the columns {', '.join(missing)} are missing: the header needs id, type and name",
            line=1,
        )
    reader = csv.reader(file, delimiter=delimiter)
    for cells in reader:
        line = reader.line_num + 1
        if not any(c.strip() for c in cells):
            continue
        if len(cells) > len(names):
            raise InvalidInput(
                f"line {line}: there are {len(cells)} cells for {len(names)} columns", line=line
            )
        row: dict[str, Any] = dict(zip(names, (c.strip() for c in cells), strict=False))
        row["aliases"] = [a.strip() for a in row.get("aliases", "").split("|") if a.strip()]
        pairs = [p for p in row.get("identifiers", "").split("|") if p.strip()]
        if bad := [p for p in pairs if "=" not in p]:
            raise InvalidInput(
                f"line {line}: the identifier {bad[0]!r} is not key=value", line=line
            )
        row["identifiers"] = {
            key.strip(): value.strip() for key, _, value in (p.partition("=") for p in pairs)
        }
        yield line, row


def _json_lines(file: Iterable[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            row = json.loads(text)
        except json.JSONDecodeError as exc:
            raise InvalidInput(f"line {line}: not JSON: {exc.msg}", line=line) from exc
        if not isinstance(row, dict):
            raise InvalidInput(f"line {line}: not a JSON object", line=line)
        yield line, row


def _checked(line: int, row: Mapping[str, Any], ontology: Ontology) -> Known:
    for column in _NEEDED:
        value = row.get(column)
        if not isinstance(value, str) or not value.strip():
            raise InvalidInput(f"line {line}: {column} is empty", line=line)
    if row["type"] not in ontology.types:
        raise InvalidInput(
            f"line {line}: the ontology has no type {row['type']!r}",
            line=line,
            known=sorted(ontology.types),
        )
    if len(row["id"]) > _LONGEST_ID or len(row["name"]) > _LONGEST_NAME:
        raise InvalidInput(
            f"line {line}: an id has at most {_LONGEST_ID} characters, a name {_LONGEST_NAME}",
            line=line,
        )
    aliases, identifiers = row.get("aliases") or [], row.get("identifiers") or {}
    if not isinstance(aliases, list) or not all(isinstance(a, str) for a in aliases):
        raise InvalidInput(f"line {line}: aliases are not a list of names", line=line)
    if not isinstance(identifiers, dict):
        raise InvalidInput(f"line {line}: identifiers are not an object", line=line)
    properties = row.get("properties") or {}
    if not isinstance(properties, dict):
        properties = {"properties": properties}
    more = {k: v for k, v in row.items() if k not in COLUMNS and v not in ("", None)}
    if row.get("description"):
        more["description"] = row["description"]
    return Known(
        id=row["id"].strip(),
        type=row["type"],
        name=row["name"].strip(),
        aliases=tuple(dict.fromkeys(a.strip() for a in aliases if a.strip())),
        identifiers={str(k): str(v) for k, v in identifiers.items()},
        properties={**properties, **more},
    )
