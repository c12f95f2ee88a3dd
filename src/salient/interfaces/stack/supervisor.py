"""The one process that keeps a local stack running: `python -m salient.interfaces.stack.supervisor FOLDER`.

It starts the parts in order, each when the one before serves; starts again what dies, after a pause
that grows; and ends all of them, the last first, when it is told to. If it is killed, so are they
(see launcher.py). How things stand is in `state.json`; nobody can ask it for more.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

import psutil

from salient import log
from salient.interfaces.stack import checks, launcher
from salient.interfaces.stack.plans import Part, Plan
from salient.interfaces.stack.reloading import Sources
from salient.interfaces.stack.state import (
    MARK,
    Folder,
    PartPhase,
    PartState,
    StackState,
    end,
    marked,
)

_TICK_S = 0.1
_HEALTH_S = 2.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
_STEADY_S = 60.0
"""Whoever has run for so long starts with the first pause again."""
_LOG_BYTES, _LOGS = 10_000_000, 3
_NOT_ASKED = "not asked yet"

_log = log.get(__name__)


class Running:
    """A part and its process, if it has one."""

    def __init__(self, part: Part, folder: Folder) -> None:
        self.part = part
        self.state = PartState(name=part.name, port=part.port)
        self.process: subprocess.Popen[bytes] | None = None
        self.again_at = 0.0
        self._folder = folder
        self._began = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._reader: threading.Thread | None = None
        self.log = folder.logs / f"{part.name}.log"
        self._lines = RotatingFileHandler(
            self.log, maxBytes=_LOG_BYTES, backupCount=_LOGS, encoding="utf-8", delay=True
        )

    def start(self) -> None:
        """Start its process. To be called by the main thread: the part ends when its starter does."""
        mark = f"{self._folder.path}:{self.part.name}"
        # Of one that was killed, children may be left that hold its port or its work.
        end(marked(mark), signal.SIGKILL, within_s=5)
        command = [
            sys.executable, "-I", "-S", launcher.__file__,
            str(os.getpid()), str(self.part.stop_signal), self.part.user, *self.part.command,
        ]  # fmt: skip
        self.process = subprocess.Popen(
            command, env={**os.environ, **self.part.environment, MARK: mark}, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._began = time.monotonic()
        self.state.pid = self.process.pid
        self.state.created = psutil.Process(self.process.pid).create_time()
        self.state.health = _NOT_ASKED if self.part.check else ""
        self.phase("starting" if self.part.check else "running")
        if self.process.stdout is not None:
            self._reader = threading.Thread(
                target=self._read, args=(self.process.stdout,), daemon=True
            )
            self._reader.start()

    def phase(self, phase: PartPhase, said: str = "") -> None:
        """Note how it is."""
        self.state.phase, self.state.said = phase, said

    def look(self) -> None:
        """Ask whether it serves, and note what is wrong."""
        if self.part.check and self.process is not None:
            self.state.health = checks.answers(self.part.check, self.part.port)

    def ended(self) -> int | None:
        """The exit code of a process that ended by itself since this was asked last.

        When it starts again is decided then, too: after a pause that grows with every time.
        """
        if self.process is None or self.process.poll() is None:
            return None
        code = self.process.returncode
        how = f"ended with {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
        if time.monotonic() - self._began > _STEADY_S:
            self._pause_s = _FIRST_PAUSE_S
        self.again_at = time.monotonic() + self._pause_s
        self.phase("restarting", f"{how}; again in {self._pause_s:.1f} s")
        self._pause_s = min(_LONGEST_PAUSE_S, self._pause_s * 2)
        self._gone()
        return code

    def ask(self) -> None:
        """Tell its process to end in good order, and do not wait."""
        if self.process is not None:
            self.phase("stopping")
            self.process.send_signal(self.part.stop_signal)

    def stop(self, *, within_s: float | None = None) -> None:
        """End its process in good order; kill it when it takes longer than it may."""
        if self.process is None:
            return
        self.phase("stopping")
        with contextlib.suppress(psutil.NoSuchProcess):
            patience_s = self.part.stop_s if within_s is None else within_s
            end([psutil.Process(self.process.pid)], self.part.stop_signal, within_s=patience_s)
        self.process.wait()
        self._gone()
        self.phase("stopped")

    def forget_faults(self) -> None:
        """What is started now is not what died before."""
        self._pause_s, self.again_at = _FIRST_PAUSE_S, 0.0

    def tail(self) -> str:
        """The end of what it said."""
        with contextlib.suppress(FileNotFoundError):
            return self.log.read_text("utf-8", "replace")[-2000:].strip()
        return ""

    def close(self) -> None:
        """Close its log."""
        self._lines.close()

    def _gone(self) -> None:
        if self._reader is not None:
            # Not for ever: what it started and did not end may hold the pipe.
            self._reader.join(2.0)
        self.process, self.state.pid, self.state.health = None, 0, ""

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                text = line.decode("utf-8", "replace").rstrip("\n")
                self._lines.handle(logging.makeLogRecord({"msg": text}))


class Supervisor:
    """A stack, from its start to its end."""

    def __init__(self, folder: Folder, plan: Plan) -> None:
        self._folder = folder
        self._parts = [Running(part, folder) for part in plan.parts]
        self._sources = Sources(Path(plan.watch)) if plan.watch else None
        self._stopping = self._at_once = False
        own = psutil.Process()
        self._state = StackState(
            profile=plan.profile,
            pid=own.pid,
            created=own.create_time(),
            address=plan.address,
            parts=[one.state for one in self._parts],
        )

    def stop(self, *, at_once: bool = False) -> None:
        """Have the stack end soon; may be called by a signal's handler.

        Args:
            at_once: do not wait for what workers are at; it is done again later.
        """
        self._stopping, self._at_once = True, at_once

    def run(self) -> int:
        """Start everything, keep it running until told to stop, end everything; return an exit code."""
        try:
            self._start()
            if not self._stopping and not self._state.fault:
                self._state.phase = "running"
                self._keep()
        finally:
            self._end()
        return 1 if self._state.fault else 0

    def _start(self) -> None:
        servers_and_once = [one for one in self._parts if one.part.once or not one.part.is_role]
        for one in servers_and_once:
            self._start_all([one])
        # Roles start together: each takes a while and waits for none of the others.
        self._start_all([one for one in self._parts if one not in servers_and_once])

    def _start_all(self, ones: Sequence[Running]) -> None:
        """Start parts and wait until all serve, or until one cannot or the stack is told to stop."""
        if self._stopping or self._state.fault:
            return
        for one in ones:
            one.start()
        self._write()
        until = time.monotonic() + max((one.part.start_s for one in ones), default=0.0)
        waiting = list(ones)
        while waiting and not self._stopping:
            for one in list(waiting):
                code = one.ended()
                if code is not None:
                    waiting.remove(one)
                    if code or not one.part.once:
                        self._fail(one, one.state.said.partition(";")[0])
                        return
                    one.phase("done")
                elif not one.part.once:
                    one.look()
                    if not one.state.health:
                        one.phase("running")
                        waiting.remove(one)
            if waiting and time.monotonic() > until:
                self._fail(waiting[0], f"does not serve: {waiting[0].state.health}")
                return
            self._write()
            time.sleep(_TICK_S)

    def _fail(self, one: Running, how: str) -> None:
        said = one.tail()
        one.stop(within_s=5)
        one.phase("failed", how)
        self._state.fault = f"{one.part.name} {how}" + (f"\n{said}" if said else "")
        _log.error("stack.failed", part=one.part.name, reason=how)

    def _keep(self) -> None:
        ended = threading.Event()
        asking = threading.Thread(target=self._ask_health, args=(ended,))
        asking.start()
        written = b""
        try:
            while not self._stopping:
                for one in self._parts:
                    self._care(one)
                if self._sources is not None and self._sources.changed():
                    self._reload()
                written = self._write(unless=written)
                time.sleep(_TICK_S)
        finally:
            ended.set()
            asking.join()

    def _care(self, one: Running) -> None:
        if one.part.once:
            return
        if one.ended() is not None:
            one.state.restarts += 1
            _log.warning("stack.part_died", part=one.part.name, how=one.state.said)
        elif one.process is None and time.monotonic() >= one.again_at:
            one.start()
        elif one.state.phase == "starting" and not one.state.health:
            one.phase("running")

    def _ask_health(self, ended: threading.Event) -> None:
        while not ended.wait(_HEALTH_S):
            for one in self._parts:
                one.look()

    def _reload(self) -> None:
        roles = [one for one in self._parts if one.part.is_role and not one.part.once]
        _log.warning("stack.reloading", roles=len(roles))
        for one in roles:
            one.ask()
        for one in roles:
            one.stop(within_s=5)
            one.forget_faults()

    def _end(self) -> None:
        self._state.phase = "stopping"
        self._write()
        order = list(reversed(self._parts))
        # Warm: workers finish what they are at, all at once, while everything they need is there.
        workers = [one for one in order if one.part.is_role and one.part.name.startswith("worker")]
        for one in workers:
            one.ask()
        for one in [*workers, *order]:
            one.stop(within_s=2.0 if self._at_once and one.part.is_role else None)
            self._write()
        end(marked(f"{self._folder.path}:"), signal.SIGTERM, within_s=5)
        self._state.phase = "failed" if self._state.fault else "stopped"
        self._write()
        for one in self._parts:
            one.close()

    def _write(self, *, unless: bytes = b"") -> bytes:
        """Write how things stand, unless that is what was written."""
        return self._folder.write("state", self._state, unless=unless)


def main(path: str) -> int:
    """Run the stack whose plan is in a folder."""
    folder = Folder(Path(path))
    plan = folder.plan()
    if plan is None:
        sys.exit(f"{path} has no plan of a stack; `salient stack start` makes it")
    log.configure("text", "INFO", ["stderr:"])
    supervisor = Supervisor(folder, plan)
    signal.signal(signal.SIGTERM, lambda *_: supervisor.stop())
    signal.signal(signal.SIGINT, lambda *_: supervisor.stop())
    signal.signal(signal.SIGQUIT, lambda *_: supervisor.stop(at_once=True))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal that started us has gone
    return supervisor.run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
