"""Names: what is the same for a reader has one norm, and what is not is never the same."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from salient.knowledge.names import MAX_NORM, acronyms, fold, name_id, normalise, parse
from salient.knowledge.similarity import THRESHOLD, compare, same_entity


@pytest.mark.parametrize(
    "surface",
    [
        "",
        " ",
        "\n\t",
        "\u200b",
        "!!!",
        "🍕",
        "👩‍🔬 Ada",
        "x" * 10_000,
        "\x00",
        "\ud800",
        "﷽",
        "ﬁ",
        "İ",
        "ß" * 300,
        "שלום",
        "हिन्दी",
    ],
)
def test_any_text_has_a_norm_that_can_be_stored(surface):
    for person in (False, True):
        norm = normalise(surface, person=person)
        assert len(norm) <= MAX_NORM
        assert norm == norm.strip()
        norm.encode("utf-8")
        parse(norm, "ORG")
        parse(norm, "PERSON")


@given(st.text(max_size=60))
@example("_+0")
def test_normalising_twice_is_normalising_once(surface):
    once = normalise(surface)
    assert normalise(once) == once


@given(
    st.text(max_size=40), st.text(max_size=40), st.sampled_from(["ORG", "PERSON", "PLACE", "LAW"])
)
def test_comparing_is_symmetric_and_knows_itself(left, right, kind):
    person = kind == "PERSON"
    a, b = (parse(normalise(t, person=person), kind) for t in (left, right))
    assert compare(a, b) == compare(b, a)
    if a.core:
        assert compare(a, a).score == 1.0


@pytest.mark.parametrize(
    ("surface", "norm"),
    [
        ("Halden Maritime A/S", "halden maritime as"),
        ("S.p.A. Fiat S.p.A.", "spa fiat spa"),
        ("O’Brien & Sons", "obrien and sons"),
        ("Müller's", "muller"),
        ("the  Bank\nof America", "the bank of america"),
        ("C++", "c++"),
        ("Jean-Claude", "jean claude"),
        ("हिन्दी संस्था", "हिन्दी संस्था"),
        ("🍕", "🍕"),
    ],
)
def test_norm_of_a_thing(surface, norm):
    assert normalise(surface) == norm


@pytest.mark.parametrize(
    ("surface", "norm"),
    [
        ("Berg, Ingrid", "ingrid berg"),
        ("Dr. Ingrid Berg", "ingrid berg"),
        ("Mr. Berg", "berg"),
        ("J.C. Juncker", "j c juncker"),
        ("John Kennedy, Jr.", "john kennedy jr"),
        ("Prof. Dr. von der Leyen", "von der leyen"),
        ("Dr.", "dr"),
    ],
)
def test_norm_of_a_person(surface, norm):
    assert normalise(surface, person=True) == norm


@pytest.mark.parametrize(
    ("norm", "core", "legal"),
    [
        ("foo gmbh and co kg", ("foo",), "gmbh-co-kg"),
        ("foo company inc", ("foo",), "inc"),
        ("ooo gazprom", ("gazprom",), "ood"),
        ("open joint stock company", ("open",), "ao"),
        ("ltd", ("ltd",), ""),
        ("the foo ltd", ("foo",), "ltd"),
        ("acme intl", ("acme", "international"), ""),
    ],
)
def test_a_company_is_parted_from_its_legal_form(norm, core, legal):
    name = parse(norm, "ORG")
    assert (name.core, name.legal) == (core, legal)


def test_ids_differ_by_workspace_type_and_norm():
    assert (
        len(
            {
                name_id("w", "ORG", "a"),
                name_id("v", "ORG", "a"),
                name_id("w", "LAW", "a"),
                name_id("w", "ORG", "b"),
            }
        )
        == 4
    )


def test_very_long_names_keep_apart():
    assert normalise("a" * 600 + "b") != normalise("a" * 600 + "c")


def test_acronyms_with_and_without_small_words():
    assert acronyms(("bank", "of", "america")) == ("ba", "boa")


def test_folding_keeps_marks_that_are_vowels():
    assert fold("Éà") == "ea"
    assert len(fold("कि")) == 2


@pytest.mark.parametrize(
    ("left", "right", "kind"),
    [
        ("Deutsche Bank AG", "Deutsche Bank Aktiengesellschaft", "ORG"),
        ("ABC Company", "A.B.C. Company", "ORG"),
        ("International Business Machines", "IBM", "ORG"),
        ("Berg, Ingrid", "Ingrid Berg", "PERSON"),
        ("Bob Dahl", "Robert Dahl", "PERSON"),
        ("J. Dahl", "Jonas Dahl", "PERSON"),
        ("Владимир Путин", "Vladimir Putin", "PERSON"),
    ],
)
def test_one_thing_under_two_names(left, right, kind):
    assert same_entity(left, right, kind) >= THRESHOLD


@pytest.mark.parametrize(
    ("left", "right", "kind"),
    [
        ("Acme Group", "Acme Holdings", "ORG"),
        ("Acme Group", "Beta Group", "ORG"),
        ("Fund IV", "Fund V", "ORG"),
        ("Jonas Keller", "Daniel Keller", "PERSON"),
        ("John A. Smith", "John B. Smith", "PERSON"),
        ("Hans Friedrich", "Friedrich Hans", "PERSON"),
        ("", "Acme", "ORG"),
    ],
)
def test_two_things_under_like_names(left, right, kind):
    assert same_entity(left, right, kind) < THRESHOLD
