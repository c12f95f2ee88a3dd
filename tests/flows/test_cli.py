"""The command line as somebody at a terminal meets it: a real process, what it prints, how it ends."""

import csv
import io
import json
import os
import subprocess
import sys

import networkx
import pytest
import python_calamine

NEWS = (
    "Halden Maritime AS of Bergen has acquired Volta Cell GmbH, a battery maker in Stuttgart. "
    "Halden Maritime was founded in 1967 by Olav Halden. "
    "Ingrid Berg is the chief executive of Halden Maritime AS."
)


def run(data, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "salient", *map(str, arguments), "--data-dir", str(data)],
        capture_output=True, text=True, timeout=240, check=False,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A workspace filled from the command line, with one file that cannot be read."""
    folder = tmp_path_factory.mktemp("in")
    (folder / "news.txt").write_text(NEWS)
    (folder / "weather.txt").write_text("It rained in Oslo all week. The harbour was closed.")
    (folder / "empty.pdf").write_bytes(b"")
    data = tmp_path_factory.mktemp("data")
    done = run(data, "add", folder)
    assert done.returncode == 0, done.stderr
    assert "done 2" in done.stdout
    assert "failed 1" in done.stdout
    assert "empty.pdf" in done.stdout
    return data


@pytest.fixture
def ids(data):
    rows = json.loads(run(data, "call", "documents.list").stdout)["documents"]
    return {row["name"].rpartition("/")[2]: row["id"] for row in rows}


def test_adding_again_does_nothing_anew(data, tmp_path):
    before = run(data, "status").stdout
    again = run(data, "add")
    assert again.returncode == 0
    assert run(data, "status").stdout == before


def test_status_says_why_something_failed(data):
    said = run(data, "status").stdout
    assert "3 documents" in said
    assert "empty.pdf" in said
    assert json.loads(run(data, "status", "--json").stdout)["states"]["failed"] == 1


def test_search_finds_documents_and_passages(data):
    assert "news.txt" in run(data, "search", "battery maker").stdout
    assert "Stuttgart" in run(data, "search", "battery", "--passages").stdout
    assert run(data, "search", '"maker battery"', "--mode", "keyword").stdout.startswith("0 found")


def test_an_answer_is_quoted_with_its_place(data):
    done = run(data, "ask", "Who founded Halden Maritime?")
    assert done.returncode == 0
    assert done.stdout.startswith("Olav Halden")
    assert "founded in 1967 by Olav Halden" in done.stdout
    assert f"{NEWS.index('Halden Maritime was')}–" in done.stdout


def test_what_is_not_there_is_refused_with_a_code_of_its_own(data):
    done = run(data, "ask", "What is the boiling point of mercury?")
    assert done.returncode == 2
    assert "not found in your documents" in done.stdout


def test_show_takes_a_name_or_an_id(data, ids):
    by_name = run(data, "show", "news.txt")
    assert by_name.returncode == 0
    assert by_name.stdout == run(data, "show", ids["news.txt"]).stdout
    assert "Ingrid Berg" in by_name.stdout


def test_entities_facts_and_graph_tell_of_them(data):
    assert "Halden Maritime AS" in run(data, "entities").stdout
    assert "Stuttgart" not in run(data, "entities", "--type", "ORG").stdout
    facts = run(data, "facts", "Halden Maritime AS").stdout
    assert "Volta Cell GmbH" in facts
    assert "has acquired Volta Cell GmbH" in facts
    assert "acquired" in run(data, "graph", "Halden Maritime AS").stdout
    assert "Volta Cell GmbH" in run(data, "graph", "Olav Halden", "--to", "Volta Cell GmbH").stdout


def test_similar_names_the_other_document(data):
    assert "weather.txt" in run(data, "similar", "news.txt").stdout


@pytest.mark.parametrize("what", ["documents", "mentions", "entities", "facts"])
def test_every_table_exports_alike_in_every_form(data, what, tmp_path):
    lines = run(data, "export", what).stdout.splitlines()
    rows = list(csv.DictReader(io.StringIO(run(data, "export", what, "--form", "csv").stdout)))
    assert len(rows) == len(lines) > 0
    target = tmp_path / f"{what}.xlsx"
    assert run(data, "export", what, "--to", target).returncode == 0
    sheet = python_calamine.CalamineWorkbook.from_path(target).get_sheet_by_index(0)
    assert len(sheet.to_python()) == len(lines) + 1


def test_exported_facts_can_be_read_by_people(data):
    rows = list(csv.DictReader(io.StringIO(run(data, "export", "facts", "--form", "csv").stdout)))
    (acquired,) = (r for r in rows if r["object_name"] == "Volta Cell GmbH")
    assert acquired["subject_name"] == "Halden Maritime AS"
    assert acquired["sentence"] in NEWS


def test_the_graph_exports_for_graph_tools(data, tmp_path):
    target = tmp_path / "graph.graphml"
    assert run(data, "export", "graph", "--to", target).returncode == 0
    names = {n["name"] for _, n in networkx.read_graphml(target).nodes(data=True)}
    assert {"Halden Maritime AS", "Volta Cell GmbH"} <= names


def test_a_reader_who_stops_early_is_no_error(data):
    with subprocess.Popen(
        [sys.executable, "-m", "salient", "export", "mentions", "--data-dir", str(data)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        process.stdout.close()
        assert process.stderr.read() == b""


def test_doctor_and_settings_speak_of_everything(data):
    doctor = run(data, "doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "language engine" in doctor.stdout
    assert "argument" in run(data, "settings").stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["show", "nosuch"], "not_found"),
        (["graph", "nosuch"], "not_found"),
        (["add", "/no/such/folder"], "not_found"),
        (["ask", ""], "invalid_input"),
        (["retry"], "invalid_input"),
        (["export", "nonsense"], "invalid_input"),
        (["call", "nosuch.service"], "not_found"),
        (["call", "ask.answer", "{"], "invalid_input"),
        (["entities", "--import", "/no/such.csv"], "not_found"),
    ],
)
def test_a_mistake_is_one_sentence_and_a_code(data, arguments, code):
    done = run(data, *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(f"{code}: ")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_retry_tries_again_and_delete_takes_away(data, ids, tmp_path):
    again = run(data, "retry", "--failed")
    assert again.returncode == 0, again.stderr
    assert "failed 1" in again.stdout
    assert "1 documents deleted" in run(data, "delete", ids["weather.txt"]).stdout
    assert "2 documents" in run(data, "status").stdout
    assert run(data, "search", "rained", "--mode", "keyword").stdout.startswith("0 found")
