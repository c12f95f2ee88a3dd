"""The ontology is data: checked when read, laid over the base."""

import pytest

from salient.errors import InvalidInput, NotFound
from salient.knowledge.ontology import base, load_ontology, parse


def test_the_base_is_sound():
    ontology = base()
    assert {
        "acquired",
        "invested_in",
        "subsidiary_of",
        "holds_position",
        "sued",
        "party_to",
    } <= set(ontology.predicates)
    assert ontology.type_of("GPE") == "PLACE"
    assert ontology.type_of("DATE") is None
    assert ontology.label_of("acquired") == "acquired"
    assert ontology.label_of("un_known") == "un known"


def test_a_users_ontology_adds_replaces_and_takes_away(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: mine\ntypes: {VESSEL: {label: Vessel, mentions: [VESSEL]}}\npredicates: {sued: null}\n"
    )
    ontology = load_ontology(path)
    assert ontology.type_of("VESSEL") == "VESSEL"
    assert "sued" not in ontology.predicates
    assert "acquired" in ontology.predicates
    assert ontology.digest != base().digest


def test_equal_ontologies_have_equal_digests():
    text = "name: a\ntypes: {ORG: {label: O, mentions: [ORG]}}"
    assert parse(text, over=None).digest == parse(text, over=None).digest


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "a: [", "name: x", "types: {org: {label: small}}",
        "types: {ORG: {label: x}, LAW: {label: y}}\npredicates: {p: {label: p, subject: [NONE], object: [ORG]}}",
        "predicates: {p: {label: p, subject: [ORG]}}",
        "predicates: {p: {label: p, subject: [ORG], object: [ORG], patterns: [{verbs: [a], nouns: [b]}]}}",
        "types: {A: {label: a, mentions: [ORG]}}", "types: 3", "surprise: 1",
        "a: &a [*a]", "!!python/object/apply:os.system ['true']",
    ],
)  # fmt: skip
def test_an_unsound_ontology_is_refused_with_a_reason(text):
    over = None if text == "name: x" else base()
    with pytest.raises(InvalidInput, match="ontology"):
        parse(text, over=over)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(NotFound):
        load_ontology(tmp_path / "none.yaml")


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput):
        load_ontology(path)
