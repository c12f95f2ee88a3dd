"""Words of a text: what the rules and the exceptions make of it, and that nothing is ever lost."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salient.kernels import _tokens as compiled
from salient.kernels import tokens as definition
from salient.nlp.native import tokenizer
from salient.nlp.native.tokenizer import make_exceptions, read_exceptions, tokenize

SECTIONS = {
    name: section["words"].split()
    for name, section in tomllib.loads(
        Path(tokenizer.__file__).with_name("exceptions.toml").read_text(encoding="utf-8")
    ).items()
}
COLUMNS = tuple(
    getattr(read_exceptions(), name) for name in ("slots", "starts", "letters", "values")
)

# Any code point, halves of surrogate pairs too; a soup of those where rules change; and real words.
EDGES = (
    "aZ_9 \t\n\x85\u00a0'’`.,-–…<>()[]/\\&%$€#@:;!?+=*|~^\"“”§²ºé\u0301\u200b\u200d\u00ad\ufeff"
    "北の한ไनि\U00020000👩🏽🇳🇴️\U000e0101\ud800\udfff"
)
WORDS = [
    *(w.replace("|", "") for words in SECTIONS.values() for w in words),
    *"don't CAN'T I'm http:// www.a.com a@b.org 2.1(a) $1.5m U.S. 5pm th- 555-1234 9/11 '90s AT&T".split(),
]
PARTS = st.one_of(
    st.sampled_from(EDGES), st.sampled_from(WORDS), st.sampled_from(WORDS).map(str.upper)
)
ANY = st.text(st.characters(), max_size=40)
TEXTS = st.one_of(ANY, st.lists(PARTS, max_size=20).map("".join))


def words(text):
    """The words, on which both twins must agree: no example is of the compiled one alone."""
    spans = tokenize(text)
    np.testing.assert_array_equal(definition.word_spans(text, *COLUMNS), spans)
    return [text[a:b] for a, b in spans.tolist()]


@pytest.mark.parametrize(
    "expected",
    [
        # clitics, and two words written as one
        "I do |n't , ca |n't , wo |n't ; it |'s Bob |'s , they |'re , we |'ll , I |'ve , I |'m , he |'d",
        "DO |N'T do |n’t it |’s mama |`s dogs |' O'Brien |'s 'em '90s '72 60's 1590's o'clock ma'am",
        "can |not gon |na wan |na got |ta do |nt y' |all 't |is ai |n't",
        # hyphens
        "state |- |of |- |the |- |art , non-exclusive , e-mail , re-elected , mid-1980s , US |- |based",
        "twenty |- |six , al |- |Qaeda , 26 |- |year |- |old , 2003 |- |2007 , UN |- |led , career-wise",
        "713-853-3989 3-1663 +1 1-800-991-9019 345-9945 94720-1900 11-20-2000 5:00 |- |8:30 uh-huh",
        "th- the f- w- Vince |- us |-",
        # slashes and ampersands
        "and |/ |or 11/28/2000 9/11 713/345-7942 w/o n/a his |/ |her AT&T R&D P&L Q&A B&B",
        # stops, initials, abbreviations
        "Mr. Smith , J. R. Hess , U.S. troops , Ph.D. , i.e. this , e.g. that , 5 p.m. , Acme Inc. said",
        "J.R.R. Tolkien , L.L.C. , No. 5 , p. 3 , Vol. 2 , vs. them , etc. and , U.S. |- |led , St. Louis",
        "no |. Then I |. Ask The etc |. The end |.",
        # numbers
        "1,234.5 7:30 |PM 35 |mm 65 |k 20th 1970s 3143C .04 100 |% 3.5 |% 30 |° 10 |m² 3½ 1 |/ |a 13 |, |14",
        "$ |200 US$ |4.5 € |2 |bn $ |1.5 |m USD |500 |m EUR |10,000.00 £ |5 |k 0800 5G 4chan # |1 1234 |, |567",
        # sections and citations
        "Section 2.1(a)(ii) , 401(k) , 501(c)(3) , § |107 , §§ 12 , 5(1)(a) , account |( |s |) , 34 |( |12 |)",
        "17 U.S.C. § 107 , 42 C.F.R. § 401.101(b) , 410 U.S. 113 , Roe v. Wade , ( |ii |) , ( |a |)",
        # addresses, files, tags
        "http://a.org/b_(c)?d=e#f |. ( |https://b.com/x |) www.c.co.uk |, a.b-c@d.org |. mailto:e@f.com 9a@b.org 5 |@ |7",
        "Compaq.com , whitehouse.gov , flag.govt.nz , cra.org/a/b |, comp.sources.unix , Rice@ENRON",
        "ENRON.XLS , 02-05-02.doc , a_b.pdf , .doc , #IStand , @POTUS |. end |. The",
        # punctuation and faces
        "\" |yes |, |\" |“ |no |. |” |( |x |) |; … ... .... -- --- == !!! ?! ***** =====> << >> '' ‘ |x |’ :) :-( ;-) <3",
        "• |Item , * |note , sh*t , US$ , C++ C# v1.0.2 , [ |*** |] _ |FURY |_ ___-___ so |... |but well |.?",
        # other scripts, pictures
        "北 |京 |カ |ナ नमस्ते ไทย Ωμέγα москва́ e\u0301t\u00adé 👩‍🔬 |👍🏽 |🇳🇴 |❤️",
    ],
)
def test_words_are_parted_so(expected):
    text = expected.replace(" |", "")
    assert words(text) == expected.replace(" |", " ").split()


def test_its_is_two_words_only_where_nobody_can_own_what_follows():
    assert words("its not its own") == ["it", "s", "not", "its", "own"]
    assert words("its") == ["its"]
    assert words("ITS A") == ["IT", "S", "A"]
    for word in SECTIONS["unowned"]:
        assert words(f"its {word}")[:2] == ["it", "s"], word


def test_a_full_stop_at_the_end_of_all_is_no_initial():
    assert words("vitamin C.") == ["vitamin", "C", "."]
    assert words("C. elegans") == ["C.", "elegans"]
    assert words("in the U.S.") == ["in", "the", "U.S."]


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("whole", "{} x"),
        ("faces", "{}"),
        ("faces", "ok {} |!"),
        ("abbreviations", "{}. X"),
        ("abbreviations", "{}. |, x"),
        ("before_number", "{}. 5"),
        ("before_lower", "{}. x"),
        ("prefixes", "{}-known x"),
        ("suffixes", "dog-{} x"),
        ("units", "5 |{} x"),
        ("money", "$ |5 |{} x"),
        ("currencies", "{} |5 x"),
        ("files", "x.{} y"),
        ("domains", "abc.{} |, y"),
        ("countries", "abc.{}/x |. y"),
        ("groups", "{}.abc.d y"),
        ("schemes", "{}:abc y"),
        ("quoted", "'{} x"),
        ("clitics", "we |'{} x"),
        ("signs", "{}$ x"),
        ("short", "{} |- x"),
    ],
)
def test_every_exception_is_heeded(section, expected):
    for word in SECTIONS[section]:
        if section == "domains" and word == "www.":  # which begins a name
            continue
        form = word.title() if word in SECTIONS["capital"] else word
        wanted = expected.format(form)
        assert words(wanted.replace(" |", "")) == wanted.replace(" |", " ").split()


def test_what_is_written_as_one_is_parted():
    for entry in SECTIONS["splits"]:
        first, rest = entry.split("|")
        context = "i" if first == "'m" else ""
        got = words(context + first + rest)
        assert got[bool(context) :][0] == first
        assert "".join(got[bool(context) :][1:]) == rest


def test_a_word_is_one_without_its_capital():
    for word in SECTIONS["capital"]:
        assert words(f"{word}. x") == [word, ".", "x"], word


@settings(deadline=None, max_examples=300)
@given(TEXTS)
def test_nothing_is_lost_and_all_is_in_order(text):
    spans = tokenize(text)
    assert spans.dtype == np.int32
    assert spans.shape == (len(spans), 2)
    flat = spans.ravel()
    assert (np.diff(flat) >= 0).all()
    assert (spans[:, 0] < spans[:, 1]).all()
    assert "".join(text[a:b] for a, b in spans) == "".join(text.split())
    assert not any(c.isspace() for a, b in spans for c in text[a:b])


@settings(deadline=None, max_examples=500)
@given(TEXTS)
def test_the_compiled_twin_agrees_with_the_definition(text):
    np.testing.assert_array_equal(
        compiled.word_spans(text, *COLUMNS), definition.word_spans(text, *COLUMNS)
    )


@settings(deadline=None)
@given(st.lists(st.lists(PARTS, min_size=1, max_size=6).map("".join), min_size=1, max_size=5))
def test_a_chunk_is_cut_by_itself_and_the_beginning_of_the_next(parts):
    chunks = " ".join(parts).split()
    parted = []
    for chunk, following in zip(chunks, [*chunks, ""][1:], strict=True):
        alone = [w for w in tokenize(f"{chunk} {following}").tolist() if w[1] <= len(chunk)]
        parted += [chunk[a:b] for a, b in alone]
    assert words("\n ".join(chunks)) == parted


class Counted(str):
    """A string that counts how many of its characters are looked at."""

    __slots__ = ("seen",)

    def __getitem__(self, key):
        self.seen = getattr(self, "seen", 0) + 1
        if isinstance(key, slice):
            self.seen += len(range(*key.indices(len(self))))
        return super().__getitem__(key)


@pytest.mark.parametrize(
    "part",
    [
        "a", "a.", ".", "-a", "'a", "_", "a_", "1-", "1:", "1,234,", "http://", "x://)", "a@", "(", "1(a)",
        "no. ", "a..", "www.", "a'_", "北", "e\u0301", "👩\u200d", "'1", '"a', "a/", "a&b", "*", "a*", "!?", "$", "a:",
        "a-b.c@", "\u0301", "#a", "'", "a+", "%", "aB.com", "I.", "5%)", "🇳", "-_", "its  ",
    ],
)  # fmt: skip
def test_looks_grow_as_the_text_does(part):
    """The definition looks at no character of a long text more often than at those of a short one."""

    def looks(n):
        text = Counted(part * n)
        definition.word_spans(text, *COLUMNS)
        return text.seen / len(text)

    assert looks(2000) <= 1.1 * looks(500)


def test_a_very_long_text_is_cut():
    text = "Mr. O'Neill paid $1.5m (see § 2.1(a)), didn't he? " * 200_000  # 10 million characters
    once = len(words(text[:50]))
    spans = tokenize(text)
    assert len(spans) == 200_000 * once
    assert spans[-1].tolist() == [len(text) - 2, len(text) - 1]


def test_empty_texts_have_no_words_and_single_characters_one():
    for text in ("", " ", "\n\t\u2003"):
        assert tokenize(text).shape == (0, 2)
    for character in EDGES:
        assert len(tokenize(character)) == (not character.isspace())


@pytest.mark.parametrize(
    ("sections", "why"),
    [
        ({"nonsense": "a"}, "no kind of exception"),
        ({"splits": "cannot"}, "not two words"),
        ({"splits": "can|"}, "not two words"),
        ({"splits": "a|b|c"}, "not two words"),
        ({"whole": "x" * (definition.LONGEST + 1)}, "too long"),
    ],
)
def test_exceptions_that_mean_nothing_are_refused(sections, why):
    with pytest.raises(ValueError, match=why):
        make_exceptions(sections)


def test_other_exceptions_have_another_digest(tmp_path, monkeypatch):
    before = tokenizer.digest.__wrapped__()
    other = tmp_path / "exceptions.toml"
    other.write_text('[whole]\nwords = "a-b"\n', encoding="utf-8")
    monkeypatch.setattr(tokenizer, "_FILE", other)
    assert tokenizer.digest.__wrapped__() != before


def test_without_exceptions_the_rules_still_hold():
    table = make_exceptions({})
    spans = compiled.word_spans(
        "can't cannot", table.slots, table.starts, table.letters, table.values
    )
    assert len(spans) == 3


def test_the_table_finds_each_entry_and_no_other():
    table = make_exceptions({"whole": " ".join(f"a+{n}" for n in range(500))})
    for n in (*range(0, 500, 7), 500, 999):
        spans = compiled.word_spans(
            f"a+{n}", table.slots, table.starts, table.letters, table.values
        )
        assert len(spans) == (1 if n < 500 else 3)


@pytest.mark.parametrize("twin", [compiled, definition])
@pytest.mark.parametrize("n_slots", [0, 3, 6])
def test_both_twins_refuse_slots_that_are_no_power_of_two(twin, n_slots):
    _, starts, letters, values = COLUMNS
    with pytest.raises(ValueError, match="power of two"):
        twin.word_spans("a", np.full(n_slots, -1, np.int32), starts, letters, values)


@pytest.mark.parametrize("twin", [compiled, definition])
def test_both_twins_refuse_columns_that_do_not_go_together(twin):
    slots, starts, letters, values = COLUMNS
    with pytest.raises(ValueError, match="entries"):
        twin.word_spans("a", slots, starts[:-1], letters, values)
