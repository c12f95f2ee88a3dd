"""Search by patterns over tokens and dependency trees: `ORG <nsubj- acquire -obj-> ORG`.

`parse` reads a pattern, a `Matcher` finds it in a `Block` of documents. `docs/how/grammar-search.md`
describes the language.
"""

from salient.knowledge.grammar_search.language import Chain
from salient.knowledge.grammar_search.matcher import Matcher, Matches
from salient.knowledge.grammar_search.parser import parse
from salient.knowledge.grammar_search.trees import Block, Source

__all__ = ["Block", "Chain", "Matcher", "Matches", "Source", "parse"]
