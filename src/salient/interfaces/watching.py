"""`salient status --watch`: where the workspace stands, again and again."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from salient.errors import Unavailable
from salient.interfaces.jobs import duration
from salient.model import Job, JobState
from salient.services.pace import Pace
from salient.services.status import Status

_STATES = ("done", "failed", "quarantined", "unsupported", "duplicate", "running", "queued")
_SHOWN = 8  # jobs, workers, and reasons that are listed


class Watch:
    """Statuses one after another, with a pace of their own where no job says how fast it is."""

    def __init__(self, ask: Callable[[], Status]) -> None:
        self._ask = ask
        self._pace = Pace()

    def look(self) -> Status:
        """The status now.

        Raises:
            Unavailable: a store is away.
        """
        status, at = self._ask(), time.monotonic()
        left = status.states["queued"] + status.states["running"]
        self._pace.observe(status.total - left, at)
        if status.rate_per_s is not None or not left:
            return status
        rate = self._pace.rate_per_s(at)
        return status.model_copy(update={"rate_per_s": rate, "left_s": self._pace.left_s(left, at)})


def watch(
    ask: Callable[[], Status],
    console: Console,
    *,
    as_json: bool,
    every_s: float = 1.0,
    stop: threading.Event | None = None,
) -> None:
    """Show statuses until interrupted: a picture on a terminal, else a line whenever one differs.

    Args:
        as_json: a JSON object a line, each time.
        stop: ends it, as Ctrl-C does.
    """
    stop = stop or threading.Event()
    source = Watch(ask)
    try:
        if as_json:
            _lines(source, lambda s: s.model_dump_json(), every_s, stop, same=True)
        elif console.is_terminal:
            with Live(console=console, auto_refresh=False) as live:
                while True:
                    live.update(_tried(source), refresh=True)
                    if stop.wait(every_s):
                        return
        else:
            _lines(source, plain, every_s, stop, same=False)
    except KeyboardInterrupt:
        return  # that is how it ends


def _tried(source: Watch) -> Any:
    try:
        return picture(source.look())
    except Unavailable as error:
        return Text(f"no answer: {error.message}", style="red")


def _lines(
    source: Watch,
    told: Callable[[Status], str],
    every_s: float,
    stop: threading.Event,
    *,
    same: bool,
) -> None:
    last = ""
    while True:
        try:
            line = told(source.look())
        except Unavailable as error:
            sys.stderr.write(f"no answer: {error.message}\n")
        else:
            if same or line != last:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()
            last = line
        if stop.wait(every_s):
            return


def plain(status: Status) -> str:
    """A status in one line."""
    states = ", ".join(f"{s} {status.states[s]}" for s in _STATES if status.states[s])
    parts = [f"{status.total} documents: {states or 'none yet'}"]
    if status.running and status.rate_per_s is not None:
        parts.append(f"{status.rate_per_s:.2f}/s")
    if status.left_s is not None:
        parts.append(f"{duration(status.left_s)} left")
    parts += [f"{j.service} {j.state}" for j in status.jobs]
    parts += [f"{n} batches wait in {queue}" for queue, n in status.workers.waiting.items() if n]
    return "; ".join(parts)


def told(job: Job) -> str:
    """A job that has not ended, in one line."""
    parts = [f"{job.service} {job.state}"]
    if job.total is not None:
        parts.append(f"{job.done:,} of {job.total:,}")
    if job.rate_per_s is not None:
        parts.append(f"{job.rate_per_s:.2f}/s")
    if job.left_s is not None:
        parts.append(f"{duration(job.left_s)} left")
    if job.owner is None and job.state is not JobState.PAUSED:
        parts.append("waits for `salient serve` or `salient beat`")
    return ", ".join(parts)


def picture(status: Status) -> Group:
    """A status as a terminal shows it."""
    left = status.states["queued"] + status.states["running"]
    ended = status.total - left
    speed = "" if status.rate_per_s is None else f"{status.rate_per_s:.2f} documents/s"
    to_go = "" if status.left_s is None else f", {duration(status.left_s)} left"
    lines: list[Any] = [
        Text.assemble((status.workspace, "bold"), f"  {ended:,} of {status.total:,} documents  ", speed, to_go),
        ProgressBar(total=max(status.total, 1), completed=ended, width=60),
        Text("  ".join(f"{s} {status.states[s]:,}" for s in _STATES if status.states[s])),
    ]  # fmt: skip
    if status.jobs:
        jobs = Table("job", "service", "state", "documents", "at", box=None, title_justify="left")
        for job in status.jobs[:_SHOWN]:
            state = (
                str(job.state)
                if job.owner or job.state is JobState.PAUSED
                else f"{job.state}, nobody has it"
            )
            done = "" if job.total is None else f"{job.done:,} of {job.total:,}"
            jobs.add_row(job.id, job.service, state, done, escape(job.at or ""))
        lines += [Text(), jobs]
    at_work = status.workers
    if at_work.workers:
        table = Table("worker", "queues", "at once", "since", box=None)
        for w in at_work.workers[:_SHOWN]:
            table.add_row(escape(w.name), ", ".join(w.queues), str(w.slots), w.since[:19])
        lines += [Text(), table]
    for one in at_work.busy[:_SHOWN]:
        waits = f", waits for {one.waits}" if one.waits else ""
        lines.append(
            Text(
                f"{one.worker} is at {one.item} of {one.n_items} for {duration(one.seconds)}{waits}"
            )
        )
    lines += [Text(f"{n:,} batches wait in {queue}") for queue, n in at_work.waiting.items()]
    lines += [Text(f"{f.n:,} × {f.state}: {f.code}") for f in status.failures[:_SHOWN]]
    if status.n_dead_letters:
        lines.append(Text(f"{status.n_dead_letters:,} calls were given up: salient dead list"))
    return Group(*lines)
