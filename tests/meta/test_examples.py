"""The example corpus is what its sources say, and its gold answers stand in it."""

import email
import email.policy
import io
import re
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent / "examples"
CORPUS = ROOT / "corpus"
SCAN = "contracts/osprey-charter-scan.pdf"
QUESTIONS = yaml.safe_load((ROOT / "questions.yaml").read_text("utf-8"))
GOLD = yaml.safe_load((ROOT / "entities.yaml").read_text("utf-8"))


def files(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def build(folder, *, hash_seed, zone):
    """Run as people run it, in a process whose hashes and clock are its own."""
    environment = {"PYTHONHASHSEED": hash_seed, "TZ": zone, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, str(ROOT / "build.py"), str(folder)]
    subprocess.run(command, check=True, env=environment, timeout=120)
    return files(folder)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("built"), hash_seed="1", zone="UTC")


@pytest.fixture(scope="module")
def committed():
    return files(CORPUS)


@pytest.fixture(scope="module")
def texts():
    """The text of each document by the name that it goes by in the corpus."""
    found = {}
    for path in sorted((ROOT / "sources").glob("*.md")):
        text = path.read_text("utf-8")
        head = dict(re.findall(r"^([a-z-]+): (.*)$", text, re.M))
        name = (head.get("file") or head["name"]).rpartition("!")[2]
        found[name] = re.sub(r"^(#+|-|>|\d\)) ", "", text, flags=re.M)
    found["news/saved-halden-buys-volta-cell.html"] = found["news/halden-buys-volta-cell.html"]
    return found


def unpacked(data, name):
    """What a file holds, whichever build of zlib packed it."""
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {m: unpacked(archive.read(m), m) for m in archive.namelist()}
    if data.startswith(b"%PDF"):
        return pdf_pages(data)
    if name.endswith(".eml"):
        message = email.message_from_bytes(data, policy=email.policy.default)
        parts = [p for p in message.walk() if not p.is_multipart()]
        held = [unpacked(p.get_payload(decode=True), p.get_filename() or "") for p in parts]
        return [sorted(message.items()), held]
    return data


def pdf_pages(data):
    """Text and places of a PDF's pages: its streams, unpacked."""
    streams = re.findall(rb"stream\r?\n(.*?)endstream", data, re.S)
    pages = []
    for stream in streams:
        packed = stream.strip().removesuffix(b"~>")
        try:
            pages.append(zlib.decompress(ascii85(packed)))
        except (zlib.error, ValueError):
            pages.append(packed)
    return pages


def ascii85(data):
    import base64

    return base64.a85decode(data)


def pictures(data):
    import numpy as np
    import pypdfium2

    pages = pypdfium2.PdfDocument(data)
    return np.stack([page.render(scale=1, grayscale=True).to_numpy() for page in pages]).astype(int)


def test_two_builds_give_equal_bytes(built, tmp_path):
    assert build(tmp_path, hash_seed="2", zone="Pacific/Auckland") == built


def test_building_gives_the_committed_files(built, committed):
    assert sorted(built) == sorted(committed)
    # Compressed bytes may differ between builds of zlib; what is packed in them may not.
    other = [
        name
        for name in built
        if name != SCAN
        and built[name] != committed[name]
        and unpacked(built[name], name) != unpacked(committed[name], name)
    ]
    assert other == []


def test_building_gives_the_committed_scan(built, committed):
    """Builds of JPEG round differently: a grey level here and there, no more."""
    if built[SCAN] != committed[SCAN]:
        assert abs(pictures(built[SCAN]) - pictures(committed[SCAN])).mean() < 1.5


def test_the_corpus_is_large_enough_and_small_enough(committed):
    assert len(committed) >= 30
    assert sum(map(len, committed.values())) < 3_000_000
    assert len(committed[SCAN]) < 600_000


def test_every_kind_of_file_is_there(committed):
    kinds = {Path(name).suffix for name in committed}
    assert kinds == {
        *(".pdf", ".docx", ".pptx", ".xlsx", ".csv", ".html"),
        *(".eml", ".txt", ".md", ".odt", ".epub", ".zip"),
    }
    folders = {name.partition("/")[0] for name in committed}
    assert folders == {
        *("contracts", "news", "mail", "patents", "policy"),
        *("tables", "slides", "books", "archive"),
    }


def test_one_file_is_there_twice_and_one_story_nearly(committed, texts):
    assert len(committed) - len(set(committed.values())) == 1
    one, other = (
        {s for s in re.split(r"(?<=[.\"])\s+", texts[name]) if len(s) > 40}
        for name in ("news/halden-buys-volta-cell.html", "news/energy-wire-halden-volta.html")
    )
    assert len(one & other) / len(other) > 0.6


def test_the_mails_hold_their_attachments(committed):
    held = set()
    for name in (n for n in committed if n.endswith(".eml")):
        message = email.message_from_bytes(committed[name], policy=email.policy.default)
        assert message["Date"]
        assert message["Message-ID"]
        held |= {p.get_filename() or p.get_content_type() for p in message.walk()}
    assert held == {
        *("multipart/mixed", "multipart/alternative", "text/plain", "text/html"),
        *("interim-report.pdf", "approved-suppliers.csv"),
    }


def test_every_answer_stands_in_each_of_its_documents(texts):
    for question in QUESTIONS["answerable"]:
        for name in question["documents"]:
            assert question["sentence"] in texts[name], (question["question"], name)
    assert len(QUESTIONS["answerable"]) == 20
    assert len(QUESTIONS["unanswerable"]) == 10


def test_no_document_but_those_named_has_the_sentence_of_an_answer(texts):
    for question in QUESTIONS["answerable"]:
        having = {name for name, text in texts.items() if question["sentence"] in text}
        assert having == set(question["documents"]), question["question"]


def test_the_questions_go_over_all_kinds_of_text():
    kinds = {Path(d).suffix for q in QUESTIONS["answerable"] for d in q["documents"]}
    assert kinds >= {
        *(".pdf", ".docx", ".html", ".eml", ".txt", ".md", ".odt", ".pptx", ".epub", ".rtf"),
    }
    assert any(q["documents"] == [SCAN] for q in QUESTIONS["answerable"])


def test_gold_names_stand_in_the_documents_they_are_said_to_be_in(texts):
    tables = {".csv", ".xlsx"}
    for entity in GOLD["entities"]:
        assert len(set(entity["documents"])) == len(entity["documents"])
        for name in entity["documents"]:
            if Path(name).suffix not in tables:
                assert any(form in texts[name] for form in entity["names"]), (entity, name)


def test_gold_entities_of_the_knowledge_base_are_in_it():
    import csv

    with (ROOT / "knowledge_base.csv").open(encoding="utf-8", newline="") as opened:
        known = {row["id"]: row for row in csv.DictReader(opened)}
    assert {row["type"] for row in known.values()} == {"ORG", "PERSON", "PLACE", "PRODUCT"}
    linked = {e["kb_id"]: e for e in GOLD["entities"] if e["kb_id"]}
    assert set(linked) == set(known)
    for ident, entity in linked.items():
        assert entity["entity"] == known[ident]["name"]
        assert entity["type"] == known[ident]["type"]
    assert sum(e["kb_id"] is None for e in GOLD["entities"]) > len(known)


def test_the_scan_has_no_text_and_can_be_read(committed):
    import pypdfium2
    import tesserocr

    document = pypdfium2.PdfDocument(committed[SCAN])
    assert [page.get_textpage().count_chars() for page in document] == [0, 0]
    picture = document[0].render(scale=200 / 72, grayscale=True).to_pil()
    with tesserocr.PyTessBaseAPI(path=str(Path(sys.prefix) / "share" / "tessdata")) as reader:
        reader.SetImage(picture.convert("L"))
        read = " ".join(reader.GetUTF8Text().split())
    wanted = next(q["sentence"] for q in QUESTIONS["answerable"] if q["documents"] == [SCAN])
    assert wanted in read
