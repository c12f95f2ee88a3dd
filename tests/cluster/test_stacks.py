"""The whole main job on other stores: the same corpus gives the same bytes, and the same answers."""

import hashlib
import uuid
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

import salient
from salient.services import exports
from tests.sql_spaces import space

ROOT = Path(__file__).resolve().parent.parent.parent
CORPUS = ROOT / "examples" / "corpus"
QUESTIONS = [
    q["question"]
    for q in yaml.safe_load((ROOT / "examples" / "questions.yaml").read_text("utf-8"))["answerable"]
][:6]


@contextmanager
def stores_of(stack, servers, folder):
    """The settings of a stack, each in a namespace of its own."""
    own = f"t{uuid.uuid4().hex[:10]}"
    s3 = servers("s3").at(own)
    redis = servers("redis").at("0", prefix=own)
    if stack == "postgres, redis, s3":
        with space("postgresql", folder, servers) as postgres:
            yield {
                "tables": postgres,
                "cache": f"layered:[memory:][{redis}]",
                "blobs": f"layered:[memory:][{s3}]",
                "records": postgres,
                "search": postgres + "&index={workspace}_{index}",
            }
    else:
        with space("mysql", folder, servers) as mysql:
            yield {
                "tables": f"instrumented:[{mysql}]",
                "cache": f"scoped:[{redis}]?scope=one",
                "blobs": f"encrypted:[{s3}]?key={'ab' * 32}",
                "records": servers("mongodb").at(own),
                "search": servers("elasticsearch").at(own) + "?index={workspace}-{index}",
            }


def story(folder, stores):
    """Read the examples, correct something, and tell all that comes of it."""
    out = {}
    with salient.open(folder, pipeline={"processes": 1}, storage=stores) as workspace:
        workspace.call("entities.import", path=str(ROOT / "examples" / "knowledge_base.csv"))
        workspace.add(CORPUS)
        context = workspace.app.context
        for what in ("mentions", "entities", "facts", "annotations"):
            request = exports.request_of(what, "jsonl", {})
            out[what] = hashlib.sha256(b"".join(exports.stream(request, context))).hexdigest()
        out["states"] = workspace.status().states
        out["passages"] = workspace.status().n_passages
        out["found"] = workspace.search("licence fees", limit=100).total
        out["answers"] = [str(workspace.ask(q)) for q in QUESTIONS]
        again = workspace.add(CORPUS)
        out["again"] = again.unchanged
        (first,) = workspace.call("documents.list", limit=1).documents
        workspace.call("documents.delete", ids=[first.id])
        request = exports.request_of("facts", "jsonl", {})
        out["after a deletion"] = hashlib.sha256(
            b"".join(exports.stream(request, context))
        ).hexdigest()
    return out


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    return story(tmp_path_factory.mktemp("embedded"), {})


@pytest.mark.slow
@pytest.mark.parametrize("stack", ["postgres, redis, s3", "mysql, mongodb, s3"])
def test_exports_are_the_same_bytes_on_every_stack(stack, servers, tmp_path, embedded):
    with stores_of(stack, servers, tmp_path) as stores:
        assert story(tmp_path, stores) == embedded


@pytest.mark.slow
def test_a_search_server_without_vectors_finds_by_words(servers, tmp_path):
    place = servers("opensearch").at(f"t{uuid.uuid4().hex[:10]}") + "?index={workspace}-{index}"
    with salient.open(tmp_path, pipeline={"processes": 1}, storage={"search": place}) as workspace:
        if workspace.app.context.indexes.by_meaning:
            pytest.fail("this server has vectors: the test needs one that has none")
        workspace.add(CORPUS / "contracts")
        assert workspace.search("supply agreement").total
        assert workspace.search("supply agreement", mode="meaning").total
        answers = [workspace.ask(q) for q in QUESTIONS]
        assert sum(a.found for a in answers) >= 3
        first = workspace.call("documents.list", limit=1).documents[0]
        like = workspace.similar(first.id).documents
        assert like
        assert like[0].score == 1.0
        assert like[0].pair is not None
