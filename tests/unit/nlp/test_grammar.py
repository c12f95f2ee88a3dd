"""Values are found by their form, cut where they end."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.model import Kind
from salient.nlp import LABELS, grammar
from salient.nlp.units import Unit


def find(text, kind=Kind.PARAGRAPH, *, prose=True):
    rows = grammar.find(text, [Unit(0, len(text), kind, prose)])
    return [(text[a:b], label) for a, b, label, _ in sorted(rows)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("paid $12.5 million.", [("$12.5 million", "MONEY")]),
        ("paid $12.5\nmillion in all", [("$12.5\nmillion", "MONEY")]),
        ("US$1,234.50 or EUR 5m", [("US$1,234.50", "MONEY"), ("EUR 5m", "MONEY")]),
        ("1 234,50 € oder 5 Mrd. €", [("1 234,50 €", "MONEY"), ("5 Mrd. €", "MONEY")]),
        ("five dollars, 5 dollars", [("five dollars", "MONEY"), ("5 dollars", "MONEY")]),
        ("2 million Norwegian kroner", [("2 million Norwegian kroner", "MONEY")]),
        ("A$5 and B$", [("A$5", "MONEY")]),
        ("section $ 4.2.1", [("$ 4.2", "MONEY")]),
        ("5% or 3.5 per cent, 25 bps", [("5%", "PERCENT"), ("3.5 per cent", "PERCENT"), ("25 bps", "PERCENT")]),
        ("on 3 March 2021, May 4", [("3 March 2021", "DATE"), ("May 4", "DATE")]),
        ("the 1st day of June, 2020", [("1st day of June, 2020", "DATE")]),
        ("2021-03-04, 3/4/2021, 4.3.21", [("2021-03-04", "DATE"), ("3/4/2021", "DATE"), ("4.3.21", "DATE")]),
        ("2021-13-04 and 1.2.3.4", []),
        ("in Q3 2021 and FY22", [("Q3 2021", "DATE"), ("FY22", "DATE")]),
        ("We may march.", []),
        ("mail a.b+c@x-y.example.com now", [("a.b+c@x-y.example.com", "EMAIL")]),
        ("see https://x.example/a?b=1. Then", [("https://x.example/a?b=1", "URL")]),
        ("(www.x.example)", [("www.x.example", "URL")]),
        ("Regulation (EU) No 575/2013 says", [("Regulation (EU) No 575/2013", "LAW")]),
        ("15 U.S.C. § 78a and the Securities Act of 1933",
         [("15 U.S.C. § 78a", "LAW"), ("Securities Act of 1933", "LAW")]),
        ("call +47 22 33 44 55 or (212) 555-0199", [("+47 22 33 44 55", "PHONE"), ("(212) 555-0199", "PHONE")]),
        ("On 3 March 2021 Halden Maritime AS sold", [("3 March 2021", "DATE"), ("Halden Maritime AS", "ORG")]),
        ("five million U.S. dollars", [("five million U.S. dollars", "MONEY")]),
        ("$5-6 million and No/100 USD", [("$5-6 million", "MONEY")]),
        ("MARCH 3, 2021 is in fiscal 2021", [("MARCH 3, 2021", "DATE"), ("fiscal 2021", "DATE")]),
        ("within thirty (30) Business Days or 18 months", [("thirty (30) Business Days", "DATE"), ("18 months", "DATE")]),
        ("two and a half years, twenty-five days", [("two and a half years", "DATE"), ("twenty-five days", "DATE")]),
        ("a day, each day, the years", []),
        ("at 3:30 p.m. EST or 14:05, for two hours", [("3:30 p.m. EST", "TIME"), ("14:05", "TIME"), ("two hours", "TIME")]),
        ("until noon", [("noon", "TIME")]),
        ("a ratio of 3:1, verse 12:345", []),
        ("5-10% or ten per cent", [("5-10%", "PERCENT"), ("ten per cent", "PERCENT")]),
        ("50MW over 1,200 sq ft and 5 million tonnes at 20°C",
         [("50MW", "QUANTITY"), ("1,200 sq ft", "QUANTITY"), ("5 million tonnes", "QUANTITY"), ("20°C", "QUANTITY")]),
        ("10,000 barrels per day, 10 to 20 km", [("10,000 barrels per day", "QUANTITY"), ("10 to 20 km", "QUANTITY")]),
        ("under Section 4.2(b) and § 12", [("Section 4.2(b)", "IDENTIFIER"), ("§ 12", "IDENTIFIER")]),
        ("Section 10 of the Securities Exchange Act of 1934", [("Securities Exchange Act of 1934", "LAW")]),
        ("the Securities Act of 1933 or the Exchange Act of 1934", [("Securities Act of 1933", "LAW"), ("Exchange Act of 1934", "LAW")]),
        ("Section 1542 of the Code, Article 9 of the UCC, Section 9 of this Agreement", [("Section 9", "IDENTIFIER")]),
        ("the section on law", []),
        ("to GB82 WEST 1234 5698 7654 32 or GB82 WEST 1234 5698 7654 33", [("GB82 WEST 1234 5698 7654 32", "IDENTIFIER")]),
        ("US0378331005, US0378331006", [("US0378331005", "IDENTIFIER")]),
        ("LEI HWUPKR0MPOU8FGXBT394", [("LEI HWUPKR0MPOU8FGXBT394", "IDENTIFIER")]),
        ("Case No. 1:19-cv-01234-ABC; doi 10.1000/182.", [("Case No. 1:19-cv-01234-ABC", "IDENTIFIER"), ("10.1000/182", "IDENTIFIER")]),
        ("U.S. Patent No. 9,876,543 and WO 2019/123456", [("U.S. Patent No. 9,876,543", "IDENTIFIER"), ("WO 2019/123456", "IDENTIFIER")]),
        ("ISBN 0-306-40615-2", [("ISBN 0-306-40615-2", "IDENTIFIER")]),
        ("٢٥ %", [("٢٥ %", "PERCENT")]),
        ("Marketing in Maybe Actual Codex", []),
        ("", []),
    ],
)  # fmt: skip
def test_values(text, found):
    assert find(text) == found


def test_a_value_in_a_longer_one_is_not_told_twice():
    assert find("https://x.example/2021-03-04/$5") == [("https://x.example/2021-03-04/$5", "URL")]


def test_code_and_furniture_are_not_read():
    assert find("$5", Kind.CODE) == []
    assert find("$5", Kind.PAGE_HEADER) == []
    assert find("$5", Kind.TABLE, prose=False) == [("$5", "MONEY")]


def test_offsets_count_from_the_text():
    text = "xx $5 yy"
    rows = grammar.find(text, [Unit(3, 5, Kind.PARAGRAPH, prose=True)])
    assert [(a, b) for a, b, *_ in rows] == [(3, 5)]


@given(st.text(st.sampled_from("$€5.,0 %/-@aM \n’Mayof(+"), max_size=60) | st.text(max_size=40))
def test_values_lie_in_the_text_and_apart(text):
    rows = grammar.find(text, [Unit(0, len(text), Kind.PARAGRAPH, prose=True)])
    values = sorted(r for r in rows if r[2] != "ORG")
    for (_, end, *_), (start, *_) in itertools.pairwise(values):
        assert end <= start
    for start, end, label, score in rows:
        assert 0 <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        assert label in LABELS
        assert 0 < score <= 1


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece",
    [
        "1,",
        "1 ",
        "a.",
        "Act of ",
        "The ",
        "+1 ",
        "5.5.",
        "May ",
        "www.",
        "@a",
        "1 000 ",
        "one ",
        "one and ",
        " days",
        "one days ",
        "A1",
        "GB82 ",
        "Section 1",
        "Act 1990 ",
        "(1) ",
        "1:1",
        "://",
        "1-",
        "$1-",
        "10.1000/",
        "half a ",
    ],
)
def test_no_pattern_takes_longer_than_the_text_is_long(piece):
    text = (piece * 12_000)[:12_000]
    grammar.find(text, [Unit(0, len(text), Kind.PARAGRAPH, prose=True)])
