"""What a trained teacher says of documents: the likeliest labels of every word, and trees.

Needs PyTorch (the extra `train`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from salient.nlp.training.minilm import MOST_POSITIONS, Sizes, Words, batch_of
from salient.nlp.training.teacher import Names, Network

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


def best_tree(scores: NDArray[np.float64]) -> NDArray[np.int32]:
    """The highest-scoring tree with one root.

    Args:
        scores: (n, n + 1), of each word each head; 0 is the root, 1 + i word i. Finite.

    Returns:
        (n,) heads in the same numbers.

    Cost: O(n**2) where the best heads form a tree, O(n**3) at worst.
    Source: Chu and Liu 1965; Edmonds 1967; one root by a price on root arcs.
    """
    n = len(scores)
    heads: NDArray[np.int64] = scores.argmax(1)
    if (heads == 0).sum() == 1 and _cycle([0, *heads.tolist()]) is None:
        return heads.astype(np.int32)
    square = np.full((n + 1, n + 1), -np.inf)
    square[1:] = scores
    np.fill_diagonal(square, -np.inf)
    square[1:, 0] -= 1 + np.ptp(scores) * n
    return np.array(_arborescence(square)[1:], np.int32)


def _cycle(heads: Sequence[int]) -> list[int] | None:
    """Nodes of a cycle of the graph node -> head, without the root's own."""
    state = [0] * len(heads)
    state[0] = -1
    for first in range(1, len(heads)):
        path, node = [], first
        while state[node] == 0:
            state[node] = first
            path.append(node)
            node = heads[node]
        if state[node] == first:
            return path[path.index(node) :]
    return None


def _arborescence(scores: NDArray[np.float64]) -> list[int]:
    heads: list[int] = scores.argmax(1).tolist()
    heads[0] = 0
    cycle = _cycle(heads)
    if cycle is None:
        return heads
    # Contract the cycle into one node, the last; solve the smaller graph; open it again.
    rest = [i for i in range(len(scores)) if i not in set(cycle)]
    inside = np.array(cycle)
    kept = scores[inside, [heads[c] for c in cycle]]
    entering = scores[inside][:, rest] - kept[:, None]
    leaving = scores[rest][:, inside]
    smaller = np.full((len(rest) + 1, len(rest) + 1), -np.inf)
    smaller[:-1, :-1] = scores[np.ix_(rest, rest)]
    smaller[-1, :-1] = entering.max(0)
    smaller[:-1, -1] = leaving.max(1)
    smaller[0] = -np.inf
    solved = _arborescence(smaller)
    found = list(heads)
    for i, node in enumerate(rest):
        head = solved[i]
        found[node] = rest[head] if head < len(rest) else cycle[int(leaving[i].argmax())]
    broken = cycle[int(entering[:, solved[-1]].argmax())]
    found[broken] = rest[solved[-1]]
    return found


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
        self, documents: Sequence[tuple[Sequence[str], Sequence[bool]]], *, room: int = 4000
    ) -> list[Reading]:
        """Read documents: their words, and for each word whether a unit begins with it.

        Args:
            room: word pieces of a batch, padding included.
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
                for j, reading in zip(batch, self._read(texts, breaks), strict=True):
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
        self, texts: Sequence[Sequence[str]], breaks: Sequence[Sequence[bool]]
    ) -> Iterator[Reading]:
        batch = batch_of(texts, [[0] * len(text) for text in texts], self._words)
        starts = torch.zeros(batch.sentence.shape, dtype=torch.bool)
        for i, flags in enumerate(breaks):
            starts[i, : len(flags)] = torch.tensor(list(flags), dtype=torch.bool)
        starts[:, 0] = True
        with torch.autocast("cpu", torch.bfloat16):
            scores = self._network(batch, starts)
        arcs = scores.arcs.log_softmax(-1)
        rows, words = (batch.sentence >= 0).nonzero(as_tuple=True)
        sentence, size = scores.sentence.numpy(), [len(text) for text in texts]
        heads = [_trees(arcs[i, :n, : n + 1].numpy(), sentence[i, :n]) for i, n in enumerate(size)]
        with torch.autocast("cpu", torch.bfloat16):
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
        with torch.autocast("cpu", torch.bfloat16):
            states = self._network.words(batch).float().numpy()
        return [states[i, : len(text)] for i, text in enumerate(texts)]


def _trees(arcs: NDArray[np.float32], sentence: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) heads, 0 or 1 + word of the window, a tree for each sentence."""
    heads = np.zeros(len(sentence), np.int64)
    bounds = [*np.flatnonzero(np.diff(sentence, prepend=-1)), len(sentence)]
    for a, b in itertools.pairwise(bounds):
        columns = np.concatenate([[0], np.arange(a, b) + 1])
        tree = best_tree(np.maximum(arcs[a:b, columns], -1e3).astype(np.float64))
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
