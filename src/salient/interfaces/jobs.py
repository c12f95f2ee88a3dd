"""`salient jobs` and `salient dead`: long work, and what was given up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from salient.interfaces.python import Workspace, validated
from salient.interfaces.running import Runner
from salient.interfaces.terminal import AsJson, DataDir, opened, out, print_json, watched
from salient.model import JOB_ENDED, Job, JobState
from salient.pipeline.run import Report
from salient.services.jobs import retryable

jobs = typer.Typer(
    help="Long work: what runs, and how to pause, stop and repeat it.",
    no_args_is_help=True,
    add_completion=False,
)
dead = typer.Typer(
    help="What was given up: documents in quarantine, and calls.",
    no_args_is_help=True,
    add_completion=False,
)

_STYLES = {
    JobState.QUEUED: "dim",
    JobState.RUNNING: "blue",
    JobState.PAUSED: "yellow",
    JobState.DONE: "green",
    JobState.FAILED: "red",
    JobState.CANCELLED: "magenta",
}

Ident = Annotated[str, typer.Argument(metavar="JOB", help="A job's id, or how it begins.")]


def here(
    workspace: Workspace,
    name: str,
    report: Report,
    /,
    *,
    retry_of: str | None = None,
    **request: Any,
) -> Any:
    """Call a long service as a job, that others can see and stop, in this process."""
    service = workspace.app.services[name]
    with closing(Runner(workspace.app, adopts=False)) as runner:
        return runner.here(service, validated(service.request, request), report, retry_of=retry_of)


@jobs.command("list")
def list_jobs(
    limit: Annotated[int, typer.Option("--limit", "-n")] = 20,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    with opened(data_dir) as workspace:
        reply = workspace.call("jobs.list", limit=limit)
    if as_json:
        print_json(reply)
        return
    table = Table("job", "service", "state", "documents", "begun", box=None)
    for job in reply.jobs:
        table.add_row(job.id, job.service, _state(job), _done(job), job.started_at[:19])
    out.print(table if reply.jobs else "nothing has run yet")


@jobs.command()
def show(ident: Ident, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Show how far a job is, and how it ended."""
    with opened(data_dir) as workspace:
        job = workspace.call("jobs.show", id=_id(workspace, ident))
    if as_json:
        print_json(job)
        return
    rows = {
        "job": job.id,
        "service": job.service,
        "state": _state(job),
        "documents": _done(job),
        "at": job.at,
        "documents/s": None if job.rate_per_s is None else f"{job.rate_per_s:.2f}",
        "left": None if job.left_s is None else duration(job.left_s),
        "process": job.owner,
        "begun": job.started_at,
        "last heard of": job.updated_at,
        "attempts": job.attempts or None,
        "repeats": job.retry_of,
        "error": job.error and job.error.get("message"),
    }
    table = Table(show_header=False, box=None)
    for name, value in rows.items():
        if value is not None and value != "":
            table.add_row(name, str(value) if name == "state" else escape(str(value)))
    out.print(table)


@jobs.command()
def pause(ident: Ident, data_dir: DataDir = None) -> None:
    """Let a job stand still after the document it is at, until it is resumed."""
    with _asked("pause", ident, data_dir) as job:
        out.print(
            "paused" if job.state is JobState.PAUSED else "pauses after the document it is at"
        )


@jobs.command()
def resume(ident: Ident, data_dir: DataDir = None) -> None:
    """Let a paused job go on."""
    with _asked("resume", ident, data_dir) as job:
        out.print("goes on" if job.owner else _WAITS)


@jobs.command()
def cancel(ident: Ident, data_dir: DataDir = None) -> None:
    """Stop a job after the document it is at. What is done stays done."""
    with _asked("cancel", ident, data_dir) as job:
        ended = job.state in JOB_ENDED
        out.print(str(job.state) if ended else "stops after the document it is at")


@jobs.command()
def retry(
    ident: Ident,
    queue: Annotated[
        bool, typer.Option("--queue", help="Leave it to `salient serve` or `salient beat`.")
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Do a job again that failed or was cancelled."""
    with opened(data_dir) as workspace:
        ident = _id(workspace, ident)
        if queue:
            reply = workspace.call("jobs.retry", id=ident)
        else:
            job, request = retryable(ident, workspace.app.context)
            with watched(job.service) as report:
                reply = here(workspace, job.service, report, retry_of=job.id, **request)
    if as_json or not queue:
        print_json(reply)
    else:
        out.print(f"{reply.id}: {_WAITS}")


@dead.command("list")
def list_dead(
    limit: Annotated[int, typer.Option("--limit", "-n")] = 20,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """List what was given up, newest first."""
    with opened(data_dir) as workspace:
        reply = workspace.call("dead.list", limit=limit)
    if as_json:
        print_json(reply)
        return
    out.print(f"{reply.n_documents} documents in quarantine, {reply.n_letters} calls given up")
    for document in reply.documents:
        out.print(
            f"  [dim]{document.id}[/] {escape(document.name)}: {escape(document.reason or '')} [dim]({document.code})[/]"
        )
    for letter in reply.letters:
        out.print(
            f"  [dim]{letter.id}[/] {escape(letter.handler)}: {escape(letter.message)} "
            f"[dim]({letter.code}, tried {letter.attempts} times)[/]"
        )


@dead.command("retry")
def retry_dead(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of documents and calls; all without any.")
    ] = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Try again what was given up."""
    # A letter's id begins with its time, twenty digits and a dash; a document's has no dash.
    letters = [i for i in ids or () if "-" in i]
    documents = [i for i in ids or () if "-" not in i]
    with opened(data_dir) as workspace, watched("retrying") as report:
        reply = here(workspace, "dead.retry", report, documents=documents, letters=letters)
    if as_json:
        print_json(reply)
        return
    out.print(
        f"{reply.documents} documents tried again; {reply.done} calls done, {reply.given_up} given up again"
    )


@dead.command("clear")
def clear_dead(
    ids: Annotated[list[str] | None, typer.Argument(help="Ids of calls; all without any.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Forget calls that were given up. Documents stay: `salient delete` deletes them."""
    with opened(data_dir) as workspace:
        out.print(f"{workspace.call('dead.clear', letters=ids or []).n} calls forgotten")


_WAITS = "waits until `salient serve` or `salient beat` takes it up"


@contextmanager
def _asked(verb: str, ident: str, data_dir: Any) -> Iterator[Job]:
    with opened(data_dir) as workspace:
        yield workspace.call(f"jobs.{verb}", id=_id(workspace, ident))


def _id(workspace: Workspace, text: str) -> str:
    """The one job whose id begins so, or the text itself."""
    found = {j.id for j in workspace.call("jobs.list", limit=1000).jobs if j.id.startswith(text)}
    return found.pop() if len(found) == 1 else text


def _state(job: Job) -> str:
    more = f", to {job.asked}" if job.asked and job.state is not JobState.PAUSED else ""
    return f"[{_STYLES[job.state]}]{job.state}[/]{more}"


def _done(job: Job) -> str:
    return "" if job.total is None else f"{job.done:,} of {job.total:,}"


def duration(seconds: float) -> str:
    """A time as people say it: `45 s`, `12 min`, `3 h 20 min`, `5 d 7 h`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 120:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
