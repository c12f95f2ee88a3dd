"""Published classifiers sort texts and documents of a workspace."""

import pytest

import salient
from salient.app import opened_models
from salient.errors import Misconfigured, NotFound
from salient.learning.classification import TextClassifier
from salient.settings import load

SEA = "The captain sailed the ship over the sea."
LAW = "The judge of the court heard the claim."


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder, data = tmp_path_factory.mktemp("in"), tmp_path_factory.mktemp("data")
    (folder / "sea.txt").write_text(SEA)
    made = TextClassifier(n_bits=12).fit([SEA, LAW] * 15, ["sea", "law"] * 15)
    made.save(folder / "model")
    (folder / "other").mkdir()
    (folder / "other" / "notes.txt").write_text("nothing")
    with opened_models(load(data_dir=data)) as models:
        models.publish("subjects", folder / "model")
        models.publish("other", folder / "other")
    with salient.open(data, pipeline={"processes": 1}) as opened:
        opened.add(folder / "sea.txt")
        yield opened


def test_texts_get_classes_with_reasons(workspace):
    found = workspace.call("classify.texts", model="subjects", texts=(SEA, LAW), reasons=3)
    assert [c.labels for c in found.classes] == [("sea",), ("law",)]
    assert all(0.5 < c.share <= 1 for c in found.classes)
    first = found.classes[0].reasons[0]
    assert first.weight > 0
    assert SEA[slice(*first.spans[0])] == first.text
    assert workspace.call("classify.texts", model="subjects", texts=()).classes == ()


def test_documents_get_classes(workspace):
    ident = workspace.call("documents.list").documents[0].id
    found = workspace.call("classify.documents", model="subjects", ids=(ident,))
    assert found.classes[0].labels == ("sea",)
    assert found.classes[0].reasons == ()


def test_what_is_no_classifier(workspace):
    with pytest.raises(NotFound):
        workspace.call("classify.texts", model="nobody", texts=("a",))
    with pytest.raises(Misconfigured, match="no classifier"):
        workspace.call("classify.texts", model="other", texts=("a",))
    with pytest.raises(NotFound):
        workspace.call("classify.documents", model="subjects", ids=("none",))
