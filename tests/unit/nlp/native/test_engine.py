"""The engine keeps every engine's promises, whatever its weights say."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given

from salient.errors import Misconfigured
from salient.model import Annotations, Block, Kind
from salient.nlp.gazetteer import Gazetteer
from salient.nlp.native import PIECE_TOKENS, NativeEngine, open_scheme
from salient.nlp.rules_engine import RulesEngine
from tests.contract import test_engines as promises
from tests.contract.test_engines import BLOCKS, SOME, STORY, TEXTS, annotate, hold, text_of
from tests.unit.nlp.native import random_models as random


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return random.write(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def engine(directory):
    return NativeEngine(directory)


@pytest.fixture(scope="module")
def nameless(tmp_path_factory):
    """An engine whose network sees no names."""
    return NativeEngine(random.write(tmp_path_factory.mktemp("nameless"), no_name=60.0))


@pytest.fixture(scope="module")
def alone(directory):
    """Each text by an engine that has read nothing else."""
    return {n: annotate(NativeEngine(directory), text) for n, text in TEXTS.items()}


@pytest.mark.parametrize("name", TEXTS)
def test_it_holds_on_texts_that_people_write_and_on_those_they_should_not(alone, name):
    hold(TEXTS[name], alone[name])


@SOME
@given(text=BLOCKS)
def test_it_holds_on_any_text(engine, text):
    hold(text, annotate(engine, text))


@SOME
@given(text=BLOCKS)
def test_it_holds_with_known_names(engine, text):
    known = Gazetteer([("Bergen", "GPE"), ("The ship sank", "EVENT"), ("北", "ORG"), ("9", "LAW")])
    hold(text, annotate(engine, text, gazetteer=known))


def test_same_bytes_alone_and_in_any_batch(engine, alone):
    texts = list(TEXTS.values())
    together = list(engine.annotate(texts[::-1]))[::-1]
    again = list(engine.annotate(texts))
    wanted = [made.dump() for made in alone.values()]
    assert [made.dump() for made in together] == wanted
    assert [made.dump() for made in again] == wanted


def test_same_bytes_in_another_process(directory, alone):
    code = (
        "import sys, hashlib, pathlib\n"
        "from salient.nlp.native import NativeEngine\n"
        "from tests.contract.test_engines import TEXTS\n"
        "engine = NativeEngine(pathlib.Path(sys.argv[1]))\n"
        "for a in engine.annotate(TEXTS[n] for n in sys.argv[2:]):\n"
        "    print(hashlib.sha256(a.dump()).hexdigest())"
    )
    names = ["story", "table", "emoji", "shouting", "long block"]
    paths = [str(Path(promises.__file__).parents[2]), *sys.path]
    environment = os.environ | {
        "PYTHONHASHSEED": "77",
        "PYTHONPATH": os.pathsep.join(p for p in paths if p),
    }
    shown = subprocess.run(
        [sys.executable, "-c", code, str(directory), *names],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    assert shown.stdout.split() == [hashlib.sha256(alone[n].dump()).hexdigest() for n in names]


@pytest.mark.parametrize("name", TEXTS)
def test_annotations_come_back_from_the_store(alone, name):
    stored = alone[name].dump()
    assert Annotations.load(stored).dump() == stored


@pytest.mark.parametrize("name", ["chinese", "arabic", "hindi", "german"])
def test_other_languages_come_from_the_rules(engine, alone, name):
    assert alone[name].language not in engine.languages
    assert alone[name].dump() == annotate(RulesEngine(), TEXTS[name]).dump()


def test_it_names_itself_in_what_it_says(engine, alone):
    assert alone["story"].engine == engine.component == f"salient.native.v1@{engine.version}"
    assert engine.languages == {"en"}


def test_another_model_is_another_version(engine, tmp_path):
    assert NativeEngine(random.write(tmp_path, seed=9)).version != engine.version


def test_known_names_are_found_and_named_in_the_component(nameless):
    known = Gazetteer([("Kestrel Marine", "PRODUCT"), ("maya okafor", "PERSON")])
    text = TEXTS["story"]
    made = annotate(nameless, text, gazetteer=known)
    found = {(text.text[a:b], label) for a, b, label, _ in made.labelled(made.mentions)}
    assert ("Maya Okafor", "PERSON") in found
    assert made.engine.endswith(f"+{known.component}")


def test_values_are_found_without_the_network(nameless):
    text = TEXTS["story"]
    made = annotate(nameless, text)
    found = {(text.text[a:b], label) for a, b, label, _ in made.labelled(made.mentions)}
    assert {("3 March 2021", "DATE"), ("$12.5 million", "MONEY")} <= found


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


def test_one_letter_and_very_many(engine):
    hold(text_of("I"), annotate(engine, text_of("I")))
    long = text_of(*[STORY * 20] * 5)
    hold(long, annotate(engine, long))


def test_a_scheme_names_a_directory(directory):
    assert open_scheme(str(directory)).languages == {"en"}


def test_a_directory_without_a_model_is_a_matter_of_set_up(tmp_path):
    engine = open_scheme(str(tmp_path))
    with pytest.raises(Misconfigured):
        list(engine.annotate([text_of("A ship.")]))
