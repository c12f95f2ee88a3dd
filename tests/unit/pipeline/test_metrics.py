"""What is committed is counted, and no label has values without end."""

import ast
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

import salient
from salient.model import State
from salient.pipeline import metrics
from salient.pipeline.ledger import Outcome, StageRun
from salient.pipeline.stages import STAGES

SOURCE = Path(salient.__file__).parent


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


def outcome(state=State.DONE, **more):
    return Outcome("d", "v", state, **more)


@pytest.fixture
def grown():
    """How much a sample has grown since it was first asked for."""
    seen = {}

    def by(name, **labels):
        key = (name, *sorted(labels.items()))
        now = value(name, **labels)
        return now - seen.setdefault(key, now)

    return by


def test_ends_are_counted_by_state_and_reason(grown):
    asked = [
        {"state": "done", "code": ""}, {"state": "failed", "code": "malformed"}, {"state": "failed", "code": "other"},
    ]  # fmt: skip
    for labels in asked:
        grown("salient_documents_total", **labels)
    metrics.count(
        [
            outcome(),
            outcome(),
            outcome(State.FAILED, code="malformed"),
            *(outcome(State.FAILED, code=f"made up {n}") for n in range(100)),
        ]
    )
    assert [grown("salient_documents_total", **labels) for labels in asked] == [2, 1, 100]


def test_stages_are_timed_and_text_is_counted(grown):
    asked = [
        ("salient_stage_seconds_count", {"stage": "read"}), ("salient_stage_seconds_sum", {"stage": "read"}),
        ("salient_text_total", {"unit": "pages"}), ("salient_text_total", {"unit": "characters"}),
    ]  # fmt: skip
    for name, labels in asked:
        grown(name, **labels)
    runs = (StageRun("read", "c@1", "k", 0.5), StageRun("read", "c@1", "k", 1.5))
    metrics.count([outcome(stages=runs, n_pages=3, n_characters=100), outcome()])
    assert [grown(name, **labels) for name, labels in asked] == [2, 2.0, 3, 100]


def test_a_commit_that_fails_is_timed_too(grown):
    grown("salient_commit_seconds_count", part="tables")
    with pytest.raises(KeyError), metrics.committing("tables"):
        raise KeyError
    assert grown("salient_commit_seconds_count", part="tables") == 1


def test_a_run_counts_what_it_commits_and_no_more(workspace, tmp_path, grown):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("Anna Berg leads Halden Maritime AS.")
    (tmp_path / "in/b.pdf").write_bytes(b"%PDF-1.4 nonsense")
    asked = [
        ("salient_documents_total", {"state": "done", "code": ""}),
        *(("salient_stage_seconds_count", {"stage": stage}) for stage in STAGES),
    ]
    calls = ("salient_service_seconds_count", {"service": "documents.add"})
    for name, labels in [*asked, calls]:
        grown(name, **labels)
    workspace.add(tmp_path / "in")
    workspace.add(tmp_path / "in")
    assert [grown(name, **labels) for name, labels in asked] == [1] * 5
    assert grown(calls[0], **calls[1]) == 2


def reasons():
    """Every literal that the source gives as the code of a document's end."""
    for folder in ("readers", "pipeline", "nlp", "knowledge"):
        for path in (SOURCE / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(node, ast.Call):
                    continue
                named = [k.value for k in node.keywords if k.arg == "code"]
                called = getattr(node.func, "id", "")
                for given in named + (node.args[:1] if called == "failed" else []):
                    if isinstance(given, ast.Constant) and isinstance(given.value, str):
                        yield given.value


def test_every_reason_there_is_is_told_apart():
    found = set(reasons())
    assert {"encrypted", "vanished", "unreadable", "worker_killed"} <= found
    assert found <= metrics.CODES
