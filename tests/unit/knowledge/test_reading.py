"""One document read with the real language engine: names, short forms, facts with their sentences."""

import pytest

from salient.errors import Corrupt
from salient.knowledge.ontology import base
from salient.knowledge.reading import Reading, read_document
from salient.model import Block, Builder, Kind, Part
from salient.nlp import open_engine


@pytest.fixture(scope="module")
def engine():
    return open_engine("spacy")


@pytest.fixture
def read(engine):
    def read(*paragraphs, kind=Kind.PARAGRAPH):
        builder = Builder()
        builder.add(Part([Block(kind, p) for p in paragraphs]))
        text = builder.build()
        return read_document(text, next(iter(engine.annotate([text]))), "w", base()), text.text

    return read


@pytest.fixture
def facts(read):
    """(subject, predicate, object or value, qualifiers) of a text, by the names' shown forms."""

    def facts(*paragraphs):
        reading, _ = read(*paragraphs)
        name = {n.name_id: n.surface for n in reading.names}
        return [
            (
                name[f.subject_name],
                f.predicate,
                name.get(f.object_name, f.object_value),
                dict(f.qualifiers),
            )
            for f in reading.findings
        ]

    return facts


def holds(found, subject, predicate, other):
    return any(f[0] == subject and f[1] == predicate and f[2] == other for f in found)


# ---- names


def test_an_empty_text_is_an_empty_reading(read):
    reading, _ = read("")
    assert (reading.mentions, reading.names, reading.findings) == ((), (), ())


def test_reading_is_repeatable_and_survives_storage(read):
    text = "Halden Maritime AS acquired Brightwater Pumps Ltd for $5 million in 2021. Halden builds ferries."
    first, second = read(text)[0], read(text)[0]
    assert first.dump() == second.dump()
    assert Reading.load(first.dump()) == first


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[]", b'{"format":1}', b"\xff", b'{"format":99,"mentions":[]}']
)
def test_a_damaged_reading_is_corrupt(data):
    with pytest.raises(Corrupt):
        Reading.load(data)


def test_short_forms_join_their_only_long_form(read):
    reading, _ = read(
        "Halden Maritime AS said on Monday that it had hired Ingrid Berg. Halden will pay Ms. Berg well.",
    )
    assert {n.norm for n in reading.names} >= {"halden maritime as", "ingrid berg"}
    assert not {n.norm for n in reading.names} & {"halden", "berg"}


def test_a_surname_of_two_people_stays_alone(read):
    reading, _ = read("Jonas Keller met Daniel Keller in Oslo. Later, Mr. Keller resigned.")
    assert {"jonas keller", "daniel keller", "keller"} <= {n.norm for n in reading.names}


def test_a_defined_term_is_a_mention_of_its_party(read):
    reading, text = read(
        'This Supply Agreement is made on 4 May 2021 between Halden Maritime AS (the "Buyer") and '
        'Brightwater Pumps Ltd (the "Supplier").',
        "The Supplier shall deliver the pumps to the Buyer.",
    )
    name = {n.name_id: n.norm for n in reading.names}
    of = {text[m.start : m.end]: name[m.name_id] for m in reading.mentions}
    assert of["Supplier"] == "brightwater pumps ltd"
    assert of["Buyer"] == "halden maritime as"


def test_mentions_are_where_they_say(read):
    reading, text = read(
        "👩‍🔬 Halden Maritime AS met Aurelia Robotics Inc. in Bergen.", "Aurelia was glad."
    )
    assert reading.mentions
    for m in reading.mentions:
        assert text[m.start : m.end] == m.surface
        assert m.sentence_start <= m.start < m.end <= m.sentence_end
    for f in reading.findings:
        assert text[f.start : f.end] == f.quote


def test_page_headers_are_passed_over(read):
    reading, _ = read("Halden Maritime AS annual report", kind=Kind.PAGE_HEADER)
    assert reading.names == ()


# ---- facts


@pytest.mark.parametrize(
    ("sentence", "subject", "predicate", "other"),
    [
        (
            "Acme Corp. acquired Beta Ltd for $5 million in March 2020.",
            "Acme Corp.",
            "acquired",
            "Beta Ltd",
        ),
        ("Beta Ltd was acquired by Acme Corp. last year.", "Acme Corp.", "acquired", "Beta Ltd"),
        (
            "Acme Corp. announced the acquisition of Beta Ltd on Monday.",
            "Acme Corp.",
            "acquired",
            "Beta Ltd",
        ),
        (
            "Acme Corp. bought a majority stake in Beta Ltd in 2019.",
            "Acme Corp.",
            "acquired",
            "Beta Ltd",
        ),
        (
            "Beta Ltd, which Acme Corp. acquired in 2019, makes pumps.",
            "Acme Corp.",
            "acquired",
            "Beta Ltd",
        ),
        ("Beta Ltd is a subsidiary of Acme Corp.", "Beta Ltd", "subsidiary_of", "Acme Corp."),
        (
            "Ingrid Berg is the chief executive of Acme Corp.",
            "Ingrid Berg",
            "holds_position",
            "Acme Corp.",
        ),
        (
            "Acme Corp. has named John Carter chief executive officer.",
            "John Carter",
            "holds_position",
            "Acme Corp.",
        ),
        ("Acme Corp. was founded by Ingrid Berg in 1998.", "Ingrid Berg", "founded", "Acme Corp."),
        ("Acme Corp. was founded by Ingrid Berg in 1998.", "Acme Corp.", "founded_on", "1998"),
        ("Acme Corp. is based in Oslo.", "Acme Corp.", "based_in", "Oslo"),
        ("Acme Corp., headquartered in Oslo, makes pumps.", "Acme Corp.", "based_in", "Oslo"),
        ("Acme Corp. sued Beta Ltd over unpaid invoices.", "Acme Corp.", "sued", "Beta Ltd"),
        (
            "Acme Corp. filed a lawsuit against Beta Ltd in Boston.",
            "Acme Corp.",
            "sued",
            "Beta Ltd",
        ),
        (
            "Acme Corp. invested $3 million in Beta Ltd last year.",
            "Acme Corp.",
            "invested_in",
            "Beta Ltd",
        ),
        (
            "Acme Corp. partnered with Beta Ltd on the project.",
            "Acme Corp.",
            "partner_of",
            "Beta Ltd",
        ),
    ],
)
def test_what_a_sentence_states(facts, sentence, subject, predicate, other):
    found = facts(sentence)
    assert holds(found, subject, predicate, other), found


def test_amount_and_date_qualify_an_acquisition(facts):
    (fact,) = [
        f
        for f in facts("Acme Corp. acquired Beta Ltd for $5 million in March 2020.")
        if f[1] == "acquired"
    ]
    assert fact[3] == {"amount": "$5 million", "date": "March 2020"}


@pytest.mark.parametrize(
    ("sentence", "modality"),
    [
        ("Acme Corp. did not acquire Beta Ltd.", "negated"),
        ("Acme Corp. plans to acquire Beta Ltd next year.", "planned"),
        ("Acme Corp. may acquire Beta Ltd.", "possible"),
        ("Acme Corp. agreed to acquire Beta Ltd.", "agreed"),
        ("Acme Corp. reportedly acquired Beta Ltd.", "reported"),
    ],
)
def test_what_is_not_yet_so_is_marked_and_less_sure(read, sentence, modality):
    plain = read("Acme Corp. acquired Beta Ltd.")[0].findings[0]
    (finding,) = [f for f in read(sentence)[0].findings if f.predicate == "acquired"]
    assert finding.qualifiers["modality"] == modality
    assert finding.confidence < plain.confidence


@pytest.mark.parametrize(
    "sentence",
    [
        "The chief executive of Acme Corp. acquired a house near Beta Ltd.",
        "Acme Corp. and Beta Ltd are both in Oslo, said Ingrid Berg.",
        "Acquired taste is what Acme Corp. sells to Beta Ltd fans.",
    ],
)
def test_what_no_sentence_states_is_no_acquisition(facts, sentence):
    assert not [f for f in facts(sentence) if f[1] == "acquired"]


def test_a_pronouns_evidence_holds_its_antecedent(read):
    reading, _ = read("Acme Corp. grew fast last year. In March it acquired Beta Ltd.")
    (finding,) = [f for f in reading.findings if f.predicate == "acquired"]
    assert "Acme Corp." in finding.quote
    assert "Beta Ltd" in finding.quote


def test_a_preamble_gives_the_parties_their_roles_and_the_date(facts):
    found = facts(
        "SUPPLY AGREEMENT",
        "This Supply Agreement is made on 4 May 2021 by and between Halden Maritime AS, a company organised under the "
        'laws of Norway (the "Buyer"), and Brightwater Pumps Ltd, a company registered in England (the "Supplier").',
        "1. Definitions",
    )
    parties = {f[0]: f[3].get("role") for f in found if f[1] == "party_to"}
    assert parties == {"Halden Maritime AS": "Buyer", "Brightwater Pumps Ltd": "Supplier"}
    assert holds(found, "Halden Maritime AS", "agreement_with", "Brightwater Pumps Ltd")
    assert holds(found, "Halden Maritime AS", "signed_on", "4 May 2021")


def test_headings_of_clauses_are_no_names(read):
    reading, _ = read(
        "1. Financial Covenants. The company pays.", "Final Repayment Date is in 2025."
    )
    assert not {n.norm for n in reading.names} & {"financial covenants", "final repayment date"}


# ---- contracts


PREAMBLE = (
    'This Supply Agreement is made on 4 May 2021 by and between Halden (the "Supplier"), 3150 Almaden Expressway, '
    'San Jose, CA 94065, and Brightwater Pumps Ltd, a Delaware Corporation (the "Buyer").'
)


def test_terms_are_bound_and_parties_found_with_the_day_and_not_the_postcode(facts):
    found = facts(PREAMBLE, "The Supplier shall deliver the pumps to the Buyer.")
    parties = {f[0]: f[3] for f in found if f[1] == "party_to"}
    assert set(parties) == {"Halden", "Brightwater Pumps Ltd"}
    assert parties["Halden"]["role"] == "Supplier"
    assert parties["Halden"]["date"] == "4 May 2021"
    assert holds(found, "Halden", "supplies", "Brightwater Pumps Ltd")


def test_a_term_in_another_case_is_its_party_too(read):
    reading, _text = read(
        'This Agreement is between Halden Radio of Oslo, L.L.C. ("HALDEN") and Cedar Ltd ("Cedar").',
        "Halden shall pay Cedar. HALDEN may stop.",
    )
    name = {n.name_id: n.norm for n in reading.names}
    last = {name[m.name_id] for m in reading.mentions if m.surface.lower() == "halden"}
    assert last == {"halden radio of oslo llc"}


def test_addresses_are_no_entities(read):
    reading, _ = read(PREAMBLE)
    assert {n.norm for n in reading.names if n.type == "ORG"} == {"halden", "brightwater pumps ltd"}
    assert not any("expressway" in n.norm for n in reading.names)


@pytest.mark.parametrize(
    ("sentence", "predicate"),
    [
        ("Acme Corp. provided written notice to Beta Ltd.", "supplies"),
        ("Acme Corp. shall cooperate with Beta Ltd. in any action.", "partner_of"),
        ("Acme Corp. will settle any third party claims against Beta Ltd.", "sued"),
        ("Acme Corp. agreed to purchase certain assets of Beta Ltd.", "acquired"),
    ],
)
def test_boilerplate_of_contracts_states_no_fact(facts, sentence, predicate):
    assert not any(f[1] == predicate for f in facts(sentence))


@pytest.mark.parametrize(
    "sentence",
    [
        "Ingrid Berg serves as an adviser and not as an employee of Acme Corp.",
        "Beta Ltd ceased to be a subsidiary of Acme Corp.",
    ],
)
def test_what_is_denied_by_a_word_beside_the_role_is_marked(read, sentence):
    reading, _ = read(sentence)
    assert all(
        f.qualifiers.get("modality") == "negated"
        for f in reading.findings
        if f.predicate in {"works_for", "subsidiary_of"}
        or "employee" in f.qualifiers.get("title", "")
    )


def test_a_company_starts_on_a_date_not_today(facts):
    assert not any(f[1] == "founded_on" for f in facts("Acme Corp. started today."))
    assert holds(facts("Acme Corp. was founded in 1994."), "Acme Corp.", "founded_on", "1994")


def test_a_role_stands_for_its_bearer_but_is_no_name_of_theirs(read):
    found, _ = read(
        'This agreement is made between Halden Maritime AS (the "Buyer") and Brightwater Pumps Ltd '
        '(the "Supplier" or "BPL"). The Supplier shall deliver the pumps to the Buyer. BPL is in Leeds.'
    )
    (name,) = (n for n in found.names if n.surface == "Brightwater Pumps Ltd")
    said = [m.surface for m in found.mentions if m.name_id == name.name_id]
    assert said == ["Brightwater Pumps Ltd", "Supplier", "BPL", "Supplier", "BPL"]
    assert set(name.context["forms"]) == {"Brightwater Pumps Ltd", "BPL"}
    assert name.n_mentions == 5
