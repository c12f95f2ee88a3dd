"""`salient stores`: moving to another store, and moving what belongs elsewhere when shards change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Literal, TypeVar

import typer
from rich.progress import TextColumn, TimeElapsedColumn

from salient import log
from salient.app import opened_models
from salient.interfaces.terminal import drawn, out
from salient.learning.vectors import open_encoder
from salient.pipeline.commit import document_schema, passage_schema
from salient.settings import load
from salient.storage import moving, search
from salient.storage.blob import Blobs
from salient.storage.docs import Records
from salient.storage.kv import KeyValue
from salient.storage.sql import Tables

S = TypeVar("S", Blobs, KeyValue, Records, Tables)

stores = typer.Typer(
    help="Move to other stores, or between shards.", no_args_is_help=True, add_completion=False
)

Front = Annotated[
    Literal["cache", "blobs", "records", "tables"], typer.Argument(help="As in the settings.")
]
Sharded = Annotated[
    Literal["cache", "blobs", "records"], typer.Argument(help="As in the settings.")
]
Old = Annotated[str, typer.Argument(help="URL of the store that has everything.")]
New = Annotated[str, typer.Argument(help="URL of the store that shall have it.")]


@stores.command()
def copy(front: Front, old: Old, new: New) -> None:
    """Copy what is in one store into another; what is there already is left alone."""
    copying = {
        "cache": partial(_copied, KeyValue.open, moving.copy_keys),
        "blobs": partial(_copied, Blobs.open, moving.copy_blobs),
        "records": partial(_copied, Records.open, moving.copy_records),
        "tables": partial(_copied, Tables.open, moving.copy_tables),
    }
    with _counting(f"copying {front}") as report:
        n = copying[front](old, new, report)
    out.print(f"{n:,} copied")


@stores.command()
def rebalance(
    front: Sharded,
    old: Old,
    new: New,
    plan: Annotated[bool, typer.Option("--plan", help="Only say what would move.")] = False,
) -> None:
    """Move what the shards of the new URL look for elsewhere than where the old one put it."""
    old, new = _filled(old, new)
    found = moving.balance(front, old, new, move=not plan)
    for (source, target), n in sorted(found.moves.items()):
        out.print(f"{source} → {target}: {n:,}")
    out.print(f"{found.total:,} {'to move' if plan else 'moved'}")


@stores.command()
def definition(
    folder: Annotated[
        str, typer.Option(help="Where the server keeps its files.")
    ] = "/var/lib/sphinx",
) -> None:
    """Print what a search server such as Sphinx needs in its own configuration."""
    settings = load()
    with opened_models(settings) as models:
        dimensions = open_encoder(settings.nlp.encoder, models).dimensions
    schemas = {
        "documents": document_schema(dimensions),
        "passages": passage_schema(dimensions),
    }
    for name, schema in schemas.items():
        url = settings.url(settings.storage.search, index=name)
        out.print(search.definition(url, schema, folder), markup=False)


def _copied(
    open_: Callable[[str], S],
    copying: Callable[[S, S, moving.Report], int],
    old: str,
    new: str,
    report: moving.Report,
) -> int:
    old, new = _filled(old, new)
    with open_(old) as source, open_(new) as target:
        return copying(source, target, report)


def _filled(*urls: str) -> list[str]:
    """URLs with `{data}` and `{workspace}` filled in as in the settings."""
    settings = load()
    log.configure(
        settings.log.form, settings.log.level, settings.log_destinations(), settings.log.traces
    )
    return [settings.url(url) for url in urls]


@contextmanager
def _counting(verb: str) -> Iterator[moving.Report]:
    """A running count on standard error."""
    columns = (TextColumn("{task.description} {task.completed:,}"), TimeElapsedColumn())
    with drawn(*columns) as (bar, check):
        task = bar.add_task(verb, total=None)

        def report(done: int) -> None:
            bar.update(task, completed=done)
            check()

        yield report
