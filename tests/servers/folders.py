"""Where a session's servers keep their files, which ports they take, and how they end with it.

A session holds a lock on one of some blocks of ports; the lock goes with the process, however it
ends. A watcher process waits for the session's end too, ends the servers that it left, and removes
its folder. Whatever escapes even that is ended by the next session, by the process's id and start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterable
from pathlib import Path

import psutil

BLOCKS, BLOCK = 90, 60
FIRST = 10_000
"""Ports below those that systems give to outgoing connections, so that one can be taken again
after a restart. Some servers open port + 10,000 as well, which is below them too."""


def root() -> Path:
    """Memory where there is some: syncing a disk is most of the time that databases take."""
    memory = Path("/dev/shm")  # not a guess of a temporary name: each user has a folder of its own
    place = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    folder = place / f"salient-tests-{os.getuid()}"
    folder.mkdir(mode=0o755, exist_ok=True)
    return folder


class Session:
    """A folder and ports of this process."""

    def __init__(self) -> None:
        sweep()
        self.block, self._lock = _block()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.block}-", dir=root()))
        self.folder.chmod(0o755)  # one server runs as another user
        # Those given back come to the end: what still knows of one must not find another's server.
        self._ports = deque(range(FIRST + self.block * BLOCK, FIRST + (self.block + 1) * BLOCK))
        command = [sys.executable, str(Path(__file__)), str(self.folder)]
        # Not of our terminal's group: Ctrl-C must not end it before us.
        self._watcher = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

    def port(self) -> int:
        """A port that nobody listens on, nor on the one 10,000 above."""
        for _ in range(len(self._ports)):
            port = self._ports.popleft()
            if _free(port) and _free(port + 10_000):
                return port
            self._ports.append(port)
        raise RuntimeError(f"a session has {BLOCK} ports, and all are taken")

    def give_back(self, port: int) -> None:
        """Have it taken by a later server."""
        self._ports.append(port)

    def note(self, pid: int) -> None:
        """Have this process ended with the session, at the latest."""
        note(self.folder, pid)

    def close(self) -> None:
        end(self.folder)
        assert self._watcher.stdin is not None
        self._watcher.stdin.close()
        self._watcher.wait(30)
        self._lock.close()


def note(folder: Path, pid: int) -> None:
    with (folder / "pids").open("a") as file:
        file.write(f"{pid} {psutil.Process(pid).create_time()}\n")


def noted(folder: Path) -> list[psutil.Process]:
    """The processes of this folder that still run."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / "pids").read_text().splitlines():
            pid, created = line.split()
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(int(pid))
                if process.create_time() == float(created):
                    found.append(process)
    return found


def end(folder: Path) -> None:
    """End the servers of this folder, and remove it."""
    finish(noted(folder), signal.SIGTERM, within_s=5)
    shutil.rmtree(folder, ignore_errors=True)


def finish(processes: Iterable[psutil.Process], how: int, *, within_s: float) -> None:
    """Signal processes to end, and kill what has not ended in time, with their children."""
    processes = list(processes)
    family = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            family += process.children(recursive=True)
            process.send_signal(how)
            process.send_signal(signal.SIGCONT)
    family += processes
    _, alive = psutil.wait_procs(family, timeout=within_s)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5)


def sweep() -> None:
    """End and remove what dead sessions left."""
    for folder in root().iterdir():
        block = folder.name.partition("-")[0]
        if folder.is_dir() and block.isdigit():
            lock = _try(int(block))
            if lock is not None:
                end(folder)
                lock.close()


def _block() -> tuple[int, contextlib.closing]:
    for block in range(BLOCKS):
        lock = _try(block)
        if lock is not None:
            return block, lock
    raise RuntimeError(f"{BLOCKS} sessions of tests run already")


def _try(block: int):
    file = (root() / f"block{block}.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


def _free(port: int) -> bool:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


if __name__ == "__main__":
    # The watcher: standard input ends when the session does, killed or not.
    sys.stdin.buffer.read()
    end(Path(sys.argv[1]))
