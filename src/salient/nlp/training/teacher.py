"""A large model that labels text for the small one: MiniLM with heads for everything we annotate.

Needs PyTorch (the extra `train`). Nothing of this runs in a product: the teacher's outputs on
unlabelled text are what the shipped model learns from (`reading`, `silver`).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it

from salient.nlp.training.minilm import (
    MOST_IN_A_ROW,
    N_CASES,
    N_SHAPES,
    N_SUFFIXES,
    Batch,
    Encoder,
    Sizes,
    Words,
    batch_of,
    narrowed,
)  # fmt: skip

ROOT, UNKNOWN = -1, -2
"""As heads: the word hangs from the root; nobody has said what it hangs from."""

_DISTANCES = 64


@dataclass(frozen=True, slots=True)
class Names:
    """The values of each column, by number."""

    upos: tuple[str, ...]
    xpos: tuple[str, ...]
    feats: tuple[str, ...]
    relations: tuple[str, ...]
    entities: tuple[str, ...]

    def as_json(self) -> str:
        return json.dumps({name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def of_json(cls, text: str) -> Names:
        return cls(**{name: tuple(values) for name, values in json.loads(text).items()})


@dataclass(frozen=True, slots=True)
class Sentence:
    """One annotated sentence.

    Attributes:
        forms: the words as written.
        tags: (n, 3) int16, numbers of UPOS, XPOS and features; -1 where unknown.
        heads: (n,) int16, a word of the sentence, ROOT or UNKNOWN.
        relations: (n,) int16, -1 where unknown.
        entities: (n,) int16, rows of a table of allowed tags; -1 where nothing is known.
    """

    forms: tuple[str, ...]
    tags: NDArray[np.int16]
    heads: NDArray[np.int16]
    relations: NDArray[np.int16]
    entities: NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Scores:
    """What the heads say; unnormalised, (b, words, ...) each; arcs have the root as candidate 0."""

    upos: Tensor
    xpos: Tensor
    feats: Tensor
    start: Tensor
    sentence: Tensor  # numbers, that arcs keep to; -1 is padding
    arcs: Tensor
    entities: Tensor
    label_head: Tensor
    label_dependent: Tensor


class Network(nn.Module):
    """Encoder and heads."""

    def __init__(self, sizes: Sizes, names: Names) -> None:
        super().__init__()
        self.encoder = Encoder(sizes)
        wide, hidden, label = sizes.width, sizes.hidden, sizes.label
        self.mix = nn.Parameter(torch.zeros(sizes.layers + 1))
        self.shape = nn.Embedding(N_SHAPES, 32, padding_idx=0)
        self.suffix3 = nn.Embedding(N_SUFFIXES, 48, padding_idx=0)
        self.suffix2 = nn.Embedding(N_SUFFIXES, 32, padding_idx=0)
        self.case = nn.Embedding(N_CASES, 16, padding_idx=0)
        self.input = nn.Linear(wide + 128, wide)
        self.input_norm = nn.LayerNorm(wide)
        self.drop = nn.Dropout(0.2)
        self.tags = nn.Linear(wide, hidden)
        self.upos = nn.Linear(hidden, len(names.upos))
        self.xpos = nn.Linear(hidden, len(names.xpos))
        self.feats = nn.Linear(hidden, len(names.feats))
        self.start = nn.Linear(hidden, 1)
        self.root = nn.Parameter(torch.randn(wide) * 0.02)
        self.arc_head = nn.Linear(wide, hidden)
        self.arc_dependent = nn.Linear(wide, hidden)
        self.arc = nn.Parameter(torch.randn(hidden, hidden) / hidden)
        self.arc_bias = nn.Linear(hidden, 1, bias=False)
        self.distance = nn.Embedding(_DISTANCES, 1)
        nn.init.zeros_(self.distance.weight)
        self.label_head = nn.Linear(wide, label)
        self.label_dependent = nn.Linear(wide, label)
        self.label = nn.Linear(label, len(names.relations) * label)
        self.label_sum = nn.Linear(2 * label, len(names.relations), bias=False)
        self.entity = nn.Linear(wide, hidden)
        self.entities = nn.Linear(hidden, len(names.entities))

    def words(self, batch: Batch) -> Tensor:
        """States of the words before the heads: (b, words, width) float32."""
        b, n = batch.sentence.shape
        padded = F.pad(batch.traits[:, :, 3], (0, 1))
        states = self.encoder(batch.pieces, padded.gather(1, batch.of_word))
        weights = self.mix.softmax(0)
        mixed = sum((w * s for w, s in zip(weights, states, strict=True)), torch.zeros(()))
        index = (batch.of_word + torch.arange(b)[:, None] * (n + 1)).view(-1)
        flat = mixed.float().reshape(-1, mixed.shape[-1])
        sums = flat.new_zeros(b * (n + 1), flat.shape[1]).index_add(0, index, flat)
        counts = torch.bincount(index, minlength=b * (n + 1)).clamp(min=1)
        return (sums / counts[:, None]).view(b, n + 1, -1)[:, :n]

    def forward(self, batch: Batch, starts: Tensor | None = None) -> Scores:
        """Score everything.

        Args:
            starts: (b, words) bool, words that begin a sentence whatever the network thinks; the
                others begin one where it thinks so. Without it the batch's sentences hold.
        """
        shape, suffix3, suffix2, case = batch.traits.unbind(-1)
        traits = [
            self.shape(shape), self.suffix3(suffix3), self.suffix2(suffix2), self.case(case),
        ]  # fmt: skip
        x = torch.cat([self.words(batch), *traits], -1)
        x = self.drop(self.input_norm(F.gelu(self.input(x)).float()))
        tags = self.drop(F.gelu(self.tags(x)))
        start = self.start(tags)[..., 0]
        sentence = batch.sentence
        if starts is not None:
            counted = (starts | (start > 0)).cumsum(1)
            sentence = torch.where(sentence < 0, sentence, counted)
        with_root = torch.cat([self.root.expand(x.shape[0], 1, -1), x], 1)
        return Scores(
            upos=self.upos(tags),
            xpos=self.xpos(tags),
            feats=self.feats(tags),
            start=start,
            sentence=sentence,
            arcs=self._arcs(x, with_root, sentence),
            entities=self.entities(self.drop(F.gelu(self.entity(x)))),
            label_head=self.drop(F.gelu(self.label_head(with_root))),
            label_dependent=self.drop(F.gelu(self.label_dependent(x))),
        )

    def _arcs(self, x: Tensor, with_root: Tensor, sentence: Tensor) -> Tensor:
        """(b, words, words + 1): how well each candidate heads a word of its own sentence."""
        n = x.shape[1]
        heads = self.drop(F.gelu(self.arc_head(with_root)))
        dependents = self.drop(F.gelu(self.arc_dependent(x)))
        scores = (dependents @ self.arc) @ heads.transpose(1, 2)
        scores = scores.float() + self.arc_bias(heads).float().transpose(1, 2)
        at = torch.arange(n)
        buckets = (at[None, :] - at[:, None]).clamp(-31, 31) + 32
        buckets = F.pad(buckets, (1, 0))  # the root's is 0
        scores = scores + self.distance(buckets)[..., 0]
        same = sentence[:, :, None] == sentence[:, None, :]
        same = same & ~torch.eye(n, dtype=torch.bool)
        allowed = F.pad(same, (1, 0), value=True)
        masked: Tensor = scores.masked_fill(~allowed, -1e4)
        return masked

    def relations(self, scores: Scores, row: Tensor, word: Tensor, head: Tensor) -> Tensor:
        """(m, relations) for m arcs: text, dependent, and head with 0 for the root."""
        dependents = scores.label_dependent[row, word]
        heads = scores.label_head[row, head]
        turned: Tensor = self.label(heads).view(len(row), -1, dependents.shape[-1])
        together = (turned @ dependents[:, :, None])[..., 0]
        both: Tensor = self.label_sum(torch.cat([heads, dependents], -1))
        return (together + both).float()


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the teacher learns. Rates fall linearly to 0 after the warm-up."""

    epochs: int = 5
    pieces: int = 1800  # word pieces of a step, padding included
    encoder_rate: float = 1e-4
    head_rate: float = 1e-3
    warm_up: float = 0.06  # of all steps
    decay: float = 0.01
    sentences: int = 6  # at most, of one text
    shouted: float = 0.04  # of the texts are put in capitals, as many in small letters
    hidden_pieces: float = 0.03
    seed: int = 5


Piece = tuple[Sentence, ...]
"""Consecutive sentences of one document, read together."""


def pieces_of(
    documents: Iterable[Sequence[Sentence]], recipe: Recipe, chance: random.Random
) -> list[Piece]:
    """Cut documents into runs of one to `recipe.sentences` sentences, at other places each time."""
    pieces: list[Piece] = []
    for document in documents:
        at = 0
        while at < len(document):
            wanted, size, end = chance.randint(1, recipe.sentences), 0, at
            while end < len(document) and end - at < wanted:
                size += len(document[end].forms)
                if end > at and size > MOST_IN_A_ROW * 3 // 4:
                    break
                end += 1
            pieces.append(tuple(document[at:end]))
            at = end
    return pieces


def batches_of(
    pieces: Sequence[Piece], words: Words, room: int, chance: random.Random
) -> list[list[Piece]]:
    """Texts of like length together, at most `room` word pieces with padding; in random order."""
    sized = sorted(
        ((sum(len(words(f)[0]) for s in p for f in s.forms) + 2, chance.random(), i)
         for i, p in enumerate(pieces)),
    )  # fmt: skip
    batches: list[list[Piece]] = [[]]
    for size, _, i in sized:
        if batches[-1] and size * (len(batches[-1]) + 1) > room:
            batches.append([])
        batches[-1].append(pieces[i])
    chance.shuffle(batches)
    return batches


@dataclass(frozen=True, slots=True)
class Gold:
    """What a batch should say; (b, words) int64, -1 where nothing is known or is padding."""

    tags: Tensor  # (b, words, 3)
    heads: Tensor  # 0 is the root, otherwise 1 + word
    relations: Tensor
    starts: Tensor
    entities: Tensor


def gold_of(batch: Sequence[Piece]) -> Gold:
    """The labels of texts side by side, padded as `batch_of` pads."""
    longest = max(sum(len(s.forms) for s in piece) for piece in batch)
    tags = np.full((len(batch), longest, 3), -1, np.int64)
    heads, relations, starts, entities = np.full((4, len(batch), longest), -1, np.int64)
    for i, piece in enumerate(batch):
        at = 0
        for s in piece:
            here = slice(at, at + len(s.forms))
            tags[i, here] = s.tags
            heads[i, here] = np.select(
                [s.heads == ROOT, s.heads == UNKNOWN], [0, -1], s.heads.astype(np.int64) + at + 1
            )
            relations[i, here] = s.relations
            entities[i, here] = s.entities
            if s.heads[0] != UNKNOWN:
                starts[i, here] = 0
                starts[i, at] = 1
            at = here.stop
    return Gold(*(torch.from_numpy(a) for a in (tags, heads, relations, starts, entities)))


def entity_loss(scores: Tensor, rows: Tensor, allowed: Tensor) -> Tensor:
    """Mean over annotated words of -log of the probability of what the annotation allows.

    Args:
        scores: (b, words, tags).
        rows: (b, words), rows of `allowed`; -1 is no annotation.
        allowed: (rows, tags) bool.
    """
    known = rows >= 0
    logs = scores[known].float().log_softmax(-1)
    inside = logs.masked_fill(~allowed[rows[known]], -1e4).logsumexp(-1)
    return -inside.sum() / max(1, int(known.sum()))


def loss_of(network: Network, batch: Batch, gold: Gold, allowed: Tensor) -> Tensor:
    """Sum of the heads' mean losses."""
    scores = network(batch)
    total = entity_loss(scores.entities, gold.entities, allowed)
    heads = zip((scores.upos, scores.xpos, scores.feats), gold.tags.unbind(-1), strict=True)
    for out, wanted in heads:
        if bool((wanted >= 0).any()):
            total = total + F.cross_entropy(
                out.float().flatten(0, 1), wanted.flatten(), ignore_index=-1
            )
    known = gold.starts >= 0
    if bool(known.any()):
        total = total + F.binary_cross_entropy_with_logits(
            scores.start[known].float(), gold.starts[known].float()
        )
    row, word = (gold.heads >= 0).nonzero(as_tuple=True)
    if len(row):
        head = gold.heads[row, word]
        total = total + F.cross_entropy(scores.arcs[row, word], head)
        total = total + F.cross_entropy(
            network.relations(scores, row, word, head), gold.relations[row, word], ignore_index=-1
        )
    return total


def _recased(forms: Sequence[str], recipe: Recipe, chance: random.Random) -> Sequence[str]:
    drawn = chance.random()
    if drawn < recipe.shouted:
        return [f.upper() for f in forms]
    return [f.lower() for f in forms] if drawn < 2 * recipe.shouted else forms


def read_batch(
    pieces: Sequence[Piece], words: Words, recipe: Recipe | None = None,
    chance: random.Random | None = None,
) -> Batch:  # fmt: skip
    """Texts with the gold sentences; with a recipe, recased and with pieces hidden by chance."""
    texts: list[Sequence[str]] = [[f for s in piece for f in s.forms] for piece in pieces]
    numbers = [[i for i, s in enumerate(piece) for _ in s.forms] for piece in pieces]
    if recipe is None or chance is None:
        return batch_of(texts, numbers, words)
    hide, draw = recipe.hidden_pieces, chance.random
    texts = [_recased(text, recipe, chance) for text in texts]
    return batch_of(texts, numbers, words, masked=lambda: draw() < hide)


class Training:
    """The state of a run: network, optimiser, how far it got. Saved whole, and resumed."""

    def __init__(self, sizes: Sizes, names: Names, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self.sizes, self.names, self.recipe = sizes, names, recipe
        self.network = Network(sizes, names)
        encoder = [
            p for n, p in self.network.encoder.named_parameters()
            if not n.startswith(("word.", "position.", "kind", "norm."))
        ]  # fmt: skip
        known = {id(p) for p in self.network.encoder.parameters()}
        heads = [p for p in self.network.parameters() if id(p) not in known]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": encoder, "lr": recipe.encoder_rate},
                {"params": heads, "lr": recipe.head_rate},
            ],
            betas=(0.9, 0.98), weight_decay=recipe.decay, fused=True,
        )  # fmt: skip
        self.epoch, self.step, self.steps_done = 0, 0, 0

    def epoch_batches(
        self, documents: Sequence[Sequence[Sentence]], words: Words
    ) -> list[list[Piece]]:
        """The batches of the current epoch: the same for the same seed."""
        chance = random.Random(f"{self.recipe.seed}/{self.epoch}")  # noqa: S311 - no secret
        pieces = pieces_of(documents, self.recipe, chance)
        return batches_of(pieces, words, self.recipe.pieces, chance)

    def learn(self, batch: Sequence[Piece], allowed: Tensor, words: Words, *, of: int) -> float:
        """Take one step; `of` is the number of steps of an epoch. Returns the loss."""
        chance = random.Random(  # noqa: S311 - no secret
            f"{self.recipe.seed}/{self.epoch}/{self.step}"
        )
        self.network.train()
        torch.manual_seed(chance.getrandbits(63))  # a resumed run drops what it would have dropped
        with narrowed():
            loss = loss_of(
                self.network, read_batch(batch, words, self.recipe, chance), gold_of(batch), allowed
            )
        loss.backward()  # type: ignore[no-untyped-call] # PyTorch has no types for it
        nn.utils.clip_grad_norm_(self.network.parameters(), 2.0)
        done = (self.epoch + self.step / of) / self.recipe.epochs
        factor = min(done / self.recipe.warm_up, (1 - done) / (1 - self.recipe.warm_up))
        rates = (self.recipe.encoder_rate, self.recipe.head_rate)
        for group, rate in zip(self.optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * max(factor, 1e-3)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1
        return float(loss.detach())

    def save(self, path: Path) -> None:
        """Write everything that a resumed run needs."""
        state = {
            "network": self.network.state_dict(), "optimiser": self.optimiser.state_dict(),
            "epoch": self.epoch, "step": self.step, "names": self.names.as_json(),
        }  # fmt: skip
        rough = path.with_suffix(".part")
        torch.save(state, rough)
        rough.replace(path)

    def resume(self, path: Path) -> None:
        """Go on where `save` stopped."""
        state: dict[str, Any] = torch.load(path, weights_only=True)
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.epoch, self.step = state["epoch"], state["step"]
