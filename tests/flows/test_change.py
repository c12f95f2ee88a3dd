"""Documents change, are deleted, and come again; what they contributed follows."""

import pytest

from salient.errors import NotFound

ONE = "Halden Maritime AS bought Brightwater Ltd in 2021. The price was $5 million."
TWO = "Cedar Mutual sued Northgate Energy plc in 2022 over a pipeline."


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "deal.txt"
    made.write_text(ONE)
    return made


def names(workspace):
    return {e.name for e in workspace.call("entities.list").entities}


def test_the_same_bytes_again_are_no_work(workspace, file):
    workspace.add(file)
    reply = workspace.add(file)
    assert (reply.added, reply.unchanged, reply.worked) == (0, 1, 0)


def test_other_bytes_replace_what_was_found(workspace, file):
    workspace.add(file)
    assert any("Halden" in n for n in names(workspace))
    file.write_text(TWO)
    workspace.add(file)
    assert not any("Halden" in n for n in names(workspace))
    assert any("Cedar" in n for n in names(workspace))
    assert workspace.search("Brightwater", mode="keyword").total == 0
    assert workspace.search("pipeline", mode="keyword").total == 1
    (document,) = workspace.documents().documents
    assert len(workspace.show(document.id).versions) == 2


def test_deleting_a_document_takes_all_of_it_away(workspace, file):
    workspace.add(file)
    (document,) = workspace.documents().documents
    assert workspace.call("documents.delete", ids=[document.id]).n == 1
    assert workspace.status().total == 0
    assert names(workspace) == set()
    assert workspace.search("Halden").total == 0
    assert workspace.call("facts.list").total == 0
    assert list(workspace.app.context.blobs.list("artifact/")) == []
    assert list(workspace.app.context.blobs.list("original/")) == []
    with pytest.raises(NotFound):
        workspace.show(document.id)


def test_a_duplicate_takes_the_place_of_a_deleted_original(workspace, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.txt").write_text(ONE)
    (folder / "b.txt").write_text(ONE)
    workspace.add(folder)
    original = next(d for d in workspace.documents().documents if d.state == "done")
    workspace.call("documents.delete", ids=[original.id])
    workspace.add()
    (heir,) = workspace.documents().documents
    assert (heir.state, heir.duplicate_of) == ("done", None)
    assert workspace.search("Halden", mode="keyword").total == 1


def test_a_mail_that_loses_its_attachment_loses_the_child(workspace, tmp_path):
    from email.message import EmailMessage

    def mail(*attachments):
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = (
            "Pumps",
            "a@example.org",
            "b@example.org",
        )
        message.set_content("See what is attached.")
        for name, words in attachments:
            message.add_attachment(words, filename=name)
        return bytes(message)

    file = tmp_path / "m.eml"
    file.write_bytes(mail(("one.txt", ONE), ("two.txt", TWO)))
    workspace.add(file)
    assert workspace.status().states["done"] == 3
    parent = next(d for d in workspace.documents().documents if d.parent_id is None)
    assert {c.name for c in workspace.show(parent.id).children} == {"one.txt", "two.txt"}
    file.write_bytes(mail(("two.txt", TWO)))
    workspace.add(file)
    assert workspace.status().total == 2
    assert workspace.search("Brightwater", mode="keyword").total == 0
