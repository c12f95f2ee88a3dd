"""From data to a model directory: train a student, measure it, calibrate it, write it."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import torch

from salient.errors import InvalidInput
from salient.nlp.training import calibration, export, fit
from salient.nlp.training.data import Gold
from salient.nlp.training.files import Files, load
from salient.nlp.training.fit import Recipe, Say, Silver
from salient.nlp.training.network import Sizes, Student
from salient.nlp.training.vectors import read as vectors_of

Scores = dict[str, dict[str, float]]
"""By source and name, F1 in per cent."""


def make(
    gold: Gold,
    recipe: Recipe,
    out: Path,
    *,
    name: str,
    language: str,
    licence: str,
    table: torch.Tensor | None = None,
    silver: Silver | None = None,
    every: int = 5,
    say: Say = print,
) -> Scores:
    """Train to the end and write the model, with the recipe beside it.

    A run that was stopped goes on from the folder `work_of(out)`.

    Args:
        table: the word vectors whose rows `gold.types.vectors` numbers.
        every: epochs from one look at the tuning data to the next.

    Returns:
        What the model scores on `gold.shown`, words and sentences as annotated.

    Raises:
        Corrupt: the run that was stopped was of another recipe.
    """
    torch.manual_seed(recipe.seed)
    sizes = Sizes.of(gold.labels, n_vectors=0 if table is None else len(table))
    student = Student(sizes, recipe.dropout, table)
    trained, tune = fit.fit(
        gold, student, recipe, work_of(out), silver=silver, every=every, say=say
    )
    shown = fit.measure(trained, gold.shown, gold)
    if shown:
        say(f"dev {fit.shown(shown)}")
    size = export.write(
        out, trained, gold.labels, gold.types.vectors, name=name, language=language, licence=licence,
        scores={**_flat("tune", tune), **_flat("dev", shown)},
        temperatures=calibration.temperatures(trained, gold.tune.values()),
    )  # fmt: skip
    described = json.dumps(dataclasses.asdict(recipe), indent=1)
    (out / "recipe.json").write_text(described, encoding="utf-8")
    say(f"wrote {out}, {size / 1e6:.1f} MB")
    return shown


def make_from_files(
    files: Files,
    recipe: Recipe,
    out: Path,
    *,
    language: str,
    name: str,
    licence: str,
    vectors: Path | None = None,
    every: int = 5,
    say: Say = print,
) -> Scores:
    """As `make`, of anybody's files.

    Args:
        vectors: a file as `vectors.write` makes it.

    Raises:
        InvalidInput: the files cannot be read, or the run that was stopped was of other files or another
            recipe.
    """
    work = work_of(out)
    asked = {"data": files.digest(), "recipe": dataclasses.asdict(recipe)}
    _same_run(work, json.dumps(asked, sort_keys=True))
    words, table = read_vectors(vectors)
    gold = load(files, {word: row for row, word in enumerate(words, 1)})
    kept = sum(columns.n_words for columns in gold.tune.values())
    say(f"{gold.train.n_words:,} words to train on, {kept:,} to choose by, {recipe.epochs} epochs")
    return make(
        gold, recipe, out, name=name, language=language, licence=licence, table=table, every=every, say=say
    )  # fmt: skip


def _same_run(work: Path, asked: str) -> None:
    file = work / "run.json"
    if file.is_file() and file.read_text(encoding="utf-8") != asked:
        raise InvalidInput(
            f"{work} was begun with other files or numbers: remove it, or let the model go elsewhere"
        )
    work.mkdir(parents=True, exist_ok=True)
    file.write_text(asked, encoding="utf-8")


def read_vectors(file: Path | None) -> tuple[list[str], torch.Tensor | None]:
    """The norms in the order of their bytes, and the table, whose first row is of the unknown word."""
    if file is None:
        return [], None
    words, rows = vectors_of(file)
    return words, torch.from_numpy(rows)


def work_of(out: Path) -> Path:
    """The folder beside a model that a run goes on from."""
    return out.with_name(out.name + ".work")


def _flat(part: str, found: Scores) -> dict[str, float]:
    return {
        f"{part}.{source}.{name}": round(score, 2)
        for source, scores in found.items()
        for name, score in scores.items()
    }
