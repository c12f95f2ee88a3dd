"""Whether a process lives, whether it can work, and what it measured: for those who run it.

GET /health     200 while the process does something, else 503: it should be started anew
GET /ready      200 while its stores and broker answer, else 503 and which part does not: no work for it
GET /metrics    for Prometheus

Answers hold names of parts and codes of errors, and nothing of what an error says: nobody has to
show a token here.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, final

from salient import log
from salient.errors import Error, Misconfigured
from salient.interfaces import metrics
from salient.services import Context

_log = log.get(__name__)

Check = Callable[[], object]
"""Raises where a part does not answer."""

PATHS = frozenset({"/health", "/ready", "/metrics"})

_FRESH_S = 1.0  # how long an answer of a part is good
_PATIENCE_S = 2.0  # a part that is slower is not ready
_AT_ONCE = 16  # connections
_IDLE_S = 5.0  # for a client to say what it wants

_NOWHERE = "probe"  # a name that nothing has


def checks(context: Context) -> dict[str, Check]:
    """A read of next to nothing from each of an app's stores."""
    return {
        "blobs": lambda: context.blobs.exists(_NOWHERE),
        "cache": lambda: context.cache.get(_NOWHERE),
        "records": lambda: context.records.get(_NOWHERE, _NOWHERE),
        "search": context.indexes.passages.count,
        "tables": lambda: context.ledger.rows([_NOWHERE]),
    }


@final
class Pulse:
    """A loop that should move: it is alive as long as it said so within `limit_s`.

    Args:
        waits_for: what it may rightly stand still for: while that raises, or hangs, it is alive too.
    """

    def __init__(self, limit_s: float, waits_for: Check | None = None) -> None:
        self._limit_s = limit_s
        self._waits_for = None if waits_for is None else Readiness({"it": waits_for})
        self.beat()

    def beat(self) -> None:
        """The loop has moved."""
        self._at = time.monotonic()

    def __call__(self) -> bool:
        if time.monotonic() - self._at < self._limit_s:
            return True
        if self._waits_for is None:
            return False
        self._waits_for.wait()
        return self._waits_for.answer[0] != HTTPStatus.OK

    def close(self) -> None:
        """Ask no more."""
        if self._waits_for is not None:
            self._waits_for.close()


@final
class Readiness:
    """Asks parts whether they answer.

    - An answer is good for a second, however many ask.
    - A part that hangs holds one thread, not one for each who asks, and nobody for more than two
      seconds. It is not ready until it has answered.
    - From `stop` on nothing is ready.
    """

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._parts = [_Part(name, check) for name, check in sorted(checks.items())]
        self._stopping = False

    def stop(self) -> None:
        """Send no more work here: the process is about to end."""
        self._stopping = True

    def close(self) -> None:
        """End the threads, but for those that hang."""
        self.stop()
        for part in self._parts:
            part.close()

    def ask(self) -> Callable[[], bool]:
        """Begin to ask those whose answer is old; returns what says whether all have answered."""
        if not self._stopping:
            for part in self._parts:
                part.ask()
        until = time.monotonic() + _PATIENCE_S
        return lambda: (
            self._stopping
            or time.monotonic() > until
            or not any(part.is_asked for part in self._parts)
        )

    def wait(self) -> None:
        """Ask, and wait for answers."""
        has_answered = self.ask()
        while not has_answered():
            time.sleep(0.005)

    @property
    def answer(self) -> tuple[int, dict[str, Any]]:
        """An HTTP status and a body, by what is known now."""
        if self._stopping:
            return HTTPStatus.SERVICE_UNAVAILABLE, {
                "ready": False,
                "parts": {"process": "stopping"},
            }
        parts = {part.name: part.state for part in self._parts}
        ready = all(state == "ok" for state in parts.values())
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        return status, {"ready": ready, "parts": parts}


class _Part:
    """One check with a thread of its own, since stores keep connections by thread."""

    def __init__(self, name: str, check: Check) -> None:
        self.name = name
        self._check = check
        self._known = "unknown"
        self._at = -_FRESH_S
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self.is_asked = False
        """Whether an answer is awaited."""

    @property
    def state(self) -> str:
        """`ok`, the code of an error, or `timed_out` for one that has not answered."""
        return "timed_out" if self.is_asked else self._known

    def ask(self) -> None:
        with self._lock:
            if self.is_asked or self._closed or time.monotonic() - self._at < _FRESH_S:
                return
            if self._thread is None:
                name = f"salient-probe-{self.name}"
                self._thread = threading.Thread(target=self._run, name=name, daemon=True)
                self._thread.start()
            self.is_asked = True
            self._wanted.set()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._wanted.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE_S)

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._closed:
                return
            found, why = _outcome(self._check)
            if found not in ("ok", self._known):
                _log.warning("probe.failed", part=self.name, code=found, reason=why)
            elif found == "ok" and self._known not in ("ok", "unknown"):
                _log.warning("probe.recovered", part=self.name)
            with self._lock:
                self._known, self._at, self.is_asked = found, time.monotonic(), False


def _outcome(check: Check) -> tuple[str, str]:
    try:
        check()
    except Error as error:
        return error.code, error.message
    except Exception as bug:  # a check of anybody's, and a probe must answer
        return "fault", repr(bug)
    return "ok", ""


@final
class Server:
    """Serves probes from threads of its own until it is closed."""

    def __init__(
        self, listener: _Listener, readiness: Readiness, alive: Callable[[], bool]
    ) -> None:
        self._listener, self._readiness = listener, readiness
        listener.readiness, listener.alive = readiness, alive
        host, port = listener.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else str(host)
        self.address = f"{shown}:{port}"
        self._thread = threading.Thread(
            target=listener.serve_forever, kwargs={"poll_interval": 0.1}, name="salient-probes", daemon=True
        )  # fmt: skip
        self._thread.start()

    def stopping(self) -> None:
        """Say from now on that this process is not ready; the other probes go on."""
        self._readiness.stop()

    def close(self) -> None:
        """Serve no more."""
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()
        self._readiness.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def serve(address: str, checks: Mapping[str, Check], alive: Callable[[], bool]) -> Server:
    """Serve probes at `HOST:PORT`; port 0 takes a free one, which `Server.address` tells.

    Of the standard library, so that a worker loads no web framework, and in threads, so that it
    answers whatever the main one is at.

    Args:
        checks: parts that must answer for the process to be ready; each runs in a thread of its own.
        alive: whether the process moves, such as a `Pulse`. Called in any thread.

    Raises:
        Misconfigured: the address is none, or it is taken.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise Misconfigured(f"work.probes is HOST:PORT, as in 127.0.0.1:9100, not {address!r}")
    host = host.strip("[]") or "0.0.0.0"  # noqa: S104 - as `:9100` asks for
    try:
        listener = _Listener((host, int(port)))
    except OSError as exc:
        raise Misconfigured(
            f"probes cannot be served on {address} ({exc.strerror}): set work.probes, or end what uses it"
        ) from exc
    return Server(listener, Readiness(checks), alive)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 32
    readiness: Readiness
    alive: Callable[[], bool]

    def __init__(self, address: tuple[str, int]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._free = threading.Semaphore(_AT_ONCE)
        super().__init__(address, _Probe)

    def process_request(self, request: Any, client_address: Any) -> None:
        # One who asks too much is told nothing: that too is an answer to a prober.
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that went away, mostly; the standard library would print a trace.
        _log.debug("probe.unanswered", exc_info=True)


class _Probe(BaseHTTPRequestHandler):
    timeout = _IDLE_S
    server: _Listener
    server_version, sys_version = "salient", ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/health":
            alive = self.server.alive()
            self._say(200 if alive else 503, {"alive": alive})
        elif path == "/ready":
            self.server.readiness.wait()
            self._say(*self.server.readiness.answer)
        elif path == "/metrics":
            self._send(200, metrics.CONTENT_TYPE, metrics.exposition())
        else:
            self._say(404, {"probes": sorted(PATHS)})

    do_HEAD = do_GET  # noqa: N815 - the standard library's names

    def _say(self, status: int, body: Mapping[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(body).encode())

    def _send(self, status: int, media_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Probes come every few seconds: nobody wants to read of them."""
