"""All metrics of a process and of its children, as Prometheus reads them.

Each part declares its own beside what it measures: see the module `metrics` of its package, and
`salient.storage.meters`. Here are those of HTTP and of the process, and how all are given out.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import platform
import shutil
import struct
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

import psutil
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    generate_latest,
    values,
)
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from salient import __version__, log
from salient.pipeline import metrics as of_pipeline
from salient.services import metrics as of_services
from salient.storage import meters as of_stores
from salient.work import metrics as of_work

_log = log.get(__name__)

CONTENT_TYPE = CONTENT_TYPE_LATEST

HTTP_REQUESTS = Counter(
    "salient_http_requests_total",
    "Requests that were answered; routes are those of the table, `other` what is none.",
    ("method", "route", "status"),
)
HTTP_SECONDS = Histogram(
    "salient_http_seconds",
    "Time until a request was answered.",
    ("route",),
    buckets=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
)
BUILD_INFO = Gauge(
    "salient_build_info", "1; what runs is in the labels.", ("version", "python"), multiprocess_mode="livemax"
)  # fmt: skip

_METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS".split())
_DEAD = "dead"  # in the place of a pid, in names of files


def answered(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request; `route` is its template, never its path."""
    HTTP_REQUESTS.labels(method if method in _METHODS else "other", route, str(status)).inc()
    HTTP_SECONDS.labels(route).observe(seconds)


def exposition() -> bytes:
    """Everything measured by this process, or with `start_multiprocess` by its children too."""
    BUILD_INFO.labels(__version__, platform.python_version()).set(1)
    if _shared is None:
        return generate_latest()
    registry = CollectorRegistry()
    registry.register(_shared)
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def start_multiprocess(folder: Path) -> None:
    """Keep what this process and its children measure from now on in files, so that it can be summed.

    Call it in a parent before it starts children and before anything is measured. Children that are
    forked or started anew are part of it by themselves. Parents may share `folder`: each has one
    of its own in it, and those that dead ones left are swept.

    Raises:
        OSError: the folder cannot be written.
    """
    global _shared  # noqa: PLW0603 - metrics are the process's
    _shared = _Shared(folder)
    # Children that import the library find it so in their environment. Here it was imported before,
    # and its families make their values when they are first used.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_shared.folder)
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call] # its own has no types


def child_died(pid: int) -> None:
    """Keep what a dead child counted, in one file with that of other dead ones."""
    if _shared is not None:
        _shared.bury(pid)


@final
class _Shared(Collector):
    """The files of this process and its children.

    Those of children that died since are added up first: counts never go down, nor do files pile up.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._pid = os.getpid()
        with _locked(folder / "lock"):
            for other in folder.iterdir():
                if other.is_dir() and not _is_held(other / "lock"):
                    shutil.rmtree(other, ignore_errors=True)
            self.folder = Path(tempfile.mkdtemp(dir=folder, prefix=f"{self._pid}-"))
            # Held as long as this process lives, and children that were forked from it.
            self._held = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o640)
            fcntl.flock(self._held, fcntl.LOCK_EX)
        atexit.register(self._end)

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            for pid in {p for file in self.folder.glob("*.db") if (p := _pid_of(file)) is not None}:
                if not psutil.pid_exists(pid):
                    self._bury(pid)
            # One that is just being made is empty.
            files = [str(f) for f in self.folder.glob("*.db") if f.stat().st_size]
            merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call] # its own has no types
            return list(merged)

    def bury(self, pid: int) -> None:
        with self._lock:
            self._bury(pid)

    def _bury(self, pid: int) -> None:
        for file in self.folder.glob(f"*_{pid}.db"):
            kind = file.name.partition("_")[0]
            if kind != "gauge":  # what it had at hand is gone with it; what it counted has happened
                self._add(file, self.folder / f"{kind}_{_DEAD}.db")
            file.unlink()

    @staticmethod
    def _add(file: Path, sums: Path) -> None:
        try:
            rows = list(MmapedDict.read_all_values_from_file(str(file)))  # type: ignore[no-untyped-call] # its own has no types
        except (RuntimeError, UnicodeDecodeError, struct.error):
            _log.warning("metrics.unreadable", file=file.name)  # killed while it made the file
            return
        into = MmapedDict(str(sums))  # type: ignore[no-untyped-call] # the same
        for key, value, _, _ in rows:
            into.write_value(key, into.read_value(key)[0] + value, 0.0)  # type: ignore[no-untyped-call] # the same
        into.close()  # type: ignore[no-untyped-call] # the same

    def _end(self) -> None:
        if os.getpid() == self._pid:
            shutil.rmtree(self.folder, ignore_errors=True)


_shared: _Shared | None = None


def _pid_of(file: Path) -> int | None:
    written = file.stem.rpartition("_")[2]
    return int(written) if written.isdecimal() else None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    held = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _is_held(path: Path) -> bool:
    """Whether somebody has the lock of a parent's folder, that is, lives."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@dataclass(frozen=True, slots=True, order=True)
class Family:
    """A metric as it is declared."""

    name: str
    kind: str
    labels: tuple[str, ...]
    about: str


def families() -> list[Family]:
    """Every metric that salient declares, by name."""
    spaces = [vars(m) for m in (of_stores, of_pipeline, of_work, of_services)] + [globals()]
    found = set()
    for metric in (value for space in spaces for value in space.values()):
        if isinstance(metric, MetricWrapperBase):
            (said,) = metric.describe()
            name = said.name + ("_total" if said.type == "counter" else "")
            labels = tuple(metric._labelnames)
            found.add(Family(name, said.type, labels, said.documentation))
    return sorted(found)
