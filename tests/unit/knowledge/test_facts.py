"""Facts as findings add up to them."""

import pytest

from salient.knowledge import facts, graph
from salient.knowledge.decisions import Log
from salient.model import Status

WORKSPACE = "w"
PAIR = ("Halden Maritime AS", "Cedar Mutual Ltd")


@pytest.fixture
def said(bench):
    """One document says it one way round, the other the other way."""
    left, right = PAIR
    for document, subject, other in (("a", left, right), ("b", right, left)):
        bench.enter(document)
        found = [(subject, "merged_with", other), (subject, "acquired", other)]
        bench.put(document, *PAIR, findings=found)
    bench.resolve()
    return bench


def page(bench, symmetric=("merged_with",), **chosen):
    return facts.page(bench.tables, WORKSPACE, symmetric, **chosen)[1]


def test_a_symmetric_fact_is_one_whichever_side_is_named_first(said):
    merged = page(said, predicate="merged_with")
    assert len(merged) == 1
    assert {e.document_id for e in merged[0].evidence} == {"a", "b"}
    assert merged[0].confidence > 0.9


def test_other_predicates_have_a_direction(said):
    assert len(page(said, predicate="acquired")) == 2
    assert len(page(said, symmetric=(), predicate="merged_with")) == 2


def test_counts_lists_and_lookups_agree(said):
    symmetric = ("merged_with",)
    total, listed = facts.page(said.tables, WORKSPACE, symmetric)
    every = list(facts.every(said.tables, WORKSPACE, symmetric))
    assert total == len(listed) == len(every) == 3
    counted = dict(facts.predicates(said.tables, WORKSPACE, symmetric))
    assert counted == {"merged_with": 1, "acquired": 2}
    for entity in {f.subject for f in every}:
        assert facts.page(said.tables, WORKSPACE, symmetric, entity=entity)[0] == 3
    for fact in every:
        assert facts.find(said.tables, WORKSPACE, symmetric, fact.id) == fact


def test_a_document_states_its_own_facts_with_the_evidence_of_all(said):
    symmetric = ("merged_with",)
    for document in ("a", "b"):
        total, listed = facts.page(said.tables, WORKSPACE, symmetric, document=document)
        assert total == len(listed)
        assert all(document in {e.document_id for e in f.evidence} for f in listed)
        merged = [f for f in listed if f.predicate == "merged_with"]
        assert {e.document_id for e in merged[0].evidence} == {"a", "b"}
        counted = facts.predicates(said.tables, WORKSPACE, symmetric, document=document)
        assert sum(n for _, n in counted) == total
    assert facts.page(said.tables, WORKSPACE, symmetric, document="none")[0] == 0


def test_a_verdict_on_a_symmetric_fact_holds_either_way(said):
    fact = page(said, predicate="merged_with")[0]
    Log(said.tables, WORKSPACE).judge(fact, Status.REJECTED, "Ada")
    assert page(said, predicate="merged_with")[0].status is Status.REJECTED


def test_exports_hold_each_fact_once(said):
    for form in graph.FORMS:
        whole = b"".join(graph.export(said.tables, WORKSPACE, form, ("merged_with",))).decode()
        assert whole.count("merged_with") == (2 if form == "csv" else 1)  # csv has a row a sentence
