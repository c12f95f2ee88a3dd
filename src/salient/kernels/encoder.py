"""The network of the language engine, from word types to scores: numpy's word for what it computes.

Layers are products of whole numbers: a row of inputs is in MOST steps of its greatest value, an output's weights
are in STEPS of its greatest weight. A byte holds either, which makes sums exact and four times as many at once as
of floats; what is said of texts hardly changes (`docs/decisions/0013`).

The compiled twin computes the same to rounding, and holds one more promise: a token's numbers do not
depend, to the last bit, on how many types or texts are worked on at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from salient.kernels.types import GRAM, LONG

__all__ = ["Encoder"]

TAGS = ("upos", "xpos", "feats", "lemma")
"""Heads that choose one of some values for each token, as they stand in `Reading.tags`."""

SLOPE = 0.1  # of the leaky units
EPSILON = 1e-5  # of the norms
MOST, STEPS = 63, 127

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


class Reading(NamedTuple):
    """What the network says of n tokens."""

    tags: Ints
    """(n, 4): the likeliest value of each of TAGS."""
    shares: Floats
    """(n, 4): its probability."""
    start: Floats
    """(n,): a sentence starts here, as a logit."""
    heads: Floats
    """(n, arc): each token as a head; a dependent's product with it is the score of the arc."""
    deps: Floats
    """(n, arc): each token as a dependent."""
    label_heads: Floats
    """(n, label): each token's share as a head in its dependents' labels."""
    label_deps: Floats
    """(n, label): its share as a dependent."""
    entities: Floats
    """(n, n_entity_tags): logarithms of probabilities."""


class Encoder:
    """A network of given weights; threads may share it.

    Layers: a maxout of the type's features; two residual windows of three tokens; two bidirectional
    minGRUs. The first window is a sum of three projections that depend on the type alone, so `types`
    makes them once and `read` adds them up.

    Source: maxout, Goodfellow et al. 2013, arXiv:1302.4389; layer norm, Ba et al. 2016,
    arXiv:1607.06450; windows over hash embeddings as in spaCy, Honnibal 2016; minGRU, Feng et al. 2024,
    arXiv:2410.01201; biaffine arcs, Dozat and Manning 2017, arXiv:1611.01734.
    """

    def __init__(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Over the arrays of a model, by the names of `salient.nlp.native.model`.

        Tables are int8 with float32 scales, an equal number of rows each; the rest is float32.
        """
        # Maxout's pieces one after the other, not in turn, as `types` gives them.
        halved = (
            "in.weight",
            "in.bias",
            "conv1.weight",
            "conv1.bias",
            "conv2.weight",
            "conv2.bias",
        )
        self._weights = dict(weights) | {name: _halves(weights[name]) for name in halved}
        self._weights["conv1.bits"] = _halves(weights["conv1.bits"].T).T
        self.width: int = weights["in.weight"].shape[0] // 2
        self.type_width: int = 7 * self.width
        self._hidden = weights["gru3.fwd.weight"].shape[0] // 2

    @property
    def root(self) -> Floats:
        """(arc,): what hangs from nothing, as a head."""
        w = self._weights
        sums: Floats = w["arc.head.weight"] @ w["root"] + w["arc.head.bias"]
        return _leaky(sums)

    def types(self, rows: Ints, words: Ints) -> Floats:
        """Work out word types.

        Args:
            rows: (n, 39) as `type_rows` gives.
            words: (n,): rows of the word vectors, 0 for an unknown one; of no matter without vectors.

        Returns:
            (n, type_width): the type's vector, then its projections for the token after, itself, and
            the token before: of each first the first pieces of its maxout, then the second.
        """
        w = self._weights
        parts = [_rows_of(w, f"table.{kind}", rows[:, kind]) for kind in range(GRAM)]
        grams = rows[:, GRAM + 1 :]
        known = (grams > 0)[:, :, None]
        sums = (_rows_of(w, "table.grams", grams) * known).sum(axis=1)
        parts.append(sums / np.maximum(known.sum(axis=1), 1))
        if "vectors" in w:
            parts.append(_rows_of(w, "vectors", words))
        n_flags = LONG.bit_length()
        parts.append(((rows[:, GRAM, None] >> np.arange(n_flags)) & 1).astype(np.float32))
        x = _maxout_norm(_product(np.concatenate(parts, axis=1), w["in.weight"]), w, "in")
        whole = [_product(x, part) for part in np.split(w["conv1.weight"], 3, axis=1)]
        return np.concatenate([x, *whole], axis=1).astype(np.float32)

    def encode(
        self, types: Floats, slots: Ints, bits: NDArray[np.uint16], begins: Ints | None = None
    ) -> Floats:
        """Read sequences.

        Args:
            types: (n_slots, type_width): rows that `types` gave.
            slots: (n,): the row of each token's type.
            bits: (n,): bits of each token in its place.
            begins: (n_sequences + 1,): from 0 to n, the token at which each sequence begins, and n;
                they are one sequence if None.

        Returns:
            (n, 2 * hidden).

        Raises:
            ValueError, IndexError: the arrays do not fit together.
        """
        n = len(slots)
        begins = np.array([0, n], np.int32) if begins is None else begins
        if not len(begins) or begins[0] != 0 or begins[-1] != n or (np.diff(begins) < 0).any():
            raise ValueError("the sequences are not those of the tokens")
        cut = [slice(a, b) for a, b in itertools.pairwise(begins.tolist()) if a < b]
        parts = [self._sequence(types, slots[part], bits[part]) for part in cut]
        return np.concatenate([np.zeros((0, 2 * self._hidden), np.float32), *parts])

    def _sequence(self, types: Floats, slots: Ints, bits: NDArray[np.uint16]) -> Floats:
        w, d = self._weights, self.width
        x, after, own, before = np.split(types[slots], [d, 3 * d, 5 * d], axis=1)
        total = own.copy()
        total[1:] += after[:-1]
        total[:-1] += before[1:]
        total += ((bits[:, None] >> np.arange(len(w["conv1.bits"]))) & 1) @ w["conv1.bits"]
        x = x + _maxout_norm(total, w, "conv1")
        edge = np.zeros((1, d), np.float32)
        around = np.concatenate([edge, x, edge])
        windows = np.concatenate([around[:-2], around[1:-1], around[2:]], axis=1)
        x = x + _maxout_norm(_product(windows, w["conv2.weight"]), w, "conv2")
        x = _norm(_both_ways(x, w, "gru3"), w, "gru3")
        x = x + _norm(_both_ways(x, w, "gru4"), w, "gru4")
        return np.asarray(x, np.float32)

    def read(
        self, types: Floats, slots: Ints, bits: NDArray[np.uint16], begins: Ints | None = None
    ) -> Reading:
        """`encode` sequences and see what every head says of them."""
        w = self._weights
        e = self.encode(types, slots, bits, begins)
        hidden = _leaky(_linear(e, w, "tags"))
        tags, shares = zip(*(_best(_linear(hidden, w, name)) for name in TAGS), strict=True)
        deps = _leaky(_linear(e, w, "arc.dep"))
        entities = _linear(_leaky(_linear(e, w, "ner.hidden")), w, "ner.out")
        return Reading(
            tags=np.stack(tags, axis=1),
            shares=np.stack(shares, axis=1),
            start=_linear(hidden, w, "start")[:, 0],
            heads=_leaky(_linear(e, w, "arc.head")),
            deps=_product(deps, w["arc.w"].T) + w["arc.u"],
            label_heads=_product(e, w["label.head.weight"]),
            label_deps=_product(e, w["label.dep.weight"]) + w["label.bias"],
            entities=_log_softmax(entities),
        )

    def relations(self, reading: Reading, heads: Ints) -> tuple[Ints, Floats]:
        """Name the arcs of a tree.

        Args:
            heads: (n,): the row of each token's head; a root is its own.

        Returns:
            (n,) int32, the likeliest relation of each, and (n,) float32, its probability.
        """
        w = self._weights
        own = (heads == np.arange(len(heads)))[:, None]
        head = np.where(own, w["label.head.weight"] @ w["root"], reading.label_heads[heads])
        return _best(_linear(_leaky(head + reading.label_deps), w, "label.out"))


def _rows_of(weights: Mapping[str, NDArray[Any]], name: str, rows: Ints) -> Floats:
    table, scale = weights[name], weights[f"{name}.scale"]
    per_scale = len(table) // len(scale)
    return np.asarray(table[rows] * scale[rows // per_scale][..., None], np.float32)


def _linear(x: Floats, weights: Mapping[str, NDArray[Any]], name: str) -> Floats:
    return np.asarray(_product(x, weights[f"{name}.weight"]) + weights[f"{name}.bias"], np.float32)


def _product(x: Floats, weight: Floats) -> Floats:
    """`x @ weight.T` in whole numbers, (n, k) by (outputs, k)."""
    rows, row_steps = _rounded(x.astype(np.float32), MOST)
    outputs, output_steps = _rounded(weight.astype(np.float32), STEPS)
    sums = rows @ outputs.T  # whole numbers below 2^31, which float64 holds
    return sums.astype(np.float32) * (output_steps.T * row_steps)


def _rounded(x: Floats, most: int) -> tuple[NDArray[np.float64], Floats]:
    """Each row in `most` steps of its greatest value, and (n, 1) what a step is worth."""
    greatest = np.abs(x).max(axis=1, initial=0, keepdims=True)
    times = np.divide(np.float32(most), greatest, out=np.zeros_like(greatest), where=greatest > 0)
    return np.rint(x * times).astype(np.float64), greatest / np.float32(most)


def _leaky(x: Floats) -> Floats:
    return np.asarray(np.maximum(x, np.float32(SLOPE) * x))


def _norm(x: Floats, weights: Mapping[str, NDArray[Any]], name: str) -> Floats:
    off = x - x.mean(axis=1, keepdims=True)
    scale = np.sqrt((off * off).mean(axis=1, keepdims=True) + EPSILON)
    return np.asarray(
        off / scale * weights[f"{name}.ln.weight"] + weights[f"{name}.ln.bias"], np.float32
    )


def _halves(weight: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([weight[::2], weight[1::2]])


def _maxout_norm(x: Floats, weights: Mapping[str, NDArray[Any]], name: str) -> Floats:
    x = x + weights[f"{name}.bias"]
    return _norm(np.maximum(*np.split(x, 2, axis=1)), weights, name)


def _both_ways(x: Floats, weights: Mapping[str, NDArray[Any]], name: str) -> Floats:
    ahead = _min_gru(_linear(x, weights, f"{name}.fwd"))
    back = _min_gru(_linear(x[::-1], weights, f"{name}.bwd"))[::-1]
    return np.concatenate([ahead, back], axis=1)


def _min_gru(gates: Floats) -> Floats:
    opened, fresh = np.split(gates, 2, axis=1)
    share = 1 / (1 + np.exp(-opened))
    out, state = np.empty_like(fresh), np.zeros(fresh.shape[1], np.float32)
    for row in range(len(out)):
        state = (1 - share[row]) * state + share[row] * fresh[row]
        out[row] = state
    return out


def _log_softmax(x: Floats) -> Floats:
    x = x - x.max(axis=1, keepdims=True)
    return np.asarray(x - np.log(np.exp(x).sum(axis=1, keepdims=True)), np.float32)


def _best(logits: Floats) -> tuple[Ints, Floats]:
    which = logits.argmax(axis=1)
    share = np.exp(_log_softmax(logits)[np.arange(len(which)), which])
    return which.astype(np.int32), share
