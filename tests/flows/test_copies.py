"""One story from many sites counts once: in facts, in search, in answers; and people have the last word."""

import json

import pytest

from salient.errors import InvalidInput, NotFound
from salient.storage.sql import Query
from tests.flows.test_cli import run as command
from tests.unit.knowledge.copies.stories import edited

STORY = (
    "Halden Maritime AS bought Cedar Mutual Ltd for $350 million on Monday, 4 March 2024. The deal gives the Norwegian shipbuilder a yard in "
    "Gdansk with 1,200 workers. Anna Berg, chief executive of Halden Maritime AS, said the yard would finish 48 ferries by the end of 2031. "
    "Analysts at Fjordbanken had expected a price of $300 million for the yard, which lost $12 million in 2023. The purchase must be approved "
    "by the authorities in Warsaw and Oslo, which is expected by 14 June 2024, and the shipbuilder will move 85 of its engineers from Bergen "
    "to the Polish coast before the first of the new ferries is laid down there in the autumn, she said."
)
OTHER = "Northgate Energy plc sued Cedar Mutual Ltd in Oslo on 2 May 2022 over a wind farm. The judge asked both for papers."
ELSEWHERE = "A year later Halden Maritime AS bought Cedar Mutual Ltd, as the annual report of the port of Bergen has it."


def at_site(n):
    """The story, of which a site may change all but the first sentence."""
    head, rest = STORY.split(". ", 1)
    return f"{head}. {edited(rest, 0.04 * (n > 0), n + 10)}"


@pytest.fixture
def syndicated(workspace, tmp_path):
    """A story on five sites, another about it, and one on something else."""
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(5):
        (folder / f"site{n}.txt").write_text(at_site(n))
    (folder / "other.txt").write_text(OTHER)
    (folder / "elsewhere.txt").write_text(ELSEWHERE)
    workspace.add(folder)
    return workspace, folder


def ident(workspace, name):
    (found,) = workspace.documents(query=name).documents
    return found.id


def bought(workspace):
    facts = workspace.call("facts.list", limit=1000).facts
    return max(
        (f for f in facts if f.object_name and "Cedar Mutual" in f.object_name),
        key=lambda f: f.n_evidence,
    )


def test_copies_are_exported_source_by_source(syndicated):
    """With files of the same bytes."""
    workspace, folder = syndicated
    for name, text in (("twin.txt", at_site(1)), ("other2.txt", OTHER)):
        (folder / name).write_text(text)
    workspace.add(folder)
    (done, _) = (
        workspace.call("export.write", what="copies", form=form) for form in ("jsonl", "xlsx")
    )
    rows = [json.loads(line) for line in workspace.app.context.blobs.get(done.blob).splitlines()]
    sources = {}
    for row in rows:
        sources.setdefault(row["source_id"], set()).add(row["document"].rpartition("/")[2])
    assert sorted(map(sorted, sources.values())) == [
        ["other.txt", "other2.txt"],
        ["site0.txt", "site1.txt", "site2.txt", "site3.txt", "site4.txt", "twin.txt"],
    ]
    listed = workspace.call("copies.list")
    assert (listed.total, listed.n_documents) == (2, 8)


def test_a_fact_of_a_story_counts_once(syndicated):
    workspace, _ = syndicated
    fact = bought(workspace)
    assert fact.n_evidence >= 4
    assert fact.n_sources <= 2
    alone = 1 - (1 - fact.confidence) ** (1 / fact.n_sources)
    assert fact.confidence < 1 - (1 - alone) ** fact.n_evidence, "copies made it surer"
    first = fact.evidence[: fact.n_sources]
    assert len({e.quote.document_name.startswith("site") for e in first}) == fact.n_sources, (
        "each source is quoted first"
    )


def test_copies_are_listed_and_shown(syndicated):
    workspace, _ = syndicated
    groups = workspace.call("copies.list")
    assert (groups.total, groups.n_documents) == (1, 5)
    assert sorted(d.name for d in groups.groups[0].documents) == [f"site{n}.txt" for n in range(5)]
    shown = workspace.call("copies.show", id=ident(workspace, "site1")).copies
    assert len(shown) == 4
    assert shown[0].why == "same_words"
    assert None not in {c.why for c in shown}
    assert workspace.show(ident(workspace, "site1")).n_copies == 4
    assert workspace.call("copies.show", id=ident(workspace, "other")).copies == ()


def test_a_search_lists_a_story_once_and_each_when_asked(syndicated):
    workspace, _ = syndicated
    found = workspace.search_documents("yard workers ferries", mode="keyword")
    assert found.total == 5
    assert [h.n_copies for h in found.hits] == [4]
    each = workspace.search_documents("yard workers ferries", mode="keyword", copies="each")
    assert len(each.hits) == 5
    pages = [
        workspace.search_documents("Cedar Mutual", mode="keyword", offset=n, limit=1).hits
        for n in range(4)
    ]
    names = [h.document.name[:4] for page in pages for h in page]
    assert sorted(names) == ["else", "othe", "site"], "pages count what is listed"


def test_what_is_similar_is_none_of_the_copies(syndicated):
    workspace, _ = syndicated
    similar = workspace.similar(ident(workspace, "site0")).documents
    assert {s.document.name for s in similar} <= {"other.txt", "elsewhere.txt"}
    names = [s.document.name for s in workspace.similar(ident(workspace, "elsewhere")).documents]
    assert sum(n.startswith("site") for n in names) == 1


def test_an_answer_quotes_a_story_once_and_says_how_often_it_stands(syndicated):
    workspace, _ = syndicated
    asked = workspace.ask("Who is chief executive of Halden Maritime AS?")
    sites = [s for s in asked.sentences if s.quote.document_name.startswith("site")]
    assert sites[0].n_copies == 4
    read = [p.quote.document_name for p in asked.passages]
    assert sum(n.startswith("site") for n in read) == 1
    assert "elsewhere.txt" in read


def test_people_part_and_join_and_take_it_back(syndicated):
    workspace, folder = syndicated
    ids = [ident(workspace, f"site{n}") for n in range(5)]
    made = workspace.call("copies.decide", id=ids[0], others=ids[1:], copies=False, person="Ada")
    assert workspace.show(ids[0]).n_copies == 0
    assert workspace.show(ids[1]).n_copies == 3
    assert bought(workspace).n_sources >= 2
    (folder / "site5.txt").write_text(at_site(77))
    workspace.add(folder)
    copies = {c.document.id for c in workspace.call("copies.show", id=ids[0]).copies}
    assert not copies & set(ids), "a new copy does not bring together what was parted"
    workspace.call("entities.undo", decision_id=made.decision.id, person="Ada")
    assert workspace.show(ids[0]).n_copies == 5
    workspace.call("copies.decide", id=ids[0], others=[ident(workspace, "elsewhere")], copies=True)
    shown = workspace.call("copies.show", id=ident(workspace, "elsewhere")).copies
    assert len(shown) == 6
    assert shown[0].why is None


def test_bad_decisions_say_what_is_wrong(syndicated):
    workspace, _ = syndicated
    one = ident(workspace, "site0")
    with pytest.raises(NotFound):
        workspace.call("copies.decide", id=one, others=["f" * 20], copies=True)
    with pytest.raises(InvalidInput, match="2 to"):
        workspace.call("copies.decide", id=one, others=[one], copies=True)
    with pytest.raises(NotFound):
        workspace.call("copies.show", id="f" * 20)


def test_documents_that_change_or_go_leave_the_group(syndicated):
    workspace, folder = syndicated
    (folder / "site4.txt").write_text(OTHER.replace("wind farm", "dredger"))
    workspace.add(folder)
    assert workspace.call("copies.list").groups[0].n == 4
    workspace.call("documents.delete", ids=[ident(workspace, f"site{n}") for n in (0, 1)])
    assert workspace.call("copies.list").groups[0].n == 2
    workspace.call("documents.delete", ids=[ident(workspace, "site2")])
    assert workspace.show(ident(workspace, "site3")).n_copies == 0
    with workspace.app.context.tables.read() as tx:
        assert tx.value(Query("SELECT COUNT(*) FROM sketch")) == len(
            workspace.documents(states=["done"]).documents
        )


def test_a_passage_is_found_where_it_is_quoted(syndicated):
    workspace, _ = syndicated
    reply = workspace.call(
        "copies.quoted", text="The deal gives the Norwegian shipbuilder a yard in Gdansk", limit=20
    )
    assert len(reply.places) >= 4
    best = reply.places[0]
    assert "".join(p.text for p in best.quote.pieces).endswith("Gdansk")
    assert (
        workspace.call("copies.quoted", text="nobody ever said any of these words here").places
        == ()
    )
    with pytest.raises(InvalidInput, match="5 words"):
        workspace.call("copies.quoted", text="too short")


def interrupted():
    raise KeyboardInterrupt


@pytest.mark.parametrize("killed", [False, True])
def test_a_workspace_of_an_older_release_learns_its_copies(syndicated, killed):
    workspace, folder = syndicated
    context = workspace.app.context
    before = workspace.call("copies.list").groups
    with context.tables.transaction() as tx:
        for table in ("sketch", "sketch_band", "copy_pair", "copy_group"):
            tx.run(Query(f"DELETE FROM {table}"))
    context.blobs.delete(f"copies/{context.workspace}/sketched-2")
    assert workspace.call("copies.list").total == 0
    if killed:  # when all was sketched, and nothing held against the others
        with pytest.raises(KeyboardInterrupt):
            context.coordinator._committer.sketch_left(interrupted)
        assert workspace.call("copies.list").total == 0
    workspace.add(folder)  # nothing new
    assert workspace.call("copies.list").groups == before


def test_the_command_line_lists_and_parts_them(syndicated):
    workspace, _ = syndicated
    where = workspace.app.settings.data_dir
    other = ident(workspace, "site3")

    def run(*arguments):
        done = command(where, *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "5 documents in 1 group" in run("copies")
    assert "the same words" in run("copies", "site0.txt")
    assert json.loads(run("copies", "site0.txt", "--json"))["copies"][0]["similarity"] > 0.5
    run("copies", "site0.txt", "--not", other)
    assert workspace.show(ident(workspace, "site0")).n_copies < 4
    assert "site0.txt" in run("quoted", "Analysts at Fjordbanken had expected a price")
    assert "no other document says the same" in run("copies", "other.txt")


def test_files_of_the_same_bytes_count_where_their_text_stands(syndicated):
    workspace, folder = syndicated
    for name in ("again", "thrice"):
        (folder / f"{name}.txt").write_text((folder / "site1.txt").read_text())
    (folder / "otherwise.txt").write_text((folder / "other.txt").read_text())
    workspace.add(folder)
    site, other, twin = (ident(workspace, n) for n in ("site1", "other.", "again"))
    found = workspace.search_documents("yard workers ferries", mode="keyword")
    assert [h.n_copies for h in found.hits] == [6]
    assert [workspace.show(i).n_copies for i in (site, ident(workspace, "site2"), other, twin)] == [
        6,
        6,
        1,
        6,
    ]
    shown = workspace.call("copies.show", id=site).copies
    assert [c.why for c in shown[:3]] == ["same_bytes", "same_bytes", "same_words"]
    assert len(shown) == 6
    shown = workspace.call("copies.show", id=twin).copies
    assert {c.document.id for c in shown if c.why == "same_bytes"} == {
        site,
        ident(workspace, "thrice"),
    }
    assert len(shown) == 6
    groups = workspace.call("copies.list")
    assert (groups.total, groups.n_documents) == (2, 9)
    assert [(g.n, len(g.documents)) for g in groups.groups] == [(7, 7), (2, 2)]
    similar = workspace.similar(ident(workspace, "elsewhere")).documents
    assert {s.n_copies for s in similar if s.document.name.startswith("site")} <= {6}
    assert {s.n_copies for s in similar if s.document.name.startswith("other")} <= {1}
