"""`salient migrate`: tables, indexes and whatever else stores need, made before other roles start."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from salient import log
from salient.app import App
from salient.errors import Unavailable
from salient.services.system import Check, Nothing, doctor
from salient.settings import Settings, load

STORES = ("tables", "records", "blobs", "cache", "search index")
_AGAIN_S = 2.0

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def migrate(
    wait_s: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait for stores that are away.")
    ] = 0.0,
    data_dir: Annotated[Path | None, typer.Option("--data-dir", "-d")] = None,
) -> None:
    """Bring every store to what this release needs, try each, and end. May run many times."""
    given: dict[str, Any] = {} if data_dir is None else {"data_dir": data_dir}
    settings = load(**given)
    log.configure(
        settings.log.form, settings.log.level, settings.log_destinations(), settings.log.traces
    )
    give_up_at = time.monotonic() + wait_s
    checks = None
    while checks is None:
        try:
            checks = made(settings)
        except Unavailable as error:
            if time.monotonic() > give_up_at:
                raise
            err.print(f"not yet: {error.message}", markup=False)
            time.sleep(_AGAIN_S)
    for check in checks:
        out.print(f"{check.name}: {check.detail}", markup=False)


def made(settings: Settings) -> list[Check]:
    """Make what is missing in the stores; return what each answered.

    Raises:
        Unavailable: a store does not answer.
        Misconfigured: a store was made by a newer release, or cannot be opened as the settings say.
    """
    # Opening an App migrates the tables and makes records and indexes that are not there.
    with App(settings) as app:
        checks = [c for c in app.call(doctor, Nothing()).checks if c.name in STORES]
    for check in checks:
        if not check.ok:
            raise Unavailable(f"{check.name}: {check.detail}; {check.remedy}")
    return checks
