"""What commands share: opening the workspace, showing how far it is, printing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
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
AGAIN = "stopped; what is done stays done, and the same command goes on from here"
STOPPED = "stopped; nothing of it is kept"

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
            raise running.Cancelled(AGAIN) from None


@contextmanager
def drawn(
    *columns: ProgressColumn, stopped: str = AGAIN
) -> Iterator[tuple[Progress, Callable[[], None]]]:
    """A progress bar on standard error, since lines would mix with what is printed; and whether to go on.

    The first Ctrl-C has what tells how far it is raise `Cancelled`, with `stopped` for the person to
    read. The second one is `KeyboardInterrupt`.
    """
    bar = Progress(*columns, console=err, transient=True, disable=not err.is_terminal)
    with bar, _stopping() as asked:

        def check() -> None:
            if asked.is_set():
                raise running.Cancelled(stopped)

        yield bar, check


@contextmanager
def watched(verb: str) -> Iterator[running.Report]:
    """A bar for what reports as services do."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with drawn(*columns) as (bar, check):
        task = bar.add_task(verb, total=None)

        def report(progress: running.Progress) -> None:
            check()
            stage = {"add": "taking in", "link": "linking"}.get(progress.stage, verb)
            bar.update(task, completed=progress.done, total=progress.total, description=stage)

        yield report


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets.

    As an exception it could come anywhere, between the taking of a lock and its `with` too: whoever
    cleaned up would wait for that lock for ever.
    """
    asked = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if (
        before is not signal.default_int_handler
        or threading.current_thread() is not threading.main_thread()
    ):
        yield asked  # somebody else's program: it decides, or none can
        return

    def ask(_number: int, _frame: object) -> None:
        signal.signal(signal.SIGINT, before)
        asked.set()
        # No stream and no console: we may be in the middle of theirs. And whoever reads it may be gone.
        with suppress(OSError):
            os.write(2, b"\nstopping after what is under way; Ctrl-C again stops at once\n")

    signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


def print_json(reply: Any) -> None:
    """Print a service's reply."""
    sys.stdout.write(reply.model_dump_json(indent=2) + "\n")
