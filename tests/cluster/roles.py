"""Salient's roles as processes of their own, which tests kill, stop and read the logs of."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120  # the machine may be busy with other tests


class Role:
    """A process that runs a verb of the command line, with the children that it has."""

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], log: Path) -> None:  # fmt: skip
        self.name, self.log = name, log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **env}, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def family(self) -> list[psutil.Process]:
        """The process and all below it."""
        try:
            first = psutil.Process(self.pid)
            return [first, *first.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self) -> None:
        """End it as a power cut would, children first and last: none may outlive it to tell."""
        family = self.family()
        self._signal(signal.SIGSTOP, family)
        self._signal(signal.SIGKILL, {*family, *self.family()})
        psutil.wait_procs(family, timeout=10)
        self._process.wait(10)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP, self.family())

    def resume(self) -> None:
        self._signal(signal.SIGCONT, self.family())

    def stop(self) -> int:
        """End it in good order; return its exit status."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Wait until it has ended by itself; return its exit status."""
        try:
            return self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} does not end: {self.tail()}") from None

    def finish(self) -> None:
        """It has to end well."""
        status = self.wait()
        assert status == 0, f"{self.name} ended with {status}: {self.tail()}"

    def tail(self, size: int = 3000) -> str:
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""

    @staticmethod
    def _signal(which: signal.Signals, family: Sequence[psutil.Process] | set[psutil.Process]) -> None:  # fmt: skip
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.send_signal(which)


class Cast:
    """The roles of a test: started with the same settings, ended with it, whatever happens.

    Args:
        settings: environment variables that all of them have.
        note: is told of each process, to end it where the tests themselves are killed.
    """

    def __init__(
        self, folder: Path, settings: Mapping[str, str], note: Callable[[int], object]
    ) -> None:
        self.settings = dict(settings)
        self._folder = folder
        self._note = note
        self.roles: list[Role] = []

    def start(
        self,
        verb: str,
        *arguments: object,
        within: Callable[[list[str]], list[str]] = list,
        **more: str,
    ) -> Role:
        """Start a role, with settings of its own over those of all.

        Args:
            within: how a command is run in a network of its own.
        """
        name = f"{verb}-{len(self.roles)}"
        command = [sys.executable, "-m", "tests.cluster.hooked", verb, *map(str, arguments)]
        role = Role(name, within(command), self.settings | more, self._folder / f"{name}.log")
        self._note(role.pid)
        self.roles.append(role)
        return role

    def close(self) -> None:
        """End all; their logs are shown where the test failed."""
        for role in self.roles:
            role.kill()
            sys.stderr.write(f"--- {role.name}\n{role.tail()}\n")


@contextmanager
def cast(
    folder: Path, settings: Mapping[str, str], note: Callable[[int], object]
) -> Iterator[Cast]:
    """See `Cast`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Cast(folder, settings, note)
    try:
        yield made
    finally:
        made.close()


def until(holds: Callable[[], Any], what: str, role: Role | None = None) -> Any:
    """Wait for something to be so; return it. `role` must not end meanwhile."""
    end = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < end, f"{what}: it never came to it"
        assert role is None or role.running, f"{what}: {role.name} ended: {role.tail()}"
        time.sleep(0.02)
    return found


def variables(settings: Mapping[str, Mapping[str, object]]) -> dict[str, str]:
    """Settings by section and name, as environment variables."""
    return {
        f"SALIENT_{section}__{name}".upper(): str(value)
        for section, values in settings.items()
        for name, value in values.items()
    }
