"""Patterns over words and dependencies, and rules made of them, in a whole workspace."""

import csv
import io
import json
import subprocess
import sys

import pytest
from fastapi.testclient import TestClient

import salient
from salient.errors import InvalidInput, NotFound
from salient.interfaces import rest
from salient.pipeline.run import Cancelled
from salient.services import exports

NEWS = (
    "Halden Maritime AS of Bergen has acquired Volta Cell GmbH, a battery maker in Stuttgart. "
    "Kestrel Capital LLC swallowed Brightwater Ltd. in March 2024. "
    "Ingrid Berg is the chief executive of Halden Maritime AS."
)
MORE = "Northgate Bank PLC swallowed Acme Corp. last year. It rained in Oslo all week."
SWALLOWED = "buyer:ORG <nsubj- swallow (-obl[in]-> when:DATE)? -obj-> target:ORG"
RULE = {
    "pattern": SWALLOWED,
    "predicate": "acquired",
    "subject": "buyer",
    "object": "target",
    "qualifiers": {"date": "when"},
}


@pytest.fixture(scope="module")
def read(tmp_path_factory):
    """A workspace with two documents that no test changes."""
    folder = tmp_path_factory.mktemp("in")
    (folder / "news.txt").write_text(NEWS)
    (folder / "more.txt").write_text(MORE)
    with salient.open(tmp_path_factory.mktemp("data"), pipeline={"processes": 1}) as workspace:
        workspace.add(folder)
        yield workspace


@pytest.fixture(scope="module")
def ruled(tmp_path_factory):
    """One that tests may change."""
    folder = tmp_path_factory.mktemp("in")
    (folder / "news.txt").write_text(NEWS)
    with salient.open(tmp_path_factory.mktemp("data"), pipeline={"processes": 1}) as workspace:
        workspace.add(folder)
        yield workspace


def filled(match):
    return {f.slot: f.text for f in match.filled if f.slot}


def acquired(workspace):
    found = workspace.call("facts.list", predicate="acquired").facts
    return {(f.subject_name, f.object_name): f for f in found}


def test_matches_come_with_their_sentence_and_slots(read):
    found = read.call("grammar.search", pattern=SWALLOWED)
    assert (found.total, found.n_documents, found.n_searched, found.complete) == (2, 2, 2, True)
    assert found.slots == ("buyer", "when", "target")
    by_buyer = {filled(m)["buyer"]: m for m in found.matches}
    match = by_buyer["Kestrel Capital LLC"]
    assert filled(match)["target"] == "Brightwater Ltd."
    assert filled(match)["when"] == "March 2024"
    assert match.quote.text == "Kestrel Capital LLC swallowed Brightwater Ltd. in March 2024."
    for one in match.filled:
        assert NEWS[one.start : one.end] == one.text
    hits = {p.text for p in match.quote.pieces if p.hit}
    assert hits == {"Kestrel Capital LLC", "swallowed", "Brightwater Ltd.", "March 2024"}
    assert "when" not in filled(by_buyer["Northgate Bank PLC"])


def test_pages_of_matches_make_up_the_whole(read):
    whole = read.call("grammar.search", pattern="[upos=NOUN]").matches
    parts = [
        read.call("grammar.search", pattern="[upos=NOUN]", offset=i, limit=1).matches[0]
        for i in range(len(whole))
    ]
    assert tuple(parts) == whole


def test_documents_narrow_a_search(read):
    ids = {d.name.rpartition("/")[2]: d.id for d in read.documents().documents}
    found = read.call("grammar.search", pattern=SWALLOWED, documents=[ids["more.txt"]])
    assert [filled(m)["buyer"] for m in found.matches] == ["Northgate Bank PLC"]
    assert found.n_searched == 1


def test_an_entity_is_meant_whatever_it_is_called(read):
    found = read.call("grammar.search", pattern="{Halden Maritime AS} .. *")
    assert found.total > 0
    assert {m.filled[0].text for m in found.matches} == {"Halden Maritime AS"}
    with pytest.raises(NotFound):
        read.call("grammar.search", pattern="{Nobody at all}")


def test_a_mistake_is_told_over_rest_with_its_place(read):
    with TestClient(rest.create(read.app), base_url="http://localhost") as client:
        fault = client.post("/v1/grammar/search", json={"pattern": "ORG <nsubj acquire"})
        assert fault.status_code == 422
        assert fault.json()["context"]["position"] == 11
        good = client.post("/v1/grammar/search", json={"pattern": SWALLOWED})
        assert good.json()["total"] == 2
        rows = client.get("/v1/exports/grammar.csv", params={"pattern": SWALLOWED})
        assert len(list(csv.reader(io.StringIO(rows.text)))) == 3


def test_the_command_line_shows_a_table_and_writes_files(read, tmp_path):
    data = str(read.app.settings.data_dir)

    def run(*arguments):
        command = [sys.executable, "-m", "salient", *arguments, "--data-dir", data]
        return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)

    shown = run("grammar", SWALLOWED)
    assert shown.returncode == 0, shown.stderr
    assert "2 matches in 2 of 2 documents" in shown.stdout
    target = tmp_path / "found.jsonl"
    assert run("grammar", SWALLOWED, "--to", str(target)).returncode == 0
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    assert {r["slot_target"] for r in rows} == {"Brightwater Ltd.", "Acme Corp."}
    wrong = run("grammar", "ORG <nsubj acquire")
    assert wrong.returncode == 1
    assert wrong.stderr.startswith("invalid_input: pattern, at character 12")


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx"])
def test_every_match_is_exported_in_every_form(read, form):
    request = exports.request_of("grammar", form, {"pattern": SWALLOWED})
    body = b"".join(exports.stream(request, read.app.context))
    assert body
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(body.decode())))
        assert {r["slot_buyer"] for r in rows} == {"Kestrel Capital LLC", "Northgate Bank PLC"}


def test_an_export_needs_its_pattern(read):
    with pytest.raises(InvalidInput):
        exports.stream(exports.request_of("grammar", "csv", {}), read.app.context)


def test_a_search_can_be_stopped_and_ends_in_time(read):
    def stop(_):
        raise Cancelled

    with pytest.raises(Cancelled):
        read.call("grammar.search", stop, pattern="*")
    late = read.call("grammar.search", pattern="ORG .. *", seconds=1e-9)
    assert not late.complete
    assert late.n_searched == 0


def test_a_search_finds_the_same_where_annotations_are_not_kept(read, monkeypatch):
    kept = [read.call("grammar.search", pattern=p).matches for p in (SWALLOWED, "* -obj-> ORG")]
    monkeypatch.setattr("salient.services.context.Blocks.CHARACTERS", 0)
    again = [read.call("grammar.search", pattern=p).matches for p in (SWALLOWED, "* -obj-> ORG")]
    assert again == kept


# ---- rules


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"predicate": "swallowed"}, "no predicate 'swallowed'"),
        ({"subject": "eater"}, "no slot 'eater'"),
        ({"subject": "target"}, "two slots"),
        ({"qualifiers": {"colour": "when"}}, "no qualifier 'colour'"),
        ({"qualifiers": {"date": "never"}}, "no slot 'never'"),
        ({"pattern": "buyer:{Acme Corp.} <nsubj- * -obj-> target:ORG", "qualifiers": {}}, "no entity"),
        ({"pattern": "buyer:ORG <nsubj"}, "pattern, at character"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_used_is_not_saved(read, change, said):
    for service in ("grammar.save", "grammar.preview"):
        with pytest.raises(InvalidInput, match=said):
            read.call(service, **(RULE | change))
    assert read.call("grammar.rules").rules == ()


def test_a_rule_gives_facts_with_evidence_until_it_is_removed(ruled, tmp_path):
    shown = ruled.call("grammar.preview", **RULE)
    (fact,) = shown.facts
    assert (fact.subject, fact.object) == ("Kestrel Capital LLC", "Brightwater Ltd.")
    assert fact.qualifiers["date"] == "March 2024"
    assert not fact.is_known
    assert ("Kestrel Capital LLC", "Brightwater Ltd.") not in acquired(ruled)

    saved = ruled.call("grammar.save", name="swallowing", **RULE)
    assert ruled.call("grammar.save", name="swallowing", **RULE).id == saved.id
    listed = ruled.call("grammar.rules")
    assert [(r.id, r.name, r.n_findings) for r in listed.rules] == [(saved.id, "swallowing", 0)]
    assert listed.n_stale == 1

    (tmp_path / "more.txt").write_text(MORE)
    ruled.add(tmp_path)
    assert ("Northgate Bank PLC", "Acme Corp.") in acquired(ruled)
    assert ("Kestrel Capital LLC", "Brightwater Ltd.") not in acquired(ruled)

    ruled.call("grammar.apply", processes=1)
    found = acquired(ruled)["Kestrel Capital LLC", "Brightwater Ltd."]
    assert found.evidence[0].component == saved.component == f"salient.rule@{saved.id}"
    assert found.evidence[0].quote.text == fact.quote.text
    assert found.qualifiers["date"] == "March 2024"
    assert ("Halden Maritime AS", "Volta Cell GmbH") in acquired(ruled)
    listed = ruled.call("grammar.rules")
    assert (listed.rules[0].n_findings, listed.n_stale) == (2, 0)
    assert ruled.call("grammar.preview", **RULE).facts[0].is_known is False

    assert ruled.call("grammar.remove", id=saved.id).n == 1
    assert ruled.call("grammar.remove", id=saved.id).n == 0
    assert ruled.call("grammar.rules").n_stale == 2
    ruled.call("grammar.apply", processes=1)
    assert set(acquired(ruled)) == {("Halden Maritime AS", "Volta Cell GmbH")}
    assert ruled.call("grammar.rules").n_stale == 0


def test_what_the_ontology_finds_itself_is_known(ruled):
    rule = RULE | {"pattern": "buyer:ORG <nsubj- acquire -obj-> target:ORG", "qualifiers": {}}
    (fact,) = ruled.call("grammar.preview", **rule).facts
    assert fact.is_known


# ---- the example corpus


def test_the_example_corpus_is_searched_whole(examples):
    pattern = "who:ORG <nsubj- [upos=VERB] -obj-> what:*"
    found = examples.call("grammar.search", pattern=pattern, limit=1000)
    assert found.complete
    assert found.n_searched == examples.status().states["done"]
    assert found.total == len(found.matches) > 0
    for match in found.matches:
        assert match.quote.start <= match.filled[0].start < match.quote.end
        assert {"who", "what"} <= set(filled(match))
