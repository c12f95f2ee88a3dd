"""What commands share: opening the workspace, showing how far it is, printing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from salient import log
from salient.app import App
from salient.interfaces.python import Workspace
from salient.pipeline import run as running
from salient.settings import load

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir", "-d", help="Where everything is kept; the settings' own by default."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's reply as JSON.")]


@contextmanager
def opened(data_dir: Path | None) -> Iterator[Workspace]:
    """The workspace of the settings, with logging set up."""
    given = {} if data_dir is None else {"data_dir": data_dir}
    settings = load(**given)
    log.configure(
        settings.log.form, settings.log.level, settings.log_destinations(), settings.log.traces
    )
    with Workspace(App(settings)) as workspace:
        try:
            yield workspace
        except KeyboardInterrupt:
            # Here, since typer would end the program without a word.
            raise running.Cancelled from None


@contextmanager
def watched(verb: str) -> Iterator[running.Report]:
    """A progress bar on standard error; lines would mix with what is printed."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(verb, total=None)

        def report(progress: running.Progress) -> None:
            stage = {"add": "taking in", "link": "linking"}.get(progress.stage, verb)
            bar.update(task, completed=progress.done, total=progress.total, description=stage)

        yield report


def print_json(reply: Any) -> None:
    """Print a service's reply."""
    sys.stdout.write(reply.model_dump_json(indent=2) + "\n")
