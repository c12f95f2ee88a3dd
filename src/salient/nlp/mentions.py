"""Clean what a model calls entities, and put it together with values and known names."""

from __future__ import annotations

from salient.model import Strings, Tokens
from salient.nlp.gazetteer import Gazetteer
from salient.nlp.units import Unit

RULES_VERSION = "1"
Row = tuple[int, int, str, float]


def component_with(component: str, gazetteer: Gazetteer | None) -> str:
    return f"{component}+{gazetteer.component}" if gazetteer else component


def refine(text, found, tokens, strings, cut):
    return [(a, b, l, 0.8) for a, b, l in found]


def combine(named, values, known):
    return [*named]
