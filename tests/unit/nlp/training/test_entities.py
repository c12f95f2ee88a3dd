"""Entity corpora as sets of tags."""

import pytest

from salient.errors import InvalidInput
from salient.nlp.training import conllu, entities
from salient.nlp.training.entities import ANYTHING, BTC, SEC_LOANS, TAGS, UNER, WIKIGOLD


def tags_of(allowed):
    return {tag for tag, there in zip(TAGS, entities.masks([allowed])[0], strict=True) if there}


def read(tmp_path, corpus, text):
    file = tmp_path / "names.conll"
    file.write_text(text, encoding="utf-8")
    return entities.read(file, corpus)


def test_tags_are_o_and_four_a_type():
    assert len(TAGS) == entities.N_TAGS == 73
    assert TAGS[:5] == ("O", "B-PERSON", "I-PERSON", "L-PERSON", "U-PERSON")
    assert tags_of(1 << 72) == {"U-CARDINAL"}


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ("O B-PER I-PER O", [(1, 3, "PER")]),
        ("I-PER I-PER O I-PER", [(0, 2, "PER"), (3, 4, "PER")]),  # IOB1
        ("I-PER B-PER I-PER", [(0, 1, "PER"), (1, 3, "PER")]),
        ("I-PER I-ORG", [(0, 1, "PER"), (1, 2, "ORG")]),
        ("B-PER B-PER", [(0, 1, "PER"), (1, 2, "PER")]),
        ("", []),
    ],
)
def test_both_kinds_of_iob_are_read(tags, spans):
    assert list(entities.bio_spans(tags.split())) == spans


def test_a_coarse_label_allows_the_finer_types_at_its_position():
    one, two, *_ = UNER.allowed(4, [(0, 2, "LOC"), (3, 4, "ORG")])
    assert tags_of(one) == {"B-GPE", "B-LOC", "B-FAC"}
    assert tags_of(two) == {"L-GPE", "L-LOC", "L-FAC"}
    assert tags_of(UNER.allowed(4, [(3, 4, "ORG")])[3]) == {"U-ORG"}


def test_outside_leaves_open_only_what_the_corpus_does_not_mark():
    outside = tags_of(UNER.outside)
    assert {"O", "B-DATE", "U-NORP", "I-LAW"} <= outside
    assert not {"B-PERSON", "U-ORG", "I-GPE", "L-FAC"} & outside
    assert "U-NORP" not in tags_of(entities.CONLL.outside)


def test_sentences_are_documents_of_tweets(tmp_path):
    documents = read(tmp_path, BTC, "Anna\tB-PER\nrests\tO\n\n'\"'\tO\nHalden\tB-LOC\n")
    assert [[s.forms for s in d] for d in documents] == [[("Anna", "rests")], [('"', "Halden")]]
    assert documents[1][0].spans == ((1, 2, "LOC"),)


def test_docstart_parts_the_documents_of_others(tmp_path):
    text = "-DOCSTART- O\n\na O\n\nb I-ORG\n-DOCSTART- O\nc O\n"
    documents = read(tmp_path, WIKIGOLD, text)
    assert [[s.forms for s in d] for d in documents] == [[("a",), ("b",)], [("c",)]]


def test_parties_to_a_contract_are_no_names_and_signs_are_parted(tmp_path):
    text = 'Halden NNP - I-ORG\nBank NNP - I-ORG\n(" NNP - O\nBank NNP - I-ORG\n"), , - O\n'
    ((sentence,),) = read(tmp_path, SEC_LOANS, text)
    assert sentence.forms == ("Halden", "Bank", "(", '"', "Bank", '"', ")", ",")
    assert sentence.spans == ((0, 2, "ORG"),)
    assert sentence.allowed[4] == ANYTHING


def test_a_label_of_another_scheme_is_refused(tmp_path):
    with pytest.raises(InvalidInput):
        read(tmp_path, BTC, "Anna\tB-person\n")


GUM = """\
# sent_id = g1
1	President	President	PROPN	NNP	_	3	nmod:desc	_	Entity=(1-person-new-n-c-1-sgl-X
2	Anna	Anna	PROPN	NNP	_	3	compound	_	_
3	Moor	Moor	PROPN	NNP	_	4	nsubj	_	Entity=1)
4	left	leave	VERB	VBD	_	0	root	_	_
5	the	the	DET	DT	_	6	det	_	Entity=(2-organization-new-n-c-1-sgl-University_of_Halden
6	University	University	PROPN	NNP	_	4	obj	_	_
7	of	of	ADP	IN	_	8	case	_	_
8	Halden	Halden	PROPN	NNP	_	6	nmod	_	Entity=(3-place-new-n-c-1-sgl-Halden)2)
9	with	with	ADP	IN	_	11	case	_	_
10	her	her	PRON	PRP$	_	11	nmod:poss	_	Entity=(4-person-new-n-c-2-sgl(1-person-giv-n-c-1-sgl)
11	sister	sister	NOUN	NN	_	4	obl	_	Entity=4)
12	in	in	ADP	IN	_	13	case	_	_
13	May	May	PROPN	NNP	_	4	obl	_	Entity=(5-time-new-n-c-1-sgl)
""".replace("\t_\tEntity", "\t_\tEntity")


@pytest.fixture
def gum(tmp_path):
    rows = [line.split("\t") for line in GUM.splitlines()]
    lines = ["\t".join([*row[:8], "_", row[-1]]) if len(row) > 1 else row[0] for row in rows]
    file = tmp_path / "gum.conllu"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return conllu.read(file)[0].sentences[0]


def test_gum_mentions_nest(gum):
    mentions = entities.gum_mentions(gum)
    assert (4, 8, "organization") in mentions
    assert (7, 8, "place") in mentions
    assert (9, 11, "person") in mentions
    assert (9, 10, "person") in mentions


def test_gum_names_are_mentions_without_titles_articles_and_common_nouns(gum):
    allowed, names = entities.gum_allowed(gum)
    assert names == [(1, 3, "person"), (5, 8, "organization"), (12, 13, "time")]
    assert allowed[0] == ANYTHING
    assert tags_of(allowed[12]) == {"U-DATE", "U-TIME"}
    assert "O" in tags_of(allowed[10])
    assert "U-PERSON" not in tags_of(allowed[10])


def test_spaces_are_guessed_around_signs():
    guessed = entities.spaces(["Say", '"', "(", "no", ")", ",", "it", "'s", "$", "5", "."])
    assert guessed == [False, True, True, False, False, False, True, False, True, False, False]
