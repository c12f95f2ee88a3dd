"""A network that fails: a proxy that cuts connections, refuses them, is slow, or goes silent."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time

RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: closing sends a reset


class Proxy:
    """Passes bytes to `target` on 127.0.0.1 until told otherwise.

    Args:
        host: the address of this machine to listen on.
    """

    def __init__(self, target: int, host: str = "127.0.0.1") -> None:
        self._target = target
        self.host = host
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self.silent = threading.Event()
        """While set, what comes in is swallowed."""
        self.held = threading.Event()
        """While set, what comes in waits, as where a network that is away is tried again and again."""
        self.delay_s = 0.0
        """How long a piece of at most 64 KiB is on its way, each way."""
        with socket.socket() as free:
            free.bind((host, 0))
            self.port = free.getsockname()[1]
        self.allow()

    def allow(self) -> None:
        """Take connections."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((self.host, self.port))
        listener.listen(64)
        self._listener = listener
        self._run(self._accept, listener)

    def refuse(self) -> None:
        """Take none, and cut those there are."""
        if self._listener is not None:
            # A thread that waits in accept holds the port: closing alone would not end it.
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> int:
        """Reset all connections, whatever is on its way; return how many."""
        with self._lock:
            cut, self._open = self._open, set()
        for one in cut:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        return len(cut) // 2

    def close(self) -> None:
        self.silent.clear()
        self.held.clear()
        self.refuse()
        for thread in self._threads:
            thread.join(5)

    def _run(self, what, *arguments: object) -> None:
        thread = threading.Thread(target=what, args=arguments, daemon=True, name="proxy")
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:  # it was closed
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._open |= {client, server}
            self._run(self._pass, client, server)
            self._run(self._pass, server, client)

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                if self.delay_s:
                    time.sleep(self.delay_s)
                while self.held.is_set():
                    time.sleep(0.01)
                if not self.silent.is_set():
                    sink.sendall(piece)
        for one in (source, sink):
            with self._lock:
                self._open.discard(one)
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
