"""`salient models`: publish models, choose their versions, and remove what nobody can want."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from salient.app import opened_models
from salient.interfaces.terminal import DataDir, opened, out
from salient.services.models import ModelView
from salient.settings import load

models = typer.Typer(
    help="Published models and their versions.", no_args_is_help=True, add_completion=False
)

Name = Annotated[str, typer.Argument(help="Of a model.")]
Version = Annotated[str, typer.Argument(help="Or its first characters, eight at least.")]


@models.command("list")
def list_models(data_dir: DataDir = None) -> None:
    """List models and the versions that their names stand for."""
    table = Table("name", "version", "pinned", "changed", box=None)
    with opened(data_dir) as workspace:
        for one in workspace.call("models.list").models:
            pinned = "pinned" if one.pinned else ""
            table.add_row(one.name, one.served[:12], pinned, one.changed[:19])
    out.print(table)


@models.command()
def show(name: Name, data_dir: DataDir = None) -> None:
    """Show the files of the version that is used, and what happened to the name."""
    with opened(data_dir) as workspace:
        shown = workspace.call("models.show", name=name)
    out.print(f"{name} {shown.model.served}, {shown.size_bytes:,} bytes")
    table = Table("file", "bytes", "sha256", box=None)
    for file in shown.files:
        table.add_row(file.path, f"{file.size_bytes:,}", file.sha256[:12])
    out.print(table)
    for event in shown.history:
        out.print(f"{event.at[:19]}  {event.event:8}  {event.served[:12]}")


@models.command()
def publish(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="All files in it are the model.")],
    anew: Annotated[
        bool, typer.Option("--anew", help="Put files also where the store seems to have them.")
    ] = False,
    data_dir: DataDir = None,
) -> None:
    """Store a folder as the newest version of a model; running processes take it over."""
    settings = load(**({} if data_dir is None else {"data_dir": data_dir}))
    # Nothing else is opened: the model may be the one that the settings name and that is lacking.
    with opened_models(settings) as registry:
        version = registry.publish(name, folder, anew=anew)
        served = registry.state(name).served
    out.print(version)
    if served != version:
        out.print(f"{name} is pinned to {served[:12]}: salient models unpin {name}")


@models.command()
def pin(name: Name, version: Version, data_dir: DataDir = None) -> None:
    """Use that version, whatever is published."""
    with opened(data_dir) as workspace:
        _say(workspace.call("models.pin", name=name, version=version))


@models.command()
def unpin(name: Name, data_dir: DataDir = None) -> None:
    """Use the newest version again."""
    with opened(data_dir) as workspace:
        _say(workspace.call("models.unpin", name=name))


@models.command()
def rollback(name: Name, data_dir: DataDir = None) -> None:
    """Go back to the version before the present one."""
    with opened(data_dir) as workspace:
        _say(workspace.call("models.rollback", name=name))


@models.command()
def gc(
    keep: Annotated[int, typer.Option(min=1, help="Versions of each name that stay.")] = 3,
    min_age_s: Annotated[float, typer.Option(min=0, help="What is younger stays.")] = 86400.0,
    data_dir: DataDir = None,
) -> None:
    """Remove versions that are not used, pinned, recent, nor held by any process."""
    with opened(data_dir) as workspace:
        gone = workspace.call("models.gc", keep=keep, min_age_s=min_age_s)
    out.print(
        f"{len(gone.versions)} versions, {gone.n_files} files, {gone.size_bytes:,} bytes removed"
    )


@models.command()
def verify(
    name: Name,
    version: Annotated[str | None, typer.Argument(help="The one that is used, if none.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Read every byte of a version, in the store and in this machine's cache."""
    with opened(data_dir) as workspace:
        found = workspace.call("models.verify", name=name, version=version)
    for path in found.in_store:
        out.print(f"damaged in the store: {path}; publish the model with --anew")
    for path in found.here:
        out.print(f"damaged on this machine: {path}; it is fetched again when next opened")
    if found.in_store or found.here:
        sys.exit(1)
    out.print("all files are whole")


def _say(model: ModelView) -> None:
    pinned = ", pinned" if model.pinned else ""
    out.print(f"{model.name} is {model.served[:12]}{pinned}")
