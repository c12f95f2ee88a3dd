"""What a model calls names is trimmed, checked, made to agree, and put together with what is sure."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.model import Kind
from salient.nlp import grammar, mentions
from salient.nlp.gazetteer import Gazetteer
from salient.nlp.units import Unit


def trimmed(piece):
    start, end = mentions.trim(piece, 0, len(piece))
    return piece[start:end]


@pytest.mark.parametrize(
    ("piece", "name"),
    [
        ("the Halden Group", "Halden Group"),
        ("“Halden”", "Halden"),
        ("(the “Company”)", "Company"),
        ("between Halden and", "Halden"),
        ("Maya Okafor's", "Maya Okafor"),
        ("Hess’", "Hess"),
        ("Maya Okafor.", "Maya Okafor"),
        ("J. R. R.", "J. R. R."),
        ("Kestrel Ltd.", "Kestrel Ltd."),
        ("U.S.", "U.S."),
        ("Martin Luther King Jr.", "Martin Luther King Jr."),
        ("Bank of (North) America)", "Bank of (North) America"),
        ("• A list item:", "list item"),
        ("The", "The"),
        (" \t ", ""),
        ("", ""),
        ("...", ""),
    ],
)
def test_trimming_takes_off_what_is_no_part_of_a_name(piece, name):
    assert trimmed(piece) == name


@given(st.text(st.sampled_from("aB.'’s \"“”()[]the-,&\n"), max_size=25))
def test_trimming_is_inside_and_done_at_once(piece):
    start, end = mentions.trim(piece, 0, len(piece))
    assert 0 <= start <= len(piece)
    assert end <= len(piece)
    if start < end:
        assert mentions.trim(piece, start, end) == (start, end)
        assert piece[start:end] == piece[start:end].strip()


@pytest.mark.parametrize("label", ["ORG", "PERSON", "LAW"])
@pytest.mark.parametrize(
    "name",
    ["A", "12", "Section 4.2(a)", "Exhibit B", "Regards", "Company", "Purchaser", "a@b", "x = y",
     "www.halden", "Confidential Information", "Monday"],
)  # fmt: skip
def test_junk_is_no_name(name, label):
    assert mentions.is_junk(name, label)


@pytest.mark.parametrize(
    ("name", "label"),
    [("Halden Maritime", "ORG"), ("Maya", "PERSON"), ("california", "GPE"), ("北京", "GPE"), ("Bank of Bergen", "ORG"),
     ("Exhibition Road", "FAC")],
)  # fmt: skip
def test_a_name_is_not_junk(name, label):
    assert not mentions.is_junk(name, label)


def refined(text, *marked, values=()):
    """Refine the marked stretches; of a stretch that comes twice, "name#2" is the second."""
    rows = []
    for surface, label in marked:
        name, _, nth = surface.partition("#")
        at = -1
        for _ in range(int(nth or 1)):
            at = text.index(name, at + 1)
        rows.append((at, at + len(name), label))
    unit = Unit(0, len(text), Kind.PARAGRAPH, prose=True)
    return [(text[a:b], label) for a, b, label, _ in mentions.refine(text, rows, [unit], values)]


class TestRefine:
    def test_titles_are_no_part_of_a_person(self):
        assert refined("Then Dr. Maya Okafor left.", ("Dr. Maya Okafor", "PERSON")) == [
            ("Maya Okafor", "PERSON")
        ]

    def test_a_legal_form_completes_a_company(self):
        assert refined("so Kestrel Marine Ltd. paid", ("Kestrel Marine", "PERSON")) == [
            ("Kestrel Marine Ltd.", "ORG")
        ]

    def test_a_name_has_one_label_in_a_document(self):
        text = "Kestrel paid. Kestrel sued. Kestrel won."
        marked = [("Kestrel", "ORG"), ("Kestrel#2", "ORG"), ("Kestrel#3", "PERSON")]
        assert refined(text, *marked) == [("Kestrel", "ORG")] * 3

    def test_a_part_of_a_persons_name_is_that_person(self):
        text = "Maya Okafor spoke. Okafor left."
        assert refined(text, ("Maya Okafor", "PERSON"), ("Okafor#2", "ORG")) == [
            ("Maya Okafor", "PERSON"),
            ("Okafor", "PERSON"),
        ]

    def test_what_the_model_overlooked_is_found(self):
        text = "Halden Maritime paid. Then Halden Maritime sued, and HALDEN MARITIME won."
        assert refined(text, ("Halden Maritime", "ORG")) == [
            ("Halden Maritime", "ORG"),
            ("Halden Maritime", "ORG"),
            ("HALDEN MARITIME", "ORG"),
        ]

    def test_a_part_of_a_name_that_is_given_in_full_is_all_of_it(self):
        text = "Halden Maritime AS pays. Then Halden Maritime sued Olav Halden."
        values = grammar.find(text, [Unit(0, len(text), Kind.PARAGRAPH, prose=True)])
        marked = [("Halden#2", "PERSON"), ("Olav Halden", "PERSON")]
        assert refined(text, *marked, values=values) == [
            ("Halden Maritime", "ORG"),
            ("Halden Maritime", "ORG"),
            ("Olav Halden", "PERSON"),
        ]

    def test_a_companys_short_name_is_that_company(self):
        text = "Zanotti East, Inc. pays. Zanotti sues in Bergen; Bergen Oil Inc. does not."
        values = grammar.find(text, [Unit(0, len(text), Kind.PARAGRAPH, prose=True)])
        marked = [("Zanotti#2", "PERSON"), ("Bergen", "GPE")]
        found = refined(text, *marked, values=values)
        assert [row for row in found if " " not in row[0]] == [
            ("Zanotti", "ORG"),
            ("Bergen", "GPE"),
        ]

    def test_an_honorific_makes_a_person(self):
        assert refined("with Ms. Maya Okafor.", ("Ms. Maya Okafor", "GPE")) == [
            ("Maya Okafor", "PERSON")
        ]

    def test_a_defined_term_is_no_name(self):
        text = "Each Event of Default is an event that the contract calls a default."
        assert refined(text, ("Event of Default", "ORG")) == []

    def test_a_letter_before_a_role_is_no_given_name(self):
        text = "A. Subcontractor pays. Subcontractor sues."
        assert refined(text, ("A. Subcontractor", "PERSON"), ("Subcontractor#2", "ORG")) == []

    def test_values_keep_their_label_and_lose_their_quotes(self):
        assert refined("for “three days”, then", ("“three days”,", "DATE")) == [
            ("three days", "DATE")
        ]

    def test_nothing_found_is_nothing(self):
        assert refined("Nothing here.") == []

    @given(st.data())
    def test_rows_are_ordered_inside_and_apart(self, data):
        text = data.draw(st.text(st.sampled_from("Ab. ’s\n(“Inc"), min_size=1, max_size=40))
        spans = st.tuples(st.integers(0, len(text)), st.integers(0, len(text)))
        rows = data.draw(
            st.lists(
                st.tuples(spans, st.sampled_from(["PERSON", "ORG", "GPE", "DATE"])), max_size=6
            )
        )
        found = [(min(s), max(s), label) for s, label in rows]
        unit = Unit(0, len(text), Kind.PARAGRAPH, prose=True)
        apart(text, mentions.refine(text, found, [unit]))


def row(start, end, label, score=0.8):
    return (start, end, label, score)


class TestCombine:
    def test_a_known_name_wins(self):
        known = [row(0, 6, "ORG", 0.95)]
        assert mentions.combine([row(0, 6, "GPE")], [], known) == known

    def test_a_known_name_within_a_longer_one_does_not(self):
        longer = row(0, 18, "ORG", 0.97)
        assert mentions.combine([], [longer], [row(0, 6, "GPE", 0.95)]) == [longer]

    def test_a_value_is_cut_as_the_grammar_says(self):
        exact = row(3, 15, "DATE", 0.98)
        assert mentions.combine([], [exact], []) == [exact]
        assert mentions.combine([row(0, 15, "DATE")], [exact], []) == [exact]

    def test_a_company_grows_over_the_models_organisation(self):
        made = mentions.combine([row(0, 12, "ORG", 0.55)], [row(5, 20, "ORG", 0.97)], [])
        assert made == [row(0, 20, "ORG", 0.97)]

    def test_a_company_does_not_grow_over_a_person(self):
        made = mentions.combine([row(0, 12, "PERSON")], [row(5, 20, "ORG", 0.97)], [])
        assert made == [row(5, 20, "ORG", 0.97)]

    @given(st.data())
    def test_no_two_overlap_and_none_is_made_up(self, data):
        def rows(labels):
            drawn = data.draw(
                st.lists(
                    st.tuples(st.integers(0, 30), st.integers(1, 8), st.sampled_from(labels)),
                    max_size=6,
                )
            )
            kept = []
            for a, size, label in sorted(drawn):
                if not kept or a >= kept[-1][1]:
                    kept.append(row(a, a + size, label))
            return kept

        named, values = rows(["PERSON", "ORG", "CARDINAL"]), rows(["DATE", "ORG"])
        known = rows(["GPE"])
        made = mentions.combine(named, values, known)
        for (_, end, *_), (start, *_) in itertools.pairwise(made):
            assert end <= start
        edges = {e for r in [*named, *values, *known] for e in r[:2]}
        assert all(start in edges and end in edges for start, end, *_ in made)
        taken = {p for r in made for p in range(*r[:2])}
        for start, end, *_ in [*named, *values, *known]:
            assert taken & set(range(start, end)), (
                "what is left out lies under something that is not"
            )


def apart(text, rows):
    for (_, end, *_), (start, *_) in itertools.pairwise(rows):
        assert end <= start
    for start, end, _, score in rows:
        assert 0 <= start < end <= len(text)
        assert 0 < score <= 1


def test_the_component_says_which_names_were_known():
    known = Gazetteer([("Halden", "ORG")])
    assert mentions.component_with("e@1", None) == "e@1"
    assert mentions.component_with("e@1", known) == f"e@1+{known.component}"
