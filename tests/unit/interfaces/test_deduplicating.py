"""`salient duplicates`: from files to clusters, and what stands in the way."""

import csv
import json

import pytest
from typer.testing import CliRunner

from salient.errors import Conflict, InvalidInput, NotFound
from salient.interfaces.cli import cli
from salient.learning.duplicates import NearDuplicates
from tests.unit.learning.duplicates.test_model import edited, joined, text_of


def run(*arguments):
    return CliRunner().invoke(cli, ["duplicates", *map(str, arguments)])


@pytest.fixture
def posts(tmp_path):
    """Three texts, then the first again with edits, and one without words."""
    originals = [text_of(seed) for seed in range(3)]
    texts = [joined(w) for w in [*originals, edited(originals[0], 0.03, 9)]] + [""]
    rows = [{"id": at, "body": t} for at, t in enumerate(texts)]
    file = tmp_path / "posts.jsonl"
    # A line without anything counts as a line, and is no row.
    file.write_text("\n" + "".join(json.dumps(row) + "\n" for row in rows))
    return file


def test_rows_are_marked_with_the_line_of_the_first(posts, tmp_path):
    done = run(posts, "--text", "body", "--to", tmp_path / "out.jsonl", "--index", tmp_path / "i")
    assert done.exit_code == 0, done.output
    assert "5 texts, 4 without near-duplicates, 1 clusters of several" in done.output
    made = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["duplicate_of"] for row in made] == [None, None, None, 2, None]
    assert [row["id"] for row in made] == [0, 1, 2, 3, 4]
    assert NearDuplicates.load(tmp_path / "i").n_texts_ == 5


def test_each_once_into_a_table(posts, tmp_path):
    done = run(posts, "--text", "body", "--to", tmp_path / "out.csv", "--once")
    assert done.exit_code == 0, done.output
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == ["0", "1", "2", "4"]
    assert list(rows[0]) == ["id", "body"]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["posts.jsonl", "--once"], InvalidInput, "give --to"),
        (["posts.jsonl", "--text", "none"], InvalidInput, "line 2 of posts.jsonl has no 'none'"),
        (["posts.jsonl", "--text", "id"], InvalidInput, "is int, not a string"),
        (["posts.jsonl", "--text", "body", "--threshold", "nan"], InvalidInput, "threshold is nan"),
        (["posts.jsonl", "--to", "out.jsonl.gz"], InvalidInput, "not packed"),
        (["posts.jsonl", "--to", "posts.jsonl"], Conflict, "is there already"),
        (["none.jsonl"], NotFound, "there is no file"),
    ],
)
def test_what_cannot_be_is_said(posts, monkeypatch, arguments, error, said):
    monkeypatch.chdir(posts.parent)
    done = run(*arguments)
    assert isinstance(done.exception, error)
    assert said in str(done.exception)


def test_bytes_that_are_no_utf8_part_words(tmp_path):
    file = tmp_path / "posts.jsonl"
    line = json.dumps({"text": joined(text_of(1))}).encode()
    file.write_bytes(line + b"\n" + line[:-2] + b' \xff\xfe"}\n')
    done = run(file)
    assert done.exit_code == 0, done.output
    assert "1 clusters of several" in done.output
