"""`salient classify`: from files to classes and figures, and what stands in the way."""

import csv
import gzip
import json
import lzma
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from salient.errors import Conflict, Corrupt, InvalidInput, Misconfigured, NotFound
from salient.interfaces.cli import cli
from salient.learning.classification import Mixed, TextClassifier, told
from salient.storage.docs import Records
from tests.unit.learning.classification.test_model import corpus


def run(*arguments):
    return CliRunner().invoke(cli, ["classify", *map(str, arguments)])


def lines(file, n=300, seed=1, **more):
    texts, labels = corpus(n, seed=seed)
    rows = [
        {"id": at, "text": t, "label": y} | more
        for at, (t, y) in enumerate(zip(texts, labels, strict=True))
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return rows


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    lines(folder / "train.jsonl")
    done = run("train", folder / "train.jsonl", "--model", folder / "m")
    assert done.exit_code == 0, done.output
    assert "learnt 3 classes from 300 texts: food, law, sea" in done.output
    return folder / "m"


def test_classes_are_written_beside_what_was_there(model, tmp_path):
    rows = lines(tmp_path / "new.jsonl", 100, seed=2)
    done = run("predict", tmp_path / "new.jsonl", "-m", model, "-o", tmp_path / "out.jsonl")
    assert done.exit_code == 0, done.output
    made = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [{k: m[k] for k in ("id", "text", "label")} for m in made] == rows
    assert sum(m["predicted"] == m["label"] for m in made) > 95
    assert all(0 < m["predicted_share"] <= 1 for m in made)


def test_records_of_a_store_get_classes_in_another_collection(model, tmp_path):
    texts, labels = corpus(50, seed=4)
    url = f"sqlite:{tmp_path}/r.db"
    with Records.open(url) as records:
        records.put_many("mails", [(f"{i:02}", {"body": t}) for i, t in enumerate(texts)])
    asked = ("store", url, "mails", "-m", model, "--text", "body", "--into", "kinds")
    done = run(*asked)
    assert done.exit_code == 0, done.output
    assert "50 records of mails" in done.output
    with Records.open(url) as records:
        said = [t.label for t in told(records, "kinds")]
    assert sum(a == b for a, b in zip(said, labels, strict=True)) > 45
    assert isinstance(run(*asked).exception, Conflict)
    assert run(*asked, "--resume").exit_code == 0


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "csv.xz"])
def test_tables_in_and_out(model, tmp_path, ending):
    texts, labels = corpus(40, seed=3)
    texts[0] = 'a "quoted", ship\nwith a line break'
    form = ending.split(".")[0]
    opener = {"gz": gzip.open, "xz": lzma.open}.get(ending.split(".")[-1], open)
    with opener(tmp_path / f"in.{ending}", "wt", newline="", encoding="utf-8-sig") as file:
        table = csv.writer(file, dialect="excel-tab" if form == "tsv" else "excel")
        table.writerows([["Body", "Kind"], *zip(texts, labels, strict=True)])
    out = tmp_path / f"out.{form}"
    done = run(
        "predict",
        tmp_path / f"in.{ending}",
        "-m",
        model,
        "-o",
        out,
        "--text",
        "Body",
        "--into",
        "Class",
    )
    assert done.exit_code == 0, done.output
    with out.open(newline="") as file:
        made = list(csv.DictReader(file, dialect="excel-tab" if form == "tsv" else "excel"))
    assert [m["Body"] for m in made] == texts
    assert list(made[0]) == ["Body", "Kind", "Class", "Class_share"]
    assert sum(m["Kind"] == m["Class"] for m in made) > 36


def test_what_was_broken_off_goes_on(model, tmp_path, monkeypatch):
    lines(tmp_path / "in.jsonl", 50)
    whole, part = tmp_path / "whole.jsonl", tmp_path / "part.jsonl"
    run("predict", tmp_path / "in.jsonl", "-m", model, "-o", whole)
    part.write_text("".join(whole.read_text().splitlines(keepends=True)[:20]) + '{"id": 20, "te')
    again = run("predict", tmp_path / "in.jsonl", "-m", model, "-o", part)
    assert isinstance(again.exception, Conflict)
    assert run("predict", tmp_path / "in.jsonl", "-m", model, "-o", part, "--resume").exit_code == 0
    assert part.read_bytes() == whole.read_bytes()


def test_figures_and_a_report_to_look_at(model, tmp_path):
    lines(tmp_path / "test.jsonl", 120, seed=5)
    done = run(
        "evaluate",
        tmp_path / "test.jsonl",
        "-m",
        model,
        "--html",
        tmp_path / "r.html",
        "-o",
        tmp_path / "r.json",
    )
    assert done.exit_code == 0, done.output
    figures = json.loads((tmp_path / "r.json").read_text())
    assert figures["accuracy"] > 0.95
    assert f"accuracy {figures['accuracy']:.4f}" in done.output
    assert sum(map(sum, figures["confusion"])) == 120
    page = (tmp_path / "r.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "<svg" in page
    assert "http" not in page.replace("http-equiv", "")


def test_without_a_model_it_is_cross_validated(tmp_path):
    lines(tmp_path / "all.jsonl", 150)
    done = run("evaluate", tmp_path / "all.jsonl", "--folds", 3, "--html", tmp_path / "r.html")
    assert done.exit_code == 0, done.output
    assert "accuracy 0.9" in done.output or "accuracy 1.0" in done.output
    assert "3 parts of all.jsonl" in (tmp_path / "r.html").read_text()


def test_names_in_a_report_cannot_become_html(tmp_path):
    texts, _ = corpus(40)
    evil = ["<script>alert(1)</script>", "b & c"] * 20
    rows = [{"text": t, "label": y} for t, y in zip(texts, evil, strict=True)]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    assert (
        run("evaluate", tmp_path / "x.jsonl", "--folds", 2, "--html", tmp_path / "r.html").exit_code
        == 0
    )
    page = (tmp_path / "r.html").read_text()
    assert "<script>" not in page
    assert "b &amp; c" in page


def test_several_classes_a_text(tmp_path):
    texts, labels = corpus(200)
    rows = [
        {"text": f"{a} {b}", "label": sorted({x, y})}
        for a, b, x, y in zip(texts, texts[1:], labels, labels[1:], strict=False)
    ]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    assert (
        run(
            "train", tmp_path / "x.jsonl", "-m", tmp_path / "m", "--loss", "log", "--epochs", 20
        ).exit_code
        == 0
    )
    assert TextClassifier.load(tmp_path / "m").multi_label
    done = run("predict", tmp_path / "x.jsonl", "-m", tmp_path / "m", "-o", tmp_path / "o.jsonl")
    assert done.exit_code == 0, done.output
    assert isinstance(
        json.loads((tmp_path / "o.jsonl").read_text().splitlines()[0])["predicted"], list
    )
    assert run("evaluate", tmp_path / "x.jsonl", "-m", tmp_path / "m").exit_code == 0


def test_in_one_pass(tmp_path):
    lines(tmp_path / "x.jsonl", 600)
    short = run("train", tmp_path / "x.jsonl", "-m", tmp_path / "m", "--one-pass")
    assert isinstance(short.exception, InvalidInput)
    classes = [part for name in ("sea", "law", "food") for part in ("--class", name)]
    assert (
        run("train", tmp_path / "x.jsonl", "-m", tmp_path / "m", "--one-pass", *classes).exit_code
        == 0
    )
    done = run("evaluate", tmp_path / "x.jsonl", "-m", tmp_path / "m")
    assert "accuracy 0.9" in done.output or "accuracy 1.0" in done.output


@pytest.mark.parametrize(
    ("name", "content", "error", "told"),
    [
        ("gone.jsonl", None, NotFound, "no file"),
        ("x.txt", "a", InvalidInput, "no .csv"),
        ("x.jsonl", '{"text": "a", "label": "b"}\n{"text"', InvalidInput, "line 2"),
        ("x.jsonl", "[1]\n", InvalidInput, "no JSON object"),
        (
            "x.jsonl",
            '{"body": "a", "label": "b"}\n',
            InvalidInput,
            "has no 'text': it has body, label",
        ),
        ("x.jsonl", '{"text": 3, "label": "b"}\n', InvalidInput, "int, not a string"),
        ("x.jsonl", "", InvalidInput, "no rows"),
        ("x.csv", "text,label\na,b\n", InvalidInput, "one class"),
    ],
)
def test_files_that_cannot_be_learnt_from(tmp_path, name, content, error, told):
    if content is not None:
        (tmp_path / name).write_text(content)
    done = run("train", tmp_path / name, "-m", tmp_path / "m")
    assert isinstance(done.exception, error)
    assert told in str(done.exception)
    assert not (tmp_path / "m").exists()


def test_bytes_that_are_no_utf8_are_read(model, tmp_path):
    (tmp_path / "x.csv").write_bytes(b"text\nship harbour \xff captain\n")
    done = run("predict", tmp_path / "x.csv", "-m", model, "-o", tmp_path / "o.csv")
    assert done.exit_code == 0, done.output
    assert "sea" in (tmp_path / "o.csv").read_text()
    assert (
        "x.csv has bytes that are no UTF-8, which part words, in this many lines: 1;" in done.output
    )


def test_a_class_that_comes_once_is_told_of(tmp_path):
    rows = lines(tmp_path / "train.jsonl", 60)
    rows.append({"text": "something else entirely", "label": "[rare]"})
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run("train", tmp_path / "train.jsonl", "-m", tmp_path / "m")
    assert done.exit_code == 0, done.output
    assert "too little to learn from, one text each: [rare]" in done.output


def test_folders_that_hold_no_classifier(model, tmp_path):
    lines(tmp_path / "x.jsonl", 10)
    done = run("predict", tmp_path / "x.jsonl", "-m", tmp_path, "-o", tmp_path / "o.jsonl")
    assert isinstance(done.exception, Misconfigured)
    (tmp_path / "model.json").write_text("{")
    done = run("predict", tmp_path / "x.jsonl", "-m", tmp_path, "-o", tmp_path / "o.jsonl")
    assert isinstance(done.exception, Corrupt)


def test_a_store_is_learnt_from_and_measured(tmp_path):
    texts, labels = corpus(200, seed=5)
    url = f"sqlite:{tmp_path}/r.db"
    with Records.open(url) as records:
        rows = [
            (f"{i:03}", {"body": t, "kind": y})
            for i, (t, y) in enumerate(zip(texts, labels, strict=True))
        ]
        records.put_many("mails", [*rows, ("900", {"body": "without a kind"})])
        records.put("bad", "1", {"body": 3, "kind": "x"})
    asked = (url, "--collection", "mails", "--text", "body", "--label", "kind")
    done = run("train", *asked, "-m", tmp_path / "m")
    assert done.exit_code == 0, done.output
    assert "learnt 3 classes from 200 texts" in done.output
    assert not (tmp_path / "m.training").exists()
    assert "accuracy" in run("evaluate", *asked, "--folds", "3").output
    assert "accuracy" in run("evaluate", *asked, "-m", tmp_path / "m").output
    done = run(
        "predict", url, "-c", "mails", "--text", "body", "-m", tmp_path / "m", "--into", "kinds"
    )
    assert "201 records of mails" in done.output
    assert isinstance(run("train", url, "-m", tmp_path / "n").exception, InvalidInput)
    failed = run(
        "train", url, "-c", "bad", "--text", "body", "--label", "kind", "-m", tmp_path / "n"
    )
    assert "no string" in str(failed.exception)


def test_answers_that_are_not_sure_enough_are_left_out(tmp_path):
    rows = lines(tmp_path / "train.jsonl", 300)
    for at, row in enumerate(rows[::8]):  # so that not all can be right
        row["label"] = ("food", "law", "sea")[at % 3]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    cache = tmp_path / "cache"
    assert (
        run("train", tmp_path / "train.jsonl", "-m", tmp_path / "m", "--cache", cache).exit_code
        == 0
    )
    kept = sorted(cache.rglob("*"))
    asked = (
        "thresholds",
        tmp_path / "train.jsonl",
        "-m",
        tmp_path / "m",
        "--cache",
        f"file:{cache}",
    )
    assert isinstance(run(*asked).exception, InvalidInput)
    done = run(*asked, "--precision", "0.96")
    assert done.exit_code == 0, done.output
    assert sorted(cache.rglob("*")) == kept  # nothing was hashed again
    assert 0 < TextClassifier.load(tmp_path / "m").reject_ < 1
    done = run(
        "predict", tmp_path / "train.jsonl", "-m", tmp_path / "m", "-o", tmp_path / "out.jsonl"
    )
    made = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    given = [m for m in made if m["predicted"] is not None]
    assert 0 < len(given) < len(made)
    assert sum(m["predicted"] == m["label"] for m in given) > 0.9 * len(given)
    assert isinstance(run(*asked, "--precision", "2").exception, InvalidInput)


def test_each_class_gets_its_threshold(tmp_path):
    rows = lines(tmp_path / "train.jsonl", 300)
    for row in rows:
        row["label"] = [row["label"], "boat"] if "ship" in row["text"] else [row["label"]]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    done = run("train", tmp_path / "train.jsonl", "-m", tmp_path / "m", "--thresholds")
    assert done.exit_code == 0, done.output
    own = TextClassifier.load(tmp_path / "m")
    assert own.thresholds_.shape == (4,)
    assert 0 < own.thresholds_.min() <= own.thresholds_.max() < 1
    unseen = lines(tmp_path / "new.jsonl", 100, seed=8)
    for row in unseen:
        row["label"] = [row["label"], "boat"] if "ship" in row["text"] else [row["label"]]
    (tmp_path / "new.jsonl").write_text("".join(json.dumps(r) + "\n" for r in unseen))
    done = run(
        "thresholds", tmp_path / "new.jsonl", "-m", tmp_path / "m", "--unseen", "--beta", "2"
    )
    assert done.exit_code == 0, done.output
    assert (TextClassifier.load(tmp_path / "m").thresholds_ != own.thresholds_).any()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("one_pass", [False, True])
def test_a_training_that_was_interrupted_goes_on(tmp_path, how, one_pass):
    """As a person would do it: the same command again."""
    lines(tmp_path / "train.jsonl", 3000)
    asked = ["classify", "train", str(tmp_path / "train.jsonl"), "--epochs", "30"]
    if one_pass:
        asked += ["--one-pass", "--class", "food", "--class", "law", "--class", "sea"]
    code = """
import sys, time
from salient.interfaces import cli, tables, classifying
from salient.learning.classification import running
from salient.learning import checkpoints
running._SLICE, tables.BATCH, checkpoints._SHARE = 500, 100, 0
checkpoints.Checkpoints.__init__.__kwdefaults__["least_s"] = 0.0
def slow(report):
    def told(*given):
        print("passed", flush=True)
        time.sleep(0.02)
        report(*given)
    return told
so_far = classifying._so_far
classifying._so_far = lambda advance: slow(so_far(advance))
cli.main()
"""
    command = [sys.executable, "-c", code, *asked]
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    for _ in range(2):
        broken = [*command, "--model", str(tmp_path / "m")]
        with subprocess.Popen(broken, stdout=subprocess.PIPE, text=True, env=environment, stderr=subprocess.DEVNULL) as child:  # fmt: skip
            for _ in range(8):
                child.stdout.readline()
            os.kill(child.pid, how)
            assert child.wait(60) != 0
        assert not (tmp_path / "m").exists()
        assert (tmp_path / "m.training").exists()
    done = subprocess.run(broken, check=True, capture_output=True, text=True, env=environment)
    whole = subprocess.run([*command, "--model", str(tmp_path / "n")], check=True, capture_output=True, text=True, env=environment)  # fmt: skip
    assert done.stdout.count("passed") < whole.stdout.count("passed") - 8
    assert not (tmp_path / "m.training").exists()
    weights = [next((tmp_path / name).glob("*.safetensors")) for name in "mn"]
    assert weights[0].name == weights[1].name  # of what is in them
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_one_pass_over_rows_that_are_sorted_by_class_learns_all_of_them_or_says_so(
    tmp_path, monkeypatch
):
    rows = sorted(lines(tmp_path / "train.jsonl", 600), key=lambda row: row["label"])
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lines(tmp_path / "test.jsonl", 200)
    asked = [tmp_path / "train.jsonl", "--one-pass"]
    for name in ("food", "law", "sea"):
        asked += ["--class", name]
    learnt = run("train", *asked, "-m", tmp_path / "m")
    assert "sorted" not in learnt.output
    found = run("evaluate", tmp_path / "test.jsonl", "-m", tmp_path / "m").output
    assert float(found.rpartition("accuracy ")[2][:5]) > 0.9, found
    monkeypatch.setattr("salient.interfaces.classifying.Mixed", partial(Mixed, rows=20))
    assert "sorted by class" in run("train", *asked, "-m", tmp_path / "n").output


def test_a_file_that_is_cut_off_is_gone_on_with_when_it_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("salient.interfaces.tables.BATCH", 50)
    monkeypatch.setattr("salient.interfaces.classifying.Mixed", partial(Mixed, rows=50))
    rows = lines(tmp_path / "train.jsonl", 300)
    packed = gzip.compress((tmp_path / "train.jsonl").read_bytes())
    (tmp_path / "t.jsonl.gz").write_bytes(packed[: len(packed) * 3 // 4])
    asked = [
        "train",
        tmp_path / "t.jsonl.gz",
        "--one-pass",
        "--class",
        "food",
        "--class",
        "law",
        "--class",
        "sea",
    ]
    broken = run(*asked, "-m", tmp_path / "m")
    assert isinstance(broken.exception, InvalidInput)
    assert "cut off" in str(broken.exception)
    (tmp_path / "t.jsonl.gz").write_bytes(packed)
    assert run(*asked, "-m", tmp_path / "m").exit_code == 0
    assert run(*asked, "-m", tmp_path / "n").exit_code == 0
    names = [next((tmp_path / name).glob("*.safetensors")).name for name in "mn"]
    assert names[0] == names[1]
    # Other texts are not taken for the same training, unless it is begun anew.
    (tmp_path / "t.jsonl.gz").write_bytes(packed[: len(packed) * 3 // 4])
    run(*asked, "-m", tmp_path / "o")
    rows[0]["text"] = "another text"
    (tmp_path / "t.jsonl.gz").write_bytes(
        gzip.compress("".join(json.dumps(r) + "\n" for r in rows).encode())
    )
    assert isinstance(run(*asked, "-m", tmp_path / "o").exception, Conflict)
    assert run(*asked, "-m", tmp_path / "o", "--anew").exit_code == 0
