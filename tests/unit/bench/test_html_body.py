"""The scorer of article bodies agrees with the benchmark's own examples, worked by hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parents[3] / "bench" / "html_body.py"


@pytest.fixture(scope="module")
def html_body():
    spec = importlib.util.spec_from_file_location("html_body", BENCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("truth", "found", "expected"),
    [
        ("one two three", "one two three", (1, 0, 0)),
        ("one two three four", "one two three", (0.5, 0, 0.5)),
        ("one two three", "one, two: three (four)", (0.5, 0.5, 0)),
        ("", "", (0, 0, 0)),
        ("one", "", (0, 0, 1)),
        ("", "one", (0, 1, 0)),
        ("one two three one two three", "one two three", (0.25, 0, 0.75)),
    ],
)
def test_counts_of_a_page_add_up_to_one(html_body, truth, found, expected):
    assert html_body.matches(truth, found, n=3) == expected


def test_short_texts_are_one_shingle(html_body):
    assert dict(html_body.shingles("a, b c", 5)) == {("a", "b", "c"): 1}
    assert dict(html_body.shingles("!", 4)) == {}


def test_f1_is_of_the_averages(html_body):
    row = html_body.score([(1, 0, 0), (0.25, 0.25, 0.5)])
    assert row["precision"] == 0.75
    assert row["recall"] == round((1 + 1 / 3) / 2, 4)
    assert row["f1"] == round(2 * 0.75 * (2 / 3) / (0.75 + 2 / 3), 4)
