"""Companies are found by their legal form, from where their name begins."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.nlp.legal_forms import find_companies, without_form


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("between Halden Maritime AS and Kestrel Marine Ltd.", ["Halden Maritime AS", "Kestrel Marine Ltd."]),
        ("The Bank of New York Mellon Corporation lends.", ["Bank of New York Mellon Corporation"]),
        ("sold to Smith & Jones, Inc., a buyer", ["Smith & Jones, Inc."]),
        ("Société Générale S.A. pays", ["Société Générale S.A."]),
        ("Müller Werft GmbH & Co. KG baut", ["Müller Werft GmbH & Co. KG"]),
        ("ACME HOLDINGS INCORPORATED", ["ACME HOLDINGS INCORPORATED"]),
        ("In 2021 Halden AS, since May Aurora AS", ["Halden AS", "Aurora AS"]),
        ("BANK OF THE WEST CORP", ["BANK OF THE WEST CORP"]),
        ("24 Hour Fitness Inc. opens", ["24 Hour Fitness Inc."]),
        ("Seznam a.s. and Gorenje d.d. or Petrol d. o. o.", ["Seznam a.s.", "Gorenje d.d.", "Petrol d. o. o."]),
        ("Except as the Lender as such, Adele add", []),
        ("The Company shall pay", []),
        ("the Seller AS IS", []),
        ("Limited liability", []),
        ("it works as planned", []),
        ("", []),
    ],
)  # fmt: skip
def test_names(text, names):
    assert [text[a:b] for a, b, _ in find_companies(text)] == names


def test_a_sentences_stop_is_no_part_of_the_name():
    text = "We sold it to Müller GmbH. Then we left."
    assert [text[a:b] for a, b, _ in find_companies(text)] == ["Müller GmbH"]


PIECES = st.sampled_from(
    ["A", "b ", "Inc", " ", ".", ",", "&", " AS", " Ltd", " 2021 ", "in ", "\n", "(", ")", "The ", "Halden ", "of ", "é"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=25).map("".join))
def test_names_lie_in_the_text_and_apart(text):
    found = find_companies(text)
    for (_, end, _), (start, *_) in itertools.pairwise(found):
        assert end <= start
    for start, end, score in found:
        assert 0 <= start < end <= len(text)
        assert text[start].isalnum() or text[start] in "(&'’./!+"
        assert 0 < score <= 1


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("Halden Maritime AS", "Halden Maritime"),
        ("Zanotti East, Inc.", "Zanotti East"),
        ("Bank of Norway", "Bank of Norway"),
        ("Ltd", "Ltd"),
        ("", ""),
    ],
)
def test_a_name_without_its_form(name, bare):
    assert without_form(name) == bare
