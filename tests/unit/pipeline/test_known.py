"""The names of the knowledge base reach workers as a published model, and only when they change."""

import pytest

from salient.learning.registry import PREFIX
from salient.model import Kind
from salient.nlp.units import Unit
from salient.pipeline import known

HEADER = "id,type,name\n"


@pytest.fixture
def publish(workspace, tmp_path):
    """Imports rows, then publishes."""
    context = workspace.app.context

    def act(*rows):
        if rows:
            (tmp_path / "names.csv").write_text(HEADER + "".join(f"{r}\n" for r in rows))
            workspace.call("entities.import", path=str(tmp_path / "names.csv"))
        return known.publish(context.tables, context.models, context.workspace, context.ontology)

    return act


def test_without_a_knowledge_base_nothing_is_published(workspace, publish):
    assert publish() is None
    assert workspace.app.context.models.names() == []


def test_workers_map_what_was_published(workspace, publish):
    spec = publish("K1,ORG,Halden Maritime")
    text = "Halden Maritime"
    with workspace.app.context.models.open_named(spec) as model:
        matcher = known.load(model)
    rows = matcher.find(text, [Unit(0, len(text), Kind.PARAGRAPH, prose=True)])
    assert [(a, b) for a, b, *_ in rows] == [(0, len(text))]
    assert matcher._arrays["edge_keys"].flags.writeable is False


def test_it_is_published_again_when_and_only_when_names_change(workspace, publish):
    models = workspace.app.context.models
    first = publish("K1,ORG,Halden Maritime")
    assert publish() == first
    second = publish("K2,ORG,Kestrel Marine")
    assert second != first
    assert publish() == second
    assert [s.seq for s in models.history("names.default")] == [2, 1]
    assert second == f"{PREFIX}names.default@{models.state('names.default').version}"


def test_a_model_that_was_lost_from_the_store_is_made_again(workspace, publish):
    context = workspace.app.context
    first = publish("K1,ORG,Halden Maritime")
    context.blobs.delete_prefix("model/manifest/")
    assert publish() == first
    with context.models.open_named(first):
        assert context.models.verify("names.default") == ([], [])
