"""The same documents, wherever they are worked on: the same bytes come out."""

import os
import uuid

import pytest

import salient
from tests.cluster import stories
from tests.cluster.roles import ROOT
from tests.cluster.sites import site

pytestmark = [pytest.mark.slow, pytest.mark.timeout(int(os.environ.get("SALIENT_TEST_TIMEOUT_S", 600)))]  # fmt: skip

REAL = int(os.environ.get("SALIENT_TEST_DOCUMENTS", "0"))
"""How many documents of the public data to read too: 300 take each way some ten minutes."""
FORMATS = {".csv", ".docx", ".eml", ".htm", ".html", ".md", ".odt", ".pdf", ".pptx", ".txt", ".xlsx"}  # fmt: skip


@pytest.fixture(scope="module", params=["examples", *(["real"] if REAL else [])])
def documents(request):
    """What is worked on."""
    if request.param == "examples":
        return [ROOT / "examples" / "corpus"]
    shared = request.getfixturevalue("shared") / "data"
    found = sorted(
        path
        for folder in ("docs", "contracts")
        for path in (shared / folder).rglob("*")
        if path.suffix.lower() in FORMATS and path.is_file() and path.stat().st_size < 2_000_000
    )
    return [found[n * len(found) // REAL] for n in range(min(REAL, len(found)))]


def story(folder, documents, **settings):
    """What comes of them, on stores and workers that the settings name."""
    with salient.open(folder, **settings) as workspace:
        known = ROOT / "examples" / "knowledge_base.csv"
        workspace.call("entities.import", path=str(known))
        workspace.add(*documents)
        return stories.told(workspace)


@pytest.fixture(scope="module")
def inline(tmp_path_factory, documents):
    return story(tmp_path_factory.mktemp("inline"), documents, work={"on": "inline:"})


def test_processes_of_this_machine_make_what_one_makes(tmp_path, documents, inline):
    assert story(tmp_path, documents, work={"on": "processes:2"}) == inline
    assert inline["states"]["done"] > 0


@pytest.mark.parametrize(
    ("broker", "slots"),
    [("redis", [1]), ("redis", [1, 1]), ("rabbitmq", [2, 2])],
    ids=["1 on redis", "2 on redis", "4 on rabbitmq"],
)
def test_workers_of_a_cluster_make_what_one_makes(
    broker, slots, tmp_path, servers, documents, inline
):
    own = f"t{uuid.uuid4().hex[:10]}"
    url = servers("redis").at("1") if broker == "redis" else servers("rabbitmq").host(own)
    work = {"on": f"celery:{url}"}
    nlp = {"engine": "spacy"}
    with site(tmp_path, servers, work, nlp, blobs=servers("s3").at(own)) as cluster:
        for n in slots:
            cluster.worker(n)
        storage = dict(cluster.storage)
        assert story(tmp_path / "data", documents, work=work, storage=storage) == inline
