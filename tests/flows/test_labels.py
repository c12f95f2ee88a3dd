"""Documents are labelled by hand, a classifier learns it, labels the others, and never what a person labelled."""

import json
import random

import pytest
from typer.testing import CliRunner

import salient
from salient.errors import InvalidInput, LimitExceeded, NotFound
from salient.interfaces.cli import cli
from salient.pipeline.run import Cancelled
from salient.services import labelled
from salient.services.labelbook import LabelBook
from salient.storage.search import embedded

WORDS = {
    "sea": "ship sail harbour captain wave anchor crew port",
    "law": "court judge claim party statute appeal clause verdict",
}


def written(folder, n):
    rng = random.Random(3)
    for at in range(n):
        label = ("sea", "law")[at % 2]
        words = rng.choices(WORDS[label].split(), k=8) + rng.choices(
            "the a of to in and".split(), k=6
        )
        (folder / label).mkdir(exist_ok=True)
        rng.shuffle(words)
        (folder / label / f"{at:02}.txt").write_text(
            " ".join(words).capitalize() + f" number {at}."
        )


def run(data, *arguments):
    done = CliRunner().invoke(cli, [*map(str, arguments), "--data-dir", str(data)])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("data")
    written(folder, 40)
    with salient.open(data, pipeline={"processes": 1}) as opened:
        opened.add(folder)
    return data


@pytest.fixture
def workspace(data):
    with salient.open(data) as opened:
        yield opened


def named(workspace, at):
    """The id of the document of a number, and its true label."""
    label = ("sea", "law")[at % 2]
    name = f"{label}/{at:02}.txt"
    (found,) = [d for d in workspace.documents(limit=1000).documents if d.name.endswith(name)]
    return found.id, label


def test_the_whole_story(data, workspace, tmp_path):
    with pytest.raises(InvalidInput, match="label some first"):
        workspace.call("classify.train", name="subjects", scheme="subject")
    ids = [named(workspace, at) for at in range(40)]
    rows = [{"document": ident, "label": label} for ident, label in ids[:24]]
    (tmp_path / "known.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    assert "24 labelled" in run(
        data, "labels", "import", tmp_path / "known.jsonl", "-s", "subject", "--person", "ada"
    )
    # A person may be of another mind than any classifier.
    name = workspace.documents(limit=1000).documents[0].name
    assert "1 labelled" in run(
        data, "labels", "set", ids[0][0], "-l", "law", "-s", "subject", "--person", "ada"
    )

    shown = run(data, "classify", "evaluate", "workspace:subject", "--hold-out", "0.25", "--html", tmp_path / "r.html", "--to", tmp_path / "r.json")  # fmt: skip
    assert "accuracy" in shown
    assert "25% of workspace:subject" in (tmp_path / "r.html").read_text()
    figures = json.loads((tmp_path / "r.json").read_text())
    assert figures["accuracy"] >= 0.8
    assert figures["n_texts"] == 6
    assert "accuracy" in run(data, "classify", "evaluate", "workspace:subject", "--folds", "4")

    shown = run(data, "classify", "train", "workspace:subject", "--model", "subjects")
    assert "learnt 2 labels from 24 documents" in shown
    shown = run(data, "classify", "predict", "workspace", "--model", "subjects")
    assert (
        "16 documents labelled in 'subject', 0 of them with none; 24 have a person's label" in shown
    )
    listed = workspace.call("labels.list", scheme="subject", limit=1000)
    by = {one.document_id: one for one in listed.documents}
    assert len(by) == listed.total == 40
    for at, (ident, label) in enumerate(ids):
        own = by[ident]
        if at < 24:
            assert (own.by, own.person, own.share) == ("person", "ada", None)
            assert own.labels == (("law",) if at == 0 else (label,))
        else:
            assert (own.by, own.person, own.model, own.labels) == (
                "classifier",
                None,
                "subjects",
                (label,),
            )
            assert 0.5 < own.share <= 1
    assert [(c.label, c.people, c.predicted) for c in listed.counts] == [
        ("law", 13, 8),
        ("sea", 11, 8),
    ]
    assert listed.schemes == ("subject",)
    unsure = workspace.call("labels.list", scheme="subject", unsure=True, limit=3).documents
    assert [one.share for one in unsure] == sorted(one.share for one in by.values() if one.share)[
        :3
    ]
    assert name in run(data, "labels", "list", "--scheme", "subject")

    shown = workspace.call("labels.show", ids=[ids[1][0], ids[30][0], "none"]).labels
    assert {(o.document_id, o.scheme, o.by) for o in shown} == {
        (ids[1][0], "subject", "person"),
        (ids[30][0], "subject", "classifier"),
    }

    again = workspace.call("classify.predict", model="subjects")
    assert (again.predicted, again.unchanged) == (0, 16)
    # What a person says of a predicted one holds at once, and for every later prediction.
    workspace.call("labels.set", ids=[ids[30][0]], scheme="subject", labels=["law"], person="bo")
    retrained = workspace.call("classify.train", name="subjects", scheme="subject", epochs=6)
    assert retrained.documents == 25
    more = workspace.call("classify.predict", model="subjects")
    assert (more.predicted, more.labelled_by_people, more.unchanged) == (15, 25, 0)
    own = workspace.call("labels.list", scheme="subject", by="person", label="law", limit=1000)
    assert ids[30][0] in {one.document_id for one in own.documents}
    # Taken back, the prediction shows again.
    assert "1 taken back" in run(data, "labels", "remove", ids[30][0], "-s", "subject")
    (one,) = [o for o in workspace.call("labels.list", scheme="subject", limit=1000).documents if o.document_id == ids[30][0]]  # fmt: skip
    assert (one.by, one.labels) == ("classifier", ("sea",))
    assert workspace.call("labels.forget", scheme="subject").n == 16
    assert workspace.call("labels.list", scheme="subject").total == 24


def test_folders_are_labels(workspace):
    made = workspace.call("classify.train", name="folders", by="folder", precision=0.9)
    assert [(one.label, one.documents) for one in made.labels] == [("law", 20), ("sea", 20)]
    assert made.precision >= 0.9
    assert 0 < made.answered <= 1
    measured = workspace.call("classify.evaluate", model="folders", by="folder")
    assert measured.accuracy > 0.9
    assert measured.documents == 40
    with pytest.raises(InvalidInput, match="label some first"):
        workspace.call("classify.train", name="authors", by="metadata:author")


def test_several_labels_a_document(workspace):
    ids = [named(workspace, at) for at in range(40)]
    for at, (ident, label) in enumerate(ids[:30]):
        labels = [label, "even"] if at % 4 == 0 else [label] if at % 5 else []
        workspace.call("labels.set", ids=[ident], scheme="topics", labels=labels)
    made = workspace.call("classify.train", name="topics", scheme="topics", thresholds=True)
    assert [one.label for one in made.labels] == ["even", "law", "sea"]
    assert all(0 < one.threshold < 1 for one in made.labels)
    done = workspace.call("classify.predict", model="topics")
    assert (done.scheme, done.predicted, done.labelled_by_people) == ("topics", 10, 30)
    found = workspace.call("labels.list", scheme="topics", by="classifier").documents
    assert len(found) == 10
    with pytest.raises(InvalidInput, match="several"):
        workspace.call("classify.train", name="topics", scheme="topics", several=False)


def test_a_training_that_is_stopped_goes_on(workspace, monkeypatch):
    from salient.learning import checkpoints
    from salient.learning.classification import running

    monkeypatch.setattr(running, "_SLICE", 8)
    monkeypatch.setattr(checkpoints, "_LEAST_S", 0.0)
    monkeypatch.setattr(checkpoints.Checkpoints.__init__, "__kwdefaults__", {"least_s": 0.0})
    monkeypatch.setattr(checkpoints, "_SHARE", 0)
    whole = workspace.call("classify.train", name="whole", by="folder", epochs=4)
    seen = []

    def stop(progress):
        if progress.stage == "learn":
            seen.append(progress.done)
            if len(seen) == 9:
                raise Cancelled

    with pytest.raises(Cancelled):
        workspace.call("classify.train", stop, name="stopped", by="folder", epochs=4)
    kept = f"classify/{workspace.app.context.workspace}/training/"
    assert list(workspace.app.context.blobs.list(kept))
    first = []
    done = workspace.call(
        "classify.train", lambda p: first.append(p), name="stopped", by="folder", epochs=4
    )
    assert next(p.done for p in first if p.stage == "learn") > 40
    assert done.version == whole.version
    assert not list(workspace.app.context.blobs.list(kept))


def test_deleted_documents_leave_no_labels(data, workspace, tmp_path):
    (tmp_path / "gone.txt").write_text("The ship left the harbour and the captain slept.")
    workspace.add(tmp_path / "gone.txt")
    (own,) = workspace.documents(query="gone.txt").documents
    assert "1 labelled" in run(data, "labels", "set", "gone.txt", "-l", "x", "-s", "other")
    workspace.call("documents.delete", ids=[own.id])
    assert workspace.call("labels.list", scheme="other").total == 0
    with pytest.raises(NotFound):
        workspace.call("labels.set", ids=[own.id], labels=["x"])
    for bad in ({"scheme": "a/b"}, {"scheme": ""}, {"labels": [" "]}, {"labels": [""]}):
        with pytest.raises(InvalidInput):
            workspace.call("labels.set", **{"ids": [named(workspace, 1)[0]], "labels": ["x"]} | bad)


def test_a_file_of_labels_is_taken_whole_or_not_at_all(data, workspace, tmp_path):
    names = {d.name for d in workspace.documents(limit=1000).documents}
    known = next(name for name in names if name.endswith("01.txt"))
    for text, told in (
        (f"document,label\n{known},x\nnobody.txt,y\n", "no document is called 'nobody.txt'"),
        (f"document,label\n{known},x\n{known}\n", "has no value for 'label'"),
    ):
        (tmp_path / "some.csv").write_text(text)
        done = CliRunner().invoke(cli, ["labels", "import", str(tmp_path / "some.csv"), "-s", "whole", "--data-dir", str(data)])  # fmt: skip
        assert told in str(done.exception)
    assert workspace.call("labels.list", scheme="whole").total == 0
    (tmp_path / "some.csv").write_text(f"document,label\n{known},x\n")
    run(data, "labels", "import", tmp_path / "some.csv", "-s", "whole")
    assert [(c.label, c.people) for c in workspace.call("labels.list", scheme="whole").counts] == [
        ("x", 1)
    ]
    with pytest.raises(NotFound):
        workspace.call("classify.predict", model="nobody")
    with pytest.raises(InvalidInput):
        workspace.call("classify.train", name="x", by="anything")


def test_labels_narrow_a_search_and_are_counted(data, workspace):
    ids = [named(workspace, at)[0] for at in range(6)]
    workspace.call("labels.set", ids=ids[:3], scheme="desk", labels=["north", "a/b"])
    workspace.call("labels.set", ids=ids[3:5], scheme="label", labels=["plain"])
    book = LabelBook(workspace.app.context.records, workspace.app.context.workspace)
    said = [(ids[2], ["south"], 0.9, "v"), (ids[5], ["north"], 0.9, "v")]
    book.predict("desk", said, model="m", version="1")

    def found(text="", passages=False, **request):
        call = workspace.search if passages else workspace.search_documents
        reply = call(text, limit=100, copies="each", **request)
        return {h.quote.document_id if passages else h.document.id for h in reply.hits}

    north = {*ids[:3], ids[5]}
    for passages in (False, True):
        assert found(passages=passages, filters={"labelled": ["desk/north"]}) == north
        assert found(passages=passages, filters={"labelled": ["desk/a/b"]}) == set(ids[:3])
        assert found(passages=passages, filters={"labelled": ["plain"]}) == set(ids[3:5])
        assert found(passages=passages, filters={"labelled": ["plain", "desk/north"]}) == set(ids)
        assert found(passages=passages, filters={"labelled": ["desk/south"]}) == set(), "a person said otherwise"  # fmt: skip
        one = {"labelled": ["desk/north"], "document": [ids[0], ids[4]]}
        assert found(passages=passages, filters=one) == {ids[0]}
        out = {"labelled": ["desk/north"], "document": [ids[4]]}
        left = found(passages=passages, filters={"labelled": ["plain", "desk/north"]}, exclude=out)
        assert left == {ids[3]}
        call = workspace.search if passages else workspace.search_documents
        facet = call("", facets=["labelled", "year"], limit=1).facets["labelled"]
        own = [(f.value, f.label, f.n) for f in facet if f.value.startswith(("desk/", "label/"))]
        assert own == [
            ("desk/north", "desk: north", 4),
            ("desk/a/b", "desk: a/b", 3),
            ("label/plain", "plain", 2),
        ]
        narrowed = call("", filters={"labelled": ["plain"]}, facets=["labelled"], limit=1)
        assert ("label/plain", 2) in [(f.value, f.n) for f in narrowed.facets["labelled"]]
        assert max(f.n for f in narrowed.facets["labelled"]) == 2
    assert "4 found" in run(data, "search", "", "--label", "desk/north", "--mode", "keyword")


def test_counts_are_kept_until_labels_change(workspace, monkeypatch):
    ids = sorted(named(workspace, at)[0] for at in range(4))
    scheme = "Zähler & mehr \u2028"
    book = LabelBook(workspace.app.context.records, workspace.app.context.workspace)
    read = []
    every = LabelBook.every
    monkeypatch.setattr(LabelBook, "every", lambda self, name: read.append(1) or every(self, name))

    def listed(**request):
        reply = workspace.call("labels.list", scheme=scheme, **request)
        return reply.total, {c.label: (c.people, c.predicted) for c in reply.counts}

    assert listed() == (0, {})
    workspace.call("labels.set", ids=ids[:2], scheme=scheme, labels=["a", "b"])
    book.predict(scheme, [(i, ["a"], 0.9, "v") for i in ids[1:]], model="m", version="1")
    assert listed() == (4, {"a": (2, 2), "b": (2, 0)})
    n = len(read)
    assert listed(limit=1, label="a", by="person")[0] == 2
    assert listed(limit=1, label="a")[0] == 4
    assert listed(limit=1, by="classifier")[0] == 2
    assert len(read) == n + 3, "the page alone"
    workspace.call("labels.remove", ids=ids[:1], scheme=scheme)
    assert listed() == (3, {"a": (1, 2), "b": (1, 0)})
    workspace.call("labels.forget", scheme=scheme)
    assert listed() == (1, {"a": (1, 0), "b": (1, 0)})
    book.remove(ids)
    assert listed() == (0, {})


@pytest.mark.parametrize("part", [1, 2, 3, 100])
def test_documents_of_a_label_are_kept_until_labels_change(workspace, monkeypatch, part):
    monkeypatch.setattr(labelled, "_MANY", 2)
    monkeypatch.setattr(labelled, "_PART", part)
    ids = sorted(named(workspace, at)[0] for at in range(4))
    read = []
    having = LabelBook.having
    monkeypatch.setattr(
        LabelBook, "having", lambda self, *asked: read.append(asked) or having(self, *asked)
    )

    def found(*labels):
        return workspace.search_documents("", filters={"labelled": list(labels)}).total

    workspace.call("labels.set", ids=ids[:3], scheme="kept", labels=["a", "b"])
    workspace.call("labels.set", ids=ids[3:], scheme="kept", labels=["b/c"])
    assert [found("kept/a"), found("kept/a"), found("kept/a", "kept/b/c")] == [3, 3, 4]
    assert read == [("kept", "a"), ("kept", "b/c")]
    workspace.call("labels.remove", ids=ids[:1], scheme="kept")
    assert [found("kept/a"), found("kept/b")] == [2, 2]
    workspace.call("labels.set", ids=ids[:1], scheme="kept", labels=["a"])
    assert [found("kept/a"), found("kept/b")] == [3, 2]
    workspace.call("labels.remove", ids=ids, scheme="kept")


@pytest.mark.parametrize("value", ["/x", "x" * 5000, "s" * 5000 + "/x", "a/\ud800"])
def test_labels_that_nobody_could_give_are_refused_or_find_nothing(workspace, value):
    try:
        found = workspace.search_documents("", filters={"labelled": [value]}).total
    except InvalidInput:
        return
    assert found == 0


def test_labels_are_exported_with_who_gave_them(workspace):
    ids = sorted(named(workspace, at)[0] for at in range(3))
    workspace.call("labels.set", ids=ids[:2], scheme="exported", labels=["=1+1", "b"], person="Ada")
    book = LabelBook(workspace.app.context.records, workspace.app.context.workspace)
    said = [(ids[1], ["c"], 0.9, "v"), (ids[2], ["c"], 0.75, "v")]
    book.predict("exported", said, model="m", version="1")

    def exported(form):
        done = workspace.call("export.write", what="labels", form=form)
        return workspace.app.context.blobs.get(done.blob).decode().splitlines()

    rows = [row for row in map(json.loads, exported("jsonl")) if row["scheme"] == "exported"]
    assert [(r["document_id"], r["labels"], r["by"]) for r in rows] == [
        (ids[0], ["=1+1", "b"], "Ada"), (ids[1], ["=1+1", "b"], "Ada"), (ids[2], ["c"], "a classifier"),
    ]  # fmt: skip
    assert rows[2]["share"] == 0.75
    assert all(r["document"] for r in rows)
    assert sum(line.startswith("exported,") for line in exported("csv")) == 3


def test_a_label_of_too_many_documents_is_told(workspace, monkeypatch):
    monkeypatch.setattr(embedded.Driver, "most_values", 2)
    ids = [named(workspace, at)[0] for at in range(3)]
    workspace.call("labels.set", ids=ids, scheme="many", labels=["x"])
    with pytest.raises(LimitExceeded, match="more than 2 documents"):
        workspace.search_documents("", filters={"labelled": ["many/x"]})
