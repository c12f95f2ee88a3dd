"""A worker's document ends, whatever its stages do."""

import hashlib

import pytest

from salient.model import State
from salient.pipeline.intake import original_key
from salient.pipeline.worker import Task, Worker, WorkerConfig
from salient.readers import Limits
from salient.storage.blob import Blobs

TEXT = b"Halden Maritime AS bought Brightwater Ltd. It makes pumps in Leeds."


@pytest.fixture
def worker(tmp_path):
    with Blobs.open(f"file:{tmp_path}/blobs") as blobs:
        made = Worker(WorkerConfig("default", "spacy", "hashing", Limits(time_s=30)), blobs)
        yield made
        made.close()


@pytest.fixture
def task(tmp_path):
    version = hashlib.sha256(TEXT).hexdigest()
    with Blobs.open(f"file:{tmp_path}/blobs") as blobs:
        blobs.put(original_key(version), TEXT)
    return Task("d" * 20, version, "note.txt")


def test_a_document_goes_through_every_stage_once(worker, task):
    first = worker(task)
    assert first.state is State.DONE
    assert [s.stage for s in first.stages] == ["convert", "annotate", "read", "passages"]
    second = worker(task)
    assert [s.artifact for s in second.stages] == [s.artifact for s in first.stages]


def test_a_fault_of_ours_costs_one_document(worker, task, monkeypatch):
    def broken(*_, **__):
        raise IndexError("list index out of range")

    monkeypatch.setattr("salient.pipeline.worker.read_document", broken)
    outcome = worker(task)
    assert (outcome.state, outcome.code, outcome.stage) == (State.FAILED, "internal_fault", "read")
    assert "IndexError" in outcome.reason
    assert outcome.n_characters


def test_bytes_that_are_gone_from_the_store_are_told(worker, task, tmp_path):
    with Blobs.open(f"file:{tmp_path}/blobs") as blobs:
        blobs.delete(original_key(task.version))
    outcome = worker(task)
    assert outcome.state is State.FAILED
    assert outcome.reason
