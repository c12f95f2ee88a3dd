"""`salient duplicates`: from files to clusters, and what stands in the way."""

import csv
import json
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from salient.errors import Conflict, InvalidInput, NotFound
from salient.interfaces import tables
from salient.interfaces.cli import cli
from salient.learning.duplicates import NearDuplicates, streams
from salient.storage.blob import Blobs
from salient.storage.docs import Records
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


def many(n):
    texts = [joined(text_of(seed % (n - 3))) for seed in range(n)]
    return [{"id": at, "text": text} for at, text in enumerate(texts)]


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(streams, "BATCH", 16)
    monkeypatch.setattr(streams, "_LEAST_S", 0.0)
    monkeypatch.setattr(tables, "BATCH", 10)


@pytest.mark.usefixtures("small")
def test_a_stream_that_breaks_goes_on_and_leaves_nothing(tmp_path):
    lines = [json.dumps(row) for row in many(60)]
    file, to = tmp_path / "posts.jsonl", tmp_path / "out.jsonl"
    file.write_text("\n".join([*lines[:45], lines[45][:9]]))
    done = run(file, "--to", to)
    assert isinstance(done.exception, InvalidInput)
    assert (tmp_path / "out.jsonl.reading").is_dir()
    assert not to.exists()
    file.write_text("\n".join(lines))
    done = run(file, "--to", to)
    assert done.exit_code == 0, done.output
    assert "32 texts were known, 28 were new" in done.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.jsonl", "posts.jsonl"]
    went_on = to.read_bytes()
    to.unlink()
    done = run(file, "--to", to)
    assert "were known" not in done.output
    assert to.read_bytes() == went_on
    made = [json.loads(line)["duplicate_of"] for line in went_on.splitlines()]
    assert made == [None] * 57 + [1, 2, 3]


@pytest.mark.usefixtures("small")
def test_a_state_is_kept_for_what_is_appended(tmp_path):
    lines = [json.dumps(row) for row in many(60)]
    file = tmp_path / "posts.jsonl"
    for n, said in ((20, None), (60, "20 texts were known, 40 were new"), (60, "60 texts were known, 0 were new")):  # fmt: skip
        file.write_text("\n".join(lines[:n]))
        done = run(file, "--state", f"file:{tmp_path / 'state'}")
        assert done.exit_code == 0, done.output
        assert (said or "20 texts") in done.output
    assert "3 clusters of several" in done.output
    file.write_text("\n".join(reversed(lines)))
    done = run(file, "--state", tmp_path / "state")
    assert isinstance(done.exception, Conflict)
    done = run(file, "--state", tmp_path / "state", "--anew")
    assert done.exit_code == 0, done.output


@pytest.mark.usefixtures("small")
def test_records_of_a_store(tmp_path):
    url = f"sqlite:{tmp_path / 'records.db'}"
    rows = many(40)
    with Records.open(url) as records:
        records.put_many("posts", [(f"p{at:02}", {"text": row["text"]}) for at, row in enumerate(rows) if at != 1])  # fmt: skip
    command = (url, "--collection", "posts", "--state", tmp_path / "state", "--to")
    done = run(*command, tmp_path / "one.csv")
    assert done.exit_code == 0, done.output
    with Records.open(url) as records:
        records.put("posts", "p01", {"text": rows[1]["text"]})
    done = run(*command, tmp_path / "two.csv")
    assert "39 texts were known, 1 were new" in done.output
    with (tmp_path / "two.csv").open(newline="") as file:
        made = {row["id"]: row["duplicate_of"] for row in csv.DictReader(file)}
    assert {i: d for i, d in made.items() if d} == {"p01": "p38", "p37": "p00", "p39": "p02"}
    assert isinstance(run(url).exception, InvalidInput)


def test_killed_it_goes_on(tmp_path):
    file = tmp_path / "posts.jsonl"
    text = joined(text_of(1))
    with file.open("w") as lines:
        for at in range(60_000):
            lines.write(json.dumps({"text": f"{at} {at + 7} {text} {at} {at + 9}"}) + "\n")
    code = (
        "import sys; from salient.learning.duplicates import streams; streams._LEAST_S = 0.0; "
        "from salient.interfaces.cli import cli; cli(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "duplicates", str(file), "--index", str(tmp_path / "i")]
    reading = tmp_path / "i.reading"

    def parts():
        return len(list(Blobs.open(f"file:{reading}").list("duplicates/")))

    for end in (signal.SIGKILL, signal.SIGINT):
        before = parts()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and parts() <= before:
            time.sleep(0.02)
        process.send_signal(end)
        assert process.wait(30) != 0
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "texts were known" in done.stdout
    assert NearDuplicates.load(tmp_path / "i").n_texts_ == 60_000
    assert not reading.exists()


def test_bits_are_those_of_the_index(posts, tmp_path):
    done = run(posts, "--text", "body", "--bits", "9", "--index", tmp_path / "i")
    assert done.exit_code == 0, done.output
    assert NearDuplicates.load(tmp_path / "i").n_bits == 9
