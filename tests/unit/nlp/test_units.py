"""A text is cut so that nothing is lost and no unit is too long to work on."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from salient.model import FURNITURE, Block, Builder, Kind, Part
from salient.nlp.units import MAX_CHARACTERS, MAX_RUN, units


def text_of(*blocks):
    builder = Builder()
    builder.add(Part([Block(k, t) for k, t in blocks]))
    return builder.build()


def cut(kind, written):
    text = text_of((kind, written))
    return [text.text[u.start : u.end] for u in units(text)]


BLOCKS = st.lists(
    st.tuples(
        st.sampled_from(Kind),
        st.text(max_size=50) | st.text(st.sampled_from("aB.\n\t \u00a0"), max_size=80),
    ),
    max_size=5,
)


@given(BLOCKS)
def test_units_cover_all_but_white_space_in_order_and_inside_blocks(blocks):
    text = text_of(*blocks)
    found = list(units(text))
    at = 0
    for unit in found:
        assert not text.text[at : unit.start].strip()
        piece = text.text[unit.start : unit.end]
        assert piece
        assert piece == piece.strip()
        at = unit.end
    assert not text.text[at:].strip()
    bounds = set(text.block_start.tolist())
    for unit in found:
        assert not any(unit.start < b < unit.end for b in bounds)


@given(
    st.text(st.sampled_from("ab.\n "), min_size=MAX_RUN, max_size=4 * MAX_RUN), st.integers(1, 60)
)
def test_no_unit_is_longer_than_the_bound(piece, times):
    text = text_of((Kind.PARAGRAPH, piece * times))
    found = list(units(text))
    assert all(u.end - u.start <= MAX_CHARACTERS for u in found)
    for one, two in itertools.pairwise(found):
        assert one.end <= two.start


def test_lines_that_were_wrapped_are_one_unit():
    written = "The ship that was bought from the seller in\nMarch has sunk, so that the buyer of the\nship sues."
    assert cut(Kind.PARAGRAPH, written) == [written]


def test_lines_that_were_ended_on_purpose_are_units():
    assert cut(Kind.PARAGRAPH, "Maya Okafor\n1 Dock Road\nBergen") == [
        "Maya Okafor", "1 Dock Road", "Bergen",
    ]  # fmt: skip


def test_a_blank_line_ends_a_unit():
    assert cut(Kind.PARAGRAPH, "One ship\n \nand two.") == ["One ship", "and two."]


def test_cells_lines_of_code_and_of_mail_headers_are_units():
    assert cut(Kind.TABLE, "a b\tc\n\t\nd") == ["a b", "c", "d"]
    assert cut(Kind.CODE, "x = 1\ny = 2") == ["x = 1", "y = 2"]
    assert cut(Kind.MAIL_HEADER, "From: a\nTo: b") == ["From: a", "To: b"]


def test_a_long_unit_is_cut_behind_a_sentence():
    sentence = "The ship sank in the bay. "
    found = cut(Kind.PARAGRAPH, sentence * (2 * MAX_CHARACTERS // len(sentence)))
    assert len(found) > 1
    assert all(piece.endswith(".") for piece in found)


def test_a_long_run_is_apart_and_no_prose():
    text = text_of((Kind.PARAGRAPH, "See " + "x" * (MAX_RUN + 1) + " there"))
    assert [(u.end - u.start, u.prose) for u in units(text)] == [
        (3, True), (MAX_RUN + 1, False), (5, True),
    ]  # fmt: skip


def test_code_furniture_and_numbers_are_no_prose():
    kinds = [*sorted(FURNITURE), Kind.CODE]
    assert not any(u.prose for u in units(text_of(*((k, "some words") for k in kinds))))
    assert [u.prose for u in units(text_of((Kind.TABLE, "12.5\tship")))] == [False, True]


def test_a_text_without_blocks_is_one_paragraph():
    assert list(units(Builder().build())) == []
