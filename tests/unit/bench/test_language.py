"""The bench of language engines: gold as the model's training parts it, what engines say, and sums over folds."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import numpy as np
import pytest
import spacy
from spacy.tokens import Doc

from salient.nlp.rules_engine import RulesEngine
from salient.nlp.training import conllu, data, entities
from tests.unit.nlp.training.made_up import data_folder, names, treebank

BENCH = Path(__file__).resolve().parents[3] / "bench"
FOLD = (3, 4)


@pytest.fixture(scope="module")
def bench():
    path, modules = list(sys.path), set(sys.modules)
    sys.path.insert(0, str(BENCH))
    yield SimpleNamespace(
        gold=importlib.import_module("language_gold"), run=importlib.import_module("language"),
        peer=importlib.import_module("peers.spacy_retrained"),
    )  # fmt: skip
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.partition(".")[0] in ("language", "language_gold", "peers", "chart"):
            del sys.modules[name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return data_folder(tmp_path_factory.mktemp("data"))


@pytest.fixture
def document(tmp_path, bench):
    file = tmp_path / "x.conllu"
    file.write_text(treebank(1))
    return bench.gold.treebank(conllu.read(file)[0], names(1))


def perfect(bench, gold):
    """What an engine that knows all would say."""
    read, at = bench.gold.Read(names=gold.names), 0
    for s in gold.sentences:
        read.first.append(at)
        read.spans += s.spans
        read.head += [at + (h - 1 if h else n) for n, h in enumerate(s.syntax.heads)]
        for own, name in (
            ("lemma", "lemmas"),
            ("upos", "upos"),
            ("xpos", "xpos"),
            ("relation", "relations"),
        ):
            getattr(read, own).extend(getattr(s.syntax, name))
        read.feats += ["" if f == "_" else f for f in s.syntax.feats]
        at += len(s.spans)
    return read


class TestGold:
    def test_parts_are_those_that_our_model_is_trained_on(self, bench, folder):
        ours, theirs = data.load(folder, fold=FOLD), bench.gold.parts(folder, FOLD)

        def n_words(documents):
            return sum(len(s.forms) for d in documents for s in d.sentences)

        assert sum(n_words(d) for d in theirs["train"].values()) == ours.train.n_words
        for part, columns in (("tune", ours.tune), ("shown", ours.shown)):
            wanted = {source: c.n_words for source, c in columns.items() if c.n_words}
            assert {source: n_words(d) for source, d in theirs[part].items()} == wanted

    @pytest.mark.parametrize("name", ["UNER", "CONLL", "WNUT", "RE3D", "GUM"])
    def test_labels_mean_what_they_mean_in_training(self, bench, name):
        scheme = getattr(entities, name)
        for label, types in scheme.types.items():
            (known,) = data._known(1, [(0, 1, label)], scheme)
            wanted = bench.gold.KINDS[(known - 1) // 2] if known else None
            assert bench.gold.coarse(types) == wanted

    def test_who_says_all_that_is_right_scores_a_hundred(self, bench, document):
        said = perfect(bench, document).parsed(document.text.text)
        assert set(bench.gold.parsing([document], iter([said])).values()) == {100.0}
        assert bench.gold.naming([document], [document.names])["f1"] == 100.0

    def test_without_trees_there_are_no_scores_of_them(self, bench, document):
        said = perfect(bench, document).parsed(document.text.text, trees=False)
        made = bench.gold.parsing([document], iter([said]))
        assert set(made) == {"Tokens", "Sentences", "Words", "UPOS", "XPOS", "UFeats", "Lemmas"}

    def test_an_engine_is_read_by_what_it_annotates(self, bench, document):
        (made,) = RulesEngine().annotate([document.text])
        said = bench.gold.Read.of(made).parsed(document.text.text)
        found = bench.gold.parsing([document], iter([said]))
        assert 0 < found["Tokens"] < 100  # "don't" is one of its tokens
        assert found["UPOS"] < found["Words"]

    def test_what_nobody_knows_does_not_count(self, bench, document):
        known = document.names
        first = document.sentences[0]
        open_ = dataclasses.replace(first, names=(), unknown=frozenset(range(4)))
        gold = dataclasses.replace(document, sentences=[open_, *document.sentences[1:]])
        assert bench.gold.naming([gold], [known])["f1"] == 100.0
        assert bench.gold.naming([gold], [known])["counts"] == [2, 2, 2]
        unlayered = dataclasses.replace(open_, unknown=frozenset(), named=False)
        gold = dataclasses.replace(document, sentences=[unlayered, *document.sentences[1:]])
        assert bench.gold.naming([gold], [known])["counts"] == [2, 2, 2]

    def test_words_that_do_not_spell_their_token_share_it(self, bench):
        same = SimpleNamespace(spans=[(0, 3), (4, 7), (4, 7), (8, 9), (9, 10)])
        assert bench.gold.multiword(same, "ich zum ab") == [(1, 3, "zum")]


class TestPeer:
    def test_it_gets_what_is_known_and_what_is_not(self, bench, document):
        open_ = dataclasses.replace(document.sentences[1], names=(), unknown=frozenset([0]))
        group = [document.sentences[0], open_]
        doc = bench.peer.doc_of(document, group, spacy.blank("en").vocab, annotated=True)
        assert [t.text for t in doc] == "Anna sees Halden . Cats sleep .".split()
        assert [t.text for t in doc if t.dep_ == "ROOT"] == ["sees", "sleep"]
        assert [(t.head.text, t.pos_, str(t.morph)) for t in doc][2] == (
            "sees",
            "PROPN",
            "Number=Sing",
        )
        assert [(e.text, e.label_) for e in doc.ents] == [("Anna", "PER"), ("Halden", "LOC")]
        assert [t.ent_iob_ for t in doc] == ["B", "O", "B", "O", "", "O", "O"]
        assert doc.text == "Anna sees Halden. Cats sleep. "

    def test_gold_words_come_with_their_sentences_only(self, bench, document):
        vocab = spacy.blank("en").vocab
        doc = bench.peer.doc_of(document, document.sentences[:2], vocab, annotated=False)
        assert [t.text for t in doc if t.is_sent_start] == ["Anna", "Cats"]
        assert not any(t.tag_ or t.dep_ for t in doc)

    def test_groups_are_short_and_of_one_paragraph(self, bench, document):
        sentences = document.sentences * 3
        groups = list(bench.peer.groups(sentences, 2))
        assert [s for group in groups for s in group] == sentences
        assert max(map(len, groups)) == 2
        assert not any(s.paragraph for group in groups for s in group[1:])

    def test_tokens_of_white_space_are_left_out(self, bench):
        words, heads = ["She", "\n", "sank", "."], [2, 0, 2, 2]
        doc = Doc(
            spacy.blank("en").vocab, words=words, spaces=[False, False, False, False], heads=heads,
            deps=["nsubj", "dep", "ROOT", "punct"], sent_starts=None,
        )  # fmt: skip
        read = bench.gold.Read()
        bench.run.add(read, doc, 10)
        assert read.spans == [(10, 13), (14, 18), (18, 19)]
        assert read.head == [1, 1, 1]
        assert read.relation == ["nsubj", "root", "punct"]
        assert read.first == [0]


def test_the_two_ways_of_our_model_are_compared_where_sentences_are_the_same(bench, document):
    read = perfect(bench, document)
    upos = sorted({u for s in document.sentences for u in s.syntax.upos})
    label = {
        "upos": np.array([upos.index(u) for s in document.sentences for u in s.syntax.upos]),
        "head": np.array([h for s in document.sentences for h in s.syntax.heads]),
    }
    label["head"][0] = 3  # one of the first sentence's four
    said = SimpleNamespace(label=label)
    read.first.remove(4)  # the second sentence, which the engine lets run on from the first
    made = bench.run.agreement([document], iter([read]), None, said, upos)
    n = sum(len(s.forms) for s in document.sentences)
    assert made == {"words": n - 7, "upos": 100.0, "heads": 100.0}
    read.first.insert(1, 4)
    made = bench.run.agreement([document], iter([read]), None, said, upos)
    assert made["words"] == n
    assert made["heads"] == round(100 * (n - 1) / n, 2)


def line(fold, counts):
    quality = {"wikigold/names": {"f1": 0.0, "counts": counts}, "ewt/names": {"counts": [1, 1, 1]}}
    return {"fold": fold, "engines": {"salient": {"quality": quality}}}


def test_folds_are_pooled_when_all_are_there(bench):
    lines = [line([0, 2], [9, 9, 9]), line([1, 2], [5, 10, 10]), line([0, 2], [5, 5, 10])]
    assert bench.run.pooled(lines) == {"wikigold": {"salient": round(100 * 20 / 35, 2)}}
    assert bench.run.pooled(lines[:1]) == {}
    assert bench.run.pooled([]) == {}


ROWS = {
    "salient": {"speed": {"news_words_per_cpu_s": 100, "us_per_word_by_length": {"10": 1.0, "100": 2.0}}},
    "peer": {"speed": {"news_words_per_cpu_s": 40, "us_per_word_by_length": {"10": 3.0, "100": 3.0}}},
}  # fmt: skip


def test_speeds_stand_beside_each_other_with_their_ratio(bench):
    assert bench.run.ratios(ROWS) == {"news / peer": 2.5}
    assert "speed news_words_per_cpu_s | 100 | 40 | 2.5x" in list(bench.run.table(ROWS))


def test_the_picture_is_a_picture(bench):
    drawn = ElementTree.fromstring(bench.run.picture(ROWS))
    assert "salient" in "".join(drawn.itertext())
