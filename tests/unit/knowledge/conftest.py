"""Readings made by hand, and tables to put them in."""

import itertools
import json

import pytest

from salient.knowledge.names import name_id, normalise
from salient.knowledge.reading import FindingRow, MentionRow, NameRow, Reading
from salient.knowledge.resolve import Resolver
from salient.knowledge.store import Store, entity_row
from salient.storage.sql import Query, Tables

WORKSPACE = "w"


def name_row(surface, kind="ORG", n=1, forms=(), near=()):
    norm = normalise(surface, person=kind == "PERSON")
    context = {"forms": dict.fromkeys((surface, *forms), 1), "near": list(near)}
    return NameRow(name_id(WORKSPACE, kind, norm), kind, norm, n, surface, context)


def reading(*names, findings=()):
    """A reading in which each name (a surface or a NameRow) stands once, in one sentence.

    `findings` are (subject, predicate, object) by surface.
    """
    rows = [n if isinstance(n, NameRow) else name_row(n) for n in names]
    mentions = tuple(
        MentionRow(i, 10 * i, 10 * i + 5, None, r.type, r.surface, 0.9, r.name_id, 0, 1000)
        for i, r in enumerate(rows)
    )
    ids = {r.surface: r.name_id for r in rows}
    said = tuple(
        FindingRow(i, ids[a], predicate, ids[b], None, {}, 0, 4, None, "said", 0.8)
        for i, (a, predicate, b) in enumerate(findings)
    )
    return Reading(WORKSPACE, Reading.COMPONENT, mentions, tuple(rows), said)


class Bench:
    """A workspace's tables with shorthand for what tests do to them."""

    def __init__(self, tables):
        self.tables = tables
        self.store = Store(tables, WORKSPACE)
        self.sql = tables.load("salient.knowledge", "knowledge.sql")
        self._numbers = itertools.count()

    def put(self, document_id, *names, findings=()):
        with self.tables.transaction() as tx:
            return self.store.replace_document(tx, document_id, reading(*names, findings=findings))

    def enter(self, document_id):
        """A row of the ledger, which evidence needs."""
        row = {
            "id": document_id, "workspace": WORKSPACE, "source_key": document_id, "name": document_id, "version": "v",
            "size_bytes": 1, "metadata": "{}", "state": "done", "notes": "[]", "depth": 0, "attempts": 0,
            "added_at": "2020", "updated_at": "2020",
        }  # fmt: skip
        names = ", ".join(row)
        values = ", ".join(f":{n}" for n in row)
        with self.tables.transaction() as tx:
            tx.run(Query(f"INSERT INTO document ({names}) VALUES ({values})"), row)

    def drop(self, document_id):
        with self.tables.transaction() as tx:
            return self.store.remove_document(tx, document_id)

    def resolve(self, touched=None):
        return Resolver(self.tables, WORKSPACE).resolve(touched)

    def add(self, *names):
        """A document of its own, resolved."""
        self.resolve(self.put(f"d{next(self._numbers):03}", *names))

    def know(self, ident, name, *aliases, kind="ORG", **properties):
        """An entity of the knowledge base."""
        with self.tables.transaction() as tx:
            row = {
                "id": ident, "workspace": WORKSPACE, "type": kind, "name": name, "origin": "kb",
                "aliases": json.dumps(aliases), "identifiers": "{}", "properties": json.dumps(properties, sort_keys=True),
                "n_mentions": 0, "n_documents": 0,
            }  # fmt: skip
            tx.run(self.sql.add_entity, entity_row(row))
            for surface in (name, *aliases):
                norm = normalise(surface, person=kind == "PERSON")
                alias = {
                    "workspace": WORKSPACE,
                    "norm": norm,
                    "entity_id": ident,
                    "surface": surface,
                }
                tx.run(self.sql.add_alias, alias)

    def entities(self):
        """id -> row."""
        with self.tables.read() as tx:
            rows = tx.rows(self.sql.every_entity, {"workspace": WORKSPACE, "least": 0})
            return {r.id: dict(r._mapping) for r in rows}

    def links(self):
        """norm and type -> entity id."""
        with self.tables.read() as tx:
            names = {
                r.id: (r.norm, r.type)
                for r in tx.rows(self.sql.all_names, {"workspace": WORKSPACE})
            }
            rows = tx.rows(self.sql.all_links, {"workspace": WORKSPACE})
            return {names[r.name_id]: r.entity_id for r in rows}

    def state(self):
        with self.tables.read() as tx:
            links = sorted(tuple(r) for r in tx.rows(self.sql.all_links, {"workspace": WORKSPACE}))
            names = sorted(tuple(r) for r in tx.rows(self.sql.all_names, {"workspace": WORKSPACE}))
        return links, names, self.entities()

    def same(self, left, right, kind="ORG"):
        """Whether two surfaces are one entity."""
        links = self.links()
        person = kind == "PERSON"
        return (
            links[normalise(left, person=person), kind]
            == links[normalise(right, person=person), kind]
        )

    def entity_of(self, surface, kind="ORG"):
        return self.links()[normalise(surface, person=kind == "PERSON"), kind]


@pytest.fixture
def bench(tmp_path):
    tables = Tables.open(f"sqlite:{tmp_path}/t.db")
    tables.migrate()
    yield Bench(tables)
    tables.close()
