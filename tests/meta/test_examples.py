"""The example corpus is what its sources say."""

import importlib.util
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent / "examples"


@pytest.fixture(scope="module")
def built():
    spec = importlib.util.spec_from_file_location("examples_build", ROOT / "build.py")
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["examples_build"] = module
    spec.loader.exec_module(module)
    return module.build()


def test_building_gives_the_committed_files(built):
    committed = {
        p.relative_to(ROOT / "corpus").as_posix(): p.read_bytes()
        for p in (ROOT / "corpus").rglob("*")
        if p.is_file()
    }
    assert set(built) == set(committed)
    # How JPEG and deflate pack may differ between builds of their libraries; what is packed may not.
    lossy = {"contracts/osprey-charter-scan.pdf"}
    packed = (".docx", ".pptx", ".xlsx", ".zip", ".odt", ".epub", ".pdf")
    same = [n for n in built if n not in lossy and not n.endswith(packed)]
    assert [n for n in same if built[n] != committed[n]] == []
    assert len(built) >= 24


def test_every_kind_of_file_is_there(built):
    kinds = {Path(n).suffix for n in built}
    assert {
        ".pdf",
        ".docx",
        ".pptx",
        ".xlsx",
        ".csv",
        ".html",
        ".eml",
        ".txt",
        ".md",
        ".odt",
        ".epub",
        ".zip",
    } <= kinds


def test_every_answer_stands_in_a_source():
    texts = " ".join(
        " ".join(line.lstrip("#- ") for line in p.read_text("utf-8").splitlines())
        for p in sorted((ROOT / "sources").glob("*.md"))
    )
    questions = yaml.safe_load((ROOT / "questions.yaml").read_text("utf-8"))
    assert [q["sentence"] for q in questions["answerable"] if q["sentence"] not in texts] == []
    assert len(questions["answerable"]) == 20
    assert len(questions["unanswerable"]) == 10
