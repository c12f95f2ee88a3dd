"""What REST adds to the services: uploads and jobs, files, exports, and the door."""

import csv
import io
import json
import time
import zipfile

import pytest
from fastapi.testclient import TestClient
from reportlab.pdfgen import canvas

import salient
from salient.interfaces import rest

TEXT = "Halden Maritime AS bought Brightwater Ltd in 2021. Anna Berg leads Halden Maritime AS."


def pdf():
    out = io.BytesIO()
    page = canvas.Canvas(out, invariant=True)
    page.drawString(72, 720, TEXT)
    page.showPage()
    page.save()
    return out.getvalue()


@pytest.fixture
def client(workspace):
    with TestClient(rest.create(workspace.app), base_url="http://localhost") as opened:
        yield opened


def finished(client, job_id):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        job = client.post("/v1/jobs/show", json={"id": job_id}).json()
        if job["state"] in ("done", "failed", "cancelled"):
            return job
        time.sleep(0.1)
    raise AssertionError(job)


def upload(client, *files):
    sent = [("files", (name, data)) for name, data in files]
    reply = client.post("/v1/uploads", files=sent)
    assert reply.status_code == 202, reply.text
    return finished(client, reply.json()["job_id"])


def documents(client):
    return client.post("/v1/documents/list", json={}).json()["documents"]


def test_an_upload_is_a_job_that_adds(client):
    job = upload(client, ("a.txt", TEXT.encode()), ("b.pdf", pdf()))
    assert job["state"] == "done"
    assert job["reply"]["states"]["done"] == 2
    assert {d["name"] for d in documents(client)} == {"a.txt", "b.pdf"}


def test_uploads_leave_nothing_behind(client, workspace):
    upload(client, ("a.txt", b"some text"))
    assert list(workspace.app.context.blobs.list("upload/")) == []


def test_a_bad_upload_does_not_fail_the_job(client):
    job = upload(client, ("a.bin", bytes(range(256)) * 9), ("b.txt", TEXT.encode()))
    assert job["state"] == "done"
    assert {d["state"] for d in documents(client)} == {"unsupported", "done"}


def test_pages_are_drawn_and_the_original_comes_back(client):
    upload(client, ("b.pdf", pdf()))
    ident = documents(client)[0]["id"]
    picture = client.get(f"/v1/files/{ident}/pages/1")
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.content[:2] == b"\xff\xd8"
    assert client.get(f"/v1/files/{ident}/pages/2").status_code == 404
    original = client.get(f"/v1/files/{ident}/original")
    assert original.content == pdf()
    assert original.headers["content-type"] == "application/pdf"


def test_a_page_of_html_is_never_run_by_the_browser(client):
    upload(
        client,
        (
            "x.html",
            b"<html><body><p>" + TEXT.encode() + b"</p><script>alert(1)</script></body></html>",
        ),
    )
    reply = client.get(f"/v1/files/{documents(client)[0]['id']}/original")
    assert reply.headers["content-disposition"].startswith("attachment")
    assert reply.headers["content-security-policy"] == "sandbox"


def test_the_page_shows_mentions_in_pieces_with_boxes(client):
    upload(client, ("b.pdf", pdf()))
    ident = documents(client)[0]["id"]
    page = client.post(
        "/v1/documents/page", json={"id": ident, "page": 1, "query": "bought"}
    ).json()
    text = "".join(p["text"] for b in page["blocks"] for p in b["pieces"])
    assert "Brightwater" in text
    assert page["image"]
    assert page["mentions"][0]["boxes"]
    assert any(p["hit"] for b in page["blocks"] for p in b["pieces"])
    marks = {m for b in page["blocks"] for p in b["pieces"] for m in p["marks"]}
    assert marks == {m["ordinal"] for m in page["mentions"]}


@pytest.mark.parametrize("what", ["documents", "mentions", "entities", "facts"])
def test_tables_export_in_every_form(client, what):
    upload(client, ("a.txt", TEXT.encode()))
    rows = list(csv.DictReader(io.StringIO(client.get(f"/v1/exports/{what}.csv").text)))
    lines = [json.loads(line) for line in client.get(f"/v1/exports/{what}.jsonl").text.splitlines()]
    assert len(rows) == len(lines)
    if what != "facts":
        assert rows
    book = zipfile.ZipFile(io.BytesIO(client.get(f"/v1/exports/{what}.xlsx").content))
    assert "xl/worksheets/sheet1.xml" in book.namelist()


@pytest.mark.parametrize("form", ["graphml", "jsonld", "csv"])
def test_the_graph_exports(client, form):
    upload(client, ("a.txt", TEXT.encode()))
    reply = client.get(f"/v1/exports/graph.{form}")
    assert reply.status_code == 200
    assert "Halden" in reply.text


def test_a_cell_that_a_spreadsheet_would_run_is_quoted(client):
    upload(client, ("=cmd|' /C calc'!A0.txt", TEXT.encode()))
    rows = list(csv.DictReader(io.StringIO(client.get("/v1/exports/documents.csv").text)))
    assert rows[0]["name"].startswith("'=")


@pytest.mark.parametrize("path", ["nothing.csv", "documents.pdf", "graph.xlsx"])
def test_an_export_that_is_not_there_says_what_is(client, path):
    reply = client.get(f"/v1/exports/{path}")
    assert reply.status_code == 422
    assert reply.json()["code"] == "invalid_input"


def test_a_malformed_request_names_the_field(client):
    reply = client.post("/v1/search/passages", json={"text": "x", "limit": 0})
    assert reply.status_code == 422
    assert "limit" in reply.json()["message"]


def test_an_unknown_document_is_not_found(client):
    for path in ("documents/show", "documents/page", "similar/documents"):
        reply = client.post(f"/v1/{path}", json={"id": "0" * 20})
        assert (reply.status_code, reply.json()["code"]) == (404, "not_found")


def test_requests_from_other_sites_are_refused(client):
    reply = client.post("/v1/status/show", json={}, headers={"Origin": "https://evil.example"})
    assert reply.status_code == 403
    assert (
        client.post("/v1/status/show", json={}, headers={"Origin": "http://localhost"}).status_code
        == 200
    )


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LocalHost:8080", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("192.168.1.7", 200),
        ("evil.example", 403),
        ("evil.example:8080", 403),
        ("localhost.evil.example", 403),
        ("", 403),
    ],
)
def test_a_name_that_is_not_ours_is_refused(client, host, status):
    """Another site may let its own name point here."""
    assert client.get("/", headers={"Host": host}).status_code == status


def test_a_server_can_be_given_names(tmp_path):
    with (
        salient.open(tmp_path, web={"hosts": ["salient.corp"]}) as workspace,
        TestClient(rest.create(workspace.app), base_url="http://salient.corp") as client,
    ):
        assert client.post("/v1/status/show", json={}).status_code == 200


def test_with_a_token_nobody_comes_in_without(tmp_path):
    with (
        salient.open(tmp_path, web={"token": "s3cret"}) as workspace,
        TestClient(rest.create(workspace.app), base_url="http://localhost") as client,
    ):
        assert client.post("/v1/status/show", json={}).status_code == 401
        bearer = {"Authorization": "Bearer s3cret"}
        assert client.post("/v1/status/show", json={}, headers=bearer).status_code == 200
        shown = client.post("/v1/system/settings", json={}, headers=bearer).text
        assert "s3cret" not in shown


def test_what_an_interrupted_run_left_is_finished_at_the_next_start(workspace):
    from salient.pipeline.intake import sources, take

    context = workspace.app.context
    file = workspace.app.settings.data / "left.txt"
    file.write_text(TEXT)
    taken = [take(s, context.blobs, 10**6) for s in sources([str(file)])]
    context.ledger.take_in(taken)
    with TestClient(rest.create(workspace.app), base_url="http://localhost") as client:
        deadline = time.monotonic() + 60
        while documents(client)[0]["state"] != "done":
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_job_can_be_cancelled_and_what_is_left_finished(client, workspace, tmp_path):
    for n in range(40):
        (tmp_path / f"{n}.txt").write_text(f"{TEXT} Number {n}." * 60)
    job = client.post("/v1/jobs/documents/add", json={"paths": [str(tmp_path)]}).json()["job_id"]
    client.post("/v1/jobs/cancel", json={"id": job})
    assert finished(client, job)["state"] in ("cancelled", "done")
    assert workspace.status().states["running"] == 0
    job = client.post("/v1/jobs/documents/add", json={}).json()["job_id"]
    assert finished(client, job)["state"] == "done"
    assert workspace.status().states["queued"] == 0


def test_a_job_is_paused_resumed_and_repeated(client, tmp_path):
    folder = tmp_path / "more"
    folder.mkdir()
    for n in range(12):
        (folder / f"{n}.txt").write_text(f"{TEXT} Number {n}.")
    given = {"paths": [str(tmp_path / "none")]}
    job = {"id": client.post("/v1/jobs/documents/add", json=given).json()["job_id"]}
    assert finished(client, job["id"])["error"]["code"] == "not_found"
    assert client.post("/v1/jobs/pause", json=job).status_code == 409
    (tmp_path / "none").mkdir()
    again = client.post("/v1/jobs/retry", json=job).json()
    assert again["retry_of"] == job["id"]
    assert finished(client, again["id"])["state"] == "done"
    given = {"paths": [str(folder)]}
    job = {"id": client.post("/v1/jobs/documents/add", json=given).json()["job_id"]}
    client.post("/v1/jobs/pause", json=job)
    deadline = time.monotonic() + 60
    while client.post("/v1/jobs/show", json=job).json()["state"] != "paused":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    shown = client.post("/v1/status/show", json={}).json()
    assert [j["id"] for j in shown["jobs"]] == [job["id"]]
    client.post("/v1/jobs/resume", json=job)
    assert finished(client, job["id"])["reply"]["states"]["done"] == 12
