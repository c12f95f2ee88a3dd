"""Values are shown with what they mean in their document."""

import pytest

import salient
from salient.services import exports
from salient.services.meanings import of_fact, of_qualifiers

TEXT = (
    "Halden Maritime GmbH paid C$5 on 25/12/2020 and $7 on 03/04/2021.\n\n"
    "Yesterday it paid 5% more under Section 4.2(b), within thirty (30) days.\n"
)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("values")
    (folder / "a.txt").write_text(TEXT)
    with salient.open(folder / "data", pipeline={"processes": 1}) as opened:
        opened.add(folder / "a.txt")
        yield opened


@pytest.fixture
def document(workspace):
    return workspace.call("documents.list").documents[0].id


def test_the_document_view_shows_values_in_text_order(workspace, document):
    page = workspace.call("documents.page", id=document)
    shown = [(m.surface, m.value and m.value.normal) for m in page.mentions]
    assert shown == [
        ("Halden Maritime GmbH", None), ("C$5", "CAD 5"), ("25/12/2020", "2020-12-25"), ("$7", "CAD 7"), ("03/04/2021", "2021-04-03"), ("Yesterday", "OFFSET P-1D"),
        ("5%", "5 %"), ("Section 4.2(b)", "section 4.2(b)"), ("thirty (30) days", "P30D"),
    ]  # fmt: skip
    assert len({m.ordinal for m in page.mentions}) == len(page.mentions)


def test_pages_of_the_list_join_to_the_whole(workspace, document):
    whole = workspace.call("documents.mentions", id=document)
    assert whole.total == len(whole.mentions)
    parts = [
        workspace.call("documents.mentions", id=document, offset=at, limit=3)
        for at in range(0, whole.total, 3)
    ]
    assert [m for part in parts for m in part.mentions] == list(whole.mentions)
    counted = workspace.call("documents.show", id=document).labels
    assert sum(counted.values()) == whole.total


def test_the_export_has_the_values_and_their_other_readings(workspace, document):
    context = workspace.app.context
    rows = list(exports._mentions(context, {}))
    assert len(rows) == workspace.call("documents.mentions", id=document).total
    by_surface = {r["surface"]: r for r in rows}
    assert by_surface["thirty (30) days"]["value"] == "P30D"
    assert by_surface["thirty (30) days"]["value_kind"] == "duration"
    assert by_surface["C$5"]["ambiguous"] == []
    assert by_surface["Halden Maritime GmbH"]["value"] is None


def test_facts_are_read_by_themselves():
    assert of_fact("date", "3 March 2021").normal == "2021-03-03"
    assert of_fact("date", "03/04/2021").ambiguous
    assert of_fact(None, "3 March 2021") is None
    assert of_fact("date", None) is None
    said = of_qualifiers({"amount": "€5 million", "date": "1999", "title": "first", "share": "51%"})
    assert {k: v.normal for k, v in said.items()} == {"amount": "EUR 5000000", "date": "1999", "share": "51 %"}  # fmt: skip
