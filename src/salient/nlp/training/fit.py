"""Train the student: passes over the gold data, with what a teacher labelled mixed in."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from salient.errors import Corrupt
from salient.nlp.training import evaluation, pieces
from salient.nlp.training.data import Columns, Gold
from salient.nlp.training.network import Loss, Student, Weights
from salient.nlp.training.pieces import Batch, Changes, Piece

CHECKPOINT: Final = "checkpoint.pt"
_TUNED_ON: Final = ("ewt", "gum")


@dataclasses.dataclass(frozen=True, slots=True)
class Recipe:
    """What a run is, besides its data. Equal recipes and data give equal weights on one machine."""

    epochs: int = 20
    seed: int = 1
    n_words: int = 2000
    """Of a batch."""
    rate: float = 3e-3
    warmup: float = 0.05
    """Share of the steps in which the rate rises; then it falls to a hundredth."""
    cosine: bool = False
    decay: float = 0.01
    """Of weights that are no tables, as AdamW takes it: a step's share is `rate * decay`."""
    clip: float = 5.0
    average: float = 0.998
    """Of the moving average of weights, which is what is kept."""
    dropout: float = 0.3
    word_dropout: float = 0.12
    silver_words: int = 0
    """Words of silver data an epoch, from where the last one ended."""
    threads: int = 1
    weights: Weights = dataclasses.field(default_factory=Weights)
    changes: Changes = dataclasses.field(default_factory=Changes)


Say = Callable[[str], None]
Silver = Callable[[int, int], Columns]
"""(first word, number of words) -> that stretch of the silver data, which begins again at its end."""


class Run:
    """A student in training, which can be stopped after any epoch and gone on with."""

    def __init__(
        self, gold: Gold, student: Student, recipe: Recipe, silver: Silver | None = None
    ) -> None:
        self.student, self.recipe = student, recipe
        self._gold, self._silver = gold, silver
        self.epoch = 0
        self._loss = Loss(recipe.weights)
        weights = dict(student.named_parameters())
        tables = [p for name, p in weights.items() if name.startswith(("tables", "grams"))]
        others = [p for name, p in weights.items() if not name.startswith(("tables", "grams"))]
        groups = [
            {"params": tables, "weight_decay": 0.0},
            {"params": others, "weight_decay": recipe.decay},
        ]
        self._optimizer = torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.98), fused=True)
        self._weights = list(student.parameters())
        self._average = [p.detach().clone() for p in self._weights]
        self._step = 0
        words = gold.train.n_words + (recipe.silver_words if silver else 0)
        # Batches are not quite full; how far that makes them more is of little matter to the rate.
        self._steps = recipe.epochs * math.ceil(words / recipe.n_words / 0.9)

    def _rate(self) -> float:
        done = min(self._step / self._steps, 1.0)
        if done < self.recipe.warmup:
            return self.recipe.rate * (self._step + 1) / (self.recipe.warmup * self._steps + 1)
        left = (1 - done) / (1 - self.recipe.warmup)
        share = 0.5 - 0.5 * math.cos(math.pi * left) if self.recipe.cosine else left
        return self.recipe.rate * max(share, 0.01)

    def _batches(self) -> Iterator[Batch]:
        """Those of one epoch. All that is drawn depends on the seed and the epoch."""
        rng = np.random.default_rng([self.recipe.seed, self.epoch])
        torch.manual_seed(self.recipe.seed * 100_003 + self.epoch)
        sources = [self._gold.train]
        if self._silver is not None:
            size = self.recipe.silver_words
            sources.append(self._silver(self.epoch * size, size))
        # Batches are made when they are due: those of an epoch would fill the memory.
        due: list[tuple[Columns, list[Piece]]] = []
        for columns in sources:
            drawn = list(pieces.pieces(columns, rng, self.recipe.changes))
            due += [(columns, group) for group in pieces.groups(drawn, self.recipe.n_words, rng)]
        for at in rng.permutation(len(due)):
            columns, group = due[at]
            yield pieces.batch(columns, group, rng, dropped=self.recipe.word_dropout)

    def train_epoch(self) -> dict[str, float]:
        """One pass; the mean loss of each head."""
        self.student.train()
        torch.set_num_threads(self.recipe.threads)
        sums: dict[str, float] = {}
        count = 0
        for batch in self._batches():
            losses = self._loss(self.student, batch)
            if not losses:
                continue
            self._optimizer.zero_grad()
            torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call] # PyTorch has no types for it
            torch.nn.utils.clip_grad_norm_(self._weights, self.recipe.clip)
            for group in self._optimizer.param_groups:
                group["lr"] = self._rate()
            self._optimizer.step()
            self._step += 1
            share = min(self.recipe.average, (1 + self._step) / (10 + self._step))
            with torch.no_grad():
                torch._foreach_lerp_(self._average, list[torch.Tensor](self._weights), 1 - share)
            count += 1
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + float(loss.detach())
        self.epoch += 1
        return {name: value / count for name, value in sums.items()}

    def averaged(self) -> Student:
        """A student with the averaged weights."""
        made = Student(self.student.sizes, self.recipe.dropout)
        made.load_state_dict(self.student.state_dict())
        with torch.no_grad():
            for parameter, value in zip(made.parameters(), self._average, strict=True):
                parameter.copy_(value)
        return made

    def save(self, folder: Path) -> None:
        """Keep all that `resume` needs; an older one is replaced at once or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{CHECKPOINT}.part"
        torch.save(
            {
                "student": self.student.state_dict(), "optimizer": self._optimizer.state_dict(),
                "average": self._average, "epoch": self.epoch, "step": self._step,
                "recipe": _plain(self.recipe),
            },
            part,
        )  # fmt: skip
        part.replace(folder / CHECKPOINT)

    def resume(self, folder: Path) -> bool:
        """Go on from the folder's checkpoint, if it has one.

        Raises:
            Corrupt: it is of another recipe.
        """
        file = folder / CHECKPOINT
        if not file.is_file():
            return False
        kept = torch.load(file, weights_only=True)
        if kept["recipe"] != _plain(self.recipe):
            raise Corrupt("the checkpoint is of another recipe", file=str(file))
        self.student.load_state_dict(kept["student"])
        self._optimizer.load_state_dict(kept["optimizer"])
        self._average, self.epoch, self._step = kept["average"], kept["epoch"], kept["step"]
        return True


def _plain(recipe: Recipe) -> dict[str, Any]:
    return dataclasses.asdict(recipe)


def fit(
    gold: Gold,
    student: Student,
    recipe: Recipe,
    folder: Path,
    *,
    silver: Silver | None = None,
    every: int = 5,
    say: Say = print,
) -> tuple[Student, dict[str, dict[str, float]]]:
    """Train to the end, from the folder's checkpoint if there is one.

    Args:
        every: epochs from one look at the tuning data to the next.
        say: gets a line of progress an epoch.

    Returns:
        The averaged student that scored best on the tuning data, and what it scored by source.
    """
    run = Run(gold, student, recipe, silver)
    if run.resume(folder):
        say(f"goes on after epoch {run.epoch}")
    best = folder / "best.pt"
    while run.epoch < recipe.epochs:
        began = time.monotonic()
        losses = run.train_epoch()
        line = " ".join(f"{name} {value:.3f}" for name, value in sorted(losses.items()))
        say(f"epoch {run.epoch} {time.monotonic() - began:.0f} s: {line}")
        if run.epoch % every == 0 or run.epoch == recipe.epochs:
            found = measure(run.averaged(), gold.tune, gold)
            say(f"  tune {shown(found)}")
            score = _overall(found)
            if not best.is_file() or score >= torch.load(best, weights_only=True)["score"]:
                folder.mkdir(parents=True, exist_ok=True)
                kept = {"score": score, "student": run.averaged().state_dict(), "tune": found}
                torch.save(kept, best)
        run.save(folder)
    kept = torch.load(best, weights_only=True)
    chosen = run.averaged()
    chosen.load_state_dict(kept["student"])
    return chosen, kept["tune"]


def measure(student: Student, parts: dict[str, Columns], gold: Gold) -> dict[str, dict[str, float]]:
    """Scores by source; sets of names without syntax have "Names" only."""
    return {
        source: evaluation.scores(columns, evaluation.predict(student, columns), gold.labels)
        for source, columns in parts.items()
        if columns.n_words
    }


def _overall(found: dict[str, dict[str, float]]) -> float:
    """What a checkpoint is chosen by: tags, trees and names count the same.

    Of other sources than the project's own all count.
    """
    looked = [found[source] for source in _TUNED_ON if source in found] or list(found.values())
    counted = sum(s.get(name, 0.0) for s in looked for name in ("UPOS", "LAS", "Names"))
    return counted / max(len(looked), 1)


def shown(found: dict[str, dict[str, float]]) -> str:
    """Scores on a line."""
    return " | ".join(
        f"{source} " + " ".join(f"{name} {value:.2f}" for name, value in scores.items())
        for source, scores in found.items()
    )
