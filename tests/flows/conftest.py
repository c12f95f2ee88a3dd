"""The example corpus, read once for all stories that only look at it."""

from pathlib import Path

import pytest

import salient

ROOT = Path(__file__).resolve().parent.parent.parent
CORPUS = ROOT / "examples" / "corpus"


@pytest.fixture(scope="session")
def examples(tmp_path_factory):
    """A workspace that holds the example corpus and knowledge base. Not to be changed."""
    folder = tmp_path_factory.mktemp("examples")
    with salient.open(folder, pipeline={"processes": 1}) as workspace:
        workspace.call("entities.import", path=str(ROOT / "examples" / "knowledge_base.csv"))
        workspace.add(CORPUS)
        yield workspace
