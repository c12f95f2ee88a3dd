"""What lies under some paths: counted by kind and size, with a few drawn from each, whatever their number."""

from __future__ import annotations

import math
import os
import random
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from salient.model import Source
from salient.pipeline import intake
from salient.pipeline.costs import Costs, family

_NAMED = 20  # files that cannot be read and are named one by one


@dataclass(frozen=True, slots=True)
class Drawn:
    """A file that may be tried."""

    source: Source
    size_bytes: int
    expected_s: float


@dataclass(slots=True)
class Stratum:
    """The files of one family whose sizes are within a factor of four."""

    family: str
    largest_bytes: int
    n_files: int = 0
    n_bytes: int = 0
    expected_s: float = 0.0
    """Of all its files together, before any was tried."""
    drawn: list[Drawn] = field(default_factory=list)
    """In no order; of `n_files`, each is among them with the same probability."""


@dataclass(slots=True)
class Survey:
    """All that was found."""

    strata: dict[tuple[str, int], Stratum] = field(default_factory=dict)
    n_unreadable: int = 0
    unreadable: list[str] = field(default_factory=list)
    """The first of them, with the reason."""
    n_too_large: int = 0

    @property
    def n_files(self) -> int:
        return sum(s.n_files for s in self.strata.values())

    @property
    def n_bytes(self) -> int:
        return sum(s.n_bytes for s in self.strata.values())


def survey(
    paths: Sequence[str],
    costs: Costs,
    *,
    max_file_bytes: int,
    per_stratum: int = 400,
    seed: int = 0,
    seen: Callable[[int], object] = lambda _: None,
) -> Survey:
    """Walk files and folders as `add` does, without opening a file.

    Args:
        per_stratum: files drawn from each stratum at most; memory is bounded by it.
        seen: told the number of files after each.

    Raises:
        NotFound: a path does not exist.
    """
    found, draw, n = Survey(), random.Random(seed), 0  # noqa: S311 - no secret is made of it
    for source in intake.sources(paths):
        n += 1
        seen(n)
        size, reason = _size(source)
        if reason:
            found.n_unreadable += 1
            if len(found.unreadable) < _NAMED:
                found.unreadable.append(f"{source.name}: {reason}")
            continue
        if size > max_file_bytes:
            found.n_too_large += 1
            continue
        kind, scale = family(source.name), _scale(size)
        stratum = found.strata.setdefault((kind, scale), Stratum(kind, 4**scale))
        expected = costs.expected_s(source.name, size)
        stratum.n_files += 1
        stratum.n_bytes += size
        stratum.expected_s += expected
        one = Drawn(source, size, expected)
        if len(stratum.drawn) < per_stratum:
            stratum.drawn.append(one)
        elif (place := draw.randrange(stratum.n_files)) < per_stratum:
            stratum.drawn[place] = one
    for stratum in found.strata.values():
        # A reservoir's first places keep the walk's order; who takes the first few must not.
        draw.shuffle(stratum.drawn)
    return found


def _scale(size_bytes: int) -> int:
    """The power of four that a size does not exceed; all up to a kilobyte are one."""
    return max(5, math.ceil(math.log(max(1, size_bytes), 4) - 1e-9))


def _size(source: Source) -> tuple[int, str]:
    """The size of a file, or why it cannot be read."""
    path = Path(source.key.removeprefix("file:"))
    try:
        about = path.stat()
    except FileNotFoundError:
        # A name that is not UTF-8 stands escaped in the key; opening is then the only way to it.
        try:
            with source.open() as stream:
                return os.fstat(stream.fileno()).st_size, ""
        except OSError as exc:
            return 0, exc.strerror or "it cannot be read"
    except OSError as exc:
        return 0, exc.strerror or "it cannot be read"
    if not stat.S_ISREG(about.st_mode):
        return 0, "it is a pipe, socket or device"
    if not os.access(path, os.R_OK):
        return 0, "it may not be read by this user"
    return about.st_size, ""
