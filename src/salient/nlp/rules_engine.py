"""The engine without a model: tokens, sentences, values and known names, in any language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import ClassVar, final

import numpy as np

from salient.kernels import token_spans
from salient.kernels.segments import DIGIT, SYMBOL
from salient.model import Annotations, Strings, Text
from salient.nlp import Engine, grammar, keyphrases, mentions
from salient.nlp.assembly import Rows, assembled, join, plain_rows
from salient.nlp.gazetteer import Gazetteer
from salient.nlp.language import identify_text
from salient.nlp.sentences import sentence_starts
from salient.nlp.units import Unit, units


def rule_rows(text: str, unit: Unit, strings: Strings) -> Rows:
    """Tokens and sentences of one unit. UPOS is NUM or PUNCT where the form alone says so."""
    found = token_spans(text[unit.start : unit.end])
    found[:, :2] += unit.start
    codes = np.zeros(6, np.int32)
    codes[DIGIT], codes[SYMBOL] = strings.code("NUM"), strings.code("PUNCT")
    starts = sentence_starts(text, found)
    return plain_rows(
        np.ascontiguousarray(found[:, 0]),
        np.ascontiguousarray(found[:, 1]),
        codes[found[:, 2]],
        starts,
    )


@final
class RulesEngine(Engine):
    """See `Engine`. Names are found by their legal form ("... GmbH") and in the gazetteer only."""

    name: ClassVar[str] = "salient.rules.v1"

    @property
    def version(self) -> str:
        return mentions.RULES_VERSION

    @property
    def languages(self) -> frozenset[str]:
        return frozenset()

    def annotate(
        self, texts: Iterable[Text], *, gazetteer: Gazetteer | None = None
    ) -> Iterator[Annotations]:
        for text in texts:
            language, score = identify_text(text)
            yield self.annotate_as(text, language, score, gazetteer)

    def annotate_as(
        self, text: Text, language: str, score: float, gazetteer: Gazetteer | None
    ) -> Annotations:
        """Annotate a text whose language is known already."""
        strings = Strings()
        cut = list(units(text))
        tokens = join([rule_rows(text.text, unit, strings) for unit in cut])
        values = grammar.find(text.text, cut)
        named = gazetteer.find(text.text, cut) if gazetteer else []
        found = mentions.combine([], values, named)
        phrases = keyphrases.without_syntax(text.text, tokens, cut)
        engine = mentions.component_with(self.component, gazetteer)
        return assembled(engine, (language, score), strings, tokens, found, phrases)


def open_scheme(rest: str) -> RulesEngine:
    return RulesEngine()
