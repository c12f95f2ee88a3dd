"""Ranking sentences: what it promises, whatever the weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from salient.errors import Corrupt, InvalidInput
from salient.services import answering
from salient.services.answering import AnswerType, Candidate
from salient.services.answering.forest import Forest

TEXTS = [
    "The lease began in 2011. Marta Lindqvist signed it for the tenant, and the rent is $4,200 a month.",
    "The roof was repaired twice. Nobody knows who paid the roofers.",
    "Marta Lindqvist was born in Uppsala. She keeps bees.",
]


def candidate(text, n, start=100):
    ends = [i + 1 for i, c in enumerate(text) if c == "." and text[i + 1 : i + 2] in ("", " ")]
    starts = [0, *(e + 1 for e in ends)][: len(ends)]
    spans = np.array([(a + start, b + start) for a, b in zip(starts, ends, strict=True)], np.int32)
    return Candidate(
        document_id=f"d{n}",
        key=f"k{n}",
        text=text,
        start=start,
        sentences=spans.reshape(-1, 2),
        mentions=(),
        bm25=3.0 - n,
        hybrid=1.0 - n / 10,
    )


CANDIDATES = [candidate(t, n) for n, t in enumerate(TEXTS)]


def ask(question, candidates=CANDIDATES, **options):
    return answering.rank(answering.analyse(question), candidates, **options)


def words(ranked, candidates=CANDIDATES):
    c = candidates[ranked.candidate]
    return c.text[ranked.sentence[0] - c.start : ranked.sentence[1] - c.start]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who signed the lease?", AnswerType.PERSON),
        ("When did the lease begin?", AnswerType.DATE),
        ("In what year did the lease begin?", AnswerType.DATE),
        ("How much is the rent?", AnswerType.MONEY),
        ("How many bees does she keep?", AnswerType.NUMBER),
        ("Where was Marta Lindqvist born?", AnswerType.PLACE),
        ("Which bank lent the money?", AnswerType.ORG),
        ("Did the tenant sign?", AnswerType.YESNO),
    ],
)
def test_a_question_tells_what_kind_of_answer_it_wants(question, kind):
    assert kind in answering.analyse(question).types


def test_names_and_quoted_words_are_kept_for_search():
    question = answering.analyse('Did Marta Lindqvist agree to "quiet enjoyment"?')
    assert [n.text for n in question.names] == ["Marta Lindqvist"]
    assert question.phrases == ("quiet enjoyment",)
    assert '"quiet enjoyment"' in answering.search_text(question)


def test_the_sentence_that_answers_comes_first_with_its_short_answer():
    best = ask("Where was Marta Lindqvist born?")[0]
    assert words(best) == "Marta Lindqvist was born in Uppsala."
    start, end = best.answer
    assert CANDIDATES[2].text[start - 100 : end - 100] == "Uppsala"


def test_money_keeps_its_sign():
    best = ask("How much is the rent?")[0]
    start, end = best.answer
    assert CANDIDATES[0].text[start - 100 : end - 100] == "$4,200"


def test_what_the_passages_do_not_speak_of_is_not_found():
    assert not answering.found(ask("How tall is the Eiffel Tower?"))


@pytest.mark.parametrize("question", ["", "?!", "   ", "x" * 2001])
def test_what_is_no_question_is_refused(question):
    with pytest.raises(InvalidInput):
        answering.analyse(question)


def test_nothing_to_read_gives_nothing():
    assert ask("Who?", []) == []
    assert ask("Who?", [candidate("", 0)]) == []


@given(
    st.text(max_size=120).filter(lambda q: any(c.isalnum() for c in q)),
    st.lists(st.text(max_size=200), max_size=4),
)
def test_any_text_is_ranked_within_its_bounds(question, texts):
    candidates = [
        Candidate(
            document_id=str(n), key=str(n), text=t, start=7,
            sentences=np.array([(7, 7 + len(t))], np.int32), mentions=(), bm25=1.0, hybrid=0.5,
        )
        for n, t in enumerate(texts)
    ]  # fmt: skip
    try:
        asked = answering.analyse(question)
    except InvalidInput:
        return
    ranked = answering.rank(asked, candidates)
    assert ranked == answering.rank(asked, candidates)
    assert [r.score for r in ranked] == sorted((r.score for r in ranked), reverse=True)
    for r in ranked:
        a, b = r.sentence
        assert 7 <= a < b <= 7 + len(candidates[r.candidate].text)
        assert 0 <= r.confidence <= 1
        if r.answer:
            assert a <= r.answer[0] < r.answer[1] <= b


def test_a_model_survives_its_file():
    model = answering.load()
    assert answering.Model.read(model.dump()).dump() == model.dump()


@pytest.mark.parametrize("damage", [b"", b"x", None])
def test_damaged_weights_are_named(damage):
    data = answering.load().dump()
    with pytest.raises(Corrupt):
        answering.Model.read(data[: len(data) // 2] if damage is None else damage)


def test_a_forest_adds_up_its_leaves():
    forest = Forest(
        0.5,
        np.array([[0, 1]], np.uint8),
        np.array([[0.0, 2.0]], np.float32),
        np.array([[1.0, 2.0, 4.0, 8.0]], np.float32),
    )
    rows = np.array([[-1, 0], [1, 0], [-1, 3], [1, 3]], np.float32)
    assert forest.score(rows).tolist() == [1.5, 2.5, 4.5, 8.5]
