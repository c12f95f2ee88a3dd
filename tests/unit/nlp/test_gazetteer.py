"""Known names are found where a plain search finds them, and nowhere else."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.errors import Corrupt, InvalidInput
from salient.kernels import token_spans
from salient.model import Kind, columns
from salient.nlp.gazetteer import NAME, SCORE, Gazetteer, digest_of
from salient.nlp.units import Unit


def find(names, text, kind=Kind.PARAGRAPH):
    pairs = [(n, "ORG") if isinstance(n, str) else n for n in names]
    unit = Unit(0, len(text), kind, prose=True)
    return [(text[a:b], label) for a, b, label, _ in Gazetteer(pairs).find(text, [unit])]


def found(names, text):
    return [surface for surface, _ in find(names, text)]


# Lower-case words of five letters or more: here case decides nothing, so a plain search is enough.
WORDS = ["alpha", "bravo", "delta", "gamma", "omega"]
PHRASES = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(tuple)


@given(
    names=st.lists(PHRASES, max_size=6),
    words=st.lists(st.sampled_from([*WORDS, "xalpha", "deltas", ",", "-"]), max_size=25),
)
def test_a_plain_search_finds_the_same(names, words):
    text = " ".join(words)
    wanted, at = [], 0
    while at < len(words):
        fits = [n for n in names if tuple(words[at : at + len(n)]) == n]
        best = max(fits, key=len, default=None)
        if best:
            wanted.append(" ".join(best))
        at += len(best or "x")
    assert found([" ".join(n) for n in names], text) == wanted


SOUP = st.text(st.sampled_from("aB'’s .-\n\t&\x02\x03é北\ud800("), max_size=30)


@given(names=st.lists(SOUP, max_size=5), text=SOUP)
def test_matches_are_whole_tokens_in_order_whatever_the_names(names, text):
    unit = Unit(0, len(text), Kind.PARAGRAPH, prose=True)
    rows = Gazetteer((n, "X") for n in names).find(text, [unit])
    starts = {int(s) for s, _, _ in token_spans(text)}
    for (_, end, *_), (start, *_) in itertools.pairwise(rows):
        assert end <= start
    for start, end, label, score in rows:
        assert (label, score) == ("X", SCORE)
        assert text[start:end] == text[start:end].strip()
        assert start in starts or text[start] in "'’"


@given(
    name=st.text(st.sampled_from("abcDE é-&"), min_size=1, max_size=12),
    gap=st.sampled_from([" ", "\n", "  "]),
)
def test_a_name_is_found_as_it_was_given(name, gap):
    written = f"x, {gap.join(name.split())} - x"
    stripped = name.strip("-& ")
    if stripped:
        assert any(stripped.split()[0] in f for f in found([name], written))


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("Apple", "apple APPLE Apple Apples", ["APPLE", "Apple"]),
        ("IT", "it IT It", ["IT"]),
        ("Halden AS", "HALDEN AS, halden as, Halden As", ["HALDEN AS", "halden as", "Halden As"]),
        ("of A", "Of a of A OF A", ["of A", "OF A"]),
        ("Kestrel Marine Ltd.", "Kestrel Marine Ltd, Kestrel Marine Ltd.", ["Kestrel Marine Ltd", "Kestrel Marine Ltd."]),
        ("Jane's", "Jane’s boat", ["Jane’s"]),
        ("Jane", "Jane's JANE’S Janes", ["Jane"]),
        ("Janet", "Janet's JANET’S Janets", ["Janet", "JANET"]),
        ("O'Brien", "O’Brien O`Brien", ["O’Brien"]),
        ("“Halden”", "Halden", ["Halden"]),
        ("Yahoo!", "Yahoo Yahoo!", ["Yahoo!"]),
        ("Straße", "STRASSE Strasse", ["STRASSE"]),
        ("北京", "在北京签署", ["北京"]),
        ("a\x02b c", "ab c", []),
        ("...", "...", []),
        ("", "anything", []),
    ],
)  # fmt: skip
def test_case_quotes_and_stops(name, text, wanted):
    assert found([name], text) == wanted


def test_the_first_label_of_a_name_holds():
    assert find([("Bergen", "GPE"), ("Bergen", "PERSON")], "Bergen") == [("Bergen", "GPE")]


def test_the_longest_of_those_that_start_together_matches():
    names = ["Halden", "Halden Maritime", "Maritime AS Bergen"]
    assert found(names, "Halden Maritime AS Bergen") == ["Halden Maritime"]


def test_a_name_may_be_wrapped_but_not_over_units():
    text = "Halden\nMaritime"
    assert found(["Halden Maritime"], text) == [text]
    units = [Unit(0, 6, Kind.PARAGRAPH, prose=True), Unit(7, 15, Kind.PARAGRAPH, prose=True)]
    assert Gazetteer([("Halden Maritime", "ORG")]).find(text, units) == []


def test_furniture_is_not_searched():
    assert find(["Halden"], "Halden", Kind.PAGE_FOOTER) == []
    assert find(["Halden"], "Halden", Kind.TABLE)


def test_a_name_needs_a_label():
    with pytest.raises(InvalidInput):
        Gazetteer([("Halden", "")])


def test_the_component_changes_with_the_names_and_only_with_them():
    one = Gazetteer([("Halden", "ORG")])
    assert one.component == Gazetteer(iter([("Halden", "ORG")])).component
    assert one.component.startswith(f"{NAME}@")
    others = [[], [("Halden", "GPE")], [("Haldea", "ORG")], [("Halden", "ORG"), ("B", "ORG")]]
    assert len({Gazetteer(o).component for o in [*others, [("Halden", "ORG")]]}) == 5


def test_an_empty_gazetteer_finds_nothing():
    assert len(Gazetteer([])) == 0
    assert find([], "Halden") == []


NAMES = [("Halden Maritime AS.", "ORG"), ("halden maritime as", "GPE"), ("北京", "GPE"), ("Jane", "PERSON")]  # fmt: skip


@given(names=st.lists(st.tuples(SOUP, st.sampled_from("XY")), max_size=5), text=SOUP)
def test_what_was_dumped_finds_the_same(names, text):
    unit = Unit(0, len(text), Kind.PARAGRAPH, prose=True)
    made = Gazetteer(names)
    loaded = Gazetteer.load(*columns.load(made.dump()))
    assert loaded.find(text, [unit]) == made.find(text, [unit])
    assert (loaded.component, len(loaded)) == (made.component, len(made))
    assert loaded.dump() == made.dump()
    assert made.digest == digest_of(names)


def test_names_that_fold_to_the_same_are_one_with_what_came_first():
    made = Gazetteer(NAMES)
    assert len(made) == 4  # "Halden Maritime AS." with and without its full stop, and two more
    text = "HALDEN MARITIME AS"
    unit = Unit(0, len(text), Kind.PARAGRAPH, prose=True)
    assert [label for _, _, label, _ in made.find(text, [unit])] == ["ORG"]


def test_a_loaded_gazetteer_reads_the_bytes_where_they_lie():
    data = Gazetteer(NAMES).dump()
    header, arrays = columns.load(data)
    loaded = Gazetteer.load(header, arrays)
    assert not any(a.flags.owndata or a.flags.writeable for a in loaded._arrays.values())


@pytest.mark.parametrize("lacking", ["edge_keys", "word_starts", "written", "label"])
def test_a_file_of_something_else_is_refused(lacking):
    header, arrays = columns.load(Gazetteer(NAMES).dump())
    with pytest.raises(Corrupt):
        Gazetteer.load(header, {n: a for n, a in arrays.items() if n != lacking})
    with pytest.raises(Corrupt, match="fit together"):
        Gazetteer.load(header, {**arrays, "edge_nodes": arrays["edge_nodes"][:-1]})
    for wrong in ({}, {**header, "format": 99}):
        with pytest.raises(Corrupt):
            Gazetteer.load(wrong, arrays)
