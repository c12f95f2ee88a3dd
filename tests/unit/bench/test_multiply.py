"""Multiplied documents: the same for the same seed, each another one, of the promised length."""

from __future__ import annotations

import collections
import hashlib
import importlib.util
import itertools
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[3] / "bench"

PARAGRAPHS = [
    "Ada Lovelace met Charles Babbage in London in 1833, and she paid 250 pounds for a share of it. "
    "He told the Royal Society that the machine would be ready within 3 years, which nobody believed then.",
    "The harbour of Oslo had 41 ships on the first day of spring and twice as many a month later, "
    "although the ice of that winter had not left the fjord before the end of April at all, as Ada Lovelace wrote.",
]


@pytest.fixture(scope="module")
def multiply():
    spec = importlib.util.spec_from_file_location("multiply", BENCH / "multiply.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["multiply"] = module  # dataclasses and pickles look there
    spec.loader.exec_module(module)
    yield module
    del sys.modules["multiply"]


@pytest.fixture
def made(multiply):
    return multiply.Multiplier(PARAGRAPHS, seed=3)


def test_a_document_depends_on_seed_and_number_alone(multiply, made):
    backwards = [made.text(n) for n in (9, 3, 0)]
    other = multiply.Multiplier(list(PARAGRAPHS), seed=3)
    assert [other.text(n) for n in (0, 3, 9)] == backwards[::-1]
    assert multiply.Multiplier(PARAGRAPHS, seed=4).text(0) != made.text(0)


def test_these_are_the_documents_of_every_machine(multiply, made):
    digest = hashlib.sha256("".join(made.text(n) for n in range(50)).encode()).hexdigest()
    assert digest[:16] == "cbbf6781e33cae11"


def test_no_two_are_the_same_and_all_are_short(made):
    texts = [made.text(n) for n in range(300)]
    assert len(set(texts)) == 300
    assert all(200 <= len(text.split()) <= 450 for text in texts)


def test_a_name_is_replaced_by_the_same_name_within_a_document(multiply):
    said = " wrote to many people of the town about it, and they wrote to each other"
    text = multiply.Multiplier(["Ada Lovelace" + said]).text(1)
    headline, _, body = text.partition(":")
    assert "Ada Lovelace" not in text
    assert body.count(headline + said) == body.count(said) > 10


def test_few_names_are_in_many_documents_and_many_in_one(made):
    counts = collections.Counter(made.text(n).partition(":")[0] for n in range(2000))
    assert counts.most_common(1)[0][1] > 40
    assert sum(1 for n in counts.values() if n == 1) > 600


def test_sources_are_made_when_their_turn_comes(multiply, made, monkeypatch):
    asked = []
    monkeypatch.setattr(
        multiply.Multiplier, "text", lambda self, n: asked.append(n) or f"document {n}"
    )
    stream = made.sources(10, 10**12)
    first = list(itertools.islice(stream, 3))
    assert asked == []
    assert [s.key for s in first] == [f"multiplied:3/{n}" for n in (10, 11, 12)]
    with first[1].open() as file:
        assert file.read() == b"document 11"
    assert asked == [11]


def test_files_lie_a_thousand_in_a_folder(multiply, made, tmp_path, monkeypatch):
    monkeypatch.setattr(multiply, "FILES_PER_FOLDER", 4)
    size = multiply.write(made, tmp_path, 10)
    files = sorted(tmp_path.rglob("*.txt"))
    assert [len(list(f.iterdir())) for f in sorted(tmp_path.iterdir())] == [4, 4, 2]
    assert sum(f.stat().st_size for f in files) == size
    assert files[5].read_text("utf-8") == made.text(5)


def test_paragraphs_of_the_shared_data_are_many_and_of_middle_length(multiply, shared):
    found = multiply.paragraphs(shared)
    assert len(found) > 5000
    assert all(25 <= len(p.split()) <= 130 for p in found)
    assert found == multiply.paragraphs(shared)
