"""A network between processes and servers on 127.0.0.1 that is slow, or goes away for a while.

Where root allows it the processes live in a network namespace of their own, joined to this machine
by a virtual cable; while it is cut their packets vanish without a word, as in a real partition.
Elsewhere a proxy holds what is sent. Delays are the proxy's in both: not every kernel has netem.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import quote

import psutil

from tests.cluster.proxy import Proxy

PREFIX = "salient-"
NOWHERE = "02:00:00:00:00:01"


@contextmanager
def network() -> Iterator[Network]:
    """A network of the test's own; one at a time in a process."""
    made = Cable() if possible() else Network()
    try:
        yield made
    finally:
        made.close()


def possible() -> bool:
    """Whether namespaces can be made here; what dead processes left of them is removed."""
    if os.getuid() != 0 or shutil.which("ip") is None:
        return False
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False)
    for name in (line.split()[0] for line in listed.stdout.splitlines() if line.strip()):
        pid = name.removeprefix(PREFIX)
        if name.startswith(PREFIX) and pid.isdigit() and not psutil.pid_exists(int(pid)):
            _ip("netns", "delete", name, check=False)
    name = f"{PREFIX}{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return False
    _ip("netns", "delete", name)
    return True


class Network:
    """Proxies, one a server."""

    host = "127.0.0.1"

    def __init__(self) -> None:
        self._proxies: dict[int, Proxy] = {}

    def through(self, url: str, port: int) -> str:
        """`url`, which has this port of 127.0.0.1 in it, as processes of this network see it."""
        if port not in self._proxies:
            self._proxies[port] = Proxy(port, self.host)
        there, here = f"127.0.0.1:{port}", f"{self.host}:{self._proxies[port].port}"
        return url.replace(there, here).replace(quote(there), quote(here))

    def command(self, command: Sequence[str]) -> list[str]:
        """How a process is started in it."""
        return list(command)

    def slow(self, seconds: float) -> None:
        """Have everything take so long, each way."""
        for proxy in self._proxies.values():
            proxy.delay_s = seconds

    def cut(self) -> None:
        """Let nothing through; nobody is told."""
        for proxy in self._proxies.values():
            proxy.held.set()

    def heal(self) -> None:
        for proxy in self._proxies.values():
            proxy.held.clear()

    def close(self) -> None:
        for proxy in self._proxies.values():
            proxy.close()


class Cable(Network):
    """A namespace, and a pair of virtual devices that joins it to this machine."""

    def __init__(self) -> None:
        super().__init__()
        number = os.getpid() % 2**14 * 4  # a net of four addresses, of those kept for tests
        net = f"198.18.{number >> 8}"
        self.host, self._other = (f"{net}.{(number & 255) + n}" for n in (1, 2))
        self._name = f"{PREFIX}{os.getpid()}"
        self._ours, self._theirs = f"sal{os.getpid()}a", f"sal{os.getpid()}b"
        _ip("netns", "add", self._name)
        try:
            _ip("link", "add", self._ours, "type", "veth", "peer", self._theirs, "netns", self._name)  # fmt: skip
            _ip("address", "add", f"{self.host}/30", "dev", self._ours)
            _ip("link", "set", self._ours, "up")
            self._inside("address", "add", f"{self._other}/30", "dev", self._theirs)
            self._inside("link", "set", self._theirs, "up")
            self._inside("link", "set", "lo", "up")
        except BaseException:
            self.close()
            raise

    def command(self, command: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self._name, *command]

    def cut(self) -> None:
        # Packets to an address that no device has are taken by nobody and answered by nobody.
        self._inside("neighbour", "replace", self.host, "lladdr", NOWHERE, "dev", self._theirs)
        _ip("neighbour", "replace", self._other, "lladdr", NOWHERE, "dev", self._ours)

    def heal(self) -> None:
        self._inside("neighbour", "delete", self.host, "dev", self._theirs)
        _ip("neighbour", "delete", self._other, "dev", self._ours)

    def close(self) -> None:
        super().close()
        _ip("netns", "delete", self._name, check=False)  # the devices go with it
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("link", "delete", self._ours)

    def _inside(self, *arguments: str) -> None:
        _ip("-netns", self._name, *arguments)


def _ip(*arguments: str, check: bool = True) -> None:
    subprocess.run(["ip", *arguments], check=check, capture_output=True, timeout=30)
