"""Text to annotations: language, sentences, tokens, parts of speech, syntax, mentions, keyphrases.

Nothing here links a mention to an entity or reads a date's value: that is `knowledge`.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, ClassVar, Final

from salient.errors import Misconfigured
from salient.model import Annotations, Text

if TYPE_CHECKING:
    from salient.nlp.gazetteer import Gazetteer

# scheme -> module that holds `open_scheme`. The tree beside this file is the list.
SCHEMES = {
    "native": "salient.nlp.native",
    "rules": "salient.nlp.rules_engine",
    "spacy": "salient.nlp.spacy_engine",
}

# What a mention can be. The first eighteen are OntoNotes 5; the rest the grammar finds.
LABELS = (
    "PERSON", "NORP", "FAC", "ORG", "GPE", "LOC", "PRODUCT", "EVENT", "WORK_OF_ART", "LAW", "LANGUAGE",
    "DATE", "TIME", "PERCENT", "MONEY", "QUANTITY", "ORDINAL", "CARDINAL",
    "EMAIL", "URL", "PHONE", "IDENTIFIER",
)  # fmt: skip


AHEAD: Final = 32
"""Texts that an engine may have drawn and not yet given back."""


class Engine(ABC):
    """Annotates texts.

    What every engine promises, and `tests/contract/test_engines.py` checks:

    - One annotation per text, in order, drawn lazily: memory does not grow with the texts. An engine may read
      ahead of what it gives, by AHEAD texts at most, since short ones are cheaper together.
    - A text's annotation depends on that text, the gazetteer and `component` alone: the same bytes
      in a batch or by itself, on every run.
    - Tokens and spans lie in the text, in order; they hold no white space at their ends; tokens do
      not overlap; no sentence, token or mention crosses from one block into another.
    - Heads stay in the sentence and form a tree under its one root, where there is syntax.
    - Cost per word does not grow with the length of a text.

    Not safe for threads: one engine a thread, and for speed one a process.
    """

    name: ClassVar[str]

    @property
    @abstractmethod
    def version(self) -> str:
        """Changes when equal texts may get other annotations: hash of code, model, parameters."""

    @property
    @abstractmethod
    def languages(self) -> frozenset[str]:
        """ISO 639-1 codes of languages with syntax and entities.

        Texts in others get tokens, sentences, values and gazetteer names.
        """

    @property
    def component(self) -> str:
        """`name@version`.

        A text in a language outside `languages` names the `rules` engine in its annotations
        instead, since that is what made them.
        """
        return f"{self.name}@{self.version}"

    @abstractmethod
    def annotate(
        self, texts: Iterable[Text], *, gazetteer: Gazetteer | None = None
    ) -> Iterator[Annotations]:
        """Annotate texts in order.

        Args:
            gazetteer: known names, found wherever they are written; they win over what the model
                says, and `Annotations.engine` then ends in `+` and the gazetteer's component.
        """


def open_engine(spec: str = "native") -> Engine:
    """Open the engine that `spec` names.

    `rules`; `native`, or `native:PATH` for the model in another directory; `spacy`, or `spacy:PACKAGE`
    for another model.

    Models are loaded at the first text, not here, and once a process.

    Raises:
        Misconfigured: no engine has that name, or its library or model is not installed.
    """
    scheme, _, rest = spec.partition(":")
    if scheme not in SCHEMES:
        raise Misconfigured(f"no language engine {scheme!r}", known=sorted(SCHEMES))
    try:
        module = importlib.import_module(SCHEMES[scheme])
        engine = module.open_scheme(rest)
    except ImportError as exc:
        raise Misconfigured(
            f"the language engine {scheme!r} is not installed", missing=exc.name
        ) from exc
    if not isinstance(engine, Engine):
        raise TypeError(f"{SCHEMES[scheme]} opened a {type(engine).__name__}, not an engine")
    return engine


__all__ = ["LABELS", "SCHEMES", "Engine", "open_engine"]
