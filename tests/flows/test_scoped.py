"""The main job through a workspace's own part of a database gives what it gives without."""

import re
from pathlib import Path

import pytest

import salient
from salient.services import exports
from salient.storage.sql import Query, Tables
from tests.sql_spaces import DIALECTS, space

ROOT = Path(__file__).resolve().parent.parent.parent
EXPORTS = [
    ("documents", "jsonl"), ("mentions", "jsonl"), ("entities", "csv"), ("facts", "jsonl"), ("annotations", "jsonl"), ("graph", "jsonld"),
]  # fmt: skip


@pytest.fixture(params=DIALECTS, scope="module")
def through(request, tmp_path_factory, servers):
    """The workspace of `examples` through `scoped:`, in a database that has another's rows too."""
    folder = tmp_path_factory.mktemp(request.param)
    with space(request.param, folder, servers) as url:
        with Tables.open(url) as owner:
            owner.migrate()
            add = Query(
                "INSERT INTO name (id, workspace, type, norm) VALUES ('x', 'other', '', '')"
            )
            with owner.transaction() as tx:
                tx.run(add)
        tables = f"scoped:[{url}]?workspace=default"
        with salient.open(
            folder / "data", pipeline={"processes": 2, "batch": 5}, storage={"tables": tables}
        ) as workspace:
            workspace.call("entities.import", path=str(ROOT / "examples" / "knowledge_base.csv"))
            workspace.add(ROOT / "examples" / "corpus")
            yield workspace


@pytest.mark.parametrize(("what", "form"), EXPORTS)
def test_exports_are_equal_to_the_byte(examples, through, what, form):
    request = exports.request_of(what, form, {})
    expected, given = (
        # When it was done is no result of the work.
        re.sub(
            rb'"(?:added|updated)_at": "[^"]*"',
            b"",
            b"".join(exports.stream(request, w.app.context)),
        )
        for w in (examples, through)
    )
    assert len(expected) > 1000
    assert given == expected


def test_documents_are_removed_with_all_that_is_theirs(through):
    first = through.documents(limit=1).documents[0]
    through.call("documents.delete", ids=[first.id])
    assert first.id not in {d.id for d in through.documents(limit=1000).documents}
