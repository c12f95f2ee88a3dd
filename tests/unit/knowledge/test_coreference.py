"""Who "it", "she" and "the company" are: right where it is clear, nobody where it is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salient.errors import Corrupt
from salient.knowledge import coreference
from salient.knowledge.coreference import Kind, Name, features
from salient.knowledge.coreference.ranker import Ranker, shipped, softmax
from salient.knowledge.mentions import linked
from salient.knowledge.ontology import base
from salient.knowledge.syntax import Tree
from salient.model import Block, Builder, Part
from salient.model import Kind as BlockKind
from salient.nlp import open_engine
from tests.unit.knowledge.trees import annotated


@pytest.fixture(scope="module", params=["native", "spacy"])
def meant(request):
    """(mention, name it stands for, kind) of a text, read by a language engine."""
    engine = open_engine(request.param)

    def meant(passage):
        builder = Builder()
        builder.add(Part([Block(BlockKind.PARAGRAPH, passage)]))
        text = builder.build()
        made = next(iter(engine.annotate([text])))
        found, _, tree = linked(text, made, base())
        solved = coreference.resolve(text.text, made, tree, coreference.names_of(found))
        return said(text.text, solved)

    return meant


def said(text, solved):
    f = solved.found
    kind = {one.mention: one.kind for one in solved.links}
    return [
        (text[f.start[row] : f.end[row]], text[f.start[name] : f.end[name]], kind[row])
        for row, (name, _) in solved.bearers().items()
    ]


@pytest.mark.parametrize(
    ("passage", "mention", "name"),
    [
        ("Acme Corp. grew fast last year. It acquired Beta Ltd in March.", "It", "Acme Corp."),
        ("Ingrid Berg joined Acme Corp. in 2019. She became chief executive in 2021.", "She", "Ingrid Berg"),
        ("Halden Maritime AS builds ferries in Bergen. The company employs 400 people.", "The company", "Halden Maritime AS"),
        ("Ingrid Berg met her brother in Oslo.", "her", "Ingrid Berg"),
        ("Mr. Keller and his wife live in Oslo.", "his", "Keller"),
        ("Ingrid Berg is a lawyer. She lives in Oslo.", "a lawyer", "Ingrid Berg"),
    ],
)  # fmt: skip
def test_what_is_clear_is_linked(meant, passage, mention, name):
    assert (mention, name) in [(a, b) for a, b, _ in meant(passage)]


@pytest.mark.parametrize(
    ("passage", "mention", "never"),
    [
        ("Ingrid Berg praised Acme Corp. It is raining in Oslo.", "It", "Acme Corp."),
        ("It is clear that Acme Corp. will grow.", "It", "Acme Corp."),
        ("Ingrid Berg spoke. He was late.", "He", "Ingrid Berg"),
        ("Ingrid Berg saw her.", "her", "Ingrid Berg"),
        ("Ingrid Berg spoke. It was late.", "It", "Ingrid Berg"),
        ("Acme Corp. sued it.", "it", "Acme Corp."),
        ("Acme Corp. grew. She left in March.", "She", "Acme Corp."),
    ],
)
def test_what_cannot_be_is_not_linked(meant, passage, mention, never):
    assert (mention, never) not in [(a, b) for a, b, _ in meant(passage)]


def test_a_chain_of_pronouns_reaches_the_name(meant):
    found = meant("Ingrid Berg founded Acme Corp. She led it until 2020. Then she sold her shares.")
    assert [a for a, b, _ in found if b == "Ingrid Berg"] == ["She", "she", "her"]


UD = """
Acme Acme PROPN NNP 9 nsubj
, , PUNCT , 4 punct
a a DET DT 4 det
shipyard shipyard NOUN NN 1 appos
which which PRON WDT 6 nsubj
owns own VERB VBZ 4 acl:relcl
docks dock NOUN NNS 6 obj
, , PUNCT , 4 punct
grew grow VERB VBD 0 root
. . PUNCT . 9 punct

It it PRON PRP 2 nsubj
bought buy VERB VBD 0 root
Beta Beta PROPN NNP 2 obj
. . PUNCT . 2 punct
"""


def test_universal_dependencies_are_read_as_well():
    text, made = annotated(UD)
    names = [Name(0, 4, "ORG", 0), Name(text.index("Beta"), text.index("Beta") + 4, "ORG", 1)]
    found = said(text, coreference.resolve(text, made, Tree(made, text), names))
    assert ("a shipyard", "Acme", Kind.APPOSITION) in found
    assert ("which", "Acme", Kind.RELATIVE) in found
    assert ("It", "Acme", Kind.PRONOUN) in found


def test_without_syntax_only_names_are_linked():
    builder = Builder()
    builder.add(Part([Block(BlockKind.PARAGRAPH, "Acme Ltd grew. It bought Beta. Acme Ltd left.")]))
    text = builder.build()
    made = next(iter(open_engine("rules").annotate([text])))
    names = [Name(0, 8, "ORG", 0), Name(text.text.rindex("Acme"), text.text.rindex("Acme") + 8, "ORG", 0)]  # fmt: skip
    solved = coreference.resolve(text.text, made, Tree(made, text.text), names)
    assert [one.kind for one in solved.links] == [Kind.NAME]
    assert len(solved.chains()) == 1


def test_a_text_without_words_has_no_links():
    text = Builder().build()
    made = next(iter(open_engine("rules").annotate([text])))
    solved = coreference.resolve("", made, Tree(made, ""), [])
    assert (solved.links, solved.chain, solved.bearers()) == ((), (), {})


WORDS = [
    ("Acme", "PROPN", "NNP"), ("Ann", "PROPN", "NNP"), ("he", "PRON", "PRP"), ("it", "PRON", "PRP"), ("the", "DET", "DT"),
    ("company", "NOUN", "NN"), ("saw", "VERB", "VBD"), ("who", "PRON", "WP"), ("its", "PRON", "PRP$"), (",", "PUNCT", ","),
]  # fmt: skip
LABELS = ["nsubj", "obj", "obl", "nmod:poss", "acl:relcl", "appos", "det", "conj", "dobj", "pobj", "root"]  # fmt: skip


@st.composite
def passages(draw):
    """Texts of random words with random heads and labels: cycles, several roots, anything."""
    sentences = []
    for _ in range(draw(st.integers(1, 4))):
        n = draw(st.integers(1, 10))
        lines = []
        for _ in range(n):
            word, upos, xpos = draw(st.sampled_from(WORDS))
            head, label = draw(st.integers(0, n)), draw(st.sampled_from(LABELS))
            lines.append(f"{word} {word.lower()} {upos} {xpos} {head} {label}")
        sentences.append("\n".join(lines))
    text, made = annotated("\n\n".join(sentences))
    known = {"Acme": ("ORG", 0), "Ann": ("PERSON", 1)}
    places = zip(made.tokens.start.tolist(), made.tokens.end.tolist(), strict=True)
    names = [Name(a, b, *known[text[a:b]]) for a, b in places if text[a:b] in known]
    return text, made, names


@settings(deadline=None)
@given(passages())
def test_links_point_back_and_a_chain_has_one_bearer_whatever_the_trees(passage):
    text, made, names = passage
    everything = dict.fromkeys(coreference.Shape, 0.2)
    solved = coreference.resolve(text, made, Tree(made, text), names, thresholds=everything)
    assert all(0 <= one.antecedent < one.mention < len(solved.found) for one in solved.links)
    assert all(0 <= one.score <= 1 for one in solved.links)
    mentions = [one.mention for one in solved.links]
    assert len(mentions) == len(set(mentions))
    for rows in solved.chains():
        assert len({int(solved.found.entity[r]) for r in rows} - {-1}) <= 1
    again = coreference.resolve(text, made, Tree(made, text), names, thresholds=everything)
    assert again.links == solved.links


def test_an_anaphor_has_a_bounded_number_of_candidates():
    rows = "\n\n".join("It it PRON PRP 2 nsubj\nsaw see VERB VBD 0 root\nit it PRON PRP 2 obj" for _ in range(3000))  # fmt: skip
    text, made = annotated(rows)
    tree = Tree(made, text)
    solved = coreference.resolve(text, made, tree, [])
    asked = np.arange(len(solved.found))
    counts = [np.diff(p.begins).max() for p in features.pairs(tree, solved.found, asked)]
    assert len(counts) > 1
    assert max(counts) <= features.WINDOW + 9


def test_probabilities_of_an_anaphor_add_up_to_one():
    pair = np.array([1.0, -np.inf, 2.0], np.float32)
    begins = np.array([0, 2, 2, 3])
    share, new = softmax(pair, np.array([0.0, 5.0, 2.0], np.float32), begins)
    assert share[1] == 0
    np.testing.assert_allclose([share[0] + new[0], new[1], share[2] + new[2]], 1, rtol=1e-6)
    assert new[2] == pytest.approx(0.5)


def test_weights_survive_storage_and_others_are_refused():
    ranker = shipped()
    again = Ranker.load(ranker.dump())
    np.testing.assert_array_equal(again.pair, ranker.pair)
    with pytest.raises(Corrupt):
        Ranker.load(Ranker(ranker.pair[:-1], ranker.new).dump())
