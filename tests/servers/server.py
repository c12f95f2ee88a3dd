"""What all servers have in common: starting, stopping, killing, pausing; the same port and data."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlencode

import psutil

from tests.servers import folders

START_S = 60  # the machine may be busy with other tests


class Missing(Exception):
    """The server cannot be had here."""


class Server(ABC):
    """A running server.

    Args:
        given: URL of a server that somebody else runs; then it cannot be stopped.
        durable: keep what was acknowledged through a kill.
        extra: more configuration, for servers that take some.
    """

    name: ClassVar[str]
    stands_for: ClassVar[str] = ""
    """What this is a close stand-in for, where it is not the thing itself."""
    keeps: ClassVar[bool] = True
    """Whether a durable one keeps, through a kill, what it acknowledged; some stand-ins do not."""
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(
        self,
        session: folders.Session | None,
        *,
        given: str = "",
        durable: bool = False,
        extra: str = "",
    ) -> None:
        self.given, self.durable, self.extra = given, durable, extra
        self._session = session
        self._process: subprocess.Popen[bytes] | None = None
        self._version = ""
        if session is not None:
            self.port, self._more = session.port(), list[int]()
            self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir=session.folder))
            self.folder.chmod(0o755)  # some run as another user
            self.data = self.folder / "data"
            self.log = self.folder / "log"

    def another_port(self) -> int:
        """For a server that listens on several."""
        assert self._session is not None
        self._more.append(self._session.port())
        return self._more[-1]

    # What a kind of server says of itself.

    @abstractmethod
    def prepare(self) -> None:
        """Make the data of a new server; raise `Missing` if its program cannot be had."""

    @abstractmethod
    def command(self) -> list[str]:
        """How it is started in the foreground."""

    @abstractmethod
    def check(self) -> None:
        """Raise if it does not serve yet."""

    @abstractmethod
    def ask_version(self) -> str:
        """Product and version, asked of the server itself where it says so."""

    @abstractmethod
    def local_url(self) -> str:
        """The URL of the server that was started here."""

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def user(self) -> dict[str, object]:
        """Arguments of Popen that choose another user."""
        return {}

    # What tests use.

    @property
    def url(self) -> str:
        """The base URL, without path."""
        return self.given or self.local_url()

    def at(self, path: str = "", **options: object) -> str:
        """The URL of a path on it, with options."""
        base, _, query = self.url.partition("?")
        pairs = dict(parse_qsl(query)) | {k: str(v) for k, v in options.items()}
        joined = f"{base.rstrip('/')}/{path}" if path else base
        return joined + (f"?{urlencode(pairs)}" if pairs else "")

    @property
    def version(self) -> str:
        if not self._version:
            self._version = self.ask_version()
        return self._version

    @property
    def pid(self) -> int:
        return self._running().pid

    def start(self) -> None:
        """Start it, the first time or again, and wait until it serves."""
        if self._process is not None:
            raise RuntimeError(f"{self.name} runs already")
        if self._session is None:
            raise RuntimeError(f"{self.name} is run by somebody else")
        if not self.data.exists():
            self.prepare()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True, **self.user(),
            )  # fmt: skip
        self._session.note(self._process.pid)
        self.wait()

    def wait(self) -> None:
        """Wait until it serves."""
        process, until = self._running(), time.monotonic() + START_S
        while True:
            try:
                self.check()
            except Exception as exc:  # any client's way to say: not yet
                if process.poll() is not None:
                    self._process = None
                    raise RuntimeError(f"{self.name} ended at its start: {self.tail()}") from exc
                if time.monotonic() > until:
                    raise RuntimeError(f"{self.name} does not serve: {self.tail()}") from exc
                time.sleep(0.03)
            else:
                return

    def stop(self) -> None:
        """End it in good order."""
        self._end(self.stop_signal, within_s=20)

    def kill(self) -> None:
        """End it as a power cut would: at once, with its children."""
        process = self._running()
        family = [psutil.Process(process.pid)]
        family += family[0].children(recursive=True)
        for one in family:
            try:
                one.kill()
            except psutil.NoSuchProcess:
                continue
        process.wait()
        psutil.wait_procs(family, timeout=10)
        self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Have it hang: connections are taken by the system, and nothing answers."""
        for one in self._family():
            one.suspend()
        for one in self._family():
            # The signal is on its way to every thread when `kill` returns.
            while any(_runs(thread) for thread in Path(f"/proc/{one.pid}/task").glob("*/stat")):
                time.sleep(0.005)

    def resume(self) -> None:
        for one in self._family():
            one.resume()

    def take_along(self, pid: int) -> None:
        """Have a process ended with the session of this server, at the latest, with its children."""
        if self._session is not None:
            self._session.note(pid)

    def close(self) -> None:
        """End it for good, and remove its data; its log stays until the session's end."""
        if self._process is not None:
            self.stop()
        if self._session is not None:
            shutil.rmtree(self.data, ignore_errors=True)
            for port in (self.port, *self._more):
                self._session.give_back(port)
            self._session = None

    def forget(self) -> None:
        """Note that the session has ended it."""
        if self._process is not None:
            self._process.wait(10)
            self._process = None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def tail(self, size: int = 2000) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""

    def _family(self) -> list[psutil.Process]:
        first = psutil.Process(self.pid)
        return [first, *first.children(recursive=True)]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} does not run, or is run by somebody else")
        return self._process

    def _end(self, how: signal.Signals, *, within_s: float) -> None:
        process = self._running()
        folders.finish([psutil.Process(process.pid)], how, within_s=within_s)
        process.wait()
        self._process = None


def package(name: str, inside: str) -> Path:
    """A file that a package brought along."""
    import importlib.util

    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise Missing(f"the package {name} is not installed")
    path = Path(spec.origin).parent / inside
    if not path.exists():
        raise Missing(f"the package {name} has no {inside} for this system")
    return path


def _runs(stat: Path) -> bool:
    """Whether a thread is not stopped yet; what ended meanwhile does not run."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] not in "TtXxZ"
    except OSError:
        return False
