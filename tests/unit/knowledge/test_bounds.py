"""Where names begin and end, and what is none."""

import pytest

from salient.knowledge.bounds import is_description, name_in, parts
from salient.knowledge.noise import Terms, is_address, is_no_name, is_reference


def name(surface, kind="ORG", before="", after=""):
    text = before + surface + after
    start, end = name_in(text, len(before), len(before) + len(surface), kind)
    return text[start:end]


@pytest.mark.parametrize(
    ("surface", "expected"),
    [
        ("GLOBE NEWS)—Halden Maritime AS", "Halden Maritime AS"),
        ("Channel Partner (Halden Maritime AS", "Halden Maritime AS"),
        ("Halden and/or (iii", "Halden"),
        ("Halden;", "Halden"),
        ("Beta Fund; (iv)", "Beta Fund"),
        ("Party A: Halden Maritime AS", "Halden Maritime AS"),
        ("32904 and Halden Maritime AS", "Halden Maritime AS"),
        ("AND HALDEN GAS COMPANY", "HALDEN GAS COMPANY"),
        ("a. Halden", "Halden"),
        ("17.6 Halden", "Halden"),
        ("Sole Director Halden LLC", "Halden LLC"),
        ("President and Chief Executive Officer of Halden Corporation", "Halden Corporation"),
        ("HALDEN TELECOM LIMITED, a Canadian corporation", "HALDEN TELECOM LIMITED"),
        ("HALDEN INC a Nevada C", "HALDEN INC"),
        ("Oslo-based Halden Maritime AS", "Halden Maritime AS"),
        ("Osprey Shipping Company Ltd of Hull", "Osprey Shipping Company Ltd"),
        ("Halden Maritime as", "Halden Maritime"),
        # and what is left alone
        ("3M", "3M"),
        ("21st Century Mills", "21st Century Mills"),
        ("J. Crewe", "J. Crewe"),
        ("Rise (Tianjin) Education Co., Ltd.", "Rise (Tianjin) Education Co., Ltd."),
        ("General Manager Magazine", "General Manager Magazine"),
        ("Bank of Halden", "Bank of Halden"),
        (".", ""),
    ],
)
def test_the_name_in_a_mention(surface, expected):
    assert name(surface) == expected


def test_a_clause_number_is_no_part_of_a_product():
    assert name("3.1 Grant", "PRODUCT") == "Grant"
    assert name("3.5 mm jack", "PRODUCT") == "3.5 mm jack"


def test_a_persons_name_loses_what_follows_a_break():
    assert name("Ingrid Berg\n\nTitle", "PERSON") == "Ingrid Berg"


@pytest.mark.parametrize(
    ("surface", "known", "expected"),
    [
        ("NTL and Halden Ltd", {"ntl"}, ["NTL", "Halden Ltd"]),
        ("Closing Date, Halden", {"halden"}, ["Closing Date", "Halden"]),
        ("Duties of Halden Ltd", {"halden ltd"}, ["Halden Ltd"]),
        ("Halden & Berg", {"halden", "berg"}, ["Halden", "Berg"]),
        ("Ernst & Young LLP", set(), ["Ernst & Young LLP"]),
        ("Bell and Howell Company", {"bell"}, ["Bell", "Howell Company"]),
        ("Johnson & Johnson", {"johnson"}, ["Johnson & Johnson"]),
        ("Glass, Lewis & Co., LLC", {"glass"}, ["Glass, Lewis & Co., LLC"]),
        ("Skadden, Arps, Slate & Co. LLP", set(), ["Skadden, Arps, Slate & Co. LLP"]),
    ],
)
def test_a_mention_of_several_is_parted_by_who_stands_alone_elsewhere(surface, known, expected):
    found = parts(surface, 0, len(surface), known)
    assert [surface[a:b] for a, b in found] == expected


@pytest.mark.parametrize(
    ("before", "surface", "after", "expected"),
    [
        ("Halden AS, a ", "Delaware Corporation", ", hereinafter", True),
        ("with an ", "Ohio Company", ".", True),
        ("the ", "Halden Corporation", ", which", False),
        ("a ", "Halden Company", " truck", False),
        ("a ", "Halden Ltd", ",", False),
    ],
)
def test_a_kind_of_company_is_no_company(before, surface, after, expected):
    text = before + surface + after
    assert is_description(text, len(before), len(before) + len(surface)) is expected


@pytest.mark.parametrize(
    ("before", "surface", "expected"),
    [
        ("located at 3150 ", "Almaden Expressway", True),
        ("at 2975 East ", "4th Avenue", True),
        ("at ", "7860 Venture Street", True),
        ("330 7th ", "Avenue", True),
        ("New York, ", "NY 10018", True),
        ("Washington, ", "D.C. 20004", True),
        ("", "Suite 600", True),
        ("Toronto ", "L4W 5K5", True),
        ("protests on ", "Wall Street", False),
        ("in ", "Paris", False),
    ],
)
def test_pieces_of_addresses(before, surface, expected):
    text = before + surface
    assert is_address(text, len(before), len(text)) is expected


@pytest.mark.parametrize(
    ("surface", "kind", "expected"),
    [
        ("Schedule 1", "ORG", True),
        ("Subparagraph 14.3", "PRODUCT", True),
        ("Rule 24b-2", "PRODUCT", True),
        ("Article IV of the Terms", "ORG", True),
        ("Exhibit A", "PERSON", True),
        ("Section 230 of the Communications Act", "LAW", False),
        ("Section 230", "LAW", True),
        ("Section 5.02 Most Favoured Treatment", "LAW", True),
        ("47 C.F.R. Section 73.3526", "LAW", False),
        ("Article Group Ltd", "ORG", False),
        ("Rule Financial", "ORG", False),
    ],
)
def test_references_into_the_document(surface, kind, expected):
    assert is_reference(surface, kind) is expected


@pytest.mark.parametrize(
    ("norm", "kind"),
    [
        ("except", "ORG"),
        ("ma", "ORG"),
        ("esq", "PLACE"),
        ("jr", "PERSON"),
        ("coo", "ORG"),
        ("witness whereof", "PERSON"),
        ("usd", "ORG"),
        ("x", "ORG"),
    ],
)
def test_what_can_be_no_name(norm, kind):
    assert is_no_name(norm, kind)


def test_a_state_and_a_band_are_names():
    assert not is_no_name("ma", "PLACE")
    assert not is_no_name("us", "PLACE")
    assert not is_no_name("the who band", "ORG")


CONTRACT = (
    "Whereas the parties hereto agree as set out herein and hereunder, and the terms hereof shall mean as "
    "thereof said. The software is licensed. Monthly statements are sent to users. The exchange commission "
    "of securities is small. A bank is a bank."
)


@pytest.mark.parametrize(
    ("surface", "kind", "expected"),
    [
        ("Licensed Software", "ORG", True),
        ("Monthly Statement", "ORG", True),
        ("Halden Users", "ORG", True),
        ("Halden Software Ltd", "ORG", False),
        ("Securities and Exchange Commission", "ORG", False),
        ("Quality Agreement", "LAW", True),
        ("Users of Software", "WORK", True),
        ("Halden Affiliate", "ORG", True),
        ("Licensed Users", "PERSON", True),
        ("CERTAIN PORTIONS", "ORG", True),
        ("SIGNATURES", "PERSON", True),
        ("NASDAQ", "ORG", False),
        ("INGRID BERG", "PERSON", False),
        ("GENEVA", "PLACE", False),
        ("COVID-19", "EVENT", False),
        ("A-Software", "PERSON", False),
        ("Halden Bank", "ORG", False),
        ("Users", "PLACE", True),
        ("Software", "PLACE", True),
        ("Mark Hill", "PERSON", False),
        ("Halden", "ORG", False),
    ],
)
def test_terms_of_a_contract_are_no_names(surface, kind, expected):
    assert Terms(CONTRACT, ()).has(surface, surface.lower(), kind, kind) is expected


def test_in_other_documents_nothing_is_a_term():
    news = "Apple sold an apple. The software is licensed."
    assert not Terms(news, ()).has("Apple", "apple", "ORG", "ORG")


def test_who_is_met_again_and_again_and_made_of_small_words_is_nobody():
    terms = Terms(CONTRACT, ())
    assert terms.has("Small Bank", "small bank", "PERSON", "PERSON", 3)
    assert not terms.has("Small Bank", "small bank", "PERSON", "PERSON", 1)
