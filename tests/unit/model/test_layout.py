"""The builder is the only place where canonical offsets are made."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from salient.model import Block, Builder, Cell, Kind, Metadata, Note, Part, Text

BLOCKS = st.lists(
    st.builds(Block, st.sampled_from(Kind), st.text(max_size=60), st.integers(0, 300)), max_size=6
)


def build(*parts):
    builder = Builder()
    builder.feed(parts)
    return builder.build()


@given(st.lists(st.builds(Part, BLOCKS, st.none() | st.integers(1, 99)), max_size=5))
def test_blocks_cover_the_text_in_order(parts):
    text = build(*parts)
    at = 0
    for start, end in zip(text.block_start, text.block_end, strict=True):
        assert text.text[at:start].strip("\n") == ""
        assert start < end
        at = end
    assert at == len(text.text)
    wanted = [b.text.rstrip("\n") for p in parts for b in p.blocks if b.text.strip()]
    got = [text.text[a:b] for a, b in zip(text.block_start, text.block_end, strict=True)]
    assert got == wanted


@given(st.lists(st.builds(Part, BLOCKS, st.integers(1, 99)), max_size=4))
def test_a_text_comes_back_from_the_store_as_it_went_in(parts):
    text = build(*parts, Note("n", "left out", 3), Metadata({"title": "T\ud800"}))
    data = text.dump()
    back = Text.load(data)
    assert back.text == text.text
    assert back.notes == text.notes
    assert back.dump() == data


def test_words_and_cells_follow_their_block():
    words = np.array([[0, 3], [4, 7]], np.int32)
    boxes = np.array([[0.1, 0.1, 0.2, 0.2], [0.2, 0.1, 0.3, 0.2]], np.float32)
    table = Block(Kind.TABLE, "a\tbb", cells=[Cell(0, 0, 0, 1), Cell(0, 1, 2, 4)])
    text = build(
        Part([Block(Kind.TITLE, "Top")], 1),
        Part([Block(Kind.PARAGRAPH, "one two", 0, words, boxes), table], 2),
    )
    assert [text.text[a:b] for a, b in zip(text.word_start, text.word_end, strict=True)] == [
        "one",
        "two",
    ]
    assert [text.text[a:b] for a, b in zip(text.cell_start, text.cell_end, strict=True)] == [
        "a",
        "bb",
    ]
    assert text.page_at(0) == 1
    assert text.page_at(int(text.word_start[0])) == 2
    start, end = int(text.word_start[0]), int(text.word_end[1])
    assert [tuple(round(v, 3) for v in box) for box in text.boxes(start, end)] == [
        (2, 0.1, 0.1, 0.3, 0.2)
    ]


def test_boxes_of_two_lines_stay_two():
    words = np.array([[0, 1], [2, 3]], np.int32)
    boxes = np.array([[0.8, 0.1, 0.9, 0.12], [0.1, 0.13, 0.2, 0.15]], np.float32)
    text = build(Part([Block(Kind.PARAGRAPH, "a b", 0, words, boxes)], 1))
    assert len(text.boxes(0, 3)) == 2
    assert text.boxes(1, 2) == []


def test_offsets_are_code_points():
    text = build(Part([Block(Kind.PARAGRAPH, "👩‍🔬 Ada"), Block(Kind.PARAGRAPH, "x")]))
    assert text.text[text.block_start[1] :] == "x"
    assert text.block_start[1] == len("👩‍🔬 Ada") + 2
