"""Every named query of the application runs on each database and gives the same rows in the same order."""

import itertools
import random
import re
from contextlib import ExitStack
from pathlib import Path

import pytest

import salient
from salient.storage.sql import Query, Tables, fold, like
from tests.sql_spaces import DIALECTS, space

FILES = [
    ("salient.services", "documents.sql"), ("salient.services", "entities.sql"), ("salient.pipeline", "ledger.sql"),
    ("salient.pipeline", "known.sql"), ("salient.knowledge", "knowledge.sql"), ("salient.knowledge", "facts.sql"),
    ("salient.knowledge.copies", "copies.sql"), ("salient.knowledge", "graph.sql"), ("salient.services", "jobs.sql"), ("salient.services", "grammar.sql"),
]  # fmt: skip
KEYS = {
    "document": "id", "document_version": "document_id, version", "stage_run": "document_id, stage",
    "mention": "document_id, ordinal", "name": "id", "name_document": "name_id, document_id",
    "entity": "workspace, id", "entity_alias": "workspace, norm, entity_id", "name_entity": "name_id",
    "finding": "document_id, ordinal", "decision": "id", "sketch": "document_id",
    "sketch_band": "workspace, band, document_id", "copy_pair": "workspace, one, other", "copy_group": "document_id",
}  # fmt: skip
ODD = [
    "Ärger.pdf",
    "ärger.PDF",
    "100%_!.txt",
    "a\\b.txt",
    "ab ",
    "ab",
    "🜚.md",
    "ǅ.txt",
    "Å.txt",
    "Z",
    "a",
    "'\"",
]


ODD_COPIES = {
    "sketch": [
        {"document_id": f"odd{i:03}", "workspace": "default", "version": f"{i // 2:064}", "waiting": i % 2, "data": "Ä" * i}
        for i in range(6)
    ],
    "sketch_band": [
        {"workspace": "default", "band": band, "document_id": f"odd{i:03}"} for band in (1, 2**63 - 1) for i in range(3)
    ],
    "copy_pair": [
        {"workspace": "default", "one": a, "other": b, "similarity": 1 / 3, "containment": 0.1 + 0.2, "why": "retold"}
        for a, b in itertools.combinations(("odd000", "odd001", "odd002"), 2)
    ],
    "copy_group": [
        {"document_id": f"odd{i:03}", "workspace": "default", "first_id": f"odd{i // 3:03}"} for i in range(6)
    ],
}  # fmt: skip


def _queries():
    with Tables.open("sqlite::memory:") as tables:
        return [(p, n, q.name) for p, n in FILES for q in tables.load(p, n)]


def _rows(reading, table):
    # Names and values of ours alone.
    return reading.rows(Query(f"SELECT * FROM {table} ORDER BY {KEYS[table]}"))


def _odd_documents(like_this):
    """Rows as nobody would wish for them: NULLs, ties, all cases, in all states."""
    states = itertools.cycle(["failed", "quarantined", "unsupported", "running", "queued", "done"])
    for i, name in enumerate(ODD * 2):
        yield like_this | {
            "id": f"odd{i:03}",
            "source_key": name,
            "name": name,
            "name_folded": fold(name),
            "title": None if i % 3 else name[::-1],
            "title_folded": None if i % 3 else fold(name[::-1]),
            "state": next(states),
            "media_type": None if i % 2 else "text/plain",
            "code": None if i % 4 else "timeout",
            "n_pages": None if i % 5 else i,
            "parent_id": "odd001" if i > 15 else None,
            "duplicate_of": {5: "odd000", 6: "odd000", 7: "odd008"}.get(
                i
            ),  # the last has no copies
            "owner": "host:1:2" if i % 6 == 3 else None,
            "lease_until": 1.7e9 + i / 7 if i % 6 == 3 else None,
            "size_bytes": i // 2,
            "version": f"{i // 2:064}",
        }


def _odd_entities(like_this):
    for i, name in enumerate(ODD):
        yield like_this | {
            "id": f"odd{i:03}",
            "name": name,
            "name_folded": fold(name),
            "aliases": f'["{name}"]',
            "aliases_folded": fold(f'["{name}"]'),
            "n_mentions": i // 3,
            "n_documents": i // 4,
        }


@pytest.fixture(scope="module")
def databases(examples, tmp_path_factory, servers):
    """The tables of the example corpus, and odd rows, in each kind of database."""
    source = examples.app.context.tables
    with ExitStack() as stack:
        made = {}
        for dialect in DIALECTS:
            url = stack.enter_context(space(dialect, tmp_path_factory.mktemp(dialect), servers))
            made[dialect] = stack.enter_context(Tables.open(url))
            made[dialect].migrate()
        with source.read() as reading:
            for table in KEYS:
                rows = [dict(r._mapping) for r in _rows(reading, table)]
                if table == "document":
                    rows += _odd_documents(rows[0])
                if table == "entity":
                    rows += _odd_entities(rows[0])
                if table == "decision":
                    rows += [
                        {"id": f"d{i}", "workspace": "default", "sequence": i, "verb": "merge", "subjects": "[]",
                         "value": None if i else "x", "person": "p", "reason": None, "made_at": "2026"}
                        for i in range(3)
                    ]  # fmt: skip
                rows += ODD_COPIES.get(table, [])
                if not rows:
                    continue
                columns = ", ".join(rows[0])
                places = ", ".join(f":{c}" for c in rows[0])
                put = Query(f"INSERT INTO {table} ({columns}) VALUES ({places})")
                for tables in made.values():
                    with tables.transaction() as tx:
                        assert tx.run(put, rows) == len(rows)
        yield made


@pytest.fixture(scope="module")
def values(databases):
    """What stands for each parameter, by its name, from what is there."""
    with databases["sqlite"].read() as reading:
        busy = [
            r.document_id
            for r in reading.rows(
                Query(
                    "SELECT document_id FROM mention GROUP BY document_id ORDER BY COUNT(*) DESC, 1 LIMIT 4"
                )
            )
        ]
        top = [
            r.id
            for r in reading.rows(
                Query(
                    "SELECT id FROM entity WHERE n_mentions > 0 ORDER BY n_mentions DESC, id LIMIT 4"
                )
            )
        ]
        said = reading.rows(
            Query("SELECT DISTINCT s.entity_id AS subject, o.entity_id AS other, f.predicate FROM finding f"
                  " JOIN name_entity s ON s.name_id = f.subject_name JOIN name_entity o ON o.name_id = f.object_name"
                  " ORDER BY 1, 2, 3 LIMIT 6")
        )  # fmt: skip
        plain = reading.rows(
            Query("SELECT DISTINCT s.entity_id AS subject, f.object_value AS other, f.predicate FROM finding f"
                  " JOIN name_entity s ON s.name_id = f.subject_name WHERE f.object_value IS NOT NULL"
                  " ORDER BY 1, 2, 3 LIMIT 6")
        )  # fmt: skip
        names = [r.id for r in reading.rows(Query("SELECT id FROM name ORDER BY id LIMIT 60"))]
        every = [r.id for r in _rows(reading, "document")]
        versions = [r.version for r in _rows(reading, "document")]
    patterns = [None, *(like(fold(t)) for t in ("Ä", "CORP", "100%_!", "\\", "a", "'"))]
    shared = {
        "workspace": ["default"], "limit": [5, 1000], "offset": [0, 3], "n": [3, 1000], "least": [0, 1],
        "any_type": [1, 0], "parent": [None, "odd001"], "pattern": patterns, "low": [0], "high": [900, 10**6],
        "origin": [None, "kb", "found"], "one": busy, "other": busy, "document_id": [*busy, every[-1]],
        "parent_id": ["odd001"], "stage": ["convert", "read"], "after": ["", every[9]], "version": versions[::9],
        "symmetric": [[""], ["merged_with", "partner_of"]], "document": [None, *busy[:2]],
        "entity": top[:2], "predicate": [None, *{r.predicate for r in said}],
        "states": [["done"], ["done", "failed", "queued", "running"], []],
        "types": [["application/pdf", "text/plain"], ["ORG", "PERSON"], ["*"]],
        "owner": ["host:1:2"], "lease_until": [1.8e9 + 0.1], "updated_at": ["2027-01-01T00:00:00.000+00:00"],
        "added_at": ["2027-01-01T00:00:00.001+00:00"], "code": [None, "timeout"], "depth": [1],
        "duplicate_of": [None, "odd000"], "metadata": ['{"a": "ä"}'], "name": ["Ärger über 'x'"], "name_folded": ["ärger"],
        "reason": [None, "because"], "size_bytes": [2**40], "source_key": ["k\\%s"], "state": ["failed"],
        "document_date": [None, "2026-01-02"], "language": ["de"], "media_type": ["text/plain"], "n_characters": [77],
        "n_pages": [None, 3], "notes": ['["n"]'], "title": [None, "T"], "title_folded": [None, "t"],
        "artifact": [None, "a/b"], "component": ["c@1"], "seconds": [0.1, 1e-7], "finished_at": ["2027"],
        "norm": ["ärger"], "type": ["ORG"], "context": ["{}"], "n_mentions": [3], "n_documents": [2], "surface": ["Ä:b"],
        "name_id": ["new0"], "end": [9], "start": [3], "label": ["ORG"], "ordinal": [100_000], "page": [None, 2],
        "score": [0.1 + 0.2], "sentence_start": [1], "sentence_end": [20], "confidence": [1 / 3], "object_name": [None, "o"],
        "object_value": [None, "v"], "qualifiers": ["{}"], "quote": ["q"], "subject_name": ["s"], "entity_id": ["e1"],
        "method": ["exact"], "aliases": ["[]"], "aliases_folded": ["[]"], "identifiers": ["{}"],
        "properties": ["{}"], "made_at": ["2027"], "person": ["p"], "sequence": [99], "subjects": ["[]"],
        "value": [None, "v"], "verb": ["merge"], "mirrored": [0, 1],
        "id": busy, "ids": [busy, every[::3], every[1::2], every[:1]],
    }  # fmt: skip
    entities = {
        "id": [*top, "odd003"],
        "ids": [top, [*top, "odd001"]],
        "types": [["ORG", "PERSON"], ["*"]],
    }
    by_file = {
        "entities.sql": entities | {"types": [["ORG"], ["ORG", "PERSON"]]},
        "graph.sql": entities,
        "knowledge.sql": entities,
        "facts.sql": {"ids": [names]},
        "copies.sql": {
            "ids": [["odd000", "odd001", "odd008"], ["odd002", "none", *busy[:1]]],
            "id": ["odd001", "odd004"],
            "document_id": ["odd001", "odd009"],
            "first_id": ["odd000"],
            "version": [f"{0:064}", f"{2:064}"],
            "data": ["Ä" * 700],
            "bands": [[1], [2**63 - 1, 7]],
            "band": [2**62 + 1],
            "one": ["odd000"],
            "other": ["odd001", "odd002"],
            "similarity": [1 / 7],
            "containment": [0.1 + 0.2],
            "why": ["same_words"],
        },
        "grammar.sql": {
            "component": ["salient.reading@2", "c@1"],
            "folded": ["ärger.pdf", "ab"],
            "alias": patterns[1:],
        },
    }
    of_names = {"ids": [names, names[:2]]}
    new = {"id": ["new0"], "origin": ["kb"], "document_id": ["odd000"]}
    by_query = {
        "entities_called": {"id": [top[0], "none"]}, "mentions_of": {"ids": [top, top[:1]]},
        "entities_of_names": of_names, "known_names": of_names, "name_documents": of_names, "drop_names": of_names,
        "links_of_names": of_names, "drop_links": of_names, "insert": new, "add_name": new, "add_name_document": new,
        "add_mention": new, "add_finding": new | {"predicate": ["owns"]}, "add_entity": new, "add_alias": new,
        "add_decision": new, "add_sketch": {"id": ["new0"]}, "add_member": {"document_id": ["new0"]}, "add_pair": {"other": ["new0"]}, "keep_version": new | {"version": ["f" * 64]}, "add_stage": new, "add_link": new,
        "duplicates_of": {"id": ["odd000"]}, "entity_of_subject": {"id": [*top[:2], *names[:2]]},
        "twin": {"id": ["odd000", "odd003"]}, "renew": {"id": ["odd002"], "version": ["e" * 64]},
        "labels": {"id": busy},
    }  # fmt: skip
    together = {
        "subject": "subject",
        "object": "other",
        "predicate": "predicate",
        "source": "subject",
        "target": "other",
    }
    tied = {
        "evidence_of_value": [{k: getattr(r, c) for k, c in together.items()} for r in plain],
        "evidence_of_entity": [{k: getattr(r, c) for k, c in together.items()} for r in said],
        "fact_evidence": [{k: getattr(r, c) for k, c in together.items()} for r in said],
        "together_evidence": [{"source": a, "target": b} for a in top for b in top if a != b],
        "finish": [
            {"id": "odd000", "version": versions[every.index("odd000")]},
            {"id": "odd001", "version": "x" * 64},
        ],
        "has_version": [{"document_id": every[0], "version": versions[0]}],
    }

    def of(file, query):
        """Values for a query: all combinations, or forty of them."""
        wanted = sorted(query.statement._bindparams)
        chosen = shared | by_file.get(file, {}) | by_query.get(query.name, {})
        sets = tied.get(query.name, [{}])
        free = [n for n in wanted if n not in sets[0]]
        every_set = [
            {n: v for n, v in fixed.items() if n in wanted} | dict(zip(free, picked, strict=True))
            for fixed in sets
            for picked in itertools.product(*(chosen[n] for n in free))
        ]
        if len(every_set) > 40:
            return random.Random(query.name).sample(every_set, 40)
        return every_set

    return of


class _Undone(Exception):
    pass


@pytest.mark.parametrize(("package", "file", "name"), _queries())
def test_a_query_does_the_same_everywhere(databases, values, package, file, name):
    queries = {d: getattr(t.load(package, file), name) for d, t in databases.items()}
    written = re.search(r"^(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)", queries["sqlite"].text, re.M)
    found = 0
    for given in values(file, queries["sqlite"]):
        seen = {}
        for dialect, tables in databases.items():
            if written is None:
                with tables.read() as reading:
                    rows = reading.rows(queries[dialect], given)
                seen[dialect] = rows
                found += len(rows)
                continue
            with pytest.raises(_Undone), tables.transaction() as tx:  # noqa: PT012 # so that nothing stays
                done = tx.run(queries[dialect], given)
                seen[dialect] = [(done,), *_rows(tx, written[1])]
                found += done
                raise _Undone
        kinds = {d: [[type(v) for v in row] for row in rows] for d, rows in seen.items()}
        for dialect in DIALECTS[1:]:
            assert seen[dialect] == seen["sqlite"], (dialect, given)
            assert kinds[dialect] == kinds["sqlite"], (dialect, given)
    assert found, "no values of this test find a row"


def test_no_file_of_queries_is_left_out():
    folder = Path(salient.__file__).parent
    there = {p.name for p in folder.rglob("*.sql")} - {"schema.sql"}
    assert there == {file for _, file in FILES}
