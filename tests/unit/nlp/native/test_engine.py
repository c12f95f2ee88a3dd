"""What the engine does beside every engine's promises, which `tests/contract/test_engines.py` holds it to."""

import pytest

from salient.model import Block, Kind
from salient.nlp.native import LONGEST_NAME, PIECE_TOKENS, NativeEngine, model, open_scheme
from tests.contract.test_engines import STORY, TEXTS, annotate, text_of
from tests.unit.nlp.native import random_models as random


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return random.write(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def engine(directory):
    return NativeEngine(directory)


def test_it_names_itself_in_what_it_says(engine):
    assert (
        annotate(engine, TEXTS["story"]).engine
        == engine.component
        == f"salient.native.v1@{engine.version}"
    )
    assert engine.languages == {"en"}


def test_another_model_is_another_version(engine, tmp_path):
    assert NativeEngine(random.write(tmp_path, seed=9)).version != engine.version


def test_tokens_are_words_of_the_treebanks(engine):
    text = text_of("They don't own Halden's state-of-the-art yard, do they?")
    made = annotate(engine, text)
    words = [text.text[a:b] for a, b in zip(made.tokens.start, made.tokens.end, strict=True)]
    assert words == "They do n't own Halden 's state - of - the - art yard , do they ?".split()


def test_offsets_are_those_of_the_text_before_capitals_were_calmed(engine):
    text = text_of(STORY, Block(Kind.HEADING, "THE SALE OF KESTREL “MARINE”", 1))
    made = annotate(engine, text)
    words = [text.text[a:b] for a, b in zip(made.tokens.start, made.tokens.end, strict=True)]
    assert words[-7:] == ["THE", "SALE", "OF", "KESTREL", "“", "MARINE", "”"]


def test_what_is_no_prose_gets_tokens_only(engine):
    text = text_of(Block(Kind.CODE, "Bergen.buy(x)\nreturn 0;"))
    made = annotate(engine, text)
    assert len(made.tokens) > 6
    assert not made.tokens.deprel.any()


def test_paragraphs_are_read_together_up_to_a_piece(engine):
    """What stands in the first paragraph is seen from the second, but not from beyond a piece."""
    far = "It sank in the bay. " * (PIECE_TOKENS // 6)

    def story(first, *between):
        made = annotate(engine, text_of(first, *between, STORY))
        last = slice(len(made.tokens) - 60, None)
        columns = (made.tokens.upos, made.tokens.xpos, made.tokens.deprel)
        return [[made.strings[code] for code in column[last]] for column in columns]

    one, other = "The ship was very old. ", "Nine men sang a song. "
    assert story(one) != story(other)
    assert story(one, far) == story(other, far)


def test_a_scheme_names_a_directory(directory):
    assert open_scheme(str(directory)).languages == {"en"}


def test_features_are_those_of_the_model_and_none_are_empty(directory):
    """Of a head that always says its first label, "_", and of one that always says its third."""
    about = random.description()
    for number, wanted in ((0, ""), (2, about.feats[2])):
        arrays = random.arrays(about)
        arrays["feats.bias"][number] = 1000
        place = directory.with_name(f"feats-{number}")
        model.save(place, about, arrays, words=random.WORDS, lexicon=random.LEXICON)
        made = annotate(NativeEngine(place), TEXTS["story"])
        assert set(made.words(made.tokens.feats)) == {wanted}


def test_what_is_longer_than_any_name_is_none(tmp_path):
    """A network that takes everything for one name."""
    about = random.description()
    arrays = random.arrays(about)
    inside = model.tag_names().index("I-ORG")
    arrays["ner.out.bias"][inside] = 1000
    engine = NativeEngine(tmp_path)
    model.save(tmp_path, about, arrays, words=random.WORDS, lexicon=random.LEXICON)
    short, long = (text_of("Halden " * n) for n in (LONGEST_NAME, LONGEST_NAME + 1))
    assert [label for *_, label, _ in mentions_of(engine, short)] == ["ORG"]
    assert mentions_of(engine, long) == []


def mentions_of(engine, text):
    made = annotate(engine, text)
    return list(made.labelled(made.mentions))
