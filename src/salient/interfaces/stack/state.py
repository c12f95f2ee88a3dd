"""What is written down of a local stack, and which of this machine's processes belong to it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import psutil

from salient.errors import Conflict, Corrupt, Misconfigured
from salient.interfaces.stack.plans import Plan

MARK = "STACK_OF_SALIENT"
"""Variable that every process of a stack has: the stack's folder, a colon, the part's name."""

T = TypeVar("T")

Phase = Literal["starting", "running", "stopping", "stopped", "failed"]
PartPhase = Literal["waiting", "starting", "running", "restarting", "stopping", "stopped", "failed", "done"]  # fmt: skip

_LOCK_TRIES, _LOCK_S = 10, 0.1


class PartState(msgspec.Struct, kw_only=True):
    """How a part fares."""

    name: str
    phase: PartPhase = "waiting"
    pid: int = 0
    created: float = 0.0
    """When the process began, as the system says: a pid alone may be another's by now."""
    restarts: int = 0
    port: int = 0
    health: str = ""
    """What its check says is wrong; empty when it is well or has none."""
    said: str = ""
    """Why it is not running, if it should be."""


class StackState(msgspec.Struct, kw_only=True):
    """How a stack fares, as its supervisor last wrote it."""

    profile: str
    phase: Phase = "starting"
    pid: int = 0
    created: float = 0.0
    address: str = ""
    fault: str = ""
    parts: list[PartState] = []


class Folder:
    """The files of a stack: `{data}/stack`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"

    def make(self) -> None:
        """Make the folder, readable by others only as far as its servers need.

        Raises:
            Misconfigured: it cannot be written.
        """
        try:
            # Servers that run as another user have folders of their own below it.
            self.path.mkdir(mode=0o711, parents=True, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
        except OSError as exc:
            raise Misconfigured(f"{self.path} cannot be made ({exc.strerror})") from exc

    def lock(self) -> int:
        """Take the stack's lock; it is held for as long as a copy of the file stays open anywhere.

        Raises:
            Conflict: a stack runs, or is being started.
        """
        file = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        for _ in range(_LOCK_TRIES):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return file
            time.sleep(_LOCK_S)  # somebody may just be asking
        os.close(file)
        state = self.state()
        who = f" (profile {state.profile}, {state.address})" if state else ""
        raise Conflict(
            f"a stack of this data folder runs already{who}: `salient stack status` shows it, `salient stack stop` ends it"
        )

    def is_running(self) -> bool:
        """Whether a supervisor holds the lock."""
        try:
            file = os.open(self.path / "lock", os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    def write(self, name: str, made: msgspec.Struct, *, unless: bytes = b"") -> bytes:
        """Replace a file at once; only its owner reads it, since URLs hold passwords.

        Args:
            unless: what was returned before; if nothing has changed since, nothing is written.
        """
        body = msgspec.json.encode(made)
        if body == unless:
            return body
        partial = self.path / f".{name}.partial"
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # fmt: skip
            file.write(body)
        partial.replace(self.path / f"{name}.json")
        return body

    def state(self) -> StackState | None:
        """What the last supervisor wrote, whether it still runs or not."""
        return self._read("state", StackState)

    def plan(self) -> Plan | None:
        """What the last stack is, or was, made of."""
        return self._read("plan", Plan)

    def _read(self, name: str, kind: type[T]) -> T | None:
        file = self.path / f"{name}.json"
        try:
            return msgspec.json.decode(file.read_bytes(), type=kind)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as exc:
            raise Corrupt(
                f"{file} cannot be read: end what `ps` shows of the stack, and delete it"
            ) from exc

    def left_over(self) -> list[psutil.Process]:
        """Processes of this stack that run, whoever started them."""
        found = marked(f"{self.path}:")
        state = self.state()
        for part in state.parts if state else []:
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(part.pid) if part.pid else None
                if process and abs(process.create_time() - part.created) < 0.01:
                    found += [process, *process.children(recursive=True)]
        return list(dict.fromkeys(found))


def marked(beginning: str) -> list[psutil.Process]:
    """Processes with a mark that begins so; those of other users may be seen by root alone."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK, "").startswith(beginning):
                found.append(process)
    return found


def end(processes: Iterable[psutil.Process], how: int, *, within_s: float) -> None:
    """Have processes end, and kill what has not within the time, with what they have started."""
    firsts = list(processes)
    family = list(firsts)
    for process in firsts:
        with contextlib.suppress(psutil.NoSuchProcess):
            family += process.children(recursive=True)
            process.send_signal(how)
            process.send_signal(signal.SIGCONT)
    _, alive = psutil.wait_procs(firsts, timeout=within_s)
    # Children have had their time, too: whoever ends well has ended them.
    for process in {*alive, *family}:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=5)
