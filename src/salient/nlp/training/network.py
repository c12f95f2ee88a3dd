"""The student network in PyTorch: what `nlp.native` runs, with what training needs around it.

Read as T words, B pieces, W = T * B words when flat, S sentences of L words, U word types. Sequences
run along the first axis, so that a step of the recurrence is one stretch of memory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from salient.nlp.native import features
from salient.nlp.training.data import TAGGERS, Labels
from salient.nlp.training.entities import N_TAGS, masks
from salient.nlp.training.pieces import Batch

LEAK = 0.1
_FAR = -1e4  # a score that no softmax notices, and that bfloat16 holds


@dataclass(frozen=True, slots=True)
class Sizes:
    """Every width of the network; the defaults are the shipped model's."""

    n_xpos: int
    n_feats: int
    n_lemma: int
    n_relations: int
    n_upos: int = 17
    n_vectors: int = 0
    """Rows of the table of word vectors, with row 0 for the unknown; 0 leaves it out."""
    width: int = 192
    state: int = 144
    """Of the recurrence, in each direction."""
    tag: int = 112
    arc: int = 96
    label: int = 80
    entity: int = 96
    tables: tuple[tuple[int, int], ...] = field(default=features.TABLES)
    grams: tuple[int, int] = field(default=features.GRAM_TABLE)
    vector_width: int = features.VECTOR_WIDTH

    @property
    def inputs(self) -> int:
        """Width of a type's features side by side."""
        parts = [width for _, width in self.tables] + [self.grams[1], features.N_FLAGS]
        return sum(parts) + (self.vector_width if self.n_vectors else 0)

    @classmethod
    def of(cls, labels: Labels, **others: Any) -> Sizes:
        """Those that fit the labels."""
        return cls(
            n_xpos=len(labels.xpos), n_feats=len(labels.feats), n_lemma=labels.lemmas.n_choices,
            n_relations=len(labels.relations), n_upos=len(labels.upos), **others,
        )  # fmt: skip


class _Scan(torch.autograd.Function):
    """h[t] = h[t-1] + z[t] (c[t] - h[t-1]) from h[-1] = 0, along the first axis."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, c: Tensor) -> Tensor:
        h = torch.empty_like(c)
        before = torch.zeros_like(c[0])
        for now, gate, new in zip(h.unbind(), z.unbind(), c.unbind(), strict=True):
            torch.lerp(before, new, gate, out=now)
            before = now
        ctx.save_for_backward(z, c, h)
        return h

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        z, c, h = ctx.saved_tensors
        total = grads[0].clone()
        kept = 1 - z
        steps = list(zip(total.unbind(), kept.unbind(), strict=True))
        for (earlier, _), (later, share) in zip(steps[-2::-1], steps[:0:-1], strict=True):
            earlier.addcmul_(later, share)
        c = c.clone()
        c[1:] -= h[:-1]
        return total * c, total * z


def scan(z: Tensor, c: Tensor) -> Tensor:
    """The recurrence of a minGRU. Both (T, B, n); so is the result.

    Cost: T small steps; on a CPU that is less than the products before it.
    Source: Feng et al. 2024, arXiv:2410.01201, the plain (not logarithmic) form.
    """
    return _Scan.apply(z, c)  # type: ignore[no-any-return,no-untyped-call] # PyTorch has no types for it


class Maxout(nn.Module):
    """A layer of two linear pieces, of which the greater counts, then a normalisation.

    The first pieces are the first half of the rows of `weight`; `export` puts each beside its second.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.linear = nn.Linear(inputs, 2 * outputs)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: Tensor, extra: Tensor | None = None) -> Tensor:
        y = self.linear(x)
        y = y if extra is None else y + extra
        made: Tensor = self.norm(torch.maximum(y[..., : self.outputs], y[..., self.outputs :]))
        return made


class Recurrence(nn.Module):
    """A minGRU in both directions, then a normalisation. Rows of `weight`: z, then c."""

    def __init__(self, inputs: int, state: int) -> None:
        super().__init__()
        self.fwd = nn.Linear(inputs, 2 * state)
        self.bwd = nn.Linear(inputs, 2 * state)
        self.norm = nn.LayerNorm(2 * state)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        z, c = self.fwd(x).float().chunk(2, -1)
        ahead = scan(z.sigmoid(), c.contiguous())
        z, c = self.bwd(x).float().chunk(2, -1)
        # Backward it begins in what fills a piece up; a shut gate keeps its state at nothing there.
        z = (z.sigmoid() * mask).flip(0)
        back = scan(z, c.flip(0)).flip(0)
        made: Tensor = self.norm(torch.cat([ahead, back], -1))
        return made


class Student(nn.Module):
    """Types and context bits to the scores of every head.

    `dropout` leaves out whole channels of a piece, the same ones at each of its words.
    """

    vectors: Tensor

    def __init__(self, sizes: Sizes, dropout: float = 0.3, vectors: Tensor | None = None) -> None:
        super().__init__()
        self.sizes, self.dropout = sizes, dropout
        self.tables = nn.ModuleList(nn.Embedding(n, w, padding_idx=0) for n, w in sizes.tables)
        self.grams = nn.EmbeddingBag(*sizes.grams, mode="mean", padding_idx=0)
        for table in [*self.tables, self.grams]:
            nn.init.normal_(table.weight, 0, 0.1)
            with torch.no_grad():
                table.weight[0] = 0
        if sizes.n_vectors:
            frozen = (
                torch.zeros(sizes.n_vectors, sizes.vector_width) if vectors is None else vectors
            )
            self.register_buffer("vectors", frozen)
        d, e = sizes.width, 2 * sizes.state
        self.input = Maxout(sizes.inputs, d)
        self.window1, self.window2 = Maxout(3 * d, d), Maxout(3 * d, d)
        self.bits = nn.Parameter(torch.zeros(features.N_CONTEXT, 2 * d))
        self.gru3, self.gru4 = Recurrence(d, sizes.state), Recurrence(e, sizes.state)
        self.root = nn.Parameter(torch.randn(e) * 0.1)
        self.tags = nn.Linear(e, sizes.tag)
        self.upos, self.xpos = (
            nn.Linear(sizes.tag, sizes.n_upos),
            nn.Linear(sizes.tag, sizes.n_xpos),
        )
        self.feats = nn.Linear(sizes.tag, sizes.n_feats)
        self.lemma = nn.Linear(sizes.tag, sizes.n_lemma)
        self.start = nn.Linear(sizes.tag, 1)
        self.arc_head, self.arc_dep = nn.Linear(e, sizes.arc), nn.Linear(e, sizes.arc)
        self.arc_w = nn.Parameter(torch.randn(sizes.arc, sizes.arc) / sizes.arc)
        self.arc_u, self.arc_dist = (
            nn.Parameter(torch.zeros(sizes.arc)),
            nn.Parameter(torch.zeros(64)),
        )
        self.label_head = nn.Linear(e, sizes.label, bias=False)
        self.label_dep = nn.Linear(e, sizes.label)
        self.relation = nn.Linear(sizes.label, sizes.n_relations)
        self.entity_hidden, self.entity = (
            nn.Linear(e, sizes.entity),
            nn.Linear(sizes.entity, N_TAGS),
        )

    def _drop(self, x: Tensor, *, shared: bool = True) -> Tensor:
        """Dropout over (T, B, n) whose channels are the same at every T, or of each row by itself."""
        if not self.training or self.dropout == 0:
            return x
        shape = (1, *x.shape[1:]) if shared else x.shape
        kept = torch.rand(shape, dtype=torch.float32) >= self.dropout
        return x * (kept.to(x.dtype) / (1 - self.dropout))

    def encode(self, batch: Batch) -> Tensor:
        """(T, B, 2 * state): each word in its context."""
        hashed = torch.from_numpy(batch.hashed).long()
        parts = [table(hashed[:, i]) for i, table in enumerate(self.tables)]
        parts.append(self.grams(torch.from_numpy(batch.grams).long()))
        if self.sizes.n_vectors:
            parts.append(self.vectors[torch.from_numpy(batch.vectors).long()])
        inputs = torch.cat([*parts, torch.from_numpy(batch.flags)], -1)
        types = self.input(self._drop(inputs, shared=False))
        types = torch.cat([types, types.new_zeros(1, types.shape[1])])
        mask = torch.from_numpy(batch.mask)[..., None].to(types.dtype)

        kinds = torch.from_numpy(batch.type)
        x = self._drop(functional.embedding(kinds, types))
        bits = torch.from_numpy(batch.bits) @ self.bits
        x = (x + self._drop(self.window1(_window(x), bits))) * mask
        x = (x + self._drop(self.window2(_window(x)))) * mask
        x = self._drop(self.gru3(x, mask)) * mask
        return (x + self._drop(self.gru4(x, mask))) * mask

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Scores: TAGGERS and "entity" (T, B, n); "start" (T, B); "head" (S, L, L + 1), 0 for the root.

        "relation" is asked for apart, since it needs the heads: `relations`.
        """
        e = self.encode(batch)
        tags = self._drop(functional.leaky_relu(self.tags(e), LEAK))
        scores = {name: getattr(self, name)(tags) for name in TAGGERS}
        scores["start"] = self.start(tags)[..., 0]
        names = self._drop(functional.leaky_relu(self.entity_hidden(e), LEAK))
        scores["entity"] = self.entity(names)
        if batch.sentences.size:
            scores |= self._arcs(e, batch)
        return scores

    def _arcs(self, e: Tensor, batch: Batch) -> dict[str, Tensor]:
        flat = torch.cat([e.flatten(0, 1), self.root[None].to(e.dtype)])
        places = torch.from_numpy(batch.sentences)
        root = len(flat) - 1
        places = torch.cat([places.new_full((len(places), 1), root), places], 1)
        there = places >= 0
        places = places.clamp(min=0)
        heads = self._narrow(self.arc_head, flat, places)
        dependents = self._narrow(self.arc_dep, flat, places[:, 1:])
        scores = (dependents @ self.arc_w) @ heads.transpose(1, 2) + (heads @ self.arc_u)[:, None]
        scores = scores.float() + self.arc_dist[_buckets(places.shape[1])]
        own = torch.eye(places.shape[1], dtype=torch.bool)[1:]  # no word is its own head
        scores = scores.masked_fill(~there[:, None] | own, _FAR)
        label_heads = functional.embedding(places, self.label_head(flat))
        label_dependents = functional.embedding(places[:, 1:], self.label_dep(flat))
        return {"head": scores, "_heads": label_heads, "_dependents": label_dependents}

    def _narrow(self, layer: nn.Module, flat: Tensor, places: Tensor) -> Tensor:
        x = functional.embedding(places, functional.leaky_relu(layer(flat), LEAK))
        return self._drop(x.transpose(0, 1)).transpose(0, 1)

    def relations(self, scores: dict[str, Tensor], heads: Tensor) -> Tensor:
        """(S, L, n_relations): scores of each word's relation to the head given, (S, L) from 0."""
        width = scores["_heads"].shape[-1]
        chosen = scores["_heads"].gather(1, heads[..., None].expand(-1, -1, width))
        hidden = functional.leaky_relu(chosen + scores["_dependents"], LEAK)
        made: Tensor = self.relation(self._drop(hidden.transpose(0, 1)).transpose(0, 1))
        return made


def _window(x: Tensor) -> Tensor:
    """(T, B, n) to (T, B, 3 n): the word before, the word, the word after; zeros at the edges."""
    edge = x.new_zeros(1, *x.shape[1:])
    return torch.cat([torch.cat([edge, x[:-1]]), x, torch.cat([x[1:], edge])], -1)


def _buckets(size: int) -> Tensor:
    """(L, L + 1): the bucket of the distance from each word to each head; the root has 0."""
    words = torch.arange(size)
    buckets = (words[None] - words[1:, None]).clamp(-31, 31) + 32
    buckets[:, 0] = 0
    return buckets


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each head counts in the loss."""

    upos: float = 0.5
    xpos: float = 0.5
    feats: float = 0.5
    lemma: float = 0.5
    start: float = 0.3
    head: float = 1.0
    relation: float = 1.0
    entity: float = 1.0
    outside: float = 0.05
    """Of O among the tags that a set allows, where O is one of them."""
    smoothing: float = 0.0
    """Of the labels of TAGGERS and relations."""


class Loss:
    """The loss of a batch, by head."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._made: dict[int, Tensor] = {}

    def __call__(self, student: Student, batch: Batch) -> dict[str, Tensor]:
        """The loss of each head that has labels here, weighted; their sum is to be made small."""
        scores = student(batch)
        losses = {
            name: self._classes(name, scores[name], batch.label[name], batch) for name in TAGGERS
        }
        start = torch.from_numpy(batch.label["start"])
        if (start >= 0).any():
            losses["start"] = functional.binary_cross_entropy_with_logits(
                scores["start"].float()[start >= 0], start[start >= 0].float()
            )
        losses["entity"] = self._entity(scores["entity"], batch)
        if batch.sentences.size:
            losses["head"] = self._classes("head", scores["head"], batch.head, batch)
            heads = torch.from_numpy(batch.head).clamp(min=0)
            if "head" in batch.soft:
                heads = torch.from_numpy(batch.soft["head"][0][..., 0]).clamp(min=0)
            losses["relation"] = self._classes(
                "relation", student.relations(scores, heads), batch.relation, batch
            )
        return {
            name: loss * getattr(self._weights, name)
            for name, loss in losses.items()
            if loss is not None
        }

    def _classes(
        self, name: str, scores: Tensor, labels: NDArray[np.int64], batch: Batch
    ) -> Tensor | None:
        if name in batch.soft:
            return _distilled(scores, *batch.soft[name])
        target = torch.from_numpy(labels)
        known = target >= 0
        if not known.any():
            return None
        smoothing = 0.0 if name == "head" else self._weights.smoothing
        return functional.cross_entropy(
            scores[known].float(), target[known], label_smoothing=smoothing
        )

    def _entity(self, scores: Tensor, batch: Batch) -> Tensor | None:
        """Of silver data both count: the sets hold types that its teacher has never seen."""
        parts = []
        if "entity" in batch.soft:
            parts.append(_distilled(scores, *batch.soft["entity"]))
        sets = torch.from_numpy(batch.allowed)
        known = sets > 0
        if known.any():
            own = scores[known].float()
            barred = ~self._masks(batch.sets)[sets[known]]
            inside = own.masked_fill(barred, float("-inf")).logsumexp(-1)
            loss = (own.logsumexp(-1) - inside).mean()
            # Where nothing speaks for a name, there is none: a type that no corpus here marks would
            # else come and go as it likes.
            free = ~barred[:, 0]
            if free.any():
                loss = loss + self._weights.outside * (inside[free] - own[free, 0]).mean()
            parts.append(loss)
        there = [part for part in parts if part is not None]
        return torch.stack(there).sum() if there else None

    def _masks(self, sets: list[int]) -> Tensor:
        """Those of a list that may have grown since."""
        made = self._made.get(id(sets))
        if made is None or len(made) < len(sets):
            made = self._made[id(sets)] = torch.from_numpy(masks(sets))
        return made


def _distilled(
    scores: Tensor, labels: NDArray[np.int64], shares: NDArray[np.float32]
) -> Tensor | None:
    """Cross entropy to a teacher's most likely labels, whose shares are made to add up to 1."""
    share = torch.from_numpy(shares)
    known = share.sum(-1) > 0
    if not known.any():
        return None
    share = share[known] / share[known].sum(-1, keepdim=True)
    logs = scores[known].float().log_softmax(-1)
    return -(share * logs.gather(-1, torch.from_numpy(labels)[known].clamp(min=0))).sum(-1).mean()


__all__ = ["Loss", "Sizes", "Student", "Weights", "scan"]
