"""Names that a document defines for itself."""

import pytest

from salient.knowledge.definitions import acronym_pairs, defined_terms, occurrences, other_terms


def spans(text, *names, kind="ORG"):
    return [(text.index(n), text.index(n) + len(n), kind) for n in names]


def terms(text, *names):
    return {d.term: names[d.mention] for d in defined_terms(text, spans(text, *names))}


def test_a_party_is_called_by_its_role():
    text = 'between Halden Maritime AS, a company registered in Norway (the "Supplier"), and Beta Ltd ("Buyer").'
    assert terms(text, "Halden Maritime AS", "Beta Ltd") == {
        "Supplier": "Halden Maritime AS",
        "Buyer": "Beta Ltd",
    }


def test_a_town_before_the_parenthesis_is_not_the_party():
    text = "Halden Maritime AS, 4 Strandgaten, Bergen (the “Purchaser”)"
    assert terms(text, "Halden Maritime AS", "Bergen") == {"Purchaser": "Halden Maritime AS"}


def test_two_terms_of_one_party():
    text = 'Aurelia Robotics Inc. ("Aurelia" or the "Company") hereby'
    assert set(terms(text, "Aurelia Robotics Inc.")) == {"Aurelia", "Company"}


def test_hereinafter_without_a_parenthesis():
    text = 'Beta Ltd, hereinafter referred to as the "Licensee", agrees'
    assert terms(text, "Beta Ltd") == {"Licensee": "Beta Ltd"}


def test_means():
    text = '"Owner" means Beta Ltd and its successors.'
    assert terms(text, "Beta Ltd") == {"Owner": "Beta Ltd"}


@pytest.mark.parametrize(
    "text",
    [
        'this agreement between Beta Ltd (the "Agreement")',
        'Beta Ltd and others (collectively, the "Parties")',
        "Beta Ltd (see below)",
        'Beta Ltd sold. It was late. Then came rain (the "Rain")',
        'Beta Ltd (the "")',
        "Beta Ltd (",
    ],
)
def test_what_defines_no_party(text):
    assert terms(text, "Beta Ltd") == {}


def test_terms_that_are_no_parties_are_known_as_such():
    text = 'the building (the "Premises"); "Effective Date" means 1 May.'
    assert other_terms(text, frozenset()) == {"premises", "effective date"}


def test_a_term_inside_a_longer_one_is_not_the_party():
    text = "Supplier shall. Supplier Group may. SUPPLIER's goods; suppliers; Non-Supplier"
    found = [text[a:b] for a, b in occurrences(text, "Supplier", 0)]
    assert found == ["Supplier", "SUPPLIER"]


def test_an_acronym_is_told_from_other_parentheses():
    text = "The International Monetary Fund (IMF) met the European Central Bank (ECB). Prices rose (CPI). Oslo (Norway)."
    found = [(text[a:b], text[c:d]) for a, b, c, d in acronym_pairs(text)]
    assert [f[1] for f in found] == ["IMF", "ECB"]
    assert all(
        long.startswith(("International", "The International", "European")) for long, _ in found
    )


@pytest.mark.parametrize("text", ["(" * 5000, '"' * 5000, '("A' * 2000, "(IMF)", "A (AA)"])
def test_odd_texts_do_no_harm(text):
    list(acronym_pairs(text))
    defined_terms(text, [(0, 1, "ORG")])
    other_terms(text, frozenset())
