"""Anybody's treebanks and files of names."""

import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.errors import InvalidInput, NotFound
from salient.nlp.training import entities, files
from salient.nlp.training.entities import ANYTHING, BEGIN, OUTSIDE, tags
from salient.nlp.training.files import Files, corpus_of
from tests.unit.nlp.training.made_up import names, treebank

# "Ich gehe zum Markt." Of "zum" the text shows one word.
GERMAN = """# sent_id = g{0}
1	Ich	ich	PRON	_	Person=1	2	nsubj	_	_
2	gehe	gehen	VERB	_	Tense=Pres	0	root	_	_
3-4	zum	_	_	_	_	_	_	_	_
3	zu	zu	ADP	_	_	5	case	_	_
4	dem	der	DET	_	Case=Dat	5	det	_	_
5	Markt	Markt	NOUN	_	Case=Dat	2	obl	_	SpaceAfter=No
6	.	.	PUNCT	_	_	2	punct	_	_

"""


def german(copies):
    return "".join(GERMAN.format(at) for at in range(copies))


def put(folder, name, text):
    path = folder / name
    path.write_bytes(lzma.compress(text.encode()) if name.endswith(".xz") else text.encode())
    return path


def load(folder, **more):
    return files.load(Files.of(folder, **more))


class TestFiles:
    def test_parts_are_words_of_the_names_and_test_parts_are_left_out(self, tmp_path):
        for name in ("de_x-ud-train.conllu", "de_x-ud-dev.conllu.xz", "de_x-ud-test.conllu", "latest.conllu",
                     "n-train.bio", "n_dev.iob2", "README.md"):  # fmt: skip
            put(tmp_path, name, german(1))
        found = Files.of(tmp_path)
        shown = {part: [p.name for p in paths] for part, paths in found.treebanks.items()}
        assert shown == {
            "train": ["de_x-ud-train.conllu", "latest.conllu"],
            "dev": ["de_x-ud-dev.conllu.xz"],
        }
        assert [p.name for p in found.names["train"] + found.names["dev"]] == ["n-train.bio", "n_dev.iob2"]  # fmt: skip
        assert [p.name for p in found.left_out] == ["de_x-ud-test.conllu"]

    def test_files_can_be_named_without_a_folder(self, tmp_path):
        one = put(tmp_path, "trees.conllu", german(1))
        assert Files.of(None, treebanks=[one, one]).treebanks["train"] == [one]

    def test_what_is_not_there_is_said(self, tmp_path):
        with pytest.raises(NotFound):
            Files.of(tmp_path)
        with pytest.raises(NotFound):
            Files.of(None, treebanks=[tmp_path / "no.conllu"])

    def test_the_digest_is_of_the_contents(self, tmp_path):
        put(tmp_path, "a.conllu", german(2))
        before = Files.of(tmp_path).digest()
        assert Files.of(tmp_path).digest() == before
        put(tmp_path, "a.conllu", german(3))
        assert Files.of(tmp_path).digest() != before


class TestTreebanks:
    def test_one_without_documents_is_cut_into_some_and_some_are_kept_for_choosing(self, tmp_path):
        put(tmp_path, "de-train.conllu", german(900))
        gold = load(tmp_path)
        assert len(gold.train.documents) - 1 == 43
        assert len(gold.tune["treebank"].documents) - 1 == 2
        assert gold.shown == {}

    def test_a_token_that_its_words_do_not_spell_is_one_word(self, tmp_path):
        put(tmp_path, "de-train.conllu", german(400))
        tune = load(tmp_path).tune["treebank"]
        assert tune.forms[:5] == ["Ich", "gehe", "zum", "Markt", "."]
        assert tune.label["head"][:5].tolist() == [2, 0, 4, 2, 2]
        assert tune.space[:5].tolist() == [True, True, True, True, False]
        assert tune.lemmas[2] == "zu"

    def test_too_little_is_said(self, tmp_path):
        put(tmp_path, "de-train.conllu", german(30))
        with pytest.raises(InvalidInput) as info:
            load(tmp_path)
        assert info.value.context["sentences"] == 30

    @pytest.mark.parametrize(
        ("row", "change"),
        [("2\tgehe", "5"), ("2\tgehe", "9"), ("5\tMarkt", "0"), ("5\tMarkt", "3")],
    )
    def test_heads_that_are_no_tree_are_refused(self, tmp_path, row, change):
        lines = GERMAN.format(0).split("\n")
        at = next(n for n, line in enumerate(lines) if line.startswith(row))
        columns = lines[at].split("\t")
        lines[at] = "\t".join([*columns[:6], change, *columns[7:]])
        put(tmp_path, "de-train.conllu", "\n".join(lines))
        with pytest.raises(InvalidInput) as info:
            load(tmp_path)
        assert info.value.context == {"sentence": "g0"}

    @given(st.binary(max_size=200))
    def test_what_is_no_treebank_is_refused(self, tmp_path_factory, raw):
        folder = tmp_path_factory.mktemp("raw")
        for name in ("a.conllu", "b.conllu.xz"):
            (folder / name).write_bytes(raw)
            with pytest.raises(InvalidInput):
                files.load(Files.of(None, treebanks=[folder / name]))

    @given(st.data())
    def test_any_tree_with_any_tokens_of_several_words_stays_a_tree(self, data):
        n = data.draw(st.integers(1, 8))
        order = data.draw(st.permutations(range(1, n + 1)))
        heads = {order[0]: 0}
        for at in range(1, n):
            heads[order[at]] = data.draw(st.sampled_from(order[:at]))
        group = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
        spans, at = [], 0
        for number in range(n):
            at += 0 if number and group[number] == 0 else 5
            spans.append((at, at + 4))
        words = tuple("w" * n)
        sentence = files.Sentence(
            "s", words, words, words, words, words, tuple(heads[k] for k in range(1, n + 1)), words, words,
            tuple(spans), paragraph=True,
        )  # fmt: skip
        made = files._surface(sentence, "word " * (n + 2))
        assert len(made.forms) == len(set(spans))
        assert len(files._depths(made)) == len(made.forms)


class TestNames:
    def test_a_file_with_the_treebanks_sentences_is_its_layer(self, tmp_path):
        put(tmp_path, "en-train.conllu", treebank(40))
        out = []
        for name, tagged in names(40).items():
            labels = ["O"] * len(tagged.forms)
            for start, end, label in tagged.spans:
                labels[start:end] = [f"B-{label}", *[f"I-{label}"] * (end - start - 1)]
            rows = enumerate(zip(tagged.forms, labels, strict=True), 1)
            out += [
                f"# sent_id = {name}",
                *(f"{at}\t{f}\t{tag}\t-\t-" for at, (f, tag) in rows),
                "",
            ]
        put(tmp_path, "en-train.iob2", "\n".join(out))
        gold = load(tmp_path)
        assert set(gold.tune) == {"treebank"}
        tune = gold.tune["treebank"]
        assert tune.known[0] == 1  # Anna
        assert len(tune.sets) > 3

    def test_any_other_file_is_a_corpus_of_its_own(self, tmp_path):
        put(tmp_path, "en-train.conllu", treebank(40))
        put(tmp_path, "news-train.bio", "Anna B-PERSON\nrests O\n\n" * 40)
        put(tmp_path, "news-dev.bio", "Anna B-PERSON\n\n" * 3)
        gold = load(tmp_path)
        assert gold.tune["names"].n_words == 4
        assert gold.shown["names"].forms == ["Anna"] * 3
        assert "names" not in set(gold.tune) - {"treebank", "names"}

    def test_what_no_label_means_is_left_open(self, tmp_path):
        corpus = corpus_of(put(tmp_path, "a.bio", "Anna B-PER\nrests O\n"))
        assert corpus.scheme.unseen == frozenset(entities.TYPES) - {"PERSON"}
        assert corpus.scheme.outside & tags(frozenset({"ORG"}), BEGIN)
        assert corpus.scheme.outside & OUTSIDE
        assert corpus.scheme.outside != ANYTHING

    @pytest.mark.parametrize(
        ("others", "meant"), [("B-ORG", {"GPE", "LOC", "FAC"}), ("B-GPE", {"LOC"})]
    )
    def test_a_location_is_any_place_where_no_other_kind_is(self, tmp_path, others, meant):
        corpus = corpus_of(put(tmp_path, "a.bio", f"Oslo I-LOC\nX {others}\n"))
        assert corpus.scheme.types["LOC"] == meant

    @pytest.mark.parametrize("text", ["", "a\nb\n", "a X-PER\n", "Anna B-WIZARD\n", "a NN\n"])
    def test_what_is_no_file_of_names_is_refused(self, tmp_path, text):
        with pytest.raises(InvalidInput):
            corpus_of(put(tmp_path, "a.bio", text))
