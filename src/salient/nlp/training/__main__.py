"""Train and score the language engine's models: `python -m salient.nlp.training fit | evaluate`."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from salient.errors import Error, Misconfigured

if TYPE_CHECKING:
    from salient.nlp.training import fit

_DATA = Path("../shared/data")


def main(arguments: list[str] | None = None) -> int:
    """Run a command; 0, or 1 with the reason on stderr where salient's own errors end it."""
    chosen = _parser().parse_args(arguments)
    try:
        if importlib.util.find_spec("torch") is None:
            raise Misconfigured("training needs PyTorch: pip install 'salient[train]'")
        chosen.run(chosen)
    except Error as error:
        sys.stderr.write(f"{error.code}: {error.message} {error.context or ''}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m salient.nlp.training", description=__doc__)
    commands = parser.add_subparsers(required=True)
    fitting = commands.add_parser("fit", help="train a student and write its model directory")
    fitting.add_argument("--out", type=Path, required=True, help="where the model goes")
    fitting.add_argument("--data", type=Path, default=_DATA, help="the folder with ud/ and ner/")
    fitting.add_argument("--epochs", type=int, default=20)
    fitting.add_argument("--seed", type=int, default=1)
    fitting.add_argument("--silver", type=Path, help="a folder that `silver` wrote")
    fitting.add_argument(
        "--silver-words", type=int, default=1_000_000, help="of silver data an epoch"
    )
    fitting.add_argument("--vectors", type=Path, help="a file that `vectors` wrote")
    fitting.add_argument("--threads", type=int, default=1)
    fitting.add_argument(
        "--every", type=int, default=5, help="epochs between looks at the tuning data"
    )
    fitting.add_argument("--name", default="en")
    fitting.add_argument(
        "--fold", type=_fold, default=None, metavar="K/N",
        help="report on documents K modulo N of the entity sets without a development part",
    )  # fmt: skip
    fitting.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE",
        help="a field of the recipe, of `weights.` or of `changes.`",
    )  # fmt: skip
    fitting.set_defaults(run=_fit)
    scoring = commands.add_parser("evaluate", help="score a model on gold words and sentences")
    scoring.add_argument("model", type=Path)
    scoring.add_argument("--data", type=Path, default=_DATA)
    scoring.set_defaults(run=_evaluate)
    return parser


def _fold(text: str) -> tuple[int, int]:
    number, _, of = text.partition("/")
    return int(number), int(of)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _fit(chosen: argparse.Namespace) -> None:
    from salient.nlp.training import data, making

    words, table = making.read_vectors(chosen.vectors)
    rows = {word: row for row, word in enumerate(words, 1)}
    gold = data.load(chosen.data, rows, fold=chosen.fold or data.FOLD)
    silver = None
    if chosen.silver is not None:
        silver = importlib.import_module("salient.nlp.training.silver").stream(chosen.silver, gold)
    making.make(
        gold, _recipe(chosen), chosen.out, name=chosen.name, language="en", licence="CC-BY-SA-4.0",
        table=table, silver=silver, every=chosen.every, say=_say,
    )  # fmt: skip


def _recipe(chosen: argparse.Namespace) -> fit.Recipe:
    from salient.nlp.training import fit

    parts: dict[str, dict[str, Any]] = {"": {}, "weights": {}, "changes": {}}
    for setting in chosen.set:
        name, _, value = setting.partition("=")
        part, _, field = name.rpartition(".")
        if part not in parts:
            raise Misconfigured("no such part of a recipe", setting=setting)
        parts[part][field] = json.loads(value)
    silver_words = chosen.silver_words if chosen.silver else 0
    recipe = fit.Recipe(
        epochs=chosen.epochs, seed=chosen.seed, threads=chosen.threads, silver_words=silver_words
    )
    try:
        return dataclasses.replace(
            recipe,
            weights=dataclasses.replace(recipe.weights, **parts["weights"]),
            changes=dataclasses.replace(recipe.changes, **parts["changes"]),
            **parts[""],
        )
    except TypeError as exc:
        raise Misconfigured("no such field of a recipe", settings=chosen.set) from exc


def _evaluate(chosen: argparse.Namespace) -> None:
    from salient.nlp.training import data, export, fit

    model = export.read(chosen.model)
    gold = data.load(chosen.data, model.vectors, model.labels)
    for source, found in fit.measure(model.student, gold.shown, gold).items():
        _say(fit.shown({source: found}))


if __name__ == "__main__":
    sys.exit(main())
