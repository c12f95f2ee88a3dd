"""What is said of "it" and "the company" reaches the entity, and says by what way."""

import json

import pytest

from salient.errors import NotFound

TEXT = (
    "Halden Maritime AS builds ferries in Bergen. The company acquired Brightwater Pumps Ltd in 2021.\n\n"
    "Northgate Energy plc acquired Cedar Mutual Ltd in 2020. It grew.\n"
)
PLAIN = "Halden Maritime AS acquired Brightwater Pumps Ltd in 2021.\n"


@pytest.fixture
def read(workspace, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()

    def read(**texts):
        for name, text in texts.items():
            (folder / f"{name}.txt").write_text(text)
        workspace.add(folder)
        return workspace

    return read


def acquired(workspace, subject):
    found = workspace.call("facts.list", predicate="acquired").facts
    return next(f for f in found if f.subject_name == subject)


def test_a_document_says_what_other_words_stand_for(read):
    workspace = read(one=TEXT)
    document = workspace.call("documents.list").documents[0]
    found = workspace.call("documents.coreference", id=document.id)
    company = found.references[0]
    assert found.total == len(found.references)
    assert (company.mention, company.refers_to, company.kind) == (
        "The company",
        "Halden Maritime AS",
        "company",
    )
    assert (TEXT[company.start : company.end], company.antecedent_start) == ("The company", 0)
    assert company.sentence.startswith("The company acquired")
    entity = workspace.call("entities.list", query="Halden").entities[0]
    assert company.entity_id == entity.id
    rest = workspace.call("documents.coreference", id=document.id, offset=1)
    assert rest.references == found.references[1:]
    meant = workspace.call("documents.coreference", id=document.id, entity_id=entity.id)
    assert meant.references == tuple(r for r in found.references if r.entity_id == entity.id)
    assert meant.total == 1
    other = workspace.call("entities.list", query="Cedar").entities[0]
    none = workspace.call("documents.coreference", id=document.id, entity_id=other.id)
    assert none.references == ()


def test_a_pronoun_reaches_the_entity_and_its_facts(read):
    workspace = read(
        one="Halden Maritime AS of Bergen grew when it acquired Brightwater Pumps Ltd in 2021.\n"
    )
    document = workspace.call("documents.list").documents[0]
    (it,) = workspace.call("documents.coreference", id=document.id).references
    assert (it.mention, it.refers_to, it.kind) == ("it", "Halden Maritime AS", "pronoun")
    assert acquired(workspace, "Halden Maritime AS").qualifiers["via"] == "coreference"


def test_an_unknown_document_has_none(workspace):
    with pytest.raises(NotFound):
        workspace.call("documents.coreference", id="nothing")


def test_a_fact_of_another_word_says_so_and_is_less_sure(read):
    workspace = read(one=TEXT)
    by_company = acquired(workspace, "Halden Maritime AS")
    by_name = acquired(workspace, "Northgate Energy plc")
    assert by_company.qualifiers["via"] == "coreference"
    assert "via" not in by_name.qualifiers
    assert by_company.confidence < by_name.confidence
    quote = by_company.evidence[0].quote.text
    assert "Halden Maritime AS builds" in quote
    assert "The company acquired" in quote


def test_a_sentence_with_the_name_takes_the_mark_away(read):
    workspace = read(one=TEXT, two=PLAIN)
    fact = acquired(workspace, "Halden Maritime AS")
    assert fact.n_evidence == 2
    assert "via" not in fact.qualifiers


def test_references_are_exported(read):
    workspace = read(one=TEXT)
    done = workspace.call("export.write", what="references", form="jsonl")
    rows = [json.loads(line) for line in bytes(workspace.app.context.blobs.view(done.blob)).splitlines()]  # fmt: skip
    assert rows[0]["mention"] == "The company"
    assert rows[0]["refers_to"] == "Halden Maritime AS"
