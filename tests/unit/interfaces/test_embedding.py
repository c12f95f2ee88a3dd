"""`salient embed` and the services beneath it: from files or documents to neighbours and files for others."""

import json

import pytest
from typer.testing import CliRunner

import salient
from salient.errors import InvalidInput, NotFound
from salient.interfaces.cli import cli
from tests.unit.learning.test_embeddings import texts


def run(*arguments):
    return CliRunner().invoke(cli, ["embed", *map(str, arguments)])


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    path = tmp_path_factory.mktemp("lines") / "lines.txt"
    path.write_text("\n".join(texts()))
    return path


NUMBERS = ("--dimensions", 16, "--min-count", 1, "--epochs", 30)


def test_a_file_becomes_vectors_that_are_asked_and_exported(lines, tmp_path):
    out = tmp_path / "v"
    done = run("train", lines, "--out", out, *NUMBERS, "--data-dir", tmp_path / "data")
    assert done.exit_code == 0, done.output
    assert "12 words" in done.output
    assert "mouse" in run("neighbours", out, "cat", "-n", 3).output
    told = json.loads(run("neighbours", out, "cat", "-n", 3, "--json").output)
    assert told["of"] == "cat"
    assert "mouse" in [w["word"] for w in told["words"]]
    assert run("analogy", out, "cat", "dog", "law").exit_code == 0
    done = run("export", out, tmp_path / "v.vec")
    assert done.exit_code == 0
    assert (tmp_path / "v.vec").read_text().startswith("12 16\n")


def test_workers_train_and_the_model_is_published(lines, tmp_path):
    data = tmp_path / "data"
    done = run(
        "train", lines, "--publish", "words", "--on", "inline:", *NUMBERS, "--data-dir", data
    )
    assert done.exit_code == 0, done.output
    done = run("neighbours", "model:words", "court", "-n", 3, "--data-dir", data)
    assert "judge" in done.output


def test_nowhere_to_write_is_said(lines, tmp_path):
    for more in ((), ("--out", tmp_path / "v", "--on", "inline:", "--checkpoint", tmp_path / "c")):
        assert isinstance(run("train", lines, *more).exception, InvalidInput)


def test_documents_of_the_workspace_are_trained_on_and_search_uses_them(tmp_path):
    (tmp_path / "in").mkdir()
    for i, text in enumerate(texts(60)):
        (tmp_path / "in" / f"{i}.txt").write_text(f"{text} " * 5)
    with salient.open(tmp_path / "data") as workspace:
        workspace.add(tmp_path / "in")
        made = workspace.call("embeddings.train", name="own", dimensions=16, min_count=1, epochs=40)
        assert (made.documents, made.words >= 12) == (60, True)
        found = workspace.call("embeddings.neighbours", model="own", word="Cat", limit=3)
        assert {w.word for w in found.words} <= {"dog", "mouse", "bird"}
        assert workspace.call("embeddings.analogy", model="own", a="cat", b="dog", c="law").words
        with pytest.raises(NotFound):
            workspace.call("embeddings.neighbours", model="own", word="unheard")
        with pytest.raises(NotFound):
            workspace.call("embeddings.neighbours", model="none", word="cat")
    done = run("train", "--out", tmp_path / "v", *NUMBERS, "--data-dir", tmp_path / "data")
    assert done.exit_code == 0, done.output
