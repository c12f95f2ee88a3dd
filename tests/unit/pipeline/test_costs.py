"""Expected costs: learned fast, moved little by one bad document, equal after a round trip."""

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.pipeline.costs import FAMILIES, Costs, Line, family

SIZES = st.integers(0, 2**40)
NAMES = st.sampled_from(["a.pdf", "b.TXT", "c", "", ".pdf", "x/y.tar.gz", "scan.png", "ü.docx", "a.b.c.xyz"])  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Report.PDF", "pdf"),
        ("folder.pdf/readme", "other"),
        ("a/b.tar.gz", "archive"),
        ("letter.docx", "office"),
        ("table.CSV", "sheet"),
        ("page.htm", "web"),
        ("photo.jpeg", "scan"),
        ("mail.eml", "mail"),
        ("notes.md", "text"),
        ("", "other"),
        (".pdf", "other"),
    ],
)
def test_the_suffix_names_the_family(name, expected):
    assert family(name) == expected
    assert family(name, ocr=True) == "scan"


@given(NAMES, SIZES, SIZES)
def test_more_bytes_never_cost_less_and_all_cost_something(name, a, b):
    costs = Costs()
    low, high = (costs.expected_s(name, size) for size in sorted((a, b)))
    assert 0 < low <= high < math.inf


@given(st.lists(st.tuples(NAMES, SIZES, st.floats(0, 1e9)), max_size=60), NAMES, SIZES)
def test_whatever_was_observed_expectations_stay_positive_finite_and_in_order(seen, name, size):
    costs = Costs()
    for observed, n_bytes, seconds in seen:
        costs.observe(observed, n_bytes, seconds)
    small, large = costs.expected_s(name, size), costs.expected_s(name, 2 * size)
    assert 0 < small <= large < math.inf


def test_a_line_is_found_again_from_noisy_documents():
    costs, draw = Costs(), random.Random(1)
    for _ in range(400):
        size = int(draw.lognormvariate(11, 1))
        costs.observe("a.pdf", size, (0.5 + 30e-6 * size) * draw.lognormvariate(-0.02, 0.2))
    for size in (20_000, 200_000, 1_000_000):
        assert costs.expected_s("a.pdf", size) == pytest.approx(0.5 + 30e-6 * size, rel=0.15)


def test_a_machine_ten_times_slower_is_noticed_within_thirty_documents():
    costs = Costs()
    slow = {size: 10 * costs.expected_s("a.html", size) for size in range(20_000, 200_000, 6_000)}
    for size, seconds in slow.items():
        costs.observe("a.html", size, seconds)
    assert costs.expected_s("a.html", 100_000) == pytest.approx(
        10 * Costs().expected_s("a.html", 100_000), rel=0.35
    )


def test_what_changed_long_ago_is_forgotten():
    costs = Costs()
    for seconds in (1.0, 4.0):
        for n in range(3000):
            costs.observe("a.txt", 5_000 + n % 7 * 1_000, seconds)
    assert costs.expected_s("a.txt", 8_000) == pytest.approx(4.0, rel=0.1)


def test_one_that_hung_does_not_stand_for_its_family():
    costs = Costs()
    for n in range(50):
        costs.observe("a.txt", 10_000 + n, 0.4)
    before = costs.expected_s("a.txt", 10_000)
    costs.observe("a.txt", 10_000, 900.0)
    assert costs.expected_s("a.txt", 10_000) < 1.3 * before


def test_families_do_not_learn_from_each_other():
    costs = Costs()
    before = {f: costs.expected_s(f"a.{s}", 10_000) for f, s in (("text", "txt"), ("web", "html"))}
    for _ in range(100):
        costs.observe("scan.pdf", 10_000, 60.0, ocr=True)
    assert costs.expected_s("scan.pdf", 10_000, ocr=True) > 20
    assert costs.expected_s("a.txt", 10_000) == before["text"]
    assert costs.expected_s("a.html", 10_000) == before["web"]
    assert costs.expected_s("scan.pdf", 10_000) < 5


def test_documents_of_one_size_move_the_line_and_keep_its_slope():
    line = Line(1.0, 1.0)
    for _ in range(3):
        line.observe(1_000_000, 4.0)
    assert line.at(1_000_000) == pytest.approx(4.0)
    assert line.fixed_s == pytest.approx(line.rate_s)


def test_what_is_dumped_is_json_and_loads_the_same():
    costs = Costs()
    for n in range(20):
        costs.observe("a.pdf", 10_000 * n, 0.1 * n)
    dumped = json.loads(json.dumps(costs.dump()))
    again = Costs.load(dumped)
    assert again.dump() == costs.dump()
    assert set(dumped) == set(FAMILIES)
    again.observe("a.pdf", 50_000, 3.0)
    costs.observe("a.pdf", 50_000, 3.0)
    assert again.expected_s("b.pdf", 77_000) == costs.expected_s("b.pdf", 77_000)


def test_a_dump_of_another_version_loads_what_both_know():
    dumped = Costs().dump()
    known = dumped.pop("pdf")
    loaded = Costs.load({"holograms": known})
    assert loaded.dump() == Costs().dump()
