"""`salient embed`: train word vectors on files or the workspace, ask them, and write them for others."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from salient.app import opened_models, place_of, work_config
from salient.errors import InvalidInput
from salient.interfaces.terminal import AGAIN, STOPPED, AsJson, DataDir, drawn, opened, out
from salient.learning.embeddings import DistributedTraining, KeyedVectors, WordVectors
from salient.learning.embeddings.corpus import Told
from salient.learning.embeddings.files import texts
from salient.learning.registry import PREFIX
from salient.settings import load
from salient.work import open_pool

embed = typer.Typer(help="Word and document vectors.", no_args_is_help=True, add_completion=False)

Vectors = Annotated[
    str, typer.Argument(help="A folder that `train` wrote, or model:NAME of a published one.")
]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="How many words.")]


@embed.command()
def train(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Text (a text a line), .jsonl, .csv or .tsv, also .gz or .xz; without, the workspace's documents."),
    ] = None,
    to: Annotated[Path | None, typer.Option("--out", "-o", help="The folder to write.")] = None,
    publish: Annotated[str | None, typer.Option(help="Publish as a model of that name.")] = None,
    field: Annotated[str, typer.Option(help="Of JSON or a table: what has the text.")] = "text",
    dimensions: Annotated[int, typer.Option(min=1)] = 100,
    window: Annotated[int, typer.Option(min=1)] = 5,
    negatives: Annotated[int, typer.Option(min=0)] = 5,
    epochs: Annotated[int, typer.Option(min=1)] = 5,
    min_count: Annotated[int, typer.Option(min=1)] = 5,
    mode: Annotated[str, typer.Option(help="skip-gram or cbow.")] = "skip-gram",
    documents: Annotated[
        str | None, typer.Option(help="Vectors of texts as well: dbow, dbow-words or dm.")
    ] = None,
    min_n: Annotated[int, typer.Option(min=0, help="Letters of the shortest n-grams.")] = 0,
    max_n: Annotated[int, typer.Option(min=0, help="Of the longest; 0 for none.")] = 0,
    phrases: Annotated[bool, typer.Option("--phrases", help="Join words that belong together.")] = False,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    threads: Annotated[int, typer.Option(min=1, help="More than one: not the same bits twice.")] = 1,
    on: Annotated[
        str | None, typer.Option(help="Train on workers: processes:4, celery:…, dask:…")
    ] = None,
    run: Annotated[
        str | None, typer.Option(help="With --on, the run's name in the blob store: given again it goes on.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="A folder to keep the state in: given again it goes on.")
    ] = None,
    data_dir: DataDir = None,
) -> None:  # fmt: skip
    """Train word vectors; memory does not grow with the text."""
    if to is None and publish is None:
        raise InvalidInput("say where to: --out FOLDER, --publish NAME, or both")
    if on is not None and checkpoint is not None:
        raise InvalidInput("with --on the state is in the blob store: give --run NAME instead")
    model = WordVectors(
        dimensions=dimensions, window=window, negatives=negatives, epochs=epochs, min_count=min_count, mode=mode,
        documents=documents, min_n=min_n, max_n=max_n, phrases=phrases, seed=seed, threads=threads,
    )  # fmt: skip
    settings = load(**({} if data_dir is None else {"data_dir": data_dir}))
    source = texts(files, field=field) if files else _workspace(data_dir)
    with _told(STOPPED if on is None and checkpoint is None else AGAIN) as told:
        if on is None:
            model.fit(source, told=told, checkpoint=checkpoint)
        else:
            place = place_of(settings)
            prefix = f"embeddings/{run or publish or (to.name if to else 'run')}"
            try:
                with open_pool(on, place, work_config(settings)) as pool:
                    DistributedTraining(model, pool, place, prefix=prefix).fit(source, told=told)
            finally:
                place.close()
    out.print(f"{len(model.vocabulary_):,} words, {dimensions} dimensions")
    if to is not None:
        model.save(to)
        out.print(f"written to {escape(str(to))}", soft_wrap=True)
    if publish is not None:
        with tempfile.TemporaryDirectory() as folder, opened_models(settings) as registry:
            model.save(Path(folder) / "model")
            version = registry.publish(publish, Path(folder) / "model")
        out.print(f"published {publish} {version[:12]}")
        out.print(f'search by them: SALIENT_NLP__ENCODER="model:{publish}" salient add …')


def _workspace(data_dir: Path | None) -> Iterator[str]:
    """Texts of the workspace's documents."""
    from salient.errors import NotFound

    with opened(data_dir) as workspace:
        context = workspace.app.context
        for ident in context.ledger.every_id():
            try:
                yield context.texts.text(ident).text
            except NotFound:
                continue  # it has none: it failed, or is not done


@embed.command()
def neighbours(
    vectors: Vectors, words: list[str], limit: Limit = 10, data_dir: DataDir = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """List the words that are used most like each word."""
    with _keyed(vectors, data_dir) as keyed:
        for word in words:
            _print(word, keyed.neighbours(word, limit), as_json=as_json)


@embed.command()
def analogy(
    vectors: Vectors, a: str, b: str, c: str, limit: Limit = 10, data_dir: DataDir = None, as_json: AsJson = False,
) -> None:  # fmt: skip
    """List what is to C as B is to A: analogy VECTORS man king woman."""
    with _keyed(vectors, data_dir) as keyed:
        _print(f"{a} : {b} = {c} : ?", keyed.analogy(a, b, c, limit), as_json=as_json)


@embed.command()
def export(
    vectors: Vectors,
    to: Annotated[Path, typer.Argument(help="The file to write.")],
    form: Annotated[
        str, typer.Option(help="text or binary (word2vec, gensim), fasttext (with n-grams).")
    ] = "text",
    data_dir: DataDir = None,
) -> None:
    """Write a file that word2vec, gensim and fastText read."""
    with _keyed(vectors, data_dir) as keyed:
        keyed.export(to, form)
        out.print(f"{len(keyed):,} words written to {escape(str(to))}", soft_wrap=True)


def _print(title: str, found: list[tuple[str, float]], *, as_json: bool) -> None:
    if as_json:
        words = [{"word": word, "cosine": score} for word, score in found]
        typer.echo(json.dumps({"of": title, "words": words}, ensure_ascii=False))
        return
    table = Table("word", "cosine", title=escape(title), box=None)
    for word, score in found:
        table.add_row(escape(word), f"{score:.3f}")
    out.print(table)


@contextmanager
def _keyed(spec: str, data_dir: Path | None) -> Iterator[KeyedVectors]:
    if not spec.startswith(PREFIX):
        yield KeyedVectors.open(Path(spec))
        return
    settings = load(**({} if data_dir is None else {"data_dir": data_dir}))
    with opened_models(settings) as registry, registry.open_named(spec) as model:
        yield KeyedVectors.open(model.path)


@contextmanager
def _told(stopped: str) -> Iterator[Told]:
    """A bar a stage, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[far]}"), TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
    with drawn(*columns, stopped=stopped) as (bar, check):
        tasks = {}

        def told(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=None, far="")
            far = f"{done:,} of {total:,}" if total else f"{done:,} words"
            bar.update(tasks[stage], completed=done, total=total or None, far=far)
            check()

        yield told
