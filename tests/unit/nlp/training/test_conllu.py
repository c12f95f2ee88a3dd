"""CoNLL-U as it is written, with its oddities."""

import lzma

import pytest

from salient.errors import InvalidInput
from salient.nlp.training import conllu
from tests.unit.nlp.training.made_up import treebank


def rows(*lines):
    """Lines of which only number, form, head and the last column are given."""
    out = []
    for line in lines:
        if line.startswith("#") or not line:
            out.append(line)
            continue
        number, form, head, misc = line.split()
        out.append("\t".join([number, form, form.lower(), "X", "X", "_", head, "dep", "_", misc]))
    return "\n".join(out) + "\n"


def read(tmp_path, text):
    file = tmp_path / "a.conllu"
    file.write_text(text, encoding="utf-8")
    return conllu.read(file)


def test_documents_are_parted_by_newdoc(tmp_path):
    documents = read(tmp_path, treebank(copies=3))
    assert [d.name for d in documents] == ["d0", "d1", "d2"]
    assert [len(d.sentences) for d in documents] == [5, 5, 5]
    assert documents[0].sentences[1].name == "d0-1"


def test_text_is_the_tokens_with_the_spaces_that_stand_after_them(tmp_path):
    (document,) = read(tmp_path, treebank())
    assert document.text.startswith("Anna sees Halden. Cats sleep. Anna walked home.")
    assert document.text.endswith("We don't know her!")


def test_every_span_holds_its_word_and_words_share_out_their_token(tmp_path):
    (document,) = read(tmp_path, treebank())
    for sentence in document.sentences:
        for form, (start, end) in zip(sentence.forms, sentence.spans, strict=True):
            assert document.text[start:end] == form


def test_words_that_do_not_spell_their_token_have_all_of_it(tmp_path):
    text = rows("1-2 vámonos _ _", "1 vamos 0 _", "2 nos 1 _", "3 ya 1 _")
    (document,) = read(tmp_path, text)
    assert document.text == "vámonos ya"
    assert document.sentences[0].spans == ((0, 7), (0, 7), (8, 10))


def test_empty_nodes_are_left_out(tmp_path):
    (document,) = read(tmp_path, rows("1 a 0 _", "1.1 b _ _", "2 c 1 _"))
    assert document.sentences[0].forms == ("a", "c")
    assert document.text == "a c"


def test_paragraphs_are_parted_by_an_empty_line(tmp_path):
    text = rows("1 a 0 _", "", "# newpar", "1 b 0 SpaceAfter=No", "", "1 c 0 _")
    (document,) = read(tmp_path, text)
    assert document.text == "a\n\nbc"
    assert [s.paragraph for s in document.sentences] == [True, True, False]
    assert [s.spans[0] for s in document.sentences] == [(0, 1), (3, 4), (4, 5)]


def test_xz_is_read_as_plain_text_is(tmp_path):
    file = tmp_path / "a.conllu.xz"
    file.write_bytes(lzma.compress(treebank().encode()))
    assert conllu.read(file) == read(tmp_path, treebank())


@pytest.mark.parametrize("text", ["1\ta\tb\n", rows("1 a x _")])
def test_what_is_no_conllu_is_refused(tmp_path, text):
    with pytest.raises(InvalidInput):
        read(tmp_path, text)
