"""Companies that their legal form gives away, and what the shipped model makes of sentences with them."""

import pytest

from salient.model import Block, Builder, Kind, Part
from salient.nlp import open_engine


@pytest.fixture(scope="module")
def read():
    engine = open_engine("native")

    def read(passage):
        builder = Builder()
        builder.add(Part([Block(Kind.PARAGRAPH, passage)]))
        text = builder.build()
        return text.text, next(iter(engine.annotate([text])))

    return read


def words(text, made):
    tokens = made.tokens
    forms = [text[a:b] for a, b in zip(tokens.start, tokens.end, strict=True)]
    heads = [forms[head] for head in tokens.head]
    relations = [made.strings[code] for code in tokens.deprel]
    return {form: (head, name) for form, head, name in zip(forms, heads, relations, strict=True)}


def sentences(text, made):
    tokens = made.tokens
    return [text[tokens.start[a] : tokens.end[b - 1]] for a, b in made.sentences()]


def names(text, made):
    return [text[a:b] for a, b, label, _ in made.labelled(made.mentions) if label == "ORG"]


@pytest.mark.parametrize("company", ["Halden Maritime AS", "Kestrel Shipping AS", "Acme Ltd."])
def test_what_depends_on_a_company_is_read_by_its_form(read, company):
    text, made = read(f"{company} builds ferries in Bergen.")
    form = company.rpartition(" ")[2]
    assert words(text, made)[form] == ("builds", "nsubj")
    assert names(text, made) == [company]
    lemmas = [made.strings[code] for code in made.tokens.lemma]
    assert "Co" not in lemmas


def test_the_word_as_stays_one(read):
    text, made = read("He worked AS a guard, as his father did.")
    assert words(text, made)["as"][1] == "mark"
    assert names(text, made) == []


@pytest.mark.parametrize("opener", ["It", "She", "They"])
def test_a_pronoun_behind_a_stopped_form_begins_a_sentence(read, opener):
    text, made = read(f"Ingrid Berg praised Acme Corp. {opener} did not sleep.")
    assert sentences(text, made) == [
        "Ingrid Berg praised Acme Corp.",
        f"{opener} did not sleep.",
    ]


def test_a_sentence_s_stop_is_no_part_of_a_form_without_one(read):
    text, made = read("Volta Cell GmbH was bought by Halden Maritime AS. It was in March.")
    assert names(text, made) == ["Volta Cell GmbH", "Halden Maritime AS"]
    text, made = read("In March it supplied Volta Cell GmbH.")
    assert names(text, made) == ["Volta Cell GmbH"]
