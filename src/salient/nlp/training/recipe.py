"""The whole recipe of the model that ships: `python3 x.py train-nlp --minilm FOLDER`.

Teacher, silver data, word vectors, student, scores, and the model's place in the package, one command of
`teaching` or `salient.nlp.training` each. A run that was stopped goes on: a step that ended is not
done again unless its numbers changed, and then those behind it are done again too.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from salient.errors import Error, Misconfigured
from salient.nlp.native import SHIPPED, open_scheme
from salient.nlp.training import __main__ as students
from salient.nlp.training import pytorch, teaching

Command = Callable[[list[str]], int]


@dataclass(frozen=True, slots=True)
class Step:
    """A command of the recipe and its arguments; `into` is what it makes, beneath the work folder."""

    name: str
    run: Command
    arguments: tuple[str, ...]
    into: str


def steps(chosen: argparse.Namespace) -> list[Step]:
    """What is to be done, in order."""
    work: Path = chosen.work
    every = ("--data", str(chosen.data), "--threads", str(chosen.threads))
    teacher = ("--work", str(work / "teacher"), "--minilm", str(chosen.minilm), *every)
    sample = ("--seed", str(chosen.teacher_seed), "--share", str(chosen.share))
    silver, table, model = work / "silver", work / "vectors.npz", work / "english"
    settings = [part for one in chosen.set for part in ("--set", one)]
    return [
        Step(
            "learn", teaching.main,
            ("learn", *teacher, "--epochs", str(chosen.teacher_epochs), "--seed", str(chosen.teacher_seed)),
            "teacher",
        ),
        Step("label", teaching.main, ("label", *teacher, *sample, "--out", str(silver)), "silver"),
        Step(
            "vectors", teaching.main,
            ("vectors", *teacher, *sample, "--kind", chosen.vectors, "--out", str(table)), "vectors.npz",
        ),
        Step(
            "fit", students.main,
            (
                "fit", *every, "--out", str(model), "--silver", str(silver), "--vectors", str(table),
                "--silver-words", str(chosen.silver_words), "--epochs", str(chosen.epochs),
                "--every", str(chosen.every), "--seed", str(chosen.seed), "--name", chosen.name, *settings,
            ),
            "english",
        ),
    ]  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run the recipe; 0, or 1 with the reason on stderr."""
    chosen = _parser().parse_args(arguments)
    try:
        pytorch()
        if not (chosen.minilm / "tokenizer.json").is_file():
            raise Misconfigured(
                "--minilm is no folder with all-MiniLM-L6-v2's model.safetensors and tokenizer.json",
                folder=str(chosen.minilm),
            )
        if not done(steps(chosen), chosen.work):
            return 1
        model = chosen.work / "english"
        if students.main(["evaluate", str(model), "--data", str(chosen.data)]):
            return 1
        install(model, chosen.out)
    except Error as error:
        sys.stderr.write(f"{error.code}: {error.message} {error.context or ''}\n")
        return 1
    _say(f"the model is at {chosen.out}; measure it: python3 x.py bench language")
    return 0


def done(todo: Sequence[Step], work: Path) -> bool:
    """Do the steps that are not done; whether all ended well.

    What a step left that was begun with other numbers is removed, since it would go on with it.
    """
    work.mkdir(parents=True, exist_ok=True)
    before: list[object] = []
    for step in todo:
        before.append([step.name, step.arguments])
        asked = json.dumps(before)
        begun, ended = work / f"{step.name}.begun", work / f"{step.name}.ended"
        if _reads(ended) == asked:
            _say(f"{step.name}: done before")
            continue
        if _reads(begun) != asked:
            for name in (step.into, f"{step.into}.work"):
                _removed(work / name)
            ended.unlink(missing_ok=True)
            begun.write_text(asked, encoding="utf-8")
        _say(f"{step.name}: {' '.join(step.arguments)}")
        if step.run(list(step.arguments)):
            return False
        ended.write_text(asked, encoding="utf-8")
    return True


def _reads(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _removed(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def install(model: Path, place: Path) -> None:
    """Put a model in the place of another, after a look at whether it can be opened.

    Raises:
        Misconfigured, Corrupt: it cannot.
    """
    _say(f"{open_scheme(str(model)).component} reads {model}")
    fresh = place.with_name(place.name + ".new")
    _removed(fresh)
    shutil.copytree(model, fresh)
    _removed(place)
    fresh.replace(place)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 x.py train-nlp", description=__doc__)
    add = parser.add_argument
    add("--minilm", type=Path, required=True, help="folder of all-MiniLM-L6-v2's files")
    add("--data", type=Path, default=Path("../shared/data"), help="the folder with ud/ and ner/")
    add(
        "--work",
        type=Path,
        default=Path(".salient/train-nlp"),
        help="what a stopped run goes on from",
    )
    add("--out", type=Path, default=SHIPPED, help="where the model goes in the end")
    add("--threads", type=int, default=2)
    add("--teacher-epochs", type=int, default=4)
    add("--teacher-seed", type=int, default=5)
    add("--share", type=float, default=1.0, help="of the sample of unlabelled text")
    add("--vectors", choices=["potion", "teacher", "both"], default="both", help="whose they are")
    add("--epochs", type=int, default=15, help="of the student")
    add("--seed", type=int, default=1, help="of the student")
    add("--silver-words", type=int, default=1_000_000, help="of silver data an epoch")
    add("--every", type=int, default=5, help="epochs between looks at the tuning data")
    add("--name", default="en")
    add("--set", action="append", default=["dropout=0.2"], metavar="NAME=VALUE", help="a field of the student's recipe")  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
