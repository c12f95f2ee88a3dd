"""`salient train`: models of one's own. PyTorch, an extra, is imported only when one is trained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from salient.errors import InvalidInput
from salient.interfaces.terminal import err, out
from salient.nlp.training import pytorch

train = typer.Typer(help="Train models of your own.", no_args_is_help=True, add_completion=False)


@train.callback()
def _commands() -> None:
    """Train models of your own."""


@train.command()
def nlp(
    to: Annotated[Path, typer.Option("--out", "-o", help="The folder that becomes the model.")],
    language: Annotated[str, typer.Option("--language", "-l", help="ISO 639-1, e.g. de.")],
    data: Annotated[
        Path | None,
        typer.Option(help="A folder of .conllu files, and .bio, .iob2 or .conll files of names."),
    ] = None,
    treebank: Annotated[
        list[Path] | None, typer.Option(help="A file in CoNLL-U; may be given several times.")
    ] = None,
    names: Annotated[
        list[Path] | None,
        typer.Option(help="A file of names in BIO; may be given several times."),
    ] = None,
    vectors: Annotated[
        Path | None, typer.Option(help="Word vectors, as `training.vectors` writes them.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the model; the language without.")] = None,
    licence: Annotated[str, typer.Option(help="Of the model: that of its data.")] = "unknown",
    epochs: Annotated[int, typer.Option(min=1)] = 20,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    every: Annotated[int, typer.Option(min=1, help="Epochs between looks at how good it is.")] = 5,
) -> None:
    """Train the language engine on treebanks and names of any language.

    Files whose name has "dev" in it are only reported on, those with "test" left out. A command that
    was stopped goes on where it was when it is given again.
    """
    if not re.fullmatch("[a-z]{2,3}", language):
        raise InvalidInput(f"{language!r} is no code of a language, such as 'de'")
    pytorch()
    from salient.nlp.training.files import Files
    from salient.nlp.training.fit import Recipe
    from salient.nlp.training.making import make_from_files

    files = Files.of(data, treebank or [], names or [])
    for path in files.left_out:
        err.print(f"left out, as a test part: {escape(str(path))}")
    scores = make_from_files(
        files, Recipe(epochs=epochs, seed=seed, threads=threads), to, language=language,
        name=name or language, licence=licence, vectors=vectors, every=every,
        say=lambda line: err.print(escape(line), soft_wrap=True),
    )  # fmt: skip
    if not scores:
        err.print("no file of a dev part was given, so nothing was measured that is not chosen by")
    spec = f"native:{to.resolve()}"
    out.print(f'use it: SALIENT_NLP__ENGINE="{escape(spec)}" salient add FOLDER', soft_wrap=True)
    out.print(f'or in salient.toml:\n\\[nlp]\nengine = "{escape(spec)}"', soft_wrap=True)
