"""One request's id is on every record it causes, in worker processes too, and in its answer."""

import json
import logging
import re
import time

import pytest
from fastapi.testclient import TestClient

import salient
from salient import log
from salient.interfaces import rest


@pytest.fixture
def logged(tmp_path):
    """Log to a file from here on; what it holds, as dictionaries."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    path = tmp_path / "salient.log"
    log.configure("json", "INFO", [f"file:{path}"])
    yield lambda: [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    logging.basicConfig(handlers=handlers, level=level, force=True)


@pytest.fixture
def client(tmp_path):
    """A server whose workers are processes."""
    with (
        salient.open(tmp_path / "data", pipeline={"processes": 2}) as workspace,
        TestClient(rest.create(workspace.app), base_url="http://localhost") as opened,
    ):
        yield opened


def test_id_of_the_caller_comes_back_and_is_logged(client, logged):
    headers = {
        "X-Request-ID": "order-7",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    answer = client.post("/v1/status/show", json={}, headers=headers)
    assert answer.headers["X-Request-ID"] == "order-7"
    (record,) = [r for r in logged() if r["event"] == "request.answered"]
    assert record["request_id"] == "order-7"
    assert record["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert (record["path"], record["status"]) == ("/v1/status/show", 200)


@pytest.mark.parametrize("given", ["", "x" * 65, "a\tb", "<script>", "é"])
def test_strange_ids_are_replaced(client, given):
    answer = client.post(
        "/v1/status/show", json={}, headers={"X-Request-ID": given.encode("latin-1")}
    )
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["X-Request-ID"])


def test_refused_and_missing_are_answered_with_an_id_too(client):
    assert client.get("/v1/nowhere").headers["X-Request-ID"]
    assert client.post("/v1/search", json={"nonsense": 1}).headers["X-Request-ID"]


@pytest.mark.slow
def test_workers_and_jobs_carry_the_request(client, logged, tmp_path):
    (tmp_path / "in").mkdir()
    for n in range(6):
        (tmp_path / "in" / f"{n}.doc").write_bytes(b"\xd0\xcf\x11\xe0" + bytes([n]) * 600)
    job = client.post(
        "/v1/jobs/documents/add",
        json={"paths": [str(tmp_path / "in")]},
        headers={"X-Request-ID": "upload-1"},
    ).json()["job_id"]
    deadline = time.monotonic() + 100
    while client.post("/v1/jobs/show", json={"id": job}).json()["state"] in ("queued", "running"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    ended = [r for r in logged() if r["event"] == "document.ended"]
    assert len(ended) == 6
    assert {r["request_id"] for r in ended} == {"upload-1"}
    assert {r["job_id"] for r in ended} == {job}
    assert {r["service"] for r in ended} == {"documents.add"}


def test_metrics_are_for_prometheus(tmp_path):
    stores = {"cache": f"instrumented:[sqlite:{tmp_path}/cache.db]?name=probe"}
    with (
        salient.open(tmp_path / "data", storage=stores) as workspace,
        TestClient(rest.create(workspace.app), base_url="http://localhost") as client,
    ):
        workspace.app.context.cache.put("k", b"value")
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert re.search(
        r'salient_store_seconds_count\{name="probe",operation="put",store="kv"\} [1-9]', answer.text
    )


def test_metrics_need_the_token(tmp_path):
    with (
        salient.open(tmp_path, web={"token": "s3cret"}) as workspace,
        TestClient(rest.create(workspace.app), base_url="http://localhost") as client,
    ):
        assert client.get("/metrics").status_code == 401
        bearer = {"Authorization": "Bearer s3cret"}
        assert client.get("/metrics", headers=bearer).status_code == 200
