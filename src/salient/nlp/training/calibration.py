"""Temperatures: what to divide each head's scores by, so that its probabilities can be believed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from salient.nlp.training import pieces
from salient.nlp.training.data import TAGGERS, Columns
from salient.nlp.training.entities import masks
from salient.nlp.training.network import Student
from salient.nlp.training.pieces import Batch

_WIDEST: Final = 1.4  # of the logarithm; a head that is further off has learned nothing
_STEPS: Final = 16  # which leave a thousandth of the width

Cost = Callable[[float], tuple[float, int]]
"""By temperature: the sum of the negative log-likelihood, and of how many words."""


def temperatures(student: Student, parts: Iterable[Columns]) -> dict[str, float]:
    """The likeliest temperature of each head on data that it was not trained on.

    Returns:
        By the names that the model directory has for heads; 1 where the data says nothing. Over 1: the
        head is surer than it should be.

    Source: temperature scaling, Guo et al. 2017, arXiv:1706.04599; a set of entity tags that are all
        right counts as one outcome.
    """
    costs: dict[str, list[Cost]] = {}
    student.eval()
    with torch.inference_mode():
        for columns in parts:
            drawn = list(pieces.pieces(columns, np.random.default_rng(0), pieces.Changes.none()))
            for batch in pieces.batches(columns, drawn, n_words=4000):
                for name, cost in _costs(student, batch):
                    costs.setdefault(name, []).append(cost)
        return {name: round(_best(some), 3) for name, some in sorted(costs.items())}


def _costs(student: Student, batch: Batch) -> Iterable[tuple[str, Cost]]:
    scores = student(batch)
    for name in TAGGERS:
        yield name, _classes(scores[name], torch.from_numpy(batch.label[name]))
    yield "start", _binary(scores["start"], torch.from_numpy(batch.label["start"]))
    sets = torch.from_numpy(batch.allowed)
    barred = ~torch.from_numpy(masks(batch.sets))[sets[sets > 0]]
    yield "ner", _sets(scores["entity"][sets > 0], barred)
    if batch.sentences.size:
        heads = torch.from_numpy(batch.head)
        yield "arc", _classes(scores["head"], heads)
        relations = student.relations(scores, heads.clamp(min=0))
        yield "label", _classes(relations, torch.from_numpy(batch.relation))


def _classes(scores: Tensor, target: Tensor) -> Cost:
    own, right = scores[target >= 0].float(), target[target >= 0]
    return lambda heat: (
        float(functional.cross_entropy(own / heat, right, reduction="sum")), len(right)
    )  # fmt: skip


def _binary(scores: Tensor, target: Tensor) -> Cost:
    own, right = scores[target >= 0].float(), target[target >= 0].float()
    return lambda heat: (
        float(functional.binary_cross_entropy_with_logits(own / heat, right, reduction="sum")),
        len(right),
    )


def _sets(scores: Tensor, barred: Tensor) -> Cost:
    def cost(heat: float) -> tuple[float, int]:
        own = scores.float() / heat
        inside = own.masked_fill(barred, float("-inf")).logsumexp(-1)
        return float((own.logsumexp(-1) - inside).sum()), len(own)

    return cost


def _best(costs: list[Cost]) -> float:
    """By golden section on the logarithm: the cost has one valley."""
    if not sum(cost(1.0)[1] for cost in costs):
        return 1.0
    share = (math.sqrt(5) - 1) / 2
    low, high = -_WIDEST, _WIDEST

    def total(log: float) -> float:
        return sum(cost(math.exp(log))[0] for cost in costs)

    left, right = high - share * (high - low), low + share * (high - low)
    at_left, at_right = total(left), total(right)
    for _ in range(_STEPS):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - share * (high - low)
            at_left = total(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + share * (high - low)
            at_right = total(right)
    return math.exp((low + high) / 2)
