"""What a trained teacher says of documents: the likeliest labels of every word, and trees.

Needs PyTorch (the extra `train`).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salient.nlp.training.entities import TAGS, TYPES
from salient.nlp.training.minilm import MOST_POSITIONS, Sizes, Words, batch_of, narrowed
from salient.nlp.training.teacher import Names, Network

if TYPE_CHECKING or os.environ.get("SALIENT_PURE_PYTHON") == "1":
    from salient.kernels.decode import entity_spans, spanning_tree
else:
    from salient.kernels._decode import entity_spans, spanning_tree

_REST = 1e-4  # probability of what a reading does not keep

"""Words of a window, if its units allow; sentences that are longer get windows of their own."""

LONGEST_WINDOW = 360


MOST_WORDS = 180
"""Words of a window, if its units allow; sentences that are longer get windows of their own."""

LONGEST_WINDOW = 360


@dataclass(frozen=True, slots=True)
class Reading:
    """What the teacher says of n words, by head of `HEADS`.

    Attributes:
        labels: (n, k) int32, the likeliest first. Of "head": 0 is the root, i the i-th word of the
            sentence. Of "relation": given the head that the tree has.
        shares: (n, k) float32, probabilities; 0 where there are not so many labels.
        start: (n,) float32, probability that a sentence begins.
        sentences: where the sentences begin, from 0.
        heads: (n,) int32, a tree for each sentence, numbers as above.
    """

    labels: dict[str, NDArray[np.int32]]
    shares: dict[str, NDArray[np.float32]]
    start: NDArray[np.float32]
    sentences: NDArray[np.int64]
    heads: NDArray[np.int32]


KEPT = {"upos": 3, "xpos": 3, "feats": 3, "head": 4, "relation": 3, "entity": 4}
"""How many labels of each head a reading keeps."""


def windows_of(breaks: Sequence[bool], forms: Sequence[str]) -> list[tuple[int, int]]:
    """Cut a document into windows, at units' starts where possible, else behind a full stop.

    Args:
        breaks: for each word, whether a unit begins with it.
    """
    windows: list[tuple[int, int]] = []
    first = 0
    units = [i for i, begins in enumerate(breaks) if begins and i] + [len(forms)]
    at = 0
    for end in units:
        if end - first > MOST_WORDS and at > first:
            windows.append((first, at))
            first = at
        while end - first > LONGEST_WINDOW:
            cut = next(
                (i + 1 for i in range(first + LONGEST_WINDOW - 1, first + MOST_WORDS, -1)
                 if forms[i] in (".", ";", "!", "?")), first + LONGEST_WINDOW,
            )  # fmt: skip
            windows.append((first, cut))
            first = cut
        at = end
    if first < len(forms):
        windows.append((first, len(forms)))
    return windows


def names_of(reading: Reading, names: Sequence[str]) -> list[tuple[int, int, str]]:
    """The likeliest names by the labels that the reading keeps: first word, end and type.

    Args:
        names: the entity tags of the teacher, whose order need not be that of `entities.TAGS`.
    """
    n = len(reading.heads)
    number = np.array([TAGS.index(name) for name in names])
    logs = np.full((n, len(TAGS)), np.log(_REST), np.float32)
    rows = np.arange(n)[:, None]
    shares = np.maximum(reading.shares["entity"], _REST)
    logs[rows, number[reading.labels["entity"]]] = np.log(shares)
    bounds = np.array([*reading.sentences, n], np.int32) if n else np.zeros(1, np.int32)
    spans, _ = entity_spans(logs, bounds)
    return [(a, b, TYPES[kind]) for a, b, kind in spans.tolist()]


class Teacher:
    """A trained network that reads words. Not safe for threads."""

    def __init__(self, network: Network, names: Names, words: Words) -> None:
        self._network = network.eval()
        self.names = names
        self._words = words

    @classmethod
    def load(cls, checkpoint: Path, tokenizer: Path, sizes: Sizes | None = None) -> Teacher:
        """Take the network out of what `Training.save` wrote."""
        state: dict[str, Any] = torch.load(checkpoint, weights_only=True)
        names = Names.of_json(state["names"])
        network = Network(sizes or Sizes(), names)
        network.load_state_dict(state["network"])
        return cls(network, names, Words(tokenizer))

    def read(
        self,
        documents: Sequence[tuple[Sequence[str], Sequence[bool]]],
        *,
        room: int = 4000,
        given: bool = False,
    ) -> list[Reading]:
        """Read documents: their words, and for each word whether a unit begins with it.

        Args:
            room: word pieces of a batch, padding included.
            given: whether each unit is one sentence; else the teacher finds sentences in units.
        """
        windows = [
            (d, a, b) for d, (forms, breaks) in enumerate(documents) for a, b in windows_of(breaks, forms)
        ]  # fmt: skip
        sizes = [sum(len(self._words(f)[0]) for f in documents[d][0][a:b]) for d, a, b in windows]
        found: list[Reading | None] = [None] * len(windows)
        batch: list[int] = []
        for i in [*sorted(range(len(windows)), key=lambda i: sizes[i]), -1]:
            full = i < 0 or (min(sizes[i], MOST_POSITIONS) + 2) * (len(batch) + 1) > room
            if batch and full:
                texts = [documents[d][0][a:b] for d, a, b in (windows[j] for j in batch)]
                breaks = [documents[d][1][a:b] for d, a, b in (windows[j] for j in batch)]
                for j, reading in zip(batch, self._read(texts, breaks, given=given), strict=True):
                    found[j] = reading
                batch = []
            batch.append(i)
        parts: list[list[Reading]] = [[] for _ in documents]
        for (d, _, _), one in zip(windows, found, strict=True):
            if one is not None:
                parts[d].append(one)
        return [_joined(readings) for readings in parts]

    @torch.no_grad()
    def _read(
        self, texts: Sequence[Sequence[str]], breaks: Sequence[Sequence[bool]], *, given: bool
    ) -> Iterator[Reading]:
        batch = batch_of(texts, [np.cumsum(flags).tolist() for flags in breaks], self._words)
        starts = torch.zeros(batch.sentence.shape, dtype=torch.bool)
        for i, flags in enumerate(breaks):
            starts[i, : len(flags)] = torch.tensor(list(flags), dtype=torch.bool)
        starts[:, 0] = True
        with narrowed():
            scores = self._network(batch, None if given else starts)
        arcs = scores.arcs.log_softmax(-1)
        rows, words = (batch.sentence >= 0).nonzero(as_tuple=True)
        sentence, size = scores.sentence.numpy(), [len(text) for text in texts]
        heads = [_trees(arcs[i, :n, : n + 1].numpy(), sentence[i, :n]) for i, n in enumerate(size)]
        with narrowed():
            relations = self._network.relations(
                scores, rows, words, torch.from_numpy(np.concatenate(heads))
            )
        split = torch.split(relations.softmax(-1), size)
        for i, n in enumerate(size):
            tables = {
                "upos": scores.upos[i, :n], "xpos": scores.xpos[i, :n], "feats": scores.feats[i, :n],
                "entity": scores.entities[i, :n],
            }  # fmt: skip
            shares = {name: table.float().softmax(-1) for name, table in tables.items()}
            shares |= {"relation": split[i], "head": arcs[i, :n, : n + 1].exp()}
            yield _reading(shares, scores.start[i, :n].float().sigmoid(), sentence[i, :n], heads[i])

    @torch.no_grad()
    def states(self, texts: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        """Contextual states of the words before the heads, (n, width) each."""
        batch = batch_of(texts, [[0] * len(text) for text in texts], self._words)
        with narrowed():
            states = self._network.words(batch).float().numpy()
        return [states[i, : len(text)] for i, text in enumerate(texts)]


def _trees(arcs: NDArray[np.float32], sentence: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) heads, 0 or 1 + word of the window, a tree for each sentence."""
    heads = np.zeros(len(sentence), np.int64)
    bounds = [*np.flatnonzero(np.diff(sentence, prepend=-1)), len(sentence)]
    for a, b in itertools.pairwise(bounds):
        columns = np.concatenate([[0], np.arange(a, b) + 1])
        square = np.maximum(arcs[a:b, columns], -1e3)
        tree = spanning_tree(np.ascontiguousarray(square, np.float32))
        heads[a:b] = columns[tree]
    return heads


def _reading(
    shares: Mapping[str, Tensor], start: Tensor, sentence: NDArray[np.int64], heads: NDArray[np.int64]
) -> Reading:  # fmt: skip
    begins = np.flatnonzero(np.diff(sentence, prepend=-1))
    offset = begins[np.searchsorted(begins, np.arange(len(sentence)), side="right") - 1]
    labels, kept = dict[str, NDArray[np.int32]](), dict[str, NDArray[np.float32]]()
    for name, k in KEPT.items():
        best = shares[name].topk(min(k, shares[name].shape[-1]), -1)
        room = ((0, 0), (0, k - best.values.shape[-1]))
        kept[name] = np.pad(best.values.numpy(), room)
        labels[name] = np.pad(best.indices.numpy().astype(np.int32), room)
    labels["head"] = np.where(labels["head"] > 0, labels["head"] - offset[:, None], 0).astype(
        np.int32
    )
    # What little lies outside the sentence is no head of it.
    sizes = np.diff([*begins, len(sentence)])[np.searchsorted(begins, offset)]
    outside = (labels["head"] < 0) | (labels["head"] > sizes[:, None])
    labels["head"][outside] = 0
    kept["head"][outside] = 0
    tree = np.where(heads > 0, heads - offset, 0).astype(np.int32)
    return Reading(labels, kept, start.numpy(), begins.astype(np.int64), tree)


def _joined(readings: Sequence[Reading]) -> Reading:
    if not readings:
        return Reading(
            {name: np.zeros((0, k), np.int32) for name, k in KEPT.items()},
            {name: np.zeros((0, k), np.float32) for name, k in KEPT.items()},
            np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, np.int32),
        )  # fmt: skip
    offsets = np.cumsum([0, *(len(r.heads) for r in readings)])
    return Reading(
        {name: np.concatenate([r.labels[name] for r in readings]) for name in KEPT},
        {name: np.concatenate([r.shares[name] for r in readings]) for name in KEPT},
        np.concatenate([r.start for r in readings]),
        np.concatenate([r.sentences + at for r, at in zip(readings, offsets, strict=False)]),
        np.concatenate([r.heads for r in readings]),
    )  # fmt: skip
