"""People are right, and stay right: corrections hold, outlive new documents, and can be undone."""

import pytest

from salient.errors import InvalidInput, NotFound

ONE = "Halden Maritime AS bought Cedar Mutual Ltd in 2021. Anna Berg is chief executive of Halden Maritime AS."
TWO = "Northgate Energy plc sued Cedar Mutual Ltd in Oslo. Northgate Energy plc owns a wind farm."
THREE = "Anna Berg of Halden Maritime AS met Northgate Energy plc in Bergen in 2022."


@pytest.fixture
def corpus(workspace, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for name, text in (("one.txt", ONE), ("two.txt", TWO)):
        (folder / name).write_text(text)
    workspace.add(folder)
    return workspace, folder


def entity(workspace, name):
    found = workspace.call("entities.list", query=name).entities
    return next((e for e in found if name in (e.name, *e.aliases)), None)


def test_a_merge_holds_after_new_documents_and_is_undone(corpus):
    workspace, folder = corpus
    left, right = entity(workspace, "Halden Maritime AS"), entity(workspace, "Northgate Energy plc")
    done = workspace.call(
        "entities.merge", ids=[left.id, right.id], person="Ada", reason="same group"
    )
    merged = workspace.call("entities.show", id=done.entity_id)
    assert {n.surface for n in merged.names} >= {"Halden Maritime AS", "Northgate Energy plc"}
    assert merged.decisions[0].person == "Ada"
    (folder / "three.txt").write_text(THREE)
    workspace.add(folder)
    after = {entity(workspace, n).id for n in ("Halden Maritime AS", "Northgate Energy plc")}
    assert len(after) == 1
    workspace.call("entities.undo", decision_id=done.decision.id)
    after = {entity(workspace, n).id for n in ("Halden Maritime AS", "Northgate Energy plc")}
    assert len(after) == 2


def test_a_merge_changes_what_search_and_facets_find_at_once(corpus):
    workspace, _ = corpus
    left, right = entity(workspace, "Halden Maritime AS"), entity(workspace, "Northgate Energy plc")
    assert workspace.search_documents("", filters={"entity": [left.id]}).total == 1
    done = workspace.call("entities.merge", ids=[left.id, right.id])
    assert workspace.search_documents("", filters={"entity": [done.entity_id]}).total == 2
    facets = workspace.search_documents("", facets=["entity"]).facets["entity"]
    assert next(f.n for f in facets if f.value == done.entity_id) == 2


def test_a_split_takes_a_name_away(corpus):
    workspace, _ = corpus
    ids = [entity(workspace, n).id for n in ("Halden Maritime AS", "Northgate Energy plc")]
    merged = workspace.call("entities.merge", ids=ids).entity_id
    names = workspace.call("entities.show", id=merged).names
    away = next(n for n in names if n.surface == "Northgate Energy plc")
    workspace.call("entities.split", id=merged, name_ids=[away.name_id])
    assert (
        entity(workspace, "Halden Maritime AS").id != entity(workspace, "Northgate Energy plc").id
    )


def test_a_name_that_a_person_gave_is_kept(corpus):
    workspace, folder = corpus
    old = entity(workspace, "Halden Maritime AS")
    workspace.call("entities.rename", id=old.id, name="Halden Group")
    assert entity(workspace, "Halden Group") is not None
    (folder / "three.txt").write_text(ONE + " It was a good year.")
    workspace.add(folder)
    assert entity(workspace, "Halden Group").n_documents == 2


def test_a_verdict_on_a_fact_is_shown(corpus):
    workspace, _ = corpus
    fact = workspace.call("facts.list").facts[0]
    workspace.call("facts.judge", id=fact.id, verdict="reject")
    again = next(f for f in workspace.call("facts.list").facts if f.id == fact.id)
    assert again.status == "rejected"


def test_what_makes_no_sense_is_refused(corpus):
    workspace, _ = corpus
    one = entity(workspace, "Halden Maritime AS")
    with pytest.raises(InvalidInput):
        workspace.call("entities.merge", ids=[one.id, one.id])
    with pytest.raises(NotFound):
        workspace.call("entities.show", id="nobody")
    with pytest.raises(NotFound):
        workspace.call("entities.undo", decision_id="never")
    with pytest.raises(InvalidInput, match="no type"):
        workspace.call("entities.retype", id=one.id, type="PLANET")


def test_the_graph_connects_and_shows_why(corpus):
    workspace, _ = corpus
    one = entity(workspace, "Halden Maritime AS")
    network = workspace.call("graph.neighbours", ids=[one.id])
    names = {n.id: n.name for n in network.nodes}
    assert "Cedar Mutual Ltd" in names.values()
    edge = next(e for e in network.edges if e.kind == "fact")
    shown = workspace.call(
        "graph.edge", source=edge.source, target=edge.target, predicate=edge.predicate
    )
    assert shown.evidence
    assert "".join(p.text for p in shown.evidence[0].quote.pieces) in ONE
    far = entity(workspace, "Northgate Energy plc")
    path = workspace.call("graph.path", source=one.id, target=far.id)
    assert path.found
    assert [path.nodes[0].id, path.nodes[-1].id] == [one.id, far.id]
    assert len(path.edges) == len(path.nodes) - 1


def test_known_entities_are_linked_and_found_where_the_model_saw_nothing(corpus, tmp_path):
    workspace, folder = corpus
    known = tmp_path / "known.csv"
    known.write_text(
        "id,type,name,aliases,identifiers\nK1,ORG,Halden Maritime AS,Halden,orgnr=1\nK2,PRODUCT,wind farm,,\n"
    )
    assert workspace.call("entities.import", path=str(known)).n == 2
    assert entity(workspace, "Halden Maritime AS").id == "K1"
    (folder / "three.txt").write_text(THREE + " The wind farm is new.")
    workspace.add(folder)
    assert workspace.call("entities.show", id="K2").entity.n_mentions >= 1


def test_names_imported_later_are_found_in_documents_read_before(corpus, tmp_path):
    workspace, _ = corpus
    before = {d.id: d.updated_at for d in workspace.call("documents.list").documents}
    known = tmp_path / "known.csv"
    known.write_text("id,type,name,aliases\nK2,PRODUCT,wind farm,\nK3,ORG,Nobody Ltd,\n")
    workspace.call("entities.import", path=str(known))
    assert workspace.call("entities.show", id="K2").entity.n_mentions == 1
    after = {d.id: d.updated_at for d in workspace.call("documents.list").documents}
    assert sum(before[i] != after[i] for i in before) == 1  # the other was not read again


def test_a_name_known_no_longer_is_no_mention_any_more(corpus, tmp_path):
    workspace, _ = corpus
    known = tmp_path / "known.csv"
    known.write_text("id,type,name,aliases\nK2,PRODUCT,Turbine,wind farm\n")
    workspace.call("entities.import", path=str(known))
    assert workspace.call("entities.show", id="K2").entity.n_mentions == 1
    known.write_text("id,type,name,aliases\nK2,PRODUCT,Turbine,\n")
    workspace.call("entities.import", path=str(known))
    assert workspace.call("entities.show", id="K2").entity.n_mentions == 0


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("id,name\n1,x\n", "columns type are missing"),
        ("id,type,name\n1,ORG,\n", "line 2: name is empty"),
        ("id,type,name\n1,SHIP,x\n", "no type 'SHIP'"),
        ("id,type,name\n1,ORG,x\n1,ORG,y\n", "stands in line 2 already"),
        ("id,type,name,identifiers\n1,ORG,x,abc\n", "not key=value"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_imported(workspace, tmp_path, text, fault):
    file = tmp_path / "k.csv"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=fault):
        workspace.call("entities.import", path=str(file))
    assert workspace.call("entities.list", unmentioned=True).total == 0
