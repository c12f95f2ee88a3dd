"""Which language a text is in, and that it says so when it cannot tell."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salient.model import Block, Builder, Kind, Part
from salient.nlp.language import UNDETERMINED, identify, identify_text

SAMPLES = {
    "en": "The buyer shall pay the price within thirty days after the delivery of the ship.",
    "de": "Der Käufer zahlt den Preis innerhalb von dreißig Tagen nach der Lieferung des Schiffes.",
    "fr": "L'acheteur paie le prix dans les trente jours qui suivent la livraison du navire.",
    "es": "El comprador pagará el precio dentro de los treinta días siguientes a la entrega.",
    "zh": "买方应在船舶交付后三十天内支付价款，并承担由此产生的费用。",
    "ar": "يدفع المشتري الثمن خلال ثلاثين يوما بعد تسليم السفينة في الميناء.",
    "ru": "Покупатель оплачивает цену в течение тридцати дней после поставки судна.",
    "hi": "खरीदार जहाज की डिलीवरी के तीस दिनों के भीतर कीमत का भुगतान करेगा।",
}


def text_of(*blocks):
    builder = Builder()
    builder.add(Part([Block(k, t) for k, t in blocks]))
    return builder.build()


@pytest.mark.parametrize("code", SAMPLES)
def test_a_sentence_is_enough(code):
    assert identify(SAMPLES[code])[0] == code


def test_capitals_do_not_matter():
    assert identify(SAMPLES["en"].upper())[0] == "en"


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "12.5 % 2021-03-04",
        "a@b.example https://x.example/y",
        "Ship",
        "\ud800\udc00",
        "x" * 500,
    ],
)
def test_what_says_nothing_is_undetermined(text):
    assert identify(text) == (UNDETERMINED, 0.0)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_string_has_an_answer(text):
    code, score = identify(text)
    assert 0 <= score <= 1
    assert code == UNDETERMINED or 2 <= len(code) <= 3
    assert identify(text) == (code, score)


def test_a_foreign_annex_does_not_decide():
    assert identify(SAMPLES["en"] * 200 + SAMPLES["de"] * 40)[0] == "en"


def test_furniture_code_and_mail_headers_do_not_vote():
    text = text_of(
        (Kind.PAGE_HEADER, SAMPLES["de"] * 3),
        (Kind.CODE, SAMPLES["fr"] * 3),
        (Kind.PARAGRAPH, SAMPLES["en"]),
        (Kind.BOILERPLATE, SAMPLES["de"] * 3),
    )
    assert identify_text(text)[0] == "en"


def test_a_text_of_nothing_else_is_read_all_the_same():
    assert identify_text(text_of((Kind.PAGE_HEADER, SAMPLES["de"])))[0] == "de"


def test_many_blocks_are_sampled_from_all_over():
    blocks = [(Kind.PARAGRAPH, SAMPLES["en"])] * 500 + [(Kind.PARAGRAPH, SAMPLES["ru"])] * 100
    assert identify_text(text_of(*blocks))[0] == "en"
