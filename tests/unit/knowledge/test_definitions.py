"""Names that a document defines for itself."""

import pytest

from salient.knowledge.definitions import acronyms, defined_terms, occurrences, other_terms


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


def test_known_acronyms_are_found_in_one_pass_and_not_inside_longer_terms():
    text = "The IMF and ECB. IMF Group; an IMF-led plan; SIMF; IMFs; IMF"
    found = [(a, text[a:b]) for a, b in acronyms(text, {"IMF", "ECB"})]
    assert found == [(4, "IMF"), (12, "ECB"), (len(text) - 3, "IMF")]


@pytest.mark.parametrize("text", ["(" * 5000, '"' * 5000, '("A' * 2000, "(IMF)", "A (AA)"])
def test_odd_texts_do_no_harm(text):
    list(acronyms(text, {"AA", "IMF"}))
    defined_terms(text, [(0, 1, "ORG")])
    other_terms(text, frozenset())
