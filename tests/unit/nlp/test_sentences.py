"""Where sentences start, without a model."""

import pytest

from salient.kernels import token_spans
from salient.nlp.sentences import sentence_starts


def sentences(text):
    tokens = token_spans(text)
    first = [int(tokens[i, 0]) for i, start in enumerate(sentence_starts(text, tokens)) if start]
    return [text[a:b].strip() for a, b in zip(first, [*first[1:], len(text)], strict=True)]


@pytest.mark.parametrize(
    "parts",
    [
        ["The ship sank.", "It was old.", "Was it?", "Yes!"],
        ["Mr. Okafor met J. R. Hess at 5 p.m. in the bay.", "No. 5 won."],
        ["He paid $3.5 million.", "Then he left."],
        ["“Stop.”", "She left (at last).", "[The end.]", "So."],
        ["the ship sank. it was old."],
        ["公司签署合同。", "价格五百！", "同意了吗？", "是的。"],
        ["قبل الشركة؟", "نعم."],
        ["अनुबंध है।", "ठीक है॥", "हाँ।"],
        ["Die Werft hat z.B. fünf Schiffe usw. gekauft.", "Gut."],
        ["Wait...", "What?!", "Oh."],
        ["See e.g. Section 3.2.1 of it."],
        ["One"],
    ],
)
def test_sentences_are_cut_where_they_end(parts):
    gap = "" if parts[0].endswith("。") else " "
    assert sentences(gap.join(parts)) == parts


def test_no_tokens_are_no_sentences():
    assert not len(sentence_starts("", token_spans("")))
