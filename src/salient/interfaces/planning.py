"""`salient plan`: what adding files would take, as a page to read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from salient.interfaces.terminal import AsJson, DataDir, opened, out, print_json, watched
from salient.services.plan import Finish, Plan


def plan(
    paths: Annotated[list[str], typer.Argument(help="Files and folders.")],
    seconds: Annotated[
        float, typer.Option(min=1, max=3600, help="For how long files are tried.")
    ] = 60.0,
    workers: Annotated[
        list[int] | None,
        typer.Option("--workers", "-w", min=1, help="Predict for so many elsewhere; repeatable."),
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Predict how long adding files takes, and what it needs; nothing is added."""
    with opened(data_dir) as workspace, watched("trying files") as report:
        reply: Plan = workspace.call(
            "plan.show",
            report,
            paths=[str(Path(p).expanduser().absolute()) for p in paths],
            seconds=seconds,
            workers=workers or [],
        )
    if as_json:
        print_json(reply)
        return
    for part in page(reply):
        out.print(part)


def page(reply: Plan) -> Iterator[RenderableType]:
    """The plan, part by part."""
    yield (
        f"{reply.files:,} files, {size(reply.size_bytes)}: about {reply.documents:,} documents, "
        f"{reply.pages:,} pages, {reply.words:,} words; {reply.tried:,} tried"
    )
    if reply.failing:
        yield f"about {reply.failing:,} documents will end unread"
    families = Table("files", "kind", "size", "tried", "pages", "words", "work", "share", box=None)
    for family in reply.families:
        share = family.work_s / reply.work_s if reply.work_s else 0.0
        families.add_row(
            f"{family.files:,}",
            family.family,
            size(family.size_bytes),
            f"{family.tried:,}",
            f"{family.pages:,}",
            f"{family.words:,}",
            time(family.work_s),
            f"{share:.0%}",
        )
    yield families
    finishes = Table(
        "workers", "done in", "if quiet", "pages/h", "words/s", "memory", "waits for", box=None
    )
    for finish in reply.finishes:
        finishes.add_row(*_row(finish))
    yield finishes
    yield (
        f"from {reply.coordinator_bound:,} workers on the coordinator is the bound: it has work for {time(reply.coordinator_s)}"
    )
    memory, disk = reply.memory, reply.disk
    yield (
        f"memory: coordinator {size(memory.coordinator_bytes)}; a worker {size(memory.worker_bytes)} and "
        f"{size(memory.converter_bytes)} to read files; once a machine {size(memory.shared_bytes)}"
    )
    yield (
        f"disk: originals {size(disk.originals_bytes)}, artifacts {size(disk.artifacts_bytes)} "
        f"(as files in a folder {size(disk.folder_bytes)}), "
        f"index {size(disk.index_bytes)}, tables {size(disk.tables_bytes)}"
    )
    for note in reply.notes:
        yield f"[yellow]note[/] {escape(note)}"


def _row(finish: Finish) -> tuple[str, ...]:
    return (
        f"{finish.workers:,}" + (" here" if finish.here else ""),
        f"{time(finish.low_s)} – {time(finish.high_s)}",
        time(finish.quiet_s),
        f"{finish.pages_per_h:,.0f}",
        f"{finish.words_per_s:,.0f}",
        size(finish.memory_bytes),
        finish.bound,
    )


def size(n_bytes: float) -> str:
    """Bytes as people say them."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return (
                f"{n_bytes:.0f} {unit}"
                if n_bytes >= 10 or unit == "bytes"
                else f"{n_bytes:.1f} {unit}"
            )
        n_bytes /= 1000
    return f"{n_bytes:,.1f} TB"


def time(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 100:
        return f"{minutes:.0f} min"
    hours = minutes / 60
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"
