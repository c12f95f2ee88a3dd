"""The example corpus end to end: every file accounted for, names linked, everything quoted."""

from pathlib import Path

import pytest
import yaml

from salient.services import exports

ROOT = Path(__file__).resolve().parent.parent.parent
GOLD = yaml.safe_load((ROOT / "examples" / "entities.yaml").read_text("utf-8"))
ENDS = ("done", "failed", "quarantined", "duplicate", "unsupported")


@pytest.fixture(scope="module")
def entities(examples):
    """Entity of each surface form that any document has."""
    found = {}
    context = examples.app.context
    for row in exports._query("export_mentions")(context, {}):
        found.setdefault(row["surface"], {}).setdefault(row["entity_id"], 0)
        found[row["surface"]][row["entity_id"]] += 1
    return {surface: max(ids, key=lambda i: (ids[i], i or "")) for surface, ids in found.items()}


def test_every_file_is_accounted_for(examples):
    status = examples.status()
    assert sum(status.states[s] for s in ENDS) == status.total
    assert status.states["done"] >= 24
    assert (
        status.states["failed"] == status.states["quarantined"] == status.states["unsupported"] == 0
    )
    assert status.states["duplicate"] == 1


def test_the_scan_was_read(examples):
    scans = [d for d in examples.documents(limit=1000).documents if "scan" in d.name]
    assert scans
    page = examples.call("documents.page", id=scans[0].id, page=1)
    assert page.ocr
    assert sum(len(b.pieces) for b in page.blocks) > 5


def test_names_of_one_thing_are_one_entity(entities):
    wrong = []
    n = 0
    for item in GOLD["entities"]:
        ids = {name: entities[name] for name in item["names"] if name in entities}
        n += len(ids)
        if len(set(ids.values())) > 1:
            wrong.append({item["entity"]: ids})
    assert n > 30
    assert len(wrong) <= len(GOLD["entities"]) * 0.2, wrong


def test_names_of_different_things_are_different_entities(entities):
    merged = [
        (a, b)
        for a, b in GOLD["different"]
        if a in entities and b in entities and entities[a] == entities[b]
    ]
    assert merged == []


def test_known_entities_are_linked_to_the_knowledge_base(entities):
    known = [i for i in GOLD["entities"] if i["kb_id"] and any(n in entities for n in i["names"])]
    linked = [i for i in known if any(entities.get(n) == i["kb_id"] for n in i["names"])]
    assert len(linked) >= 0.85 * len(known), [i["entity"] for i in known if i not in linked]


def test_every_fact_quotes_its_sentence(examples):
    facts = examples.call("facts.list", limit=1000)
    assert facts.total >= 15
    for fact in facts.facts:
        assert fact.evidence
        for item in fact.evidence:
            text = examples.text(item.quote.document_id)
            assert (
                "".join(p.text for p in item.quote.pieces)
                == text[item.quote.start : item.quote.end]
            )


def test_facets_count_the_whole_result(examples):
    everything = examples.search_documents("", facets=["media_type", "entity", "label"], limit=1)
    assert everything.total == examples.status().states["done"]
    by_type = {f.value: f.n for f in everything.facets["media_type"]}
    assert sum(by_type.values()) == everything.total
    for facet in everything.facets["entity"][:5]:
        narrowed = examples.search_documents("", filters={"entity": [facet.value]}, limit=1)
        assert narrowed.total == facet.n, facet


def test_highlights_are_what_was_searched(examples):
    reply = examples.search("agreement", mode="keyword", limit=5)
    assert reply.total > 3
    for hit in reply.hits:
        lit = [p.text.lower() for p in hit.quote.pieces if p.hit]
        assert lit
        assert all(p.startswith("agree") for p in lit)


def test_similar_documents_share_their_story(examples):
    status = examples.documents(states=["done"], limit=1000)
    news = next(d for d in status.documents if "news/" in d.name)
    reply = examples.similar(news.id)
    assert reply.documents
    scores = [d.score for d in reply.documents]
    assert scores == sorted(scores, reverse=True)
    assert news.id not in {d.document.id for d in reply.documents}


def test_exports_are_equal_on_every_run_and_any_number_of_processes(examples, tmp_path):
    import salient

    with salient.open(tmp_path, pipeline={"processes": 2, "batch": 5}) as other:
        other.call("entities.import", path=str(ROOT / "examples" / "knowledge_base.csv"))
        other.add(ROOT / "examples" / "corpus")
        for what in ("mentions", "entities", "facts", "annotations"):
            request = exports.request_of(what, "jsonl", {})
            ours, theirs = (
                b"".join(exports.stream(request, w.app.context)) for w in (examples, other)
            )
            assert ours == theirs, what
