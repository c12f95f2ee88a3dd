"""Conversion in a child process that can be killed: `Converter` is how files are read.

The parent holds the clock and watches the child's memory; a file that hangs, eats or crashes the
child costs one conversion, and what the child had read until then is kept.
"""

from __future__ import annotations

import contextlib
import os
import queue
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import psutil

from salient import log
from salient.errors import Corrupt, Error, InvalidInput, LimitExceeded, TimedOut, Unavailable, tree
from salient.model import Builder, Child, Metadata, Note, Part, Text
from salient.readers import MIB, Limits, frames, ocr
from salient.readers.frames import Tag

_log = log.get(__name__)

_LOOK_S = 0.05  # between two looks at the child's memory
_STARTUP_S = 30.0
_END_S = 5.0


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of one file."""

    text: Text
    children: list[Child]
    """Large ones lie in files: read their content before the converter's next conversion."""
    media_type: str
    component: str
    """`name@version` of the reader."""
    seconds: float
    peak_memory_bytes: int


class _Held(Child):
    """A child whose content stays in a file, so that an archive is never whole in memory."""

    __slots__ = ("_file",)

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self._file = file

    @property
    def content(self) -> bytes:  # type: ignore[override]  # read only, and read anew each time
        return self._file.read_bytes()


@dataclass(slots=True)
class _State:
    """One conversion under way."""

    limits: Limits
    builder: Builder = field(default_factory=Builder)
    children: list[Child] = field(default_factory=list)
    media_type: str = "application/octet-stream"
    component: str = ""
    n_parts: int = 0
    last_page: int | None = None
    n_pages: int | None = None
    peak_bytes: int = 0
    failed: Error | None = None
    done: bool = False


class Converter:
    """Reads files, one at a time, in a child process that lives from file to file.

    - A conversion ends within `limits.time_s` and a second, whatever the file does.
    - Pages read before the end of time, memory or the child itself are kept, and a note says which
      were left out; with no page read, the error is raised.
    - The child has no network, cannot start programs, and dies with this process.
    - Threads may share an instance; conversions wait for each other. After a fork, make a new one.

    Args:
        recycle_files: conversions after which the child is replaced.
        recycle_bytes: resident memory, between files, above which it is replaced.
        niceness: added to the child's.
        extra_readers: more readers, media type to `module:function`, importable in the child.
    """

    def __init__(
        self,
        *,
        recycle_files: int = 500,
        recycle_bytes: int = 400 * MIB,
        niceness: int = 0,
        extra_readers: Mapping[str, str] | None = None,
    ) -> None:
        self._extra_readers = dict(extra_readers or {})
        self._recycle_files = recycle_files
        self._recycle_bytes = recycle_bytes
        self._niceness = niceness
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._watched: psutil.Process | None = None
        self._served = 0
        self._closed = False
        self._folder = tempfile.TemporaryDirectory(prefix="salient-")

    def convert(
        self,
        file: Path,
        name: str,
        limits: Limits | None = None,
        *,
        media_type: str | None = None,
        with_ocr: bool = True,
    ) -> Conversion:
        """Read one file.

        Args:
            name: as the person knows it; it only breaks ties between text formats.
            media_type: skips recognition by content; for tests and for callers that know.
            with_ocr: False ends with `needs_ocr` at the first page that must be read as an image.

        Raises:
            InvalidInput: `encrypted`, `empty`, `truncated`, `malformed`, `reader_crashed`.
            LimitExceeded: `out_of_memory`, `zip_bomb`, ...
            TimedOut: `timed_out`, and not one page was read.
            Unsupported: `unsupported_format`, `needs_ocr`.
            NotFound: `vanished`.
            Unavailable: the child cannot be started, or the converter is closed.
        """
        limits = limits or Limits()
        with self._lock:
            if self._closed:
                raise Unavailable("the converter is closed")
            process = self._running()
            self._clear_folder()
            started = time.monotonic()
            state = _State(limits)
            request = {
                "file": str(file.absolute()),
                "name": name,
                "limits": asdict(limits),
                "folder": self._folder.name,
                "media_type": media_type,
                "readers": self._extra_readers,
                "ocr": with_ocr,
            }
            try:
                self._talk(process, frames.message(Tag.REQUEST, request), state, started)
            except BaseException:
                # The child may still be at this file: it must not answer the next request with it.
                self._stop()
                raise
            self._served += 1
            seconds = time.monotonic() - started
        if state.failed is not None:
            code = str(state.failed.context.get("code", state.failed.code))
            if not state.n_parts or code == ocr.NEEDED:
                raise state.failed
            state.builder.note(Note(code, f"{_left_out(state)}: {state.failed.message}"))
        return Conversion(
            text=state.builder.build(),
            children=state.children,
            media_type=state.media_type,
            component=state.component,
            seconds=seconds,
            peak_memory_bytes=state.peak_bytes,
        )

    def close(self) -> None:
        """End the child. A conversion under way ends first."""
        with self._lock:
            self._closed = True
            self._stop()
            self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Of the child, None when none runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def _running(self) -> subprocess.Popen[bytes]:
        process = self._process
        if process is not None and (
            process.poll() is not None
            or self._served >= self._recycle_files
            or self._resident() > self._recycle_bytes
        ):
            self._stop()
            process = None
        if process is None:
            process = self._process = _spawn(self._niceness)
            self._watched = psutil.Process(process.pid)
            self._served = 0
        return process

    def _resident(self) -> int:
        try:
            return int(self._watched.memory_info().rss) if self._watched else 0
        except psutil.Error:
            return 0

    def _talk(
        self, process: subprocess.Popen[bytes], request: bytes, state: _State, started: float
    ) -> None:
        """Send the request and take in frames until the child is done or has to be stopped."""
        if process.stdin is None or process.stdout is None:
            raise Unavailable("the conversion process has no pipes")
        try:
            process.stdin.write(request)
            process.stdin.flush()
        except BrokenPipeError:
            self._crashed(process, state)
            return
        inbox = frames.Inbox()
        # The first file also waits for the interpreter and the libraries to load.
        allowed = state.limits.time_s + (_STARTUP_S if self._served == 0 else 0.0)
        recognised = False
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not state.done:
                ready = selector.select(_LOOK_S)
                if ready:
                    data = os.read(process.stdout.fileno(), 1 << 20)
                    if not data:
                        self._crashed(process, state)
                        return
                    try:
                        for got in inbox.feed(data):
                            self._take(got, state)
                    except Corrupt:
                        self._stop()
                        state.failed = _crash()
                        return
                    if not recognised and state.component:
                        recognised = True
                        if self._served == 0:
                            started = time.monotonic()
                            allowed = state.limits.time_s
                resident = self._resident()
                state.peak_bytes = max(state.peak_bytes, resident)
                if resident > state.limits.memory_bytes:
                    self._stop()
                    state.failed = _out_of_memory(state.limits)
                    return
                if not state.done and time.monotonic() - started > allowed:
                    self._stop()
                    state.failed = TimedOut(
                        f"reading took more than {state.limits.time_s:g} seconds: "
                        "split the file, or raise the time limit and retry",
                        code="timed_out",
                        time_s=state.limits.time_s,
                    )
                    return

    def _take(self, got: frames.Frame, state: _State) -> None:
        match got.tag:
            case Tag.RECOGNISED:
                fields = frames.fields(got.payload)
                state.media_type = str(fields["media_type"])
                state.component = str(fields["component"])
            case Tag.FAILED:
                fields = frames.fields(got.payload)
                kind = tree().get(str(fields["code"]), InvalidInput)
                state.failed = kind(str(fields["message"]), dict(fields["context"]))
            case Tag.DONE:
                fields = frames.fields(got.payload)
                state.peak_bytes = max(state.peak_bytes, int(fields["peak_memory_bytes"]))
                state.done = True
            case Tag.CHILD_FILE:
                fields = frames.fields(got.payload)
                # Only the name of a file in our own folder: the child gives no paths.
                held = Path(self._folder.name) / Path(str(fields["file"])).name
                state.children.append(_Held(str(fields["name"]), held))
            case _:
                piece = frames.decode(got)
                if isinstance(piece, Part):
                    state.n_parts += 1
                    state.last_page = piece.page
                elif isinstance(piece, Metadata) and piece.fields.get("pages", "").isdecimal():
                    state.n_pages = int(piece.fields["pages"])
                state.children += state.builder.feed([piece])

    def _crashed(self, process: subprocess.Popen[bytes], state: _State) -> None:
        self._stop()
        _log.warning("reader.crashed", exit_status=process.returncode, component=state.component)
        # A native library that gets no memory aborts: tell that from a crash by how full it was.
        if state.peak_bytes > 0.75 * state.limits.memory_bytes:
            state.failed = _out_of_memory(state.limits)
        else:
            state.failed = _crash()

    def _stop(self) -> None:
        process, self._process, self._watched = self._process, None, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        process.kill()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            _log.warning("reader.unkillable", pid=process.pid)
        if process.stdout is not None:
            process.stdout.close()

    def _clear_folder(self) -> None:
        for held in Path(self._folder.name).iterdir():
            held.unlink(missing_ok=True)


def _left_out(state: _State) -> str:
    if state.last_page is None:
        return "what came after was left out"
    if state.n_pages is None:
        return f"pages after page {state.last_page} were left out"
    first = state.last_page + 1
    if first > state.n_pages:
        return "what comes with the pages (attachments, notes) was left out"
    if first == state.n_pages:
        return f"page {state.n_pages} was left out"
    return f"pages {first}-{state.n_pages} were left out"


def _crash() -> InvalidInput:
    return InvalidInput(
        "the file makes its reader crash: open it in its own program, save it anew and add it again",
        code="reader_crashed",
    )


def _out_of_memory(limits: Limits) -> LimitExceeded:
    return LimitExceeded(
        f"reading takes more than {limits.memory_bytes // MIB} MiB of memory: "
        "split the file, or raise the memory limit and retry",
        code="out_of_memory",
        memory_bytes=limits.memory_bytes,
    )


def _spawn(niceness: int) -> subprocess.Popen[bytes]:
    return _Spawner.of_this_process().start(niceness)


class _Spawner:
    """One thread that lives as long as the process and starts all children.

    The kernel's "die with your parent" means the parent's *thread*: a child started by a pool's
    thread would be killed when the pool shrinks.
    """

    _one: _Spawner | None = None
    _guard = threading.Lock()

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._queue: queue.SimpleQueue[tuple[int, Future[subprocess.Popen[bytes]]]] = (
            queue.SimpleQueue()
        )
        threading.Thread(target=self._run, name="salient-reader-spawner", daemon=True).start()

    @classmethod
    def of_this_process(cls) -> _Spawner:
        with cls._guard:
            if cls._one is None or cls._one.pid != os.getpid():
                cls._one = cls()
            return cls._one

    def start(self, niceness: int) -> subprocess.Popen[bytes]:
        answer: Future[subprocess.Popen[bytes]] = Future()
        self._queue.put((niceness, answer))
        return answer.result()

    def _run(self) -> NoReturn:
        while True:
            niceness, answer = self._queue.get()
            try:
                answer.set_result(self._popen(niceness))
            except OSError as exc:
                failure = Unavailable("the conversion process cannot be started")
                failure.__cause__ = exc
                answer.set_exception(failure)

    def _popen(self, niceness: int) -> subprocess.Popen[bytes]:
        source = str(Path(__file__).resolve().parents[2])
        path = os.environ.get("PYTHONPATH")
        environment = os.environ | {
            "PYTHONPATH": source + (os.pathsep + path if path else ""),
            "PYTHONHASHSEED": "0",
            # One file, one core: parallel work is by process.
            "OMP_THREAD_LIMIT": "1",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            # glibc gives each thread its own arena and keeps what was freed in all of them.
            "MALLOC_ARENA_MAX": "1",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "salient.readers.worker", str(self.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            close_fds=True,
        )
        if niceness:
            with contextlib.suppress(psutil.Error):
                psutil.Process(process.pid).nice(niceness)
        return process
