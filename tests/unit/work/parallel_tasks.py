"""Functions for tests of `salient.parallel`; workers import this module."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import salient
from salient import errors


@salient.parallel
def double(x: int) -> int:
    """Twice as much."""
    return 2 * x


@salient.parallel
def add(a: int, b: int = 10, *more: int) -> int:
    return a + b + sum(more)


@salient.parallel
def two(a: str, b: str = "b") -> str:
    return a + b


@dataclass(frozen=True)
class Point:
    x: int
    day: date


@salient.parallel
def move(point: Point) -> Point:
    return Point(point.x + 1, point.day)


@salient.parallel
def untyped(x, y=None):
    return [x, y]


@salient.parallel
def slow_first(n: int, folder: str) -> int:
    """The first waits until all others are done."""
    if n == 0:
        while len(list(Path(folder).iterdir())) < 5:
            time.sleep(0.01)
    else:
        (Path(folder) / str(n)).touch()
    return n


@salient.parallel
def fails(x: int) -> int:
    if x == 1:
        raise ZeroDivisionError("by nothing")
    if x == 2:
        raise errors.Corrupt("as it is", n=x)
    return x


def _note(file: str) -> None:
    with Path(file).open("ab", buffering=0) as out:
        out.write(b".")


@salient.parallel
def deadly(file: str, times: int) -> int:
    """Kills its worker so many times."""
    _note(file)
    if Path(file).stat().st_size <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return times


def _harm(file: str) -> int:
    _note(file)
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


harm = salient.parallel(_harm, once=True)


@salient.parallel
def loaded() -> list[str]:
    """What this process has imported."""
    return sorted(sys.modules)


@salient.parallel
def where() -> int:
    return os.getpid()


@salient.parallel
def parent() -> int:
    return os.getppid()


@salient.parallel
def variable(name: str) -> str | None:
    return os.environ.get(name)
