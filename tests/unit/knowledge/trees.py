"""Texts with trees written down by hand, for tests of what reads trees."""

import numpy as np

from salient.knowledge.syntax import Tree
from salient.model import Strings, Tokens
from salient.nlp.assembly import assembled


def annotated(rows, mentions=()):
    """A text and its annotations from lines of "word lemma UPOS XPOS head deprel", heads 1-based.

    A blank line ends a sentence. `mentions` are (surface, label), found where they first stand.
    """
    words, first, at = [], [], 0
    for sentence in rows.strip().split("\n\n"):
        lines = [line.split() for line in sentence.strip().splitlines()]
        first.append(len(words))
        for word, lemma, upos, xpos, head, deprel in lines:
            row = len(words)
            above = row if head == "0" else first[-1] + int(head) - 1
            words.append((word, lemma, upos, xpos, above, deprel))
    strings, start, end = Strings(), [], []
    for word, *_ in words:
        start.append(at)
        end.append(at + len(word))
        at += len(word) + 1
    text = " ".join(w[0] for w in words)
    column = {
        name: strings.codes([w[i] for w in words])
        for name, i in (("lemma", 1), ("upos", 2), ("xpos", 3), ("deprel", 5))
    }
    begins = np.zeros(len(words), np.bool_)
    begins[first] = True
    tokens = Tokens(
        start=np.array(start, np.int32), end=np.array(end, np.int32),
        feats=np.zeros(len(words), np.int32), head=np.array([w[4] for w in words], np.int32),
        sent_start=begins, **column,
    )  # fmt: skip
    spans = [(text.index(s), text.index(s) + len(s), label, 0.9) for s, label in mentions]
    return text, assembled("hand@1", ("en", 1.0), strings, tokens, spans, [])


def tree_of(rows):
    """The tree of such lines."""
    text, annotations = annotated(rows)
    return Tree(annotations, text)
