"""Names are put in for ranking, and every span finds its way back."""

from hypothesis import given
from hypothesis import strategies as st

from salient.services.referents import rewrite

TEXT = "The Supplier shall pay the Buyer."


def test_names_stand_where_the_terms_stood():
    read = rewrite(TEXT, [(4, 12, "Brightwater Ltd"), (27, 32, "Halden AS")])
    assert read.text == "The Brightwater Ltd shall pay the Halden AS."
    at = read.text.index("shall pay")
    assert TEXT[slice(*read.back(at, at + 9))] == "shall pay"
    at = read.text.index("Brightwater")
    assert TEXT[slice(*read.back(at, at + 11))] == "Supplier"
    assert read.back(0, len(read.text)) == (0, len(TEXT))
    assert read.text[read.forth(13) :].startswith("shall")


def test_what_is_said_in_full_is_left():
    assert rewrite(TEXT, [(4, 12, "supplier")]).text == TEXT
    assert rewrite("", []).back(0, 0) == (0, 0)


@given(
    st.text(min_size=1, max_size=60),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.text(max_size=9)), max_size=6),
    st.data(),
)
def test_spans_stay_in_range_and_kept_text_comes_back(text, meant, data):
    read = rewrite(text, sorted(meant))
    start = data.draw(st.integers(0, len(read.text)))
    end = data.draw(st.integers(start, len(read.text)))
    a, b = read.back(start, end)
    assert 0 <= a <= len(text)
    assert a <= b <= len(text) or start == end
    for new, old, kept, after in zip(read.new, read.old, read.kept, read.new[1:], strict=False):
        if kept:
            assert read.text[new:after] == text[old : old + after - new]
            assert read.forth(old) == new or new == after
