"""Every language engine keeps the same promises, whatever the text."""

import hashlib
import itertools
import os
import random
import subprocess
import sys
import unicodedata
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salient.errors import Misconfigured
from salient.model import Annotations, Block, Builder, Kind, Part
from salient.nlp import AHEAD, LABELS, SCHEMES, Engine, open_engine
from salient.nlp.gazetteer import Gazetteer
from salient.nlp.native import SHIPPED
from salient.nlp.units import MAX_CHARACTERS, units
from tests.unit.nlp.native import random_models

ROOT = Path(__file__).parents[2]
RANDOM = "native, random weights"
TRAINED = ["spacy", *(["native"] if SHIPPED.is_dir() else [])]
SPECS = ["rules", RANDOM, *TRAINED]

STORY = (
    "On 3 March 2021 Halden Maritime AS, a company based in Bergen, bought Kestrel Marine Ltd. for "
    "$12.5 million. “We are glad,” said Dr. Maya Okafor, its chief executive. She didn't name the "
    "seller's lawyers; they work in New York, U.S. and London. Is that all? Yes!"
)


def text_of(*blocks):
    builder = Builder()
    builder.add(Part([b if isinstance(b, Block) else Block(Kind.PARAGRAPH, b) for b in blocks]))
    return builder.build()


TEXTS = {
    "story": text_of(Block(Kind.HEADING, "THE SALE OF KESTREL", 1), STORY, STORY.replace(". ", ".\n")),
    "empty": Builder().build(),
    "white space": text_of(" \t\n\u00a0\u2003 \n\n "),
    "one letter": text_of("a"),
    "one stop": text_of("."),
    "punctuation": text_of("... !!! ?? -- ()[]{} “” ’ * • — …", "§§ % & / \\ | ~ ` ^"),
    "control": text_of("\x00\x01\x02 The\x03 ship\x1c sank\x7f.\x85 It\u2028was\u2029old.\x0c\x0bOh."),
    "surrogates": text_of("The ship \ud83d sank. \udc00\udc00 It \ud800was old."),
    "invisible": text_of("\ufeffThe\u200b ship\u00ad\u200d sank\u2060. \u202eIt was\u202c old. \u200b"),
    "marks": text_of("e\u0301" * 30 + " \u0301\u0301 Z" + "\u0335" * 300 + "algo sank. He ran."),
    "long word": text_of("The " + "x" * 150_000 + " sank. It was old."),
    "long path": text_of("See " + "/a1-b_2" * 40_000 + ". It was old. " + "https://a.example/" + "q" * 9000),
    "brackets": text_of("(" * 3000 + " a " + ")" * 3000 + " The ship [[[[ sank."),
    "initials": text_of("J. R. R. Tolkien met Mr. C. S. Lewis at 5 p.m. in St. Albans. No. 5 won."),
    "no stops": text_of("the ship and the sea and the man " * 300),
    "long block": text_of(STORY * (2 * MAX_CHARACTERS // len(STORY))),
    "arabic": text_of("وقعت الشركة العقد في القاهرة يوم ٣ مارس ٢٠٢١. هل دفعت الثمن؟ نعم، دفعت."),
    "hebrew": text_of("החברה חתמה על החוזה בירושלים. היא שילמה 500 ₪ ביום 3.5.2021."),
    "chinese": text_of("公司于2021年3月3日在北京签署合同。付款500万元！卖方同意了吗？是的。"),
    "japanese": text_of("会社は東京で契約に署名した。カナとかなが混ざる。価格は500円だ。"),
    "thai": text_of("บริษัทลงนามในสัญญาที่กรุงเทพฯ เมื่อวันที่ 3 มีนาคม 2564 ราคา 500 บาท"),
    "hindi": text_of("कंपनी ने दिल्ली में अनुबंध पर हस्ताक्षर किए। कीमत 500 रुपये है॥ ठीक है।"),
    "german": text_of("Die Halden Werft GmbH hat am 3. März 2021 in Köln z.B. 5 Schiffe gekauft. Gut."),
    "mixed": text_of(STORY, "公司在北京签署合同。价格五百。", "وقعت الشركة العقد في القاهرة."),
    "emoji": text_of("👩‍🔬 Ada 👍🏽👍🏽 sailed 🇳🇴🇸🇪. \U0001f600\U0001f600 It was 1️⃣ ship 🏴󠁧󠁢󠁥󠁮󠁧󠁿!"),
    "shouting": text_of("THE COMPANY SHALL NOT BE LIABLE TO ANY PARTY. ß AND ŉ İSTANBUL ǅ NOT EITHER."),
    "table": text_of(
        Block(Kind.TABLE, "Name\tPlace\tPaid\nHalden Maritime AS\tBergen\t$12.5\nMaya Okafor\t\t\n\t\t"),
        Block(Kind.MAIL_HEADER, "From: Maya Okafor <maya@halden.example>\nSubject: Sale. Now. Please"),
        Block(Kind.CODE, "for (i = 0; i < n; i++) { Bergen.buy(); }\nreturn 0; # The end. Really."),
        Block(Kind.PAGE_FOOTER, "Halden Maritime AS. Page 3. Confidential."),
        Block(Kind.FORM_FIELD, "NAME\tMAYA OKAFOR"),
    ),
    "wrapped": text_of("Maya Okafor\n1 Dock Road\nBergen\n\nDear Sir,\n\nThe ship that you bought from\nus has sunk. It\nwas old."),
    "no space": text_of("The ship sank.It was old.Nobody bought it?Yes.(Really.)[1]“Oh.”'A'"),
    "ideographs over the plane": text_of("\U00020000\U00020001。 \U0001b000 \U0003ffff \U000e0101"),
}  # fmt: skip

EDGES = [
    "a", "Z", "_", "9", " ", " ", "\t", "\n", "\n\n", "\x1c", "\x85", "\u00a0", "'", "’", "“", "-", "(", ")", "é",
    "\u0301", "\u200d", "\u00ad", "北", "カ", "ไ", "।", "؟", "\U00020000", "\U0001f600", "\ufe0f", "\x00", "\x03",
    ". ", "! ", "? ", "...", ";", ": ", "Mr. ", "U.S. ", "The ", "ship ", "sank", "Bergen ", "Maya Okafor",
    " said", " AS", " Ltd.", "$5", "3 May 2021", "a@b.example", "https://x.example/", "THE PARTIES AGREE ", "\ud800",
]  # fmt: skip
SOUP = st.lists(st.sampled_from(EDGES), max_size=40).map("".join)
BLOCKS = st.lists(
    st.builds(Block, st.sampled_from(Kind), SOUP | st.text(max_size=60)), max_size=4
).map(lambda blocks: text_of(*blocks))


SOME = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])

opened = cache(open_engine)


@cache
def alone(spec, name):
    """What an engine says of one of the texts by itself."""
    (annotations,) = opened(spec).annotate([TEXTS[name]])
    return annotations


@pytest.fixture(scope="session")
def random_model(tmp_path_factory):
    """`native:` and a model that is wrong about everything: promises must not rest on good weights."""
    return f"native:{random_models.write(tmp_path_factory.mktemp('model'))}"


@pytest.fixture(scope="module", params=SPECS)
def spec(request):
    return request.getfixturevalue("random_model") if request.param == RANDOM else request.param


@pytest.fixture(scope="module")
def engine(spec):
    return opened(spec)


def annotate(engine, text, **more):
    (annotations,) = engine.annotate([text], **more)
    return annotations


class TestPromises:
    @pytest.mark.parametrize("name", TEXTS)
    def test_on_texts_that_people_write_and_on_those_they_should_not(self, spec, name):
        hold(TEXTS[name], alone(spec, name))

    @SOME
    @given(text=BLOCKS)
    def test_on_any_text(self, engine, text):
        hold(text, annotate(engine, text))

    @SOME
    @given(text=BLOCKS)
    def test_with_known_names(self, engine, text):
        known = Gazetteer(
            [("Bergen", "GPE"), ("The ship sank", "EVENT"), ("北", "ORG"), ("9", "LAW")]
        )
        hold(text, annotate(engine, text, gazetteer=known))

    def test_same_bytes_alone_and_in_any_batch(self, spec):
        wanted = [alone(spec, name).dump() for name in TEXTS]
        texts = list(TEXTS.values())
        # Another instance has seen nothing yet, and this one the texts in another order.
        together = [a.dump() for a in open_engine(spec).annotate(texts[::-1])][::-1]
        assert together == wanted

    def test_same_bytes_in_another_process(self, spec):
        code = (
            "import sys, hashlib\n"
            "from tests.contract.test_engines import TEXTS, open_engine\n"
            "for a in open_engine(sys.argv[1]).annotate(TEXTS[n] for n in sys.argv[2:]):\n"
            "    print(hashlib.sha256(a.dump()).hexdigest())"
        )
        names = ["story", "table", "chinese", "emoji", "shouting", "long block"]
        paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
        environment = os.environ | {"PYTHONHASHSEED": "77", "PYTHONPATH": paths}
        shown = subprocess.run(
            [sys.executable, "-c", code, spec, *names],
            capture_output=True, text=True, check=True, env=environment,
        )  # fmt: skip
        here = [hashlib.sha256(alone(spec, n).dump()).hexdigest() for n in names]
        assert shown.stdout.split() == here

    def test_texts_are_drawn_a_few_at_a_time(self, engine):
        drawn = []

        def endless():
            for n in itertools.count():
                drawn.append(n)
                yield text_of(f"Ship {n} sank.")

        annotations = engine.annotate(endless())
        for told in range(100):
            next(annotations)
            assert len(drawn) <= told + 1 + AHEAD

    def test_what_came_before_a_source_failed_is_annotated(self, engine):
        def failing():
            yield text_of("A ship sank.")
            yield text_of("Another ship sank.")
            raise OSError("the source is gone")

        annotations = engine.annotate(failing())
        assert [len(next(annotations).tokens.start) for _ in range(2)] == [4, 4]
        with pytest.raises(OSError, match="gone"):
            next(annotations)

    def test_no_texts_are_no_annotations(self, engine):
        assert list(engine.annotate([])) == []

    @pytest.mark.parametrize("name", TEXTS)
    def test_annotations_come_back_from_the_store(self, spec, name):
        stored = alone(spec, name).dump()
        assert Annotations.load(stored).dump() == stored

    def test_component_is_name_and_version(self, engine):
        assert engine.component == f"{engine.name}@{engine.version}"

    @pytest.mark.parametrize("name", ["chinese", "arabic", "hindi", "german"])
    def test_other_languages_come_from_the_rules(self, spec, engine, name):
        made = alone(spec, name)
        assert made.language not in engine.languages
        assert made.dump() == alone("rules", name).dump()
        assert made.engine == opened("rules").component

    def test_a_text_in_its_language_names_the_engine(self, spec, engine):
        made = alone(spec, "story")
        assert made.language == "en"
        assert made.engine == engine.component


def noise(seed, letters, words):
    """Words of one to nine letters, as a bad scan has them."""
    rng = random.Random(seed)
    return " ".join("".join(rng.choices(letters, k=rng.randint(1, 9))) for _ in range(words))


SENTENCE = "On 3 March 2021 Halden Maritime AS bought Kestrel Marine Ltd. for $12.5 million. "
ANY = [chr(c) for c in range(32, 0x3000)]
# Large or hostile; made when they are wanted.
HARD = {
    "ten million letters": lambda: "x" * 10_000_000,
    "ten million spaces": lambda: SENTENCE + " " * 10_000_000 + SENTENCE,
    "ten million new lines": lambda: SENTENCE + "\n" * 10_000_000 + SENTENCE,
    "ten million characters": lambda: (SENTENCE + " " * 20_000) * 500,
    "a letter with a million marks": lambda: "The ship e" + "\u0301" * 1_000_000 + " sank.",
    "a sentence of a hundred thousand words": lambda: " ".join(
        random.Random(1).choices("the ship and sea man company Bergen of to shall any 1999".split(), k=100_000)
    ),
    "one word a line": lambda: "Ab\n" * 30_000,
    "one name": lambda: "Ltd. " * 30_000,
    "a list": lambda: "Smith, " * 20_000,
    "signs": lambda: ". , - ( ) [ ] \" ' $ % & * / : ; < > = + _ # @ ! ? " * 3000,
    "runs of signs": lambda: "".join(c * 9000 + " a " for c in ".,-([{\"'$*/:<=+_#!?&~"),
    "capitals": lambda: "THE COMPANY SHALL NOT BE LIABLE TO ANY PARTY FOR ANY LOSS " * 1500,
    "capitals between": lambda: "tHe sHiP oF bErGeN aNd hAlDeN sAnK " * 1500,
    "bad scan": lambda: noise(2, "abcl1I|0O,.;'`~rnmvw- ", 20_000),
    "all characters": lambda: noise(3, ANY, 20_000),
    "halves of pairs": lambda: noise(4, ["\ud800", "\udfff", "a", "Z", "."], 20_000),
    "controls": lambda: noise(5, [chr(c) for c in range(32)] + list("aZ.\x7f\x85"), 20_000),
    "new words": lambda: noise(6, "abcdefghij", 20_000),
    "small words": lambda: "Bank of and the " * 8000,
    "values": lambda: "3 March 2021 $5 a@b.example 12:30 https://x.example/ 5 % § 3(a) " * 1500,
}  # fmt: skip


@pytest.fixture(scope="module", params=["rules", RANDOM, *TRAINED[1:]])
def ours(request, random_model):
    return opened(random_model if request.param == RANDOM else request.param)


class TestHardTexts:
    """Of engines that are ours; spaCy's own pieces would take minutes over these."""

    @pytest.mark.parametrize("name", HARD)
    def test_promises_hold(self, ours, name):
        text = text_of(HARD[name]())
        hold(text, annotate(ours, text))

    def test_what_stands_far_into_a_text_is_found_there(self, ours):
        text = text_of(HARD["ten million characters"]())
        made = annotate(ours, text)
        assert len(text.text) > 10_000_000 - 20_000
        assert made.tokens.end[-1] == len(text.text.rstrip())
        dates = [
            text.text[a:b] for a, b, label, _ in made.labelled(made.mentions) if label == "DATE"
        ]
        assert dates.count("3 March 2021") == 500

    @SOME
    @given(text=st.text(st.characters(), max_size=400), times=st.sampled_from([1, 30]))
    def test_on_any_characters(self, ours, text, times):
        """Of all of Unicode, halves of surrogate pairs among them; repeated, to make it long."""
        long = text_of((text + " ") * times)
        hold(long, annotate(ours, long))

    @SOME
    @given(texts=st.lists(BLOCKS, min_size=2, max_size=4))
    def test_a_batch_is_one_by_one(self, ours, texts):
        together = [made.dump() for made in ours.annotate(texts)]
        assert together == [annotate(ours, text).dump() for text in texts]


class TestKnownNames:
    @pytest.fixture
    def engine(self, spec, tmp_path):
        """With weights that see no names: a longer name of the model's may win over a known one in it."""
        if spec in SPECS:
            return opened(spec)
        return open_engine(f"native:{random_models.write(tmp_path, no_name=60.0)}")

    def test_they_are_found_and_named_in_the_component(self, engine):
        known = Gazetteer([("Kestrel Marine", "PRODUCT"), ("maya okafor", "PERSON")])
        text = TEXTS["story"]
        made = annotate(engine, text, gazetteer=known)
        found = {(text.text[a:b], label) for a, b, label, _ in made.labelled(made.mentions)}
        assert ("Maya Okafor", "PERSON") in found
        assert made.engine.endswith(f"+{known.component}")
        assert annotate(engine, text).engine == made.engine.removesuffix(f"+{known.component}")

    def test_values_are_found_without_them(self, engine):
        text = TEXTS["story"]
        made = annotate(engine, text)
        found = {(text.text[a:b], label) for a, b, label, _ in made.labelled(made.mentions)}
        assert {("3 March 2021", "DATE"), ("$12.5 million", "MONEY")} <= found
        assert ("Halden Maritime AS", "ORG") in found


@pytest.mark.parametrize("spec", TRAINED)
class TestSyntax:
    """Of engines that know a language."""

    def test_a_plain_sentence_is_read(self, spec):
        text = text_of("The old ship carried two passengers. She sank.")
        made = annotate(opened(spec), text)
        row = {text.text[a:b]: i for i, (a, b) in enumerate(zip(made.tokens.start, made.tokens.end, strict=True))}  # fmt: skip
        strings, tokens = made.strings, made.tokens
        assert strings[tokens.lemma[row["carried"]]] == "carry"
        assert strings[tokens.upos[row["ship"]]] == "NOUN"
        assert "Number=Sing" in strings[tokens.feats[row["ship"]]].split("|")
        assert "Tense=Past" in strings[tokens.feats[row["carried"]]].split("|")
        assert tokens.head[row["ship"]] == row["carried"]
        assert tokens.head[row["carried"]] == row["carried"]
        assert [text.text[a:b] for a, b in made.sentence_spans()] == [
            "The old ship carried two passengers.",
            "She sank.",
        ]

    def test_no_sentence_begins_inside_a_name(self, spec):
        text = text_of("Lease between Harbour Street Fund and Aurora Lines. Rent is due monthly.")
        made = annotate(opened(spec), text)
        assert [text.text[a:b] for a, b in made.sentence_spans()] == [
            "Lease between Harbour Street Fund and Aurora Lines.",
            "Rent is due monthly.",
        ]


class TestOpen:
    def test_every_scheme_is_under_the_contract(self):
        assert {spec.partition(",")[0] for spec in SPECS} == set(SCHEMES)
        assert all(isinstance(open_engine(s), Engine) for s in SCHEMES)

    def test_an_unknown_engine_names_the_known_ones(self):
        with pytest.raises(Misconfigured) as info:
            open_engine("oracle")
        assert info.value.context["known"] == sorted(SCHEMES)

    def test_a_directory_without_a_model_is_a_matter_of_set_up(self, tmp_path):
        with pytest.raises(Misconfigured):
            list(open_engine(f"native:{tmp_path}").annotate([text_of("A ship.")]))

    @pytest.mark.parametrize("package", ["no_such_model", "no.such.model", ".."])
    def test_a_missing_model_is_a_matter_of_set_up(self, package):
        with pytest.raises(Misconfigured):
            open_engine(f"spacy:{package}")


def hold(text, made):
    """Fail unless `made` is what an engine may say of `text`."""
    tokens_lie_in_the_text(text.text, made)
    sentences_are_trees(made)
    sentences_begin_where_they_may(text, made)
    spans_lie_in_the_text(text.text, made)
    nothing_crosses_blocks(text, made)
    assert made.strings[0] == ""
    assert len(set(made.strings)) == len(made.strings)
    assert 0 <= made.language_score <= 1


def tokens_lie_in_the_text(text, made):
    tokens = made.tokens
    n = len(tokens)
    assert {len(getattr(tokens, c)) for c in tokens.__slots__} == {n}
    spans = list(zip(tokens.start.tolist(), tokens.end.tolist(), strict=True))
    at = 0
    for start, end in spans:
        assert at <= start < end <= len(text)
        assert not text[at:start].strip(), "text between tokens is white space"
        assert text[start:end].split() == [text[start:end]]
        at = end
    assert not text[at:].strip()
    for column in (tokens.lemma, tokens.upos, tokens.xpos, tokens.feats, tokens.deprel):
        assert not n or 0 <= column.min() <= column.max() < len(made.strings)
    assert "_" not in {made.strings[code] for code in np.unique(tokens.feats)}


def sentences_are_trees(made):
    tokens = made.tokens
    assert not len(tokens) or tokens.sent_start[0]
    sentences = made.sentences()
    assert sentences.ravel().tolist()[1:-1:2] == sentences.ravel().tolist()[2::2]
    for first, last in sentences.tolist():
        assert first < last
        head = tokens.head[first:last] - first
        assert ((head >= 0) & (head < last - first)).all(), "heads stay in the sentence"
        roots = np.flatnonzero(head == np.arange(last - first))
        if not tokens.deprel[first:last].any():
            assert len(roots) == last - first
            continue
        assert len(roots) == 1
        up = head
        for _ in range(int(last - first).bit_length()):
            up = up[up]
        assert (up == roots[0]).all(), "every token hangs from the root"


def sentences_begin_where_they_may(text, made):
    starts = {u.start for u in units(text)}
    for start, _ in made.sentence_spans().tolist():
        # What can end a sentence is a sign, whatever marks it bears; not a letter or a number.
        if start in starts:
            continue
        categories = (unicodedata.category(text.text[at]) for at in range(start - 1, -1, -1))
        assert next(c for c in categories if c[0] in "LNPS")[0] in "PS"
    covered = {int(s) for s, _ in made.sentence_spans()}
    tokens = {int(s) for s in made.tokens.start}
    assert starts & tokens <= covered, "a sentence begins every unit"


def spans_lie_in_the_text(text, made):
    for spans, labels in ((made.mentions, LABELS), (made.keyphrases, ("KEYPHRASE",))):
        rows = list(made.labelled(spans))
        assert rows == sorted(rows, key=lambda r: (r[0], -r[1]))
        for start, end, label, score in rows:
            assert 0 <= start < end <= len(text)
            assert text[start:end] == text[start:end].strip()
            assert label in labels
            assert 0 < score <= 1
    mentions = list(made.labelled(made.mentions))
    for (_, end, *_), (start, *_) in itertools.pairwise(mentions):
        assert end <= start, "mentions do not overlap"


def nothing_crosses_blocks(text, made):
    starts = np.concatenate([[0], text.block_start])
    spans = [
        *zip(made.tokens.start, made.tokens.end, strict=True),
        *made.sentence_spans(),
        *zip(made.mentions.start, made.mentions.end, strict=True),
        *zip(made.keyphrases.start, made.keyphrases.end, strict=True),
    ]
    for start, end in spans:
        first, last = np.searchsorted(starts, [start, end - 1], side="right")
        assert first == last
