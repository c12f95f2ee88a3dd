"""A network small enough to learn the made-up treebank in seconds. Needs PyTorch."""

from typing import Any

from salient.nlp.native import features
from salient.nlp.training.data import Labels
from salient.nlp.training.fit import Recipe
from salient.nlp.training.network import Sizes
from salient.nlp.training.pieces import Changes


def sizes(labels: Labels, **others: Any) -> Sizes:
    """Small ones, of tables too: a model directory needs the true tables."""
    tables = tuple((rows, 4) for rows, _ in features.TABLES)
    small = {"tables": tables, "grams": (features.GRAM_TABLE[0], 8)} | others
    return Sizes.of(labels, width=16, state=12, tag=16, arc=12, label=12, entity=12, **small)


RECIPE = Recipe(
    epochs=30, n_words=60, rate=0.02, decay=0.0, average=0.9, dropout=0.0, word_dropout=0.0,
    changes=Changes(upper=0, lower=0, title=0, no_stop=0, newlines=0, gazetteer=0),
)  # fmt: skip
