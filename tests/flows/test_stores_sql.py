"""The main job with its tables on Postgres and on MySQL gives what it gives with all in one file."""

import re
from pathlib import Path

import pytest

import salient
from salient.services import exports
from tests.sql_spaces import space

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(params=["postgresql", "mysql"], scope="module")
def over_server(request, tmp_path_factory, servers):
    """The workspace of `examples`, its tables on a server, worked on by two processes."""
    folder = tmp_path_factory.mktemp(request.param)
    with (
        space(request.param, folder, servers) as url,
        salient.open(
            folder / "data", pipeline={"processes": 2, "batch": 5}, storage={"tables": url}
        ) as workspace,
    ):
        workspace.call("entities.import", path=str(ROOT / "examples" / "knowledge_base.csv"))
        workspace.add(ROOT / "examples" / "corpus")
        yield workspace


EXPORTS = [
    ("documents", "jsonl"), ("mentions", "jsonl"), ("entities", "csv"), ("facts", "jsonl"), ("annotations", "jsonl"), ("graph", "jsonld"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "form"), EXPORTS)
def test_exports_are_equal_to_the_byte(examples, over_server, what, form):
    filters = {"sort": "name"} if what == "documents" else {}
    request = exports.request_of(what, form, filters)
    expected, given = (
        # When a document was added differs from run to run.
        re.sub(
            rb'"(?:added|updated)_at": "[^"]*"',
            b"",
            b"".join(exports.stream(request, w.app.context)),
        )
        for w in (examples, over_server)
    )
    assert len(expected) > 1000
    assert given == expected


@pytest.mark.parametrize("sort", ["name", "size", "state"])
def test_lists_are_equal_in_every_order(examples, over_server, sort):
    for descending in (False, True):
        expected, given = (
            [d.name for d in w.documents(sort=sort, descending=descending, limit=1000).documents]
            for w in (examples, over_server)
        )
        assert given == expected
