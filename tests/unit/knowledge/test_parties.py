"""Parties of preambles, found by place and shape."""

import pytest

from salient.knowledge import definitions, parties


def introduced(text, *spans):
    where = parties.region(text)
    assert where is not None
    given = [(text.index(s), text.index(s) + len(s), kind) for s, kind in spans]
    return {
        p.term: (text[p.start : p.end], p.kind)
        for p in parties.introduced(text, where, definitions.quoted(text), given)
    }


def test_the_bearer_is_found_though_the_engine_saw_a_place_or_nothing():
    text = (
        'This Supply Agreement is made on 4 May 2021 between Halden (the "Supplier"), a company of Norway, and '
        "Brightwater Pumps Ltd, 5 Long Road,\n\nLeeds LS1 4AP\n\n(the “Buyer”)."
    )
    found = introduced(text, ("Halden", "PLACE"), ("Brightwater Pumps Ltd", "ORG"))
    assert found == {"Supplier": ("Halden", "ORG"), "Buyer": ("Brightwater Pumps Ltd", "ORG")}


@pytest.mark.parametrize("kind", ["ORG", "PLACE", "WORK", "PERSON"])
def test_an_executive_is_a_person_whatever_the_engine_says(kind):
    text = 'This Agreement is made by and between Ingrid Berg ("Executive") and Halden Maritime AS (the "Company").'
    found = introduced(text, ("Ingrid Berg", kind), ("Halden Maritime AS", "PERSON"))
    assert found == {
        "Executive": ("Ingrid Berg", "PERSON"),
        "Company": ("Halden Maritime AS", "ORG"),
    }


def test_an_individual_and_a_company_without_a_legal_form():
    text = (
        'This Agreement is between Cedar Valuation (the "Company") and Jonas Keller, an individual residing in Oslo '
        '(the "Contractor").'
    )
    assert introduced(text) == {
        "Company": ("Cedar Valuation", "ORG"),
        "Contractor": ("Jonas Keller", "PERSON"),
    }


def test_a_blank_is_no_party():
    text = 'This Agreement is between Halden AS ("Provider") and [ * * * ] ("Recipient").'
    assert set(introduced(text, ("Halden AS", "ORG"))) == {"Provider"}


def test_terms_for_several_are_not_the_last_ones():
    text = (
        'This Agreement is between Halden AS ("Licensor") and Beta Ltd ("Licensee" and together with Licensor, '
        'the "Parties").'
    )
    found = introduced(text, ("Halden AS", "ORG"), ("Beta Ltd", "ORG"))
    assert found == {"Licensor": ("Halden AS", "ORG"), "Licensee": ("Beta Ltd", "ORG")}


def test_names_may_come_before_the_agreement():
    text = 'Halden Radio, Inc. and Beta of Peoria, L.L.C. ("BETA") hereby enter into this Agreement today.'
    assert (
        introduced(text, ("Beta of Peoria, L.L.C.", "ORG"))["BETA"][0] == "Beta of Peoria, L.L.C."
    )


def test_a_title_may_stand_for_this_agreement():
    text = (
        'MASTER SUPPLY AGREEMENT (the "Agreement") dated 4 May 2021 between Halden LLC ("Seller") and Beta LLC, '
        '(together with its successors, "Buyer").'
    )
    found = introduced(text, ("Halden LLC", "ORG"), ("Beta LLC", "ORG"))
    assert found == {"Seller": ("Halden LLC", "ORG"), "Buyer": ("Beta LLC", "ORG")}


@pytest.mark.parametrize(
    "opening",
    [
        'MASTER SUPPLY AGREEMENT (the "Agreement") dated 4 May 2021 between A Ltd and B Ltd',
        'This Master Supply Agreement (this "Agreement") is made between A Ltd and B Ltd',
        "THIS MASTER SUPPLY AGREEMENT, dated 4 May 2021, is by and between A Ltd and B Ltd",
    ],
)
def test_the_title_is_without_this(opening):
    where = parties.region(f"Exhibit 1\n\n{opening}.")
    assert where is not None
    assert where.title.lower() == "master supply agreement"


def test_lines_that_label_parties():
    text = (
        "Cooperation Agreement\n\nParty A: Halden Network Co., Ltd.\n\nAddress: 4 Quay Road\n\n"
        "Party B: iBeta Games Co., Ltd.\n\nDeposit Bank: First Bank Ltd\n\nSupplier: Cedar Ltd\n"
    )
    found = {p.term: text[p.start : p.end] for p in parties.labelled(text, None)}
    assert found == {
        "Party A": "Halden Network Co., Ltd.",
        "Party B": "iBeta Games Co., Ltd.",
        "Supplier": "Cedar Ltd",
    }


def test_roles():
    for term in (
        "Supplier",
        "Licensee",
        "the Company",
        "Party A",
        "Service Provider",
        "Consultant",
    ):
        assert parties.is_role(term), term
    for term in ("Agreement", "Purchase Order", "Letter", "Services", "Fee", "Halden", ""):
        assert not parties.is_role(term), term


@pytest.mark.parametrize(
    "text", ["", "This Agreement", "between" * 3000, "This agreement is " * 2000, "Party A:" * 500]
)
def test_odd_texts_do_no_harm(text):
    where = parties.region(text)
    list(parties.labelled(text, where))
    if where is not None:
        list(parties.introduced(text, where, definitions.quoted(text), []))
