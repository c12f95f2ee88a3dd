"""`salient stack`: every role and server on this machine, in containers or as processes, by one command."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import psutil
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from salient.errors import Conflict, InvalidInput, NotFound, Unavailable
from salient.interfaces.stack import containers, following
from salient.interfaces.stack.plans import Plan, Profile, plan
from salient.interfaces.stack.state import Folder, PartState, StackState, end
from salient.settings import load

stack = typer.Typer(
    help="Run the whole system on this machine: servers, api, workers, housekeeping.",
    no_args_is_help=True,
    add_completion=False,
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_LOOK_S = 0.2
_SLOW_S = 30.0  # before it is said what is waited for

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", "-d", help="Whose stack; the settings' own by default.")
]
Local = Annotated[
    bool, typer.Option("--local", help="Processes, also where there is a container engine.")
]
Compose = Annotated[Path, typer.Option("--compose", help="A compose file for the container engine.")]  # fmt: skip


def _folder(data_dir: Path | None) -> Folder:
    given: dict[str, Any] = {} if data_dir is None else {"data_dir": data_dir}
    return Folder(load(**given).data / "stack")


def _containers(folder: Folder, file: Path, *, local: bool) -> containers.Containers | None:
    """The engine, unless there is none, or processes are wanted or run already."""
    if local or folder.is_running():
        return None
    words = containers.engine()
    if words is None or not file.is_file():
        return None
    return containers.Containers(words, file)


@stack.command()
def start(
    profile: Annotated[
        Profile,
        typer.Argument(
            help="small: embedded stores, a queue, two workers; full: all servers; dev: small, and starts anew when the source changes."
        ),
    ] = "small",
    workers: Annotated[
        int, typer.Option("--workers", min=0, max=256, help="Of processes; 0 chooses.")
    ] = 0,
    data_dir: DataDir = None,
    local: Local = False,
    compose: Compose = containers.COMPOSE,
) -> None:
    """Start the stack, and come back when all of it serves."""
    given: dict[str, Any] = {} if data_dir is None else {"data_dir": data_dir}
    settings = load(**given)
    folder = Folder(settings.data / "stack")
    engine = _containers(folder, compose, local=local)
    if engine is not None:
        _exit(engine.start(profile))
        return
    folder.make()
    lock = folder.lock()
    try:
        left = folder.left_over()
        if left:
            err.print(f"ending {len(left)} processes that a stack left behind")
            end(left, signal.SIGTERM, within_s=20)
        made = plan(profile, settings, folder.path, workers=workers)
        folder.write("plan", made)
        folder.write("state", StackState(profile=profile, address=made.address))
        for notice in made.notices:
            out.print(f"  {notice}", markup=False, soft_wrap=True)
        supervisor = _supervise(folder, lock)
    finally:
        os.close(lock)  # the supervisor has it now
    _wait(folder, supervisor)
    out.print(f"salient is at [bold]{made.address}[/]")
    out.print(
        f"to use it from a shell: set -a; . {escape(str(_environment(folder, made)))}; set +a"
    )


def _supervise(folder: Folder, lock: int) -> subprocess.Popen[bytes]:
    with (folder.logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "salient.interfaces.stack.supervisor", str(folder.path)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=[lock], start_new_session=True,
        )  # fmt: skip


def _wait(folder: Folder, supervisor: subprocess.Popen[bytes]) -> None:
    """Until all serve; whoever is impatient ends it."""
    shown, slow_at = "", time.monotonic() + _SLOW_S
    try:
        while supervisor.poll() is None:
            state = folder.state()
            if state is not None and state.phase == "running":
                # It goes on without us.
                supervisor.returncode = 0
                return
            waited = [p for p in state.parts if p.phase == "starting"] if state else []
            said = ", ".join(f"{p.name}: {p.health}" for p in waited)
            if said and said != shown and time.monotonic() > slow_at:
                err.print(f"waiting for {said}", markup=False, soft_wrap=True)
                shown = said
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        supervisor.send_signal(signal.SIGQUIT)
        supervisor.wait()
        raise
    state = folder.state()
    fault = state.fault if state and state.fault else "its supervisor ended"
    raise Unavailable(f"the stack did not start: {fault}\nlogs are in {folder.logs}")


def _environment(folder: Folder, made: Plan) -> Path:
    """A file that a shell can read; it holds passwords."""
    file = folder.path / "environment"
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as target:
        for name, value in made.environment.items():
            target.write(f"{name}={shlex.quote(value)}\n")
    return file


@stack.command()
def stop(
    at_once: Annotated[
        bool, typer.Option("--now", help="Do not wait for what workers are at; it is done again.")
    ] = False,
    data_dir: DataDir = None,
    local: Local = False,
    compose: Compose = containers.COMPOSE,
) -> None:
    """End the stack: workers first, after what they are at, servers last. Data are kept."""
    folder = _folder(data_dir)
    engine = _containers(folder, compose, local=local)
    if engine is not None:
        _exit(engine.stop())
        return
    state = folder.state()
    if folder.is_running() and state is not None:
        supervisor = _supervisor(folder)
        supervisor.send_signal(signal.SIGQUIT if at_once else signal.SIGTERM)
        with contextlib.suppress(psutil.NoSuchProcess):
            supervisor.wait()
        out.print("the stack has ended")
        return
    left = folder.left_over()
    if not left:
        raise NotFound("no stack of this data folder runs")
    end(left, signal.SIGTERM, within_s=20)
    out.print(f"{len(left)} processes ended that a stack had left behind")


def _supervisor(folder: Folder) -> psutil.Process:
    """The process that holds the lock."""
    state = folder.state()
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(state.pid if state else 0)
        if state and abs(process.create_time() - state.created) < 0.01:
            return process
    raise Conflict("the stack is just being started: try again in a moment")


@stack.command()
def status(
    data_dir: DataDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    local: Local = False,
    compose: Compose = containers.COMPOSE,
) -> None:
    """Show every role and server: state, restarts, memory, port, and whether it is well."""
    folder = _folder(data_dir)
    engine = _containers(folder, compose, local=local)
    if engine is not None:
        _exit(engine.status())
        return
    state = folder.state()
    if state is None or not folder.is_running():
        left = len(folder.left_over())
        more = (
            f"; {left} processes of one are left, which `salient stack stop` ends" if left else ""
        )
        raise NotFound(f"no stack of this data folder runs{more}")
    rows = [{**msgspec.to_builtins(p), "memory_bytes": _memory(p)} for p in state.parts]
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode({**msgspec.to_builtins(state), "parts": rows}))
        return
    out.print(f"{state.profile}: [bold]{state.phase}[/], {state.address}")
    table = Table("part", "pid", "state", "restarts", "memory", "port", "health", box=None)
    for part, row in zip(state.parts, rows, strict=True):
        memory = f"{row['memory_bytes'] / 1e6:.0f} MB" if row["memory_bytes"] else ""
        health = part.said or part.health or ("well" if part.phase == "running" else "")
        shown = (part.name, str(part.pid or ""), part.phase, str(part.restarts), memory, str(part.port or ""))  # fmt: skip
        table.add_row(*shown, escape(health))
    out.print(table)


def _memory(part: PartState) -> int:
    """What the part's processes hold, in bytes; pages that they share count for each."""
    with contextlib.suppress(psutil.Error):
        first = psutil.Process(part.pid) if part.pid else None
        if first:
            family = [first, *first.children(recursive=True)]
            return sum(p.memory_info().rss for p in family)
    return 0


@stack.command()
def logs(
    roles: Annotated[
        list[str] | None, typer.Argument(help="Of which parts; all without. `supervisor` is one.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0)] = 50,
    data_dir: DataDir = None,
    local: Local = False,
    compose: Compose = containers.COMPOSE,
) -> None:
    """Show what the parts said last."""
    folder = _folder(data_dir)
    engine = _containers(folder, compose, local=local)
    if engine is not None:
        _exit(engine.logs(roles or [], lines=lines, follow=follow))
        return
    files = {file.stem: file for file in sorted(folder.logs.glob("*.log"))}
    unknown = set(roles or []) - files.keys()
    if unknown:
        raise InvalidInput(f"there is no log of {', '.join(sorted(unknown))}", known=sorted(files))
    chosen = {name: files[name] for name in (roles or files)}
    with contextlib.suppress(KeyboardInterrupt):
        for name, line in _lines(chosen, lines, follow=follow):
            sys.stdout.write(f"{name} | {line}\n" if len(chosen) > 1 else f"{line}\n")


def _lines(files: dict[str, Path], n: int, *, follow: bool) -> Iterator[tuple[str, str]]:
    tails = {name: following.Tail(file) for name, file in files.items()}
    try:
        for name, tail in tails.items():
            for line in tail.last(n):
                yield name, line
        while follow:
            for name, tail in tails.items():
                for line in tail.more():
                    yield name, line
            sys.stdout.flush()
            time.sleep(_LOOK_S)
    finally:
        for tail in tails.values():
            tail.close()


@stack.command()
def shell(
    code: Annotated[
        str | None, typer.Option("--code", "-c", help="Run this instead of prompting.")
    ] = None,
    profile: Annotated[Profile, typer.Argument(help="Of the containers.")] = "full",
    data_dir: DataDir = None,
    local: Local = False,
    compose: Compose = containers.COMPOSE,
) -> None:
    """Open IPython with `app` and `workspace` of the running stack."""
    folder = _folder(data_dir)
    words = [code] if code else []
    engine = _containers(folder, compose, local=local)
    if engine is not None:
        _exit(engine.shell(words, profile))
        return
    made = folder.plan()
    if made is None or not folder.is_running():
        raise NotFound("no stack of this data folder runs: `salient stack start` starts one")
    command = [sys.executable, "-m", "salient.interfaces.stack.shell", *words]
    _exit(subprocess.run(command, env={**os.environ, **made.environment}, check=False).returncode)


def _exit(code: int) -> None:
    if code:
        raise typer.Exit(code)
